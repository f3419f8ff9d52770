"""A gate without parameters: what differs from the rest of its channel is let through. x (N, P, C), P = H·W pixels.

    μ, v = mean over p of x[n,p,c],  Σ_p (x − μ)² / max(1, P − 1)          (N, C) each
    k    = 1 / (4 (v + λ))                                                (N, C)
    e    = k (x − μ)² + ½                                                 (N, P, C)
    y    = x · σ(e)

Forward, the statistics are group norm's with a channel a group; then one pass writes y. Backward, one pass over dy and x for two
sums, one for dx. Yang et al.: SimAM (ICML 2021).
"""
import math

from ..reference.energy import __all__
from .array import empty
from .columns import MANY, fold, nothing, plan, walk
from .norm import THREADS, statistics
from .norm_kernels import group_means
from .runtime import cuda, device, jit, launch, specialised
from .threads import WARP


@specialised
def _energy_gate(real):
    """y = x·σ(e), and notes (N, 2, C): μ and k. Of each channel, the thread that comes first writes them."""
    one, half, four = real(1), real(0.5), real(4)

    @jit
    def energy_gate(x, found, e_lambda, sizes, y, notes):
        n, c, r, rows, i, step, left = walk(sizes)
        if left > 0:
            P, C = sizes[0], sizes[1]
            j = n * C + c
            mean = found[j]
            v = found[found.size // 3 + j] * (real(P) / real(max(1, P - 1)))
            k = one / (four * (v + e_lambda))
            if i == n * P * C + c:
                notes[2 * n * C + c], notes[(2 * n + 1) * C + c] = mean, k
            for _ in range(left):
                d = x[i] - mean
                y[i] = x[i] / (one + math.exp(-(k * d * d + half)))
                i += step
    return energy_gate


def _returning(real):
    """The function for d = x − μ, s = σ(e), and q = dy·x·s(1 − s), which is what comes back to e."""
    one, half = real(1), real(0.5)

    @device
    def returning(dy, x, mean, k):
        d = x - mean
        s = one / (one + math.exp(-(k * d * d + half)))
        return d, s, dy * x * s * (one - s)
    return returning


@specialised
def _energy_sums(real):
    """partial (N·slabs, 2, C): Σ q d² and Σ q d over a block's pixels."""
    zero = real(0)
    returning = _returning(real)

    @jit
    def energy_sums(dy, x, notes, sizes, partial):
        scratch = cuda.shared.array(MANY, real)
        n, c, r, rows, i, step, left = walk(sizes)
        C, columns, first, second, mean, k = sizes[1], sizes[2], zero, zero, zero, zero
        if left > 0:
            mean, k = notes[2 * n * C + c], notes[(2 * n + 1) * C + c]
        for _ in range(left):
            d, s, q = returning(dy[i], x[i], mean, k)
            first += q * d * d
            second += q * d
            i += step
        first = fold(first, r, rows, columns, scratch)
        cuda.syncthreads()
        second = fold(second, r, rows, columns, scratch)
        if r == 0 and c < C:
            at = cuda.blockIdx.x * 2 * C + c
            partial[at], partial[at + C] = first, second
    return energy_sums


@specialised
def _energy_gradient(real):
    """dx = dy·s + du − mean du, du = 2k d (q − 4k A / n), from `means` (2, N·C): of q d² and of q d.

    The mean of d is 0, so that mean du = 2k · mean(q d).
    """
    two, four = real(2), real(4)
    returning = _returning(real)

    @jit
    def energy_gradient(dy, x, notes, means, sizes, dx):
        n, c, r, rows, i, step, left = walk(sizes)
        if left > 0:
            P, C = sizes[0], sizes[1]
            j = n * C + c
            mean, k = notes[2 * n * C + c], notes[(2 * n + 1) * C + c]
            all_q = four * k * means[j] * (real(P) / real(max(1, P - 1)))
            away = two * k * means[means.size // 2 + j]
            for _ in range(left):
                d, s, q = returning(dy[i], x[i], mean, k)
                dx[i] = dy[i] * s + (two * k * d * (q - all_q) - away)
                i += step
    return energy_gradient


def energy_gate_forward(x, e_lambda, out=None):
    """y (N, P, C) as above, and `notes` (N, 2, C) for the backward pass: μ and k."""
    N, P, C = x.shape
    found = statistics(x, C, 1)
    grid, threads, sizes = plan(N, P, C, 1, 4096)
    y, notes = empty(x.shape, x.dtype) if out is None else out, empty((N, 2, C), x.dtype)
    launch(_energy_gate(x.dtype.type), grid, threads, x.flat, found.flat, x.dtype.type(e_lambda), sizes, y.flat, notes.flat)
    return y, notes


def energy_gate_backward(dy, x, notes):
    """dx (N, P, C). With d = x − μ, s = σ(e), q = dy·x·s(1 − s), which is what comes back to e, n = max(1, P − 1):

        A = Σ_p q d²,    du = 2k d (q − 4k A / n),    dx = dy·s + du − mean_p du

    dy and x (N, P, C); notes (N, 2, C). (∂k/∂v = −4k², ∂v/∂d_j = 2 d_j / n, and μ takes the mean away from du.)
    """
    N, P, C = x.shape
    real = x.dtype.type
    grid, threads, sizes = plan(N, P, C, C)
    partial, means = empty((grid[0], 2, C), x.dtype), empty((2, N * C), x.dtype)
    launch(_energy_sums(real), grid, threads, dy.flat, x.flat, notes.flat, sizes, partial.flat)
    launch(group_means(real), -(-N * C * WARP // THREADS), THREADS, partial.flat, nothing(x.dtype), sizes, means.flat)
    grid, threads, sizes = plan(N, P, C, 1, 4096)
    dx = empty(x.shape, x.dtype)
    launch(_energy_gradient(real), grid, threads, dy.flat, x.flat, notes.flat, means.flat, sizes, dx.flat)
    return dx
