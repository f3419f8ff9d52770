"""What attention's kernels are put together from: a block loads tiles of tokens, multiplies them, and mixes one by weights.

A block of 8 × DOWN threads stands over a tile of scores, LINES rows × COLUMNS. The thread (x, y) has the scores of rows
y, y + DOWN, y + 2·DOWN, y + 3·DOWN and of columns x, x + 8, x + 16, … in registers, and of the mixed tokens the same rows and
width / 8 numbers of each:

                 columns (keys)                         width
               x   x+8  x+16 …                       4x … 4x+3
            ┌───────────────────┐                  ┌───────────────┐
     y      │  ▪    ▪    ▪      │      mixed by    │  ▪▪▪▪         │
     y+DOWN │  ▪    ▪    ▪      │  → these scores  │  ▪▪▪▪         │
     …      │  ▪    ▪    ▪      │                  │  ▪▪▪▪         │
            │  ▪    ▪    ▪      │                  │  ▪▪▪▪         │
            └───────────────────┘                  └───────────────┘

The 8 threads of a row are in one warp. So a row's largest score takes three exchanges, and a row's weights are written to shared memory
and read from it by one warp only: `syncwarp` is enough between the two.

A warp has 8 columns × 4 rows of threads. Its 16-byte loads take one clock of shared memory for each half of it, if the 16 lanes of the
half ask for at most 8 different quads, and lanes that ask for the same one are neighbours, or neighbours but one. So lanes 2i and 2i + 1
are of one column, i and i + 2 of one row (`seat`): a half asks for quads of 8 columns, or of 2 rows.

    shapes      LINES × COLUMNS    threads    scores a thread    for
    "large"        64 × 32           128         4 × 4           forward, float32
    "medium"       32 × 32            64         4 × 4           backward, float32
    "small"        16 × 16            32         4 × 2           few tokens; float64

Tokens longer than `width` numbers are taken in slices of it. Rows in shared memory are 4 numbers longer than their `width`, so that
8 rows, 16 bytes of each, lie in 32 different banks.
"""
import functools

from ..runtime import cuda, device, load2, load4, multiply_add, store4
from ..threads import ALL

ACROSS, ROWS = 8, 4
"""Threads along a row of scores; rows of scores that a thread has."""

SHAPES = {"large": (16, 4), "medium": (8, 4), "small": (4, 2)}
"""Threads down a column (DOWN), scores of a row that a thread has."""


def lines_of(shape):
    """(rows, columns) of the tile of scores."""
    down, own = SHAPES[shape]
    return ROWS * down, ACROSS * own


def threads_of(shape):
    """Threads of a block."""
    return ACROSS * SHAPES[shape][0]


def sizes_of(width, shape):
    """Numbers in shared memory for: a tile of row tokens, one of column tokens, one of scores."""
    lines, columns = lines_of(shape)
    return lines * (width + 4), columns * (width + 4), lines * (columns + 4)


@device
def place(head, H, tokens, length, parts, part):
    """Where the first token of `head` begins, and how far it is to the next: in (B, H, tokens, length) if `parts` is 0, else in part
    `part` of (B, tokens, parts, H, length)."""
    if parts == 0:
        return head * tokens * length, length
    return ((head // H * tokens * parts + part) * H + head % H) * length, parts * H * length


@device
def seat():
    """(x, y): the thread's column and row in the block."""
    t = cuda.threadIdx.x
    return (t >> 1) % ACROSS, (t & 1) + (t >> 4) * 2


@device
def row_max(v):
    """The largest v of the 8 threads of a row, in each of them."""
    v = max(v, cuda.shfl_xor_sync(ALL, v, 8))
    v = max(v, cuda.shfl_xor_sync(ALL, v, 4))
    return max(v, cuda.shfl_xor_sync(ALL, v, 2))


@device
def row_sum(v):
    """The sum of v over the 8 threads of a row, in each of them."""
    v += cuda.shfl_xor_sync(ALL, v, 8)
    v += cuda.shfl_xor_sync(ALL, v, 4)
    return v + cuda.shfl_xor_sync(ALL, v, 2)


@functools.cache
def tile(real, width, shape, wide):
    """(load, dot, mix, put): the device functions; see each. wide: memory can be accessed by 16 bytes at all multiples of 4 numbers."""
    down, own = SHAPES[shape]
    LINES, COLUMNS = lines_of(shape)
    THREADS = threads_of(shape)
    APART, SCORES_APART = width + 4, COLUMNS + 4
    zero, none = real(0), (real(0),) * 4
    UNIT = 4 if wide else 1                      # numbers that are fetched at once
    PER_ROW = width // UNIT
    ROWS_AT_ONCE = THREADS // PER_ROW
    TIMES, TO_APART = COLUMNS // ROWS_AT_ONCE, ROWS_AT_ONCE * APART
    HELD, SCORES = TIMES * UNIT, ROWS * own
    EACH = min(4, width // ACROSS)               # mixed numbers of a row that lie together
    GROUPS = width // (ACROSS * EACH)
    MIXED = width // ACROSS                      # mixed numbers of a row that a thread has
    SUMS = ROWS * MIXED
    no_scores, nothing_mixed = (zero,) * SCORES, (zero,) * SUMS

    @device
    def load(x, start, step, rows, columns, place, to):
        """place[to + r·APART + c] = x[start + r·step + c] for COLUMNS rows of tokens, 0 beyond the first `rows` and `columns`.

        A thread has the same c in each of its rows, and fetches them all before it waits for the first.
        """
        held = cuda.local.array(HELD, real)
        r, c = cuda.threadIdx.x // PER_ROW, cuda.threadIdx.x % PER_ROW * UNIT
        rows = rows - r if c < columns else 0
        start += r * step + c
        to += r * APART + c
        for u in range(TIMES):
            if wide:
                quad = none
                if u * ROWS_AT_ONCE < rows:
                    quad = load4(x, start)
                held[u * 4] = quad[0]
                held[u * 4 + 1] = quad[1]
                held[u * 4 + 2] = quad[2]
                held[u * 4 + 3] = quad[3]
            else:
                held[u] = x[start] if u * ROWS_AT_ONCE < rows else zero
            start += ROWS_AT_ONCE * step
        for u in range(TIMES):
            if wide:
                store4(place, to + u * TO_APART, (held[u * 4], held[u * 4 + 1], held[u * 4 + 2], held[u * 4 + 3]))
            else:
                place[to + u * TO_APART] = held[u]

    @device
    def rows_of(tokens, apart, at, y):
        """Four numbers of each of the thread's rows."""
        return (load4(tokens, y * apart + at) + load4(tokens, (y + down) * apart + at) + load4(tokens, (y + 2 * down) * apart + at)
                + load4(tokens, (y + 3 * down) * apart + at))

    @device
    def columns_of(tokens, at, x):
        """Four numbers of each of the thread's columns."""
        quads = load4(tokens, x * APART + at) + load4(tokens, (x + ACROSS) * APART + at)
        if own == 2:
            return quads
        return quads + load4(tokens, (x + 2 * ACROSS) * APART + at) + load4(tokens, (x + 3 * ACROSS) * APART + at)

    @device
    def part_of(tokens, j, x):
        """The thread's part of token j."""
        if width == 64:
            return load4(tokens, j * APART + 4 * x) + load4(tokens, j * APART + 4 * x + 32)
        if width == 32:
            return load4(tokens, j * APART + 4 * x)
        return load2(tokens, j * APART + 2 * x)

    @device
    def dot(s, left, right, x, y):
        """s[r, c] += Σ_d left[row r, d] · right[column c, d] for the thread's scores."""
        sums = no_scores
        for d in range(0, width, 4):
            a, b = rows_of(left, APART, d, y), columns_of(right, d, x)
            sums = multiply_add(sums, a[0::4], b[0::4])
            sums = multiply_add(sums, a[1::4], b[1::4])
            sums = multiply_add(sums, a[2::4], b[2::4])
            sums = multiply_add(sums, a[3::4], b[3::4])
        for n in range(SCORES):
            s[n] += sums[n]

    @device
    def mix(sums, weights, tokens, x, y):
        """sums[r, e] += Σ_j weights[row r, j] · tokens[j, e] for the thread's rows, and its part of each."""
        mixed = nothing_mixed
        for j in range(0, COLUMNS, 4):
            a = rows_of(weights, SCORES_APART, j, y)
            mixed = multiply_add(mixed, a[0::4], part_of(tokens, j, x))
            mixed = multiply_add(mixed, a[1::4], part_of(tokens, j + 1, x))
            mixed = multiply_add(mixed, a[2::4], part_of(tokens, j + 2, x))
            mixed = multiply_add(mixed, a[3::4], part_of(tokens, j + 3, x))
        for n in range(SUMS):
            sums[n] += mixed[n]

    @device
    def put(sums, y_array, start, step, rows, columns, x, y):
        """y_array[start + row·step + e] = sums[r, e] for the thread's rows, and its part of each."""
        for r in range(ROWS):
            row = y + down * r
            if row < rows:
                for g in range(GROUPS):
                    e = EACH * (x + ACROSS * g)
                    if wide and EACH == 4:
                        if e < columns:
                            at = r * MIXED + 4 * g
                            store4(y_array, start + row * step + e, (sums[at], sums[at + 1], sums[at + 2], sums[at + 3]))
                    else:
                        for k in range(EACH):
                            if e + k < columns:
                                y_array[start + row * step + e + k] = sums[r * MIXED + EACH * g + k]

    return load, dot, mix, put
