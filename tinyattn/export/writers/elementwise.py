"""One number in, one number out. Most have an operator of their own; broadcasting is ONNX's, which is NumPy's too."""
import numpy as np

from .table import writes

ALIKE = {
    "add": "Add", "sub": "Sub", "mul": "Mul", "div": "Div", "pow": "Pow", "neg": "Neg", "abs": "Abs", "sign": "Sign", "floor": "Floor", "ceil": "Ceil",
    "round": "Round", "exp": "Exp", "log": "Log", "sqrt": "Sqrt", "reciprocal": "Reciprocal", "sin": "Sin", "cos": "Cos", "tanh": "Tanh",
    "sigmoid": "Sigmoid", "erf": "Erf", "relu": "Relu", "softplus": "Softplus", "logical_not": "Not", "where": "Where", "maximum": "Max", "minimum": "Min",
}
"""Operations that ONNX has under another name."""

COMPARISONS = {"eq": "Equal", "lt": "Less", "le": "LessOrEqual", "gt": "Greater", "ge": "GreaterOrEqual", "logical_and": "And", "logical_or": "Or"}


def _alike(op):
    return lambda graph, call: graph.add(op, *call.inputs)


for _name, _op in ALIKE.items():
    writes(_name)(_alike(_op))


@writes("compare")
def compare(graph, call):
    """Equal, Less …; Not Equal for ne"""
    kind = call["kernel"]
    return graph.add("Not", graph.add("Equal", *call.inputs)) if kind == "ne" else graph.add(COMPARISONS[kind], *call.inputs)


@writes("rsqrt")
def rsqrt(graph, call):
    """1 / √x"""
    return graph.add("Reciprocal", graph.add("Sqrt", *call.inputs))


@writes("square")
def square(graph, call):
    """x · x"""
    return graph.add("Mul", call.inputs[0], call.inputs[0])


@writes("log1p")
def log1p(graph, call):
    """ln(x + 1)"""
    return graph.add("Log", graph.add("Add", call.inputs[0], graph.scalar(1, call.dtypes[0])))


@writes("gelu")
def gelu(graph, call):
    """x · (1 + erf(x/√2)) / 2; ONNX has an operator Gelu since opset 20 only"""
    x, dtype = call.inputs[0], call.dtypes[0]
    phi = graph.add("Add", graph.add("Erf", graph.add("Mul", x, graph.scalar(np.sqrt(0.5), dtype))), graph.scalar(1, dtype))
    return graph.add("Mul", x, graph.add("Mul", phi, graph.scalar(0.5, dtype)))


@writes("silu")
def silu(graph, call):
    """x · σ(x)"""
    return graph.add("Mul", call.inputs[0], graph.add("Sigmoid", call.inputs[0]))


@writes("elu")
def elu(graph, call):
    """Elu"""
    return graph.add("Elu", *call.inputs, alpha=float(call["alpha"]))


@writes("leaky_relu")
def leaky_relu(graph, call):
    """LeakyRelu"""
    return graph.add("LeakyRelu", *call.inputs, alpha=float(call["slope"]))


@writes("add_relu")
def add_relu(graph, call):
    """max(a + b, 0)"""
    return graph.add("Relu", graph.add("Add", *call.inputs))


@writes("clamp")
def clamp(graph, call):
    """Clip, with one side or both"""
    bounds = [None if call[side] is None else graph.scalar(call[side], call.dtypes[0]) for side in ("lo", "hi")]
    return graph.add("Clip", call.inputs[0], *bounds)


@writes("rounded_divide")
def rounded_divide(graph, call):
    """⌊a / b⌋, or the quotient without its fraction"""
    y = graph.add("Div", *call.inputs)
    if call["towards"] == "floor":
        return graph.add("Floor", y)
    zero = graph.scalar(0, call.dtypes[0])
    return graph.add("Where", graph.add("Greater", y, zero), graph.add("Floor", y), graph.add("Ceil", y))


@writes("cast")
def cast(graph, call):
    """Cast"""
    from ..errors import needed
    return graph.add("Cast", call.inputs[0], to=needed("onnx").helper.np_dtype_to_tensor_dtype(np.dtype(call["dtype"])))
