"""One step of an optimizer in a single pass over memory: each parameter and its state are read and written once.

The formulas are in `reference.optimizer`; here numbers that do not change over the array are worked out first, in
float64, and handed over in an array of the parameters' dtype.
"""
import numpy as np

from ..reference import optimizer as spec
from ..reference.optimizer import __all__
from .jit import part
from .launch import launch
from .loops import BLOCK, blocks


@part
def _plain_sgd_body(t, numbers, p, g):
    lr, weight_decay = numbers[0], numbers[1]
    begin, end = t * BLOCK, min((t + 1) * BLOCK, p.size)
    p, g = p[begin:end], g[begin:end]
    for i in range(p.size):
        p[i] -= lr * (g[i] + weight_decay * p[i])


@part
def _sgd_body(t, numbers, p, g, b):
    lr, weight_decay, keep, take, of_g, of_b = numbers[0], numbers[1], numbers[2], numbers[3], numbers[4], numbers[5]
    begin, end = t * BLOCK, min((t + 1) * BLOCK, p.size)
    p, g, b = p[begin:end], g[begin:end], b[begin:end]
    for i in range(p.size):
        slope = g[i] + weight_decay * p[i]
        velocity = keep * b[i] + take * slope
        b[i] = velocity
        p[i] -= lr * (of_g * slope + of_b * velocity)


def sgd_step(p, g, momentum_buffer, lr, momentum, dampening, weight_decay, nesterov, first):
    if momentum_buffer is None:
        launch(_plain_sgd_body, blocks(p.size), np.array([lr[0], weight_decay], p.dtype), p, g)
        return
    if first:
        momentum_buffer[...] = 0  # 0 · b would keep a NaN that was there
    keep, take = (0, 1) if first else (momentum, 1 - dampening)
    of_g, of_b = (1, momentum) if nesterov else (0, 1)
    numbers = np.array([lr[0], weight_decay, keep, take, of_g, of_b], p.dtype)
    launch(_sgd_body, blocks(p.size), numbers, p, g, momentum_buffer)


@part
def _adam_body(t, numbers, p, g, m, v):
    shrink, decay, rate = numbers[0], numbers[1], numbers[2]
    take1, keep2, take2, scale2, eps = numbers[3], numbers[4], numbers[5], numbers[6], numbers[7]
    begin, end = t * BLOCK, min((t + 1) * BLOCK, p.size)
    p, g, m, v = p[begin:end], g[begin:end], m[begin:end], v[begin:end]
    for i in range(p.size):
        slope = g[i] + decay * p[i]
        first = m[i] + take1 * (slope - m[i])
        second = keep2 * v[i] + take2 * slope * slope
        m[i] = first
        v[i] = second
        p[i] = shrink * p[i] - rate * first / (np.sqrt(second) * scale2 + eps)


def adam_step(p, g, m, v, lr, step, beta1, beta2, eps, weight_decay, decoupled):
    t, rate = float(step[0]), float(lr[0])
    numbers = np.array([
        1 - rate * weight_decay if decoupled else 1,
        0 if decoupled else weight_decay,
        rate / (1 - beta1 ** t),
        1 - beta1, beta2, 1 - beta2,
        (1 - beta2 ** t) ** -0.5,
        eps,
    ], p.dtype)
    launch(_adam_body, blocks(p.size), numbers, p, g, m, v)


@part
def _lerp_body(t, weight, average, p):
    w = weight[0]
    begin, end = t * BLOCK, min((t + 1) * BLOCK, p.size)
    average, p = average[begin:end], p[begin:end]
    for i in range(p.size):
        average[i] += w * (p[i] - average[i])


def lerp_step(average, p, weight):
    launch(_lerp_body, blocks(p.size), np.array([weight], p.dtype), average, p)


for _function in (sgd_step, adam_step, lerp_step):
    _function.__doc__ = getattr(spec, _function.__name__).__doc__
