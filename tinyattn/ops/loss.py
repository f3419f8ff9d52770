"""Losses: how wrong, as one number.

Cross-entropy is log-softmax and the negative log-likelihood in one pass; its gradient is the famous p − t: what was
predicted minus what should have been.
"""
import math

import numpy as np

from ..autograd import Function, is_grad_enabled
from ..tensor import Tensor
from .arguments import as_tensor, check_range, choice, flag, float_argument, probability, real, same_dtype, tensor_argument, whole
from .activation import log1pexp
from .compare import clamp, eq, ne, where
from .creation import arange
from .elementwise import abs, exp, log, neg, square, sub
from .index import gather
from .shape import broadcast_shape, cast
from .softmax import log_softmax

REDUCTIONS = ("mean", "sum", "none")


def _reduced(losses, reduction, weight=None):
    """The losses, their sum, or their mean (weighted, where there are weights)."""
    if weight is not None:
        losses = losses * weight
    if reduction == "mean":
        return losses.mean() if weight is None else losses.sum() / weight.sum()
    return losses.sum() if reduction == "sum" else losses


def _mean_of(losses, total):
    """Σ losses / total; where all are ignored that is 0 / 0 = NaN, with gradient 0 as in PyTorch. `total` is a number, or a
    Tensor on a device that need not be waited for."""
    if not isinstance(total, Tensor):
        return losses.sum() / total if total else losses.sum() * 0 + np.nan
    nothing = eq(total, 0)
    return where(nothing, np.nan, losses.sum() / where(nothing, 1, total))


def _on_hand(total):
    """A sum as a float, where it is in the host's memory."""
    return total.item() if total.device == "cpu" else total


def reduction_of(reduction, size_average, reduce, caller):
    """The reduction asked for; PyTorch's older `size_average` and `reduce`, where given, stand for one of the three."""
    if size_average is None and reduce is None:
        return choice(reduction, REDUCTIONS, caller, "reduction")
    average, reduced = (True if value is None else flag(value, caller, name)
                        for name, value in (("size_average", size_average), ("reduce", reduce)))
    return "none" if not reduced else "mean" if average else "sum"


class CrossEntropyFunction(Function):
    """ℓ_b = −Σ_c t_bc · w_c · log softmax(x_b)_c, with t one-hot at the label (smoothed on request); 0 where ignored; or Σ_b ℓ_b / total"""

    def forward(ctx, x, target, weight, ignore_index, label_smoothing, total=None):
        k = ctx.kernels
        losses, probs = k.cross_entropy_forward(
            k.contiguous(x), k.contiguous(target), None if weight is None else k.contiguous(weight), ignore_index, label_smoothing)
        ctx.save(x, probs, target, weight)
        if total == len(losses):
            return k.mean(losses, (0,))
        return losses if total is None else k.div(k.sum(losses, (0,)), total)

    def backward(ctx, dy):
        x, probs, target, weight = ctx.saved
        options = {name: ctx.attributes[name] for name in ("ignore_index", "label_smoothing")}
        total = ctx.attributes.get("total")
        if is_grad_enabled():
            dy = dy if total is None else dy / total
            dy = dy.expand(len(target))
            t = _soft_targets(x, target, weight, **options)
            dx = exp(log_softmax(x, 1)) * (t.sum(1) * dy).unsqueeze(1) - t * dy.unsqueeze(1)
            return where(ne(target, options["ignore_index"]).unsqueeze(1), dx, 0)     # 0 also where dy is NaN
        return CrossEntropyGradFunction.apply(dy, probs, target, weight, total=total, **options)


class CrossEntropyGradFunction(Function):
    """dx_bc = dℓ_b / total · (softmax(x_b)_c · Σ_c' w t − w_c t_bc); not recorded"""

    def forward(ctx, dy, probs, target, weight, ignore_index, label_smoothing, total=None):
        k = ctx.kernels
        return k.cross_entropy_backward(k.contiguous(dy.reshape(-1)), probs, k.contiguous(target),
                                        None if weight is None else k.contiguous(weight), ignore_index, label_smoothing,
                                        1.0 if total is None else total)


def _soft_targets(x, target, weight, ignore_index, label_smoothing):
    """w_c · t_bc (B, C) for the scores x (B, C): what each class's log-probability is multiplied by."""
    used = ne(target, ignore_index)
    hot = eq(where(used, target, 0).unsqueeze(1), arange(x.shape[1], device=x.device))
    t = where(used.unsqueeze(1), cast(hot, x.dtype) * (1 - label_smoothing) + label_smoothing / x.shape[1], 0)
    return t if weight is None else t * weight.detach()


def _class_weights(weight, target, ignore_index, dtype):
    """The weight of each sample (B,): its class's, and 0 where it is ignored."""
    used = ne(target, ignore_index)
    return cast(used, dtype) if weight is None else where(used, gather(weight.detach(), 0, where(used, target, 0)), 0)


def _classes_last(x, target, caller):
    """(N, C, d1, …) scores and (N, d1, …) labels as (B, C) and (B,)."""
    if x.ndim == 1:
        return x.unsqueeze(0), target.reshape(1)
    if x.ndim > 2:
        return x.permute(0, *range(2, x.ndim), 1).reshape(-1, x.shape[1]), target.reshape(-1)
    return x, target


def _labels(x, target, ignore_index, caller):
    """int64 labels checked against the scores' shape and number of classes; and whether some are ignored."""
    if x.ndim == 0:
        raise ValueError(f"{caller}: input has shape (), expected (C,), (N, C) or (N, C, d1, …)")
    expected = x.shape[:0] if x.ndim == 1 else x.shape[:1] + x.shape[2:]
    if target.dtype.kind not in "iu":
        raise TypeError(f"{caller}: target must hold integer class numbers, got {target.dtype}; convert with "
                        "target.to(np.int64), or give probabilities in the shape of input")
    if target.shape != expected:
        raise ValueError(f"{caller}: target has shape {target.shape}, expected {expected} to match input {x.shape}")
    labels, classes = target.to(np.int64), x.shape[0 if x.ndim == 1 else 1]
    if target.device != "cpu":                                           # the kernels look at them, and there may be such as are ignored
        return labels, True
    values = labels.data
    if not values.size or np.maximum.reduce(values.view(np.uint64), axis=None) < classes:    # what is negative is large without a sign
        return labels, 0 <= ignore_index < classes and bool((values == ignore_index).any())
    values = values[values != ignore_index]
    if values.size and (values.min() < 0 or values.max() >= classes):
        raise ValueError(f"{caller}: target holds labels from {values.min()} to {values.max()}, expected 0 to {classes - 1} "
                         f"for {classes} classes (or ignore_index = {ignore_index})")
    return labels, True


def cross_entropy(input, target, weight=None, size_average=None, ignore_index=-100, reduce=None, reduction="mean",
                  label_smoothing=0.0):
    """Cross-entropy between scores `input` (N, C), (C,) or (N, C, d1, …) and class numbers or probabilities `target`.

    `weight` (C,) multiplies each class's loss; targets of `ignore_index` count nothing; `reduction` is "mean", "sum" or "none". "mean" divides by the sum of the samples' class weights, as PyTorch does. ValueError for labels out of range.
    """
    caller = "cross_entropy"
    x = float_argument(input, caller)
    tensor_argument(target, caller, "target")
    reduction = reduction_of(reduction, size_average, reduce, caller)
    probability(label_smoothing, caller, "label_smoothing")
    whole(ignore_index, caller, "ignore_index", -math.inf)
    same_dtype(caller, input=x, weight=weight)
    classes = x.shape[0 if x.ndim == 1 else 1] if x.ndim else 0
    if weight is not None and weight.shape != (classes,):
        raise ValueError(f"{caller}: weight has shape {weight.shape}, expected ({classes},), one for each class")
    if target.is_floating_point():
        same_dtype(caller, input=x, target=target)
        if ignore_index >= 0:
            raise ValueError(f"{caller}: ignore_index = {ignore_index} is for class numbers, and target holds probabilities; give "
                             "samples that are not to count a target of zeros")
        if target.shape != x.shape:
            raise ValueError(f"{caller}: target of probabilities has shape {target.shape}, expected that of input, {x.shape}")
        dim = 0 if x.ndim == 1 else 1
        t = target if label_smoothing == 0 else target * (1 - label_smoothing) + label_smoothing / classes
        if weight is not None:
            t = t * weight.reshape((-1,) + (1,) * (x.ndim - 1 - dim))
        losses = neg((t * log_softmax(x, dim)).sum(dim))
        return losses.sum() / losses.data.size if reduction == "mean" else _reduced(losses, reduction)     # of nothing: NaN
    labels, ignores = _labels(x, target, ignore_index, caller)
    rows, flat = _classes_last(x, labels, caller)
    total, options = None, dict(ignore_index=int(ignore_index), label_smoothing=float(label_smoothing))
    if reduction == "mean" and (weight is not None or ignores):
        total = _on_hand(_class_weights(weight, flat, ignore_index, x.dtype).sum())
    elif reduction != "none":
        total = float(len(flat)) if reduction == "mean" else 1.0
    if total is not None and not isinstance(total, Tensor) and total:
        return CrossEntropyFunction.apply(rows, flat, weight, total=total, **options)
    losses = CrossEntropyFunction.apply(rows, flat, weight, **options)
    return losses.reshape(labels.shape) if reduction == "none" else _mean_of(losses, total)


def nll_loss(input, target, weight=None, size_average=None, ignore_index=-100, reduce=None, reduction="mean"):
    """Negative log-likelihood of class numbers under log-probabilities (N, C), (C,) or (N, C, d1, …)."""
    caller = "nll_loss"
    x = float_argument(input, caller)
    reduction = reduction_of(reduction, size_average, reduce, caller)
    whole(ignore_index, caller, "ignore_index", -math.inf)
    same_dtype(caller, input=x, weight=weight)
    labels, ignores = _labels(x, tensor_argument(target, caller, "target"), ignore_index, caller)
    if weight is not None and weight.shape != (x.shape[0 if x.ndim == 1 else 1],):
        raise ValueError(f"{caller}: weight has shape {weight.shape}, expected one number for each class of input {x.shape}")
    rows, flat = _classes_last(x, labels, caller)
    safe = where(eq(flat, ignore_index), 0, flat) if ignores else flat
    losses, total = neg(gather(rows, 1, safe.unsqueeze(1)).squeeze(1)), float(len(flat))
    if ignores or weight is not None:
        weights = _class_weights(weight, flat, ignore_index, x.dtype)
        losses, total = losses * weights, _on_hand(weights.sum())
    if reduction == "mean":
        return _mean_of(losses, total)
    return losses.reshape(labels.shape) if reduction == "none" else losses.sum()


def _pairwise(input, target, weight, caller):
    float_argument(input, caller), float_argument(target, caller, "target")
    same_dtype(caller, input=input, target=target, weight=weight)
    broadcast_shape(caller, input.shape, target.shape)
    if weight is not None and weight.shape != input.shape:
        raise ValueError(f"{caller}: weight has shape {weight.shape}, expected that of input, {input.shape}")


def mse_loss(input, target, size_average=None, reduce=None, reduction="mean", weight=None):
    """(x − t)², reduced; with `weight` (the input's shape) the mean is Σ w (x − t)² / Σ w."""
    reduction = reduction_of(reduction, size_average, reduce, "mse_loss")
    _pairwise(input, target, weight, "mse_loss")
    return _reduced(square(sub(input, target)), reduction, weight)


def l1_loss(input, target, size_average=None, reduce=None, reduction="mean", weight=None):
    """|x − t|, reduced; with `weight` (the input's shape) the mean is Σ w |x − t| / Σ w."""
    reduction = reduction_of(reduction, size_average, reduce, "l1_loss")
    _pairwise(input, target, weight, "l1_loss")
    return _reduced(abs(sub(input, target)), reduction, weight)


def smooth_l1_loss(input, target, size_average=None, reduce=None, reduction="mean", beta=1.0):
    """(x − t)² / 2β where |x − t| < β, else |x − t| − β/2, reduced. (Girshick, arXiv:1504.08083)"""
    reduction = reduction_of(reduction, size_average, reduce, "smooth_l1_loss")
    _pairwise(input, target, None, "smooth_l1_loss")
    if real(beta, "smooth_l1_loss", "beta") < 0:
        raise ValueError(f"smooth_l1_loss: beta must not be negative, got {beta}")
    if beta == 0:
        return l1_loss(input, target, reduction=reduction)
    d = abs(sub(input, target))
    return _reduced(where(d < beta, square(d) * (0.5 / beta), d - 0.5 * beta), reduction)


def binary_cross_entropy_with_logits(input, target, weight=None, size_average=None, reduce=None, reduction="mean",
                                     pos_weight=None):
    """−[p·t·log σ(x) + (1 − t)·log(1 − σ(x))] with p = pos_weight, reduced; for p = 1 it is log(1 + eˣ) − x·t."""
    caller = "binary_cross_entropy_with_logits"
    reduction = reduction_of(reduction, size_average, reduce, caller)
    _pairwise(input, target, None, caller)
    if input.shape != target.shape:
        raise ValueError(f"{caller}: target has shape {target.shape}, expected that of input, {input.shape}")
    for name, value in (("weight", weight), ("pos_weight", pos_weight)):
        if value is not None and broadcast_shape(f"{caller}: {name}", as_tensor(value, caller).shape, input.shape) != input.shape:
            raise ValueError(f"{caller}: {name} has shape {value.shape}, which does not broadcast to that of input, {input.shape}")
    if pos_weight is None:
        losses = log1pexp(input) - input * target
    else:
        scale = (pos_weight - 1) * target + 1
        losses = (1 - target) * input + scale * log1pexp(neg(input))
    return _reduced(losses if weight is None else losses * weight, reduction)


def binary_cross_entropy(input, target, weight=None, size_average=None, reduce=None, reduction="mean"):
    """−[t·log x + (1 − t)·log(1 − x)] of probabilities x, reduced; logarithms below −100 count as −100, as in PyTorch.

    `binary_cross_entropy_with_logits` takes the scores before the sigmoid, and is the safer choice.
    """
    caller = "binary_cross_entropy"
    reduction = reduction_of(reduction, size_average, reduce, caller)
    _pairwise(input, target, None, caller)
    if input.shape != target.shape:
        raise ValueError(f"{caller}: target has shape {target.shape}, expected that of input, {input.shape}")

    def refuse(least, most):
        raise ValueError(f"{caller}: input must hold probabilities between 0 and 1, got {least} to {most}; apply a "
                         "sigmoid first, or use binary_cross_entropy_with_logits")
    check_range(input, 0, 1, refuse)
    losses = neg(target * clamp(log(input), min=-100) + (1 - target) * clamp(log(1 - input), min=-100))
    if weight is not None:
        if broadcast_shape(f"{caller}: weight", as_tensor(weight, caller).shape, input.shape) != input.shape:
            raise ValueError(f"{caller}: weight has shape {weight.shape}, which does not broadcast to that of input, {input.shape}")
        losses = losses * weight
    return _reduced(losses, reduction)


def kl_div(input, target, size_average=None, reduce=None, reduction="mean", log_target=False):
    """t · (log t − x) of log-probabilities x and probabilities t (their logarithms, with `log_target`); 0 where t = 0.

    `reduction` may also be "batchmean": the sum over the number of rows, which is what the divergence is defined as.
    """
    caller, batchmean = "kl_div", isinstance(reduction, str) and reduction == "batchmean"
    reduction = reduction_of("sum" if batchmean else reduction, size_average, reduce, caller)
    _pairwise(input, target, None, caller)
    if flag(log_target, caller, "log_target"):
        losses = exp(target) * (target - input)
    else:
        unseen = target == 0                             # t log t is 0 there
        losses = where(unseen, 0, target * log(where(unseen, 1, target))) - target * input
    y = _reduced(losses, reduction)
    return y / max(input.shape[0], 1) if batchmean and input.ndim else y


def huber_loss(input, target, reduction="mean", delta=1.0, weight=None):
    """(x − t)² / 2 where |x − t| < δ, else δ (|x − t| − δ/2), reduced. (Huber, 1964)"""
    choice(reduction, REDUCTIONS, "huber_loss", "reduction")
    _pairwise(input, target, weight, "huber_loss")
    if real(delta, "huber_loss", "delta") <= 0:
        raise ValueError(f"huber_loss: delta must be positive, got {delta}")
    d = abs(sub(input, target))
    losses = where(d < delta, square(d) * 0.5, (d - 0.5 * delta) * delta)
    return _reduced(losses if weight is None else losses * weight, reduction)        # PyTorch's mean, here, is over the elements
