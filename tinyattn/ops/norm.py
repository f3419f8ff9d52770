"""Normalisation: subtract a mean, divide by a deviation, then scale and shift.

    x̂ = (x − μ) / √(σ² + ε)          y = γ x̂ + β

Batch norm takes μ and σ² of each channel over the batch and its pixels (Ioffe & Szegedy, arXiv:1502.03167), layer norm
of each row over its features (Ba, Kiros & Hinton, arXiv:1607.06450). μ and σ depend on x, so with n numbers in a group

    dx = γ/σ · (dy − mean(dy) − x̂ · mean(dy · x̂))
"""
import math

from .. import kernels
from ..autograd import Function, is_grad_enabled
from .arguments import flag, float_argument, real, same_dtype, whole
from .creation import full
from .layout import NCHW, NHWC, to_memory, to_public
from .pool import TiledMaxUnpoolFunction, max_pool2d, tile_size


def _rows(k, x):
    """(N, C, …) as rows of channels (M, C), in memory order, and what turns such rows back."""
    if x.ndim == 2:
        return k.contiguous(x), lambda rows: rows
    last, first = ((NHWC, NCHW) if x.ndim == 4 else
                   ((0, *range(2, x.ndim), 1), (0, x.ndim - 1, *range(1, x.ndim - 1))))
    memory = k.contiguous(x.transpose(*last))
    return memory.reshape(-1, x.shape[1]), lambda rows: rows.reshape(memory.shape).transpose(*first)


def _contiguous(k, *arrays):
    """The arrays as kernels want them; None stays None."""
    return [None if a is None else k.contiguous(a) for a in arrays]


class BatchNormFunction(Function):
    """y = γ (x − μ) / √(σ² + ε) + β, optionally followed by max(·, 0); μ and σ² over all but axis 1. Also μ and σ².

    The returned statistics feed the running averages and carry no gradient; y's gradient accounts for them.
    """

    def forward(ctx, x, weight, bias, eps, relu):
        k = ctx.kernels
        rows, back = _rows(k, x)
        y, mean, var, rstd = k.batch_norm_forward(rows, *_contiguous(k, weight, bias), eps, relu)
        y = back(y)
        ctx.save(x, weight, bias, y if relu else None, mean, rstd)
        return y, mean, var

    def backward(ctx, dy, *_):
        x, weight, bias, y, mean, rstd = ctx.saved
        if is_grad_enabled():
            return _written_out(dy if y is None else dy * (y > 0).to(dy.dtype), x, weight, ctx.attributes["eps"])
        return BatchNormGradFunction.apply(dy, x, mean, rstd, weight, bias, relu=ctx.attributes["relu"])


class BatchNormPoolFunction(Function):
    """y = max over the windows of max(0, γ (x − μ) / √(σ² + ε) + β), windows that tile x;  also μ and σ², as above"""

    def forward(ctx, x, weight, bias, eps, kernel_size):
        k = ctx.kernels
        y, winners, places, mean, var, rstd = k.batch_norm_pool_forward(to_memory(k, x), *_contiguous(k, weight, bias), eps, kernel_size)
        y = to_public(y)
        ctx.save(x, weight, bias, y, winners, places, mean, rstd)
        return y, mean, var

    def backward(ctx, dy, *_):
        x, weight, bias, y, *found = ctx.saved
        kernel_size = ctx.attributes["kernel_size"]
        if is_grad_enabled():
            dy = dy * (y > 0).to(dy.dtype)
            spread = TiledMaxUnpoolFunction.apply(dy, found[1], shape=x.shape, kernel_size=kernel_size)
            return _written_out(spread, x, weight, ctx.attributes["eps"])
        return BatchNormPoolGradFunction.apply(dy, x, *found, weight, bias, kernel_size=kernel_size)


class BatchNormPoolGradFunction(Function):
    """dx, dγ, dβ of batch norm before ReLU and pooling, from sums over the windows; not recorded (see _written_out)"""

    def forward(ctx, dy, x, winners, places, mean, rstd, weight, bias, kernel_size):
        k = ctx.kernels
        dx, dweight, dbias = k.batch_norm_pool_backward(to_memory(k, dy), to_memory(k, x), winners, places, mean, rstd,
                                                        *_contiguous(k, weight, bias), kernel_size)
        return to_public(dx), dweight, dbias


def _written_out(dy, x, weight, eps):
    """dx, dγ, dβ of batch norm through ordinary operations, for when they are themselves recorded."""
    axes, shape = (0,) + tuple(range(2, x.ndim)), (1, -1) + (1,) * (x.ndim - 2)
    mean = x.mean(axes, keepdim=True)
    rstd = (x.var(axes, correction=0, keepdim=True) + eps).rsqrt()
    normed = (x - mean) * rstd
    dx = rstd * (dy - dy.mean(axes, keepdim=True) - normed * (dy * normed).mean(axes, keepdim=True))
    if weight is not None:
        dx = dx * weight.reshape(shape)
    return dx, (dy * normed).sum(axes), dy.sum(axes)


class BatchNormGradFunction(Function):
    """dx, dγ, dβ of batch norm in two passes over dy and x; not recorded (see _written_out)"""

    def forward(ctx, dy, x, mean, rstd, weight, bias, relu):
        k = ctx.kernels
        rows, back = _rows(k, x)
        dx, dweight, dbias = k.batch_norm_backward(
            _rows(k, dy)[0], rows, mean, rstd, *_contiguous(k, weight, bias), relu)
        return back(dx), dweight, dbias


class BatchNormInferenceFunction(Function):
    """y = γ (x − μ) / √(σ² + ε) + β with given μ and σ², optionally followed by max(·, 0)"""

    def forward(ctx, x, mean, var, weight, bias, eps, relu):
        k = ctx.kernels
        rows, back = _rows(k, x)
        y = back(k.batch_norm_inference(rows, *_contiguous(k, mean, var, weight, bias), eps, relu))
        ctx.save(x, mean, var, weight, y if relu else None)
        return y

    def backward(ctx, dy):
        x, mean, var, weight, y = ctx.saved
        axes, shape = (0,) + tuple(range(2, x.ndim)), (1, -1) + (1,) * (x.ndim - 2)
        if y is not None:
            dy = dy * (y > 0).to(dy.dtype)
        rstd = (var + ctx.attributes["eps"]).rsqrt()
        scale = rstd if weight is None else rstd * weight
        dx = dy * scale.reshape(shape) if ctx.needs[0] else None
        centred = x - mean.reshape(shape)
        dw = (dy * centred * rstd.reshape(shape)).sum(axes) if ctx.needs[3] else None
        dmean = -(dy.sum(axes) * scale) if ctx.needs[1] else None
        dvar = (dy * centred).sum(axes) * scale * rstd * rstd * -0.5 if ctx.needs[2] else None
        return dx, dmean, dvar, dw, dy.sum(axes) if ctx.needs[4] else None


def batch_norm(input, running_mean, running_var, weight=None, bias=None, training=False, momentum=0.1, eps=1e-5, *,
               activation=None, pool=None):
    """Normalise each channel (axis 1) of (N, C) or (N, C, …).

    Training: by the batch's own statistics, which also move the running ones in place,
    ``running ← (1 − momentum) · running + momentum · batch`` (the variance there unbiased, as in PyTorch).
    Otherwise: by the running statistics. `activation="relu"` applies max(·, 0) in the same pass;
    with it, `pool` (a number or a pair) takes the largest of each window of so many pixels of an image besides, as max_pool2d does: where
    the batch's own statistics are used, without ever writing the image between.
    An empty batch gives an empty result and moves nothing.
    ValueError for shapes that do not fit, for training with one value a channel, or with eps ≤ 0.
    """
    x = float_argument(input, "batch_norm")
    if x.ndim == 1 and not x.data.size:                    # PyTorch takes this for no images of no channels
        return batch_norm(x.reshape(0, 0), running_mean, running_var, weight, bias, training, momentum, eps,
                          activation=activation, pool=pool).reshape(0)
    if x.ndim < 2:
        raise ValueError(f"batch_norm: input has shape {x.shape}, expected (N, C) or (N, C, …)")
    if activation is not None and not (isinstance(activation, str) and activation == "relu"):
        raise ValueError(f"batch_norm: activation must be None or 'relu', got {activation!r}")
    if pool is not None:
        window = tile_size(pool, x, "batch_norm")
        if activation != "relu":
            raise ValueError("batch_norm: pool is for activation='relu'; without it, call max_pool2d on the result")
        if window is None or not flag(training, "batch_norm", "training") or not x.data.size:
            y = batch_norm(x, running_mean, running_var, weight, bias, training, momentum, eps, activation=activation)
            return max_pool2d(y, pool)
    same_dtype("batch_norm", input=x, running_mean=running_mean, running_var=running_var, weight=weight, bias=bias)
    for name, value in (("running_mean", running_mean), ("running_var", running_var), ("weight", weight), ("bias", bias)):
        if value is not None and value.shape != (x.shape[1],):
            raise ValueError(f"batch_norm: {name} has shape {value.shape}, expected ({x.shape[1]},), one for each channel of "
                             f"input {x.shape}")
    if (running_mean is None) != (running_var is None):
        raise ValueError("batch_norm: give both running_mean and running_var, or neither")
    real(eps, "batch_norm", "eps")
    relu = activation == "relu"
    if flag(training, "batch_norm", "training"):
        if eps <= 0:
            raise ValueError(f"batch_norm: in training eps must be positive, got {eps}")
        if running_mean is not None:
            real(momentum, "batch_norm", "momentum")
    elif running_mean is None and x.data.size:
        raise ValueError("batch_norm: without training=True it needs running_mean and running_var")
    count = x.shape[0] * math.prod(x.shape[2:])                      # of values in a channel
    if training and count == 1:
        raise ValueError(f"batch_norm: training needs more than one value a channel, got input {x.shape}; use a larger batch "
                         "or model.eval()")
    if x.shape[1] == 0:
        return x.clone()
    if not training or not x.data.size:
        if running_mean is None:
            running_mean, running_var = (full(x.shape[1], n, dtype=x.dtype, device=x.device) for n in (0, 1))
        return BatchNormInferenceFunction.apply(x, running_mean, running_var, weight, bias, eps=eps, relu=relu)
    if pool is None:
        y, mean, var = BatchNormFunction.apply(x, weight, bias, eps=eps, relu=relu)
    else:
        y, mean, var = BatchNormPoolFunction.apply(x, weight, bias, eps=eps, kernel_size=window)
    if running_mean is not None:
        _move(running_mean, mean.data, momentum)
        _move(running_var, kernels.of(var.data).mul(var.data, count / (count - 1)), momentum)
    return y


def _move(running, batch, momentum):
    """running ← (1 − momentum) · running + momentum · batch, in place."""
    if running.device != batch.device:
        raise ValueError(f"the running statistics are on {running.device!r} and the input is on {batch.device!r}; bring them together "
                         f"with .to({batch.device!r})")
    k = kernels.of(batch)
    moved = k.contiguous(running.data)
    k.lerp_step([moved], [batch], momentum)
    if moved is not running.data:
        k.assign(running.data, moved)
    running._changed()


class LayerNormFunction(Function):
    """y = γ (x − μ) / √(σ² + ε) + β with μ and σ² of each row of (M, D)"""

    def forward(ctx, x, weight, bias, eps):
        y, mean, rstd = ctx.kernels.layer_norm_forward(*_contiguous(ctx.kernels, x, weight, bias), eps)
        ctx.save(x, weight, mean, rstd)
        return y

    def backward(ctx, dy):
        x, weight, mean, rstd = ctx.saved
        if is_grad_enabled():
            return ctx.written_out(dy, x, weight)
        dx, dw, db = LayerNormGradFunction.apply(dy, x, mean, rstd, weight)
        return dx, dw if ctx.needs[1] else None, db if ctx.needs[2] else None

    def written_out(ctx, dy, x, weight):
        """The same gradient through ordinary operations, for when it is itself recorded."""
        rstd = (x.var(-1, correction=0, keepdim=True) + ctx.attributes["eps"]).rsqrt()
        normed = (x - x.mean(-1, keepdim=True)) * rstd
        g = dy if weight is None else dy * weight
        dx = rstd * (g - g.mean(-1, keepdim=True) - normed * (g * normed).mean(-1, keepdim=True))
        return dx, (dy * normed).sum(0) if ctx.needs[1] else None, dy.sum(0) if ctx.needs[2] else None


class LayerNormGradFunction(Function):
    """dx, dγ, dβ of layer norm in one pass; not recorded (see written_out above)"""

    def forward(ctx, dy, x, mean, rstd, weight):
        k = ctx.kernels
        return k.layer_norm_backward(k.contiguous(dy), k.contiguous(x), mean, rstd, *_contiguous(k, weight))


def layer_norm(input, normalized_shape, weight=None, bias=None, eps=1e-5):
    """Normalise over the last axes, whose lengths are `normalized_shape` (an int or a tuple)."""
    shape = normalized_shape if isinstance(normalized_shape, (tuple, list)) else (normalized_shape,)
    shape = tuple(whole(n, "layer_norm", "normalized_shape", 0) for n in shape)
    real(eps, "layer_norm", "eps")
    x = float_argument(input, "layer_norm")
    same_dtype("layer_norm", input=x, weight=weight, bias=bias)
    if not shape or x.shape[-len(shape):] != shape:
        raise ValueError(f"layer_norm: input has shape {x.shape}, expected its last axes to be {shape}")
    for name, value in (("weight", weight), ("bias", bias)):
        if value is not None and value.shape != shape:
            raise ValueError(f"layer_norm: {name} has shape {value.shape}, expected {shape}")
    size = math.prod(shape)
    if not size:
        y = x.clone() if weight is None else x * weight
        return y if bias is None else y + bias
    y = LayerNormFunction.apply(x.reshape(-1, size), None if weight is None else weight.reshape(size),
                                None if bias is None else bias.reshape(size), eps=eps)
    return y.reshape(x.shape)


def _pixels(k, x):
    """(N, C, …) as (N, pixels, C), in memory order, and what turns such an array back."""
    rows, back = _rows(k, x)
    return rows.reshape(x.shape[0], -1, x.shape[1]), lambda pixels: back(pixels.reshape(rows.shape))


class GroupNormFunction(Function):
    """y = γ (x − μ) / √(σ² + ε) + β with μ and σ² of each group of channels of each image of (N, C, …)"""

    def forward(ctx, x, weight, bias, num_groups, eps):
        k = ctx.kernels
        pixels, back = _pixels(k, x)
        y, mean, rstd = k.group_norm_forward(pixels, *_contiguous(k, weight, bias), num_groups, eps)
        ctx.save(x, weight, mean, rstd)
        return back(y)

    def backward(ctx, dy):
        x, weight, mean, rstd = ctx.saved
        if is_grad_enabled():
            return ctx.written_out(dy, x, weight)
        dx, dw, db = GroupNormGradFunction.apply(dy, x, mean, rstd, weight)
        return dx, dw if ctx.needs[1] else None, db if ctx.needs[2] else None

    def written_out(ctx, dy, x, weight):
        """The same gradient through ordinary operations, for when it is itself recorded."""
        apart = x.shape[0], ctx.attributes["num_groups"], -1                     # a group's numbers along one axis
        axes = (0,) + tuple(range(2, x.ndim))
        rows = x.reshape(apart)
        rstd = (rows.var(-1, correction=0, keepdim=True) + ctx.attributes["eps"]).rsqrt()
        normed = (rows - rows.mean(-1, keepdim=True)) * rstd
        g = (dy if weight is None else dy * weight.reshape((1, -1) + (1,) * (x.ndim - 2))).reshape(apart)
        dx = rstd * (g - g.mean(-1, keepdim=True) - normed * (g * normed).mean(-1, keepdim=True))
        dw = (dy * normed.reshape(x.shape)).sum(axes) if ctx.needs[1] else None
        return dx.reshape(x.shape), dw, dy.sum(axes) if ctx.needs[2] else None


class GroupNormGradFunction(Function):
    """dx, dγ, dβ of group norm in two passes over each image; not recorded (see written_out above)"""

    def forward(ctx, dy, x, mean, rstd, weight):
        k = ctx.kernels
        pixels, back = _pixels(k, x)
        dx, dw, db = k.group_norm_backward(_pixels(k, dy)[0], pixels, mean, rstd, *_contiguous(k, weight))
        return back(dx), dw, db


def group_norm(input, num_groups, weight=None, bias=None, eps=1e-5):
    """Normalise groups of C / num_groups channels, with all their pixels, of (N, C, …). (Wu & He, arXiv:1803.08494)"""
    x = float_argument(input, "group_norm")
    real(eps, "group_norm", "eps")
    if x.ndim < 2 or x.shape[1] % whole(num_groups, "group_norm", "num_groups"):
        raise ValueError(f"group_norm: input has shape {x.shape}, expected (N, C, …) with C divisible by {num_groups} groups")
    if x.shape[1] == 0:
        raise ValueError(f"group_norm: input has shape {x.shape}, without channels")
    if x.data.size == num_groups:
        raise ValueError(f"group_norm: {num_groups} groups of input {x.shape} hold one value each, which says nothing of its spread")
    same_dtype("group_norm", input=x, weight=weight, bias=bias)
    for name, value in (("weight", weight), ("bias", bias)):
        if value is not None and value.shape != x.shape[1:2]:
            raise ValueError(f"group_norm: {name} has shape {value.shape}, expected ({x.shape[1]},), one for each channel of "
                             f"input {x.shape}")
    if x.data.size:
        return GroupNormFunction.apply(x, weight, bias, num_groups=int(num_groups), eps=eps)
    per_channel = (1, -1) + (1,) * (x.ndim - 2)
    y = x.clone() if weight is None else x * weight.reshape(per_channel)
    return y if bias is None else y + bias.reshape(per_channel)


def instance_norm(input, running_mean=None, running_var=None, weight=None, bias=None, use_input_stats=True, momentum=0.1, eps=1e-5):
    """Normalise each channel of each image of (N, C, L), (N, C, H, W) … by itself: groups of one channel.

    With `use_input_stats` by its own statistics, whose means over the batch move the running ones; else by those, as
    batch_norm does. (Ulyanov et al., arXiv:1607.08022.)
    ValueError for shapes that do not fit, or for one value a channel.
    """
    caller = "instance_norm"
    x = float_argument(input, caller)
    if not flag(use_input_stats, caller, "use_input_stats"):
        if running_mean is None or running_var is None:
            raise ValueError(f"{caller}: without use_input_stats=True it needs running_mean and running_var")
        return batch_norm(x, running_mean, running_var, weight, bias, eps=eps)
    if x.ndim < 3 or math.prod(x.shape[2:]) == 1:
        raise ValueError(f"{caller}: input has shape {x.shape}, expected (N, C, …) with more than one value a channel")
    y = group_norm(x, x.shape[1], weight, bias, eps) if x.shape[1] else x.clone()
    if running_mean is not None or running_var is not None:
        same_dtype(caller, input=x, running_mean=running_mean, running_var=running_var)
        real(momentum, caller, "momentum")
        for name, running in (("running_mean", running_mean), ("running_var", running_var)):
            if running is None or running.shape != x.shape[1:2]:
                raise ValueError(f"{caller}: {name} is {None if running is None else running.shape}, expected shape ({x.shape[1]},)")
        if x.shape[0]:
            own, pixels = x.detach(), tuple(range(2, x.ndim))
            _move(running_mean, own.mean(pixels).mean(0).data, momentum)
            _move(running_var, own.var(pixels).mean(0).data, momentum)
    return y
