"""Words as numbers: rows of a table looked up, and the ones of a one-hot vector."""
import numpy as np

from .. import kernels
from ..autograd import Function, no_grad
from ..tensor import Tensor
from .arguments import flag, float_argument, real, room, tensor_argument, whole
from .compare import gt, ne, where
from .creation import ones
from .gather import IndexAddFunction, IndexSelectFunction, index_argument
from .index import setitem
from .length import norm
from .reduce import amax
from .shape import cast


class EmbeddingFunction(Function):
    """y[n] = weight[index[n]];  dweight[r] = Σ over n with index[n] = r of share[n] · dy[n]  (share None: 1 everywhere)"""

    def forward(ctx, weight, index, share):
        ctx.rows = weight.shape[0]
        ctx.save(index, share)
        return ctx.kernels.take_rows(ctx.kernels.contiguous(weight), index)

    def backward(ctx, dy):
        index, share = ctx.saved
        return IndexAddFunction.apply(dy if share is None else dy * share, index, dim=0, length=ctx.rows), None, None


def embedding(input, weight, padding_idx=None, max_norm=None, norm_type=2.0, scale_grad_by_freq=False, sparse=False):
    """Rows of `weight` (V, D) numbered by the integer tensor `input` (any shape) → (…, D).

    padding_idx          this row gets no gradient (counted from the end if negative)
    max_norm             rows that are used and longer are first shortened to it, in place; `norm_type` is the p of their length
    scale_grad_by_freq   a row used n times gets its gradient divided by n
    sparse               taken for PyTorch's sake: gradients are dense arrays here
    """
    if float_argument(weight, "embedding", "weight").ndim != 2:
        raise ValueError(f"embedding: weight has shape {weight.shape}, expected (num_embeddings, embedding_dim)")
    index = index_argument(input, weight.shape[0], "embedding", "input")
    flag(sparse, "embedding", "sparse")
    shape, index = index.shape, index.reshape(-1)
    padding_idx = padding_row(padding_idx, weight.shape[0], "embedding")
    if max_norm is not None:
        _shorten(weight, index, real(max_norm, "embedding", "max_norm", 0), real(norm_type, "embedding", "norm_type"))
    share = None
    if flag(scale_grad_by_freq, "embedding", "scale_grad_by_freq") and index.data.size:
        once = ones(index.data.size, 1, dtype=np.float64, device=index.device)
        uses = IndexAddFunction.apply(once, index, dim=0, length=weight.shape[0])                      # (V, 1)
        share = 1 / IndexSelectFunction.apply(uses, index, dim=0)                                       # (n, 1)
    if padding_idx is not None:
        trained = ne(index, padding_idx).unsqueeze(1)
        share = trained if share is None else share * trained
    share = None if share is None else cast(share, weight.dtype)
    return EmbeddingFunction.apply(weight, index, share).reshape(shape + weight.shape[1:])


def padding_row(padding_idx, rows, caller):
    """`padding_idx` counted from the front, or None. ValueError where no such row is."""
    if padding_idx is None:
        return None
    if not -rows <= whole(padding_idx, caller, "padding_idx", -rows) < rows:
        raise ValueError(f"{caller}: padding_idx must name one of the {rows} rows, got {padding_idx}")
    return int(padding_idx) % rows


def _shorten(weight, index, max_norm, p):
    """Rows numbered by `index` whose p-norm is over `max_norm` shrunk to it, in place, unrecorded."""
    with no_grad():
        rows = IndexSelectFunction.apply(weight, index, dim=0)                                          # (n, D)
        lengths = norm(rows, p, 1, True)
        long = gt(lengths, max_norm)
        if long.any():
            setitem(weight, index, rows * where(long, max_norm / (lengths + 1e-7), 1))


def one_hot(input, num_classes=-1):
    """(…,) integers → (…, num_classes) int64 with a 1 at each. −1: as many classes as the largest needs."""
    if not tensor_argument(input, "one_hot").data.size and num_classes == -1:
        raise ValueError(f"one_hot: an input without elements (shape {input.shape}) does not say how many classes there are; "
                         "pass num_classes")
    automatic = whole(num_classes, "one_hot", "num_classes", -1) == -1
    count = int(amax(input).item()) + 1 if automatic else whole(num_classes, "one_hot", "num_classes", 1)
    index = index_argument(input, max(count, 0), "one_hot", "input")
    room((*index.shape, count), np.int64, "one_hot", index.device)
    k = kernels.of(index.data)
    return Tensor(k.one_hot(k.contiguous(index.data).reshape(-1), count, np.dtype(np.int64)).reshape(index.shape + (count,)))
