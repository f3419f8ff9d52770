"""Schedules made of schedules, and one that listens to the results."""
import math

from ..ops.arguments import choice, real, whole
from ..tensor import Tensor
from .cycles import per_group
from .schedule import LRScheduler


class _Combined(LRScheduler):
    """What combinations share: the schedules, all of one optimizer, and their states."""

    def _take(self, schedulers, optimizer):
        caller = type(self).__name__
        if not isinstance(schedulers, (list, tuple)) or not schedulers:
            raise ValueError(f"{caller}: schedulers must be a list of at least one schedule, got {schedulers!r:.60}")
        for scheduler in schedulers:
            if not isinstance(scheduler, LRScheduler) or isinstance(scheduler, ReduceLROnPlateau):
                raise TypeError(f"{caller}: cannot combine a {type(scheduler).__name__}; expected schedules that go on by themselves")
        self.optimizer = self._of(schedulers[0].optimizer if optimizer is None else optimizer)
        if any(scheduler.optimizer is not self.optimizer for scheduler in schedulers):
            raise ValueError(f"{caller}: all schedules must be of the same optimizer")
        self._schedulers = list(schedulers)

    def state_dict(self):
        """Where it stands, and where each of its schedules does."""
        return {"last_epoch": self.last_epoch, "last_lr": list(self._last_lr),
                "_schedulers": [scheduler.state_dict() for scheduler in self._schedulers]}

    def _read(self, state_dict):
        caller, count, groups = f"{type(self).__name__}.load_state_dict", len(self._schedulers), len(self.optimizer.param_groups)
        if (not isinstance(state_dict, dict) or not {"last_epoch", "last_lr", "_schedulers"} <= set(state_dict)
                or any(not isinstance(state_dict[name], (list, tuple)) or len(state_dict[name]) != length
                       for name, length in (("_schedulers", count), ("last_lr", groups)))):
            raise ValueError(f"{caller}: expected \"last_epoch\", the \"last_lr\" of {groups} parameter groups and the states of "
                             f"{count} \"_schedulers\", got {state_dict!r:.80}")
        return {"last_epoch": whole(state_dict["last_epoch"], caller, "last_epoch", 0),
                "_last_lr": [real(x, caller, "each of last_lr") for x in state_dict["last_lr"]],
                "_each": [scheduler._read(state) for scheduler, state in zip(self._schedulers, state_dict["_schedulers"])]}

    def _become(self, attributes):
        for scheduler, read in zip(self._schedulers, attributes.pop("_each")):
            scheduler._become(read)
        self.__dict__.update(attributes)


class SequentialLR(_Combined):
    """One schedule after the other: schedulers[k] begins, at its own step 0, when step milestones[k − 1] is reached."""

    def __init__(self, optimizer, schedulers, milestones, last_epoch=-1):
        self._take(schedulers, self._of(optimizer))
        if not isinstance(milestones, (list, tuple)) or len(milestones) != len(schedulers) - 1:
            raise ValueError(f"SequentialLR: milestones must be a list of one step fewer than there are schedules ({len(schedulers)}), "
                             f"got {milestones!r:.60}")
        self._milestones = [whole(m, "SequentialLR", "each milestone", 0) for m in milestones]
        if sorted(self._milestones) != self._milestones:
            raise ValueError(f"SequentialLR: milestones must not decrease, got {milestones!r:.60}")
        self.last_epoch = whole(last_epoch, "SequentialLR", "last_epoch", -1) + 1
        self.restart()

    def _current(self):
        return self._schedulers[sum(m <= self.last_epoch for m in self._milestones)]

    def restart(self, chained=False):
        self.last_epoch = 0
        self._current().restart(chained)
        self._last_lr = self._current().get_last_lr()

    def step(self):
        """Go one step on."""
        self.last_epoch += 1
        if self.last_epoch in self._milestones:
            self._current().restart()
        else:
            self._current().step()
        self._last_lr = self._current().get_last_lr()


class ChainedScheduler(_Combined):
    """All schedules at once: their factors multiply."""

    def __init__(self, schedulers, optimizer=None):
        self._take(schedulers, optimizer)
        self.last_epoch, self._last_lr = 0, self.optimizer_lrs()

    def restart(self, chained=False):
        if not chained:
            for group in self.optimizer.param_groups:
                group["lr"] = group["initial_lr"]
        for scheduler in self._schedulers:
            scheduler.restart(chained=True)
        self.last_epoch, self._last_lr = 0, self.optimizer_lrs()

    def step(self):
        """Go one step on with each."""
        self.last_epoch += 1
        for scheduler in self._schedulers:
            scheduler.step()
        self._last_lr = self.optimizer_lrs()


class ReduceLROnPlateau(LRScheduler):
    """`factor` times the rate whenever a measure has not become better for more than `patience` steps: ``step(loss)``.

    Better is less (mode "min") or more ("max"), by a part `threshold` of the best so far (threshold_mode "rel") or by that
    much ("abs"). After a reduction, `cooldown` steps do not count. Rates do not fall below min_lr, nor by less than eps.
    """

    def __init__(self, optimizer, mode="min", factor=0.1, patience=10, threshold=1e-4, threshold_mode="rel", cooldown=0, min_lr=0,
                 eps=1e-8):
        caller = "ReduceLROnPlateau"
        self.optimizer, self.mode = self._of(optimizer), choice(mode, ("min", "max"), caller, "mode")
        if real(factor, caller, "factor", 0) >= 1:
            raise ValueError(f"ReduceLROnPlateau: factor must be less than 1, got {factor}")
        self.reduction, self.patience = factor, whole(patience, caller, "patience", 0)
        self.threshold = real(threshold, caller, "threshold", 0)
        self.threshold_mode = choice(threshold_mode, ("rel", "abs"), caller, "threshold_mode")
        self.cooldown, self.eps = whole(cooldown, caller, "cooldown", 0), real(eps, caller, "eps", 0)
        self.min_lrs = per_group(min_lr, optimizer, caller, "min_lr")
        self.best = math.inf if mode == "min" else -math.inf
        self.last_epoch = self.num_bad_epochs = self.cooldown_counter = 0
        self._last_lr = self.optimizer_lrs()

    def _is_better(self, value):
        down = self.mode == "min"
        if self.threshold_mode == "rel":
            bar = self.best * (1 - self.threshold if down else 1 + self.threshold)
        else:
            bar = self.best - self.threshold if down else self.best + self.threshold
        return value < bar if down else value > bar

    def step(self, metrics):
        """Look at a measure, a number or a one-element Tensor, and reduce the rates if it is time."""
        value = metrics.item() if isinstance(metrics, Tensor) else metrics
        if not isinstance(value, float) or value == value:  # NaN is a measure too: a bad one
            value = real(value, "ReduceLROnPlateau.step", "metrics")
        self.last_epoch += 1
        better = self._is_better(value)
        self.best, self.num_bad_epochs = (value, 0) if better else (self.best, self.num_bad_epochs + 1)
        if self.cooldown_counter > 0:
            self.cooldown_counter, self.num_bad_epochs = self.cooldown_counter - 1, 0
        if self.num_bad_epochs > self.patience:
            for group, least in zip(self.optimizer.param_groups, self.min_lrs):
                lower = max(group["lr"] * self.reduction, least)
                if group["lr"] - lower > self.eps:
                    group["lr"] = lower
            self.cooldown_counter, self.num_bad_epochs = self.cooldown, 0
        self._last_lr = self.optimizer_lrs()

    def state_dict(self):
        """The best measure so far, and the counters."""
        return {name: getattr(self, name) for name in ("best", "last_epoch", "num_bad_epochs", "cooldown_counter")}

    def load_state_dict(self, state_dict):
        """Go on from a `state_dict`. ValueError if it is none of this schedule's."""
        own = self.state_dict()
        if not isinstance(state_dict, dict) or not set(own) <= set(state_dict):
            raise ValueError(f"ReduceLROnPlateau.load_state_dict: expected {sorted(own)}, got {state_dict!r:.80}")
        caller = "ReduceLROnPlateau.load_state_dict"
        read = {name: (real(state_dict[name], caller, name) if name == "best" else whole(state_dict[name], caller, name, 0)) for name in own}
        self.__dict__.update(read)
        self._last_lr = self.optimizer_lrs()  # the rates are in the optimizer's state
