"""Additive scores against their formula in extended precision, edges of the tasks, and any number of threads."""
import numpy as np
import pytest
from same_bits import same_bits

from tinyattn import kernels

L = np.longdouble
SHAPES = [(1, 1, 1, 1), (2, 3, 4, 5), (1, 4, 65, 64), (2, 5, 33, 130), (3, 9, 2, 65), (1, 2, 1, 5000), (2, 0, 3, 4), (2, 3, 0, 4), (0, 2, 3, 4)]     # N, T, S, D


def inputs(shape, dtype):
    n, t, s, d = shape
    rng = np.random.default_rng(0)
    return [rng.standard_normal(size).astype(dtype) for size in ((n, t, s), (n, t, d), (n, s, d), (d,))]


def by_hand(de, q, k, v):
    """e, dq, dk, dv, one query and key after the other."""
    de, q, k, v = (x.astype(L) for x in (de, q, k, v))
    e, dq, dk, dv = np.zeros(de.shape, L), np.zeros_like(q), np.zeros_like(k), np.zeros_like(v)
    for n, t, s in np.ndindex(de.shape):
        h = np.tanh(q[n, t] + k[n, s])
        e[n, t, s] = h @ v
        dv += de[n, t, s] * h
        dq[n, t] += de[n, t, s] * v * (1 - h ** 2)
        dk[n, s] += de[n, t, s] * v * (1 - h ** 2)
    return e, dq, dk, dv


@pytest.mark.parametrize("dtype, tolerance", [(np.float32, 3e-6), (np.float64, 1e-14)])
@pytest.mark.parametrize("shape", SHAPES)
@pytest.mark.parametrize("rung", kernels.HOST_RUNGS)
def test_values_and_gradients(rung, shape, dtype, tolerance):
    k = kernels.rung(rung)
    given = inputs(shape, dtype)
    found = k.additive_scores_forward(*given[1:]), *k.additive_scores_backward(*given)
    for name, ours, wanted in zip(("e", "dq", "dk", "dv"), found, by_hand(*given)):
        assert ours.dtype == dtype and ours.shape == wanted.shape, name
        np.testing.assert_allclose(ours, wanted.astype(float), rtol=0, atol=tolerance * max(1, np.abs(wanted).max(initial=0)), err_msg=name)


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
@pytest.mark.parametrize("rung", kernels.HOST_RUNGS)
def test_small_and_great_numbers(rung, dtype):
    """tanh keeps its digits near 0, is ±1 far from it, also where q and k are far and near each other; a NaN stays."""
    k = kernels.rung(rung)
    q = np.array([[[1e-6], [1000], [-1000], [np.nan]]], dtype)
    e = k.additive_scores_forward(q, np.array([[[1e-6], [-1000.5]]], dtype), np.ones(1, dtype))[0]
    np.testing.assert_allclose(e[0, 0], 2e-6, rtol=1e-6)
    np.testing.assert_allclose(e[1], [1, np.tanh(-0.5)], rtol=1e-6)
    np.testing.assert_allclose(e[2], [-1, -1], rtol=0)
    assert np.isnan(e[3]).all()


def test_same_bits():
    k = kernels.rung("cpu")
    given = inputs((7, 13, 49, 96), np.float32)
    same_bits(lambda: (k.additive_scores_forward(*given[1:]), *k.additive_scores_backward(*given)))
