"""The V curve: the error of a central difference against its step, and what its two arms mean."""
import numpy as np

STEPS = 10.0 ** -np.arange(11.0, 0, -1)  # 1e-11 … 0.1, as on paper: small steps to the left
ROWS, WIDE = 8, 6                         # of the drawing: lines, and characters a step


def v_curve(subject, x, where, analytic):
    """[(h, |analytic − difference with step h|)] at an element of x or along a direction; h rises."""
    return [(float(h), abs(analytic - subject.slope(x, where, h))) for h in STEPS]


def draw(curve):
    """The curve as lines of text: error upward, step to the right, both by powers of ten."""
    errors = np.array([e for _, e in curve])
    finite = errors[np.isfinite(errors)]
    if not finite.size:
        return ["  not a single difference is finite"]
    floor = max(finite[finite > 0].min(initial=1.0), 1e-17)
    logs = np.log10(np.maximum(np.where(np.isfinite(errors), errors, finite.max()), floor))
    low, high = np.floor(logs.min()), np.ceil(logs.max())
    step = max(1, int(np.ceil((high - low) / ROWS)))
    lines = []
    for row in np.arange(high, low - 1, -step):
        marks = "".join(("o" if row - step < value <= row else " ").center(WIDE) for value in logs)
        lines.append(f"  {f'1e{int(row):+03d}':>7} |{marks}")
    lines.append(f"  {'error':>7} +" + "-" * (WIDE * len(curve)))
    lines.append(f"  {'step h':>7}  " + "".join(f"1e{int(round(np.log10(h)))}".center(WIDE) for h, _ in curve))
    return [line.rstrip() for line in lines]


def explain(curve, wrong, rounding=None):
    """Two lines, one an arm, and a third on the lowest point. rounding: what was allowed to a float32 gradient, else None."""
    errors = np.array([e for _, e in curve])
    best = int(np.nanargmin(errors)) if np.isfinite(errors).any() else 0
    lowest, h = errors[best], curve[best][0]
    left = ("left arm, small h: rounding. L(x+h) and L(x-h) agree in ever more of their 16 digits; what their difference keeps is "
            "divided by an ever smaller 2h, so the error grows like 1/h.")
    if not errors[-1] > 30 * lowest and not wrong:
        right = ("right arm, large h: truncation, the terms of Taylor's series that the formula leaves out, h²·L'''/6. There is none "
                 "here: L has no third derivative in this direction (it is at most quadratic), so large steps cost nothing.")
    else:
        right = ("right arm, large h: truncation. (L(x+h) - L(x-h)) / 2h leaves out the rest of Taylor's series, h²·L'''/6 and on, "
                 "so the error falls like h²: a tenth of the step, a hundredth of the error.")
    last = f"Lowest: {lowest:.1e} at h = {h:.0e}."
    if rounding is not None and not wrong:
        last = (f"The floor at {lowest:.1e} is the rounding of the float32 gradient (the differences are float64's): {rounding:.1e} is what "
                "rounding can do here, and what is allowed.")
    if wrong:
        last = (f"No step brings the error below {lowest:.1e}: a floor instead of a V. Rounding and truncation are not to blame, the "
                "gradient is wrong.")
    return [left, right, last]
