"""Scaled dot-product attention on the GPU; formulas and shapes as in `reference/attention.py`.

    tile.py        what the kernels are put together from: a block's tiles, a thread's part of them
    forward.py     the plain kernel, and the tiled one with online softmax
    backward.py    dq by tiles of queries; dk and dv by tiles of keys

Memory beyond the results grows with the number of tokens (backward: one number a query), never with its square. Every output is
summed by one thread, over tiles in order: the bits are the same each time.

Vaswani et al.: Attention is all you need (arXiv 1706.03762). Milakov, Gimelshein: Online normalizer calculation for softmax (arXiv
1805.02867). Dao et al.: FlashAttention (arXiv 2205.14135).
"""
import numpy as np

from ...reference.attention import __all__  # noqa: F401
from ..array import THREADS, blocks, empty
from ..runtime import launch
from ..threads import WARP
from .backward import ROWS_A_BLOCK, _attention_backward, _delta
from .forward import _attention, _attention_plain
from .tile import lines_of, threads_of

SMALL = 16
"""Up to so many tokens, tiles are small."""


def _plan(dtype, tokens, D, E, usual, *arrays):
    """(width, shape, wide) of the tiles; the last is true where quads of numbers can be accessed by 16 bytes everywhere.

    Few tokens, and those of float64, which need twice the room, are taken in slices of 16 numbers.
    """
    if dtype == np.float64 or tokens <= SMALL:
        return 16, "small", False
    width = next((width for width in (16, 32) if max(D, E) <= width), 64)
    return width, usual, D % 4 == 0 and E % 4 == 0 and all(a.offset % 16 == 0 for a in arrays)


def _mask(mask, other):
    """The mask as one axis, and its B and H; any array, 0 and 0 if there is none."""
    return (other.flat, 0, 0) if mask is None else (mask.flat, *mask.shape[:2])


def _forward(sizes, B, scale, q, k, v, mask, o, lse):
    """Launch the tiled kernel. sizes: H T S D E, joined, causal."""
    H, T, S, D, E, *_ = sizes
    width, shape, wide = _plan(q.dtype, max(T, S), D, E, "large", q, k, v, o)
    flat_mask, mask_B, mask_H = _mask(mask, q)
    kernel = _attention(q.dtype.type, width, shape, wide)
    grid = B * H * blocks(T, lines_of(shape)[0]), max(1, blocks(E, width))
    launch(kernel, grid, threads_of(shape), (*sizes, mask_B, mask_H), q.dtype.type(scale), q.flat, k.flat, v.flat, flat_mask, o.flat,
           lse.flat)
    return o, lse


def _backward(sizes, B, scale, do, q, k, v, o, lse, mask, dq, dk, dv):
    """Launch the three kernels. sizes: H T S D E, joined, causal."""
    H, T, S, D, E, joined, _ = sizes
    real, delta = q.dtype.type, empty(lse.shape, lse.dtype)
    launch(_delta(real), blocks(lse.size, ROWS_A_BLOCK), ROWS_A_BLOCK * WARP, (H, T, E, joined, lse.size), do.flat, o.flat, delta.flat)
    width, shape, wide = _plan(q.dtype, max(T, S), D, E, "medium", do, q, k, v, dq, dk, dv)
    flat_mask, mask_B, mask_H = _mask(mask, q)
    sizes, scale, slices = (*sizes, mask_B, mask_H), real(scale), max(1, blocks(max(D, E), width))
    do, q, k, v, dq, dk, dv = (a.flat for a in (do, q, k, v, dq, dk, dv))
    rows, threads = lines_of(shape)[0], threads_of(shape)
    shared = lse.flat, delta.flat, flat_mask
    launch(_attention_backward(real, width, shape, wide, False), (B * H * blocks(T, rows), slices), threads,
           sizes, scale, q, k, do, v, *shared, dq, dq)
    launch(_attention_backward(real, width, shape, wide, True), (B * H * blocks(S, rows), slices), threads,
           sizes, scale, k, q, v, do, *shared, dk, dv)


def attention_forward(q, k, v, mask, causal, scale):
    """Attention of T queries over S keys.

    q (B, H, T, D), k (B, H, S, D), v (B, H, S, E); mask None, or an array added to the scores, (B or 1, H or 1, T, S),
    −∞ where a key is not to be seen; scale a number, usually 1/√D. Returns o (B, H, T, E) and lse (B, H, T). A query
    that sees no key at all has o = 0, lse = −∞.
    """
    (B, H, T, D), (S, E) = q.shape, v.shape[2:]
    o, lse = empty((B, H, T, E), q.dtype), empty((B, H, T), q.dtype)
    return _forward((H, T, S, D, E, 0, int(causal)), B, scale, q, k, v, mask, o, lse)


def attention_forward_plain(q, k, v, mask, causal, scale):
    """`attention_forward` with one thread a query: see `_attention_plain`."""
    (B, H, T, _), E = q.shape, v.shape[3]
    o, lse = empty((B, H, T, E), q.dtype), empty((B, H, T), q.dtype)
    launch(_attention_plain(q.dtype.type), blocks(lse.size), THREADS, q, k, v, q if mask is None else mask, int(mask is not None),
           int(causal), q.dtype.type(scale), o, lse)
    return o, lse


def attention_backward(do, q, k, v, o, lse, mask, causal, scale):
    """Gradients of `attention_forward`. With p recomputed from lse, and δ_i = do_i·o_i:

        dv_j = Σ_i p_ij·do_i,    ds_ij = p_ij · (do_i·v_j − δ_i),    dq_i = scale · Σ_j ds_ij·k_j,
        dk_j = scale · Σ_i ds_ij·q_i

    do and o (B, H, T, E), lse (B, H, T), the rest as in the forward pass. Returns dq, dk, dv, shaped as q, k, v.
    """
    (B, H, T, D), (S, E) = q.shape, v.shape[2:]
    dq, dk, dv = (empty(a.shape, a.dtype) for a in (q, k, v))
    _backward((H, T, S, D, E, 0, int(causal)), B, scale, do, q, k, v, o, lse, mask, dq, dk, dv)
    return dq, dk, dv


def self_attention_forward(qkv, heads, mask, causal, scale):
    """`attention_forward` of tokens to themselves, where q, k and v lie side by side as one product leaves them.

    qkv (B, T, 3·heads·D); the rest as there. Returns o (B, T, heads·D) and lse (B, heads, T).
    """
    B, T, D = *qkv.shape[:2], qkv.shape[2] // (3 * heads)
    o, lse = empty((B, T, heads * D), qkv.dtype), empty((B, heads, T), qkv.dtype)
    return _forward((heads, T, T, D, D, 1, int(causal)), B, scale, qkv, qkv, qkv, mask, o, lse)


def self_attention_backward(do, qkv, o, lse, heads, mask, causal, scale):
    """dqkv (B, T, 3·heads·D), the gradient of `self_attention_forward`, from do and o (B, T, heads·D), lse (B, heads, T)."""
    B, T, D = *qkv.shape[:2], qkv.shape[2] // (3 * heads)
    dqkv = empty(qkv.shape, qkv.dtype)
    _backward((heads, T, T, D, D, 1, int(causal)), B, scale, do, qkv, qkv, qkv, o, lse, mask, dqkv, dqkv, dqkv)
    return dqkv
