"""Two things a vectorising compiler will not find by itself: a transpose in registers, and a maximum across a vector.

    transpose(x, at, step, rows, columns, t, t_step)   t[c·t_step + r] = x[at + r·step + c]
    largest(x)                                         the largest number of a one-dimensional array

A transpose written as a loop becomes scattered stores, one number each. With whole vectors it takes log₂(lanes) rounds of
two-source shuffles: round b swaps the off-diagonal b × b blocks of every 2b × 2b block.

A floating-point maximum cannot be reordered while NaNs are possible, so its loop stays scalar. The maximum of integers
can, and the bits of a float are an integer in nearly the right order: only the negative ones run backwards. (A NaN takes
the largest integer of all.)
"""
import numpy as np
from llvmlite import ir
from numba import types
from numba.extending import intrinsic, overload

from .jit import part
from .simd import VECTOR_BYTES, vector_lanes


@intrinsic
def transpose_square(typingctx, x, at, step, t, to, to_step):
    """t[to + c·to_step + r] = x[at + r·step + c] for r and c < vector_lanes(x); x and t one-dimensional, contiguous."""
    lanes = VECTOR_BYTES * 8 // x.dtype.bitwidth

    def codegen(context, builder, signature, arguments):
        x, at, step, t, to, to_step = arguments
        element = context.get_value_type(signature.args[0].dtype)
        vector = ir.VectorType(element, lanes)

        def place(array, type_, start, stride, row):
            data = context.make_array(type_)(context, builder, array).data
            offset = builder.add(start, builder.mul(stride, ir.Constant(start.type, row)))
            return builder.bitcast(builder.gep(data, [offset]), vector.as_pointer())

        rows = []
        for r in range(lanes):
            rows.append(builder.load(place(x, signature.args[0], at, step, r)))
            rows[-1].align = element_bytes
        block = 1
        while block < lanes:
            upper = [lane + lanes - block if lane & block else lane for lane in range(lanes)]
            lower = [lane + lanes if lane & block else lane + block for lane in range(lanes)]
            for r in range(lanes):
                if not r & block:
                    pair = rows[r], rows[r + block]
                    for row, picks in ((r, upper), (r + block, lower)):
                        mask = ir.Constant(ir.VectorType(ir.IntType(32), lanes), picks)
                        rows[row] = builder.shuffle_vector(*pair, mask)
            block *= 2
        for r in range(lanes):
            builder.store(rows[r], place(t, signature.args[3], to, to_step, r)).align = element_bytes
        return context.get_dummy_value()

    element_bytes = x.dtype.bitwidth // 8
    index = types.intp
    return types.void(x, index, index, t, index, index), codegen


@part
def transpose(x, at, step, rows, columns, t, t_step):
    """t[c·t_step + r] = x[at + r·step + c] for r < rows and c < columns: whole squares first, then the edges."""
    lanes = vector_lanes(x)
    whole_rows, whole_columns = rows - rows % lanes, columns - columns % lanes
    for r in range(0, whole_rows, lanes):
        for c in range(0, whole_columns, lanes):
            transpose_square(x, at + r * step + c, step, t, c * t_step + r, t_step)
        for c in range(whole_columns, columns):
            for i in range(r, r + lanes):
                t[c * t_step + i] = x[at + i * step + c]
    for r in range(whole_rows, rows):
        for c in range(columns):
            t[c * t_step + r] = x[at + r * step + c]


@part
def _largest_32(x):
    best, all_but_sign, infinity = np.int32(-2**31), np.int32(2**31 - 1), np.int32(0x7F800000)
    for i in range(len(x)):
        bits = np.float32(x[i]).view(np.int32)
        key = bits ^ ((bits >> np.int32(31)) & all_but_sign)
        key = all_but_sign if (bits & all_but_sign) > infinity else key  # the bits of a NaN
        best = key if key > best else best
    return np.int32(best ^ ((best >> np.int32(31)) & all_but_sign)).view(np.float32)


@part
def _largest_64(x):
    best, all_but_sign, infinity = np.int64(-2**63), np.int64(2**63 - 1), np.int64(0x7FF0000000000000)
    for i in range(len(x)):
        bits = np.float64(x[i]).view(np.int64)
        key = bits ^ ((bits >> np.int64(63)) & all_but_sign)
        key = all_but_sign if (bits & all_but_sign) > infinity else key  # the bits of a NaN
        best = key if key > best else best
    return np.int64(best ^ ((best >> np.int64(63)) & all_but_sign)).view(np.float64)


def largest(x):
    """The largest number of a one-dimensional array that is not empty; NaN if there is a NaN."""
    return _largest_32(x) if x.dtype == np.float32 else _largest_64(x)


@overload(largest)
def _choose_largest(x):
    if x.dtype == types.float32:
        return lambda x: _largest_32(x)
    return lambda x: _largest_64(x)
