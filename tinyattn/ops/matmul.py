"""Products of matrices: ``a @ b``, the linear layer, and `einsum` built on them.

    y = a b        dL/da = dy bᵀ        dL/db = aᵀ dy
"""
import math

from ..autograd import Function
from .arguments import float_argument, same_dtype, tensor_argument
from .shape import broadcast_shape, unbroadcast


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


def matmul(a, b):
    """The matrix product, as NumPy's ``@``: vectors are promoted, leading axes broadcast.

    a (…, M, K), b (…, K, N) → (…, M, N). ValueError if the inner lengths differ.
    """
    float_argument(a, "matmul", "a"), float_argument(b, "matmul", "b")
    same_dtype("matmul", a=a, b=b)
    if a.ndim == 0 or b.ndim == 0:
        raise ValueError(f"matmul: both tensors need at least one axis, got shapes {a.shape} and {b.shape}; "
                         "use a * b for scalars")
    inner = b.shape[-2] if b.ndim > 1 else b.shape[0]
    if a.shape[-1] != inner:
        raise ValueError(f"matmul: shapes {a.shape} and {b.shape} do not fit: the last axis of the first has length "
                         f"{a.shape[-1]}, axis {-2 if b.ndim > 1 else 0} of the second has {inner}")
    if a.ndim == 1 and b.ndim == 1:
        return (a * b).sum()
    if a.ndim == 1:
        return _product(a.unsqueeze(0), b).squeeze(-2)
    if b.ndim == 1:
        return _product(a, b.unsqueeze(1)).squeeze(-1)
    return _product(a, b)


def linear(input, weight, bias=None):
    """y = x Wᵀ + b.  input (…, in), weight (out, in), bias (out,) → (…, out)"""
    float_argument(input, "linear"), float_argument(weight, "linear", "weight")
    same_dtype("linear", input=input, weight=weight, bias=bias)
    if weight.ndim != 2:
        raise ValueError(f"linear: weight has shape {weight.shape}, expected (out_features, in_features)")
    if input.ndim == 0 or input.shape[-1] != weight.shape[1]:
        hint = ""
        if input.ndim > 2 and input.data.size // max(len(input), 1) == weight.shape[1]:
            hint = "; flatten the images first: x.flatten(1)"
        raise ValueError(f"linear: input has shape {input.shape}, expected (…, {weight.shape[1]}) to match weight "
                         f"{weight.shape}{hint}")
    if bias is not None and bias.shape != weight.shape[:1]:
        raise ValueError(f"linear: bias has shape {bias.shape}, expected ({weight.shape[0]},) to match weight {weight.shape}")
    if input.ndim == 1:
        y = _product(input.unsqueeze(0), weight, transpose_b=True).squeeze(0)
    else:
        y = _product(input, weight, transpose_b=True)
    return y if bias is None else y + bias


def einsum(equation, *operands):
    """Einstein summation over two operands or one, by permutations, products and sums: ``einsum("bqd,bkd->bqk", q, k)``.

    Letters in both operands and in the result are batch axes, letters missing in the result are summed over. More than
    two operands are contracted from the left. ValueError for an equation that does not fit the shapes.
    """
    if not isinstance(equation, str):
        raise TypeError(f"einsum: the equation must be a string such as \"ij,jk->ik\", got {type(equation).__name__}")
    left, arrow, result = equation.replace(" ", "").partition("->")
    terms = left.split(",")
    if len(terms) != len(operands):
        raise ValueError(f"einsum: the equation {equation!r} has {len(terms)} terms, but {len(operands)} operands were given")
    for i, x in enumerate(operands):
        tensor_argument(x, "einsum", f"operand {i}")
    lengths = {}
    for term, x in zip(terms, operands):
        if len(term) != x.ndim or len(set(term)) != len(term) or not term.isalpha() and term:
            raise ValueError(f"einsum: term {term!r} does not name each of the {x.ndim} axes of shape {x.shape} by one "
                             "letter of its own")
        for letter, n in zip(term, x.shape):
            if lengths.setdefault(letter, n) != n:
                raise ValueError(f"einsum: axis {letter!r} has length {lengths[letter]} in one operand and {n} in another")
    if not arrow:
        result = "".join(sorted(c for c in lengths if left.count(c) == 1))
    if set(result) - set(lengths) or len(set(result)) != len(result):
        raise ValueError(f"einsum: the result {result!r} of {equation!r} must name axes of the operands, each once")
    term, x = terms[0], operands[0]
    for i in range(1, len(terms)):
        later = set("".join(terms[i + 1:])) | set(result)
        term, x = _contract(term, x, terms[i], operands[i], later)
    gone = tuple(i for i, c in enumerate(term) if c not in result)
    if gone:
        x, term = x.sum(gone), "".join(c for c in term if c in result)
    return x.permute(*[term.index(c) for c in result]) if result else x


def _contract(term_a, a, term_b, b, keep):
    """The product of two operands, summed over the letters that they share and `keep` does not name."""
    for term, x in ((term_a, a), (term_b, b)):   # letters of one operand alone that nobody needs: sum them first
        other = term_b if x is a else term_a
        gone = tuple(i for i, c in enumerate(term) if c not in other and c not in keep)
        if gone:
            reduced, rest = x.sum(gone), "".join(c for i, c in enumerate(term) if i not in gone)
            if x is a:
                term_a, a = rest, reduced
            else:
                term_b, b = rest, reduced
    batch = [c for c in term_a if c in term_b and c in keep]
    summed = [c for c in term_a if c in term_b and c not in keep]
    rows = [c for c in term_a if c not in term_b]
    columns = [c for c in term_b if c not in term_a]
    size = dict(zip(term_a + term_b, a.shape + b.shape))

    def arranged(x, term, *groups):
        x = x.permute(*[term.index(c) for group in groups for c in group]) if term else x
        lengths = [1, 1, 1]
        for i, group in enumerate(groups):
            for c in group:
                lengths[i] *= size[c]
        return x.reshape(*lengths)

    y = matmul(arranged(a, term_a, batch, rows, summed), arranged(b, term_b, batch, summed, columns))
    term = "".join(batch + rows + columns)
    return term, y.reshape(*[size[c] for c in term])
