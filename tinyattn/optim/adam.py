"""Adam: a step size for every parameter, from the running mean and square of its gradient."""
from .. import kernels
from ..ops.arguments import flag, real
from .optimizer import Optimizer
from .options import betas as check_betas
from .options import one_implementation


class Adam(Optimizer):
    """m ← β₁ m + (1 − β₁) g;   v ← β₂ v + (1 − β₂) g²;   p ← p − η · m̂ / (√v̂ + ε),  m̂ = m / (1 − β₁ᵗ), v̂ = v / (1 − β₂ᵗ).

    weight_decay            λ is added to the gradient: g ← ∇ + λ p. (Kingma & Ba, arXiv:1412.6980.)
    decoupled_weight_decay  instead p ← p − η λ p before the step: AdamW. (Loshchilov & Hutter, arXiv:1711.05101.)
    amsgrad                 v̂ is made of the largest v so far. (Reddi, Kale & Kumar, ICLR 2018.)
    maximize                goes uphill: −∇ for ∇
    """

    slots = ("exp_avg", "exp_avg_sq", "max_exp_avg_sq")

    def __init__(self, params, lr=1e-3, betas=(0.9, 0.999), eps=1e-8, weight_decay=0, amsgrad=False, *, foreach=None,
                 maximize=False, capturable=False, differentiable=False, fused=None, decoupled_weight_decay=False):
        one_implementation(type(self).__name__, foreach=foreach, capturable=capturable, differentiable=differentiable, fused=fused)
        super().__init__(params, dict(lr=lr, betas=betas, eps=eps, weight_decay=weight_decay, amsgrad=amsgrad, maximize=maximize,
                                      decoupled_weight_decay=decoupled_weight_decay))

    def check(self, group):
        caller = type(self).__name__
        for name in ("lr", "eps", "weight_decay"):
            real(group[name], caller, name, 0)
        for name in ("amsgrad", "maximize", "decoupled_weight_decay"):
            flag(group[name], caller, name)
        check_betas(group["betas"], caller)

    def update(self, values, gradients, states, group):
        m, v = (self.slots_of(states, name, values) for name in ("exp_avg", "exp_avg_sq"))
        kernels.of(values[0]).adam_step(values, gradients, m, v, self.lr(group, values), states[0]["step"], *group["betas"], group["eps"],
                                 group["weight_decay"], group["decoupled_weight_decay"], group["maximize"],
                                 self.slots_of(states, "max_exp_avg_sq", values) if group["amsgrad"] else None)


class AdamW(Adam):
    """Adam with decoupled weight decay: p ← p − η λ p before the step. (Loshchilov & Hutter, arXiv:1711.05101.)"""

    def __init__(self, params, lr=1e-3, betas=(0.9, 0.999), eps=1e-8, weight_decay=1e-2, amsgrad=False, *, maximize=False,
                 foreach=None, capturable=False, differentiable=False, fused=None):
        super().__init__(params, lr, betas, eps, weight_decay, amsgrad, foreach=foreach, maximize=maximize, capturable=capturable,
                         differentiable=differentiable, fused=fused, decoupled_weight_decay=True)
