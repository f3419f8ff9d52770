"""Reading and adding by index against loops in Python."""
import itertools

import numba
import numpy as np
import pytest

from tinyattn import kernels


@pytest.fixture(params=kernels.HOST_RUNGS)
def k(request):
    return kernels.rung(request.param)


def normal(shape, dtype=np.float32, seed=0):
    return np.random.default_rng(seed).normal(size=shape).astype(dtype)


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
@pytest.mark.parametrize("R, D, n", [(5, 3, 8), (50, 200, 400), (4, 1, 9), (3, 4, 0)])
def test_rows(k, R, D, n, dtype):
    x, dy, index = normal((R, D), dtype), normal((n, D), dtype, 1), np.random.default_rng(2).integers(0, R, n)
    y = k.take_rows(x, index)
    assert y.dtype == dtype and y.shape == (n, D) and all(np.array_equal(y[i], x[r]) for i, r in enumerate(index))
    dx, expected = k.add_rows(dy, index, R), np.zeros((R, D), np.longdouble)
    for i, r in enumerate(index):
        expected[r] += dy[i]
    assert dx.dtype == dtype and dx.shape == (R, D)
    np.testing.assert_allclose(dx, expected.astype(dtype), rtol=0, atol=40 * np.finfo(dtype).eps)


def test_take_rows_into_out_and_of_integers(k):
    x, index = np.arange(12).reshape(4, 3), np.array([3, 3, 0])
    assert k.take_rows(x, index).tolist() == [[9, 10, 11], [9, 10, 11], [0, 1, 2]]
    for out in (np.empty((3, 3), np.float32), np.empty((3, 6), np.float32)[:, ::2]):
        assert k.take_rows(x.astype(np.float32), index, out) is out and out[2].tolist() == [0, 1, 2]


@pytest.mark.parametrize("axis", [0, 1, 2, -1])
@pytest.mark.parametrize("smaller", [False, True])
def test_gather_and_scatter(k, axis, smaller):
    x = normal((4, 5, 6), np.float64)
    shape = [3, 4, 5] if smaller else [4, 5, 6]
    shape[axis] = 7
    index = np.random.default_rng(1).integers(0, x.shape[axis], shape)
    y, dy = k.gather(x, axis, index), normal(shape, np.float64, 2)
    dx = k.scatter_add(dy, axis, index, x.shape[axis])
    expected = np.zeros_like(dx)
    for place in itertools.product(*map(range, shape)):
        source = list(place)
        source[axis] = index[place]
        assert y[place] == x[tuple(source)]
        expected[tuple(source)] += dy[place]
    assert dx.shape[axis] == x.shape[axis] and np.delete(dx.shape, axis).tolist() == np.delete(shape, axis).tolist()
    np.testing.assert_allclose(dx, expected, rtol=0, atol=1e-14)


def test_large_gather_and_its_gradient(k):
    x, index = normal((3, 40, 1000)), np.random.default_rng(1).integers(0, 40, (3, 20, 1000))
    y = k.gather(x, 1, index)
    assert np.array_equal(y, np.take_along_axis(x, index, 1))
    dx = k.scatter_add(np.ones_like(y), 1, index, 40)
    assert dx.sum() == y.size and dx[2, 7, 5] == (index[2, :, 5] == 7).sum()


def test_one_hot(k):
    y = k.one_hot(np.array([2, 0, 2]), 4, np.float32)
    assert y.dtype == np.float32 and y.tolist() == [[0, 0, 1, 0], [1, 0, 0, 0], [0, 0, 1, 0]]
    assert k.one_hot(np.array([], np.int64), 3, np.float64).shape == (0, 3)


def test_the_same_bits_on_one_thread_and_two():
    cpu, before, results = kernels.rung("cpu"), numba.get_num_threads(), []
    dy, index = normal((2000, 100)), np.random.default_rng(1).integers(0, 5, 2000)
    try:
        for threads in (1, min(2, numba.config.NUMBA_NUM_THREADS)):
            numba.set_num_threads(threads)
            results.append(cpu.add_rows(dy, index, 5).tobytes())
    finally:
        numba.set_num_threads(before)
    assert results[0] == results[1]
