"""Gradients of float32, judged honestly: by float64 differences, within what the rounding of float32 can do.

Differences of float32 outputs are worthless as a judge: with u = 6e-8 their best step, ∛u, leaves an error of 1e-5 or more
(the V curve shows it). So the same kernels make two things at one point, whose numbers float32 holds exactly: the gradient
in float32, and differences in float64. They may differ by what rounding does to the gradient, and by nothing else:

    |g₃₂ − g| ≤ 2 √(K + n) · max(s, ρ · rms g) + 1e-9 + 1e-7 |g|

s is what one rounding of everything does to the gradient, measured: the largest change of the float64 gradient over four
draws in which every input, every weight of L and the result of every operation, forward and backward, is moved at random
within ±u of itself (Parker's Monte Carlo arithmetic, 1997); at least its root of the mean square over the array, and u |g|.
ρ is how inexact the float32 function itself is, ‖y₃₂ − y‖ / ‖y‖: constants inside a kernel (the positions of an
interpolation) are rounded too, and its gradient can be no more exact than it is. The K operations of the tape, and sums of n
terms inside them, round again and again, in all directions: errors grow like the root of their number (Higham & Mary, "A new
approach to probabilistic rounding error analysis", SIAM J. Sci. Comput. 2019); 2 is for luck in four draws. The last two
terms are the error of the differences themselves.

The backward that is moved is the recorded one (create_graph=True). Asked for a gradient alone, many operations call one fused
kernel; only its result could be moved, and within ±u of nothing is nothing where the terms inside it cancel. dx of a layer
norm over one number is rstd · (g − mean g) = 0, and over two numbers nearly 0. But float32 rounds g and mean g apart (a
compiled loop fuses the product in one of them with the sum and not in the other), which leaves u |g| · rstd. Recorded, the
same gradient is written out in ordinary operations, and what rounding leaves of terms that cancel is seen: as much as the
formula makes of it, however much or little the kernel under judgement does.
"""
import contextlib

import numpy as np

from ..autograd import Function
from ..ops.reduce import MeanFunction, SumFunction
from ..sweep import GradientShapeError
from ..tensor import Tensor
from .checker import ALL_BELOW, compare, finish, what_forbids
from .hints import wrong_shape
from .report import Report
from .subject import Subject, wanted_inputs

ROUNDING = 2.0**-24  # u: half the distance from 1 to the next float32
DRAWS = 4
SUMS = (SumFunction, MeanFunction)  # computed even where there is one number to add, which then looks like one that was only chosen


def gradcheck_float32(single, double, eps=1e-5, *, raise_exception=True, seed=0, all_below=ALL_BELOW, curve=True, names=()):
    """Check float32 gradients. single, double: (function, inputs) of the same numbers in float32 and in float64.

    Returns a `Report`, or raises `GradcheckError`, as `gradcheck`. ValueError where the two are not at the same point.
    """
    judged, truth = _subject(*single, seed), _subject(*double, seed)
    _same_point(judged, truth)
    judged.weights = [np.asarray(w, np.float32) for w in judged.weights]
    truth.weights = [w.astype(np.float64) for w in judged.weights]
    truth.flat_weights = truth.flat(truth.weights)
    report = Report(dtype="float32")
    report.problem = what_forbids(judged) or what_forbids(truth)
    if report.problem:
        return finish(report, raise_exception)
    try:
        found = judged.gradients()
    except GradientShapeError as error:
        report.cause = wrong_shape(error)
        report.problem = f"{error}. Likely cause: {report.cause}"
        return finish(report, raise_exception)
    for (i, _), g in zip(judged.wanted, found):
        if g is not None and g.dtype != np.float32:
            report.problem = f"the gradient of input {i} is {g.dtype}, not float32"
            return finish(report, raise_exception)
    allowed = [a + 1e-9 for a in rounding_bounds(judged, truth, seed)]
    compare(report, truth, found, (eps, allowed, 1e-7), np.random.default_rng(seed), all_below, curve, names)
    return finish(report, raise_exception)


def _subject(function, inputs, seed):
    return Subject(function, inputs, wanted_inputs(inputs), np.random.default_rng(seed))


def _same_point(judged, truth):
    for i, (a, b) in enumerate(zip(judged.inputs, truth.inputs, strict=True)):
        if isinstance(a, Tensor) and not np.array_equal(a.data, b.data, equal_nan=a.is_floating_point()):
            raise ValueError(f"gradcheck: input {i} is not the same in float32 and in float64: round it to float32 first")


@contextlib.contextmanager
def _rounded_results(random):
    """Inside, the result of every operation is moved at random within ±u of itself, as float32 would round it."""
    exact = Function.__dict__["apply"]

    def apply(cls, *inputs, **attributes):
        made = exact.__func__(cls, *inputs, **attributes)
        for y in made if isinstance(made, tuple) else (made,):
            if y.is_floating_point() and y.data.flags.writeable and not cls.is_view and (cls in SUMS or not _only_chosen(y.data, inputs)):
                y.data *= 1 + ROUNDING * random.uniform(-1, 1, y.data.shape)
        return made

    Function.apply = classmethod(apply)
    try:
        yield
    finally:
        Function.apply = exact


def _only_chosen(y, inputs):
    """Whether y is made of numbers of the inputs (and zeros), as by a maximum or a copy: choosing rounds nothing."""
    given = [x.data for x in inputs if x is not None]
    if any(np.may_share_memory(x, y) for x in given):
        return True
    few = y.ravel()[:3]                                    # mostly these tell already, without sorting everything
    if not all(v == 0 or any((x == v).any() for x in given) for v in few):
        return False
    return bool(np.isin(y, np.concatenate([[0.0], *[x.ravel() for x in given]])).all())


def rounding_bounds(judged, subject, seed):
    """2 √(K + n) · max(s, ρ · rms g) for each wanted input: arrays (see above). judged, subject: in float32, in float64."""
    random, base = np.random.default_rng([seed, 32]), subject.gradients(create_graph=True)
    floats = [x for x in subject.inputs if isinstance(x, Tensor) and x.is_floating_point()]
    before = [x.data.copy() for x in floats]
    spread = [np.zeros(x.shape) for _, x in subject.wanted]
    try:
        for _ in range(DRAWS):
            for x, old in zip(floats, before):
                x.data[...] = old * (1 + ROUNDING * random.uniform(-1, 1, x.shape))
            weights = [w * (1 + ROUNDING * random.uniform(-1, 1, w.shape)) for w in subject.weights]
            with _rounded_results(random):
                found = subject.gradients(weights, create_graph=True)
            for s, g, g0 in zip(spread, found, base):
                if g is not None and g0 is not None:
                    np.maximum(s, np.abs(g - g0), out=s)
    finally:
        for x, old in zip(floats, before):
            x.data[...] = old
    y = subject.values()
    inexact = _rms(judged.values() - y) / max(_rms(y), 1e-300)
    terms = max([x.data.size for _, x in subject.wanted] + [w.size for w in subject.weights])
    growth = 2 * np.sqrt(len(subject.tape()) + terms)
    made = []
    for s, g0 in zip(spread, base):
        g0 = np.zeros_like(s) if g0 is None else g0
        made.append(growth * np.maximum(np.maximum(s, _rms(s)), np.maximum(ROUNDING * np.abs(g0), min(inexact, 1e-4) * _rms(g0))))
    return made


def _rms(a):
    a = a[np.isfinite(a)]
    return float(np.sqrt(np.mean(a * a))) if a.size else 0.0
