"""What all optimizers share: parameter groups, their state, and how that is saved."""
import numpy as np

from .. import kernels
from ..tensor import Tensor


class Optimizer:
    """Base of the optimizers. `params` are tensors, or dicts ``{"params": […], "lr": …}`` that override the defaults.

    ``param_groups[i]["lr"]`` may be changed at any time (schedules do). Subclasses name their state arrays in `slots`
    and write ``update(parameter, gradient, state, group)``, in place through a kernel.
    """

    slots = ()

    def __init__(self, params, defaults):
        params = list(params)
        if not params:
            raise ValueError(f"{type(self).__name__}: got no parameters to optimise")
        groups = params if isinstance(params[0], dict) else [{"params": params}]
        self.defaults, self.param_groups, self.state = defaults, [], {}
        for group in groups:
            self.add_param_group(group)

    def add_param_group(self, group):
        """Add parameters with options of their own. TypeError for what is no leaf tensor, ValueError for one given twice."""
        known = {id(p) for g in self.param_groups for p in g["params"]}
        members = [group["params"]] if isinstance(group["params"], Tensor) else list(group["params"])
        for p in members:
            if not isinstance(p, Tensor) or not p.is_leaf or not p.is_floating_point():
                raise TypeError(f"{type(self).__name__}: parameters must be leaf tensors of float32 or float64, got {p!r:.80}")
            if id(p) in known:
                raise ValueError(f"{type(self).__name__}: a parameter of shape {p.shape} was given twice")
            known.add(id(p))
        unknown = set(group) - set(self.defaults) - {"params"}
        if unknown:
            raise ValueError(f"{type(self).__name__}: unknown options {sorted(unknown)}, expected {sorted(self.defaults)}")
        self.param_groups.append({**self.defaults, **group, "params": members})

    def zero_grad(self):
        """Forget all gradients: ``.grad = None``."""
        for group in self.param_groups:
            for p in group["params"]:
                p.grad = None

    def step(self):
        """Move every parameter that has a gradient, in place."""
        for group in self.param_groups:
            for p in group["params"]:
                if p.grad is None:
                    continue
                state = self.state.get(id(p))
                if state is None:
                    state = self.state[id(p)] = {"step": np.zeros(1, np.int64)}
                state["step"] += 1
                gradient = kernels.rung().contiguous(p.grad.data).reshape(-1)
                values = kernels.rung().contiguous(p.data)
                self.update(values.reshape(-1), gradient, state, group)
                if values is not p.data:  # memory in another order than the axes: the kernel moved a copy
                    p.data[...] = values
                p._changed()

    def update(self, p, g, state, group):
        """Move the flat array `p` by its gradient `g`; each optimizer writes its own."""
        raise TypeError(f"{type(self).__name__} has no update method")

    def state_dict(self):
        """Everything but the parameters: ``{"state": {i: {name: array}}, "param_groups": [options with indices]}``."""
        numbers, groups = {}, []
        for group in self.param_groups:
            for p in group["params"]:
                numbers[id(p)] = len(numbers)
            groups.append({**{k: v for k, v in group.items() if k != "params"},
                           "params": [numbers[id(p)] for p in group["params"]]})
        state = {numbers[key]: {name: value.copy() for name, value in slots.items()} for key, slots in self.state.items()}
        return {"state": state, "param_groups": groups}

    def load_state_dict(self, state_dict):
        """Take over a `state_dict`. ValueError if its groups or shapes are not those of this optimizer."""
        groups, state = state_dict["param_groups"], state_dict["state"]
        sizes = [len(g["params"]) for g in groups]
        if sizes != [len(g["params"]) for g in self.param_groups]:
            raise ValueError(f"{type(self).__name__}.load_state_dict: the state has groups of {sizes} parameters, expected "
                             f"{[len(g['params']) for g in self.param_groups]}")
        parameters = [p for group in self.param_groups for p in group["params"]]
        new = {}
        for i, slots in state.items():
            p = parameters[int(i)]
            new[id(p)] = {name: np.array(value) for name, value in slots.items()}
            for name, value in new[id(p)].items():
                if name != "step" and value.size != p.data.size:
                    raise ValueError(f"{type(self).__name__}.load_state_dict: {name} of parameter {i} has {value.size} elements, "
                                     f"expected {p.data.size}")
        self.state = new
        for own, given in zip(self.param_groups, groups):
            own.update({k: v for k, v in given.items() if k != "params"})

    def __repr__(self):
        lines = [f"{type(self).__name__} ("]
        for i, group in enumerate(self.param_groups):
            options = ", ".join(f"{k}={v}" for k, v in group.items() if k != "params")
            lines.append(f"  group {i}: {len(group['params'])} tensors, {options}")
        return "\n".join(lines + [")"])


def nonnegative(optimizer, **values):
    """ValueError for a negative option."""
    for name, value in values.items():
        if not value >= 0:
            raise ValueError(f"{optimizer}: {name} must not be negative, got {value}")
