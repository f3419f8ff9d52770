"""Order: a case by hand, and the laws of sorting on both rungs, in every path: short rows, one stretch, several, a heap."""
import numba
import numpy as np
import pytest

from tinyattn import kernels
from tinyattn.kernels.cpu.sort import FEW, RUN


@pytest.fixture(params=kernels.HOST_RUNGS)
def k(request):
    return kernels.rung(request.param)


NAN = np.nan


def test_by_hand(k):
    x = np.array([[2.0, NAN, -1.0, 2.0, NAN, -np.inf]])
    values, indices = k.sort(x, False)
    np.testing.assert_array_equal(values, [[-np.inf, -1, 2, 2, NAN, NAN]])
    assert indices.tolist() == [[5, 2, 0, 3, 1, 4]] and indices.dtype == np.int64
    values, indices = k.sort(x, True)
    np.testing.assert_array_equal(values, [[NAN, NAN, 2, 2, -1, -np.inf]])
    assert indices.tolist() == [[1, 4, 0, 3, 2, 5]]                       # equal numbers in the order they came, this way too
    values, indices = k.topk(x, 3, True)
    np.testing.assert_array_equal(values, [[NAN, NAN, 2]])
    assert indices.tolist() == [[1, 4, 0]] and k.topk(x, 2, False)[1].tolist() == [[5, 2]]


def row(kind, n, dtype):
    random = np.random.default_rng(n)
    x = random.normal(size=(2, n)) if kind == "numbers" else random.integers(0, 5, (2, n))
    x = x.astype(dtype)
    if kind == "holes" and n:
        x[random.random((2, n)) < 0.2] = NAN
    return x


@pytest.mark.parametrize("dtype", [np.float32, np.float64, np.int64])
@pytest.mark.parametrize("n", [0, 1, FEW, FEW + 1, 100, RUN, RUN + 1, 3 * RUN + 5])
@pytest.mark.parametrize("kind", ["numbers", "ties", "holes"])
def test_laws(k, kind, n, dtype):
    x = row(kind if dtype != np.int64 else "ties", n, dtype)
    for descending in (False, True):
        values, indices = k.sort(x, descending)
        assert values.dtype == dtype and values.shape == indices.shape == x.shape
        np.testing.assert_array_equal(np.take_along_axis(x, indices, 1), values)
        assert (np.sort(indices, 1) == np.arange(n)).all()                # each once
        key = np.where(np.isnan(values), np.inf, values)
        before = (key[:, 1:] <= key[:, :-1]) if descending else (key[:, :-1] <= key[:, 1:])
        assert before.all()
        same = key[:, 1:] == key[:, :-1]
        assert (indices[:, 1:][same] > indices[:, :-1][same]).all()       # equals in the order they came
        for few in {0, min(n, 1), n // 10, n}:
            best, where = k.topk(x, few, descending)
            np.testing.assert_array_equal(best, values[:, :few])
            np.testing.assert_array_equal(where, indices[:, :few])


def test_the_same_on_one_thread_and_two():
    cpu, before, x = kernels.rung("cpu"), numba.get_num_threads(), row("ties", 5 * RUN, np.float32)
    made = []
    try:
        for threads in (1, min(2, numba.config.NUMBA_NUM_THREADS)):
            numba.set_num_threads(threads)
            made.append(cpu.sort(x, False)[1].tobytes())
    finally:
        numba.set_num_threads(before)
    assert made[0] == made[1]
