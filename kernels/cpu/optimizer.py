"""One step of an optimizer in a single pass over memory: each parameter and its state are read and written once.

All parameters are moved in one launch (see `lists`), whose bodies see a piece of one parameter at a time. The formulas
are in `reference.optimizer`; here numbers that do not change over the arrays are worked out first, in float64, and handed
over in an array of the parameters' dtype. `sign` is 1, or −1 to go uphill.
"""
import functools
import math

import numpy as np

from ..reference import optimizer as spec
from ..reference.optimizer import __all__
from .array import empty
from .elementwise import mul
from .jit import part, specialize
from .launch import launch
from .lists import launch_lists
from .loops import BLOCK, blocks
from .mathfun import maximum_, minimum_
from .matmul import matmul


# ---- stochastic gradient descent -----------------------------------------------------------------------------------

@part
def _plain_sgd_body(piece, numbers, p, g):
    lr, weight_decay, sign = numbers[0], numbers[1], numbers[2]
    for i in range(p.size):
        p[i] -= lr * (sign * g[i] + weight_decay * p[i])


@part
def _sgd_body(piece, numbers, p, g, b):
    lr, weight_decay, keep, take, of_g, of_b = numbers[0], numbers[1], numbers[2], numbers[3], numbers[4], numbers[5]
    sign = numbers[6]
    for i in range(p.size):
        slope = sign * g[i] + weight_decay * p[i]
        velocity = keep * b[i] + take * slope
        b[i] = velocity
        p[i] -= lr * (of_g * slope + of_b * velocity)


def _numbers(ps, *values):
    """What all pieces are given besides: numbers, in the dtype of the parameters."""
    return (np.array(values, ps[0].dtype if len(ps) else np.float32),)


def sgd_step(ps, gs, momentum_buffers, lr, momentum, dampening, weight_decay, nesterov, first, maximize=False):
    sign = -1 if maximize else 1
    if momentum_buffers is None:
        launch_lists(_plain_sgd_body, _numbers(ps, lr[0], weight_decay, sign), tuple(ps), tuple(gs))
        return
    if first:
        for b in momentum_buffers:
            b[...] = 0  # 0 · b would keep a NaN that was there
    keep, take = (0, 1) if first else (momentum, 1 - dampening)
    of_g, of_b = (1, momentum) if nesterov else (0, 1)
    launch_lists(_sgd_body, _numbers(ps, lr[0], weight_decay, keep, take, of_g, of_b, sign), tuple(ps), tuple(gs),
                 tuple(momentum_buffers))


# ---- Adam ----------------------------------------------------------------------------------------------------------

@part
def _adam_body(piece, numbers, p, g, m, v):
    shrink, decay, rate = numbers[0], numbers[1], numbers[2]
    take1, keep2, take2, scale2, eps, sign = numbers[3], numbers[4], numbers[5], numbers[6], numbers[7], numbers[8]
    for i in range(p.size):
        slope = sign * g[i] + decay * p[i]
        first = m[i] + take1 * (slope - m[i])
        second = keep2 * v[i] + take2 * slope * slope
        m[i] = first
        v[i] = second
        p[i] = shrink * p[i] - rate * first / (np.sqrt(second) * scale2 + eps)


@part
def _amsgrad_body(piece, numbers, p, g, m, v, v_max):
    shrink, decay, rate = numbers[0], numbers[1], numbers[2]
    take1, keep2, take2, scale2, eps, sign = numbers[3], numbers[4], numbers[5], numbers[6], numbers[7], numbers[8]
    for i in range(p.size):
        slope = sign * g[i] + decay * p[i]
        first = m[i] + take1 * (slope - m[i])
        second = keep2 * v[i] + take2 * slope * slope
        m[i] = first
        v[i] = second
        largest = maximum_(v_max[i], second)
        v_max[i] = largest
        p[i] = shrink * p[i] - rate * first / (np.sqrt(largest) * scale2 + eps)


def adam_step(ps, gs, ms, vs, lr, step, beta1, beta2, eps, weight_decay, decoupled, maximize=False, v_maxes=None):
    t, rate = float(step[0]), float(lr[0])
    numbers = _numbers(
        ps,
        1 - rate * weight_decay if decoupled else 1,
        0 if decoupled else weight_decay,
        rate / (1 - beta1 ** t),
        1 - beta1, beta2, 1 - beta2,
        (1 - beta2 ** t) ** -0.5,
        eps,
        -1 if maximize else 1)
    if v_maxes is None:
        launch_lists(_adam_body, numbers, tuple(ps), tuple(gs), tuple(ms), tuple(vs))
    else:
        launch_lists(_amsgrad_body, numbers, tuple(ps), tuple(gs), tuple(ms), tuple(vs), tuple(v_maxes))


# ---- RMSprop and Lion ----------------------------------------------------------------------------------------------

def _rmsprop(piece, numbers, p, g, v, a, b):
    """One loop for all kinds: a is read only if CENTERED, b only with MOMENTUM, and v stands in their place otherwise."""
    lr, weight_decay, keep, take, eps = numbers[0], numbers[1], numbers[2], numbers[3], numbers[4]
    momentum, sign, zero = numbers[5], numbers[6], numbers[7]
    for i in range(p.size):
        slope = sign * g[i] + weight_decay * p[i]
        second = keep * v[i] + take * slope * slope
        v[i] = second
        if CENTERED:
            first = a[i] + take * (slope - a[i])
            a[i] = first
            second = maximum_(second - first * first, zero)
        d = slope / (np.sqrt(second) + eps)
        if MOMENTUM:
            d = momentum * b[i] + d
            b[i] = d
        p[i] -= lr * d


@functools.cache
def _rmsprop_body(centered, momentum):
    name = "rmsprop" + "_centered" * centered + "_momentum" * momentum
    return specialize(_rmsprop, name, part, CENTERED=centered, MOMENTUM=momentum)


def rmsprop_step(ps, gs, square_avgs, grad_avgs, momentum_buffers, lr, alpha, eps, weight_decay, momentum, maximize=False):
    numbers = _numbers(ps, lr[0], weight_decay, alpha, 1 - alpha, eps, momentum, -1 if maximize else 1, 0)
    squares, centered, heavy = tuple(square_avgs), grad_avgs is not None, momentum_buffers is not None
    launch_lists(_rmsprop_body(centered, heavy), numbers, tuple(ps), tuple(gs), squares, tuple(grad_avgs) if centered else squares,
                 tuple(momentum_buffers) if heavy else squares)


@part
def _lion_body(piece, numbers, p, g, m):
    shrink, lr, take1, take2, sign, one = numbers[0], numbers[1], numbers[2], numbers[3], numbers[4], numbers[5]
    for i in range(p.size):
        change = sign * g[i] - m[i]
        c = m[i] + take1 * change
        direction = one if c > 0 else -one if c < 0 else c  # 0, or a NaN, which must stay
        m[i] += take2 * change
        p[i] = shrink * p[i] - lr * direction


def lion_step(ps, gs, ms, lr, beta1, beta2, weight_decay, maximize=False):
    numbers = _numbers(ps, 1 - float(lr[0]) * weight_decay, lr[0], 1 - beta1, 1 - beta2, -1 if maximize else 1, 1)
    launch_lists(_lion_body, numbers, tuple(ps), tuple(gs), tuple(ms))


# ---- Muon ----------------------------------------------------------------------------------------------------------

@part
def _blend_body(t, numbers, x, y):
    """y = numbers[0] · x + numbers[1] · y"""
    of_x, of_y = numbers[0], numbers[1]
    begin, end = t * BLOCK, min((t + 1) * BLOCK, y.size)
    x, y = x[begin:end], y[begin:end]
    for i in range(y.size):
        y[i] = of_x * x[i] + of_y * y[i]


def _blend(of_x, x, of_y, y):
    launch(_blend_body, blocks(y.size), np.array([of_x, of_y], y.dtype), x, y)


def newton_schulz(x, coefficients, steps, eps):
    a, b, c = coefficients
    tall = x.shape[0] > x.shape[1]
    x = mul(x, 1 / max(float(power_norm(x, 2)[0]), eps))
    for _ in range(steps):
        A = matmul(x, x, tall, not tall)
        B = matmul(A, A)
        _blend(b, A, c, B)
        y = matmul(x, B) if tall else matmul(B, x)
        _blend(a, x, 1, y)
        x = y
    return x


@part
def _momentum_body(t, numbers, g, b, u):
    take, of_g, of_b = numbers[0], numbers[1], numbers[2]
    begin, end = t * BLOCK, min((t + 1) * BLOCK, g.size)
    g, b, u = g[begin:end], b[begin:end], u[begin:end]
    for i in range(g.size):
        velocity = b[i] + take * (g[i] - b[i])
        b[i] = velocity
        u[i] = of_g * g[i] + of_b * velocity


def muon_step(p, g, momentum_buffer, lr, weight_decay, momentum, nesterov, ns_coefficients, eps, ns_steps, scale):
    u, rate = empty(p.shape, p.dtype), float(lr[0])
    of_g, of_b = (1 - momentum, momentum) if nesterov else (0, 1)
    launch(_momentum_body, blocks(p.size), np.array([1 - momentum, of_g, of_b], p.dtype), g, momentum_buffer, u)
    _blend(-rate * scale, newton_schulz(u, ns_coefficients, ns_steps, eps), 1 - rate * weight_decay, p)


# ---- averages and norms --------------------------------------------------------------------------------------------

@part
def _lerp_body(piece, weight, average, p):
    w = weight[0]
    for i in range(p.size):
        average[i] += w * (p[i] - average[i])


def lerp_step(averages, ps, weight):
    launch_lists(_lerp_body, _numbers(ps, weight), tuple(averages), tuple(ps))


def _sum_body(t, order, x, sums):
    """sums[t] = Σ f(x, order) over block t, in float64."""
    power, total = order[0], np.float64(0)
    x = x[t * BLOCK:min((t + 1) * BLOCK, x.size)]
    for i in range(x.size):
        total += f(np.float64(x[i]), power)
    sums[t] = total


def _extreme_body(t, order, x, ends):
    """ends[t] = the largest (or smallest) |x| of block t."""
    x = x[t * BLOCK:min((t + 1) * BLOCK, x.size)]
    best = abs(x[0])
    for i in range(1, x.size):
        best = f(best, abs(x[i]))
    ends[t] = best


@part
def _square(x, power):
    return x * x


@part
def _size(x, power):
    return abs(x)


@part
def _power(x, power):
    return abs(x) ** power


@part
def _present(x, power):
    return np.float64(1) if x != 0 else np.float64(0)


@functools.cache
def _norm_body(order):
    """The body for p = 2, 1, 0, ±∞ (the name of its loop), or another p."""
    if order in ("largest", "smallest"):
        return specialize(_extreme_body, order, part, f=maximum_ if order == "largest" else minimum_)
    f = {2: _square, 1: _size, 0: _present}.get(order, _power)
    return specialize(_sum_body, "sum" + f.__name__, part, f=f)


def power_norm(x, order):
    if x.size == 0:
        return np.zeros(1)
    kind = order if order in (0, 1, 2) else ("largest" if order > 0 else "smallest") if math.isinf(order) else "p"
    found = np.empty(blocks(x.size))
    launch(_norm_body(kind), blocks(x.size), np.array([order], np.float64), x, found)
    if math.isinf(order):
        return np.array([found.max() if order > 0 else found.min()])
    total = np.add.reduce(found)
    with np.errstate(all="ignore"):
        return np.array([total if order in (0, 1) else total ** (1 / np.float64(order))])


for _function in (sgd_step, adam_step, rmsprop_step, lion_step, muon_step, newton_schulz, lerp_step, power_norm):
    _function.__doc__ = getattr(spec, _function.__name__).__doc__
