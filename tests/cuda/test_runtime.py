"""Launching: what is configured once, what is compiled once, and what a launch refuses. The GPU is a recorder here."""
import os
import pathlib
import subprocess
import sys

import numpy as np
import pytest

from tinyattn.kernels import cuda
from tinyattn.kernels.cuda import runtime


class Recorder:
    """A compiled kernel that notes how it was configured and called."""
    key = "tests", "recorder", None

    def __init__(self):
        self.configured, self.calls = [], []

    def __getitem__(self, configuration):
        self.configured.append(configuration)
        return lambda *args: self.calls.append((configuration, args))


@pytest.fixture
def compiled(monkeypatch):
    """As on a GPU, whose kernels are recorders."""
    monkeypatch.setattr(runtime, "SIMULATED", False)
    monkeypatch.setattr(runtime, "_configured", {})
    return Recorder()


def test_a_launch_is_configured_once(compiled):
    for n in range(3):
        runtime.launch(compiled, 4, 128, n)
    runtime.launch(compiled, (4, 1), 128, 3)
    runtime.launch(compiled, 4, 64, 4)
    runtime.launch(compiled, 4, 128, 5, shared=16)
    assert compiled.configured == [(4, 128, 0, 0), ((4, 1), 128, 0, 0), (4, 64, 0, 0), (4, 128, 0, 16)]
    assert [args for _, args in compiled.calls] == [(n,) for n in range(6)]
    assert [c for c, _ in compiled.calls[:3]] == [(4, 128, 0, 0)] * 3


def test_another_kernel_is_configured_for_itself(compiled):
    other = Recorder()
    runtime.launch(compiled, 1, 32)
    runtime.launch(other, 1, 32)
    assert len(compiled.calls) == len(other.calls) == 1


def test_configurations_do_not_grow_for_ever(compiled):
    for n in range(1, 10_003):
        runtime.launch(compiled, n, 32)
    assert len(runtime._configured) < 10_002 and len(compiled.calls) == 10_002


@pytest.mark.parametrize("grid", [0, (0, 3), (3, 0), (1, 1, 0)])
def test_no_blocks_is_no_launch(compiled, grid):
    runtime.launch(compiled, grid, 32)
    assert compiled.configured == []


def test_numpys_integers_are_made_pythons(compiled):
    """numba-cuda takes them, and cuda.core, which launches for it, does not."""
    runtime.launch(compiled, (np.int64(2), 1), np.int32(32))
    runtime.launch(compiled, np.int64(3), 32, shared=np.int64(16))
    assert compiled.configured == [((2, 1), 32, 0, 0), (3, 32, 0, 16)]
    assert {type(n) for grid, block, *rest in compiled.configured for n in (*(grid if type(grid) is tuple else (grid,)), block, *rest)} == {int}


def test_arrays_are_handed_over_as_handles(compiled):
    class Array:
        def handle(self):
            return "handle"
    runtime.launch(compiled, 1, 32, Array(), np.float32(1), 2)
    assert compiled.calls[0][1] == ("handle", np.float32(1), 2)


def test_too_much_shared_memory_is_refused(compiled):
    with pytest.raises(ValueError, match="49153 bytes of dynamic shared memory, more than the 49152"):
        runtime.launch(compiled, 1, 32, shared=49153)


# ---- factories of kernels -------------------------------------------------------------------------------------------------


@pytest.fixture
def kernels(monkeypatch):
    monkeypatch.setattr(runtime, "KERNELS", {})
    return runtime.KERNELS


def made_by(log):
    @runtime.specialised
    def scaled(real, times):
        log.append((real, times))
        factor = real(times)

        @runtime.jit
        def scaled(x, y):
            i = runtime.cuda.grid(1)
            if i < x.size:
                y[i] = x[i] * factor
        return scaled
    return scaled


def test_each_set_of_arguments_makes_one_kernel(kernels):
    log = []
    scaled = made_by(log)
    kernel = scaled(np.float32, 2)
    assert scaled(np.float32, 2) is kernel and scaled(np.float64, 2) is not kernel
    assert log == [(np.float32, 2), (np.float64, 2)]


def test_equal_numbers_of_other_types_are_other_constants(kernels):
    log = []
    scaled = made_by(log)
    assert len({id(scaled(np.float32, one)) for one in (1, 1.0, True, np.float32(1))}) == 4


def test_a_kernel_is_found_again_by_its_key(kernels):
    scaled = made_by([])
    kernel = scaled(np.float32, 3)
    assert kernel.key == (__name__, "scaled", (np.float32, 3))
    assert runtime.kernel_of(kernel.key) is kernel and list(kernels) == [(__name__, "scaled")]


def test_a_plain_kernel_is_found_by_its_name(kernels):
    @runtime.jit
    def lonely(x):
        x[0] = 1
    assert lonely.key == (__name__, "lonely", None) and runtime.kernel_of(lonely.key) is lonely


def test_a_factory_does_not_hide_a_plain_kernel_of_the_same_name(kernels):
    @runtime.jit
    def scaled(x):
        x[0] = 1
    plain, factory = scaled, made_by([])
    assert kernels[__name__, "scaled"] is factory  # the later one has the name, as in a module
    factory(np.float32, 1)
    assert kernels[__name__, "scaled"] is factory and plain.key[2] is None


# ---- on the simulator -----------------------------------------------------------------------------------------------------

simulated = pytest.mark.skipif(not runtime.SIMULATED, reason="needs TINYATTN_CUDA=simulator, which tests/conftest.py sets unless a GPU is asked for")


@simulated
def test_launches_are_noted_with_types(monkeypatch, kernels):
    @runtime.jit
    def all_kinds(x, n, real, flag, lengths):
        x[0] = real
    monkeypatch.setattr(runtime, "launched", set())
    x = cuda.zeros((2, 3), np.float32)
    runtime.launched.clear()
    runtime.launch(all_kinds, 1, (2, 1), x.flat, 5, np.float32(2.5), np.bool_(True), (1, 2))
    ((key, types, threads, shared),) = runtime.launched
    assert key == all_kinds.key and (threads, shared) == (2, 0)
    assert types == (("array", "float32", 1), "int64", "float32", "bool", ("tuple", 2))
    assert [str(t) for t in runtime.signature(types)] == ["array(float32, 1d, C)", "int64", "float32", "bool", "UniTuple(int64 x 2)"]
    assert cuda.to_host(x)[0, 0] == 2.5


@simulated
def test_fresh_memory_is_nan():
    """So that a value that a kernel forgot to write is seen."""
    runtime_memory = runtime.allocate(64)
    assert np.isnan(runtime.typed(runtime_memory, 0, (16,), np.dtype(np.float32))).all()


def test_memory_errors_are_memory_errors(monkeypatch):
    class Context:
        def memalloc(self, nbytes):
            raise RuntimeError("[CUDA_ERROR_OUT_OF_MEMORY] Call to cuMemAlloc results in CUDA_ERROR_OUT_OF_MEMORY")
    monkeypatch.setattr(runtime, "SIMULATED", False)
    monkeypatch.setattr(runtime.cuda, "current_context", Context)
    with pytest.raises(MemoryError, match="OUT_OF_MEMORY"):
        runtime.allocate(8)


def test_asked_for_a_gpu_pytest_imports_nothing_that_wants_the_simulator():
    tests = pathlib.Path(__file__).parents[1]
    environment = {key: value for key, value in os.environ.items() if key != "TINYATTN_CUDA"}
    done = subprocess.run([sys.executable, "-m", "pytest", "-m", "gpu", "--collect-only", tests / "xray", tests / "cuda"], capture_output=True, text=True,
                          cwd=tests.parent, env=environment)
    assert done.returncode == pytest.ExitCode.NO_TESTS_COLLECTED, done.stdout + done.stderr
