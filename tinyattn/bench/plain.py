"""Suite "plain": what the fast kernels are fast beside: their plain twins, and the specification in NumPy.

A plain twin computes the same in loops that anyone can read, compiled too and spread over the same threads. How many times
faster the fast kernel is stands under "ratio"; what makes it so is said at the head of its file.
"""
import numpy as np

from .. import kernels
from .measure import agree, empty_row, failing, fill
from .timing import ratio

SHOWN = {"ours_ms": "ours ms", "plain_ms": "plain ms", "reference_ms": "NumPy ms"}
RUNGS = {"ours_ms": ("cpu", ""), "plain_ms": ("cpu", "_plain"), "reference_ms": ("reference", "")}


def _normal(random, *shape):
    return random.standard_normal(shape, np.float32)


def _conv(random, small, channels, filters, size, groups=1):
    """x, w, b and dy of a 3 × 3 convolution that keeps an image's size, and its attributes."""
    n, size = (2, 6) if small else (16, size)
    shapes = (n, size, size, channels), (filters, channels // groups, 3, 3), (filters,), (n, size, size, filters)
    return [_normal(random, *shape) for shape in shapes], ((1, 1), (1, 1), (1, 1), groups)


def conv2d_forward(random, small):
    (x, w, b, _), attributes = _conv(random, small, 32, 32, 32)
    return x, w, b, *attributes


def conv2d_backward_input(random, small):
    (x, w, _, dy), attributes = _conv(random, small, 32, 32, 32)
    return dy, w, x.shape, *attributes


def conv2d_backward_weight(random, small):
    (x, w, _, dy), attributes = _conv(random, small, 32, 32, 32)
    return dy, x, w.shape, *attributes


def matmul(random, small):
    n = 32 if small else 512
    return _normal(random, n, n), _normal(random, n, n)


def attention_forward(random, small):
    q, k, v = (_normal(random, 2 if small else 8, 4, 16 if small else 256, 32) for _ in range(3))
    return q, k, v, None, False, 32 ** -0.5


def attention_backward(random, small):
    q, k, v, *options = attention_forward(random, small)
    return _normal(random, *q.shape), q, k, v, *kernels.rung("cpu").attention_forward(q, k, v, *options), *options


def attention_pool_forward(random, small):
    return _normal(random, 2 if small else 128, 49, 64), _normal(random, 64), _normal(random, 1)


def attention_pool_backward(random, small):
    x, w, b = attention_pool_forward(random, small)
    return _normal(random, len(x), 64), x, w, kernels.rung("cpu").attention_pool_forward(x, w, b)[1]


def max_pool2d_forward(random, small):
    return _normal(random, 2 if small else 128, 28, 28, 32), (2, 2), (2, 2), (0, 0), (1, 1), False


def max_pool2d_tiles_forward(random, small):
    return _normal(random, 2 if small else 128, 28, 28, 32), (2, 2)


def max_pool2d_tiles_backward(random, small):
    x, kernel_size = max_pool2d_tiles_forward(random, small)
    y, places = kernels.rung("cpu").max_pool2d_tiles_forward(x, kernel_size)
    return _normal(random, *y.shape), places, x.shape, kernel_size


def attention_gate_forward(random, small):
    """CBAM with 2 numbers between, and a 7 × 7 filter."""
    n, size = (2, 6) if small else (128, 28)
    weights = [0.2 * _normal(random, *shape) for shape in ((2, 32), (2,), (32, 2), (32,), (1, 2, 7, 7))]
    return _normal(random, n, size, size, 32), *weights, True


def attention_gate_backward(random, small):
    given = attention_gate_forward(random, small)
    y, notes = kernels.rung("cpu").attention_gate_forward(*given)
    return _normal(random, *y.shape), *given, notes


def softmax_forward(random, small):
    return (_normal(random, 16 if small else 4096, 100),)


def softmax_backward(random, small):
    (x,) = softmax_forward(random, small)
    return _normal(random, *x.shape), kernels.rung("cpu").softmax_forward(x)


def _recurrent(random, small, gates, states=1):
    """x, the first states, weights and biases of 30 steps of 64 numbers for 256 sequences."""
    T, N, H = (3, 5, 8) if small else (30, 256, 64)
    shapes = [(T, N, H)] + states * [(N, H)] + 2 * [(gates * H, H)] + 2 * [(gates * H,)]
    return [_normal(random, *shape) * np.float32(0.1 if len(shape) < 3 else 1) for shape in shapes]


def rnn_forward(random, small):
    return _recurrent(random, small, 1)


def group_norm_forward(random, small):
    n, pixels = (2, 36) if small else (128, 784)
    return _normal(random, n, pixels, 32), _normal(random, 32), _normal(random, 32), 8, 1e-5


def group_norm_backward(random, small):
    x, weight, bias, groups, eps = group_norm_forward(random, small)
    _, mean, rstd = kernels.rung("cpu").group_norm_forward(x, weight, bias, groups, eps)
    return _normal(random, *x.shape), x, mean, rstd, weight


def gru_forward(random, small):
    return _recurrent(random, small, 3)


def lstm_forward(random, small):
    return *_recurrent(random, small, 4, 2), None


def rnn_backward(random, small):
    given = rnn_forward(random, small)
    y = kernels.rung("cpu").rnn_forward(*given)
    return _normal(random, *y.shape), *given[:4], y


def gru_backward(random, small):
    given = gru_forward(random, small)
    y, *rest = kernels.rung("cpu").gru_forward(*given)
    return _normal(random, *y.shape), *given[:4], y, *rest


def lstm_backward(random, small):
    given = lstm_forward(random, small)
    y, c, gates = kernels.rung("cpu").lstm_forward(*given)
    return _normal(random, *y.shape), _normal(random, *c.shape), *given[:5], None, y, c, gates


def resample_axes(random, small):
    """To twice the size in both directions, out of two pixels each."""
    n = 4 if small else 32
    first = np.minimum(np.arange(2 * n) // 2, n - 2)
    taps = 2 * np.arange(2 * n + 1), np.stack([first, first + 1], 1).ravel(), np.tile(np.float32([0.75, 0.25]), 2 * n)
    return _normal(random, 2 if small else 32, n, n, 16), taps, taps


def sample_points(random, small):
    n, pixels = (2, 16) if small else (32, 1024)
    return _normal(random, n, pixels, 16), random.integers(-1, pixels, (n, pixels, 4)), _normal(random, n, pixels, 4)


def sample_points_backward_input(random, small):
    x, index, weight = sample_points(random, small)
    return _normal(random, *x.shape), index, weight, x.shape[1]


def sample_points_backward_weight(random, small):
    x, index, _ = sample_points(random, small)
    return _normal(random, *x.shape), x, index


def twins():
    """The kernels of the cpu rung that have a plain twin; each has a function of its name here that gives its arguments."""
    cpu = kernels.rung("cpu")
    return [name.removesuffix("_plain") for name in dir(cpu) if name.endswith("_plain")]


def names():
    """The names of the cases: the kernels'."""
    return [name for name in twins() if name in globals()]


class Job:
    """A kernel and its arguments. Of a gate's results the first is compared: the notes say where a maximum is, and two can be equal
    but for their rounding."""

    def __init__(self, function, arguments):
        self._function, self._arguments = function, arguments
        self._compared = 1 if function.__name__.startswith("attention_gate_forward") else None

    def run(self):
        return self._function(*self._arguments)

    def results(self):
        found = self.run()
        return [np.array(x, np.float64 if x.dtype.kind in "ui" else x.dtype) for x in (found[:self._compared] if isinstance(found, tuple) else (found,)) if x is not None]


def run(settings):
    """A row a kernel."""
    for name in filter(settings.wants, names()):
        row = {**empty_row("plain", name, 1.0), "plain_ms": None, "reference_ms": None}
        with failing(row):
            arguments = globals()[name](np.random.default_rng(0), settings.quick)
            jobs = {column: Job(getattr(kernels.rung(rung), name + suffix), arguments) for column, (rung, suffix) in RUNGS.items()}
            row["relative_error"] = agree(jobs)
            fill(row, settings.turns({column: job.run for column, job in jobs.items()}))
            row["ratio"], row["numpy_ratio"] = ratio(row["ours_ms"], row["plain_ms"]), ratio(row["ours_ms"], row["reference_ms"])
        yield row


def notes(rows):
    """What is compared here."""
    return ["ratio: the plain twin's time / ours"] if rows else []
