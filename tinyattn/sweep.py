"""The sweep: gradients travel backward along the tape, each node after all the nodes that used its outputs.

A node is a recorded call of a `Function` (see `autograd`); its ``edges`` say where the gradient of each of its inputs
goes: (the node that made the input, which of its outputs), or (the leaf tensor itself, 0). The sweep counts how many
gradients each node will get, runs those that have got all, and frees what they saved as it passes. Nothing here calls
itself: a chain of 100,000 operations is deeper than Python's recursion allows.
"""
from . import kernels
from .arrival import call_hooks, settle
from .grad_mode import mode
from .tensor import FLOATS, Tensor


class GradientShapeError(RuntimeError):
    """A backward pass gave an input a gradient that does not have the input's shape: `given` instead of `expected`, in an
    operation whose outputs have the shapes `outputs`."""

    given, expected, outputs = (), (), ()


def _reachable(roots):
    """All nodes that the nodes `roots` were computed from, and themselves."""
    order, seen, stack = [], set(), list(roots)
    while stack:
        node = stack.pop()
        if node not in seen:
            seen.add(node)
            order.append(node)
            stack.extend(edge[0] for edge in node.edges if edge is not None and not isinstance(edge[0], Tensor))
    return order


def _leading_to(wanted, nodes):
    """Those of `nodes` from which an edge in `wanted` can be reached, going backward."""
    users, reached = {}, []
    for node in nodes:
        for edge in node.edges:
            if edge is None:
                continue
            if (id(edge[0]), edge[1]) in wanted:
                reached.append(node)
            if not isinstance(edge[0], Tensor):
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


def _incoming(node, slots):
    """What a node's ``backward`` is given: zeros where no gradient arrived, None for outputs that cannot have one."""
    return [Tensor(kernels.on(node.device).zeros(shape, dtype)) if g is None and dtype in FLOATS else g
            for g, (shape, dtype) in zip(slots, node.outputs)]


def _run(node, slots):
    """Call one node's ``backward``; a tuple with a gradient (or None) for each input, checked."""
    incoming = _incoming(node, slots)
    if mode.anomaly:
        outer, mode.node = mode.node, node
        try:
            results = node.backward(*incoming)
        finally:
            mode.node = outer
    else:
        results = node.backward(*incoming)
    results = results if isinstance(results, tuple) else (results,)
    for i, edge in enumerate(node.edges):
        if edge is not None and i >= len(results):
            raise RuntimeError(f"{node.name}: its backward gave {len(results)} gradients, expected {len(node.edges)}, one for "
                               "each input (None where there is none)")
        if edge is not None and results[i] is not None:
            _check(node, i, edge, results[i])
    if node.device != "cpu":
        results = _brought_home(node, results)
    if mode.anomaly:
        node.check_backward(incoming, results)
    return results


def _brought_home(node, results):
    """The gradients of a node on a device, where the numbers that came there from the CPU get theirs on the CPU."""
    found = list(results)
    for i, (edge, gradient) in enumerate(zip(node.edges, results)):
        if edge is None or gradient is None or gradient.device == edge[0].device:
            continue
        if gradient.ndim:
            raise ValueError(f"{node.name}: its backward gave input {i} a gradient on {gradient.device!r}, expected the input's device, "
                             f"{edge[0].device!r}")
        found[i] = gradient.to(edge[0].device)
    return tuple(found)


def _check(node, number, edge, gradient):
    source, index = edge
    shape, dtype = (source.shape, source.dtype) if isinstance(source, Tensor) else source.outputs[index]
    if not isinstance(gradient, Tensor):
        raise TypeError(f"{node.name}: its backward gave input {number} a gradient of type {type(gradient).__name__}, expected a "
                        "Tensor: write backward with operations on Tensors")
    if gradient.shape != shape:
        error = GradientShapeError(f"{node.name}: its backward gave input {number} a gradient of shape {gradient.shape}, expected "
                                   f"the input's shape {shape}; after broadcasting, sum over the axes that were stretched")
        error.given, error.expected, error.outputs = tuple(gradient.shape), tuple(shape), [tuple(s) for s, _ in node.outputs]
        raise error
    if gradient.dtype != dtype:
        raise TypeError(f"{node.name}: its backward gave input {number} a gradient of dtype {gradient.dtype}, expected the "
                        f"input's dtype {dtype}")


def sweep(roots, gradients, retain_graph=False, create_graph=False, inputs=None):
    """Send `gradients` of the tensors `roots` backward through the tape.

    Without `inputs`, add what arrives at each leaf to its ``.grad``. With `inputs`, change no ``.grad`` and return
    the list of what arrives at them (None where nothing does).
    """
    order = _reachable([x.grad_fn for x in roots if x.grad_fn is not None])
    wanted, running = None, set(order)
    if inputs is not None:
        edges = [x._edge() for x in inputs]
        wanted = {(id(source), index): None for source, index in edges}
        running = _leading_to(wanted, order)
    stops = () if wanted is None else [node for node in order if node not in running
                                       and any((id(node), i) in wanted for i in range(len(node.outputs)))]
    uses = {node: 0 for node in order if node in running}
    uses.update((node, 0) for node in stops)  # asked for, but nothing further down is: counted, not run
    for node in order:
        for edge in node.edges if node in running else ():
            if edge is not None and edge[0] in uses:
                uses[edge[0]] += 1

    waiting, leaves = {}, {}  # gradients that have arrived: by node (one slot an output), by leaf

    def deliver(edge, gradient):
        source, index = edge
        if isinstance(source, Tensor):
            if wanted is None or (id(source), 0) in wanted:
                leaves[id(source)] = (source, _add(leaves.get(id(source), (None, None))[1], gradient))
        elif source in uses:
            slots = waiting.setdefault(source, [None] * len(source.outputs))
            slots[index] = _add(slots[index], gradient)

    def receive(node):
        slots = waiting.pop(node, None)
        for i, hooks in (node.hooks or {}).items() if slots else ():
            if slots[i] is not None:
                slots[i] = call_hooks(hooks, slots[i])
        for i, gradient in enumerate(slots or ()):
            if wanted is not None and (id(node), i) in wanted:
                wanted[id(node), i] = gradient
        return slots

    before = mode.recording
    mode.recording = create_graph
    try:
        for x, gradient in zip(roots, gradients):
            deliver(x._edge(), gradient)
        ready = [node for node in uses if uses[node] == 0]
        while ready:
            node = ready.pop()
            slots = receive(node)
            if node not in running:
                continue
            results = (None,) * len(node.edges) if slots is None else _run(node, slots)
            slots = None  # with `results` below: what has been passed on is not held here
            if not retain_graph:
                node.release()
            for i, edge in enumerate(node.edges):
                if edge is None:
                    continue
                if results[i] is not None:
                    deliver(edge, results[i])
                if edge[0] in uses:
                    uses[edge[0]] -= 1
                    if uses[edge[0]] == 0:
                        ready.append(edge[0])
            results = None
        for leaf, gradient in settle(leaves, wanted is None, create_graph):
            wanted[id(leaf), 0] = gradient
    finally:
        mode.recording = before
    return None if inputs is None else [wanted[id(source), index] for source, index in edges]
