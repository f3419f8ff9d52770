"""One parallel loop for every body, so that a new body costs a serial compilation and not a parallel one.

A parallel kernel takes three times as long to compile as the serial loop inside it, and there are nearly a hundred. So
they share a single `prange`, which calls the body of the moment by its address:

    launch(body, tasks, *arrays)        runs  body(t, *arrays)  for t = 0 … tasks − 1

`body` is compiled with `@inner`, takes at most MOST_ARRAYS 1-D contiguous arrays and writes what no other t writes. How
the work is cut into tasks must follow from its shape alone: then the result is the same for any number of threads.

The shared loop knows neither how many arrays a body takes nor of what kind. It does not need to: a 1-D array is passed
as seven words (two owners, length, item size, address, length, step) whatever it holds. They travel in a table.
"""
import numpy as np
from llvmlite import ir
from numba import from_dtype, prange, types
from numba.core import cgutils
from numba.extending import intrinsic

from .jit import inner, kernel

MOST_ARRAYS = 12
WORDS = 7  # of one array

_addresses = {}


def _address(body, arrays):
    """Where `body`, compiled for such arrays, lies in memory."""
    key = (body, *(a.dtype for a in arrays))
    if key not in _addresses:
        signature = (types.int64, *(types.Array(from_dtype(a.dtype), 1, "C") for a in arrays))
        body.compile(signature)
        compiled = body.overloads[signature]
        _addresses[key] = compiled.library.get_pointer_to_function(compiled.fndesc.llvm_cfunc_wrapper_name)
    return _addresses[key]


def _slot(context, builder, type_, table, i):
    """Where array i lies in the table, as a pointer to bytes."""
    data = context.make_array(type_)(context, builder, table).data
    return builder.gep(data, [ir.Constant(ir.IntType(64), WORDS * i)])


@intrinsic
def _write(typingctx, table, arrays):
    """Put the tuple `arrays` into the table, without their owners: those are counted only until this call returns.

    A body that counted references through what is left of them would free memory that is in use. The caller of
    `launch` keeps the arrays alive.
    """
    def generate(context, builder, signature, values):
        for i, array in enumerate(cgutils.unpack_tuple(builder, values[1])):
            for owner in (0, 1):
                array = builder.insert_value(array, ir.Constant(array.type.elements[owner], None), owner)
            slot = _slot(context, builder, signature.args[0], values[0], i)
            builder.store(array, builder.bitcast(slot, array.type.as_pointer()))
        return context.get_dummy_value()
    return types.void(table, arrays), generate


@intrinsic
def _call(typingctx, address, t, table, count):
    """Call the function at `address` with t and the first `count` arrays of the table; it returns nothing."""
    def generate(context, builder, signature, values):
        array = context.get_value_type(types.Array(types.float32, 1, "C"))  # any dtype: the words are the same
        after = builder.append_basic_block("called")
        cases = builder.switch(values[3], after)
        for arrays in range(1, MOST_ARRAYS + 1):
            case = builder.append_basic_block(f"with_{arrays}")
            cases.add_case(ir.Constant(ir.IntType(64), arrays), case)
            with builder.goto_block(case):
                slots = [_slot(context, builder, signature.args[2], values[2], i) for i in range(arrays)]
                kind = ir.FunctionType(ir.VoidType(), [context.get_value_type(t)] + [array] * arrays)
                function = builder.inttoptr(values[0], kind.as_pointer())
                builder.call(function, [values[1], *(builder.load(builder.bitcast(slot, array.as_pointer()))
                                                     for slot in slots)])
                builder.branch(after)
        builder.position_at_end(after)
        return context.get_dummy_value()
    return types.void(address, t, table, count), generate


@inner
def _fill(table, arrays):
    _write(table, arrays)


@kernel
def _run(address, tasks, table, count):
    for t in prange(tasks):
        _call(address, np.int64(t), table, count)


def launch(body, tasks, *arrays):
    """Run ``body(t, *arrays)`` for every t below `tasks`, over the threads; one task runs here, without waking them.

    Arrays are 1-D and C-contiguous, as `flat` makes them.
    """
    if tasks == 1:
        body(0, *arrays)
    elif tasks > 1:
        table = np.empty(WORDS * len(arrays), np.int64)
        _fill(table, arrays)
        _run(_address(body, arrays), tasks, table, len(arrays))


def flat(x):
    """`x` as a 1-D array: a view if it is C-contiguous and writable (another kind would be compiled anew), else a copy."""
    return x.reshape(-1) if x.flags.carray else np.array(x, order="C").reshape(-1)
