"""What gates do to a feature map: squeeze it over its pixels or channels, and multiply it by what comes of that."""
from .table import writes


def _pixels(graph, x, kind, keepdims=False):
    return graph.reduce(kind, x, (2, 3), keepdims)


@writes("pool_pixels")
def pool_pixels(graph, call):
    """(N, C, H, W) → mean and max (N, C)"""
    mean = _pixels(graph, call.inputs[0], "ReduceMean")
    return (mean, _pixels(graph, call.inputs[0], "ReduceMax")) if call["with_max"] else mean


def _channels(graph, x):
    """(N, C, H, W) → (N, 2, H, W): mean and max over the channels"""
    return graph.add("Concat", graph.reduce("ReduceMean", x, (1,), True), graph.reduce("ReduceMax", x, (1,), True), axis=1)


@writes("pool_channels")
def pool_channels(graph, call):
    """The same of x · gate"""
    x, gate = call.inputs
    return _channels(graph, x if gate is None else graph.add("Mul", x, graph.unsqueeze(gate, 2, 3)))


@writes("apply_gates")
def apply_gates(graph, call):
    """x · channel (N, C) · pixel (N, H, W) or (N, 1, H, W)"""
    y, channel, pixel = call.inputs
    if channel is not None:
        y = graph.add("Mul", y, graph.unsqueeze(channel, 2, 3))
    if pixel is not None:
        y = graph.add("Mul", y, graph.unsqueeze(pixel, 1) if len(call.shapes[2]) == 3 else pixel)
    return y


@writes("attention_gate")
def attention_gate(graph, call):
    """x · g · s,  g = σ(MLP(mean) [+ MLP(max)]),  s = σ(filters ∗ [mean; max of x · g]) or 1"""
    x, w1, b1, w2, b2, filters = call.inputs

    def mlp(v):
        return v if w1 is None else graph.add("Gemm", graph.add("Relu", graph.add("Gemm", v, w1, b1, transB=1)), w2, b2, transB=1)

    score = mlp(_pixels(graph, x, "ReduceMean"))
    if call["with_max"]:
        score = graph.add("Add", score, mlp(_pixels(graph, x, "ReduceMax")))
    y = graph.add("Mul", x, graph.unsqueeze(graph.add("Sigmoid", score), 2, 3))
    if filters is None:
        return y
    rows, columns = (n // 2 for n in call.shapes[5][2:])
    maps = graph.add("Conv", _channels(graph, y), filters, pads=[rows, columns, rows, columns])              # (N, 1, H, W)
    return graph.add("Mul", y, graph.add("Sigmoid", maps))


@writes("weighted_sum")
def weighted_sum(graph, call):
    """Σ_i w_i x_i, with w (L,), or (N, L): for each image its own"""
    w, *xs = call.inputs
    rank, parts = len(call.shapes[1]), []
    for i, x in enumerate(xs):
        if len(call.shapes[0]) == 1:
            share = graph.add("Gather", w, graph.scalar(i, "int64"), axis=0)                                 # ()
        else:
            share = graph.add("Gather", w, graph.scalar(i, "int64"), axis=1)                                 # (N,)
            share = graph.unsqueeze(share, *range(1, rank)) if rank > 1 else share
        parts.append(graph.add("Mul", x, share))
    return graph.add("Sum", *parts)


@writes("energy_gate")
def energy_gate(graph, call):
    """x · σ((x − μ)² / (4 (v + λ)) + ½)"""
    x, dtype, pixels = call.inputs[0], call.dtypes[0], call.shapes[0][2] * call.shapes[0][3]
    d = graph.add("Sub", x, _pixels(graph, x, "ReduceMean", True))
    d = graph.add("Mul", d, d)
    v = graph.add("Mul", _pixels(graph, d, "ReduceMean", True), graph.scalar(4 * pixels / max(1, pixels - 1), dtype))
    e = graph.add("Div", d, graph.add("Add", v, graph.scalar(4 * call["e_lambda"], dtype)))
    return graph.add("Mul", x, graph.add("Sigmoid", graph.add("Add", e, graph.scalar(0.5, dtype))))
