"""Group normalisation: mean and variance of each group of channels of an image, over all its pixels.

    y = (x − mean) · rstd · weight + bias,    rstd = 1 / √(var + eps)

The kernels are those of batch norm (`norm_kernels`): x is walked by columns, and a warp puts a group's columns together.

Wu, He: Group normalization (arXiv 1803.08494).
"""
from ..reference.group_norm import __all__
from . import norm_kernels as kernels
from .array import empty
from .columns import nothing, sum_rows
from .norm import THREADS, apply, gradient_sums, input_gradient, statistics
from .runtime import launch
from .threads import WARP


def group_norm_forward(x, weight, bias, groups, eps):
    """Normalise each of `groups` groups of channels of each image, over all its pixels.

    x (N, P, C): P pixels; weight and bias (C,) or None. Returns y (N, P, C), mean (N, groups), rstd (N, groups).
    """
    found = statistics(x, groups, eps)
    mean, rstd = (found[k].reshape(len(x), groups) for k in (0, 2))
    return apply(x, groups, mean, rstd, weight, bias), mean, rstd


def group_norm_backward(dy, x, mean, rstd, weight):
    """Gradients of `group_norm_forward`. With x̂ = (x − mean) · rstd and g = dy · weight:

        dx = rstd · (g − ⟨g⟩ − x̂·⟨g·x̂⟩)  (⟨⟩: mean of a group),   dweight = Σ_{n,p} dy·x̂,   dbias = Σ_{n,p} dy

    dy, x (N, P, C); mean, rstd (N, groups); weight (C,) or None. Returns dx (N, P, C), dweight (C,), dbias (C,).
    """
    groups = mean.shape[1]
    partial, sizes = gradient_sums(dy, x, groups, mean, rstd, None, None)
    means = empty((2, mean.size), x.dtype)
    launch(kernels.group_means(x.dtype.type), -(-mean.size * WARP // THREADS), THREADS,
           partial.flat, nothing(x.dtype) if weight is None else weight, sizes, means.flat)
    dx = input_gradient(dy, x, groups, mean, rstd, weight, None, means)
    sums = sum_rows(partial)
    return dx, sums[1], sums[0]
