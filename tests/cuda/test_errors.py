"""Indices out of range on the GPU: nothing is touched that should not be, and the error comes when results are waited for."""
import numpy as np
import pytest

from tinyattn.kernels import cuda, reference
from tinyattn.kernels.cuda import runtime

pytestmark = pytest.mark.skipif(not runtime.SIMULATED, reason="needs TINYATTN_CUDA=simulator")


@pytest.mark.parametrize("values, low, high", [
    ([0, 3, 9], 0, 8), ([-1, 2], 0, 8), ([0.5, np.nan], 0, 1), ([1.5], 0, 1), ([True], 0, 0)])
def test_what_is_outside_is_raised_once(values, low, high):
    cuda.check_indices(cuda.from_host(np.array(values)), low, high)
    with pytest.raises(IndexError, match=f"not in {low} … {high}"):
        cuda.synchronize()
    cuda.synchronize()


def test_reading_a_result_raises_it_too():
    x = cuda.from_host(np.arange(3))
    cuda.check_indices(x, 0, 1)
    with pytest.raises(IndexError, match="x.cpu()"):
        cuda.to_host(x)
    assert cuda.to_host(x).tolist() == [0, 1, 2]


@pytest.mark.parametrize("values", [[0, 8, 3], [], [0.0, 8.0]])
def test_limits_belong_to_the_range(values):
    cuda.check_indices(cuda.from_host(np.array(values)), 0, 8)
    cuda.synchronize()


def test_index_kernels_leave_memory_alone():
    x, wrong = np.arange(12, dtype=np.float32).reshape(3, 4), np.array([0, -1, 3, 2])
    x_, wrong_ = cuda.from_host(x), cuda.from_host(wrong)
    assert cuda.to_host(cuda.take_rows(x_, wrong_)).tolist() == [x[0].tolist(), [0] * 4, [0] * 4, x[2].tolist()]
    assert cuda.to_host(cuda.gather(x_, 0, cuda.from_host(wrong[None]))).tolist() == [[0, 0, 0, 11]]
    assert cuda.to_host(cuda.scatter_add(x_, 0, cuda.from_host(np.full((3, 4), 7)), 5)).tolist() == np.zeros((5, 4)).tolist()
    right = cuda.to_host(cuda.add_rows(cuda.from_host(np.ones((4, 2), np.float32)), wrong_, 3))
    assert right.tolist() == [[1, 1], [0, 0], [1, 1]]
    many = np.full((70, 1), -1)
    many[5] = 4
    dy = np.ones((70, 1), np.float32)
    assert cuda.to_host(cuda.scatter_add(cuda.from_host(dy), 0, cuda.from_host(many), 5)).tolist() == [[0], [0], [0], [0], [1]]


def test_few_columns_are_added_as_many_are():
    random = np.random.default_rng(0)
    dy, index = random.normal(size=(2, 70, 3)).astype(np.float32), random.integers(0, 4, (2, 70, 3))
    once = cuda.to_host(cuda.scatter_add(cuda.from_host(dy), 1, cuda.from_host(index), 4))
    assert np.allclose(once, reference.scatter_add(dy, 1, index, 4), atol=1e-5)
    again = cuda.to_host(cuda.scatter_add(cuda.from_host(dy), 1, cuda.from_host(index), 4))
    assert once.tobytes() == again.tobytes()
