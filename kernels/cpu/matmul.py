"""Matrix product of the last two axes; formula and shapes as in `reference/matmul.py`."""
import numpy as np
from numba import prange

from . import array
from .jit import kernel

__all__ = ["matmul", "matmul_plain"]


@kernel
def _plain(a, b, transpose_a, transpose_b, y):
    B, M, N = y.shape
    K = a.shape[1] if transpose_a else a.shape[2]
    for job in prange(B * M):
        i, m = np.int64(job) // M, np.int64(job) % M
        ia, ib = min(i, len(a) - 1), min(i, len(b) - 1)  # a single matrix serves the whole batch
        for n in range(N):
            y[i, m, n] = 0
        for k in range(K):
            left = a[ia, k, m] if transpose_a else a[ia, m, k]
            for n in range(N):
                y[i, m, n] += left * (b[ib, n, k] if transpose_b else b[ib, k, n])


def _shapes(a, b, transpose_a, transpose_b):
    """Both operands as (batch, rows, columns), and the result's shape."""
    M = a.shape[-1] if transpose_a else a.shape[-2]
    N = b.shape[-2] if transpose_b else b.shape[-1]
    leading = a.shape[:-2] if a.ndim >= b.ndim else b.shape[:-2]
    return a.reshape((-1,) + a.shape[-2:]), b.reshape((-1,) + b.shape[-2:]), leading + (M, N)


def matmul_plain(a, b, transpose_a=False, transpose_b=False, out=None):
    """y (…, M, N): `matmul` with one thread a row of the result."""
    a, b, shape = _shapes(a, b, transpose_a, transpose_b)
    y = array.empty(shape, a.dtype) if out is None else out
    _plain(a, b, bool(transpose_a), bool(transpose_b), y.reshape((-1,) + y.shape[-2:]))
    return y


def matmul(a, b, transpose_a=False, transpose_b=False, out=None):
    """y (…, M, N) of a (…, M, K) and b (…, K, N): equal leading axes, or one of the two a single matrix."""
    return matmul_plain(a, b, transpose_a, transpose_b, out)
