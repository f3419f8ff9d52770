"""Pooling: a window's largest value, or its mean.

The gradient of a maximum goes wholly to the element that won (the first of equals; overlapping windows add up); the
gradient of a mean is spread evenly over its window. Pools of sequences are those of images of height 1.
"""
import math

import numpy as np

from ..autograd import Function
from .arguments import flag, images, lines, one, pair, whole
from .layout import to_memory, to_public
from .shape import cast


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


class TiledMaxPool2dFunction(Function):
    """The same where windows tile the image, stride = kernel_size: a byte notes which pixel of its window won"""
    name = "max_pool2d"

    def forward(ctx, x, kernel_size, **rest):
        k = ctx.kernels
        y, places = k.max_pool2d_tiles_forward(to_memory(k, x), kernel_size)
        ctx.shape = x.shape
        ctx.save(places)
        return to_public(y)

    def backward(ctx, dy):
        (places,) = ctx.saved
        return TiledMaxUnpoolFunction.apply(dy, places, shape=ctx.shape, kernel_size=ctx.attributes["kernel_size"])


class TiledMaxUnpoolFunction(Function):
    """dx = each dy at the pixel that won its window, 0 elsewhere"""

    def forward(ctx, dy, places, shape, kernel_size):
        n, c, height, width = shape
        ctx.save(places)
        k = ctx.kernels
        return to_public(k.max_pool2d_tiles_backward(to_memory(k, dy), places, (n, height, width, c), kernel_size))

    def backward(ctx, g):
        (places,) = ctx.saved
        return TiledPickWinnersFunction.apply(g, places, **ctx.attributes)


class TiledPickWinnersFunction(Function):
    """y[n,c,i,j] = x at the pixel noted for (n,c,i,j): the transpose of TiledMaxUnpool"""

    def forward(ctx, x, places, shape, kernel_size):
        ctx.save(places)
        k = ctx.kernels
        return to_public(k.max_pool2d_tiles_gather(to_memory(k, x), places, kernel_size))

    def backward(ctx, dy):
        (places,) = ctx.saved
        return TiledMaxUnpoolFunction.apply(dy, places, **ctx.attributes)


class AdaptiveMaxPool2dFunction(MaxPool2dFunction):
    """y[n,c,i,j] = max of x[n,c] over rows ⌊iH/H'⌋ … ⌈(i+1)H/H'⌉ and columns likewise;  also the winners"""

    def forward(ctx, x, output_size):
        k = ctx.kernels
        y, indices = k.adaptive_max_pool2d_forward(to_memory(k, x), output_size)
        ctx.shape = x.shape
        ctx.save(indices)
        return to_public(y), to_public(indices)


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


def _window(x, caller, kernel_size, stride, padding, ceil_mode, dilation=(1, 1)):
    """Checked (kernel_size, stride, padding) as pairs, ceil_mode. ValueError where a window would lie in the padding or be empty."""
    kernel = pair(kernel_size, caller, "kernel_size", 1)
    stride = kernel if stride is None or isinstance(stride, (tuple, list)) and not stride else pair(stride, caller, "stride", 1)
    padding, ceil_mode = pair(padding, caller, "padding"), flag(ceil_mode, caller, "ceil_mode")
    flat = caller.endswith("1d")                    # sequences are computed as images of height 1
    seen, sides = x.shape[:2] + x.shape[3:] if flat else x.shape, ("height", "length" if flat else "width")
    if any(2 * p > k for p, k in zip(padding, kernel)):
        given = (padding[1], kernel[1]) if flat else (padding, kernel)
        raise ValueError(f"{caller}: padding may be at most half of kernel_size, got padding {given[0]} for kernel_size {given[1]}")
    for name, n, p, d, k, s in zip(sides, x.shape[2:], padding, dilation, kernel, stride):
        if n + 2 * p + (s - 1 if ceil_mode else 0) < d * (k - 1) + 1:
            raise ValueError(f"{caller}: the output would be empty: the window covers {d * (k - 1) + 1} in {name}, the padded "
                             f"input has {n + 2 * p} (input {seen}, kernel_size {k}, padding {p})")
        if d > n and any(start % d >= n for start in range(-p, 0, s)):
            raise ValueError(f"{caller}: a window would see nothing but padding: with dilation {d} it steps over the {name} of {n}; "
                             "use a smaller padding or dilation")
    return kernel, stride, padding, ceil_mode


def tile_size(kernel_size, x, caller):
    """`kernel_size` as a pair, for images that such windows can tile; None where a byte could not tell their pixels apart.

    ValueError where x is no batch of images, or smaller than a window."""
    kernel = pair(kernel_size, caller, "pool", 1)
    if x.ndim != 4 or x.shape[2] < kernel[0] or x.shape[3] < kernel[1]:
        raise ValueError(f"{caller}: pool = {kernel_size} needs images (N, C, H, W) at least as large, got input {x.shape}")
    return kernel if kernel[0] * kernel[1] <= 256 else None


def _with_indices(made, return_indices, single):
    """What a maximum pool gives back: the kernels' int32 positions become PyTorch's int64 only for those who want them."""
    y, indices = made
    if not return_indices:
        return y.squeeze(0) if single else y
    indices = cast(indices, np.int64)
    return (y.squeeze(0), indices.squeeze(0)) if single else (y, indices)


def max_pool2d(input, kernel_size, stride=None, padding=0, dilation=1, ceil_mode=False, return_indices=False):
    """The largest value of each window: (N, C, H, W) or (C, H, W) → the same with H' and W'.

    `stride` defaults to `kernel_size`. With `return_indices` also the winners' positions h·W + w in each plane.
    ValueError for shapes that do not fit.
    """
    return _max_pool(input, kernel_size, stride, padding, dilation, ceil_mode, return_indices, "max_pool2d")


def _max_pool(input, kernel_size, stride, padding, dilation, ceil_mode, return_indices, caller):
    x, single = images(input, caller)
    dilation = pair(dilation, caller, "dilation", 1)
    kernel, stride, padding, ceil_mode = _window(x, caller, kernel_size, stride, padding, ceil_mode, dilation)
    options = dict(kernel_size=kernel, stride=stride, padding=padding, dilation=dilation, ceil_mode=ceil_mode)
    over = ceil_mode and any(n % size for n, size in zip(x.shape[2:], kernel))     # do windows reach over the edge?
    if kernel == stride and padding == (0, 0) and dilation == (1, 1) and kernel[0] * kernel[1] <= 256 and not over \
            and not flag(return_indices, caller, "return_indices"):
        y = TiledMaxPool2dFunction.apply(x, **options)
        return y.squeeze(0) if single else y
    made = MaxPool2dFunction.apply(x, **options)
    return _with_indices(made, flag(return_indices, caller, "return_indices"), single)


def avg_pool2d(input, kernel_size, stride=None, padding=0, ceil_mode=False, count_include_pad=True, divisor_override=None):
    """The mean of each window: (N, C, H, W) or (C, H, W) → the same with H' and W'. PyTorch's arguments."""
    return _avg_pool(input, kernel_size, stride, padding, ceil_mode, count_include_pad, divisor_override, "avg_pool2d")


def _avg_pool(input, kernel_size, stride, padding, ceil_mode, count_include_pad, divisor_override, caller):
    x, single = images(input, caller)
    kernel, stride, padding, ceil_mode = _window(x, caller, kernel_size, stride, padding, ceil_mode)
    if divisor_override is not None and whole(divisor_override, caller, "divisor_override", -math.inf) == 0:
        raise ValueError(f"{caller}: divisor_override must not be 0")
    y = AvgPool2dFunction.apply(x, kernel_size=kernel, stride=stride, padding=padding,
                                ceil_mode=ceil_mode, divisor_override=divisor_override,
                                count_include_pad=flag(count_include_pad, caller, "count_include_pad"))
    return y.squeeze(0) if single else y


def _parts(output_size, x, caller):
    """`output_size` (an int or a pair; None keeps an axis) as a pair."""
    sizes = tuple(output_size) if isinstance(output_size, (tuple, list)) else (output_size, output_size)
    if len(sizes) != 2:
        raise TypeError(f"{caller}: output_size must be an int or a pair of ints, got {output_size!r}")
    return pair(tuple([n if s is None else s for s, n in zip(sizes, x.shape[2:])]), caller, "output_size", 1)


def adaptive_avg_pool2d(input, output_size):
    """Means over windows that divide the image into `output_size` (an int or a pair; None keeps an axis)."""
    x, single = images(input, "adaptive_avg_pool2d")
    sizes = _parts(output_size, x, "adaptive_avg_pool2d")
    y = x.mean((2, 3), keepdim=True) if sizes == (1, 1) else AdaptiveAvgPool2dFunction.apply(x, output_size=sizes)
    return y.squeeze(0) if single else y


def adaptive_max_pool2d(input, output_size, return_indices=False):
    """Maxima over windows that divide the image into `output_size` (an int or a pair; None keeps an axis).

    With `return_indices` also the winners' positions h·W + w in each plane.
    """
    x, single = images(input, "adaptive_max_pool2d")
    made = AdaptiveMaxPool2dFunction.apply(x, output_size=_parts(output_size, x, "adaptive_max_pool2d"))
    return _with_indices(made, flag(return_indices, "adaptive_max_pool2d", "return_indices"), single)


# --- sequences: (N, C, L) or (C, L) ----------------------------------------------------------------------------------

def _flat_window(caller, kernel_size, stride, padding):
    """The same of an image of height 1. `stride` may be None or ()."""
    kernel = whole(one(kernel_size, caller, "kernel_size"), caller, "kernel_size")
    same = stride is None or isinstance(stride, (tuple, list)) and not stride
    stride = kernel if same else whole(one(stride, caller, "stride"), caller, "stride")
    return (1, kernel), (1, stride), (0, whole(one(padding, caller, "padding"), caller, "padding", 0))


def max_pool1d(input, kernel_size, stride=None, padding=0, dilation=1, ceil_mode=False, return_indices=False):
    """The largest value of each window of a sequence: max_pool2d of height 1."""
    x, caller = lines(input, "max_pool1d"), "max_pool1d"
    dilation = whole(one(dilation, caller, "dilation"), caller, "dilation")
    made = _max_pool(x, *_flat_window(caller, kernel_size, stride, padding), (1, dilation), ceil_mode, return_indices, caller)
    return tuple([y.squeeze(-2) for y in made]) if return_indices else made.squeeze(-2)


def avg_pool1d(input, kernel_size, stride=None, padding=0, ceil_mode=False, count_include_pad=True):
    """The mean of each window of a sequence: avg_pool2d of height 1."""
    x = lines(input, "avg_pool1d")
    window = _flat_window("avg_pool1d", kernel_size, stride, padding)
    return _avg_pool(x, *window, ceil_mode, count_include_pad, None, "avg_pool1d").squeeze(-2)


def adaptive_avg_pool1d(input, output_size):
    """Means over `output_size` nearly equal parts of a sequence."""
    x, caller = lines(input, "adaptive_avg_pool1d"), "adaptive_avg_pool1d"
    return adaptive_avg_pool2d(x, (1, whole(one(output_size, caller, "output_size"), caller, "output_size"))).squeeze(-2)


def adaptive_max_pool1d(input, output_size, return_indices=False):
    """Maxima of `output_size` nearly equal parts of a sequence, with `return_indices` also where they stood."""
    x, caller = lines(input, "adaptive_max_pool1d"), "adaptive_max_pool1d"
    flag(return_indices, caller, "return_indices")
    made = adaptive_max_pool2d(x, (1, whole(one(output_size, caller, "output_size"), caller, "output_size")), return_indices)
    return tuple([y.squeeze(-2) for y in made]) if return_indices else made.squeeze(-2)
