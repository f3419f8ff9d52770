"""Scaled dot-product attention: every query takes a mean of the values, weighted by how well the keys match it.

    o_i = Σ_j p_ij · v_j,    p_ij = exp(s_ij − lse_i),    s_ij = scale · q_i·k_j + mask_ij,    lse_i = log Σ_j exp(s_ij)

With `causal`, key j is seen by query i only where j ≤ i. Keys are visited a tile at a time (online softmax), so that
memory grows with the number of tokens, not with its square; the backward pass recomputes p from lse.

Vaswani et al.: Attention is all you need (arXiv 1706.03762). Milakov, Gimelshein: Online normalizer calculation for
softmax (arXiv 1805.02867). Dao et al.: FlashAttention (arXiv 2205.14135).
"""
import numpy as np

__all__ = ["attention_forward", "attention_forward_plain", "attention_backward", "self_attention_forward", "self_attention_backward"]

TILE = 64  # keys visited at a time


def _scores(q, k, mask, causal, scale, start):
    """s for the keys start … start + len(k): (B, H, T, D) × (B, H, S, D) → (B, H, T, S); unseen keys are −∞."""
    T, S = q.shape[2], k.shape[2]
    s = np.matmul(q, k.swapaxes(2, 3)) * q.dtype.type(scale)         # (B, H, T, S)
    if mask is not None:
        s = s + mask[..., start:start + S]
    if causal:
        s = np.where(np.arange(start, start + S)[None, :] > np.arange(T)[:, None], q.dtype.type(-np.inf), s)
    return s


def _finite_or_zero(m):
    """A row that sees no key has maximum −∞; exp(−∞ − 0) is the 0 wanted there, exp(−∞ − −∞) would be NaN."""
    return np.where(m == -np.inf, 0, m).astype(m.dtype)


def attention_forward(q, k, v, mask, causal, scale):
    """Attention of T queries over S keys.

    q (B, H, T, D), k (B, H, S, D), v (B, H, S, E); mask None, or an array added to the scores, (B or 1, H or 1, T, S),
    −∞ where a key is not to be seen; scale a number, usually 1/√D. Returns o (B, H, T, E) and lse (B, H, T). A query
    that sees no key at all has o = 0, lse = −∞.
    """
    B, H, T, _ = q.shape
    o = np.zeros((B, H, T, v.shape[3]), q.dtype)
    total = np.zeros((B, H, T, 1), q.dtype)                          # Σ_j exp(s_ij − m_i) so far
    m = np.full((B, H, T, 1), -np.inf, q.dtype)                      # largest score so far
    for start in range(0, k.shape[2], TILE):
        keys, values = k[:, :, start:start + TILE], v[:, :, start:start + TILE]
        s = _scores(q, keys, mask, causal, scale, start)             # (B, H, T, TILE)
        larger = np.maximum(m, s.max(axis=3, keepdims=True))
        p = np.exp(s - _finite_or_zero(larger))
        shrink = np.exp(m - _finite_or_zero(larger))                 # what was summed before had another maximum
        total = total * shrink + p.sum(axis=3, keepdims=True)
        o = o * shrink + np.matmul(p, values)
        m = larger
    empty = total == 0                                               # no key seen
    total = np.where(empty, 1, total)
    lse = np.where(empty, -np.inf, m + np.log(total))                # (B, H, T, 1)
    return (o / total).astype(q.dtype), lse[..., 0].astype(q.dtype)


def attention_forward_plain(q, k, v, mask, causal, scale):
    """`attention_forward` in four lines, with the whole T × S matrix of weights in memory."""
    s = _scores(q, k, mask, causal, scale, 0)                        # (B, H, T, S)
    m = _finite_or_zero(s.max(axis=3, keepdims=True))                # (B, H, T, 1)
    e = np.exp(s - m)
    total = e.sum(axis=3, keepdims=True)                             # (B, H, T, 1)
    p = e / np.where(total == 0, 1, total)
    with np.errstate(divide="ignore"):
        return np.matmul(p, v), (m + np.log(total))[..., 0]


def attention_backward(do, q, k, v, o, lse, mask, causal, scale):
    """Gradients of `attention_forward`. With p recomputed from lse, and δ_i = do_i·o_i:

        dv_j = Σ_i p_ij·do_i,    ds_ij = p_ij · (do_i·v_j − δ_i),    dq_i = scale · Σ_j ds_ij·k_j,
        dk_j = scale · Σ_i ds_ij·q_i

    do and o (B, H, T, E), lse (B, H, T), the rest as in the forward pass. Returns dq, dk, dv, shaped as q, k, v.
    """
    scale = q.dtype.type(scale)
    dq, dk, dv = np.zeros_like(q), np.empty_like(k), np.empty_like(v)
    delta = (do * o).sum(axis=3, keepdims=True)                      # (B, H, T, 1)
    lse = _finite_or_zero(lse)[..., None]                            # (B, H, T, 1)
    for start in range(0, k.shape[2], TILE):
        tile = slice(start, start + TILE)
        p = np.exp(_scores(q, k[:, :, tile], mask, causal, scale, start) - lse)          # (B, H, T, TILE)
        dv[:, :, tile] = np.matmul(p.swapaxes(2, 3), do)
        ds = p * (np.matmul(do, v[:, :, tile].swapaxes(2, 3)) - delta)
        dq += scale * np.matmul(ds, k[:, :, tile])
        dk[:, :, tile] = scale * np.matmul(ds.swapaxes(2, 3), q)
    return dq, dk, dv


def _heads(x, parts, heads):
    """(B, T, parts·heads·D) as `parts` views (B, heads, T, D)."""
    B, T, width = x.shape
    return x.reshape(B, T, parts, heads, width // (parts * heads)).transpose(2, 0, 3, 1, 4)


def self_attention_forward(qkv, heads, mask, causal, scale):
    """`attention_forward` of tokens to themselves, where q, k and v lie side by side as one product leaves them.

    qkv (B, T, 3·heads·D); the rest as there. Returns o (B, T, heads·D) and lse (B, heads, T).
    """
    o, lse = attention_forward(*_heads(qkv, 3, heads), mask, causal, scale)
    return np.ascontiguousarray(o.transpose(0, 2, 1, 3)).reshape(*qkv.shape[:2], -1), lse


def self_attention_backward(do, qkv, o, lse, heads, mask, causal, scale):
    """dqkv (B, T, 3·heads·D), the gradient of `self_attention_forward`, from do and o (B, T, heads·D), lse (B, heads, T)."""
    (do,), (o,) = _heads(do, 1, heads), _heads(o, 1, heads)
    gradients = attention_backward(do, *_heads(qkv, 3, heads), o, lse, mask, causal, scale)
    return np.stack(gradients, 2).transpose(0, 3, 2, 1, 4).reshape(qkv.shape)  # (B, H, 3, T, D) → (B, T, 3, H, D)
