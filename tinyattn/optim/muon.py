"""Muon: the step of a matrix is made orthogonal, so that no direction of it is much longer than another."""
import math
import numbers

from .. import kernels
from ..ops.arguments import choice, flag, real, whole
from .optimizer import Optimizer


class Muon(Optimizer):
    """b ← μ b + (1 − μ) g;   u = b, or with Nesterov (1 − μ) g + μ b;   p ← p − η λ p − η s · orthogonal(u).

    For matrices (2-D) only: the weights of hidden layers; train embeddings, heads and vectors with AdamW. `orthogonal` replaces
    the singular values of u by numbers near 1, in `ns_steps` rounds of the polynomial with `ns_coefficients`
    (`kernels.reference.newton_schulz`). `adjust_lr_fn` chooses s for p (M, N): "original" (or None) max(1, M/N)^½,
    "match_rms_adamw" 0.2 · max(M, N)^½, with which rates and decays tuned for AdamW can be kept.

    PyTorch computes the rounds in bfloat16, whatever p is: its steps have an error of about a hundredth of their length.
    Here they are computed in p's own dtype, so results differ from PyTorch's by that; all else is the same.
    (Jordan et al. 2024, kellerjordan.github.io/posts/muon; Liu et al., arXiv:2502.16982.)
    """

    slots = ("momentum_buffer",)
    counts = False

    def __init__(self, params, lr=1e-3, weight_decay=0.1, momentum=0.95, nesterov=True, ns_coefficients=(3.4445, -4.775, 2.0315),
                 eps=1e-7, ns_steps=5, adjust_lr_fn=None):
        super().__init__(params, dict(lr=lr, weight_decay=weight_decay, momentum=momentum, nesterov=nesterov,
                                      ns_coefficients=ns_coefficients, eps=eps, ns_steps=ns_steps, adjust_lr_fn=adjust_lr_fn))

    def check(self, group):
        for name in ("lr", "weight_decay", "momentum", "eps"):
            real(group[name], "Muon", name, 0)
        flag(group["nesterov"], "Muon", "nesterov")
        abc = group["ns_coefficients"]
        if not isinstance(abc, (tuple, list)) or len(abc) != 3 or not all(isinstance(c, numbers.Real) for c in abc):
            raise ValueError(f"Muon: ns_coefficients must be three numbers (a, b, c), got {abc!r:.60}")
        if whole(group["ns_steps"], "Muon", "ns_steps", 0) >= 100:
            raise ValueError(f"Muon: ns_steps must be less than 100, got {group['ns_steps']}; 5 are usual")
        if group["adjust_lr_fn"] is not None:
            choice(group["adjust_lr_fn"], ("original", "match_rms_adamw"), "Muon", "adjust_lr_fn")
        for p in group["params"]:
            if p.ndim != 2:
                raise ValueError(f"Muon: parameters must be matrices (2-D), got one of shape {p.shape}; give the others to AdamW")

    def update(self, values, gradients, states, group):
        rung, rate = kernels.of(values[0]), self.lr(group, values)
        for x, g, b in zip(values, gradients, self.slots_of(states, "momentum_buffer", values)):
            M, N = x.shape
            scale = 0.2 * math.sqrt(max(M, N)) if group["adjust_lr_fn"] == "match_rms_adamw" else math.sqrt(max(1, M / N)) if N else 1
            p = rung.contiguous(x)
            rung.muon_step(p, rung.contiguous(g), b, rate, group["weight_decay"], group["momentum"], group["nesterov"],
                           tuple(group["ns_coefficients"]), group["eps"], group["ns_steps"], scale)
            if p is not x:  # memory in another order than the axes: the kernel moved a copy
                rung.assign(x, p)
