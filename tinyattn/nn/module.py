"""Module: parameters, buffers and smaller modules under one name, and a `forward` that uses them.

PyTorch's contract: attributes that are `Parameter`s or `Module`s are registered by being assigned; names in
``state_dict()`` are the path of attributes, ``"stages.0.conv.weight"``.
"""
import contextlib
import difflib

import numpy as np

from ..tensor import FLOATS, HookHandle, Tensor, check_device, checked_dtype


class Parameter(Tensor):
    """A Tensor that a Module registers as its own when it is assigned as an attribute; it requires a gradient."""

    __slots__ = ()

    def __init__(self, data, requires_grad=True):
        super().__init__(data.data if isinstance(data, Tensor) else np.asarray(data, order="C"), requires_grad)

    def __repr__(self):
        return "Parameter containing:\n" + super().__repr__()


class LoadResult(tuple):
    """What `load_state_dict` found: ``missing_keys`` and ``unexpected_keys``."""

    def __new__(cls, missing, unexpected):
        self = super().__new__(cls, (missing, unexpected))
        self.missing_keys, self.unexpected_keys = missing, unexpected
        return self


class Module:
    """Base of all layers and models. Subclasses assign parameters and children in ``__init__`` and write ``forward``."""

    training = True

    def __init__(self):
        for name in ("_parameters", "_buffers", "_modules", "_forward_hooks", "_forward_pre_hooks"):
            object.__setattr__(self, name, {})
        object.__setattr__(self, "_not_saved", set())

    # --- attributes -----------------------------------------------------------------------------------------------

    def __setattr__(self, name, value):
        if "_modules" not in self.__dict__:
            raise AttributeError(f"{type(self).__name__}: call super().__init__() before assigning attributes")
        stores = self._parameters, self._modules, self._buffers
        kind = 0 if isinstance(value, Parameter) else 1 if isinstance(value, Module) else None
        if kind is None and name in self._buffers and (value is None or isinstance(value, Tensor)):
            kind = 2
        if kind is None and value is None and (name in self._parameters or name in self._modules):
            kind = 0 if name in self._parameters else 1
        if kind is None and name in self._parameters:
            raise TypeError(f"{type(self).__name__}.{name} is a parameter; assign a Parameter or None, not {type(value).__name__}")
        for i, store in enumerate(stores):
            if i != kind:
                store.pop(name, None)
        if kind is None:
            object.__setattr__(self, name, value)
        else:
            self.__dict__.pop(name, None)
            stores[kind][name] = value

    def __getattr__(self, name):
        for store in ("_parameters", "_buffers", "_modules"):
            if name in self.__dict__.get(store, ()):
                return self.__dict__[store][name]
        raise AttributeError(f"{type(self).__name__} has no attribute {name!r}")

    def __delattr__(self, name):
        for store in (self._parameters, self._buffers, self._modules):
            if name in store:
                del store[name]
                return
        object.__delattr__(self, name)

    def __dir__(self):
        return sorted(set(super().__dir__()) | set(self._parameters) | set(self._buffers) | set(self._modules))

    def register_parameter(self, name, parameter):
        """Register a Parameter, or None to keep the place free (a layer without bias)."""
        self._parameters[name] = parameter

    def register_buffer(self, name, tensor, persistent=True):
        """Register a Tensor that is saved with the module but not trained (running statistics)."""
        self._buffers[name] = tensor
        if not persistent:
            self._not_saved.add(name)

    def add_module(self, name, module):
        """Register a child under a name of any form (``"0"``)."""
        if "." in name:
            raise ValueError(f"add_module: a name must not contain a dot, got {name!r}")
        self._modules[name] = module

    # --- walking the tree -----------------------------------------------------------------------------------------

    def named_modules(self, prefix="", _seen=None):
        """(path, module) for this module and everything below it, each once, parents first."""
        seen = set() if _seen is None else _seen
        if id(self) not in seen:
            seen.add(id(self))
            yield prefix, self
            for name, child in self._modules.items():
                if child is not None:
                    yield from child.named_modules(f"{prefix}.{name}" if prefix else name, seen)

    def modules(self):
        """This module and everything below it."""
        return (module for _, module in self.named_modules())

    def named_children(self):
        """(name, module) for the modules directly below."""
        return ((name, child) for name, child in self._modules.items() if child is not None)

    def children(self):
        """The modules directly below."""
        return (child for _, child in self.named_children())

    def _named(self, store, prefix, recurse, skip=()):
        seen = set()
        for path, module in self.named_modules(prefix) if recurse else [(prefix, self)]:
            for name, value in getattr(module, store).items():
                if value is not None and id(value) not in seen and name not in (module._not_saved if skip else ()):
                    seen.add(id(value))
                    yield (f"{path}.{name}" if path else name), value

    def named_parameters(self, prefix="", recurse=True):
        """(path, Parameter), each once."""
        return self._named("_parameters", prefix, recurse)

    def parameters(self, recurse=True):
        """All Parameters, each once."""
        return (p for _, p in self.named_parameters(recurse=recurse))

    def named_buffers(self, prefix="", recurse=True):
        """(path, Tensor) of everything registered with `register_buffer`."""
        return self._named("_buffers", prefix, recurse)

    def buffers(self, recurse=True):
        """All buffers, each once."""
        return (b for _, b in self.named_buffers(recurse=recurse))

    def get_submodule(self, path):
        """The module at a path such as ``"stages.0.conv"``. AttributeError names the nearest that exists."""
        found = dict(self.named_modules())
        if path not in found:
            near = difflib.get_close_matches(path, found, 1)
            raise AttributeError(f"{type(self).__name__} has no submodule {path!r}" + (f"; did you mean {near[0]!r}?" if near else ""))
        return found[path]

    # --- state ----------------------------------------------------------------------------------------------------

    def _state(self):
        """(path, Tensor) of all that is saved: parameters and persistent buffers, module by module, as PyTorch orders them."""
        for path, module in self._all_paths(""):
            for store, skip in ((module._parameters, ()), (module._buffers, module._not_saved)):
                for name, value in store.items():
                    if value is not None and name not in skip:
                        yield (f"{path}.{name}" if path else name), value

    def _all_paths(self, prefix):
        yield prefix, self
        for name, child in self._modules.items():
            if child is not None:
                yield from child._all_paths(f"{prefix}.{name}" if prefix else name)

    def state_dict(self):
        """Path → Tensor (sharing memory with the module) of every parameter and persistent buffer."""
        return {path: value.detach() for path, value in self._state()}

    def load_state_dict(self, state_dict, strict=True):
        """Copy values (Tensors or arrays) into the parameters and buffers of the same paths.

        ValueError lists every missing, unexpected and mis-shaped key, and then nothing has been changed; with
        ``strict=False`` missing and unexpected keys are only reported in the result.
        """
        own = dict(self._state())
        missing = [key for key in own if key not in state_dict]
        unexpected = [key for key in state_dict if key not in own]
        arrays, wrong = {}, []
        for key in own:
            if key in state_dict:
                arrays[key] = np.asarray(state_dict[key].data if isinstance(state_dict[key], Tensor) else state_dict[key])
                if arrays[key].shape != own[key].shape:
                    wrong.append(f"{key} has shape {arrays[key].shape}, expected {own[key].shape}")
        problems = [f"mis-shaped: {', '.join(wrong)}"] if wrong else []
        if strict:
            problems += [f"{what}: {', '.join(keys)}" for what, keys in (("missing", missing), ("unexpected", unexpected)) if keys]
        if problems:
            raise ValueError(f"load_state_dict: the state does not fit this {type(self).__name__}; " + "; ".join(problems))
        for key, array in arrays.items():
            own[key].data[...] = array
            own[key]._changed()
        return LoadResult(missing, unexpected)

    def train(self, mode=True):
        """Set training mode here and below: dropout drops, batch norm uses and moves its statistics."""
        for module in self.modules():
            object.__setattr__(module, "training", bool(mode))
        return self

    def eval(self):
        """Set evaluation mode here and below."""
        return self.train(False)

    def requires_grad_(self, requires_grad=True):
        """Train all parameters, or freeze them."""
        for p in self.parameters():
            p.requires_grad_(requires_grad)
        return self

    def zero_grad(self):
        """Forget all gradients: ``.grad = None``."""
        for p in self.parameters():
            p.grad = None

    def apply(self, function):
        """Call ``function(module)`` on everything below and then on this module; returns it."""
        for child in self.children():
            child.apply(function)
        function(self)
        return self

    def to(self, *targets, dtype=None, device=None):
        """Convert all float parameters and buffers in place to a dtype; ``"cpu"`` is the only device here."""
        for target in targets:
            if isinstance(target, str) and target.partition(":")[0] in ("cpu", "cuda"):
                device = target
            else:
                dtype = target
        if device is not None:
            check_device(device, "Module.to")
        if dtype is not None:
            dtype = checked_dtype(dtype, "Module.to")
            if dtype not in FLOATS:
                raise TypeError(f"Module.to: parameters can be float32 or float64, not {dtype}")
            for value in [*self.parameters(), *self.buffers()]:
                if value.is_floating_point():
                    value.data, value.grad = value.data.astype(dtype), None
                    value._changed()
        return self

    def float(self):
        """Convert to float32."""
        return self.to(np.float32)

    def double(self):
        """Convert to float64, as gradient checks want it."""
        return self.to(np.float64)

    # --- calling --------------------------------------------------------------------------------------------------

    def forward(self, *inputs):
        """What the module computes; every subclass writes its own."""
        raise TypeError(f"{type(self).__name__} has no forward method: write def forward(self, x): …")

    def __call__(self, *inputs, **options):
        for hook in list(self._forward_pre_hooks.values()):
            changed = hook(self, inputs)
            if changed is not None:
                inputs = changed if isinstance(changed, tuple) else (changed,)
        output = self.forward(*inputs, **options)
        for hook in list(self._forward_hooks.values()):
            changed = hook(self, inputs, output)
            if changed is not None:
                output = changed
        return output

    def register_forward_hook(self, hook):
        """Call ``hook(module, inputs, output)`` after every forward; a result that is not None replaces the output."""
        return HookHandle(self._forward_hooks, hook)

    def register_forward_pre_hook(self, hook):
        """Call ``hook(module, inputs)`` before every forward; a result that is not None replaces the inputs."""
        return HookHandle(self._forward_pre_hooks, hook)

    def is_hooked(self):
        """True if someone watches this module's calls, so that a fused path must not go around it."""
        return bool(self._forward_hooks or self._forward_pre_hooks)

    # --- showing --------------------------------------------------------------------------------------------------

    def extra_repr(self):
        """What stands between the parentheses of the repr."""
        return ""

    def __repr__(self):
        lines = [f"({name}): " + repr(child).replace("\n", "\n  ") for name, child in self.named_children()]
        extra = self.extra_repr()
        if not lines:
            return f"{type(self).__name__}({extra})"
        return f"{type(self).__name__}({extra}\n  " + "\n  ".join(lines) + "\n)"


@contextlib.contextmanager
def evaluating(module):
    """Evaluation mode inside the block, the previous mode of every submodule after it."""
    modes = [(m, m.training) for m in module.modules()]
    module.eval()
    try:
        yield module
    finally:
        for m, mode in modes:
            object.__setattr__(m, "training", mode)
