"""Multi-head attention: several soft look-ups side by side. (Vaswani et al., arXiv:1706.03762)"""
import numpy as np

from ... import ops
from ...ops.arguments import float_argument, probability, tensor_argument, whole
from ...tensor import Tensor
from .. import functional as F
from .. import init
from ..linear import Linear
from ..module import Module, Parameter


class MultiheadAttention(Module):
    """concat_h softmax(Q_h K_hᵀ / √d_h) V_h · W_o,  with Q = q W_q + b_q and so on, split into heads of d_h = E / heads.

    Arguments and keys are PyTorch's: ``in_proj_weight`` (3E, E) holds W_q, W_k, W_v one below the other. Inputs are
    (T, N, E), or (N, T, E) with ``batch_first=True``, or (T, E). Returns the output and, with ``need_weights``, the
    attention weights: the mean over heads (N, T, S), or all (N, heads, T, S).

    attn_mask         (T, S) or (N·heads, T, S): boolean, True where a key is *not* to be seen, or float, added to the scores
    key_padding_mask  (N, S): likewise, the same for every query
    is_causal         key j is seen by query i only where j ≤ i, whatever the masks allow besides
    A query that may see no key gets weights of 0. ValueError for shapes that do not fit.
    """

    def __init__(self, embed_dim, num_heads, dropout=0.0, bias=True, batch_first=False):
        super().__init__()
        if whole(embed_dim, "MultiheadAttention", "embed_dim") % whole(num_heads, "MultiheadAttention", "num_heads"):
            raise ValueError(f"MultiheadAttention: embed_dim = {embed_dim} must be divisible by num_heads = {num_heads}")
        self.embed_dim, self.num_heads, self.batch_first = embed_dim, num_heads, batch_first
        self.dropout = probability(dropout, "MultiheadAttention", "dropout")
        self.in_proj_weight = Parameter(ops.creation.zeros(3 * embed_dim, embed_dim))
        self.register_parameter("in_proj_bias", Parameter(ops.creation.zeros(3 * embed_dim)) if bias else None)
        self.out_proj = Linear(embed_dim, embed_dim, bias)
        init.xavier_uniform_(self.in_proj_weight)
        if bias:
            init.zeros_(self.out_proj.bias)

    def forward(self, query, key, value, key_padding_mask=None, need_weights=True, attn_mask=None,
                average_attn_weights=True, is_causal=False):
        self._check(query, key, value)
        single = query.ndim == 2
        if single:
            query, key, value = self._each(lambda x: x.unsqueeze(0), query, key, value)
        elif not self.batch_first:
            query, key, value = self._each(lambda x: x.transpose(0, 1), query, key, value)
        q, k, v = self._projected(query, key, value)                    # each (N, heads, T or S, d)
        mask = self._mask(attn_mask, key_padding_mask, is_causal, q, k)
        scale = q.shape[-1] ** -0.5
        p = self.dropout if self.training else 0.0
        causal = bool(is_causal) and mask is None
        weights = None
        if need_weights:
            weights = ops.attention.attention_weights(q, k, mask, causal, scale)
            o = F.dropout(weights, p, True) @ v if p else weights @ v
        else:
            o = F.scaled_dot_product_attention(q, k, v, mask, p, causal)
        y = self.out_proj(o.transpose(1, 2).reshape(query.shape))       # (N, T, E)
        if weights is not None:
            weights = weights.mean(1) if average_attn_weights else weights
        if single:
            return y.squeeze(0), None if weights is None else weights.squeeze(0)
        return y if self.batch_first else y.transpose(0, 1), weights

    def _check(self, query, key, value):
        """TypeError or ValueError unless the three fit this layer and one another."""
        caller, e = "MultiheadAttention", self.embed_dim
        for name, x in (("query", query), ("key", key), ("value", value)):
            float_argument(x, caller, name)
            if x.ndim not in (2, 3) or x.ndim != query.ndim or x.shape[-1] != e:
                raise ValueError(f"{caller}: {name} has shape {x.shape}, expected "
                                 + (f"(N, T, {e})" if self.batch_first else f"(T, N, {e})") + f", or (T, {e}) for all three")
        batch = 0 if self.batch_first else 1
        if key.shape != value.shape or query.ndim == 3 and key.shape[batch] != query.shape[batch]:
            raise ValueError(f"{caller}: query {query.shape}, key {key.shape} and value {value.shape} do not fit: key and value "
                             f"must have one shape, and the batch (axis {batch} with batch_first={self.batch_first}) be the same")

    @staticmethod
    def _each(view, query, key, value):
        """A view of each, keeping `is` between inputs so that one projection can serve three."""
        q = view(query)
        k = q if key is query else view(key)
        return q, k, q if value is query else k if value is key else view(value)

    def _projected(self, query, key, value):
        """Q, K and V by head; one product where all come from the same tokens."""
        e, w, b = self.embed_dim, self.in_proj_weight, self.in_proj_bias
        if key is query and value is query:
            joined = F.linear(query, w, b)                              # (N, T, 3E)
            parts = [joined[:, :, i * e:(i + 1) * e] for i in range(3)]
        else:
            parts = [F.linear(x, w[i * e:(i + 1) * e], None if b is None else b[i * e:(i + 1) * e])
                     for i, x in enumerate((query, key, value))]
        heads = (self.num_heads, e // self.num_heads)
        return [x.reshape(x.shape[:2] + heads).transpose(1, 2) for x in parts]

    def _mask(self, attn_mask, key_padding_mask, is_causal, q, k):
        """All masks as one that is added to the scores; in PyTorch's masks of this layer True means "not to be seen"."""
        caller, total = "MultiheadAttention", None
        n, h, t, s = *q.shape[:3], k.shape[2]
        padding = {(n, s): (n, 1, 1, s), **({(s,): (1, 1, 1, s)} if n == 1 else {})}
        for name, mask, shapes in (("attn_mask", attn_mask, {(t, s): (1, 1, t, s), (n * h, t, s): (n, h, t, s)}),
                                   ("key_padding_mask", key_padding_mask, padding)):
            if mask is None:
                continue
            if tensor_argument(mask, caller, name).shape not in shapes:
                raise ValueError(f"{caller}: {name} has shape {mask.shape}, expected " + " or ".join(map(str, shapes)))
            if mask.dtype not in (np.dtype(bool), q.dtype):
                raise TypeError(f"{caller}: {name} must be boolean (True: not to be seen) or {q.dtype}, got {mask.dtype}")
            mask = (_hiding(mask.data, q.dtype) if mask.dtype == bool else mask).reshape(shapes[mask.shape])
            total = mask if total is None else total + mask
        if is_causal and total is not None:
            total = total + _hiding(np.triu(np.ones((t, s), bool), 1), q.dtype)
        return total

    def extra_repr(self):
        return f"{self.embed_dim}, num_heads={self.num_heads}"


def _hiding(unseen, dtype):
    """−∞ where `unseen`, else 0: what is added to scores that are not to count."""
    return Tensor(np.where(unseen, -np.inf, 0).astype(dtype))
