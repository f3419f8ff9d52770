"""What channel and spatial attention gates do to a feature map x (N, P, C), P = H·W pixels.

A gate squeezes the map, over its pixels or over its channels, into a mean and a maximum; a small network turns those
into numbers between 0 and 1; and the map is multiplied by them. The squeezing and the multiplying are here:

    pool_pixels     mean and max over p of x[n,p,c]               → what each channel has to say
    pool_channels   mean and max over c of x[n,p,c]·gate[n,c]     → what each place has to say
    apply_gates     y[n,p,c] = x[n,p,c] · channel[n,c] · pixel[n,p]

Hu et al.: Squeeze-and-excitation networks (arXiv 1709.01507). Woo et al.: CBAM (arXiv 1807.06521).
"""
import numpy as np

__all__ = ["pool_pixels_forward", "pool_pixels_backward", "pool_channels_forward", "pool_channels_backward",
           "apply_gates_forward", "apply_gates_backward"]


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
