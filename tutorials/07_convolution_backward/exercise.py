"""Lesson 07, exercises: the three gradients of a convolution, and the gradient as a convolution.

Write what is missing, then:  tinyattn learn check 07

All arrays are NumPy's, float64. Output y[n, k, i, j] met pixel x[n, c, h, v] through weight w[k, c, r, s] where
    h = i·stride + r − padding    and    v = j·stride + s − padding,
and pixels outside the image are zeros. stride and padding are single ints, the same down and across.
"""


def conv2d_dx(dy, w, x_shape, stride, padding):
    """How much the loss grows for each 1 that a pixel grows.

    dy (N, K, H', W'), w (K, C, R, S), x_shape = (N, C, H, W)  →  dx (N, C, H, W)
    """
    raise NotImplementedError


def conv2d_dw(dy, x, w_shape, stride, padding):
    """The same for each weight, and for a bias that is added to all of an output channel.

    dy (N, K, H', W'), x (N, C, H, W), w_shape = (K, C, R, S)  →  a pair: dw (K, C, R, S), db (K,)
    """
    raise NotImplementedError


def as_convolution(dy, w, x_shape, stride, padding):
    """Images and kernels from which a *forward* convolution with stride 1 and no padding makes dx.

    dy (N, K, H', W'), w (K, C, R, S), x_shape = (N, C, H, W), padding < R and < S
    →  a pair: images (N, K, H + R − 1, W + S − 1), kernels (C, K, R, S)
    """
    raise NotImplementedError
