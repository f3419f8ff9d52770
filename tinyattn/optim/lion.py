"""Lion: only the sign of the direction counts, so every element moves by the same length."""
from .. import kernels
from ..ops.arguments import flag, real
from .optimizer import Optimizer
from .options import betas as check_betas


class Lion(Optimizer):
    """c = β₁ m + (1 − β₁) g;   p ← p − η (sign(c) + λ p);   m ← β₂ m + (1 − β₂) g.

    One array of state where Adam has two. Its authors advise a rate 3 to 10 times smaller than Adam's, and a weight_decay λ
    larger by as much. `maximize` goes uphill. PyTorch has no Lion; arguments are as in the authors' own.
    (Chen et al., "Symbolic discovery of optimization algorithms", arXiv:2302.06675.)
    """

    slots = ("exp_avg",)
    counts = False

    def __init__(self, params, lr=1e-4, betas=(0.9, 0.99), weight_decay=0.0, *, maximize=False):
        super().__init__(params, dict(lr=lr, betas=betas, weight_decay=weight_decay, maximize=maximize))

    def check(self, group):
        for name in ("lr", "weight_decay"):
            real(group[name], "Lion", name, 0)
        flag(group["maximize"], "Lion", "maximize")
        check_betas(group["betas"], "Lion")

    def update(self, values, gradients, states, group):
        kernels.of(values[0]).lion_step(values, gradients, self.slots_of(states, "exp_avg", values), self.lr(group, values), *group["betas"],
                                 group["weight_decay"], group["maximize"])
