"""Reverse-mode differentiation: how an operation is recorded, and how gradients are asked for.

Every differentiable operation is a `Function`: a class with ``forward`` (arrays in, arrays out, through the kernels)
and ``backward`` (Tensors in, Tensors out, written with operations). Calling it leaves a *node* on its output; nodes
point to the nodes of their inputs, and that chain is the tape. `sweep` walks it backward once, each node after all
the nodes that used its output, and adds gradients up where paths meet:

    dL/dx = Σ over uses y of x:  dL/dy · dy/dx                                     (the chain rule)

Because ``backward`` is written with operations too, it can itself be recorded (``create_graph=True``), which is all
that gradients of gradients need. (Griewank & Walther, *Evaluating Derivatives*, SIAM 2008, ch. 3 and 5.)
"""
import functools
import re
from collections.abc import Iterable

import numpy as np
from numpy import ndarray

from . import kernels
from .grad_mode import (calling_line, detect_anomaly, enable_grad, is_grad_enabled, mode, no_grad,  # noqa: F401
                        set_grad_enabled, watching)
from .sweep import sweep
from .tensor import Tensor


def _needed(error):
    """What a MemoryError of the kernels, or of NumPy, was about."""
    found = re.match(r"Unable to allocate (\S+ \S+) for", str(error))
    return f"an array on the way would need {found[1]} of memory, more than is free" if found else str(error) or "there is too little memory"


class Function:
    """A differentiable operation; an instance is one call of it, and the node that the call leaves on the tape.

    Subclasses define::

        def forward(ctx, *arrays, **attributes):   # → an array or a tuple of arrays
        def backward(ctx, *gradients):             # one Tensor an output → a Tensor or None for each input

    and are called with ``apply(*tensors, **attributes)``. Inside them: ``ctx.kernels`` are the kernels to call;
    ``ctx.needs[i]`` says whether input i wants a gradient; ``ctx.save(…)`` keeps arrays for the backward pass and
    ``ctx.saved`` gives them back as Tensors (save inputs and outputs as they are, not copies of them, so that changes in
    place are noticed and gradients of gradients find their way); ``ctx.attributes`` are the keyword arguments of the
    call. A ``backward`` with several outputs gets zeros for those that nobody used; integer and boolean outputs carry
    no gradient, and None stands in their place.

    >>> class Cube(ta.Function):
    ...     def forward(ctx, x):
    ...         ctx.save(x)
    ...         return x * x * x
    ...     def backward(ctx, dy):
    ...         (x,) = ctx.saved
    ...         return dy * 3 * x * x
    >>> y = Cube.apply(x)
    """

    is_view = False
    """True for operations whose output may share memory with input 0 (``reshape``, ``transpose``, ``x[…]``)."""

    takes_numbers = False
    """True for operations whose kernels take a number beside an array: an input without axes that is on the CPU stays there."""

    device = "cpu"
    """Where the results of a call are."""

    @classmethod
    def apply(cls, *inputs, **attributes):
        """Run ``forward`` on the inputs (Tensors or None) and record the call if a gradient is wanted."""
        ctx = cls()
        recording = mode.recording
        try:
            ctx.needs = tuple([recording and x is not None and x.requires_grad for x in inputs])
        except AttributeError:
            _refuse_inputs(ctx, inputs)
        ctx.kernels = kernels.rung()
        given = [None if x is None else x.data for x in inputs]
        for array in given:
            if type(array) is not ndarray and array is not None:
                inputs = _on_one_device(ctx, inputs)
                given = [None if x is None else x.data for x in inputs]
                break
        ctx.attributes = attributes
        ctx.hooks, ctx._saved, ctx._state = None, (), "not recorded"
        recording = any(ctx.needs)
        if recording:
            _refuse_stale_views(inputs)

        if recording and len(given) > 1:
            _tell_apart(given, inputs)
        try:
            result = ctx.forward(*given, **attributes)
        except MemoryError as error:
            raise MemoryError(f"{ctx.name}: {_needed(error)}; use smaller inputs, or fewer at a time") from None
        arrays = result if isinstance(result, tuple) else (result,)
        outputs = tuple([Tensor(a if type(a) is ndarray else _checked_result(ctx, a)) for a in arrays])
        if cls.is_view:
            outputs[0]._become_view_of(inputs[0])
        if mode.anomaly:
            ctx.line = mode.node.line if mode.node is not None else calling_line()
            if mode.node is None:
                _check_forward(ctx, inputs, outputs)
        if recording:
            ctx.edges = tuple([x._edge() if need else None for x, need in zip(inputs, ctx.needs)])
            ctx.outputs = tuple([(x.shape, x.dtype) for x in outputs])
            ctx._remember(given, inputs, outputs)
            for i, x in enumerate(outputs):
                if x.is_floating_point():
                    x.requires_grad, x.grad_fn, x._output_index = True, ctx, i
        else:
            ctx._saved = ()
        if mode.watcher is not None:
            mode.watcher.called(ctx, inputs, outputs)
        return outputs if isinstance(result, tuple) else outputs[0]

    def forward(ctx, *arrays, **attributes):
        """Arrays in, an array or a tuple of arrays out; every operation writes its own."""
        raise TypeError(f"{type(ctx).__name__} has no forward: write def forward(ctx, *arrays, **attributes)")

    def backward(ctx, *gradients):
        """Tensors in, a Tensor or None for each input out; without one, an operation is the end of what can be differentiated."""
        raise RuntimeError(f"{ctx.name}: it has no backward, so nothing that was computed with it can be differentiated; detach() its "
                           "result, or write def backward(ctx, *gradients) with operations")

    line = "a line outside detect_anomaly"
    """Where the user's code called it; noted under `detect_anomaly`."""

    @property
    def name(self):
        """The operation's name: ``Conv2dFunction`` is "conv2d"."""
        return _snake(type(self).__name__.removesuffix("Function"))

    def save(self, *arrays):
        """Keep arrays (or None) for ``backward``, which finds them as Tensors in `saved`."""
        self._saved = arrays

    def _remember(self, given, inputs, outputs):
        """Note beside each saved array where it came from, and its version: (input Tensor | output number | None, …)."""
        entries = []
        for array in self._saved:
            source, box = None, None
            if array is not None:
                for a, x in zip(given, inputs):
                    if a is array:
                        source, box = x, x._version
                        break
                else:
                    for i, y in enumerate(outputs):
                        if y.data is array:
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
                if source is not None and mode.recording and value.is_floating_point():
                    value.requires_grad, value.grad_fn, value._output_index = True, self, source
            values.append(value)
        return values

    def release(self):
        """Let go of the saved values."""
        if self._saved:
            self._saved, self._state = (), "freed"

    def check_backward(self, gradients, results):
        """FloatingPointError if ``backward`` made a NaN or Inf of finite gradients (called under `detect_anomaly`)."""
        for g in results:
            if g is not None and _broke(g, gradients):
                raise FloatingPointError(f"the backward pass of {self.name} made a NaN or Inf out of finite gradients; the "
                                         f"operation was called at {self.line}")

    def __repr__(self):
        return f"<{type(self).__name__} {self.attributes}>" if self.attributes else f"<{type(self).__name__}>"


@functools.lru_cache(None)
def _snake(name):
    return "".join(f"_{c.lower()}" if c.isupper() and i else c.lower() for i, c in enumerate(name))


def _tell_apart(given, inputs):
    """Give tensors that wrap one array (x and a Tensor(x.data)) arrays of their own: saved values are known by them."""
    first = {}
    for i, array in enumerate(given):
        if array is not None and inputs[first.setdefault(id(array), i)] is not inputs[i]:
            given[i] = array.view()


def _on_one_device(ctx, inputs):
    """The inputs, all on one device, which is noted with its kernels: numbers (tensors without axes) may come there from the CPU.

    ValueError for a tensor with axes that is elsewhere.
    """
    found = [None if x is None else x.device for x in inputs]
    home = next((device for device in found if device not in (None, "cpu")), "cpu")
    for i, (x, device) in enumerate(zip(inputs, found)):
        if device not in (None, home) and (x.ndim or device != "cpu"):
            at = found.index(home)
            raise ValueError(f"{ctx.name}: all tensors must be on one device, got input {i} of shape {x.shape} on {device!r} and input "
                             f"{at} of shape {inputs[at].shape} on {home!r}; bring them together with x.to({home!r})")
    ctx.device, ctx.kernels = home, kernels.on(home)
    if ctx.takes_numbers:
        return inputs
    return [x.to(home) if device not in (None, home) else x for x, device in zip(inputs, found)]


def _refuse_inputs(ctx, inputs):
    for i, x in enumerate(inputs):
        if x is not None and not isinstance(x, Tensor):
            raise TypeError(f"{ctx.name}: input {i} is of type {type(x).__name__}, expected a Tensor or None; pass other values "
                            "by keyword, they become attributes")
    raise AttributeError(f"{ctx.name}: an input is no complete Tensor")


def _checked_result(ctx, result):
    """A scalar of NumPy as an array without axes; TypeError for what is no array."""
    if isinstance(result, (np.generic, np.ndarray)):
        return np.asarray(result)
    if kernels.is_array(result):
        return result
    raise TypeError(f"{ctx.name}: its forward returned {type(result).__name__}, expected an array or a tuple of arrays")


def _refuse_stale_views(inputs):
    for x in inputs:
        if x is not None and x._base is not None and x._base_history != x._base._history:
            raise RuntimeError(
                f"a view of shape {x.shape} was made before its base of shape {x._base.shape} was changed in place; its "
                "recorded history no longer describes its values: take the view again after the change")


def _finite(x):
    return x is None or not x.is_floating_point() or kernels.of(x.data).all_finite(x.contiguous_data())


def _has_nan(x):
    if x is None or not x.is_floating_point():
        return False
    k, data = kernels.of(x.data), x.contiguous_data()
    return bool(k.to_host(k.ne(data, data)).any())


def _broke(y, given):
    """Whether y has a NaN or Inf and nothing given has, or has a NaN and nothing given has."""
    if _finite(y):
        return False
    return all(map(_finite, given)) or _has_nan(y) and not any(map(_has_nan, given))


def _check_forward(ctx, inputs, outputs):
    for y in outputs:
        if _broke(y, inputs):
            raise FloatingPointError(f"{ctx.name} made a NaN or Inf out of finite numbers, at {ctx.line}")


def _first_gradient(y, gradient, caller):
    """The gradient to start from: the given one, checked, or 1 for a scalar."""
    if not y.requires_grad:
        raise RuntimeError(f"{caller}: the tensor of shape {y.shape} needs no gradient and has no history; was it "
                           "computed under no_grad, detached, or made from tensors without requires_grad=True?")
    if gradient is None:
        if y.data.size != 1:
            raise RuntimeError(f"{caller}: only a scalar has an implicit gradient of 1, and this tensor has shape "
                               f"{y.shape}; reduce it first (y.sum() or y.mean()), or pass gradient=…")
        return Tensor(kernels.of(y.data).full(y.shape, 1, y.dtype))
    if not isinstance(gradient, Tensor):
        raise TypeError(f"{caller}: gradient must be a Tensor, got {type(gradient).__name__}")
    if gradient.shape != y.shape:
        raise ValueError(f"{caller}: gradient has shape {gradient.shape}, expected that of the tensor, {y.shape}")
    if gradient.dtype != y.dtype:
        raise TypeError(f"{caller}: gradient is {gradient.dtype}, expected the tensor's {y.dtype}; convert with gradient.to(…)")
    if gradient.device != y.device:
        raise ValueError(f"{caller}: gradient is on {gradient.device!r}, expected the tensor's device; use gradient.to({y.device!r})")
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

    With `create_graph` the gradients can be differentiated in turn. f = x₀² x₁ has the gradient (2 x₀ x₁, x₀²) and the
    Hessian [[2 x₁, 2 x₀], [2 x₀, 0]]; its product with a vector v needs no Hessian, only the gradient of v · ∇f:

    >>> import tinyattn as ta
    >>> x = ta.tensor([3.0, 5.0], requires_grad=True)
    >>> f = x[0] ** 2 * x[1]
    >>> (g,) = ta.grad(f, x, create_graph=True)
    >>> g.tolist()
    [30.0, 9.0]
    >>> (hv,) = ta.grad(g, x, grad_outputs=ta.tensor([1.0, 2.0]))
    >>> hv.tolist()
    [22.0, 6.0]

    Raises RuntimeError if an input took no part in the outputs, unless `allow_unused` (then its place is None).
    """
    outputs, inputs = (tuple(x) if isinstance(x, Iterable) and not isinstance(x, Tensor) else (x,) for x in (outputs, inputs))
    if grad_outputs is None or isinstance(grad_outputs, Tensor):
        grad_outputs = (grad_outputs,) * (len(outputs) if grad_outputs is None else 1)
    if not isinstance(grad_outputs, (tuple, list)):
        raise TypeError(f"grad: grad_outputs must be a Tensor or a sequence of them, got {type(grad_outputs).__name__}")
    if len(grad_outputs) != len(outputs):
        raise ValueError(f"grad: {len(grad_outputs)} grad_outputs given for {len(outputs)} outputs")
    for x in outputs + inputs:
        if not isinstance(x, Tensor):
            raise TypeError(f"grad: outputs and inputs must be Tensors or sequences of them, got {type(x).__name__}")
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
