"""Convolution backward to the filters: a product over pixels, in parts that are added in a fixed order.

    parts[z, q, k] = Σ_{m in part z} left[m, q] · dy[m, k]           left[m, q]: what place q = (r, s, c) reads for pixel m
    dw[k, q] = Σ_z parts[z, q, k],    db[k] = Σ_z Σ_{m in part z} dy[m, k]

The sum is long, a number for each pixel of the batch, and the result is small: 64 × 576 for 3 × 3 filters, 64 → 64. So the pixels are
cut into as many parts as keep the GPU busy, each block sums a tile of one part, and a second kernel adds the parts, always in the
same order. (Adding atomically into dw would save that kernel, and give other bits each time.)

                                 dy   8 pixels × 64 filters, shared
                                     ┌───────────────┐         dy[m …, k]: rows of it, by quads
                                     └───────────────┘
      left, shared      8 pixels     ┌───────────────┐
      (x, gathered):   ┌──┐          │ 128 places ×  │         128 threads, 8 × 8 sums each; the slices run over the pixels
      4 channels of    │  │ 128      │  64 filters   │         of the part, 8 at a time, while the next 8 are on their way
      a tap: a quad    └──┘ places   └───────────────┘

Who loads what: a thread's place (r, s, c) stays the same, only its pixels move on: two quads of x and one of dy for each slice, whose
channels lie side by side in memory and go side by side into shared memory. The blocks of the first places also add up dy, which they
have at hand, for the bias. What `product` says of instructions and memory holds here, too; of the filters of 64 → 64 channels,
9 · 64 / 128 = 4.5 tiles, the last tile is half empty, so that at most 90 % of the multiplications count. ptxas: 158 registers, none spilled.
"""
from .. import array
from ..runtime import cuda, device, jit, launch, load4, specialised, store4
from ..tile import depth_of, lines_of, side, slices_of, sums_of, threads_of, tile
from .product import count_up, shape_of
from .weights import add_parts, quads, upto

BLOCKS, LEAST = 1024, 64
"""Blocks that keep a GPU busy to the end, and the least number of pixels that are worth a part."""


@specialised
def _weight_grad(real, shape):
    """parts (Z, Q + 1, G·P), as in the picture above; row Q is the bias. Grid: tiles of places; of filters of all groups; parts."""
    own, multiply, _ = tile(shape)
    (ROWS, COLUMNS), DEPTH, THREADS = lines_of(shape), depth_of(shape), threads_of(shape)
    (left_slot, left_put), (right_slot, right_put) = side(ROWS, DEPTH), side(COLUMNS, DEPTH)
    LEFT_SLICE, RIGHT_SLICE = slices_of(shape)
    LEFT, RIGHT = 2 * LEFT_SLICE, 2 * RIGHT_SLICE
    two_quads, two_squares = ROWS * DEPTH == 8 * THREADS, sums_of(shape) == 64
    far_row, far_column, lines = ROWS // 2, COLUMNS // 2, 8 if two_squares else 4
    apart = RIGHT_SLICE // DEPTH
    zero, none, nothing = real(0), (real(0),) * 4, (real(0),) * sums_of(shape)

    @device
    def fetch(x, inside, n, row, column, H, W, width, c):
        """4 channels of a pixel."""
        if inside and row >= 0 and row < H and column >= 0 and column < W:
            return load4(x, ((n * H + row) * W + column) * width + c)
        return none

    @jit
    def weight_grad(dy, x, parts, sizes):
        H, W, C, P, Ho, Wo, pixels, groups, part, Q, S = sizes[:11]  # C, P: channels of a group of x and of dy
        sh, sw, ph, pw, dh, dw = sizes[11:]
        left = cuda.shared.array(LEFT, real, alignment=16)
        right = cuda.shared.array(RIGHT, real, alignment=16)
        t, z, tiles = cuda.threadIdx.x, cuda.blockIdx.z, (P + COLUMNS - 1) // COLUMNS
        g, n0, q0 = cuda.blockIdx.y // tiles, cuda.blockIdx.y % tiles * COLUMNS, cuda.blockIdx.x * ROWS
        begin = z * part
        end = min(begin + part, pixels)
        width, filters = groups * C, groups * P

        row, column = own()
        line, k = left_slot(t, False)
        _, other = left_slot(t + THREADS, False)
        d_column, d_k = right_slot(t, False)
        q = q0 + line
        tap, c = q // C, g * C + q % C
        down, across = tap // S * dh - ph, tap % S * dw - pw
        m = begin + k
        n, i, j = m // (Ho * Wo), m // Wo % Ho, m % Wo
        sums, odd, bias = nothing, 0, zero
        for first in range(begin, end + DEPTH, DEPTH):
            quad = fetch(x, q < Q and first + k < end, n, i * sh + down, j * sw + across, H, W, width, c)
            if two_quads:
                j2, i2, n2 = count_up(j + other - k, i, n, Wo, Ho)
                second = fetch(x, q < Q and first + other < end, n2, i2 * sh + down, j2 * sw + across, H, W, width, c)
            gradient = none
            if first + d_k < end and n0 + d_column < P:
                gradient = load4(dy, (first + d_k) * filters + g * P + n0 + d_column)
            if first > begin:
                sums = multiply(sums, left, odd * LEFT_SLICE, right, odd * RIGHT_SLICE, row, column)
                if q0 == 0 and t < COLUMNS:
                    for p in range(DEPTH):
                        bias += right[odd * RIGHT_SLICE + p * apart + t]
                odd = 1 - odd
            left_put(left, odd * LEFT_SLICE, line, k, False, quad)
            if two_quads:
                left_put(left, odd * LEFT_SLICE, line, other, False, second)
            right_put(right, odd * RIGHT_SLICE, d_column, d_k, False, gradient)
            cuda.syncthreads()
            j, i, n = count_up(j + DEPTH, i, n, Wo, Ho)

        corner = z * (Q + 1) * filters + g * P + n0
        for i in range(lines):
            q = q0 + (row + i if i < 4 else row + i - 4 + far_row)
            if q < Q and n0 + column < P:
                store4(parts, corner + q * filters + column, sums[:4])
            if two_squares:
                if q < Q and n0 + column + far_column < P:
                    store4(parts, corner + q * filters + column + far_column, sums[4:8])
                sums = sums[8:] + sums[:8]
            else:
                sums = sums[4:] + sums[:4]
        if q0 == 0 and t < COLUMNS and n0 + t < P:
            parts[corner + Q * filters + t] = bias
    return weight_grad


def parts_of(pixels, blocks, depth=1):
    """(parts, pixels of each, a multiple of `depth`) for a sum over `pixels`, of which each part takes `blocks` blocks."""
    parts = max(1, min(BLOCKS // blocks, pixels // LEAST))
    each = upto(-(-pixels // parts), depth)
    return -(-pixels // each), each


def weight_grad(dy, x, w_shape, stride, padding, dilation, groups):
    """dw, db of dy (N, Ho, Wo, K) and x (N, H, W, C)."""
    (x, C), (dy, P) = quads(x, groups), quads(dy, groups)
    (_, H, W, _), (N, Ho, Wo, _) = x.shape, dy.shape
    _, _, R, S = w_shape
    Q = R * S * C
    shape = shape_of(Q, P)
    rows, columns = lines_of(shape)
    grid = -(-Q // rows), -(-P // columns) * groups
    Z, part = parts_of(N * Ho * Wo, grid[0] * grid[1], depth_of(shape))
    parts = array.empty((Z, Q + 1, groups * P), x.dtype)
    launch(_weight_grad(x.dtype.type, shape), (*grid, Z), threads_of(shape), dy.flat, x.flat, parts.flat,
           (H, W, C, P, Ho, Wo, N * Ho * Wo, groups, part, Q, S, *stride, *padding, *dilation))
    return add_parts(parts, w_shape, C, P)
