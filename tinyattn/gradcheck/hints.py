"""What a wrong gradient looks like, and what usually made it so.

Each guess compares the gradient that backward gave (analytic) with the true one (numeric): a factor, a sign, an order
of the elements. A guess is no proof, but it is where to look first.
"""
import itertools

import numpy as np

CLOSE = 1e-4  # relative: two gradients are "the same" for a guess


def _same(a, b):
    return a.shape == b.shape and np.abs(a - b).max(initial=0) <= CLOSE * max(np.abs(b).max(initial=0), 1e-12)


def _factor(analytic, numeric):
    """c where analytic = c · numeric throughout, else None."""
    scale = (numeric * numeric).sum()
    if scale == 0:
        return None
    c = float((analytic * numeric).sum() / scale)
    return c if c != 0 and _same(analytic, c * numeric) else None


def _named_factor(c, shape):
    """In words: what a constant factor c suggests for an input of this shape."""
    counts = {n for k in range(1, len(shape) + 1) for axes in itertools.combinations(shape, k) for n in [int(np.prod(axes))]}
    for n in sorted(counts - {0, 1}):
        if np.isclose(c, 1 / n, rtol=1e-3):
            return f"a mean where the sum belongs: divided by {n} once too often"
        if np.isclose(c, n, rtol=1e-3):
            return f"a sum where the mean belongs: the division by {n} is missing"
    return "a constant of the formula is missing or wrong, or the gradient of one of several uses is left out"


def _reordered(analytic, numeric):
    """In words, if the right values stand in the wrong places; else None."""
    for axes in itertools.permutations(range(numeric.ndim)):
        if axes != tuple(range(numeric.ndim)):
            turned = numeric.transpose(axes)
            if _same(analytic, turned) or analytic.size == turned.size and _same(analytic, turned.reshape(analytic.shape)):
                return f"transposed: the right values with their axes in the order {axes}"
    for k in range(1, numeric.ndim + 1):
        for axes in itertools.combinations(range(numeric.ndim), k):
            if _same(analytic, np.flip(numeric, axes)):
                return f"flipped along {'axis' if k == 1 else 'axes'} {', '.join(map(str, axes))}: an index runs backward"
    if _same(np.sort(analytic, None), np.sort(numeric, None)):
        return "the right values in the wrong places: an index, a reshape or a scatter is off"
    return None


def guess(analytic, numeric, worst_analytic, worst_numeric, sides, unused):
    """A likely cause, in words.

    analytic        what backward gave, an array
    numeric         what differences gave, an array, or None if too large to compute
    worst_*         both at the worst element
    sides           the slopes from the left and from the right there, or None
    unused          True if no gradient arrived at all
    """
    if sides is not None and np.isfinite(sides).all():
        left, right = sides
        if abs(left - right) > 1e-2 * max(abs(left), abs(right), 1e-3):
            return (f"not differentiable there: the slope is {left:.4g} from the left and {right:.4g} from the right (a kink, a "
                    "tie in a maximum, or a jump); check at another point")
    if not np.isfinite(worst_analytic):
        return "the gradient is not finite: a division by zero, or 0 · ∞ in a branch that `where` did not take"
    if unused:
        return "zero gradient: nothing arrived; was the input detached, or did a backward return None?"
    if numeric is None:
        return "too large to guess the cause: try it with a smaller input"
    if not np.any(analytic):
        return "zero gradient where there should be one: was a value detached, or computed outside the operations?"
    c = _factor(analytic, numeric)
    if c is not None:
        if np.isclose(c, -1, rtol=1e-3):
            return "the sign is wrong"
        if not np.isclose(c, 1, rtol=1e-3):
            return f"off by the constant factor {c:.6g}: {_named_factor(c, numeric.shape)}"
    words = _reordered(analytic, numeric)
    if words:
        return words
    if _same(analytic - analytic.mean(), numeric - numeric.mean()):
        return "off by one constant everywhere: a term that is the same for all elements, such as the path through a mean"
    wrong = np.abs(analytic - numeric) > 1e-5 * (1 + np.abs(numeric))
    if np.abs(analytic - numeric).max() <= 1e-3 * np.abs(numeric).max():
        return "close, but not close enough: something is computed in float32 inside, or eps does not suit the function"
    if wrong.mean() < 0.5:
        if not np.any(analytic[wrong]):
            return f"zero at {int(wrong.sum())} of {wrong.size} elements that matter: some uses of the input are left out"
        return f"wrong at {int(wrong.sum())} of {wrong.size} elements only: edges, overlaps, ties, or elements used more than once"
    per_axis = [k for k in range(numeric.ndim) if numeric.shape[k] > 1 and _same_along(analytic, numeric, k)]
    if per_axis:
        return f"right but for a factor that changes along axis {per_axis[0]}: a weight or a count of that axis is missing"
    return "no usual mistake: compare the formula term by term, with the smallest input that shows it"


def _same_along(analytic, numeric, axis):
    """Whether, for each position along `axis`, analytic is that position's own factor times numeric."""
    parts = [(np.take(analytic, i, axis), np.take(numeric, i, axis)) for i in range(numeric.shape[axis])]
    return all(n.size > 1 and _factor(a, n) is not None for a, n in parts)
