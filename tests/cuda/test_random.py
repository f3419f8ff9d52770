"""The stream of random numbers: the same words as the specification's, from seeds on the host or on the GPU, also in a replayed graph."""
import numpy as np
import pytest

from tinyattn.kernels import cuda, reference
from tinyattn.kernels.cuda import runtime

pytestmark = pytest.mark.skipif(not runtime.SIMULATED, reason="needs TINYATTN_CUDA=simulator")


def one(value):
    return np.array([value], np.uint64)


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
@pytest.mark.parametrize("seed, offset", [(0, 0), (2**63 + 5, 2**33), (17, 2**64 - 1)])
def test_uniform_numbers_are_the_specifications_to_the_bit(dtype, seed, offset):
    expected = reference.random_uniform((3, 7), one(seed), one(offset), dtype)
    for place in (lambda a: a, cuda.from_host):
        got = cuda.to_host(cuda.random_uniform((3, 7), place(one(seed)), place(one(offset)), dtype))
        assert got.tobytes() == expected.tobytes()
    mixed = cuda.random_uniform((3, 7), one(seed), cuda.from_host(one(offset)), dtype)
    assert cuda.to_host(mixed).tobytes() == expected.tobytes()


@pytest.mark.parametrize("p", [0, 0.25, 1])
def test_masks_are_the_specifications(p):
    x = np.arange(1, 40, dtype=np.float32)
    for place in (lambda a: a, cuda.from_host):
        got = cuda.dropout(cuda.from_host(x), p, place(one(3)), place(one(9)))
        assert cuda.to_host(got).tolist() == reference.dropout(x, p, one(3), one(9)).tolist()


def test_a_replayed_graph_draws_the_next_numbers():
    """Its offset is on the GPU, and is moved on by the graph itself."""
    seed, offset, step = one(5), cuda.from_host(one(100)), cuda.from_host(one(3))
    graph = runtime.Graph()
    with graph.capture():
        x = cuda.random_uniform((9,), seed, offset, np.float32)
        cuda.add(offset, step, offset)
    for k in range(3):
        graph.replay()
        assert cuda.to_host(x).tolist() == reference.random_uniform((9,), seed, one(100 + 3 * k), np.float32).tolist()
