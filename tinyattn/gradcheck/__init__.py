"""The gradient checker: is what `backward` says true?

The gradient of a sum L = Σ r · y of the outputs, with random weights r, is compared with central differences,

    ∂L/∂x_i ≈ (L(x + ε e_i) − L(x − ε e_i)) / 2ε                     (error O(ε²))

in float64: for every element of a small input, for some elements and some random directions of a large one (a wrong
element shows in any direction). As a library: `gradcheck` for your own functions, `gradgradcheck` for gradients of
gradients. As a command: ``tinyattn gradcheck conv2d CBAM`` or ``--all``.
"""
import json
import time
import traceback
from dataclasses import asdict, dataclass, field

import numpy as np

from .. import kernels
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


def gradcheck(function, inputs, eps=1e-5, atol=1e-6, rtol=1e-5, *, raise_exception=True, seed=0):
    """Compare the gradients of ``function(*inputs)`` with central differences.

    `inputs` are Tensors (or other arguments, passed on); those float64 leaves that require a gradient are checked, and
    are changed and put back on the way, so a module's parameters may be listed although the function does not take them
    by argument: ``gradcheck(lambda x, *_: layer(x), [x, *layer.parameters()])``. A derivative is right where
    |analytic − numeric| ≤ atol + rtol · |numeric|.

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
        _check_input(report, (values, change), i, x, np.zeros(x.shape) if g is None else g.data, g is None, (eps, atol, rtol), random,
                     len(wanted) > MANY)
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


def _check_input(report, loss, number, x, analytic, unused, tolerances, random, many):
    """Check the gradient of one input and note what is wrong with it in the report."""
    eps, atol, rtol = tolerances
    places, directions = list(np.ndindex(*x.shape)), []
    if len(places) > (SAMPLED_OF_MANY if many else ALL_BELOW):
        count, lines = (SAMPLED_OF_MANY, 1) if many else (SAMPLED, DIRECTIONS)
        places = [places[i] for i in random.choice(len(places), count, replace=False)]
        directions = [d / np.sqrt((d * d).sum()) for d in random.normal(size=(lines,) + x.shape)]
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


def gradgradcheck(function, inputs, eps=1e-5, atol=1e-6, rtol=1e-5, *, raise_exception=True, seed=0):
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
    return gradcheck(first_gradients, inputs + weights, eps, atol, rtol, raise_exception=raise_exception, seed=seed)


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


# --- the command ---------------------------------------------------------------------------------------------------

def _run_case(case, rung, seed, second_order):
    """Check one case of the registry on one rung: a dict for the table or the JSON."""
    started = time.perf_counter()
    check = gradgradcheck if second_order else gradcheck
    try:
        with kernels.use(rung):
            function, inputs = case.prepared(seed)
            report = check(function, inputs, raise_exception=False, seed=seed)
    except Exception as error:  # one broken operation must not hide the others: it is a row that fails
        where = traceback.extract_tb(error.__traceback__)[-1]
        report = Report(float("nan"), problem=f"{type(error).__name__}: {error} ({where.filename}:{where.lineno})")
    return {"name": case.name, "case": case.label, "rung": rung, "passed": report.passed, "max_error": report.max_error,
            "checked": report.checked, "seconds": round(time.perf_counter() - started, 4), "problem": report.problem,
            "failures": [asdict(f) for f in report.failures], "text": str(report)}


def _chosen(names, registry):
    """The cases of these names, or `Mistake` with the nearest that exist."""
    import difflib

    from ..cli import Mistake
    known = {case.name: None for case in registry}
    lower = {}
    for name in known:
        lower.setdefault(name.lower(), []).append(name)
    for name in names:
        if name not in known:
            near = difflib.get_close_matches(name.lower(), lower, 3, 0.5)
            hint = f"did you mean {', '.join(n for key in near for n in lower[key])}? " if near else ""
            raise Mistake(f"gradcheck: unknown name {name!r}: {hint}tinyattn gradcheck --list shows them all")
    return [case for case in registry if not names or case.name in names]


def main(argv):
    """``tinyattn gradcheck``: 0 if every gradient is right, 1 if one is wrong; a table, or one JSON object."""
    from ..cli import Mistake, Parser
    from .layer_cases import LAYERS
    from .network_cases import CASES
    parser = Parser(prog="tinyattn gradcheck", description="Check gradients against central differences, in float64.")
    parser.add_argument("names", nargs="*", metavar="NAME", help="operations and layers, such as conv2d or CBAM")
    parser.add_argument("--all", action="store_true", help="check everything")
    parser.add_argument("--list", action="store_true", help="show the names")
    parser.add_argument("--rung", choices=kernels.RUNGS, default=kernels.active(), help="kernels to check (default: %(default)s)")
    parser.add_argument("--second-order", action="store_true", help="check gradients of gradients instead")
    parser.add_argument("--seed", type=int, default=0, help="of the random inputs (default: 0)")
    parser.add_argument("--json", action="store_true", help="print one JSON object instead of the table")
    args = parser.parse_all(argv)
    registry = [*CASES, *LAYERS]
    if args.list:
        print(*dict.fromkeys(case.name for case in registry), sep="\n")
        return 0
    if not args.names and not args.all:
        raise Mistake("gradcheck: name what to check, or --all (--list shows the names)")
    if args.seed < 0:
        raise Mistake(f"gradcheck: --seed must not be negative, got {args.seed}")
    cases = [case for case in _chosen(args.names, registry) if case.smooth and (case.second or not args.second_order)]
    rows = []
    if not args.json:
        print(f"{'name':<42} {'result':<6} {'max error':>10} {'derivatives':>12} {'time':>9}")
    for case in cases:
        row = _run_case(case, args.rung, args.seed, args.second_order)
        rows.append(row)
        if not args.json:
            title = f"{row['name']} {row['case']}".strip()
            print(f"{title:<42} {'ok' if row['passed'] else 'FAIL':<6} {row['max_error']:>10.1e} {row['checked']:>12} "
                  f"{row['seconds'] * 1000:>6.0f} ms", flush=True)
    failed = [row for row in rows if not row["passed"]]
    if args.json:
        print(json.dumps({"passed": not failed, "rung": args.rung, "seed": args.seed, "rows": rows}, allow_nan=True))
    else:
        for row in failed:
            print(f"\n{row['name']} {row['case']}:\n  {row['text']}")
        print(f"\n{len(rows) - len(failed)} of {len(rows)} passed on {args.rung}")
    return 1 if failed else 0
