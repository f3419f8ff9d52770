"""Attention backward: the weights p are worked out again from lse, tile by tile, by two kernels with one body."""
import math

import numpy as np

from ..runtime import cuda, jit, specialised
from ..threads import WARP, warp_sum
from .tile import ACROSS, ROWS, SHAPES, lines_of, place, seat, sizes_of, tile

ROWS_A_BLOCK = 4
"""Queries of a block of `_delta`, a warp each."""


@specialised
def _delta(real):
    """δ_i = do_i · o_i of every query: a warp a query, its lanes along the numbers of o."""
    zero = real(0)

    @jit
    def delta(sizes, do, o, d):
        H, T, E, joined, count = sizes
        n = cuda.blockIdx.x * ROWS_A_BLOCK + cuda.threadIdx.x // WARP
        total = zero
        if n < count:
            start, step = place(n // T, H, T, E, joined, 0)
            start += n % T * step
            for e in range(cuda.threadIdx.x % WARP, E, WARP):
                total += do[start + e] * o[start + e]
        total = warp_sum(total)
        if n < count and cuda.threadIdx.x % WARP == 0:
            d[n] = total
    return delta


@specialised
def _attention_backward(real, width, shape, wide, of_keys):
    """ds_ij = p_ij (do_i·v_j − δ_i), p_ij = exp(s_ij − lse_i), and from it

        not of_keys    a block has a tile of queries, goes over the keys,        dq_i = scale Σ_j ds_ij k_j
        of_keys        a block has a tile of keys, goes over the queries         dk_j = scale Σ_i ds_ij q_i,   dv_j = Σ_i p_ij do_i

    Either way it keeps two tiles (rows: q and do, or k and v), loads the two others tile by tile (columns: k and v, or q and do), and has
    the products of both pairs, s and do·v, in registers; then ds (and p) go through shared memory to be multiplied with the columns.
    Each sum belongs to one thread that adds in order: no atomics, the same bits each time. The price is that p and ds are computed
    twice, 7 products instead of 5.

                     columns:  ┌──────┐┌──────┐
                               │ K    ││ V    │                  of_keys: Q, dO
       rows:                   └──────┘└──────┘
       ┌──────┐┌──────┐        ┌──────┐                          ┌──────┐
       │ Q    ││ dO   │        │ ds   │ = p ⊙ (dO Vᵀ − δ)        │ dQ   │ += ds K       of_keys: dK += dsᵀ Q, dV += pᵀ dO
       └──────┘└──────┘        └──────┘                          └──────┘
       of_keys: K, V

    sizes: H, T, S, D, E, joined (see `place`), causal, the mask's B and H (0: none). blockIdx.x: head and tile of rows; blockIdx.y: the
    slice of the results. `first` is scaled: dq, or dk; `second` is dv.

    Shared memory ("medium", width 64, float32): 4 · 8.7 + 4.6 (of_keys: 9.2) KB = 44 KB; at most 200 registers a
    thread: 5 blocks (10 warps) share an SM of an H100.
    """
    load, dot, mix, put = tile(real, width, shape, wide)
    DOWN, OWN = SHAPES[shape]
    LINES, COLUMNS = lines_of(shape)
    LEFT, RIGHT, WEIGHTS = sizes_of(width, shape)
    SCORES, MIXED = ROWS * OWN, width // ACROSS
    SUMS, APART, MORE, MORE_SUMS = ROWS * MIXED, COLUMNS + 4, WEIGHTS if of_keys else 1, ROWS * MIXED if of_keys else 1
    QUERIES = OWN if of_keys else ROWS  # that a thread has scores of
    LEFT_PART, RIGHT_PART = (1, 0) if of_keys else (0, 1)
    zero, low = real(0), real(-np.inf)

    @jit(max_registers=200)
    def attention_backward(sizes, scale, left, right, left_2, right_2, lse, delta, mask, first, second):
        rows_1 = cuda.shared.array(LEFT, real, alignment=16)
        rows_2 = cuda.shared.array(LEFT, real, alignment=16)
        columns_1 = cuda.shared.array(RIGHT, real, alignment=16)
        columns_2 = cuda.shared.array(RIGHT, real, alignment=16)
        slopes = cuda.shared.array(WEIGHTS, real, alignment=16)
        weights = cuda.shared.array(MORE, real, alignment=16)
        s = cuda.local.array(SCORES, real)
        g = cuda.local.array(SCORES, real)
        sums = cuda.local.array(SUMS, real)
        more = cuda.local.array(MORE_SUMS, real)
        shift = cuda.local.array(QUERIES, real)
        d = cuda.local.array(QUERIES, real)
        H, T, S, D, E, joined, causal, mask_B, mask_H = sizes
        R, C = (S, T) if of_keys else (T, S)
        tiles = (R + LINES - 1) // LINES
        turn = cuda.blockIdx.x % tiles
        head, r0 = cuda.blockIdx.x // tiles, (turn if of_keys else tiles - 1 - turn) * LINES  # where causal: most work first
        z, slices = cuda.blockIdx.y * width, max(1, (max(D, E) + width - 1) // width)
        x, y = seat()
        left_at, left_step = place(head, H, R, D, 3 * joined, LEFT_PART)
        right_at, right_step = place(head, H, C, D, 3 * joined, RIGHT_PART)
        left_at_2, left_step_2 = place(head, H, R, E, 3 * joined if of_keys else joined, 2 if of_keys else 0)
        right_at_2, right_step_2 = place(head, H, C, E, joined if of_keys else 3 * joined, 0 if of_keys else 2)
        masked = mask_B > 0
        mask_at = ((head // H % max(mask_B, 1)) * mask_H + head % H % max(mask_H, 1)) * T * S
        for n in range(SUMS):
            sums[n] = zero
            if of_keys:
                more[n] = zero
        begin, end = 0, C
        if causal and of_keys:
            begin = r0 // COLUMNS * COLUMNS
        elif causal:
            end = min(C, r0 + LINES)
        for c0 in range(begin, end, COLUMNS):
            for n in range(SCORES):
                s[n] = zero
                g[n] = zero
            for part in range(slices):
                e0 = part * width
                cuda.syncthreads()  # the tiles before are still being read
                if c0 == begin or slices > 1:
                    load(left, left_at + r0 * left_step + e0, left_step, R - r0, D - e0, rows_1, 0)
                    load(left_2, left_at_2 + r0 * left_step_2 + e0, left_step_2, R - r0, E - e0, rows_2, 0)
                load(right, right_at + c0 * right_step + e0, right_step, C - c0, D - e0, columns_1, 0)
                load(right_2, right_at_2 + c0 * right_step_2 + e0, right_step_2, C - c0, E - e0, columns_2, 0)
                cuda.syncthreads()
                dot(s, rows_1, columns_1, x, y)
                dot(g, rows_2, columns_2, x, y)
            if slices > 1:
                cuda.syncthreads()
                load(right, right_at + c0 * right_step + z, right_step, C - c0, D - z, columns_1, 0)
                load(right_2, right_at_2 + c0 * right_step_2 + z, right_step_2, C - c0, E - z, columns_2, 0)
                cuda.syncthreads()
            for n in range(QUERIES):
                i = c0 + x + ACROSS * n if of_keys else r0 + y + DOWN * n
                shift[n] = lse[head * T + i] if i < T else zero
                shift[n] = zero if shift[n] == low else shift[n]  # a query that saw no key: exp(−∞ − 0) is the 0 it gave
                d[n] = delta[head * T + i] if i < T else zero
            for r in range(ROWS):
                for c in range(OWN):
                    row, column = r0 + y + DOWN * r, c0 + x + ACROSS * c
                    i, j = (column, row) if of_keys else (row, column)
                    query = c if of_keys else r
                    n = r * OWN + c
                    weight = zero
                    if i < T and j < S and not (causal and j > i):
                        score = s[n] * scale
                        if masked:
                            score += mask[mask_at + i * S + j]
                        weight = math.exp(score - shift[query])
                    to = (y + DOWN * r) * APART + x + ACROSS * c
                    slopes[to] = weight * (g[n] - d[query])
                    if of_keys:
                        weights[to] = weight
            cuda.syncwarp()  # a row is read by the warp that wrote it
            mix(sums, slopes, columns_1, x, y)
            if of_keys:
                mix(more, weights, columns_2, x, y)
        for n in range(SUMS):
            sums[n] *= scale
        put(sums, first, left_at + r0 * left_step + z, left_step, R - r0, D - z, x, y)
        if of_keys:
            put(more, second, left_at_2 + r0 * left_step_2 + z, left_step_2, R - r0, E - z, x, y)
    return attention_backward
