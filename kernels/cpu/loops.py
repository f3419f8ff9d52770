"""The loops of elementwise functions, and how broadcasting is laid out for them.

Each loop is a template with a hole, `f`: `specialize` makes a kernel body of it for every formula. It works on one
block of the result, which `launch` spreads over the threads.

However many axes the operands have, broadcasting leaves few cases: axes of size 1 go, and neighbouring axes that
every operand walks alike are one axis. Adding a bias to images is rows × channels, with the bias standing still over
the rows; gating their channels is images × pixels × channels. Three axes are enough for all that occurs here, and in
the last of them an operand either moves by one element or stands still, so the innermost loop is vectorised. Indices
are unsigned there: a signed one may be negative and count from the end, and making sure costs more than short rows do.
"""
import functools

import numpy as np

uint = np.uint64

BLOCK = 16384  # elements a task: large beside the cost of waking a thread, small beside the caches


def blocks(size):
    """How many tasks of `BLOCK` elements make up `size`."""
    return -(-size // BLOCK)


def unary(t, x, y):
    """y[i] = f(x[i]) for block t."""
    begin = t * BLOCK
    end = min(begin + BLOCK, x.size)
    p, o = x[begin:end], y[begin:end]
    for i in range(end - begin):
        o[i] = f(p[i])


def unary_in_place(t, y):
    """y[i] = f(y[i]) for block t. A loop of its own: `unary` would fear that x and y overlap, and go one by one."""
    o = y[t * BLOCK:min((t + 1) * BLOCK, y.size)]
    for i in range(o.size):
        o[i] = f(o[i])


def backward(t, dy, y, dx):
    """dx[i] = f(dy[i], y[i]) for block t."""
    begin = t * BLOCK
    end = min(begin + BLOCK, dy.size)
    p, q, o = dy[begin:end], y[begin:end], dx[begin:end]
    for i in range(end - begin):
        o[i] = f(p[i], q[i])


def binary(t, steps, a, b, y):
    """y = f(a, b) for block t of the layout in `steps` (see `layout`)."""
    rows, middle, inner, row_block, column_block = steps[0], steps[1], steps[2], steps[3], steps[4]
    across = (inner + column_block - 1) // column_block
    first_row, first_column = t // across * row_block, t % across * column_block
    n = uint(min(column_block, inner - first_column))
    for r in range(first_row, min(first_row + row_block, rows)):
        i, j = r // middle, r % middle
        o = uint(r * inner + first_column)
        p = uint(i * steps[5] + j * steps[6] + first_column * steps[7])
        q = uint(i * steps[8] + j * steps[9] + first_column * steps[10])
        if steps[7] == 0:
            for c in range(n):
                y[o + c] = f(a[p], b[q + c])
        elif steps[10] == 0:
            for c in range(n):
                y[o + c] = f(a[p + c], b[q])
        else:
            for c in range(n):
                y[o + c] = f(a[p + c], b[q + c])


def binary_in_place(t, steps, y, b):
    """y = f(y, b) for block t of the layout in `steps`."""
    rows, middle, inner, row_block, column_block = steps[0], steps[1], steps[2], steps[3], steps[4]
    across = (inner + column_block - 1) // column_block
    first_row, first_column = t // across * row_block, t % across * column_block
    n = uint(min(column_block, inner - first_column))
    for r in range(first_row, min(first_row + row_block, rows)):
        o = uint(r * inner + first_column)
        q = uint(r // middle * steps[8] + r % middle * steps[9] + first_column * steps[10])
        if steps[10] == 0:
            for c in range(n):
                y[o + c] = f(y[o + c], b[q])
        else:
            for c in range(n):
                y[o + c] = f(y[o + c], b[q + c])


def ternary(t, steps, x, a, b, y):
    """y = f(x, a, b) for block t; x has the full shape in its last axis, a and b move or stand still."""
    rows, middle, inner, row_block, column_block = steps[0], steps[1], steps[2], steps[3], steps[4]
    across = (inner + column_block - 1) // column_block
    first_row, first_column = t // across * row_block, t % across * column_block
    n = uint(min(column_block, inner - first_column))
    for r in range(first_row, min(first_row + row_block, rows)):
        i, j = r // middle, r % middle
        o = uint(r * inner + first_column)
        s = uint(i * steps[5] + j * steps[6] + first_column)
        p = uint(i * steps[8] + j * steps[9] + first_column * steps[10])
        q = uint(i * steps[11] + j * steps[12] + first_column * steps[13])
        if steps[10] == 0 and steps[13] == 0:
            for c in range(n):
                y[o + c] = f(x[s + c], a[p], b[q])
        elif steps[10] == 0:
            for c in range(n):
                y[o + c] = f(x[s + c], a[p], b[q + c])
        elif steps[13] == 0:
            for c in range(n):
                y[o + c] = f(x[s + c], a[p + c], b[q])
        else:
            for c in range(n):
                y[o + c] = f(x[s + c], a[p + c], b[q + c])


@functools.lru_cache(maxsize=4096)
def layout(*shapes):
    """How operands of `shapes` broadcast: the result's shape, the number of tasks, and `steps` for the loops.

    `steps` (int64) holds rows = outer · middle, middle, inner, the rows and columns of a block, and for every operand
    how far it moves per step of the outer, middle and inner axis. It is None if more than three axes remain: then the
    operands have to be broadcast in memory first.
    """
    shape = np.broadcast_shapes(*shapes)
    walks = []
    for one in shapes:
        moves, step = [0] * len(shape), 1
        for axis in range(1, len(one) + 1):
            moves[-axis] = step if one[-axis] > 1 else 0
            step *= one[-axis]
        walks.append(moves)
    axes = []  # innermost first: [size, step of each operand]
    for size, *moves in list(zip(shape, *walks))[::-1]:
        if axes and all(move == last * axes[-1][0] for move, last in zip(moves, axes[-1][1:])):
            axes[-1][0] *= size
        elif size != 1:
            axes.append([size, *moves])
    if len(axes) > 3:
        return shape, 0, None
    axes += [[1] + [0] * len(shapes)] * (3 - len(axes))
    inner, middle, outer = (axis[0] for axis in axes)
    row_block, column_block = max(1, BLOCK // max(inner, 1)), min(inner, BLOCK)
    tasks = 0 if 0 in shape else -(-outer * middle // row_block) * -(-inner // column_block)
    steps = [outer * middle, middle, inner, row_block, column_block]
    for operand in range(1, len(shapes) + 1):
        steps += [axes[2][operand], axes[1][operand], axes[0][operand]]
    return shape, tasks, np.array(steps, dtype=np.int64)
