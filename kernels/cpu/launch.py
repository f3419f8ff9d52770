"""One parallel loop for every body, so that a new body costs a serial compilation and not a parallel one.

Numba compiles what stands inside a `prange` several times over, with everything that is inlined into it, and there are
a hundred bodies. So they share a single `prange`, which calls the body of the moment by its address:

    launch(body, tasks, *arrays)        runs  body(t, *arrays)  for t = 0 … tasks − 1

`body` is compiled with `part` and sees its arrays flat, 1-D, whatever shape they have; it writes what no other t
writes. How the work is cut into tasks must follow from its shape alone: then the result is the same for any number of
threads. Little work does not wake the threads: its tasks run here, in order.

This file, and `lists` beside it, alone know how things lie in memory, because the shared loop must not depend on how many arrays a
body takes, nor of what kind; else it would be compiled for every combination. What it relies on:

* CPython's tuple (its length, and where its items begin) and NumPy's array (data, shape, dtype, flags): the part of
  both that C extensions have compiled into them, and that cannot change under them. `_check_layouts` looks at import
  whether it is so. The loop is handed the tuple of arrays by its address, and finds the rest itself: one launch costs
  the same half a microsecond for two arrays as for ten.
* Numba's calling convention, asked of Numba: the function's type, how arrays are taken apart into arguments, how an
  array is put together. That arrays of all dtypes are passed as the same words is Numba's too: its array type differs
  only in what its data pointer points to. Owners are left out: references are not counted in here, and `launch` keeps
  the arrays alive until it returns.
"""
import ctypes
import functools

import numpy as np
from llvmlite import ir
from numba import from_dtype, get_num_threads, prange, types
from numba.core import callconv, cgutils
from numba.extending import intrinsic
from numba.np.arrayobj import populate_array

from .jit import entrance, kernel, part

MOST_ARRAYS = 12
ENOUGH = 20_000
"""Nanoseconds of work, by a rough estimate, that are worth waking the threads for."""

HEADER = object.__basicsize__  # of every Python object; the last word of it is its type
ITEMS = tuple.__basicsize__  # where a tuple's items begin; its length is the first word after the header
DATA, NDIM, SHAPE, DTYPE, FLAGS = (HEADER + 8 * word for word in (0, 1, 2, 5, 6))  # of an array
USABLE = 0x101  # flags: C-contiguous, and aligned

ROW = 2 + 2 * MOST_ARRAYS  # of what is known of a body: address, number of arrays, then dtype and item size of each
DONE, UNKNOWN, SCATTERED, FAILED = range(4)


def _check_layouts():
    """Raise ImportError if tuples and arrays do not lie in memory as this file believes."""
    def word(address, kind=ctypes.c_ssize_t):
        return kind.from_address(address).value

    x = np.zeros((2, 3, 5), np.float32)
    pair = (None, x)
    shape = word(id(x) + SHAPE)
    if not (ctypes.sizeof(ctypes.c_void_p) == 8
            and word(id(pair) + HEADER) == 2 and word(id(pair) + ITEMS + 8) == id(x)
            and word(id(x) + HEADER - 8) == id(np.ndarray) and word(id(x) + DATA) == x.ctypes.data
            and word(id(x) + NDIM, ctypes.c_int) == 3 and [word(shape + 8 * axis) for axis in range(3)] == [2, 3, 5]
            and word(id(x) + DTYPE) == id(x.dtype) and word(id(x) + FLAGS, ctypes.c_int) == x.flags.num):
        raise ImportError("kernels.cpu.launch: this Python and NumPy keep tuples and arrays in memory in another way "
                          "than CPython 3.11 to 3.13 and NumPy 2 do; use kernels.reference")


_check_layouts()


# ---- what the compiled loop does by address ------------------------------------------------------------------------

def _reader(bits):
    @intrinsic
    def read(typingctx, address):
        def generate(context, builder, signature, values):
            kind = ir.IntType(bits)
            number = builder.load(builder.inttoptr(values[0], kind.as_pointer()))
            return number if bits == 64 else builder.sext(number, ir.IntType(64))
        return types.int64(types.int64), generate
    return read


_word, _int = _reader(64), _reader(32)  # the number that lies at an address


@intrinsic
def _put_word(typingctx, address, number):
    """Write a number to an address."""
    def generate(context, builder, signature, values):
        builder.store(values[1], builder.inttoptr(values[0], ir.IntType(64).as_pointer()))
        return context.get_dummy_value()
    return types.void(types.int64, types.int64), generate


@intrinsic
def _room(typingctx):
    """Room for a table, on the stack of the function that asks for it: three numbers an array, and the outcome."""
    def generate(context, builder, signature, values):
        room = cgutils.alloca_once(builder, ir.ArrayType(ir.IntType(64), 3 * MOST_ARRAYS + 1))
        return builder.ptrtoint(room, ir.IntType(64))
    return types.int64(), generate


@intrinsic
def _call(typingctx, address, t, table, count):
    """Call the function at `address` with t and the first `count` arrays of the table, which says of each where its data
    begins, how many numbers there are, and their size in bytes. Returns whether it failed."""
    array = types.Array(types.uint8, 1, "C")  # stands for all dtypes

    def one(context, builder, table, i):
        """Array i of the table."""
        data, size, itemsize = (builder.load(builder.gep(table, [ir.Constant(ir.IntType(64), 1 + 3 * i + word)]))
                                for word in range(3))
        made = context.make_array(array)(context, builder)
        populate_array(made, builder.inttoptr(data, made.data.type), cgutils.pack_array(builder, [size]),
                       cgutils.pack_array(builder, [itemsize]), itemsize, None)
        return made._getvalue()

    def generate(context, builder, signature, values):
        builder.function.attributes.add("noinline")  # `_task` is compiled once, for both loops
        table = builder.inttoptr(values[2], ir.IntType(64).as_pointer())
        status = cgutils.alloca_once_value(builder, ir.Constant(ir.IntType(32), 0))
        results = [cgutils.alloca_once(builder, ir.IntType(64), zfill=True) for _ in range(2)]  # returned, and raised
        after = builder.append_basic_block("called")
        cases = builder.switch(values[3], after)
        for arrays in range(1, MOST_ARRAYS + 1):
            case = builder.append_basic_block(f"with_{arrays}")
            cases.add_case(ir.Constant(ir.IntType(64), arrays), case)
            with builder.goto_block(case):
                taken = (t, *[array] * arrays)
                kind = context.call_conv.get_function_type(types.none, taken)
                function = builder.inttoptr(values[0], kind.as_pointer())
                given = context.get_arg_packer(taken).as_arguments(
                    builder, [values[1], *(one(context, builder, table, i) for i in range(arrays))])
                places = [builder.bitcast(place, wanted) for place, wanted in zip(results, kind.args)]
                builder.store(builder.call(function, [*places, *given]), status)
                builder.branch(after)
        builder.position_at_end(after)
        code = builder.load(status)
        good = [builder.icmp_signed("==", code, constant) for constant in (callconv.RETCODE_OK, callconv.RETCODE_NONE)]
        return builder.not_(builder.or_(*good))

    return types.boolean(address, t, table, count), generate


@part
def _task(address, t, table, count):
    if _call(address, t, table, count):
        _put_word(table, FAILED)  # whoever writes it writes the same


@part
def _fits(rows, row, arguments):
    """Whether `row` is of a body for such arguments."""
    if rows[row + 1] != _word(arguments + HEADER):
        return False
    for i in range(rows[row + 1]):
        array = _word(arguments + ITEMS + 8 * i)
        if _word(array + HEADER - 8) != rows[0] or _word(array + DTYPE) != rows[row + 2 + 2 * i]:
            return False
    return True


@kernel
def _spread(address, tasks, table, count):
    for t in prange(tasks):
        _task(address, np.int64(t), table, count)


@entrance
def _run(rows, tasks, work, arguments):
    """Run a body. rows: the type of arrays, and then what is known of the body, ROW numbers for each set of dtypes.

    arguments: where the tuple of arrays lies; work: nanoseconds, or −1 for what it costs to read and write them once.
    """
    row = np.int64(1)
    while row < len(rows) and not _fits(rows, row, arguments):
        row += ROW
    if row >= len(rows):
        return UNKNOWN
    address, count, table, total = rows[row], rows[row + 1], _room(), 0
    for i in range(count):
        array = _word(arguments + ITEMS + 8 * i)
        if _int(array + FLAGS) & USABLE != USABLE:
            return SCATTERED
        size = 1
        for axis in range(_int(array + NDIM)):
            size *= _word(_word(array + SHAPE) + 8 * axis)
        place = table + 8 + 24 * i
        _put_word(place, _word(array + DATA))
        _put_word(place + 8, size)
        _put_word(place + 16, rows[row + 3 + 2 * i])
        total += size * rows[row + 3 + 2 * i]
    _put_word(table, DONE)
    if tasks > 1 and (work if work >= 0 else total // 24) >= ENOUGH:
        _spread(address, tasks, table, count)
    else:
        for t in range(tasks):
            _task(address, t, table, count)
    return _word(table)


# ---- the side of Python --------------------------------------------------------------------------------------------

_rows, _kept = {}, []  # the rows of every body; the dtypes whose addresses stand in them


def launch(body, tasks, *arrays, work=-1):
    """Run ``body(t, *arrays)`` for every t below `tasks`: over the threads, or in order on this one if it is little.

    arrays: of any shapes (a body sees them flat), at most MOST_ARRAYS. Those that are not C-contiguous are copied before, and
    copied back after. Whether those that a body writes may be written is not looked at.

    work: roughly how many nanoseconds one thread would need for all tasks, an integer; if it is not said, what it costs to
    pass once over all arrays, 24 bytes a nanosecond. It decides only who does the work: results never depend on it.
    """
    rows = _rows.get(body)
    outcome = UNKNOWN if rows is None else _run(rows, tasks, work, id(arrays))
    if outcome != DONE:
        _help(outcome, body, tasks, arrays, work)


def _help(outcome, body, tasks, arrays, work):
    """See to what kept the loop from running to its end, and run it."""
    if outcome == FAILED:
        raise MemoryError(f"{body.py_func.__name__}: a task failed; the one thing it can lack is memory to work in")
    plain = tuple(_plain(a) for a in arrays)
    if any(a is not b for a, b in zip(plain, arrays)):
        launch(body, tasks, *plain, work=work)
    elif outcome == SCATTERED:
        packed = [np.require(a, requirements=("C", "A")) for a in arrays]
        launch(body, tasks, *packed, work=work)
        for a, copy in zip(arrays, packed):
            if a is not copy and a.flags.writeable:
                a[...] = copy.reshape(a.shape)
    else:
        _learn(body, arrays)
        launch(body, tasks, *arrays, work=work)


def _plain(x):
    """`x` as an ndarray proper, of the dtype object that NumPy itself uses: x itself, or a view of it."""
    if not isinstance(x, np.ndarray) or not x.dtype.isnative or x.dtype.char not in "?bBhHiIlLqQfd":
        raise TypeError(f"kernels take arrays of numbers in the machine's byte order, not {getattr(x, 'dtype', type(x))}")
    usual = np.dtype(x.dtype.char)
    return x if type(x) is np.ndarray and x.dtype is usual else np.asarray(x).view(usual)


def _learn(body, arrays):
    """Compile `body` for arrays of these dtypes, or load it from the cache, and note where it lies."""
    get_num_threads()  # loads what `_run` will call; a cached `_run` of Numba 0.62 would not do it
    if len(arrays) > MOST_ARRAYS:
        raise TypeError(f"launch: {len(arrays)} arrays, but a body takes at most {MOST_ARRAYS}")
    dtypes = [a.dtype for a in arrays]
    signature = (types.int64, *(types.Array(from_dtype(dtype), 1, "C") for dtype in dtypes))
    body.compile(signature)
    compiled = body.overloads[signature]
    row = np.zeros(ROW, np.int64)
    row[:2] = compiled.library.get_pointer_to_function(compiled.fndesc.llvm_func_name), len(arrays)
    row[2:2 + 2 * len(arrays)] = [number for dtype in dtypes for number in (id(dtype), dtype.itemsize)]
    _kept.append(dtypes)
    _rows[body] = np.concatenate([_rows.get(body, [id(np.ndarray)]), row])


# ---- what is handed to bodies --------------------------------------------------------------------------------------

@intrinsic(prefer_literal=True)
def unpack(typingctx, given, count):
    """The first `count` of the numbers `given`, as a tuple; `count` is a constant."""
    many = types.UniTuple(types.int64, count.literal_value)

    def generate(context, builder, signature, values):
        data = context.make_array(signature.args[0])(context, builder, values[0]).data
        return cgutils.pack_array(builder, [builder.load(builder.gep(data, [ir.Constant(ir.IntType(64), i)]))
                                            for i in range(len(many))])
    return many(given, count), generate


@functools.lru_cache(maxsize=4096)
def numbers(*values):
    """Whole numbers for a body, as an int64 array: the same one every time, so nobody may write to it."""
    return np.array(values, np.int64)


@functools.lru_cache(maxsize=4096)
def scalars(dtype, *values):
    """Other numbers that seldom change, as an array of `dtype`, likewise."""
    return np.array(values, dtype)
