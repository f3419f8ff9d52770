"""Pooling: a window slides over an image (N, H, W, C) and keeps its largest value, or its mean.

Maximum:  y[n,i,j,c] = max_{r,s} x[n, i·stride + r·dilation − padding, j·…, c], padding counts as −∞.
Average:  y[n,i,j,c] = 1/divisor · Σ_{r,s} x[n, i·stride + r − padding, j·…, c], padding counts as 0.

Forward, the threads share out the rows of the output; backward, the images, so that windows that overlap add up in one
thread. A pixel's channels lie together in memory: every inner loop runs over them.

Scherer, Müller, Behnke: Evaluation of pooling operations in convolutional architectures (ICANN 2010).
"""
import numpy as np
from numba import prange

from ..windows import adaptive_windows, average_windows, pooled_size
from .array import empty
from .jit import inner, kernel

__all__ = ["max_pool2d_forward", "max_pool2d_backward", "max_pool2d_gather", "max_pool2d_forward_plain",
           "avg_pool2d_forward", "avg_pool2d_backward", "adaptive_avg_pool2d_forward", "adaptive_avg_pool2d_backward"]


@inner
def _max_of_four(a, b, c, d, at, W, y, indices):
    """Largest of four neighbouring pixels; `at` is the plane index of a, b stands beside it, c and d below."""
    for k in range(len(y)):
        best, where = a[k], np.int32(at)
        v = b[k]
        better = (v > best) | (v != v)
        best, where = v if better else best, np.int32(at + 1) if better else where
        v = c[k]
        better = (v > best) | (v != v)
        best, where = v if better else best, np.int32(at + W) if better else where
        v = d[k]
        better = (v > best) | (v != v)
        best, where = v if better else best, np.int32(at + W + 1) if better else where
        y[k], indices[k] = best, where


@inner
def _max_of_window(x, top, left, kernel_size, dilation, y, indices):
    """Largest of the taps of one window of x (H, W, C) that lie inside."""
    H, W, C = x.shape
    first = True
    for r in range(kernel_size[0]):
        h = top + r * dilation[0]
        if h < 0 or h >= H:
            continue
        for s in range(kernel_size[1]):
            w = left + s * dilation[1]
            if w < 0 or w >= W:
                continue
            pixel, at = x[h, w], np.int32(h * W + w)
            if first:
                for c in range(C):
                    y[c], indices[c] = pixel[c], at
                first = False
            else:
                for c in range(C):
                    better = (pixel[c] > y[c]) | (pixel[c] != pixel[c])
                    y[c], indices[c] = pixel[c] if better else y[c], at if better else indices[c]


@inner
def _max_pool_row(x, i, kernel_size, stride, padding, dilation, y, indices):
    H, W, C = x.shape
    top = i * stride[0] - padding[0]
    four = kernel_size[0] == 2 and kernel_size[1] == 2 and dilation[0] == 1 and dilation[1] == 1
    four = four and top >= 0 and top + 1 < H
    for j in range(len(y)):
        left = j * stride[1] - padding[1]
        if four and left >= 0 and left + 1 < W:
            _max_of_four(x[top, left], x[top, left + 1], x[top + 1, left], x[top + 1, left + 1],
                         top * W + left, W, y[j], indices[j])
        else:
            _max_of_window(x, top, left, kernel_size, dilation, y[j], indices[j])


@kernel
def _max_pool(x, kernel_size, stride, padding, dilation, y, indices):
    Ho = y.shape[1]
    for row in prange(y.shape[0] * Ho):
        n, i = np.int64(row) // Ho, np.int64(row) % Ho
        _max_pool_row(x[n], i, kernel_size, stride, padding, dilation, y[n, i], indices[n, i])


@kernel
def _max_pool_plain(x, kernel_size, stride, padding, dilation, y, indices):
    N, H, W, C = x.shape
    for n in prange(N):
        for i in range(y.shape[1]):
            for j in range(y.shape[2]):
                for c in range(C):
                    best, where = x.dtype.type(-np.inf), -1
                    for r in range(kernel_size[0]):
                        for s in range(kernel_size[1]):
                            h = i * stride[0] + r * dilation[0] - padding[0]
                            w = j * stride[1] + s * dilation[1] - padding[1]
                            if 0 <= h < H and 0 <= w < W:
                                value = x[n, h, w, c]
                                if value > best or value != value or where < 0:
                                    best, where = value, h * W + w
                    y[n, i, j, c], indices[n, i, j, c] = best, where


@inner
def _scatter(dy, indices, dx):
    """dx[indices[p,c], c] += dy[p,c] for one image: dy and indices (Ho·Wo, C), dx (H·W, C)."""
    dx[:, :] = 0  # here, not by the allocator: the plane stays in cache for what follows
    for p in range(len(dy)):
        for c in range(dy.shape[1]):
            dx[indices[p, c], c] += dy[p, c]


@kernel
def _max_pool_backward(dy, indices, dx):
    for n in prange(len(dy)):
        _scatter(dy[n], indices[n], dx[n])


@kernel
def _gather(g, indices, z):
    for n in prange(len(g)):
        for p in range(z.shape[1]):
            for c in range(z.shape[2]):
                z[n, p, c] = g[n, indices[n, p, c], c]


@inner
def _mean_of_window(x, rows, columns, divisor, y):
    C = len(y)
    for c in range(C):
        y[c] = 0
    for h in range(rows[0], rows[1]):
        for w in range(columns[0], columns[1]):
            pixel = x[h, w]
            for c in range(C):
                y[c] += pixel[c]
    for c in range(C):
        y[c] /= divisor


@kernel
def _average(x, rows, columns, divisors, y):
    Ho, Wo = y.shape[1], y.shape[2]
    for row in prange(y.shape[0] * Ho):
        n, i = np.int64(row) // Ho, np.int64(row) % Ho
        for j in range(Wo):
            _mean_of_window(x[n], rows[i], columns[j], divisors[i, j], y[n, i, j])


@inner
def _spread(dy, rows, columns, divisors, dx):
    C = dx.shape[2]
    dx[:, :, :] = 0
    for i in range(dy.shape[0]):
        for j in range(dy.shape[1]):
            gradient, divisor = dy[i, j], divisors[i, j]
            for h in range(rows[i, 0], rows[i, 1]):
                for w in range(columns[j, 0], columns[j, 1]):
                    pixel = dx[h, w]
                    for c in range(C):
                        pixel[c] += gradient[c] / divisor


@kernel
def _average_backward(dy, rows, columns, divisors, dx):
    for n in prange(len(dy)):
        _spread(dy[n], rows, columns, divisors, dx[n])


def _max_pool_arguments(x, kernel_size, stride, padding, dilation, ceil_mode):
    """What the compiled loops take: integers as Python ints (one type for all callers), and the outputs."""
    arguments = [(int(h), int(w)) for h, w in (kernel_size, stride, padding, dilation)]
    Ho, Wo = (pooled_size(x.shape[a + 1], *(pair[a] for pair in arguments), ceil_mode) for a in (0, 1))
    shape = (x.shape[0], Ho, Wo, x.shape[3])
    return x, *arguments, empty(shape, x.dtype), empty(shape, np.int32)


def max_pool2d_forward(x, kernel_size, stride, padding, dilation, ceil_mode):
    """Largest value of every window.

    x (N, H, W, C); kernel_size, stride, padding, dilation: (height, width). Returns y (N, Ho, Wo, C) and indices, int32
    (N, Ho, Wo, C): where in the plane, as h·W + w, each maximum stood. The first wins a tie; a NaN wins over
    everything, the last NaN over the others (as in PyTorch).
    """
    arguments = _max_pool_arguments(x, kernel_size, stride, padding, dilation, ceil_mode)
    _max_pool(*arguments)
    return arguments[-2:]


def max_pool2d_forward_plain(x, kernel_size, stride, padding, dilation, ceil_mode):
    """`max_pool2d_forward` as the formula reads: one window after another, one value after another."""
    arguments = _max_pool_arguments(x, kernel_size, stride, padding, dilation, ceil_mode)
    _max_pool_plain(*arguments)
    return arguments[-2:]


def max_pool2d_backward(dy, indices, x_shape):
    """dx[n, indices[n,i,j,c], c] += dy[n,i,j,c]: each gradient goes to the value that was the maximum; overlaps add.

    dy and indices (N, Ho, Wo, C) as `max_pool2d_forward` returned them, x_shape (N, H, W, C). Returns dx (N, H, W, C).
    """
    N, H, W, C = x_shape
    dx = empty(x_shape, dy.dtype)
    _max_pool_backward(dy.reshape(N, -1, C), indices.reshape(N, -1, C), dx.reshape(N, H * W, C))
    return dx


def max_pool2d_gather(g, indices):
    """z[n,i,j,c] = g[n, indices[n,i,j,c], c]: the transpose of `max_pool2d_backward`. g (N, H, W, C) → (N, Ho, Wo, C)."""
    N, H, W, C = g.shape
    z = empty(indices.shape, g.dtype)
    _gather(g.reshape(N, H * W, C), indices.reshape(N, -1, C), z.reshape(N, -1, C))
    return z


def avg_pool2d_forward(x, kernel_size, stride, padding, ceil_mode, count_include_pad, divisor_override=None):
    """Mean of every window. x (N, H, W, C); kernel_size, stride, padding: (height, width). Returns y (N, Ho, Wo, C).

    The divisor is `divisor_override`, or the window's size: with its padding where `count_include_pad`, else without.
    """
    return _averages(x, *average_windows(x.shape, kernel_size, stride, padding, ceil_mode, count_include_pad,
                                         divisor_override))


def _averages(x, rows, columns, divisors):
    y = empty((x.shape[0], len(rows), len(columns), x.shape[3]), x.dtype)
    _average(x, rows, columns, divisors.astype(x.dtype), y)
    return y


def avg_pool2d_backward(dy, x_shape, kernel_size, stride, padding, ceil_mode, count_include_pad,
                        divisor_override=None):
    """dx[n,h,w,c] = Σ over the windows (i, j) that hold (h, w) of dy[n,i,j,c] / divisor[i,j].

    dy (N, Ho, Wo, C), x_shape (N, H, W, C). Returns dx (N, H, W, C).
    """
    return _averages_backward(dy, x_shape, *average_windows(x_shape, kernel_size, stride, padding, ceil_mode,
                                                            count_include_pad, divisor_override))


def _averages_backward(dy, x_shape, rows, columns, divisors):
    dx = empty(x_shape, dy.dtype)
    _average_backward(dy, rows, columns, divisors.astype(dy.dtype), dx)
    return dx


def adaptive_avg_pool2d_forward(x, output_size):
    """Means of Ho × Wo nearly equal parts. x (N, H, W, C), output_size (Ho, Wo). Returns y (N, Ho, Wo, C)."""
    return _averages(x, *adaptive_windows(x.shape, output_size))


def adaptive_avg_pool2d_backward(dy, x_shape):
    """Gradient of `adaptive_avg_pool2d_forward`: dy (N, Ho, Wo, C), x_shape (N, H, W, C) → dx (N, H, W, C)."""
    return _averages_backward(dy, x_shape, *adaptive_windows(x_shape, dy.shape[1:3]))
