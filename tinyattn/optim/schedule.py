"""Learning-rate schedules, under PyTorch's names: call ``step()`` after every optimizer step (or epoch).

Each is a formula for the factor at step t; the group's ``lr`` is that factor times its first value.
"""
import math

from ..ops.arguments import probability, real, whole
from .optimizer import Optimizer


class LRSchedule:
    """Base of the schedules: ``lr(t) = factor(t) · base``. `state_dict` holds the step and the base rates."""

    def __init__(self, optimizer):
        if not isinstance(optimizer, Optimizer):
            raise TypeError(f"{type(self).__name__}: expected an optimizer, got {type(optimizer).__name__}")
        self.optimizer = optimizer
        self.last_epoch = 0
        self.base_lrs = [group["lr"] for group in optimizer.param_groups]
        self._apply()

    def factor(self, t):
        """What the base rate is multiplied by at step t."""
        raise TypeError(f"{type(self).__name__} has no factor method")

    def _apply(self):
        for group, base in zip(self.optimizer.param_groups, self.base_lrs):
            group["lr"] = base * self.factor(self.last_epoch)

    def step(self):
        """Go one step on."""
        self.last_epoch += 1
        self._apply()

    def get_last_lr(self):
        """The learning rate of each group now."""
        return [group["lr"] for group in self.optimizer.param_groups]

    def state_dict(self):
        """Where the schedule stands."""
        return {"last_epoch": self.last_epoch, "base_lrs": list(self.base_lrs)}

    def load_state_dict(self, state_dict):
        """Go on from a `state_dict`. ValueError if it is not of a schedule over as many parameter groups."""
        groups = len(self.optimizer.param_groups)
        if (not isinstance(state_dict, dict) or not {"last_epoch", "base_lrs"} <= set(state_dict)
                or len(state_dict["base_lrs"]) != groups):
            raise ValueError(f"{type(self).__name__}.load_state_dict: expected \"last_epoch\" and the \"base_lrs\" of {groups} "
                             f"parameter groups, got {state_dict!r:.80}")
        self.last_epoch, self.base_lrs = int(state_dict["last_epoch"]), list(state_dict["base_lrs"])
        self._apply()


class ConstantLR(LRSchedule):
    """The same rate throughout."""

    def factor(self, t):
        return 1.0


class LambdaLR(LRSchedule):
    """factor(t) = lr_lambda(t)"""

    def __init__(self, optimizer, lr_lambda):
        if not callable(lr_lambda):
            raise TypeError(f"LambdaLR: lr_lambda must be a function of the step, got {lr_lambda!r}")
        self.lr_lambda = lr_lambda
        super().__init__(optimizer)

    def factor(self, t):
        return self.lr_lambda(t)


class StepLR(LRSchedule):
    """factor(t) = gamma ^ ⌊t / step_size⌋"""

    def __init__(self, optimizer, step_size, gamma=0.1):
        self.step_size, self.gamma = whole(step_size, "StepLR", "step_size"), real(gamma, "StepLR", "gamma", 0)
        super().__init__(optimizer)

    def factor(self, t):
        return self.gamma ** (t // self.step_size)


class CosineAnnealingLR(LRSchedule):
    """From lr to eta_min along half a cosine in T_max steps. (Loshchilov & Hutter, arXiv:1608.03983)"""

    def __init__(self, optimizer, T_max, eta_min=0.0):
        self.T_max = whole(T_max, "CosineAnnealingLR", "T_max")
        self.eta_min = real(eta_min, "CosineAnnealingLR", "eta_min", 0)
        super().__init__(optimizer)

    def _apply(self):
        wave = (1 + math.cos(math.pi * self.last_epoch / self.T_max)) / 2
        for group, base in zip(self.optimizer.param_groups, self.base_lrs):
            group["lr"] = self.eta_min + (base - self.eta_min) * wave


class OneCycleLR(LRSchedule):
    """Up to max_lr along half a cosine in the first pct_start of total_steps, then down to almost nothing.

    Starts at max_lr / div_factor and ends at that / final_div_factor. Momentum is left as it is (PyTorch's
    ``cycle_momentum=False``). (Smith & Topin, arXiv:1708.07120.)
    """

    def __init__(self, optimizer, max_lr, total_steps, pct_start=0.3, div_factor=25.0, final_div_factor=1e4):
        self.max_lr = real(max_lr, "OneCycleLR", "max_lr", 0)
        self.total_steps = whole(total_steps, "OneCycleLR", "total_steps")
        self.pct_start = probability(pct_start, "OneCycleLR", "pct_start")
        for name, value in (("div_factor", div_factor), ("final_div_factor", final_div_factor)):
            if not real(value, "OneCycleLR", name, 0) > 0:
                raise ValueError(f"OneCycleLR: {name} must be positive, got {value}")
        self.div_factor, self.final_div_factor = div_factor, final_div_factor
        super().__init__(optimizer)
        self.base_lrs = [max_lr] * len(optimizer.param_groups)
        self._apply()

    def factor(self, t):
        top = self.pct_start * self.total_steps - 1
        start, end = 1 / self.div_factor, 1 / (self.div_factor * self.final_div_factor)
        if t <= top and top > 0:
            a, b, part = start, 1.0, t / top
        else:
            a, b, part = 1.0, end, min(1.0, (t - top) / max(1.0, self.total_steps - 1 - top))
        return b + (a - b) * (1 + math.cos(math.pi * part)) / 2


class LinearWarmupCosine(LRSchedule):
    """Up in a straight line over warmup_steps, then down to 0 along half a cosine until total_steps."""

    def __init__(self, optimizer, total_steps, warmup_steps):
        self.total_steps = whole(total_steps, "LinearWarmupCosine", "total_steps")
        self.warmup_steps = whole(warmup_steps, "LinearWarmupCosine", "warmup_steps", 0)
        if warmup_steps > total_steps:
            raise ValueError(f"LinearWarmupCosine: warmup_steps = {warmup_steps} is more than total_steps = {total_steps}")
        super().__init__(optimizer)

    def factor(self, t):
        if t < self.warmup_steps:
            return (t + 1) / (self.warmup_steps + 1)
        part = (t - self.warmup_steps) / max(1, self.total_steps - self.warmup_steps)
        return (1 + math.cos(math.pi * min(1.0, part))) / 2
