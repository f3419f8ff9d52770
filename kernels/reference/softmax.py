"""Softmax of each row: positive numbers that sum to 1, larger where x is larger.

    y_i = exp(x_i − m) / Σ_j exp(x_j − m),    log y_i = x_i − m − log Σ_j exp(x_j − m),    m = max_j x_j

Subtracting the maximum changes nothing in exact arithmetic, and keeps exp from overflowing.

Bridle: Probabilistic interpretation of feedforward classification network outputs (1990).
"""
import numpy as np

__all__ = ["softmax_forward", "log_softmax_forward", "softmax_backward", "log_softmax_backward"]


def _shifted(x):
    with np.errstate(invalid="ignore"):                    # a row of nothing but −∞ is NaN, as in PyTorch
        return x - x.max(axis=1, keepdims=True, initial=-np.inf)


def softmax_forward(x, out=None):
    """y = softmax of each row. x (M, D). Returns y (M, D); a row of nothing but −∞ gives NaN."""
    e = np.exp(_shifted(x))                                # (M, D)
    return np.divide(e, e.sum(axis=1, keepdims=True), out=out)


def log_softmax_forward(x, out=None):
    """y = log(softmax) of each row, exact also where softmax itself rounds to 0. x (M, D). Returns y (M, D)."""
    z = _shifted(x)                                        # (M, D)
    return np.subtract(z, np.log(np.exp(z).sum(axis=1, keepdims=True)), out=out)


def softmax_backward(dy, y, out=None):
    """dx_i = y_i · (dy_i − Σ_j dy_j·y_j). dy and y = softmax(x), both (M, D). Returns dx (M, D)."""
    return np.multiply(y, dy - (dy * y).sum(axis=1, keepdims=True), out=out)


def log_softmax_backward(dy, y, out=None):
    """dx_i = dy_i − exp(y_i) · Σ_j dy_j. dy and y = log_softmax(x), both (M, D). Returns dx (M, D)."""
    return np.subtract(dy, np.exp(y) * dy.sum(axis=1, keepdims=True), out=out)
