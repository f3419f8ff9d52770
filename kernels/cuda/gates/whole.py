"""A whole attention gate: the squeezes of `squeeze`, the small networks of `network`, and back; formulas as in `reference/gates.py`.

    v, m = mean, max over the pixels of x         (N, C) each             x (N, H, W, C), P = H·W
    g = σ(MLP(v) [+ MLP(m)])                      (N, C)                  MLP(v) = W₂ max(W₁ v + b₁, 0) + b₂, or v itself
    A = [mean; max over the channels of x·g]      (N, H, W, 2)
    s = σ(A ∗ filters)                            (N, H, W)               or 1
    y = x · g · s

x is read three times and y written once, without filters twice. Backward, dy and x are read once for what comes back to s, once for
what comes back to g, and dy once for dx, which is written once with all that comes to it: no gradient of x's size is ever added to
another. Nothing is read back to the host, so a step with gates can be captured.
"""
import numpy as np

from ..array import cast, copy, empty
from ..columns import nothing, sum_rows
from ..runtime import launch
from . import network
from .squeeze import (THREADS, apply_gates_forward, flat, gate_gradient, pixel_gradient, pool_channels_forward, pool_pixels_forward,
                      spread, warps)


def _threads(count):
    return -(-count // THREADS), THREADS


def _hidden(w1, b1, mean, most, pools):
    """max(W₁ v_k + b₁, 0), (K, N, h)."""
    (N, _), units, dtype = mean.shape, len(w1), mean.dtype
    h = empty((pools, N, units), dtype)
    launch(network.hidden(dtype.type), *warps(h.size), w1.flat, flat(b1, dtype), mean.flat, flat(most, dtype), N, units, h.flat)
    return h


def attention_gate_forward(x, w1, b1, w2, b2, filters, with_max):
    """y = x·g·s and the notes that the backward pass needs; formulas and shapes as in `reference/gates.py`."""
    (N, H, W, C), dtype, real = x.shape, x.dtype, x.dtype.type
    tokens, width = x.reshape(N, H * W, C), C if filters is None else C + H * W
    mean, most, where = pool_pixels_forward(tokens, with_max)
    h = None if w1 is None else _hidden(w1, b1, mean, most, 2 if with_max else 1)
    gate, notes, pixel = empty((N, C), dtype), empty((N, 4, width), dtype), None
    launch(network.channel_gate(real), *_threads(N * C), flat(w2, dtype), flat(b2, dtype), flat(h, dtype), mean.flat,
           flat(most, dtype), flat(where, np.int64), gate.flat, notes.flat, width)
    if filters is not None:
        maps, winner = pool_channels_forward(tokens, gate)
        pixel = empty((N, H * W), dtype)
        launch(network.pixel_gate(real), *_threads(pixel.size), maps.flat, winner.flat, filters.flat,
               (H, W, *filters.shape[2:], width), pixel.flat, notes.flat)
    return apply_gates_forward(tokens, gate, pixel).reshape(x.shape), notes


def attention_gate_backward(dy, x, w1, b1, w2, b2, filters, with_max, notes):
    """dx, dw1, db1, dw2, db2, dfilters from dy; None where there is no weight."""
    (N, H, W, C), dtype = x.shape, x.dtype
    P, pools = H * W, 2 if with_max else 1
    tokens, dy = x.reshape(N, P, C), dy.reshape(N, P, C)
    mean, gate = copy(notes[:, 0, :C]), copy(notes[:, 3, :C])
    most, where = (copy(notes[:, 1, :C]), cast(notes[:, 2, :C], np.int64)) if with_max else (None, None)
    pixel = dmaps = winner = dfilters = None
    if filters is not None:
        pixel, winner = copy(notes[:, 3, C:]), cast(notes[:, 2, C:], np.int64)
        dmaps, dfilters = _through_filters(pixel_gradient(dy, tokens, gate, pixel), filters, notes, (H, W))
    dz = gate_gradient(tokens, dy, pixel, dmaps, winner, sigmoid=gate)                     # (N, C)
    back, gradients = ([dz] * pools, (None,) * 4) if w1 is None else _through_mlp(dz, w1, b1, w2, b2, mean, most, pools)
    dx = spread(tokens.shape, dtype, dy, pixel, dmaps, winner, gate, back[0], back[1] if with_max else None, where)
    return dx.reshape(x.shape), *gradients, dfilters


def _through_filters(dz, filters, notes, image):
    """dmaps (N, P, 2) and dfilters from dz (N, P), what comes back to A ∗ filters."""
    (N, P), real = dz.shape, dz.dtype.type
    shape = *image, *filters.shape[2:], notes.shape[2]
    dmaps, partial = empty((N, P, 2), dz.dtype), empty((N, *filters.shape[1:]), dz.dtype)
    launch(network.maps_gradient(real), *_threads(N * P), dz.flat, filters.flat, shape, dmaps.flat)
    launch(network.filter_gradient(real), *warps(partial.size), dz.flat, notes.flat, shape, partial.flat)
    return dmaps, sum_rows(partial).reshape(filters.shape)


def _through_mlp(dz, w1, b1, w2, b2, mean, most, pools):
    """What comes back to mean and maximum, [(N, C), (N, C)], and dw1, db1, dw2, db2."""
    (N, C), units, dtype, real = dz.shape, len(w1), dz.dtype, dz.dtype.type
    h = _hidden(w1, b1, mean, most, pools)
    dh, dv = empty(h.shape, dtype), empty((pools, N, C), dtype)
    launch(network.hidden_gradient(real), *warps(N * units), dz.flat, w2.flat, h.flat, units, pools, dh.flat)
    launch(network.pooled_gradient(real), *_threads(dv.size), dh.flat, w1.flat, units, dv.flat)
    last = pools - 1

    def product(weight, a0, a1, b0, b1):
        if weight is None:
            return None
        y = empty(weight.shape, dtype)
        launch(network.products(real), *warps(y.size), a0.flat, b0.flat, a1.flat, b1.flat, N, pools, y.flat)
        return y

    none = nothing(dtype)
    return list(dv[k] for k in range(pools)), (product(w1, dh[0], dh[last], mean, most if pools == 2 else mean),
                                               product(b1, dh[0], dh[last], none, none),
                                               product(w2, dz, dz, h[0], h[last]), product(b2, dz, dz, none, none))
