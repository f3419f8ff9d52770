"""Convolutions, and transposed ones, with their filters."""
import math

from ..ops.arguments import choice, pair, tensor_argument, whole
from ..ops.creation import zeros
from . import functional as F
from .linear import uniform_by_fan
from .module import Module, Parameter
from .parameter import checked_options


class _Conv(Module):
    """What convolutions of one and two dimensions share, and transposed ones with them."""

    dims, function, transposed = 2, None, False

    def __init__(self, in_channels, out_channels, kernel_size, stride=1, padding=0, dilation=1, groups=1, bias=True,
                 padding_mode="zeros", device=None, dtype=None):
        super().__init__()
        name, options = type(self).__name__, checked_options(type(self).__name__, device, dtype)
        for what, value in (("in_channels", in_channels), ("out_channels", out_channels), ("groups", groups)):
            whole(value, name, what)
        if in_channels % groups or out_channels % groups:
            raise ValueError(f"{name}: groups = {groups} must divide in_channels = {in_channels} and out_channels = {out_channels}")
        self.in_channels, self.out_channels, self.groups = in_channels, out_channels, groups
        self.kernel_size = self._size(kernel_size, "kernel_size", 1)
        self.stride, self.dilation = self._size(stride, "stride", 1), self._size(dilation, "dilation", 1)
        self.padding = (choice(padding, ("same", "valid"), name, "padding") if isinstance(padding, str) else
                        self._size(padding, "padding", 0))
        self.padding_mode = choice(padding_mode, ("zeros", "reflect", "replicate", "circular"), name, "padding_mode")
        if padding == "same" and set(self.stride) != {1}:
            raise ValueError(f"{name}: padding='same' needs stride 1, got stride {self.stride}")
        first, second = (in_channels, out_channels) if self.transposed else (out_channels, in_channels)
        self.weight = Parameter(zeros((first, second // groups) + self.kernel_size, **options))
        self.register_parameter("bias", Parameter(zeros(out_channels, **options)) if bias else None)
        uniform_by_fan(self.weight, self.bias, second // groups * math.prod(self.kernel_size))

    def _size(self, value, name, least):
        """An int or a tuple of `dims` ints as a tuple, each at least `least`."""
        caller = type(self).__name__
        if self.dims == 2:
            return pair(value, caller, name, least)
        single = isinstance(value, (tuple, list)) and len(value) == 1
        return (whole(value[0] if single else value, caller, name, least),)

    def _padded(self, input):
        """`input` with what `padding_mode` puts around it: (before, after) of the last axis first."""
        if self.padding == "same":
            totals = [d * (k - 1) for d, k in zip(self.dilation, self.kernel_size)]
            pads = [(total // 2, total - total // 2) for total in totals]
        else:
            pads = [(p, p) for p in ((0,) * self.dims if self.padding == "valid" else self.padding)]
        return F.pad(input, [n for both in reversed(pads) for n in both], self.padding_mode)

    def forward(self, input):
        padding = self.padding
        if self.padding_mode != "zeros":
            input, padding = self._padded(input), 0
        return type(self).function(input, self.weight, self.bias, self.stride, padding, self.dilation, self.groups)

    def extra_repr(self):
        text = f"{self.in_channels}, {self.out_channels}, kernel_size={self.kernel_size}, stride={self.stride}"
        for name, usual in (("padding", (0,) * self.dims), ("dilation", (1,) * self.dims), ("output_padding", (0,) * self.dims),
                            ("groups", 1)):
            if getattr(self, name, usual) != usual:
                text += f", {name}={getattr(self, name)}"
        text += ", bias=False" if self.bias is None else ""
        return text + (f", padding_mode={self.padding_mode}" if self.padding_mode != "zeros" else "")


class Conv2d(_Conv):
    """2-D convolution with weight (K, C/groups, R, S) and bias (K,); see `functional.conv2d`."""

    function = staticmethod(F.conv2d)


class Conv1d(_Conv):
    """1-D convolution with weight (K, C/groups, R) and bias (K,); see `functional.conv1d`."""

    dims, function = 1, staticmethod(F.conv1d)


class _ConvTranspose(_Conv):
    """What transposed convolutions share: they also choose between the sizes that a stride leaves open."""

    transposed = True

    def __init__(self, in_channels, out_channels, kernel_size, stride=1, padding=0, output_padding=0, groups=1, bias=True,
                 dilation=1, padding_mode="zeros", device=None, dtype=None):
        name = type(self).__name__
        if isinstance(padding, str):
            raise TypeError(f"{name}: padding must be ints, got {padding!r:.40}")
        choice(padding_mode, ("zeros",), name, "padding_mode")
        super().__init__(in_channels, out_channels, kernel_size, stride, padding, dilation, groups, bias, device=device, dtype=dtype)
        self.output_padding = self._size(output_padding, "output_padding", 0)

    def forward(self, input, output_size=None):
        extra = self.output_padding if output_size is None else self._output_padding(input, output_size)
        return type(self).function(input, self.weight, self.bias, self.stride, self.padding, extra, self.groups, self.dilation)

    def _output_padding(self, input, output_size):
        """The output_padding that gives an image of `output_size`, or ValueError with the sizes that can be had."""
        name, dims = type(self).__name__, self.dims
        ndim = tensor_argument(input, name).ndim
        if ndim not in (dims + 1, dims + 2):
            raise ValueError(f"{name}: input has shape {input.shape}, expected {dims + 2} axes, or {dims + 1} without a batch")
        sizes = output_size if isinstance(output_size, (tuple, list)) else (output_size,) * dims
        sizes = tuple(sizes[-dims:]) if len(sizes) == ndim else tuple(sizes)
        if len(sizes) != dims:
            raise ValueError(f"{name}: output_size must name {dims} or {ndim} lengths, got {output_size!r:.60}")
        least = [(n - 1) * s - 2 * p + d * (r - 1) + 1 for n, s, p, d, r in
                 zip(input.shape[-dims:], self.stride, self.padding, self.dilation, self.kernel_size)]
        extra = tuple([whole(size, name, "output_size") - low for size, low in zip(sizes, least)])
        if any(not 0 <= e < s for e, s in zip(extra, self.stride)):
            most = tuple(low + s - 1 for low, s in zip(least, self.stride))
            raise ValueError(f"{name}: output_size must be from {tuple(least)} to {most} for input {input.shape}, got {sizes}")
        return extra


class ConvTranspose2d(_ConvTranspose):
    """The transpose of a 2-D convolution, with weight (C, K/groups, R, S) and bias (K,); see `functional.conv_transpose2d`.

    `forward(input, output_size=None)`: the size wanted, in place of `output_padding`.
    """

    function = staticmethod(F.conv_transpose2d)


class ConvTranspose1d(_ConvTranspose):
    """The transpose of a 1-D convolution, with weight (C, K/groups, R) and bias (K,); see `functional.conv_transpose1d`."""

    dims, function = 1, staticmethod(F.conv_transpose1d)
