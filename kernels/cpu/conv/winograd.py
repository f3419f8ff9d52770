"""Winograd convolution F(4×4, 3×3): a 3×3 filter with stride 1, with a quarter of the multiplications.

The idea, along one axis. Four outputs under a filter of three taps are the middle of a product of polynomials, and a
product of polynomials can be taken point by point: evaluate both at six points, multiply six numbers, and interpolate.
Direct: 4 · 3 = 12 multiplications; here 6. Along both axes: 144 against 36.

    y = Aᵀ [ (G w Gᵀ) ⊙ (Bᵀ d B) ] A            d: 6×6 pixels, w: 3×3 taps, y: 4×4 outputs
    dw = Gᵀ [ (Bᵀ d B) ⊙ (A dy Aᵀ) ] G          the same identity, with the roles of w and y exchanged

The points are 0, ±a, ±b and ∞. The products ⊙ are summed over input channels (for dw, in `winograd_weights`: over tiles of 4×4 outputs) *before*
they are transformed back, so at each of the 36 points there is an ordinary matrix product, and the transforms are
paid once a tile.

Why it is fast. A chunk of some dozens of tiles goes through all three steps while it lies in the second-level cache:
transformed pixels (36, tiles, C), 36 matrix products in register tiles of 14 tiles × 2 vectors of output channels, and
back. A transform is additions of whole vectors of channels: a column of six pixels is a register tile, 12 operations
take six of them to six points, and `turn` exchanges the axes without an instruction.

How exact. Points far from 1 in size cost digits. With a = √½ and b = √2 the rounding of y, dx and dw is some 8 times that of a
direct convolution (7·10⁻⁷ against 10⁻⁷ of the typical result for 64 channels), where the usual points 1 and 2 cost 16. One more
thing differs: an infinity or NaN in a pixel reaches the whole 4×4 tile, not only the outputs that see it.

Sources: S. Winograd, "Arithmetic Complexity of Computations", SIAM, 1980; A. Lavin and S. Gray, "Fast Algorithms for
Convolutional Neural Networks", CVPR 2016 (the tiling); B. Barabasz et al., "Error Analysis and Improving the Accuracy of
Winograd Convolution for Deep Neural Networks", ACM TOMS 46(4), 2020 (the choice of points).
"""
import functools

import numpy as np

from ..jit import part, precise, specialize
from ..launch import launch, numbers, unpack
from ..simd import (REGISTERS, clear_run, fetch_run, lanes_of, multiply_add, stay_whole, tile_load, tile_store, tile_zero,
                    vector_lanes)
from ..tiles import tile_store_rows, turn
from . import direct
from .direct import pad_rows

M, POINTS = 4, 36
A, B = 0.5 ** 0.5, 2.0 ** 0.5
AA, BB = 0.5, 2.0  # their squares; a²b² = 1, a² + b² = 2.5
AAA, BBB = 0.5 * A, 2.0 * B
AT_A, AT_B = 1 / (2 * AA * (AA - BB)), 1 / (2 * BB * (BB - AA))  # 1 / Π (p − q) over the other points q, for p = ±a, ±b

TALL, SHORT = (14, 8) if REGISTERS == 32 else (6, 4)
"""Rows of the register tiles: 4×4 tiles of the image."""

CHUNK = 100_000
"""Numbers that the transforms of one chunk fill: 400 KB of float32."""

FEWEST = 64
"""Tiles that are worth transforming the filters."""


# ---- the transforms, along one axis: tuples of tiles to tuples of tiles ------------------------------------------------

@precise
def _pixels(d):
    """Bᵀ: six pixels to the six points."""
    d0, d1, d2, d3, d4, d5 = d
    even_a, odd_a = d4 - BB * d2, A * (d3 - BB * d1)
    even_b, odd_b = d4 - AA * d2, B * (d3 - AA * d1)
    return (d0 - 2.5 * d2 + d4, even_a + odd_a, even_a - odd_a, even_b + odd_b, even_b - odd_b, d1 - 2.5 * d3 + d5)


@precise
def _filter(w):
    """G: three taps to the six points."""
    w0, w1, w2 = w
    even_a, odd_a = AT_A * (w0 + AA * w2), (AT_A * A) * w1
    even_b, odd_b = AT_B * (w0 + BB * w2), (AT_B * B) * w1
    return w0, even_a + odd_a, even_a - odd_a, even_b + odd_b, even_b - odd_b, w2


@precise
def _outputs(m):
    """Aᵀ: six points to four outputs."""
    m0, m1, m2, m3, m4, m5 = m
    even_a, odd_a, even_b, odd_b = m1 + m2, m1 - m2, m3 + m4, m3 - m4
    return m0 + even_a + even_b, A * odd_a + B * odd_b, AA * even_a + BB * even_b, AAA * odd_a + BBB * odd_b + m5


# ---- between memory and the points -------------------------------------------------------------------------------------

@precise
def load_points(points, at, step):
    """Point (i, j) lies at points[at + (6 i + j) step]: six tiles, a tile for every i, a row for every j."""
    down = 6 * step
    return (tile_load(points, at, step, 6, 1), tile_load(points, at + down, step, 6, 1),
            tile_load(points, at + 2 * down, step, 6, 1), tile_load(points, at + 3 * down, step, 6, 1),
            tile_load(points, at + 4 * down, step, 6, 1), tile_load(points, at + 5 * down, step, 6, 1))


@precise
def store_points(v, points, at, step):
    """The way back."""
    v0, v1, v2, v3, v4, v5 = v
    down, lanes = 6 * step, vector_lanes(points)
    tile_store(v0, points, at, step, 6, lanes)
    tile_store(v1, points, at + down, step, 6, lanes)
    tile_store(v2, points, at + 2 * down, step, 6, lanes)
    tile_store(v3, points, at + 3 * down, step, 6, lanes)
    tile_store(v4, points, at + 4 * down, step, 6, lanes)
    tile_store(v5, points, at + 5 * down, step, 6, lanes)


@part
def pixels_to_points(x, image, H, W, C, top, left, across, band, v, at, step):
    """v[at + f·step + tile·C + c] = (Bᵀ d B)[f] of a row of tiles, whose pixels begin at (top, left); outside x is 0."""
    stay_whole()
    row = (across * M + 2) * C
    pad_rows(x, image, H, W, C, top, left, 6, across * M + 2, band, np.int64(0))
    for tile in range(across):
        for c in range(0, C, vector_lanes(x)):
            p = tile * M * C + c
            d = (tile_load(band, p, C, 6, 1), tile_load(band, p + row, C, 6, 1),
                 tile_load(band, p + 2 * row, C, 6, 1), tile_load(band, p + 3 * row, C, 6, 1),
                 tile_load(band, p + 4 * row, C, 6, 1), tile_load(band, p + 5 * row, C, 6, 1))
            store_points(turn(_pixels(turn(_pixels(d)))), v, at + tile * C + c, step)


@part
def _points_to_outputs(m, at, step, K, tiles, bias, bat, y, yat, y_i, y_j, rows, columns):
    """y = bias + Aᵀ m A for K channels of a row of tiles, of whose outputs rows × columns exist."""
    stay_whole()
    for tile in range(tiles):
        for k in range(0, K, vector_lanes(y)):
            o0, o1, o2, o3 = turn(_outputs(turn(_outputs(load_points(m, at + tile * K + k, step)))))
            start, to, j = tile_load(bias, bat + k, 0, M, 1), yat + tile * M * y_j + k, columns - tile * M
            o0, o1, o2, o3 = o0 + start, o1 + start, o2 + start, o3 + start
            if rows >= M and j >= M:
                _store_whole(o0, o1, o2, o3, y, to, y_i, y_j)
            else:
                tile_store_rows(o0, y, to, y_j, 0, j)
                tile_store_rows(o1, y, to + y_i, y_j, 0, j if rows > 1 else 0)
                tile_store_rows(o2, y, to + 2 * y_i, y_j, 0, j if rows > 2 else 0)
                tile_store_rows(o3, y, to + 3 * y_i, y_j, 0, j if rows > 3 else 0)


@precise
def _store_whole(o0, o1, o2, o3, y, to, y_i, y_j):
    tile_store(o0, y, to, y_j, M, vector_lanes(y))
    tile_store(o1, y, to + y_i, y_j, M, vector_lanes(y))
    tile_store(o2, y, to + 2 * y_i, y_j, M, vector_lanes(y))
    tile_store(o3, y, to + 3 * y_i, y_j, M, vector_lanes(y))


# ---- forward, and backward to the input --------------------------------------------------------------------------------

@part
def _filters_to_points(t, given, packed, points):
    """Panel t: points[panel][f][c][lane] of packed[panel][r][s][c][lane]."""
    C, K, V = unpack(given, 3)
    width = min(2 * V, K - t * 2 * V)
    at, to = t * 2 * V * C * 9, t * 2 * V * C * POINTS
    step = C * width
    for e in range(0, step, V):
        w = (tile_load(packed, at + e, step, 3, 1), tile_load(packed, at + e + 3 * step, step, 3, 1),
             tile_load(packed, at + e + 6 * step, step, 3, 1))
        store_points(turn(_filter(turn(_filter(w)))), points, to + e, step)


def pack(w, sizes, start, steps):
    """Filters as `direct.pack` takes them, transformed: flat [panel][point][c][lane]."""
    _, K, C, _, _ = sizes
    V = lanes_of(w.dtype)
    points = np.empty(K * C * POINTS, w.dtype)
    launch(_filters_to_points, -(-K // (2 * V)), numbers(C, K, V), direct.pack(w, sizes, start, steps), points,
           work=points.size)
    return points


def _products(v, C, tiles, step, u, uat, m, m_step, x, ahead, y, behind):
    """m[f][tile][lane] = Σ_c v[f][tile][c] · u[f][c][lane], for one panel of output channels.

    Meanwhile the next chunk's pixels and the place of this chunk's outputs are fetched: (begin, numbers for each point).
    """
    stay_whole()
    width = VECTORS * vector_lanes(v)
    for f in range(POINTS):
        fetch_run(x, ahead[0] + f * ahead[1], ahead[1])
        fetch_run(y, behind[0] + f * behind[1], behind[1])
        for t in range(0, tiles, ROWS):
            total = tile_zero(v, ROWS, VECTORS)
            at, uf = f * step + t * C, uat + f * C * width
            for c in range(C):
                total = multiply_add(total, v, at + c, C, u, uf + c * width, vector_lanes(v))
            tile_store(total, m, f * m_step + t * width, width, ROWS, width)


_tall_wide = specialize(_products, "_tall_wide", part, ROWS=TALL, VECTORS=2)
_short_wide = specialize(_products, "_short_wide", part, ROWS=SHORT, VECTORS=2)
_tall_narrow = specialize(_products, "_tall_narrow", part, ROWS=TALL, VECTORS=1)
_short_narrow = specialize(_products, "_short_narrow", part, ROWS=SHORT, VECTORS=1)


@part
def _one_chunk(job, given, x, u, bias, y):
    """`chunk` rows of tiles, from the transforms to the outputs; see `_plan` for the numbers."""
    (N, H, W, C, Ho, Wo, K, ph, pw, y_start, y_n, y_i, y_j, tall, chunk, v_step, m_step) = unpack(given, 17)
    V, down, across = vector_lanes(x), (Ho + M - 1) // M, (Wo + M - 1) // M
    first, last = job * chunk, min((job + 1) * chunk, N * down)
    v, m = np.empty(POINTS * v_step, x.dtype), np.empty(POINTS * m_step, x.dtype)
    band, tiles = np.empty(6 * (across * M + 2) * C, x.dtype), (last - first) * across
    for f in range(POINTS):  # results of the last rows of a register tile may be unused, but must not be slow numbers
        clear_run(v, f * v_step + tiles * C, v_step - tiles * C)
    for q in range(first, last):
        pixels_to_points(x, q // down * H * W * C, H, W, C, q % down * M - ph, -pw, across, band,
                          v, (q - first) * across * C, v_step)
    ahead = (last // down * H + last % down * M) * W * C, chunk * M * W * C // POINTS
    behind = y_start + first // down * y_n + first % down * M * y_i, chunk * M * y_i // POINTS
    for k in range(0, K, 2 * V):
        width = min(2 * V, K - k)
        if k > 0:
            ahead, behind = (0, 0), (0, 0)
        if tall and width > V:
            _tall_wide(v, C, tiles, v_step, u, k * C * POINTS, m, m_step, x, ahead, y, behind)
        elif tall:
            _tall_narrow(v, C, tiles, v_step, u, k * C * POINTS, m, m_step, x, ahead, y, behind)
        elif width > V:
            _short_wide(v, C, tiles, v_step, u, k * C * POINTS, m, m_step, x, ahead, y, behind)
        else:
            _short_narrow(v, C, tiles, v_step, u, k * C * POINTS, m, m_step, x, ahead, y, behind)
        for q in range(first, last):
            i = q % down * M
            _points_to_outputs(m, (q - first) * across * width, m_step, width, across, bias, k,
                               y, y_start + q // down * y_n + i * y_i + k, y_i, y_j, Ho - i, Wo)


def _cut(rows, across, numbers_of_a_tile):
    """(whether the register tiles are tall, rows of tiles of a chunk): as few idle rows of register tiles as can be."""
    best = None
    most = max(1, min(CHUNK // (POINTS * numbers_of_a_tile * across), rows // 16))
    for tall, height in ((True, TALL), (False, SHORT)):
        for chunk in range(1, most + 1):
            computed = -(-chunk * across // height) * height * (rows / chunk)
            cost = computed * (1 if tall else 1.05) + 4 * rows / chunk  # a chunk costs something itself
            if best is None or cost < best[0]:
                best = cost, tall, chunk
    return best[1:]


@functools.lru_cache(maxsize=4096)
def suits(x_shape, w_shape, stride, padding, dilation, groups, dtype, fewest=FEWEST):
    """Whether this path pays: 3×3 taps without gaps, whole vectors of channels, and enough outputs for the transforms.

    By instructions of a core for a 4×4 tile: a direct convolution multiplies its outputs (fewer than 16 where the image
    does not consist of whole tiles) by 9 taps; here it is 36 points, and the transforms, measured.
    """
    N, H, W, C = x_shape
    K, _, R, S = w_shape
    V = lanes_of(dtype)
    if (R, S, *stride, *dilation, groups) != (3, 3, 1, 1, 1, 1, 1) or C % V or K % V:
        return False
    Ho, Wo = H + 2 * padding[0] - 2, W + 2 * padding[1] - 2
    tiles = -(-Ho // M) * -(-Wo // M)
    return N * tiles >= fewest and 9 * Ho * Wo * C * K > 1.1 * tiles * (POINTS * C * K + 350 * C + 200 * K)


@functools.lru_cache(maxsize=4096)
def _plan(image, outputs, taps, layout, V):
    """How the work is cut: tasks, nanoseconds, and the numbers of `_one_chunk`."""
    N, H, W, _, C = image
    Ho, Wo, K = outputs
    down, across = -(-Ho // M), -(-Wo // M)
    tall, chunk = _cut(N * down, across, C + 2 * V)
    height = TALL if tall else SHORT
    tiles = -(-chunk * across // height) * height
    steps = tiles * C + V, tiles * 2 * V + V  # odd numbers of vectors: the points of one tile fall into different cache sets
    return -(-N * down // chunk), N * down * across * POINTS * C * K // (4 * V), numbers(
        N, H, W, C, Ho, Wo, K, *taps[4:6], *layout, tall, chunk, *steps)


def convolve(x, packed, bias, y, image, outputs, taps, layout):
    """As `direct.convolve`, for filters of `pack`."""
    tasks, work, given = _plan(image, outputs, taps, layout, lanes_of(x.dtype))
    launch(_one_chunk, tasks, given, x, packed, bias, y, work=work)


def forward(x, w, b, padding, y):
    """y (N, Ho, Wo, K) of x (N, H, W, C), w (K, C, 3, 3), b (K,) or None."""
    N, H, W, C = x.shape
    _, Ho, Wo, K = y.shape
    packed = pack(w, (1, K, C, 3, 3), 0, (0, C * 9, 9, 3, 1))
    bias = direct.no_bias(K, x.dtype) if b is None else b
    convolve(x, packed, bias, y, (N, H, W, 1, C), (Ho, Wo, K), (3, 3, 1, 1, *padding, 1, 1),
             (0, Ho * Wo * K, Wo * K, K))


def backward_input(dy, w, padding, dx):
    """dx (N, H, W, C) of dy (N, Ho, Wo, K): a convolution of dy with turned filters."""
    direct.backward_input(dy, w, (1, 1), padding, (1, 1), 1, dx, convolve, pack)
