"""Resampling against one matrix product an axis, and by hand."""
import numba
import numpy as np
import pytest

from tinyattn import kernels


@pytest.fixture(params=kernels.HOST_RUNGS)
def k(request):
    return kernels.rung(request.param)


def normal(shape, dtype=np.float64, seed=0):
    return np.random.default_rng(seed).normal(size=shape).astype(dtype)


def taps(outputs, source, dtype=np.float64, seed=0):
    """Random taps, 0 to 7 an output, and the matrix (outputs, source) that they are."""
    random = np.random.default_rng(seed)
    counts = random.permutation(np.arange(outputs) % 8)
    starts = np.concatenate([[0], np.cumsum(counts)])
    index, weight = random.integers(0, source, starts[-1]), random.normal(size=starts[-1]).astype(dtype)
    matrix = np.zeros((outputs, source))
    np.add.at(matrix, (np.repeat(np.arange(outputs), counts), index), weight)
    return (starts, index, weight), matrix


def test_by_hand(k):
    x = np.array([[1.0, 2, 4], [10, 20, 40]]).reshape(1, 2, 3, 1)
    both = np.array([0, 2]), np.array([0, 1]), np.array([0.5, 2.0])        # one output: ½·first + 2·second
    swap = np.array([0, 1, 1, 2]), np.array([2, 0]), np.array([1.0, 3.0])  # last, nothing, 3·first
    assert k.resample_axes(x, both, None).reshape(1, 3).tolist() == [[20.5, 41, 82]]
    assert k.resample_axes(x, None, swap).reshape(2, 3).tolist() == [[4, 0, 3], [40, 0, 30]]
    assert k.resample_axes(x, both, swap).reshape(1, 3).tolist() == [[82, 0, 61.5]]


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
@pytest.mark.parametrize("A, H, W, B", [(2, 5, 4, 3), (1, 1, 1, 1), (3, 6, 7, 8), (2, 40, 30, 17), (3, 50, 60, 1), (2, 3, 1, 700)])
def test_it_is_a_matrix_for_each_axis(k, A, H, W, B, dtype):
    x = normal((A, H, W, B), dtype)
    (rows, P), (columns, Q) = taps(H + 3, H, dtype), taps(2 * W, W, dtype, 1)
    plain = kernels.rung("cpu").resample_axes_plain
    for r, c, expected in ((rows, columns, np.einsum("ih,jw,ahwb->aijb", P, Q, x)), (rows, None, np.einsum("ih,ahwb->aiwb", P, x)),
                           (None, columns, np.einsum("jw,ahwb->ahjb", Q, x)), (None, None, x)):
        y = k.resample_axes(x, r, c)
        assert y.dtype == dtype and y.shape == expected.shape and y.flags.c_contiguous and y is not x
        np.testing.assert_allclose(y, expected, rtol=0, atol=200 * np.finfo(dtype).eps)
        np.testing.assert_allclose(plain(x, r, c), expected, rtol=0, atol=200 * np.finfo(dtype).eps, strict=dtype is np.float64)


def test_nothing_in_and_nothing_out(k):
    (rows, _), none = taps(3, 2), (np.zeros(4, np.int64), np.zeros(0, np.int64), np.zeros(0))
    for shape in ((0, 2, 3, 4), (2, 2, 0, 4), (2, 2, 3, 0)):
        assert k.resample_axes(normal(shape), rows, None).shape == (shape[0], 3, *shape[2:])
    assert k.resample_axes(normal((2, 0, 2, 1)), none, None).tolist() == np.zeros((2, 3, 2, 1)).tolist()
    assert k.resample_axes(normal((2, 3, 2, 1)), (np.zeros(1, np.int64), *none[1:]), None).shape == (2, 0, 2, 1)


def test_integers_and_booleans(k):
    one = np.array([0, 1, 2, 3]), np.array([1, 0, 1])
    x = np.array([[3, -4]]).reshape(1, 2, 1, 1)
    assert k.resample_axes(x, (*one, np.ones(3, x.dtype)), None).ravel().tolist() == [-4, 3, -4]
    y = k.resample_axes(x > 0, (*one, np.ones(3, bool)), None)
    assert y.dtype == bool and y.ravel().tolist() == [False, True, False]


def test_the_same_bits_on_one_thread_and_two():
    cpu, before, results = kernels.rung("cpu"), numba.get_num_threads(), []
    x, (rows, _), (columns, _) = normal((4, 60, 50, 9), np.float32), taps(70, 60, np.float32), taps(80, 50, np.float32)
    try:
        for threads in (1, min(2, numba.config.NUMBA_NUM_THREADS)):
            numba.set_num_threads(threads)
            results.append(cpu.resample_axes(x, rows, columns).tobytes())
    finally:
        numba.set_num_threads(before)
    assert results[0] == results[1]
