"""Cross entropy between a class label and the softmax of the logits, one loss a sample.

    loss_b = −Σ_c q_bc · log softmax(logits_b)_c,    q_bc = (1 − ε)·w_t·[c = t] + ε/C·w_c

t is the target, ε the label smoothing, w the class weights (1 without). A sample whose target is `ignore_index` has
loss 0 and gradient 0.

Szegedy et al.: Rethinking the Inception architecture, section 7 (arXiv 1512.00567).
"""
import numpy as np

from .softmax import log_softmax_forward, softmax_forward

__all__ = ["cross_entropy_forward", "cross_entropy_backward"]


def _label_weights(shape, dtype, target, weight, ignore_index, label_smoothing):
    """q (B, C): what each log probability counts."""
    B, C = shape
    weight = np.ones(C, dtype) if weight is None else weight
    q = np.zeros(shape, dtype)
    kept = np.flatnonzero(target != ignore_index)
    q[kept] = label_smoothing / C * weight
    q[kept, target[kept]] += (1 - label_smoothing) * weight[target[kept]]
    return q


def cross_entropy_forward(logits, target, weight, ignore_index, label_smoothing):
    """Losses of B samples. logits (B, C), target int64 (B,), weight (C,) or None, label_smoothing in [0, 1].

    Returns losses (B,), not averaged and already multiplied by the class weights, and probs (B, C), the softmax.
    """
    log_probs = log_softmax_forward(logits)                                             # (B, C)
    q = _label_weights(logits.shape, logits.dtype, target, weight, ignore_index, label_smoothing)
    products = np.where(q == 0, 0, -q * np.where(q == 0, 0, log_probs))                 # 0 · −∞ counts as 0
    return products.sum(axis=1), softmax_forward(logits)


def cross_entropy_backward(dlosses, probs, target, weight, ignore_index, label_smoothing, total=1):
    """dlogits_bc = dlosses_b / total · (softmax_bc · Σ_k q_bk − q_bc).

    dlosses (B,), or (1,) for all samples, probs (B, C) from the forward pass, the rest as there. Returns dlogits (B, C).
    """
    q = _label_weights(probs.shape, probs.dtype, target, weight, ignore_index, label_smoothing)
    return dlosses[:, None] / dlosses.dtype.type(total) * (probs * q.sum(axis=1, keepdims=True) - q)
