"""Sampling at points: by hand, against loops in Python, and each kernel as the derivative of one form."""
import numba
import numpy as np
import pytest

from tinyattn import kernels


@pytest.fixture(params=kernels.HOST_RUNGS)
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


def test_taps_by_hand(k):
    """Four pixels in a row, centres at −¾, −¼, ¼, ¾; x is column 0 of the grid, and the last axis of the image."""
    grid = np.array([[-0.75, 0], [0.0, 0], [0.875, 0], [1.0, 0], [1.25, 0], [np.nan, 0]])

    def taps(mode, padding, corners=False, orders=(0, 0)):
        index, weight = k.grid_taps(grid, (1, 4), mode, padding, corners, orders)
        return [{int(i): float(w) for i, w in zip(*row) if i >= 0 and w} for row in zip(index, weight)]

    assert taps("bilinear", "zeros") == [{0: 1}, {1: 0.5, 2: 0.5}, {3: 0.75}, {3: 0.5}, {}, {}]
    assert taps("bilinear", "border")[2:5] == [{3: 1}] * 3
    assert taps("bilinear", "reflection")[2:5] == [{3: 1}, {3: 1}, {3: 1}]
    assert taps("bilinear", "reflection", True)[4] == {2: 0.375, 3: 0.625} and taps("bilinear", "zeros", True)[3] == {3: 1}
    assert taps("nearest", "zeros") == [{0: 1}, {2: 1}, {3: 1}, {}, {}, {}]       # 1½ and 3½ go to the even 2 and 4
    assert taps("bilinear", "zeros", orders=(1, 0))[1] == {1: -2, 2: 2} and taps("bilinear", "border", orders=(1, 0))[4] == {}
    assert taps("bicubic", "zeros")[1] == {0: -0.09375, 1: 0.59375, 2: 0.59375, 3: -0.09375}
    assert taps("bicubic", "border")[0] == {0: 1}


@pytest.mark.parametrize("padding_mode", ["zeros", "border", "reflection"])
@pytest.mark.parametrize("mode", ["nearest", "bilinear", "bicubic"])
@pytest.mark.parametrize("lengths", [(4, 5), (1, 1), (2, 3, 4), (40, 3)])
def test_weights_and_their_derivatives(k, lengths, mode, padding_mode):
    axes, h = len(lengths), 1e-6
    grid = np.random.default_rng(0).normal(size=(1500, axes))
    for corners in (False, True):
        options = lengths, mode, padding_mode, corners
        for orders in ((0,) * axes, (1,) + (0,) * (axes - 1), (0,) * (axes - 1) + (2,)):
            index, weight = k.grid_taps(grid, *options, orders)
            same, right = kernels.rung("reference").grid_taps(grid, *options, orders)
            assert np.array_equal(index, same) and -1 <= index.min() and index.max() < np.prod(lengths)
            np.testing.assert_allclose(weight, right, rtol=0, atol=1e-9)
            step = np.eye(axes)[0] * h
            (a, low), (b, high) = k.grid_taps(grid - step, *options, orders), k.grid_taps(grid + step, *options, orders)
            slope = k.grid_taps(grid, *options, (orders[0] + 1, *orders[1:]))[1]
            smooth = (a == b).all(1) & (np.abs(slope).sum(1) > 0)
            np.testing.assert_allclose(slope[smooth], ((high - low) / (2 * h))[smooth], rtol=0, atol=2e-3 if mode == "bicubic" else 1e-5)


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
@pytest.mark.parametrize("sizes", [(2, 7, 3, 5, 4), (1, 1, 1, 1, 1), (3, 40, 17, 60, 16), (2, 50, 70, 300, 4),
                                   (9, 30, 33, 200, 4), (1, 30, 1, 9000, 4)])
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


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_plain_twins(dtype):
    cpu, (x, index, w, dy) = kernels.rung("cpu"), made(3, 40, 17, 60, 5, dtype)
    for name, given in (("sample_points", (x, index, w)), ("sample_points_backward_input", (dy, index, w, 40)),
                        ("sample_points_backward_weight", (dy, x, index))):
        fast, plain = (getattr(cpu, name + suffix)(*given) for suffix in ("", "_plain"))
        np.testing.assert_allclose(plain, fast, rtol=0, atol=100 * np.finfo(dtype).eps, strict=True)


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
