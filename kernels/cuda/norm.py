"""Batch and layer normalisation.

    y = (x − mean) · rstd · weight + bias,    rstd = 1 / √(var + eps)

Batch norm takes mean and variance of each column (`norm_kernels`), layer norm of each row: a warp has a row, or a whole block
where rows are long. Nothing is read back: statistics stay on the device, also on their way into running averages.

Ioffe, Szegedy: Batch normalization (arXiv 1502.03167). Ba, Kiros, Hinton: Layer normalization (arXiv 1607.06450).
"""
import math

from ..reference.norm import __all__
from . import norm_kernels as kernels
from .array import empty
from .columns import MANY, fold, nothing, plan, sum_rows, walk
from .runtime import cuda, jit, launch, specialised
from .threads import WARP, block_sum, warp_sum

WIDE = 1024
"""Rows of more numbers than this have a block of their own."""
THREADS, WIDE_THREADS = 128, 256


def statistics(x, groups, eps):
    """(3, N·groups): mean, var (biased) and rstd of each group of channels of each image of x (N, P, C)."""
    N, P, C = x.shape
    grid, threads, sizes = plan(N, P, C, groups)
    partial, out = empty((grid[0], 2, C), x.dtype), empty((3, N * groups), x.dtype)
    real = x.dtype.type
    launch(kernels.moments(real), grid, threads, x.flat, sizes, partial.flat)
    launch(kernels.statistics(real), -(-N * groups * WARP // THREADS), THREADS, partial.flat, sizes, real(eps), out.flat)
    return out


def apply(x, groups, mean, spread, weight, bias, relu=False, eps=None):
    """y = (x − mean)·rstd·weight + bias of x (N, P, C), max(0, …) if `relu`; `spread` is rstd or, if there is an `eps`, var."""
    N, P, C = x.shape
    grid, threads, sizes = plan(N, P, C, groups, 4096)
    y = empty(x.shape, x.dtype)
    kernel = kernels.normalise(x.dtype.type, bool(relu), eps is not None)
    launch(kernel, grid, threads, x.flat, mean.flat, spread.flat, *_given(x, weight, bias), x.dtype.type(eps or 0), sizes, y.flat)
    return y


def gradient_sums(dy, x, groups, mean, rstd, weight, bias, relu=False):
    """(N·slabs, 2, C): Σ g and Σ g·x̂ over some pixels of each column, to be summed, and the `sizes` that say which."""
    N, P, C = x.shape
    grid, threads, sizes = plan(N, P, C, groups)
    partial = empty((grid[0], 2, C), x.dtype)
    kernel = kernels.gradient_sums(x.dtype.type, bool(relu))
    launch(kernel, grid, threads, dy.flat, x.flat, mean.flat, rstd.flat, *_given(x, weight, bias), sizes, partial.flat)
    return partial, sizes


def input_gradient(dy, x, groups, mean, rstd, weight, bias, sums, relu=False, columnwise=False):
    """dx (N, P, C) from what `gradient_sums` came to: (2, C) if `columnwise`, which is batch norm, else `group_means` of it."""
    N, P, C = x.shape
    grid, threads, sizes = plan(N, P, C, groups, 4096)
    dx = empty(x.shape, x.dtype)
    kernel = kernels.input_gradient(x.dtype.type, bool(relu), columnwise)
    launch(kernel, grid, threads, dy.flat, x.flat, mean.flat, rstd.flat, *_given(x, weight, bias), sums.flat, sizes, dx.flat)
    return dx


def _given(x, *parameters):
    """`parameters` as kernels take them: those that are None as arrays without elements."""
    return [nothing(x.dtype) if p is None else p for p in parameters]


def batch_norm_forward(x, weight, bias, eps, relu=False):
    """Normalise each column of x by its own statistics; with `relu`, y = max(0, …).

    x (M, C): M = N·H·W pixels. weight and bias (C,) or None. Returns y (M, C), and mean, var (biased: divided by M) and
    rstd, each (C,).
    """
    image, C = x.reshape(1, *x.shape), x.shape[1]
    mean, var, rstd = (found := statistics(image, C, eps))[0], found[1], found[2]
    return apply(image, C, mean, rstd, weight, bias, relu).reshape(x.shape), mean, var, rstd


def batch_norm_inference(x, mean, var, weight, bias, eps, relu=False):
    """The same with given statistics: x (M, C), mean and var (C,), weight and bias (C,) or None. Returns y (M, C)."""
    return apply(x.reshape(1, *x.shape), x.shape[1], mean, var, weight, bias, relu, eps).reshape(x.shape)


def batch_norm_backward(dy, x, mean, rstd, weight, bias, relu=False):
    """Gradients of `batch_norm_forward`. With x̂ = (x − mean) · rstd, and dy zeroed where y ≤ 0 if `relu`:

        dbias = Σ_m dy,   dweight = Σ_m dy·x̂,   dx = weight · rstd · (dy − dbias/M − x̂·dweight/M)

    dy, x (M, C); mean, rstd (C,); weight and bias (C,) or None. The sign of y is computed anew, which costs less than
    reading it; only with `relu` does it matter, and with it bias. Returns dx (M, C), dweight (C,), dbias (C,).
    """
    image, C = x.reshape(1, *x.shape), x.shape[1]
    sums = sum_rows(gradient_sums(dy, image, C, mean, rstd, weight, bias, relu)[0])
    dx = input_gradient(dy, image, C, mean, rstd, weight, bias, sums, relu, columnwise=True)
    return dx.reshape(x.shape), sums[1], sums[0]


@specialised
def _layer_norm(real, wide):
    """A row m of y, mean and rstd: three walks over it, of which only the first waits for memory.

    A warp has a row, `wide` a block. Lane l reads x[m, l], x[m, l + width], …, neighbours side by side; what all must know,
    the mean and Σ (x − mean)², they add up together.
    """
    zero, one = real(0), real(1)
    width = WIDE_THREADS if wide else WARP

    @jit
    def layer_norm(x, weight, bias, eps, y, mean, rstd):
        scratch = cuda.shared.array(32, real)
        M = mean.size
        D = x.size // M
        m, lane = cuda.grid(1) // width, cuda.threadIdx.x % width
        if m < M:
            start, count = m * D, real(D)
            total = zero
            for j in range(lane, D, width):
                total += x[start + j]
            middle = (block_sum(total, scratch) if wide else warp_sum(total)) / count
            squares = zero
            for j in range(lane, D, width):
                d = x[start + j] - middle
                squares += d * d
            each = one / math.sqrt((block_sum(squares, scratch) if wide else warp_sum(squares)) / count + eps)
            for j in range(lane, D, width):
                v = (x[start + j] - middle) * each
                if weight.size > 0:
                    v *= weight[j]
                if bias.size > 0:
                    v += bias[j]
                y[start + j] = v
            if lane == 0:
                mean[m], rstd[m] = middle, each
    return layer_norm


@specialised
def _layer_norm_backward(real, wide):
    """A row m of dx, by a warp or, `wide`, a block: one walk for ⟨g⟩ and ⟨g·x̂⟩, one for dx."""
    zero, one = real(0), real(1)
    width = WIDE_THREADS if wide else WARP

    @jit
    def layer_norm_backward(dy, x, mean, rstd, weight, dx):
        scratch = cuda.shared.array(32, real)
        M = mean.size
        D = x.size // M
        m, lane = cuda.grid(1) // width, cuda.threadIdx.x % width
        if m < M:
            start, middle, each = m * D, mean[m], rstd[m]
            total, product = zero, zero
            for j in range(lane, D, width):
                g = dy[start + j]
                if weight.size > 0:
                    g *= weight[j]
                total += g
                product += g * ((x[start + j] - middle) * each)
            share = one / real(D)
            total = (block_sum(total, scratch) if wide else warp_sum(total)) * share
            product = (block_sum(product, scratch) if wide else warp_sum(product)) * share
            for j in range(lane, D, width):
                g = dy[start + j]
                if weight.size > 0:
                    g *= weight[j]
                dx[start + j] = (g - total - (x[start + j] - middle) * each * product) * each
    return layer_norm_backward


@specialised
def _layer_norm_sums(real):
    """partial (slabs, 2, D): Σ dy and Σ dy·x̂ of each column of a block's rows, walked as `columns` says."""
    zero = real(0)

    @jit
    def layer_norm_sums(dy, x, mean, rstd, sizes, partial):
        scratch = cuda.shared.array(MANY, real)
        _, c, r, rows, i, step, left = walk(sizes)
        D, columns, m = sizes[1], sizes[2], cuda.blockIdx.x * sizes[3] + r
        total, product = zero, zero
        for _ in range(left // 4):
            g0, g1, g2, g3 = dy[i], dy[i + step], dy[i + 2 * step], dy[i + 3 * step]
            d0, d1 = (x[i] - mean[m]) * rstd[m], (x[i + step] - mean[m + rows]) * rstd[m + rows]
            d2 = (x[i + 2 * step] - mean[m + 2 * rows]) * rstd[m + 2 * rows]
            d3 = (x[i + 3 * step] - mean[m + 3 * rows]) * rstd[m + 3 * rows]
            total += (g0 + g1) + (g2 + g3)
            product += (g0 * d0 + g1 * d1) + (g2 * d2 + g3 * d3)
            i += 4 * step
            m += 4 * rows
        for _ in range(left % 4):
            total += dy[i]
            product += dy[i] * ((x[i] - mean[m]) * rstd[m])
            i += step
            m += rows
        total = fold(total, r, rows, columns, scratch)
        cuda.syncthreads()
        product = fold(product, r, rows, columns, scratch)
        if r == 0 and c < D:
            at = cuda.blockIdx.x * 2 * D + c
            partial[at], partial[at + D] = total, product
    return layer_norm_sums


def _rows(M, D):
    """(grid, threads, is each row a block's) for rows of D numbers."""
    return (M, WIDE_THREADS, True) if D > WIDE else (-(-M * WARP // THREADS), THREADS, False)


def layer_norm_forward(x, weight, bias, eps):
    """Normalise each row of x. x (M, D); weight and bias (D,) or None. Returns y (M, D), mean (M,), rstd (M,)."""
    M, D = x.shape
    grid, threads, wide = _rows(M, D)
    y, mean, rstd = empty(x.shape, x.dtype), empty((M,), x.dtype), empty((M,), x.dtype)
    kernel = _layer_norm(x.dtype.type, wide)
    launch(kernel, grid, threads, x.flat, *_given(x, weight, bias), x.dtype.type(eps), y.flat, mean, rstd)
    return y, mean, rstd


def layer_norm_backward(dy, x, mean, rstd, weight):
    """Gradients of `layer_norm_forward`. With x̂ = (x − mean) · rstd and g = dy · weight:

        dx = rstd · (g − ⟨g⟩ − x̂·⟨g·x̂⟩)  (⟨⟩: mean of a row),   dweight = Σ_m dy·x̂,   dbias = Σ_m dy

    dy, x (M, D); mean, rstd (M,); weight (D,) or None. Returns dx (M, D), dweight (D,), dbias (D,).
    """
    M, D = x.shape
    grid, threads, wide = _rows(M, D)
    dx = empty(x.shape, x.dtype)
    launch(_layer_norm_backward(x.dtype.type, wide), grid, threads,
           dy.flat, x.flat, mean, rstd, *_given(x, weight), dx.flat)
    grid, threads, sizes = plan(1, M, D)
    partial = empty((grid[0], 2, D), x.dtype)
    launch(_layer_norm_sums(x.dtype.type), grid, threads, dy.flat, x.flat, mean, rstd, sizes, partial.flat)
    sums = sum_rows(partial)
    return dx, sums[1], sums[0]
