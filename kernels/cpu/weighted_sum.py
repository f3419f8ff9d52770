"""A weighted sum of several arrays; formula and shapes as in `reference/weighted_sum.py`.

Why it is fast. There is nothing to compute: all time goes to memory, and every array passes once. A piece of the result stays in
the first-level cache while one array after the other is added to it, so one body serves any number of them; backward, the
piece is the gradient's. Parts of dw are sums over blocks that follow from the shape alone, added in order.
"""
from .array import empty
from .jit import part
from .launch import launch, numbers, unpack
from .reduce import sum as add_up

__all__ = ["weighted_sum_forward", "weighted_sum_backward"]

BLOCK = 32768   # numbers of a task
PIECE = 2048    # numbers that are seen to at a time


@part
def _scaled(y, x, factor):
    for i in range(len(y)):
        y[i] = factor * x[i]


@part
def _add_scaled(y, x, factor):
    for i in range(len(y)):
        y[i] += factor * x[i]


@part
def _back(dx, x, dy, factor):
    """dx = factor · dy; dy · x"""
    total = dy.dtype.type(0)
    for i in range(len(dy)):
        dx[i] = factor * dy[i]
    for i in range(len(dy)):
        total += dy[i] * x[i]
    return total


@part
def _forward(t, sizes, w, y, a, b, c, d):
    """Block t; of b, c and d only as many as there are weights are looked at."""
    L, P = unpack(sizes, 2)
    blocks = (P + BLOCK - 1) // BLOCK
    n, begin = t // blocks, t % blocks * BLOCK
    end = n * P + min(begin + BLOCK, P)
    for i in range(n * P + begin, end, PIECE):
        j = min(i + PIECE, end)
        _scaled(y[i:j], a[i:j], w[n * L])
        if L > 1:
            _add_scaled(y[i:j], b[i:j], w[n * L + 1])
        if L > 2:
            _add_scaled(y[i:j], c[i:j], w[n * L + 2])
        if L > 3:
            _add_scaled(y[i:j], d[i:j], w[n * L + 3])


@part
def _backward(t, sizes, dy, w, sums, a, da, b, db, c, dc, d, dd):
    """Block t; its part of dw is row t of sums."""
    L, P = unpack(sizes, 2)
    blocks = (P + BLOCK - 1) // BLOCK
    n, begin = t // blocks, t % blocks * BLOCK
    end = n * P + min(begin + BLOCK, P)
    row = sums[t * L:(t + 1) * L]
    row[:] = 0
    for i in range(n * P + begin, end, PIECE):
        j = min(i + PIECE, end)
        row[0] += _back(da[i:j], a[i:j], dy[i:j], w[n * L])
        if L > 1:
            row[1] += _back(db[i:j], b[i:j], dy[i:j], w[n * L + 1])
        if L > 2:
            row[2] += _back(dc[i:j], c[i:j], dy[i:j], w[n * L + 2])
        if L > 3:
            row[3] += _back(dd[i:j], d[i:j], dy[i:j], w[n * L + 3])


def _layout(w, x):
    """The weights of each n, the numbers of each, and the blocks they are cut into."""
    P = x.size // max(len(x), 1)
    return numbers(w.shape[1], P), -(-P // BLOCK)


def weighted_sum_forward(w, xs):
    """y (N, …) of w (N, L) and L arrays (N, …)."""
    y, (sizes, blocks) = empty(xs[0].shape, w.dtype), _layout(w, xs[0])
    launch(_forward, len(y) * blocks, sizes, w, y, *xs, *[xs[0]] * (4 - len(xs)))
    return y


def weighted_sum_backward(dy, w, xs):
    """dw (N, L) and a list of L arrays dx (N, …) of dy (N, …)."""
    dxs, (sizes, blocks) = [empty(x.shape, w.dtype) for x in xs], _layout(w, dy)
    sums = empty((len(dy), blocks, len(xs)), w.dtype)
    pairs = [array for pair in zip(xs, dxs) for array in pair]
    launch(_backward, len(dy) * blocks, sizes, dy, w, sums, *pairs, *pairs[:2] * (4 - len(xs)))
    return add_up(sums, (1,)), dxs
