"""Activations as modules, for use in a Sequential."""
from . import functional as F
from .module import Module


class ReLU(Module):
    """max(x, 0)"""

    def forward(self, x):
        return F.relu(x)


class GELU(Module):
    """x · Φ(x) (Hendrycks & Gimpel, arXiv:1606.08415)"""

    def forward(self, x):
        return F.gelu(x)


class SiLU(Module):
    """x · σ(x)"""

    def forward(self, x):
        return F.silu(x)


class Sigmoid(Module):
    """1 / (1 + e⁻ˣ)"""

    def forward(self, x):
        return F.sigmoid(x)


class Tanh(Module):
    """tanh x"""

    def forward(self, x):
        return F.tanh(x)


class Softplus(Module):
    """ln(1 + eˣ)"""

    def forward(self, x):
        return F.softplus(x)


class ELU(Module):
    """x where x > 0, else eˣ − 1"""

    def forward(self, x):
        return F.elu(x)


class LeakyReLU(Module):
    """x where x > 0, else negative_slope · x"""

    def __init__(self, negative_slope=0.01):
        super().__init__()
        self.negative_slope = negative_slope

    def forward(self, x):
        return F.leaky_relu(x, self.negative_slope)

    def extra_repr(self):
        return f"negative_slope={self.negative_slope}"


class Softmax(Module):
    """Weights that add up to 1 along `dim`"""

    def __init__(self, dim):
        super().__init__()
        self.dim = dim

    def forward(self, x):
        return F.softmax(x, self.dim)

    def extra_repr(self):
        return f"dim={self.dim}"


class LogSoftmax(Softmax):
    """log softmax along `dim`"""

    def forward(self, x):
        return F.log_softmax(x, self.dim)
