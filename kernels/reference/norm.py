"""Normalisation: subtract a mean, divide by a standard deviation, scale and shift.

    y = (x − mean) · rstd · weight + bias,    rstd = 1 / √(var + eps)

Batch norm takes mean and variance of each column (a channel, over all pixels of the batch), layer norm of each row.

Ioffe, Szegedy: Batch normalization (arXiv 1502.03167). Ba, Kiros, Hinton: Layer normalization (arXiv 1607.06450).
"""
import numpy as np

__all__ = ["batch_norm_forward", "batch_norm_inference", "batch_norm_backward",
           "layer_norm_forward", "layer_norm_backward"]


def _scale_and_shift(normalised, weight, bias, relu, dtype):
    if weight is not None:
        normalised = normalised * weight
    if bias is not None:
        normalised = normalised + bias
    if relu:
        normalised = np.where(normalised < 0, 0, normalised)  # NaN stays NaN
    return normalised.astype(dtype)


def batch_norm_forward(x, weight, bias, eps, relu=False):
    """Normalise each column of x by its own statistics; with `relu`, y = max(0, …).

    x (M, C): M = N·H·W pixels. weight and bias (C,) or None. Returns y (M, C), and mean, var (biased: divided by M) and
    rstd, each (C,).
    """
    wide = x.astype(np.float64)                                  # (M, C)
    mean = wide.mean(axis=0)                                     # (C,)
    var = ((wide - mean) ** 2).mean(axis=0)                      # (C,)
    rstd = 1 / np.sqrt(var + eps)                                # (C,)
    y = _scale_and_shift((wide - mean) * rstd, weight, bias, relu, x.dtype)
    return y, mean.astype(x.dtype), var.astype(x.dtype), rstd.astype(x.dtype)


def batch_norm_inference(x, mean, var, weight, bias, eps, relu=False):
    """The same with given statistics: x (M, C), mean and var (C,), weight and bias (C,) or None. Returns y (M, C)."""
    with np.errstate(invalid="ignore"):
        rstd = 1 / np.sqrt(var.astype(np.float64) + eps)         # (C,)
    return _scale_and_shift((x.astype(np.float64) - mean) * rstd, weight, bias, relu, x.dtype)


def batch_norm_backward(dy, x, mean, rstd, weight, bias, relu=False):
    """Gradients of `batch_norm_forward`. With x̂ = (x − mean) · rstd, and dy zeroed where y ≤ 0 if `relu`:

        dbias = Σ_m dy,   dweight = Σ_m dy·x̂,   dx = weight · rstd · (dy − dbias/M − x̂·dweight/M)

    dy, x (M, C); mean, rstd (C,); weight and bias (C,) or None. The sign of y is computed anew, which costs less than
    reading it; only with `relu` does it matter, and with it bias. Returns dx (M, C), dweight (C,), dbias (C,).
    """
    M = len(x)
    normalised = (x.astype(np.float64) - mean) * rstd            # (M, C)
    g = dy.astype(np.float64)
    if relu:
        g = np.where(_scale_and_shift(normalised, weight, bias, True, x.dtype) > 0, g, 0)
    dbias = g.sum(axis=0)                                        # (C,)
    dweight = (g * normalised).sum(axis=0)                       # (C,)
    scale = rstd if weight is None else rstd * weight            # (C,)
    dx = scale * (g - dbias / M - normalised * (dweight / M))
    return dx.astype(x.dtype), dweight.astype(x.dtype), dbias.astype(x.dtype)


def layer_norm_forward(x, weight, bias, eps):
    """Normalise each row of x. x (M, D); weight and bias (D,) or None. Returns y (M, D), mean (M,), rstd (M,)."""
    wide = x.astype(np.float64)                                  # (M, D)
    mean = wide.mean(axis=1)                                     # (M,)
    centred = wide - mean[:, None]
    with np.errstate(invalid="ignore"):                          # a negative eps may well give NaN
        rstd = 1 / np.sqrt((centred ** 2).mean(axis=1) + eps)    # (M,)
    y = _scale_and_shift(centred * rstd[:, None], weight, bias, False, x.dtype)
    return y, mean.astype(x.dtype), rstd.astype(x.dtype)


def layer_norm_backward(dy, x, mean, rstd, weight):
    """Gradients of `layer_norm_forward`. With x̂ = (x − mean) · rstd and g = dy · weight:

        dx = rstd · (g − ⟨g⟩ − x̂·⟨g·x̂⟩)  (⟨⟩: mean of a row),   dweight = Σ_m dy·x̂,   dbias = Σ_m dy

    dy, x (M, D); mean, rstd (M,); weight (D,) or None. Returns dx (M, D), dweight (D,), dbias (D,).
    """
    dy64 = dy.astype(np.float64)
    normalised = (x.astype(np.float64) - mean[:, None]) * rstd[:, None]                      # (M, D)
    g = dy64 if weight is None else dy64 * weight                                            # (M, D)
    dx = g - g.mean(axis=1, keepdims=True) - normalised * (g * normalised).mean(axis=1, keepdims=True)
    dx *= rstd[:, None]
    return dx.astype(x.dtype), (dy64 * normalised).sum(axis=0).astype(x.dtype), dy64.sum(axis=0).astype(x.dtype)
