"""The checker: gradients against central differences, in float64."""
import numpy as np

from ..autograd import grad
from ..sweep import GradientShapeError
from ..tensor import Tensor
from .curve import v_curve
from .evidence import Cause, Evidence
from .hints import diagnose, wrong_shape
from .report import Failure, GradcheckError, Report, Worst
from .subject import Subject, wanted_inputs
from .whole import is_float32

ALL_BELOW = 64     # inputs of up to so many elements are checked element by element
SAMPLED = 24       # of larger ones, so many elements
DIRECTIONS = 3     # and so many random directions
MANY = 12          # with more inputs than this (a whole model), of each
SAMPLED_OF_MANY = 3  # so many elements, and one direction
FULL_BELOW = 4096  # where something is wrong, up to so many elements are looked at to find the cause
EXPLAINED = 3      # of a model with many wrong inputs, so many are looked into


def _checked_inputs(inputs):
    wanted = wanted_inputs(inputs)
    for i, x in wanted:
        if x.dtype != np.float64:
            raise TypeError(f"gradcheck: input {i} is {x.dtype}; differences need float64: pass x.double(), and module.double() "
                            "for a module")
        if not x.is_leaf:
            raise ValueError(f"gradcheck: input {i} is the result of a recorded operation; pass x.detach().requires_grad_()")
    return wanted


def gradcheck(function, inputs, eps=1e-5, atol=1e-6, rtol=1e-5, *, raise_exception=True, seed=0, all_below=ALL_BELOW, curve=True, names=()):
    """Compare the gradients of ``function(*inputs)`` with central differences.

    `inputs` are Tensors (or other arguments, passed on); those float64 leaves that require a gradient are checked, and
    are changed and put back on the way, so a module's parameters may be listed although the function does not take them
    by argument: ``gradcheck(lambda x, *_: layer(x), [x, *layer.parameters()])``. A derivative is right where
    |analytic − numeric| ≤ atol + rtol · |numeric|. Inputs of more than `all_below` elements are sampled.

    Returns a `Report` (truthy if all is well; printed, it shows the worst element and the V curve: the error against
    the step, left out with ``curve=False``). Otherwise raises `GradcheckError` with the worst element of each wrong input,
    a map of what is wrong and a likely cause, or returns the report with ``raise_exception=False``. `names` of the inputs
    are for the report.

    >>> x = ta.tensor([[1.0, 2.0]], dtype=ta.float64, requires_grad=True)
    >>> print(ta.gradcheck(lambda x: x.exp(), x, curve=False))
    gradcheck: 2 derivatives agree, largest error 3.2e-11
    """
    inputs = list(inputs) if isinstance(inputs, (tuple, list)) else [inputs]
    wanted = _checked_inputs(inputs)
    random, report = np.random.default_rng(seed), Report()
    subject = Subject(function, inputs, wanted, random)
    problem = what_forbids(subject)
    if problem:
        report.problem = problem
        return finish(report, raise_exception)
    try:
        found = subject.gradients()
    except GradientShapeError as error:
        report.cause = wrong_shape(error)
        report.problem = f"{error}. Likely cause: {report.cause}"
        return finish(report, raise_exception)
    compare(report, subject, found, (eps, atol, rtol), random, all_below, curve, names)
    return finish(report, raise_exception)


def what_forbids(subject):
    """In words, why the function cannot be checked, or ""."""
    again = subject.outputs()
    if any(not np.array_equal(a.data, b.data, equal_nan=True) for a, b in zip(subject.first, again)):
        return ("the function gives another result when it is called again with the same inputs (dropout? running statistics?): set the "
                "seed inside it")
    if not any(y.requires_grad for y in subject.first):
        return "no output depends, as far as the tape knows, on an input that requires a gradient"
    return ""


def finish(report, raise_exception):
    """The report, or `GradcheckError` where it is a bad one and the caller wants that."""
    if not report and raise_exception:
        raise GradcheckError(report)
    return report


def compare(report, subject, gradients, tolerances, random, all_below, curve, names=()):
    """Compare gradients (an array or None for each wanted input) with differences of the subject; fill in the report.

    tolerances: eps, atol, rtol; atol a number, or a list of arrays, one an input.
    """
    eps, atol, rtol = tolerances
    few = SAMPLED_OF_MANY if len(subject.wanted) > MANY else all_below
    for k, ((i, x), g) in enumerate(zip(subject.wanted, gradients)):
        allowed = np.broadcast_to(atol[k] if isinstance(atol, list) else atol, x.shape)
        analytic = np.zeros(x.shape) if g is None else g.astype(np.float64)
        found = _check_input(report, subject, k, analytic, g is None, (eps, allowed, rtol), random, few)
        if found is not None:
            found.name = names[i] if i < len(names) else ""
            report.worst.append(found)
    if report.worst and curve:
        at = max(report.failures or report.worst, key=lambda w: w.excess if np.isfinite(w.excess) else np.inf)
        x = dict(subject.wanted)[at.input]
        where = at.index if at.index is not None else at.direction
        report.curve, report.curve_at = v_curve(subject, x, where, at.analytic), at


def _check_input(report, subject, k, analytic, unused, tolerances, random, all_below):
    """Check the gradient of one input: its `Worst` place, or a `Failure`, noted in the report too."""
    (number, x), (eps, atol, rtol) = subject.wanted[k], tolerances
    places, directions = list(np.ndindex(*x.shape)), []
    if len(places) > all_below:
        places = [places[i] for i in random.choice(len(places), min(SAMPLED, all_below), replace=False)]
        lines = random.normal(size=(DIRECTIONS if all_below == ALL_BELOW else 1,) + x.shape)
        directions = [d / np.sqrt((d * d).sum()) for d in lines]
    worst, numeric, checked = None, {}, 0

    def look(a, place, where, allowed):
        nonlocal worst, checked
        n = subject.slope(x, where, eps)
        if not abs(a - n) <= allowed + rtol * abs(n):
            # a kink between x − ε and x + ε? or so large an L that its digits are used up? a wrong gradient is wrong at every step
            n = min(n, subject.slope(x, where, eps / 32), subject.slope(x, where, eps * 32), key=lambda n: abs(a - n))
        if place is not None:
            numeric[place] = n
        error = abs(a - n)
        checked += 1
        report.max_error = max(report.max_error, error / max(1.0, abs(n)))
        excess = error / (allowed + rtol * abs(n))
        if worst is None or not excess <= worst.excess:
            worst = Worst(number, x.shape, place, a, n, excess, direction=None if place is not None else where)

    for place in places:
        look(float(analytic[place]), place, place, float(atol[place]))
    for d in directions:
        look(float((analytic * d).sum()), None, d, float((atol * np.abs(d)).sum()))
    report.checked += checked
    if worst is None:
        return None
    worst.checked = checked
    # noise around a gradient of 0 has few digits too: only what is large beside all tolerances can be said to be rounded
    rounded = report.dtype == "float64" and np.abs(analytic).max(initial=0) > 100 * np.max(atol, initial=0) and is_float32(analytic)
    if worst.excess <= 1 and not rounded:
        return worst
    explained = len(report.failures) < EXPLAINED
    if explained and len(numeric) < x.data.size <= FULL_BELOW:
        for place in np.ndindex(*x.shape):
            if place not in numeric:
                look(float(analytic[place]), place, place, float(atol[place]))
    failure = Failure(**{**vars(worst), "checked": checked})
    if len(numeric) == x.data.size:
        full = np.array([numeric[p] for p in np.ndindex(*x.shape)]).reshape(x.shape)
        error = np.abs(analytic - full)
        failure.map = np.where((error <= atol + rtol * np.abs(full)) & (worst.excess > 1), 0.0, error)
        failure.wrong = int(np.count_nonzero(failure.map))
        failure.cause = _cause(subject, k, analytic, full, failure, unused, eps, explained, atol, report.dtype)
    else:
        failure.cause = Cause("nothing", "zero gradient: nothing arrived; was the input detached, or did a backward return None?") if unused else \
            Cause("unknown", "unknown: too large to look at every element; try it with a smaller input")
    report.failures.append(failure)
    return failure


def _cause(subject, k, analytic, numeric, failure, unused, eps, explained, atol, dtype):
    if not explained:
        return Cause("unknown", "unknown: not looked into, see the inputs above")
    x = subject.wanted[k][1]
    sides = None
    if failure.index is not None:
        sides = [(subject.slope(x, failure.index, step, -1, 0), subject.slope(x, failure.index, step, 0, 1)) for step in (eps, eps / 16)]
    close = max(1e-5, 10 * float(np.max(atol, initial=0)) / max(float(np.abs(numeric).max(initial=0)), 1e-12))
    return diagnose(Evidence(analytic, numeric, subject, k, sides, unused, min(close, 1e-3), dtype == "float64"))


def gradgradcheck(function, inputs, eps=1e-5, atol=1e-6, rtol=1e-5, *, raise_exception=True, seed=0, all_below=12, curve=True, names=()):
    """Compare gradients of gradients with differences of gradients: `gradcheck` of x, dy ↦ dx, recorded.

    Arguments and result as of `gradcheck`; here the analytic values come from ``create_graph=True`` and a second sweep.
    """
    inputs = list(inputs) if isinstance(inputs, (tuple, list)) else [inputs]
    wanted = [x for _, x in _checked_inputs(inputs)]
    random = np.random.default_rng(seed + 1)
    first = Subject(function, inputs, [], np.random.default_rng(0)).first
    weights = [Tensor(random.normal(size=y.shape), requires_grad=True) for y in first if y.requires_grad]

    def outputs(given):
        return [y for y in Subject(function, given, [], np.random.default_rng(0)).first if y.requires_grad]

    def first_gradients(*given):
        found = grad(outputs(given[:len(inputs)]), wanted, weights, create_graph=True, allow_unused=True)
        return [g for g in found if g is not None]

    problem = _recording_changes(outputs, inputs, wanted, weights)
    if problem:
        return finish(Report(problem=problem), raise_exception)
    names = [*names[:len(inputs)], *[""] * (len(inputs) - len(names)), *[f"dy {i}" for i in range(len(weights))]]
    return gradcheck(first_gradients, inputs + weights, eps, atol, rtol, raise_exception=raise_exception, seed=seed, all_below=all_below,
                     curve=curve, names=names)


def _recording_changes(outputs, inputs, wanted, weights):
    """In words, if a gradient is another one when it is recorded: then one of the two formulas is wrong."""
    made = [grad(outputs(inputs), wanted, weights, create_graph=create_graph, allow_unused=True) for create_graph in (False, True)]
    for i, (plain, recorded) in enumerate(zip(*made)):
        a, b = (np.zeros(()) if g is None else g.data for g in (plain, recorded))
        error = np.abs(a - b).max(initial=0)
        if not error <= 1e-9 * max(1.0, np.abs(a).max(initial=0)):
            return (f"the gradient of input {i} of those that want one differs by {error:.2e} when it is recorded "
                    "(create_graph=True): its backward has two formulas, and they disagree")
    return ""
