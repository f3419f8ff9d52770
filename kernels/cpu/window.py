"""Windows that tile an image, a vector of channels at a time: the largest of a window, and what is written back to its pixels.

    window_max(x, at, row, pixel, rows, columns, y, to, places)           y[to + l] = max over r, s of x[at + r·row + s·pixel + l],
                                                                          places[to + l] = r·columns + s of the first that is it
    window_max_of(x, …, places, mean, scale, bias, c, winners)            the same of z = (x − mean)·scale + bias at channel c + l;
                                                                          y is max(0, z), and the x that won is kept in `winners`
    window_spread(dy, from, places, dx, at, row, pixel, rows, columns)    dx[at + r·row + s·pixel + l] = dy[from + l] where
                                                                          places[from + l] = r·columns + s, else 0
    window_spread_of(dy, …, x, winners, mean, scale, bias, slope, offset, c)   batch norm's gradient of that, at channel c + l

for l < vector_lanes(x): one vector register. Arrays are one-dimensional and contiguous, nothing is checked. A NaN wins.

Why not loops: for windows of 2 × 2 LLVM would vectorise the loop over channels with a check before it whether any two of six
arrays overlap, and 32 channels are two turns of that loop. And a loop that scatters dy by index cannot be vectorised at all,
whereas here every pixel's vector is made by a comparison and written once.
"""
from llvmlite import ir
from numba import types
from numba.core import cgutils
from numba.extending import intrinsic

from .simd import VECTOR_BYTES


class _Vectors:
    """What the intrinsics below say to LLVM, for one element type."""

    def __init__(self, context, builder, types_, values):
        self.context, self.builder, self.types, self.values = context, builder, types_, values
        self.element = context.get_value_type(types_[0].dtype)
        self.bytes = types_[0].dtype.bitwidth // 8
        self.lanes = VECTOR_BYTES // self.bytes
        self.vector = ir.VectorType(self.element, self.lanes)
        self.places = ir.VectorType(ir.IntType(8), self.lanes)

    def pointer(self, array, at, vector):
        """The address of a vector that begins at number `at` of the array given as number `array`."""
        data = self.context.make_array(self.types[array])(self.context, self.builder, self.values[array]).data
        return self.builder.bitcast(self.builder.gep(data, [at]), vector.as_pointer())

    def load(self, array, at, vector=None):
        loaded = self.builder.load(self.pointer(array, at, vector or self.vector))
        loaded.align = 1 if vector is self.places else self.bytes
        return loaded

    def store(self, value, array, at):
        self.builder.store(value, self.pointer(array, at, value.type)).align = 1 if value.type == self.places else self.bytes

    def everywhere(self, number, vector):
        """A vector that holds `number` in every lane."""
        nothing, first = ir.Constant(vector, ir.Undefined), ir.Constant(ir.IntType(32), 0)
        lanes = ir.Constant(ir.VectorType(ir.IntType(32), self.lanes), [0] * self.lanes)
        return self.builder.shuffle_vector(self.builder.insert_element(nothing, number, first), nothing, lanes)

    def fused(self, a, b, c):
        function = cgutils.get_or_insert_function(
            self.builder.module, ir.FunctionType(self.vector, [self.vector] * 3),
            f"llvm.fmuladd.v{self.lanes}f{8 * self.bytes}")
        return self.builder.call(function, [a, b, c])

    def taps(self, at, row, pixel, rows, columns):
        """Run over the pixels of a window: yields (where its vector begins, its place as a vector)."""
        b = self.builder
        with cgutils.for_range(b, rows) as r, cgutils.for_range(b, columns) as s:
            place = b.trunc(b.add(b.mul(r.index, columns), s.index), ir.IntType(8))
            yield b.add(at, b.add(b.mul(r.index, row), b.mul(s.index, pixel))), self.everywhere(place, self.places)

    def window_max(self, at, row, pixel, rows, columns, seen):
        """(the largest of what `seen` makes of the vectors, the vector it was made of, its place)."""
        b = self.builder
        best, winner = (cgutils.alloca_once(b, self.vector) for _ in range(2))
        place = cgutils.alloca_once(b, self.places)
        first = self.load(0, at)
        b.store(seen(first), best), b.store(first, winner), b.store(ir.Constant(self.places, None), place)
        for where, here in self.taps(at, row, pixel, rows, columns):
            x, old = self.load(0, where), b.load(best)
            z = seen(x)
            better = b.or_(b.fcmp_ordered(">", z, old), b.fcmp_unordered("uno", z, z))
            b.store(b.select(better, z, old), best)
            b.store(b.select(better, x, b.load(winner)), winner)
            b.store(b.select(better, here, b.load(place)), place)
        return b.load(best), b.load(winner), b.load(place)


@intrinsic
def window_max(typingctx, x, at, row, pixel, rows, columns, y, to, places):
    """y = the largest of a window of x, places = where it stood; see above."""

    def codegen(context, builder, signature, arguments):
        v = _Vectors(context, builder, signature.args, arguments)
        _, at, row, pixel, rows, columns, _, to, _ = arguments
        best, _, place = v.window_max(at, row, pixel, rows, columns, lambda x: x)
        v.store(best, 6, to), v.store(place, 8, to)
        return context.get_dummy_value()

    index = types.intp
    return types.void(x, index, index, index, index, index, y, index, places), codegen


@intrinsic
def window_max_of(typingctx, x, at, row, pixel, rows, columns, y, to, places, mean, scale, bias, c, winners):
    """y = max(0, the largest (x − mean)·scale + bias of a window), winners = that x, places = where it stood; see above."""

    def codegen(context, builder, signature, arguments):
        v = _Vectors(context, builder, signature.args, arguments)
        _, at, row, pixel, rows, columns, _, to, _, _, _, _, c, _ = arguments
        mean, scale, bias = (v.load(i, c) for i in (9, 10, 11))
        best, winner, place = v.window_max(at, row, pixel, rows, columns, lambda x: v.fused(builder.fsub(x, mean), scale, bias))
        zero = ir.Constant(v.vector, None)
        v.store(builder.select(builder.fcmp_ordered("<", best, zero), zero, best), 6, to)  # NaN stays NaN
        v.store(winner, 13, to), v.store(place, 8, to)
        return context.get_dummy_value()

    index = types.intp
    return types.void(x, index, index, index, index, index, y, index, places, mean, scale, bias, index, winners), codegen


@intrinsic
def window_spread(typingctx, dy, to, places, dx, at, row, pixel, rows, columns):
    """dx = dy where it came from, else 0; see above."""

    def codegen(context, builder, signature, arguments):
        v = _Vectors(context, builder, signature.args, arguments)
        _, to, _, _, at, row, pixel, rows, columns = arguments
        g, place, zero = v.load(0, to), v.load(2, to, v.places), ir.Constant(v.vector, None)
        for where, here in v.taps(at, row, pixel, rows, columns):
            v.store(builder.select(builder.icmp_unsigned("==", place, here), g, zero), 3, where)
        return context.get_dummy_value()

    index = types.intp
    return types.void(dy, index, places, dx, index, index, index, index, index), codegen


@intrinsic
def window_spread_of(typingctx, dy, to, places, dx, at, row, pixel, rows, columns, x, winners, mean, scale, bias, slope, offset, c):
    """dx = g·scale + (x − mean)·slope + offset, where g = dy where it came from and max(0, ·) let it through, else 0."""

    def codegen(context, builder, signature, arguments):
        v = _Vectors(context, builder, signature.args, arguments)
        _, to, _, _, at, row, pixel, rows, columns, *_, c = arguments
        place, zero = v.load(2, to, v.places), ir.Constant(v.vector, None)
        mean, scale, bias, slope, offset = (v.load(i, c) for i in range(11, 16))
        z = v.fused(builder.fsub(v.load(10, to), mean), scale, bias)
        g = builder.fmul(builder.select(builder.fcmp_ordered(">", z, zero), v.load(0, to), zero), scale)
        for where, here in v.taps(at, row, pixel, rows, columns):
            rest = v.fused(builder.fsub(v.load(9, where), mean), slope, offset)
            came = builder.icmp_unsigned("==", place, here)
            v.store(builder.fadd(builder.select(came, g, zero), rest), 3, where)
        return context.get_dummy_value()

    i = types.intp
    return types.void(dy, i, places, dx, i, i, i, i, i, x, winners, mean, scale, bias, slope, offset, i), codegen
