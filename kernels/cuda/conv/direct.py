"""Convolution where a tile would stay half empty: a filter for every channel, groups of few channels, few channels in or out.

    y[m, k] = b[k] + Σ_{r,s,c} packed[(r, s, c), k] · x[pixel m under tap (r, s), first(k) + c]        first(k): k's group begins

Neighbouring threads write neighbouring channels of y, so filters (packed to have all channels of a place side by side), and y itself,
pass by in whole lines; x does, too, or many threads want the same number of it, which costs one access. Three ways:

    "depthwise"    one channel in, one out: a thread has 4 channels, three 16-byte accesses in all to a tap
    "shared"       4 channels of y that lie in one group: a number of x is multiplied with a quad of filters
    "single"       whatever else: a channel of y for each thread

    threads 0, 1, 2, …   write y[m, 0:4], y[m, 4:8], …, y[m + 1, 0:4], …
      "depthwise"        read x[tap, 0:4], x[tap, 4:8], …             and packed[tap, 0:4], packed[tap, 4:8], …
      "shared"           read x[tap, c] (all of a group the same c)   and packed[(tap, c), 0:4], packed[(tap, c), 4:8], …

A 3 × 3 depthwise convolution multiplies 9 times for each number that it must read and one that it must write: memory is the limit,
and the nine reads of a number of x come from the first-level cache, since blocks are pieces of rows. For groups and few channels
the caches deliver a quad of filters and a number of x for 4 multiplications: an eighth or a quarter of the multipliers' peak.
"""
from .. import array
from ..runtime import cuda, device, jit, launch, load4, multiply_add, specialised, store4
from .weights import add_parts, pack
from .weight_grad import parts_of

THREADS = 256
FEW = 4, 16
"""A group's channels of the output, and its places, up to which a tile is mostly empty."""


def suits(places, columns, groups):
    """True if groups with so many places of the filter, and so many output channels, should be computed here."""
    return columns <= FEW[0] or places <= FEW[1] or groups > 1 and columns < 16


@device
def forward_source(i, r, stride, padding, dilation, length):
    """The row (or column) of x that tap r reads for output i; −1 where that is outside."""
    row = i * stride + r * dilation - padding
    return row if 0 <= row and row < length else -1


@device
def backward_source(h, r, stride, padding, dilation, length):
    """The row of dy to which pixel h contributed by tap r; −1 where there is none."""
    i = h + padding - r * dilation
    if stride > 1:
        if i % stride != 0:
            return -1
        i //= stride
    return i if 0 <= i and i < length else -1


@device
def _begin_one(w, at):
    return w[at]


@device
def _begin_quad(w, at):
    return load4(w, at)


@device
def _add_single(total, x, at, w, place, inner, K):
    for c in range(inner):
        total += x[at + c] * w[place + c * K]
    return total


@device
def _add_shared(total, x, at, w, place, inner, K):
    for c in range(inner):
        total = multiply_add(total, (x[at + c],), load4(w, place + c * K))
    return total


@device
def _add_depthwise(total, x, at, w, place, inner, K):
    v, f = load4(x, at), load4(w, place)
    return total[0] + v[0] * f[0], total[1] + v[1] * f[1], total[2] + v[2] * f[2], total[3] + v[3] * f[3]


@device
def _write_one(y, e, total):
    y[e] = total


@device
def _write_quad(y, e, total):
    store4(y, e, total)


WAYS = {"depthwise": (4, _begin_quad, _add_depthwise, _write_quad), "shared": (4, _begin_quad, _add_shared, _write_quad),
        "single": (1, _begin_one, _add_single, _write_one)}
"""Channels of a thread, and how it begins with the bias, adds what a tap gives, and writes."""


@specialised
def _direct(real, way, back):
    """y, each thread one or 4 channels of a pixel (see `WAYS`). `back`: to the input, where x is dy and y is dx."""
    source = backward_source if back else forward_source
    lanes, begin, add, write = WAYS[way]

    @jit
    def direct(x, w, y, sizes):
        H, W, C, Ho, Wo, K, inner, outer, R, S, sh, sw, ph, pw, dh, dw = sizes  # C, K: all channels; inner, outer: of a group
        e = cuda.grid(1) * lanes
        if e < y.size:
            m, k = e // K, e % K
            n, i, j = m // (Ho * Wo), m // Wo % Ho, m % Wo
            first = k // outer * inner
            total = begin(w, R * S * inner * K + k)
            for r in range(R):
                row = source(i, r, sh, ph, dh, H)
                if row >= 0:
                    for s in range(S):
                        column = source(j, s, sw, pw, dw, W)
                        if column >= 0:
                            total = add(total, x, ((n * H + row) * W + column) * C + first, w, (r * S + s) * inner * K + k, inner, K)
            write(y, e, total)
    return direct


def direct(x, w, b, y, stride, padding, dilation, groups, back):
    """Write y, as `product.product` does."""
    (_, H, W, C), (_, Ho, Wo, K) = x.shape, y.shape
    inner, outer = C // groups, K // groups
    packed = pack(w, b, groups, inner, outer, back)
    aligned = y.offset % 16 == 0
    if inner == outer == 1 and K % 4 == 0 and aligned and x.offset % 16 == 0:
        way = "depthwise"
    else:
        way = "shared" if outer % 4 == 0 and aligned else "single"
    kernel = _direct(x.dtype.type, way, back)
    launch(kernel, array.blocks(y.size if way == "single" else y.size // 4, THREADS), THREADS, x.flat, packed, y.flat,
           (H, W, C, Ho, Wo, K, inner, outer, *w.shape[2:], *stride, *padding, *dilation))


@specialised
def _direct_weight(real):
    """parts[z, q, k] = Σ_{m in part z} dy[m, k] · x[pixel m under tap (r, s), first(k) + c], q = (r, s, c); in row Q, Σ dy[m, k].

    One thread an element of (Q + 1) × K, neighbours along k (of few filters: along the places too); grid: blocks of elements, parts.
    """
    zero = real(0)

    @jit
    def direct_weight(dy, x, parts, sizes):
        H, W, C, Ho, Wo, K, inner, outer, S, places, pixels, part, sh, sw, ph, pw, dh, dw = sizes
        e, z = cuda.grid(1), cuda.blockIdx.y
        if e < (places + 1) * K:
            q, k = e // K, e % K
            tap, c = q // inner, k // outer * inner + q % inner
            down, across = tap // S * dh - ph, tap % S * dw - pw
            total = zero
            m = z * part
            n, i, j = m // (Ho * Wo), m // Wo % Ho, m % Wo
            for m in range(z * part, min(z * part + part, pixels)):
                row, column = i * sh + down, j * sw + across
                if q == places:
                    total += dy[m * K + k]
                elif row >= 0 and row < H and column >= 0 and column < W:
                    total += dy[m * K + k] * x[((n * H + row) * W + column) * C + c]
                j += 1
                if j == Wo:
                    j = 0
                    i += 1
                    if i == Ho:
                        i = 0
                        n += 1
            parts[z * (places + 1) * K + e] = total
    return direct_weight


def direct_weight(dy, x, w_shape, stride, padding, dilation, groups):
    """dw, db, as `weight_grad.weight_grad` gives them."""
    (_, H, W, C), (N, Ho, Wo, K) = x.shape, dy.shape
    _, inner, R, S = w_shape
    places = R * S * inner
    blocks = array.blocks((places + 1) * K, THREADS)
    Z, part = parts_of(N * Ho * Wo, blocks)
    parts = array.empty((Z, places + 1, K), x.dtype)
    launch(_direct_weight(x.dtype.type), (blocks, Z), THREADS, dy.flat, x.flat, parts.flat,
           (H, W, C, Ho, Wo, K, inner, K // groups, S, places, N * Ho * Wo, part, *stride, *padding, *dilation))
    return add_parts(parts, w_shape, inner, K // groups)
