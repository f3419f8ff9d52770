"""Filters, images and sums of gradients, laid out as the kernels of this folder want to read and write them.

Filters come as (K, C/groups, R, S). A product sums over *places* q = (r·S + s)·C' + c, where C' is the number of channels of a
group, filled up with zeros to a multiple of 4 if quads are to be read; for each place it wants the numbers of all outputs side
by side. So each call first packs its filters:

    packed[q, g·P + k] = w[g·K/G + k, c, r, s]           k < K/G; the rest of the P columns is 0
    packed[Q, g·P + k] = b[g·K/G + k]                    one row more, the bias, which a sum begins with

Backward to the input, places run over (r, s, k) and columns over c. Filters are small: packing costs less than reading them askew.
"""
from .. import array
from ..runtime import cuda, jit, launch, specialised


def upto(n, step):
    """`n` rounded up to a multiple of `step`."""
    return -(-n // step) * step


@specialised
def _pack(real, back):
    """packed (Q + 1, G·P) of w (K, C/G, R, S) and b (K,), or for `back`; one thread an element, neighbours along the columns."""
    zero = real(0)

    @jit
    def pack(w, b, packed, sizes):
        G, inner, padded, columns, P, biased = sizes  # channels of a place, with padding; columns of a group, with padding
        S = w.shape[3]
        width = G * P
        i = cuda.grid(1)
        if i < packed.size:
            q, column = i // width, i % width
            g, column = column // P, column % P
            tap, c = q // padded, q % padded
            value = zero
            if column < columns:
                if q == packed.size // width - 1:
                    if biased:
                        value = b[g * columns + column]
                elif c < inner:
                    r, s = tap // S, tap % S
                    value = w[g * inner + c, column, r, s] if back else w[g * columns + column, c, r, s]
            packed[i] = value
    return pack


def pack(w, b, groups, padded, P, back):
    """The packed filters, one axis; `padded` channels of a group at each place, P columns of a group. b may be None."""
    K, C, R, S = w.shape
    inner, columns = (K // groups, C) if back else (C, K // groups)
    packed = array.empty(((R * S * padded + 1) * groups * P,), w.dtype)
    sizes = groups, inner, padded, columns, P, int(b is not None)
    launch(_pack(w.dtype.type, back), array.blocks(packed.size), array.THREADS, w, packed if b is None else b, packed, sizes)
    return packed


@specialised
def _pad(real):
    """y[pixel, g·P + c] = x[pixel, g·C + c], 0 from c = C on."""
    zero = real(0)

    @jit
    def pad(x, y, C, P):
        i = cuda.grid(1)
        if i < y.size:
            g, c = i // P, i % P
            y[i] = x[g * C + c] if c < C else zero
    return pad


def quads(x, groups):
    """(x, or a copy, in which the channels of each group begin at a multiple of 16 bytes and 4 numbers; channels of a group there)."""
    C = x.shape[-1] // groups
    if C % 4 == 0 and x.offset % 16 == 0:
        return x, C
    P = upto(C, 4)
    y = array.empty((*x.shape[:-1], groups * P), x.dtype)
    launch(_pad(x.dtype.type), array.blocks(y.size), array.THREADS, x.flat, y.flat, C, P)
    return y, P


@specialised
def _add_parts(real):
    """dw[k, c, r, s] = Σ_z parts[z, q, g·P + …], z in order; the row behind the last place is db. One thread an element."""
    zero = real(0)

    @jit
    def add_parts(parts, dw, db, padded, P):
        columns, C, S = dw.shape[0] * P // parts.shape[2], dw.shape[1], dw.shape[3]  # filters of a group
        width = parts.shape[2]
        i = cuda.grid(1)
        if i < parts.shape[1] * width:
            q, column = i // width, i % width
            g, k = column // P, column % P
            tap, c = q // padded, q % padded
            total = zero
            if k < columns:
                for z in range(parts.shape[0]):
                    total += parts[z, q, column]
                if q == parts.shape[1] - 1:
                    db[g * columns + k] = total
                elif c < C:
                    dw[g * columns + k, c, tap // S, tap % S] = total
    return add_parts


def add_parts(parts, w_shape, padded, P):
    """dw (K, C/G, R, S) and db (K,) of parts (Z, Q + 1, G·P)."""
    dw, db = array.empty(w_shape, parts.dtype), array.empty((w_shape[0],), parts.dtype)
    count = parts.shape[1] * parts.shape[2]
    launch(_add_parts(parts.dtype.type), array.blocks(count), array.THREADS, parts, dw, db, padded, P)
    return dw, db
