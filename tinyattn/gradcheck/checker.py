"""The checker: gradients against central differences, in float64."""
from dataclasses import dataclass, field

import numpy as np

from ..autograd import grad
from ..sweep import GradientShapeError
from ..tensor import Tensor
from .hints import guess

ALL_BELOW = 64     # inputs of up to so many elements are checked element by element
SAMPLED = 24       # of larger ones, so many elements
DIRECTIONS = 3     # and so many random directions
MANY = 12          # with more inputs than this (a whole model), of each
SAMPLED_OF_MANY = 3  # so many elements, and one direction
FULL_BELOW = 4096  # where something is wrong, up to so many elements are looked at to guess the cause


class GradcheckError(AssertionError):
    """A gradient does not agree with central differences; `report` has the details."""

    def __init__(self, report):
        super().__init__(str(report))
        self.report = report


@dataclass
class Failure:
    """One input whose gradient is wrong: the worst element, both values there, and a likely cause."""
    input: int
    shape: tuple
    index: tuple
    analytic: float
    numeric: float
    hint: str

    def __str__(self):
        place = f"at {self.index}" if self.index is not None else "along a random direction"
        return (f"input {self.input} of shape {self.shape}: worst {place}: backward says {self.analytic:.9g}, differences say "
                f"{self.numeric:.9g}; {self.hint}")


@dataclass
class Report:
    """What a check found: truthy if all is well. `max_error` is the largest |analytic − numeric| / max(1, |numeric|)."""
    max_error: float = 0.0
    checked: int = 0
    failures: list = field(default_factory=list)
    problem: str = ""

    @property
    def passed(self):
        return not self.failures and not self.problem

    def __bool__(self):
        return self.passed

    def __str__(self):
        if self.passed:
            return f"gradcheck: {self.checked} derivatives agree, largest error {self.max_error:.1e}"
        return "gradcheck: " + "\n  ".join([self.problem] * bool(self.problem) + [str(f) for f in self.failures])


def _outputs(function, inputs):
    """The float outputs of one call, as a list."""
    made = function(*inputs)
    made = made if isinstance(made, (tuple, list)) else (made,)
    for y in made:
        if y is not None and not isinstance(y, Tensor):
            raise TypeError(f"gradcheck: the function must return Tensors, got {type(y).__name__}")
    return [y for y in made if y is not None and y.is_floating_point()]


def _checked_inputs(inputs):
    wanted = [(i, x) for i, x in enumerate(inputs) if isinstance(x, Tensor) and x.requires_grad]
    if not wanted:
        raise ValueError("gradcheck: no input requires a gradient; pass tensors made with requires_grad=True")
    for i, x in wanted:
        if x.dtype != np.float64:
            raise TypeError(f"gradcheck: input {i} is {x.dtype}; differences need float64: pass x.double(), and module.double() "
                            "for a module")
        if not x.is_leaf:
            raise ValueError(f"gradcheck: input {i} is the result of a recorded operation; pass x.detach().requires_grad_()")
    return wanted


def gradcheck(function, inputs, eps=1e-5, atol=1e-6, rtol=1e-5, *, raise_exception=True, seed=0, all_below=ALL_BELOW):
    """Compare the gradients of ``function(*inputs)`` with central differences.

    `inputs` are Tensors (or other arguments, passed on); those float64 leaves that require a gradient are checked, and
    are changed and put back on the way, so a module's parameters may be listed although the function does not take them
    by argument: ``gradcheck(lambda x, *_: layer(x), [x, *layer.parameters()])``. A derivative is right where
    |analytic − numeric| ≤ atol + rtol · |numeric|. Inputs of more than `all_below` elements are sampled.

    Returns a `Report` (truthy if all is well). Otherwise raises `GradcheckError` with the worst element of each wrong
    input and a likely cause, or returns the report with ``raise_exception=False``.
    """
    inputs = list(inputs) if isinstance(inputs, (tuple, list)) else [inputs]
    wanted = _checked_inputs(inputs)
    random, report = np.random.default_rng(seed), Report()
    first, again = (_outputs(function, inputs) for _ in range(2))
    weights = [random.normal(size=y.shape) for y in first]
    if any(not np.array_equal(a.data, b.data, equal_nan=True) for a, b in zip(first, again)):
        report.problem = ("the function gives another result when it is called again with the same inputs (dropout? "
                          "running statistics?): set the seed inside it")
    elif not any(y.requires_grad for y in first):
        report.problem = "no output depends, as far as the tape knows, on an input that requires a gradient"
    if report.problem:
        return _finish(report, raise_exception)

    def values():
        return [y.data for y in _outputs(function, inputs)]

    def change(before, after):  # of L: outputs that did not change cancel exactly, so their size costs no digits
        return sum(float(((b - a) * r).sum()) for a, b, r in zip(before, after, weights))

    recorded = [(y, Tensor(r)) for y, r in zip(first, weights) if y.requires_grad]
    try:
        found = grad([y for y, _ in recorded], [x for _, x in wanted], [r for _, r in recorded], allow_unused=True)
    except GradientShapeError as error:
        report.problem = f"{error}. Likely cause: a missing un-broadcast"
        return _finish(report, raise_exception)
    for (i, x), g in zip(wanted, found):
        analytic = np.zeros(x.shape) if g is None else g.data
        _check_input(report, (values, change), i, x, analytic, g is None, (eps, atol, rtol), random,
                     SAMPLED_OF_MANY if len(wanted) > MANY else all_below)
    return _finish(report, raise_exception)


def _finish(report, raise_exception):
    if not report and raise_exception:
        raise GradcheckError(report)
    return report


def _slope(loss, x, index, eps, low=-1, high=1):
    """The slope of L at one element of x, or along a direction (an array), between `low` and `high` times eps.

    `loss` is a pair: what computes the outputs, and what computes how much L differs between two sets of them.
    """
    (values, change), before, made = loss, x.data.copy(), []
    try:
        for step in (low * eps, high * eps):
            if isinstance(index, np.ndarray):
                x.data[...] = before + step * index
            else:
                x.data[index] = before[index] + step
            made.append([y.copy() for y in values()])
            x.data[...] = before
    finally:
        x.data[...] = before
    return change(*made) / ((high - low) * eps)


def _check_input(report, loss, number, x, analytic, unused, tolerances, random, all_below):
    """Check the gradient of one input and note what is wrong with it in the report."""
    eps, atol, rtol = tolerances
    places, directions = list(np.ndindex(*x.shape)), []
    if len(places) > all_below:
        places = [places[i] for i in random.choice(len(places), min(SAMPLED, all_below), replace=False)]
        lines = random.normal(size=(DIRECTIONS if all_below == ALL_BELOW else 1,) + x.shape)
        directions = [d / np.sqrt((d * d).sum()) for d in lines]
    worst, numeric = None, {}

    def compare(a, place, where):
        nonlocal worst
        n = _slope(loss, x, where, eps)
        if not abs(a - n) <= atol + rtol * abs(n):  # a kink between x − ε and x + ε? a wrong gradient is wrong nearer by, too
            n = min(n, _slope(loss, x, where, eps / 32), key=lambda n: abs(a - n))
        if place is not None:
            numeric[place] = n
        error = abs(a - n)
        report.checked += 1
        report.max_error = max(report.max_error, error / max(1.0, abs(n)))
        excess = error - atol - rtol * abs(n)
        if not excess <= 0 and (worst is None or not excess <= worst[0]):
            worst = (excess, place, a, n)

    for place in places:
        compare(float(analytic[place]), place, place)
    for d in directions:
        compare(float((analytic * d).sum()), None, d)
    if worst is None:
        return
    if len(numeric) < x.data.size <= FULL_BELOW:
        for place in np.ndindex(*x.shape):
            if place not in numeric:
                compare(float(analytic[place]), place, place)
    _, place, a, n = worst
    full = None
    if len(numeric) == x.data.size:
        full = np.array([numeric[p] for p in np.ndindex(*x.shape)]).reshape(x.shape)
    sides = None if place is None else (_slope(loss, x, place, eps, -1, 0), _slope(loss, x, place, eps, 0, 1))
    report.failures.append(Failure(number, x.shape, place, a, n, guess(analytic, full, a, n, sides, unused)))


def gradgradcheck(function, inputs, eps=1e-5, atol=1e-6, rtol=1e-5, *, raise_exception=True, seed=0, all_below=12):
    """Compare gradients of gradients with differences of gradients: `gradcheck` of x, dy ↦ dx, recorded.

    Arguments and result as of `gradcheck`; here the analytic values come from ``create_graph=True`` and a second sweep.
    """
    inputs = list(inputs) if isinstance(inputs, (tuple, list)) else [inputs]
    wanted = [x for _, x in _checked_inputs(inputs)]
    random = np.random.default_rng(seed + 1)
    weights = [Tensor(random.normal(size=y.shape), requires_grad=True) for y in _outputs(function, inputs) if y.requires_grad]

    def first_gradients(*given):
        xs = given[:len(inputs)]
        ys = [y for y in _outputs(function, xs) if y.requires_grad]
        found = grad(ys, wanted, weights, create_graph=True, allow_unused=True)
        return [g for g in found if g is not None]

    problem = _recording_changes(function, inputs, wanted, weights)
    if problem:
        return _finish(Report(problem=problem), raise_exception)
    return gradcheck(first_gradients, inputs + weights, eps, atol, rtol, raise_exception=raise_exception, seed=seed,
                     all_below=all_below)


def _recording_changes(function, inputs, wanted, weights):
    """In words, if a gradient is another one when it is recorded: then one of the two formulas is wrong."""
    made = []
    for create_graph in (False, True):
        ys = [y for y in _outputs(function, inputs) if y.requires_grad]
        made.append(grad(ys, wanted, weights, create_graph=create_graph, allow_unused=True))
    for i, (plain, recorded) in enumerate(zip(*made)):
        a, b = (np.zeros(()) if g is None else g.data for g in (plain, recorded))
        error = np.abs(a - b).max(initial=0)
        if not error <= 1e-9 * max(1.0, np.abs(a).max(initial=0)):
            return (f"the gradient of input {i} of those that want one differs by {error:.2e} when it is recorded "
                    "(create_graph=True): its backward has two formulas, and they disagree")
    return ""
