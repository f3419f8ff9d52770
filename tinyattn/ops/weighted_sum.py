"""A weighted sum of several tensors of one shape, in one pass: what fuses the levels of a pyramid."""
from ..autograd import Function, is_grad_enabled
from ..tensor import Tensor
from .arguments import float_argument, same_dtype
from .layout import to_memory, to_public
from .shape import stack

MOST = 4
"""Tensors that are added in one pass; more go in several."""


class WeightedSumFunction(Function):
    """y[n,…] = Σ_i w[n,i] x_i[n,…], or w[i]; inputs are w and then the x_i"""

    def forward(ctx, w, *xs):
        k = ctx.kernels
        ctx.save(w, *xs)
        return _back(k.weighted_sum_forward(_rows(k, w, xs[0]), [_memory(k, x) for x in xs]), xs[0])

    def backward(ctx, dy):
        w, *xs = ctx.saved
        if is_grad_enabled():
            return _written_out(dy, w, xs)
        return WeightedSumGradFunction.apply(dy, w, *xs)


class WeightedSumGradFunction(Function):
    """dw and all dx_i in one pass over dy; not recorded (see _written_out)"""

    def forward(ctx, dy, w, *xs):
        k = ctx.kernels
        dw, dxs = k.weighted_sum_backward(_memory(k, dy), _rows(k, w, xs[0]), [_memory(k, x) for x in xs])     # dw (N, L)
        return (dw if w.ndim == 2 else k.sum(dw, (0,)), *(_back(dx, xs[0]) for dx in dxs))


def _memory(k, x):
    """A tensor's numbers as they lie best: images channels-last."""
    return to_memory(k, x) if x.ndim == 4 else k.contiguous(x)


def _back(y, like):
    return to_public(y) if like.ndim == 4 else y


def _rows(k, w, x):
    """Weights (N, L), a row for each x[n]."""
    return k.contiguous(k.broadcast_to(w, (x.shape[0], w.shape[-1])))


def _written_out(dy, w, xs):
    """The gradients through ordinary operations, where they are recorded themselves."""
    axes = tuple(range(0 if w.ndim == 1 else 1, dy.ndim))
    columns = [w[..., i] if w.ndim == 1 else w[:, i].reshape(-1, *(1,) * (dy.ndim - 1)) for i in range(w.shape[-1])]
    return (stack([(dy * x).sum(axes) if axes else dy * x for x in xs], -1), *(dy * c for c in columns))


def weighted_sum(tensors, weights):
    """y = Σ_i weights_i · tensors_i for L tensors of one shape (N, …), weights (L,), or (N, L): for each n its own.

    All tensors are read once, whatever their number: with single operations it is twice as many passes. ValueError for shapes
    that do not fit.
    """
    caller = "weighted_sum"
    if not isinstance(tensors, (list, tuple)) or not tensors:
        raise TypeError(f"{caller}: tensors must be a list of at least one Tensor, got {tensors!r:.60}")
    for i, x in enumerate(tensors):
        if float_argument(x, caller, f"tensor {i}").shape != tensors[0].shape or not x.ndim:
            raise ValueError(f"{caller}: tensor {i} has shape {x.shape}, expected that of tensor 0, {tensors[0].shape}, with at least one axis")
    float_argument(weights, caller, "weights")
    same_dtype(caller, **{f"tensor {i}": x for i, x in enumerate(tensors)}, weights=weights)
    if weights.shape not in ((len(tensors),), (len(tensors[0]), len(tensors))):
        raise ValueError(f"{caller}: weights have shape {weights.shape}, expected ({len(tensors)},) or ({len(tensors[0])}, {len(tensors)}) "
                         f"for {len(tensors)} tensors of shape {tensors[0].shape}")
    total = None
    for first in range(0, len(tensors), MOST):
        part = WeightedSumFunction.apply(weights[..., first:first + MOST] if len(tensors) > MOST else weights, *tensors[first:first + MOST])
        total = part if total is None else total + part
    return total
