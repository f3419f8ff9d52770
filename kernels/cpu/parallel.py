"""One parallel loop for many kernels: it calls a compiled serial function by its address.

Numba compiles what stands inside a `prange` four times over (the body, two wrappers around it, the function itself),
with everything that is inlined into it. For the large kernels of convolution and matrix product that was most of a
cold start. So their work is a serial function of one *job*, compiled once with `part`,

    body(job, numbers, a, b, c, d, e)       numbers: int64 (…) ; a … e: one-dimensional arrays of one dtype

and `parallel_for` runs it for every job. The loop below is all that is compiled as parallel code, once a dtype; it
knows the body only as a number. Bodies of one job must not write what another job reads or writes.
"""
import numpy as np
from numba import prange, types
from numba.core import cgutils
from numba.extending import intrinsic

from numba.np.unsafe.ndarray import to_fixed_tuple  # noqa: F401  (for bodies: the numbers, one by one)

from .jit import kernel

ARRAYS = 5


@intrinsic
def _call(typingctx, address, job, numbers, a, b, c, d, e):
    """Call the compiled function at `address` with the other arguments."""
    taken = (job, numbers, a, b, c, d, e)

    def codegen(context, builder, signature, arguments):
        shape = context.call_conv.get_function_type(types.none, taken)
        result, error = (cgutils.alloca_once(builder, pointer.pointee, zfill=True) for pointer in shape.args[:2])
        function = builder.inttoptr(arguments[0], shape.as_pointer())
        flat = context.get_arg_packer(taken).as_arguments(builder, arguments[1:])
        builder.call(function, [result, error, *flat])
        return context.get_dummy_value()

    return types.void(address, *taken), codegen


@kernel
def _loop(address, jobs, in_parallel, numbers, a, b, c, d, e):
    if in_parallel:
        for job in prange(jobs):
            _call(address, np.int64(job), numbers, a, b, c, d, e)
    else:
        for job in range(jobs):
            _call(address, np.int64(job), numbers, a, b, c, d, e)


_addresses, _nothing = {}, {}


def _address(body, dtype):
    """Where the machine code of `body` for arrays of `dtype` lies (compiled or loaded from the cache if need be)."""
    if (body, dtype) not in _addresses:
        array = types.Array(types.float32 if dtype == np.float32 else types.float64, 1, "C")
        signature = (types.int64, types.Array(types.int64, 1, "C")) + (array,) * ARRAYS
        body.compile(signature)
        compiled = body.overloads[signature]
        _nothing[dtype] = np.empty(0, dtype)
        _addresses[body, dtype] = compiled.library.get_pointer_to_function(compiled.fndesc.llvm_func_name)
    return _addresses[body, dtype]


def parallel_for(body, jobs, numbers, *arrays, in_parallel=True):
    """Run ``body(job, numbers, *arrays)`` for job = 0 … jobs − 1 on all threads, or in order on this one.

    numbers is a sequence of integers; arrays are at most five flat arrays of one dtype, float32 or float64 (missing ones
    arrive empty). What the body raises is lost: bodies must not.
    """
    dtype = arrays[0].dtype
    address = _address(body, dtype)
    rest = (_nothing[dtype],) * (ARRAYS - len(arrays))
    _loop(address, jobs, in_parallel and jobs > 1, np.array(numbers, np.int64), *arrays, *rest)


def add_blocks(sums):
    """The blocks' sums (blocks, …) added in order, into the first. Infinities meet silently, as in compiled code."""
    total = sums[0]
    with np.errstate(invalid="ignore", over="ignore"):
        for one in sums[1:]:
            total += one
    return total
