"""Group normalisation against extended precision, on data that loses digits easily, and against its plain twin."""
import numpy as np
import pytest
from same_bits import same_bits

from tinyattn import kernels

L = np.longdouble
SHAPES = [((1, 1, 4), 2), ((3, 7, 3), 1), ((2, 143, 3), 3), ((5, 90, 17), 1), ((40, 64, 16), 4), ((2, 3000, 24), 8), ((3, 2, 600), 5)]


@pytest.fixture(params=kernels.HOST_RUNGS)
def k(request):
    return kernels.rung(request.param)


def numbers(*shape, dtype=np.float64, seed=0, mean=0.0):
    return (np.random.default_rng(seed).standard_normal(shape) + mean).astype(dtype)


def normalised(x, groups, eps):
    """x̂ (N, P, C), mean (N, groups) and rstd (N, groups) in extended precision."""
    apart = x.astype(L).reshape(*x.shape[:2], groups, -1)
    mean = apart.mean(axis=(1, 3), keepdims=True)
    rstd = 1 / np.sqrt(((apart - mean) ** 2).mean(axis=(1, 3), keepdims=True) + L(eps))
    return ((apart - mean) * rstd).reshape(x.shape), mean[:, 0, :, 0], rstd[:, 0, :, 0]


@pytest.mark.parametrize("dtype,tolerance", [(np.float32, 4e-6), (np.float64, 1e-13)])
@pytest.mark.parametrize("shape,groups", SHAPES)
def test_forward_and_backward(k, shape, groups, dtype, tolerance):
    x, dy = numbers(*shape, dtype=dtype, mean=2), numbers(*shape, dtype=dtype, seed=1)
    weight, bias = numbers(shape[2], dtype=dtype, seed=2), numbers(shape[2], dtype=dtype, seed=3)
    y, mean, rstd = k.group_norm_forward(x, weight, bias, groups, 1e-3)
    z, m, r = normalised(x, groups, 1e-3)
    assert {a.dtype for a in (y, mean, rstd)} == {np.dtype(dtype)} and mean.shape == rstd.shape == (shape[0], groups)
    np.testing.assert_allclose(y, (z * weight + bias).astype(float), rtol=0, atol=tolerance * 10)
    np.testing.assert_allclose(mean, m.astype(float), rtol=tolerance, atol=tolerance)
    np.testing.assert_allclose(rstd, r.astype(float), rtol=tolerance)
    dx, dweight, dbias = k.group_norm_backward(dy, x, mean, rstd, weight)
    g = (dy.astype(L) * weight).reshape(*shape[:2], groups, -1)
    zs = z.reshape(g.shape)
    wanted = (g - g.mean(axis=(1, 3), keepdims=True) - zs * (g * zs).mean(axis=(1, 3), keepdims=True)) * r[:, None, :, None]
    np.testing.assert_allclose(dx, wanted.reshape(shape).astype(float), rtol=0, atol=tolerance * 20 * abs(wanted).max())
    np.testing.assert_allclose(dweight, (dy * z).sum(axis=(0, 1)).astype(float), rtol=0, atol=tolerance * 3 * np.sqrt(x.size))
    np.testing.assert_allclose(dbias, dy.astype(L).sum(axis=(0, 1)).astype(float), rtol=0, atol=tolerance * 3 * np.sqrt(x.size))


def test_by_hand(k):
    x = np.array([[[1.0, 5, 0], [3, 7, 2]]])                     # one image of 2 pixels and 3 channels
    y, mean, rstd = k.group_norm_forward(x, None, None, 3, 0.25 - 1 / 16)
    assert mean.tolist() == [[2, 6, 1]] and (y[0, 0] == -y[0, 1]).all() and y[0, 1, 0] > 0
    dx, dweight, dbias = k.group_norm_backward(np.ones_like(x), x, mean, rstd, None)
    assert (dx == 0).all() and (dweight == 0).all() and dbias.tolist() == [2, 2, 2]


@pytest.mark.parametrize("groups", [1, 3])
def test_variance_keeps_its_digits(k, groups):
    """Σx² − (Σx)²/n in float32 has no correct digit here."""
    x = numbers(2, 20000, 3, mean=1e4)
    x[0, :20] = 0
    x = x.astype(np.float32)
    y, mean, rstd = k.group_norm_forward(x, None, None, groups, 1e-5)
    _, m, r = normalised(x, groups, 1e-5)
    np.testing.assert_allclose(mean, m.astype(float), rtol=1e-7)
    np.testing.assert_allclose(rstd, r.astype(float), rtol=2e-5)


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
@pytest.mark.parametrize("with_weight", [False, True])
def test_the_plain_twin(dtype, with_weight):
    cpu, tolerance = kernels.rung("cpu"), dict(rtol=1e-4, atol=1e-5) if dtype == np.float32 else dict(rtol=1e-10, atol=1e-12)
    x, dy = numbers(3, 50, 6, dtype=dtype, mean=1), numbers(3, 50, 6, dtype=dtype, seed=1)
    weight, bias = (numbers(6, dtype=dtype, seed=2), numbers(6, dtype=dtype, seed=3)) if with_weight else (None, None)
    made = cpu.group_norm_forward(x, weight, bias, 2, 1e-3)
    for a, b in zip(made, cpu.group_norm_forward_plain(x, weight, bias, 2, 1e-3)):
        np.testing.assert_allclose(a, b, **tolerance)
    given = dy, x, *made[1:], weight
    for a, b in zip(cpu.group_norm_backward(*given), cpu.group_norm_backward_plain(*given)):
        np.testing.assert_allclose(a, b, **tolerance)


def test_any_number_of_threads_gives_the_same_bits():
    cpu = kernels.rung("cpu")
    x, dy = numbers(30, 784, 17, dtype=np.float32), numbers(30, 784, 17, dtype=np.float32, seed=1)

    def everything():
        y, mean, rstd = cpu.group_norm_forward(x, None, None, 1, 1e-5)
        return [y, mean, rstd, *cpu.group_norm_backward(dy, x, mean, rstd, None)]
    same_bits(everything)
