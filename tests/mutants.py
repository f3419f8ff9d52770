"""The gradient checker is itself checked: every backward in tinyattn/ops is broken on purpose, and the check must notice.

    python tests/mutants.py [--only NAME] [--causes FILE]

A mutant is one operation's backward with one mistake in it, of two sorts. Those of the source: a sign turned, a term or a factor
dropped, a constant, an axis or a slice off by one, an un-broadcast left out, done to the syntax tree of the method. And those of the
result: the gradient of one input negated, times 1.5, moved by one along an axis, one element of it wrong, or with something added.
Each is run on the samples of `tinyattn gradcheck` that pass through that operation, the quickest first, until one notices. An
operation that no sample reaches, one with fewer than three mutants, and a mutant that survives without being in EQUIVALENT fail the
proof. The likely causes that the checker states are held against what was done: none may be a wrong one (see TRUE).
"""
import argparse
import ast
import contextlib
import importlib
import inspect
import multiprocessing
import pkgutil
import sys
import textwrap
import time
import warnings
from collections import Counter
from dataclasses import dataclass, field

import numpy as np

import tinyattn as ta
import tinyattn.ops
from tinyattn import kernels
from tinyattn.autograd import Function
from tinyattn.gradcheck import gradcheck, gradgradcheck
from tinyattn.gradcheck.float32 import gradcheck_float32
from tinyattn.gradcheck.registry import CASES, LAYERS

METHODS = ("backward", "partials", "derivative", "written_out")
SAMPLES = {1: 40, 2: 20}  # of each order, so many samples of an operation are tried
DEAREST, DEAR = 2500, 6   # elements of a sample's inputs times operations on its tape; of dearer ones so many are tried, at last

_AT_ZERO = "only where a or b is 0 to the last bit, where the power is no smooth function of both: tests/parity holds it"
_AT_TIES = "only at ties, where a maximum has no derivative: tests/parity holds PyTorch's half"
_AT_KINK = "only at x = 0 with alpha other than 1, where elu has a kink"
_CANCELS = "b is added to every score, and softmax takes away what all share: its gradient is 0"
EQUIVALENT = {
    "EluFunction.derivative: the sign in y.detach() + alpha": _AT_KINK,
    "EluFunction.derivative: y.detach() + alpha without its second term": _AT_KINK,
    "EluFunction.derivative: y.detach() + alpha without its first term": _AT_KINK,
    "LayerNormFunction.written_out: -1 without its minus": "the rows have two axes, and -1 and 1 are one of them",
    "MaximumFunction.partials: the sign in 1 - cast(eq(a, b), dy.dtype) * 0.5": _AT_TIES,
    "MaximumFunction.partials: 1 - cast(eq(a, b), dy.dtype) * 0.5 without its second term": _AT_TIES,
    "MaximumFunction.partials: cast(eq(a, b), dy.dtype) * 0.5 without its second factor": _AT_TIES,
    "MaximumFunction.partials: 0.5 doubled": _AT_TIES,
    "ExtremeFunction.backward: hits / hits.sum(ctx.attributes['dim'], keepdim=True) without its second factor": _AT_TIES,
    "PowFunction.partials: 0 one more in eq(b, 0)": _AT_ZERO, "PowFunction.partials: 1 one more in where(eq(b, 0), 1, b)": _AT_ZERO,
    "PowFunction.partials: 0 one more in eq(a, 0)": _AT_ZERO, "PowFunction.partials: 0 one more in ge(b, 0)": _AT_ZERO,
    "PowFunction.partials: 0 one more in where(at_zero, 0, pow(a, b) * log(where(at_zero, 1, a)))": _AT_ZERO,
    "PowFunction.partials: 1 one more in where(at_zero, 1, a)": _AT_ZERO,
    "AttentionPoolFunction.backward: gradient 2 negated": _CANCELS, "AttentionPoolFunction.backward: gradient 2 moved by one": _CANCELS,
    "EmbeddingFunction.backward: dy * share without its second factor":
        "scale_grad_by_freq is meant not to be the derivative; tests/parity holds it",
}
"""Mutants that change no gradient, each with the reason: nothing could notice them."""

FORMULA = {"sign", "term", "factor", "dropped factor", "dropped function", "mean or sum", "off by one"}
TRUE = {
    "sign": {"sign"}, "factor": FORMULA | {"lost", "element"}, "factor along an axis": FORMULA - {"off by one"},
    "sum": {"mean or sum", "dropped factor"}, "mean": {"mean or sum", "dropped factor"}, "off by one": {"off by one"}, "end": {"off by one"},
    "places": {"off by one", "flip"}, "flipped": {"flip", "off by one"}, "transposed": {"flip", "off by one"}, "dropped sum": FORMULA,
    "wrong axis": {"off by one"}, "missing factor": {"dropped factor", "dropped function"}, "extra factor": {"dropped factor", "dropped function"},
    "dy": {"dropped factor", "term", "added", "off by one"}, "zeros": {"lost", "sign", "term", "off by one", "dropped factor"},
    "stale": {"dropped factor", "dropped function", "term", "lost"}, "un-broadcast": {"un-broadcast"}, "last use": {"lost"},
    "left out": {"lost", "term", "sign", "off by one"}, "not finite": {"mean or sum", "dropped factor", "term", "off by one"}, "nothing": set(),
}
"""Which mistakes each stated cause is true of. All others are wrong ones: a border, a stride, a kink or float32, say, is in no mutant. (Mutants
of a number in the source are "off by one" and may be a wrong factor; so may one that moves, or changes, the only number there is.)"""


# --- the operations ---------------------------------------------------------------------------------------------------

def rooms():
    return [importlib.import_module(f"tinyattn.ops.{found.name}") for found in pkgutil.iter_modules(tinyattn.ops.__path__)]


def operations():
    """Every Function class of tinyattn.ops that has a backward: {name: class}."""
    found, stack = {}, [Function]
    rooms()
    while stack:
        for cls in stack.pop().__subclasses__():
            stack.append(cls)
            if cls.__module__.startswith("tinyattn.ops") and cls.backward is not Function.backward:
                found[cls.__name__] = cls
    abstract = {c.__name__ for c in found.values() if c.__subclasses__() and c.__name__ in ("Binary", "Unary")}
    return {name: cls for name, cls in sorted(found.items()) if name not in abstract}


class Cast:
    """A sample of its own for casts: float32 on the way would spoil differences, so its float32 gradient is held against float64's."""
    name, label, smooth, second, inputs = "cast", "to float64", True, False, ()

    def _at(self, dtype):
        x = np.random.default_rng(0).normal(size=(3, 4)).astype(np.float32).astype(dtype)
        return (lambda x: x.double() ** 2), [ta.tensor(x, dtype=dtype, requires_grad=True)]

    def prepared(self):
        return self._at(np.float32)

    def check(self):
        return gradcheck_float32(self._at(np.float32), self._at(np.float64), raise_exception=False, curve=False)


@dataclass
class Use:
    """A sample that passes through an operation: in the tape of its outputs (order 1) or of its gradients (order 2)."""
    sample: object
    order: int
    size: int
    cost: int


def uses_of_operations(samples=(*CASES, *LAYERS, Cast())):
    """{class name: [Use]}, the quickest first."""
    found = {}
    for sample in samples:
        if not sample.smooth:
            continue
        function, inputs = sample.prepared()
        size = sum(x.data.size for x in inputs if isinstance(x, ta.Tensor) and x.requires_grad)
        if size > 6000:
            continue
        outputs = [y for y in function(*inputs) if y.requires_grad] if isinstance(sample, type(LAYERS[0])) else _list(function(*inputs))
        first = _nodes(outputs)
        second = set()
        if sample.second and outputs:
            wanted = [x for x in inputs if isinstance(x, ta.Tensor) and x.requires_grad]
            weights = [ta.Tensor(np.ones(y.shape), requires_grad=True) for y in outputs]
            made = ta.grad(outputs, wanted, weights, create_graph=True, allow_unused=True)
            second = _nodes([g for g in made if g is not None]) | first
        for order, names in ((1, first), (2, second)):
            for name in names:
                found.setdefault(name, []).append(Use(sample, order, size, size * len(names)))
    for name, uses in found.items():
        uses.sort(key=lambda u: (u.order, u.cost > DEAREST, u.size < 4, u.sample.name.lower() + "function" != name.lower().replace("_", ""), u.cost))
        small = [u for u in uses if u.cost <= DEAREST] or uses[:2]
        first, second = ([u for u in small if u.order == order][:SAMPLES[order]] for order in (1, 2))
        dear = [u for order in (1, 2) for u in [v for v in uses if v.order == order and v not in small][:DEAR]]
        found[name] = first[:5] + second[:4] + first[5:] + second[4:] + dear
    return found


def _list(made):
    made = made if isinstance(made, (tuple, list)) else [made]
    return [y for y in made if isinstance(y, ta.Tensor) and y.requires_grad]


def _nodes(outputs):
    """The names of the classes on the tape that leads to `outputs`."""
    seen, names, stack = set(), set(), [y.grad_fn for y in outputs if y.grad_fn is not None]
    while stack:
        node = stack.pop()
        if node not in seen:
            seen.add(node)
            names.add(type(node).__name__)
            stack.extend(e[0] for e in node.edges if e is not None and not isinstance(e[0], ta.Tensor))
    return names


# --- the mutants ------------------------------------------------------------------------------------------------------

@dataclass
class Mutant:
    """kind: what was done. install: a context manager."""
    operation: str
    kind: str
    what: str
    cls: type = field(repr=False)
    attribute: str = field(repr=False)
    made: object = field(repr=False)

    @property
    def name(self):
        return f"{self.operation}.{self.attribute}: {self.what}"

    @contextlib.contextmanager
    def installed(self):
        own = self.attribute in vars(self.cls)
        before = vars(self.cls).get(self.attribute)
        setattr(self.cls, self.attribute, self.made)
        try:
            yield
        finally:
            if own:
                setattr(self.cls, self.attribute, before)
            else:
                delattr(self.cls, self.attribute)


def _changed_results(cls, change, which):
    """cls.backward with `change` applied to the gradient of input `which` (counted among those that are given)."""
    original = cls.backward

    def backward(ctx, *gradients):
        results = original(ctx, *gradients)
        results = list(results) if isinstance(results, tuple) else [results]
        given = [i for i, g in enumerate(results) if g is not None]
        if which < len(given):
            results[given[which]] = change(results[given[which]])
        return tuple(results)
    return backward


def _moved(g):
    """Every value one place further along the longest axis that they differ along; where there is none, times 1.5."""
    axes = [a for a in range(g.ndim) if g.shape[a] > 1 and not np.array_equal(np.roll(g.data, 1, a), g.data)]
    if not axes:
        return g * 1.5
    axis = max(axes, key=lambda a: g.shape[a])
    return ta.cat([g.narrow(axis, g.shape[axis] - 1, 1), g.narrow(axis, 0, g.shape[axis] - 1)], axis)


def _one_wrong(g):
    """The largest element a quarter larger."""
    factor = np.ones(g.shape)
    if g.data.size:
        factor[np.unravel_index(np.abs(g.data).argmax(), g.shape)] = 1.25
    return g * ta.Tensor(factor.astype(g.dtype))


RESULTS = {
    "negated": ("sign", lambda g: g * -1), "times 1.5": ("factor", lambda g: g * 1.5), "moved by one": ("off by one", _moved),
    "one element wrong": ("element", _one_wrong), "something added": ("added", lambda g: g + 0.5), "lost": ("lost", lambda g: g * 0),
}


def of_results(name, cls, inputs):
    """Mutants of what backward returns. Where the true gradient is 0 (steps), a factor changes nothing: only what adds is a mutant."""
    steps = cls.__name__ in ZERO
    for which in range(inputs):
        for what, (kind, change) in RESULTS.items():
            if steps and what != "something added" or which and what not in ("negated", "moved by one"):
                continue
            yield Mutant(name, kind, f"gradient {which} {what}", cls, "backward", _changed_results(cls, change, which))
    if steps:
        yield Mutant(name, "added", "gradient 0 is dy", cls, "backward", lambda ctx, dy, *_: _like(ctx, dy))


def _like(ctx, dy):
    return (dy,) if len(ctx.needs) == 1 else tuple(tinyattn.ops.shape.unbroadcast(dy, s) for s in ctx.shapes)


ZERO = ("SignFunction", "FloorFunction", "CeilFunction", "RoundFunction", "RoundedDivideFunction")
"""Step functions: their gradient is 0 everywhere."""


class Change(ast.NodeTransformer):
    """Makes the n-th possible change of a syntax tree; `done` says which it was: (kind, words)."""

    def __init__(self, number):
        self.number, self.seen, self.done, self.within = number, 0, None, ""

    def _mine(self, kind, words):
        self.seen += 1
        if self.seen - 1 == self.number:
            self.done = kind, words
            return True
        return False

    def visit_Subscript(self, node):
        text = ast.unparse(node.value)
        if text == "ctx.needs":           # what is computed, not its value
            return node
        return self.generic_visit(node)

    def visit_BinOp(self, node):
        text = ast.unparse(node)
        if isinstance(node.op, (ast.Add, ast.Sub)) and not isinstance(node.left, ast.Tuple) and not isinstance(node.right, ast.Tuple):
            other = ast.Sub() if isinstance(node.op, ast.Add) else ast.Add()
            if self._mine("sign", f"the sign in {text}"):
                return ast.BinOp(node.left, other, node.right)
            if self._mine("term", f"{text} without its second term"):
                return node.left
            if self._mine("term", f"{text} without its first term"):
                return ast.UnaryOp(ast.USub(), node.right) if isinstance(node.op, ast.Sub) else node.right
        if isinstance(node.op, (ast.Mult, ast.Div)) and not isinstance(node.left, ast.Tuple) and not isinstance(node.right, ast.Tuple):
            if self._mine("dropped factor", f"{text} without its second factor"):
                return node.left
            if isinstance(node.op, ast.Mult) and self._mine("dropped factor", f"{text} without its first factor"):
                return node.right
        return self.generic_visit(node)

    def visit_UnaryOp(self, node):
        if isinstance(node.op, ast.USub) and self._mine("sign", f"{ast.unparse(node)} without its minus"):
            return node.operand
        if isinstance(node.op, ast.USub) and isinstance(node.operand, ast.Constant):     # −1 is one constant
            if type(node.operand.value) is int and self._mine("off by one", f"{ast.unparse(node)} one less"):
                return ast.Constant(-node.operand.value - 1)
            return node
        return self.generic_visit(node)

    def visit_Call(self, node):
        name, text = getattr(node.func, "id", getattr(node.func, "attr", "")), ast.unparse(node)
        if name == "neg" and len(node.args) == 1 and self._mine("sign", f"{text} without its minus"):
            return node.args[0]
        if name == "unbroadcast" and self._mine("un-broadcast", f"{text} without the un-broadcast"):
            return node.args[0]
        if name == "flip" and isinstance(node.func, ast.Attribute) and self._mine("flip", f"{text} unflipped"):
            return node.func.value
        if name in ("sum", "mean") and isinstance(node.func, ast.Attribute):
            if self._mine("mean or sum", f"{text} as the other"):
                node.func.attr = {"sum": "mean", "mean": "sum"}[name]
                return node
        if name in ("square", "rsqrt", "sqrt", "reciprocal") and self._mine("dropped function", f"{text} without {name}"):
            return node.args[0] if node.args else node.func.value
        before, self.within = self.within, f" in {text}"
        node = self.generic_visit(node)
        self.within = before
        return node

    def visit_Constant(self, node):
        if type(node.value) is int:
            if self._mine("off by one", f"{node.value} one more{self.within}"):
                return ast.Constant(node.value + 1)
        if type(node.value) is float and self._mine("factor", f"{node.value} doubled"):
            return ast.Constant(node.value * 2)
        return node

    def visit_Compare(self, node):
        return node                    # branches, not the formula

    def visit_If(self, node):
        node.body = [self.visit(n) for n in node.body]
        node.orelse = [self.visit(n) for n in node.orelse]
        return node

    def visit_IfExp(self, node):
        node.body, node.orelse = self.visit(node.body), self.visit(node.orelse)
        return node

    def visit_JoinedStr(self, node):
        return node


def _function(tree, scope, filename):
    """Compile a function's syntax tree in its module's scope."""
    made = {}
    exec(compile(ast.fix_missing_locations(ast.Module([tree], [])), filename, "exec"), scope, made)
    return next(iter(made.values()))


def changes_of(function, tree=None):
    """(kind, words, changed function) for each possible change of a function's source."""
    number = 0
    while True:
        fresh = tree if tree is not None else ast.parse(textwrap.dedent(inspect.getsource(function))).body[0]
        fresh = ast.parse(ast.unparse(fresh)).body[0]
        fresh.body = fresh.body[1:] if ast.get_docstring(fresh) else fresh.body
        change = Change(number)
        changed = fresh
        changed.body = [change.visit(n) for n in fresh.body]
        if change.done is None:
            return
        yield *change.done, _function(changed, function.__globals__, inspect.getsourcefile(function))
        number += 1


def of_source(name, cls):
    """Mutants of the methods that cls itself defines, and of the derivatives that made it (see pointwise.unary)."""
    for method in METHODS:
        own = vars(cls).get(method)
        if own is not None and own.__code__.co_name != "<lambda>":
            for kind, what, made in changes_of(own):
                yield Mutant(name, kind, what, cls, method, made)
    derivative = vars(cls).get("derivative")
    if derivative is None or derivative.__code__.co_name != "<lambda>":
        return
    for inner in _derivatives(derivative):
        for kind, what, made in _changes_of_derivative(inner):
            yield Mutant(name, kind, what, cls, "derivative", lambda ctx, dy, *saved, f=made: f(dy, *saved))


def _derivatives(function):
    """The functions written out in the closures of a derivative: the lambda given to `unary`, or the one given to `fused`."""
    inner = [c.cell_contents for c in function.__closure__ or () if inspect.isfunction(c.cell_contents)]
    return [g for f in inner for g in ([f] if not f.__closure__ else _derivatives(f))]


def _changes_of_derivative(function):
    if function.__name__ != "<lambda>":
        return changes_of(function)
    source = inspect.getsource(inspect.getmodule(function))
    lines = {node.lineno: [] for node in ast.walk(ast.parse(source)) if isinstance(node, ast.Lambda)}
    for node in ast.walk(ast.parse(source)):
        if isinstance(node, ast.Lambda):
            lines[node.lineno].append(node)
    (found,) = [n for n in lines[function.__code__.co_firstlineno] if [a.arg for a in n.args.args] == list(inspect.signature(function).parameters)]
    tree = ast.FunctionDef("derivative", found.args, [ast.Return(found.body)], [])
    ast.fix_missing_locations(tree)
    return changes_of(function, tree)


HELPERS = {"BatchNormFunction": ("norm", "_written_out")}
"""Functions outside a class in which a backward is written out."""


def of_helpers(name):
    if name in HELPERS:
        room, helper = HELPERS[name]
        module = importlib.import_module(f"tinyattn.ops.{room}")
        for kind, what, made in changes_of(getattr(module, helper)):
            yield Mutant(name, kind, what, module, helper, made)


def mutants(name, cls, inputs):
    """All mutants of one operation; inputs: how many gradients its backward gives."""
    return [*of_source(name, cls), *of_helpers(name), *of_results(name, cls, inputs)]


# --- the proof --------------------------------------------------------------------------------------------------------

@dataclass
class Outcome:
    """Whether a mutant was caught, by which sample, and the cause that was stated ("" where it crashed)."""
    mutant: Mutant
    caught: bool
    by: str = ""
    cause: str = ""
    words: str = ""


def check_of(use):
    """Run the checker on one sample: a report, or the exception that a broken backward raised."""
    if hasattr(use.sample, "check"):
        return use.sample.check()
    check = gradcheck if use.order == 1 else gradgradcheck
    return check(*use.sample.prepared(), raise_exception=False, curve=False, all_below=64 if use.order == 1 else 12)


_RIGHT = {}


def passes_unbroken(use):
    """Whether a sample passes when nothing is broken. One that does not would "catch" anything."""
    key = use.sample.name, use.sample.label, use.order
    if key not in _RIGHT:
        _RIGHT[key] = bool(check_of(use))
    return _RIGHT[key]


def try_mutant(mutant, uses):
    for use in uses:
        by = f"{use.sample.name} {use.sample.label}"
        with mutant.installed():
            try:
                report = check_of(use)
            except Exception as error:  # a backward that crashes is noticed by everyone
                report, crash = None, f"{type(error).__name__}: {error}"
        if report:
            continue
        if not passes_unbroken(use):
            raise AssertionError(f"the sample {by} (order {use.order}) fails although nothing is broken: it proves nothing")
        if report is None:
            return Outcome(mutant, True, by, "", crash)
        cause = report.failures[0].cause if report.failures else report.cause
        return Outcome(mutant, True, by, "" if cause is None or use.order == 2 else cause.kind, str(cause))
    return Outcome(mutant, False)


def gradients_of(cls, uses):
    """How many gradients its backward gives, at most, over the samples."""
    counts, original = [0], cls.backward

    def backward(ctx, *gradients):
        results = original(ctx, *gradients)
        results_ = results if isinstance(results, tuple) else (results,)
        counts.append(sum(g is not None for g in results_))
        return results
    own, before = "backward" in vars(cls), vars(cls).get("backward")
    cls.backward = backward
    try:
        for use in uses:
            check_of(use)
    finally:
        if own:
            cls.backward = before
        else:
            del cls.backward
    return max(counts)


def _prove_one(name):
    """(name, outcomes or None where no sample reaches it, seconds): one operation, in a process of its own."""
    started, cls, uses = time.perf_counter(), operations()[name], _USES.get(name)
    if not uses:
        return name, None, 0.0
    with kernels.use("reference"), warnings.catch_warnings(), np.errstate(all="ignore"):
        warnings.simplefilter("ignore")
        tried = [try_mutant(m, uses) for m in mutants(name, cls, gradients_of(cls, uses[:1] + uses[-1:]))]
    for o in tried:
        o.mutant.cls = o.mutant.made = None                       # functions do not travel between processes
    return name, tried, time.perf_counter() - started


_USES = {}


def prove(names=None, processes=2, progress=print):
    """Run the proof on these operations (default: all). Returns (outcomes, complaints)."""
    outcomes, complaints = [], []
    with kernels.use("reference"):
        _USES.update(_USES or uses_of_operations())
    chosen = sorted(operations()) if names is None else names
    if processes > 1:
        with multiprocessing.get_context("fork").Pool(processes) as pool:
            results = list(_told(pool.imap_unordered(_prove_one, chosen), progress))
    else:
        results = list(_told(map(_prove_one, chosen), progress))
    for name, tried in sorted(results):
        if tried is None:
            complaints.append(f"{name}: no sample reaches its backward")
            continue
        outcomes += tried
        if len(tried) < 3:
            complaints.append(f"{name}: {len(tried)} mutants, expected at least 3")
    return outcomes, complaints


def _told(results, progress):
    for name, tried, seconds in results:
        progress(f"{name:<32} {sum(o.caught for o in tried or ()):>3} of {len(tried or ()):>3} caught {seconds:>7.1f} s", flush=True)
        yield name, tried


def misled(outcomes):
    """Outcomes whose stated cause is a wrong one."""
    return [o for o in outcomes if o.cause not in ("", "unknown", "shape") and o.mutant.kind not in TRUE.get(o.cause, ())]


def named(outcomes):
    """How many have a cause stated that is not "unknown"."""
    return sum(o.cause not in ("", "unknown", "shape") for o in outcomes)


def complaints_about(outcomes):
    """In words: survivors that nobody listed, wrong causes, and too long a list."""
    missed = survivors(outcomes)
    made = [f"survived, and is not in EQUIVALENT: {name}" for name in missed if name not in EQUIVALENT]
    made += [f"a wrong cause: {o.mutant.name} ({o.mutant.kind}), on {o.by}: {o.cause}: {o.words}" for o in misled(outcomes)]
    if len(missed) > 0.05 * len(outcomes):
        made.append(f"{len(missed)} of {len(outcomes)} mutants are called equivalent, more than 5 %")
    return made


def survivors(outcomes):
    """Names of the mutants that nothing noticed."""
    return [o.mutant.name for o in outcomes if not o.caught]


def main():
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--only", default="", help="operations whose names contain one of these: softmax,conv")
    parser.add_argument("--part", default="1/1", help="the first of three parts of the operations: 1/3")
    parser.add_argument("--causes", metavar="FILE", help="write every stated cause beside what was done")
    args = parser.parse_args()
    started, (part, parts) = time.perf_counter(), map(int, args.part.split("/"))
    names = [n for n in sorted(operations()) if any(word in n.lower() for word in args.only.lower().split(","))][part - 1::parts]
    outcomes, complaints = prove(names)
    if args.causes:
        with open(args.causes, "w", encoding="utf-8") as file:
            for o in outcomes:
                print(o.mutant.kind, o.cause or "-", o.mutant.name, o.by, o.words[:200], sep=" | ", file=file)
    missed = survivors(outcomes)
    for name in missed:
        print(f"survived: {name}" + (f" (equivalent: {EQUIVALENT[name]})" if name in EQUIVALENT else ""))
    complaints += complaints_about(outcomes)
    print("causes:", dict(Counter(o.cause or "(crash, or second order)" for o in outcomes if o.caught)))
    print(f"{len(outcomes)} mutants of {len({o.mutant.operation for o in outcomes})} operations: {len(outcomes) - len(missed)} caught, "
          f"{len(missed)} equivalent or not; a cause named for {named(outcomes)}, a wrong one for {len(misled(outcomes))}; "
          f"{time.perf_counter() - started:.0f} s")
    print(*complaints, sep="\n")
    return 1 if complaints else 0


if __name__ == "__main__":
    sys.exit(main())
