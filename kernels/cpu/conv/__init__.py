"""Two-dimensional convolution on channels-last images; formulas and shapes as in `reference/conv.py`."""
from .. import array
from . import direct, weight_grad
from .plain import (conv2d_backward_input_plain, conv2d_backward_weight_plain, conv2d_forward_plain, output_shape)

__all__ = [
    "conv2d_forward", "conv2d_backward_input", "conv2d_backward_weight",
    "conv2d_forward_plain", "conv2d_backward_input_plain", "conv2d_backward_weight_plain",
]


def conv2d_forward(x, w, b, stride, padding, dilation, groups, out=None):
    """y (N, Ho, Wo, K) of images x (N, H, W, C), filters w (K, C/groups, R, S) and bias b (K,) or None."""
    y = array.empty(output_shape(x.shape, w.shape, stride, padding, dilation), x.dtype) if out is None else out
    direct.forward(x, w, b, stride, padding, dilation, groups, y)
    return y


def conv2d_backward_input(dy, w, x_shape, stride, padding, dilation, groups, out=None):
    """dx (N, H, W, C) from dy (N, Ho, Wo, K)."""
    dx = array.empty(x_shape, dy.dtype) if out is None else out
    direct.backward_input(dy, w, stride, padding, dilation, groups, dx)
    return dx


def conv2d_backward_weight(dy, x, w_shape, stride, padding, dilation, groups):
    """dw (K, C/groups, R, S) and db (K,) from dy (N, Ho, Wo, K)."""
    return weight_grad.backward_weight(dy, x, w_shape, stride, padding, dilation, groups)
