"""Norms with their scale and shift, and batch norm's running statistics."""
import numpy as np

from .. import kernels
from ..ops.arguments import probability, real, tensor_argument, whole
from ..ops.creation import ones, zeros
from . import functional as F
from .module import Module, Parameter
from .parameter import checked_options


def _scale_and_shift(module, shape, scaled, shifted, options):
    """Register γ, ones at first, and β, zeros, or None for what there is to be none of."""
    module.register_parameter("weight", Parameter(ones(shape, **options)) if scaled else None)
    module.register_parameter("bias", Parameter(zeros(shape, **options)) if shifted else None)


class _Norm(Module):
    """What batch and instance norms share: γ, β, running mean and variance, and a count of batches."""

    ranks, shapes = (), ""

    def __init__(self, num_features, eps=1e-5, momentum=0.1, affine=True, track_running_stats=True, device=None, dtype=None, *,
                 bias=True):
        super().__init__()
        caller = type(self).__name__
        options = checked_options(caller, device, dtype)
        self.num_features, self.eps = whole(num_features, caller, "num_features"), real(eps, caller, "eps", 0)
        self.momentum = None if momentum is None else probability(momentum, caller, "momentum")
        self.affine, self.track_running_stats = affine, track_running_stats
        _scale_and_shift(self, num_features, affine, affine and bias, options)
        tracked = track_running_stats
        self.register_buffer("running_mean", zeros(num_features, **options) if tracked else None)
        self.register_buffer("running_var", ones(num_features, **options) if tracked else None)
        self.register_buffer("num_batches_tracked", zeros(size=(), dtype=np.int64, device=options["device"]) if tracked else None)

    def _checked(self, x):
        """ValueError unless `x` has the right axes and channels."""
        caller = type(self).__name__
        ndim = tensor_argument(x, caller).ndim
        if ndim not in self.ranks or x.shape[1] != self.num_features:
            hint = "; a single image is x[None]" if self.ranks == (4,) and ndim == 3 else ""
            raise ValueError(f"{caller}: input has shape {x.shape}, expected {self.shapes} with C = {self.num_features}{hint}")

    def extra_repr(self):
        return (f"{self.num_features}, eps={self.eps}, momentum={self.momentum}, affine={self.affine}, "
                f"bias={self.bias is not None}, track_running_stats={self.track_running_stats}")


class _BatchNorm(_Norm):
    """What batch norms of all ranks do."""

    def forward(self, input, activation=None, pool=None):
        self._checked(input)
        own = self.training or self.running_mean is None              # by the batch's own statistics?
        moves = self.training and self.track_running_stats and self.running_mean is not None
        mean, var = (self.running_mean, self.running_var) if moves or not own else (None, None)
        momentum = self.momentum
        if momentum is None:  # the mean over all batches so far
            momentum = 1 / (int(self.num_batches_tracked) + 1) if moves else 0.0
        y = F.batch_norm(input, mean, var, self.weight, self.bias, own, momentum, self.eps, activation=activation,
                         pool=pool)
        if moves:
            seen = self.num_batches_tracked
            kernels.of(seen.data).add(seen.data, 1, out=seen.data)
            seen._changed()
        return y


class BatchNorm1d(_BatchNorm):
    """Batch norm of (N, C) or (N, C, L); see `functional.batch_norm`."""

    ranks, shapes = (2, 3), "(N, C) or (N, C, L)"


class BatchNorm2d(_BatchNorm):
    """Batch norm of (N, C, H, W); see `functional.batch_norm`."""

    ranks, shapes = (4,), "(N, C, H, W)"


class BatchNorm3d(_BatchNorm):
    """Batch norm of (N, C, D, H, W); see `functional.batch_norm`."""

    ranks, shapes = (5,), "(N, C, D, H, W)"


class _InstanceNorm(_Norm):
    """What instance norms of all ranks do. Unlike batch norms they have neither γ and β nor running statistics unless asked."""

    def __init__(self, num_features, eps=1e-5, momentum=0.1, affine=False, track_running_stats=False, device=None, dtype=None, *,
                 bias=True):
        super().__init__(num_features, eps, momentum, affine, track_running_stats, device, dtype, bias=bias)

    def forward(self, input):
        single = tensor_argument(input, type(self).__name__).ndim == self.ranks[0] - 1      # one image, without a batch axis
        x = input.unsqueeze(0) if single else input
        self._checked(x)
        y = F.instance_norm(x, self.running_mean, self.running_var, self.weight, self.bias,
                            self.training or self.running_mean is None, self.momentum or 0.0, self.eps)
        return y.squeeze(0) if single else y


class InstanceNorm1d(_InstanceNorm):
    """Instance norm of (N, C, L) or (C, L); see `functional.instance_norm`."""

    ranks, shapes = (3,), "(N, C, L) or (C, L)"


class InstanceNorm2d(_InstanceNorm):
    """Instance norm of (N, C, H, W) or (C, H, W); see `functional.instance_norm`."""

    ranks, shapes = (4,), "(N, C, H, W) or (C, H, W)"


class LayerNorm(Module):
    """Layer norm over the last axes; see `functional.layer_norm`."""

    def __init__(self, normalized_shape, eps=1e-5, elementwise_affine=True, bias=True, device=None, dtype=None):
        super().__init__()
        lengths = normalized_shape if isinstance(normalized_shape, (tuple, list)) else (normalized_shape,)
        if not lengths:
            raise ValueError("LayerNorm: normalized_shape must name the length of at least one axis, got ()")
        self.normalized_shape = tuple(whole(n, "LayerNorm", "normalized_shape", 0) for n in lengths)
        self.eps, self.elementwise_affine = real(eps, "LayerNorm", "eps"), elementwise_affine
        _scale_and_shift(self, self.normalized_shape, elementwise_affine, elementwise_affine and bias,
                         checked_options("LayerNorm", device, dtype))

    def forward(self, input):
        return F.layer_norm(input, self.normalized_shape, self.weight, self.bias, self.eps)

    def extra_repr(self):
        return (f"{self.normalized_shape}, eps={self.eps}, elementwise_affine={self.elementwise_affine}, "
                f"bias={self.bias is not None}")


class GroupNorm(Module):
    """Group norm; see `functional.group_norm`."""

    def __init__(self, num_groups, num_channels, eps=1e-5, affine=True, device=None, dtype=None, *, bias=True):
        super().__init__()
        self.num_groups, self.num_channels = (whole(num_groups, "GroupNorm", "num_groups"),
                                              whole(num_channels, "GroupNorm", "num_channels"))
        if num_channels % num_groups:
            raise ValueError(f"GroupNorm: num_channels = {num_channels} must be divisible by num_groups = {num_groups}")
        self.eps, self.affine = real(eps, "GroupNorm", "eps"), affine
        _scale_and_shift(self, num_channels, affine, affine and bias, checked_options("GroupNorm", device, dtype))

    def forward(self, input):
        return F.group_norm(input, self.num_groups, self.weight, self.bias, self.eps)

    def extra_repr(self):
        return f"{self.num_groups}, {self.num_channels}, eps={self.eps}, affine={self.affine}, bias={self.bias is not None}"
