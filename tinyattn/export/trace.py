"""What a model computes, as a list: every operation with its inputs, its attributes, and the layer that asked for it.

The model runs twice in evaluation mode, with recording on, on batches of different length and different numbers. What the two
runs share is the model; lengths that differ are the batch's (see `lengths`); anything else that differs was computed outside the
operations, out of the images, and no list of operations can repeat it. That is refused, by name.
"""
import dataclasses

import numpy as np

import tinyattn as ta
from ..autograd import enable_grad, watching
from ..nn.module import evaluating
from .errors import ExportError
from .lengths import Changes, Length, stretched, together


@dataclasses.dataclass
class Value:
    """An array on the way: its shape (ints and `Length`s), dtype, and, if no operation made it, where it is from.

    name    the input's name, a parameter's in the state dict, or None
    array   the numbers of a constant or parameter (axes that grow with the batch are there with length 1), else None
    """

    shape: tuple
    dtype: np.dtype
    name: str = None
    array: np.ndarray = None


@dataclasses.dataclass
class Call:
    """One operation: its name, the layer's path, its attributes, and the numbers of the values that go in (or None) and come out."""

    op: str
    layer: str
    attributes: dict
    inputs: tuple
    outputs: tuple


@dataclasses.dataclass(frozen=True)
class Made:
    """In place of an array among the attributes: the number of the value that it is, where an operation made it."""

    number: int


class Recorder:
    """Watches one run (see `grad_mode.watching`). Values are numbered as they come up.

    A tensor with a history is known by it (so that a changed tensor is not mistaken for the old one), others by their array.
    """

    def __init__(self, model, inputs):
        self.layers = {id(module): path for path, module in model.named_modules()}
        self.names = {id(x.data): path for path, x in [*model.named_parameters(), *model.named_buffers()]}
        self.stack, self.calls, self.arrays, self.known, self.made = [""], [], [], {}, set()
        self.versions, self.kept = [], []                               # the latter so that no id is used twice
        for x in inputs:
            self.made.add(self._new(x))

    def _keys(self, x):
        node = [] if x.grad_fn is None else [(id(x.grad_fn), x._output_index)]
        return node + [id(x.data)]

    def _new(self, x):
        number = len(self.arrays)
        self.arrays.append(x.data)
        self.versions.append((x._version, x._version[0]))
        self.kept.append((x, x.data, x.grad_fn))
        for key in self._keys(x):
            self.known[key] = number
        return number

    def number(self, x):
        """The number of a Tensor's value; one that nobody made is a constant."""
        if x is None:
            return None
        for key in self._keys(x):
            if key in self.known:
                number = self.known[key]
                box, version = self.versions[number]
                if key == id(x.data) and box[0] != version:
                    raise ExportError(f"export: a tensor of shape {x.shape} is changed in place in {layer_words(self.stack[-1])}, "
                                      "unrecorded, which a file cannot repeat; use operations that make a new tensor")
                if id(x.data) not in self.known:                        # a copy with the same history, made before a change in place
                    self.known[id(x.data)] = number
                    self.kept.append((x, x.data, x.grad_fn))
                return number
        return self._new(x)

    def enter(self, module):
        """A layer begins."""
        self.stack.append(self.layers.get(id(module), self.stack[-1]))

    def leave(self, module):
        """A layer ends."""
        self.stack.pop()

    def _layer(self, inputs):
        """The layer that runs, or the one below it whose parameters these are (it may be run without being called)."""
        owners = [self.names[id(x.data)].split(".")[:-1] for x in inputs if x is not None and id(x.data) in self.names]
        if not owners:
            return self.stack[-1]
        shared = []
        for parts in zip(*owners):
            if len(set(parts)) > 1:
                break
            shared.append(parts[0])
        owner = ".".join(shared)
        return owner if owner.startswith(self.stack[-1]) else self.stack[-1]

    def called(self, ctx, inputs, outputs):
        """An operation has run."""
        into = tuple([self.number(x) for x in inputs])
        attributes = {key: Made(self.known[id(value)]) if isinstance(value, np.ndarray) and id(value) in self.known else value
                      for key, value in ctx.attributes.items()}
        out = tuple([self._new(x) for x in outputs])
        self.made.update(out)
        self.calls.append(Call(ctx.name, self._layer(inputs), attributes, into, out))


@dataclasses.dataclass
class Trace:
    """What a model computes: `calls` in order, `values` by number (None if unused), the numbers of the `inputs` and of the `outputs`."""

    calls: list
    values: list
    inputs: tuple
    outputs: tuple


def _run(model, function, arrays):
    inputs = [ta.Tensor(a, requires_grad=a.dtype.kind == "f") for a in arrays]
    recorder = Recorder(model, inputs)
    with evaluating(model), enable_grad(), watching(recorder):
        outputs = function(*inputs)
    outputs = outputs if isinstance(outputs, (tuple, list)) else (outputs,)
    for y in outputs:
        if not isinstance(y, ta.Tensor):
            raise ExportError(f"export: the model gave back {type(y).__name__}, expected a Tensor or a tuple of Tensors")
    return recorder, tuple([recorder.number(y) for y in outputs])


def _other(array, count, rng):
    """A batch of `count` with other numbers of the same kind: those of `array` in another order, floats with the other sign and a little noise."""
    one = np.concatenate([array] * -(-count // len(array)))[:count] if array.ndim else array
    mixed = rng.permutation(one.reshape(-1)).reshape(one.shape)
    return np.asarray(-mixed + rng.normal(size=one.shape) * 0.1, array.dtype) if array.dtype.kind == "f" else mixed


def layer_words(path):
    """A layer's path as it is said in a sentence."""
    return f"layer {path}" if path else "the model itself"


def _of(call):
    return f"{call.op.replace('_', ' ')} in {layer_words(call.layer)}"


def _needed(calls, outputs):
    """The calls that the outputs depend on, in order, and the numbers of all values that are used."""
    used, needed = set(outputs), []
    for call in reversed(calls):
        if used.intersection(call.outputs):
            needed.append(call)
            used.update(i for i in call.inputs if i is not None)
            used.update(value.number for value in call.attributes.values() if isinstance(value, Made))
    return needed[::-1], used


def _refuse_unknown(calls, known):
    """ExportError that lists the operations without a translation and the layers that use them."""
    unknown = {}
    for call in calls:
        if call.op not in known:
            unknown.setdefault(call.op, []).append(call.layer or "(the model itself)")
    if unknown:
        raise ExportError("export: " + "; ".join(
            f"operation {op} has no ONNX translation yet; the layers that use it: {', '.join(dict.fromkeys(layers))}" for op, layers in unknown.items()))


def trace(model, sample, names, known, dynamic=True, function=None):
    """Run `model` (or `function`, which calls it) on `sample`, a list of arrays, and again on others; returns the `Trace`.

    names: of the inputs. known: the operations that can be written. dynamic: whether the first axis of every input is the batch, of any
    length; else shapes are as in `sample`. ExportError where an operation is unknown, or the runs differ in more than the batch's length.
    """
    rng = np.random.default_rng(0)
    first = [np.concatenate([a] * 2)[:2] if dynamic else a.copy() for a in sample]
    a, b = (2, 3) if dynamic else (0, 0)
    second = [_other(x, b if dynamic else len(x) if x.ndim else 1, rng) for x in first]
    (one, outputs), (other, others) = (_run(model, function or model, arrays) for arrays in (first, second))
    calls, used = _needed(one.calls, outputs)
    _refuse_unknown(calls, known)
    steps = [[(c.op, c.inputs, c.outputs) for c in run.calls] for run in (one, other)]
    if steps[0] != steps[1] or outputs != others:
        at = next((i for i, (p, q) in enumerate(zip(*steps)) if p != q), min(map(len, steps)))
        raise ExportError("export: the model does one thing for some images and another for others"
                          + (f", from {_of((one.calls + one.calls[-1:])[at])} on" if one.calls else "")
                          + "; a file holds one list of operations, so choose with ta.where instead of if")
    pairs = {p.outputs: q for p, q in zip(one.calls, other.calls)}
    calls = [dataclasses.replace(call, attributes=_attributes(call, pairs[call.outputs], a, b)) for call in calls]
    values = [_value(one, number, p, q, a, b, names) if number in used or number < len(names) else None
              for number, (p, q) in enumerate(zip(one.arrays, other.arrays))]
    return Trace(calls, values, tuple(range(len(sample))), outputs)


def _attributes(one, other, a, b):
    """The attributes of one call in both runs, as `together` has them."""
    made = {}
    for key, value in one.attributes.items():
        try:
            made[key] = together(value, other.attributes[key], a, b)
        except Changes:
            raise ExportError(f"export: {_of(one)} is called with {key} = {value!r:.60}, which changes from one batch to the next in another way than "
                              "the number of images does, so it cannot be written down") from None
    return made


def _value(run, number, p, q, a, b, names):
    """The `Value` that was array p in one run and q in the other."""
    try:
        shape = together(p.shape, q.shape, a, b)
        if number < len(names):
            return Value(shape, p.dtype, names[number])
        if number in run.made:
            return Value(shape, p.dtype)
        if any(isinstance(n, Length) for n in shape):
            short, shape = stretched(p, q, a, b)
            return Value(shape, p.dtype, None, short)
        return Value(shape, p.dtype, run.names.get(id(p)), together(p, q, a, b))
    except Changes:
        user = next((_of(c) for c in run.calls if number in c.inputs), "the model")
        raise ExportError(f"export: {user} is given an array of shape {p.shape} that was computed from the images outside the recorded operations "
                          "(with NumPy, through .data or detach().numpy()), so it cannot be written down; compute it with "
                          "operations on Tensors") from None
