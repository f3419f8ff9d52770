"""Softmax and attention, written out: scores, mask, softmax, weighted sum."""
import numpy as np

from ..graph import fixed
from .matmul import turned
from .table import writes


@writes("softmax")
def softmax(graph, call):
    """Softmax"""
    return graph.add("Softmax", call.inputs[0], axis=call["dim"])


@writes("log_softmax")
def log_softmax(graph, call):
    """LogSoftmax"""
    return graph.add("LogSoftmax", call.inputs[0], axis=call["dim"])


def _attend(graph, q, k, v, mask, causal, scale, lengths, dtype):
    """softmax(scale · q kᵀ + mask) v for q (B, H, T, D), k and v (B, H, S, ·); a query that may see nothing gets 0. `lengths`: T and S."""
    scores = graph.add("Mul", graph.add("MatMul", q, turned(graph, k, 4)), graph.scalar(scale, dtype))      # (B, H, T, S)
    if causal:
        unseen = np.triu(np.ones(fixed(lengths, "causal attention"), bool), 1)
        scores = graph.add("Add", scores, graph.constant(np.where(unseen, -np.inf, 0).astype(dtype), "causal"))
    if mask is None:
        weights = graph.add("Softmax", scores, axis=-1)
    else:
        scores = graph.add("Add", scores, mask)
        weights = graph.add("Softmax", scores, axis=-1)
        most = graph.reduce("ReduceMax", scores, (-1,), True)                                               # −∞ where nothing is seen
        blind = graph.add("Equal", most, graph.scalar(-np.inf, dtype))
        weights = graph.add("Where", blind, graph.scalar(0, dtype), weights)
    return graph.add("MatMul", weights, v)


@writes("attention")
def attention(graph, call):
    """Each head's q, k and v apart"""
    lengths = call.shapes[0][2], call.shapes[1][2]
    return _attend(graph, *call.inputs, call["causal"], call["scale"], lengths, call.dtypes[0])


@writes("self_attention")
def self_attention(graph, call):
    """q, k and v of all heads side by side in (B, T, 3·heads·D)"""
    (_, t, width), heads = call.shapes[0], call["heads"]
    apart = graph.add("Reshape", call.inputs[0], graph.ints(0, 0, 3, heads, width // (3 * heads)))
    q, k, v = graph.add("Split", graph.transpose(apart, 2, 0, 3, 1, 4), graph.ints(1, 1, 1), outputs=3, axis=0)       # each (1, B, H, T, D)
    q, k, v = (graph.squeeze(x, 0) for x in (q, k, v))
    o = _attend(graph, q, k, v, call.inputs[1], call["causal"], call["scale"], (t, t), call.dtypes[0])
    return graph.add("Reshape", graph.transpose(o, 0, 2, 1, 3), graph.ints(0, 0, width // 3))


@writes("attention_pool")
def attention_pool(graph, call):
    """Σ_t softmax_t(w·x_t + b) x_t"""
    x, w, b = call.inputs                                                                                   # (N, T, C), (1, C), (1,)
    scores = graph.add("Add", graph.add("MatMul", x, graph.transpose(w, 1, 0)), b)                          # (N, T, 1)
    weights = graph.transpose(graph.add("Softmax", scores, axis=1), 0, 2, 1)                                # (N, 1, T)
    return graph.squeeze(graph.add("MatMul", weights, x), 1)


@writes("additive_scores")
def additive_scores(graph, call):
    """Σ_d v_d tanh(q_td + k_sd), the (N, T, S, D) numbers in full"""
    q, k, v = call.inputs                                                                                   # (N, T, D), (N, S, D), (D,)
    hidden = graph.add("Tanh", graph.add("Add", graph.unsqueeze(q, 2), graph.unsqueeze(k, 1)))
    return graph.add("MatMul", hidden, v)                                                                   # (N, T, S)
