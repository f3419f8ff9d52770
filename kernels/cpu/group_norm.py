"""Group normalisation: mean and variance of each group of channels of an image, over all its pixels.

    y = (x − mean) · rstd · weight + bias,    rstd = 1 / √(var + eps)

A task is some whole images: an image stays in cache from the first pass over it to the last. As in `norm`, an image is one long
row of numbers, cut into tiles of whole pixels, against parameters laid out to the tile's length: so that the inner loop is long
and the same for 3 channels and for 300, for one group and for many.

Wu, He: Group normalization (arXiv 1803.08494).
"""
import numpy as np
from numba import prange

from .array import empty
from .jit import kernel, part
from .launch import launch, numbers, scalars
from .norm import BLOCK, LANES, _repeat

__all__ = ["group_norm_forward", "group_norm_forward_plain", "group_norm_backward", "group_norm_backward_plain"]

FEW = 8192  # numbers of the images of one task, about


@part
def _groups_of(C, groups, tile):
    """The group of each number of a tile."""
    of = np.empty(tile, np.int64)
    for r in range(0, tile, C):
        for c in range(C):
            of[r + c] = c // (C // groups)
    return of


@part
def _add_groups(lanes, of, groups, total):
    """total[g] += the numbers of a tile that are of group g; total is float64."""
    if groups == 1:
        whole = 0.0
        for j in range(len(lanes)):
            whole += lanes[j]
        total[0] += whole
    else:
        for j in range(len(lanes)):
            total[of[j]] += lanes[j]


@part
def _lay_out(each, of, lanes):
    """lanes[j] = each[of[j]]: what each group has, laid out to the length of a tile."""
    if len(each) == 1:
        for j in range(len(lanes)):
            lanes[j] = each[0]
    else:
        for j in range(len(lanes)):
            lanes[j] = each[of[j]]


@part
def _group_norm(t, sizes, x, weight, bias, eps, y, mean, rstd):
    """Some images of y, mean and rstd. sizes: C, groups, numbers of an image, tile, block, images a task.

    The mean is found first, and then the squares about it, with what the mean had missed: no digits are lost.
    """
    C, groups, size, tile, block = sizes[0], sizes[1], sizes[2], sizes[3], sizes[4]
    of, zero = _groups_of(C, groups, tile), x.dtype.type(0)
    weights, shifts = _repeat(weight, tile), _repeat(bias, tile)
    sums, squares, middle, scale = (np.empty(tile, x.dtype), np.empty(tile, x.dtype),
                                    np.empty(tile, x.dtype), np.empty(tile, x.dtype))
    first, second, count = np.empty(groups), np.empty(groups), np.float64(size // groups)
    for n in range(t * sizes[5], min((t + 1) * sizes[5], len(mean) // groups)):
        image, result, ours = x[n * size:(n + 1) * size], y[n * size:(n + 1) * size], mean[n * groups:(n + 1) * groups]
        first[:] = 0
        for start in range(0, size, block):
            sums[:] = zero
            for at in range(start, min(start + block, size), tile):
                part = image[at:min(at + tile, size)]
                for j in range(len(part)):
                    sums[j] += part[j]
            _add_groups(sums, of, groups, first)
        for g in range(groups):
            ours[g] = first[g] / count
        _lay_out(ours, of, middle)
        first[:] = 0
        second[:] = 0
        for start in range(0, size, block):
            sums[:] = zero
            squares[:] = zero
            for at in range(start, min(start + block, size), tile):
                part = image[at:min(at + tile, size)]
                for j in range(len(part)):
                    d = part[j] - middle[j]
                    sums[j] += d
                    squares[j] += d * d
            _add_groups(sums, of, groups, first)
            _add_groups(squares, of, groups, second)
        for g in range(groups):
            step = first[g] / count
            ours[g] += x.dtype.type(step)
            rstd[n * groups + g] = 1 / np.sqrt(max(second[g] / count - step * step, 0.0) + eps[0])
        _lay_out(ours, of, middle)
        _lay_out(rstd[n * groups:(n + 1) * groups], of, scale)
        for j in range(tile):
            scale[j] *= weights[j]
        for at in range(0, size, tile):
            part, out = image[at:min(at + tile, size)], result[at:min(at + tile, size)]
            for j in range(len(part)):
                out[j] = (part[j] - middle[j]) * scale[j] + shifts[j]


@part
def _group_norm_backward(t, sizes, dy, x, mean, rstd, weight, dx, partial):
    """Some images of dx; partial (tasks, 2, C): Σ dy·x̂ and Σ dy over them. sizes as in `_group_norm`."""
    C, groups, size, tile, block = sizes[0], sizes[1], sizes[2], sizes[3], sizes[4]
    of, zero, weights = _groups_of(C, groups, tile), x.dtype.type(0), _repeat(weight, tile)
    sums, products, middle, scale = (np.empty(tile, x.dtype), np.empty(tile, x.dtype),
                                     np.empty(tile, x.dtype), np.empty(tile, x.dtype))
    slope, offset, dweight, dbias = np.empty(tile, x.dtype), np.empty(tile, x.dtype), np.zeros(tile), np.zeros(tile)
    total, product, count = np.empty(groups), np.empty(groups), np.float64(size // groups)
    for n in range(t * sizes[5], min((t + 1) * sizes[5], len(mean) // groups)):
        gradient, image, out = dy[n * size:(n + 1) * size], x[n * size:(n + 1) * size], dx[n * size:(n + 1) * size]
        _lay_out(mean[n * groups:(n + 1) * groups], of, middle)
        _lay_out(rstd[n * groups:(n + 1) * groups], of, scale)
        total[:] = 0
        product[:] = 0
        for start in range(0, size, block):
            sums[:] = zero
            products[:] = zero
            for at in range(start, min(start + block, size), tile):
                end = min(at + tile, size)
                given, part = gradient[at:end], image[at:end]
                for j in range(len(part)):
                    sums[j] += given[j]
                    products[j] += given[j] * (part[j] - middle[j])
            for j in range(tile):
                products[j] *= scale[j]
                dbias[j] += sums[j]
                dweight[j] += products[j]
                sums[j] *= weights[j]
                products[j] *= weights[j]
            _add_groups(sums, of, groups, total)
            _add_groups(products, of, groups, product)
        for g in range(groups):
            r = np.float64(rstd[n * groups + g])
            total[g], product[g] = -total[g] * r / count, -product[g] * r * r / count
        _lay_out(product, of, slope)
        _lay_out(total, of, offset)
        for j in range(tile):
            scale[j] *= weights[j]
        for at in range(0, size, tile):
            end = min(at + tile, size)
            given, part, result = gradient[at:end], image[at:end], out[at:end]
            for j in range(len(part)):
                result[j] = given[j] * scale[j] + ((part[j] - middle[j]) * slope[j] + offset[j])
    for c in range(C):
        all_dweight, all_dbias = 0.0, 0.0
        for j in range(c, tile, C):
            all_dweight += dweight[j]
            all_dbias += dbias[j]
        partial[2 * t * C + c], partial[(2 * t + 1) * C + c] = all_dweight, all_dbias


@kernel
def _group_norm_plain(x, weight, bias, groups, eps, y, mean, rstd):
    N, P, C = x.shape
    each = C // groups
    for n in prange(N):
        for g in range(groups):
            total, squares = 0.0, 0.0
            for p in range(P):
                for c in range(g * each, (g + 1) * each):
                    total += x[n, p, c]
            middle = total / (P * each)
            for p in range(P):
                for c in range(g * each, (g + 1) * each):
                    squares += (x[n, p, c] - middle) ** 2
            r = 1 / np.sqrt(squares / (P * each) + eps)
            for p in range(P):
                for c in range(g * each, (g + 1) * each):
                    y[n, p, c] = (x[n, p, c] - middle) * r * weight[c] + bias[c]
            mean[n, g], rstd[n, g] = middle, r


@kernel
def _group_norm_backward_plain(dy, x, mean, rstd, weight, dx, dweight, dbias):
    N, P, C = x.shape
    groups = mean.shape[1]
    each = C // groups
    for c in prange(C):
        g = np.int64(c) // each
        along, total = 0.0, 0.0
        for n in range(N):
            for p in range(P):
                along += dy[n, p, c] * (np.float64(x[n, p, c]) - mean[n, g]) * rstd[n, g]
                total += dy[n, p, c]
        dweight[c], dbias[c] = along, total
    for n in prange(N):
        for g in range(groups):
            total, product, r = 0.0, 0.0, np.float64(rstd[n, g])
            for p in range(P):
                for c in range(g * each, (g + 1) * each):
                    v = np.float64(dy[n, p, c]) * weight[c]
                    total += v
                    product += v * (x[n, p, c] - mean[n, g]) * r
            for p in range(P):
                for c in range(g * each, (g + 1) * each):
                    normalised = (np.float64(x[n, p, c]) - mean[n, g]) * r
                    dx[n, p, c] = (dy[n, p, c] * weight[c] - total / (P * each) - normalised * product / (P * each)) * r


def _by_image(x, groups):
    """(number of tasks, sizes for the bodies, rough nanoseconds of work) of group norm of x (N, P, C)."""
    N, P, C = x.shape
    tile = C * max(1, min(P, LANES // C))
    images = max(1, FEW // (P * C))
    return -(-N // images), numbers(C, groups, P * C, tile, tile * max(1, BLOCK // tile), images), N * (P * C // 6 + 300)


def _group_norm_given(x, weight, bias, groups):
    """Weight and bias, made up where there are none, and room for y, mean and rstd."""
    N, C = x.shape[0], x.shape[2]
    return (np.ones(C, x.dtype) if weight is None else weight, np.zeros(C, x.dtype) if bias is None else bias,
            empty(x.shape, x.dtype), empty((N, groups), x.dtype), empty((N, groups), x.dtype))


def group_norm_forward(x, weight, bias, groups, eps):
    """Normalise each of `groups` groups of channels of each image, over all its pixels.

    x (N, P, C): P pixels; weight and bias (C,) or None. Returns y (N, P, C), mean (N, groups), rstd (N, groups).
    """
    weight, bias, y, mean, rstd = _group_norm_given(x, weight, bias, groups)
    tasks, sizes, work = _by_image(x, groups)
    launch(_group_norm, tasks, sizes, x, weight, bias, scalars(np.float64, eps), y, mean, rstd, work=work)
    return y, mean, rstd


def group_norm_forward_plain(x, weight, bias, groups, eps):
    """`group_norm_forward` as the formula reads: one group after another, each in three passes, in float64."""
    weight, bias, y, mean, rstd = _group_norm_given(x, weight, bias, groups)
    _group_norm_plain(x, weight, bias, groups, float(eps), y, mean, rstd)
    return y, mean, rstd


def group_norm_backward(dy, x, mean, rstd, weight):
    """Gradients of `group_norm_forward`. With x̂ = (x − mean) · rstd and g = dy · weight:

        dx = rstd · (g − ⟨g⟩ − x̂·⟨g·x̂⟩)  (⟨⟩: mean of a group),   dweight = Σ_{n,p} dy·x̂,   dbias = Σ_{n,p} dy

    dy, x (N, P, C); mean, rstd (N, groups); weight (C,) or None. Returns dx (N, P, C), dweight (C,), dbias (C,).
    """
    C = x.shape[2]
    tasks, sizes, work = _by_image(x, mean.shape[1])
    dx, partial = empty(x.shape, x.dtype), np.empty((tasks, 2, C), x.dtype)
    launch(_group_norm_backward, tasks, sizes, dy, x, mean, rstd, np.ones(C, x.dtype) if weight is None else weight, dx, partial,
           work=work)
    dweight, dbias = partial.sum(axis=0, dtype=np.float64).astype(x.dtype)
    return dx, dweight, dbias


def group_norm_backward_plain(dy, x, mean, rstd, weight):
    """`group_norm_backward` as the formula reads: first the sums over images and pixels, then dx, a group at a time."""
    C = x.shape[2]
    dx, dweight, dbias = empty(x.shape, x.dtype), np.empty(C, x.dtype), np.empty(C, x.dtype)
    _group_norm_backward_plain(dy, x, mean, rstd, np.ones(C, x.dtype) if weight is None else weight, dx, dweight, dbias)
    return dx, dweight, dbias
