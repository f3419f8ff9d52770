"""Sampling at points: by hand, against loops in Python, and each kernel as the derivative of one form."""
import numba
import numpy as np
import pytest

from tinyattn import kernels


@pytest.fixture(params=kernels.RUNGS)
def k(request):
    return kernels.rung(request.param)


def made(N, P, C, Q, T, dtype=np.float64, seed=0):
    random = np.random.default_rng(seed)
    x, w, dy = (random.normal(size=shape).astype(dtype) for shape in ((N, P, C), (N, Q, T), (N, Q, C)))
    return x, random.integers(-1, P, (N, Q, T)), w, dy


def test_by_hand(k):
    x, index = np.array([[[1.0, 2], [10, 20], [100, 200]]]), np.array([[[0, 2], [1, -1], [-1, -1], [0, 0]]])
    w = np.array([[[1.0, 0.5], [2.0, np.nan], [7.0, np.inf], [1.0, 1.0]]])
    assert k.sample_points(x, index, w).tolist() == [[[51, 102], [20, 40], [0, 0], [2, 4]]]
    dy = np.array([[[1.0, 2], [3, 4], [5, 6], [7, 8]]])
    assert k.sample_points_backward_input(dy, index, w, 3).tolist() == [[[15, 18], [6, 8], [0.5, 1]]]
    assert k.sample_points_backward_weight(dy, x, index).tolist() == [[[5, 500], [110, 0], [0, 0], [23, 23]]]


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
@pytest.mark.parametrize("sizes", [(2, 7, 3, 5, 4), (1, 1, 1, 1, 1), (3, 40, 17, 60, 16), (2, 50, 70, 300, 4), (9, 30, 33, 200, 4), (1, 30, 1, 9000, 4)])
def test_one_form_and_its_three_derivatives(k, sizes, dtype):
    x, index, w, dy = made(*sizes, dtype)
    y, expected = k.sample_points(x, index, w), np.zeros(dy.shape)
    for n, q, t in np.ndindex(index.shape):
        if index[n, q, t] >= 0:
            expected[n, q] += w[n, q, t].astype(float) * x[n, index[n, q, t]]
    tolerance = 100 * float(np.finfo(dtype).eps)
    np.testing.assert_allclose(y, expected, rtol=0, atol=tolerance)
    dx, dw = k.sample_points_backward_input(dy, index, w, x.shape[1]), k.sample_points_backward_weight(dy, x, index)
    assert y.dtype == dx.dtype == dw.dtype == dtype and dx.shape == x.shape and dw.shape == w.shape
    x2, _, w2, _ = made(*sizes, dtype, seed=1)                             # the form is linear in x, and in w
    for derivative, at, form in ((dx, x2, k.sample_points(x2, index, w)), (dw, w2, k.sample_points(x, index, w2))):
        got, right = (derivative.astype(float) * at).sum(), (form.astype(float) * dy).sum()
        assert got == pytest.approx(right, abs=10 * tolerance * dy.size ** 0.5)


@pytest.mark.parametrize("sizes", [(0, 3, 2, 4, 4), (2, 3, 2, 0, 4), (2, 3, 0, 4, 1)])
def test_nothing(k, sizes):
    x, index, w, dy = made(*sizes)
    assert k.sample_points(x, index, w).shape == dy.shape
    assert not k.sample_points_backward_input(dy, index, w, 3).any() and not k.sample_points_backward_weight(dy, x, index).any()


def test_the_same_bits_on_one_thread_and_two():
    cpu, before, results = kernels.rung("cpu"), numba.get_num_threads(), []
    x, index, w, dy = made(2, 20, 70, 2000, 4, np.float32)
    try:
        for threads in (1, min(2, numba.config.NUMBA_NUM_THREADS)):
            numba.set_num_threads(threads)
            results.append(cpu.sample_points(x, index, w).tobytes() + cpu.sample_points_backward_input(dy, index, w, 20).tobytes())
    finally:
        numba.set_num_threads(before)
    assert results[0] == results[1]
