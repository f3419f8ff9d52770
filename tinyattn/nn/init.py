"""First values of parameters, in place, under PyTorch's names.

A layer that sums n inputs multiplies their variance by n · Var(w); keeping that near 1 keeps signals and gradients from
dying or exploding. (Glorot & Bengio, AISTATS 2010; He et al., arXiv:1502.01852.)
"""
import math

from ..ops.arguments import float_argument, real, tensor_argument
from ..ops.random import rand, randn


def _assign(tensor, values):
    tensor_argument(tensor, "init", "tensor").data[...] = values
    tensor._changed()
    return tensor


def _drawn(draw, tensor, caller):
    """Random numbers in the shape and dtype of `tensor`, as an array."""
    return draw(float_argument(tensor, caller, "tensor").shape, dtype=tensor.dtype).data


def fan_in_and_out(shape):
    """How many inputs an output sums, and how many outputs an input feeds: weight (out, in, …)."""
    if len(shape) < 2 or 0 in shape:
        raise ValueError(f"fan_in_and_out: expected a weight with at least two axes, none empty, got shape {shape}")
    field = math.prod(shape[2:])
    return shape[1] * field, shape[0] * field


def calculate_gain(nonlinearity, param=None):
    """The factor that undoes what a nonlinearity takes from the deviation. ValueError for an unknown name."""
    if nonlinearity == "leaky_relu":
        return math.sqrt(2 / (1 + (0.01 if param is None else param) ** 2))
    gains = {"linear": 1.0, "conv1d": 1.0, "conv2d": 1.0, "sigmoid": 1.0, "tanh": 5 / 3, "relu": math.sqrt(2), "selu": 0.75}
    if nonlinearity not in gains:
        raise ValueError(f"calculate_gain: unknown nonlinearity {nonlinearity!r}, expected one of {', '.join(gains)}, leaky_relu")
    return gains[nonlinearity]


def uniform_(tensor, a=0.0, b=1.0):
    """Uniform in [a, b). ValueError where a > b."""
    if real(a, "uniform_", "a") > real(b, "uniform_", "b"):
        raise ValueError(f"uniform_: expected a ≤ b, got a = {a} and b = {b}")
    return _assign(tensor, a + (b - a) * _drawn(rand, tensor, "uniform_"))


def normal_(tensor, mean=0.0, std=1.0):
    """Normal with this mean and deviation."""
    real(std, "normal_", "std", 0)
    return _assign(tensor, mean + std * _drawn(randn, tensor, "normal_"))


def trunc_normal_(tensor, mean=0.0, std=1.0, a=-2.0, b=2.0):
    """Normal, drawn again until within [a, b]. ValueError where less than a hundredth of the draws would be."""
    real(std, "trunc_normal_", "std", 0)
    below = [1 + math.erf((x - mean) / (max(std, 1e-30) * math.sqrt(2))) for x in (a, b)]   # twice the probabilities
    if below[1] - below[0] < 0.02:
        raise ValueError(f"trunc_normal_: [{a}, {b}] holds almost nothing of a normal distribution with mean {mean} and std {std}")
    values = mean + std * _drawn(randn, tensor, "trunc_normal_")
    while True:
        outside = (values < a) | (values > b)
        if not outside.any():
            return _assign(tensor, values)
        values[outside] = mean + std * randn(int(outside.sum()), dtype=tensor.dtype).data


def constant_(tensor, val):
    """One value everywhere."""
    return _assign(tensor, val)


def zeros_(tensor):
    """0 everywhere."""
    return _assign(tensor, 0)


def ones_(tensor):
    """1 everywhere."""
    return _assign(tensor, 1)


def xavier_uniform_(tensor, gain=1.0):
    """Uniform with deviation gain · √(2 / (fan_in + fan_out))."""
    bound = gain * math.sqrt(6 / sum(fan_in_and_out(tensor.shape)))
    return uniform_(tensor, -bound, bound)


def xavier_normal_(tensor, gain=1.0):
    """Normal with deviation gain · √(2 / (fan_in + fan_out))."""
    return normal_(tensor, 0.0, gain * math.sqrt(2 / sum(fan_in_and_out(tensor.shape))))


def _kaiming_deviation(tensor, a, mode, nonlinearity):
    if mode not in ("fan_in", "fan_out"):
        raise ValueError(f"kaiming: mode must be 'fan_in' or 'fan_out', got {mode!r}")
    return calculate_gain(nonlinearity, a) / math.sqrt(fan_in_and_out(tensor.shape)[mode == "fan_out"])


def kaiming_uniform_(tensor, a=0, mode="fan_in", nonlinearity="leaky_relu"):
    """Uniform with deviation gain / √fan."""
    bound = math.sqrt(3) * _kaiming_deviation(tensor, a, mode, nonlinearity)
    return uniform_(tensor, -bound, bound)


def kaiming_normal_(tensor, a=0, mode="fan_in", nonlinearity="leaky_relu"):
    """Normal with deviation gain / √fan."""
    return normal_(tensor, 0.0, _kaiming_deviation(tensor, a, mode, nonlinearity))
