"""Every kernel of the GPU's rung against the reference, on the simulator: no GPU is needed.

Arguments are those of the operation samples (see `cuda_calls`), and of `more_cuda_calls` where no sample calls a kernel.
"""
import inspect
import os
import pathlib
import pickle

import cuda_calls
import more_cuda_calls
import pytest

from tinyattn.kernels import cuda
from tinyattn.kernels.cuda import runtime

pytestmark = pytest.mark.skipif(not runtime.SIMULATED, reason="needs TINYATTN_CUDA=simulator, which tests/conftest.py sets unless a GPU is asked for")

CALLS = more_cuda_calls.by_kernel(cuda)


@pytest.fixture(scope="module", autouse=True)
def noted():
    """What is launched here, written to the file that TINYATTN_LAUNCHES names: `test_ptx` compiles it."""
    runtime.launched = launched = set()
    yield
    runtime.launched = None
    if path := os.environ.get("TINYATTN_LAUNCHES"):
        pathlib.Path(path).write_bytes(pickle.dumps(launched))


@pytest.mark.parametrize("name", sorted(CALLS))
def test_agrees_with_the_reference(name):
    for call in CALLS[name]:
        cuda_calls.check(call, cuda, name)


def test_no_kernel_is_left_out():
    functions = {name for name, f in vars(cuda).items() if inspect.isfunction(f) and not name.startswith("_")}
    called_otherwise = {"empty", "from_dlpack", "from_host", "to_host", "check_available", "is_available", "synchronize", "check_indices", "write"}
    assert sorted(n for n in functions - called_otherwise if n not in CALLS) == []
