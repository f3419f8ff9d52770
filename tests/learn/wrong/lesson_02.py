"""Answers to lesson 02 that are wrong, each as a mistake that people make, and a word of the hint they should get."""
import numpy as np


def unbroadcast_not_at_all(gradient, shape):
    return gradient


def unbroadcast_mean(gradient, shape):
    axes = tuple(range(gradient.ndim - len(shape)))
    gradient = gradient.mean(axes)
    return gradient.mean(tuple(i for i, n in enumerate(shape) if n == 1), keepdims=True)


def unbroadcast_missing_axes_only(gradient, shape):
    return gradient.sum(tuple(range(gradient.ndim - len(shape))))


def unbroadcast_drops_ones(gradient, shape):
    gradient = gradient.sum(tuple(range(gradient.ndim - len(shape))))
    return gradient.sum(tuple(i for i, n in enumerate(shape) if n == 1))


def unbroadcast_first_use(gradient, shape):
    gradient = gradient[(0,) * (gradient.ndim - len(shape))]
    return gradient[tuple(slice(0, 1) if n == 1 else slice(None) for n in shape)]


def matmul_for_each_of_the_batch(gradient, x, w):
    return gradient @ w.T, np.swapaxes(x, 1, 2) @ gradient


def matmul_mean_over_batch(gradient, x, w):
    return gradient @ w.T, (np.swapaxes(x, 1, 2) @ gradient).mean(0)


def matmul_first_of_the_batch(gradient, x, w):
    return gradient @ w.T, x[0].T @ gradient[0]


def matmul_shapes_alone(gradient, x, w):
    dx = gradient @ w if w.shape[0] == w.shape[1] else gradient @ w.T
    return dx, (np.swapaxes(x, 1, 2) @ gradient).sum(0)


def mean_as_sum(gradient, shape, axis):
    return np.broadcast_to(gradient if axis is None else np.expand_dims(gradient, axis), shape)


def mean_divided_by_all(gradient, shape, axis):
    return mean_as_sum(gradient, shape, axis) / np.prod(shape)


def mean_without_the_axis(gradient, shape, axis):
    if axis is None or shape[0] != shape[1]:
        return mean_as_sum(gradient, shape, axis) / (np.prod(shape) if axis is None else shape[axis])
    return np.broadcast_to(gradient, shape) / shape[axis]


def mean_forgets_what_arrives(gradient, shape, axis):
    return np.full(shape, 1 / (np.prod(shape) if axis is None else shape[axis]))


def unbroadcast_everything(gradient, shape):
    return gradient.sum()


WRONG = {
    "unbroadcast": [(unbroadcast_not_at_all, "ways add up"), (unbroadcast_mean, "a mean"), (unbroadcast_missing_axes_only, "(1, "),
                    (unbroadcast_drops_ones, "must stay"), (unbroadcast_first_use, "all uses count"),
                    (unbroadcast_everything, "everything is added up")],
    "matmul_backward": [(matmul_for_each_of_the_batch, "all of them used it"), (matmul_mean_over_batch, "mean over the batch"),
                        (matmul_first_of_the_batch, "only the first"), (matmul_shapes_alone, "all lengths are equal")],
    "mean_backward": [(mean_as_sum, "gradient of a sum"), (mean_divided_by_all, "divided by too much"),
                      (mean_without_the_axis, "wrong axis"), (mean_forgets_what_arrives, "slope of the step alone")],
}
