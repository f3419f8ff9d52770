"""One step of an optimizer in a single pass over memory: each parameter and its state are read and written once, in one launch.

Two kernels make a step. The first has one thread: it works out, in float64, the numbers that are the same for all places, from options
that come with the launch and from `lr` and `step`, which may be arrays of the device, so that a captured graph finds their new values
when it is replayed. The second moves all parameters (see `lists`), by `optimizer_formulas`. `sign` is 1, or −1 to go uphill.
"""
import math

import numpy as np

from ..reference import optimizer as spec
from ..reference.optimizer import __all__  # noqa: F401
from . import array
from .lists import PER_BLOCK, find, move
from .matmul import matmul
from .optimizer_formulas import formulas
from .power_norm import power_norm
from .runtime import array_at, cuda, device, jit, launch, specialised

COUNT = 9
"""Numbers that a formula may be given."""


# ---- the numbers of a step -----------------------------------------------------------------------------------------


@device
def _as_given(lr, t, a, b, c, d, e, f):
    return a, b, c, d, e, f, lr, lr, lr


@device
def _of_adam(lr, t, weight_decay, beta1, beta2, eps, decoupled, sign):
    shrink, decay = (1.0 - lr * weight_decay, 0.0) if decoupled > 0.0 else (1.0, weight_decay)
    return (shrink, decay, lr / (1.0 - math.pow(beta1, t)), 1.0 - beta1, beta2, 1.0 - beta2,
            1.0 / math.sqrt(1.0 - math.pow(beta2, t)), eps, sign)


@device
def _of_lion(lr, t, beta1, beta2, weight_decay, sign, e, f):
    return 1.0 - lr * weight_decay, lr, 1.0 - beta1, 1.0 - beta2, sign, lr, lr, lr, lr


@device
def _of_muon(lr, t, weight_decay, scale, c, d, e, f):
    return -lr * scale, 1.0 - lr * weight_decay, lr, lr, lr, lr, lr, lr, lr


@device
def _first(x):
    return np.float64(x[0])


@device
def _itself(x):
    return np.float64(x)


@specialised
def _constants(real, kind, lr_on_device, step_on_device):
    """numbers (9,) of the formulas `kind`, from lr, the count of steps, and six options, with one thread and in float64."""
    work_out = {"given": _as_given, "adam": _of_adam, "lion": _of_lion, "muon": _of_muon}[kind]
    rate, count = _first if lr_on_device else _itself, _first if step_on_device else _itself

    @jit
    def constants(lr, step, a, b, c, d, e, f, numbers):
        found = work_out(rate(lr), count(step), a, b, c, d, e, f)
        for k in range(COUNT):
            numbers[k] = real(found[k])
    return constants


def _number(x):
    """(x as a kernel takes it, whether it lies on the device), of a number or an array of one."""
    if hasattr(x, "block"):
        return x.flat, True
    return float(x if np.isscalar(x) else x[0]), False


def _numbers(kind, dtype, lr, step, *options):
    """The array of a step's numbers."""
    (lr, lr_there), (step, step_there) = _number(lr), _number(step)
    numbers = array.empty(COUNT, dtype)
    options = [float(x) for x in options] + [0.0] * (6 - len(options))
    launch(_constants(dtype.type, kind, lr_there, step_there), 1, 1, lr, step, *options, numbers)
    return numbers


# ---- the pass over memory -----------------------------------------------------------------------------------------


@specialised
def _step(real, formula, lists):
    """The formula at every place of every member of `lists` lists: 256 threads have 1024 neighbouring places of one member.

    A place costs a few operations and up to 36 bytes of memory, so memory sets the pace: neighbouring threads read neighbouring numbers,
    and so few registers are needed (46 by Adam) that an SM has 40 warps, each with 3 or 4 loads on their way.
    """
    body = device(formulas(real)[formula])
    last = lists + 1
    of_a, of_b, of_c = min(4, last), min(5, last), min(6, last)  # a list that is not there is never looked at

    @jit
    def step(table, numbers):
        member, begin = find(table)
        size = table[1, member]
        n = (numbers[0], numbers[1], numbers[2], numbers[3], numbers[4], numbers[5], numbers[6], numbers[7], numbers[8])
        p, g = array_at(table[2, member], size, numbers), array_at(table[3, member], size, numbers)
        a, b = array_at(table[of_a, member], size, numbers), array_at(table[of_b, member], size, numbers)
        c = array_at(table[of_c, member], size, numbers)
        for i in range(begin + cuda.threadIdx.x, min(begin + PER_BLOCK, size), cuda.blockDim.x):
            body(n, i, p, g, a, b, c)
    return step


def _move(formula, numbers, *lists, written=None):
    kernel = _step(numbers.dtype.type, formula, len(lists))
    move(kernel, numbers, *lists, written=[k for k in range(len(lists)) if k != 1] if written is None else written)


# ---- the optimizers ------------------------------------------------------------------------------------------------


def sgd_step(ps, gs, momentum_buffers, lr, momentum, dampening, weight_decay, nesterov, first, maximize=False):
    if not ps:
        return
    of_g, of_b = (1, momentum) if nesterov else (0, 1)
    numbers = _numbers("given", ps[0].dtype, lr, 0, weight_decay, -1 if maximize else 1, momentum, 1 - dampening, of_g, of_b)
    if momentum_buffers is None:
        _move("sgd", numbers, ps, gs)
    else:
        _move("sgd_first" if first else "sgd_momentum", numbers, ps, gs, momentum_buffers)


def adam_step(ps, gs, ms, vs, lr, step, beta1, beta2, eps, weight_decay, decoupled, maximize=False, v_maxes=None):
    if not ps:
        return
    numbers = _numbers("adam", ps[0].dtype, lr, step, weight_decay, beta1, beta2, eps, bool(decoupled), -1 if maximize else 1)
    if v_maxes is None:
        _move("adam", numbers, ps, gs, ms, vs)
    else:
        _move("amsgrad", numbers, ps, gs, ms, vs, v_maxes)


def rmsprop_step(ps, gs, square_avgs, grad_avgs, momentum_buffers, lr, alpha, eps, weight_decay, momentum, maximize=False):
    if not ps:
        return
    numbers = _numbers("given", ps[0].dtype, lr, 0, weight_decay, alpha, eps, momentum, -1 if maximize else 1)
    centered, heavy = grad_avgs is not None, momentum_buffers is not None
    _move("rmsprop" + "_centered" * centered + "_momentum" * heavy, numbers, ps, gs, square_avgs, grad_avgs if centered else square_avgs,
          momentum_buffers if heavy else square_avgs, written=[0, 2] + [3] * centered + [4] * heavy)


def lion_step(ps, gs, ms, lr, beta1, beta2, weight_decay, maximize=False):
    if ps:
        _move("lion", _numbers("lion", ps[0].dtype, lr, 0, beta1, beta2, weight_decay, -1 if maximize else 1), ps, gs, ms)


def lerp_step(averages, ps, weight):
    if ps:
        _move("lerp", _numbers("given", ps[0].dtype, 0, 0, weight), averages, ps)


# ---- Muon ----------------------------------------------------------------------------------------------------------


@specialised
def _shrunk(real):
    """y = x / max(norm, eps)."""
    @jit
    def shrunk(x, norm, eps, y):
        i = cuda.grid(1)
        if i < x.size:
            length = norm[0]
            if length < eps:  # a NaN stays
                length = eps
            y[i] = real(x[i] / length)
    return shrunk


@specialised
def _combined(real):
    """y = a · x + b · y"""
    @jit
    def combined(a, x, b, y):
        i = cuda.grid(1)
        if i < x.size:
            y[i] = a * x[i] + b * y[i]
    return combined


def _blend(of_x, x, of_y, y):
    real = x.dtype.type
    launch(_combined(real), array.blocks(x.size), array.THREADS, real(of_x), x.flat, real(of_y), y.flat)


def newton_schulz(x, coefficients, steps, eps):
    a, b, c = coefficients
    tall, given = x.shape[0] > x.shape[1], array.contiguous(x)
    x = array.empty(x.shape, x.dtype)
    launch(_shrunk(x.dtype.type), array.blocks(x.size), array.THREADS, given.flat, power_norm(given, 2), float(eps), x.flat)
    for _ in range(steps):
        A = matmul(x, x, tall, not tall)
        B = matmul(A, A)
        _blend(b, A, c, B)
        y = matmul(x, B) if tall else matmul(B, x)
        _blend(a, x, 1, y)
        x = y
    return x


def muon_step(p, g, momentum_buffer, lr, weight_decay, momentum, nesterov, ns_coefficients, eps, ns_steps, scale):
    u = array.empty(p.shape, p.dtype)
    of_g, of_b = (1 - momentum, momentum) if nesterov else (0, 1)
    _move("muon_momentum", _numbers("given", p.dtype, lr, 0, 1 - momentum, of_g, of_b), [u], [g], [momentum_buffer])
    direction = newton_schulz(u, ns_coefficients, ns_steps, eps)
    _move("blend", _numbers("muon", p.dtype, lr, 0, weight_decay, scale), [p], [direction])


for _function in (sgd_step, adam_step, rmsprop_step, lion_step, muon_step, newton_schulz, lerp_step):
    _function.__doc__ = getattr(spec, _function.__name__).__doc__
