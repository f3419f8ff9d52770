"""Norms. Batch norm of a model in evaluation mode is ONNX's BatchNormalization, by the running statistics."""
import numpy as np

from .table import writes


def _or_constant(graph, name, value, count, dtype):
    """An input, or `count` times a number where there is none."""
    return graph.constant(np.full(count, value, dtype), "ones" if value else "zeros") if name is None else name


@writes("batch_norm_inference")
def batch_norm_inference(graph, call):
    """BatchNormalization, and Relu if both ran as one"""
    x, mean, var, weight, bias = call.inputs
    channels, dtype = call.shapes[0][1], call.dtypes[0]
    y = graph.add("BatchNormalization", x, _or_constant(graph, weight, 1, channels, dtype), _or_constant(graph, bias, 0, channels, dtype), mean, var,
                  epsilon=float(call["eps"]))
    return graph.add("Relu", y) if call["relu"] else y


def _by_own_statistics(graph, call, axes, shape, count):
    """γ (x − μ) / √(σ² + ε) + β with μ and σ² of x over `axes`; γ and β in `shape`. Also μ and σ², with length 1 there."""
    x, weight, bias = call.inputs
    mean = graph.reduce("ReduceMean", x, axes, True)
    centred = graph.add("Sub", x, mean)
    var = graph.reduce("ReduceMean", graph.add("Mul", centred, centred), axes, True)
    y = graph.add("Div", centred, graph.add("Sqrt", graph.add("Add", var, graph.scalar(call["eps"], call.dtypes[0]))))
    y = y if weight is None else graph.add("Mul", y, graph.reshape(weight, shape))
    return (y if bias is None else graph.add("Add", y, graph.reshape(bias, shape))), mean, var


@writes("batch_norm", "batch_norm_pool")
def batch_norm(graph, call):
    """By the batch's own statistics: a norm without running ones"""
    rank, channels = len(call.shapes[0]), call.shapes[0][1]
    axes = (0, *range(2, rank))
    y, mean, var = _by_own_statistics(graph, call, axes, (1, channels) + (1,) * (rank - 2), channels)
    if call.op == "batch_norm_pool":
        window = list(call["kernel_size"])
        y = graph.add("MaxPool", graph.add("Relu", y), kernel_shape=window, strides=window)
    elif call["relu"]:
        y = graph.add("Relu", y)
    return y, *(graph.reshape(s, (channels,)) if used else None for s, used in zip((mean, var), call.used[1:]))


@writes("layer_norm")
def layer_norm(graph, call):
    """LayerNormalization of rows (M, D)"""
    x, weight, bias = call.inputs
    return graph.add("LayerNormalization", x, _or_constant(graph, weight, 1, call.shapes[0][1], call.dtypes[0]), bias, axis=-1, epsilon=float(call["eps"]))


@writes("group_norm")
def group_norm(graph, call):
    """Each group as a channel of its own, InstanceNormalization, and then γ and β of each channel"""
    x, weight, bias = call.inputs
    shape, groups, dtype = call.shapes[0], call["num_groups"], call.dtypes[0]
    per_channel = (1, shape[1]) + (1,) * (len(shape) - 2)
    rows = graph.add("Reshape", x, graph.ints(0, groups, -1))                                  # (N, groups, numbers)
    y = graph.add("InstanceNormalization", rows, graph.constant(np.ones(groups, dtype), "ones"), graph.constant(np.zeros(groups, dtype), "zeros"),
                  epsilon=float(call["eps"]))
    y = graph.reshape(y, shape)
    y = y if weight is None else graph.add("Mul", y, graph.reshape(weight, per_channel))
    return y if bias is None else graph.add("Add", y, graph.reshape(bias, per_channel))
