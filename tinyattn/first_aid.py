"""``tinyattn doctor`` where TinyAttn itself cannot be imported: Numba refuses this NumPy, or a package is missing.

Then not even the command line can be loaded. So before anything else is imported, ``tinyattn/__init__.py`` calls `stand_by`
where the doctor was asked for; what goes wrong while importing comes out here. The standard library is all that is used.
"""
import json
import sys

from . import requirements


def stand_by():
    """Explain an error that ends the process in the form of the doctor's report, with exit code 1."""
    before = sys.excepthook

    def explain(kind, error, whole):
        trace = whole
        while trace is not None and trace.tb_frame.f_globals.get("__name__") != __package__:
            trace = trace.tb_next
        if trace is not None and issubclass(kind, Exception):  # it came out of tinyattn/__init__.py
            print(report(f"{kind.__name__}: {error}", "--json" in sys.argv))
        else:
            before(kind, error, whole)
    sys.excepthook = explain


def report(error, as_json=False):
    """What is installed, what should be, and the error."""
    versions = {name: requirements.version(name) for name in ("python", *requirements.SHOWN)}
    wrong = requirements.complaints()
    repair = "pip install " + " ".join(f"'{name}{wanted}'" for name, _, wanted in wrong if name != "python") if any(
        name != "python" for name, _, _ in wrong) else "pip install --force-reinstall numpy numba, in an environment of its own"
    if any(name == "python" for name, _, _ in wrong):
        repair = f"use a Python {requirements.ranges()['python']}"
    said = " ".join(str(error).split())[:400]
    if as_json:
        return json.dumps({"usable": False, "versions": versions, "findings": [
            {"level": "broken", "what": f"TinyAttn cannot be imported: {said}", "repair": repair}]})
    lines = ["versions", *(f"  {name:<12} {found or 'not installed'}" for name, found in versions.items()), "",
             f"BROKEN   TinyAttn cannot be imported: {said}"]
    lines += [f"BROKEN   {name} is {found or 'not installed'}, TinyAttn needs {wanted}" for name, found, wanted in wrong]
    return "\n".join([*lines, f"         repair: {repair}"])
