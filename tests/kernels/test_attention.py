"""Attention against its formula, one query at a time in extended precision; masks, causality and finite differences."""
import numpy as np
import pytest
from same_bits import same_bits

from tinyattn import kernels

L = np.longdouble
inf = np.inf
# B, H, T, S, D, E: less than a tile, a tile exactly, tiles with edges, more keys than queries and the other way round
SHAPES = [(1, 1, 1, 1, 1, 1), (2, 3, 5, 6, 4, 3), (1, 2, 64, 64, 16, 32), (2, 1, 70, 130, 7, 9), (1, 1, 130, 65, 33, 17)]


@pytest.fixture(params=kernels.HOST_RUNGS)
def k(request):
    return kernels.rung(request.param)


def inputs(B, H, T, S, D, E, dtype=np.float64, seed=0):
    rng = np.random.default_rng(seed)
    return [rng.standard_normal(shape).astype(dtype) for shape in
            ((B, H, T, D), (B, H, S, D), (B, H, S, E), (B, H, T, E))]


def a_mask(kind, B, H, T, S, dtype=np.float64):
    if kind is None:
        return None
    shape = {"all": (B, H, T, S), "heads": (1, H, T, S), "batches": (B, 1, T, S), "one": (1, 1, T, S)}[kind]
    rng = np.random.default_rng(9)
    mask = np.where(rng.random(shape) < 0.3, -inf, rng.standard_normal(shape))
    mask[..., T // 2, :] = -inf           # a query that sees nothing
    mask[..., T // 3, :S // 2] = -inf     # and one whose first keys are all hidden
    return mask.astype(dtype)


def attention_by_hand(q, k, v, mask, causal, scale):
    q, k, v = (a.astype(L) for a in (q, k, v))
    B, H, T, _ = q.shape
    S, E = v.shape[2:]
    o, lse = np.zeros((B, H, T, E), L), np.full((B, H, T), -inf, L)
    for b, h, i in np.ndindex(B, H, T):
        s = (k[b, h] * q[b, h, i]).sum(axis=1) * L(scale)
        if mask is not None:
            s = s + mask[min(b, len(mask) - 1), min(h, mask.shape[1] - 1), i]
        seen = [j for j in range(S) if s[j] > -inf and (j <= i or not causal)]
        if seen:
            weights = np.exp(s[seen] - s[seen].max())
            o[b, h, i] = (weights[:, None] * v[b, h, seen]).sum(axis=0) / weights.sum()
            lse[b, h, i] = np.log(weights.sum()) + s[seen].max()
    return o, lse


@pytest.mark.parametrize("dtype,tolerance", [(np.float32, 3e-6), (np.float64, 1e-13)])
@pytest.mark.parametrize("causal", [False, True])
@pytest.mark.parametrize("kind", [None, "all", "heads", "batches", "one"])
@pytest.mark.parametrize("shape", SHAPES)
def test_forward(k, shape, kind, causal, dtype, tolerance):
    q, keys, v, _ = inputs(*shape, dtype=dtype)
    mask = a_mask(kind, *shape[:4], dtype=dtype)
    scale = 1.7 / np.sqrt(shape[4])
    expected = [a.astype(float) for a in attention_by_hand(q, keys, v, mask, causal, scale)]
    for function in (k.attention_forward, k.attention_forward_plain):
        for ours, truth in zip(function(q, keys, v, mask, causal, scale), expected):
            assert ours.dtype == dtype and ours.shape == truth.shape
            np.testing.assert_allclose(ours, truth, rtol=0, atol=tolerance)


@pytest.mark.parametrize("causal", [False, True])
@pytest.mark.parametrize("kind", [None, "all", "one"])
def test_finite_differences(k, kind, causal):
    shape = (2, 2, 4, 5, 3, 2)
    q, keys, v, do = inputs(*shape)
    mask, scale = a_mask(kind, *shape[:4]), 0.6
    o, lse = k.attention_forward(q, keys, v, mask, causal, scale)
    gradients = k.attention_backward(do, q, keys, v, o, lse, mask, causal, scale)
    step = 1e-5
    for which, gradient in enumerate(gradients):
        expected = np.zeros_like(gradient)
        for i in np.ndindex(expected.shape):
            values = []
            for sign in (1, -1):
                moved = [a.astype(L) for a in (q, keys, v)]
                moved[which][i] += sign * L(step)
                values.append(attention_by_hand(*moved, mask, causal, scale)[0])
            expected[i] = ((values[0] - values[1]) * do).sum() / (2 * step)
        np.testing.assert_allclose(gradient, expected, atol=1e-9)


@pytest.mark.parametrize("dtype,tolerance", [(np.float32, 2e-5), (np.float64, 1e-12)])
@pytest.mark.parametrize("causal", [False, True])
@pytest.mark.parametrize("kind", [None, "heads", "batches"])
@pytest.mark.parametrize("shape", SHAPES)
def test_backward_of_tiles(shape, kind, causal, dtype, tolerance):
    """The compiled tiles in either precision against the formula over the whole matrix."""
    q, keys, v, do = inputs(*shape)
    mask, scale = a_mask(kind, *shape[:4]), 0.4
    o, lse = attention_by_hand(q, keys, v, mask, causal, scale)
    s = np.einsum("bhtd,bhsd->bhts", q, keys) * scale + (0 if mask is None else mask)
    if causal:
        s[..., np.triu(np.ones(s.shape[2:], bool), 1)] = -inf
    p = np.exp(s - np.where(np.isinf(lse), 0, lse).astype(float)[..., None])
    ds = p * (np.einsum("bhte,bhse->bhts", do, v) - (do * o).sum(axis=3, keepdims=True).astype(float))
    expected = (np.einsum("bhts,bhsd->bhtd", ds, keys) * scale, np.einsum("bhts,bhtd->bhsd", ds, q) * scale,
                np.einsum("bhts,bhte->bhse", p, do))
    mask = None if mask is None else mask.astype(dtype)
    given = [a.astype(dtype) for a in (do, q, keys, v, o, lse)]
    for backward in (*(kernels.rung(name).attention_backward for name in kernels.HOST_RUNGS), kernels.rung("cpu").attention_backward_plain):
        for ours, truth in zip(backward(*given, mask, causal, scale), expected):
            assert ours.dtype == dtype and ours.shape == truth.shape
            np.testing.assert_allclose(ours, truth, rtol=0, atol=tolerance * max(1, np.abs(truth).max()))


def test_by_hand(k):
    """Scores ln 1, ln 3: weights ¼ and ¾; the causal first query sees the first key alone."""
    q, keys = np.ones((1, 1, 2, 1)), np.log([[[[1.0], [3.0]]]])
    v = np.array([[[[4.0, 0], [8.0, 4]]]])
    o, lse = k.attention_forward(q, keys, v, None, False, 1.0)
    np.testing.assert_allclose(o[0, 0], [[7, 3], [7, 3]], rtol=1e-14)
    np.testing.assert_allclose(lse[0, 0], np.log([4, 4]), rtol=1e-14)
    o, lse = k.attention_forward(q, keys, v, None, True, 1.0)
    np.testing.assert_allclose(o[0, 0], [[4, 0], [7, 3]], rtol=1e-14)
    np.testing.assert_allclose(lse[0, 0], np.log([1, 4]), rtol=1e-14)


@pytest.mark.parametrize("S", [3, 64, 100])
def test_a_query_that_sees_nothing(k, S):
    q, keys, v, do = inputs(1, 2, 5, S, 4, 3)
    mask = np.zeros((1, 1, 5, S))
    mask[0, 0, 2] = -inf
    o, lse = k.attention_forward(q, keys, v, mask, False, 1.0)
    assert (o[:, :, 2] == 0).all() and (lse[:, :, 2] == -inf).all() and np.isfinite(np.delete(lse, 2, axis=2)).all()
    dq, dk, dv = k.attention_backward(do, q, keys, v, o, lse, mask, False, 1.0)
    assert (dq[:, :, 2] == 0).all() and all(np.isfinite(a).all() for a in (dq, dk, dv))
    np.testing.assert_allclose(dv.sum(axis=2), np.delete(do, 2, axis=2).sum(axis=2), atol=1e-12)


def test_large_scores_are_exact(k):
    """Scores of ±1e4, with the largest in the last tile: what was summed before must be shrunk to nothing."""
    for dtype in (np.float32, np.float64):
        q, keys = np.full((1, 1, 1, 1), 100, dtype), np.full((1, 1, 150, 1), -100, dtype)
        keys[0, 0, 70] = 99
        keys[0, 0, 140] = keys[0, 0, 149] = 100
        v = np.arange(150, dtype=dtype)[None, None, :, None]
        o, lse = k.attention_forward(q, keys, v, None, False, 1.0)
        assert o.item() == 144.5
        assert lse.item() == pytest.approx(1e4 + np.log(2), rel=1e-7)


@pytest.mark.parametrize("causal", [False, True])
@pytest.mark.parametrize("nan", [np.nan, np.copysign(np.nan, -1.0)])
def test_nan_does_not_spread_to_other_queries(k, nan, causal):
    """Nor is it lost among hidden keys: to the bits of a number, a NaN with the sign set is less than −∞."""
    q, keys, v, _ = inputs(1, 1, 20, 20, 4, 4)
    clean, _ = k.attention_forward(q, keys, v, None, causal, 0.5)
    q[0, 0, 3, 1] = nan
    o, lse = k.attention_forward(q, keys, v, None, causal, 0.5)
    assert np.isnan(o[0, 0, 3]).all() and np.isnan(lse[0, 0, 3])
    np.testing.assert_array_equal(np.delete(o, 3, axis=2), np.delete(clean, 3, axis=2))


def test_keys_that_no_query_sees(k):
    """Causal, 3 queries and 150 keys: keys from the fourth on have no gradient, whole tiles of them included."""
    q, keys, v, do = inputs(1, 2, 3, 150, 4, 5)
    o, lse = k.attention_forward(q, keys, v, None, True, 0.5)
    _, dk, dv = k.attention_backward(do, q, keys, v, o, lse, None, True, 0.5)
    assert (dk[:, :, 3:] == 0).all() and (dv[:, :, 3:] == 0).all() and dv[:, :, :3].all()


def test_bits_do_not_depend_on_the_threads():
    k = kernels.rung("cpu")
    q, keys, v, do = inputs(2, 3, 150, 90, 12, 20, dtype=np.float32)

    def everything():
        o, lse = k.attention_forward(q, keys, v, None, True, 0.3)
        return [o, lse, *k.attention_backward(do, q, keys, v, o, lse, None, True, 0.3)]

    same_bits(everything)


@pytest.mark.parametrize("dtype,tolerance", [(np.float32, 2e-6), (np.float64, 1e-13)])
@pytest.mark.parametrize("causal", [False, True])
@pytest.mark.parametrize("kind", [None, "all", "one"])
@pytest.mark.parametrize("B, H, T, D", [(1, 1, 1, 1), (2, 3, 5, 4), (1, 2, 64, 32), (2, 2, 70, 9), (3, 1, 72, 16)])
def test_heads_side_by_side(k, B, H, T, D, kind, causal, dtype, tolerance):
    """Attention that takes q, k and v from one array, and leaves the heads side by side, is attention."""
    q, keys, v, do = inputs(B, H, T, T, D, D, dtype=dtype)
    mask = a_mask(kind, B, H, T, T, dtype=dtype)
    scale = 0.7

    def join(*parts):
        return np.ascontiguousarray(np.stack([x.transpose(0, 2, 1, 3) for x in parts], 2)).reshape(B, T, -1)
    o, lse = k.attention_forward(q, keys, v, mask, causal, scale)
    gradients = k.attention_backward(do, q, keys, v, o, lse, mask, causal, scale)
    joined, joined_lse = k.self_attention_forward(join(q, keys, v), H, mask, causal, scale)
    dqkv = k.self_attention_backward(join(do), join(q, keys, v), joined, joined_lse, H, mask, causal, scale)
    for name, ours, wanted in (("o", joined, join(o)), ("lse", joined_lse, lse), ("dqkv", dqkv, join(*gradients))):
        assert ours.dtype == dtype and ours.shape == wanted.shape and ours.flags.c_contiguous, name
        np.testing.assert_allclose(ours, wanted, rtol=0, atol=tolerance * max(1, T / 16), err_msg=name)
