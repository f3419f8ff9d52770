"""Images read at any points: `grid_sample`, and `affine_grid`, which makes the points.

A point lies between pixels; each of its neighbours is a tap, with a weight that depends on the point by ordinary
operations. What is left, y = Σ weight · pixel, is linear in the pixels and in the weights; its two gradients are of the same
kind, so the three functions below are each other's derivatives, of any order.

Jaderberg et al.: Spatial transformer networks (arXiv 1506.02025).
"""
import numpy as np

from ..autograd import Function
from ..tensor import Tensor
from .arguments import choice, flag, float_argument, same_dtype, whole
from .compare import where
from .scaling import CUBIC
from .shape import stack


class SampleFunction(Function):
    """y[n,q,c] = Σ_t w[n,q,t] · x[n, index[n,q,t], c];  x (N, P, C), w and index (N, Q, T), y (N, Q, C)"""

    def forward(ctx, x, w, index):
        ctx.save(x, w)
        return ctx.kernels.sample_points(ctx.kernels.contiguous(x), index, ctx.kernels.contiguous(w))

    def backward(ctx, dy):
        x, w = ctx.saved
        index = ctx.attributes["index"]
        return (SpreadFunction.apply(dy, w, index=index, pixels=x.shape[1]) if ctx.needs[0] else None,
                WeighFunction.apply(dy, x, index=index) if ctx.needs[1] else None)


class SpreadFunction(Function):
    """dx[n,p,c] = Σ w[n,q,t] · dy[n,q,c] over all q, t that read p"""

    def forward(ctx, dy, w, index, pixels):
        ctx.save(dy, w)
        k = ctx.kernels
        return k.sample_points_backward_input(k.contiguous(dy), index, k.contiguous(w), pixels)

    def backward(ctx, g):
        dy, w = ctx.saved
        index = ctx.attributes["index"]
        return (SampleFunction.apply(g, w, index=index) if ctx.needs[0] else None,
                WeighFunction.apply(dy, g, index=index) if ctx.needs[1] else None)


class WeighFunction(Function):
    """dw[n,q,t] = Σ_c dy[n,q,c] · x[n, index[n,q,t], c]"""

    def forward(ctx, dy, x, index):
        ctx.save(dy, x)
        return ctx.kernels.sample_points_backward_weight(ctx.kernels.contiguous(dy), ctx.kernels.contiguous(x), index)

    def backward(ctx, g):
        dy, x = ctx.saved
        index = ctx.attributes["index"]
        return (SampleFunction.apply(x, g, index=index) if ctx.needs[0] else None,
                SpreadFunction.apply(dy, g, index=index, pixels=x.shape[1]) if ctx.needs[1] else None)


# --- from −1 … 1 to pixels -------------------------------------------------------------------------------------------

def _within(u, n):
    """u held to 0 … n − 1. No gradient at the limits themselves: points there stay when they move outward."""
    return where(u > 0, where(u < n - 1, u, float(n - 1)), 0.0)        # NaN > 0 is false


def _reflected(u, n, align_corners):
    """u folded back into the image at the centres of its outer pixels (`align_corners`) or at their outer edges."""
    low, span = (0.0, n - 1) if align_corners else (-0.5, n)
    if span == 0:
        return u * 0
    d = u - low
    d = where(d < 0, -d, d)
    turns = (d.detach() / span).floor()
    rest, odd = d - turns * span, turns - 2 * (turns / 2).floor()
    return _within(where(odd > 0, span - rest, rest) + low, n)


def _pixel(g, n, padding_mode, align_corners, bounded=True):
    """Grid coordinates in −1 … 1 along an axis of n pixels, as pixel coordinates; far outside for what is no number."""
    u = (g + 1) * ((n - 1) / 2) if align_corners else ((g + 1) * n - 1) / 2
    if bounded and padding_mode == "border":
        u = _within(u, n)
    elif bounded and padding_mode == "reflection":
        u = _reflected(u, n, align_corners)
    return where(u.abs() < 2.0 ** 31, u, -100.0)


def _fold_back(i, n, padding_mode, align_corners):
    """Whole pixel numbers i as the places that `padding_mode` reads for them; −1 where that is nothing."""
    if padding_mode == "border":
        return np.clip(i, 0, n - 1)
    if padding_mode == "reflection":
        if align_corners:
            i = np.abs(i) % max(2 * (n - 1), 1)
            return np.where(i > n - 1, 2 * (n - 1) - i, i)
        i = i % (2 * n)
        return np.where(i >= n, 2 * n - 1 - i, i)
    return np.where((i >= 0) & (i < n), i, -1)


# --- taps along one axis: places (N, Q, t) as an array, weights (N, Q, t) as a Tensor ---------------------------------

def _nearest(u, n, padding_mode, align_corners):
    places = np.rint(u.data).astype(np.int64)[..., None]                        # a half goes to the even pixel
    u = u.unsqueeze(-1)
    return _fold_back(places, n, "zeros", align_corners), where(u != u, u, 1.0)   # 1, and the gradient of u is 0, not missing


def _linear(u, n, padding_mode, align_corners):
    before = u.detach().floor()
    t = u - before
    places = before.data.astype(np.int64)[..., None] + np.arange(2)
    return _fold_back(places, n, "zeros", align_corners), stack([1 - t, t], -1)


def _cubic(u, n, padding_mode, align_corners):
    before = u.detach().floor()
    t, a = u - before, CUBIC

    def near(x):
        return ((a + 2) * x - (a + 3)) * x * x + 1

    def far(x):
        return ((a * x - 5 * a) * x + 8 * a) * x - 4 * a

    places = before.data.astype(np.int64)[..., None] + np.arange(-1, 3)
    return _fold_back(places, n, padding_mode, align_corners), stack([far(t + 1), near(t), near(1 - t), far(2 - t)], -1)


TAPS = {"nearest": _nearest, "bilinear": _linear, "bicubic": _cubic}
PADDINGS = ("zeros", "border", "reflection")


def _taps(grid, lengths, mode, padding_mode, align_corners):
    """Where the points of grid (N, Q, axes) read an image of `lengths`, and with which weights: (N, Q, T) both."""
    index, weight = np.zeros(grid.shape[:2] + (1,), np.int64), None
    for axis, n in enumerate(lengths):                                 # the grid names the last axis first
        u = _pixel(grid[:, :, len(lengths) - 1 - axis], n, padding_mode, align_corners, mode != "bicubic")
        places, weights = TAPS[mode](u, n, padding_mode, align_corners)
        before, places = index[..., :, None], places[..., None, :]
        index = np.where((before < 0) | (places < 0), -1, before * n + places)
        index = index.reshape(*grid.shape[:2], index.shape[2] * index.shape[3])
        weight = weights if weight is None else (weight.unsqueeze(-1) * weights.unsqueeze(-2)).reshape(index.shape)
    return np.ascontiguousarray(index), weight


def grid_sample(input, grid, mode="bilinear", padding_mode="zeros", align_corners=None):
    """`input` read at the points of `grid`: (N, C, H, W) and (N, H', W', 2) → (N, C, H', W'), and likewise in 5-D.

    A point is (x, y) or (x, y, z), from −1 to 1 across the image: the centres of the outer pixels with `align_corners`, else
    their outer edges. mode: "bilinear", "nearest", or "bicubic" (4-D). padding_mode, what is read outside: "zeros",
    "border" (the nearest pixel), "reflection". ValueError for shapes that do not fit.
    """
    x = float_argument(input, "grid_sample")
    float_argument(grid, "grid_sample", "grid"), same_dtype("grid_sample", input=x, grid=grid)
    choice(mode, tuple(TAPS), "grid_sample", "mode"), choice(padding_mode, PADDINGS, "grid_sample", "padding_mode")
    align_corners = align_corners is not None and flag(align_corners, "grid_sample", "align_corners")
    axes = x.ndim - 2
    if axes not in (2, 3):
        raise ValueError(f"grid_sample: input has shape {x.shape}, expected (N, C, H, W) or (N, C, D, H, W)")
    if grid.ndim != x.ndim or grid.shape[0] != x.shape[0] or grid.shape[-1] != axes:
        raise ValueError(f"grid_sample: grid has shape {grid.shape}, expected ({x.shape[0]}, {'D, ' * (axes == 3)}H, W, {axes}) to match "
                         f"input {x.shape}: a point is ({', '.join('xyz'[:axes])}), in −1 … 1")
    if mode == "bicubic" and axes == 3:
        raise ValueError(f"grid_sample: mode 'bicubic' needs input (N, C, H, W), got {x.shape}; use 'bilinear'")
    if 0 in x.shape[2:]:
        raise ValueError(f"grid_sample: input of shape {x.shape} has no pixels")
    n, c, *lengths = x.shape
    points = int(np.prod(grid.shape[1:-1], dtype=np.int64))
    index, weight = _taps(grid.reshape(n, points, axes), lengths, mode, padding_mode, align_corners)
    pixels = x.permute(0, *range(2, x.ndim), 1).reshape(n, int(np.prod(lengths)), c)
    y = SampleFunction.apply(pixels, weight, index=index)              # (N, Q, C)
    return y.reshape(*grid.shape[:-1], c).permute(0, x.ndim - 1, *range(1, x.ndim - 1))


def affine_grid(theta, size, align_corners=None):
    """The points of an image of `size` (N, C, H, W), moved by θ (N, 2, 3): grid[n,i,j] = θ[n] · (x_j, y_i, 1); likewise in 5-D.

    x_j runs from −1 to 1 across the image: over the centres of the outer pixels with `align_corners`, else over their outer
    edges. → (N, H, W, 2), as `grid_sample` takes it. ValueError where theta does not match size.
    """
    float_argument(theta, "affine_grid", "theta")
    align_corners = align_corners is not None and flag(align_corners, "affine_grid", "align_corners")
    if not isinstance(size, (tuple, list)) or len(size) not in (4, 5):
        raise ValueError(f"affine_grid: size must be (N, C, H, W) or (N, C, D, H, W), got {size!r:.60}")
    size = tuple(whole(n, "affine_grid", "a length of size") for n in size)
    n, lengths = size[0], size[2:]
    axes = len(lengths)
    if theta.shape != (n, axes, axes + 1):
        raise ValueError(f"affine_grid: theta has shape {theta.shape}, expected {(n, axes, axes + 1)} to match size {size}")
    lines = [np.linspace(-1, 1, m) * (1 if align_corners else (m - 1) / m) if m > 1 else np.zeros(1) for m in lengths]
    points = np.stack([*np.meshgrid(*lines, indexing="ij")[::-1], np.ones(lengths)], -1).reshape(-1, axes + 1)
    moved = Tensor(points.astype(theta.dtype)) @ theta.transpose(1, 2)  # (Q, axes + 1) × (N, axes + 1, axes)
    return moved.reshape(n, *lengths, axes)
