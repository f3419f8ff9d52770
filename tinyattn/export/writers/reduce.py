"""Many numbers in, one out."""
from .table import writes

KINDS = {"sum": "ReduceSum", "mean": "ReduceMean", "prod": "ReduceProd", "amax": "ReduceMax", "amin": "ReduceMin"}


def _reduced(graph, call, kind):
    x, op = call.inputs[0], KINDS[kind]
    if call.dtypes[0] == bool:                      # True counts 1
        x = graph.add("Cast", x, to=7)
    return graph.reduce(op, x, call["dim"], call["keepdim"]) if call["dim"] else x


@writes("sum", "mean", "prod")
def reduced(graph, call):
    """ReduceSum, ReduceMean, ReduceProd"""
    return _reduced(graph, call, call.op)


@writes("extreme")
def extreme(graph, call):
    """ReduceMax, ReduceMin"""
    return _reduced(graph, call, call["kernel"])


@writes("arg")
def arg(graph, call):
    """ArgMax, ArgMin; the first of equals"""
    op = "ArgMax" if call["kernel"] == "argmax" else "ArgMin"
    return graph.add(op, call.inputs[0], axis=call["dim"], keepdims=int(call["keepdim"]))


@writes("cumsum")
def cumsum(graph, call):
    """CumSum"""
    return graph.add("CumSum", call.inputs[0], graph.scalar(call["dim"], "int64"))
