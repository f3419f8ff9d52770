"""Products of matrices: ``a @ b``, its kin by rank, and the linear layer. Integers are multiplied as well.

    y = a b        dL/da = dy bᵀ        dL/db = aᵀ dy
"""
import math

from ..autograd import Function
from .arguments import tensor_argument
from .shape import broadcast_shape, cast


class MatmulFunction(Function):
    """y[…,i,j] = Σ_k a[…,i,k] · b[…,k,j]; either factor may be stored transposed"""

    def forward(ctx, a, b, transpose_a, transpose_b):
        ctx.save(a, b)
        contiguous = ctx.kernels.contiguous
        return ctx.kernels.matmul(contiguous(a), contiguous(b), transpose_a, transpose_b)

    def backward(ctx, dy):
        a, b = ctx.saved
        ta, tb = ctx.attributes["transpose_a"], ctx.attributes["transpose_b"]
        product = MatmulFunction.apply
        da = db = None
        if ctx.needs[0]:
            da = (product(b, dy, transpose_a=tb, transpose_b=True) if ta
                  else product(dy, b, transpose_a=False, transpose_b=not tb))
        if ctx.needs[1]:
            db = (product(dy, a, transpose_a=True, transpose_b=ta) if tb
                  else product(a, dy, transpose_a=not ta, transpose_b=False))
        return da, db


def _product(a, b, transpose_b=False):
    """Batched product of tensors with at least two axes; batch axes broadcast."""
    if a.ndim > 2 and b.ndim == 2:  # one weight for a whole batch: a single tall product
        y = MatmulFunction.apply(a.reshape(math.prod(a.shape[:-1]), a.shape[-1]), b, transpose_a=False, transpose_b=transpose_b)
        return y.reshape(a.shape[:-1] + (y.shape[-1],))
    batch = broadcast_shape("matmul", a.shape[:-2], b.shape[:-2])
    if a.shape[:-2] != batch:
        a = a.expand(batch + a.shape[-2:])
    if b.shape[:-2] != batch:
        b = b.expand(batch + b.shape[-2:])
    return MatmulFunction.apply(a, b, transpose_a=False, transpose_b=transpose_b)


def _factors(a, b, caller, names=("input", "other")):
    """Both factors of a product. TypeError unless they are tensors of one dtype that is not bool."""
    for name, x in zip(names, (a, b)):
        if tensor_argument(x, caller, name).dtype == bool:
            raise TypeError(f"{caller}: {name} is boolean, and there is no product of truths; convert with {name}.to(np.float32)")
    if a.dtype != b.dtype:
        raise TypeError(f"{caller}: all tensors must have one dtype, got {names[0]} {a.dtype}, {names[1]} {b.dtype}; convert with .to(…)")
    return a, b


def matmul(input, other):
    """The matrix product, as NumPy's ``@``: vectors are promoted, leading axes broadcast.

    input (…, M, K), other (…, K, N) → (…, M, N). ValueError if the inner lengths differ.
    """
    a, b = _factors(input, other, "matmul")
    if a.ndim == 0 or b.ndim == 0:
        raise ValueError(f"matmul: both tensors need at least one axis, got shapes {a.shape} and {b.shape}; "
                         "use a * b for scalars")
    inner = b.shape[-2] if b.ndim > 1 else b.shape[0]
    if a.shape[-1] != inner:
        raise ValueError(f"matmul: shapes {a.shape} and {b.shape} do not fit: the last axis of the first has length "
                         f"{a.shape[-1]}, axis {-2 if b.ndim > 1 else 0} of the second has {inner}")
    if a.ndim == 1 and b.ndim == 1:
        return cast((a * b).sum(), a.dtype)
    if a.ndim == 1:
        return _product(a.unsqueeze(0), b).squeeze(-2)
    if b.ndim == 1:
        return _product(a, b.unsqueeze(1)).squeeze(-1)
    return _product(a, b)


def _of_ranks(a, b, ranks, caller, names):
    """`matmul` of tensors that must have these numbers of axes, and no broadcasting."""
    _factors(a, b, caller, names)
    if (a.ndim, b.ndim) != ranks or ranks[0] == 3 == ranks[1] and a.shape[0] != b.shape[0] or a.shape[-1] != b.shape[-2 if b.ndim > 1 else 0]:
        raise ValueError(f"{caller}: shapes {a.shape} and {b.shape} do not fit; expected {ranks[0]} and {ranks[1]} axes, "
                         + ("one batch, " if ranks[0] == 3 else "") + "and equal inner lengths")
    return matmul(a, b)


def mm(input, mat2):
    """The product of two matrices: (M, K), (K, N) → (M, N)."""
    return _of_ranks(input, mat2, (2, 2), "mm", ("input", "mat2"))


def bmm(input, mat2):
    """The products of two batches of matrices: (B, M, K), (B, K, N) → (B, M, N)."""
    return _of_ranks(input, mat2, (3, 3), "bmm", ("input", "mat2"))


def mv(input, vec):
    """The product of a matrix and a vector: (M, K), (K,) → (M,)."""
    return _of_ranks(input, vec, (2, 1), "mv", ("input", "vec"))


def dot(input, tensor):
    """The inner product of two vectors: (K,), (K,) → ()."""
    return _of_ranks(input, tensor, (1, 1), "dot", ("input", "tensor"))


def outer(input, vec2):
    """The outer product of two vectors: (M,), (N,) → (M, N)."""
    a, b = tensor_argument(input, "outer"), tensor_argument(vec2, "outer", "vec2")
    if a.ndim != 1 or b.ndim != 1:
        raise ValueError(f"outer: expected two vectors, got shapes {a.shape} and {b.shape}")
    return a.unsqueeze(1) * b


def linear(input, weight, bias=None):
    """y = x Wᵀ + b.  input (…, in), weight (out, in), bias (out,) or one number → (…, out); a weight (in,) gives (…)"""
    _factors(input, weight, "linear", ("input", "weight"))
    if weight.ndim not in (1, 2):
        raise ValueError(f"linear: weight has shape {weight.shape}, expected (out_features, in_features)")
    if input.ndim == 0 or input.shape[-1] != weight.shape[-1]:
        hint = ""
        if input.ndim > 2 and input.data.size // max(len(input), 1) == weight.shape[-1]:
            hint = "; flatten the images first: x.flatten(1)"
        raise ValueError(f"linear: input has shape {input.shape}, expected (…, {weight.shape[-1]}) to match weight "
                         f"{weight.shape}{hint}")
    if weight.ndim == 1:
        if bias is not None:
            raise ValueError(f"linear: with a weight of shape {weight.shape} there is no bias")
        return matmul(input, weight)
    if bias is not None:
        _factors(input, bias, "linear", ("input", "bias"))
        if bias.shape not in (weight.shape[:1], (), (1,)):
            raise ValueError(f"linear: bias has shape {bias.shape}, expected ({weight.shape[0]},) to match weight {weight.shape}")
    if input.ndim == 1:
        y = _product(input.unsqueeze(0), weight, transpose_b=True).squeeze(0)
    else:
        y = _product(input, weight, transpose_b=True)
    return y if bias is None else y + bias
