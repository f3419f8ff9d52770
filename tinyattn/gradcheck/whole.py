"""Detectors of mistakes that the whole gradient shows: its sign, a factor, the order of its elements."""
import itertools
import math

import numpy as np

from ..tensor import Tensor
from .evidence import Cause, same


def factor_of(analytic, numeric, close=1e-5):
    """c where analytic = c · numeric throughout, else None."""
    scale = float((numeric * numeric).sum())
    if scale == 0:
        return None
    c = float((analytic * numeric).sum() / scale)
    return c if c != 0 and same(analytic, c * numeric, close) else None


def not_linear_in_dy(e):
    """Twice the weights must give twice the gradient."""
    if same(e.doubled, 2 * e.analytic):
        return None
    if same(e.doubled, e.analytic):
        return Cause("dy", "the gradient does not change with the gradient that comes from above: dy is not multiplied in")
    if same(e.doubled, 4 * e.analytic):
        return Cause("dy", "twice the gradient from above makes four times this one: dy is multiplied in twice")
    return Cause("dy", "twice the gradient from above does not make twice this one, as every backward must: a term without dy (a constant, "
                       "say), or one with dy twice")


def sign_and_factor(e):
    """analytic = c · numeric, with one c at every element, at two points."""
    c = factor_of(e.analytic, e.numeric, e.close)
    if c is None or np.isclose(c, 1, rtol=1e-4):
        return None
    if e.elsewhere is None and np.count_nonzero(e.numeric) < 3:
        return None
    if not e.also_elsewhere(lambda a, n: same(a, c * n, 10 * e.close)):
        return None
    if np.isclose(c, -1, rtol=1e-4):
        return Cause("sign", "the sign is wrong")
    names = candidates(e, abs(c))
    words = f"off by the constant factor {c:.6g}"
    words += " (and the sign is wrong)" if c < 0 else ""
    counts = [w for kind, w in names if kind == "count"]
    others = [w for kind, w in names if kind == "number"]
    if counts and not others and abs(c) > 1:
        return Cause("sum", f"{words}: a sum where the mean belongs: the division by {' or '.join(counts)} is missing", tuple(counts))
    if counts and not others:
        return Cause("mean", f"{words}: a mean where the sum belongs: divided by {' or '.join(counts)} once too often", tuple(counts))
    if counts or others:
        use = ", or one of two uses is left out" if np.isclose(abs(c), 0.5, rtol=1e-4) else ""
        return Cause("factor", f"{words}: it may be {' or '.join(others + counts)}{use}", tuple(others + counts))
    return Cause("factor", f"{words}: a constant of the formula (or an input that is one number) is missing or wrong, or the gradient "
                           "of one of several uses is left out")


def candidates(e, c):
    """[("count" | "number", words)]: what a constant factor c > 0 may be."""
    found = []
    for value, words in _numbers(e):
        for made, sentence in ((value, words), (1 / value if value else 0, f"1 / {words}")):
            if made > 0 and made != 1 and np.isclose(c, made, rtol=1e-4):
                found.append(("number", f"{sentence} = {made:.4g}"))
    for n, words in _counts(e).items():
        if np.isclose(c, n, rtol=1e-4) or np.isclose(c, 1 / n, rtol=1e-4):
            found.append(("count", f"{n} ({words})"))
        elif math.isqrt(n) ** 2 != n and (np.isclose(c, n ** 0.5, rtol=1e-4) or np.isclose(c, n ** -0.5, rtol=1e-4)):
            found.append(("number", f"{'' if c > 1 else '1/'}√{n} ({words})"))
    for value, words in ((2, "a constant 2"), (4, "a constant 4")):
        if np.isclose(c, value, rtol=1e-4) or np.isclose(c, 1 / value, rtol=1e-4):
            found.insert(0, ("number", f"{words}, as from a square" if value == 2 else words))
    return found


def _numbers(e):
    """(value, words) of the numbers that the recorded operations were called with, and of inputs that are one number."""
    for i, t in enumerate(e.subject.inputs):
        if isinstance(t, Tensor) and t.is_floating_point() and t.data.size == 1 and t is not e.x:
            yield abs(float(t.data.item())), f"|input {i}|"
    for name, attributes, _ in e.tape:
        for key, value in attributes.items():
            if isinstance(value, (int, float)) and not isinstance(value, bool) and np.isfinite(value):
                if key == "p" and 0 < value < 1:
                    yield 1 - value, f"{name}'s scale 1 − p"
                elif key in ("alpha", "slope", "scale", "beta", "negative_slope") and value not in (0, 1):
                    yield abs(value), f"{name}'s {key}"


def _counts(e):
    """{n: words} of the numbers of elements along the axes of the input and of the outputs, n ≥ 3."""
    found = {}
    shapes = [("input", e.shape)] + [("output", w.shape) for w in e.subject.weights]
    shapes += [(name, shape) for name, _, given in e.tape for shape in given]
    for what, shape in shapes:
        for k in range(1, len(shape) + 1):
            for axes in itertools.combinations(range(len(shape)), k):
                n = math.prod(shape[a] for a in axes)
                if n < 3:
                    continue
                words = (f"all elements of the {what}" if k == len(shape) > 1 else
                         f"the batch size, axis 0 of the {what}" if axes == (0,) and len(shape) > 1 else
                         f"the pixels of the {what}" if len(shape) == 4 and axes == (2, 3) else
                         f"ax{'is' if k == 1 else 'es'} {', '.join(map(str, axes))} of the {what}")
                found.setdefault(n, words)
    return found


def order_of_elements(e):
    """The right values in the wrong places: transposed, flipped, shifted."""
    n = e.numeric
    if np.unique(np.round(n / max(np.abs(n).max(initial=0), 1e-300), 9)).size < 4 or np.abs(e.error).max() < 1e-3 * np.abs(n).max():
        return None
    found = [(kind, words) for kind, words, change in _orders(n.shape)
             if same(e.analytic, change(n), e.close) and e.also_elsewhere(lambda a, b: same(a, change(b), 10 * e.close))]
    kinds = {}
    for kind, words in found:
        kinds.setdefault(kind, words)                      # of each kind the first: too late with zeros in front is too late as well
    if len(kinds) == 1:
        return Cause(found[0][0], found[0][1], tuple(w for _, w in found))
    if kinds:
        return Cause("places", "the right values in the wrong places: " + ", or ".join(kinds.values()), tuple(kinds))
    if e.analytic.size >= 6 and _same_values(e.analytic, n) and e.also_elsewhere(_same_values):
        return Cause("places", "the right values in the wrong places: an index, a reshape or a scatter is off")
    return None


def _same_values(a, b):
    return same(np.sort(a, None), np.sort(b, None))


def _orders(shape):
    """(kind, words, how it changes an array) of the ways in which elements change places."""
    for axes in itertools.permutations(range(len(shape))):
        if axes != tuple(range(len(shape))):
            words = f"transposed: the right values with their axes in the order {axes}"
            if tuple(shape[a] for a in axes) == tuple(shape):
                yield "transposed", words, lambda n, axes=axes: n.transpose(axes)
            else:
                yield "transposed", words + ", then reshaped", lambda n, axes=axes: n.transpose(axes).reshape(shape)
    for k in range(1, len(shape) + 1):
        for axes in itertools.combinations(range(len(shape)), k):
            if all(shape[a] > 1 for a in axes):
                words = f"flipped along {'axis' if k == 1 else 'axes'} {', '.join(map(str, axes))}: an index runs backward"
                yield "flipped", words, lambda n, axes=axes: np.flip(n, axes)
    for axis, length in enumerate(shape):
        if length >= 2:
            for by in (1, -1):
                words = f"off by one along axis {axis}: every value stands one place too {'late' if by > 0 else 'early'}"
                if length > 2:                              # two that change places are flipped, whichever way they are moved
                    yield "off by one", words, lambda n, axis=axis, by=by: np.roll(n, by, axis)
                yield "off by one", words + ", zeros in front" * (by > 0), lambda n, axis=axis, by=by: _shifted(n, axis, by)


def _shifted(n, axis, by):
    moved = np.roll(n, by, axis)
    edge = [slice(None)] * n.ndim
    edge[axis] = 0 if by > 0 else -1
    moved[tuple(edge)] = 0
    return moved


def is_float32(gradient):
    """Whether every number of a float64 gradient has only the 24 binary digits of float32: with random float64 weights, no accident."""
    if gradient.dtype != np.float64 or not np.array_equal(gradient.astype(np.float32).astype(np.float64), gradient):
        return False
    busy = gradient[gradient * 64 != np.round(gradient * 64)]
    return np.unique(busy).size >= 4


def inside_float32(e):
    """Nearly right, and each number is a float32."""
    if e.double and is_float32(e.analytic) and np.abs(e.error).max() <= 1e-2 * np.abs(e.numeric).max():
        return Cause("float32", "close, but every number of this gradient is a float32: something is computed in float32 inside")
    return None
