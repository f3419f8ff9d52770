"""What the doctor looks at: versions, processor, threads, cache, data, memory. Nothing here judges, and nothing raises."""
import json
import os
import pathlib
import platform
import shutil
import signal
import subprocess
import sys

from .. import requirements

VARIABLES = ("TINYATTN_KERNELS", "TINYATTN_CUDA", "TINYATTN_CACHE", "TINYATTN_DATA", "TINYATTN_VECTOR_BYTES", "NUMBA_ENABLE_CUDASIM",
             "NUMBA_DISABLE_JIT", "NUMBA_NUM_THREADS", "NUMBA_THREADING_LAYER", "NUMBA_CPU_NAME", "NUMBA_CPU_FEATURES", "OMP_NUM_THREADS", "OMP_THREAD_LIMIT", "OMP_WAIT_POLICY")
PATIENCE = 600
"""Seconds that the kernels may take to compile and run."""

_SHOWN_FEATURES = ("sse2", "sse4.2", "avx", "avx2", "fma", "avx512f", "avx512bw", "neon", "asimd", "sve")


def versions():
    """Package → version, None where it is not installed."""
    import tinyattn
    return {"python": platform.python_version(), "tinyattn": tinyattn.__version__,
            **{name: requirements.version(name) for name in requirements.SHOWN}}


def processor():
    """Its name and features as LLVM sees them, and how many there are."""
    from llvmlite import binding

    from ..bench.machine import processor as name
    features = {key for key, there in binding.get_host_cpu_features().items() if there}
    return {"name": name(), "llvm": binding.get_host_cpu_name(), "machine": platform.machine(), "system": platform.platform(),
            "features": [key for key in _SHOWN_FEATURES if key in features]}


def cores():
    """How many processors there are, this process may use, and a container's quota allows (None: no limit)."""
    quota = None
    try:
        most, period = pathlib.Path("/sys/fs/cgroup/cpu.max").read_text(encoding="ascii").split()
        quota = None if most == "max" else int(most) / int(period)
    except (OSError, ValueError, ZeroDivisionError):
        pass
    allowed = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count()
    return {"there": os.cpu_count() or 1, "allowed": allowed or 1, "quota": quota}


def cache():
    """The folder of compiled kernels: how large, how many entries, whether it is the user's own or a makeshift."""
    from tinyattn.kernels.cpu import cache as kept
    folder, wanted = pathlib.Path(kept.FOLDER), kept.user_cache_folder()
    size, entries = 0, 0
    for path in folder.rglob("*.nb[ci]"):
        try:
            size, entries = size + path.stat().st_size, entries + 1
        except OSError:  # another process replaced it
            pass
    makeshift = wanted not in folder.parents
    return {"folder": str(folder), "wanted": str(wanted), "makeshift": makeshift, "writable": kept._writable(folder), "bytes": size,
            "entries": entries, "other_versions": sum(1 for each in folder.parent.glob("*") if each != folder and each.is_dir())}


def data():
    """Where data sets are looked for, and where each was found (None: nowhere)."""
    from ..data import locate
    from ..data.datasets import BUILT_IN
    from ..data.published import SOURCES
    found = {name: "built in" for name in BUILT_IN}
    for name, source in SOURCES.items():
        paths = locate.find(source, "train") or locate.find(source, "test")
        found[name] = str(paths[0].parent) if paths else None
    return {"looked_in": [str(root) for root in locate.roots()], "sets": found}


def memory():
    """Bytes of memory that are free for us and in all (None: unknown)."""
    from ..kernels.memory import state
    return {name: value for name, value in state().items() if name != "swap"}


def disk():
    """Bytes free where runs are kept, and where."""
    folder = pathlib.Path("runs") if pathlib.Path("runs").is_dir() else pathlib.Path(".")
    return {"folder": str(folder.resolve()), "free": shutil.disk_usage(folder).free, "writable": os.access(folder, os.W_OK)}


def probe(patience=PATIENCE):
    """What doctor_probe.py prints, from a process of its own; {"error": …} where it did not come to its end."""
    import tinyattn
    root = str(pathlib.Path(tinyattn.__file__).resolve().parent.parent)
    paths = [root, *filter(None, [os.environ.get("PYTHONPATH")])]
    try:
        done = subprocess.run([sys.executable, "-P", "-m", "tinyattn.commands.doctor_probe"], capture_output=True, text=True,
                              timeout=patience, env={**os.environ, "PYTHONPATH": os.pathsep.join(paths)}, stdin=subprocess.DEVNULL)
    except subprocess.TimeoutExpired:
        return {"error": f"the kernels did not come to an end within {patience} seconds"}
    if done.returncode < 0:
        try:
            name = signal.Signals(-done.returncode).name
        except ValueError:
            name = str(-done.returncode)
        return {"error": f"the process that ran the kernels was ended by signal {name}"}
    try:
        found = json.loads(done.stdout.splitlines()[-1])
    except (ValueError, IndexError):
        said = (done.stderr.strip().splitlines() or ["nothing was said"])[-1]
        return {"error": f"the process that ran the kernels failed: {said[:300]}"}
    return found


def gather():
    """All of it: section → facts; a section that could not be found out is {"error": …}."""
    found = {"environment": {name: os.environ[name] for name in VARIABLES if name in os.environ}}
    for section in (versions, processor, cores, probe, cache, data, memory, disk):     # what the probe compiles lies in the cache
        try:
            found[section.__name__] = section()
        except Exception as error:  # the doctor reports, whatever it meets
            found[section.__name__] = {"error": f"{type(error).__name__}: {' '.join(str(error).split())[:200]}"}
    try:
        found["requirements"] = [list(each) for each in requirements.complaints()]
    except Exception as error:
        found["requirements"] = []
        found["requirements_error"] = str(error)
    return found
