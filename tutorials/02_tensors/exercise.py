"""Lesson 02, exercises: what stretching, products and means send back.

Write what is missing, then:  tinyattn learn check 02
"""


def unbroadcast(gradient, shape):
    """The gradient of an input of `shape` that was stretched (broadcast) on the way.

    gradient: float64 array, its shape is what `shape` was stretched to. shape: tuple, may be shorter, may hold lengths of 1.
    Returns an array of shape `shape`.
    """
    raise NotImplementedError


def matmul_backward(gradient, x, w):
    """The gradients of both factors of y = x @ w, where one matrix w serves a whole batch.

    x: (B, N, D), w: (D, K), so y and gradient: (B, N, K). Returns two arrays (dx, dw), of the shapes of x and w.
    """
    raise NotImplementedError


def mean_backward(gradient, shape, axis):
    """The gradient of x, where y = x.mean(axis).

    shape: of x. axis: a number, may be negative, or None for the mean of all. gradient: of the shape of y, that is `shape` without
    the axis (a number of shape () where axis is None). Returns an array of shape `shape`.
    """
    raise NotImplementedError
