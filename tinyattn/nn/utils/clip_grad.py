"""Clipping: gradients that are too long are shortened, so that one bad batch cannot throw the weights away.

(Pascanu, Mikolov & Bengio, "On the difficulty of training recurrent neural networks", arXiv:1211.5063.)
"""
import collections.abc
import math

import numpy as np

from ... import kernels
from ...ops.arguments import flag, float_argument, real, tensor_argument
from ...tensor import Tensor


def as_list(given, caller, name="parameters"):
    """One Tensor or an iterable of them, as a list. TypeError for anything else."""
    if isinstance(given, Tensor):
        return [given]
    if not isinstance(given, collections.abc.Iterable) or isinstance(given, (str, bytes)):
        raise TypeError(f"{caller}: {name} must be a Tensor or an iterable of Tensors, got {type(given).__name__}")
    given = list(given)
    for x in given:
        if isinstance(x, tuple):
            raise TypeError(f"{caller}: {name} must be Tensors, got a tuple; use parameters() instead of named_parameters()")
        tensor_argument(x, caller, f"each of {name}")
    return given


def _gradients(parameters, caller):
    return [float_argument(p.grad, caller, "each gradient") for p in as_list(parameters, caller) if p.grad is not None]


def _norm_type(value, caller):
    """The order p of a norm: a number, or "inf"."""
    return math.inf if isinstance(value, str) and value == "inf" else real(value, caller, "norm_type")


def _one_way(foreach, caller):
    if foreach is not None and not isinstance(foreach, bool):
        raise TypeError(f"{caller}: foreach must be None, True or False, got {foreach!r:.40}")


def _rewrite(x, function):
    """x ← function(x), in place: ``function(kernels, array)`` is given x's memory in the order it has, or else a copy, and writes it over."""
    memory = x.contiguous_data()
    if memory.size == 0:
        return
    k = kernels.of(memory)
    if k.may_share_memory(memory, x.data):
        function(k, memory)
    else:
        k.assign(x.data, function(k, memory))
    x._changed()


def get_total_norm(tensors, norm_type=2.0, error_if_nonfinite=False, foreach=None):
    """The norm of the norms of all tensors: ‖(‖x₁‖ₚ, ‖x₂‖ₚ, …)‖ₚ, p = norm_type (or "inf"), a Tensor of one number.

    For p > 0 that is the norm of all numbers in one vector. Added in float64, in a fixed order; 0 for no tensors.
    RuntimeError for NaN or infinity if `error_if_nonfinite`. `foreach` is PyTorch's and changes nothing here.
    """
    caller = "get_total_norm"
    return _total([float_argument(x, caller, "each of tensors") for x in as_list(tensors, caller, "tensors")], norm_type,
                  error_if_nonfinite, foreach, caller)


def _total(tensors, norm_type, error_if_nonfinite, foreach, caller):
    order = _norm_type(norm_type, caller)
    flag(error_if_nonfinite, caller, "error_if_nonfinite")
    _one_way(foreach, caller)
    k = kernels.of(tensors[0].data) if tensors else kernels.rung()
    norms = [k.power_norm(x.contiguous_data(), order) for x in tensors if x.numel()]
    total = k.power_norm(k.cat(norms, 0), order) if norms else k.zeros(1, np.float64)
    if error_if_nonfinite and not math.isfinite(found := k.to_host(total)[0]):
        raise RuntimeError(f"{caller}: the norm of order {norm_type} is {found}, so the gradients cannot be scaled to a length; find what "
                           "made them so (ta.detect_anomaly), or pass error_if_nonfinite=False")
    dtype = np.result_type(*(x.dtype for x in tensors)) if tensors else np.float32
    with np.errstate(over="ignore"):
        return Tensor(k.cast(total, dtype).reshape(()))


def clip_grads_with_norm_(parameters, max_norm, total_norm, foreach=None):
    """g ← g · min(1, max_norm / (total_norm + 10⁻⁶)) for the gradient of every parameter, in place."""
    caller = "clip_grads_with_norm_"
    _scale(_gradients(parameters, caller), max_norm, total_norm, foreach, caller)


def _scale(gradients, max_norm, total_norm, foreach, caller):
    longest = real(max_norm, caller, "max_norm", 0)
    _one_way(foreach, caller)
    if isinstance(total_norm, Tensor) and total_norm.numel() != 1:
        raise ValueError(f"{caller}: total_norm must be one number, got shape {total_norm.shape}")
    if isinstance(total_norm, Tensor) and total_norm.device != "cpu":
        _scale_there(gradients, longest, total_norm)
        return
    total = total_norm.item() if isinstance(total_norm, Tensor) else total_norm
    if not isinstance(total, float):
        total = real(total, caller, "total_norm")
    factor = longest / (total + 1e-6) if total != -1e-6 else math.inf
    if not factor >= 1:  # NaN goes through
        for g in gradients:
            _rewrite(g, lambda k, x: k.mul(x, factor, out=x))


def _scale_there(gradients, longest, total_norm):
    """`_scale` on the device of the norm, without looking at it."""
    k = kernels.of(total_norm.data)
    factor = k.minimum(k.div(float(longest), k.add(total_norm.data, 1e-6)), 1.0)
    for g in gradients:
        _rewrite(g, lambda k, x: k.mul(x, factor if factor.dtype == x.dtype else k.cast(factor, x.dtype), out=x))


def clip_grad_norm_(parameters, max_norm, norm_type=2.0, error_if_nonfinite=False, foreach=None):
    """Scale all gradients by one factor, in place, so that together they are no longer than max_norm. Returns the norm before.

    parameters: a Tensor or an iterable of them, those without a gradient are passed over; else see `get_total_norm`.
    """
    caller = "clip_grad_norm_"
    gradients = _gradients(parameters, caller)
    real(max_norm, caller, "max_norm", 0)
    total = _total(gradients, norm_type, error_if_nonfinite, foreach, caller)
    _scale(gradients, max_norm, total, foreach, caller)
    return total


def clip_grad_value_(parameters, clip_value, foreach=None):
    """g ← min(max(g, −clip_value), clip_value) for every number of every gradient, in place; NaN stays."""
    caller = "clip_grad_value_"
    limit = real(clip_value, caller, "clip_value", 0)
    _one_way(foreach, caller)
    for g in _gradients(parameters, caller):
        _rewrite(g, lambda k, x: k.clamp(x, -limit, limit, out=x))
