"""One launch for whole lists of arrays: an optimizer moves all its parameters in it.

    move(formula, numbers, (p₀, p₁, …), (g₀, g₁, …), …)        computes the formula at every place of every member (pᵢ, gᵢ, …)

A network has many small parameters and a few large ones, and a launch of its own for each would cost more than its work. So all
members are laid end to end in thought, each from the beginning of a block of threads, and a block finds its member in a table that
lies on the device:

    member          0      1      2      …
    first block     0      4      5             a block of 256 threads has 1024 places of one member: found by bisection
    size         4096    512     10
    of p        0x7f…  0x7f…  0x7f…             where its arrays begin
    of g        0x7f…  0x7f…  0x7f…

Kernels take no arrays of addresses; `runtime.array_at` makes an array of one. The table is written by kernels, whose arguments the
addresses are: nothing waits, and a graph that is captured writes its own. Where arrays lie where they lay at an earlier step, which
they do once the pool of memory has found its rhythm, the table of that step serves again.
"""
import collections

import numpy as np

from . import array, runtime
from .runtime import cuda, jit, launch

PER_BLOCK = 1024
"""Places of a member that a block has, four for each thread."""
AT_ONCE = 32
"""Numbers of a table written by one launch."""
KEPT = 32
"""Tables kept for later steps."""

_tables = collections.OrderedDict()


@jit
def _write(table, start, values):
    for k in range(AT_ONCE):
        if start + k < table.size:
            table[start + k] = values[k]


@runtime.device
def find(table):
    """(member, the first of its places that this block has)."""
    low, high = 0, table.shape[1] - 1  # the last member that begins at or before this block
    while low < high:
        middle = (low + high + 1) // 2
        if table[0, middle] <= cuda.blockIdx.x:
            low = middle
        else:
            high = middle - 1
    return low, (cuda.blockIdx.x - table[0, low]) * PER_BLOCK


def _table(rows):
    """The table of these rows, on the device."""
    key = tuple(map(tuple, rows))
    if runtime.capturing is None and key in _tables:
        _tables.move_to_end(key)
        return _tables[key]
    table = array.empty((len(rows), len(rows[0])), np.int64)
    numbers = [n for row in rows for n in row]
    for start in range(0, len(numbers), AT_ONCE):
        values = numbers[start:start + AT_ONCE]
        launch(_write, 1, 1, table.flat, start, (*values, *[0] * (AT_ONCE - len(values))))
    if runtime.capturing is None:  # one of a graph must be written by each replay: what it lies in is used for other things before
        _tables[key] = table
        if len(_tables) > KEPT:
            _tables.popitem(last=False)
    return table


def move(kernel, numbers, *lists, written):
    """Run ``kernel(table, numbers)`` over the members of `lists`: lists of one length, whose members at one place are of one shape.

    `written`: which of the lists the kernel writes to. Arrays that are not C-contiguous are copied before, and back after.
    """
    members = [member for member in zip(*lists, strict=True) if member[0].size]
    if not members:
        return
    packed = [tuple(array.contiguous(x) for x in member) for member in members]
    firsts, blocks = [], 0
    for member in packed:
        firsts.append(blocks)
        blocks += array.blocks(member[0].size, PER_BLOCK)
    rows = [firsts, [member[0].size for member in packed]]
    rows += [[runtime.address(x.block.memory) + x.offset for x in column] for column in zip(*packed)]
    launch(kernel, blocks, array.THREADS, _table(rows), numbers)
    for member, other in zip(members, packed):
        for k in written:
            if member[k] is not other[k]:
                array.copy(other[k], member[k])
