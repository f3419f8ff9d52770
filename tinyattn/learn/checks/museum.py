"""Checks the repaired exhibits of the museum: a gradient check of each, against central differences of the exhibit's own forward.

An exhibit is a class with ``forward(*inputs)`` and ``backward(dy)``. The true gradient is measured on ``forward`` as it hangs in the museum, so that
neither step can be bent to suit the other.
"""
import functools
from dataclasses import dataclass
from typing import Callable

import numpy as np

from ...gradcheck import heat
from ..exercise import Exercise, Wrong, load, same, slope
from ..lessons import folder


@functools.cache
def original(file, name):
    """The class `name` of the exhibit `file` as it hangs in the museum."""
    return getattr(load(folder() / "museum" / file), name)


def measured(file, name, options, inputs, dy):
    """(y, the true gradients) of an exhibit; None for an input of whole numbers."""
    exhibit = original(file, name)

    def gradient(at):
        if inputs[at].dtype.kind != "f":
            return None
        return slope(lambda moved: exhibit(*options).forward(*inputs[:at], moved, *inputs[at + 1:]), inputs[at], dy)
    return exhibit(*options).forward(*(a.copy() for a in inputs)), [gradient(at) for at in range(len(inputs))]


def given(exhibit, options, inputs, dy):
    """(y, what `backward` returned as a list) of a reader's class; `Wrong` where it changes what it was lent."""
    one, lent, dy_lent = exhibit(*options), [a.copy() for a in inputs], np.array(dy)
    y = np.array(one.forward(*lent))
    if not all(np.array_equal(a, b) for a, b in zip(inputs, lent)):
        raise Wrong("forward changed its input in place; whoever called it may still need it")
    gradients = one.backward(dy_lent)
    if not np.array_equal(dy, dy_lent):
        raise Wrong("dy was changed in place: it is the caller's, and another operation may be waiting for it")
    return y, list(gradients) if isinstance(gradients, tuple) else [gradients]


def look(gradient, true, name, mistakes):
    """Raise `Wrong`, with a map of what is wrong, unless `gradient` is the `true` one. mistakes: pairs (array, hint) as `same` takes them."""
    if gradient is None:
        raise Wrong(f"d{name} is None: is there a return?")
    if np.shape(gradient) != true.shape:
        raise Wrong(f"d{name} has shape {np.shape(gradient)}, and {name} has {true.shape}: how much L grows for each number of {name} is one number "
                    f"for each number of {name}")
    try:
        same(gradient, true, f"d{name}", [*mistakes, *_general(np.asarray(gradient, float), true, name)], rtol=1e-5, atol=1e-7)
    except Wrong as wrong:
        if true.ndim:
            off = np.abs(np.asarray(gradient, float) - true)
            raise Wrong("\n".join([str(wrong), f"d{name}, where it is wrong:", *heat.draw(np.where(off > 1e-5, off, 0))])) from None
        raise


def _general(gradient, true, name):
    """What can be seen of any wrong gradient: a factor that is the same everywhere, or right numbers in wrong places."""
    if not gradient.any():
        return [(gradient, f"d{name} is 0 everywhere")]
    factor = np.vdot(gradient, true) / np.vdot(true, true)
    return [(true * factor, f"d{name} is the true gradient times {factor:.4g}, everywhere: which factor of forward has this value here?")] + (
        [(gradient, f"d{name} holds the right numbers in wrong places: follow a single one of {name} forward by its index, and back")]
        if np.allclose(np.sort(gradient, None), np.sort(true, None), 1e-5, 1e-7) else [])


@dataclass(frozen=True)
class Exhibit:
    """One file of the museum: the class `name` in `file`.

    draw(rng): (what the class is made with, its inputs as arrays). names: of the inputs, "" where one has no gradient. mistakes(true, dy, *inputs):
    {name: [(wrong gradient, hint)]}. more(answer, rng): checks beside the gradients, before them. shown: the `draw` of the picture, where the mistake
    does not show in the other.
    """

    file: str
    name: str
    asks: str
    draw: Callable
    names: tuple
    mistakes: Callable = None
    more: Callable = None
    shown: Callable = None

    def check(self, answer, rng):
        """Raise `Wrong` unless the class `answer` goes forward as the exhibit does, and backward right."""
        if not isinstance(answer, type):
            raise Wrong(f"{self.name} is a {type(answer).__name__}, expected a class with forward and backward")
        if self.more:
            self.more(answer, rng)
        options, inputs = self.draw(rng)
        dy = rng.normal(size=np.shape(original(self.file, self.name)(*options).forward(*(a.copy() for a in inputs))))
        expected, true = measured(self.file, self.name, options, inputs, dy)
        y, gradients = given(answer, options, inputs, dy)
        same(y, expected, "y")
        wanted = [one for one in self.names if one]
        if len(gradients) != len(wanted):
            raise Wrong(f"backward returned {len(gradients)} gradients, expected {len(wanted)}: {', '.join('d' + one for one in wanted)}")
        true = [t for t, one in zip(true, self.names) if one]
        known = self.mistakes(dict(zip(wanted, true)), dy, *inputs) if self.mistakes else {}
        for gradient, truth, one in zip(gradients, true, wanted):
            look(gradient, truth, one, known.get(one, []))


def _normal(*shapes, options=()):
    """A `draw` of float64 arrays of these shapes."""
    return lambda rng: (options, [rng.normal(size=shape) for shape in shapes])


# --- the exhibits: what is drawn for each, and which mistakes are known by name ---

def _flips(true, dy, x, w):
    def sliding(kernel):
        padded = np.pad(dy, ((0, 0), (0, 0), (w.shape[2] - 1,) * 2, (w.shape[3] - 1,) * 2))
        windows = np.lib.stride_tricks.sliding_window_view(padded, w.shape[2:], (2, 3))
        return np.einsum("nkhwrs,kcrs->nchw", windows, kernel)
    return {"x": [(sliding(w), "dx comes from the kernel as it stands sliding over dy. In forward x[h] meets w[r] on its way to y[h − r]: which r comes "
                   "first when you stand at x[h] and look at the y it went to?"),
                  *[(sliding(np.flip(w, axis)), "dx is right along one axis of the picture and not along the other") for axis in (2, 3)]]}


def _strides(true, dy, x, w):
    def back(step, offset, add):
        dx, (p, q) = np.zeros_like(x), dy.shape[2:]
        for r, s in np.ndindex(*w.shape[2:]):
            place = (..., slice(offset * r, offset * r + p * step, step), slice(offset * s, offset * s + q * step, step))
            dx[place] = np.einsum("nkpq,kc->ncpq", dy, w[:, :, r, s]) + (dx[place] if add else 0)
        return dx
    return {"x": [(back(1, 1, True), "dx is filled near its first corner only: from which place of x did y[…, i, j] read? There its gradient goes"),
                  (back(2, 1, False), "where windows overlap, what arrived last is left alone: ways add up"),
                  (back(2, 0, True), "every weight of the window sends its share to the window's first corner: w[r] met another place of x")]}


def _tied(rng):
    return (), [rng.integers(0, 2, (2, 2, 4, 6)).astype(float)]


def _ties(answer, rng):
    """What a window sends back is what it received, and only largest numbers get any of it: also where several are largest."""
    x = rng.integers(0, 2, (2, 2, 4, 6)).astype(float)
    x[0, 0] = 0.0
    dy = rng.uniform(1, 2, (2, 2, 2, 3))
    y, gradients = given(answer, (), [x], dy)
    dx = np.asarray(gradients[0], float)
    if dx.shape != x.shape:
        raise Wrong(f"dx has shape {dx.shape}, and x has {x.shape}")
    if np.any(dx[x < y.repeat(2, 2).repeat(2, 3)]):
        raise Wrong("a number that is not the largest of its window gets a gradient: y does not move when it moves")
    sums = dx.reshape(2, 2, 2, 2, 3, 2).sum((3, 5))
    for more, word in ((sums > dy + 1e-9, "more"), (sums < dy - 1e-9, "less")):
        if more.any():
            place = tuple(map(int, np.argwhere(more)[0]))
            raise Wrong(f"the window of y[{', '.join(map(str, place))}] received {dy[place]:.3f} and sends on {sums[place]:.3f}, which is {word}. Raise all its "
                        f"numbers by 1: y rises by 1, so their gradients add up to dy. Look at what is in this window")


def _axes(true, dy, x):
    y = np.exp(x) / np.exp(x).sum(-1, keepdims=True)
    along = (dy * y).sum(1)
    return {"x": [(y * (dy - along[..., None]), "add a number to a whole row of x: y stays, so each row of dx should add up to 0, and here it does not. Over "
                   "what does backward sum, and over what did forward?"),
                  (y * (dy - along[:, None]), "add a number to a whole row of x: y stays, so each row of dx should add up to 0, and here each column does"),
                  (y * dy, "dx takes each y for itself, and every x of a row is in the denominator of all its y"),
                  (y * (dy - (dy * y).sum()), "dx of one image depends on the other images of the batch")]}


def _statistics(true, dy, x, gamma, beta):
    scale = 1 / np.sqrt(x.var(0) + 1e-5)
    normal, d = (x - x.mean(0)) * scale, dy * gamma
    return {"x": [(d * scale, "add the same number to a channel of the whole batch: y stays, so dx of a channel should add up to 0, and here it does not. "
                   "Which numbers of forward move when x moves?"),
                  (scale * (d - d.mean(0)), "dx adds up to 0, so the mean is accounted for; but stretch a channel of the whole batch: y stays as well"),
                  (scale * (d - normal * (d * normal).mean(0)), "add the same number to a channel of the whole batch: y stays, so dx should add up to 0")]}


def _silu(true, dy, x):
    def formula(at, x):
        s = 1 / (1 + np.exp(-at))
        return dy * (s + x * s * (1 - s))
    y = x / (1 + np.exp(-x))
    s = 1 / (1 + np.exp(-x))
    return {"x": [(formula(y, y), "backward is the right formula of the wrong numbers: print self.x at the end of forward and at the start of backward"),
                  (dy * s, "σ(x) moves with x too: a product has two ways back"),
                  (dy * s * (1 - s), "this is the slope of σ(x) alone")]}


def _ways(true, dy, x, w):
    through = (dy * (x @ w > 0)) @ w.T
    return {"x": [(through, "dx is what comes through the weights, and nothing else: how many times does forward use x?"),
                  (dy, "dx is what comes by the way around, and nothing else: how many times does forward use x?"),
                  (dy + dy @ w.T, "dx goes through the ReLU as if it were not there")]}


def _dropped(answer, rng):
    """Numbers that were dropped get no gradient."""
    x, dy = rng.normal(size=(6, 7)), rng.uniform(1, 2, (6, 7))
    y, gradients = given(answer, (0.4, 11), [x], dy)
    if np.shape(gradients[0]) == x.shape and np.any(np.asarray(gradients[0])[y == 0]):
        raise Wrong(f"{int(np.count_nonzero(np.asarray(gradients[0])[y == 0]))} of the {int((y == 0).sum())} numbers that were dropped get a gradient: y does "
                    f"not move when they move")


def _arguments(true, dy, x):
    c = np.sqrt(2 / np.pi)
    u, du = c * (x + 0.044715 * x ** 3), c * (1 + 3 * 0.044715 * x ** 2)

    def formula(at, inner):
        return dy * ((1 + np.tanh(u)) / 2 + x / 2 * (1 - np.tanh(at) ** 2) * inner)
    return {"x": [(formula(x, du), "dx is right where tanh is straight or flat, and off between: write tanh's slope down with its argument"),
                  (formula(u, 1), "the chain has one link more: u moves faster than x"),
                  (formula(u, c), "u has a cube in it: its slope is not the same everywhere")]}


def _logarithm(true, dy, x):
    p = np.exp(x) / np.exp(x).sum(-1, keepdims=True)
    return {"x": [(dy + p, "dx is right where a row of dy adds up to −1, and only there. What should dx be in a row where dy is 0?"),
                  (dy - p, "dx is right where a row of dy adds up to 1, and only there. What should dx be in a row where dy is 0?"),
                  (dy, "dx leaves the logarithm out, and every x of the row is in it"),
                  (dy - p * dy.sum(), "dx of one row depends on the other rows")]}


def _words(rng):
    return (), [rng.normal(size=(7, 3)), rng.permutation(np.array([0, 1, 1, 4, 4, 4]))]


def _lost(true, dy, w, ids):
    last, mean = np.zeros_like(w), true["w"] / np.maximum(np.bincount(ids, minlength=len(w)), 1)[:, None]
    last[ids] = dy
    return {"w": [(last, f"the rows {np.flatnonzero(np.bincount(ids) > 1).tolist()} are off, and the ids are {ids.tolist()}: what became of the others?"),
                  (mean, "a word that stands there three times gets the mean of three gradients: each of them is a way to L")]}


def _transposed(true, dy, q, k):
    return {"k": [(dy @ q / np.sqrt(q.shape[-1]), "s[i, j] = q[i] · k[j], so dk[j] is a sum over i: over what does this product sum?")],
            "q": [(dy.transpose(0, 2, 1) @ k / np.sqrt(q.shape[-1]), "s[i, j] = q[i] · k[j], so dq[i] is a sum over j: over what does this product sum?")]}


EXHIBITS = [
    Exhibit("01_unbroadcast.py", "Scale", "the gradient of a factor that was spread over rows", _normal((5, 3), (3,)), ("x", "a")),
    Exhibit("02_mean_for_sum.py", "MeanSquaredError", "a mean's gradient", _normal((4, 3), (4, 3)), ("p", "t")),
    Exhibit("03_kernel_not_flipped.py", "Conv2d", "a convolution's way back to its input", _normal((2, 2, 5, 6), (3, 2, 3, 2)), ("x", "w"), _flips),
    Exhibit("04_stride_forgotten.py", "StridedConv2d", "the same with a stride", _normal((2, 2, 7, 8), (2, 2, 3, 4), options=(2,)), ("x", "w"), _strides),
    Exhibit("05_ties_counted_twice.py", "MaxPool2d", "max-pooling where several are largest", _normal((2, 2, 4, 6)), ("x",), more=_ties, shown=_tied),
    Exhibit("06_wrong_axis.py", "Softmax", "the softmax of attention scores", _normal((2, 4, 4)), ("x",), _axes),
    Exhibit("07_statistics_are_no_constants.py", "BatchNorm", "batch normalisation", _normal((6, 3), (3,), (3,)), ("x", "gamma", "beta"), _statistics),
    Exhibit("08_saved_then_changed.py", "SiLU", "SiLU with a right formula", _normal((4, 5)), ("x",), _silu),
    Exhibit("09_assigned_not_added.py", "ResidualBlock", "a block with a way around it", _normal((5, 4), (4, 4)), ("x", "w"), _ways),
    Exhibit("10_new_mask.py", "Dropout", "dropout", _normal((5, 6), options=(0.4, 3)), ("x",), more=_dropped),
    Exhibit("11_mean_in_the_bias.py", "Linear", "a linear layer over a batch", _normal((5, 4), (4, 3), (3,)), ("x", "w", "b")),
    Exhibit("12_wrong_argument.py", "GELU", "GELU by its formula with tanh", _normal((4, 6)), ("x",), _arguments),
    Exhibit("13_sum_left_out.py", "LogSoftmax", "the logarithm of a softmax", _normal((4, 5)), ("x",), _logarithm),
    Exhibit("14_lost_in_the_index.py", "Embedding", "a table of word vectors", _words, ("w", ""), _lost),
    Exhibit("15_not_transposed.py", "Scores", "the scores of attention", _normal((2, 4, 3), (2, 4, 3)), ("q", "k"), _transposed),
    Exhibit("16_reshaped_back.py", "SplitHeads", "tokens cut into heads", _normal((2, 3, 8), options=(4,)), ("x",)),
]
EXERCISES = [Exercise(e.name, e.asks, e.check, e.file) for e in EXHIBITS]
