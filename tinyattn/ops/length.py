"""Lengths of vectors, and vectors brought to length 1.

    ‖x‖_p = (Σ |x_i|^p)^(1/p);   ‖x‖_∞ = max |x_i|,   ‖x‖_−∞ = min |x_i|,   ‖x‖_0 = how many x_i are not 0
"""
import math

from . import arguments
from .arguments import flag, float_argument, real, same_dtype
from .compare import eq, where
from .elementwise import abs, pow, sign, square
from .reduce import amax, amin, root
from .shape import broadcast_shape


def norm(input, p="fro", dim=None, keepdim=False):
    """‖x‖_p over `dim` (None: over all elements); "fro" is 2. The gradient of a zero vector's length is 0."""
    x = float_argument(input, "norm")
    p = 2.0 if isinstance(p, str) and p == "fro" else real(p, "norm", "p")
    axes = arguments.axes(dim, x.ndim, "norm")
    flag(keepdim, "norm", "keepdim")
    if p == 2:
        return root(square(x).sum(axes, keepdim))
    if p == 0:
        return sign(abs(x)).sum(axes, keepdim)
    if math.isinf(p):
        return (amax if p > 0 else amin)(abs(x), axes, keepdim)
    size = abs(x)
    if p == 1:
        return size.sum(axes, keepdim)
    zero = eq(size, 0)
    powers = where(zero, 0 if p > 0 else math.inf, pow(where(zero, 1, size), p)).sum(axes, keepdim)
    flat = eq(powers, 0) if p > 0 else eq(powers, math.inf)      # of length 0: its derivative is not to be ∞ · 0
    return where(flat, 0, pow(where(flat, 1, powers), 1 / p))


def normalize(input, p=2.0, dim=1, eps=1e-12):
    """x / max(‖x‖_p, eps) along `dim`."""
    x, eps = float_argument(input, "normalize"), real(eps, "normalize", "eps")
    arguments.axes(dim, x.ndim, "normalize")
    return x / norm(x, real(p, "normalize", "p"), dim, True).clamp(min=eps)


def cosine_similarity(x1, x2, dim=1, eps=1e-8):
    """x1 · x2 / (max(‖x1‖, eps) · max(‖x2‖, eps)) along `dim`, with broadcasting."""
    float_argument(x1, "cosine_similarity", "x1"), float_argument(x2, "cosine_similarity", "x2")
    same_dtype("cosine_similarity", x1=x1, x2=x2)
    real(eps, "cosine_similarity", "eps")
    a, b = (x.expand(broadcast_shape("cosine_similarity", x1.shape, x2.shape)) for x in (x1, x2))
    at = arguments.axis(dim, a.ndim, "cosine_similarity")
    return ((a / norm(a, 2, at, True).clamp(min=eps)) * (b / norm(b, 2, at, True).clamp(min=eps))).sum(at)
