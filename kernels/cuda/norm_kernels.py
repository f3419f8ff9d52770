"""What batch norm and group norm have in common on images x (N, P, C): statistics of groups of columns, and how they are applied.

    mean, var of group (n, g): of its C/groups channels over the P pixels of image n
    y = (x − mean) · rstd · weight + bias,    rstd = 1 / √(var + eps)

Batch norm is the case of one image, of all pixels there are, and of groups of one channel. Each kernel is one pass over x (two
over x and dy backward), walked as `columns` says; a warp then puts together what the blocks found of a group.

A weight or bias that is not there is an array without elements.

Float32 is enough. Nothing is ever squared before its mean is subtracted: a thread takes the mean of four numbers, and the squares
of their distances from it, and joins them to what it has seen so far; so do threads, blocks, and channels of a group, by

    n = n₁ + n₂,    mean = mean₁ + δ·n₂/n,    S = S₁ + S₂ + δ²·n₁·n₂/n      (δ = mean₂ − mean₁, S = Σ (x − mean)²)

Chan, Golub, LeVeque: Updating formulae and a pairwise algorithm for computing sample variances (1979).
"""
import functools
import math

from .columns import MANY, fold, walk
from .runtime import cuda, device, jit, specialised
from .threads import ALL, WARP, warp_sum


@functools.cache
def joining(real):
    """The function that joins (count, mean, Σ (x − mean)²) of some numbers to those of others."""
    none = real(0)

    @device
    def joined(count, mean, squares, count2, mean2, squares2):
        if count2 == none:
            return count, mean, squares
        both = count + count2
        share, step = count2 / both, mean2 - mean
        return both, mean + step * share, squares + squares2 + step * share * count * step
    return joined


@specialised
def moments(real):
    """partial (N·slabs, 2, C): mean and Σ (x − mean)² of each column of a block's pixels; their number follows from `sizes`."""
    zero, one, four, quarter = real(0), real(1), real(4), real(0.25)
    joined = joining(real)

    @jit
    def moments(x, sizes, partial):
        counts = cuda.shared.array(MANY, real)
        means = cuda.shared.array(MANY, real)
        sums = cuda.shared.array(MANY, real)
        n, c, r, rows, i, step, left = walk(sizes)
        C, columns = sizes[1], sizes[2]
        count, mean, squares = zero, zero, zero
        for _ in range(left // 4):
            v0, v1, v2, v3 = x[i], x[i + step], x[i + 2 * step], x[i + 3 * step]
            middle = ((v0 + v1) + (v2 + v3)) * quarter
            d0, d1, d2, d3 = v0 - middle, v1 - middle, v2 - middle, v3 - middle
            count, mean, squares = joined(count, mean, squares, four, middle, (d0 * d0 + d1 * d1) + (d2 * d2 + d3 * d3))
            i += 4 * step
        for _ in range(left % 4):
            count, mean, squares = joined(count, mean, squares, one, x[i], zero)
            i += step
        t = cuda.threadIdx.x
        counts[t], means[t], sums[t] = count, mean, squares
        while rows > 1:
            half = (rows + 1) // 2
            cuda.syncthreads()
            if r < rows - half:
                u = t + half * columns
                count, mean, squares = joined(count, mean, squares, counts[u], means[u], sums[u])
                counts[t], means[t], sums[t] = count, mean, squares
            rows = half
        if r == 0 and c < C:
            at = cuda.blockIdx.x * 2 * C + c
            partial[at], partial[at + C] = mean, squares
    return moments


@specialised
def statistics(real):
    """out (3, N·groups): mean, var (divided by their number) and rstd of each group, from `moments`. A warp has one group."""
    zero, one = real(0), real(1)
    joined = joining(real)

    @jit
    def statistics(partial, sizes, eps, out):
        P, C, slab, slabs, groups = sizes[0], sizes[1], sizes[3], sizes[4], sizes[5]
        lane, w, total, per = cuda.threadIdx.x & 31, cuda.grid(1) >> 5, out.size // 3, C // groups
        if w < total:
            n = w // groups
            count, mean, squares = zero, zero, zero
            for k in range(lane, slabs * per, WARP):
                s = k // per
                at = (n * slabs + s) * 2 * C + (w - n * groups) * per + k - s * per
                count, mean, squares = joined(count, mean, squares, real(min(slab, P - s * slab)), partial[at], partial[at + C])
            for k in range(5):
                away = 16 >> k
                c2, m2, s2 = (cuda.shfl_xor_sync(ALL, count, away), cuda.shfl_xor_sync(ALL, mean, away),
                              cuda.shfl_xor_sync(ALL, squares, away))
                count, mean, squares = joined(count, mean, squares, c2, m2, s2)
            if lane == 0:
                var = squares / count
                out[w], out[total + w], out[2 * total + w] = mean, var, one / math.sqrt(var + eps)
    return statistics


@specialised
def normalise(real, relu, given):
    """y = (x − mean)·rstd·weight + bias, then max(0, …) if `relu`; with `given` statistics, `spread` is var instead of rstd."""
    zero, one = real(0), real(1)

    @device
    def applied(v, mean, scale, shift):
        v = (v - mean) * scale + shift
        if relu and v < zero:  # NaN stays NaN
            v = zero
        return v

    @jit
    def normalise(x, mean, spread, weight, bias, eps, sizes, y):
        n, c, r, rows, i, step, left = walk(sizes)
        if left > 0:
            C, groups = sizes[1], sizes[5]
            j = n * groups + c // (C // groups)
            middle, scale, shift = mean[j], spread[j], zero
            if given:
                scale = one / math.sqrt(scale + eps)
            if weight.size > 0:
                scale *= weight[c]
            if bias.size > 0:
                shift = bias[c]
            for _ in range(left // 4):
                v0, v1, v2, v3 = x[i], x[i + step], x[i + 2 * step], x[i + 3 * step]
                y[i] = applied(v0, middle, scale, shift)
                y[i + step] = applied(v1, middle, scale, shift)
                y[i + 2 * step] = applied(v2, middle, scale, shift)
                y[i + 3 * step] = applied(v3, middle, scale, shift)
                i += 4 * step
            for _ in range(left % 4):
                y[i] = applied(x[i], middle, scale, shift)
                i += step
    return normalise


@specialised
def gradient_sums(real, relu):
    """partial (N·slabs, 2, C): Σ g and Σ g·x̂ of each column of a block's pixels, where g = dy, with `relu` only where y > 0.

    y is computed anew, just as `normalise` did: these loops wait for memory, not for arithmetic.
    """
    zero = real(0)

    @device
    def passed(g, d, scale, shift):
        if relu and not d * scale + shift > zero:
            g = zero
        return g

    @jit
    def gradient_sums(dy, x, mean, rstd, weight, bias, sizes, partial):
        scratch = cuda.shared.array(MANY, real)
        n, c, r, rows, i, step, left = walk(sizes)
        C, columns, groups = sizes[1], sizes[2], sizes[5]
        total, product, middle, scale, shift, each = zero, zero, zero, zero, zero, zero
        if left > 0:
            j = n * groups + c // (C // groups)
            middle = mean[j]
            each = scale = rstd[j]
            if weight.size > 0:
                scale *= weight[c]
            if bias.size > 0:
                shift = bias[c]
        for _ in range(left // 4):
            g0, g1, g2, g3 = dy[i], dy[i + step], dy[i + 2 * step], dy[i + 3 * step]
            d0, d1, d2, d3 = x[i] - middle, x[i + step] - middle, x[i + 2 * step] - middle, x[i + 3 * step] - middle
            g0, g1 = passed(g0, d0, scale, shift), passed(g1, d1, scale, shift)
            g2, g3 = passed(g2, d2, scale, shift), passed(g3, d3, scale, shift)
            total += (g0 + g1) + (g2 + g3)
            product += (g0 * d0 + g1 * d1) + (g2 * d2 + g3 * d3)
            i += 4 * step
        for _ in range(left % 4):
            d = x[i] - middle
            g = passed(dy[i], d, scale, shift)
            total += g
            product += g * d
            i += step
        total = fold(total, r, rows, columns, scratch)
        cuda.syncthreads()
        product = fold(product * each, r, rows, columns, scratch)
        if r == 0 and c < C:
            at = cuda.blockIdx.x * 2 * C + c
            partial[at], partial[at + C] = total, product
    return gradient_sums


@specialised
def group_means(real):
    """out (2, N·groups): the means of g·weight and of g·weight·x̂ over each group, from `gradient_sums`. A warp has one group."""
    zero = real(0)

    @jit
    def group_means(partial, weight, sizes, out):
        P, C, slabs, groups = sizes[0], sizes[1], sizes[4], sizes[5]
        lane, w, half, per = cuda.threadIdx.x & 31, cuda.grid(1) >> 5, out.size // 2, C // groups
        if w < half:
            n = w // groups
            total, product = zero, zero
            for k in range(lane, slabs * per, WARP):
                s = k // per
                c = (w - n * groups) * per + k - s * per
                at = (n * slabs + s) * 2 * C + c
                first, second = partial[at], partial[at + C]
                if weight.size > 0:
                    first *= weight[c]
                    second *= weight[c]
                total += first
                product += second
            total, product = warp_sum(total), warp_sum(product)
            if lane == 0:
                count = real(P * per)
                out[w], out[half + w] = total / count, product / count
    return group_means


@specialised
def input_gradient(real, relu, columnwise):
    """dx = rstd·(g·weight − A − x̂·B), where A and B are the means of g·weight and of g·weight·x̂ over the group.

    `sums` has these means, (2, N·groups); or, `columnwise`, the sums Σ g and Σ g·x̂ over the P pixels, (2, C).
    """
    zero = real(0)

    @device
    def back(g, d, scale, shift, slope, offset):
        if relu and not d * scale + shift > zero:
            g = zero
        return g * scale + (d * slope + offset)

    @jit
    def input_gradient(dy, x, mean, rstd, weight, bias, sums, sizes, dx):
        n, c, r, rows, i, step, left = walk(sizes)
        if left > 0:
            P, C, groups = sizes[0], sizes[1], sizes[5]
            j = n * groups + c // (C // groups)
            middle, each, shift = mean[j], rstd[j], zero
            scale = each
            if weight.size > 0:
                scale *= weight[c]
            if bias.size > 0:
                shift = bias[c]
            if columnwise:
                factor = scale / real(P)
            else:
                factor = each
            half = sums.size // 2
            offset, slope = -factor * sums[j], -factor * each * sums[half + j]
            for _ in range(left // 4):
                g0, g1, g2, g3 = dy[i], dy[i + step], dy[i + 2 * step], dy[i + 3 * step]
                d0, d1, d2, d3 = x[i] - middle, x[i + step] - middle, x[i + 2 * step] - middle, x[i + 3 * step] - middle
                dx[i] = back(g0, d0, scale, shift, slope, offset)
                dx[i + step] = back(g1, d1, scale, shift, slope, offset)
                dx[i + 2 * step] = back(g2, d2, scale, shift, slope, offset)
                dx[i + 3 * step] = back(g3, d3, scale, shift, slope, offset)
                i += 4 * step
            for _ in range(left % 4):
                dx[i] = back(dy[i], x[i] - middle, scale, shift, slope, offset)
                i += step
    return input_gradient
