"""Activations as modules, for use in a Sequential. `inplace` writes the result over the input, as in PyTorch."""
from ..ops.arguments import real, whole
from ..ops.creation import full
from . import functional as F
from .module import Module, Parameter


class _Activation(Module):
    """Calls its function with the options it was made with; the repr shows those that were given."""

    function = None

    def __init__(self, **options):
        super().__init__()
        self.options = options
        for name, value in options.items():
            setattr(self, name, value)

    def forward(self, input):
        return type(self).function(input, **{name: getattr(self, name) for name in self.options})

    def extra_repr(self):
        return ", ".join(f"{name}={getattr(self, name)!r}" for name in self.options
                         if name != "inplace" or self.inplace)


class ReLU(_Activation):
    """max(x, 0)"""

    function = staticmethod(F.relu)

    def __init__(self, inplace=False):
        super().__init__(inplace=inplace)


class GELU(_Activation):
    """x · Φ(x), or with `approximate="tanh"` its approximation (Hendrycks & Gimpel, arXiv:1606.08415)"""

    function = staticmethod(F.gelu)

    def __init__(self, approximate="none"):
        super().__init__(approximate=approximate)


class SiLU(_Activation):
    """x · σ(x)"""

    function = staticmethod(F.silu)

    def __init__(self, inplace=False):
        super().__init__(inplace=inplace)


class Sigmoid(_Activation):
    """1 / (1 + e⁻ˣ)"""

    function = staticmethod(F.sigmoid)

    def __init__(self):
        super().__init__()


class Tanh(_Activation):
    """tanh x"""

    function = staticmethod(F.tanh)

    def __init__(self):
        super().__init__()


class Softplus(_Activation):
    """ln(1 + e^(βx)) / β, and x itself where βx > threshold"""

    function = staticmethod(F.softplus)

    def __init__(self, beta=1.0, threshold=20.0):
        super().__init__(beta=beta, threshold=threshold)


class ELU(_Activation):
    """x where x > 0, else α (eˣ − 1)"""

    function = staticmethod(F.elu)

    def __init__(self, alpha=1.0, inplace=False):
        super().__init__(alpha=alpha, inplace=inplace)


class LeakyReLU(_Activation):
    """x where x > 0, else negative_slope · x"""

    function = staticmethod(F.leaky_relu)

    def __init__(self, negative_slope=0.01, inplace=False):
        super().__init__(negative_slope=negative_slope, inplace=inplace)


class Softmax(_Activation):
    """Weights that add up to 1 along `dim`"""

    function = staticmethod(F.softmax)

    def __init__(self, dim=None):
        super().__init__(dim=dim)


class LogSoftmax(_Activation):
    """log softmax along `dim`"""

    function = staticmethod(F.log_softmax)

    def __init__(self, dim=None):
        super().__init__(dim=dim)


class ReLU6(_Activation):
    """x limited to [0, 6]"""

    function = staticmethod(F.relu6)

    def __init__(self, inplace=False):
        super().__init__(inplace=inplace)


class Hardtanh(_Activation):
    """x limited to [min_val, max_val]"""

    function = staticmethod(F.hardtanh)

    def __init__(self, min_val=-1.0, max_val=1.0, inplace=False):
        super().__init__(min_val=min_val, max_val=max_val, inplace=inplace)


class Hardsigmoid(_Activation):
    """(x + 3) / 6 limited to [0, 1]"""

    function = staticmethod(F.hardsigmoid)

    def __init__(self, inplace=False):
        super().__init__(inplace=inplace)


class Hardswish(_Activation):
    """x · hardsigmoid(x)"""

    function = staticmethod(F.hardswish)

    def __init__(self, inplace=False):
        super().__init__(inplace=inplace)


class LogSigmoid(_Activation):
    """ln σ(x)"""

    function = staticmethod(F.logsigmoid)

    def __init__(self):
        super().__init__()


class Mish(_Activation):
    """x · tanh(ln(1 + eˣ))"""

    function = staticmethod(F.mish)

    def __init__(self, inplace=False):
        super().__init__(inplace=inplace)


class SELU(_Activation):
    """λ · elu(x, α), which keeps mean 0 and variance 1"""

    function = staticmethod(F.selu)

    def __init__(self, inplace=False):
        super().__init__(inplace=inplace)


class GLU(_Activation):
    """a · σ(b) of the two halves along `dim`"""

    function = staticmethod(F.glu)

    def __init__(self, dim=-1):
        super().__init__(dim=dim)


class PReLU(Module):
    """x where x > 0, else weight · x, with a trained weight for all channels or for each"""

    def __init__(self, num_parameters=1, init=0.25):
        super().__init__()
        self.num_parameters = whole(num_parameters, "PReLU", "num_parameters")
        self.weight = Parameter(full((self.num_parameters,), float(real(init, "PReLU", "init"))))

    def forward(self, input):
        return F.prelu(input, self.weight)

    def extra_repr(self):
        return f"num_parameters={self.num_parameters}"
