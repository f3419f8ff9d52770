"""What all optimizers share: parameter groups, their state, and how that is saved."""
import collections.abc

import numpy as np

from .. import kernels
from ..tensor import Tensor


class Optimizer:
    """Base of the optimizers. `params` are tensors, or dicts ``{"params": […], "lr": …}`` that override the defaults.

    ``param_groups[i]["lr"]`` may be changed at any time (schedules do). `state` holds for each parameter its count of
    steps and the arrays that the subclass names in `slots`. Subclasses write ``check(group)``, which refuses impossible
    options, and ``update(parameter, gradient, state, group)``, in place through a kernel.
    """

    slots = ()

    def __init__(self, params, defaults):
        name = type(self).__name__
        if isinstance(params, Tensor) or not isinstance(params, collections.abc.Iterable):
            hint = "[tensor]" if isinstance(params, Tensor) else "model.parameters()"
            raise TypeError(f"{name}: params must be a list of tensors or of dicts, got {type(params).__name__}; pass {hint}")
        params = list(params)
        if not params:
            raise ValueError(f"{name}: got no parameters to optimise; was the generator model.parameters() used up before?")
        groups = params if isinstance(params[0], dict) else [{"params": params}]
        self.defaults, self.param_groups, self.state = defaults, [], {}
        for group in groups:
            self.add_param_group(group)

    def add_param_group(self, group):
        """Add parameters with options of their own. TypeError for what is no leaf tensor, ValueError for one given twice."""
        name = type(self).__name__
        if not isinstance(group, dict) or "params" not in group:
            given = f"keys {sorted(map(str, group))}" if isinstance(group, dict) else type(group).__name__
            raise TypeError(f"{name}: a parameter group is a dict with the key \"params\", got {given}")
        known = {id(p) for g in self.param_groups for p in g["params"]}
        members = [group["params"]] if isinstance(group["params"], Tensor) else list(group["params"])
        for p in members:
            if not isinstance(p, Tensor) or not p.is_leaf or not p.is_floating_point():
                raise TypeError(f"{name}: parameters must be leaf tensors of float32 or float64, got {_describe(p)}")
            if id(p) in known:
                raise ValueError(f"{name}: a parameter of shape {p.shape} was given twice")
            known.add(id(p))
        unknown = set(group) - set(self.defaults) - {"params"}
        if unknown:
            raise ValueError(f"{name}: unknown options {sorted(unknown)}, expected {sorted(self.defaults)}")
        whole = {**self.defaults, **group, "params": members}
        self.check(whole)
        self.param_groups.append(whole)

    def check(self, group):
        """TypeError or ValueError for options that make no sense."""

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
                if p.grad.shape != p.shape or p.grad.dtype != p.dtype:
                    raise ValueError(f"{type(self).__name__}: a parameter is {p.dtype} of shape {p.shape}, its gradient {p.grad.dtype} "
                                     f"of shape {p.grad.shape}; call zero_grad() after changing a parameter")
                state = self._state(p)
                state["step"] += 1
                gradient = kernels.rung().contiguous(p.grad.data).reshape(-1)
                values = kernels.rung().contiguous(p.data)
                self.update(values.reshape(-1), gradient, state, group)
                if values is not p.data:  # memory in another order than the axes: the kernel moved a copy
                    p.data[...] = values
                p._changed()

    def _state(self, p):
        """The state of `p`, made at its first step, and in its dtype (a model may have been converted since)."""
        if p not in self.state:
            self.state[p] = {"step": np.zeros(1, np.int64)}
        state = self.state[p]
        for name in self.slots:
            if name in state and state[name].dtype != p.dtype:
                state[name] = state[name].astype(p.dtype)
        return state

    def update(self, p, g, state, group):
        """Move the flat array `p` by its gradient `g`; each optimizer writes its own."""
        raise TypeError(f"{type(self).__name__} has no update method")

    def state_dict(self):
        """Everything but the parameters: ``{"state": {i: {name: array}}, "param_groups": [options with indices]}``."""
        numbers, groups = {}, []
        for group in self.param_groups:
            for p in group["params"]:
                numbers[p] = len(numbers)
            groups.append({**{k: v for k, v in group.items() if k != "params"}, "params": [numbers[p] for p in group["params"]]})
        state = {numbers[p]: {name: value.copy() for name, value in arrays.items()} for p, arrays in self.state.items()}
        return {"state": state, "param_groups": groups}

    def load_state_dict(self, state_dict):
        """Take over a `state_dict`. ValueError, and nothing is changed, if it is not of such an optimizer and parameters."""
        caller = f"{type(self).__name__}.load_state_dict"
        if not isinstance(state_dict, dict) or not {"state", "param_groups"} <= set(state_dict):
            raise ValueError(f"{caller}: expected a dict with \"state\" and \"param_groups\", as state_dict() gives it")
        groups = state_dict["param_groups"]
        sizes = [len(g["params"]) for g in groups]
        if sizes != [len(g["params"]) for g in self.param_groups]:
            raise ValueError(f"{caller}: the state has groups of {sizes} parameters, expected "
                             f"{[len(g['params']) for g in self.param_groups]}")
        for given in groups:
            if set(given) != {*self.defaults, "params"}:
                raise ValueError(f"{caller}: the state has the options {sorted(set(given) - {'params'})}, expected "
                                 f"{sorted(self.defaults)}; is it another optimizer's?")
        parameters = [p for group in self.param_groups for p in group["params"]]
        new = {}
        for i, arrays in state_dict["state"].items():
            if not str(i).isdigit() or int(i) >= len(parameters):
                raise ValueError(f"{caller}: the state is of parameter {i!r}, expected 0 to {len(parameters) - 1}")
            new[parameters[int(i)]] = self._fitted(i, parameters[int(i)], arrays, caller)
        self.state = new
        for own, given in zip(self.param_groups, groups):
            own.update({k: tuple(v) if isinstance(v, list) else v for k, v in given.items() if k != "params"})

    def _fitted(self, i, p, arrays, caller):
        """Copies of the state's arrays for parameter `p`, in its dtype. ValueError for other names or sizes."""
        if "step" not in arrays or set(arrays) - {"step", *self.slots}:
            raise ValueError(f"{caller}: the state of parameter {i} holds {sorted(arrays)}, expected {['step', *self.slots]}; "
                             "is it another optimizer's?")
        fitted = {name: np.array(value, np.int64 if name == "step" else p.dtype).reshape(-1) for name, value in arrays.items()}
        for name, value in fitted.items():
            if value.size != (1 if name == "step" else p.data.size):
                raise ValueError(f"{caller}: {name} of parameter {i} has {value.size} elements, expected {p.data.size}")
        return fitted

    def __repr__(self):
        lines = [f"{type(self).__name__} ("]
        for i, group in enumerate(self.param_groups):
            options = ", ".join(f"{k}={v}" for k, v in group.items() if k != "params")
            lines.append(f"  group {i}: {len(group['params'])} tensors, {options}")
        return "\n".join(lines + [")"])


def _describe(p):
    """What was given in place of a parameter, and how to repair it."""
    if isinstance(p, tuple) and len(p) == 2 and isinstance(p[0], str):
        return f"the pair ({p[0]!r}, …); use parameters() instead of named_parameters()"
    if not isinstance(p, Tensor):
        return type(p).__name__
    return (f"{p.dtype} of shape {p.shape}" if p.is_leaf else
            f"the result of {p.grad_fn.name}, of shape {p.shape}; optimise the tensors it was computed from")
