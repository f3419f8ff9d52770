"""Cross entropy between a class label and the softmax of the logits, one loss a sample.

    loss_b = −Σ_c q_bc · log softmax(logits_b)_c,    q_bc = (1 − ε)·w_t·[c = t] + ε/C·w_c

t is the target, ε the label smoothing, w the class weights (1 without). A sample whose target is `ignore_index` has
loss 0 and gradient 0.

Szegedy et al.: Rethinking the Inception architecture, section 7 (arXiv 1512.00567).
"""
import numpy as np
from numba import prange

from .array import empty
from .jit import inner, kernel
from .softmax import BLOCK, log_softmax_forward

exp_ = np.exp  # inlined by Numba

__all__ = ["cross_entropy_forward", "cross_entropy_backward"]


@inner
def _losses(log_probs, target, weight, ignore_index, smoothing, losses):
    B, C = log_probs.shape
    kept, spread = smoothing.dtype.type(1) - smoothing[0], smoothing[0] / smoothing.dtype.type(C)
    for b in range(B):
        losses[b] = 0
        if target[b] == ignore_index:
            continue
        if kept > 0:  # else 0 · −∞ could make a NaN
            losses[b] = -kept * weight[target[b]] * log_probs[b, target[b]]
        if spread > 0:
            total = smoothing.dtype.type(0)
            for c in range(C):
                total += log_probs[b, c] * weight[c]
            losses[b] -= spread * total


@inner
def _row_gradient(scale, log_probs, target, weight, smoothing, sum_of_weights, dlogits):
    C = len(log_probs)
    kept, spread = smoothing.dtype.type(1) - smoothing[0], smoothing[0] / smoothing.dtype.type(C)
    total = kept * weight[target] + spread * sum_of_weights
    for c in range(C):
        dlogits[c] = scale * (exp_(log_probs[c]) * total - spread * weight[c])
    dlogits[target] -= scale * kept * weight[target]


@kernel
def _gradient(dlosses, log_probs, target, weight, ignore_index, smoothing, rows, dlogits):
    sum_of_weights = weight.dtype.type(0)
    for c in range(len(weight)):
        sum_of_weights += weight[c]
    for block in prange((len(target) + rows - 1) // rows):
        start = np.int64(block) * rows
        for b in range(start, min(start + rows, len(target))):
            if target[b] == ignore_index:
                dlogits[b, :] = 0
            else:
                _row_gradient(dlosses[b], log_probs[b], target[b], weight, smoothing, sum_of_weights, dlogits[b])


def _parameters(log_probs, weight, label_smoothing):
    weight = np.ones(log_probs.shape[1], log_probs.dtype) if weight is None else weight
    return weight, np.full(1, label_smoothing, log_probs.dtype)


def cross_entropy_forward(logits, target, weight, ignore_index, label_smoothing):
    """Losses of B samples. logits (B, C), target int64 (B,), weight (C,) or None, label_smoothing in [0, 1].

    Returns losses (B,), not averaged and already multiplied by the class weights, and log_probs (B, C).
    """
    log_probs = log_softmax_forward(logits)
    losses = empty((len(target),), logits.dtype)
    weight, smoothing = _parameters(log_probs, weight, label_smoothing)
    _losses(log_probs, target, weight, ignore_index, smoothing, losses)
    return losses, log_probs


def cross_entropy_backward(dlosses, log_probs, target, weight, ignore_index, label_smoothing):
    """dlogits_bc = dlosses_b · (softmax_bc · Σ_k q_bk − q_bc).

    dlosses (B,), log_probs (B, C) from the forward pass, the rest as there. Returns dlogits (B, C).
    """
    dlogits = empty(log_probs.shape, log_probs.dtype)
    weight, smoothing = _parameters(log_probs, weight, label_smoothing)
    _gradient(dlosses, log_probs, target, weight, ignore_index, smoothing,
              max(1, BLOCK // log_probs.shape[1]), dlogits)
    return dlogits
