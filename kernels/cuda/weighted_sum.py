"""Weighted sums of up to 4 arrays on the GPU; formulas and shapes as in `reference/weighted_sum.py`. Memory is the limit: one pass."""
from ..reference.weighted_sum import __all__  # noqa: F401
from .array import THREADS, blocks, empty
from .runtime import cuda, jit, launch, specialised
from .threads import WARP, block_sum, warp_sum

PIECE = 8192
"""Numbers of an n that a block takes in the backward pass."""
MOST = 4
"""Arrays."""


@specialised
def _weighted_sum(real, L):
    """y[n, j] = Σ_i w[n, i] x_i[n, j]; all x are 1-d here, `inner` numbers an n; those beyond the first L are not looked at."""
    @jit
    def weighted_sum(w, x_0, x_1, x_2, x_3, y, inner):
        at = cuda.grid(1)
        if at < y.size:
            n = at // inner
            total = w[n, 0] * x_0[at]
            if L > 1:
                total += w[n, 1] * x_1[at]
            if L > 2:
                total += w[n, 2] * x_2[at]
            if L > 3:
                total += w[n, 3] * x_3[at]
            y[at] = total
    return weighted_sum


@specialised
def _weighted_sum_backward(real, L):
    """dx[n, j] = w_n dy[n, j] of each array, and the sums of dy ⊙ x_i over one PIECE of an n: parts[n, i, piece]."""
    zero = real(0)

    @jit
    def weighted_sum_backward(dy, w, x_0, x_1, x_2, x_3, dx_0, dx_1, dx_2, dx_3, parts, inner):
        scratch = cuda.shared.array(WARP, real)
        pieces = parts.shape[2]
        n, piece = cuda.blockIdx.x // pieces, cuda.blockIdx.x % pieces
        sum_0, sum_1, sum_2, sum_3 = zero, zero, zero, zero
        for j in range(piece * PIECE + cuda.threadIdx.x, min((piece + 1) * PIECE, inner), cuda.blockDim.x):
            at = n * inner + j
            g = dy[at]
            sum_0 += g * x_0[at]
            dx_0[at] = w[n, 0] * g
            if L > 1:
                sum_1 += g * x_1[at]
                dx_1[at] = w[n, 1] * g
            if L > 2:
                sum_2 += g * x_2[at]
                dx_2[at] = w[n, 2] * g
            if L > 3:
                sum_3 += g * x_3[at]
                dx_3[at] = w[n, 3] * g
        sum_0 = block_sum(sum_0, scratch)
        if L > 1:
            sum_1 = block_sum(sum_1, scratch)
        if L > 2:
            sum_2 = block_sum(sum_2, scratch)
        if L > 3:
            sum_3 = block_sum(sum_3, scratch)
        if cuda.threadIdx.x == 0:
            parts[n, 0, piece] = sum_0
            if L > 1:
                parts[n, 1, piece] = sum_1
            if L > 2:
                parts[n, 2, piece] = sum_2
            if L > 3:
                parts[n, 3, piece] = sum_3
    return weighted_sum_backward


@specialised
def _sum_of_parts(real):
    """sums[m] = Σ_p parts[m, p]: a warp a sum."""
    zero = real(0)

    @jit
    def sum_of_parts(parts, sums):
        total = zero
        for p in range(cuda.threadIdx.x, parts.shape[1], WARP):
            total += parts[cuda.blockIdx.x, p]
        total = warp_sum(total)
        if cuda.threadIdx.x == 0:
            sums[cuda.blockIdx.x] = total
    return sum_of_parts


def _four(arrays):
    """All as one axis, the first again in the place of those that are not there."""
    flat = [a.flat for a in arrays]
    return flat + flat[:1] * (MOST - len(flat))


def weighted_sum_forward(w, xs):
    """y (N, …) of w (N, L) and L arrays (N, …)."""
    y = empty(xs[0].shape, xs[0].dtype)
    launch(_weighted_sum(y.dtype.type, len(xs)), blocks(y.size), THREADS, w, *_four(xs), y.flat, y.size // max(1, y.shape[0]))
    return y


def weighted_sum_backward(dy, w, xs):
    """dw (N, L) and a list of L arrays dx (N, …) of dy (N, …)."""
    N, L, real = *w.shape, dy.dtype.type
    inner = dy.size // max(1, N)
    pieces = max(1, blocks(inner, PIECE))
    parts, dxs = empty((N, L, pieces), dy.dtype), [empty(x.shape, x.dtype) for x in xs]
    threads = THREADS if inner > WARP else WARP
    launch(_weighted_sum_backward(real, L), N * pieces, threads, dy.flat, w, *_four(xs), *_four(dxs), parts, inner)
    if pieces == 1:
        return parts.reshape(N, L), dxs
    dw = empty((N, L), dy.dtype)
    launch(_sum_of_parts(real), N * L, WARP, parts.reshape(N * L, pieces), dw.flat)
    return dw, dxs
