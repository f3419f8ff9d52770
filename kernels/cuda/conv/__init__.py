"""Two-dimensional convolution on channels-last images; formulas and shapes as in `reference/conv.py`.

    plain.py         one thread, one number: the loops as they are written down
    product.py       forward and backward to the input as a product of matrices, tile by tile: the fast ones
    weight_grad.py   backward to the filters, the product over pixels, in parts that are added in order
    direct.py        all three where groups, or channels, or places of the filter are few: depthwise, first layers, gates
    weights.py       packing filters, filling up channels, adding parts

This file chooses by shape alone, so the same call always gives the same bits.
"""
from .. import array
from . import direct, product, weight_grad
from .plain import conv2d_backward_input_plain, conv2d_backward_weight_plain, conv2d_forward_plain, output_shape

__all__ = [
    "conv2d_forward", "conv2d_backward_input", "conv2d_backward_weight",
    "conv2d_forward_plain", "conv2d_backward_input_plain", "conv2d_backward_weight_plain",
]


def _places(w_shape, channels):
    return channels * w_shape[2] * w_shape[3]


def conv2d_forward(x, w, b, stride, padding, dilation, groups, out=None):
    """y (N, Ho, Wo, K) of images x (N, H, W, C), filters w (K, C/groups, R, S) and bias b (K,) or None."""
    y = array.empty(output_shape(x.shape, w.shape, stride, padding, dilation), x.dtype) if out is None else out
    if y.size:
        few = direct.suits(_places(w.shape, w.shape[1]), w.shape[0] // groups, groups)
        run = direct.direct if few else product.product
        run(x, w, b, y, stride, padding, dilation, groups, back=False)
    return y


def conv2d_backward_input(dy, w, x_shape, stride, padding, dilation, groups, out=None):
    """dx (N, H, W, C) from dy (N, Ho, Wo, K)."""
    dx = array.empty(x_shape, dy.dtype) if out is None else out
    if dx.size:
        few = direct.suits(_places(w.shape, w.shape[0] // groups), w.shape[1], groups)
        run = direct.direct if few else product.product
        run(dy, w, None, dx, stride, padding, dilation, groups, back=True)
    return dx


def conv2d_backward_weight(dy, x, w_shape, stride, padding, dilation, groups):
    """dw (K, C/groups, R, S) and db (K,) from dy (N, Ho, Wo, K)."""
    if not dy.size:
        return array.zeros(w_shape, x.dtype), array.zeros((w_shape[0],), x.dtype)
    few = direct.suits(_places(w_shape, w_shape[1]), w_shape[0] // groups, groups)
    run = direct.direct_weight if few else weight_grad.weight_grad
    return run(dy, x, w_shape, stride, padding, dilation, groups)
