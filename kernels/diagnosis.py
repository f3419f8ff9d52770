"""Why a GPU cannot be used, and what to do about it: facts that can be found out without one, and what follows from them.

It stands beside the GPU's rung and not in it, since what is wrong may be that the rung cannot be imported. `facts` asks the environment, the
packages, the driver's own library and the compiler's; nothing in it raises. `diagnose` looks at facts alone, so that what it says of any
machine can be tested on every other.
"""
import ctypes
import importlib.metadata
import os
import sys

VARIABLES = ("TINYATTN_CUDA", "NUMBA_ENABLE_CUDASIM", "CUDA_VISIBLE_DEVICES")
OLDEST = 7, 5
"""The oldest compute capability that CUDA 13 compiles for; the kernels are written for it and younger ones."""
NO_DEVICE, STUB, MISMATCH, UNKNOWN = 100, 34, 803, 999
"""Answers of ``cuInit``, by the driver's numbers."""


def facts():
    """What there is. None: not there, or not known; a text under a name with "_error": why it does not work."""
    found = {"environment": {name: os.environ[name] for name in VARIABLES if os.environ.get(name)}, "numpy": _version("numpy"),
             "numba_cuda": _version("numba-cuda"), "driver": None, "init": None, "devices": [], "toolkit": None}
    found.update(_driver())
    if found["numba_cuda"] is not None and not found["environment"].get("NUMBA_ENABLE_CUDASIM"):
        found.update(_toolkit())
    return found


def _version(package):
    try:
        return importlib.metadata.version(package)
    except importlib.metadata.PackageNotFoundError:
        return None


def _driver():
    """The driver's newest CUDA, whether it starts, and its devices; asked of its own library, without starting anything on them."""
    try:
        library = ctypes.CDLL("nvcuda.dll" if sys.platform == "win32" else "libcuda.so.1")
        number, name = ctypes.c_int(), ctypes.create_string_buffer(100)
        library.cuDriverGetVersion(ctypes.byref(number))
        found = {"driver": [number.value // 1000, number.value % 1000 // 10], "init": library.cuInit(0), "devices": []}
        if found["init"] == 0 and library.cuDeviceGetCount(ctypes.byref(number)) == 0:
            for k in range(number.value):
                device, major, minor = ctypes.c_int(), ctypes.c_int(), ctypes.c_int()
                library.cuDeviceGet(ctypes.byref(device), k)
                library.cuDeviceGetName(name, len(name), device)
                library.cuDeviceGetAttribute(ctypes.byref(major), 75, device)
                library.cuDeviceGetAttribute(ctypes.byref(minor), 76, device)
                found["devices"].append({"name": name.value.decode(errors="replace"), "capability": [major.value, minor.value]})
        return found
    except (OSError, AttributeError):  # no such library
        return {}


def _toolkit():
    """The compiler's libraries that numba-cuda finds: CUDA's version, and why one of them cannot be loaded."""
    found = {}
    try:
        from .cuda.runtime import cuda  # which mends what numba-cuda expects of NumPy
        from numba.cuda.cudadrv import nvrtc, nvvm
    except Exception as error:  # whatever an import may meet
        return {"import_error": said(error)}
    for name, ask in (("toolkit", lambda: list(cuda.runtime.get_version())), ("nvvm", nvvm.NVVM), ("nvrtc", nvrtc._get_nvrtc_version)):
        try:
            answer = ask()
            found.update({"toolkit": answer} if name == "toolkit" else {})
        except Exception as error:
            found[f"{name}_error"] = said(error)
    return found


def said(error):
    """An error in one line, without the empty ones around it."""
    words = " ".join(str(error).split())[:300]
    return f"{type(error).__name__}: {words}" if words else type(error).__name__


# ---- facts → what is wrong --------------------------------------------------------------------------------------------------

SIMULATE = "TINYATTN_CUDA=simulator runs tiny sizes in Python"


def diagnose(facts):
    """What stands between us and the GPU: pairs of (what, repair), what must be mended first before the rest. [] if nothing is known to."""
    return [finding for rule in RULES for finding in rule(facts)]


def _variables(facts):
    environment = facts["environment"]
    if environment.get("TINYATTN_CUDA") == "simulator":
        yield "TINYATTN_CUDA=simulator is set: GPU kernels run in Python, one thread after another", "unset TINYATTN_CUDA"
    elif environment.get("TINYATTN_CUDA") not in (None, "gpu"):
        yield (f"TINYATTN_CUDA={environment['TINYATTN_CUDA']} means nothing: expected simulator or gpu",
               "unset TINYATTN_CUDA, or set it to simulator to run tiny sizes in Python")
    if environment.get("NUMBA_ENABLE_CUDASIM", "0") != "0":
        yield (f"NUMBA_ENABLE_CUDASIM={environment['NUMBA_ENABLE_CUDASIM']} is set: Numba puts its own simulator in the GPU's place, which lacks "
               "the exchanges between lanes that these kernels use", f"unset NUMBA_ENABLE_CUDASIM; {SIMULATE}")
    if environment.get("CUDA_VISIBLE_DEVICES") in ("-1", "none", "NoDevFiles"):
        yield f"CUDA_VISIBLE_DEVICES={environment['CUDA_VISIBLE_DEVICES']} hides every GPU", "unset CUDA_VISIBLE_DEVICES"


def _no_driver(facts):
    if facts["driver"] is None:
        yield ("no NVIDIA driver was found on this machine", f"install NVIDIA's driver (in a container: start it with --gpus all); without a GPU, {SIMULATE}")
    elif facts["init"]:
        code = facts["init"]
        yield {
            NO_DEVICE: ("there is an NVIDIA driver, and no GPU that it can use", "look whether nvidia-smi lists one; in a container, start it with --gpus all"),
            STUB: ("libcuda.so.1 is the toolkit's stub and no driver", "take the folder lib/stubs out of LD_LIBRARY_PATH, and install NVIDIA's driver"),
            MISMATCH: ("the NVIDIA driver's library and its kernel module are of different versions", "restart the machine, or install one version of the driver"),
            UNKNOWN: ("the NVIDIA driver does not start (999, unknown error)", "reload it (sudo modprobe -r nvidia_uvm && sudo modprobe nvidia_uvm), or restart the machine"),
        }.get(code, (f"the NVIDIA driver does not start (error {code})", "look at what nvidia-smi says, and restart the machine"))
    elif facts["devices"] and max(d["capability"] for d in facts["devices"]) < list(OLDEST):
        best = max(facts["devices"], key=lambda d: d["capability"])
        yield (f"{best['name']} has compute capability {best['capability'][0]}.{best['capability'][1]}, older than {OLDEST[0]}.{OLDEST[1]}, which is the "
               "least that CUDA 13 compiles for", "a newer GPU (Turing or later), or kernels.use(\"cpu\")")


def _packages(facts):
    if facts["numba_cuda"] is None:
        yield ("numba-cuda is not installed", _extra(facts))
    if facts.get("import_error"):
        error = facts["import_error"]
        if "numpy" in error.lower() or "row_stack" in error:
            yield (f"numba-cuda {facts['numba_cuda']} does not work with NumPy {facts['numpy']} ({error})", "pip install 'numpy<2.5'")
        else:
            yield f"numba-cuda {facts['numba_cuda']} cannot be imported ({error})", f"pip install --force-reinstall 'numba-cuda>=0.30.4,<0.31'; {_extra(facts)}"


def _compiler(facts):
    if facts.get("nvvm_error"):
        yield f"libNVVM, which compiles the kernels, cannot be loaded ({facts['nvvm_error']})", f"{_extra(facts)}, which brings it; or set CUDA_HOME to a CUDA toolkit"
    if facts.get("nvrtc_error"):
        yield f"NVRTC, of CUDA's compiler, cannot be loaded ({facts['nvrtc_error']})", f"{_extra(facts)}, which brings it; or pip install nvidia-cuda-nvrtc"
    if facts.get("toolkit_error") and not facts.get("nvvm_error") and not facts.get("nvrtc_error"):
        yield f"CUDA's runtime library cannot be loaded ({facts['toolkit_error']})", _extra(facts)


def _too_old(facts):
    driver, toolkit = facts["driver"], facts["toolkit"]
    if driver and toolkit and driver[0] < toolkit[0]:
        yield (f"the NVIDIA driver knows CUDA up to {driver[0]}.{driver[1]}, and the libraries installed are of CUDA {toolkit[0]}.{toolkit[1]}",
               ("pip uninstall the nvidia-* packages of CUDA 13, then pip install 'tinyattn[cuda12]'; or a newer driver (580 or later)" if driver[0] == 12 else
                "a newer driver (580 or later)"))


def _use(facts):
    error = facts.get("run_error")
    if not error:
        return
    if "OUT_OF_MEMORY" in error.upper().replace(" ", "_") or error.startswith("MemoryError"):
        yield (f"the GPU has no memory left ({error})", "end other programs that hold it (nvidia-smi lists them), or use a smaller --batch-size")
    elif "UNSUPPORTED_PTX" in error.upper() or "NO_BINARY_FOR_GPU" in error.upper():
        yield (f"the driver does not know the code that is compiled ({error})", "a newer driver (580 or later for CUDA 13), or pip install 'tinyattn[cuda12]'")
    else:
        yield f"the GPU does not do what it is told ({error})", "look at what nvidia-smi says; report this, with the facts of tinyattn doctor --json"


def _extra(facts):
    """How to install what is missing, for the driver that is there."""
    old = facts["driver"] and facts["driver"][0] < 13
    return "pip install 'tinyattn[cuda12]'" if old else "pip install 'tinyattn[cuda]' (CUDA 13) or 'tinyattn[cuda12]'"


RULES = (_variables, _no_driver, _packages, _compiler, _too_old, _use)


def in_a_line(facts, error):
    """The first thing to be mended, with its repair; `error`: what the driver said, for when nothing is known to be wrong."""
    for what, repair in diagnose(facts):
        return f"{what}; {repair}"
    return f"no usable NVIDIA GPU ({error}); `tinyattn doctor` says more, {SIMULATE}"
