"""What a wrong gradient looks like, and what usually made it so: from evidence to a cause in words.

Each detector looks for one mistake and speaks only if the evidence leaves little else: the pattern must hold at every
element, where it could not hold by accident, and (for small inputs) at a second point with other weights too. If none
speaks, the answer is "unknown": a wrong hint costs a reader more than none. Detectors are asked in order, those with the
hardest evidence first.
"""
import numpy as np

from . import places, terms, whole
from .evidence import Cause

DETECTORS = (whole.not_linear_in_dy, whole.inside_float32, whole.sign_and_factor, whole.order_of_elements, terms.jacobian_of_the_wrong_kind,
             terms.one_of_many, terms.missing_factor, places.border, places.stride, places.channels, places.ends,
             terms.dropped_sum, terms.wrong_axis, terms.does_not_move, terms.factor_along_an_axis, places.left_out)


def diagnose(evidence):
    """The likely `Cause` of a wrong gradient; its kind is "unknown" if no detector is sure."""
    if evidence.sides is not None and np.isfinite(evidence.sides).all():
        left, right = evidence.sides[0]
        nearer = abs(evidence.sides[1][0] - evidence.sides[1][1])      # a bend straightens as the step shrinks, a kink does not
        if abs(left - right) > 1e-2 * max(abs(left), abs(right), 1e-3) and nearer > 0.5 * abs(left - right):
            return Cause("kink", f"not differentiable there: the slope is {left:.4g} from the left and {right:.4g} from the right "
                                 "(a kink, a tie in a maximum, or a jump); check at another point")
    if not np.isfinite(evidence.analytic).all():
        return Cause("not finite", "the gradient is not finite: a division by zero, 0 · ∞ in a branch that `where` did not take, or "
                                   "memory that was never filled")
    if evidence.unused:
        return Cause("nothing", "zero gradient: nothing arrived; was the input detached, or did a backward return None?")
    if not np.any(evidence.analytic):
        return Cause("zeros", "zero gradient where there should be one: something on the way was detached or computed outside the operations, "
                              "or is multiplied by 0 (a mask?), or the gradients of two uses cancel (a wrong sign?)")
    if not np.isfinite(evidence.numeric).all():
        return Cause("unknown", "unknown: differences are not finite here; check at another point")
    if not evidence.repeated:
        return Cause("unknown", "unknown, but only on float32's way: asked again in float64, backward gives another gradient. Look at casts, "
                                "and at what a kernel does for float32 alone")
    for detector in DETECTORS:
        found = detector(evidence)
        if found is not None:
            return found
    return Cause("unknown", f"unknown: wrong at {_count(evidence.wrong)} elements, and like no usual mistake. Compare the formula term by "
                            "term, with the smallest input that shows it")


def wrong_shape(error):
    """The cause where backward gave a gradient of another shape. error: a `GradientShapeError`."""
    given, expected = error.given, error.expected
    if given in error.outputs and np.broadcast_shapes(given, expected) == given:
        axes = [i for i in range(len(given)) if i < len(given) - len(expected) or given[i] != expected[i - len(given) + len(expected)]]
        return Cause("un-broadcast", f"a missing un-broadcast: sum over axis {', '.join(map(str, axes))}, along which the input was stretched")
    if sorted(given) == sorted(expected):
        return Cause("shape", "unknown: the lengths are right, in another order: transposed, or summed over the wrong axis")
    return Cause("shape", "unknown: some sum, slice or reshape of the formula makes this shape; follow the shapes from dy on")


def _count(wrong):
    return f"{int(wrong.sum())} of {wrong.size}"
