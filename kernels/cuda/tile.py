"""The inner loop of every product on the GPU: a block of threads computes a tile of Σ_k left[m, k] · right[k, n].

Why tiles. A multiply-add needs two numbers; the memory of an H100 delivers one number in the time of some 80 of them. So every
number that is fetched must be used many times: first by the block, which keeps two thin slices of its operands in shared memory
and uses each number for a whole line of its tile; then by the thread, which keeps the sums of its own part of the tile, and a few
numbers of both slices, in registers:

    right, shared:  DEPTH × 128                             the tile of a block and the sums of one of its threads
            ┌────────────────────────┐                      ("large"; the thread has four squares of 4 × 4,
            └────────────────────────┘                      64 lines apart)
    left,   ┌────────────────────────┐                                 n →
    shared: │  ▓▓          ▓▓        │                      ▓▓ += a column of 4 + 4 numbers of left
    128 ×   │                        │                            times a row of 4 + 4 numbers of right:
    DEPTH   │                        │                            64 multiply-adds for 4 loads of 16 bytes
            │  ▓▓          ▓▓        │
            └────────────────────────┘

Who loads what. For each slice a thread fetches a quad (4 numbers) of left ("tall": two) and one of right. Where memory runs along
the tile's lines ("straight") these are 4 neighbouring lines at one k; where it runs along k ("turned"), 4 neighbouring k of one line,
which go to four rows of the slice. Slices lie in shared memory as [k][line] either way, twice: while one is multiplied the next is on its
way through registers to the other, and one barrier a slice is enough.

    shapes     tile        threads    sums a thread    DEPTH    multiply-adds for a shared load of 16 bytes (float32)
    "large"    128 × 128   256        8 × 8             8       16
    "tall"     128 × 64    128        8 × 8             8       16
    "medium"    64 × 64    256        4 × 4            16        8
    "small"     32 × 32     64        4 × 4             8        8

Reckoned for an H100 (nobody has measured it here). An SM multiplies and adds 128 numbers a clock, and reads 128 bytes of shared
memory a clock. A warp's 16-byte loads take one clock for each half of it, if the 16 lanes of the half ask for at most 8 different
quads and lanes that ask for the same are neighbours (or neighbours but one); the order of lanes in `_lane` sees to that: a half has
8 rows × 2 columns of threads. So for one k a warp of "large" takes 4 loads · 2 clocks = 8, and the four warps that the SM feeds at
a time 32, in the 64 clocks that its 64 multiply-adds a lane take: the multiplier, not shared memory, is the limit. Stores into
shared memory: a straight quad is one store of 16 bytes; the four of a turned one meet no bank twice, since rows of the slice are
4 numbers longer than the tile (2 lanes meet in "medium"). Global memory: a tile of 128 × 128 makes 64 multiply-adds of a number
fetched: 67 TFLOP/s would take 0.5 TB/s from memory even if the second-level cache kept nothing.

Registers: 64 sums, 32 numbers at work, 8 on their way, and addresses. Kernels are to be compiled for at most 128 (`max_registers`), so
that two blocks (16 warps) share an SM and one computes while the other waits at its barrier; ptxas 13.0 finds room in 126 for
sm_90, and stores none of them away. In that machine code of `matmul`'s "large" tile, a warp issues some 720 instructions for a slice,
512 of which are the multiply-adds (146 in a turn of the inner loop, 128 of which are): 71% of the peak, if no warp ever had to wait.

Sums run over k in order, each by fused multiply-adds: the bits do not depend on the shape of the tile.

Sources: V. Volkov and J. Demmel, "Benchmarking GPUs to tune dense linear algebra", SC 2008; S. Gray, maxas, "SGEMM" (2014), for the
order of lanes; A. Kerr et al., "CUTLASS: fast linear algebra in CUDA C++", NVIDIA blog (2017).
"""
import functools

from .runtime import cuda, device, load4, multiply_add, store4

SHAPES = {"large": (2, 4, 2, 8), "tall": (2, 2, 2, 8), "medium": (2, 4, 1, 16), "small": (1, 2, 1, 8)}
"""Warps along m, warps along n, how many squares of 4 × 4 a thread has in each direction, and DEPTH."""


def lines_of(shape):
    """(rows, columns) of the tile."""
    down, across, squares, _ = SHAPES[shape]
    return 32 * down * squares, 16 * across * squares


def threads_of(shape):
    """Threads of a block."""
    down, across, _, _ = SHAPES[shape]
    return 32 * down * across


def depth_of(shape):
    """Numbers of k in a slice."""
    return SHAPES[shape][3]


def sums_of(shape):
    """Sums of a thread."""
    return 16 * SHAPES[shape][2] ** 2


def slices_of(shape):
    """(numbers of a slice of left, of right), with what lies unused between lines."""
    return tuple(depth_of(shape) * (lines + APART) for lines in lines_of(shape))


APART = 4
"""Numbers unused from one k of a slice to the next: the parts of a turned quad then fall into different banks."""


@device
def store_quad(quad, y, to, n, N, wide):
    """y[to …] = the quad, whose first number is of column n of N."""
    if wide:
        if n < N:
            store4(y, to, quad)
    else:
        if n < N:
            y[to] = quad[0]
        if n + 1 < N:
            y[to + 1] = quad[1]
        if n + 2 < N:
            y[to + 2] = quad[2]
        if n + 3 < N:
            y[to + 3] = quad[3]


@functools.cache
def side(lines, depth):
    """(slot, put) of an operand whose slices have `lines` lines and `depth` numbers of k: how quads get into shared memory."""
    quads, deep, apart = lines // 4, depth // 4, lines + APART

    @device
    def slot(t, turned):
        """(line, k) in the slice of quad number t: those of neighbouring threads are neighbours in memory."""
        if turned:
            return t // deep, t % deep * 4
        return t % quads * 4, t // quads

    @device
    def put(place, at, line, k, turned, quad):
        """Write a quad into the slice that begins at `at`."""
        to = at + k * apart + line
        if turned:
            place[to] = quad[0]
            place[to + apart] = quad[1]
            place[to + 2 * apart] = quad[2]
            place[to + 3 * apart] = quad[3]
        else:
            store4(place, to, quad)

    return slot, put


@functools.cache
def tile(shape):
    """(own, multiply, store): the device functions with which kernels sum a tile, besides those of its two sides; see each.

    A kernel has, with LEFT and RIGHT = 2 · slices_of(shape) and nothing = (real(0),) * sums_of(shape) as constants of its factory:

        left, right = cuda.shared.array(LEFT, real, alignment=16), and one of RIGHT
        fetch a quad of both; put them into slices 0; syncthreads
        for each slice:   fetch the next;   sums = multiply(sums, left, …);   put what was fetched into the other slices;   syncthreads
        store(sums, y, …)
    """
    _, across, squares, depth = SHAPES[shape]
    rows, columns = lines_of(shape)
    left_apart, right_apart = rows + APART, columns + APART
    down_far, right_far = rows // 2, columns // 2  # from a thread's first square to its next
    two = squares == 2

    @device
    def own():
        """(row, column) in the tile of the thread's first sum."""
        lane, warp = cuda.threadIdx.x & 31, cuda.threadIdx.x >> 5
        row = (lane >> 1) & 7
        column = (lane & 1) | (lane >> 4 << 1)  # lanes 2i and 2i + 1 are of one row, i and i + 2 of one column
        return ((warp // across) * 8 + row) * 4, ((warp % across) * 4 + column) * 4

    @device
    def multiply(sums, left, left_at, right, right_at, row, column):
        """The thread's sums, and what the slices of left and right at these places add to them."""
        for k in range(0, depth, 2):  # two by hand, which the compiler does not do: the loads of one run while the other multiplies
            a, b = left_at + k * left_apart + row, right_at + k * right_apart + column
            c, d = a + left_apart, b + right_apart
            if two:
                sums = multiply_add(sums, load4(left, a) + load4(left, a + down_far), load4(right, b) + load4(right, b + right_far))
                sums = multiply_add(sums, load4(left, c) + load4(left, c + down_far), load4(right, d) + load4(right, d + right_far))
            else:
                sums = multiply_add(sums, load4(left, a), load4(right, b))
                sums = multiply_add(sums, load4(left, c), load4(right, d))
        return sums

    @device
    def store(sums, y, start, m, n, M, N, wide):
        """Write the thread's sums to the matrix (M, N) that begins at `start`; m, n: where in it the thread's first sum is.

        The tuple of sums goes round by a row a turn, so that its first ones are always those to write.
        """
        for i in range(4 * squares):
            line = m + i if i < 4 else m + i - 4 + down_far
            if line < M:
                store_quad(sums[0:4], y, start + line * N + n, n, N, wide)
                if two:
                    store_quad(sums[4:8], y, start + line * N + n + right_far, n + right_far, N, wide)
            if two:
                sums = sums[8:] + sums[:8]
            else:
                sums = sums[4:] + sums[:4]

    return own, multiply, store
