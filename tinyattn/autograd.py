"""Reverse-mode differentiation: how an operation is recorded, and how gradients travel back through the record.

Every differentiable operation is a `Function`: a class with ``forward`` (arrays in, arrays out, through the kernels)
and ``backward`` (Tensors in, Tensors out, written with operations). Calling it leaves a *node* on its output; nodes
point to the nodes of their inputs, and that chain is the tape. `sweep` walks it backward once, each node after all
the nodes that used its output, and adds gradients up where paths meet:

    dL/dx = Σ over uses y of x:  dL/dy · dy/dx                                     (the chain rule)

Because ``backward`` is written with operations too, it can itself be recorded (``create_graph=True``), which is all
that gradients of gradients need. (Griewank & Walther, *Evaluating Derivatives*, SIAM 2008, ch. 3 and 5.)
"""
import contextlib
import functools
import linecache
import sys
import threading

from . import kernels
from .tensor import Tensor


# --- whether operations are recorded -------------------------------------------------------------------------------

class _Mode(threading.local):
    """Per thread: is the tape running, and is every result checked for NaN and Inf?"""
    recording = True
    anomaly = False


_mode = _Mode()


def is_grad_enabled():
    """True where operations are being recorded."""
    return _mode.recording


class set_grad_enabled(contextlib.ContextDecorator):
    """Context manager and decorator: record operations inside, or do not."""

    def __init__(self, enabled):
        self.enabled = bool(enabled)
        self._before = []

    def __enter__(self):
        self._before.append(_mode.recording)
        _mode.recording = self.enabled

    def __exit__(self, *_):
        _mode.recording = self._before.pop()


class no_grad(set_grad_enabled):
    """Record nothing inside: ``with ta.no_grad(): …`` or ``@ta.no_grad()``. Results need no gradient."""

    def __init__(self):
        super().__init__(False)


class enable_grad(set_grad_enabled):
    """Record inside, also where an outer `no_grad` is in force."""

    def __init__(self):
        super().__init__(True)


class detect_anomaly(contextlib.ContextDecorator):
    """Check every result, forward and backward; raise FloatingPointError at the first NaN or Inf.

    The error names the operation that made it out of finite numbers, and the line of the user's code that called it.
    Every result is read once more, so use it to find a fault, not to train.
    """

    def __enter__(self):
        self._before, _mode.anomaly = _mode.anomaly, True

    def __exit__(self, *_):
        _mode.anomaly = self._before


_PACKAGE = __name__.rpartition(".")[0]


def _calling_line():
    """The innermost line outside this package: ``model.py:12: y = x.log()``."""
    frame = sys._getframe(1)
    while frame is not None and frame.f_globals.get("__name__", "").partition(".")[0] == _PACKAGE:
        frame = frame.f_back
    if frame is None:
        return "unknown line"
    name, line = frame.f_code.co_filename, frame.f_lineno
    return f"{name}:{line}: {linecache.getline(name, line).strip()}".rstrip(": ")


# --- one recorded operation ----------------------------------------------------------------------------------------

class Function:
    """A differentiable operation; an instance is one call of it, and the node that the call leaves on the tape.

    Subclasses define::

        def forward(ctx, *arrays, **attributes):   # → an array or a tuple of arrays
        def backward(ctx, *gradients):             # one Tensor an output → a Tensor or None for each input

    Inside them: ``ctx.kernels`` are the kernels to call; ``ctx.needs[i]`` says whether input i wants a gradient;
    ``ctx.save(…)`` keeps arrays for the backward pass and ``ctx.saved`` gives them back as Tensors;
    ``ctx.attributes`` are the keyword arguments of the call. Integer and boolean outputs carry no gradient.
    A ``backward`` with several outputs gets zeros for those that nobody used.
    """

    is_view = False
    """True for operations whose output may share memory with input 0 (``reshape``, ``transpose``, ``x[…]``)."""

    @classmethod
    def apply(cls, *inputs, **attributes):
        """Run ``forward`` on the inputs (Tensors or None) and record the call if a gradient is wanted."""
        ctx = cls()
        recording = _mode.recording
        ctx.needs = tuple(recording and x is not None and x.requires_grad for x in inputs)
        ctx.kernels = kernels.rung()
        ctx.attributes = attributes
        ctx.hooks, ctx._saved, ctx._state = None, (), "not recorded"
        recording = any(ctx.needs)
        if recording:
            _refuse_stale_views(inputs)

        result = ctx.forward(*[None if x is None else x.data for x in inputs], **attributes)
        arrays = result if isinstance(result, tuple) else (result,)

        outputs = tuple(Tensor(a) for a in arrays)
        if cls.is_view:
            outputs[0]._become_view_of(inputs[0])
        if _mode.anomaly:
            ctx.line = _calling_line()
            _check_forward(ctx, inputs, outputs)
        if recording:
            ctx.edges = tuple(x._edge() if need else None for x, need in zip(inputs, ctx.needs))
            ctx.outputs = tuple((a.shape, a.dtype, x.device) for a, x in zip(arrays, outputs))
            ctx._remember(inputs, outputs)
            for i, x in enumerate(outputs):
                if x.is_floating_point():
                    x.requires_grad, x.grad_fn, x._output_index = True, ctx, i
        else:
            ctx._saved = ()
        return outputs if isinstance(result, tuple) else outputs[0]

    @property
    def name(self):
        """The operation's name: ``Conv2dFunction`` is "conv2d"."""
        return _snake(type(self).__name__.removesuffix("Function"))

    def save(self, *arrays):
        """Keep arrays (or None) for ``backward``, which finds them as Tensors in `saved`."""
        self._saved = arrays

    def _remember(self, inputs, outputs):
        """Note beside each saved array where it came from, and its version: (input Tensor | output number | None, …)."""
        entries = []
        for array in self._saved:
            source, box = None, None
            for x in inputs:
                if x is not None and x.data is array:
                    source, box = x, x._version
            for i, y in enumerate(outputs):
                if y.data is array and source is None:
                    source, box = i, y._version  # the number: holding y would be a cycle, y → its node → y
            entries.append((source, array, box, box and box[0]))
        self._saved, self._state = tuple(entries), "recorded"

    @property
    def saved(self):
        """The saved values as Tensors. RuntimeError if they were freed by an earlier sweep or changed in place."""
        if self._state == "freed":
            raise RuntimeError(
                f"backward: the values that {self.name} saved were freed by an earlier backward through the same graph; "
                "pass retain_graph=True to that earlier call, or run the forward pass again")
        values = []
        for source, array, box, version in self._saved:
            if box is not None and box[0] != version:
                raise RuntimeError(
                    f"backward: a value of shape {tuple(array.shape)} that {self.name} saved for its backward pass was "
                    f"changed in place {box[0] - version} time(s) since; use an operation that makes a new tensor "
                    "(x = x + 1 instead of x += 1), or change a clone()")
            if isinstance(source, Tensor):
                value = source
            else:
                value = None if array is None else Tensor(array)
                if source is not None and _mode.recording:
                    value.requires_grad, value.grad_fn, value._output_index = True, self, source
            values.append(value)
        return values

    def release(self):
        """Let go of the saved values."""
        if self._saved:
            self._saved, self._state = (), "freed"

    def __repr__(self):
        return f"<{type(self).__name__} {self.attributes}>" if self.attributes else f"<{type(self).__name__}>"


@functools.lru_cache(None)
def _snake(name):
    return "".join(f"_{c.lower()}" if c.isupper() and i else c.lower() for i, c in enumerate(name))


def _refuse_stale_views(inputs):
    for x in inputs:
        if x is not None and x._base is not None and x._base_history != x._base._history:
            raise RuntimeError(
                f"a view of shape {x.shape} was made before its base of shape {x._base.shape} was changed in place; its "
                "recorded history no longer describes its values: take the view again after the change")


def _finite(x):
    return not x.is_floating_point() or kernels.rung().all_finite(x.contiguous_data())


def _check_forward(ctx, inputs, outputs):
    for y in outputs:
        if not _finite(y) and all(x is None or _finite(x) for x in inputs):
            raise FloatingPointError(f"{ctx.name} made a NaN or Inf out of finite numbers, at {ctx.line}")


def _check_backward(ctx, gradients, results):
    for g in results:
        if g is not None and not _finite(g) and all(d is None or _finite(d) for d in gradients):
            raise FloatingPointError(f"the backward pass of {ctx.name} made a NaN or Inf out of finite gradients; "
                                     f"it was called at {getattr(ctx, 'line', 'a line outside detect_anomaly')}")


# --- the sweep -----------------------------------------------------------------------------------------------------

def _count_uses(roots, wanted):
    """How many recorded gradients each node will receive, over the part of the graph that leads to `wanted`.

    `wanted` is None (every leaf) or a set of ids of edges; nodes from which none can be reached are left out.
    """
    order, seen, stack = [], set(), list(roots)
    while stack:  # an explicit stack: a chain of 100,000 operations is deeper than Python's recursion allows
        node = stack.pop()
        if node in seen:
            continue
        seen.add(node)
        order.append(node)
        stack.extend(edge[0] for edge in node.edges if edge is not None and isinstance(edge[0], Function))
    if wanted is not None:
        seen = _leading_to(wanted, order)
    uses = {node: 0 for node in order if node in seen}
    for node in uses:
        for edge in node.edges:
            if edge is not None and edge[0] in uses:
                uses[edge[0]] += 1
    return uses


def _leading_to(wanted, nodes):
    """Those of `nodes` from which an edge in `wanted` can be reached, going backward."""
    users, reached = {}, []
    for node in nodes:
        for edge in node.edges:
            if edge is None:
                continue
            if (id(edge[0]), edge[1]) in wanted:
                reached.append(node)
            if isinstance(edge[0], Function):
                users.setdefault(edge[0], []).append(node)
    found = set()
    while reached:
        node = reached.pop()
        if node not in found:
            found.add(node)
            reached.extend(users.get(node, ()))
    return found


def _add(total, gradient):
    return gradient if total is None else total + gradient


def _zeros(shape, dtype):
    return Tensor(kernels.rung().zeros(shape, dtype))


def _run(node, gradients, create_graph):
    """Call one node's ``backward``; give back one gradient (or None) an input, checked."""
    for i, hooks in (node.hooks or {}).items():
        if gradients[i] is not None:
            gradients[i] = _call_hooks(hooks, gradients[i])
    incoming = [_zeros(shape, dtype) if g is None else g for g, (shape, dtype, _) in zip(gradients, node.outputs)]
    results = node.backward(*incoming)
    results = results if isinstance(results, tuple) else (results,)
    if _mode.anomaly:
        _check_backward(node, incoming, results)
    return results


def _call_hooks(hooks, gradient):
    for hook in list(hooks.values()):
        changed = hook(gradient)
        if changed is not None:
            gradient = changed
    return gradient


def _check_gradient(node, edge_number, edge, gradient):
    source, index = edge
    shape = source.outputs[index][0] if isinstance(source, Function) else source.shape
    if tuple(gradient.shape) != tuple(shape):
        raise RuntimeError(f"{node.name}: its backward gave input {edge_number} a gradient of shape "
                           f"{tuple(gradient.shape)}, expected the input's shape {tuple(shape)}")


def sweep(roots, gradients, retain_graph=False, create_graph=False, inputs=None):
    """Send `gradients` of the tensors `roots` backward through the tape.

    Without `inputs`, add what arrives at each leaf to its ``.grad``. With `inputs`, change no ``.grad`` and return
    the list of what arrives at them (None where nothing does).
    """
    edges = [x._edge() for x in inputs or ()]
    wanted = None if inputs is None else {(id(source), index): None for source, index in edges}
    waiting, leaves = {}, {}  # gradients that have arrived: by node (one slot an output), by leaf

    def deliver(edge, gradient):
        source, index = edge
        if wanted is not None and (id(source), index) in wanted:
            wanted[id(source), index] = _add(wanted[id(source), index], gradient)
        if isinstance(source, Function):
            if source in uses:
                slots = waiting.setdefault(source, [None] * len(source.outputs))
                slots[index] = _add(slots[index], gradient)
        elif wanted is None:
            leaves[id(source)] = (source, _add(leaves.get(id(source), (None, None))[1], gradient))

    with set_grad_enabled(create_graph):
        uses = _count_uses([x.grad_fn for x in roots if x.grad_fn is not None], wanted)
        for x, gradient in zip(roots, gradients):
            deliver(x._edge(), gradient)
        ready = [node for node in waiting if uses[node] == 0]
        while ready:
            node = ready.pop()
            slots = waiting.pop(node, None)
            results = _run(node, slots, create_graph) if slots is not None else (None,) * len(node.edges)
            slots = None
            if not (retain_graph or create_graph):
                node.release()
            for i, edge in enumerate(node.edges):
                if edge is None:
                    continue
                if i < len(results) and results[i] is not None:
                    _check_gradient(node, i, edge, results[i])
                    deliver(edge, results[i])
                source = edge[0]
                if source in uses:
                    uses[source] -= 1
                    if uses[source] == 0:
                        ready.append(source)
            results = None
        for leaf, gradient in leaves.values():
            _accumulate(leaf, gradient, create_graph)
    return [wanted[id(source), index] for source, index in edges]


def _accumulate(leaf, gradient, create_graph):
    if leaf._hooks:
        gradient = _call_hooks(leaf._hooks, gradient)
    if leaf.grad is not None:
        leaf.grad = leaf.grad + gradient
    elif create_graph:
        leaf.grad = gradient
    else:  # a copy of its own: `a + b` hands one array to both
        leaf.grad = Tensor(kernels.rung().copy(gradient.data))


def _first_gradient(y, gradient, caller):
    """The gradient to start from: the given one, checked, or 1 for a scalar."""
    if not y.requires_grad:
        raise RuntimeError(f"{caller}: the tensor of shape {y.shape} needs no gradient and has no history; was it "
                           "computed under no_grad, detached, or made from tensors without requires_grad=True?")
    if gradient is None:
        if y.data.size != 1:
            raise RuntimeError(f"{caller}: only a scalar has an implicit gradient of 1, and this tensor has shape "
                               f"{y.shape}; reduce it first (y.sum() or y.mean()), or pass gradient=…")
        return Tensor(kernels.rung().full(y.shape, 1, y.dtype))
    if not isinstance(gradient, Tensor):
        raise TypeError(f"{caller}: gradient must be a Tensor, got {type(gradient).__name__}")
    if gradient.shape != y.shape:
        raise ValueError(f"{caller}: gradient has shape {gradient.shape}, expected that of the tensor, {y.shape}")
    return gradient


def backward(y, gradient=None, retain_graph=None, create_graph=False):
    """Add d(gradient · y)/dx to ``x.grad`` for every leaf x that y was computed from and that requires a gradient.

    `gradient` (same shape as y) may be left out where y has one element. Saved values are freed on the way unless
    `retain_graph` (default: `create_graph`) is set; with `create_graph` the gradients are themselves recorded.
    Raises RuntimeError if y has no history, is no scalar, or its graph was freed or changed in place.
    """
    retain_graph = create_graph if retain_graph is None else retain_graph
    sweep([y], [_first_gradient(y, gradient, "backward")], retain_graph, create_graph)


def grad(outputs, inputs, grad_outputs=None, retain_graph=None, create_graph=False, allow_unused=False):
    """Gradients of Σ grad_outputs · outputs with respect to `inputs`, as a tuple; no ``.grad`` is touched.

    Hessian-vector product: ``(g,) = ta.grad(loss, x, create_graph=True); (hv,) = ta.grad(g, x, grad_outputs=v)``.
    Raises RuntimeError if an input took no part in the outputs, unless `allow_unused` (then its place is None).
    """
    outputs = (outputs,) if isinstance(outputs, Tensor) else tuple(outputs)
    inputs = (inputs,) if isinstance(inputs, Tensor) else tuple(inputs)
    if grad_outputs is None or isinstance(grad_outputs, Tensor):
        grad_outputs = (grad_outputs,) * (len(outputs) if grad_outputs is None else 1)
    if len(grad_outputs) != len(outputs):
        raise ValueError(f"grad: {len(grad_outputs)} grad_outputs given for {len(outputs)} outputs")
    for i, x in enumerate(inputs):
        if not x.requires_grad:
            raise RuntimeError(f"grad: input {i} of shape {x.shape} does not require a gradient; "
                               "call x.requires_grad_() before it is used")
    firsts = [_first_gradient(y, g, "grad") for y, g in zip(outputs, grad_outputs)]
    retain_graph = create_graph if retain_graph is None else retain_graph
    found = sweep(outputs, firsts, retain_graph, create_graph, inputs)
    for i, g in enumerate(found):
        if g is None and not allow_unused:
            raise RuntimeError(f"grad: input {i} of shape {inputs[i].shape} took no part in the outputs; pass "
                               "allow_unused=True to get None for it")
    return tuple(found)
