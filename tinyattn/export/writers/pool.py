"""Pooling. Where windows differ in size (adaptive pooling that does not divide evenly), rows are pooled first and then columns."""
import numpy as np

from ..graph import fixed
from .table import writes


def _window(call):
    """The options of a window. ceil_mode is written as more padding behind, since ONNX counts windows that begin there and we do not."""
    (top, left), kernel, stride = call["padding"], call["kernel_size"], call["stride"]
    dilation, behind = call.attributes.get("dilation", (1, 1)), [top, left]
    if call["ceil_mode"]:
        lengths, sizes = (fixed(shape[2:], "the size of an image") for shape in (call.shapes[0], call.results[0]))
        behind = [max((m - 1) * s + d * (k - 1) + 1 - n - p, 0) for m, s, d, k, n, p in zip(sizes, stride, dilation, kernel, lengths, (top, left))]
    return dict(kernel_shape=list(kernel), strides=list(stride), pads=[top, left, *behind])


def _positions(graph, found, image):
    """ONNX's number of a winner in the whole batch as its place in its plane, int32 as ours."""
    h, w = fixed(image[2:], "the size of an image")
    return graph.add("Cast", graph.add("Mod", found, graph.ints(h * w)), to=6)


@writes("max_pool2d")
def max_pool2d(graph, call):
    """MaxPool, with the winners' places where they are used"""
    options = dict(_window(call), dilations=list(call["dilation"]))
    if len(call.results) == 1:
        return graph.add("MaxPool", call.inputs[0], **options)
    if not call.used[1]:
        return graph.add("MaxPool", call.inputs[0], **options), None
    y, found = graph.add("MaxPool", call.inputs[0], outputs=2, **options)
    return y, _positions(graph, found, call.shapes[0])


def _pixels_of(call):
    """How many pixels each window divides by: those of the image, or of the padding too, but none behind that."""
    counts = []
    for n, m, k, s, p in zip(fixed(call.shapes[0][2:], "the size of an image"), call.results[0][2:], call["kernel_size"], call["stride"], call["padding"]):
        first = np.arange(m) * s - p
        last = np.minimum(first + k, n + p)
        counts.append(last - first if call["count_include_pad"] else np.minimum(last, n) - np.maximum(first, 0))
    return counts[0][:, None] * counts[1]


@writes("avg_pool2d")
def avg_pool2d(graph, call):
    """AveragePool; where the divisor is another than its own, a factor behind a mean over whole windows"""
    divisor = call["divisor_override"]
    plain = divisor is None and not call["ceil_mode"]
    y = graph.add("AveragePool", call.inputs[0], count_include_pad=int(call["count_include_pad"] or not plain), **_window(call))
    if plain:
        return y
    factor = np.prod(call["kernel_size"]) / (_pixels_of(call) if divisor is None else np.float64(divisor))
    return graph.add("Mul", y, graph.constant(factor.astype(call.dtypes[0]), "factor"))


def _parts(n, m):
    """The stretch from ⌊in/m⌋ to ⌈(i+1)n/m⌉ for each i of m."""
    return [(i * n // m, -(-(i + 1) * n // m)) for i in range(m)]


@writes("adaptive_avg_pool2d")
def adaptive_avg_pool2d(graph, call):
    """AveragePool where all windows are alike, else a product with a matrix of means for the rows and one for the columns"""
    lengths, sizes = fixed(call.shapes[0][2:], "the size of an image"), call["output_size"]
    if all(n % m == 0 for n, m in zip(lengths, sizes)):
        window = [n // m for n, m in zip(lengths, sizes)]
        return graph.add("AveragePool", call.inputs[0], kernel_shape=window, strides=window)
    rows, columns = (np.zeros((m, n), call.dtypes[0]) for n, m in zip(lengths, sizes))
    for means in (rows, columns):
        for i, (first, last) in enumerate(_parts(means.shape[1], means.shape[0])):
            means[i, first:last] = 1 / (last - first)
    y = graph.add("MatMul", graph.constant(rows, "means"), call.inputs[0])
    return graph.add("MatMul", y, graph.constant(columns.T, "means"))


@writes("adaptive_max_pool2d")
def adaptive_max_pool2d(graph, call):
    """MaxPool where all windows are alike, else the largest of each stretch of rows, then of columns"""
    lengths, sizes = fixed(call.shapes[0][2:], "the size of an image"), call["output_size"]
    if all(n % m == 0 for n, m in zip(lengths, sizes)):
        window = [n // m for n, m in zip(lengths, sizes)]
        if not call.used[1]:
            return graph.add("MaxPool", call.inputs[0], kernel_shape=window, strides=window), None
        y, found = graph.add("MaxPool", call.inputs[0], outputs=2, kernel_shape=window, strides=window)
        return y, _positions(graph, found, call.shapes[0])
    if call.used[1]:
        from ..errors import ExportError
        raise ExportError("export: adaptive_max_pool2d with return_indices has an ONNX translation only where output_size divides the image evenly")
    y = call.inputs[0]
    for axis, (n, m) in enumerate(zip(lengths, sizes), 2):
        most = [graph.reduce("ReduceMax", graph.add("Slice", y, graph.ints(first), graph.ints(last), graph.ints(axis)), (axis,), True)
                for first, last in _parts(n, m)]
        y = most[0] if m == 1 else graph.add("Concat", *most, axis=axis)
    return y, None
