"""Other shapes, repetition, exchange of axes, joins. Lengths that grow with the batch are left to the graph (see `Graph.lengths`)."""
from .index import BEHIND
from .table import writes


@writes("reshape")
def reshape(graph, call):
    """Reshape"""
    return graph.reshape(call.inputs[0], call["shape"])


@writes("expand")
def expand(graph, call):
    """Expand"""
    return graph.expand(call.inputs[0], call.shapes[0], call["shape"])


@writes("permute")
def permute(graph, call):
    """Transpose"""
    return graph.transpose(call.inputs[0], *call["dims"])


@writes("clone")
def clone(graph, call):
    """Nothing: a file has no memory to share"""
    return call.inputs[0]


@writes("cat")
def cat(graph, call):
    """Concat"""
    return graph.add("Concat", *call.inputs, axis=call["dim"])


@writes("flip")
def flip(graph, call):
    """Slice from the end to the beginning"""
    dims = call["dims"]
    if not dims:
        return call.inputs[0]
    return graph.add("Slice", call.inputs[0], graph.ints(*[-1] * len(dims)), graph.ints(*[-BEHIND] * len(dims)), graph.ints(*dims), graph.ints(*[-1] * len(dims)))


@writes("pad")
def pad(graph, call):
    """Pad with a constant; a negative number cuts off"""
    before, after = zip(*call["pads"])
    return graph.add("Pad", call.inputs[0], graph.ints(*before, *after), graph.scalar(call["value"], call.dtypes[0]))
