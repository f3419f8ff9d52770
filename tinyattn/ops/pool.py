"""Pooling: a window's largest value, or its mean.

The gradient of a maximum goes wholly to the element that won (the first of equals; overlapping windows add up); the
gradient of a mean is spread evenly over its window.
"""
import math

from ..autograd import Function
from .arguments import images, pair, whole
from .layout import to_memory, to_public


class MaxPool2dFunction(Function):
    """y[n,c,i,j] = max over the window at (i, j) of x[n,c];  also the winners, as positions h·W + w"""

    def forward(ctx, x, kernel_size, stride, padding, dilation, ceil_mode):
        k = ctx.kernels
        y, indices = k.max_pool2d_forward(to_memory(k, x), kernel_size, stride, padding, dilation, ceil_mode)
        ctx.shape = x.shape
        ctx.save(indices)
        return to_public(y), to_public(indices)

    def backward(ctx, dy, _):
        (indices,) = ctx.saved
        return MaxUnpoolFunction.apply(dy, indices, shape=ctx.shape)


class MaxUnpoolFunction(Function):
    """dx = 0, plus each dy at the position that won its window"""

    def forward(ctx, dy, indices, shape):
        n, c, height, width = shape
        ctx.save(indices)
        k = ctx.kernels
        return to_public(k.max_pool2d_backward(to_memory(k, dy), indices, (n, height, width, c)))

    def backward(ctx, g):
        (indices,) = ctx.saved
        return PickWinnersFunction.apply(g, indices, shape=ctx.attributes["shape"])


class PickWinnersFunction(Function):
    """y[n,c,i,j] = x at the position noted for (n,c,i,j): the transpose of MaxUnpool"""

    def forward(ctx, x, indices, shape):
        ctx.save(indices)
        k = ctx.kernels
        return to_public(k.max_pool2d_gather(to_memory(k, x), indices))

    def backward(ctx, dy):
        (indices,) = ctx.saved
        return MaxUnpoolFunction.apply(dy, indices, shape=ctx.attributes["shape"])


class AvgPool2dFunction(Function):
    """y[n,c,i,j] = mean over the window at (i, j) of x[n,c]"""

    def forward(ctx, x, **options):
        ctx.shape = x.shape
        k = ctx.kernels
        return to_public(k.avg_pool2d_forward(to_memory(k, x), **options))

    def backward(ctx, dy):
        return AvgUnpoolFunction.apply(dy, shape=ctx.shape, **ctx.attributes)


class AvgUnpoolFunction(Function):
    """dx = each dy spread evenly over its window: the transpose of average pooling"""

    def forward(ctx, dy, shape, **options):
        n, c, height, width = shape
        k = ctx.kernels
        return to_public(k.avg_pool2d_backward(to_memory(k, dy), (n, height, width, c), **options))

    def backward(ctx, g):
        return AvgPool2dFunction.apply(g, **{k: v for k, v in ctx.attributes.items() if k != "shape"})


class AdaptiveAvgPool2dFunction(Function):
    """y[n,c,i,j] = mean of x[n,c] over rows ⌊iH/H'⌋ … ⌈(i+1)H/H'⌉ and columns likewise"""

    def forward(ctx, x, output_size):
        ctx.shape = x.shape
        k = ctx.kernels
        return to_public(k.adaptive_avg_pool2d_forward(to_memory(k, x), output_size))

    def backward(ctx, dy):
        return AdaptiveAvgUnpoolFunction.apply(dy, shape=ctx.shape)


class AdaptiveAvgUnpoolFunction(Function):
    """dx = each dy spread evenly over its window: the transpose of adaptive average pooling"""

    def forward(ctx, dy, shape):
        n, c, height, width = shape
        ctx.output_size = dy.shape[2:]
        k = ctx.kernels
        return to_public(k.adaptive_avg_pool2d_backward(to_memory(k, dy), (n, height, width, c)))

    def backward(ctx, g):
        return AdaptiveAvgPool2dFunction.apply(g, output_size=ctx.output_size)


def _window(x, caller, kernel_size, stride, padding, dilation=(1, 1)):
    """Checked (kernel_size, stride, padding) as pairs. ValueError where a window would lie in the padding or be empty."""
    kernel = pair(kernel_size, caller, "kernel_size", 1)
    stride = kernel if stride is None else pair(stride, caller, "stride", 1)
    padding = pair(padding, caller, "padding")
    if any(2 * p > k for p, k in zip(padding, kernel)):
        raise ValueError(f"{caller}: padding may be at most half of kernel_size, got padding {padding} for kernel_size {kernel}")
    for name, n, p, d, k in zip(("height", "width"), x.shape[2:], padding, dilation, kernel):
        if n + 2 * p < d * (k - 1) + 1:
            raise ValueError(f"{caller}: the output would be empty: the window covers {d * (k - 1) + 1} in {name}, the padded "
                             f"input has {n + 2 * p} (input {x.shape}, kernel_size {kernel}, padding {padding})")
    return kernel, stride, padding


def max_pool2d(input, kernel_size, stride=None, padding=0, dilation=1, ceil_mode=False, return_indices=False):
    """The largest value of each window: (N, C, H, W) or (C, H, W) → the same with H' and W'.

    `stride` defaults to `kernel_size`. With `return_indices` also the winners' positions h·W + w in each plane.
    ValueError for shapes that do not fit.
    """
    x, single = images(input, "max_pool2d")
    dilation = pair(dilation, "max_pool2d", "dilation", 1)
    kernel, stride, padding = _window(x, "max_pool2d", kernel_size, stride, padding, dilation)
    y, indices = MaxPool2dFunction.apply(x, kernel_size=kernel, stride=stride, padding=padding, dilation=dilation,
                                         ceil_mode=bool(ceil_mode))
    if single:
        y, indices = y.squeeze(0), indices.squeeze(0)
    return (y, indices) if return_indices else y


def avg_pool2d(input, kernel_size, stride=None, padding=0, ceil_mode=False, count_include_pad=True, divisor_override=None):
    """The mean of each window: (N, C, H, W) or (C, H, W) → the same with H' and W'. PyTorch's arguments."""
    x, single = images(input, "avg_pool2d")
    kernel, stride, padding = _window(x, "avg_pool2d", kernel_size, stride, padding)
    if divisor_override is not None and whole(divisor_override, "avg_pool2d", "divisor_override", -math.inf) == 0:
        raise ValueError("avg_pool2d: divisor_override must not be 0")
    y = AvgPool2dFunction.apply(x, kernel_size=kernel, stride=stride, padding=padding, ceil_mode=bool(ceil_mode),
                                count_include_pad=bool(count_include_pad), divisor_override=divisor_override)
    return y.squeeze(0) if single else y


def adaptive_avg_pool2d(input, output_size):
    """Means over windows that divide the image into `output_size` (an int or a pair; None keeps an axis)."""
    x, single = images(input, "adaptive_avg_pool2d")
    sizes = tuple(output_size) if isinstance(output_size, (tuple, list)) else (output_size, output_size)
    if len(sizes) != 2:
        raise TypeError(f"adaptive_avg_pool2d: output_size must be an int or a pair of ints, got {output_size!r}")
    if 0 in x.shape[2:]:
        raise ValueError(f"adaptive_avg_pool2d: input of shape {x.shape} has no pixels")
    sizes = pair(tuple(n if s is None else s for s, n in zip(sizes, x.shape[2:])), "adaptive_avg_pool2d", "output_size", 1)
    y = x.mean((2, 3), keepdim=True) if sizes == (1, 1) else AdaptiveAvgPool2dFunction.apply(x, output_size=sizes)
    return y.squeeze(0) if single else y
