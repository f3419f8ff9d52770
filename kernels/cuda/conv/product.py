"""Convolution as a product of matrices that are never written down ("implicit GEMM"): forward, and backward to the input.

    y[m, k] = b[k] + Σ_q left[m, q] · packed[q, k]       m = (n, i, j), a pixel of y;  q = (r, s, c), a place of the filter
    left[m, q] = x[n, i·stride + r·dilation − padding, j·stride + s·dilation − padding, c], 0 outside

The matrix `left` has R·S copies of the image in it; only thin slices of it ever exist, in shared memory:

                                                packed   8 places × 64 filters, shared
                                                       ┌────────────────┐        packed[q …, k]: rows of it, by quads
                                                       └────────────────┘
      image x, channels-last            left slice     ┌────────────────┐
      ┌───────────────────┐            128  ┌──┐       │                │
      │   ·─┐ pixel m,    │ ─────────▶ pixels│8 │      │  128 pixels ×  │   128 threads; each keeps 8 × 8 sums in
      │   └─┴─ tap (r, s) │   a thread  of y│pl.│      │  64 filters    │   registers ("tall" of `tile`, which has
      └───────────────────┘   fetches   ↓   │   │      │  of y          │   their picture)
        8 channels of a tap   2 quads       └──┘       └────────────────┘
        lie side by side

Who loads what: for each slice a thread fetches two quads (4 channels of one tap of one pixel; two threads share a pixel, 32 bytes,
just what memory delivers) and one quad of the filters, into registers while the slice before is multiplied; taps that fall outside
fetch nothing. Where a pixel's window begins is worked out once, and kept in shared memory. From slice to slice a thread only counts
channels and taps up: no divisions.

Backward to the input is the same product, of dy with the filters packed the other way. Pixel h gets from tap r what output
i = (h + padding − r·dilation) / stride made of it, if that is a whole number. With a stride, pixels are therefore sorted by *phase*,
h mod stride: all pixels of a block are of one phase, and it walks over the taps that meet that phase and no others. These are
r₀, r₀ + step, …, step = stride / gcd(stride, dilation), and from one to the next i moves by −step · dilation / stride: again a
window that begins somewhere and moves evenly. Gathering so, each number of dx is written once, by one thread, in one order.

Reckoned for an H100 at 3 × 3, 64 → 64 channels, 56 × 56 pixels, batch 128, float32; not measured, since it was written on a machine
without one. 29.6 GFLOP. A thread multiplies 512 times for each slice, and beside that has 32 16-byte loads and 9 stores of shared
memory, 3 loads of global memory, and about 100 instructions of counting, testing and looping: four of five issued instructions
multiply. ptxas gives it 149 registers, backward 164, and spills none: 3 blocks, 12 warps, share an SM. What a slice fetches must come
within the multiplications of the one before, 500 clocks and those of two other warps, while the second-level cache takes some 250.
Memory: 103 MB in and 103 MB out, 0.06 ms at 3.3 TB/s, beside 0.44 ms of multiplying at 67 TFLOP/s. So 40 % of the peak, 1.1 ms,
should be passed; what stands against it is the barrier every 512 multiplications, and that the multiplier waits while a block begins
and ends, a twentieth of its 72 slices.

S. Chetlur et al., "cuDNN: efficient primitives for deep learning", arXiv:1410.0759 (2014), for the idea of the implicit product.
"""
import math

import numpy as np

from ..runtime import cuda, device, jit, launch, load4, specialised
from ..tile import depth_of, lines_of, side, slices_of, store_quad, sums_of, threads_of, tile
from .weights import pack, quads, upto

OUTSIDE = -(1 << 30)
"""Where the window of a pixel that does not exist begins: no tap reaches back from there."""


@device
def count_up(low, middle, high, lows, middles):
    """The digits (low, middle, high) of a number after `low` was raised: `low` below `lows` and `middle` below `middles` again."""
    while low >= lows:
        low -= lows
        middle += 1
        if middle == middles:
            middle = 0
            high += 1
    return low, middle, high


@device
def first_tap(place, taps, stride, dilation, step):
    """(the first tap that meets pixel + padding = place, modulo stride, and how many do), if every `step`-th tap meets the same."""
    first = 0
    while first < step and (place - first * dilation) % stride != 0:
        first += 1
    return first, (taps - first + step - 1) // step if first < min(step, taps) else 0


@specialised
def _product(real, shape, back, wide):
    """y = left · packed, as in the picture above. `back`: to the input, with phases. `wide`: rows of y are written by quads.

    x is the image that is read (dy, for `back`) and y the one that is written, both as one axis. Grid: tiles of pixels; tiles of
    channels, group after group; phases.
    """
    own, multiply, _ = tile(shape)
    (ROWS, COLUMNS), DEPTH, THREADS = lines_of(shape), depth_of(shape), threads_of(shape)
    (left_slot, left_put), (right_slot, right_put) = side(ROWS, DEPTH), side(COLUMNS, DEPTH)
    LEFT_SLICE, RIGHT_SLICE = slices_of(shape)
    LEFT, RIGHT = 2 * LEFT_SLICE, 2 * RIGHT_SLICE
    two_quads, two_squares = ROWS * DEPTH == 8 * THREADS, sums_of(shape) == 64
    far_row, far_column, lines = ROWS // 2, COLUMNS // 2, 8 if two_squares else 4
    none, index, small = (real(0),) * 4, np.int64, np.int32

    @device
    def fetch(x, inside, start, row, column, H, W, width, c):
        """4 channels of a pixel of the image that starts at `start`."""
        if inside and row >= 0 and row < H and column >= 0 and column < W:
            return load4(x, start + (row * W + column) * width + c)
        return none

    @jit
    def product(x, w, y, sizes):
        N, H, W, C, P, Ho, Wo, K, groups, R, S = sizes[:11]  # C, K: channels of a group of x and of y; P: of packed
        sh, sw, ph, pw, dh, dw, step_r, step_s = sizes[11:]
        left = cuda.shared.array(LEFT, real, alignment=16)
        right = cuda.shared.array(RIGHT, real, alignment=16)
        start = cuda.shared.array(ROWS, index)   # of each pixel: where its image begins,
        target = cuda.shared.array(ROWS, index)  # where its channels go,
        top = cuda.shared.array(ROWS, small)     # and where its window begins
        edge = cuda.shared.array(ROWS, small)
        t, tiles = cuda.threadIdx.x, P // COLUMNS
        g, n0 = cuda.blockIdx.y // tiles, cuda.blockIdx.y % tiles * COLUMNS

        if back:
            i0, j0 = cuda.blockIdx.z // min(sw, Wo), cuda.blockIdx.z % min(sw, Wo)  # the phase
            r0, rs = first_tap(i0 + ph, R, sh, dh, step_r)
            s0, ss = first_tap(j0 + pw, S, sw, dw, step_s)
            down, across = -(step_r * dh // sh), -(step_s * dw // sw)
            rows, columns = (Ho - i0 + sh - 1) // sh, (Wo - j0 + sw - 1) // sw
        else:
            i0, j0, r0, s0, rs, ss, down, across, rows, columns = 0, 0, 0, 0, R, S, dh, dw, Ho, Wo
        if ss == 0:
            rs = 0
        for line in range(t, ROWS, THREADS):
            m = cuda.blockIdx.x * ROWS + line
            n, i, j = m // (rows * columns), m // columns % rows, m % columns
            if n < N:
                if back:
                    i, j = i0 + i * sh, j0 + j * sw
                    top[line], edge[line] = (i + ph - r0 * dh) // sh, (j + pw - s0 * dw) // sw
                else:
                    top[line], edge[line] = i * sh - ph, j * sw - pw
                start[line] = (n * H * W * groups + g) * C
                target[line] = ((n * Ho + i) * Wo + j) * groups * K + g * K
            else:
                top[line], edge[line], start[line], target[line] = OUTSIDE, OUTSIDE, 0, -1
        cuda.syncthreads()

        row, column = own()
        line, k = left_slot(t, True)
        other, _ = left_slot(t + THREADS, True)
        w_column, w_k = right_slot(t, False)
        width, packed = groups * C, groups * P
        corner = g * P + n0
        one = load4(w, R * S * C * packed + corner + column)  # the bias
        if two_squares:
            eight = one + load4(w, R * S * C * packed + corner + column + far_column)
            thirty_two = eight + eight + eight + eight
            sums = thirty_two + thirty_two
        else:
            sums = one + one + one + one

        c, b, a = count_up(k, 0, 0, C, ss)            # where in the reduction this thread's quads of left are,
        if back:
            w_c, w_b, w_a = count_up(w_k, 0, 0, C, ss)  # and its quad of the filters, whose taps do not lie one behind the other
        else:
            place = w_k
        places, odd = rs * ss * C, 0
        for begin in range(0, places + DEPTH, DEPTH):
            inside = begin + k < places
            quad = fetch(x, inside, start[line], top[line] + a * down, edge[line] + b * across, H, W, width, c)
            if two_quads:
                second = fetch(x, inside, start[other], top[other] + a * down, edge[other] + b * across, H, W, width, c)
            filters = none
            if begin + w_k < places:
                if back:
                    place = ((r0 + w_a * step_r) * S + s0 + w_b * step_s) * C + w_c
                filters = load4(w, place * packed + corner + w_column)
            if begin > 0:
                sums = multiply(sums, left, odd * LEFT_SLICE, right, odd * RIGHT_SLICE, row, column)
                odd = 1 - odd
            left_put(left, odd * LEFT_SLICE, line, k, True, quad)
            if two_quads:
                left_put(left, odd * LEFT_SLICE, other, k, True, second)
            right_put(right, odd * RIGHT_SLICE, w_column, w_k, False, filters)
            cuda.syncthreads()
            c, b, a = count_up(c + DEPTH, b, a, C, ss)
            if back:
                w_c, w_b, w_a = count_up(w_c + DEPTH, w_b, w_a, C, ss)
            else:
                place += DEPTH

        n = n0 + column
        for i in range(lines):
            to = target[row + i if i < 4 else row + i - 4 + far_row]
            if to >= 0:
                store_quad(sums[:4], y, to + n, n, K, wide)
                if two_squares:
                    store_quad(sums[4:8], y, to + n + far_column, n + far_column, K, wide)
            if two_squares:
                sums = sums[8:] + sums[:8]
            else:
                sums = sums[4:] + sums[:4]
    return product


def shape_of(rows, columns):
    """The tile for a product of `rows` × `columns` numbers: the larger it is, the more often is a number used that was fetched."""
    return "tall" if rows >= 128 and columns > 32 else "small"


def product(x, w, b, y, stride, padding, dilation, groups, back):
    """Write y: images x through filters w and a bias b (or None), or with `back` the gradient of such an x, here y, from dy, here x."""
    x, C = quads(x, groups)
    (N, H, W, _), (_, Ho, Wo, K) = x.shape, y.shape
    K //= groups
    R, S = w.shape[2:]
    phases = (min(stride[0], Ho), min(stride[1], Wo)) if back else (1, 1)
    pixels = N * -(-Ho // phases[0]) * -(-Wo // phases[1])  # of the largest phase
    shape = shape_of(pixels, K)
    rows, columns = lines_of(shape)
    P = upto(K, columns)
    packed = pack(w, b, groups, C, P, back)
    steps = tuple(s // math.gcd(s, d) for s, d in zip(stride, dilation)) if back else (1, 1)
    kernel = _product(x.dtype.type, shape, back, K % 4 == 0 and y.offset % 16 == 0)
    launch(kernel, (-(-pixels // rows), P // columns * groups, phases[0] * phases[1]), threads_of(shape), x.flat, packed, y.flat,
           (N, H, W, C, P, Ho, Wo, K, groups, R, S, *stride, *padding, *dilation, *steps))
