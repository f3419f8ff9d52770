"""Norms with their scale and shift, and batch norm's running statistics."""
import numpy as np

from ..ops.arguments import probability, real, tensor_argument, whole
from ..ops.creation import ones, zeros
from ..tensor import Tensor
from . import functional as F
from .module import Module, Parameter


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
