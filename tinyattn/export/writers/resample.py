"""Resampling: scaling, padding from inside, windows. Taps that move numbers are Gather; taps that weigh them are a matrix."""
import numpy as np

from .table import writes


def _matrix(taps, dtype):
    """The taps as a matrix (source, outputs): y = x · matrix along an axis."""
    matrix = np.zeros((taps.source, len(taps)), dtype)
    outputs = np.repeat(np.arange(len(taps)), np.diff(taps.starts))
    np.add.at(matrix, (taps.index, outputs), taps.weight)
    return matrix


@writes("resample")
def resample(graph, call):
    """One axis after the other"""
    y, rank = call.inputs[0], len(call.shapes[0])
    for axis, taps in sorted(call["taps"].items()):
        if (np.diff(taps.starts) == 1).all() and (taps.weight == 1).all():
            y = graph.add("Gather", y, graph.ints(*taps.index), axis=axis)
            continue
        matrix = _matrix(taps, call.dtypes[0])
        if axis == rank - 1:
            y = graph.add("MatMul", y, graph.constant(matrix, "taps"))
        elif axis == rank - 2:
            y = graph.add("MatMul", graph.constant(matrix.T, "taps"), y)
        else:
            last = [*range(axis), *range(axis + 1, rank), axis]
            y = graph.add("MatMul", graph.transpose(y, *last), graph.constant(matrix, "taps"))
            y = graph.transpose(y, *[last.index(i) for i in range(rank)])
    return y
