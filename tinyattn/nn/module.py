"""Module: parameters, buffers and smaller modules under one name, and a `forward` that uses them.

PyTorch's contract: attributes that are `Parameter`s or `Module`s are registered by being assigned; names in
``state_dict()`` are the path of attributes, ``"stages.0.conv.weight"``.
"""
import contextlib

import numpy as np

from ..grad_mode import mode
from ..nearest import did_you_mean
from ..placing import overwrite
from ..tensor import FLOATS, HookHandle, Tensor, checked_device, checked_dtype
from .parameter import Parameter
from .state import fitted

_STORES = ("_parameters", "_buffers", "_modules", "_forward_hooks", "_forward_pre_hooks")


class Module:
    """Base of all layers and models. Subclasses assign parameters and children in ``__init__`` and write ``forward``."""

    training = True

    def __init__(self):
        for name in _STORES:
            object.__setattr__(self, name, {})
        object.__setattr__(self, "_not_saved", set())

    # --- attributes -----------------------------------------------------------------------------------------------

    def __setattr__(self, name, value):
        if "_modules" not in self.__dict__:
            raise AttributeError(f"{type(self).__name__}: call super().__init__() before assigning attributes")
        if isinstance(value, (Parameter, Module)) and hasattr(type(self), name):
            raise AttributeError(f"{type(self).__name__}.{name} is an attribute of the class, which would hide the "
                                 f"{type(value).__name__}; choose another name")
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
        if kind != 2:
            self._not_saved.discard(name)
        if kind is None:
            object.__setattr__(self, name, value)
        else:
            self.__dict__.pop(name, None)
            stores[kind][name] = value

    def __getattr__(self, name):
        for store in _STORES[:3]:
            if name in self.__dict__.get(store, ()):
                return self.__dict__[store][name]
        if name in _STORES and name not in self.__dict__:
            raise AttributeError(f"{type(self).__name__} was not set up: call super().__init__() at the start of its __init__")
        raise AttributeError(f"{type(self).__name__} has no attribute {name!r}")

    def __delattr__(self, name):
        for store in (self._parameters, self._buffers, self._modules):
            if name in store:
                del store[name]
                return
        object.__delattr__(self, name)

    def __dir__(self):
        return sorted(set(super().__dir__()) | set(self._parameters) | set(self._buffers) | set(self._modules))

    def _register(self, store, name, value, expected, caller):
        """Put `value` into a store; TypeError unless it is None or of the type `expected`, ValueError for a bad name."""
        if not isinstance(name, str) or not name or "." in name:
            raise ValueError(f"{caller}: a name must be a string without dots, got {name!r}")
        if name not in store and hasattr(self, name):
            raise ValueError(f"{caller}: this {type(self).__name__} has an attribute {name!r} already")
        if value is not None and not isinstance(value, expected):
            hint = "; wrap it with ta.tensor(…)" if expected is Tensor else ""
            raise TypeError(f"{caller}: {name} must be a {expected.__name__} or None, got {type(value).__name__}{hint}")
        store[name] = value

    def register_parameter(self, name, parameter):
        """Register a Parameter, or None to keep the place free (a layer without bias)."""
        self._register(self._parameters, name, parameter, Parameter, "register_parameter")

    def register_buffer(self, name, tensor, persistent=True):
        """Register a Tensor that is saved with the module but not trained (running statistics)."""
        self._register(self._buffers, name, tensor, Tensor, "register_buffer")
        (self._not_saved.discard if persistent else self._not_saved.add)(name)

    def add_module(self, name, module):
        """Register a child under a name that may be no identifier (``"0"``)."""
        self._register(self._modules, name, module, Module, "add_module")

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

    def _named(self, store, prefix, recurse):
        seen = set()
        for path, module in self.named_modules(prefix) if recurse else [(prefix, self)]:
            for name, value in getattr(module, store).items():
                if value is not None and id(value) not in seen:
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
            hint = did_you_mean(path, found)
            raise AttributeError(f"{type(self).__name__} has no submodule {path!r}" + (f"; {hint}" if hint else ""))
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
        arrays, result = fitted(own, state_dict, strict, type(self).__name__)
        for key, array in arrays.items():
            overwrite(own[key], array)
        return result

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
        """Move all parameters and buffers, in place, to a device, and convert the floats among them to a dtype.

        ``to("cuda")``, ``to(np.float64)``, both, or ``to(other)`` for those of another tensor. A Parameter stays the object that it is
        (an optimizer goes on with it); its gradient goes along.
        """
        for target in targets:
            if isinstance(target, Tensor):
                dtype, device = target.dtype, target.device
            elif isinstance(target, str) and target.partition(":")[0] in ("cpu", "cuda"):
                device = target
            else:
                dtype = target
        device = None if device is None else checked_device(device, "Module.to")
        dtype = None if dtype is None else checked_dtype(dtype, "Module.to")
        if dtype is not None and dtype not in FLOATS:
            raise TypeError(f"Module.to: parameters can be float32 or float64, not {dtype}")
        for value in [*self.parameters(), *self.buffers()]:
            new = dtype if value.is_floating_point() else None
            made = value.detach().to(new, device=device)
            if made.data is not value.data:
                value.data = made.data
                value.grad = None if value.grad is None else value.grad.detach().to(new, device=device)
                value._changed()
        return self

    def cpu(self):
        """Move all parameters and buffers to the CPU."""
        return self.to("cpu")

    def cuda(self, device="cuda"):
        """Move all parameters and buffers to the GPU."""
        return self.to(device=device)

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
        watcher = mode.watcher
        if watcher is not None:
            watcher.enter(self)
        for hook in list(self._forward_pre_hooks.values()):
            changed = hook(self, inputs)
            if changed is not None:
                inputs = changed if isinstance(changed, tuple) else (changed,)
        output = self.forward(*inputs, **options)
        for hook in list(self._forward_hooks.values()):
            changed = hook(self, inputs, output)
            if changed is not None:
                output = changed
        if watcher is not None:
            watcher.leave(self)
        return output

    def register_forward_hook(self, hook):
        """Call ``hook(module, inputs, output)`` after every forward; a result that is not None replaces the output."""
        return HookHandle(self._forward_hooks, _callable(hook, "register_forward_hook"))

    def register_forward_pre_hook(self, hook):
        """Call ``hook(module, inputs)`` before every forward; a result that is not None replaces the inputs."""
        return HookHandle(self._forward_pre_hooks, _callable(hook, "register_forward_pre_hook"))

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
        return f"{type(self).__name__}(\n  " + "\n  ".join([extra] * bool(extra) + lines) + "\n)"


def _callable(hook, caller):
    if not callable(hook):
        raise TypeError(f"{caller}: a hook must be a function, got {type(hook).__name__}")
    return hook


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
