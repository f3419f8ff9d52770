"""Parts of a tensor: slices, and picking by number."""
import numpy as np

from ..errors import ExportError
from ..graph import fixed
from .table import writes

BEHIND = 2 ** 62
"""A place behind the end of any axis."""


@writes("slice")
def slices(graph, call):
    """x[slices, ints, None, …]: Slice for what is cut, Squeeze for ints, Unsqueeze for None"""
    index, x, rank = call["index"], call.inputs[0], len(call.shapes[0])
    named = sum(item is not None and item is not Ellipsis for item in index)
    at, made, cut, dropped, added = 0, 0, [], [], []
    for item in index:
        if item is Ellipsis:
            at, made = at + rank - named, made + rank - named
        elif item is None:
            added.append(made)
            made += 1
        elif isinstance(item, slice):
            if (item.start, item.stop, item.step) not in ((None, None, None), (0, call.shapes[0][at], None)):
                cut.append((at, 0 if item.start is None else item.start, BEHIND if item.stop is None else item.stop, item.step or 1))
            at, made = at + 1, made + 1
        else:
            cut.append((at, item, BEHIND if item == -1 else item + 1, 1))
            dropped.append(at)
            at += 1
    if cut:
        axes, starts, stops, steps = zip(*cut)
        x = graph.add("Slice", x, graph.lengths(starts), graph.lengths(stops), graph.ints(*axes), graph.ints(*steps))
    x = graph.squeeze(x, *dropped) if dropped else x
    return graph.unsqueeze(x, *added) if added else x


@writes("assign")
def assign(graph, call):
    """x[…] = v for the whole of x: v, broadcast"""
    if call["view"] != (Ellipsis,) or call["arrays"]:
        raise ExportError("export: assignment to a part of a tensor, x[index] = v, has no ONNX translation yet; put the parts together with ta.cat or ta.where")
    x, v = call.shapes
    return graph.expand(call.inputs[1], v, x)


@writes("index_select")
def index_select(graph, call):
    """Gather along an axis"""
    return graph.add("Gather", *call.inputs, axis=call["dim"])


@writes("embedding")
def embedding(graph, call):
    """Gather rows of the table"""
    return graph.add("Gather", call.inputs[0], call.inputs[1], axis=0)


@writes("gather")
def gather(graph, call):
    """GatherElements"""
    return graph.add("GatherElements", *call.inputs, axis=call["dim"])


@writes("scatter_add")
def scatter_add(graph, call):
    """ScatterElements, adding up, into zeros"""
    x, index = call.inputs
    zeros = graph.add("Expand", graph.scalar(0, call.dtypes[0]), graph.lengths(call["shape"]))
    return graph.add("ScatterElements", zeros, index, x, axis=call["dim"], reduction="add")


@writes("scatter")
def scatter(graph, call):
    """ScatterElements"""
    x, v, index = call.inputs
    return graph.add("ScatterElements", x, index, v, axis=call["dim"])


@writes("diagonal")
def diagonal(graph, call):
    """The last two axes as one, and of that the places of the diagonal"""
    *rest, rows, columns = call.shapes[0]
    rows, columns = fixed((rows, columns), "a matrix whose diagonal is taken")
    offset = call["offset"]
    first = np.arange(max(min(rows + min(offset, 0), columns - max(offset, 0)), 0))
    flat = graph.reshape(call.inputs[0], (*rest, rows * columns))
    return graph.add("Gather", flat, graph.ints(*((first + max(-offset, 0)) * columns + first + max(offset, 0))), axis=len(rest))


@writes("sort")
def sort(graph, call):
    """TopK of all, or of the first k"""
    k = fixed(call.shapes[0], "an axis that is sorted")[call["dim"]] if call["k"] is None else call["k"]
    return graph.add("TopK", call.inputs[0], graph.ints(k), outputs=2, axis=call["dim"], largest=int(call["descending"]), sorted=1)
