"""Where pooling windows lie: sizes and bounds, shared by every rung, in plain Python integers.

A window of output i covers input positions ``i·stride − padding + r·dilation`` for r = 0 … size − 1.
"""
import numpy as np


def pooled_size(size, kernel, stride, padding, dilation=1, ceil_mode=False):
    """Number of windows along one axis.

    ⌊(size + 2·padding − dilation·(kernel − 1) − 1) / stride⌋ + 1, or with ⌈ ⌉ under `ceil_mode`; then a last window
    that would start in the padding on the far side is dropped (PyTorch's rule).
    """
    span = size + 2 * padding - dilation * (kernel - 1) - 1
    count = (span + (stride - 1 if ceil_mode else 0)) // stride + 1
    if ceil_mode and (count - 1) * stride >= size + padding:
        count -= 1
    return count


def window_bounds(size, kernel, stride, padding, ceil_mode):
    """Bounds of averaging windows along one axis: `inside`, int64 (count, 2), and `lengths`, int64 (count,).

    `inside` is the half-open range clipped to the input; `lengths` counts padding too, but not what a ceil_mode
    window has beyond it.
    """
    starts = np.arange(pooled_size(size, kernel, stride, padding, 1, ceil_mode), dtype=np.int64) * stride - padding
    stops = np.minimum(starts + kernel, size + padding)
    return np.stack([np.clip(starts, 0, size), np.clip(stops, 0, size)], axis=1), stops - starts


def average_windows(x_shape, kernel_size, stride, padding, ceil_mode, count_include_pad, divisor_override):
    """Averaging windows of an image (N, H, W, C): row bounds (Ho, 2), column bounds (Wo, 2), divisors (Ho, Wo)."""
    rows, row_lengths = window_bounds(x_shape[1], kernel_size[0], stride[0], padding[0], ceil_mode)
    columns, column_lengths = window_bounds(x_shape[2], kernel_size[1], stride[1], padding[1], ceil_mode)
    if not count_include_pad:
        row_lengths, column_lengths = rows[:, 1] - rows[:, 0], columns[:, 1] - columns[:, 0]
    divisors = np.maximum(row_lengths[:, None] * column_lengths[None, :], 1)  # an empty window has sum 0: any divisor will do
    return rows, columns, divisors if divisor_override is None else np.full_like(divisors, divisor_override)


def adaptive_windows(x_shape, output_size):
    """Windows that cut an image (N, H, W, C) into Ho × Wo nearly equal parts: ⌊i·H/Ho⌋ … ⌈(i+1)·H/Ho⌉ − 1."""
    def bounds(size, count):
        i = np.arange(count, dtype=np.int64)
        return np.stack([i * size // count, -((-(i + 1) * size) // count)], axis=1)
    rows, columns = bounds(x_shape[1], output_size[0]), bounds(x_shape[2], output_size[1])
    return rows, columns, (rows[:, 1] - rows[:, 0])[:, None] * (columns[:, 1] - columns[:, 0])[None, :]
