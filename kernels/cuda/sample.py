"""Sampling at any points: every output is a weighted sum of a few pixels; formulas and shapes as in `reference/sample.py`.

    F = Σ_{n,q,t,c} dy[n,q,c] · weight[n,q,t] · x[n, index[n,q,t], c]

Its derivative by dy and by weight are read: a thread has four channels of a point (or one), or a warp has a tap and adds up its
channels. By x, points add to pixels, and several may meet in one: `by_place` turns the table of taps round, and each pixel adds up the
taps that read it, in their order, so that the sums are the same each time.

Jaderberg et al.: Spatial transformer networks (arXiv 1506.02025).
"""
import numpy as np

from ..reference.sample import __all__, polynomials  # noqa: F401
from .array import THREADS, blocks, empty
from .by_place import lists
from .lanes import access, each, lanes_of
from .runtime import cuda, device, jit, launch, library, specialised
from .threads import WARP, warp_sum


TAPS = {"nearest": 1, "bilinear": 2, "bicubic": 4}
PADDINGS = {"zeros": 0, "border": 1, "reflection": 2}
ORDERS = 5
"""Derivatives of the polynomials that are kept: the fourth, like all behind it, is 0."""


@specialised
def _grid_taps(real, mode, axes):
    """index and weight of the taps of points, grid (M, axes): one thread a tap, which works out its place along each axis anew.

    given: lengths of the axes, how often the weights are differentiated along each, padding, align_corners. The polynomials and
    their derivatives lie in constant memory.
    """
    taps, cubic, near, volume = TAPS[mode], mode == "bicubic", mode == "nearest", axes == 3
    T, coefficients = taps ** axes, np.stack([polynomials(mode, order, np.dtype(real)) for order in range(ORDERS)]).reshape(-1)
    zero, one, two, half, limit, far = real(0), real(1), real(2), real(0.5), real(2 ** 31), real(-100)
    floor, nearest, whole, before = library("floor", real, np.floor), library("rint", real, np.rint), np.int64, 1 if cubic else 0

    @device
    def pixel(g, n, padding, corners):
        """See `reference.sample`: a coordinate as a pixel number u, and du/dg."""
        slope = real(n - 1) * half if corners else real(n) * half
        u = (g + one) * slope if corners else ((g + one) * real(n) - one) * half
        if padding == 2:
            low, span = (zero, real(n - 1)) if corners else (-half, real(n))
            d = abs(u - low)
            turns = floor(d / max(span, one))
            odd = turns - two * floor(turns * half) == one
            if (u < low) != odd:
                slope = -slope
            d -= turns * span
            u = (span - d if odd else d) + low
        if padding != 0:
            if not (u > zero and u < real(n - 1)):
                slope = zero
                u = real(n - 1) if u > zero else zero
        if not abs(u) < limit:
            return far, zero
        return u, slope

    @device
    def fold_back(i, n, padding, corners):
        """The place that is read for pixel number i; −1 where that is nothing."""
        if padding == 1:
            return min(max(i, 0), n - 1)
        if padding == 2:
            period = max(2 * (n - 1), 1) if corners else 2 * n
            i = i % period
            if i >= n:
                i = (period if corners else period - 1) - i
            return i
        return i if 0 <= i and i < n else -1

    @device
    def along(g, n, k, table, order, padding, corners):
        """(place, weight) of tap k along an axis."""
        u, slope = pixel(g, n, 0 if cubic else padding, corners)
        first = nearest(u) if near else floor(u)
        t, at = u - first, (min(order, ORDERS - 1) * taps + k) * 4
        w = ((table[at + 3] * t + table[at + 2]) * t + table[at + 1]) * t + table[at]
        for _ in range(order):
            w *= slope
        return fold_back(whole(first) + k - before, n, padding if cubic else 0, corners), w

    @jit
    def grid_taps(grid, given, index, weight):
        table = cuda.const.array_like(coefficients)
        padding, corners = given[2 * axes], given[2 * axes + 1] != 0
        e = cuda.grid(1)
        if e < index.size:
            m, t = e // T, e % T
            at = (m + 1) * axes - 1                # the grid names the last axis first
            outer = t // taps if volume else t
            p, w = along(grid[at], given[0], outer // taps, table, given[axes], padding, corners)
            q, v = along(grid[at - 1], given[1], outer % taps, table, given[axes + 1], padding, corners)
            p, w = p * given[1] + q if p >= 0 and q >= 0 else -1, w * v
            if volume:
                q, v = along(grid[at - 2], given[axes - 1], t % taps, table, given[2 * axes - 1], padding, corners)
                p, w = p * given[axes - 1] + q if p >= 0 and q >= 0 else -1, w * v
            index[e], weight[e] = p, w
    return grid_taps


def grid_taps(grid, lengths, mode, padding_mode, align_corners, orders):
    """The taps of points in an image of `lengths`, (H, W) or (D, H, W), or the derivative of their weights.

    grid (M, axes): x, y(, z) in −1 … 1. orders: how often the weights are differentiated by each column of grid. mode: "nearest",
    "bilinear", "bicubic"; padding_mode: "zeros", "border", "reflection". Returns index int64 (M, T), as i·W + j, and weight (M, T);
    T = (1, 2 or 4)^axes, the first axis of the image outermost.
    """
    M, axes = grid.shape
    T = TAPS[mode] ** axes
    index, weight = empty((M, T), np.int64), empty((M, T), grid.dtype)
    given = *map(int, lengths), *map(int, orders[::-1]), PADDINGS[padding_mode], int(align_corners)
    launch(_grid_taps(grid.dtype.type, mode, axes), blocks(M * T), THREADS, grid.flat, given, index.flat, weight.flat)
    return index, weight


@device
def _scaled(total, value, same, same_too, factor):
    return total + value * factor


@specialised
def _sample(real, lanes):
    """y[n,q,c] = Σ_t weight[n,q,t] · x[n, index[n,q,t], c]. Each thread: `lanes` channels of a point."""
    read, write = access(lanes)
    add, nothing = each(_scaled, lanes), (real(0),) * lanes

    @jit
    def sample(x, index, weight, y, P, C, Q, T):
        e = cuda.grid(1) * lanes
        if e < y.size:
            point, c = e // C, e % C
            image, total = point // Q * P, nothing
            for tap in range(point * T, (point + 1) * T):
                if index[tap] >= 0:
                    value = read(x, (image + index[tap]) * C + c)
                    total = add(total, value, value, value, weight[tap])
            write(y, e, total)
    return sample


def sample_points(x, index, weight):
    """y[n,q,c] = Σ_t weight[n,q,t] · x[n, index[n,q,t], c]. x (N, P, C), index int64 and weight (N, Q, T) → y (N, Q, C)"""
    (N, P, C), (_, Q, T) = x.shape, index.shape
    y, lanes = empty((N, Q, C), x.dtype), lanes_of(C, x)
    launch(_sample(x.dtype.type, lanes), blocks(y.size // lanes), THREADS, x.flat, index.flat, weight.flat, y.flat, P, C, Q, T)
    return y


@specialised
def _collect(real, lanes):
    """dx[n,p,c] = Σ weight[tap] · dy[n,q,c] over the taps (q, t) in the list of pixel p. Each thread: `lanes` channels of a pixel."""
    read, write = access(lanes)
    add, nothing = each(_scaled, lanes), (real(0),) * lanes

    @jit
    def collect(dy, weight, head, first, after, dx, C, T):
        e = cuda.grid(1) * lanes
        if e < dx.size:
            pixel, c = e // C, e % C
            total = nothing
            if head[pixel] >= 0:
                tap = first[pixel]
                while tap >= 0:
                    value = read(dy, tap // T * C + c)
                    total = add(total, value, value, value, weight[tap])
                    tap = after[tap]
            write(dx, e, total)
    return collect


def sample_points_backward_input(dy, index, weight, pixels):
    """dx[n,p,c] = Σ over q, t with index[n,q,t] = p of weight[n,q,t] · dy[n,q,c]. dy (N, Q, C) → dx (N, pixels, C)"""
    N, Q, C = dy.shape
    dx, lanes, T = empty((N, pixels, C), dy.dtype), lanes_of(C, dy), index.shape[2]
    if dx.size:
        launch(_collect(dy.dtype.type, lanes), blocks(dx.size // lanes), THREADS, dy.flat, weight.flat,
               *lists(index, pixels, 1, N * pixels), dx.flat, C, T)
    return dx


@specialised
def _weigh(real, wide):
    """dw[n,q,t] = Σ_c dy[n,q,c] · x[n, index[n,q,t], c]: a thread has a tap, or (`wide`) a warp, whose lanes take turns at its channels."""
    zero, lanes = real(0), WARP if wide else 1

    @jit
    def weigh(dy, x, index, dw, P, C, Q, T):
        tap, lane = cuda.grid(1) // lanes, cuda.grid(1) % lanes
        total = zero
        if tap < dw.size and index[tap] >= 0:
            point = tap // T
            at, pixel = point * C, (point // Q * P + index[tap]) * C
            for c in range(lane, C, lanes):
                total += dy[at + c] * x[pixel + c]
        if wide:
            total = warp_sum(total)
        if tap < dw.size and lane == 0:
            dw[tap] = total
    return weigh


def sample_points_backward_weight(dy, x, index):
    """dw[n,q,t] = Σ_c dy[n,q,c] · x[n, index[n,q,t], c]. dy (N, Q, C), x (N, P, C) → dw (N, Q, T)"""
    (_, P, C), (_, Q, T) = x.shape, index.shape
    dw, wide = empty(index.shape, dy.dtype), C >= WARP
    launch(_weigh(dy.dtype.type, wide), blocks(dw.size * (WARP if wide else 1)), THREADS, dy.flat, x.flat, index.flat, dw.flat, P, C, Q, T)
    return dw
