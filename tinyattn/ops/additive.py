"""Additive scores: how well each query fits each key, by a small network. (Bahdanau et al., arXiv:1409.0473)"""
from ..autograd import Function, is_grad_enabled
from .arguments import float_argument, same_dtype
from .elementwise import tanh


class AdditiveScoresFunction(Function):
    """e[n,t,s] = Σ_d v[d] tanh(q[n,t,d] + k[n,s,d]); the tanh are never kept"""

    def forward(ctx, q, k, v):
        contiguous = ctx.kernels.contiguous
        ctx.save(q, k, v)
        return ctx.kernels.additive_scores_forward(*map(contiguous, (q, k, v)))

    def backward(ctx, de):
        if is_grad_enabled():
            return _written_out(de, *ctx.saved)
        return AdditiveScoresGradFunction.apply(de, *ctx.saved)


class AdditiveScoresGradFunction(Function):
    """dq, dk and dv, the tanh computed again; not recorded (see _written_out)"""

    def forward(ctx, de, q, k, v):
        return ctx.kernels.additive_scores_backward(*map(ctx.kernels.contiguous, (de, q, k, v)))


def _written_out(de, q, k, v):
    """The gradients through ordinary operations, where they are recorded themselves."""
    h = tanh(q.unsqueeze(2) + k.unsqueeze(1))                         # (N, T, S, D)
    de = de.unsqueeze(3)
    u = de * v * (1 - h * h)
    return u.sum(2), u.sum(1), (de * h).sum((0, 1, 2))


def additive_scores(query, key, weight):
    """e_ts = Σ_d weight_d · tanh(query_td + key_sd).  query (N, T, D), key (N, S, D), weight (D,) → (N, T, S)

    Query and key are taken as they are; `nn.attention.AdditiveAttention` maps them first. The N·T·S·D numbers of the
    hidden layer are never stored, forward or backward. ValueError for shapes that do not fit.
    """
    caller = "additive_scores"
    for name, x in (("query", query), ("key", key), ("weight", weight)):
        float_argument(x, caller, name)
    same_dtype(caller, query=query, key=key, weight=weight)
    if query.ndim != 3 or key.ndim != 3 or weight.ndim != 1 or query.shape[::2] != key.shape[::2] or query.shape[2:] != weight.shape:
        raise ValueError(f"{caller}: shapes do not fit: query {query.shape}, key {key.shape}, weight {weight.shape}; expected "
                         "(N, T, D), (N, S, D) and (D,)")
    if not query.shape[2]:
        raise ValueError(f"{caller}: query of shape {query.shape} has vectors of length 0, expected (N, T, D) with D of at least 1")
    return AdditiveScoresFunction.apply(query, key, weight)
