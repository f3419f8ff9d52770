"""What all optimizers share: parameter groups, their state, and how that is saved."""
import collections.abc

import numpy as np

from .. import kernels
from ..grad_mode import enable_grad
from ..ops.arguments import flag
from ..tensor import Tensor
from .options import rate

OTHERS = {"param_names", "initial_lr", "name"}
"""What a group may hold besides its optimizer's options; PARALLELS is what PyTorch's hold besides, and nobody here asks for."""
PARALLELS = {"foreach", "fused", "capturable", "differentiable", "max_lr", "min_lr", "max_momentum", "base_momentum", "swa_lr"}
NEWER = {"maximize", "amsgrad", "decoupled_weight_decay"}
"""Options that older states lack: they stay as they are."""


class Optimizer:
    """Base of the optimizers. `params` are tensors, pairs (name, tensor), or dicts ``{"params": […], "lr": …}`` with options.

    ``param_groups[i]["lr"]`` may be changed at any time (schedules do). `state` holds for each parameter its count of
    steps and the arrays that the subclass names in `slots`. Subclasses write ``check(group)``, which refuses impossible
    options, and ``update(values, gradients, states, group)``, which moves the arrays `values`, all of one dtype and with one
    count of steps, in place through a kernel.
    """

    slots = ()
    counts = True  # whether the count of steps enters the formula; PyTorch saves it only then

    def __init__(self, params, defaults):
        name = type(self).__name__
        if isinstance(params, (Tensor, str, bytes)) or not isinstance(params, collections.abc.Iterable):
            hint = "[tensor]" if isinstance(params, Tensor) else "model.parameters()"
            raise TypeError(f"{name}: params must be a list of tensors or of dicts, got {type(params).__name__}; pass {hint}")
        if isinstance(params, (set, frozenset, dict)):
            raise TypeError(f"{name}: params must be a list of tensors or of dicts, got a {type(params).__name__}; "
                            "the order of parameters must be the same in every run")
        params = list(params)
        if not params:
            raise ValueError(f"{name}: got no parameters to optimise; was the generator model.parameters() used up before?")
        groups = params if isinstance(params[0], dict) else [{"params": params}]
        self.defaults, self.param_groups, self.state = {**defaults, "lr": rate(defaults["lr"], name)}, [], {}
        self._held, self._held_rates = {}, []
        for group in groups:
            self.add_param_group(group)

    def add_param_group(self, param_group):
        """Add parameters with options of their own. TypeError for what is no leaf tensor, ValueError for one given twice."""
        name, group = type(self).__name__, param_group
        if not isinstance(group, dict) or "params" not in group:
            given = f"keys {sorted(map(str, group))}" if isinstance(group, dict) else type(group).__name__
            raise TypeError(f"{name}: a parameter group is a dict with the key \"params\", got {given}")
        members, names = self._members(group["params"])
        known = {id(p) for g in self.param_groups for p in g["params"]}
        for p in members:
            if not isinstance(p, Tensor) or not p.is_leaf or not p.is_floating_point():
                raise TypeError(f"{name}: parameters must be leaf tensors of float32 or float64, got {_describe(p)}")
            if id(p) in known:
                raise ValueError(f"{name}: a parameter of shape {p.shape} was given twice")
            known.add(id(p))
        unknown = set(group) - set(self.defaults) - {"params"} - OTHERS
        if unknown:
            raise ValueError(f"{name}: unknown options {sorted(map(str, unknown))}, expected {sorted(self.defaults)}")
        whole = {**self.defaults, **group, "params": members, **({"param_names": names} if names else {})}
        whole["lr"] = rate(whole["lr"], name)
        if self.param_groups and ("param_names" in whole) != ("param_names" in self.param_groups[0]):
            raise ValueError(f"{name}: some parameter groups have names and some have none; use named_parameters() for all or for none")
        self.check(whole)
        self.param_groups.append(whole)

    def _members(self, given):
        """A group's tensors, and their names if they come in pairs (name, tensor)."""
        name = type(self).__name__
        if isinstance(given, (set, frozenset)):
            raise TypeError(f"{name}: params must be in an order that is the same in every run, got a {type(given).__name__}; use a list")
        if not isinstance(given, Tensor) and not isinstance(given, collections.abc.Iterable):
            raise TypeError(f"{name}: the \"params\" of a group must be a tensor or a list of tensors, got {type(given).__name__}")
        members = [given] if isinstance(given, Tensor) else list(given)
        named = [isinstance(p, tuple) and len(p) == 2 and isinstance(p[0], str) for p in members]
        if any(named) and not all(named):
            raise ValueError(f"{name}: {sum(named)} of {len(named)} parameters have names; use named_parameters() for all or for none")
        return ([p for _, p in members], [n for n, _ in members]) if any(named) else (members, [])

    def check(self, group):
        """TypeError or ValueError for options that make no sense."""

    def zero_grad(self, set_to_none=True):
        """Forget all gradients: ``.grad = None``; with ``set_to_none=False`` they stay, filled with 0."""
        forget = flag(set_to_none, f"{type(self).__name__}.zero_grad", "set_to_none")
        for group in self.param_groups:
            for p in group["params"]:
                if forget or p.grad is None:
                    p.grad = None
                else:
                    p.grad = p.grad.detach()
                    kernels.of(p.grad.data).fill(p.grad.data, 0)
                    p.grad._changed()

    def step(self, closure=None):
        """Move every parameter that has a gradient, in place. `closure`, if given, computes the gradients first, and the loss, which
        is returned: ``def closure(): optimizer.zero_grad(); loss = …; loss.backward(); return loss``."""
        loss = None
        if closure is not None:
            if not callable(closure):
                raise TypeError(f"{type(self).__name__}.step: closure must be a function that returns the loss, got {type(closure).__name__}")
            with enable_grad():
                loss = closure()
        for group in self.param_groups:
            members = [p for p in group["params"] if p.grad is not None]
            for some in self._alike(members):
                self._move(some, group)
        return loss

    def _alike(self, members):
        """`members` in lists of one dtype and one count of steps: as a rule, all in one."""
        if not members:
            return []
        states = [self._state(p) for p in members]
        dtype, step = members[0].dtype, states[0]["step"]
        if all([s["step"] is step for s in states]) and all([p.data.dtype is dtype for p in members]):
            return [members]
        lists = {}
        for p, state in zip(members, states):
            step = state["step"]
            lists.setdefault((p.dtype, int(step[0]) if isinstance(step, np.ndarray) else id(step), p.device), []).append(p)
        return lists.values()

    def _move(self, members, group):
        """One step of parameters of one dtype and count."""
        values, gradients, states = [p.data for p in members], [p.grad.data for p in members], [self.state[p] for p in members]
        if [x.shape for x in values] != [g.shape for g in gradients] or [x.dtype for x in values] != [g.dtype for g in gradients]:
            p = next(p for p in members if p.grad.shape != p.shape or p.grad.dtype != p.dtype)
            raise ValueError(f"{type(self).__name__}: a parameter is {p.dtype} of shape {p.shape}, its gradient {p.grad.dtype} "
                             f"of shape {p.grad.shape}; call zero_grad() after changing a parameter")
        step = states[0]["step"]
        if isinstance(step, np.ndarray):
            step = step + 1  # one new array for all: who has counted alike is found by it at the next step
        else:
            kernels.of(step).add(step, 1, out=step)
        for state in states:
            state["step"] = step
        self.update(values, gradients, states, group)
        for p in members:
            p._changed()

    def _state(self, p):
        """The state of `p`, made at its first step."""
        state = self.state.get(p)
        if state is None:
            state = self.state[p] = {"step": np.zeros(1, np.int64)}
        return state

    @staticmethod
    def slots_of(states, name, values):
        """The array `name` of each state: zeros like the parameter where there is none yet, and in the parameter's dtype (a model
        may have been converted since)."""
        dtype = values[0].dtype
        try:
            arrays = [state[name] for state in states]
            if all([a.dtype is dtype for a in arrays]):
                return arrays
        except KeyError:
            pass
        for state, x in zip(states, values):
            old = state.get(name)
            k = kernels.of(x)
            state[name] = k.zeros(x.shape, dtype) if old is None else old if old.dtype == dtype else k.cast(old, dtype)
        return [state[name] for state in states]

    def lr(self, group, values):
        """The group's rate, as kernels take it."""
        held = self._held.get((id(group), values[0].dtype))
        return np.array([group["lr"]], values[0].dtype) if held is None else held

    def hold(self):
        """From now on keep counts of steps and rates in the device's memory, where a replayed graph finds them (see `refresh`).

        For parameters on a GPU that have been moved at least once.
        """
        counts = {}
        for p, state in self.state.items():
            step = state["step"]
            if isinstance(step, np.ndarray):
                if id(step) not in counts:
                    counts[id(step)] = step, kernels.of(p.data).from_host(step)
                state["step"] = counts[id(step)][1]
        for group in self.param_groups:
            for p in group["params"]:
                self._held.setdefault((id(group), p.dtype), kernels.of(p.data).from_host(np.array([group["lr"]], p.dtype)))
        self._held_rates = [group["lr"] for group in self.param_groups]

    def refresh(self):
        """Write the groups' rates, if they have changed, to where `hold` put them."""
        rates = [group["lr"] for group in self.param_groups]
        if rates != self._held_rates:
            for group in self.param_groups:
                for (owner, dtype), array in self._held.items():
                    if owner == id(group):
                        kernels.of(array).write(array, np.array([group["lr"]], dtype))
            self._held_rates = rates

    def update(self, values, gradients, states, group):
        """Move the arrays `values` by their gradients; each optimizer writes its own."""
        raise TypeError(f"{type(self).__name__} has no update method")

    def state_dict(self):
        """Everything but the parameters: ``{"state": {i: {name: array}}, "param_groups": [options with indices]}``; arrays are NumPy's."""
        numbers, groups = {}, []
        for group in self.param_groups:
            for p in group["params"]:
                numbers[p] = len(numbers)
            groups.append({**{k: v for k, v in group.items() if k != "params"}, "params": [numbers[p] for p in group["params"]]})
        state = {numbers[p]: {name: host_copy(value) for name, value in arrays.items()} for p, arrays in self.state.items()}
        return {"state": state, "param_groups": groups}

    def load_state_dict(self, state_dict):
        """Take over a `state_dict`, ours or that of PyTorch's optimizer of the same name.

        ValueError, and nothing is changed, if it is not of such an optimizer and parameters.
        """
        caller = f"{type(self).__name__}.load_state_dict"
        if not isinstance(state_dict, dict) or not {"state", "param_groups"} <= set(state_dict):
            raise ValueError(f"{caller}: expected a dict with \"state\" and \"param_groups\", as state_dict() gives it")
        groups = [self._options(own, given, caller) for own, given in zip(self.param_groups, self._groups(state_dict, caller))]
        parameters, new = [p for group in self.param_groups for p in group["params"]], {}
        if not isinstance(state_dict["state"], dict):
            raise ValueError(f"{caller}: \"state\" must be a dict of parameter number → arrays, got {type(state_dict['state']).__name__}")
        for i, arrays in state_dict["state"].items():
            if not str(i).isdigit() or int(i) >= len(parameters):
                raise ValueError(f"{caller}: the state is of parameter {i!r}, expected 0 to {len(parameters) - 1}")
            new[parameters[int(i)]] = self._fitted(i, parameters[int(i)], arrays, caller)
        self.state, self._held = new, {}
        for own, given in zip(self.param_groups, groups):
            own.update(given)

    def _groups(self, state_dict, caller):
        """The groups of a state, if they are as many and as long as the own ones."""
        groups = state_dict["param_groups"]
        if not isinstance(groups, (list, tuple)) or not all(isinstance(g, dict) and isinstance(g.get("params"), (list, tuple)) for g in groups):
            raise ValueError(f"{caller}: \"param_groups\" must be a list of dicts with \"params\", got {groups!r:.60}")
        sizes, own = [len(g["params"]) for g in groups], [len(g["params"]) for g in self.param_groups]
        if sizes != own:
            raise ValueError(f"{caller}: the state has groups of {sizes} parameters, expected {own}")
        return groups

    def _options(self, own, given, caller):
        """One own group with the options of a state's."""
        names = set(given) - {"params"} - OTHERS - PARALLELS
        if names - set(self.defaults) or set(self.defaults) - names - NEWER:
            raise ValueError(f"{caller}: the state has the options {sorted(map(str, names))}, expected "
                             f"{sorted(self.defaults)}; is it another optimizer's?")
        kept = {k: tuple(v) if isinstance(v, list) and k != "param_names" else v for k, v in given.items() if k in names | OTHERS}
        whole = {**own, **kept, "params": own["params"]}
        whole["lr"] = rate(whole["lr"], caller)
        self.check(whole)
        return whole

    def _fitted(self, i, p, arrays, caller):
        """Copies of the state's arrays for parameter `p`, in its dtype. ValueError for other names or sizes."""
        if not isinstance(arrays, dict) or self.counts and arrays and "step" not in arrays or set(arrays) - {"step", *self.slots}:
            held = sorted(map(str, arrays)) if isinstance(arrays, dict) else type(arrays).__name__
            raise ValueError(f"{caller}: the state of parameter {i} holds {held}, expected {['step', *self.slots]}; "
                             "is it another optimizer's?")
        fitted = {"step": np.zeros(1, np.int64)}
        for name, value in arrays.items():
            if value is None:  # PyTorch's momentum before its first step
                continue
            try:
                value = np.array(np.asarray(value), np.float64 if name == "step" else p.dtype)
            except (TypeError, ValueError, RuntimeError, OverflowError):
                raise ValueError(f"{caller}: {name} of parameter {i} is no array of numbers, got {value!r:.60}") from None
            if value.size != (1 if name == "step" else p.data.size):
                raise ValueError(f"{caller}: {name} of parameter {i} has {value.size} elements, expected {p.data.size}")
            if name == "step" and not 0 <= value.item() < 2 ** 53:
                raise ValueError(f"{caller}: the count of steps of parameter {i} is {value.item():g}, expected a number of at least 0")
            fitted[name] = (kernels.of(p.data).from_host(np.ascontiguousarray(value).reshape(p.shape)) if name != "step"
                            else value.reshape(1).astype(np.int64))
        return fitted

    def __repr__(self):
        lines = [f"{type(self).__name__} ("]
        for i, group in enumerate(self.param_groups):
            options = ", ".join(f"{k}={v}" for k, v in group.items() if k not in ("params", "param_names"))
            lines.append(f"  group {i}: {len(group['params'])} tensors, {options}")
        return "\n".join(lines + [")"])


def host_copy(array):
    """A copy of an array of any device as NumPy's."""
    return array.copy() if isinstance(array, np.ndarray) else kernels.of(array).to_host(array)


def _describe(p):
    """What was given in place of a parameter, and how to repair it."""
    if not isinstance(p, Tensor):
        return type(p).__name__
    return (f"{p.dtype} of shape {p.shape}" if p.is_leaf else
            f"the result of {p.grad_fn.name}, of shape {p.shape}; optimise the tensors it was computed from")
