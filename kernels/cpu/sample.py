"""Sampling at any points, compiled. What is computed is said in `reference.sample`; the docstrings are its own.

Reading, the threads share out the points. Adding back, several points may meet at one pixel: a task owns an image and some
of its channels, and walks all points in order, so sums come out the same on any number of threads.
"""
import numpy as np

from ..reference import sample as spec
from ..reference.sample import __all__
from .array import empty
from .jit import part
from .launch import launch
from .loops import BLOCK

CHANNELS = 32  # a task adds back, where a batch has too few images for the threads


@part
def _sample(t, sizes, x, index, weight, y):
    """Some points. sizes: P, C, Q, T, points a task, points in all (N·Q)."""
    P, C, Q, T, a_task = sizes[0], sizes[1], sizes[2], sizes[3], sizes[4]
    for q in range(t * a_task, min((t + 1) * a_task, sizes[5])):
        image, out = q // Q * P, y[q * C:(q + 1) * C]
        out[:] = 0
        for k in range(q * T, (q + 1) * T):
            if index[k] >= 0:
                pixel, u = x[(image + index[k]) * C:(image + index[k] + 1) * C], weight[k]
                for c in range(C):
                    out[c] += u * pixel[c]


@part
def _add_back(t, sizes, dy, index, weight, dx):
    """One image and some channels of it. sizes: P, C, Q, T, channels a task, tasks an image."""
    P, C, Q, T, a_task, across = sizes[0], sizes[1], sizes[2], sizes[3], sizes[4], sizes[5]
    n, begin = t // across, t % across * a_task
    count = min(a_task, C - begin)
    for p in range(n * P, (n + 1) * P):
        dx[p * C + begin:p * C + begin + count] = 0
    for q in range(n * Q, (n + 1) * Q):
        g = dy[q * C + begin:q * C + begin + count]
        for k in range(q * T, (q + 1) * T):
            if index[k] >= 0:
                at, u = (n * P + index[k]) * C + begin, weight[k]
                pixel = dx[at:at + count]
                for c in range(count):
                    pixel[c] += u * g[c]


@part
def _weigh(t, sizes, dy, x, index, dw):
    """Some points. sizes as in `_sample`."""
    P, C, Q, T, a_task = sizes[0], sizes[1], sizes[2], sizes[3], sizes[4]
    for q in range(t * a_task, min((t + 1) * a_task, sizes[5])):
        image, g = q // Q * P, dy[q * C:(q + 1) * C]
        for k in range(q * T, (q + 1) * T):
            total = dy.dtype.type(0)
            if index[k] >= 0:
                pixel = x[(image + index[k]) * C:(image + index[k] + 1) * C]
                for c in range(C):
                    total += g[c] * pixel[c]
            dw[k] = total


def _points(pixels, channels, index):
    """The numbers for a body that works on points, how many tasks there are, and the work in nanoseconds, roughly."""
    N, Q, T = index.shape
    a_task = max(1, BLOCK // max(T * channels, 1))
    return np.array([pixels, channels, Q, T, a_task, N * Q]), -(-N * Q // a_task), N * Q * T * (2 + channels // 8)


def sample_points(x, index, weight):
    y = empty((*index.shape[:2], x.shape[2]), x.dtype)
    sizes, tasks, work = _points(*x.shape[1:], index)
    launch(_sample, tasks, sizes, x, index, weight, y, work=work)
    return y


def sample_points_backward_input(dy, index, weight, pixels):
    N, Q, C = dy.shape
    dx = empty((N, pixels, C), dy.dtype)
    a_task = C if N >= 8 else min(C, CHANNELS)
    across = -(-C // max(a_task, 1))
    sizes = np.array([pixels, C, Q, index.shape[2], a_task, across])
    launch(_add_back, N * across, sizes, dy, index, weight, dx, work=index.size * (2 + C // 8))
    return dx


def sample_points_backward_weight(dy, x, index):
    dw = empty(index.shape, dy.dtype)
    sizes, tasks, work = _points(*x.shape[1:], index)
    launch(_weigh, tasks, sizes, dy, x, index, dw, work=work)
    return dw


for _name in __all__:
    globals()[_name].__doc__ = getattr(spec, _name).__doc__
