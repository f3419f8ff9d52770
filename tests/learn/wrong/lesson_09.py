"""Answers to lesson 09 that are wrong, each as a mistake that people make, and a word of the hint they should get."""
import numba
import numpy as np


def _taps(x, size, stride, padding, mode="constant"):
    padded = np.pad(x, ((0, 0), (padding, padding), (padding, padding), (0, 0)), mode)
    whole = np.lib.stride_tricks.sliding_window_view(padded, (size, size), (1, 2))
    return whole[:, ::stride, ::stride].transpose(0, 1, 2, 4, 5, 3)           # (N, Ho, Wo, R, S, C)


def im2col_channels_first(x, size, stride, padding):
    taps = _taps(x, size, stride, padding)
    return taps.transpose(0, 1, 2, 5, 3, 4).reshape(-1, size * size * x.shape[3])


def im2col_down_the_columns(x, size, stride, padding):
    taps = _taps(x, size, stride, padding)
    return taps.transpose(0, 2, 1, 3, 4, 5).reshape(-1, size * size * x.shape[3])


def im2col_repeats_the_edge(x, size, stride, padding):
    return _taps(x, size, stride, padding, "edge").reshape(-1, size * size * x.shape[3])


def im2col_without_stride(x, size, stride, padding):
    return _taps(x, size, 1, padding).reshape(-1, size * size * x.shape[3])


def im2col_turned(x, size, stride, padding):
    return _taps(x, size, stride, padding)[:, :, :, ::-1, ::-1].reshape(-1, size * size * x.shape[3])


def conv_in_python(x, w, stride, padding):
    return np.einsum("nijrsc,rsck->nijk", _taps(x, w.shape[0], stride, padding), w)


@numba.njit
def conv_turned(x, w, stride, padding):
    N, H, W, C = x.shape
    R, S, _, K = w.shape
    y = np.zeros((N, (H + 2 * padding - R) // stride + 1, (W + 2 * padding - S) // stride + 1, K))
    for n, i, j, k in np.ndindex(y.shape):
        for r, s, c in np.ndindex((R, S, C)):
            h, v = i * stride + r - padding, j * stride + s - padding
            if 0 <= h < H and 0 <= v < W:
                y[n, i, j, k] += x[n, h, v, c] * w[R - 1 - r, S - 1 - s, c, k]
    return y


@numba.njit
def conv_comes_round(x, w, stride, padding):
    N, H, W, C = x.shape
    R, S, _, K = w.shape
    y = np.zeros((N, (H + 2 * padding - R) // stride + 1, (W + 2 * padding - S) // stride + 1, K))
    for n, i, j, k in np.ndindex(y.shape):
        for r, s, c in np.ndindex((R, S, C)):
            y[n, i, j, k] += x[n, (i * stride + r - padding) % H, (j * stride + s - padding) % W, c] * w[r, s, c, k]
    return y


@numba.njit
def conv_padding_at_the_end(x, w, stride, padding):
    N, H, W, C = x.shape
    R, S, _, K = w.shape
    y = np.zeros((N, (H + 2 * padding - R) // stride + 1, (W + 2 * padding - S) // stride + 1, K))
    for n, i, j, k in np.ndindex(y.shape):
        for r, s, c in np.ndindex((R, S, C)):
            h, v = i * stride + r, j * stride + s
            if h < H and v < W:
                y[n, i, j, k] += x[n, h, v, c] * w[r, s, c, k]
    return y


def _parts(n, h, w, c, k, size):
    pixels = n * h * w
    return 2 * pixels * k * size * size * c, pixels * c, size * size * c * k, pixels * k


def intensity_of_multiply_adds(n, h, w, c, k, size, number_bytes):
    flops, *moved = _parts(n, h, w, c, k, size)
    return flops / 2 / (number_bytes * sum(moved))


def intensity_of_numbers(n, h, w, c, k, size, number_bytes):
    flops, *moved = _parts(n, h, w, c, k, size)
    return flops / sum(moved)


def intensity_without_outputs(n, h, w, c, k, size, number_bytes):
    flops, images, filters, _ = _parts(n, h, w, c, k, size)
    return flops / (number_bytes * (images + filters))


def intensity_every_tap(n, h, w, c, k, size, number_bytes):
    flops, images, filters, outputs = _parts(n, h, w, c, k, size)
    return flops / (number_bytes * (size * size * images + filters + outputs))


def intensity_upside_down(n, h, w, c, k, size, number_bytes):
    flops, *moved = _parts(n, h, w, c, k, size)
    return number_bytes * sum(moved) / flops


WRONG = {
    "im2col": [(im2col_channels_first, "(c, r, s)"), (im2col_down_the_columns, "along the rows"), (im2col_repeats_the_edge, "repeats"),
               (im2col_without_stride, "stride 2"), (im2col_turned, "turned")],
    "conv_numba": [(conv_in_python, "runs as Python"), (conv_turned, "turned"), (conv_comes_round, "other side"),
                   (conv_padding_at_the_end, "begins at the pixel itself")],
    "arithmetic_intensity": [(intensity_of_multiply_adds, "two operations"), (intensity_of_numbers, "how many bytes"),
                             (intensity_without_outputs, "outputs"), (intensity_every_tap, "moved *once*"), (intensity_upside_down, "for each operation")],
}
