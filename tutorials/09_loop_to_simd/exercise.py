"""Lesson 09, exercises: a convolution as one product, as a compiled loop nest, and the roof above both.

Write what is missing, then:  tinyattn learn check 09
"""
import numba
import numpy as np


def im2col(x, size, stride, padding):
    """The numbers that each output pixel of a size × size convolution is made of, as a row.

    x (N, H, W, C): channels-last images, to be padded with `padding` zeros on each side. Output pixel (i, j) reads the rows from
    i·stride and the columns from j·stride of the padded image.
    Returns (N·Ho·Wo, size·size·C): output pixels in order, a row in the order (r, s, c), so that im2col(x) @ w.reshape(-1, K) is
    the convolution with filters w (size, size, C, K).
    """
    raise NotImplementedError


@numba.njit
def conv_numba(x, w, stride, padding):
    """The convolution itself, as a loop nest that Numba compiles.

    x (N, H, W, C), w (R, S, C, K): arrays of float64; stride, padding: whole numbers, the same both ways; outside the image is 0.
    Returns y (N, Ho, Wo, K).
    """
    raise NotImplementedError


def arithmetic_intensity(n, h, w, c, k, size, number_bytes):
    """Operations for each byte that a convolution must move at least once.

    n images of h × w pixels and c channels, k filters of size × size taps, stride 1, padded so that the output has h × w pixels
    too; a number takes number_bytes bytes. A multiply-add is two operations. What must be moved: the images, the filters, the outputs.
    """
    raise NotImplementedError
