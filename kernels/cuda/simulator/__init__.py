"""A GPU in Python: the kernels of this folder, run one thread after another, with everything checked that a GPU does not check.

A kernel is a plain Python function once `cuda` means something. Here it means `Cuda`: its ``threadIdx`` is that of the thread
whose turn it is. A thread runs until it comes to a barrier or to an exchange between the lanes of its warp; there it waits, and
the next one runs; when all who must come have come, they go on. So a barrier that is missing shows: threads run in an order that
is shuffled anew at each barrier. An index out of range is an error, and so is a negative one. Shared and fresh memory hold NaN.
A lane that reads from one that isn't there, a barrier that only some can reach, and integers read from shared memory before
anybody wrote them are errors, and so is what a GPU would refuse: blocks and grids beyond its limits, too much shared memory.

It is for tiny sizes (a microsecond or so for each line of each thread), for tests and for `tinyattn xray`.
"""
import itertools
import math
import random

import numpy as np

from . import basics, machine, memory, translate, turns
from .basics import LARGEST_BLOCK, LARGEST_GRID, WARP, Dim3, Now, SimulationError  # noqa: F401
from .machine import Cuda, whereabouts  # noqa: F401
from .memory import Memory, array_at, load_vector, plain_memory, store_vector  # noqa: F401
from .translate import stand_in, translated, waits  # noqa: F401
from .turns import Block, Thread, shuffled

PARTS = basics, machine, memory, translate, turns
"""Its modules: what their functions do is done by no kernel."""


def three(lengths):
    """`lengths`, a number or a tuple, as a tuple of three."""
    lengths = lengths if isinstance(lengths, tuple) else (lengths,)
    return (*map(int, lengths), 1, 1)[:3]


witness = None
"""None, or whoever is told of every launch, and asked for the memory of every array: see `witness.Witness`."""


def run(kernel, grid, block, args, shared=0, seed=0, memory=None):
    """Run `kernel` on NumPy arrays and numbers; arrays are written in place.

    seed     of the order in which threads run; another one must give the same result
    memory   memory(array, name, shared) → what the kernel gets in the array's place (default: what `witness` says, else `Memory`,
             which checks indices); name: the parameter's, or where shared memory was asked for

    Raises SimulationError, or what the kernel raises, with block and thread named.
    """
    grid, block = three(grid), three(block)
    if math.prod(block) > 1024:
        raise SimulationError(f"a block of {math.prod(block)} threads; a GPU has at most 1024")
    for what, lengths, largest in ("block", block, LARGEST_BLOCK), ("grid", grid, LARGEST_GRID):
        if not all(1 <= n <= most for n, most in zip(lengths, largest)):
            raise SimulationError(f"a {what} of {lengths}; a GPU takes 1 to {largest}")
    if witness is not None:
        witness.launched(kernel.py_func.__name__, grid, block)
    memory = memory or (witness.memory if witness is not None else plain_memory)
    function, together = translated(kernel), waits(kernel)
    parameters = kernel.py_func.__code__.co_varnames
    args = [memory(a, parameters[i]) if isinstance(a, np.ndarray) else a for i, a in enumerate(args)]
    order, outer = random.Random(seed), Now.machine
    cuda = Now.machine = Cuda(grid, block, shared, memory)
    cuda.body = function.__code__
    blocks = [Dim3(x, y, z) for z, y, x in itertools.product(*map(range, grid[::-1]))]
    if witness is None:  # who watches wants to see them in order
        order.shuffle(blocks)
    try:
        with np.errstate(all="ignore"):
            for cuda.blockIdx in blocks:
                _run_block(cuda, function, args, block, order, together)
    except Exception as error:
        t = cuda.thread.index if cuda.thread else Dim3()
        error.add_note(f"in {kernel.py_func.__name__}, block ({cuda.blockIdx.x}, {cuda.blockIdx.y}, {cuda.blockIdx.z}), "
                       f"thread ({t.x}, {t.y}, {t.z})")
        raise
    finally:
        Now.machine = outer


def _run_block(cuda, function, args, block, order, together):
    threads = [Thread(Dim3(x, y, z), rank) for rank, (z, y, x) in enumerate(itertools.product(*map(range, block[::-1])))]
    if together:
        cuda.block = Block(cuda, function, args, threads, order)
        cuda.block.run()
        return
    cuda.block = Block(cuda, function, args, [], order)
    for t in threads if witness is not None else shuffled(threads, order):
        cuda.thread = t
        function(*args)
