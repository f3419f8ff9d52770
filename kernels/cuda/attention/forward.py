"""Attention forward: the tiled kernel, and the plain one, which is to be read first."""
import math

import numpy as np

from ..runtime import cuda, jit, specialised
from .tile import ACROSS, ROWS, SHAPES, lines_of, place, row_max, row_sum, seat, sizes_of, tile


@specialised
def _attention_plain(real):
    """o[b, h, i, :] and lse[b, h, i]: one thread a query, which goes twice over all keys.

        thread i             once for the largest score          again for the sums
          row i of q    ×    every row of k           → s_ij     every row of k (again), every row of v    → row i of o

    Each thread fetches all of k and v from memory for itself, a number a multiply-add, and its sums wait in memory, too: the tiled
    kernel below reads a key once for 64 queries and keeps the sums in registers.
    """
    zero, low = real(0), real(-np.inf)

    @jit
    def attention_plain(q, k, v, mask, masked, causal, scale, o, lse):
        H, T, D = q.shape[1], q.shape[2], q.shape[3]
        S, E = v.shape[2], v.shape[3]
        n = cuda.grid(1)
        if n < lse.size:
            i, h, b = n % T, n // T % H, n // (T * H)
            most, total = low, zero
            for e in range(E):
                o[b, h, i, e] = zero
            for again in range(2):
                shift = zero if most == low else most  # a query that sees no key: exp(−∞ − −∞) would be NaN
                for j in range(min(i + 1, S) if causal else S):
                    s = zero
                    for d in range(D):
                        s += q[b, h, i, d] * k[b, h, j, d]
                    s *= scale
                    if masked:
                        s += mask[b % mask.shape[0], h % mask.shape[1], i, j]
                    if again:
                        weight = math.exp(s - shift)
                        total += weight
                        for e in range(E):
                            o[b, h, i, e] += weight * v[b, h, j, e]
                    else:
                        most = max(most, s)
            if total != zero:
                for e in range(E):
                    o[b, h, i, e] /= total
            lse[b, h, i] = most + math.log(total) if total != zero else low
    return attention_plain


@specialised
def _attention(real, width, shape, wide):
    """o_i = Σ_j p_ij v_j, p_ij = exp(s_ij − lse_i), lse_i = log Σ_j exp(s_ij): a block has a tile of queries of one head, and goes once
    over the keys, a tile at a time (online softmax).

        shared:            K tile    V tile        registers of a thread
                          ┌──────┐  ┌──────┐
                          │      │  │      │       4 × 4 scores
             Q tile       └──────┘  └──────┘       4 × 8 sums of o
            ┌──────┐      ┌──────┐  ┌──────┐       4 × (largest score so far, sum of exponentials)
            │      │  ×   │  S   │  │  O   │
            │      │      │      │  │      │       S = Q Kᵀ;  P = exp(S − largest) takes K's place;  O += P V
            └──────┘      └──────┘  └──────┘

    When a larger score turns up, what was summed under the one before is multiplied by exp(before − now). The sum of exponentials is
    kept by each thread for its own columns, and is added up over the row's 8 threads at the end.

    sizes: H T S D E, joined (q, k, v are parts of one array, see `place`), causal, the mask's B and H (0: none). blockIdx.x: head and
    tile of queries, the last one first, which has most to do where causal; blockIdx.y: the slice of v.

    Shared memory ("large", width 64, float32): 17.4 + 9.2 + 8.7 = 35.3 KB; registers: at most 168 a thread. So 3 blocks (12 warps) share an
    SM of an H100, and two compute while one loads.

    Why it is fast, reckoned for an H100 (nobody has measured it here), (B, H, T, D) = (8, 8, 2048, 64), float32. For 4 numbers of d, Q Kᵀ
    takes 4 + 4 loads of 16 bytes from shared memory for 64 multiply-adds, and for 4 keys P V takes 4 + 8 for 128: about 0.11 load a
    multiply-add. A warp's load takes two clocks (see `tile`), and an SM makes 4 warps' multiply-adds a clock: 64 / 4 = 16 clocks of
    multiplying for 16 of loading, 32 for 24. So shared memory, busy 7 clocks of 8, would just do, and instructions are the limit. For a
    tile of keys a thread issues 2048 multiply-adds, 224 loads, some 300 instructions for scale, maximum and exponential of
    16 scores, and as many for fetching the tiles, addresses and loops: 70 % multiply. 68.7 GFLOP at 60 TFLOP/s · 0.7 are
    1.6 ms, 2 ms where a fifth of the slots stays empty. PyTorch's math back end: two products of 34 GFLOP, 1.4 ms at 50 TFLOP/s, and
    a softmax that reads and writes the 64 · 2048² scores, 2.1 GB, 0.7 ms at 3 TB/s: 2.1 ms, and 1 GB or two of memory. Memory here: q
    and o once; k and v once for each of 32 tiles of queries, mostly from the second-level cache. Causal: half of it.
    """
    load, dot, mix, put = tile(real, width, shape, wide)
    DOWN, OWN = SHAPES[shape]
    LINES, COLUMNS = lines_of(shape)
    LEFT, RIGHT, WEIGHTS = sizes_of(width, shape)
    BOTH = max(RIGHT, WEIGHTS)
    SCORES, MIXED = ROWS * OWN, width // ACROSS
    SUMS, WIDE, APART = ROWS * MIXED, width + 4, COLUMNS + 4
    zero, one, low = real(0), real(1), real(-np.inf)

    @jit(max_registers=168)
    def attention(sizes, scale, q, k, v, mask, o, lse):
        queries = cuda.shared.array(LEFT, real, alignment=16)
        keys = cuda.shared.array(BOTH, real, alignment=16)  # and then the weights
        values = cuda.shared.array(RIGHT, real, alignment=16)
        s = cuda.local.array(SCORES, real)
        sums = cuda.local.array(SUMS, real)
        most = cuda.local.array(ROWS, real)
        total = cuda.local.array(ROWS, real)
        H, T, S, D, E, joined, causal, mask_B, mask_H = sizes
        tiles = (T + LINES - 1) // LINES
        head, i0 = cuda.blockIdx.x // tiles, (tiles - 1 - cuda.blockIdx.x % tiles) * LINES
        e0, slices = cuda.blockIdx.y * width, max(1, (D + width - 1) // width)
        x, y = seat()
        q_at, q_step = place(head, H, T, D, 3 * joined, 0)
        k_at, k_step = place(head, H, S, D, 3 * joined, 1)
        v_at, v_step = place(head, H, S, E, 3 * joined, 2)
        o_at, o_step = place(head, H, T, E, joined, 0)
        masked = mask_B > 0
        mask_at = ((head // H % max(mask_B, 1)) * mask_H + head % H % max(mask_H, 1)) * T * S
        for n in range(SUMS):
            sums[n] = zero
        for r in range(ROWS):
            most[r], total[r] = low, zero
        for j0 in range(0, min(S, i0 + LINES) if causal else S, COLUMNS):
            for n in range(SCORES):
                s[n] = zero
            for part in range(slices):
                d0 = part * width
                cuda.syncthreads()  # the tiles before are still being read
                if part == 0:
                    load(v, v_at + j0 * v_step + e0, v_step, S - j0, E - e0, values, 0)
                if j0 == 0 or slices > 1:
                    for i in range(0, LINES, COLUMNS):
                        load(q, q_at + (i0 + i) * q_step + d0, q_step, T - i0 - i, D - d0, queries, i * WIDE)
                load(k, k_at + j0 * k_step + d0, k_step, S - j0, D - d0, keys, 0)
                cuda.syncthreads()
                dot(s, queries, keys, x, y)
            cuda.syncthreads()  # nobody needs the keys any more: the weights take their place
            for r in range(ROWS):
                i, largest = i0 + y + DOWN * r, most[r]
                for c in range(OWN):
                    j = j0 + x + ACROSS * c
                    score = s[r * OWN + c] * scale
                    if masked and i < T and j < S:
                        score += mask[mask_at + i * S + j]
                    if j >= S or causal and j > i:
                        score = low
                    s[r * OWN + c] = score
                    largest = max(largest, score)
                largest = row_max(largest)
                shift = zero if largest == low else largest  # nothing seen yet: exp(−∞ − −∞) would be NaN
                shrink = math.exp(most[r] - shift)
                most[r] = largest
                total[r] *= shrink
                for n in range(MIXED):
                    sums[r * MIXED + n] *= shrink
                for c in range(OWN):
                    weight = math.exp(s[r * OWN + c] - shift)
                    total[r] += weight
                    keys[(y + DOWN * r) * APART + x + ACROSS * c] = weight
            cuda.syncwarp()  # a row's weights are read by the warp that wrote them
            mix(sums, keys, values, x, y)
        for r in range(ROWS):
            whole = row_sum(total[r])
            inverse = zero if whole == zero else one / whole
            for n in range(MIXED):
                sums[r * MIXED + n] *= inverse
            i = i0 + y + DOWN * r
            if x == 0 and i < T and cuda.blockIdx.y == 0:
                lse[head * T + i] = low if whole == zero else most[r] + math.log(whole)
        put(sums, o, o_at + i0 * o_step + e0, o_step, T - i0, E - e0, x, y)
    return attention
