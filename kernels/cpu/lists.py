"""One launch for whole lists of arrays: an optimizer moves all its parameters in it, and wakes the threads once.

    launch_lists(body, shared, (p₀, p₁, …), (g₀, g₁, …), …)        runs  body(piece, *shared, p, g, …)

for every piece of every member (pᵢ, gᵢ, …), whose arrays are of one size. A network has many small parameters and a few large
ones: so all members are laid end to end in thought, that line is cut into tasks of `BLOCK` numbers, and a task calls the body
once for each member that it touches, with the part of its arrays that lies in the task: a body sees only that part. Cuts
follow from the sizes alone, so results are the same for any number of threads.

`piece` numbers the pieces in their order, for a body that leaves a result for each; some numbers are left out, and all are
below `pieces`. Like `launch`, which see, this finds the arrays by itself in the tuples it is given.
"""
import numpy as np
from numba import prange

from . import launch as single
from .jit import entrance, kernel, part
from .launch import (DATA, DONE, DTYPE, ENOUGH, FAILED, FLAGS, HEADER, ITEMS, MOST_ARRAYS, NDIM, ROW, SCATTERED, SHAPE, UNKNOWN, USABLE,
                     _call, _int, _plain, _put_word, _room, _word)
from .loops import BLOCK

ROUND = 64  # members begin at multiples of so many numbers, so that cuts fall on whole cache lines of theirs
UNEQUAL = 4  # an outcome besides those of `launch`

# A plan: the outcome, the body's address, how many arrays are shared, how many lists, how many members; the item sizes of the
# body's arrays; where each shared array lies, and its size; and for each member where it begins on the line, its size, and
# where its arrays lie.
ITEMSIZES, SHARED, MEMBERS = 5, 5 + MOST_ARRAYS, 5 + 3 * MOST_ARRAYS


@part
def _size(array):
    """How many numbers an array has."""
    size = 1
    for axis in range(_int(array + NDIM)):
        size *= _word(_word(array + SHAPE) + 8 * axis)
    return size


@part
def _is(array, kind, dtype):
    return _word(array + HEADER - 8) == kind and _word(array + DTYPE) == dtype


@part
def _suits(rows, row, shared, lists):
    """Whether `row` is of a body for such shared arrays and such first members."""
    many = _word(shared + HEADER)
    if rows[row + 1] != many + _word(lists + HEADER):
        return False
    for i in range(rows[row + 1]):
        array = _word(shared + ITEMS + 8 * i) if i < many else _word(_word(lists + ITEMS + 8 * (i - many)) + ITEMS)
        if not _is(array, rows[0], rows[row + 2 + 2 * i]):
            return False
    return True


@part
def _task(t, plan):
    """Call the body for every piece in task t."""
    many, lists, count, width = plan[2], plan[3], plan[4], 2 + plan[3]
    begin, end = t * BLOCK, (t + 1) * BLOCK
    low, high = 0, count - 1  # the last member that begins at or before this task
    while low < high:
        middle = (low + high + 1) // 2
        if plan[MEMBERS + middle * width] <= begin:
            low = middle
        else:
            high = middle - 1
    table = _room()
    for i in range(many + lists):
        _put_word(table + 24 + 24 * i, plan[ITEMSIZES + i])
    for i in range(many):
        _put_word(table + 8 + 24 * i, plan[SHARED + 2 * i])
        _put_word(table + 16 + 24 * i, plan[SHARED + 2 * i + 1])
    for member in range(low, count):
        at = MEMBERS + member * width
        if plan[at] >= end:
            break
        first, last = max(begin - plan[at], 0), min(end - plan[at], plan[at + 1])
        if first < last:
            for i in range(lists):
                place = table + 8 + 24 * (many + i)
                _put_word(place, plan[at + 2 + i] + first * plan[ITEMSIZES + many + i])
                _put_word(place + 8, last - first)
            if _call(plan[1], t + member, table, many + lists):
                plan[0] = FAILED  # whoever writes it writes the same


@kernel
def _spread(tasks, plan):
    for t in prange(tasks):
        _task(np.int64(t), plan)


@entrance
def _run(rows, shared, lists):
    """Run a body; `shared` and `lists` are where these tuples lie, `rows` as for `launch`."""
    many, kinds = _word(shared + HEADER), _word(lists + HEADER)
    count, width = _word(_word(lists + ITEMS) + HEADER), 2 + kinds
    row = np.int64(1)
    while row < len(rows) and not _suits(rows, row, shared, lists):
        row += ROW
    if row >= len(rows):
        return UNKNOWN
    plan = np.empty(MEMBERS + count * width, np.int64)
    plan[0], plan[1], plan[2], plan[3], plan[4] = DONE, rows[row], many, kinds, count
    for i in range(many + kinds):
        plan[ITEMSIZES + i] = rows[row + 3 + 2 * i]
    for i in range(many):
        array = _word(shared + ITEMS + 8 * i)
        plan[SHARED + 2 * i], plan[SHARED + 2 * i + 1] = _word(array + DATA), _size(array)
    line, work = 0, 0
    for member in range(count):
        at = MEMBERS + member * width
        for i in range(kinds):
            array = _word(_word(lists + ITEMS + 8 * i) + ITEMS + 8 * member)
            if not _is(array, rows[0], rows[row + 2 + 2 * (many + i)]):
                return UNEQUAL
            if _int(array + FLAGS) & USABLE != USABLE:
                return SCATTERED
            size = _size(array)
            if i == 0:
                plan[at], plan[at + 1] = line, size
                line += (size + ROUND - 1) // ROUND * ROUND
            elif size != plan[at + 1]:
                return UNEQUAL
            plan[at + 2 + i] = _word(array + DATA)
            work += size * plan[ITEMSIZES + many + i]
    tasks = (line + BLOCK - 1) // BLOCK
    if tasks > 1 and work // 24 >= ENOUGH:
        _spread(tasks, plan)
    else:
        for t in range(tasks):
            _task(t, plan)
    return plan[0]


def pieces(arrays):
    """A number that all pieces of `arrays` are below."""
    return len(arrays) + sum(-(-x.size // ROUND) for x in arrays) * ROUND // BLOCK + 1


def launch_lists(body, shared, *lists):
    """Run ``body(piece, *shared, *parts)`` for every piece of every member of `lists`, over the threads if it is much.

    shared: a few arrays that every piece sees whole. lists: tuples of one length, each of arrays of one dtype; member i of one is
    as large as member i of every other. Those that are not C-contiguous are copied before, and copied back after.
    """
    if not lists[0]:
        return
    rows, outcome = single._rows.get(body), UNKNOWN
    if rows is not None and all([len(one) == len(lists[0]) for one in lists]):
        outcome = _run(rows, id(shared), id(lists))
    if outcome != DONE:
        _help(outcome, body, shared, lists)


def _help(outcome, body, shared, lists):
    """See to what kept the loop from running to its end, and run it."""
    if outcome == FAILED:
        raise MemoryError(f"{body.py_func.__name__}: a task failed; the one thing it can lack is memory to work in")
    if any(len(one) != len(lists[0]) or any(a.dtype != one[0].dtype or a.size != b.size for a, b in zip(one, lists[0])) for one in lists):
        raise TypeError(f"{body.py_func.__name__}: expected lists of one length, each of one dtype, with members of one size")
    plain = [tuple(_plain(x) for x in one) for one in lists]
    if any(a is not b for one, other in zip(plain, lists) for a, b in zip(one, other)):
        launch_lists(body, shared, *plain)
    elif outcome == SCATTERED:
        packed = [tuple(np.require(x, requirements=("C", "A")) for x in one) for one in lists]
        launch_lists(body, shared, *packed)
        for one, other in zip(lists, packed):
            for x, copy in zip(one, other):
                if x is not copy and x.flags.writeable:
                    x[...] = copy.reshape(x.shape)
    else:
        single._learn(body, [*shared, *(one[0] for one in lists)])
        launch_lists(body, shared, *lists)
