"""RMSprop: the gradient divided by its running size."""
from .. import kernels
from ..ops.arguments import flag, real
from .optimizer import Optimizer
from .options import one_implementation


class RMSprop(Optimizer):
    """v ← α v + (1 − α) g²;   d = g / (√v + ε);   p ← p − η d, or with a momentum μ:  b ← μ b + d;  p ← p − η b.

    weight_decay λ: g = ∇ + λ p. `centered` divides by √(v − a²) + ε, a the running mean of g: its deviation. Rounding
    can make v − a² a little negative where a gradient stays the same; it counts as 0 then (PyTorch has NaN).
    `maximize` goes uphill. (Tieleman & Hinton 2012; centered: Graves, arXiv:1308.0850.)
    """

    slots = ("square_avg", "grad_avg", "momentum_buffer")

    def __init__(self, params, lr=1e-2, alpha=0.99, eps=1e-8, weight_decay=0, momentum=0, centered=False, capturable=False,
                 foreach=None, maximize=False, differentiable=False):
        one_implementation("RMSprop", capturable=capturable, foreach=foreach, differentiable=differentiable)
        super().__init__(params, dict(lr=lr, momentum=momentum, alpha=alpha, eps=eps, centered=centered, weight_decay=weight_decay,
                                      maximize=maximize))

    def check(self, group):
        for name in ("lr", "momentum", "alpha", "eps", "weight_decay"):
            real(group[name], "RMSprop", name, 0)
        for name in ("centered", "maximize"):
            flag(group[name], "RMSprop", name)

    def update(self, values, gradients, states, group):
        def slots(name, wanted=True):
            return self.slots_of(states, name, values) if wanted else None
        kernels.of(values[0]).rmsprop_step(values, gradients, slots("square_avg"), slots("grad_avg", group["centered"]),
                                    slots("momentum_buffer", group["momentum"]), self.lr(group, values), group["alpha"], group["eps"],
                                    group["weight_decay"], group["momentum"], group["maximize"])
