"""Checks the answers to lesson 08."""
import numpy as np

from ..exercise import Exercise, Wrong, same, slope

CASES = [(3, 2, 1), (3, 1, 1), (2, 2, 0), (3, 2, 0)]     # size, stride, padding: overlaps at once, a plain one, one that leaves a rest
STEP = 1e-3     # of the central differences: means are linear, and the numbers that are no ties lie further apart than this
OVERLAP = "a pixel that won several windows has heard of one only: where windows overlap, what they say adds up"


def _windows(shape, size, stride, padding):
    """Yield (i, j, rows, columns): the real pixels of each window as slices."""
    Ho, Wo = ((n + 2 * padding - size) // stride + 1 for n in shape)
    for i in range(Ho):
        for j in range(Wo):
            top, left = i * stride - padding, j * stride - padding
            yield i, j, slice(max(top, 0), min(top + size, shape[0])), slice(max(left, 0), min(left + size, shape[1]))


def _size(shape, size, stride, padding):
    return tuple((n + 2 * padding - size) // stride + 1 for n in shape[2:])


def _max(x, size, stride, padding):
    y = np.zeros((*x.shape[:2], *_size(x.shape, size, stride, padding)))
    for i, j, rows, columns in _windows(x.shape[2:], size, stride, padding):
        y[:, :, i, j] = x[:, :, rows, columns].max(axis=(2, 3))
    return y


def _routed(dy, x, how, shares):
    """dx where each window's dy is dealt out by shares(window): weights of the window's shape."""
    dx = np.zeros(x.shape)
    for i, j, rows, columns in _windows(x.shape[2:], *how):
        for n, c in np.ndindex(*x.shape[:2]):
            dx[n, c, rows, columns] += shares(x[n, c, rows, columns]) * dy[n, c, i, j]
    return dx


def _first(window):
    share = np.zeros(window.size)
    share[window.argmax()] = 1.0
    return share.reshape(window.shape)


def _last(window):
    return _first(window[::-1, ::-1])[::-1, ::-1]


def _all(window):
    return (window == window.max()).astype(float)


def _equal(window):
    return _all(window) / _all(window).sum()


def _zeros_compete(dy, x, how):
    """dx where the padding is zeros, which beat what is negative."""
    size, stride, padding = how
    padded = np.pad(x, ((0, 0), (0, 0), (padding, padding), (padding, padding)))
    return _routed(dy, padded, (size, stride, 0), _first)[:, :, padding:padding + x.shape[2], padding:padding + x.shape[3]]


def _written_over(dy, x, how):
    dx = np.zeros(x.shape)
    for i, j, rows, columns in _windows(x.shape[2:], *how):
        for n, c in np.ndindex(*x.shape[:2]):
            dx[n, c, rows, columns][_first(x[n, c, rows, columns]) > 0] = dy[n, c, i, j]
    return dx


def _distinct(rng, shape):
    """Numbers that differ from each other by more than the nudge, of both signs."""
    return rng.permutation(np.arange(np.prod(shape)) * 0.1 - np.prod(shape) * 0.07).reshape(shape)


def _max_pool2d_backward(answer, rng):
    for how in CASES:
        shape = (2, 2, int(rng.integers(5, 7)), int(rng.integers(7, 9)))
        dy = rng.normal(size=(2, 2, *_size(shape, *how)))
        x = _distinct(rng, shape)
        nudged = slope(lambda x: _max(x, *how), x, dy, STEP)
        same(answer(dy, x, *how), nudged, "dx",
             [(_written_over(dy, x, how), OVERLAP),
              (_zeros_compete(dy, x, how), "the padding has won windows at the border: a zero beats every negative pixel, and padding may never win"),
              (_routed(dy, x, how, lambda w: np.full(w.shape, 1 / w.size)),
               "all pixels of a window are told: only the winner had a part in it"),
              (_routed(dy, -x, how, _first), "the gradient goes to the smallest number of each window"),
              (nudged / len(x), "dx is divided by the number of images: if the loss is a mean, that is in dy already"),
              (_routed(dy, np.abs(x), how, _first), "the gradient goes to the number that is largest without its sign"),
              (_routed(dy, x, (how[0], how[1], 0), _first) if how[2] and _size(shape, how[0], how[1], 0) == dy.shape[2:] else nudged,
               "the windows begin at the image's corner: with padding, the first begins before it")])
        x = np.maximum(np.round(x / 2), 0.0)                       # many equal numbers, many zeros, as after a ReLU
        right = _routed(dy, x, how, _first)
        same(answer(dy, x, *how), right, "with ties, dx",
             [(_routed(dy, x, how, _all), "tied pixels are each told all of it, so that more goes out than came in: move two tied ones "
                                          "together, and see how far the output moves"),
              (_routed(dy, x, how, _equal), "tied pixels share equally: right too, but the rule asked for is that the first takes all"),
              (_routed(dy, x, how, _last), "of tied pixels the last one is told: the rule asked for is that the first takes all"),
              (_written_over(dy, x, how), OVERLAP)])
        if how[2]:
            low = -1.0 - rng.uniform(size=shape)
            same(answer(dy, low, *how), _routed(dy, low, how, _first), "of an image that is below 0 everywhere, dx")


def _average(x, how, counted):
    size, stride, padding = how
    y = np.zeros((*x.shape[:2], *_size(x.shape, *how)))
    for i, j, rows, columns in _windows(x.shape[2:], *how):
        part = x[:, :, rows, columns]
        y[:, :, i, j] = part.sum(axis=(2, 3)) / (size * size if counted else part[0, 0].size)
    return y


def _avg_pool2d_backward(answer, rng):
    for how in CASES:
        shape = (2, 3, int(rng.integers(5, 7)), int(rng.integers(7, 9)))
        dy = rng.normal(size=(2, 3, *_size(shape, *how)))
        for counted in (True, False):
            nudged = slope(lambda x: _average(x, how, counted), np.zeros(shape), dy, 0.5)
            other = slope(lambda x: _average(x, how, not counted), np.zeros(shape), dy, 0.5)
            over = np.zeros(shape)
            for i, j, rows, columns in _windows(shape[2:], *how):
                real = (rows.stop - rows.start) * (columns.stop - columns.start)
                over[:, :, rows, columns] = dy[:, :, i, j, None, None] / (how[0] ** 2 if counted else real)
            given = answer(dy, shape, *how, counted)
            around = tuple(n + 2 * how[2] for n in shape[2:])
            if how[2] and np.shape(given) == (*shape[:2], *around):
                raise Wrong(f"dx has shape {np.shape(given)}: the padding is still around it; it belongs to no pixel")
            same(given, nudged, f"with count_include_pad={counted}, dx",
                 [(over, "where windows overlap only the last one is left: what they say adds up"),
                  (other, "at the border the divisor is the other one: " + (
                      "the padding's zeros count too, so it is size² everywhere" if counted else "only the window's real pixels count")),
                  (nudged * how[0] ** 2, "each pixel is told all of dy, as if the forward pass added: it took the mean"),
                  (nudged / len(dy), "dx is divided by the number of images: if the loss is a mean, that is in dy already"),
                  (nudged * how[0], "dy is divided by size: a window has size² places")])


EXERCISES = [Exercise("max_pool2d_backward", "the gradient to each window's winner, with overlaps and ties", _max_pool2d_backward),
             Exercise("avg_pool2d_backward", "equal shares, with overlaps and a border", _avg_pool2d_backward)]
