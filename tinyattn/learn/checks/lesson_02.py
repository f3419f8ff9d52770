"""Checks the answers to lesson 02."""
import numpy as np

from ..exercise import Exercise, Wrong, same, slope


def _unbroadcast(answer, rng):
    n, m, k = (int(length) for length in rng.permutation([2, 3, 4]))
    for shape, full in (((k,), (m, k)), ((1, k), (m, k)), ((m, 1), (m, k)), ((), (m, k)), ((1, 1), (m, k)), ((m, k), (n, m, k)),
                        ((m, 1), (n, m, k)), ((n, 1, k), (n, m, k)), ((1,), (n, m, k)), ((n, m, k), (n, m, k))):
        gradient = rng.normal(size=full)
        expected = slope(lambda x: np.broadcast_to(x, gradient.shape), np.zeros(shape), gradient)
        missing = gradient.ndim - len(shape)
        lengths = (1,) * missing + tuple(shape)
        grown = tuple(i for i, length in enumerate(lengths) if length == 1)
        told = f"an input of shape {shape}, stretched to {gradient.shape}: "
        first = gradient[tuple(0 if i in grown else slice(None) for i in range(gradient.ndim))].reshape(shape)
        given = answer(gradient, shape)
        if np.shape(given) == gradient.shape != shape:
            raise Wrong(told + "the gradient came back as it was; each number of the input was used several times, and ways add up")
        if np.shape(given) != shape and np.size(given) == np.size(expected):
            raise Wrong(told + f"the result has shape {np.shape(given)}: an axis on which the input had length 1 must stay")
        same(given, expected, told + "gradient",
             [(gradient.sum(), told + "everything is added up; only the axes along which the input was stretched should be"),
              (gradient.mean(grown).reshape(shape), told + "this is a mean; ways add up, nothing divides them"),
              (first, told + "this takes what one use sent back; all uses count")], rtol=1e-7)


def _matmul_backward(answer, rng):
    for B, N, D, K in (map(int, rng.permutation([2, 3, 4, 5])), (2, 3, 3, 3)):   # lengths that differ; then such as hide a transpose
        x, w, gradient = rng.normal(size=(B, N, D)), rng.normal(size=(D, K)), rng.normal(size=(B, N, K))
        given = answer(gradient, x, w)
        if not isinstance(given, (tuple, list)) or len(given) != 2:
            raise Wrong("matmul_backward should return two arrays, dx and dw")
        dx, dw = given
        fits = "dx has the right shape because all lengths are equal here; which index of w belongs to y, and which to x?"
        wrong_dx = [(gradient @ w, fits)] if D == K else []
        same(dx, slope(lambda v: v @ w, x, gradient), "dx", wrong_dx, rtol=1e-6)
        each = np.swapaxes(x, 1, 2) @ gradient                              # (B, D, K)
        if np.shape(dw) == each.shape:
            raise Wrong(f"dw has shape {np.shape(dw)}, one gradient for each of the {B} of the batch; w has shape {w.shape}, and all of "
                        "them used it")
        same(dw, slope(lambda v: x @ v, w, gradient), "dw",
             [(each.mean(0), "dw is a mean over the batch; ways add up, nothing divides them"),
              (each[0], "dw knows only the first of the batch; w was used by all of them"),
              (each[-1], "dw knows only the last of the batch; w was used by all of them"),
              (each.sum(0).T, "dw is transposed: its first axis belongs to x, its second to y")], rtol=1e-6)


def _mean_backward(answer, rng):
    lengths = tuple(int(n) for n in rng.permutation([2, 3, 4]))
    for shape, axis in ((lengths, int(rng.integers(3))), (lengths, int(rng.integers(-3, 0))), ((3, 3), 1), ((3, 3), 0), ((2, 5), None)):
        gradient = rng.normal(size=np.mean(np.zeros(shape), axis).shape)
        told = f"shape {shape}, axis {axis}: "
        expected = slope(lambda x: np.mean(x, axis), np.zeros(shape), gradient)
        count = np.prod(shape) if axis is None else shape[axis]
        mistakes = [(expected * count, told + "this is the gradient of a sum; each number has a smaller share in a mean"),
                    (expected * count / np.prod(shape), told + "divided by too much: how many numbers went into one mean?"),
                    (np.full(shape, 1 / count), told + "this is the slope of the step alone; what has arrived behind it is lost")]
        if axis is not None and shape == (3, 3):
            other = np.broadcast_to(np.expand_dims(gradient, 1 - axis), shape) / 3
            mistakes.append((other, told + "stretched along the wrong axis: put the lost axis back where it was, then stretch"))
        same(answer(gradient, shape, axis), expected, told + "gradient", mistakes, rtol=1e-6)


EXERCISES = [Exercise("unbroadcast", "sum a gradient back to the shape that was stretched", _unbroadcast),
             Exercise("matmul_backward", "both gradients of a product in which one matrix serves a batch", _matmul_backward),
             Exercise("mean_backward", "what a mean along an axis sends back", _mean_backward)]
