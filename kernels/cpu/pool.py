"""Pooling: a window slides over an image (N, H, W, C) and keeps its largest value, or its mean.

Maximum:  y[n,i,j,c] = max_{r,s} x[n, i·stride + r·dilation − padding, j·…, c], padding counts as −∞.
Average:  y[n,i,j,c] = 1/divisor · Σ_{r,s} x[n, i·stride + r − padding, j·…, c], padding counts as 0.

Forward, the threads share out the rows of the output; backward, the images, so that windows that overlap add up in one
thread. A pixel's channels lie together in memory: every inner loop runs over them. Where they are few, see `pool_rows`.

Scherer, Müller, Behnke: Evaluation of pooling operations in convolutional architectures (ICANN 2010).
"""
import functools

import numpy as np
from numba import prange

from ..windows import adaptive_windows, average_windows, pooled_size
from .array import empty
from .jit import kernel, part
from .launch import launch, numbers
from .pool_rows import FEW, average_rows, average_rows_backward, max_rows

__all__ = ["max_pool2d_forward", "max_pool2d_backward", "max_pool2d_gather", "max_pool2d_forward_plain",
           "avg_pool2d_forward", "avg_pool2d_backward", "adaptive_avg_pool2d_forward", "adaptive_avg_pool2d_backward",
           "adaptive_max_pool2d_forward"]


@part
def _better(value, best):
    """Does value take the place of best? A NaN always does."""
    return (value > best) | (value != value)


@part
def _max_of_four(x, at, below, C, where, W, y, indices):
    """The window of 2 × 2 pixels whose corner is x[at:at + C], at plane index `where`, and x[below:]."""
    a, b, c, d = x[at:at + C], x[at + C:at + 2 * C], x[below:below + C], x[below + C:below + 2 * C]
    ia, ib, ic, id_ = np.int32(where), np.int32(where + 1), np.int32(where + W), np.int32(where + W + 1)
    for k in range(C):
        best, index = a[k], ia
        best, index = (b[k], ib) if _better(b[k], best) else (best, index)
        best, index = (c[k], ic) if _better(c[k], best) else (best, index)
        best, index = (d[k], id_) if _better(d[k], best) else (best, index)
        y[k], indices[k] = best, index


@part
def _max_of_window(x, image, top, left, sizes, y, indices):
    """Any window: its taps that lie inside the image, one after another."""
    H, W, C = sizes[0], sizes[1], sizes[2]
    first = True
    for r in range(sizes[5]):
        h = top + r * sizes[11]
        if h < 0 or h >= H:
            continue
        for s in range(sizes[6]):
            w = left + s * sizes[12]
            if w < 0 or w >= W:
                continue
            index = np.int32(h * W + w)
            pixel = x[image + index * C:image + index * C + C]
            if first:
                for c in range(C):
                    y[c], indices[c] = pixel[c], index
                first = False
            else:
                for c in range(C):
                    better = _better(pixel[c], y[c])
                    y[c], indices[c] = pixel[c] if better else y[c], index if better else indices[c]


@part
def _max_pool(t, sizes, x, y, indices):
    """Row t of the output, counted over all images. sizes: H W C, Ho Wo, kernel, stride, padding, dilation."""
    H, W, C, Ho, Wo = sizes[0], sizes[1], sizes[2], sizes[3], sizes[4]
    image, top = t // Ho * H * W * C, t % Ho * sizes[7] - sizes[9]
    four = sizes[5] == 2 and sizes[6] == 2 and sizes[11] == 1 and sizes[12] == 1 and top >= 0 and top + 1 < H
    for j in range(Wo):
        left, out = j * sizes[8] - sizes[10], (t * Wo + j) * C
        if four and left >= 0 and left + 1 < W:
            where = top * W + left
            _max_of_four(x, image + where * C, image + (where + W) * C, C, where, W, y[out:out + C],
                         indices[out:out + C])
        else:
            _max_of_window(x, image, top, left, sizes, y[out:out + C], indices[out:out + C])


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


@part
def _max_pool_backward(n, sizes, dy, indices, dx):
    """Image n. sizes: pixels of the input, pixels of the output, C."""
    P, Q, C = sizes[0], sizes[1], sizes[2]
    image = dx[n * P * C:(n + 1) * P * C]
    image[:] = 0  # here, not by the allocator: the plane stays in cache for what follows
    for q in range(n * Q * C, (n + 1) * Q * C, C):
        for c in range(C):
            image[indices[q + c] * C + c] += dy[q + c]


@part
def _gather(n, sizes, g, indices, z):
    """Image n. sizes as in `_max_pool_backward`."""
    P, Q, C = sizes[0], sizes[1], sizes[2]
    image = g[n * P * C:(n + 1) * P * C]
    for q in range(n * Q * C, (n + 1) * Q * C, C):
        for c in range(C):
            z[q + c] = image[indices[q + c] * C + c]


@part
def _average(t, sizes, rows, columns, divisors, x, y):
    """Row t of the output, counted over all images. Pixels of a window are added four at a time."""
    H, W, C, Ho, Wo = sizes[0], sizes[1], sizes[2], sizes[3], sizes[4]
    image, i = t // Ho * H * W * C, t % Ho
    for j in range(Wo):
        out = y[(t * Wo + j) * C:(t * Wo + j + 1) * C]
        for c in range(C):
            out[c] = 0
        for h in range(rows[2 * i], rows[2 * i + 1]):
            at, end = image + (h * W + columns[2 * j]) * C, image + (h * W + columns[2 * j + 1]) * C
            while at + 4 * C <= end:
                p, q, r, s = x[at:at + C], x[at + C:at + 2 * C], x[at + 2 * C:at + 3 * C], x[at + 3 * C:at + 4 * C]
                for c in range(C):
                    out[c] += (p[c] + q[c]) + (r[c] + s[c])
                at += 4 * C
            while at < end:
                p = x[at:at + C]
                for c in range(C):
                    out[c] += p[c]
                at += C
        divisor = divisors[i * Wo + j]
        for c in range(C):
            out[c] /= divisor


@part
def _adaptive_max(t, sizes, rows, columns, x, y, indices):
    """Row t of the output, counted over all images. sizes as in `_average`."""
    H, W, C, Ho, Wo = sizes[0], sizes[1], sizes[2], sizes[3], sizes[4]
    image, i = t // Ho * H * W * C, t % Ho
    for j in range(Wo):
        out = (t * Wo + j) * C
        best, where = y[out:out + C], indices[out:out + C]
        first = True
        for h in range(rows[2 * i], rows[2 * i + 1]):
            for w in range(columns[2 * j], columns[2 * j + 1]):
                index = np.int32(h * W + w)
                pixel = x[image + index * C:image + index * C + C]
                for c in range(C):
                    better = first | _better(pixel[c], best[c])
                    best[c], where[c] = pixel[c] if better else best[c], index if better else where[c]
                first = False


@part
def _average_backward(n, sizes, rows, columns, divisors, dy, dx):
    """Image n. sizes as in `_average`."""
    H, W, C, Ho, Wo = sizes[0], sizes[1], sizes[2], sizes[3], sizes[4]
    image, share = dx[n * H * W * C:(n + 1) * H * W * C], np.empty(C, dy.dtype)
    image[:] = 0
    for i in range(Ho):
        for j in range(Wo):
            at = ((n * Ho + i) * Wo + j) * C
            for c in range(C):
                share[c] = dy[at + c] / divisors[i * Wo + j]
            for h in range(rows[2 * i], rows[2 * i + 1]):
                for w in range(columns[2 * j], columns[2 * j + 1]):
                    pixel = image[(h * W + w) * C:(h * W + w + 1) * C]
                    for c in range(C):
                        pixel[c] += share[c]


def _outputs(x, kernel_size, stride, padding, dilation, ceil_mode):
    Ho, Wo = (pooled_size(x.shape[a + 1], kernel_size[a], stride[a], padding[a], dilation[a], ceil_mode) for a in (0, 1))
    shape = (x.shape[0], Ho, Wo, x.shape[3])
    return empty(shape, x.dtype), empty(shape, np.int32)


def max_pool2d_forward(x, kernel_size, stride, padding, dilation, ceil_mode):
    """Largest value of every window.

    x (N, H, W, C); kernel_size, stride, padding, dilation: (height, width). Returns y (N, Ho, Wo, C) and indices, int32
    (N, Ho, Wo, C): where in the plane, as h·W + w, each maximum stood. The first wins a tie; a NaN wins over
    everything, the last NaN over the others (as in PyTorch).
    """
    y, indices = _outputs(x, kernel_size, stride, padding, dilation, ceil_mode)
    window = *kernel_size, *stride, *padding, *dilation
    if x.shape[3] < FEW:
        max_rows(x, y, indices, *window)
    else:
        launch(_max_pool, y.shape[0] * y.shape[1], numbers(*x.shape[1:], *y.shape[1:3], *window), x, y, indices)
    return y, indices


def max_pool2d_forward_plain(x, kernel_size, stride, padding, dilation, ceil_mode):
    """`max_pool2d_forward` as the formula reads: one window after another, one value after another."""
    y, indices = _outputs(x, kernel_size, stride, padding, dilation, ceil_mode)
    _max_pool_plain(x, kernel_size, stride, padding, dilation, y, indices)
    return y, indices


def max_pool2d_backward(dy, indices, x_shape):
    """dx[n, indices[n,i,j,c], c] += dy[n,i,j,c]: each gradient goes to the value that was the maximum; overlaps add.

    dy and indices (N, Ho, Wo, C) as `max_pool2d_forward` returned them, x_shape (N, H, W, C). Returns dx (N, H, W, C).
    """
    N, H, W, C = x_shape
    dx = empty(x_shape, dy.dtype)
    sizes = numbers(H * W, indices.shape[1] * indices.shape[2], C)
    launch(_max_pool_backward, N, sizes, dy, indices, dx)
    return dx


def max_pool2d_gather(g, indices):
    """z[n,i,j,c] = g[n, indices[n,i,j,c], c]: the transpose of `max_pool2d_backward`. g (N, H, W, C) → (N, Ho, Wo, C)."""
    N, H, W, C = g.shape
    z = empty(indices.shape, g.dtype)
    sizes = numbers(H * W, indices.shape[1] * indices.shape[2], C)
    launch(_gather, N, sizes, g, indices, z)
    return z


def avg_pool2d_forward(x, kernel_size, stride, padding, ceil_mode, count_include_pad, divisor_override=None):
    """Mean of every window. x (N, H, W, C); kernel_size, stride, padding: (height, width). Returns y (N, Ho, Wo, C).

    The divisor is `divisor_override`, or the window's size: with its padding where `count_include_pad`, else without.
    """
    return _averages(x, average_windows, tuple(kernel_size), tuple(stride), tuple(padding), ceil_mode, count_include_pad, divisor_override)


@functools.lru_cache(maxsize=64)
def _bounds(windows, H, W, dtype, *how):
    """Rows, columns and divisors of averaging windows, which cost more to find than a small image to average."""
    rows, columns, divisors = windows((1, H, W, 1), *how)
    return rows, columns, divisors.astype(dtype)


def _averages(x, windows, *how):
    bounds = _bounds(windows, *x.shape[1:3], x.dtype, *how)
    y = empty((x.shape[0], len(bounds[0]), len(bounds[1]), x.shape[3]), x.dtype)
    if x.shape[3] < FEW:
        average_rows(x, y, *bounds)
    else:
        launch(_average, y.shape[0] * y.shape[1], numbers(*x.shape[1:], *y.shape[1:3]), *bounds, x, y)
    return y


def avg_pool2d_backward(dy, x_shape, kernel_size, stride, padding, ceil_mode, count_include_pad,
                        divisor_override=None):
    """dx[n,h,w,c] = Σ over the windows (i, j) that hold (h, w) of dy[n,i,j,c] / divisor[i,j].

    dy (N, Ho, Wo, C), x_shape (N, H, W, C). Returns dx (N, H, W, C).
    """
    return _averages_backward(dy, x_shape, average_windows, tuple(kernel_size), tuple(stride), tuple(padding), ceil_mode,
                              count_include_pad, divisor_override)


def _averages_backward(dy, x_shape, windows, *how):
    bounds, dx = _bounds(windows, *x_shape[1:3], dy.dtype, *how), empty(x_shape, dy.dtype)
    if x_shape[3] < FEW:
        average_rows_backward(dy, dx, *bounds)
    else:
        launch(_average_backward, x_shape[0], numbers(*x_shape[1:], *dy.shape[1:3]), *bounds, dy, dx)
    return dx


def adaptive_avg_pool2d_forward(x, output_size):
    """Means of Ho × Wo nearly equal parts. x (N, H, W, C), output_size (Ho, Wo). Returns y (N, Ho, Wo, C)."""
    return _averages(x, adaptive_windows, tuple(output_size))


def adaptive_avg_pool2d_backward(dy, x_shape):
    """Gradient of `adaptive_avg_pool2d_forward`: dy (N, Ho, Wo, C), x_shape (N, H, W, C) → dx (N, H, W, C)."""
    return _averages_backward(dy, x_shape, adaptive_windows, dy.shape[1:3])


def adaptive_max_pool2d_forward(x, output_size):
    """Maxima of Ho × Wo nearly equal parts, and where they stood, as in `max_pool2d_forward`.

    x (N, H, W, C), output_size (Ho, Wo). Returns y (N, Ho, Wo, C) and indices, int32 (N, Ho, Wo, C).
    """
    rows, columns, _ = adaptive_windows(x.shape, output_size)
    shape = (x.shape[0], *output_size, x.shape[3])
    y, indices = empty(shape, x.dtype), empty(shape, np.int32)
    launch(_adaptive_max, shape[0] * shape[1], numbers(*x.shape[1:], *output_size), rows, columns, x, y, indices)
    return y, indices
