"""Learning-rate schedules, under PyTorch's names: call ``step()`` after every optimizer step (or epoch).

Each is a formula for the factor at step t; the group's ``lr`` is that factor times its first value.
"""
import math


class LRSchedule:
    """Base of the schedules: ``lr(t) = factor(t) · base``. `state_dict` holds the step and the base rates."""

    def __init__(self, optimizer):
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
        """Go on from a `state_dict`."""
        self.last_epoch, self.base_lrs = int(state_dict["last_epoch"]), list(state_dict["base_lrs"])
        self._apply()


class ConstantLR(LRSchedule):
    """The same rate throughout."""

    def factor(self, t):
        return 1.0


class LambdaLR(LRSchedule):
    """factor(t) = lr_lambda(t)"""

    def __init__(self, optimizer, lr_lambda):
        self.lr_lambda = lr_lambda
        super().__init__(optimizer)

    def factor(self, t):
        return self.lr_lambda(t)


class StepLR(LRSchedule):
    """factor(t) = gamma ^ ⌊t / step_size⌋"""

    def __init__(self, optimizer, step_size, gamma=0.1):
        if step_size < 1:
            raise ValueError(f"StepLR: step_size must be at least 1, got {step_size}")
        self.step_size, self.gamma = step_size, gamma
        super().__init__(optimizer)

    def factor(self, t):
        return self.gamma ** (t // self.step_size)


class CosineAnnealingLR(LRSchedule):
    """From lr to eta_min along half a cosine in T_max steps. (Loshchilov & Hutter, arXiv:1608.03983)"""

    def __init__(self, optimizer, T_max, eta_min=0.0):
        if T_max < 1:
            raise ValueError(f"CosineAnnealingLR: T_max must be at least 1, got {T_max}")
        self.T_max, self.eta_min = T_max, eta_min
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
        if total_steps < 1:
            raise ValueError(f"OneCycleLR: total_steps must be at least 1, got {total_steps}")
        self.max_lr, self.total_steps, self.pct_start = max_lr, total_steps, pct_start
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
        self.total_steps, self.warmup_steps = total_steps, warmup_steps
        super().__init__(optimizer)

    def factor(self, t):
        if t < self.warmup_steps:
            return (t + 1) / (self.warmup_steps + 1)
        part = (t - self.warmup_steps) / max(1, self.total_steps - self.warmup_steps)
        return (1 + math.cos(math.pi * min(1.0, part))) / 2
