"""Arithmetic on whole tiles of registers (see `simd`), for loops that LLVM would not vectorise as they are.

A loop over a pixel's 16 or 32 channels is too short for it: what it makes of such a loop runs 64 numbers at a time, and
the rest one by one, so that everything is rest. Here a row of a tile is 16 channels of one pixel, and the loop is over
pixels. All tiles of one call have the same shape, ROWS × 1:

    tile_take(x, at, step, rows, lanes, ROWS)      tile[m] = vector at x[at + m·step]; only the first `rows` rows and `lanes`
                                                   lanes are read, the rest is 0
    tile_spread(x, at, ROWS)                       tile[m] = x[at + m] in every lane
    tile_fill(like, number, ROWS)                  the number everywhere
    a + b, a − b, a · b, number · a                number by number, tiles of any shape; a bare number is rounded to the tile's dtype
    tile_store_rows(tile, y, at, step, first, last)   y[at + m·step + l] = tile[m, l], first ≤ m < last, every l
    turn(tiles)                                    n tiles of m rows as m tiles of n: row i of tile j becomes row j of tile i
    tile_fused(a, b, c)                            a·b + c
    tile_better(v, best, a, b)                     a where v is larger than best, or the first NaN; b elsewhere
    tile_total(tile)                               the sum of all its numbers
    tile_stream(tile, y, at, step)                 y[at + m·step + l] = tile[m, l], past the caches: for results that are too
                                                   large to be found there again. Rows must begin at multiples of a vector
"""
import operator

from llvmlite import ir
from numba import types
from numba.core import cgutils
from numba.core.typing.templates import AbstractTemplate, infer_global, signature
from numba.extending import intrinsic, lower_builtin

from .simd import VECTOR_BYTES, TileType, _at, _broadcast, _data, _fused, _int, _load_vector, _store_vector

_index = types.intp


def _made(builder, tile, vectors):
    """The tile of these vectors."""
    value = ir.Constant(tile.value, ir.Undefined)
    for i, vector in enumerate(vectors):
        value = builder.insert_value(value, vector, i)
    return value


@intrinsic(prefer_literal=True)
def tile_take(typingctx, array, at, step, rows, lanes, most):
    """tile[m, l] = array[at + m·step + l] for m < rows and l < lanes, else 0; `most` rows, a constant."""
    tile = TileType(array.dtype, most.literal_value, 1)

    def codegen(context, builder, signature, arguments):
        start = _at(builder, _data(context, builder, signature.args[0], arguments[0]), arguments[1])
        _, _, step, rows, lanes, _ = arguments
        buffer = cgutils.alloca_once(builder, tile.value)
        whole = builder.and_(builder.icmp_signed(">=", rows, _int(tile.rows)),
                             builder.icmp_signed(">=", lanes, _int(tile.lanes)))
        with builder.if_else(whole, likely=True) as (inside, at_the_edge):
            with inside:
                loaded = [_load_vector(builder, tile, _at(builder, start, builder.mul(step, _int(m)))) for m in range(tile.rows)]
                from_inside = builder.block
            with at_the_edge:
                builder.store(ir.Constant(tile.value, None), buffer)
                numbers = builder.bitcast(buffer, tile.element.as_pointer())
                rows = builder.select(builder.icmp_signed("<", rows, _int(tile.rows)), rows, _int(tile.rows))
                lanes = builder.select(builder.icmp_signed("<", lanes, _int(tile.lanes)), lanes, _int(tile.lanes))
                with cgutils.for_range(builder, rows) as m, cgutils.for_range(builder, lanes) as lane:
                    number = builder.load(_at(builder, start, builder.add(builder.mul(m.index, step), lane.index)))
                    builder.store(number, _at(builder, numbers, builder.add(builder.mul(m.index, _int(tile.lanes)), lane.index)))
                picked = [_load_vector(builder, tile, _at(builder, numbers, m * tile.lanes)) for m in range(tile.rows)]
                from_edge = builder.block
        vectors = []
        for one, other in zip(loaded, picked):
            vectors.append(builder.phi(tile.vector))
            vectors[-1].add_incoming(one, from_inside)
            vectors[-1].add_incoming(other, from_edge)
        return _made(builder, tile, vectors)

    return tile(array, _index, _index, _index, _index, most), codegen


@intrinsic(prefer_literal=True)
def tile_spread(typingctx, array, at, rows):
    """tile[m, l] = array[at + m]."""
    tile = TileType(array.dtype, rows.literal_value, 1)

    def codegen(context, builder, signature, arguments):
        start = _at(builder, _data(context, builder, signature.args[0], arguments[0]), arguments[1])
        return _made(builder, tile, [_broadcast(builder, tile, builder.load(_at(builder, start, m))) for m in range(tile.rows)])

    return tile(array, _index, rows), codegen


@intrinsic(prefer_literal=True)
def tile_fill(typingctx, like, number, rows):
    """tile[m, l] = number, a number of the dtype of the array `like`."""
    tile = TileType(like.dtype, rows.literal_value, 1)

    def codegen(context, builder, signature, arguments):
        return _made(builder, tile, [_broadcast(builder, tile, arguments[1])] * tile.rows)

    return tile(like, like.dtype, rows), codegen


def _elementwise(name, doc, operands, make):
    """The intrinsic of `operands` tiles that makes each vector of its result with ``make(builder, tile, *vectors)``."""
    def generate(context, builder, signature, arguments):
        tile = signature.return_type
        return _made(builder, tile, [make(builder, tile, *(builder.extract_value(a, i) for a in arguments))
                                     for i in range(len(tile.cells))])

    def three(typingctx, a, b, c):
        return a(a, a, a), generate

    def four(typingctx, a, b, c, d):
        return a(a, a, a, a), generate

    function = {3: three, 4: four}[operands]
    function.__name__ = function.__qualname__ = name
    function.__doc__ = doc
    return intrinsic(function)


def _better(builder, tile, v, best, a, b):
    found = builder.and_(builder.fcmp_unordered(">", v, best), builder.fcmp_ordered("ord", best, best))
    return builder.select(found, a, b)


tile_fused = _elementwise("tile_fused", "a·b + c", 3, lambda builder, tile, a, b, c: builder.call(_fused(builder, tile), [a, b, c]))
tile_better = _elementwise("tile_better", "a where v is larger than best, or the first NaN; b elsewhere.", 4, _better)


@intrinsic
def tile_total(typingctx, tile):
    """The sum of all numbers of a tile: vectors first, in order, then halves upon halves."""

    def codegen(context, builder, signature, arguments):
        total = builder.extract_value(arguments[0], 0)
        for i in range(1, len(tile.cells)):
            total = builder.fadd(total, builder.extract_value(arguments[0], i))
        half, nothing = tile.lanes // 2, ir.Constant(tile.vector, ir.Undefined)
        while half:
            picks = [lane + half if lane < half else lane for lane in range(tile.lanes)]
            mask = ir.Constant(ir.VectorType(ir.IntType(32), tile.lanes), picks)
            total = builder.fadd(total, builder.shuffle_vector(total, nothing, mask))
            half //= 2
        return builder.extract_element(total, ir.Constant(ir.IntType(32), 0))

    return tile.dtype(tile), codegen


@intrinsic
def tile_stream(typingctx, tile, array, at, step):
    """array[at + m·step + l] = tile[m, l] for whole vectors at multiples of their size, without reading their lines first."""

    def codegen(context, builder, signature, arguments):
        value, _, at, step = arguments
        start = _at(builder, _data(context, builder, signature.args[1], arguments[1]), at)
        hint = builder.module.add_metadata([ir.Constant(ir.IntType(32), 1)])
        for m in range(tile.rows):
            place = _at(builder, start, builder.mul(step, _int(m)))
            store = builder.store(builder.extract_value(value, m), builder.bitcast(place, tile.vector.as_pointer()))
            store.align = VECTOR_BYTES
            store.set_metadata("nontemporal", hint)
        return context.get_dummy_value()

    return types.void(tile, array, _index, _index), codegen


# ---- parts of a tile, and its arithmetic ----------------------------------------------------------------------------

def _inside(builder, m, first, last):
    return builder.and_(builder.icmp_signed("<=", first, _int(m)), builder.icmp_signed("<", _int(m), last))


@intrinsic
def tile_store_rows(typingctx, tile, array, at, step, first, last):
    """y[at + m·step + l] = tile[m, l] for first ≤ m < last and every lane l."""

    def codegen(context, builder, signature, arguments):
        value, _, at, step, first, last = arguments
        start = _at(builder, _data(context, builder, signature.args[1], arguments[1]), at)
        for m in range(tile.rows):
            with builder.if_then(_inside(builder, m, first, last)):
                row = _at(builder, start, builder.mul(step, _int(m)))
                for v in range(tile.vectors):
                    _store_vector(builder, tile, builder.extract_value(value, m * tile.vectors + v),
                                  _at(builder, row, v * tile.lanes))
        return context.get_dummy_value()

    index = types.intp
    return types.void(tile, array, index, index, index, index), codegen


@intrinsic
def turn(typingctx, tiles):
    """n tiles of m rows as m tiles of n rows: row i of tile j becomes row j of tile i. It costs no instruction."""
    tile, count = tiles.dtype, tiles.count
    turned = TileType(tile.dtype, count, 1)

    def codegen(context, builder, signature, arguments):
        given = cgutils.unpack_tuple(builder, arguments[0])
        made = [_made(builder, turned, [builder.extract_value(one, i) for one in given]) for i in range(tile.rows)]
        return context.make_tuple(builder, signature.return_type, made)

    return types.UniTuple(turned, tile.rows)(tiles), codegen


def _arithmetic(symbol, instruction, with_number):
    """Teach Numba what `symbol` means for two tiles, or for a number and a tile."""

    @infer_global(symbol)
    class _Meaning(AbstractTemplate):
        def generic(self, arguments, keywords):
            left, right = arguments if len(arguments) == 2 else (None, None)
            if isinstance(right, TileType) and (isinstance(left, types.Float) if with_number else left == right):
                return signature(right, types.float64 if with_number else left, right)

    @lower_builtin(symbol, types.Float if with_number else TileType, TileType)
    def lower(context, builder, signature, arguments):
        tile, (left, right) = signature.return_type, arguments
        if with_number:
            left = _broadcast(builder, tile, context.cast(builder, left, signature.args[0], tile.dtype))
        lefts = [left if with_number else builder.extract_value(left, i) for i in range(len(tile.cells))]
        return _made(builder, tile, [getattr(builder, instruction)(one, builder.extract_value(right, i)) for i, one in enumerate(lefts)])


_arithmetic(operator.add, "fadd", False)
_arithmetic(operator.sub, "fsub", False)
_arithmetic(operator.mul, "fmul", True)
_arithmetic(operator.mul, "fmul", False)
