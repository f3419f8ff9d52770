"""Matrix product of the last two axes: the specification.

    y[…, m, n] = Σ_k a[…, m, k] · b[…, k, n]

with a read as its transpose (…, k, m) under ``transpose_a``, b as (…, n, k) under ``transpose_b``.
"""
import numpy as np

__all__ = ["matmul", "matmul_plain"]


def matmul(a, b, transpose_a=False, transpose_b=False, out=None):
    """y (…, M, N) of a (…, M, K) and b (…, K, N): equal leading axes, or one of the two a single matrix."""
    a = np.swapaxes(a, -1, -2) if transpose_a else a  # (…, M, K)
    b = np.swapaxes(b, -1, -2) if transpose_b else b  # (…, K, N)
    wide = np.float64 if a.dtype.kind == "f" else a.dtype  # integers wrap around, as they do everywhere
    y = np.matmul(a.astype(wide), b.astype(wide))  # (…, M, N)
    if out is None:
        return y.astype(a.dtype)
    out[...] = y
    return out


def matmul_plain(a, b, transpose_a=False, transpose_b=False, out=None):
    """`matmul` as three loops: every output is the inner product of a row and a column."""
    a = np.swapaxes(a, -1, -2) if transpose_a else a
    b = np.swapaxes(b, -1, -2) if transpose_b else b
    leading = a.shape[:-2] or b.shape[:-2]
    y = np.zeros(leading + (a.shape[-2], b.shape[-1])) if out is None else out
    for index in np.ndindex(*leading):
        left = a[index] if a.ndim > 2 else a
        right = b[index] if b.ndim > 2 else b
        for m in range(a.shape[-2]):
            for n in range(b.shape[-1]):
                y[index + (m, n)] = sum(float(left[m, k]) * float(right[k, n]) for k in range(a.shape[-1]))
    return y.astype(a.dtype, copy=False)
