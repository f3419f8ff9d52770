"""Reductions against exactly rounded sums, over every choice of axes, and what is said of ties, NaN and threads."""
import fractions
import itertools
import math

import numba
import numpy as np
import pytest

from tinyattn import kernels


@pytest.fixture(params=kernels.HOST_RUNGS)
def k(request):
    return kernels.rung(request.param)


def normal(shape, dtype=np.float32, mean=0.0, seed=0):
    return np.random.default_rng(seed).normal(mean, 1, shape).astype(dtype)


def by_hand(f, x, axes, keepdims):
    """f of the list of numbers that become one, for every place of the result."""
    axes = [axis % x.ndim for axis in axes]
    kept = [axis for axis in range(x.ndim) if axis not in axes]
    rows = x.transpose(kept + axes).reshape(*(x.shape[axis] for axis in kept), -1)
    result = np.apply_along_axis(lambda row: f(row.tolist()), -1, rows)
    return result.reshape([1 if axis in axes else n for axis, n in enumerate(x.shape)]) if keepdims else result


@pytest.mark.parametrize("shape", [(2, 3, 4, 5), (7, 1, 600), (1, 1), (5000,), (3, 700, 2)])
def test_every_choice_of_axes(k, shape):
    x = np.round(normal(shape), 2)
    for count in range(1, len(shape) + 1):
        for axes in itertools.combinations(range(len(shape)), count):
            axes = tuple(axis - len(shape) if axis % 2 else axis for axis in axes)
            for keepdims in (False, True):
                for f, exact in ((k.sum, math.fsum), (k.mean, lambda row: math.fsum(row) / len(row)),
                                 (k.amax, max), (k.amin, min)):
                    y, expected = f(x, axes, keepdims), by_hand(exact, x, axes, keepdims)
                    assert type(y) is np.ndarray and y.dtype == np.float32 and y.shape == expected.shape
                    np.testing.assert_allclose(y, expected, rtol=1e-6, atol=1e-6 * math.sqrt(x.size))
                    assert not np.shares_memory(x, y)


def test_prod(k):
    x = normal((4, 3, 6), np.float64)
    for axes in ((0,), (1,), (2,), (0, 2), (0, 1, 2)):
        np.testing.assert_allclose(k.prod(x, axes), by_hand(math.prod, x, axes, False), rtol=1e-13)


@pytest.mark.parametrize("shape, axes", [
    ((1_000_000,), (0,)), ((300_000, 3), (0,)), ((4, 250_000), (1,)), ((100, 100, 32), (0, 1))])
def test_long_float32_sums_are_accurate(k, shape, axes):
    """Numbers near 1: a running float32 sum of a million of them would be off by 1e-4 and more."""
    x = normal(shape, mean=1.0)
    np.testing.assert_allclose(k.sum(x, axes), x.astype(np.float64).sum(axes), rtol=2e-6)
    np.testing.assert_allclose(k.mean(x, axes), x.astype(np.float64).mean(axes), rtol=2e-6)


def test_float64_sums_against_fractions(k):
    x = normal((20, 300), np.float64)
    exact = [float(sum(map(fractions.Fraction, row.tolist()))) for row in x]
    np.testing.assert_allclose(k.sum(x, (1,)), exact, rtol=0, atol=300 * 2.0**-52)
    np.testing.assert_allclose(k.sum(np.ascontiguousarray(x.T), (0,)), exact, rtol=0, atol=300 * 2.0**-52)


def test_nan_and_infinity_show(k):
    for place in range(0, 37, 4):
        for shape, axes in (((37, 1), (0,)), ((1, 37), (1,)), ((1, 37, 3), (1,))):
            x = normal(shape)
            x.reshape(37, -1)[place] = math.nan
            assert all(np.isnan(f(x, axes)).all() for f in (k.sum, k.mean, k.amax, k.amin))
            x.reshape(37, -1)[place] = math.inf
            assert np.isposinf(k.amax(x, axes)).all() and np.isposinf(k.sum(x, axes)).all()
            assert np.isfinite(k.amin(x, axes)).all()


def test_integers_and_booleans(k):
    x = np.array([[True, False, True], [True, True, False]])
    assert k.sum(x, (0, 1)).dtype == np.int64 and k.sum(x, (0, 1)) == 4 and k.sum(x, (0,)).tolist() == [2, 1, 1]
    y = np.array([[3, -1], [2**40, 5]])
    assert k.sum(y, (0,)).tolist() == [2**40 + 3, 4] and k.prod(y, (1,)).tolist() == [-3, 5 * 2**40]
    assert k.amax(y, (1,)).tolist() == [3, 2**40] and k.amin(y, (0, 1), True).tolist() == [[-1]]
    assert k.sum(np.full(300, 200, np.uint8), (0,)) == 60_000
    assert k.argmax(y, 1).tolist() == [0, 0] and k.cumsum(y, 0).tolist() == [[3, -1], [2**40 + 3, 4]]


@pytest.mark.parametrize("dtype", [np.float32, np.float64, np.int64])
@pytest.mark.parametrize("axis", [0, 1, 2, -1])
def test_first_of_equals(k, dtype, axis):
    x = np.random.default_rng(3).integers(0, 4, (5, 6, 7)).astype(dtype)
    lines = np.moveaxis(x, axis, -1)
    for f, best in ((k.argmax, max), (k.argmin, min)):
        expected = np.array([[line.tolist().index(best(line)) for line in plane] for plane in lines])
        y = f(x, axis)
        assert y.dtype == np.int64 and np.array_equal(y, expected)
        assert np.array_equal(f(x, axis, True), np.expand_dims(expected, axis))


def test_arg_of_one_line_and_of_nan(k):
    assert k.argmax(np.array([1.0, math.nan, 3.0, math.nan]), 0) == 1 and k.argmin(np.array([math.nan, -1.0]), 0) == 0
    assert k.argmax(np.array([1.0, 2.0], np.float32), 0).shape == ()
    assert k.argmax(np.array([-math.inf, -math.inf], np.float32), 0) == 0


@pytest.mark.parametrize("axis", [0, 1, 2, -2])
def test_cumsum(k, axis):
    x = normal((4, 5, 6))
    y = k.cumsum(x, axis)
    lines, results = (np.moveaxis(a, axis, -1).reshape(-1, x.shape[axis]) for a in (x, y))
    for line, result in zip(lines.tolist(), results):
        np.testing.assert_allclose(result, list(itertools.accumulate(line)), rtol=1e-6, atol=1e-6)
    out = np.empty_like(x)
    assert k.cumsum(x, axis, out) is out and np.array_equal(out, y) and y.dtype == np.float32


def test_empty_axes(k):
    x = np.zeros((0, 3), np.float32)
    assert k.sum(x, (0,)).tolist() == [0, 0, 0] and k.prod(x, (0,)).tolist() == [1, 1, 1]
    assert k.sum(x, (1,)).shape == (0,)


def test_the_same_bits_on_one_thread_and_two():
    cpu, before, results = kernels.rung("cpu"), numba.get_num_threads(), []
    x = normal((1001, 129))
    try:
        for threads in (1, min(2, numba.config.NUMBA_NUM_THREADS)):
            numba.set_num_threads(threads)
            results.append([cpu.sum(x, axes).tobytes() for axes in ((0,), (1,), (0, 1))])
    finally:
        numba.set_num_threads(before)
    assert results[0] == results[1]
