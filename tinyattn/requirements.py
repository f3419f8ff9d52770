"""Which packages and versions TinyAttn asks for, and which are here; the standard library alone knows it."""
import configparser
import importlib.metadata
import pathlib
import platform
import re

SHOWN = ("numpy", "numba", "llvmlite", "scipy", "pillow", "matplotlib", "safetensors", "tqdm", "torch", "numba-cuda")
"""What a report names, required or not."""


def ranges():
    """Package → range, such as ``{"numpy": ">=2.0,<3"}``, with "python" among them: setup.cfg's, else the installation's."""
    setup = pathlib.Path(__file__).resolve().parent.parent / "setup.cfg"
    if setup.is_file():
        parser = configparser.ConfigParser()
        parser.read(setup, encoding="utf-8")
        if parser.get("metadata", "name", fallback="") == "tinyattn":
            lines = parser.get("options", "install_requires").split()
            return {"python": parser.get("options", "python_requires"), **dict(map(_split, lines))}
    try:
        about = importlib.metadata.metadata("tinyattn")
    except importlib.metadata.PackageNotFoundError:
        return {}
    lines = [line for line in about.get_all("Requires-Dist") or [] if ";" not in line]  # with ";" it is an extra's
    return {"python": about.get("Requires-Python") or "", **dict(map(_split, lines))}


def _split(line):
    """``numpy>=2.0,<3`` or ``numpy (<3,>=2.0)`` → ("numpy", ">=2.0,<3")."""
    name, rest = re.match(r"\s*([\w.-]+)\s*\(?([^)]*)", line).groups()
    return name.lower(), rest.replace(" ", "")


def version(name):
    """The installed version of a package, or None."""
    if name == "python":
        return platform.python_version()
    try:
        return importlib.metadata.version(name)
    except importlib.metadata.PackageNotFoundError:
        return None


def _numbers(text):
    return [int(part) for part in re.findall(r"\d+", re.match(r"[\d.]*", text)[0])]


def fits(found, wanted):
    """Whether version `found` lies in the range `wanted`, of ``>=`` and ``<`` terms. Only the numbers are compared."""
    for sign, limit in re.findall(r"(>=|<)\s*([\d.]+)", wanted):
        a, b = _numbers(found), _numbers(limit)
        width = max(len(a), len(b))
        a, b = a + [0] * (width - len(a)), b + [0] * (width - len(b))
        if not (a >= b if sign == ">=" else a < b):
            return False
    return True


def complaints():
    """(package, version or None, range) of everything that is missing or out of its range."""
    found = ((name, version(name), wanted) for name, wanted in ranges().items())
    return [(name, have, wanted) for name, have, wanted in found if have is None or not fits(have, wanted)]
