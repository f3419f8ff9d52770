"""Images read at any points: `grid_sample`, and `affine_grid`, which makes the points.

A point lies between pixels; each of its neighbours is a tap, with a weight that is a polynomial in the point's coordinates:
its derivatives are taps too. What is left, y = Σ weight · pixel, is linear in the pixels and in the weights, and its two
gradients are of the same kind. So all functions below are each other's derivatives, of any order.

Jaderberg et al.: Spatial transformer networks (arXiv 1506.02025).
"""
import math

import numpy as np

from .. import kernels
from ..autograd import Function
from ..tensor import Tensor
from .arguments import choice, flag, float_argument, room, same_dtype, whole
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


class GridTapsFunction(Function):
    """The weights of the taps of each point, (N, Q, T), and which pixels they are; or the weights' derivatives, by `orders`.

    dL/d(column c of the grid) = Σ_t dw[n,q,t] · the weights differentiated once more by c
    """

    def forward(ctx, grid, orders, **options):                          # grid (N, Q, axes)
        ctx.save(grid)
        n, q, axes = grid.shape
        index, weight = ctx.kernels.grid_taps(ctx.kernels.contiguous(grid).reshape(n * q, axes), orders=orders, **options)
        shape = (n, q, index.shape[1])
        return weight.reshape(shape), index.reshape(shape)

    def backward(ctx, dw, _):
        (grid,) = ctx.saved
        options, orders = dict(ctx.attributes), ctx.attributes["orders"]
        columns = []
        for c in range(len(orders)):
            options["orders"] = orders[:c] + (orders[c] + 1,) + orders[c + 1:]
            columns.append((dw * GridTapsFunction.apply(grid, **options)[0]).sum(-1))
        return stack(columns, -1)


MODES, PADDINGS = ("bilinear", "nearest", "bicubic"), ("zeros", "border", "reflection")


def grid_sample(input, grid, mode="bilinear", padding_mode="zeros", align_corners=None):
    """`input` read at the points of `grid`: (N, C, H, W) and (N, H', W', 2) → (N, C, H', W'), and likewise in 5-D.

    A point is (x, y) or (x, y, z), from −1 to 1 across the image: the centres of the outer pixels with `align_corners`, else
    their outer edges. mode: "bilinear", "nearest", or "bicubic" (4-D). padding_mode, what is read outside: "zeros",
    "border" (the nearest pixel), "reflection". ValueError for shapes that do not fit.
    """
    x = float_argument(input, "grid_sample")
    float_argument(grid, "grid_sample", "grid"), same_dtype("grid_sample", input=x, grid=grid)
    choice(mode, MODES, "grid_sample", "mode"), choice(padding_mode, PADDINGS, "grid_sample", "padding_mode")
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
    weight, index = GridTapsFunction.apply(grid.reshape(n, points, axes), lengths=tuple(lengths), mode=mode, padding_mode=padding_mode,
                                           align_corners=align_corners, orders=(0,) * axes)
    pixels = x.permute(0, *range(2, x.ndim), 1).reshape(n, int(np.prod(lengths)), c)
    y = SampleFunction.apply(pixels, weight, index=index.data)              # (N, Q, C)
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
    room((math.prod(lengths), axes + 1), np.float64, "affine_grid")
    lines = [np.linspace(-1, 1, m) * (1 if align_corners else (m - 1) / m) if m > 1 else np.zeros(1) for m in lengths]
    points = np.stack([*np.meshgrid(*lines, indexing="ij")[::-1], np.ones(lengths)], -1).reshape(-1, axes + 1)
    moved = Tensor(kernels.of(theta.data).from_host(points.astype(theta.dtype))) @ theta.transpose(1, 2)  # (Q, axes + 1) × (N, axes + 1, axes)
    return moved.reshape(n, *lengths, axes)
