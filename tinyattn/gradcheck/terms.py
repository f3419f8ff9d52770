"""Detectors of mistakes in the terms of a formula: a factor forgotten, a sum left out, one use of many."""
import numpy as np

from .evidence import Cause, same
from .whole import factor_of


def jacobian_of_the_wrong_kind(e):
    """A square map y(x): backward multiplied by J where the chain rule wants Jᵀ."""
    j = e.jacobian
    if j is None or j.shape[0] != j.shape[1] or j.shape[0] < 3 or same(j, j.T, 1e-3):
        return None
    flat = e.subject.flat_weights
    if same(e.analytic.ravel(), j.T @ flat, e.close * 10) and not same(e.analytic.ravel(), j @ flat, 1e-3):
        return Cause("transposed", "the right matrix, not transposed: dx = Jᵀ dy, and this is J dy (a sum that runs from the wrong end, or over "
                                   "the wrong index)")
    return None


def _contributions(e):
    """r_j · ∂y_j/∂x_i with the outputs' axes apart: [(shape of output, array (elements of x, *shape))]."""
    if e.jacobian is None:
        return []
    found, start = [], 0
    for r in e.subject.weights:
        part = e.jacobian[:, start:start + r.size] * r.ravel()
        found.append(part.reshape((-1,) + r.shape))
        start += r.size
    return found


def one_of_many(e):
    """Each element is used several times; backward kept one use (the last, the first) or took the mean over them."""
    parts = _contributions(e)
    if len(parts) != 1 or not parts[0].size:
        return None
    each, analytic = parts[0], e.analytic.ravel()
    for axis in range(1, each.ndim):
        length = each.shape[axis]
        if length < 2 or not _spread(each, axis):
            continue
        others = tuple(a for a in range(1, each.ndim) if a != axis)
        per = each.sum(others) if others else each                         # (elements of x, indices along the axis)
        for t in (0, length - 1):
            if analytic.size * length >= 4 and same(analytic, per[:, t], 10 * e.close):
                if t:
                    return Cause("last use", f"only what the last index along axis {axis - 1} of the output contributes arrives: overwritten (=) "
                                             "where it should be added (+=), or the other uses are left out")
                return Cause("un-broadcast", f"only the first index along axis {axis - 1} of the output arrives: the input was stretched along it, "
                                             "and the un-broadcast must sum over it")
    flat = each.reshape(len(analytic), -1)
    used = np.abs(flat) > 1e-9 * max(np.abs(flat).max(), 1e-12)
    counts = used.sum(1)
    if counts.max() < 2 or len(analytic) < 3:
        return None
    alive = counts > 0
    last = flat.shape[1] - 1 - np.argmax(used[:, ::-1], 1)
    rows = np.arange(len(analytic))
    if same(analytic[alive], flat[rows, last][alive], 10 * e.close):
        return Cause("last use", "only the last use of each element arrives: overwritten (=) where it should be added (+=)")
    if same(analytic[alive], flat[rows, np.argmax(used, 1)][alive], 10 * e.close):
        return Cause("first use", "only the first use of each element arrives: the others should be added to it")
    if len(set(counts[alive])) > 1 and same(analytic[alive], flat.sum(1)[alive] / counts[alive], 10 * e.close):
        return Cause("mean", "a mean where the sum belongs: divided by the number of uses of each element")
    return None


def _spread(each, axis):
    """Whether elements of x are used at several indices along an axis of the output."""
    others = tuple(a for a in range(1, each.ndim) if a != axis)
    used = (np.abs(each) > 1e-9 * np.abs(each).max()).any(others)
    return (used.sum(1) > 1).any()


def missing_factor(e):
    """analytic · f = numeric (or analytic = f · numeric) for an input, an output or the weights f, at two points."""
    if e.analytic.size < 4:
        return None
    for words, f in e.arrays():
        try:
            f = np.broadcast_to(f, e.shape) if f.ndim <= len(e.shape) else None
        except ValueError:
            f = None
        if f is None or not np.all(np.isfinite(f)) or np.abs(f).max(initial=0) == 0 or np.ptp(f) < 1e-3 * np.abs(f).max():
            continue
        for power, told in ((1, words), (2, f"the square of {words}")):
            if same(e.analytic * f**power, e.numeric, 10 * e.close):
                return Cause("missing factor", f"a factor is missing: multiplied by {told}, this gradient would be right", (words,))
            if same(e.analytic, e.numeric * f**power, 10 * e.close):
                return Cause("extra factor", f"a factor too many: this is the true gradient times {told}", (words,))
    if e.unweighted is not None and same(e.analytic, e.unweighted, 10 * e.close):
        return Cause("dy", "this is the gradient for dy = 1: the gradient that comes from above is not multiplied in")
    return None


def _lines(array, axis):
    """Lines along an axis: (lines, length)."""
    return np.moveaxis(array, axis, -1).reshape(-1, array.shape[axis])


def _patterns(e):
    """(words, array): what a term with a sum is multiplied by: nothing, or the output."""
    yield "the same along it", np.ones(e.shape)
    for i, y in enumerate(e.subject.outputs()):
        if y.shape == e.shape:
            yield ("a multiple of the output along it", y.data)
            if y.data.max(initial=0) <= 0:                                    # a logarithm of probabilities, as from log_softmax
                yield ("a multiple of e^output along it", np.exp(y.data))
    yield "a multiple of the input (less a mean) along it", None


def dropped_sum(e):
    """The error is, along an axis, one number times a known pattern: what Σ or a mean over that axis contributes."""
    error, scale = e.error, np.abs(e.error).max()
    for axis in range(len(e.shape)):
        length, lines = e.shape[axis], _lines(error, axis)
        for words, pattern in _patterns(e):
            columns = [_lines(np.ones(e.shape), axis), _lines(e.x.data, axis)] if pattern is None else [_lines(pattern, axis)]
            if length < 2 + len(columns) or len(lines) * (length - len(columns)) < 4:
                continue
            if all(_fits(line, [c[i] for c in columns], 1e-4 * scale) for i, line in enumerate(lines)):
                count = len(lines)
                busy = sum(np.abs(line).max() > 1e-3 * scale for line in lines)
                if busy * 2 < count or not _varied(lines, columns):
                    continue
                return Cause("dropped sum", f"a term with a sum over axis {axis} is missing or wrong: along that axis the error is {words}. It is "
                                            "the path through a mean, a variance or a Σ, which every element shares")
    return None


def _fits(line, columns, close):
    basis = np.stack(columns, 1)
    solution = np.linalg.lstsq(basis, line, rcond=None)[0]
    return np.abs(basis @ solution - line).max() <= close


def _varied(lines, columns):
    """Whether the pattern says something: it is not 0, and the lines have something to explain."""
    return all(np.abs(c).max() > 0 for c in columns) and np.abs(lines).max() > 0


def wrong_axis(e):
    """The error (or the error over the output) is f[i] + g[j] in two axes: a sum was taken over the other axis."""
    for words, pattern in _patterns(e):
        if pattern is None or (np.abs(pattern) < 1e-9).any():
            continue
        ratio = e.error / pattern
        scale = np.abs(ratio).max()
        for a in range(len(e.shape)):
            for b in range(a + 1, len(e.shape)):
                if min(e.shape[a], e.shape[b]) < 3:
                    continue
                left = ratio - ratio.mean(a, keepdims=True) - ratio.mean(b, keepdims=True) + ratio.mean((a, b), keepdims=True)
                if np.abs(left).max() <= 1e-4 * scale:
                    return Cause("wrong axis", f"the error is one number an index of axis {a} plus one an index of axis {b}: a sum over one of "
                                               "them that should run over the other", (a, b))
    return None


def does_not_move(e):
    """The true gradient changes with the input, this one does not."""
    if e.moved is None:
        return None
    analytic, numeric = e.moved
    if not np.isfinite(analytic).all() or not np.isfinite(numeric).all():
        return None
    alive = np.abs(numeric) + np.abs(e.numeric) > 1e-6 * np.abs(e.numeric).max()
    moves = np.abs(numeric - e.numeric) > 1e-4 * np.abs(e.numeric).max()         # at most elements, or it only jumped at some
    if np.abs(analytic - e.analytic).max() <= 1e-12 * np.abs(e.analytic).max() and moves.sum() > 0.6 * alive.sum():
        return Cause("stale", "the gradient stays the same when the input changes, though the true one does not: a factor or a term with the "
                              "input (or the output) in it is missing, or was saved at another call")
    return None


def factor_along_an_axis(e):
    """Right but for a factor of its own at each index of an axis."""
    for axis in range(len(e.shape)):
        if e.shape[axis] < 2 or e.analytic.size // e.shape[axis] < 3:
            continue
        parts = [(np.take(e.analytic, i, axis), np.take(e.numeric, i, axis)) for i in range(e.shape[axis])]
        if any(np.count_nonzero(np.abs(n) > 1e-6 * np.abs(e.numeric).max()) < 2 for _, n in parts):
            continue                                             # one number always has a factor
        found = [factor_of(a, n, 10 * e.close) for a, n in parts]
        if all(c is not None for c in found):
            listed = ", ".join(f"{c:.4g}" for c in found[:4]) + ", …" * (len(found) > 4)
            return Cause("factor along an axis", f"right but for a factor of its own at each index of axis {axis} ({listed}): a weight, a scale or a count "
                                                 "of that axis is missing or wrong", (axis,))
    return None
