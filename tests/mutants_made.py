"""The mutants of an operation: its backward with one mistake in the source, or in what it returns."""
import contextlib
import importlib
from dataclasses import dataclass, field

import numpy as np

import tinyattn as ta
import tinyattn.ops
from mutants_source import changes_of, changes_of_derivative, written_derivatives

METHODS = ("backward", "partials", "derivative", "written_out")


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

    def installed(self):
        return put_in(self.cls, self.attribute, self.made)


@contextlib.contextmanager
def put_in(owner, attribute, made):
    """Inside, a class or a module has `made` for this attribute."""
    own, before = attribute in vars(owner), vars(owner).get(attribute)
    setattr(owner, attribute, made)
    try:
        yield
    finally:
        if own:
            setattr(owner, attribute, before)
        else:
            delattr(owner, attribute)


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
    for inner in written_derivatives(derivative):
        for kind, what, made in changes_of_derivative(inner):
            yield Mutant(name, kind, what, cls, "derivative", lambda ctx, dy, *saved, f=made: f(dy, *saved))


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
