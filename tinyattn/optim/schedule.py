"""Learning-rate schedules, under PyTorch's names: call ``step()`` after every optimizer step (or epoch).

Each is a formula for the factor at step t; the group's ``lr`` is that factor times its first value, ``initial_lr``.
Schedules can be stepped one after the other on one optimizer: a rate that someone else has changed since the last step
is taken as a new scale for all that follows, so that factors multiply.
"""
import math

from ..ops.arguments import real, whole
from .optimizer import Optimizer


class LRScheduler:
    """Base of the schedules: ``lr(t) = factor(t) · base``. `state_dict` holds the step and the base rates.

    Subclasses write `factor`, or `rates` where the rate is no multiple of its base. last_epoch is −1 to begin, or the number
    of a step to go on after it; then the groups must hold an ``initial_lr``.
    """

    floor = 0.0   # the rate that scaling leaves alone
    chains = True  # whether a rate changed by someone else scales what follows; else it is overwritten

    def __init__(self, optimizer, last_epoch=-1):
        caller = type(self).__name__
        self.optimizer = self._of(optimizer)
        if whole(last_epoch, caller, "last_epoch", -1) == -1:
            for group in optimizer.param_groups:
                group.setdefault("initial_lr", group["lr"])
        for i, group in enumerate(optimizer.param_groups):
            if "initial_lr" not in group:
                raise ValueError(f"{caller}: with last_epoch = {last_epoch} parameter group {i} must hold an \"initial_lr\"; load the "
                                 "optimizer's state first, or leave last_epoch out")
        self.base_lrs = [group["initial_lr"] for group in optimizer.param_groups]
        self._scale = [1.0] * len(self.base_lrs)
        self._rates, self._last_lr = list(self.base_lrs), list(self.base_lrs)  # by the formula alone, and in truth
        self.last_epoch = last_epoch + 1
        if last_epoch != -1:
            self._last_lr = [group["lr"] for group in optimizer.param_groups]
        self._apply()

    def _of(self, optimizer):
        if not isinstance(optimizer, Optimizer):
            raise TypeError(f"{type(self).__name__}: expected an optimizer, got {type(optimizer).__name__}")
        return optimizer

    def factor(self, t):
        """What the base rate is multiplied by at step t."""
        raise TypeError(f"{type(self).__name__} has no factor method")

    def rates(self, t):
        """The rate of each group at step t."""
        factor = self.factor(t)
        return [base * factor for base in self.base_lrs]

    def _apply(self):
        """Set the rates of the current step."""
        rates = self.rates(self.last_epoch)
        for i, (group, lr) in enumerate(zip(self.optimizer.param_groups, rates)):
            if self.chains:
                now, usual = group["lr"], self._rates[i] - self.floor
                if now != self._last_lr[i] and usual != 0:
                    self._scale[i] = (now - self.floor) / usual
                if self._scale[i] != 1:
                    lr = self.floor + self._scale[i] * (lr - self.floor)
            group["lr"] = lr
        self._rates, self._last_lr = rates, self.optimizer_lrs()

    def optimizer_lrs(self):
        """The rate that each group of the optimizer has now."""
        return [group["lr"] for group in self.optimizer.param_groups]

    def restart(self, chained=False):
        """Begin again at step 0: from the base rates, or, `chained`, from the rates that the groups have now."""
        self.last_epoch, self._scale, self._rates = 0, [1.0] * len(self.base_lrs), list(self.base_lrs)
        self._last_lr = list(self.base_lrs) if chained else self.optimizer_lrs()
        self._apply()

    def step(self):
        """Go one step on."""
        self.last_epoch += 1
        self._apply()

    def get_last_lr(self):
        """The learning rate of each group, as this schedule last set it."""
        return list(self._last_lr)

    def state_dict(self):
        """Where the schedule stands."""
        return {"last_epoch": self.last_epoch, "base_lrs": list(self.base_lrs), "scale": list(self._scale), "last_lr": list(self._last_lr)}

    def load_state_dict(self, state_dict):
        """Go on from a `state_dict`, and set the rates it had set. ValueError if it is not of a schedule over as many groups."""
        self._become(self._read(state_dict))
        for group, lr in zip(self.optimizer.param_groups, self._last_lr):
            group["lr"] = lr

    def _read(self, state_dict):
        """The attributes that a state stands for, checked; nothing is changed yet."""
        caller, groups = f"{type(self).__name__}.load_state_dict", len(self.optimizer.param_groups)
        lists = {"base_lrs": None, "scale": [1.0] * groups, "last_lr": None}
        given = {name: state_dict.get(name, usual) for name, usual in lists.items()} if isinstance(state_dict, dict) else lists
        if given["base_lrs"] is None or given["scale"] is None or "last_epoch" not in state_dict or any(
                v is not None and (not isinstance(v, (list, tuple)) or len(v) != groups) for v in given.values()):
            raise ValueError(f"{caller}: expected \"last_epoch\" and the \"base_lrs\" of {groups} "
                             f"parameter groups, got {state_dict!r:.80}")
        base_lrs, scale, last_lr = ([real(x, caller, f"each of {name}") for x in v] if v is not None else None for name, v in given.items())
        read = {"last_epoch": whole(state_dict["last_epoch"], caller, "last_epoch", 0), "base_lrs": base_lrs, "_scale": scale,
                **self._more(state_dict)}
        own = dict(self.__dict__)
        self.__dict__.update(read)
        try:
            rates = self.rates(self.last_epoch)
        finally:
            self.__dict__.update(own)
        return {**read, "_rates": rates, "_last_lr": rates if last_lr is None else last_lr}

    def _more(self, state_dict):
        """What a subclass keeps besides."""
        return {}

    def _become(self, attributes):
        self.__dict__.update(attributes)


class LambdaLR(LRScheduler):
    """factor(t) = lr_lambda(t), a function or a list of one for each parameter group."""

    chains = False

    def __init__(self, optimizer, lr_lambda, last_epoch=-1):
        groups = len(self._of(optimizer).param_groups)
        self.lr_lambdas = list(lr_lambda) if isinstance(lr_lambda, (list, tuple)) else [lr_lambda] * groups
        if len(self.lr_lambdas) != groups:
            raise ValueError(f"LambdaLR: {len(self.lr_lambdas)} functions for {groups} parameter groups")
        for function in self.lr_lambdas:
            if not callable(function):
                raise TypeError(f"LambdaLR: lr_lambda must be a function of the step, got {function!r:.60}")
        super().__init__(optimizer, last_epoch)

    def rates(self, t):
        return [base * function(t) for base, function in zip(self.base_lrs, self.lr_lambdas)]


class ConstantLR(LRScheduler):
    """`factor` times the base rate for the first total_iters steps, then the base rate."""

    def __init__(self, optimizer, factor=1 / 3, total_iters=5, last_epoch=-1):
        if real(factor, "ConstantLR", "factor", 0) > 1:
            raise ValueError(f"ConstantLR: factor must be between 0 and 1, got {factor}")
        self.first, self.total_iters = factor, whole(total_iters, "ConstantLR", "total_iters", 0)
        super().__init__(optimizer, last_epoch)

    def factor(self, t):
        return self.first if t < self.total_iters else 1.0


class LinearLR(LRScheduler):
    """From start_factor to end_factor in a straight line over total_iters steps, then level: a warm-up, or a cool-down."""

    def __init__(self, optimizer, start_factor=1 / 3, end_factor=1.0, total_iters=5, last_epoch=-1):
        if not 0 < real(start_factor, "LinearLR", "start_factor") <= 1:
            raise ValueError(f"LinearLR: start_factor must be greater than 0 and at most 1, got {start_factor}")
        if not 0 <= real(end_factor, "LinearLR", "end_factor") <= 1:
            raise ValueError(f"LinearLR: end_factor must be between 0 and 1, got {end_factor}")
        self.start_factor, self.end_factor = start_factor, end_factor
        self.total_iters = whole(total_iters, "LinearLR", "total_iters")
        super().__init__(optimizer, last_epoch)

    def factor(self, t):
        return self.start_factor + (self.end_factor - self.start_factor) * min(t, self.total_iters) / self.total_iters


class StepLR(LRScheduler):
    """factor(t) = gamma ^ ⌊t / step_size⌋"""

    def __init__(self, optimizer, step_size, gamma=0.1, last_epoch=-1):
        self.step_size, self.gamma = whole(step_size, "StepLR", "step_size"), real(gamma, "StepLR", "gamma", 0)
        super().__init__(optimizer, last_epoch)

    def factor(self, t):
        return self.gamma ** (t // self.step_size)


class MultiStepLR(LRScheduler):
    """factor(t) = gamma ^ (how many milestones have been reached)"""

    def __init__(self, optimizer, milestones, gamma=0.1, last_epoch=-1):
        if not isinstance(milestones, (list, tuple)):
            raise TypeError(f"MultiStepLR: milestones must be a list of steps, got {type(milestones).__name__}")
        self.milestones = sorted(whole(m, "MultiStepLR", "each milestone", 0) for m in milestones)
        self.gamma = real(gamma, "MultiStepLR", "gamma", 0)
        super().__init__(optimizer, last_epoch)

    def factor(self, t):
        return self.gamma ** sum(m <= t for m in self.milestones)


class ExponentialLR(LRScheduler):
    """factor(t) = gamma ^ t"""

    def __init__(self, optimizer, gamma, last_epoch=-1):
        self.gamma = real(gamma, "ExponentialLR", "gamma", 0)
        super().__init__(optimizer, last_epoch)

    def factor(self, t):
        return self.gamma ** t


class PolynomialLR(LRScheduler):
    """factor(t) = (1 − t / total_iters) ^ power, and 0 after total_iters."""

    def __init__(self, optimizer, total_iters=5, power=1.0, last_epoch=-1):
        self.total_iters, self.power = whole(total_iters, "PolynomialLR", "total_iters"), real(power, "PolynomialLR", "power", 0)
        super().__init__(optimizer, last_epoch)

    def factor(self, t):
        return (1 - min(t, self.total_iters) / self.total_iters) ** self.power


class CosineAnnealingLR(LRScheduler):
    """From lr to eta_min along half a cosine in T_max steps. (Loshchilov & Hutter, arXiv:1608.03983)"""

    def __init__(self, optimizer, T_max, eta_min=0.0, last_epoch=-1):
        self.T_max = whole(T_max, "CosineAnnealingLR", "T_max")
        self.eta_min = self.floor = real(eta_min, "CosineAnnealingLR", "eta_min", 0)
        super().__init__(optimizer, last_epoch)

    def rates(self, t):
        wave = (1 + math.cos(math.pi * t / self.T_max)) / 2
        return [self.eta_min + (base - self.eta_min) * wave for base in self.base_lrs]


class LinearWarmupCosine(LRScheduler):
    """Up in a straight line over warmup_steps, then down to 0 along half a cosine until total_steps."""

    def __init__(self, optimizer, total_steps, warmup_steps, last_epoch=-1):
        self.total_steps = whole(total_steps, "LinearWarmupCosine", "total_steps")
        self.warmup_steps = whole(warmup_steps, "LinearWarmupCosine", "warmup_steps", 0)
        if warmup_steps > total_steps:
            raise ValueError(f"LinearWarmupCosine: warmup_steps = {warmup_steps} is more than total_steps = {total_steps}")
        super().__init__(optimizer, last_epoch)

    def factor(self, t):
        if t < self.warmup_steps:
            return (t + 1) / (self.warmup_steps + 1)
        part = (t - self.warmup_steps) / max(1, self.total_steps - self.warmup_steps)
        return (1 + math.cos(math.pi * min(1.0, part))) / 2
