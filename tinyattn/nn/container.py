"""Modules made of modules."""
import operator
from collections.abc import Iterable

from .module import Module


class _Numbered(Module):
    """What lists of modules share: names "0", "1", …, and Python's way of counting, slicing and replacing."""

    def _checked(self, module, name):
        if not isinstance(module, Module):
            hint = "; call it: a class is no module yet" if isinstance(module, type) else ""
            raise TypeError(f"{type(self).__name__}: expected modules, got {type(module).__name__} at {name}{hint}")
        return module

    def _name(self, index):
        names = list(self._modules)
        try:
            return names[operator.index(index)]
        except TypeError:
            raise TypeError(f"{type(self).__name__}: an index must be an int or a slice, got {index!r}") from None
        except IndexError:
            raise IndexError(f"{type(self).__name__}: index {index} is out of range for {len(names)} modules") from None

    def append(self, module):
        """Add a module at the end."""
        number = len(self)
        while str(number) in self._modules:  # a slice keeps the names of its modules
            number += 1
        self.add_module(str(number), self._checked(module, number))
        return self

    def extend(self, modules):
        """Add several modules at the end."""
        for module in modules:
            self.append(module)
        return self

    def __len__(self):
        return len(self._modules)

    def __iter__(self):
        return iter(self._modules.values())

    def __setitem__(self, index, module):
        self._modules[self._name(index)] = self._checked(module, index)

    def __delitem__(self, index):
        del self._modules[self._name(index)]


class Sequential(_Numbered):
    """Calls its modules one after the other. Takes modules, or one dict of name → module."""

    def __init__(self, *modules):
        super().__init__()
        named = modules[0].items() if len(modules) == 1 and isinstance(modules[0], dict) else enumerate(modules)
        for name, module in named:
            self.add_module(str(name), self._checked(module, name))

    def forward(self, x):
        for module in self._modules.values():
            x = module(x)
        return x

    def __getitem__(self, index):
        """A module, or for a slice a Sequential of the same modules under their names."""
        if isinstance(index, slice):
            return Sequential(dict(list(self._modules.items())[index]))
        return self._modules[self._name(index)]


class ModuleList(_Numbered):
    """A list whose modules are registered; it has no forward of its own."""

    def __init__(self, modules=()):
        super().__init__()
        if not isinstance(modules, Iterable):
            name = type(modules).__name__
            hint = f"; write [{name}(…)]" if isinstance(modules, Module) else ""
            raise TypeError(f"ModuleList: expected a list of modules, got {name}{hint}")
        self.extend(modules)

    def forward(self, *inputs):
        """TypeError: a list does not say in which order its modules work."""
        raise TypeError("ModuleList: it has no forward; write the loop over its modules, or use Sequential")

    def __getitem__(self, index):
        """A module, or for a slice a ModuleList of the same modules, numbered anew."""
        return ModuleList(list(self)[index]) if isinstance(index, slice) else self._modules[self._name(index)]
