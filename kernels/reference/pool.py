"""Pooling: a window slides over an image (N, H, W, C) and keeps its largest value, or its mean.

Maximum:  y[n,i,j,c] = max_{r,s} x[n, i·stride + r·dilation − padding, j·…, c], padding counts as −∞.
Average:  y[n,i,j,c] = 1/divisor · Σ_{r,s} x[n, i·stride + r − padding, j·…, c], padding counts as 0.

Scherer, Müller, Behnke: Evaluation of pooling operations in convolutional architectures (ICANN 2010).
"""
import numpy as np

from ..windows import adaptive_windows, average_windows, pooled_size

__all__ = ["max_pool2d_forward", "max_pool2d_backward", "max_pool2d_gather", "max_pool2d_forward_plain",
           "avg_pool2d_forward", "avg_pool2d_backward", "adaptive_avg_pool2d_forward", "adaptive_avg_pool2d_backward",
           "adaptive_max_pool2d_forward"]


def max_pool2d_forward(x, kernel_size, stride, padding, dilation, ceil_mode):
    """Largest value of every window.

    x (N, H, W, C); kernel_size, stride, padding, dilation: (height, width). Returns y (N, Ho, Wo, C) and indices, int32
    (N, Ho, Wo, C): where in the plane, as h·W + w, each maximum stood. The first wins a tie; a NaN wins over
    everything, the last NaN over the others (as in PyTorch).
    """
    N, H, W, C = x.shape
    Ho = pooled_size(H, kernel_size[0], stride[0], padding[0], dilation[0], ceil_mode)
    Wo = pooled_size(W, kernel_size[1], stride[1], padding[1], dilation[1], ceil_mode)
    y = np.full((N, Ho, Wo, C), -np.inf, x.dtype)
    indices = np.full((N, Ho, Wo, C), -1, np.int32)
    for r in range(kernel_size[0]):
        for s in range(kernel_size[1]):
            h = np.arange(Ho) * stride[0] + r * dilation[0] - padding[0]           # (Ho,) rows this tap looks at
            w = np.arange(Wo) * stride[1] + s * dilation[1] - padding[1]           # (Wo,)
            inside = ((h >= 0) & (h < H))[:, None] & ((w >= 0) & (w < W))[None, :]  # (Ho, Wo)
            value = x[:, np.clip(h, 0, H - 1)][:, :, np.clip(w, 0, W - 1)]         # (N, Ho, Wo, C)
            better = (value > y) | np.isnan(value) | (indices < 0)
            better &= inside[None, :, :, None]
            y = np.where(better, value, y)
            indices = np.where(better, (h[:, None] * W + w[None, :])[None, :, :, None], indices).astype(np.int32)
    return y, indices


def max_pool2d_forward_plain(x, kernel_size, stride, padding, dilation, ceil_mode):
    """`max_pool2d_forward` as the formula reads: one window after another, one value after another."""
    N, H, W, C = x.shape
    Ho = pooled_size(H, kernel_size[0], stride[0], padding[0], dilation[0], ceil_mode)
    Wo = pooled_size(W, kernel_size[1], stride[1], padding[1], dilation[1], ceil_mode)
    y = np.empty((N, Ho, Wo, C), x.dtype)
    indices = np.empty((N, Ho, Wo, C), np.int32)
    for n, i, j, c in np.ndindex(N, Ho, Wo, C):
        best, where = -np.inf, -1
        for r in range(kernel_size[0]):
            for s in range(kernel_size[1]):
                h, w = i * stride[0] + r * dilation[0] - padding[0], j * stride[1] + s * dilation[1] - padding[1]
                if 0 <= h < H and 0 <= w < W:
                    value = x[n, h, w, c]
                    if value > best or value != value or where < 0:
                        best, where = value, h * W + w
        y[n, i, j, c], indices[n, i, j, c] = best, where
    return y, indices


def max_pool2d_backward(dy, indices, x_shape):
    """dx[n, indices[n,i,j,c], c] += dy[n,i,j,c]: each gradient goes to the value that was the maximum; overlaps add.

    dy and indices (N, Ho, Wo, C) as `max_pool2d_forward` returned them, x_shape (N, H, W, C). Returns dx (N, H, W, C).
    """
    N, H, W, C = x_shape
    dx = np.zeros((N, H * W, C), dy.dtype)
    for n in range(N):
        np.add.at(dx[n], (indices[n].reshape(-1, C), np.arange(C)), dy[n].reshape(-1, C))
    return dx.reshape(N, H, W, C)


def max_pool2d_gather(g, indices):
    """z[n,i,j,c] = g[n, indices[n,i,j,c], c]: the transpose of `max_pool2d_backward`. g (N, H, W, C) → (N, Ho, Wo, C)."""
    N, H, W, C = g.shape
    flat = np.take_along_axis(g.reshape(N, H * W, C), indices.reshape(N, -1, C).astype(np.int64), axis=1)
    return flat.reshape(indices.shape)


def _average(x, rows, columns, divisors):
    y = np.empty((x.shape[0], len(rows), len(columns), x.shape[3]), x.dtype)
    for i, (top, bottom) in enumerate(rows):
        for j, (left, right) in enumerate(columns):
            y[:, i, j] = x[:, top:bottom, left:right].sum(axis=(1, 2), dtype=np.float64) / divisors[i, j]
    return y


def _average_backward(dy, x_shape, rows, columns, divisors):
    dx = np.zeros(x_shape, np.float64)
    for i, (top, bottom) in enumerate(rows):
        for j, (left, right) in enumerate(columns):
            dx[:, top:bottom, left:right] += dy[:, i, j][:, None, None] / divisors[i, j]
    return dx.astype(dy.dtype)


def avg_pool2d_forward(x, kernel_size, stride, padding, ceil_mode, count_include_pad, divisor_override=None):
    """Mean of every window. x (N, H, W, C); kernel_size, stride, padding: (height, width). Returns y (N, Ho, Wo, C).

    The divisor is `divisor_override`, or the window's size: with its padding where `count_include_pad`, else without.
    """
    windows = average_windows(x.shape, kernel_size, stride, padding, ceil_mode, count_include_pad, divisor_override)
    return _average(x, *windows)


def avg_pool2d_backward(dy, x_shape, kernel_size, stride, padding, ceil_mode, count_include_pad,
                        divisor_override=None):
    """dx[n,h,w,c] = Σ over the windows (i, j) that hold (h, w) of dy[n,i,j,c] / divisor[i,j].

    dy (N, Ho, Wo, C), x_shape (N, H, W, C). Returns dx (N, H, W, C).
    """
    windows = average_windows(x_shape, kernel_size, stride, padding, ceil_mode, count_include_pad, divisor_override)
    return _average_backward(dy, x_shape, *windows)


def adaptive_avg_pool2d_forward(x, output_size):
    """Means of Ho × Wo nearly equal parts. x (N, H, W, C), output_size (Ho, Wo). Returns y (N, Ho, Wo, C)."""
    return _average(x, *adaptive_windows(x.shape, output_size))


def adaptive_avg_pool2d_backward(dy, x_shape):
    """Gradient of `adaptive_avg_pool2d_forward`: dy (N, Ho, Wo, C), x_shape (N, H, W, C) → dx (N, H, W, C)."""
    return _average_backward(dy, x_shape, *adaptive_windows(x_shape, dy.shape[1:3]))


def adaptive_max_pool2d_forward(x, output_size):
    """Maxima of Ho × Wo nearly equal parts, and where they stood, as in `max_pool2d_forward`.

    x (N, H, W, C), output_size (Ho, Wo). Returns y (N, Ho, Wo, C) and indices, int32 (N, Ho, Wo, C).
    """
    N, H, W, C = x.shape
    rows, columns, _ = adaptive_windows(x.shape, output_size)
    y = np.full((N, len(rows), len(columns), C), -np.inf, x.dtype)
    indices = np.full(y.shape, -1, np.int32)
    for i, (top, bottom) in enumerate(rows):
        for j, (left, right) in enumerate(columns):
            for h, w in np.ndindex(bottom - top, right - left):
                value, where = x[:, top + h, left + w], (top + h) * W + left + w                 # (N, C)
                better = (value > y[:, i, j]) | np.isnan(value) | (indices[:, i, j] < 0)
                y[:, i, j] = np.where(better, value, y[:, i, j])
                indices[:, i, j] = np.where(better, where, indices[:, i, j])
    return y, indices
