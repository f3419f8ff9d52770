"""Schedules that rise and fall: one cycle, and a cosine that starts anew. They overwrite a rate that someone else has set."""
import math

from ..ops.arguments import choice, flag, probability, real, whole
from .schedule import LRScheduler


def per_group(value, optimizer, caller, name):
    """One number for all groups, or a list of one for each, as a list. ValueError for another length."""
    groups = len(optimizer.param_groups)
    values = list(value) if isinstance(value, (list, tuple)) else [value] * groups
    if len(values) != groups:
        raise ValueError(f"{caller}: {name} has {len(values)} values, expected one for each of {groups} parameter groups")
    return [real(v, caller, name, 0) for v in values]


class OneCycleLR(LRScheduler):
    """Up to max_lr in the first pct_start of the steps, then down to almost nothing.

    From max_lr / div_factor up to max_lr, and down to max_lr / (div_factor · final_div_factor), along half cosines or
    straight lines (anneal_strategy "cos", "linear"). With `three_phase` the way down first mirrors the way up. With
    `cycle_momentum` the momentum (or β₁) falls from max_momentum to base_momentum while the rate rises, and comes back.
    The number of steps is total_steps, or epochs · steps_per_epoch; ValueError for a step beyond. (Smith & Topin, arXiv:1708.07120.)
    """

    chains = False

    def __init__(self, optimizer, max_lr, total_steps=None, epochs=None, steps_per_epoch=None, pct_start=0.3, anneal_strategy="cos",
                 cycle_momentum=True, base_momentum=0.85, max_momentum=0.95, div_factor=25.0, final_div_factor=1e4, three_phase=False,
                 last_epoch=-1):
        caller = "OneCycleLR"
        self._of(optimizer)
        if total_steps is None:
            if epochs is None or steps_per_epoch is None:
                raise ValueError("OneCycleLR: say how long it lasts: total_steps, or both epochs and steps_per_epoch")
            total_steps = whole(epochs, caller, "epochs") * whole(steps_per_epoch, caller, "steps_per_epoch")
        self.total_steps = whole(total_steps, caller, "total_steps")
        self.pct_start = probability(pct_start, caller, "pct_start")
        self.anneal_strategy = choice(anneal_strategy, ("cos", "linear"), caller, "anneal_strategy")
        self.three_phase = flag(three_phase, caller, "three_phase")
        for name, value in (("div_factor", div_factor), ("final_div_factor", final_div_factor)):
            if not real(value, caller, name, 0) > 0:
                raise ValueError(f"OneCycleLR: {name} must be positive, got {value}")
        self.max_lrs = per_group(max_lr, optimizer, caller, "max_lr")
        self.div_factor, self.final_div_factor = div_factor, final_div_factor
        self.cycle_momentum = flag(cycle_momentum, caller, "cycle_momentum")
        if self.cycle_momentum and not {"momentum", "betas"} & set(optimizer.defaults):
            raise ValueError(f"OneCycleLR: {type(optimizer).__name__} has no momentum to cycle; pass cycle_momentum=False")
        self.max_momentums = per_group(max_momentum, optimizer, caller, "max_momentum")
        self.base_momentums = per_group(base_momentum, optimizer, caller, "base_momentum")
        if whole(last_epoch, caller, "last_epoch", -1) == -1:
            for group, top in zip(optimizer.param_groups, self.max_lrs):
                group["initial_lr"] = top / div_factor
        super().__init__(optimizer, last_epoch)

    def _between(self, t, low, high, end):
        """Where a quantity is at step t that goes from low up to high, and then (in three phases, by way of low) to its end."""
        last, top = self.total_steps - 1, self.pct_start * self.total_steps - 1
        legs = [(top, low, high), (last, high, end)]
        if self.three_phase:
            legs = [(top, low, high), (2 * top, high, low), (last, low, end)]
        begin = 0.0
        for i, (stop, a, b) in enumerate(legs):
            if (t <= stop and stop > begin) or i == len(legs) - 1:
                part = (t - begin) / (stop - begin) if stop != begin else 1.0
                if self.anneal_strategy == "linear":
                    return a + (b - a) * part
                return b + (a - b) * (1 + math.cos(math.pi * part)) / 2
            begin = stop

    def rates(self, t):
        if t > self.total_steps:
            raise ValueError(f"OneCycleLR: step {t} is beyond the {self.total_steps} steps that it was made for")
        lows = [top / self.div_factor for top in self.max_lrs]
        return [self._between(t, low, top, low / self.final_div_factor) for low, top in zip(lows, self.max_lrs)]

    def _apply(self):
        super()._apply()
        if self.cycle_momentum:
            for group, low, high in zip(self.optimizer.param_groups, self.base_momentums, self.max_momentums):
                momentum = self._between(self.last_epoch, high, low, high)
                if "betas" in group:
                    group["betas"] = (momentum, *group["betas"][1:])
                else:
                    group["momentum"] = momentum


class CosineAnnealingWarmRestarts(LRScheduler):
    """From lr to eta_min along half a cosine in T_0 steps, then again from lr, every time T_mult times as long.

    ``step(epoch)`` takes a fraction too: ``step(epoch + i / batches)`` after batch i. (Loshchilov & Hutter, arXiv:1608.03983)
    """

    chains = False

    def __init__(self, optimizer, T_0, T_mult=1, eta_min=0.0, last_epoch=-1):
        caller = "CosineAnnealingWarmRestarts"
        self.T_0, self.T_mult = whole(T_0, caller, "T_0"), whole(T_mult, caller, "T_mult")
        self.eta_min, self._time = real(eta_min, caller, "eta_min"), whole(last_epoch, caller, "last_epoch", -1) + 1
        super().__init__(optimizer, last_epoch)

    def rates(self, t):
        length, since = self.T_0, self._time
        if self.T_mult == 1:
            since %= length
        while since >= length:
            since, length = since - length, length * self.T_mult
        wave = (1 + math.cos(math.pi * since / length)) / 2
        return [self.eta_min + (base - self.eta_min) * wave for base in self.base_lrs]

    def restart(self, chained=False):
        self._time = 0
        super().restart(chained)

    def step(self, epoch=None):
        """Go one step on, or to the time `epoch`."""
        if epoch is not None and not real(epoch, "CosineAnnealingWarmRestarts.step", "epoch", 0) < 2 ** 31:
            raise ValueError(f"CosineAnnealingWarmRestarts.step: epoch must be less than 2³¹, got {epoch:g}")
        self._time = self._time + 1 if epoch is None else epoch
        self.last_epoch = math.floor(self.last_epoch + 1 if epoch is None else epoch)
        self._apply()

    def state_dict(self):
        return {**super().state_dict(), "time": self._time}

    def _more(self, state_dict):
        time = state_dict.get("time", state_dict["last_epoch"])
        if not real(time, "CosineAnnealingWarmRestarts.load_state_dict", "time", 0) < 2 ** 31:
            raise ValueError(f"CosineAnnealingWarmRestarts.load_state_dict: time must be less than 2³¹, got {time:g}")
        return {"_time": time}
