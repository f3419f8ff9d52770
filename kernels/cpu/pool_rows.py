"""Pooling images of few channels: first down the rows of a window, over all columns and channels at once, then across.

A pixel of 3 channels fills a fifth of a vector, and a loop over them costs more than what it does. But a row of an image is one
run of W·C numbers, so the rows of a window are combined by loops of that length, and once for all windows that stand beside
each other; only what is left, as wide as a window and one row high, is done number by number. The backward pass of the mean goes
the other way: dy is spread over one row first, which is then added to every row that the windows cover.

Measured for a batch of 64, 3 channels, 13 × 11, windows of 3 × 3 with stride 2, on two cores against the loops over channels in `pool`: maximum
47 µs instead of 138; from about 8 channels on the other loops are as fast.
"""
import numpy as np

from .jit import part
from .launch import launch, numbers

FEW = 8             # channels below which this is faster
NUMBERS = 8192      # that a task reads, about


@part
def _max(t, sizes, x, y, indices):
    """Some rows of the output, counted over all images. sizes: H W C, Ho Wo, kernel, stride, padding, dilation, rows a task.

    Columns are not met in the order of the indices, so ties go by them: to the smaller, and among NaNs to the larger.
    """
    H, W, C, Ho, Wo, R, step = sizes[0], sizes[1], sizes[2], sizes[3], sizes[4], sizes[5], sizes[12]
    L = W * C
    tall, where = np.empty(L, x.dtype), np.empty(L, np.int32)       # the largest of each column, and where its row begins
    for q in range(t * sizes[13], min((t + 1) * sizes[13], len(y) // (Wo * C))):
        image, first = q // Ho * H * L, True
        for r in range(R):
            h = q % Ho * sizes[7] - sizes[9] + r * sizes[11]
            if h < 0 or h >= H:
                continue
            line, start = x[image + h * L:image + (h + 1) * L], np.int32(h * W)
            for i in range(L):
                better = first | (line[i] > tall[i]) | (line[i] != line[i])
                tall[i], where[i] = line[i] if better else tall[i], start if better else where[i]
            first = False
        for j in range(Wo):
            begin, out = j * sizes[8] - sizes[10], (q * Wo + j) * C
            end = min(W, begin + sizes[6] * step)
            while begin < 0:
                begin += step
            for c in range(C):
                best, index = tall[begin * C + c], where[begin * C + c] + np.int32(begin)
                for w in range(begin + step, end, step):
                    v, i = tall[w * C + c], where[w * C + c] + np.int32(w)
                    better = (v > best) | ((v == best) & (i < index)) | ((v != v) & ((best == best) | (i > index)))
                    best, index = v if better else best, i if better else index
                y[out + c], indices[out + c] = best, index


@part
def _average(t, sizes, rows, columns, divisors, x, y):
    """Some rows of the output, counted over all images. sizes: H W C, Ho Wo, rows a task."""
    H, W, C, Ho, Wo = sizes[0], sizes[1], sizes[2], sizes[3], sizes[4]
    L = W * C
    tall, zero = np.empty(L, x.dtype), x.dtype.type(0)              # the sum of each column
    for q in range(t * sizes[5], min((t + 1) * sizes[5], len(y) // (Wo * C))):
        image, i = q // Ho * H * L, q % Ho
        tall[:] = zero
        for h in range(rows[2 * i], rows[2 * i + 1]):
            line = x[image + h * L:image + (h + 1) * L]
            for k in range(L):
                tall[k] += line[k]
        for j in range(Wo):
            begin, end, out = columns[2 * j] * C, columns[2 * j + 1] * C, (q * Wo + j) * C
            for c in range(C):
                total = zero
                for k in range(begin + c, end, C):
                    total += tall[k]
                y[out + c] = total / divisors[i * Wo + j]


@part
def _average_backward(t, sizes, rows, columns, divisors, dy, dx):
    """Some images. sizes: H W C, Ho Wo, images a task."""
    H, W, C, Ho, Wo = sizes[0], sizes[1], sizes[2], sizes[3], sizes[4]
    L = W * C
    wide, zero = np.empty(L, dy.dtype), dy.dtype.type(0)            # what a row of windows gives each row under it
    for n in range(t * sizes[5], min((t + 1) * sizes[5], len(dx) // (H * L))):
        image = dx[n * H * L:(n + 1) * H * L]
        image[:] = zero
        for i in range(Ho):
            wide[:] = zero
            for j in range(Wo):
                begin, end, at = columns[2 * j] * C, columns[2 * j + 1] * C, ((n * Ho + i) * Wo + j) * C
                for c in range(C):
                    share = dy[at + c] / divisors[i * Wo + j]
                    for k in range(begin + c, end, C):
                        wide[k] += share
            for h in range(rows[2 * i], rows[2 * i + 1]):
                line = image[h * L:(h + 1) * L]
                for k in range(L):
                    line[k] += wide[k]


def max_rows(x, y, indices, *window):
    """`max_pool2d_forward` into y and indices; window: kernel_size, stride, padding, dilation as eight numbers."""
    _, H, W, C = x.shape
    many = max(1, NUMBERS // max(1, window[0] * W * C))
    launch(_max, -(-y.shape[0] * y.shape[1] // many), numbers(H, W, C, *y.shape[1:3], *window, many), x, y, indices, work=3 * x.size)


def average_rows(x, y, rows, columns, divisors):
    """Means of x over rows × columns into y; the bounds as `average_windows` makes them, divisors in x's dtype."""
    _, H, W, C = x.shape
    many = max(1, NUMBERS * y.shape[1] // max(1, H * W * C))
    launch(_average, -(-y.shape[0] * y.shape[1] // many), numbers(H, W, C, *y.shape[1:3], many), rows, columns, divisors, x, y,
           work=2 * x.size)


def average_rows_backward(dy, dx, rows, columns, divisors):
    """The gradient of `average_rows` into dx."""
    N, H, W, C = dx.shape
    many = max(1, NUMBERS // max(1, H * W * C))
    launch(_average_backward, -(-N // many), numbers(H, W, C, *dy.shape[1:3], many), rows, columns, divisors, dy, dx, work=2 * dx.size)
