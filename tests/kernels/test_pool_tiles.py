"""Pools whose windows tile the image against loops over windows, alone and after batch norm; on every rung."""
import numpy as np
import pytest
from same_bits import same_bits

from tinyattn import kernels

nan = np.nan
SHAPES = [((3, 5, 7, 19), (2, 2)), ((2, 4, 4, 16), (2, 2)), ((40, 28, 28, 33), (2, 2)), ((2, 9, 7, 5), (3, 1)), ((2, 33, 33, 8), (16, 16)),
          ((1, 2, 2, 1), (2, 2))]  # edges, whole vectors, many tasks, tall windows, places up to 255, one window


@pytest.fixture(params=kernels.HOST_RUNGS)
def k(request):
    return kernels.rung(request.param)


def numbers(*shape, dtype=np.float64, seed=0):
    return np.random.default_rng(seed).standard_normal(shape).astype(dtype)


def by_hand(x, kernel_size):
    """y and places."""
    (N, H, W, C), (R, S) = x.shape, kernel_size
    windows = x[:, :H // R * R, :W // S * S].reshape(N, H // R, R, W // S, S, C).transpose(0, 1, 3, 5, 2, 4).reshape(
        N, H // R, W // S, C, R * S)
    places = windows.argmax(-1)  # the first of equals, or the first NaN
    return np.take_along_axis(windows, places[..., None], -1)[..., 0], places


@pytest.mark.parametrize("shape, kernel_size", SHAPES)
@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_largest_of_tiles(k, shape, kernel_size, dtype):
    x = np.round(numbers(*shape, dtype=dtype), 1)  # rounded: windows with ties
    expected, where = by_hand(x, kernel_size)
    for forward in (k.max_pool2d_tiles_forward, getattr(k, "max_pool2d_tiles_forward_plain", k.max_pool2d_tiles_forward)):
        y, places = forward(x, kernel_size)
        assert y.dtype == dtype and places.dtype == np.uint8
        assert np.array_equal(y, expected) and np.array_equal(places, where)
    dy, dx = numbers(*y.shape, dtype=dtype, seed=1), np.zeros(shape, dtype)
    for n, i, j, c in np.ndindex(*y.shape):
        dx[n, i * kernel_size[0] + where[n, i, j, c] // kernel_size[1], j * kernel_size[1] + where[n, i, j, c] % kernel_size[1], c] = dy[n, i, j, c]
    for backward in (k.max_pool2d_tiles_backward, getattr(k, "max_pool2d_tiles_backward_plain", k.max_pool2d_tiles_backward)):
        assert np.array_equal(backward(dy, places, shape, kernel_size), dx)
    assert np.array_equal(k.max_pool2d_tiles_gather(dx, places, kernel_size), dy)
    assert np.array_equal(k.max_pool2d_tiles_gather(x, places, kernel_size), y)


@pytest.mark.parametrize("channels", [1, 33])
def test_by_hand(k, channels):
    x = np.array([[3, 3, 9, nan, 7], [2, 3, nan, 1, 7], [5, 5, 5, 5, 5.0]])[None, :, :, None].repeat(channels, 3)
    y, places = k.max_pool2d_tiles_forward(x, (2, 2))
    assert np.array_equal(y[0, 0, :, 0], [3, nan], equal_nan=True) and places[0, 0, :, 0].tolist() == [0, 2]  # the first, the last NaN
    assert (places == places[..., :1]).all()
    dx = k.max_pool2d_tiles_backward(np.ones_like(y), places, x.shape, (2, 2))
    assert dx[0, :, :, -1].tolist() == [[1, 0, 0, 0, 0], [0, 0, 1, 0, 0], [0, 0, 0, 0, 0]]


@pytest.mark.parametrize("shape, kernel_size", SHAPES)
@pytest.mark.parametrize("dtype, tolerance", [(np.float32, 2e-5), (np.float64, 1e-12)])
def test_after_batch_norm(k, shape, kernel_size, dtype, tolerance):
    """The same as the kernels it is made of, one after another on the reference rung."""
    reference, C = kernels.rung("reference"), shape[3]
    x, weight, bias = numbers(*shape, dtype=dtype), numbers(C, dtype=dtype, seed=1), numbers(C, dtype=dtype, seed=2)
    y, winners, places, mean, var, rstd = k.batch_norm_pool_forward(x, weight, bias, 1e-2, kernel_size)
    rows = x.reshape(-1, C)
    z, *statistics = reference.batch_norm_forward(rows, weight, bias, 1e-2, True)
    for found, expected in zip((mean, var, rstd), statistics):
        np.testing.assert_allclose(found, expected, rtol=tolerance, atol=tolerance)
    expected, _ = reference.max_pool2d_tiles_forward(z.reshape(shape), kernel_size)
    np.testing.assert_allclose(y, expected, rtol=tolerance, atol=tolerance)
    assert np.array_equal(winners, reference.max_pool2d_tiles_gather(x, places, kernel_size))
    dy = numbers(*y.shape, dtype=dtype, seed=3)
    spread = reference.max_pool2d_tiles_backward(np.where(y > 0, dy, 0).astype(dtype), places, shape, kernel_size)
    found = k.batch_norm_pool_backward(dy, x, winners, places, mean, rstd, weight, bias, kernel_size)
    wanted = reference.batch_norm_backward(spread.reshape(-1, C), rows, mean, rstd, weight, bias)
    for a, b in zip(found, wanted):
        assert a.dtype == dtype
        np.testing.assert_allclose(a.reshape(b.shape), b, rtol=10 * tolerance, atol=tolerance * (1 + abs(b).max()))


def test_batch_norm_without_parameters(k):
    x = numbers(2, 4, 4, 3)
    for made, same in zip(k.batch_norm_pool_forward(x, None, None, 0.1, (2, 2)),
                          k.batch_norm_pool_forward(x, np.ones(3), np.zeros(3), 0.1, (2, 2)), strict=True):
        np.testing.assert_allclose(made, same, rtol=1e-12)


def test_bits_do_not_depend_on_the_threads():
    k, x, w = kernels.rung("cpu"), numbers(40, 13, 12, 35, dtype=np.float32), numbers(35, dtype=np.float32)

    def everything():
        y, places = k.max_pool2d_tiles_forward(x, (2, 2))
        z, winners, won, mean, var, rstd = k.batch_norm_pool_forward(x, w, w, 1e-5, (2, 2))
        return [y, places, k.max_pool2d_tiles_backward(y, places, x.shape, (2, 2)), k.max_pool2d_tiles_gather(x, places, (2, 2)), z, winners,
                won, mean, var, rstd, *k.batch_norm_pool_backward(y, x, winners, won, mean, rstd, w, w, (2, 2))]

    same_bits(everything)
