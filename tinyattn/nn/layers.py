"""Layers: a function of `nn.functional` together with the parameters or the mode that it needs.

Names, arguments, first values and ``state_dict`` keys are PyTorch's, so weights travel both ways.
"""
import math

import numpy as np

from .. import ops  # noqa: F401  (binds the operators)
from ..ops.arguments import choice, pair, probability, real, tensor_argument, whole
from ..ops.creation import ones, zeros
from ..ops.shape import flatten
from ..tensor import Tensor
from . import functional as F
from . import init
from .module import Module, Parameter


class Identity(Module):
    """Gives back what it is given."""

    def forward(self, x):
        return x


class Flatten(Module):
    """Merge axes `start_dim` to `end_dim`: (N, C, H, W) → (N, C·H·W)."""

    def __init__(self, start_dim=1, end_dim=-1):
        super().__init__()
        self.start_dim, self.end_dim = start_dim, end_dim

    def forward(self, x):
        return flatten(x, self.start_dim, self.end_dim)


def _uniform_by_fan(weight, bias, fan_in):
    """PyTorch's first values: both uniform in ±1/√fan_in (which is kaiming_uniform_ with a = √5 for the weight)."""
    init.kaiming_uniform_(weight, a=math.sqrt(5))
    if bias is not None:
        bound = 1 / math.sqrt(fan_in) if fan_in else 0
        init.uniform_(bias, -bound, bound)


class Linear(Module):
    """y = x Wᵀ + b.  weight (out_features, in_features), bias (out_features,)."""

    def __init__(self, in_features, out_features, bias=True):
        super().__init__()
        self.in_features, self.out_features = (whole(in_features, "Linear", "in_features"),
                                               whole(out_features, "Linear", "out_features"))
        self.weight = Parameter(zeros(out_features, in_features))
        self.register_parameter("bias", Parameter(zeros(out_features)) if bias else None)
        _uniform_by_fan(self.weight, self.bias, in_features)

    def forward(self, x):
        return F.linear(x, self.weight, self.bias)

    def extra_repr(self):
        return f"in_features={self.in_features}, out_features={self.out_features}, bias={self.bias is not None}"


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
        _uniform_by_fan(self.weight, self.bias, in_channels // groups * math.prod(self.kernel_size))

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


class _BatchNorm(Module):
    """What batch norms share: γ, β, running mean and variance, and a count of batches."""

    ranks, shapes = (), ""

    def __init__(self, num_features, eps=1e-5, momentum=0.1, affine=True, track_running_stats=True):
        super().__init__()
        caller = type(self).__name__
        self.num_features, self.eps = whole(num_features, caller, "num_features"), real(eps, caller, "eps", 0)
        self.momentum = None if momentum is None else probability(momentum, caller, "momentum")
        self.affine, self.track_running_stats = affine, track_running_stats
        for name, first in (("weight", ones), ("bias", zeros)):
            self.register_parameter(name, Parameter(first(num_features)) if affine else None)
        tracked = track_running_stats
        self.register_buffer("running_mean", zeros(num_features) if tracked else None)
        self.register_buffer("running_var", ones(num_features) if tracked else None)
        self.register_buffer("num_batches_tracked", Tensor(np.zeros((), np.int64)) if tracked else None)

    def forward(self, x, activation=None):
        caller = type(self).__name__
        hint = "; a single image is x[None]" if self.ranks == (4,) and isinstance(x, Tensor) and x.ndim == 3 else ""
        if tensor_argument(x, caller).ndim not in self.ranks or x.shape[1] != self.num_features:
            raise ValueError(f"{caller}: input has shape {x.shape}, expected {self.shapes} with C = {self.num_features}{hint}")
        training = self.training or not self.track_running_stats
        momentum, moves = self.momentum, self.training and self.track_running_stats
        if moves and momentum is None:  # the mean over all batches so far
            momentum = 1 / (int(self.num_batches_tracked.data) + 1)
        y = F.batch_norm(x, self.running_mean, self.running_var, self.weight, self.bias, training, momentum, self.eps,
                         activation=activation)
        if moves:
            self.num_batches_tracked.data[...] += 1
            self.num_batches_tracked._changed()
        return y

    def extra_repr(self):
        return f"{self.num_features}, eps={self.eps}, momentum={self.momentum}"


class BatchNorm1d(_BatchNorm):
    """Batch norm of (N, C) or (N, C, L); see `functional.batch_norm`."""

    ranks, shapes = (2, 3), "(N, C) or (N, C, L)"


class BatchNorm2d(_BatchNorm):
    """Batch norm of (N, C, H, W); see `functional.batch_norm`."""

    ranks, shapes = (4,), "(N, C, H, W)"


class LayerNorm(Module):
    """Layer norm over the last axes; see `functional.layer_norm`."""

    def __init__(self, normalized_shape, eps=1e-5, elementwise_affine=True):
        super().__init__()
        lengths = normalized_shape if isinstance(normalized_shape, (tuple, list)) else (normalized_shape,)
        if not lengths:
            raise ValueError("LayerNorm: normalized_shape must name the length of at least one axis, got ()")
        self.normalized_shape = tuple(whole(n, "LayerNorm", "normalized_shape") for n in lengths)
        self.eps = real(eps, "LayerNorm", "eps", 0)
        for name, first in (("weight", ones), ("bias", zeros)):
            self.register_parameter(name, Parameter(first(self.normalized_shape)) if elementwise_affine else None)

    def forward(self, x):
        return F.layer_norm(x, self.normalized_shape, self.weight, self.bias, self.eps)

    def extra_repr(self):
        return f"{self.normalized_shape}, eps={self.eps}"


class GroupNorm(Module):
    """Group norm; see `functional.group_norm`."""

    def __init__(self, num_groups, num_channels, eps=1e-5, affine=True):
        super().__init__()
        self.num_groups, self.num_channels = (whole(num_groups, "GroupNorm", "num_groups"),
                                              whole(num_channels, "GroupNorm", "num_channels"))
        if num_channels % num_groups:
            raise ValueError(f"GroupNorm: num_channels = {num_channels} must be divisible by num_groups = {num_groups}")
        self.eps = real(eps, "GroupNorm", "eps", 0)
        for name, first in (("weight", ones), ("bias", zeros)):
            self.register_parameter(name, Parameter(first(num_channels)) if affine else None)

    def forward(self, x):
        return F.group_norm(x, self.num_groups, self.weight, self.bias, self.eps)

    def extra_repr(self):
        return f"{self.num_groups}, {self.num_channels}, eps={self.eps}"


class MaxPool2d(Module):
    """The largest value of each window; see `functional.max_pool2d`."""

    def __init__(self, kernel_size, stride=None, padding=0, dilation=1, return_indices=False, ceil_mode=False):
        super().__init__()
        self.kernel_size, self.stride = kernel_size, kernel_size if stride is None else stride
        self.padding, self.dilation, self.return_indices, self.ceil_mode = padding, dilation, return_indices, ceil_mode

    def forward(self, x):
        return F.max_pool2d(x, self.kernel_size, self.stride, self.padding, self.dilation, self.ceil_mode, self.return_indices)

    def extra_repr(self):
        return f"kernel_size={self.kernel_size}, stride={self.stride}, padding={self.padding}"


class AvgPool2d(Module):
    """The mean of each window; see `functional.avg_pool2d`."""

    def __init__(self, kernel_size, stride=None, padding=0, ceil_mode=False, count_include_pad=True, divisor_override=None):
        super().__init__()
        self.kernel_size, self.stride = kernel_size, kernel_size if stride is None else stride
        self.padding, self.ceil_mode = padding, ceil_mode
        self.count_include_pad, self.divisor_override = count_include_pad, divisor_override

    def forward(self, x):
        return F.avg_pool2d(x, self.kernel_size, self.stride, self.padding, self.ceil_mode, self.count_include_pad,
                            self.divisor_override)

    def extra_repr(self):
        return f"kernel_size={self.kernel_size}, stride={self.stride}, padding={self.padding}"


class AdaptiveAvgPool2d(Module):
    """Means that give an image of `output_size`, whatever the input's; (1, 1) is global average pooling."""

    def __init__(self, output_size):
        super().__init__()
        self.output_size = output_size

    def forward(self, x):
        return F.adaptive_avg_pool2d(x, self.output_size)

    def extra_repr(self):
        return f"output_size={self.output_size}"


class Dropout(Module):
    """In training, set elements to 0 with probability p; see `functional.dropout`."""

    def __init__(self, p=0.5):
        super().__init__()
        self.p = probability(p, "Dropout")

    def forward(self, x):
        return F.dropout(x, self.p, self.training)

    def extra_repr(self):
        return f"p={self.p}"


class Embedding(Module):
    """Rows of a trained table picked by number.  weight (num_embeddings, embedding_dim), first values normal."""

    def __init__(self, num_embeddings, embedding_dim):
        super().__init__()
        self.num_embeddings, self.embedding_dim = (whole(num_embeddings, "Embedding", "num_embeddings"),
                                                   whole(embedding_dim, "Embedding", "embedding_dim"))
        self.weight = Parameter(zeros(num_embeddings, embedding_dim))
        init.normal_(self.weight)

    def forward(self, x):
        return F.embedding(x, self.weight)

    def extra_repr(self):
        return f"{self.num_embeddings}, {self.embedding_dim}"
