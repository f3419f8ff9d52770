"""Attention pooling against its formula in extended precision, its twins, finite differences, and any number of threads."""
import numpy as np
import pytest
from same_bits import same_bits

from tinyattn import kernels

L = np.longdouble
SHAPES = [(1, 1, 1), (2, 3, 5), (5, 49, 64), (3, 7, 33)]


def inputs(shape, dtype):
    rng = np.random.default_rng(0)
    return [rng.standard_normal(s).astype(dtype) for s in (shape, shape[2:], (1,), (shape[0], shape[2]))]


def by_hand(x, w, b, dy):
    """y, a, dx, dw, one image after the other, the Jacobian of the softmax written out."""
    x, w, b, dy = (z.astype(L) for z in (x, w, b, dy))
    y, a, dx, dw = [], [], np.zeros_like(x), np.zeros_like(w)
    for n, tokens in enumerate(x):
        e = np.exp(tokens @ w + b)
        weights = e / e.sum()
        ds = (np.diag(weights) - np.outer(weights, weights)) @ (tokens @ dy[n])
        dx[n] = np.outer(weights, dy[n]) + np.outer(ds, w)
        dw = dw + ds @ tokens
        y.append(weights @ tokens)
        a.append(weights)
    return np.array(y), np.array(a), dx, dw


@pytest.mark.parametrize("dtype, tolerance", [(np.float32, 4e-6), (np.float64, 1e-14)])
@pytest.mark.parametrize("shape", SHAPES)
@pytest.mark.parametrize("rung, suffix", [("reference", ""), ("cpu", ""), ("cpu", "_plain")])
def test_values_and_gradients(rung, suffix, shape, dtype, tolerance):
    k = kernels.rung(rung)
    forward, backward = (getattr(k, f"attention_pool_{part}{suffix}") for part in ("forward", "backward"))
    x, w, b, dy = inputs(shape, dtype)
    y, a = forward(x, w, b)
    for name, ours, wanted in zip(("y", "a", "dx", "dw"), (y, a, *backward(dy, x, w, a)), by_hand(x, w, b, dy)):
        assert ours.dtype == dtype, name
        np.testing.assert_allclose(ours, wanted.astype(float).reshape(ours.shape), rtol=0,
                                   atol=tolerance * max(1, np.abs(wanted).max()) * shape[1] ** 0.5, err_msg=name)


@pytest.mark.parametrize("rung", kernels.HOST_RUNGS)
def test_great_scores_and_nans(rung):
    """Scores of ±10,000 leave the largest alone; a NaN spoils its own image, and no other."""
    k = kernels.rung(rung)
    x, w, b, _ = inputs((3, 4, 2), np.float32)
    x[1] = [[10000, 0], [-10000, 1], [0, 0], [5, 5]]
    x[2, 1, 0] = np.nan
    y, a = k.attention_pool_forward(x, np.array([1, 0], np.float32), b)
    assert a[1].tolist() == [1, 0, 0, 0] and y[1].tolist() == [10000, 0]
    assert np.isnan(a[2]).all() and np.isfinite(y[:2]).all()


def test_same_bits():
    k = kernels.rung("cpu")
    x, w, b, dy = inputs((37, 49, 64), np.float32)

    def run():
        y, a = k.attention_pool_forward(x, w, b)
        return y, a, *k.attention_pool_backward(dy, x, w, a)
    same_bits(run)
