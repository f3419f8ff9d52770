"""Largest values of windows, where they stood, and the way back.

Backward, each number of dx is written by one thread, which collects what windows hand back. But `indices` says only who won what, in
one direction: `by_place` turns it round.
"""
import numpy as np

from ...windows import pooled_size
from ..array import THREADS, blocks, empty
from ..lanes import access, each, lanes_of
from ..by_place import lists
from ..runtime import cuda, device, jit, launch, specialised
from .windows import adaptive as adaptive_window

__all__ = ["max_pool2d_forward", "max_pool2d_backward", "max_pool2d_gather", "max_pool2d_forward_plain", "adaptive_max_pool2d_forward"]


@device
def _better(value, best, place):
    """True if `value` wins over `best`, which stood at `place`: the first wins a tie, a NaN wins over everything."""
    return value > best or value != value or place < 0


@device
def _winner(value, best, place, same, here):
    return value if _better(value, best, place) else best


@device
def _winners_place(value, best, place, same, here):
    return here if _better(value, best, place) else place


@specialised
def _max(real, lanes, adaptive):
    """y and indices of windows of x. Each thread: `lanes` channels of a window."""
    read, write = access(lanes)
    lowest, nowhere = (real(-np.inf),) * lanes, (np.int32(-1),) * lanes

    winner, winners_place, number = each(_winner, lanes), each(_winners_place, lanes), np.int32

    @jit
    def largest(x, y, indices, sizes):
        H, W, C, Ho, Wo, kh, kw, sh, sw, ph, pw, dh, dw = sizes
        e = cuda.grid(1) * lanes
        if e < y.size:
            c, pixel = e % C, e // C
            j, i, n = pixel % Wo, pixel // Wo % Ho, pixel // (Wo * Ho)
            if adaptive:
                top, bottom, _ = adaptive_window(i, H, Ho, kh, sh, ph)
                left, right, _ = adaptive_window(j, W, Wo, kw, sw, pw)
            else:
                top, left = i * sh - ph, j * sw - pw
                bottom, right = top + kh * dh, left + kw * dw
            best, place = lowest, nowhere
            for h in range(top, bottom, dh):
                if h >= 0 and h < H:
                    for w in range(left, right, dw):
                        if w >= 0 and w < W:
                            value, here = read(x, ((n * H + h) * W + w) * C + c), number(h * W + w)
                            best, place = winner(value, best, place, place, here), winners_place(value, best, place, place, here)
            write(y, e, best)
            write(indices, e, place)
    return largest


def _maxima(x, Ho, Wo, adaptive, *geometry):
    N, H, W, C = x.shape
    y, indices = empty((N, Ho, Wo, C), x.dtype), empty((N, Ho, Wo, C), np.int32)
    lanes = lanes_of(C, x)
    launch(_max(x.dtype.type, lanes, adaptive), blocks(y.size // lanes), THREADS, x.flat, y.flat, indices.flat,
           (H, W, C, Ho, Wo, *geometry))
    return y, indices


def _pooled(x, kernel_size, stride, padding, dilation, ceil_mode):
    return [pooled_size(x.shape[1 + a], kernel_size[a], stride[a], padding[a], dilation[a], ceil_mode) for a in (0, 1)]


def max_pool2d_forward(x, kernel_size, stride, padding, dilation, ceil_mode):
    """Largest value of every window.

    x (N, H, W, C); kernel_size, stride, padding, dilation: (height, width). Returns y (N, Ho, Wo, C) and indices, int32
    (N, Ho, Wo, C): where in the plane, as h·W + w, each maximum stood. The first wins a tie; a NaN wins over
    everything, the last NaN over the others (as in PyTorch).
    """
    sizes = _pooled(x, kernel_size, stride, padding, dilation, ceil_mode)
    return _maxima(x, *sizes, False, *kernel_size, *stride, *padding, *dilation)


def adaptive_max_pool2d_forward(x, output_size):
    """Maxima of Ho × Wo nearly equal parts, and where they stood, as in `max_pool2d_forward`.

    x (N, H, W, C), output_size (Ho, Wo). Returns y (N, Ho, Wo, C) and indices, int32 (N, Ho, Wo, C).
    """
    return _maxima(x, *output_size, True, 0, 0, 1, 1, 0, 0, 1, 1)


@specialised
def _max_plain(real):
    """y[n,i,j,c] = max_{r,s} x[n, i·stride + r·dilation − padding, j·…, c], and where it stood: one thread an output.

           x                         y, indices
         ┌──────────────┐           ┌─────────┐
         │ ┌───┐        │  thread   │  ▪ i, j │       threads 0, 1, 2, … of a block: channels c, c + 1, c + 2, …
         │ │r,s│ ───────┼─ reads ─▶ │         │
         │ └───┘        │  R·S      └─────────┘
         └──────────────┘  values
    """
    lowest = real(-np.inf)

    @jit
    def largest(x, y, indices, kernel_size, stride, padding, dilation):
        _, H, W, C = x.shape
        _, Ho, Wo, _ = y.shape
        e = cuda.grid(1)
        if e < y.size:
            c, j, i, n = e % C, e // C % Wo, e // (C * Wo) % Ho, e // (C * Wo * Ho)
            best, where = lowest, -1
            for r in range(kernel_size[0]):
                for s in range(kernel_size[1]):
                    h, w = i * stride[0] + r * dilation[0] - padding[0], j * stride[1] + s * dilation[1] - padding[1]
                    if 0 <= h and h < H and 0 <= w and w < W:
                        value = x[n, h, w, c]
                        if value > best or value != value or where < 0:
                            best, where = value, h * W + w
            y[n, i, j, c], indices[n, i, j, c] = best, where
    return largest


def max_pool2d_forward_plain(x, kernel_size, stride, padding, dilation, ceil_mode):
    """`max_pool2d_forward` as the formula reads, one thread an output."""
    y = empty((x.shape[0], *_pooled(x, kernel_size, stride, padding, dilation, ceil_mode), x.shape[3]), x.dtype)
    indices = empty(y.shape, np.int32)
    launch(_max_plain(x.dtype.type), blocks(y.size), THREADS, x, y, indices, kernel_size, stride, padding, dilation)
    return y, indices


@specialised
def _collect(real):
    """dx[p] = Σ dy[e] over the outputs e in the list of p: one thread a number of dx."""
    zero = real(0)

    @jit
    def collect(dy, head, first, after, dx):
        p = cuda.grid(1)
        if p < dx.size:
            total = zero
            if head[p] >= 0:
                e = first[p]
                while e >= 0:
                    total += dy[e]
                    e = after[e]
            dx[p] = total
    return collect


def max_pool2d_backward(dy, indices, x_shape):
    """dx[n, indices[n,i,j,c], c] += dy[n,i,j,c]: each gradient goes to the value that was the maximum; overlaps add.

    dy and indices (N, Ho, Wo, C) as `max_pool2d_forward` returned them, x_shape (N, H, W, C). Returns dx (N, H, W, C).
    """
    _, H, W, C = x_shape
    dx = empty(x_shape, dy.dtype)
    launch(_collect(dy.dtype.type), blocks(dx.size), THREADS, dy.flat, *lists(indices, H * W, C, dx.size), dx.flat)
    return dx


@jit
def _gather(g, indices, z, plane, outputs, C):
    """z[e] = g[n, indices[e], c] for each output e = (n, o, c)."""
    e = cuda.grid(1)
    if e < z.size:
        z[e] = g[(e // (C * outputs) * plane + indices[e]) * C + e % C]


def max_pool2d_gather(g, indices):
    """z[n,i,j,c] = g[n, indices[n,i,j,c], c]: the transpose of `max_pool2d_backward`. g (N, H, W, C) → (N, Ho, Wo, C)."""
    _, H, W, C = g.shape
    z = empty(indices.shape, g.dtype)
    launch(_gather, blocks(z.size), THREADS, g.flat, indices.flat, z.flat, H * W, indices.shape[1] * indices.shape[2], C)
    return z
