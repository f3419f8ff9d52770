"""Tiny arguments for the GPU's kernels: one function a kernel, from named sizes to arrays. A plain twin gets those of its kernel.

The default sizes fill a tile or two, so that all that a kernel does is to be seen.
"""
import inspect

import numpy as np

EXAMPLES = {}
"""Kernel → the function that makes its arguments; the defaults of its parameters are the sizes."""


def example(function):
    """Note the arguments of the kernel that is called as `function`."""
    EXAMPLES[function.__name__] = function
    return function


def base(name):
    """The kernel whose arguments the kernel `name` takes."""
    return name.removesuffix("_plain")


def sizes_of(name):
    """The sizes of the kernel's arguments, with their defaults."""
    return {size: p.default for size, p in inspect.signature(EXAMPLES[base(name)]).parameters.items()}


def arguments(name, sizes):
    """The kernel's arguments as NumPy arrays and numbers, the same each time."""
    return EXAMPLES[base(name)](**sizes)


def _numbers(*shape):
    return np.random.default_rng(len(shape)).normal(size=shape).astype(np.float32)


@example
def copy(rows=32, columns=32):
    return [_numbers(columns, rows).T]


@example
def cast(rows=32, columns=32):
    return [_numbers(rows, columns), np.int32]


@example
def fill(rows=32, columns=32):
    return [_numbers(rows, columns), 0.5]


@example
def add(rows=32, columns=32):
    return [_numbers(rows, columns), _numbers(columns)]


@example
def relu(rows=32, columns=32):
    return [_numbers(rows, columns)]


@example
def sum(rows=8, columns=64):
    return [_numbers(rows, columns), (1,)]


@example
def matmul(M=32, N=32, K=32):
    return [_numbers(M, K), _numbers(K, N)]


def _convolution(N, H, W, C, K, R):
    return _numbers(N, H, W, C), _numbers(K, C, R, R), (1, 1), (R // 2, R // 2), (1, 1), 1


@example
def conv2d_forward(N=1, H=8, W=8, C=8, K=16, R=3):
    x, w, *options = _convolution(N, H, W, C, K, R)
    return [x, w, _numbers(K), *options]


@example
def conv2d_backward_input(N=1, H=8, W=8, C=8, K=16, R=3):
    x, w, *options = _convolution(N, H, W, C, K, R)
    return [_numbers(N, *_same(H, W, R), K), w, x.shape, *options]


@example
def conv2d_backward_weight(N=1, H=8, W=8, C=8, K=16, R=3):
    x, w, *options = _convolution(N, H, W, C, K, R)
    return [_numbers(N, *_same(H, W, R), K), x, w.shape, *options]


def _same(H, W, R):
    return H + 2 * (R // 2) - R + 1, W + 2 * (R // 2) - R + 1


@example
def max_pool2d_forward(N=1, H=8, W=8, C=32):
    return [_numbers(N, H, W, C), (2, 2), (2, 2), (0, 0), (1, 1), False]


@example
def softmax_forward(rows=4, columns=128):
    return [_numbers(rows, columns)]


@example
def layer_norm_forward(rows=4, columns=128):
    return [_numbers(rows, columns), _numbers(columns), _numbers(columns), 1e-5]


@example
def attention_forward(B=1, H=1, T=16, S=16, D=16):
    return [_numbers(B, H, T, D), _numbers(B, H, S, D), _numbers(B, H, S, D), None, False, D ** -0.5]
