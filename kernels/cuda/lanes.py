"""What a thread does for one channel, or for four neighbouring ones by 16-byte accesses: the same code, written once.

A kernel keeps what belongs to its channels in tuples of 1 or 4 numbers, and does with them what the functions here do: read,
write, join element by element. `lanes_of` says which it may be: four, if channels are a multiple of 4 and arrays are aligned.
"""
import functools

from .runtime import device, load4, store4


def lanes_of(channels, *arrays):
    """4 if quads of channels can be read and written in each of the arrays, else 1."""
    return 4 if channels % 4 == 0 and all(a.offset % min(16, 4 * a.itemsize) == 0 for a in arrays) else 1


@device
def _read_one(x, i):
    return x[i],


@device
def _write_one(y, i, values):
    y[i] = values[0]


@device
def _read_four(x, i):
    return load4(x, i)


@device
def _write_four(y, i, values):
    store4(y, i, values)


def access(lanes):
    """(read, write): read(x, i) is the tuple that begins at x[i], write(y, i, values) writes it."""
    return (_read_four, _write_four) if lanes == 4 else (_read_one, _write_one)


@functools.cache
def each(function, lanes):
    """f(a, b, c, d, e): function(a[k], b[k], c[k], d[k], e) of each lane k, as a tuple; e is the same for all."""
    @device
    def one(a, b, c, d, e):
        return function(a[0], b[0], c[0], d[0], e),

    @device
    def four(a, b, c, d, e):
        return (function(a[0], b[0], c[0], d[0], e), function(a[1], b[1], c[1], d[1], e),
                function(a[2], b[2], c[2], d[2], e), function(a[3], b[3], c[3], d[3], e))

    return four if lanes == 4 else one
