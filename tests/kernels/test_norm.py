"""Normalisation against extended precision, on data that loses digits easily, and against finite differences."""
import numpy as np
import pytest
from same_bits import same_bits

from tinyattn import kernels

L = np.longdouble
SHAPES = [(1, 4), (2, 1), (317, 3), (1000, 16), (700, 131), (37, 300), (40000, 3)]  # one tile, a part of one, many blocks


@pytest.fixture(params=kernels.HOST_RUNGS)
def k(request):
    return kernels.rung(request.param)


def numbers(*shape, dtype=np.float64, seed=0, mean=0.0):
    return (np.random.default_rng(seed).standard_normal(shape) + mean).astype(dtype)


def normalised(x, axis, eps):
    x = x.astype(L)
    mean = x.mean(axis=axis, keepdims=True)
    var = ((x - mean) ** 2).mean(axis=axis, keepdims=True)
    return (x - mean) / np.sqrt(var + L(eps)), mean, var


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


@pytest.mark.parametrize("dtype,tolerance", [(np.float32, 4e-6), (np.float64, 1e-13)])
@pytest.mark.parametrize("relu", [False, True])
@pytest.mark.parametrize("shape", SHAPES)
def test_batch_norm(k, shape, relu, dtype, tolerance):
    x = numbers(*shape, dtype=dtype, mean=2)
    weight, bias = numbers(shape[1], dtype=dtype, seed=1), numbers(shape[1], dtype=dtype, seed=2)
    y, mean, var, rstd = k.batch_norm_forward(x, weight, bias, 1e-3, relu)
    z, m, v = normalised(x, 0, 1e-3)
    z = z * weight + bias
    z = np.where(z > 0, z, 0) if relu else z
    assert {a.dtype for a in (y, mean, var, rstd)} == {np.dtype(dtype)}
    np.testing.assert_allclose(y, z.astype(float), rtol=0, atol=tolerance * 10)
    np.testing.assert_allclose(mean, m[0].astype(float), rtol=tolerance, atol=tolerance)
    np.testing.assert_allclose(var, v[0].astype(float), rtol=tolerance)
    np.testing.assert_allclose(rstd, (1 / np.sqrt(v[0] + L(1e-3))).astype(float), rtol=tolerance)
    again = k.batch_norm_inference(x, mean, var, weight, bias, 1e-3, relu)
    np.testing.assert_allclose(again, y, rtol=0, atol=tolerance * 20)


@pytest.mark.parametrize("weight", [None, np.array([2.0, -1.0])])
@pytest.mark.parametrize("bias", [None, np.array([0.5, 3.0])])
def test_without_weight_or_bias(k, weight, bias):
    x = numbers(50, 2)
    y, mean, var, rstd = k.batch_norm_forward(x, weight, bias, 0.1)
    z = normalised(x, 0, 0.1)[0] * (1 if weight is None else weight) + (0 if bias is None else bias)
    np.testing.assert_allclose(y, z.astype(float), rtol=1e-12)
    np.testing.assert_allclose(k.batch_norm_inference(x, mean, var, weight, bias, 0.1), y, rtol=1e-12)
    y, _, _ = k.layer_norm_forward(x, weight, bias, 0.1)
    z = normalised(x, 1, 0.1)[0] * (1 if weight is None else weight) + (0 if bias is None else bias)
    np.testing.assert_allclose(y, z.astype(float), rtol=1e-12)


@pytest.mark.parametrize("case", ["far from zero", "first rows far from the rest", "each block elsewhere"])
def test_variance_keeps_its_digits(k, case):
    """Σx² − (Σx)²/M in float32 has no correct digit in any of these."""
    x = numbers(70000, 3, mean=1e4)
    if case == "first rows far from the rest":
        x[:20] = 0
    elif case == "each block elsewhere":
        x += np.linspace(0, 3e4, 70000)[:, None]
    x = x.astype(np.float32)
    y, mean, var, rstd = k.batch_norm_forward(x, None, None, 1e-5)
    _, m, v = normalised(x, 0, 0)
    np.testing.assert_allclose(mean, m[0].astype(float), rtol=1e-7)
    np.testing.assert_allclose(var, v[0].astype(float), rtol=2e-5)
    assert abs(y.astype(float).mean(axis=0)).max() < 1e-3 and abs(y.astype(float).std(axis=0) - 1).max() < 1e-4


def test_batch_norm_by_hand(k):
    x = np.array([[1.0, 5], [3, 5]])
    y, mean, var, rstd = k.batch_norm_forward(x, None, None, 1.25 - 1)
    assert mean.tolist() == [2, 5] and var.tolist() == [1, 0]
    np.testing.assert_allclose(rstd, [1 / np.sqrt(1.25), 2])
    np.testing.assert_allclose(y, [[-1 / np.sqrt(1.25), 0], [1 / np.sqrt(1.25), 0]])


def test_relu_keeps_nan(k):
    x = numbers(5, 2)
    x[1, 0] = np.nan
    y = k.batch_norm_inference(x, np.zeros(2), np.ones(2), None, None, 0.0, True)
    assert np.isnan(y[1, 0]) and (np.delete(y, 1, axis=0) == np.maximum(np.delete(x, 1, axis=0), 0)).all()


@pytest.mark.parametrize("relu", [False, True])
@pytest.mark.parametrize("with_weight", [False, True])
def test_batch_norm_backward(k, relu, with_weight):
    x, dy, bias = numbers(23, 5, mean=1), numbers(23, 5, seed=1), numbers(5, seed=2)
    weight = numbers(5, seed=3) if with_weight else np.ones(5)
    given = weight if with_weight else None

    def f(x, weight, bias):
        y = normalised(x, 0, 1e-2)[0] * weight + bias
        return np.where(y > 0, y, 0) if relu else y

    _, mean, _, rstd = k.batch_norm_forward(x, given, bias, 1e-2, relu)
    dx, dweight, dbias = k.batch_norm_backward(dy, x, mean, rstd, given, bias, relu)
    np.testing.assert_allclose(dx, slope(lambda x: f(x, weight, bias), x, dy), atol=1e-8)
    np.testing.assert_allclose(dweight, slope(lambda w: f(x, w, bias), weight, dy), atol=1e-8)
    np.testing.assert_allclose(dbias, slope(lambda b: f(x, weight, b), bias, dy), atol=1e-8)


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_backward_sees_the_relu_of_the_forward_pass(dtype):
    """The compiled backward pass computes y anew: its sign must be that of the y that was returned, to the last bit."""
    k, x = kernels.rung("cpu"), numbers(100000, 3, dtype=dtype, mean=0.3)
    weight, bias = np.array([0.7, -1.3, 0.1], dtype), np.array([0.0, 0.01, -0.2], dtype)
    weight[2] = 0  # then y is the bias, and never positive
    y, mean, _, rstd = k.batch_norm_forward(x, weight, bias, 1e-5, True)
    for c in range(3):
        edge = np.argsort(np.abs((x[:, c] - mean[c]) * rstd[c] * weight[c] + bias[c]))[:1000]  # nearest to the kink
        for rows in (edge[y[edge, c] > 0], edge[y[edge, c] <= 0]):
            dy = np.zeros_like(x)
            dy[rows, c] = 1
            _, _, dbias = k.batch_norm_backward(dy, x, mean, rstd, weight, bias, True)
            assert dbias[c] == (y[rows, c] > 0).sum()


@pytest.mark.parametrize("dtype,tolerance", [(np.float32, 2e-5), (np.float64, 1e-12)])
@pytest.mark.parametrize("shape", SHAPES[1:])
def test_backward_of_many_rows(shape, dtype, tolerance):
    """The compiled loops against the plain ones, over tiles and blocks of every kind."""
    x, dy = numbers(*shape, dtype=dtype, mean=1), numbers(*shape, dtype=dtype, seed=1)
    weight, bias = numbers(shape[1], dtype=dtype, seed=2), numbers(shape[1], dtype=dtype, seed=3)
    reference, cpu = (kernels.rung(name) for name in ("reference", "cpu"))
    _, mean, _, rstd = reference.batch_norm_forward(x, weight, bias, 1e-5, True)
    _, row_mean, row_rstd = reference.layer_norm_forward(x, weight, bias, 1e-1)
    for ours, plain in ((cpu.batch_norm_backward(dy, x, mean, rstd, weight, bias, True),
                         reference.batch_norm_backward(dy, x, mean, rstd, weight, bias, True)),
                        (cpu.layer_norm_backward(dy, x, row_mean, row_rstd, weight),
                         reference.layer_norm_backward(dy, x, row_mean, row_rstd, weight))):
        for a, b in zip(ours, plain):
            assert a.dtype == dtype and a.shape == b.shape
            np.testing.assert_allclose(a, b, rtol=0, atol=tolerance * max(1, np.abs(b).max()))


@pytest.mark.parametrize("dtype,tolerance", [(np.float32, 4e-6), (np.float64, 1e-13)])
@pytest.mark.parametrize("shape", SHAPES)
def test_layer_norm(k, shape, dtype, tolerance):
    x = numbers(*shape, dtype=dtype, mean=2)
    weight, bias = numbers(shape[1], dtype=dtype, seed=1), numbers(shape[1], dtype=dtype, seed=2)
    y, mean, rstd = k.layer_norm_forward(x, weight, bias, 0.1)
    z, m, v = normalised(x, 1, 0.1)
    np.testing.assert_allclose(y, (z * weight + bias).astype(float), rtol=0, atol=tolerance * 10)
    np.testing.assert_allclose(mean, m[:, 0].astype(float), rtol=tolerance, atol=tolerance)
    np.testing.assert_allclose(rstd, (1 / np.sqrt(v[:, 0] + L(0.1))).astype(float), rtol=tolerance * 3)


def test_layer_norm_far_from_zero(k):
    x = numbers(20, 257, mean=1e4, dtype=np.float32)
    y, _, rstd = k.layer_norm_forward(x, None, None, 1e-5)
    z, _, v = normalised(x, 1, 1e-5)
    np.testing.assert_allclose(rstd, (1 / np.sqrt(v[:, 0] + L(1e-5))).astype(float), rtol=1e-5)
    np.testing.assert_allclose(y, z.astype(float), rtol=0, atol=2e-3)  # the mean itself is a float32 near 1e4


@pytest.mark.parametrize("with_weight", [False, True])
def test_layer_norm_backward(k, with_weight):
    x, dy = numbers(6, 11, mean=1), numbers(6, 11, seed=1)
    weight, bias = numbers(11, seed=2) if with_weight else np.ones(11), numbers(11, seed=3)
    given = weight if with_weight else None

    def f(x, weight, bias):
        return normalised(x, 1, 1e-2)[0] * weight + bias

    _, mean, rstd = k.layer_norm_forward(x, given, bias, 1e-2)
    dx, dweight, dbias = k.layer_norm_backward(dy, x, mean, rstd, given)
    np.testing.assert_allclose(dx, slope(lambda x: f(x, weight, bias), x, dy), atol=1e-8)
    np.testing.assert_allclose(dweight, slope(lambda w: f(x, w, bias), weight, dy), atol=1e-8)
    np.testing.assert_allclose(dbias, slope(lambda b: f(x, weight, b), bias, dy), atol=1e-8)


def test_bits_do_not_depend_on_the_threads():
    k, x, dy = kernels.rung("cpu"), numbers(30000, 5, dtype=np.float32), numbers(30000, 5, dtype=np.float32, seed=1)

    def everything():
        y, mean, var, rstd = k.batch_norm_forward(x, None, None, 1e-5, True)
        z, row_mean, row_rstd = k.layer_norm_forward(x, None, None, 1e-5)
        return [y, mean, var, rstd, *k.batch_norm_backward(dy, x, mean, rstd, None, None, True), z, row_mean, row_rstd,
                *k.layer_norm_backward(dy, x, row_mean, row_rstd, None)]

    same_bits(everything)
