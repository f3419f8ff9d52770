"""Order, compiled. What is computed is said in `reference.sort`; the docstrings are its own.

`sort` is a merge sort, which keeps equal numbers in the order they came in. A task sorts one stretch of RUN numbers; then
stretches are merged in pairs, in passes over memory, until one is left:

    [3 7] [1 9] [2 8] [4 5]   →   [1 3 7 9] [2 4 5 8]   →   [1 2 3 4 5 7 8 9]

A pass is cut by its *output*: whoever writes places p … p + RUN of a merged stretch first finds, by halving, how many of the
p numbers before come from its left half. So all threads work in every pass, the last too, on places of their own.

`topk` keeps the k best so far in a heap with the worst of them on top: most numbers lose to it at once.

Sources: D. Knuth, The Art of Computer Programming 3, 5.2.3 and 5.2.4. O. Green, R. McColl, D. Bader: GPU merge path (ICS 2012).
"""
import numpy as np

from ..reference.sort import __all__
from ..reference.sort import sort as specified_sort
from ..reference.sort import topk as specified_topk
from .array import empty
from .jit import part
from .launch import launch

RUN = 4096   # numbers a task sorts or writes: they, their indices and as much to merge into stay in the second-level cache
FEW = 16     # what insertion sorts


@part
def _before(a, b, descending):
    """Whether a must stand before b wherever they stood; NaN is the largest."""
    if descending:
        return a > b or (a != a and b == b)
    return a < b or (b != b and a == a)


@part
def _merge(x, i, left, left_end, right, right_end, y, j, at, end, descending):
    """y[at:end] = the first numbers of x[left:left_end] and x[right:right_end] in order, and j likewise of i."""
    for place in range(at, end):
        if right >= right_end or left < left_end and not _before(x[right], x[left], descending):
            y[place], j[place] = x[left], i[left]
            left += 1
        else:
            y[place], j[place] = x[right], i[right]
            right += 1


@part
def _sort_body(t, sizes, x, y, j):
    """y, j = x and its indices, sorted within stretch t of RUN numbers of a row."""
    n, descending = sizes[0], sizes[1] != 0
    across = (n + RUN - 1) // RUN
    row, begin = t // across, t % across * RUN
    count = min(RUN, n - begin)
    p, q, number = y[row * n + begin:row * n + begin + count], j[row * n + begin:row * n + begin + count], begin
    source = x[row * n + begin:row * n + begin + count]
    for start in range(0, count, FEW):
        for k in range(start, min(start + FEW, count)):
            value, place = source[k], k
            while place > start and _before(value, p[place - 1], descending):
                p[place], q[place] = p[place - 1], q[place - 1]
                place -= 1
            p[place], q[place] = value, number + k
    if count <= FEW:
        return
    values, indices, half = np.empty(count, x.dtype), np.empty(count, np.int64), FEW
    while half < count:
        values[:], indices[:] = p, q
        for start in range(0, count, 2 * half):
            middle, end = min(start + half, count), min(start + 2 * half, count)
            _merge(values, indices, start, middle, middle, end, p, q, start, end, descending)
        half *= 2


@part
def _merge_body(t, sizes, x, i, y, j):
    """Places t·RUN … of a row, of a pass that merges sorted stretches of `half` numbers in pairs."""
    n, descending, half = sizes[0], sizes[1] != 0, sizes[2]
    across = (n + RUN - 1) // RUN
    row, begin = t // across * n, t % across * RUN
    end = min(begin + RUN, n)
    start = begin // (2 * half) * 2 * half            # 2·half is a multiple of RUN: one pair for the whole task
    middle, stop, before = min(start + half, n), min(start + 2 * half, n), begin - start
    low, high = max(0, before - (stop - middle)), min(before, middle - start)
    while low < high:                                 # how many of the `before` numbers come from the left half
        left = (low + high) // 2
        if _before(x[row + middle + before - left - 1], x[row + start + left], descending):
            high = left
        else:
            low = left + 1
    _merge(x, i, row + start + low, row + middle, row + middle + before - low, row + stop, y, j, row + begin, row + end, descending)


@part
def _topk_body(t, sizes, x, y, j):
    """The k best of row t: a heap of them in y and j, then sorted by taking the worst away again and again."""
    n, k, descending = sizes[0], sizes[1], sizes[2] != 0
    row, p, q = x[t * n:(t + 1) * n], y[t * k:(t + 1) * k], j[t * k:(t + 1) * k]
    for i in range(k):                                # sift up
        place = i
        value = row[i]
        while place > 0:
            parent = (place - 1) // 2
            if _before(value, p[parent], descending):  # among equals the later one is worse, and stays below nobody
                break
            p[place], q[place] = p[parent], q[parent]
            place = parent
        p[place], q[place] = value, i
    for i in range(k, n):
        if _before(row[i], p[0], descending):
            _sift_down(p, q, k, row[i], i, descending)
    for size in range(k - 1, 0, -1):
        value, index = p[size], q[size]
        p[size], q[size] = p[0], q[0]
        _sift_down(p, q, size, value, index, descending)


@part
def _worse(p, q, a, b, descending):
    """Whether heap entry a is worse than b: it stands behind it, or is its equal and came later."""
    if _before(p[b], p[a], descending):
        return True
    return not _before(p[a], p[b], descending) and q[a] > q[b]


@part
def _sift_down(p, q, size, value, index, descending):
    """Put (value, index) in the place of the top of a heap of `size`, the worst on top."""
    place = 0
    while 2 * place + 1 < size:
        child = 2 * place + 1
        if child + 1 < size and _worse(p, q, child + 1, child, descending):
            child += 1
        if _before(p[child], value, descending) or not _before(value, p[child], descending) and q[child] < index:
            break
        p[place], q[place] = p[child], q[child]
        place = child
    p[place], q[place] = value, index


def sort(x, descending):
    if x.dtype.char not in "fd":
        return specified_sort(x, descending)
    R, n = x.shape
    y, j = empty((R, n), x.dtype), empty((R, n), np.int64)
    tasks = R * -(-n // RUN)
    launch(_sort_body, tasks, np.array([n, descending]), x, y, j, work=x.size * 40)
    half = RUN
    while half < n:
        z, i = empty((R, n), x.dtype), empty((R, n), np.int64)
        launch(_merge_body, tasks, np.array([n, descending, half]), y, j, z, i, work=x.size * 5)
        y, j, half = z, i, 2 * half
    return y, j


def topk(x, k, largest):
    if x.dtype.char not in "fd":
        return specified_topk(x, k, largest)
    R, n = x.shape
    if 8 * k > n and n > FEW:
        values, indices = sort(x, largest)
        return np.ascontiguousarray(values[:, :k]), np.ascontiguousarray(indices[:, :k])
    y, j = empty((R, k), x.dtype), empty((R, k), np.int64)
    launch(_topk_body, R if k else 0, np.array([n, k, largest]), x, y, j)
    return y, j


sort.__doc__, topk.__doc__ = specified_sort.__doc__, specified_topk.__doc__
