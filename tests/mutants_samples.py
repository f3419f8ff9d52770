"""What is broken, and on what: the operations that have a backward, and the samples of the checker that pass through each."""
import importlib
import pkgutil
from dataclasses import dataclass

import numpy as np

import tinyattn as ta
import tinyattn.ops
from tinyattn.autograd import Function
from tinyattn.gradcheck.float32 import gradcheck_float32
from tinyattn.gradcheck.registry import CASES, LAYERS

SAMPLES = {1: 40, 2: 20}  # of each order, so many samples of an operation are tried
DEAREST, DEAR = 2500, 6   # elements of a sample's inputs times operations on its tape; of dearer ones so many are tried, at last


def rooms():
    return [importlib.import_module(f"tinyattn.ops.{found.name}") for found in pkgutil.iter_modules(tinyattn.ops.__path__)]


BETWEEN_DEVICES = {"ToFunction"}
"""Operations that do nothing where there is one device: tests/test_foreign_arrays.py holds their gradients."""


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
    return {name: cls for name, cls in sorted(found.items()) if name not in abstract | BETWEEN_DEVICES}


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
        outputs = _list(function(*inputs))
        first, second = _nodes(outputs), set()
        if sample.second and outputs:
            second = _nodes(_swept(outputs, _wanted(inputs), create_graph=True)[0]) | first
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


def _swept(outputs, wanted, create_graph=False):
    """The gradients of outputs, times random weights: (those that there are, the weights)."""
    random = np.random.default_rng(5)
    weights = [ta.Tensor(random.normal(size=y.shape).astype(y.dtype), requires_grad=create_graph) for y in outputs]
    found = ta.grad(outputs, wanted, weights, create_graph=create_graph, allow_unused=True)
    return [g for g in found if g is not None], weights


def _wanted(inputs):
    return [x for x in inputs if isinstance(x, ta.Tensor) and x.requires_grad]


def swept(use):
    """Every gradient that the checker would look at in a sample, as arrays: of its outputs, or of their gradients too."""
    function, inputs = use.sample.prepared()
    outputs, wanted = _list(function(*inputs)), _wanted(inputs)
    if use.order == 1:
        return [g.data for g in _swept(outputs, wanted)[0]]
    first, weights = _swept(outputs, wanted, create_graph=True)
    again = [g for g in first if g.requires_grad]
    return [g.data for g in first + (_swept(again, wanted + weights)[0] if again else [])]


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
