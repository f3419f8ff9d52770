"""The linear layer, and layers that only rearrange."""
import math

from ..ops.arguments import whole
from ..ops.creation import zeros
from ..ops.shape import flatten, unflatten
from . import functional as F
from . import init
from .module import Module, Parameter
from .parameter import checked_options


def uniform_by_fan(weight, bias, fan_in):
    """PyTorch's first values: both uniform in ±1/√fan_in (which is kaiming_uniform_ with a = √5 for the weight)."""
    init.kaiming_uniform_(weight, a=math.sqrt(5))
    if bias is not None:
        bound = 1 / math.sqrt(fan_in) if fan_in else 0
        init.uniform_(bias, -bound, bound)


class Linear(Module):
    """y = x Wᵀ + b.  weight (out_features, in_features), bias (out_features,)."""

    def __init__(self, in_features, out_features, bias=True, device=None, dtype=None):
        super().__init__()
        options = checked_options("Linear", device, dtype)
        self.in_features, self.out_features = (whole(in_features, "Linear", "in_features"),
                                               whole(out_features, "Linear", "out_features"))
        self.weight = Parameter(zeros(out_features, in_features, **options))
        self.register_parameter("bias", Parameter(zeros(out_features, **options)) if bias else None)
        uniform_by_fan(self.weight, self.bias, in_features)

    def forward(self, input):
        return F.linear(input, self.weight, self.bias)

    def extra_repr(self):
        return f"in_features={self.in_features}, out_features={self.out_features}, bias={self.bias is not None}"


class Identity(Module):
    """Gives back what it is given; takes any arguments, so that it can stand where another layer stood."""

    def __init__(self, *args, **kwargs):
        super().__init__()

    def forward(self, input):
        return input


class Flatten(Module):
    """Merge axes `start_dim` to `end_dim`: (N, C, H, W) → (N, C·H·W)."""

    def __init__(self, start_dim=1, end_dim=-1):
        super().__init__()
        self.start_dim, self.end_dim = start_dim, end_dim

    def forward(self, input):
        return flatten(input, self.start_dim, self.end_dim)

    def extra_repr(self):
        return f"start_dim={self.start_dim}, end_dim={self.end_dim}"


class Unflatten(Module):
    """Split axis `dim` into axes of the lengths `unflattened_size`, one of which may be −1: (N, C·H·W) → (N, C, H, W)."""

    def __init__(self, dim, unflattened_size):
        super().__init__()
        if not isinstance(unflattened_size, (tuple, list)) or not unflattened_size:
            raise TypeError(f"Unflatten: unflattened_size must be a tuple of ints, got {unflattened_size!r:.60}")
        self.dim = whole(dim, "Unflatten", "dim", -math.inf)
        self.unflattened_size = tuple([whole(n, "Unflatten", "unflattened_size", -1) for n in unflattened_size])

    def forward(self, input):
        return unflatten(input, self.dim, self.unflattened_size)

    def extra_repr(self):
        return f"dim={self.dim}, unflattened_size={self.unflattened_size}"
