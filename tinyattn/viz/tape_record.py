"""One backward sweep, written down: which node ran when, what arrived at it, what it sent on to whom.

The sweep is the engine's own (`tinyattn.autograd.grad` to all leaves, with `retain_graph`): while it runs, the ``backward`` of each node
notes what it is given and what it answers. So the order is the engine's, and no ``.grad`` changes. Hooks are not called: a hook that keeps
gradients would keep them twice. What a node *made* is not on the tape, unless a node keeps it for its backward, or the caller has a name
for it.
"""
import contextlib
import inspect
import pathlib
import textwrap

import numpy as np

from ..autograd import Function, _first_gradient, grad, no_grad
from ..tensor import Tensor

MOST_NODES = 200
MOST_LINES = 24      # of source code, of a node's backward

_PACKAGE = pathlib.Path(__file__).resolve().parents[1]


def recorded(loss, gradient=None, names=None, values=24):
    """The graph of `loss` and its sweep as plain values. "nodes": what stands in the picture; "steps": what ran, in order."""
    if not isinstance(loss, Tensor):
        raise TypeError(f"tape: loss must be a Tensor, got {type(loss).__name__}; pass the result of the computation, not a number")
    if not isinstance(values, int) or isinstance(values, bool) or values < 1:
        raise ValueError(f"tape: values must be an int of at least 1, how many numbers of a tensor are shown in full, got {values!r:.40}")
    seed = _first_gradient(loss, gradient, "tape")
    if loss.grad_fn is None:
        raise ValueError("tape: the tensor is a leaf, nothing was computed from anything: pass the loss")
    operations = _operations(loss.grad_fn)
    leaves = list({id(edge[0]): edge[0] for node in operations for edge in node.edges if edge and isinstance(edge[0], Tensor)}.values())
    calls = _swept(loss, seed, operations, leaves)
    return _Graph(loss, operations, leaves, _named(names), values).contents(seed, calls)


def _operations(root):
    """All recorded calls that `root` was computed from, itself first."""
    found, waiting = {root: None}, [root]
    while waiting:
        for edge in waiting.pop().edges:
            if edge is not None and not isinstance(edge[0], Tensor) and edge[0] not in found:
                found[edge[0]] = None
                waiting.append(edge[0])
        if len(found) > MOST_NODES:
            raise ValueError(f"tape: the graph has more than {MOST_NODES} operations, too many to look at one by one: take a smaller network, or "
                             "only a part of it (detach() its input and take the sum of its output)")
    if any(node._state == "freed" for node in found):
        raise RuntimeError("tape: the values that the graph kept were freed by an earlier backward(): call ta.viz.tape(loss, …) before "
                           "loss.backward(), or loss.backward(retain_graph=True) there, or run the forward pass again")
    return list(found)


def _swept(loss, seed, operations, leaves):
    """Run the sweep; a list of (node, what it was given, what it answered), in the order in which they ran."""
    calls = []

    def noting(node):
        def backward(*incoming):
            results = type(node).backward(node, *incoming)
            calls.append((node, incoming, results if isinstance(results, tuple) else (results,)))
            return results
        return backward

    with contextlib.ExitStack() as after:
        for holder, name in [(node, "hooks") for node in operations] + [(leaf, "_hooks") for leaf in leaves]:
            after.callback(setattr, holder, name, getattr(holder, name))
            setattr(holder, name, None)
        for node in operations:
            node.backward = noting(node)
            after.callback(delattr, node, "backward")
        grad(loss, leaves, seed, retain_graph=True, allow_unused=True)
    return calls


def _named(names):
    """Tensors by id, with the caller's name: those among a dict's values, and the parameters and buffers of modules there, or of one module."""
    if names is None:
        return {}
    if hasattr(names, "named_parameters"):
        names = {"": names}
    if not isinstance(names, dict):
        raise TypeError(f"tape: names must be a dict of tensors and modules by name (locals() will do) or a module, got {type(names).__name__}")
    found = {}
    for name, value in names.items():
        if isinstance(value, Tensor):
            found.setdefault(id(value), (str(name), value))
        elif hasattr(value, "named_parameters"):
            for inner, parameter in [*value.named_parameters(), *value.named_buffers()]:
                found.setdefault(id(parameter), (f"{name}.{inner}".lstrip("."), parameter))
    return found


def summary(tensor, most):
    """A tensor or array as plain values: all of them, or of a large one what they come to."""
    data = np.asarray(getattr(tensor, "data", tensor))
    held = {"shape": list(data.shape), "dtype": str(data.dtype)}
    if data.size <= most:
        held["values"] = [float(value) for value in data.ravel()]
    else:
        held.update(least=float(data.min()), mean=float(data.mean(dtype=np.float64)), most=float(data.max()))
    return held


class _Graph:
    """Numbers for what stands in the picture: operations, leaves, and constants that operations keep."""

    def __init__(self, loss, operations, leaves, named, most):
        self.loss, self.operations, self.leaves, self.named, self.most = loss, operations, leaves, named, most
        inputs = {id(leaf) for leaf in leaves}
        self.known = {}                                                   # (node, output) → its array, where somebody keeps it
        constants = {}
        for node in operations:
            for source, array, *_ in node._saved:
                if isinstance(source, Tensor) and source.grad_fn is not None:
                    self.known[id(source.grad_fn), source._output_index] = array
                elif isinstance(source, int):
                    self.known[id(node), source] = array
                elif isinstance(source, Tensor) and id(source) not in inputs:
                    constants[id(source)] = source
        for name, tensor in named.values():
            if tensor.grad_fn is not None:
                self.known.setdefault((id(tensor.grad_fn), tensor._output_index), tensor.data)
        self.known[id(loss.grad_fn), loss._output_index] = loss.data
        self.constants = list(constants.values())
        self.number = {id(each): i for i, each in enumerate([*operations, *leaves, *self.constants])}

    def contents(self, seed, calls):
        nodes = [self._operation(node) for node in self.operations]
        nodes += [self._tensor(leaf, "leaf", i) for i, leaf in enumerate(self.leaves)]
        nodes += [self._tensor(constant, "constant", i) for i, constant in enumerate(self.constants)]
        return {"nodes": nodes, "edges": self._edges(), "steps": self._steps(seed, calls)}

    def _operation(self, node):
        name = next((name for name, tensor in self.named.values() if tensor.grad_fn is node), "")
        made = {"kind": "operation", "name": node.name, "called": name, "formula": _formula(type(node)), "source": source(type(node)),
                "outputs": [{"shape": list(shape), "dtype": str(dtype),
                             **({"value": summary(self.known[id(node), i], self.most)} if (id(node), i) in self.known else {})}
                            for i, (shape, dtype) in enumerate(node.outputs)],
                "keeps": [{"name": self._name_of(source_), **summary(array, self.most)}
                          for source_, array, *_ in node._saved if array is not None]}
        if node.line != Function.line:
            made["line"] = node.line
        return made

    def _name_of(self, source_):
        if isinstance(source_, int):
            return "its output"
        if not isinstance(source_, Tensor):
            return "made on the way"
        if id(source_) in self.named:
            return self.named[id(source_)][0]
        return f"output of {source_.grad_fn.name}" if source_.grad_fn is not None else self._leaf_name(source_)

    def _leaf_name(self, tensor):
        if id(tensor) in self.named:
            return self.named[id(tensor)][0]
        where = [i for i, each in enumerate(self.leaves) if each is tensor]
        return f"leaf {where[0] + 1}" if where else f"{tensor.item():.4g}" if tensor.data.size == 1 else "data"

    def _tensor(self, tensor, kind, number):
        return {"kind": kind, "name": self._leaf_name(tensor), "value": summary(tensor, self.most)}

    def _edges(self):
        """(from, to, whether a gradient goes back along it), each pair once for every use."""
        found = []
        for node in self.operations:
            for edge in node.edges:
                if edge is not None:
                    found.append([self.number[id(edge[0])], self.number[id(node)], True])
            for constant in self.constants:
                if any(source_ is constant for source_, *_ in node._saved):
                    found.append([self.number[id(constant)], self.number[id(node)], False])
        return found

    def _steps(self, seed, calls):
        arrived, so_far, total = {}, {}, {}
        first = [(self.loss.grad_fn, self.loss._output_index)]
        targets = [edge for node, _, results in calls for edge, result in zip(node.edges, results) if edge is not None and result is not None]
        for to, output in first + targets:
            total[id(to), output] = total.get((id(to), output), 0) + 1

        def send(edge, gradient, place):
            key = id(edge[0]), edge[1]
            with no_grad():
                so_far[key] = gradient if key not in so_far else so_far[key] + gradient
            arrived[key] = arrived.get(key, 0) + 1
            return {"to": self.number[key[0]], "output": key[1], "input": place, "gradient": summary(gradient, self.most),
                    "sofar": summary(so_far[key], self.most), "arrived": arrived[key], "of": total[key]}

        steps = [{"node": None, "incoming": [], "sends": [send(first[0], seed, 0)]}]
        for node, incoming, results in calls:
            steps.append({"node": self.number[id(node)], "incoming": [None if g is None else summary(g, self.most) for g in incoming],
                          "sends": [send(edge, g, i) for i, (edge, g) in enumerate(zip(node.edges, results)) if edge is not None and g is not None]})
        return steps


def _formula(cls):
    """The first paragraph of an operation's docstring, its formula."""
    return " ".join((cls.__dict__.get("__doc__") or "").strip().split("\n\n")[0].split())


def source(cls):
    """Where an operation's derivative is written, and how: {"where": "file:line", "code": …}, or None where Python cannot say."""
    function = next(getattr(cls, name) for name in ("partials", "derivative", "backward") if hasattr(cls, name))
    function = _telling(function)
    try:
        lines, first = inspect.getsourcelines(function)
        file = pathlib.Path(inspect.getsourcefile(function)).resolve()
    except (OSError, TypeError):
        return None
    where = f"tinyattn/{file.relative_to(_PACKAGE).as_posix()}" if file.is_relative_to(_PACKAGE) else file.name
    code = textwrap.dedent("".join(lines)).rstrip().split("\n")
    return {"where": f"{where}:{first}", "code": "\n".join(code[:MOST_LINES] + (["…"] if len(code) > MOST_LINES else []))}


def _telling(function):
    """The function in which the formula stands: some are made by others, from a derivative that is handed to them."""
    while getattr(function, "__closure__", None):
        held = dict(zip(function.__code__.co_freevars, (cell.cell_contents for cell in function.__closure__)))
        inner = held.get("derivative") or held.get("written_out")
        if not callable(inner):
            break
        function = inner
    return function
