"""How the GPU's products are cut into tiles and parts, for a GPU with as many processors as an H100 and for others."""
import numpy as np
import pytest

from tinyattn.kernels import cuda
from tinyattn.kernels.cuda import runtime
from tinyattn.kernels.cuda.matmul import _plan

needs_simulator = pytest.mark.skipif(not runtime.SIMULATED, reason="needs the simulator")
H100 = 132


@pytest.mark.parametrize("batch, M, N, K, expected", [
    (1, 4096, 4096, 4096, ("large", 1)),
    (1, 1, 1, 1, ("small", 1)),
    (64, 64, 64, 32, ("medium", 1)),          # scores of attention
    (1, 128, 10, 512, ("small", 4)),          # the last layer of a classifier
    (1, 10, 512, 60_000, ("small", 8)),      # its gradient for many samples
])
def test_the_plan_for_a_large_gpu(batch, M, N, K, expected):
    assert _plan(batch, M, N, K, np.float32, H100) == expected


def test_sums_of_float64_have_no_large_tile():
    assert _plan(1, 4096, 4096, 4096, np.float64, H100) == ("medium", 1)


@needs_simulator
@pytest.mark.parametrize("processors, parts", [(2, 1), (8, 4)])
def test_parts_of_a_batch_are_each_in_their_place(monkeypatch, processors, parts):
    a, b = np.random.default_rng(0).normal(size=(2, 2, 3, 520)).astype(np.float32)
    monkeypatch.setattr(runtime, "processors", lambda: processors)
    runtime.launched = launched = set()
    try:
        y = cuda.to_host(cuda.matmul(cuda.from_host(a), cuda.from_host(b), False, True))
    finally:
        runtime.launched = None
    assert _plan(2, 3, 3, 520, np.float32, processors)[1] == parts
    assert any(key[1] == "_add_parts" for key, *_ in launched) == (parts > 1)
    assert np.allclose(y, a.astype(np.float64) @ b.transpose(0, 2, 1), rtol=1e-4, atol=1e-4)
