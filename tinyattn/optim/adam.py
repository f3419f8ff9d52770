"""Adam: a step size for every parameter, from the running mean and square of its gradient."""
import numbers

import numpy as np

from .. import kernels
from ..ops.arguments import real
from .optimizer import Optimizer


class Adam(Optimizer):
    """m ← β₁ m + (1 − β₁) g;   v ← β₂ v + (1 − β₂) g²;   p ← p − η · m̂ / (√v̂ + ε),  m̂ = m / (1 − β₁ᵗ), v̂ = v / (1 − β₂ᵗ).

    `weight_decay` λ is added to the gradient (g ← g + λ p). (Kingma & Ba, arXiv:1412.6980.)
    """

    slots = ("exp_avg", "exp_avg_sq")
    decoupled = False

    def __init__(self, params, lr=1e-3, betas=(0.9, 0.999), eps=1e-8, weight_decay=0.0):
        super().__init__(params, dict(lr=lr, betas=betas, eps=eps, weight_decay=weight_decay))

    def check(self, group):
        caller, betas = type(self).__name__, group["betas"]
        for name in ("lr", "eps", "weight_decay"):
            real(group[name], caller, name, 0)
        if not isinstance(betas, (tuple, list)) or len(betas) != 2 or not all(
                isinstance(b, numbers.Real) and 0 <= b < 1 for b in betas):
            raise ValueError(f"{caller}: betas must be two numbers in [0, 1), got {betas!r}")

    def update(self, p, g, state, group):
        if "exp_avg" not in state:
            state["exp_avg"], state["exp_avg_sq"] = np.zeros_like(p), np.zeros_like(p)
        kernels.rung().adam_step(p, g, state["exp_avg"], state["exp_avg_sq"], np.array([group["lr"]], p.dtype), state["step"],
                                 *group["betas"], group["eps"], group["weight_decay"], self.decoupled)


class AdamW(Adam):
    """Adam with decoupled weight decay: p ← p − η λ p before the step. (Loshchilov & Hutter, arXiv:1711.05101.)"""

    decoupled = True

    def __init__(self, params, lr=1e-3, betas=(0.9, 0.999), eps=1e-8, weight_decay=1e-2):
        super().__init__(params, lr, betas, eps, weight_decay)
