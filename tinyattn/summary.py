"""What a model is made of: its layers in the order they run, the shapes that come out, parameters, multiply-adds.

Counted by sending one batch of zeros through the model with a hook on every layer. A multiply-add is one product
added to a sum: a convolution makes one for each output number, input channel of its group and filter tap; a matrix
product one for each output number and inner index. Normalisation, activations, pooling and gates' products are not
counted: they grow with the outputs only.
"""
import dataclasses
import math

import numpy as np

import tinyattn as ta


@dataclasses.dataclass
class Row:
    """A layer: its `name` in the model, `kind` (class), output `shape`, own `parameters` and `multiply_adds`."""

    name: str
    kind: str
    shape: tuple
    parameters: int
    multiply_adds: int


@dataclasses.dataclass
class Summary:
    """The rows of a model for one input shape; `print` shows it as a table."""

    model: str
    input_shape: tuple
    rows: list

    @property
    def parameters(self):
        """All parameters of the layers that ran."""
        return sum(row.parameters for row in self.rows)

    @property
    def multiply_adds(self):
        """Multiply-adds of one forward pass of the whole batch."""
        return sum(row.multiply_adds for row in self.rows)

    def asdict(self):
        """As plain values, for JSON."""
        return {"model": self.model, "input_shape": list(self.input_shape), "parameters": self.parameters,
                "multiply_adds": self.multiply_adds,
                "layers": [{**dataclasses.asdict(row), "shape": list(row.shape)} for row in self.rows]}

    def __str__(self):
        cells = [("layer", "kind", "output", "parameters", "multiply-adds"),
                 ("input", "", _size(self.input_shape), "", "")]
        cells += [(row.name, row.kind, _size(row.shape), f"{row.parameters:,}" if row.parameters else "",
                   f"{row.multiply_adds:,}" if row.multiply_adds else "") for row in self.rows]
        cells.append((self.model, "", "", f"{self.parameters:,}", f"{self.multiply_adds:,}"))
        widths = [max(len(row[i]) for row in cells) for i in range(5)]
        lines = ["  ".join(text.ljust(width) if i < 3 else text.rjust(width)
                           for i, (text, width) in enumerate(zip(row, widths))).rstrip() for row in cells]
        rule = "─" * max(map(len, lines))
        return "\n".join([lines[0], rule, *lines[1:-1], rule, lines[-1]])


def _size(shape):
    return " × ".join(str(n) for n in shape)


def summary(model, input_shape):
    """Count a model's layers for an input of `input_shape`, (N, C, H, W). Returns a `Summary`.

    A layer is a module that has parameters of its own or no modules inside. The model's mode and hooks are left as
    they were.
    """
    rows, handles = [], []

    def listen(name, module):
        def hook(module, inputs, output):
            output = output[0] if isinstance(output, tuple) else output
            count = sum(p.numel() for p in module._parameters.values() if p is not None)
            rows.append(Row(name or type(module).__name__, type(module).__name__, tuple(output.shape), count,
                            _multiply_adds(module, inputs, output)))
        handles.append(module.register_forward_hook(hook))

    for name, module in model.named_modules():
        own = any(p is not None for p in module._parameters.values())
        if own or not list(module.children()) or hasattr(module, "own_multiply_adds"):
            listen(name, module)
    was_training = model.training
    model.eval()
    try:
        with ta.no_grad():
            model(ta.tensor(np.zeros(input_shape, np.float32)))
    finally:
        model.train(was_training)
        for handle in handles:
            handle.remove()
    return Summary(type(model).__name__, tuple(input_shape), rows)


def _multiply_adds(module, inputs, output):
    """Multiply-adds of one layer alone, without the modules inside it. What makes products besides its layers' says how many itself."""
    if hasattr(module, "own_multiply_adds"):
        return module.own_multiply_adds(inputs, output)
    outputs = math.prod(output.shape)
    kind = type(module).__name__
    weight = module._parameters.get("weight")
    if kind.startswith("Conv"):
        return outputs * math.prod(weight.shape[1:])
    if kind == "Linear":
        return outputs * weight.shape[1]
    if kind.removesuffix("Cell") in ("RNN", "GRU", "LSTM"):  # every weight meets every step of every sequence
        return math.prod(inputs[0].shape[:-1]) * sum(w.numel() for w in module._parameters.values() if w is not None and w.ndim == 2)
    return 0
