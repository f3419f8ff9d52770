"""One parallel loop for many bodies, so that a new body costs a serial compilation and not a parallel one.

A parallel kernel takes three times as long to compile as the serial loop inside it, and there are some sixty
elementwise functions. So they share a single `prange`, which calls the body of the moment by its address:

    launch(body, tasks, *arrays)        runs  body(t, *arrays)  for t = 0 … tasks − 1

`body` is compiled with `@inner`, takes 1-D contiguous arrays and writes what no other t writes. How the work is cut
into tasks must follow from its shape alone: then the result is the same for any number of threads.
"""
import numpy as np
from llvmlite import ir
from numba import from_dtype, prange, types
from numba.core import cgutils
from numba.extending import intrinsic

from .jit import kernel

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


@intrinsic
def _call(typingctx, address, t, arrays):
    """Call the function at `address` with (t, *arrays); it returns nothing."""
    def generate(context, builder, signature, values):
        kind = ir.FunctionType(ir.VoidType(), [context.get_value_type(one) for one in (t, *arrays.types)])
        function = builder.inttoptr(values[0], kind.as_pointer())
        builder.call(function, [values[1], *cgutils.unpack_tuple(builder, values[2])])
        return context.get_dummy_value()
    return types.void(address, t, arrays), generate


@kernel
def _run(address, tasks, *arrays):
    for t in prange(tasks):
        _call(address, np.int64(t), arrays)


def launch(body, tasks, *arrays):
    """Run ``body(t, *arrays)`` for every t below `tasks`, over the threads; one task runs here, without waking them.

    Arrays are 1-D and C-contiguous, as `flat` makes them.
    """
    if tasks == 1:
        body(0, *arrays)
    elif tasks > 1:
        _run(_address(body, arrays), tasks, *arrays)


def flat(x):
    """`x` as a 1-D array: a view if `x` is C-contiguous and writable (another kind would be compiled anew), else a copy."""
    return x.reshape(-1) if x.flags.carray else np.array(x, order="C").reshape(-1)
