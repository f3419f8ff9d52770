"""Stochastic gradient descent: go downhill; with momentum, keep some of the last direction."""
import numpy as np

from .. import kernels
from ..ops.arguments import real
from .optimizer import Optimizer


class SGD(Optimizer):
    """g ← ∇ + λ p;   v ← μ v + (1 − τ) g;   p ← p − η v   (Nesterov: p ← p − η (g + μ v)).

    lr η, momentum μ, dampening τ, weight_decay λ. The first v is g itself, as in PyTorch. (Polyak 1964; Sutskever et al.,
    ICML 2013.)
    """

    slots = ("momentum_buffer",)

    def __init__(self, params, lr=1e-3, momentum=0.0, dampening=0.0, weight_decay=0.0, nesterov=False):
        super().__init__(params, dict(lr=lr, momentum=momentum, dampening=dampening, weight_decay=weight_decay,
                                      nesterov=nesterov))

    def check(self, group):
        for name in ("lr", "momentum", "weight_decay"):
            real(group[name], "SGD", name, 0)
        real(group["dampening"], "SGD", "dampening")
        if group["nesterov"] and (group["momentum"] == 0 or group["dampening"] != 0):
            raise ValueError("SGD: nesterov=True needs a momentum and no dampening")

    def update(self, p, g, state, group):
        momentum = group["momentum"]
        first = "momentum_buffer" not in state
        if momentum and first:
            state["momentum_buffer"] = np.zeros_like(p)
        kernels.rung().sgd_step(p, g, state["momentum_buffer"] if momentum else None, np.array([group["lr"]], p.dtype),
                                momentum, group["dampening"], group["weight_decay"], group["nesterov"], first)
