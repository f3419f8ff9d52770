"""Stochastic gradient descent: go downhill; with momentum, keep some of the last direction."""
from .. import kernels
from ..ops.arguments import flag, real
from .optimizer import Optimizer
from .options import one_implementation


class SGD(Optimizer):
    """g ← ∇ + λ p;   v ← μ v + (1 − τ) g;   p ← p − η v   (Nesterov: p ← p − η (g + μ v)).

    lr η, momentum μ, dampening τ, weight_decay λ. The first v is g itself, as in PyTorch. `maximize` goes uphill: −∇ for ∇.
    (Polyak 1964; Sutskever et al., ICML 2013.)
    """

    slots = ("momentum_buffer",)
    counts = False

    def __init__(self, params, lr=1e-3, momentum=0, dampening=0, weight_decay=0, nesterov=False, *, maximize=False, foreach=None,
                 differentiable=False, fused=None):
        one_implementation("SGD", foreach=foreach, differentiable=differentiable, fused=fused)
        super().__init__(params, dict(lr=lr, momentum=momentum, dampening=dampening, weight_decay=weight_decay,
                                      nesterov=nesterov, maximize=maximize))

    def check(self, group):
        for name in ("lr", "momentum", "weight_decay"):
            real(group[name], "SGD", name, 0)
        real(group["dampening"], "SGD", "dampening")
        for name in ("nesterov", "maximize"):
            flag(group[name], "SGD", name)
        if group["nesterov"] and (group["momentum"] == 0 or group["dampening"] != 0):
            raise ValueError("SGD: nesterov=True needs a momentum and no dampening")

    def update(self, values, gradients, states, group):
        def move(some, first):
            """Move these: the first step of a momentum is another than those after it."""
            xs, gs, of = [values[i] for i in some], [gradients[i] for i in some], [states[i] for i in some]
            buffers = self.slots_of(of, "momentum_buffer", xs) if group["momentum"] else None
            kernels.of(xs[0]).sgd_step(xs, gs, buffers, self.lr(group, xs), group["momentum"], group["dampening"], group["weight_decay"],
                                    group["nesterov"], first, group["maximize"])
        new = [i for i, state in enumerate(states) if "momentum_buffer" not in state]
        old = [i for i, state in enumerate(states) if "momentum_buffer" in state]
        for some, first in ((new, True), (old, False)):
            if some:
                move(some, first)
