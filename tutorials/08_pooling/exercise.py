"""Lesson 08, exercises: pooling backward, with overlaps, ties and a border.

Write what is missing, then:  tinyattn learn check 08

All arrays are NumPy's, float64; size, stride and padding are single ints. Window (i, j) covers the rows i·stride − padding + r and the
columns j·stride − padding + s for r, s = 0 … size − 1.
"""


def max_pool2d_backward(dy, x, size, stride, padding):
    """How much the loss grows for each 1 that an input of max pooling grows.

    dy (N, C, H', W'), x (N, C, H, W)  →  dx (N, C, H, W). Padding never wins; of equal maxima the first in reading order takes all.
    """
    raise NotImplementedError


def avg_pool2d_backward(dy, x_shape, size, stride, padding, count_include_pad):
    """The same for average pooling, which divides by size² if `count_include_pad`, else by how many real pixels the window holds.

    dy (N, C, H', W'), x_shape = (N, C, H, W)  →  dx (N, C, H, W)
    """
    raise NotImplementedError
