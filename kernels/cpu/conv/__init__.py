"""Two-dimensional convolution on channels-last images; formulas and shapes as in `reference/conv.py`.

    plain.py        the loops as they are written down
    direct.py       forward and backward to the input: register tiles of pixels × output channels
    weight_grad.py  backward to the weights: register tiles of taps × output channels
    winograd.py, winograd_weights.py   all three for 3×3 filters of stride 1, with a quarter of the multiplications
    planes.py       forward and backward to the input where there are few output channels: vectors of pixels
    depthwise.py    a filter for every channel: vectors of channels

This file chooses the path by shape alone, so the same call always gives the same bits.
"""
from .. import array
from . import depthwise, direct, planes, weight_grad, winograd, winograd_weights
from .plain import (conv2d_backward_input_plain, conv2d_backward_weight_plain, conv2d_forward_plain, output_shape)

__all__ = [
    "conv2d_forward", "conv2d_backward_input", "conv2d_backward_weight",
    "conv2d_forward_plain", "conv2d_backward_input_plain", "conv2d_backward_weight_plain",
]


def _is_depthwise(channels, w_shape, groups):
    return groups == channels == w_shape[0] and groups > 1


def conv2d_forward(x, w, b, stride, padding, dilation, groups, out=None):
    """y (N, Ho, Wo, K) of images x (N, H, W, C), filters w (K, C/groups, R, S) and bias b (K,) or None."""
    y = array.empty(output_shape(x.shape, w.shape, stride, padding, dilation), x.dtype) if out is None else out
    if _is_depthwise(x.shape[3], w.shape, groups):
        depthwise.forward(x, w, b, stride, padding, dilation, y)
    elif winograd.suits(x.shape, w.shape, stride, padding, dilation, groups, x.dtype):
        winograd.forward(x, w, b, padding, y)
    elif planes.suits(len(w), w.shape[2] * w.shape[3], stride, groups, x.dtype):
        planes.forward(x, w, b, padding, dilation, y)
    else:
        direct.forward(x, w, b, stride, padding, dilation, groups, y)
    return y


def conv2d_backward_input(dy, w, x_shape, stride, padding, dilation, groups, out=None):
    """dx (N, H, W, C) from dy (N, Ho, Wo, K)."""
    dx = array.empty(x_shape, dy.dtype) if out is None else out
    if _is_depthwise(x_shape[3], w.shape, groups):
        depthwise.backward_input(dy, w, stride, padding, dilation, dx)
    elif winograd.suits(x_shape, w.shape, stride, padding, dilation, groups, dy.dtype):
        winograd.backward_input(dy, w, padding, dx)
    elif planes.suits(x_shape[3], w.shape[2] * w.shape[3], stride, groups, dy.dtype):
        planes.backward_input(dy, w, padding, dilation, dx)
    else:
        direct.backward_input(dy, w, stride, padding, dilation, groups, dx)
    return dx


def conv2d_backward_weight(dy, x, w_shape, stride, padding, dilation, groups):
    """dw (K, C/groups, R, S) and db (K,) from dy (N, Ho, Wo, K)."""
    if _is_depthwise(x.shape[3], w_shape, groups):
        return depthwise.backward_weight(dy, x, w_shape, stride, padding, dilation)
    if winograd.suits(x.shape, w_shape, stride, padding, dilation, groups, x.dtype, winograd_weights.FEWEST):
        return winograd_weights.backward_weight(dy, x, padding)
    return weight_grad.backward_weight(dy, x, w_shape, stride, padding, dilation, groups)
