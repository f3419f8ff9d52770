"""What channel and spatial attention gates do to a feature map x (N, P, C), P = H·W pixels.

A gate squeezes the map, over its pixels or over its channels, into a mean and a maximum; a small network turns those
into numbers between 0 and 1; and the map is multiplied by them. The squeezing and the multiplying are here:

    pool_pixels     mean and max over p of x[n,p,c]               → what each channel has to say
    pool_channels   mean and max over c of x[n,p,c]·gate[n,c]     → what each place has to say
    apply_gates     y[n,p,c] = x[n,p,c] · channel[n,c] · pixel[n,p]

Hu et al.: Squeeze-and-excitation networks (arXiv 1709.01507). Woo et al.: CBAM (arXiv 1807.06521).
"""
import numpy as np

from .conv import conv2d_backward_input, conv2d_backward_weight, conv2d_forward
from .elementwise import sigmoid

__all__ = ["pool_pixels_forward", "pool_pixels_backward", "pool_channels_forward", "pool_channels_backward",
           "apply_gates_forward", "apply_gates_backward", "attention_gate_forward", "attention_gate_backward"]


def pool_pixels_forward(x, with_max=True):
    """Mean and maximum of every channel over its pixels. x (N, P, C).

    Returns mean (N, C), max (N, C), argmax int64 (N, C), the first on ties; the last two are None without `with_max`.
    """
    mean = x.mean(axis=1, dtype=np.float64).astype(x.dtype)               # (N, C)
    if not with_max:
        return mean, None, None
    return mean, x.max(axis=1), x.argmax(axis=1)


def pool_pixels_backward(dmean, dmax, argmax, P):
    """dx[n,p,c] = dmean[n,c]/P + [p = argmax[n,c]]·dmax[n,c]. All (N, C); dmax and argmax may be None.

    Returns dx (N, P, C).
    """
    dx = np.repeat(dmean[:, None, :] / dmean.dtype.type(P), P, axis=1)    # (N, P, C)
    if dmax is not None:
        n, c = np.indices(dmax.shape)
        dx[n, argmax, c] += dmax
    return dx


def pool_channels_forward(x, gate):
    """Mean and maximum of every pixel over its gated channels. x (N, P, C), gate (N, C) or None.

    Returns maps (N, P, 2), [mean, max], and argmax int64 (N, P), the first on ties.
    """
    gated = x if gate is None else x * gate[:, None, :]                   # (N, P, C)
    mean = gated.mean(axis=2, dtype=np.float64).astype(x.dtype)           # (N, P)
    return np.stack([mean, gated.max(axis=2)], axis=2), gated.argmax(axis=2)


def pool_channels_backward(dmaps, argmax, x, gate):
    """With g[n,p,c] = dmaps[n,p,0]/C + [c = argmax[n,p]]·dmaps[n,p,1]:  dx = g·gate,  dgate[n,c] = Σ_p g·x.

    dmaps (N, P, 2), argmax (N, P), x (N, P, C), gate (N, C) or None. Returns dx (N, P, C), dgate (N, C) (None without
    a gate).
    """
    N, P, C = x.shape
    g = np.repeat(dmaps[:, :, :1] / x.dtype.type(C), C, axis=2)           # (N, P, C)
    n, p = np.indices((N, P))
    g[n, p, argmax] += dmaps[:, :, 1]
    if gate is None:
        return g, None
    return g * gate[:, None, :], (g * x).sum(axis=1, dtype=np.float64).astype(x.dtype)


def apply_gates_forward(x, channel, pixel, out=None):
    """y[n,p,c] = x[n,p,c] · channel[n,c] · pixel[n,p]. x (N, P, C), channel (N, C) or None, pixel (N, P) or None."""
    y = x.copy() if out is None else out
    y[...] = x
    if channel is not None:
        y *= channel[:, None, :]
    if pixel is not None:
        y *= pixel[:, :, None]
    return y


def apply_gates_backward(dy, x, channel, pixel):
    """Gradients of `apply_gates_forward`:

        dx = dy·channel·pixel,    dchannel[n,c] = Σ_p dy·x·pixel,    dpixel[n,p] = Σ_c dy·x·channel

    dy and x (N, P, C). Returns dx (N, P, C), dchannel (N, C), dpixel (N, P); None where the gate is None.
    """
    dx = apply_gates_forward(dy, channel, pixel)
    product = (dy * x).astype(np.float64)                                 # (N, P, C)
    dchannel = dpixel = None
    if channel is not None:
        weighted = product if pixel is None else product * pixel[:, :, None]
        dchannel = weighted.sum(axis=1).astype(x.dtype)
    if pixel is not None:
        weighted = product if channel is None else product * channel[:, None, :]
        dpixel = weighted.sum(axis=2).astype(x.dtype)
    return dx, dchannel, dpixel


def attention_gate_forward(x, w1, b1, w2, b2, filters, with_max):
    """A whole gate: which channels, and with `filters` also which places.

        v, m = mean, max over the pixels of x         (N, C) each
        g = σ(MLP(v) [+ MLP(m) with_max])             (N, C)
        A = [mean; max over the channels of x·g]      (N, H, W, 2)
        s = σ(A ∗ filters)                            (N, H, W); 1 without filters
        y = x · g · s

    MLP(v) = W₂ max(W₁ v + b₁, 0) + b₂ with w1 (h, C), b1 (h,), w2 (C, h), b2 (C,); the biases may be None, and with all
    four None MLP(v) = v. x (N, H, W, C); filters (1, 2, R, S) with R and S odd, or None.
    Returns y (N, H, W, C) and `notes` for the backward pass, (N, 4, C), or (N, 4, C + H·W) with filters: mean, max, where
    the maximum first is (its number, as a float), and gate, of each channel and of each pixel.
    """
    N, H, W, C = x.shape
    tokens = x.reshape(N, H * W, C)
    mean, most, where = pool_pixels_forward(tokens, with_max)
    pooled = [mean, most] if with_max else [mean]
    gate = sigmoid(sum(_mlp(v, w1, b1, w2, b2)[1] for v in pooled))
    nothing = np.zeros_like(mean)
    notes = [np.stack([mean, *((most, where.astype(x.dtype)) if with_max else (nothing, nothing)), gate], axis=1)]
    pixel = None
    if filters is not None:
        maps, winner = pool_channels_forward(tokens, gate)                # (N, P, 2), (N, P)
        middle = filters.shape[2] // 2, filters.shape[3] // 2
        pixel = sigmoid(conv2d_forward(maps.reshape(N, H, W, 2), filters, None, (1, 1), middle, (1, 1), 1)).reshape(N, H * W)
        notes.append(np.stack([maps[:, :, 0], maps[:, :, 1], winner.astype(x.dtype), pixel], axis=1))
    return apply_gates_forward(tokens, gate, pixel).reshape(x.shape), np.concatenate(notes, axis=2)


def _mlp(v, w1, b1, w2, b2):
    """Its hidden values and its result."""
    if w1 is None:
        return None, v
    hidden = np.maximum(v @ w1.T + (0 if b1 is None else b1), 0)
    return hidden, hidden @ w2.T + (0 if b2 is None else b2)


def attention_gate_backward(dy, x, w1, b1, w2, b2, filters, with_max, notes):
    """Gradients of `attention_gate_forward`, step by step backward. With d(x·g) = dy·s + what comes back through A:

        dg = Σ_p d(x·g)·x,    dx = d(x·g)·g + what comes back through v and m

    Returns dx, dw1, db1, dw2, db2, dfilters; None where there is no weight.
    """
    N, H, W, C = x.shape
    P = H * W
    tokens, dy = x.reshape(N, P, C), dy.reshape(N, P, C)
    mean, most, where, gate = np.moveaxis(notes[:, :, :C], 1, 0)          # (N, C) each
    dfilters = None
    if filters is None:
        dx, dgate, _ = apply_gates_backward(dy, tokens, gate, None)
    else:
        first, second, winner, pixel = np.moveaxis(notes[:, :, C:], 1, 0)  # (N, P) each
        dx, dgate, dpixel = apply_gates_backward(dy, tokens, gate, pixel)
        slope = (dpixel * pixel * (1 - pixel)).reshape(N, H, W, 1)
        maps = np.stack([first, second], axis=2).reshape(N, H, W, 2)
        options = (1, 1), (filters.shape[2] // 2, filters.shape[3] // 2), (1, 1), 1
        dfilters = conv2d_backward_weight(slope, maps, filters.shape, *options)[0]
        dmaps = conv2d_backward_input(slope, filters, maps.shape, *options).reshape(N, P, 2)
        more, dgate_more = pool_channels_backward(dmaps, winner.astype(np.int64), tokens, gate)
        dx, dgate = dx + more, dgate + dgate_more
    slope = dgate * gate * (1 - gate)                                     # (N, C)
    dw1, db1, dw2, db2, back = 0, 0, 0, 0, []
    for v in [mean, most] if with_max else [mean]:
        if w1 is None:
            back.append(slope)
            continue
        hidden, _ = _mlp(v, w1, b1, w2, b2)
        dhidden = slope @ w2 * (hidden > 0)                               # (N, h)
        dw1, db1 = dw1 + dhidden.T @ v, db1 + dhidden.sum(axis=0)
        dw2, db2 = dw2 + slope.T @ hidden, db2 + slope.sum(axis=0)
        back.append(dhidden @ w1)
    dx = dx + pool_pixels_backward(back[0], back[1] if with_max else None, where.astype(np.int64) if with_max else None, P)
    given = (w1, dw1), (b1, db1), (w2, dw2), (b2, db2), (filters, dfilters)
    return dx.reshape(x.shape), *(None if w is None else np.asarray(dw, x.dtype) for w, dw in given)
