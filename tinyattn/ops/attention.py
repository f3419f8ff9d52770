"""Scaled dot-product attention: every query takes a mean of the values, weighted by how well the keys match it.

    o_i = Σ_j p_ij v_j,     p_ij = softmax_j(scale · q_i·k_j + mask_ij)

(Vaswani et al., arXiv:1706.03762.) The kernel visits keys tile by tile and never stores the T × S weights; the
backward pass computes them again from the row's log-sum-exp.
"""
import math

from ..autograd import Function, is_grad_enabled
from .arguments import flag, float_argument, probability, real, same_dtype, tensor_argument
from .axes import unbind
from .compare import where
from .creation import triangle
from .elementwise import exp
from .random import dropout
from .reduce import amax
from .shape import broadcast_shape, cast, stack, unbroadcast


class AttentionFunction(Function):
    """o = softmax(scale · q kᵀ + mask) v, for q (B, H, T, D), k (B, H, S, D), v (B, H, S, E)"""

    def forward(ctx, q, k, v, mask, causal, scale):
        kernels = ctx.kernels
        o, lse = kernels.attention_forward(*map(kernels.contiguous, (q, k, v)),
                                           None if mask is None else kernels.contiguous(mask), causal, scale)
        ctx.save(q, k, v, mask, o, lse)
        return o

    def backward(ctx, do):
        q, k, v, mask, o, lse = ctx.saved
        options = ctx.attributes
        if not is_grad_enabled() and not ctx.needs[3]:
            return AttentionGradFunction.apply(do, q, k, v, mask, o, lse, **options)
        return _written_out(do, q, k, v, mask, **options)


class AttentionGradFunction(Function):
    """dq, dk, dv in one pass over tiles; not recorded (see _written_out)"""

    def forward(ctx, do, q, k, v, mask, o, lse, causal, scale):
        contiguous = ctx.kernels.contiguous
        return ctx.kernels.attention_backward(*map(contiguous, (do, q, k, v, o, lse)),
                                              None if mask is None else contiguous(mask), causal, scale)


class SelfAttentionFunction(Function):
    """o = softmax(scale · q kᵀ + mask) v for every head, q, k and v side by side in qkv (B, T, 3·heads·D); o (B, T, heads·D)"""

    def forward(ctx, qkv, mask, heads, causal, scale):
        kernels = ctx.kernels
        o, lse = kernels.self_attention_forward(kernels.contiguous(qkv), heads,
                                                None if mask is None else kernels.contiguous(mask), causal, scale)
        ctx.save(qkv, mask, o, lse)
        return o

    def backward(ctx, do):
        qkv, mask, o, lse = ctx.saved
        if not is_grad_enabled() and not ctx.needs[1]:
            return SelfAttentionGradFunction.apply(do, qkv, mask, o, lse, **ctx.attributes)
        options = dict(ctx.attributes)
        heads = options.pop("heads")
        split = (*qkv.shape[:2], -1, heads, qkv.shape[2] // (3 * heads))                # B, T, 3 or 1, H, D
        q, k, v, do = (x.transpose(1, 2) for x in (*unbind(qkv.reshape(split), 2), do.reshape(split).squeeze(2)))
        *gradients, dmask = _written_out(do, q, k, v, mask, **options)                  # (B, H, T, D)
        return stack([x.transpose(1, 2) for x in gradients], 2).reshape(qkv.shape), dmask


class SelfAttentionGradFunction(Function):
    """dqkv in one pass over tiles; not recorded (see _written_out)"""

    def forward(ctx, do, qkv, mask, o, lse, heads, causal, scale):
        contiguous = ctx.kernels.contiguous
        return ctx.kernels.self_attention_backward(*map(contiguous, (do, qkv, o, lse)), heads,
                                                   None if mask is None else contiguous(mask), causal, scale)


def attention_weights(q, k, mask, causal, scale):
    """p (B, H, T, S), the whole matrix, by ordinary operations; rows that see no key are 0."""
    s = (q @ k.transpose(-2, -1)) * scale
    if mask is not None:
        s = s + mask
    if causal:
        s = where(triangle(*s.shape[-2:], 0, s.device), s, -math.inf)
    m = amax(s.detach(), -1, keepdim=True)
    m = where(m == -math.inf, 0, m)
    e = exp(s - m)
    total = e.sum(-1, keepdim=True)
    return e / where(total == 0, 1, total)


def _written_out(do, q, k, v, mask, causal, scale):
    """The gradients through ordinary operations: where they are recorded themselves, or the mask wants one."""
    p = attention_weights(q, k, mask, causal, scale)
    dp = do @ v.transpose(-2, -1)                                     # (B, H, T, S)
    ds = p * (dp - (dp * p).sum(-1, keepdim=True))
    dmask = None if mask is None or not mask.requires_grad else unbroadcast(ds, mask.shape)
    return (ds @ k) * scale, (ds.transpose(-2, -1) @ q) * scale, p.transpose(-2, -1) @ do, dmask


def _additive_mask(mask, shape, dtype):
    """A boolean mask (True: may be seen) as 0 and −∞; a float mask as it is; at least 4-D, broadcastable to `shape`."""
    if mask.dtype == bool:
        mask = cast(where(mask, 0.0, -math.inf), dtype)
    if broadcast_shape("scaled_dot_product_attention: attn_mask", mask.shape, shape) != shape:
        raise ValueError(f"scaled_dot_product_attention: attn_mask has shape {mask.shape}, which does not broadcast to the "
                         f"weights' shape {shape}")
    mask = mask.reshape((1,) * (len(shape) - mask.ndim) + mask.shape)
    return mask.expand(mask.shape[:-2] + shape[-2:])


def _shared(query, x, name):
    """Keys or values with each head given to as many neighbouring heads of the query as there are to one of them."""
    if query.ndim < 3 or x.ndim < 3 or not x.shape[-3] or query.shape[-3] % x.shape[-3]:
        raise ValueError(f"scaled_dot_product_attention: with enable_gqa the heads of {name} {x.shape} must divide those of query {query.shape}; "
                         "expected (…, heads, tokens, features)")
    *batch, heads, S, D = x.shape
    return x.unsqueeze(-3).expand(*batch, heads, query.shape[-3] // heads, S, D).reshape(*batch, query.shape[-3], S, D)


def scaled_dot_product_attention(query, key, value, attn_mask=None, dropout_p=0.0, is_causal=False, scale=None, enable_gqa=False):
    """softmax(scale · Q Kᵀ + mask) V.  query (…, T, D), key (…, S, D), value (…, S, E) → (…, T, E)

    attn_mask   boolean (True: the key may be seen) or float (added to the scores), broadcastable to (…, T, S)
    is_causal   key j is seen by query i only where j ≤ i; not together with attn_mask
    scale       default 1/√D
    enable_gqa  query (…, H, T, D) may have a multiple of the heads of key and value (…, H / g, S, D): g neighbours share each
                (grouped queries, arXiv:2305.13245)
    A query that may see no key gets 0 (PyTorch's fused kernels do the same). ValueError for shapes that do not fit.
    """
    caller = "scaled_dot_product_attention"
    for name, x in (("query", query), ("key", key), ("value", value)):
        if float_argument(x, caller, name).ndim < 2:
            raise ValueError(f"{caller}: {name} has shape {x.shape}, expected (…, tokens, features)")
    same_dtype(caller, query=query, key=key, value=value)
    probability(dropout_p, caller, "dropout_p")
    flag(is_causal, caller, "is_causal")
    if flag(enable_gqa, caller, "enable_gqa"):
        key, value = (_shared(query, x, name) for name, x in (("key", key), ("value", value)))
    if query.shape[-1] != key.shape[-1] or key.shape[-2] != value.shape[-2]:
        raise ValueError(f"{caller}: shapes do not fit: query {query.shape}, key {key.shape}, value {value.shape}; expected "
                         "(…, T, D), (…, S, D) and (…, S, E)")
    if attn_mask is not None and is_causal:
        raise ValueError(f"{caller}: give attn_mask or is_causal=True, not both; a causal mask is "
                         "ta.ones(T, S).tril() > 0")
    batch = broadcast_shape(caller, query.shape[:-2], key.shape[:-2], value.shape[:-2])
    q, k, v = (x if x.shape[:-2] == batch else x.expand(batch + x.shape[-2:]) for x in (query, key, value))
    T, S, E = q.shape[-2], k.shape[-2], v.shape[-1]
    scale = 1 / math.sqrt(max(q.shape[-1], 1)) if scale is None else real(scale, caller, "scale")
    mask = None
    if attn_mask is not None:
        mask = _additive_mask(tensor_argument(attn_mask, caller, "attn_mask"), batch + (T, S), q.dtype)
        same_dtype(caller, query=q, attn_mask=mask)
    if dropout_p > 0:
        return dropout(attention_weights(q, k, mask, is_causal, scale), dropout_p) @ v
    B, H = (math.prod(batch[:-1]), batch[-1]) if batch else (1, 1)
    if mask is not None and mask.shape[:-2] != batch and len(batch) != 2:
        mask = mask.expand(batch + (T, S))
    mask = None if mask is None else mask.reshape((-1, mask.shape[-3] if batch else 1, T, S))
    q, k, v = (x.reshape(B, H, *x.shape[-2:]) for x in (q, k, v))
    o = AttentionFunction.apply(q, k, v, mask, causal=is_causal, scale=scale)
    return o.reshape(batch + (T, E))
