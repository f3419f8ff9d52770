"""Averages of the weights along the way: often better than the last step, and steadier.

(Polyak & Juditsky 1992; Izmailov et al., "Averaging weights leads to wider optima and better generalization", arXiv:1803.05407.)
"""
import collections.abc
import copy

import numpy as np

from .. import kernels
from ..grad_mode import no_grad
from ..nn.norm import _BatchNorm
from ..nn.module import Module
from ..ops.arguments import flag, probability
from ..ops.elementwise import add
from ..placing import on_host, overwrite
from ..tensor import Tensor, checked_device


def lerp_(averaged, current, weight):
    """a ← a + weight · (x − a) for every pair of two lists of Tensors, in place. Integers are rounded towards 0."""
    lists = {}
    for a, x in zip(averaged, current, strict=True):
        if a.is_floating_point():
            lists.setdefault(a.dtype, []).append((a.data, x.data))
        else:
            overwrite(a, np.trunc(on_host(a) * (1 - weight) + on_host(x) * weight))
        a._changed()
    for pairs in lists.values():
        kernels.of(pairs[0][0]).lerp_step(*zip(*pairs), weight)


def get_ema_multi_avg_fn(decay=0.999):
    """For ``multi_avg_fn``: a ← decay · a + (1 − decay) · x, an exponential average."""
    weight = 1 - probability(decay, "get_ema_multi_avg_fn", "decay")
    return lambda averaged, current, num_averaged: lerp_(averaged, current, weight)


def get_swa_multi_avg_fn():
    """For ``multi_avg_fn``: a ← a + (x − a) / (n + 1), the plain mean of all that came."""
    return lambda averaged, current, num_averaged: lerp_(averaged, current, 1 / (int(num_averaged) + 1))


def get_ema_avg_fn(decay=0.999):
    """For ``avg_fn``: decay · a + (1 − decay) · x, an exponential average."""
    decay = probability(decay, "get_ema_avg_fn", "decay")
    return no_grad()(lambda averaged, current, num_averaged: decay * averaged + (1 - decay) * current)


def get_swa_avg_fn():
    """For ``avg_fn``: a + (x − a) / (n + 1), the plain mean of all that came."""
    return no_grad()(lambda averaged, current, num_averaged: averaged + (current - averaged) / (int(num_averaged) + 1))


class AveragedModel(Module):
    """A copy of `model` that averages its parameters; call ``update_parameters(model)`` after steps, and use it like the model.

    avg_fn(a, x, n) returns the new average of one Tensor; multi_avg_fn(as, xs, n) moves whole lists of one dtype in place; with
    neither the average is the plain mean. n is how many models went into it; the first update copies. Buffers are copied
    from the model at every update; with `use_buffers` they are averaged like parameters.
    """

    def __init__(self, model, device=None, avg_fn=None, multi_avg_fn=None, use_buffers=False):
        super().__init__()
        if not isinstance(model, Module):
            raise TypeError(f"AveragedModel: model must be a Module, got {type(model).__name__}")
        if device is not None:
            checked_device(device, "AveragedModel")
        for name, function in (("avg_fn", avg_fn), ("multi_avg_fn", multi_avg_fn)):
            if function is not None and not callable(function):
                raise TypeError(f"AveragedModel: {name} must be a function, got {function!r:.60}")
        if avg_fn is not None and multi_avg_fn is not None:
            raise ValueError("AveragedModel: give avg_fn or multi_avg_fn, not both")
        self.module = copy.deepcopy(model)
        self.register_buffer("n_averaged", Tensor(np.zeros((), np.int64)))
        self.avg_fn, self.multi_avg_fn, self.use_buffers = avg_fn, multi_avg_fn, flag(use_buffers, "AveragedModel", "use_buffers")

    def forward(self, *inputs, **options):
        return self.module(*inputs, **options)

    def _pairs(self, model):
        """(averaged, current) Tensors: those that are averaged, and those that are copied. ValueError if `model` is another kind."""
        if not isinstance(model, Module):
            raise TypeError(f"update_parameters: model must be a Module, got {type(model).__name__}")
        kinds = []
        for walk in (Module.named_parameters, Module.named_buffers):
            own, other = dict(walk(self.module)), dict(walk(model))
            if {k: v.shape for k, v in own.items()} != {k: v.shape for k, v in other.items()}:
                differing = sorted(k for k in own.keys() | other.keys() if k not in own or k not in other or own[k].shape != other[k].shape)
                raise ValueError(f"update_parameters: the model differs from the one that is averaged in {', '.join(differing[:5])}")
            kinds.append([(own[k].detach(), other[k].detach()) for k in own])
        return (kinds[0] + kinds[1], []) if self.use_buffers else kinds

    def update_parameters(self, model):
        """Take the model as it is now into the average."""
        moved, copied = self._pairs(model)
        if int(self.n_averaged) == 0:
            moved, copied = [], moved + copied
        if self.avg_fn is not None:
            for a, x in moved:
                overwrite(a, self.avg_fn(a, x, self.n_averaged).data)
        else:
            move = self.multi_avg_fn or get_swa_multi_avg_fn()
            for dtype in dict.fromkeys(a.dtype for a, _ in moved):
                pairs = [(a, x) for a, x in moved if a.dtype == dtype]
                move([a for a, _ in pairs], [x for _, x in pairs], self.n_averaged)
        for a, x in copied:
            overwrite(a, x.data)
        overwrite(self.n_averaged, add(self.n_averaged, 1).data)


@no_grad()
def update_bn(loader, model, device=None):
    """Measure the running statistics of all batch norms of `model` anew, as means over the batches of `loader`.

    A batch is a Tensor, or a tuple or list whose first element is the input. An averaged model has statistics of its own.
    """
    if not isinstance(model, Module):
        raise TypeError(f"update_bn: model must be a Module, got {type(model).__name__}; the order is update_bn(loader, model)")
    if not isinstance(loader, collections.abc.Iterable):
        raise TypeError(f"update_bn: loader must give batches, got {type(loader).__name__}; a list of Tensors will do")
    if device is not None:
        checked_device(device, "update_bn")
    norms = [m for m in model.modules() if isinstance(m, _BatchNorm) and m.track_running_stats]
    if not norms:
        return
    before = [(m, m.training) for m in model.modules()], [(m, m.momentum) for m in norms]
    for m in norms:
        for buffer, value in ((m.running_mean, 0), (m.running_var, 1), (m.num_batches_tracked, 0)):
            overwrite(buffer, value)
        m.momentum = None
    model.train()
    try:
        for batch in loader:
            model(batch[0] if isinstance(batch, (tuple, list)) else batch)
    finally:
        for m, mode in before[0]:
            object.__setattr__(m, "training", mode)
        for m, momentum in before[1]:
            m.momentum = momentum
