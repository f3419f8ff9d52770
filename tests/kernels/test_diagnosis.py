"""Why a GPU cannot be used: what is said of every machine that has something missing, from facts alone; and of this one."""
import os
import subprocess
import sys

import pytest

from tinyattn.commands import doctor, doctor_probe
from tinyattn.kernels import diagnosis
from tinyattn.kernels.cuda import runtime


def working():
    """Facts of a machine whose GPU works."""
    return {"environment": {}, "numpy": "2.4.6", "numba_cuda": "0.30.4", "driver": [13, 0], "init": 0,
            "devices": [{"name": "NVIDIA H100", "capability": [9, 0]}], "toolkit": [13, 0]}


NOTHING = {"numba_cuda": None, "driver": None, "init": None, "devices": [], "toolkit": None}
CONDITIONS = [  # what is changed, words of the first finding, words of its repair
    (NOTHING, "no NVIDIA driver was found", "install NVIDIA's driver (in a container: start it with --gpus all)"),
    ({"driver": None, "init": None, "devices": []}, "no NVIDIA driver was found", "TINYATTN_CUDA=simulator runs tiny sizes"),
    ({"init": 100, "devices": []}, "no GPU that it can use", "nvidia-smi"),
    ({"init": 34, "devices": []}, "the toolkit's stub", "LD_LIBRARY_PATH"),
    ({"init": 803, "devices": []}, "of different versions", "restart the machine"),
    ({"init": 999, "devices": []}, "does not start (999, unknown error)", "modprobe nvidia_uvm"),
    ({"init": 3, "devices": []}, "does not start (error 3)", "nvidia-smi"),
    ({"devices": [{"name": "Tesla P100", "capability": [6, 0]}]}, "Tesla P100 has compute capability 6.0, older than 7.5", "Turing or later"),
    ({"numba_cuda": None, "toolkit": None}, "numba-cuda is not installed", "pip install 'tinyattn[cuda]' (CUDA 13) or 'tinyattn[cuda12]'"),
    ({"numba_cuda": None, "toolkit": None, "driver": [12, 4]}, "numba-cuda is not installed", "pip install 'tinyattn[cuda12]'"),
    ({"driver": [12, 4]}, "the NVIDIA driver knows CUDA up to 12.4, and the libraries installed are of CUDA 13.0",
     "pip install 'tinyattn[cuda12]'; or a newer driver (580 or later)"),
    ({"driver": [11, 8]}, "knows CUDA up to 11.8", "a newer driver (580"),
    ({"import_error": "AttributeError: module 'numpy' has no attribute 'row_stack'", "numpy": "2.6.0"},
     "numba-cuda 0.30.4 does not work with NumPy 2.6.0 (AttributeError", "pip install 'numpy<2.5'"),
    ({"import_error": "ImportError: libfoo.so"}, "numba-cuda 0.30.4 cannot be imported (ImportError: libfoo.so)", "--force-reinstall 'numba-cuda"),
    ({"nvvm_error": "NvvmSupportError: libNVVM cannot be found"}, "libNVVM, which compiles the kernels, cannot be loaded", "pip install 'tinyattn[cuda]'"),
    ({"nvvm_error": "x", "driver": [12, 2], "toolkit": None}, "libNVVM", "pip install 'tinyattn[cuda12]', which brings it; or set CUDA_HOME"),
    ({"nvrtc_error": "OSError: x"}, "NVRTC, of CUDA's compiler, cannot be loaded (OSError: x)", "nvidia-cuda-nvrtc"),
    ({"toolkit_error": "OSError: cudart"}, "CUDA's runtime library cannot be loaded", "pip install 'tinyattn[cuda]'"),
    ({"run_error": "MemoryError: the GPU has no 1 GiB left"}, "the GPU has no memory left", "smaller --batch-size"),
    ({"run_error": "CudaAPIError: [CUDA_ERROR_OUT_OF_MEMORY] Call to cuDevicePrimaryCtxRetain"}, "the GPU has no memory left", "nvidia-smi lists them"),
    ({"run_error": "LinkerError: [222] CUDA_ERROR_UNSUPPORTED_PTX_VERSION"}, "the driver does not know the code that is compiled", "pip install 'tinyattn[cuda12]'"),
    ({"run_error": "CudaAPIError: [700] illegal address"}, "the GPU does not do what it is told (CudaAPIError: [700] illegal address)", "tinyattn doctor --json"),
    ({"environment": {"NUMBA_ENABLE_CUDASIM": "1"}}, "NUMBA_ENABLE_CUDASIM=1 is set", "unset NUMBA_ENABLE_CUDASIM"),
    ({"environment": {"TINYATTN_CUDA": "simulator"}}, "TINYATTN_CUDA=simulator is set", "unset TINYATTN_CUDA"),
    ({"environment": {"TINYATTN_CUDA": "simulate"}}, "TINYATTN_CUDA=simulate means nothing: expected simulator or gpu", "unset TINYATTN_CUDA"),
    ({"environment": {"CUDA_VISIBLE_DEVICES": "-1"}, "init": 100, "devices": []}, "CUDA_VISIBLE_DEVICES=-1 hides every GPU", "unset CUDA_VISIBLE_DEVICES"),
]


@pytest.mark.parametrize("changes, what, repair", CONDITIONS, ids=[words[:40] for _, words, _ in CONDITIONS])
def test_each_condition_is_told_with_its_repair(changes, what, repair):
    facts = {**working(), **changes}
    first = diagnosis.diagnose(facts)[0]
    assert what in first[0] and repair in first[1], first
    assert diagnosis.in_a_line(facts, "x") == "; ".join(first)
    assert doctor._gpu_line({"gpu": facts}) == "; ".join(first)
    assert all("\n" not in word for finding in diagnosis.diagnose(facts) for word in finding)


@pytest.mark.parametrize("environment", [{}, {"TINYATTN_CUDA": "gpu"}, {"NUMBA_ENABLE_CUDASIM": "0"}, {"CUDA_VISIBLE_DEVICES": "0,1"}])
def test_nothing_is_said_of_a_machine_that_works(environment):
    facts = {**working(), "environment": environment}
    assert diagnosis.diagnose(facts) == [] and diagnosis.diagnose({**facts, "driver": [13, 2]}) == []
    assert diagnosis.diagnose({**facts, "driver": [13, 0], "toolkit": [12, 9]}) == []
    assert doctor._gpu_line({"gpu": facts}) == "works: NVIDIA H100 (9.0), driver for CUDA 13.0, libraries of 13.0"
    assert "no usable NVIDIA GPU (odd)" in diagnosis.in_a_line(facts, "odd")


def test_the_facts_of_this_machine(monkeypatch):
    facts = diagnosis.facts()
    assert set(working()) <= set(facts) and facts["numpy"] and isinstance(diagnosis.diagnose(facts), list)
    if facts["driver"] is None:
        monkeypatch.setattr(runtime, "SIMULATED", False)
        monkeypatch.delenv("TINYATTN_CUDA", raising=False)
        said = runtime.why_not.__wrapped__()
        assert said.startswith("no NVIDIA driver was found on this machine; install NVIDIA's driver") and "\n" not in said


def test_a_kernel_that_fails_is_a_fact(monkeypatch):
    def fails():
        raise RuntimeError("no\nluck")
    monkeypatch.setattr(diagnosis, "facts", working)
    monkeypatch.setattr(doctor_probe, "_run_on_the_gpu", fails)
    assert doctor_probe.gpu_state()["run_error"] == "RuntimeError: no luck"
    monkeypatch.setattr(doctor_probe, "_run_on_the_gpu", lambda: None)
    assert diagnosis.diagnose(doctor_probe.gpu_state()) == []


@pytest.mark.skipif(not runtime.SIMULATED, reason="on the simulator")
def test_the_kernel_that_the_doctor_runs(monkeypatch):
    doctor_probe._run_on_the_gpu()
    from tinyattn.kernels import cuda
    monkeypatch.setattr(cuda, "add", lambda a, b: a)
    with pytest.raises(RuntimeError, match="not all are right"):
        doctor_probe._run_on_the_gpu()


def test_numbas_own_simulator_is_no_gpu():
    code = "from tinyattn.kernels import cuda; print(cuda.is_available()); cuda.zeros((2,), 'float32')"
    environment = {k: v for k, v in os.environ.items() if k != "TINYATTN_CUDA"}
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, env={**environment, "NUMBA_ENABLE_CUDASIM": "1"})
    assert done.stdout == "False\n" and "RuntimeError: device 'cuda' cannot be used: NUMBA_ENABLE_CUDASIM=1 is set" in done.stderr, done.stderr
