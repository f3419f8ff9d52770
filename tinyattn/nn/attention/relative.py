"""Self-attention that knows how far apart two pixels are, down and across. (Bello et al., arXiv:1904.09925, eq. 3; Shaw et al., arXiv:1803.02155)"""
import numpy as np

from ... import ops
from ...ops.arguments import pair
from ...placing import table
from .. import functional as F
from .. import init
from ..parameter import Parameter
from .self_attention import SelfAttention2d, split_heads


class RelativeSelfAttention2d(SelfAttention2d):
    """y = x + W_o · concat_h softmax_j((q_i·k_j + q_i·r_{Δrow} + q_i·s_{Δcolumn}) / √d) v_j,   Δ = place j − place i.

    x (N, C, H, W). r (2H − 1, d) and s (2W − 1, d), `rows` and `columns`, hold a vector for every distance down and across, shared by
    all heads, for maps of `size` (H, W); on larger maps what is farther counts as farthest (as in Shaw et al.). All else is
    `SelfAttention2d`'s, W_o = 0 at first too.

    Recorded: "tokens" (N, heads, P, P). Parameters: 4C² + 4C + (2H + 2W − 2)d, d = C / heads. The cost grows with (H·W)²: place it in the
    last stage, on maps up to about 16×16.
    """

    sized = True

    def __init__(self, channels, size, heads=None):
        super().__init__(channels, heads)
        self.rows, self.columns = tables(size, self.channels // self.heads, type(self).__name__)

    def attended(self, qkv, size):
        return attend_with_distances(self, qkv, size)

    def own_multiply_adds(self, inputs, output):
        return distance_multiply_adds(output.shape, self.channels, self.heads)


def tables(size, d, caller):
    """The vectors of all distances between two rows, and two columns, of a map of `size`: (2H − 1, d), (2W − 1, d)."""
    made = [Parameter(ops.creation.zeros(2 * length - 1, d)) for length in pair(size, caller, "size", 1)]
    for table in made:
        init.normal_(table, std=d ** -0.5)
    return made


def attend_with_distances(gate, qkv, size):
    """The heads' outputs side by side (N, P, C) of Q, K and V side by side (N, P, 3C), with the `rows` and `columns` of a gate.

    The distances' part of a score, q_i·r_{Δrow} + q_i·s_{Δcolumn}, is a product of two vectors too: the first has q_i·r_{y − row i} for
    every row y and the same for every column, the second a 1 for the row of j, a 1 for its column, and zeros. So queries and keys
    are made longer by those, and attention runs as ever, tile by tile, without a table of all scores.
    """
    q, k, v = split_heads(qkv, gate.heads)                              # (N, heads, P, d) each
    n, heads, p, d = q.shape
    h, w = size
    grid = q.reshape(n, heads, h, w, d)
    by_row = _products(grid.permute(2, 0, 1, 3, 4), gate.rows).permute(1, 2, 0, 3, 4)           # (N, heads, H, W, H)
    by_column = _products(grid.permute(3, 0, 1, 2, 4), gate.columns).permute(1, 2, 3, 0, 4)     # (N, heads, H, W, W)
    q = ops.shape.cat([q, by_row.reshape(n, heads, p, h), by_column.reshape(n, heads, p, w)], 3)
    k = ops.shape.cat([k, table(k.device, _where, h, w, k.dtype).expand(n, heads, p, h + w)], 3)
    if gate.record_attention:
        gate.keep(tokens=ops.attention.attention_weights(q.detach(), k.detach(), None, False, d ** -0.5))
    o = F.scaled_dot_product_attention(q, k, v, scale=d ** -0.5)        # (N, heads, P, d)
    return o.transpose(1, 2).reshape(n, p, heads * d)


def _products(queries, vectors):
    """q_i·r_{y − i} of queries (L, …, d), place i first, with `vectors` (2M − 1, d), for every place y: (L, …, L)."""
    length, farthest = len(queries), len(vectors) // 2
    vectors = vectors[table(vectors.device, _apart, length, farthest)]                          # (L, L, d)
    rows = queries.reshape(length, -1, queries.shape[-1])               # (L, all others, d)
    return (rows @ vectors.transpose(1, 2)).reshape(*queries.shape[:-1], length)


def _where(h, w, dtype):
    """(P, H + W): a 1 for the row, and a 1 for the column, of each place."""
    return np.concatenate([np.repeat(np.eye(h), w, 0), np.tile(np.eye(w), (h, 1))], 1).astype(dtype)


def _apart(length, farthest):
    """(L, L): y − i, at most `farthest` either way, counted from there."""
    return np.clip(np.arange(length) - np.arange(length)[:, None], -farthest, farthest) + farthest


def distance_multiply_adds(shape, channels, heads):
    """Of products with the distances, of Q Kᵀ over the longer vectors, and of the product with V; shape (N, …, H, W) of the map."""
    n, _, h, w = shape
    p = h * w
    return n * p * (h + w) * channels + n * p * p * (2 * channels + heads * (h + w))
