"""The linear layer, and layers that only rearrange."""
import math

from ..ops.arguments import whole
from ..ops.creation import zeros
from ..ops.shape import flatten
from . import functional as F
from . import init
from .module import Module, Parameter


def uniform_by_fan(weight, bias, fan_in):
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
        uniform_by_fan(self.weight, self.bias, in_features)

    def forward(self, x):
        return F.linear(x, self.weight, self.bias)

    def extra_repr(self):
        return f"in_features={self.in_features}, out_features={self.out_features}, bias={self.bias is not None}"


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
