"""Answers to lesson 08 that are wrong, each as a mistake that people make, and a word of the hint they should get."""
import numpy as np


def _max(dy, x, size, stride, padding, shares, adds=True, fill=-np.inf):
    padded = np.pad(x, ((0, 0), (0, 0), (padding, padding), (padding, padding)), constant_values=fill)
    dx = np.zeros(padded.shape)
    for n, c, i, j in np.ndindex(*dy.shape):
        rows, columns = slice(i * stride, i * stride + size), slice(j * stride, j * stride + size)
        share = shares(padded[n, c, rows, columns])
        if adds:
            dx[n, c, rows, columns] += share * dy[n, c, i, j]
        else:
            dx[n, c, rows, columns][share > 0] = dy[n, c, i, j]
    return dx[:, :, padding:padding + x.shape[2], padding:padding + x.shape[3]]


def _first(window):
    share = np.zeros(window.size)
    share[window.argmax()] = 1.0
    return share.reshape(window.shape)


def max_ties_counted_twice(dy, x, size, stride, padding):
    return _max(dy, x, size, stride, padding, lambda window: (window == window.max()) * 1.0)


def max_ties_shared(dy, x, size, stride, padding):
    return _max(dy, x, size, stride, padding, lambda window: (window == window.max()) / (window == window.max()).sum())


def max_last_of_ties(dy, x, size, stride, padding):
    return _max(dy, x, size, stride, padding, lambda window: _first(window[::-1, ::-1])[::-1, ::-1])


def max_overlaps_overwritten(dy, x, size, stride, padding):
    return _max(dy, x, size, stride, padding, _first, adds=False)


def max_zeros_win(dy, x, size, stride, padding):
    """The padding is 0 and beats what is negative."""
    return _max(dy, x, size, stride, padding, _first, fill=0.0)


def max_mean(dy, x, size, stride, padding):
    return _max(dy, x, size, stride, padding, _first) / len(x)


def max_tells_all(dy, x, size, stride, padding):
    return _max(dy, x, size, stride, padding, lambda window: np.isfinite(window) / np.isfinite(window).sum())


def _mean(dy, x_shape, size, stride, padding, counted, adds=True):
    N, C, H, W = x_shape
    dx = np.zeros((N, C, H + 2 * padding, W + 2 * padding))
    real = np.pad(np.ones((H, W)), padding)
    for i, j in np.ndindex(*dy.shape[2:]):
        rows, columns = slice(i * stride, i * stride + size), slice(j * stride, j * stride + size)
        share = dy[:, :, i, j, None, None] / (size * size if counted else real[rows, columns].sum())
        dx[:, :, rows, columns] = dx[:, :, rows, columns] + share if adds else share
    return dx


def _crop(dx, x_shape, padding):
    return dx[:, :, padding:padding + x_shape[2], padding:padding + x_shape[3]]


def mean_as_sum(dy, x_shape, size, stride, padding, count_include_pad):
    return _crop(_mean(dy, x_shape, size, stride, padding, True), x_shape, padding) * size * size


def mean_overlaps_overwritten(dy, x_shape, size, stride, padding, count_include_pad):
    return _crop(_mean(dy, x_shape, size, stride, padding, count_include_pad, adds=False), x_shape, padding)


def mean_always_counts(dy, x_shape, size, stride, padding, count_include_pad):
    return _crop(_mean(dy, x_shape, size, stride, padding, True), x_shape, padding)


def mean_never_counts(dy, x_shape, size, stride, padding, count_include_pad):
    return _crop(_mean(dy, x_shape, size, stride, padding, False), x_shape, padding)


def mean_not_cropped(dy, x_shape, size, stride, padding, count_include_pad):
    return _mean(dy, x_shape, size, stride, padding, count_include_pad)


def mean_over_images(dy, x_shape, size, stride, padding, count_include_pad):
    return _crop(_mean(dy, x_shape, size, stride, padding, count_include_pad), x_shape, padding) / x_shape[0]


WRONG = {
    "max_pool2d_backward": [(max_ties_counted_twice, "more goes out than came in"), (max_ties_shared, "first takes all"),
                            (max_last_of_ties, "last one is told"), (max_overlaps_overwritten, "adds up"), (max_zeros_win, "padding may never win"),
                            (max_mean, "number of images"), (max_tells_all, "only the winner")],
    "avg_pool2d_backward": [(mean_as_sum, "as if the forward pass added"), (mean_overlaps_overwritten, "adds up"),
                            (mean_always_counts, "real pixels count"), (mean_never_counts, "size² everywhere"),
                            (mean_not_cropped, "padding is still around"), (mean_over_images, "number of images")],
}
