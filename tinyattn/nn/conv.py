"""Convolutions with their filters."""
import math

from ..ops.arguments import choice, pair, whole
from ..ops.creation import zeros
from . import functional as F
from .linear import uniform_by_fan
from .module import Module, Parameter


class _Conv(Module):
    """What convolutions of one and two dimensions share."""

    dims, function = 2, None

    def __init__(self, in_channels, out_channels, kernel_size, stride=1, padding=0, dilation=1, groups=1, bias=True):
        super().__init__()
        name = type(self).__name__
        for what, value in (("in_channels", in_channels), ("out_channels", out_channels), ("groups", groups)):
            whole(value, name, what)
        if in_channels % groups or out_channels % groups:
            raise ValueError(f"{name}: groups = {groups} must divide in_channels = {in_channels} and out_channels = {out_channels}")
        self.in_channels, self.out_channels, self.groups = in_channels, out_channels, groups
        self.kernel_size = self._size(kernel_size, "kernel_size", 1)
        self.stride, self.dilation = self._size(stride, "stride", 1), self._size(dilation, "dilation", 1)
        self.padding = (choice(padding, ("same", "valid"), name, "padding") if isinstance(padding, str) else
                        self._size(padding, "padding", 0))
        self.weight = Parameter(zeros((out_channels, in_channels // groups) + self.kernel_size))
        self.register_parameter("bias", Parameter(zeros(out_channels)) if bias else None)
        uniform_by_fan(self.weight, self.bias, in_channels // groups * math.prod(self.kernel_size))

    def _size(self, value, name, least):
        """An int or a tuple of `dims` ints as a tuple, each at least `least`."""
        caller = type(self).__name__
        if self.dims == 2:
            return pair(value, caller, name, least)
        single = isinstance(value, (tuple, list)) and len(value) == 1
        return (whole(value[0] if single else value, caller, name, least),)

    def forward(self, x):
        return type(self).function(x, self.weight, self.bias, self.stride, self.padding, self.dilation, self.groups)

    def extra_repr(self):
        text = f"{self.in_channels}, {self.out_channels}, kernel_size={self.kernel_size}, stride={self.stride}"
        for name, usual in (("padding", (0,) * self.dims), ("dilation", (1,) * self.dims), ("groups", 1)):
            if getattr(self, name) != usual:
                text += f", {name}={getattr(self, name)}"
        return text + (", bias=False" if self.bias is None else "")


class Conv2d(_Conv):
    """2-D convolution with weight (K, C/groups, R, S) and bias (K,); see `functional.conv2d`."""

    function = staticmethod(F.conv2d)


class Conv1d(_Conv):
    """1-D convolution with weight (K, C/groups, R) and bias (K,); see `functional.conv1d`."""

    dims, function = 1, staticmethod(F.conv1d)
