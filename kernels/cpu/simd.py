"""What speaks LLVM: a register tile, and the few things a kernel does with it (`tiles` and `window` say a little more).

A core can multiply and add 16 floats in one instruction and finish two of those every cycle, but it can only *load* two
vectors in that time. A loop that loads its operands for every multiplication therefore waits for memory; a loop that
keeps a block of results in vector registers and uses every loaded number several times does not. Such a block is a
*tile* of ROWS × VECTORS registers, and the whole vocabulary is

    tile = tile_zero(like, ROWS, VECTORS)                      all zeros
    tile = tile_load(b, at, step, ROWS, VECTORS)               tile[m, v] = vector at b[at + m·step + v·lanes]
    tile = multiply_add(tile, a, at, step, b, bat, bstep)      tile[m, v] += a[at + m·step] · vector at b[bat + v·bstep]
    steps = rows_apart(step, ROWS)                             (0, step, 2·step, …): may stand for step in multiply_add
    tile = multiply_add_lanes(tile, a, at, step, b, bat)       tile[m, v] += vector at a[at + m·step + v·lanes], lane by
                                                               lane times the one at b[bat + v·lanes]
    tile = slide(tile, x, at, step, A, b, bat, bstep, B, N)    tile[m, v] += Σ_{n<N} vector at x[at + (m·A + n·B)·step +
                                                               v·lanes], lane by lane times b[bat + n·bstep + v·lanes]
    tile_store(tile, y, at, step, rows, lanes)                 y[at + m·step + l] = tile[m, l], m < rows and l < lanes
    tile_add(tile, y, at, step, rows, lanes)                   y[at + m·step + l] += tile[m, l]
    vector_lanes(x)                                            numbers of x.dtype in one vector, a constant
    copy_run(x, at, y, yat, count)                             y[yat + e] = x[at + e] for e < count
    clear_run(y, at, count)                                    y[at + e] = 0 for e < count
    fetch_run(x, at, count)                                    x[at + e] for e < count are wanted soon; changes nothing
    take(x, at), put(y, at, number)                            x[at] and y[at] = number
    stay_whole()                                               the function that says this is never inlined

Arrays are one-dimensional and contiguous, ``at`` and the steps count elements, nothing is checked. ROWS, VECTORS, A, B
and N must be constants. `multiply_add` is an outer product: ROWS broadcast numbers and VECTORS loaded vectors make
ROWS·VECTORS fused multiply-adds. In `slide` neighbouring rows of the tile want the same vectors of x, and each is loaded
once. Everything above it (which numbers, in which order) is ordinary Python, compiled by Numba: the tile is a Numba type
whose value is an LLVM array of vectors, which LLVM's optimiser takes apart into registers.

Every result is one accumulator to which products are added in loop order, so neither the tile's size nor the number
of threads changes a bit of it.

The vector's length is asked of the machine: 64 bytes with AVX-512, 32 with AVX2, else 16 (SSE, NEON).
TINYATTN_VECTOR_BYTES overrides it (any power of two from 16 is correct on any machine: LLVM splits what does not fit).
Source: K. Goto and R. van de Geijn, "Anatomy of high-performance matrix multiplication", ACM TOMS 34(3), 2008.
"""
import os

import numba
from llvmlite import binding, ir
from numba import types
from numba.core import cgutils
from numba.extending import intrinsic, models, register_model


def _machine():
    """(bytes of a vector register, number of vector registers) of the machine that Numba compiles for."""
    chosen = os.environ.get("TINYATTN_VECTOR_BYTES")
    if numba.config.CPU_NAME:  # somebody pretends to have another processor
        features = numba.config.CPU_FEATURES or ("+avx2" if numba.config.CPU_NAME == "haswell" else "")
        have = {f[1:] for f in features.split(",") if f.startswith("+")}
    else:
        have = {name for name, there in binding.get_host_cpu_features().items() if there}
    size = 64 if "avx512f" in have else 32 if "avx2" in have else 16
    registers = 32 if "avx512f" in have or "neon" in have or "asimd" in have else 16
    return int(chosen) if chosen else size, registers


VECTOR_BYTES, REGISTERS = _machine()


def lanes_of(dtype):
    """Numbers of a NumPy dtype in one vector."""
    return VECTOR_BYTES // dtype.itemsize


class TileType(types.Type):
    """ROWS × VECTORS vector registers of one element type."""

    def __init__(self, dtype, rows, vectors):
        self.dtype, self.rows, self.vectors = dtype, rows, vectors
        self.lanes = VECTOR_BYTES * 8 // dtype.bitwidth
        super().__init__(name=f"tile({dtype}, {rows}, {vectors}, {self.lanes})")

    @property
    def cells(self):
        """Every (m, v), in storage order."""
        return [(m, v) for m in range(self.rows) for v in range(self.vectors)]

    @property
    def element(self):
        return ir.FloatType() if self.dtype == types.float32 else ir.DoubleType()

    @property
    def vector(self):
        return ir.VectorType(self.element, self.lanes)

    @property
    def value(self):
        return ir.ArrayType(self.vector, self.rows * self.vectors)


@register_model(TileType)
class _TileModel(models.PrimitiveModel):
    def __init__(self, manager, tile):
        super().__init__(manager, tile, tile.value)


def _int(number):
    return ir.Constant(ir.IntType(64), number)


def _at(builder, pointer, offset):
    return builder.gep(pointer, [offset if isinstance(offset, ir.Value) else _int(offset)])


def _load_vector(builder, tile, pointer):
    load = builder.load(builder.bitcast(pointer, tile.vector.as_pointer()))
    load.align = tile.dtype.bitwidth // 8  # nothing is aligned to whole vectors
    return load


def _store_vector(builder, tile, vector, pointer):
    builder.store(vector, builder.bitcast(pointer, tile.vector.as_pointer())).align = tile.dtype.bitwidth // 8


def _broadcast(builder, tile, number):
    nothing, first = ir.Constant(tile.vector, ir.Undefined), ir.Constant(ir.IntType(32), 0)
    everywhere = ir.Constant(ir.VectorType(ir.IntType(32), tile.lanes), [0] * tile.lanes)
    return builder.shuffle_vector(builder.insert_element(nothing, number, first), nothing, everywhere)


def _fused(builder, tile):
    """LLVM's a·b + c of whole vectors, one instruction where the machine has it."""
    return cgutils.get_or_insert_function(
        builder.module, ir.FunctionType(tile.vector, [tile.vector] * 3),
        f"llvm.fmuladd.v{tile.lanes}f{tile.dtype.bitwidth}")


def _data(context, builder, type_, array):
    return context.make_array(type_)(context, builder, array).data


@intrinsic
def vector_lanes(typingctx, array):
    """Numbers of the array's dtype in one vector, as a constant."""
    lanes = VECTOR_BYTES * 8 // array.dtype.bitwidth
    return types.intp(array), lambda context, builder, signature, arguments: _int(lanes)


@intrinsic
def take(typingctx, array, at):
    """array[at], without Numba's test for negative indices, which keeps loops from being vectorised."""

    def codegen(context, builder, signature, arguments):
        return builder.load(_at(builder, _data(context, builder, signature.args[0], arguments[0]), arguments[1]))

    return array.dtype(array, types.intp), codegen


@intrinsic
def put(typingctx, array, at, number):
    """array[at] = number, without Numba's test for negative indices."""

    def codegen(context, builder, signature, arguments):
        place = _at(builder, _data(context, builder, signature.args[0], arguments[0]), arguments[1])
        builder.store(arguments[2], place)
        return context.get_dummy_value()

    return types.void(array, types.intp, array.dtype), codegen


@intrinsic
def copy_run(typingctx, source, at, target, target_at, count):
    """target[target_at + e] = source[at + e] for e < count, without Numba's test for negative indices."""

    def codegen(context, builder, signature, arguments):
        start = _at(builder, _data(context, builder, signature.args[0], arguments[0]), arguments[1])
        place = _at(builder, _data(context, builder, signature.args[2], arguments[2]), arguments[3])
        cgutils.raw_memcpy(builder, place, start, arguments[4], _int(source.dtype.bitwidth // 8))
        return context.get_dummy_value()

    return types.void(source, types.intp, target, types.intp, types.intp), codegen


@intrinsic
def clear_run(typingctx, target, at, count):
    """target[at + e] = 0 for e < count."""

    def codegen(context, builder, signature, arguments):
        place = _at(builder, _data(context, builder, signature.args[0], arguments[0]), arguments[1])
        cgutils.memset(builder, place, builder.mul(arguments[2], _int(target.dtype.bitwidth // 8)), 0)
        return context.get_dummy_value()

    return types.void(target, types.intp, types.intp), codegen


@intrinsic
def fetch_run(typingctx, array, at, count):
    """Ask for the cache lines of array[at + e], e < count: beyond the array too nothing happens but a wasted request."""

    def codegen(context, builder, signature, arguments):
        kind = ir.IntType(8).as_pointer()
        prefetch = cgutils.get_or_insert_function(
            builder.module, ir.FunctionType(ir.VoidType(), [kind] + [ir.IntType(32)] * 3), "llvm.prefetch.p0")
        start = _at(builder, _data(context, builder, signature.args[0], arguments[0]), arguments[1])
        start = builder.bitcast(start, kind)
        size = builder.mul(arguments[2], _int(array.dtype.bitwidth // 8))
        with cgutils.for_range_slice(builder, _int(0), size, _int(64)) as (offset, _):
            read, near, data = (ir.Constant(ir.IntType(32), number) for number in (0, 2, 1))
            builder.call(prefetch, [builder.gep(start, [offset]), read, near, data])
        return context.get_dummy_value()

    return types.void(array, types.intp, types.intp), codegen


@intrinsic
def stay_whole(typingctx):
    """Keep LLVM from inlining the function that calls this: its loops are then optimised once, not in every caller."""

    def codegen(context, builder, signature, arguments):
        builder.function.attributes.add("noinline")
        return context.get_dummy_value()

    return types.void(), codegen


@intrinsic(prefer_literal=True)
def tile_zero(typingctx, like, rows, vectors):
    """A tile of zeros of the dtype of the array `like`."""
    tile = TileType(like.dtype, rows.literal_value, vectors.literal_value)

    def codegen(context, builder, signature, arguments):
        return ir.Constant(tile.value, None)

    return tile(like, rows, vectors), codegen


@intrinsic(prefer_literal=True)
def tile_load(typingctx, array, at, step, rows, vectors):
    """tile[m, v] = vector at array[at + m·step + v·lanes]; with step 0 every row is the same."""
    tile = TileType(array.dtype, rows.literal_value, vectors.literal_value)

    def codegen(context, builder, signature, arguments):
        start = _at(builder, _data(context, builder, signature.args[0], arguments[0]), arguments[1])
        value = ir.Constant(tile.value, ir.Undefined)
        for i, (m, v) in enumerate(tile.cells):
            row = _at(builder, start, builder.mul(arguments[2], _int(m)))
            value = builder.insert_value(value, _load_vector(builder, tile, _at(builder, row, v * tile.lanes)), i)
        return value

    return tile(array, types.intp, types.intp, rows, vectors), codegen


@intrinsic
def multiply_add(typingctx, tile, a, at, step, b, bat, bstep):
    """tile[m, v] += a[at + m·step] · vector at b[bat + v·bstep]: ROWS·VECTORS fused multiply-adds.

    For step there may stand what `rows_apart` made of it.
    """
    apart = isinstance(step, types.UniTuple)

    def codegen(context, builder, signature, arguments):
        value, _, at, step, _, bat, bstep = arguments
        a_start = _at(builder, _data(context, builder, signature.args[1], arguments[1]), at)
        b_start = _at(builder, _data(context, builder, signature.args[4], arguments[4]), bat)
        fused = _fused(builder, tile)
        vectors = [_load_vector(builder, tile, _at(builder, b_start, builder.mul(bstep, _int(v))))
                   for v in range(tile.vectors)]
        rows = cgutils.unpack_tuple(builder, step) if apart else [builder.mul(step, _int(m)) for m in range(tile.rows)]
        for m, row in enumerate(rows):
            number = _broadcast(builder, tile, builder.load(_at(builder, a_start, row)))
            for v in range(tile.vectors):
                i = m * tile.vectors + v
                total = builder.call(fused, [number, vectors[v], builder.extract_value(value, i)])
                value = builder.insert_value(value, total, i)
        return value

    index = types.intp
    return tile(tile, a, index, types.UniTuple(index, tile.rows) if apart else index, b, index, index), codegen


@intrinsic(prefer_literal=True)
def rows_apart(typingctx, step, rows):
    """(0, step, 2·step, …): where `rows` rows begin, as numbers that LLVM knows nothing more about.

    Left alone it makes each address from the one before, a chain of as many additions as the tile has rows; where vectors are short,
    the multiplications wait for it. A piece of assembly without a line in it hides from LLVM that the numbers are multiples.
    """
    count = rows.literal_value

    def codegen(context, builder, signature, arguments):
        hidden = ir.InlineAsm(ir.FunctionType(ir.IntType(64), [ir.IntType(64)]), "", "=r,0")
        numbers = [_int(0)] + [builder.call(hidden, [builder.mul(arguments[0], _int(m))]) for m in range(1, count)]
        return context.make_tuple(builder, signature.return_type, numbers)

    return types.UniTuple(types.intp, count)(types.intp, rows), codegen


@intrinsic
def multiply_add_lanes(typingctx, tile, a, at, step, b, bat):
    """tile[m, v] += vector at a[at + m·step + v·lanes] · vector at b[bat + v·lanes], lane by lane."""

    def codegen(context, builder, signature, arguments):
        value, _, at, step, _, bat = arguments
        a_start = _at(builder, _data(context, builder, signature.args[1], arguments[1]), at)
        b_start = _at(builder, _data(context, builder, signature.args[4], arguments[4]), bat)
        fused = _fused(builder, tile)
        vectors = [_load_vector(builder, tile, _at(builder, b_start, v * tile.lanes)) for v in range(tile.vectors)]
        for i, (m, v) in enumerate(tile.cells):
            row = _at(builder, a_start, builder.mul(step, _int(m)))
            left = _load_vector(builder, tile, _at(builder, row, v * tile.lanes))
            total = builder.call(fused, [left, vectors[v], builder.extract_value(value, i)])
            value = builder.insert_value(value, total, i)
        return value

    index = types.intp
    return tile(tile, a, index, index, b, index), codegen


@intrinsic(prefer_literal=True)
def slide(typingctx, tile, x, at, step, rows_apart, b, bat, bstep, terms_apart, terms):
    """tile[m, v] += Σ_{n<terms} x[at + (m·rows_apart + n·terms_apart)·step …] · b[bat + n·bstep …], whole vectors, n in order."""
    A, B, N = rows_apart.literal_value, terms_apart.literal_value, terms.literal_value

    def codegen(context, builder, signature, arguments):
        value, _, at, step, _, _, bat, bstep, _, _ = arguments
        x_start = _at(builder, _data(context, builder, signature.args[1], arguments[1]), at)
        b_start = _at(builder, _data(context, builder, signature.args[5], arguments[5]), bat)
        fused = _fused(builder, tile)
        factors = [_load_vector(builder, tile, _at(builder, _at(builder, b_start, builder.mul(bstep, _int(n))), v * tile.lanes))
                   for n in range(N) for v in range(tile.vectors)]
        for place in range((tile.rows - 1) * A + (N - 1) * B + 1):  # along x, so that a vector is forgotten when it has passed
            users = [(m, n) for m in range(tile.rows) for n in range(N) if m * A + n * B == place]
            for v in range(tile.vectors if users else 0):
                start = _at(builder, _at(builder, x_start, builder.mul(step, _int(place))), v * tile.lanes)
                vector = _load_vector(builder, tile, start)
                for m, n in users:
                    i = m * tile.vectors + v
                    total = builder.call(fused, [vector, factors[n * tile.vectors + v], builder.extract_value(value, i)])
                    value = builder.insert_value(value, total, i)
        return value

    index = types.intp
    return tile(tile, x, index, index, rows_apart, b, index, index, terms_apart, terms), codegen


def _writer(name, add, doc):
    """The intrinsic that writes a tile to memory: whole vectors where they all fit, else number by number."""

    def write(typingctx, tile, array, at, step, rows, lanes):
        def codegen(context, builder, signature, arguments):
            value, _, at, step, rows, lanes = arguments
            start = _at(builder, _data(context, builder, signature.args[1], arguments[1]), at)
            buffer = cgutils.alloca_once(builder, tile.value)
            all_rows = builder.icmp_signed(">=", rows, _int(tile.rows))
            all_lanes = builder.icmp_signed(">=", lanes, _int(tile.vectors * tile.lanes))
            rows = builder.select(all_rows, _int(tile.rows), rows)
            lanes = builder.select(all_lanes, _int(tile.vectors * tile.lanes), lanes)
            whole = builder.and_(all_rows, all_lanes)
            with builder.if_else(whole) as (inside, at_the_edge):
                with inside:
                    for i, (m, v) in enumerate(tile.cells):
                        vector = builder.extract_value(value, i)
                        place = _at(builder, _at(builder, start, builder.mul(step, _int(m))), v * tile.lanes)
                        if add:
                            vector = builder.fadd(_load_vector(builder, tile, place), vector)
                        _store_vector(builder, tile, vector, place)
                with at_the_edge:
                    numbers = builder.bitcast(buffer, tile.element.as_pointer())
                    for i in range(len(tile.cells)):
                        _store_vector(builder, tile, builder.extract_value(value, i),
                                      _at(builder, numbers, i * tile.lanes))
                    with cgutils.for_range(builder, rows) as m, cgutils.for_range(builder, lanes) as lane:
                        row = builder.mul(m.index, _int(tile.vectors * tile.lanes))
                        number = builder.load(_at(builder, numbers, builder.add(row, lane.index)))
                        place = _at(builder, start, builder.add(builder.mul(m.index, step), lane.index))
                        builder.store(builder.fadd(builder.load(place), number) if add else number, place)
            return context.get_dummy_value()

        index = types.intp
        return types.void(tile, array, index, index, index, index), codegen

    write.__name__ = write.__qualname__ = name
    write.__doc__ = doc
    return intrinsic(write)


tile_store = _writer("tile_store", False, "y[at + m·step + l] = tile[m, l] for m < rows and l < lanes.")
tile_add = _writer("tile_add", True, "y[at + m·step + l] += tile[m, l] for m < rows and l < lanes.")
