"""Convolution as it is written down: parallel loops without tricks, the rung between the formula and the fast kernels.

Read these before `direct.py` and `weight_grad.py`. Each gives one thread whole rows (or whole filters) of the result
to write, so that no two threads ever add into the same number: the backward passes are therefore turned round, from
"every output hands its gradient to what it read" (scatter) to "every input collects from the outputs that read it"
(gather).
"""
import numpy as np
from numba import prange

from .. import array
from ..jit import kernel

__all__ = ["conv2d_forward_plain", "conv2d_backward_input_plain", "conv2d_backward_weight_plain"]


def output_size(size, taps, stride, padding, dilation):
    """⌊(size + 2·padding − dilation·(taps − 1) − 1) / stride⌋ + 1, along one axis."""
    return (size + 2 * padding - dilation * (taps - 1) - 1) // stride + 1


def output_shape(x_shape, w_shape, stride, padding, dilation):
    """(N, Ho, Wo, K) of images `x_shape` (N, H, W, C) under filters `w_shape` (K, C/groups, R, S)."""
    return (x_shape[0], output_size(x_shape[1], w_shape[2], stride[0], padding[0], dilation[0]),
            output_size(x_shape[2], w_shape[3], stride[1], padding[1], dilation[1]), w_shape[0])


@kernel
def _forward(x, w, b, sh, sw, ph, pw, dh, dw, groups, y):
    N, H, W, _ = x.shape
    K, C, R, S = w.shape
    _, Ho, Wo, _ = y.shape
    for row in prange(N * Ho):
        n, i = np.int64(row) // Ho, np.int64(row) % Ho
        for j in range(Wo):
            for k in range(K):
                first = k // (K // groups) * C  # the first channel of this group
                total = b[k]
                for r in range(R):
                    h = i * sh + r * dh - ph
                    for s in range(S):
                        v = j * sw + s * dw - pw
                        if 0 <= h < H and 0 <= v < W:
                            for c in range(C):
                                total += w[k, c, r, s] * x[n, h, v, first + c]
                y[n, i, j, k] = total


@kernel
def _backward_input(dy, w, sh, sw, ph, pw, dh, dw, groups, dx):
    N, H, W, channels = dx.shape
    K, C, R, S = w.shape
    _, Ho, Wo, _ = dy.shape
    for row in prange(N * H):
        n, h = np.int64(row) // H, np.int64(row) % H
        for v in range(W):
            for channel in range(channels):
                g, c = channel // C, channel % C
                total = w.dtype.type(0)
                for r in range(R):
                    i = (h + ph - r * dh) // sh  # the output whose tap r lies on this row …
                    for s in range(S):
                        j = (v + pw - s * dw) // sw
                        if 0 <= i < Ho and 0 <= j < Wo and i * sh + r * dh - ph == h and j * sw + s * dw - pw == v:
                            for k in range(g * (K // groups), (g + 1) * (K // groups)):  # … if there is one
                                total += w[k, c, r, s] * dy[n, i, j, k]
                dx[n, h, v, channel] = total


@kernel
def _backward_weight(dy, x, sh, sw, ph, pw, dh, dw, groups, dweight, db):
    N, H, W, _ = x.shape
    K, C, R, S = dweight.shape
    _, Ho, Wo, _ = dy.shape
    for k in prange(K):
        first = np.int64(k) // (K // groups) * C
        dweight[k] = 0
        db[k] = 0
        for n in range(N):
            for i in range(Ho):
                for j in range(Wo):
                    d = dy[n, i, j, k]
                    db[k] += d
                    for r in range(R):
                        h = i * sh + r * dh - ph
                        for s in range(S):
                            v = j * sw + s * dw - pw
                            if 0 <= h < H and 0 <= v < W:
                                for c in range(C):
                                    dweight[k, c, r, s] += d * x[n, h, v, first + c]


def conv2d_forward_plain(x, w, b, stride, padding, dilation, groups, out=None):
    """y (N, Ho, Wo, K): `conv2d_forward` with one thread a row of the output."""
    y = array.empty(output_shape(x.shape, w.shape, stride, padding, dilation), x.dtype) if out is None else out
    _forward(x, w, np.zeros(len(w), x.dtype) if b is None else b, *stride, *padding, *dilation, groups, y)
    return y


def conv2d_backward_input_plain(dy, w, x_shape, stride, padding, dilation, groups, out=None):
    """dx (N, H, W, C): `conv2d_backward_input` with one thread a row of the input's gradient."""
    dx = array.empty(x_shape, dy.dtype) if out is None else out
    _backward_input(dy, w, *stride, *padding, *dilation, groups, dx)
    return dx


def conv2d_backward_weight_plain(dy, x, w_shape, stride, padding, dilation, groups):
    """dw (K, C/groups, R, S), db (K,): `conv2d_backward_weight` with one thread a filter."""
    dweight, db = array.empty(w_shape, x.dtype), array.empty((w_shape[0],), x.dtype)
    _backward_weight(dy, x, *stride, *padding, *dilation, groups, dweight, db)
    return dweight, db
