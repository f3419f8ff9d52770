"""Sampling at any points: every output is a weighted sum of a few pixels, which differ from output to output.

With x (N, P, C) pixels, index (N, Q, T) and weight (N, Q, T), T taps for each of Q points, all three are the derivatives of

    F = Σ_{n,q,t,c} dy[n,q,c] · weight[n,q,t] · x[n, index[n,q,t], c]

with respect to dy, x and weight; where index is −1, a tap lies outside and counts for nothing. `grid_taps` finds the taps of
points given as coordinates; its weights are polynomials in each coordinate, so their derivatives are such tables too.

Jaderberg et al.: Spatial transformer networks (arXiv 1506.02025).
"""
import numpy as np

__all__ = ["grid_taps", "sample_points", "sample_points_backward_input", "sample_points_backward_weight"]


CUBIC = -0.75  # Keys's a
POLYNOMIALS = {
    "nearest": [[1]], "bilinear": [[1, -1], [0, 1]],
    "bicubic": [[0, CUBIC, -2 * CUBIC, CUBIC], [1, 0, -CUBIC - 3, CUBIC + 2], [0, -CUBIC, 2 * CUBIC + 3, -CUBIC - 2],
                [0, 0, CUBIC, -CUBIC]],
}
"""Weights of the pixels around a place t after pixel ⌊u⌋, as coefficients of 1, t, t², t³ (of pixel ⌊u⌋ − 1 to ⌊u⌋ + 2 in "bicubic")."""


def polynomials(mode, order, dtype):
    """The weights' derivative of that `order`: (taps, 4) coefficients."""
    table = np.zeros((len(POLYNOMIALS[mode]), 4))
    for row, given in zip(table, POLYNOMIALS[mode]):
        row[:len(given)] = given
    for _ in range(order):
        table = np.concatenate([table[:, 1:] * [1, 2, 3], np.zeros((len(table), 1))], 1)
    return table.astype(dtype)


def _pixel(g, n, padding_mode, align_corners):
    """A coordinate in −1 … 1 over n pixels as a pixel number u, and du/dg: 0 where u is held at an edge or is no number."""
    slope = np.full(g.shape, (n - 1) / 2 if align_corners else n / 2, g.dtype)
    u = (g + 1) * g.dtype.type((n - 1) / 2) if align_corners else ((g + 1) * n - 1) / 2
    if padding_mode == "reflection":
        low, span = (0, n - 1) if align_corners else (-0.5, n)          # folded back at `low` and at low + span
        d = np.abs(u - low)
        turns = np.floor(d / max(span, 1))
        odd = turns % 2 == 1
        slope = np.where((u < low) != odd, -slope, slope)
        u = np.where(odd, span - (d - turns * span), d - turns * span) + low
    if padding_mode != "zeros":
        inside = (u > 0) & (u < n - 1)
        u, slope = np.where(u > 0, np.minimum(u, n - 1), 0), np.where(inside, slope, 0)
    known = np.abs(u) < 2 ** 31
    return np.where(known, u, -100).astype(g.dtype), np.where(known, slope, 0).astype(g.dtype)


def _fold_back(i, n, padding_mode, align_corners):
    """Pixel numbers as the places that are read for them; −1 where that is nothing."""
    if padding_mode == "border":
        return np.clip(i, 0, n - 1)
    if padding_mode == "reflection":
        period = max(2 * (n - 1), 1) if align_corners else 2 * n
        i = i % period
        return np.where(i >= n, (period if align_corners else period - 1) - i, i)
    return np.where((i >= 0) & (i < n), i, -1)


def grid_taps(grid, lengths, mode, padding_mode, align_corners, orders):
    """The taps of points in an image of `lengths`, (H, W) or (D, H, W), or the derivative of their weights.

    grid (M, axes): x, y(, z) in −1 … 1. orders: how often the weights are differentiated by each column of grid. mode: "nearest",
    "bilinear", "bicubic"; padding_mode: "zeros", "border", "reflection". Returns index int64 (M, T), as i·W + j, and weight (M, T);
    T = (1, 2 or 4)^axes, the first axis of the image outermost.
    """
    M, axes = grid.shape
    index, weight = np.zeros((M, 1), np.int64), np.ones((M, 1), grid.dtype)
    for axis, n in enumerate(lengths):
        column = axes - 1 - axis                                        # the grid names the last axis first
        u, slope = _pixel(grid[:, column], n, "zeros" if mode == "bicubic" else padding_mode, align_corners)
        first = np.rint(u) if mode == "nearest" else np.floor(u)        # a half goes to the even pixel
        table, t = polynomials(mode, orders[column], grid.dtype), u - first
        w = sum(table[:, c] * t[:, None] ** c for c in range(4)) * slope[:, None] ** orders[column]        # (M, taps)
        places = first.astype(np.int64)[:, None] + np.arange(len(table)) - (mode == "bicubic")
        places = _fold_back(places, n, padding_mode if mode == "bicubic" else "zeros", align_corners)[:, None]
        before = index[:, :, None]
        index = np.where((before < 0) | (places < 0), -1, before * n + places).reshape(M, before.shape[1] * len(table))
        weight = (weight[:, :, None] * w[:, None]).reshape(index.shape).astype(grid.dtype)
    return index, weight


def _picked(x, index):
    """x[n, index[n,q,t], :] as (N, Q, T, C), with 0 where index is −1."""
    batch = np.arange(len(x))[:, None, None]
    if not x.shape[1]:
        return np.zeros(index.shape + x.shape[2:], x.dtype)
    return np.where((index >= 0)[..., None], x[batch, np.maximum(index, 0)], x.dtype.type(0))


def sample_points(x, index, weight):
    """y[n,q,c] = Σ_t weight[n,q,t] · x[n, index[n,q,t], c]. x (N, P, C), index int64 and weight (N, Q, T) → y (N, Q, C)"""
    weight = np.where(index >= 0, weight, weight.dtype.type(0))
    return (weight[..., None] * _picked(x, index)).sum(2)


def sample_points_backward_input(dy, index, weight, pixels):
    """dx[n,p,c] = Σ over q, t with index[n,q,t] = p of weight[n,q,t] · dy[n,q,c]. dy (N, Q, C) → dx (N, pixels, C)"""
    dx = np.zeros((len(dy), pixels, dy.shape[2]), np.float64)
    for n in range(len(dy)):
        q, t = np.nonzero(index[n] >= 0)
        np.add.at(dx[n], index[n, q, t], weight[n, q, t, None] * dy[n, q])
    return dx.astype(dy.dtype)


def sample_points_backward_weight(dy, x, index):
    """dw[n,q,t] = Σ_c dy[n,q,c] · x[n, index[n,q,t], c]. dy (N, Q, C), x (N, P, C) → dw (N, Q, T)"""
    return np.einsum("nqc,nqtc->nqt", dy, _picked(x, index))
