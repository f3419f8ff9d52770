"""Cross entropy between a class label and the softmax of the logits, one loss a sample.

    loss_b = −Σ_c q_bc · log softmax(logits_b)_c,    q_bc = (1 − ε)·w_t·[c = t] + ε/C·w_c

t is the target, ε the label smoothing, w the class weights (1 without). A sample whose target is `ignore_index` has
loss 0 and gradient 0.

Szegedy et al.: Rethinking the Inception architecture, section 7 (arXiv 1512.00567).
"""
import numpy as np

from .array import empty
from .jit import part
from .launch import launch
from .mathfun import exp_
from .softmax import BLOCK, log_softmax_forward

__all__ = ["cross_entropy_forward", "cross_entropy_backward"]


@part
def _losses(t, sizes, log_probs, target, weight, smoothing, losses):
    """Losses of the samples t·rows …"""
    C, rows, ignore_index = sizes[0], sizes[1], sizes[2]
    kept, spread = smoothing.dtype.type(1) - smoothing[0], smoothing[0] / smoothing.dtype.type(C)
    for b in range(t * rows, min((t + 1) * rows, len(target))):
        losses[b] = 0
        if target[b] == ignore_index:
            continue
        if kept > 0:  # else 0 · −∞ could make a NaN
            losses[b] = -kept * weight[target[b]] * log_probs[b * C + target[b]]
        if spread > 0:
            total = smoothing.dtype.type(0)
            for c in range(C):
                total += log_probs[b * C + c] * weight[c]
            losses[b] -= spread * total


@part
def _gradient(t, sizes, dlosses, log_probs, target, weight, smoothing, dlogits):
    """Gradients of the samples t·rows …"""
    C, rows, ignore_index = sizes[0], sizes[1], sizes[2]
    kept, spread = smoothing.dtype.type(1) - smoothing[0], smoothing[0] / smoothing.dtype.type(C)
    sum_of_weights = weight.dtype.type(0)
    for c in range(C):
        sum_of_weights += weight[c]
    begin, end = t * rows, min((t + 1) * rows, len(target))
    block, powers = log_probs[begin * C:end * C], dlogits[begin * C:end * C]
    for j in range(len(powers)):  # of all rows in one loop: in one over a short row most numbers would be the rest of no vector
        powers[j] = exp_(block[j])
    for b in range(begin, end):
        result = dlogits[b * C:(b + 1) * C]
        if target[b] == ignore_index:
            result[:] = 0
            continue
        label = kept * weight[target[b]]
        total = label + spread * sum_of_weights
        for c in range(C):
            result[c] = dlosses[b] * (result[c] * total - spread * weight[c])
        result[target[b]] -= dlosses[b] * label


def _launch(body, log_probs, target, weight, ignore_index, label_smoothing, arrays, result):
    B, C = log_probs.shape
    rows = max(1, BLOCK // C)
    weight = np.ones(C, log_probs.dtype) if weight is None else weight
    launch(body, -(-B // rows), np.array([C, rows, ignore_index]), *arrays, target, weight,
           np.full(1, label_smoothing, log_probs.dtype), result)
    return result


def cross_entropy_forward(logits, target, weight, ignore_index, label_smoothing):
    """Losses of B samples. logits (B, C), target int64 (B,), weight (C,) or None, label_smoothing in [0, 1].

    Returns losses (B,), not averaged and already multiplied by the class weights, and log_probs (B, C).
    """
    log_probs = log_softmax_forward(logits)
    losses = empty((len(target),), logits.dtype)
    _launch(_losses, log_probs, target, weight, ignore_index, label_smoothing, (log_probs,), losses)
    return losses, log_probs


def cross_entropy_backward(dlosses, log_probs, target, weight, ignore_index, label_smoothing):
    """dlogits_bc = dlosses_b · (softmax_bc · Σ_k q_bk − q_bc).

    dlosses (B,), log_probs (B, C) from the forward pass, the rest as there. Returns dlogits (B, C).
    """
    return _launch(_gradient, log_probs, target, weight, ignore_index, label_smoothing, (dlosses, log_probs),
                   empty(log_probs.shape, log_probs.dtype))
