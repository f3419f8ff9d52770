"""A graph under construction: nodes with readable names, initializers, and lengths that grow with the batch."""
import numpy as np

from .errors import ExportError, needed
from .lengths import Length


class Graph:
    """Nodes and initializers of an ONNX graph. Writers call `add` and `constant`; names carry the path of the `layer` that is being written."""

    def __init__(self, opset, batch_input=None):
        self.opset, self.batch_input = opset, batch_input
        self.nodes, self.initializers, self.taken = [], {}, set()
        self.layer, self.notes = "", {}                                  # notes: what one writer tells another about a name
        self._constants, self._batch, self._lengths = {}, None, {}
        self._helper = needed("onnx").helper

    def name(self, base):
        """`base` under the layer's path, with a number behind it where that is taken: ``stages.0.gate/Conv_1``."""
        base = f"{self.layer}/{base}" if self.layer else base
        name, count = base, 0
        while name in self.taken:
            count += 1
            name = f"{base}_{count}"
        self.taken.add(name)
        return name

    def add(self, op, *inputs, outputs=1, **attributes):
        """A node of the standard operator `op`; None stands for an input left out. Returns its output's name, or a tuple of them."""
        inputs = ["" if x is None else x for x in inputs]
        while inputs and not inputs[-1]:
            inputs.pop()
        name = self.name(op)
        names = [name] if outputs == 1 else [name, *[self.name(f"{op}.{i}") for i in range(1, outputs)]]
        attributes = {key: value for key, value in attributes.items() if value is not None}
        self.nodes.append(self._helper.make_node(op, inputs, names, name=name, **attributes))
        return names[0] if outputs == 1 else tuple(names)

    def parameter(self, name, array):
        """An initializer under the name that the state dict has."""
        if name in self.taken:
            name = self.name(name)
        self.taken.add(name)
        self.initializers[name] = np.ascontiguousarray(array)
        return name

    def constant(self, array, base="constant"):
        """The name of an initializer that holds `array`; equal ones are kept once."""
        array = np.array(array, order="C")
        key = array.dtype.str, array.shape, array.tobytes()
        if key not in self._constants:
            self._constants[key] = self.name(base)
            self.initializers[self._constants[key]] = array
        return self._constants[key]

    def ints(self, *values):
        """The name of a vector of int64."""
        return self.constant(np.array(values, np.int64).reshape(-1), "ints")

    def scalar(self, value, dtype):
        """The name of a number without axes."""
        return self.constant(np.array(value, dtype), "number")

    def lengths(self, values):
        """The name of a vector of int64 that holds `values`, ints and `Length`s: these are computed from the batch when the graph runs."""
        values = tuple(values)
        if not any(isinstance(n, Length) for n in values):
            return self.ints(*values)
        if values not in self._lengths:
            layer, self.layer = self.layer, "batch"
            parts = [self._length(n) if isinstance(n, Length) else self.ints(n) for n in values]
            self._lengths[values] = parts[0] if len(parts) == 1 else self.add("Concat", *parts, axis=0)
            self.layer = layer
        return self._lengths[values]

    def _length(self, length):
        if self._batch is None:
            self._batch = self.add("Shape", self.batch_input, start=0, end=1)
        n = self._batch
        if length.times != 1:
            n = self.add("Mul", n, self.ints(length.times))
        return self.add("Add", n, self.ints(length.plus)) if length.plus else n

    # --- what many writers need -----------------------------------------------------------------------------------

    def reshape(self, x, shape):
        """x under another shape. One length that grows with the batch is −1, "whatever is left"."""
        grown = [i for i, n in enumerate(shape) if isinstance(n, Length)]
        if len(grown) == 1 and 0 not in shape:
            shape = tuple(-1 if i in grown else n for i, n in enumerate(shape))
        return self.add("Reshape", x, self.lengths(shape))

    def expand(self, x, old, shape):
        """x, of shape `old`, repeated to `shape`; what has its length already is left as it is."""
        padded = (1,) * (len(shape) - len(old)) + tuple(old)
        wanted = tuple(1 if m == n else n for m, n in zip(padded, shape))
        return x if len(old) == len(shape) and set(wanted) <= {1} else self.add("Expand", x, self.lengths(wanted))

    def transpose(self, x, *axes):
        """x with its axes in another order."""
        return x if list(axes) == list(range(len(axes))) else self.add("Transpose", x, perm=list(axes))

    def squeeze(self, x, *axes):
        """x without axes of length 1."""
        return self.add("Squeeze", x, self.ints(*axes))

    def unsqueeze(self, x, *axes):
        """x with new axes of length 1."""
        return self.add("Unsqueeze", x, self.ints(*axes))

    def reduce(self, kind, x, axes, keepdims):
        """ReduceMean, ReduceMax … over `axes`, which are an attribute before opset 18 (before 13 for sums) and an input since."""
        keepdims = int(keepdims)
        if self.opset >= 18 or kind == "ReduceSum":
            return self.add(kind, x, self.ints(*axes), keepdims=keepdims)
        return self.add(kind, x, axes=list(axes), keepdims=keepdims)


def fixed(shape, why):
    """`shape` as ints; ExportError where one grows with the batch."""
    for n in shape:
        if isinstance(n, Length):
            raise ExportError(f"export: {why} must not grow with the batch, and it is {n} for a batch of N; export with a fixed batch "
                              "(--batch 1, or batch=1)")
    return tuple(shape)
