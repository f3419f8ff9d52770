"""Look at this machine: what is installed, what the kernels run on, whether they run, and what would be slow or unsafe.

Each warning comes with its repair. The exit code is 0 where TinyAttn can be used, warnings or not, and 1 where something
is broken. The first time it takes half a minute: a kernel is compiled.
"""
import json
import sys

from ..nearest import did_you_mean

GB = 1 << 30
WORST = 1e-4  # of a float32 convolution of 144 products, beside the reference


def add_arguments(parser):
    """The options of `tinyattn doctor`."""
    parser.add_argument("--json", action="store_true", help="print everything as one JSON object")


def run(args):
    """Gather, judge, print."""
    from . import doctor_facts
    facts = doctor_facts.gather()
    findings = judge(facts)
    usable = not any(finding["level"] == "broken" for finding in findings)
    if args.json:
        print(json.dumps({"usable": usable, "findings": findings, **facts}))
    else:
        print(describe(facts))
        for finding in findings:
            print(f"{finding['level'].upper():<8} {finding['what']}\n         repair: {finding['repair']}")
        broken = sum(finding["level"] == "broken" for finding in findings)
        print(f"\n{'ready to use' if usable else 'NOT usable'}: {broken} broken, {len(findings) - broken} warnings")
    return 0 if usable else 1


def judge(facts):
    """The findings, worst first: dicts of ``level`` ("broken" or "warning"), ``what`` and ``repair``. Looks at `facts` alone."""
    found = []
    for rule in RULES:
        try:
            found += rule(facts, facts.get("environment", {}))
        except (KeyError, TypeError, AttributeError):  # what the rule wanted to know could not be found out, and says so itself
            continue
    return sorted(found, key=lambda finding: finding["level"])


def _broken(what, repair):
    return [{"level": "broken", "what": what, "repair": repair}]


def _warning(what, repair):
    return [{"level": "warning", "what": what, "repair": repair}]


# ---- the rules: facts and environment → findings -----------------------------------------------------------------------

def _unknown_sections(facts, environment):
    return [finding for name, section in facts.items() if isinstance(section, dict) and "error" in section and name != "probe"
            for finding in _warning(f"{name}: could not be found out ({section['error']})", "report this, with the line above")]


def _packages(facts, environment):
    found = []
    for name, have, wanted in facts["requirements"]:
        repair = f"use a Python {wanted}" if name == "python" else f"pip install '{name}{wanted}'"
        found += (_broken(f"{name} is not installed, expected {wanted}", repair) if have is None else
                  _warning(f"{name} is version {have}, TinyAttn was tried with {wanted}", repair))
    return found


def _kernels(facts, environment):
    probe = facts["probe"]
    why = probe.get("error") or probe.get("kernels_error")
    if why:
        if environment.get("NUMBA_DISABLE_JIT", "0") not in ("", "0"):
            return _broken(f"NUMBA_DISABLE_JIT={environment['NUMBA_DISABLE_JIT']} forbids compiling, and the kernels do not run without "
                           f"({why})", "unset NUMBA_DISABLE_JIT; to step through readable kernels, use TINYATTN_KERNELS=reference")
        return _broken(f"the compiled kernels do not run: {why}",
                       "pip install --force-reinstall numba llvmlite; until then TINYATTN_KERNELS=reference works, slowly")
    if not probe["kernels"]["difference"] <= WORST:
        return _broken(f"the compiled convolution differs from the reference by {probe['kernels']['difference']:.1e} of its largest "
                       f"value, expected at most {WORST:.0e}", "remove the cache folder "
                       f"{facts.get('cache', {}).get('folder', '')} and try again; report it if it stays")
    return []


def _jit(facts, environment):
    value = environment.get("NUMBA_DISABLE_JIT", "0")
    if value in ("", "0") or facts["probe"].get("error") or facts["probe"].get("kernels_error"):
        return []
    return _warning(f"NUMBA_DISABLE_JIT={value} is set: nothing is compiled", "unset NUMBA_DISABLE_JIT")


def _rung(facts, environment):
    from .. import kernels
    chosen = environment.get("TINYATTN_KERNELS") or "cpu"
    if chosen not in kernels.HOST_RUNGS:
        hint = did_you_mean(chosen, kernels.HOST_RUNGS, quoted=False)
        return _broken(f"TINYATTN_KERNELS={chosen} names no kernels" + (f": {hint}" if hint else ""),
                       f"set it to one of {', '.join(kernels.HOST_RUNGS)}, or unset it")
    if chosen == "reference":
        return _warning("TINYATTN_KERNELS=reference is set: everything runs on the specification, 10 to 100 times slower",
                        "unset TINYATTN_KERNELS")
    return []


def _layer(facts, environment):
    layer = facts["probe"]["kernels"]["threading_layer"]
    if layer == "workqueue":
        forced = environment.get("NUMBA_THREADING_LAYER")
        repair = ("unset NUMBA_THREADING_LAYER" if forced == "workqueue" else
                  {"darwin": "brew install libomp", "win32": "pip install tbb"}.get(sys.platform, "apt install libgomp1 (or your "
                                                                                    "system's package of GNU OpenMP)"))
        return _warning("no OpenMP: Numba's threading layer is workqueue, which ends the process when two threads call parallel kernels "
                        "at once", repair)
    return []


def _vectors(facts, environment):
    processor = facts["processor"]
    found = []
    if processor["machine"].lower() in ("x86_64", "amd64") and "avx2" not in processor["features"]:
        found += _warning("this x86-64 processor shows no AVX2: kernels work with 16 bytes at a time, 2 to 4 times slower",
                          "on a virtual machine, let the processor's features through (host passthrough); else another machine")
    named = {name: environment[name] for name in ("NUMBA_CPU_NAME", "NUMBA_CPU_FEATURES", "TINYATTN_VECTOR_BYTES") if environment.get(name)}
    if named:
        found += _warning(", ".join(f"{name}={value}" for name, value in named.items()) + ": kernels are not compiled for the processor "
                          "that is here", "unset " + " ".join(named))
    return found


def _threads(facts, environment):
    there, allowed, quota = (facts["cores"][key] for key in ("there", "allowed", "quota"))
    usable = max(1, min(allowed, round(quota) if quota else allowed))
    threads, found = facts["probe"]["kernels"]["threads"], []
    wish, limit, others = (_whole(environment.get(name)) for name in ("NUMBA_NUM_THREADS", "OMP_THREAD_LIMIT", "OMP_NUM_THREADS"))
    if threads > usable:
        reason = f"NUMBA_NUM_THREADS={wish}" if wish == threads else "a container's quota"
        found += _warning(f"{threads} threads share {usable} processors ({reason}): they wait for one another",
                          f"NUMBA_NUM_THREADS={usable}")
    if wish and wish < usable:
        found += _warning(f"NUMBA_NUM_THREADS={wish} keeps the kernels to {wish} of {usable} processors", "unset NUMBA_NUM_THREADS")
    if limit and limit < threads:
        found += _warning(f"OMP_THREAD_LIMIT={limit} lets OpenMP start only {limit} of {threads} threads", "unset OMP_THREAD_LIMIT")
    if others and others < usable:
        found += _warning(f"OMP_NUM_THREADS={others} limits NumPy and PyTorch to {others} of {usable} processors (these kernels go by "
                          "NUMBA_NUM_THREADS)", "unset OMP_NUM_THREADS")
    if usable < there:
        found += _warning(f"this process may use {usable} of {there} processors", "give the container or the job more processors")
    if threads == 1 and not (wish and wish < usable):
        found += _warning("kernels run on a single thread", "a machine with more processors, if training is too slow")
    return found


def _whole(text):
    return int(text) if text and text.isdecimal() else None


def _gpu(facts, environment):
    """What keeps a GPU from being used, where somebody seems to want it: a driver is there, or numba-cuda is."""
    from ..kernels.diagnosis import diagnose
    gpu = facts["probe"]["gpu"]
    if gpu["driver"] is None and gpu["numba_cuda"] is None and not gpu["environment"]:
        return []
    return [finding for what, repair in diagnose(gpu) for finding in _warning(f"no GPU is used: {what}", repair)]


def _cache(facts, environment):
    cache = facts["cache"]
    if not cache["writable"]:
        return _warning(f"compiled kernels cannot be kept: {cache['folder']} is not writable, so every process compiles anew (10 to 30 s)",
                        "set TINYATTN_CACHE to a folder you may write to")
    if cache["makeshift"]:
        return _warning(f"{cache['wanted']} is not writable: compiled kernels are kept in {cache['folder']}, which the system may clear",
                        "make it writable, or set TINYATTN_CACHE to a folder you may write to")
    return []


def _room(facts, environment):
    free, found = facts["memory"]["free"], []
    if free is not None and free < 2 * GB:
        found += _warning(f"only {free / GB:.1f} GB of memory are free; training on CIFAR takes up to 2 GB",
                          "close other programs, or use a smaller --batch-size and --limit-train")
    disk = facts["disk"]
    if disk["free"] < GB:
        found += _warning(f"only {disk['free'] / GB:.2f} GB are free in {disk['folder']}, where runs are kept",
                          "free some space, or choose another place with --out")
    if not disk["writable"]:
        found += _warning(f"{disk['folder']} is not writable, and runs are kept there", "choose another place with --out")
    return found


RULES = (_kernels, _packages, _rung, _jit, _layer, _vectors, _threads, _gpu, _cache, _room, _unknown_sections)


# ---- the report ----------------------------------------------------------------------------------------------------------

def describe(facts):
    """The facts as text, a section a block."""
    sections = {
        "versions": lambda s: [(name, found or "not installed") for name, found in s.items()],
        "processor": lambda s: [("name", s["name"]), ("for LLVM", f"{s['llvm']} ({', '.join(s['features'])})"), ("system", s["system"])],
        "cores": lambda s: [("processors", f"{s['there']}, of which this process may use {s['allowed']}"
                             + (f", for {s['quota']:g} of the time" if s["quota"] else ""))],
        "probe": _probe_lines,
        "cache": lambda s: [("folder", s["folder"]), ("holds", f"{s['entries']} files, {s['bytes'] / 1e6:.1f} MB"
                                                      + (f"; {s['other_versions']} other versions beside it" if s["other_versions"] else "")),
                            ("writable", "yes" if s["writable"] else "no")],
        "data": lambda s: [("looked in", ", ".join(s["looked_in"]))] + [(name, where or f"not here (tinyattn data {name} downloads it)")
                                                                        for name, where in s["sets"].items()],
        "memory": lambda s: [("free", "unknown" if s["free"] is None else f"{s['free'] / GB:.1f} of {s['total'] / GB:.1f} GB")],
        "disk": lambda s: [("free", f"{s['free'] / GB:.1f} GB in {s['folder']}")],
        "environment": lambda s: list(s.items()),
    }
    titles = {"cores": "processors", "probe": "kernels"}
    lines = []
    for name, words in sections.items():
        section = facts.get(name) or {}
        try:
            rows = words(section)
        except (KeyError, TypeError, AttributeError):
            rows = [("unknown", section.get("error", "") if isinstance(section, dict) else "")]
        if rows:
            lines += [titles.get(name, name), *(f"  {key:<14} {value}" for key, value in rows), ""]
    return "\n".join(lines)


def _probe_lines(probe):
    rows = []
    kernels = probe.get("kernels")
    if kernels:
        compiled = f"{kernels['compile_seconds']:.1f} s of compiling" if kernels["compiled"] else "nothing had to be compiled"
        rows += [("convolution", f"differs from the reference by {kernels['difference']:.0e}; {compiled}, "
                                 f"then {kernels['again_seconds'] * 1000:.2f} ms"),
                 ("vectors", f"{kernels['vector_bytes']} bytes, {kernels['vector_bytes'] // 4} float32"),
                 ("threads", f"{kernels['threads']}, threading layer {kernels['threading_layer']}")]
    else:
        rows.append(("convolution", f"does not run: {probe.get('error') or probe.get('kernels_error')}"))
    return [*rows, ("CUDA", _gpu_line(probe))]


def _gpu_line(probe):
    """The GPU in a line: what there is, or the first thing that is missing."""
    from ..kernels.diagnosis import diagnose
    gpu = probe.get("gpu")
    if not gpu:
        return probe.get("gpu_error", "unknown")
    for what, repair in diagnose(gpu):
        return f"{what}; {repair}"
    names = ", ".join(f"{d['name']} ({d['capability'][0]}.{d['capability'][1]})" for d in gpu["devices"])
    return f"works: {names}, driver for CUDA {gpu['driver'][0]}.{gpu['driver'][1]}, libraries of {'.'.join(map(str, gpu['toolkit'] or ['?']))}"
