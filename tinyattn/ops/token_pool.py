"""Attention pooling in one pass: a mean of tokens, each weighted by a softmax of its own score. (Hassani et al., arXiv:2104.05704)"""
from ..autograd import Function, is_grad_enabled
from .softmax import softmax


class AttentionPoolFunction(Function):
    """y = Σ_t a_t x_t,  a = softmax_t(w·x_t + b), for x (N, T, C), w (1, C), b (1,); `maps`, a dict or None, gets a copy of a (N, T)"""

    def forward(ctx, x, w, b, maps):
        k = ctx.kernels
        y, a = k.attention_pool_forward(k.contiguous(x), k.contiguous(w).reshape(-1), k.contiguous(b))
        if maps is not None:
            maps["pool"] = k.copy(a)
        ctx.save(x, w, b, a)
        return y

    def backward(ctx, dy):
        x, w, b, a = ctx.saved
        if is_grad_enabled():
            return _written_out(dy, x, w, b)
        return AttentionPoolGradFunction.apply(dy, x, w, a)


class AttentionPoolGradFunction(Function):
    """dx and dw in one pass over x and dy, and db, which is 0; not recorded (see _written_out)"""

    def forward(ctx, dy, x, w, a):
        dx, dw = ctx.kernels.attention_pool_backward(*map(ctx.kernels.contiguous, (dy, x)), ctx.kernels.contiguous(w).reshape(-1), a)
        return dx, dw.reshape(w.shape), ctx.kernels.zeros((1,), w.dtype)


def _written_out(dy, x, w, b):
    """The gradients through ordinary operations, where they are recorded themselves."""
    a = softmax(x @ w.T + b, 1)                                       # (N, T, 1)
    da = x @ dy.unsqueeze(2)                                          # (N, T, 1)
    ds = a * (da - (a * da).sum(1, keepdim=True))
    return a * dy.unsqueeze(1) + ds * w, (ds * x).sum((0, 1)).unsqueeze(0), ds.sum().reshape(1)
