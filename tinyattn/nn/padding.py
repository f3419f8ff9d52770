"""Padding layers: `functional.pad` with its numbers fixed. ZeroPad, ConstantPad, ReflectionPad, ReplicationPad, CircularPad."""
import numbers

from . import functional as F
from .module import Module


def _numbers(padding, caller, count):
    """An int, for every end, or `count` ints, as a tuple; TypeError or ValueError for anything else."""
    values = (padding,) * count if isinstance(padding, numbers.Integral) else padding
    if not isinstance(values, (tuple, list)) or any(not isinstance(p, numbers.Integral) or isinstance(p, bool) for p in values):
        raise TypeError(f"{caller}: padding must be an int or {count} ints, (before, after) of the last axis first, got {padding!r:.60}")
    if len(values) != count:
        raise ValueError(f"{caller}: padding must be an int or {count} ints, (before, after) of the last axis first, got {padding!r}")
    return tuple(int(p) for p in values)


class _Pad(Module):
    """What all padding layers share: `padding`, (before, after) of the last axis first; one int is for every end."""

    dims, mode = 1, "constant"

    def __init__(self, padding):
        super().__init__()
        self.padding = _numbers(padding, type(self).__name__, 2 * self.dims)

    def forward(self, x):
        return F.pad(x, self.padding, self.mode)

    def extra_repr(self):
        return f"{self.padding}"


class _ConstantPad(_Pad):
    """Padding with `value`."""

    def __init__(self, padding, value):
        super().__init__(padding)
        self.value = value

    def forward(self, x):
        return F.pad(x, self.padding, "constant", self.value)

    def extra_repr(self):
        return f"padding={self.padding}, value={self.value}"


class ConstantPad1d(_ConstantPad):
    """The last axis padded with `value`."""


class ConstantPad2d(_ConstantPad):
    """The last two axes padded with `value`: (N, C, H, W) → (N, C, H + top + bottom, W + left + right)."""

    dims = 2


class ConstantPad3d(_ConstantPad):
    """The last three axes padded with `value`."""

    dims = 3


class _ZeroPad:
    """What makes zero padding of constant padding."""

    def __init__(self, padding):
        super().__init__(padding, 0.0)

    def extra_repr(self):
        return f"{self.padding}"


class ZeroPad1d(_ZeroPad, ConstantPad1d):
    """The last axis padded with 0."""


class ZeroPad2d(_ZeroPad, ConstantPad2d):
    """The last two axes padded with 0."""


class ZeroPad3d(_ZeroPad, ConstantPad3d):
    """The last three axes padded with 0."""


class ReflectionPad1d(_Pad):
    """The last axis continued as a mirror at its ends would: 3 2 | 1 2 3 4 | 3 2."""

    mode = "reflect"


class ReflectionPad2d(ReflectionPad1d):
    """The last two axes continued as in a mirror."""

    dims = 2


class ReflectionPad3d(ReflectionPad1d):
    """The last three axes continued as in a mirror."""

    dims = 3


class ReplicationPad1d(_Pad):
    """The last axis continued by its ends: 1 1 | 1 2 3 4 | 4 4."""

    mode = "replicate"


class ReplicationPad2d(ReplicationPad1d):
    """The last two axes continued by their ends."""

    dims = 2


class ReplicationPad3d(ReplicationPad1d):
    """The last three axes continued by their ends."""

    dims = 3


class CircularPad1d(_Pad):
    """The last axis continued by its other end: 3 4 | 1 2 3 4 | 1 2."""

    mode = "circular"


class CircularPad2d(CircularPad1d):
    """The last two axes continued by their other ends."""

    dims = 2


class CircularPad3d(CircularPad1d):
    """The last three axes continued by their other ends."""

    dims = 3
