"""Lesson 09, answers."""
import numba
import numpy as np


def im2col(x, size, stride, padding):
    """A tap at a time: what all output pixels read through tap (r, s) is a strided piece of the padded image."""
    n, h, w, c = x.shape
    ho, wo = (h + 2 * padding - size) // stride + 1, (w + 2 * padding - size) // stride + 1
    padded = np.pad(x, ((0, 0), (padding, padding), (padding, padding), (0, 0)))
    columns = np.empty((n, ho, wo, size, size, c), x.dtype)
    for r in range(size):
        for s in range(size):
            columns[:, :, :, r, s] = padded[:, r:r + stride * ho:stride, s:s + stride * wo:stride][:, :ho, :wo]
    return columns.reshape(n * ho * wo, size * size * c)


@numba.njit
def conv_numba(x, w, stride, padding):
    """Inside out: the filters' loop is the innermost, so that its sums are independent and side by side."""
    N, H, W, C = x.shape
    R, S, _, K = w.shape
    Ho, Wo = (H + 2 * padding - R) // stride + 1, (W + 2 * padding - S) // stride + 1
    y = np.zeros((N, Ho, Wo, K), x.dtype)
    for n in range(N):
        for i in range(Ho):
            for j in range(Wo):
                for r in range(R):
                    for s in range(S):
                        h, v = i * stride + r - padding, j * stride + s - padding
                        if 0 <= h < H and 0 <= v < W:
                            for c in range(C):
                                for k in range(K):
                                    y[n, i, j, k] += x[n, h, v, c] * w[r, s, c, k]
    return y


def arithmetic_intensity(n, h, w, c, k, size, number_bytes):
    """Twice the multiply-adds, by the bytes of three arrays."""
    pixels = n * h * w
    return 2 * pixels * k * size * size * c / (number_bytes * (pixels * c + size * size * c * k + pixels * k))
