"""Pooling against loops over windows, cases worked by hand, and finite differences; on every rung."""
import itertools

import numpy as np
import pytest
from same_bits import same_bits

from tinyattn import kernels

inf, nan = np.inf, np.nan


@pytest.fixture(params=kernels.HOST_RUNGS)
def k(request):
    return kernels.rung(request.param)


def image(*shape, dtype=np.float64, seed=0):
    return np.random.default_rng(seed).standard_normal(shape).astype(dtype)


def plane(rows):
    """An image (1, H, W, 1) written out as rows of numbers."""
    return np.array(rows, float)[None, :, :, None]


def count(size, kernel, stride, padding, dilation, ceil_mode):
    """Windows that start inside the input or its near padding; under ceil_mode they may run over the far end."""
    n = 0
    while True:
        start = n * stride - padding
        last = start + dilation * (kernel - 1)
        fits = last < size + padding
        if not (fits or (ceil_mode and start < size and last - (stride - 1) < size + padding)):
            return n
        n += 1


def max_by_hand(x, kernel, stride, padding, dilation, ceil_mode):
    N, H, W, C = x.shape
    Ho, Wo = (count(s, *one, ceil_mode) for s, one in zip((H, W), zip(kernel, stride, padding, dilation)))
    y, where = np.empty((N, Ho, Wo, C)), np.empty((N, Ho, Wo, C), int)
    for n, i, j, c in np.ndindex(y.shape):
        rows = [i * stride[0] - padding[0] + r * dilation[0] for r in range(kernel[0])]
        columns = [j * stride[1] - padding[1] + s * dilation[1] for s in range(kernel[1])]
        places = [(h, w) for h, w in itertools.product(rows, columns) if 0 <= h < H and 0 <= w < W]
        best = max(range(len(places)), key=lambda p: (x[n, places[p][0], places[p][1], c], -p))
        h, w = places[best]
        y[n, i, j, c], where[n, i, j, c] = x[n, h, w, c], h * W + w
    return y, where


def mean_by_hand(x, kernel, stride, padding, ceil_mode, count_include_pad, divisor_override=None):
    N, H, W, C = x.shape
    Ho, Wo = (count(s, *one, 1, ceil_mode) for s, one in zip((H, W), zip(kernel, stride, padding)))
    y = np.zeros((N, Ho, Wo, C))
    for i, j in np.ndindex(Ho, Wo):
        counted = inside = 0
        for r, s in np.ndindex(*kernel):
            h, w = i * stride[0] - padding[0] + r, j * stride[1] - padding[1] + s
            if h < H + padding[0] and w < W + padding[1]:
                counted += 1
            if 0 <= h < H and 0 <= w < W:
                inside += 1
                y[:, i, j] += x[:, h, w]
        y[:, i, j] /= divisor_override or (counted if count_include_pad else inside)
    return y


def slope(f, x, dy, step=1e-6):
    """Gradient of Σ dy·f(x) by central differences."""
    dx = np.zeros_like(x)
    for i in np.ndindex(x.shape):
        moved = x.copy()
        moved[i] = x[i] + step
        up = f(moved)
        moved[i] = x[i] - step
        dx[i] = ((up - f(moved)) * dy).sum() / (2 * step)
    return dx


# image, kernel, stride, padding, dilation, ceil_mode
MAX_CASES = [
    ((2, 8, 6, 16), (2, 2), (2, 2), (0, 0), (1, 1), False),
    ((2, 7, 9, 5), (2, 2), (2, 2), (0, 0), (1, 1), True),
    ((1, 7, 9, 19), (2, 2), (1, 1), (1, 1), (1, 1), False),
    ((3, 9, 11, 5), (3, 3), (2, 2), (1, 1), (1, 1), False),
    ((1, 9, 11, 1), (3, 2), (2, 1), (1, 1), (1, 2), True),
    ((1, 10, 7, 3), (2, 2), (3, 2), (0, 1), (2, 1), True),
    ((1, 5, 5, 2), (5, 5), (1, 1), (2, 2), (1, 1), False),
    ((1, 1, 1, 4), (1, 1), (1, 1), (0, 0), (1, 1), False),
    ((2, 9, 11, 17), (3, 3), (2, 2), (1, 1), (1, 1), False),
    ((1, 9, 11, 9), (3, 2), (2, 1), (1, 1), (1, 2), True),
    ((40, 13, 11, 3), (3, 3), (2, 2), (1, 1), (1, 1), False),
]
MEAN_CASES = [(shape, kernel, stride, padding, ceil_mode) for shape, kernel, stride, padding, dilation, ceil_mode
              in MAX_CASES if dilation == (1, 1)] + [((2, 13, 14, 6), (13, 14), (1, 1), (0, 0), False)]


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
@pytest.mark.parametrize("plain", [False, True], ids=["fast", "plain"])
@pytest.mark.parametrize("shape,kernel,stride,padding,dilation,ceil_mode", MAX_CASES)
def test_largest_of_every_window(k, shape, kernel, stride, padding, dilation, ceil_mode, plain, dtype):
    x = np.round(image(*shape, dtype=dtype), 1)  # rounded: windows with ties
    pool = k.max_pool2d_forward_plain if plain else k.max_pool2d_forward
    y, indices = pool(x, kernel, stride, padding, dilation, ceil_mode)
    expected, where = max_by_hand(x, kernel, stride, padding, dilation, ceil_mode)
    assert y.dtype == dtype and indices.dtype == np.int32
    np.testing.assert_array_equal(y, expected)
    np.testing.assert_array_equal(indices, where)


@pytest.mark.parametrize("shape,kernel,stride,padding,dilation,ceil_mode", MAX_CASES)
def test_gradient_of_the_largest(k, shape, kernel, stride, padding, dilation, ceil_mode):
    x = np.random.default_rng(1).permutation(np.prod(shape)).reshape(shape) / 100.0  # no ties
    x = x[:1, ..., :3].copy()
    y, indices = k.max_pool2d_forward(x, kernel, stride, padding, dilation, ceil_mode)
    dy = image(*y.shape, seed=2)
    dx = k.max_pool2d_backward(dy, indices, x.shape)
    expected = slope(lambda x: max_by_hand(x, kernel, stride, padding, dilation, ceil_mode)[0], x, dy)
    np.testing.assert_allclose(dx, expected, atol=1e-8)
    g = image(*x.shape, seed=3)
    picked = k.max_pool2d_gather(g, indices)
    assert picked.shape == y.shape
    assert (picked * dy).sum() == pytest.approx((g * dx).sum(), rel=1e-12)  # one is the transpose of the other


def test_the_first_wins_a_tie_and_takes_the_gradient(k):
    x = plane([[1, 3, 0, 0], [3, 3, 0, 0]])
    y, indices = k.max_pool2d_forward(x, (2, 2), (2, 2), (0, 0), (1, 1), False)
    assert y.ravel().tolist() == [3, 0] and indices.ravel().tolist() == [1, 2]
    dx = k.max_pool2d_backward(plane([[5, 7]]), indices, x.shape)
    assert dx[0, :, :, 0].tolist() == [[0, 5, 7, 0], [0, 0, 0, 0]]


def test_gradients_of_overlapping_windows_add(k):
    x = plane([[0, 0, 0], [0, 9, 0], [0, 0, 0]])
    y, indices = k.max_pool2d_forward(x, (2, 2), (1, 1), (0, 0), (1, 1), False)
    assert (y == 9).all() and (indices == 4).all()
    dx = k.max_pool2d_backward(plane([[1, 2], [3, 4]]), indices, x.shape)
    assert dx[0, :, :, 0].tolist() == [[0, 0, 0], [0, 10, 0], [0, 0, 0]]


@pytest.mark.parametrize("size,kernel,stride,padding,floor,ceil", [
    (7, 2, 2, 0, 3, 4), (6, 3, 2, 0, 2, 3), (5, 2, 2, 1, 3, 3), (4, 1, 3, 0, 2, 2), (3, 1, 3, 0, 1, 1)])
def test_number_of_windows(k, size, kernel, stride, padding, floor, ceil):
    """In the last case ⌈(3 − 1)/3⌉ + 1 = 2 windows would fit, but the second would start at 3, beyond the input."""
    for ceil_mode, expected in ((False, floor), (True, ceil)):
        y, _ = k.max_pool2d_forward(image(1, size, size, 2), (kernel,) * 2, (stride,) * 2, (padding,) * 2, (1, 1), ceil_mode)
        assert y.shape == (1, expected, expected, 2)


@pytest.mark.parametrize("channels", [2, 9])
@pytest.mark.parametrize("kernel", [(2, 2), (3, 3)])
def test_nan_wins_and_infinity_is_a_number(k, kernel, channels):
    x = np.full((1, 3, 3, channels), -inf)
    y, indices = k.max_pool2d_forward(x, kernel, (1, 1), (0, 0), (1, 1), False)
    assert (y == -inf).all() and (indices[0, 0, 0] == 0).all()
    x[0, 0, 1, 0], x[0, 1, 1, 1] = nan, inf
    y, _ = k.max_pool2d_forward(x, kernel, (1, 1), (0, 0), (1, 1), False)
    assert np.isnan(y[0, 0, 0, 0]) and y[0, 0, 0, 1] == inf


@pytest.mark.parametrize("channels", [3, 12])
def test_which_of_equals_and_of_nans_wins(channels):
    """The first of equals, the last of NaNs, in whatever order a kernel meets them."""
    x = np.random.default_rng(0).integers(0, 3, (4, 11, 10, channels)).astype(np.float32)
    x[np.random.default_rng(1).random(x.shape) < 0.1] = nan
    window = (3, 4), (2, 1), (1, 2), (1, 2), False
    (y, indices), (wanted, where) = (kernels.rung(name).max_pool2d_forward(x, *window) for name in ("cpu", "reference"))
    np.testing.assert_array_equal(y, wanted)
    np.testing.assert_array_equal(indices, where)


@pytest.mark.parametrize("dtype,tolerance", [(np.float32, 2e-6), (np.float64, 1e-13)])
@pytest.mark.parametrize("include,divisor", [(True, None), (False, None), (True, 3)])
@pytest.mark.parametrize("shape,kernel,stride,padding,ceil_mode", MEAN_CASES)
def test_mean_of_every_window(k, shape, kernel, stride, padding, ceil_mode, include, divisor, dtype, tolerance):
    x = image(*shape, dtype=dtype)
    y = k.avg_pool2d_forward(x, kernel, stride, padding, ceil_mode, include, divisor)
    expected = mean_by_hand(x, kernel, stride, padding, ceil_mode, include, divisor)
    assert y.dtype == dtype
    np.testing.assert_allclose(y, expected, rtol=0, atol=tolerance * (kernel[0] * kernel[1] if divisor else 1))


@pytest.mark.parametrize("include,divisor", [(True, None), (False, None), (True, 3)])
@pytest.mark.parametrize("shape,kernel,stride,padding,ceil_mode", MEAN_CASES[1:6])
def test_gradient_of_the_mean(k, shape, kernel, stride, padding, ceil_mode, include, divisor):
    """The mean is linear: ⟨dy, f(x)⟩ = ⟨dx, x⟩ for any x, and dx does not depend on x."""
    arguments = (kernel, stride, padding, ceil_mode, include, divisor)
    x = image(*shape)
    y = mean_by_hand(x, *arguments)
    dy = image(*y.shape, seed=2)
    dx = k.avg_pool2d_backward(dy, shape, *arguments)
    assert dx.shape == shape
    assert (dx * x).sum() == pytest.approx((dy * y).sum(), rel=1e-10)
    one = x[:1, :, :, :1].copy()
    expected = slope(lambda x: mean_by_hand(x, *arguments), one, dy[:1, :, :, :1])
    np.testing.assert_allclose(dx[:1, :, :, :1], expected, atol=1e-8)


def test_mean_by_hand(k):
    x = plane([[1, 2, 3], [4, 5, 6], [7, 8, 9]])
    y = k.avg_pool2d_forward(x, (2, 2), (2, 2), (1, 1), False, True)
    assert y[0, :, :, 0].tolist() == [[0.25, 1.25], [2.75, 7.0]]
    y = k.avg_pool2d_forward(x, (2, 2), (2, 2), (1, 1), False, False)
    assert y[0, :, :, 0].tolist() == [[1, 2.5], [5.5, 7.0]]
    dx = k.avg_pool2d_backward(plane([[4, 0], [0, 8]]), x.shape, (2, 2), (2, 2), (1, 1), False, True)
    assert dx[0, :, :, 0].tolist() == [[1, 0, 0], [0, 2, 2], [0, 2, 2]]


@pytest.mark.parametrize("shape,output", [((2, 7, 10, 5), (3, 4)), ((1, 5, 5, 3), (5, 5)), ((1, 4, 3, 2), (6, 2)),
                                          ((3, 28, 27, 16), (1, 1))])
@pytest.mark.parametrize("dtype,tolerance", [(np.float32, 2e-6), (np.float64, 1e-13)])
def test_adaptive_mean(k, shape, output, dtype, tolerance):
    x = image(*shape, dtype=dtype)
    y, expected = k.adaptive_avg_pool2d_forward(x, output), np.empty((shape[0], *output, shape[3]))
    for i, j in np.ndindex(*output):
        rows = slice(int(np.floor(i * shape[1] / output[0])), int(np.ceil((i + 1) * shape[1] / output[0])))
        columns = slice(int(np.floor(j * shape[2] / output[1])), int(np.ceil((j + 1) * shape[2] / output[1])))
        expected[:, i, j] = x[:, rows, columns].astype(float).mean(axis=(1, 2))
    np.testing.assert_allclose(y, expected, rtol=0, atol=tolerance)
    dy = image(*y.shape, dtype=dtype, seed=2)
    dx = k.adaptive_avg_pool2d_backward(dy, shape)
    assert dx.shape == shape and dx.dtype == dtype
    assert (dx.astype(float) * x).sum() == pytest.approx((dy * expected).sum(), rel=1e-4 if dtype == np.float32 else 1e-10)


@pytest.mark.parametrize("shape,output", [((2, 7, 10, 5), (3, 4)), ((1, 4, 3, 2), (6, 2)), ((3, 28, 27, 16), (1, 1))])
@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_adaptive_maximum(k, shape, output, dtype):
    x = np.round(image(*shape, dtype=dtype), 1)  # rounded: parts with ties
    y, indices = k.adaptive_max_pool2d_forward(x, output)
    assert y.dtype == dtype and indices.dtype == np.int32 and y.shape == indices.shape == (shape[0], *output, shape[3])
    for n, i, j, c in np.ndindex(*y.shape):
        top, left = i * shape[1] // output[0], j * shape[2] // output[1]
        part = x[n, top:-(-(i + 1) * shape[1] // output[0]), left:-(-(j + 1) * shape[2] // output[1]), c]
        h, w = np.unravel_index(part.argmax(), part.shape)  # the first of equals
        assert y[n, i, j, c] == part.max() and indices[n, i, j, c] == (top + h) * shape[2] + left + w


def test_adaptive_maximum_by_hand(k):
    y, indices = k.adaptive_max_pool2d_forward(plane([[1, nan, 2], [nan, 0, 5], [-inf, -inf, 5]]), (2, 3))
    assert np.array_equal(y[0, :, :, 0], [[nan, nan, 5], [nan, 0, 5]], equal_nan=True)
    assert indices[0, :, :, 0].tolist() == [[3, 1, 5], [3, 4, 5]]
    y, indices = k.adaptive_max_pool2d_forward(plane([[-inf, -inf]]), (1, 1))
    assert y.item() == -inf and indices.item() == 0


def test_bits_do_not_depend_on_the_threads():
    k, x = kernels.rung("cpu"), image(5, 13, 12, 7, dtype=np.float32)

    def everything():
        y, indices = k.max_pool2d_forward(x, (3, 3), (2, 2), (1, 1), (1, 1), False)
        mean = k.avg_pool2d_forward(x, (3, 3), (2, 2), (1, 1), False, True)
        return [y, indices, k.max_pool2d_backward(y, indices, x.shape), mean,
                k.avg_pool2d_backward(mean, x.shape, (3, 3), (2, 2), (1, 1), False, True)]

    same_bits(everything)
