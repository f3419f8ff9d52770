"""Products of matrices. A linear layer is Gemm, which takes the weight (out, in) as it is."""
from .table import writes


def turned(graph, x, rank):
    """x with its last two axes exchanged."""
    return graph.transpose(x, *range(rank - 2), rank - 1, rank - 2)


@writes("matmul")
def matmul(graph, call):
    """Gemm for two matrices of which one is stored transposed, else MatMul"""
    a, b = call.inputs
    (m, n), (ta, tb) = map(len, call.shapes), (call["transpose_a"], call["transpose_b"])
    if m == n == 2 and (ta or tb) and call.dtypes[0].kind == "f":
        return graph.add("Gemm", a, b, transA=int(ta), transB=int(tb))
    return graph.add("MatMul", turned(graph, a, m) if ta else a, turned(graph, b, n) if tb else b)
