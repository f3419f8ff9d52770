"""Softmax and its logarithm against extended precision, at the edges of the number range, and finite differences."""
import numpy as np
import pytest
from same_bits import same_bits

from tinyattn import kernels

L = np.longdouble
inf, nan = np.inf, np.nan
SHAPES = [(1, 1), (5, 1), (37, 10), (3, 16), (9, 33), (300, 257), (2, 20000)]


@pytest.fixture(params=kernels.HOST_RUNGS)
def k(request):
    return kernels.rung(request.param)


def numbers(*shape, dtype=np.float64, seed=0, scale=1.0):
    return (np.random.default_rng(seed).standard_normal(shape) * scale).astype(dtype)


def softmax(x):
    e = np.exp(x.astype(L))
    return e / e.sum(axis=1, keepdims=True)


def slope(f, x, dy, step=1e-5):
    """Gradient of Σ dy·f(x) by central differences, in extended precision."""
    dx = np.zeros(x.shape)
    for i in np.ndindex(x.shape):
        moved = x.astype(L)
        moved[i] += L(step)
        up = f(moved)
        moved[i] -= 2 * L(step)
        dx[i] = ((up - f(moved)) * dy).sum() / (2 * step)
    return dx


@pytest.mark.parametrize("dtype,tolerance", [(np.float32, 3e-6), (np.float64, 1e-14)])
@pytest.mark.parametrize("shape", SHAPES)
def test_values(k, shape, dtype, tolerance):
    x = numbers(*shape, dtype=dtype, scale=5)
    y, expected = k.softmax_forward(x), softmax(x)
    assert y.dtype == dtype
    np.testing.assert_allclose(y, expected.astype(float), rtol=tolerance * 4)
    np.testing.assert_allclose(y.sum(axis=1, dtype=float), 1, rtol=tolerance)
    z = k.log_softmax_forward(x)
    assert z.dtype == dtype
    np.testing.assert_allclose(z, np.log(expected).astype(float), rtol=tolerance, atol=tolerance)


@pytest.mark.parametrize("dtype,tolerance", [(np.float32, 4e-6), (np.float64, 1e-13)])
@pytest.mark.parametrize("shape", SHAPES)
def test_backward_values(k, shape, dtype, tolerance):
    x, dy = numbers(*shape, dtype=dtype), numbers(*shape, dtype=dtype, seed=1)
    y = k.softmax_forward(x)
    expected = softmax(x) * (dy - (softmax(x) * dy).sum(axis=1, keepdims=True))
    np.testing.assert_allclose(k.softmax_backward(dy, y), expected.astype(float), rtol=0, atol=tolerance)
    expected = dy - softmax(x) * dy.astype(L).sum(axis=1, keepdims=True)
    np.testing.assert_allclose(k.log_softmax_backward(dy, k.log_softmax_forward(x)), expected.astype(float), rtol=0,
                               atol=tolerance * 10)


@pytest.mark.parametrize("dtype,tolerance", [(np.float32, 4e-6), (np.float64, 1e-14)])
def test_plain_twins(dtype, tolerance):
    cpu, x, dy = kernels.rung("cpu"), numbers(37, 10, dtype=dtype, scale=5), numbers(37, 10, dtype=dtype, seed=1)
    y = cpu.softmax_forward_plain(x)
    np.testing.assert_allclose(y, softmax(x).astype(float), rtol=4 * tolerance)
    np.testing.assert_allclose(cpu.softmax_backward_plain(dy, y), cpu.softmax_backward(dy, y), rtol=0, atol=tolerance)
    assert np.isnan(cpu.softmax_forward_plain(np.full((1, 3), -inf, dtype))).all()


def test_finite_differences(k):
    x, dy = numbers(3, 7), numbers(3, 7, seed=1)
    np.testing.assert_allclose(k.softmax_backward(dy, k.softmax_forward(x)), slope(softmax, x, dy), atol=1e-9)
    np.testing.assert_allclose(k.log_softmax_backward(dy, k.log_softmax_forward(x)),
                               slope(lambda x: np.log(softmax(x)), x, dy), atol=1e-9)


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_large_logits_are_exact(k, dtype):
    x = np.array([[-1e4, 1e4, 0, 1e4], [-1e4, -1e4, -1e4, -1e4]], dtype)
    assert k.softmax_forward(x).tolist() == [[0, 0.5, 0, 0.5], [0.25] * 4]
    half = -np.log(dtype(2))
    np.testing.assert_allclose(k.log_softmax_forward(x)[0], [-2e4 + half, half, -1e4 + half, half], rtol=1e-7)


def test_infinities_and_nan(k):
    x = np.array([[0, -inf, 0], [-inf, -inf, -inf], [0, inf, 0], [0, nan, 1], [0, -nan, 1]])
    with np.errstate(invalid="ignore"):
        y, z = k.softmax_forward(x), k.log_softmax_forward(x)
    assert y[0].tolist() == [0.5, 0, 0.5] and z[0, 1] == -inf and z[0, 0] == -np.log(2)
    assert np.isnan(y[1]).all() and np.isnan(z[1]).all()
    assert np.isnan(y[2, 1]) and np.isnan(z[2, 1])
    assert np.isnan(y[3:]).all() and np.isnan(z[3:]).all()


def test_by_hand(k):
    x = np.log(np.array([[1.0, 2, 5]]))
    np.testing.assert_allclose(k.softmax_forward(x), [[0.125, 0.25, 0.625]], rtol=1e-14)
    dx = k.softmax_backward(np.array([[8.0, 0, 0]]), np.array([[0.125, 0.25, 0.625]]))
    assert dx.tolist() == [[0.875, -0.25, -0.625]]


def test_out(k):
    x, out = numbers(4, 6), np.empty((4, 6))
    for f, arguments in ((k.softmax_forward, (x,)), (k.log_softmax_forward, (x,)), (k.softmax_backward, (x, x)),
                         (k.log_softmax_backward, (x, x))):
        expected = f(*arguments)
        assert f(*arguments, out=out) is out and (out == expected).all()


def test_bits_do_not_depend_on_the_threads():
    k, x, dy = kernels.rung("cpu"), numbers(500, 101, dtype=np.float32), numbers(500, 101, dtype=np.float32, seed=1)

    def everything():
        y, z = k.softmax_forward(x), k.log_softmax_forward(x)
        return [y, z, k.softmax_backward(dy, y), k.log_softmax_backward(dy, z)]

    same_bits(everything)
