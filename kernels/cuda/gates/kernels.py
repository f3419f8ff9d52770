"""Kernels that walk over a map x (N, P, C): to gather for the gates, and to bring to the map what comes back.

What is gathered over the pixels is walked by columns (see `columns`), what is gathered over the channels has a warp for each
pixel. An operand that is not there is an array without elements: each kernel does all that its arguments ask for in one pass.
"""
import numpy as np

from ..columns import MANY, fold, walk
from ..runtime import cuda, device, jit, specialised
from ..threads import ALL, WARP, warp_sum


@device
def better(v, k, b, i):
    """True if v, found at k, comes before b, found at i: it is larger, or NaN, or as large and nearer the beginning."""
    return v > b or (v == b and k < i) or (v != v and (b == b or k < i))


@specialised
def pool_pixels(real):
    """partial (N·slabs, 2, C): Σ and max over a block's pixels; places (N·slabs, C): where, or without elements if nobody asks."""
    zero, least = real(0), real(-np.inf)

    @jit
    def pool_pixels(x, sizes, partial, places):
        sums = cuda.shared.array(MANY, real)
        tops = cuda.shared.array(MANY, real)
        at = cuda.shared.array(MANY, np.int64)
        n, c, r, rows, i, step, left = walk(sizes)
        P, C, columns = sizes[0], sizes[1], sizes[2]
        total, best, where, p = zero, least, P, i // C - n * P
        for _ in range(left // 4):
            v0, v1, v2, v3 = x[i], x[i + step], x[i + 2 * step], x[i + 3 * step]
            total += (v0 + v1) + (v2 + v3)
            if places.size > 0:
                if better(v0, p, best, where):
                    best, where = v0, p
                if better(v1, p + rows, best, where):
                    best, where = v1, p + rows
                if better(v2, p + 2 * rows, best, where):
                    best, where = v2, p + 2 * rows
                if better(v3, p + 3 * rows, best, where):
                    best, where = v3, p + 3 * rows
            i += 4 * step
            p += 4 * rows
        for _ in range(left % 4):
            v = x[i]
            total += v
            if places.size > 0 and better(v, p, best, where):
                best, where = v, p
            i += step
            p += rows
        t = cuda.threadIdx.x
        sums[t], tops[t], at[t] = total, best, where
        while rows > 1:
            half = (rows + 1) // 2
            cuda.syncthreads()
            if r < rows - half:
                u = t + half * columns
                total += sums[u]
                if better(tops[u], at[u], best, where):
                    best, where = tops[u], at[u]
                sums[t], tops[t], at[t] = total, best, where
            rows = half
        if r == 0 and c < C:
            b = cuda.blockIdx.x
            partial[b * 2 * C + c], partial[(b * 2 + 1) * C + c] = total, best
            if places.size > 0:
                places[b * C + c] = where
    return pool_pixels


@specialised
def join_pixels(real):
    """mean, largest, argmax (N, C) of what the blocks of `pool_pixels` found. A warp has one channel, a lane every 32nd block."""
    zero, least = real(0), real(-np.inf)

    @jit
    def join_pixels(partial, places, sizes, mean, largest, argmax):
        P, C, slabs = sizes[0], sizes[1], sizes[4]
        lane, w = cuda.threadIdx.x & 31, cuda.grid(1) >> 5
        if w < mean.size:
            n = w // C
            c = w - n * C
            total, best, where = zero, least, P
            for s in range(lane, slabs, WARP):
                b = n * slabs + s
                total += partial[b * 2 * C + c]
                if places.size > 0 and better(partial[(b * 2 + 1) * C + c], places[b * C + c], best, where):
                    best, where = partial[(b * 2 + 1) * C + c], places[b * C + c]
            total = warp_sum(total)
            for k in range(5):
                v, at = cuda.shfl_xor_sync(ALL, best, 16 >> k), cuda.shfl_xor_sync(ALL, where, 16 >> k)
                if better(v, at, best, where):
                    best, where = v, at
            if lane == 0:
                mean[w] = total / real(P)
                if places.size > 0:
                    largest[w], argmax[w] = best, where
    return join_pixels


@specialised
def pool_channels(real):
    """maps (N·P, 2) and winner (N·P,): mean, maximum and where it is, of x·gate over the channels of a pixel. A warp has one."""
    zero, least = real(0), real(-np.inf)

    @jit
    def pool_channels(x, gate, P, maps, winner):
        lane, m = cuda.threadIdx.x & 31, cuda.grid(1) >> 5
        if m < winner.size:
            C = x.size // winner.size
            row = m // P * C
            total, best, where = zero, least, C
            for c in range(lane, C, WARP):
                v = x[m * C + c]
                if gate.size > 0:
                    v *= gate[row + c]
                total += v
                if better(v, c, best, where):
                    best, where = v, c
            total = warp_sum(total)
            for k in range(5):
                v, at = cuda.shfl_xor_sync(ALL, best, 16 >> k), cuda.shfl_xor_sync(ALL, where, 16 >> k)
                if better(v, at, best, where):
                    best, where = v, at
            if lane == 0:
                maps[2 * m], maps[2 * m + 1], winner[m] = total / real(C), best, where
    return pool_channels


@specialised
def pixel_gradient(real):
    """dpixel[m] = Σ_c dy[m,c]·x[m,c]·gate[n,c]: a warp for each pixel. With `pixel` = σ(z), the gradient of z: times s(1 − s)."""
    zero, one = real(0), real(1)

    @jit
    def pixel_gradient(dy, x, gate, pixel, P, dpixel):
        lane, m = cuda.threadIdx.x & 31, cuda.grid(1) >> 5
        if m < dpixel.size:
            C = x.size // dpixel.size
            row, total = m // P * C, zero
            for c in range(lane, C, WARP):
                v = dy[m * C + c] * x[m * C + c]
                if gate.size > 0:
                    v *= gate[row + c]
                total += v
            total = warp_sum(total)
            if lane == 0:
                if pixel.size > 0:
                    total *= pixel[m] * (one - pixel[m])
                dpixel[m] = total
    return pixel_gradient


def _arriving(real):
    """The function for what comes back to x·gate at element i: from y through `pixel`, and from the maps of `pool_channels`."""
    zero = real(0)

    @device
    def arriving(dy, pixel, maps, winner, i, m, c, share):
        d = zero
        if dy.size > 0:
            d = dy[i]
            if pixel.size > 0:
                d *= pixel[m]
        if maps.size > 0:
            d += maps[2 * m] * share
            if winner[m] == c:
                d += maps[2 * m + 1]
        return d
    return arriving


@specialised
def gate_sums(real):
    """partial (N·slabs, C): Σ d·x over a block's pixels, d = what comes back to x·gate."""
    zero, one = real(0), real(1)
    arriving = _arriving(real)

    @jit
    def gate_sums(dy, x, pixel, maps, winner, sizes, partial):
        scratch = cuda.shared.array(MANY, real)
        n, c, r, rows, i, step, left = walk(sizes)
        C, columns, total, m = sizes[1], sizes[2], zero, i // sizes[1]
        share = one / real(C)
        for _ in range(left // 4):
            d0, d1 = arriving(dy, pixel, maps, winner, i, m, c, share), arriving(dy, pixel, maps, winner, i + step, m + rows, c, share)
            d2 = arriving(dy, pixel, maps, winner, i + 2 * step, m + 2 * rows, c, share)
            d3 = arriving(dy, pixel, maps, winner, i + 3 * step, m + 3 * rows, c, share)
            total += (d0 * x[i] + d1 * x[i + step]) + (d2 * x[i + 2 * step] + d3 * x[i + 3 * step])
            i += 4 * step
            m += 4 * rows
        for _ in range(left % 4):
            total += arriving(dy, pixel, maps, winner, i, m, c, share) * x[i]
            i += step
            m += rows
        total = fold(total, r, rows, columns, scratch)
        if r == 0 and c < C:
            partial[cuda.blockIdx.x * C + c] = total
    return gate_sums


@specialised
def join_gate(real):
    """dgate (N, C): what the blocks of `gate_sums` found, added up. With `gate` = σ(z), the gradient of z: times g(1 − g)."""
    zero, one = real(0), real(1)

    @jit
    def join_gate(partial, gate, slabs, C, dgate):
        j = cuda.grid(1)
        if j < dgate.size:
            n = j // C
            total = zero
            for s in range(slabs):
                total += partial[(n * slabs + s) * C + j - n * C]
            if gate.size > 0:
                total *= gate[j] * (one - gate[j])
            dgate[j] = total
    return join_gate


@specialised
def spread(real):
    """dx = d·gate + mean/P + [p = where]·most, d = what comes back to x·gate: all ways back to x. Forward, y = x·gate·pixel."""
    zero, one = real(0), real(1)
    arriving = _arriving(real)

    @jit
    def spread(dy, pixel, maps, winner, gate, mean, most, where, sizes, dx):
        n, c, r, rows, i, step, left = walk(sizes)
        if left > 0:
            P, C = sizes[0], sizes[1]
            j, m, share = n * C + c, i // C, one / real(C)
            factor, level, peak, place = one, zero, zero, -1
            if gate.size > 0:
                factor = gate[j]
            if mean.size > 0:
                level = mean[j] / real(P)
            if most.size > 0:
                peak, place = most[j], n * P + where[j]
            for _ in range(left // 4):
                m1, m2, m3 = m + rows, m + 2 * rows, m + 3 * rows
                d0, d1 = arriving(dy, pixel, maps, winner, i, m, c, share), arriving(dy, pixel, maps, winner, i + step, m1, c, share)
                d2 = arriving(dy, pixel, maps, winner, i + 2 * step, m2, c, share)
                d3 = arriving(dy, pixel, maps, winner, i + 3 * step, m3, c, share)
                dx[i] = d0 * factor + (level + peak if m == place else level)
                dx[i + step] = d1 * factor + (level + peak if m1 == place else level)
                dx[i + 2 * step] = d2 * factor + (level + peak if m2 == place else level)
                dx[i + 3 * step] = d3 * factor + (level + peak if m3 == place else level)
                i += 4 * step
                m += 4 * rows
            for _ in range(left % 4):
                d = arriving(dy, pixel, maps, winner, i, m, c, share)
                dx[i] = d * factor + (level + peak if m == place else level)
                i += step
                m += rows
    return spread
