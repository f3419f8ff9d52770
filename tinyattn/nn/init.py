"""First values of parameters, in place, under PyTorch's names.

A layer that sums n inputs multiplies their variance by n · Var(w); keeping that near 1 keeps signals and gradients from
dying or exploding. (Glorot & Bengio, AISTATS 2010; He et al., arXiv:1502.01852.)
"""
import math

import numpy as np

from ..ops.arguments import float_argument, probability, real, tensor_argument, whole
from ..ops.matmul import matmul
from ..placing import on_host, overwrite
from ..ops.random import rand, randn
from ..tensor import Tensor


def _assign(tensor, values):
    return overwrite(tensor_argument(tensor, "init", "tensor"), values)  # unrecorded: first values have no history


def _drawn(draw, tensor, caller):
    """Random numbers in the shape and dtype of `tensor`, as a NumPy array: first values are the same on every device."""
    return draw(float_argument(tensor, caller, "tensor").shape, dtype=tensor.dtype).data


def fan_in_and_out(shape):
    """How many inputs an output sums, and how many outputs an input feeds: weight (out, in, …)."""
    if len(shape) < 2 or 0 in shape:
        raise ValueError(f"fan_in_and_out: expected a weight with at least two axes, none empty, got shape {shape}")
    field = math.prod(shape[2:])
    return shape[1] * field, shape[0] * field


def calculate_gain(nonlinearity, param=None):
    """The factor that undoes what a nonlinearity takes from the deviation. ValueError for an unknown name."""
    if isinstance(nonlinearity, str) and nonlinearity == "leaky_relu":
        return math.sqrt(2 / (1 + (0.01 if param is None else real(param, "calculate_gain", "param")) ** 2))
    gains = {**dict.fromkeys(("linear", "conv1d", "conv2d", "conv3d", "conv_transpose1d", "conv_transpose2d", "conv_transpose3d",
                              "sigmoid"), 1.0), "tanh": 5 / 3, "relu": math.sqrt(2), "selu": 0.75}
    if not isinstance(nonlinearity, str) or nonlinearity not in gains:
        raise ValueError(f"calculate_gain: unknown nonlinearity {nonlinearity!r}, expected one of {', '.join(gains)}, leaky_relu")
    return gains[nonlinearity]


def uniform_(tensor, a=0.0, b=1.0):
    """Uniform in [a, b). ValueError where a > b."""
    if real(a, "uniform_", "a") > real(b, "uniform_", "b"):
        raise ValueError(f"uniform_: expected a ≤ b, got a = {a} and b = {b}")
    return _assign(tensor, a + (b - a) * _drawn(rand, tensor, "uniform_"))


def normal_(tensor, mean=0.0, std=1.0):
    """Normal with this mean and deviation."""
    real(mean, "normal_", "mean"), real(std, "normal_", "std", 0)
    return _assign(tensor, mean + std * _drawn(randn, tensor, "normal_"))


def trunc_normal_(tensor, mean=0.0, std=1.0, a=-2.0, b=2.0):
    """Normal, drawn again until within [a, b]. ValueError where less than a hundredth of the draws would be."""
    for name, value in (("mean", mean), ("a", a), ("b", b)):
        real(value, "trunc_normal_", name)
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
    if tensor_argument(tensor, "constant_", "tensor").dtype.kind != "f":
        return _assign(tensor, whole(val, "constant_", "val", -2 ** 31))
    return _assign(tensor, val if isinstance(val, float) else real(val, "constant_", "val"))         # NaN is a value too


def zeros_(tensor):
    """0 everywhere."""
    return _assign(tensor, 0)


def ones_(tensor):
    """1 everywhere."""
    return _assign(tensor, 1)


def eye_(tensor):
    """The identity, as far as the matrix reaches: a linear layer gives back what it is given."""
    if tensor_argument(tensor, "eye_", "tensor").ndim != 2:
        raise ValueError(f"eye_: expected a matrix, got shape {tensor.shape}")
    return _assign(tensor, np.eye(*tensor.shape))


def dirac_(tensor, groups=1):
    """Filters (K, C, …) that are 1 in the middle from channel c to channel c, in each of `groups`: a convolution changes nothing."""
    if tensor_argument(tensor, "dirac_", "tensor").ndim not in (3, 4, 5):
        raise ValueError(f"dirac_: expected filters of three to five axes, got shape {tensor.shape}")
    if tensor.shape[0] % whole(groups, "dirac_", "groups"):
        raise ValueError(f"dirac_: groups = {groups} must divide the {tensor.shape[0]} filters")
    values = np.zeros(tensor.shape)
    each, middle = tensor.shape[0] // groups, tuple(n // 2 for n in tensor.shape[2:])
    for group in range(groups):
        for c in range(min(each, tensor.shape[1])):
            values[(group * each + c, c, *middle)] = 1
    return _assign(tensor, values)


def orthogonal_(tensor, gain=1.0):
    """gain · Q, with orthonormal rows (or columns, whichever are fewer), all such Q equally likely; further axes count as columns.

    Q comes of normal vectors by Gram and Schmidt's method, each made orthogonal to those before it twice (once leaves an error
    that grows). (Saxe et al., arXiv:1312.6120; Mezzadri, arXiv:math-ph/0609050; Giraud et al., Numer. Math. 101, 2005: twice is enough.)
    """
    if float_argument(tensor, "orthogonal_", "tensor").ndim < 2:
        raise ValueError(f"orthogonal_: expected at least two axes, got shape {tensor.shape}")
    gain, shape = real(gain, "orthogonal_", "gain"), (tensor.shape[0], math.prod(tensor.shape[1:]))
    few, many = sorted(shape)
    q = randn(few, many, dtype=np.float64).data                         # (few, many)
    for i in range(few):
        for _ in range(2):
            shares = (q[:i] * q[i]).sum(1)                              # not @: its sums differ with the number of threads
            q[i] -= (q[:i] * shares[:, None]).sum(0)
        q[i] /= math.sqrt((q[i] * q[i]).sum())
    return _assign(tensor, gain * (q if shape[0] <= shape[1] else q.T).reshape(tensor.shape))


def sparse_(tensor, sparsity, std=0.01):
    """Normal with mean 0, but in each column the share `sparsity` of the rows (rounded up), drawn at random, is 0.

    (Martens, ICML 2010.)
    """
    if float_argument(tensor, "sparse_", "tensor").ndim != 2:
        raise ValueError(f"sparse_: expected a matrix, got shape {tensor.shape}")
    zeros = math.ceil(probability(sparsity, "sparse_", "sparsity") * tensor.shape[0])
    real(std, "sparse_", "std", 0)
    values = std * _drawn(randn, tensor, "sparse_")
    values[np.argsort(_drawn(rand, tensor, "sparse_"), axis=0, kind="stable") < zeros] = 0    # ranks of random numbers: a permutation
    return _assign(tensor, values)


def patch_whitening_(tensor, images, eps=5e-4):
    """Filters (2K, C, R, S) for a first layer: ±vᵢ / √(λᵢ + eps), λ and v the K largest eigenvalues of E[p pᵀ] and their vectors.

    p are all the patches C·R·S of `images` (N, C, H, W), best normalised ones: what comes out of the filters is nearly uncorrelated, of
    variance near 1. The second half is the negative of the first, so that a ReLU behind them loses nothing.
    (Page 2018, myrtle.ai/learn/how-to-train-your-resnet-8-bag-of-tricks; the halves: Jordan, arXiv:2404.00498.)
    """
    caller = "patch_whitening_"
    x, (count, channels, *kernel) = tensor_argument(images, caller, "images"), _filters_shape(tensor, caller)
    if x.ndim != 4 or x.shape[1] != channels or x.shape[2] < kernel[0] or x.shape[3] < kernel[1] or not x.shape[0]:
        raise ValueError(f"{caller}: images have shape {x.shape}, expected (N, {channels}, H, W), at least {kernel[0]} by {kernel[1]} pixels, "
                         f"for filters of shape {tensor.shape}")
    real(eps, caller, "eps", 0)
    patches = np.lib.stride_tricks.sliding_window_view(on_host(x.detach()), kernel, axis=(2, 3)).transpose(1, 4, 5, 0, 2, 3)
    rows = Tensor(np.ascontiguousarray(patches, np.float32).reshape(channels * math.prod(kernel), -1))   # (C·R·S, N·H'·W')
    second = matmul(rows, rows.T).data.astype(np.float64) / rows.shape[1]                                # E[p pᵀ]
    values, vectors = np.linalg.eigh(second)
    values, vectors = values[::-1][:count // 2], vectors.T[::-1][:count // 2]
    half = (vectors / np.sqrt(np.maximum(values, 0) + max(eps, 1e-12))[:, None]).reshape(count // 2, *tensor.shape[1:])
    return _assign(tensor, np.concatenate([half, -half]))


def _filters_shape(tensor, caller):
    """The shape of `tensor`; ValueError unless it is (2K, C, R, S) with K ≤ C·R·S."""
    shape = float_argument(tensor, caller, "tensor").shape
    if len(shape) != 4 or 0 in shape or shape[0] % 2 or shape[0] > 2 * math.prod(shape[1:]):
        raise ValueError(f"{caller}: filters have shape {shape}, expected (2K, C, R, S) with K at most C·R·S")
    return shape


def xavier_uniform_(tensor, gain=1.0):
    """Uniform with deviation gain · √(2 / (fan_in + fan_out))."""
    bound = real(gain, "xavier_uniform_", "gain") * math.sqrt(6 / sum(_fans(tensor, "xavier_uniform_")))
    return uniform_(tensor, -bound, bound)


def xavier_normal_(tensor, gain=1.0):
    """Normal with deviation gain · √(2 / (fan_in + fan_out))."""
    return normal_(tensor, 0.0, real(gain, "xavier_normal_", "gain", 0) * math.sqrt(2 / sum(_fans(tensor, "xavier_normal_"))))


def _fans(tensor, caller):
    return fan_in_and_out(float_argument(tensor, caller, "tensor").shape)


def _kaiming_deviation(tensor, a, mode, nonlinearity):
    if not isinstance(mode, str) or mode not in ("fan_in", "fan_out"):
        raise ValueError(f"kaiming: mode must be 'fan_in' or 'fan_out', got {mode!r}")
    return calculate_gain(nonlinearity, a) / math.sqrt(_fans(tensor, "kaiming")[mode == "fan_out"])


def kaiming_uniform_(tensor, a=0, mode="fan_in", nonlinearity="leaky_relu"):
    """Uniform with deviation gain / √fan."""
    bound = math.sqrt(3) * _kaiming_deviation(tensor, a, mode, nonlinearity)
    return uniform_(tensor, -bound, bound)


def kaiming_normal_(tensor, a=0, mode="fan_in", nonlinearity="leaky_relu"):
    """Normal with deviation gain / √fan."""
    return normal_(tensor, 0.0, _kaiming_deviation(tensor, a, mode, nonlinearity))
