"""Arrays of any strides, for the kernels that take them: copies, and elementwise operations that broadcast.

A grid of threads counts elements in the order of the result. To find an element of an operand, its number is taken apart into
one index an axis, and each is multiplied by that axis's stride, 0 where the operand is broadcast:

    element = offset + Σ_a index_a · stride_a

Divisions are slow, so axes that lie one behind the other in all arrays are first made one (`collapsed`): most calls end with
one axis.
"""


def broadcast(shape, array):
    """`array`'s strides, in elements, along the axes of `shape`, to which it broadcasts."""
    missing = len(shape) - len(array.shape)
    return (0,) * missing + tuple(
        0 if n == 1 and m != 1 else step // array.itemsize for m, n, step in zip(shape[missing:], array.shape, array.strides))


def collapsed(shape, *strides):
    """`shape` and each of `strides` with axes of length 1 dropped, and neighbours joined that are one walk in all of them.

    At least one axis is left.
    """
    lengths, walks = [], []  # walks[a]: the stride of axis a in each array
    for n, steps in zip(shape, zip(*strides)):
        if n == 1:
            continue
        if lengths and all(outer == inner * n for outer, inner in zip(walks[-1], steps)):
            lengths[-1] *= n
            walks[-1] = steps
        else:
            lengths.append(n)
            walks.append(steps)
    if not lengths:
        lengths, walks = [1], [(0,) * len(strides)]
    return tuple(lengths), *(tuple(w) for w in zip(*walks))
