"""Means of windows, and the way back."""
from ...windows import pooled_size
from ..array import THREADS, blocks, empty
from ..columns import fold
from ..lanes import access, each, lanes_of
from ..runtime import cuda, device, jit, launch, specialised
from .windows import adaptive as adaptive_window
from .windows import holding_adaptive, holding_sliding, sliding

__all__ = ["avg_pool2d_forward", "avg_pool2d_backward", "adaptive_avg_pool2d_forward", "adaptive_avg_pool2d_backward"]

LARGE, COLUMNS = 64, 32
"""Pixels of a window that are worth a block of threads, and how many channels such a block has."""


@device
def _scaled(total, value, same, same_too, share):
    return total + value * share


@device
def _divisor(top, bottom, rows, left, right, columns, padded, override):
    """What the sum over a window is divided by; an empty window has sum 0, so any divisor will do."""
    if override != 0:
        return override
    return max(rows * columns if padded else (bottom - top) * (right - left), 1)


@specialised
def _mean(real, lanes, adaptive):
    """y[n,i,j,c] = Σ of a window of x / divisor. Each thread: `lanes` channels of a window."""
    read, write = access(lanes)
    window, add = adaptive_window if adaptive else sliding, each(_scaled, lanes)
    nothing, one = (real(0),) * lanes, real(1)

    @jit
    def mean(x, y, sizes):
        H, W, C, Ho, Wo, kh, kw, sh, sw, ph, pw, padded, override = sizes
        e = cuda.grid(1) * lanes
        if e < y.size:
            c, pixel = e % C, e // C
            j, i, n = pixel % Wo, pixel // Wo % Ho, pixel // (Wo * Ho)
            top, bottom, rows = window(i, H, Ho, kh, sh, ph)
            left, right, columns = window(j, W, Wo, kw, sw, pw)
            total = nothing
            for h in range(top, bottom):
                for w in range(left, right):
                    value = read(x, ((n * H + h) * W + w) * C + c)
                    total = add(total, value, value, value, one)
            share = one / real(_divisor(top, bottom, rows, left, right, columns, padded, override))
            write(y, e, add(nothing, total, total, total, share))
    return mean


@specialised
def _mean_of_many(real, adaptive):
    """The same where windows are large, and so few that threads would be missing: a block has a window and `COLUMNS` channels.

    Thread (r, c) adds up every 8th pixel of channel c from pixel r on; the block then folds its eight rows onto each other.
    """
    window, zero, rows_of = adaptive_window if adaptive else sliding, real(0), THREADS // COLUMNS

    @jit
    def mean_of_many(x, y, sizes):
        scratch = cuda.shared.array(THREADS, real)
        H, W, C, Ho, Wo, kh, kw, sh, sw, ph, pw, padded, override = sizes
        r, c, pixel = cuda.threadIdx.x // COLUMNS, cuda.blockIdx.y * COLUMNS + cuda.threadIdx.x % COLUMNS, cuda.blockIdx.x
        j, i, n = pixel % Wo, pixel // Wo % Ho, pixel // (Wo * Ho)
        top, bottom, rows = window(i, H, Ho, kh, sh, ph)
        left, right, columns = window(j, W, Wo, kw, sw, pw)
        total, width = zero, right - left
        if c < C:
            for q in range(r, (bottom - top) * width, rows_of):
                total += x[((n * H + top + q // width) * W + left + q % width) * C + c]
        total = fold(total, r, rows_of, COLUMNS, scratch)
        if r == 0 and c < C:
            y[pixel * C + c] = total / real(_divisor(top, bottom, rows, left, right, columns, padded, override))
    return mean_of_many


@specialised
def _mean_backward(real, lanes, adaptive):
    """dx[n,h,w,c] = Σ dy[n,i,j,c] / divisor[i,j] over the windows that hold (h, w). Each thread: `lanes` channels of a pixel."""
    read, write = access(lanes)
    add, nothing, one = each(_scaled, lanes), (real(0),) * lanes, real(1)
    window, holding = (adaptive_window, holding_adaptive) if adaptive else (sliding, holding_sliding)

    @jit
    def mean_backward(dy, dx, sizes):
        H, W, C, Ho, Wo, kh, kw, sh, sw, ph, pw, padded, override = sizes
        e = cuda.grid(1) * lanes
        if e < dx.size:
            c, pixel = e % C, e // C
            w, h, n = pixel % W, pixel // W % H, pixel // (W * H)
            i0, i1 = holding(h, H, Ho, kh, sh, ph)
            j0, j1 = holding(w, W, Wo, kw, sw, pw)
            total = nothing
            for i in range(i0, i1):
                top, bottom, rows = window(i, H, Ho, kh, sh, ph)
                for j in range(j0, j1):
                    left, right, columns = window(j, W, Wo, kw, sw, pw)
                    share = one / real(_divisor(top, bottom, rows, left, right, columns, padded, override))
                    value = read(dy, ((n * Ho + i) * Wo + j) * C + c)
                    total = add(total, value, value, value, share)
            write(dx, e, total)
    return mean_backward


def _forward(x, Ho, Wo, area, adaptive, *given):
    N, H, W, C = x.shape
    y, sizes = empty((N, Ho, Wo, C), x.dtype), (H, W, C, Ho, Wo, *given)
    if area >= LARGE:
        launch(_mean_of_many(x.dtype.type, adaptive), (N * Ho * Wo, -(-C // COLUMNS)), THREADS, x.flat, y.flat, sizes)
    else:
        lanes = lanes_of(C, x)
        launch(_mean(x.dtype.type, lanes, adaptive), blocks(y.size // lanes), THREADS, x.flat, y.flat, sizes)
    return y


def _backward(dy, x_shape, adaptive, *given):
    dx, lanes = empty(x_shape, dy.dtype), lanes_of(x_shape[3], dy)
    sizes = (*x_shape[1:], *dy.shape[1:3], *given)
    launch(_mean_backward(dy.dtype.type, lanes, adaptive), blocks(dx.size // lanes), THREADS, dy.flat, dx.flat, sizes)
    return dx


def avg_pool2d_forward(x, kernel_size, stride, padding, ceil_mode, count_include_pad, divisor_override=None):
    """Mean of every window. x (N, H, W, C); kernel_size, stride, padding: (height, width). Returns y (N, Ho, Wo, C).

    The divisor is `divisor_override`, or the window's size: with its padding where `count_include_pad`, else without.
    """
    Ho, Wo = (pooled_size(x.shape[1 + a], kernel_size[a], stride[a], padding[a], 1, ceil_mode) for a in (0, 1))
    return _forward(x, Ho, Wo, kernel_size[0] * kernel_size[1], False,
                    *kernel_size, *stride, *padding, int(count_include_pad), divisor_override or 0)


def avg_pool2d_backward(dy, x_shape, kernel_size, stride, padding, ceil_mode, count_include_pad, divisor_override=None):
    """dx[n,h,w,c] = Σ over the windows (i, j) that hold (h, w) of dy[n,i,j,c] / divisor[i,j].

    dy (N, Ho, Wo, C), x_shape (N, H, W, C). Returns dx (N, H, W, C).
    """
    return _backward(dy, x_shape, False, *kernel_size, *stride, *padding, int(count_include_pad), divisor_override or 0)


def adaptive_avg_pool2d_forward(x, output_size):
    """Means of Ho × Wo nearly equal parts. x (N, H, W, C), output_size (Ho, Wo). Returns y (N, Ho, Wo, C)."""
    Ho, Wo = output_size
    return _forward(x, Ho, Wo, x.shape[1] * x.shape[2] // max(Ho * Wo, 1), True, 0, 0, 1, 1, 0, 0, 1, 0)


def adaptive_avg_pool2d_backward(dy, x_shape):
    """Gradient of `adaptive_avg_pool2d_forward`: dy (N, Ho, Wo, C), x_shape (N, H, W, C) → dx (N, H, W, C)."""
    return _backward(dy, x_shape, True, 0, 0, 1, 1, 0, 0, 1, 0)
