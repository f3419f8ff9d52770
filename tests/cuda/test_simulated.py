"""Every kernel of the GPU's rung against the reference, on the simulator: no GPU is needed.

Arguments are those of the operation samples (see `cuda_calls`), and of `more_cuda_calls` where no sample calls a kernel.
"""
import inspect

import cuda_calls
import more_cuda_calls
import pytest

from tinyattn.kernels import cuda
from tinyattn.kernels.cuda import runtime

pytestmark = pytest.mark.skipif(not runtime.SIMULATED, reason="needs TINYATTN_CUDA=simulator, which tests/conftest.py sets unless a GPU is asked for")


CALLS = more_cuda_calls.by_kernel(cuda)


@pytest.mark.parametrize("name", sorted(CALLS))
def test_agrees_with_the_reference(name):
    for call in CALLS[name]:
        cuda_calls.check(call, cuda, name)


def test_no_kernel_is_left_out():
    functions = {name for name, f in vars(cuda).items() if inspect.isfunction(f) and not name.startswith("_")}
    called_otherwise = {"empty", "from_dlpack", "from_host", "to_host", "check_available", "is_available", "synchronize", "check_indices"}
    assert sorted(n for n in functions - called_otherwise if n not in CALLS) == []
