"""Multi-head attention: several soft look-ups side by side. (Vaswani et al., arXiv:1706.03762)"""
import numpy as np

from ... import ops
from ...tensor import Tensor
from .. import functional as F
from .. import init
from ..layers import Linear
from ..module import Module, Parameter


class MultiheadAttention(Module):
    """concat_h softmax(Q_h K_hᵀ / √d_h) V_h · W_o,  with Q = q W_q + b_q and so on, split into heads of d_h = E / heads.

    Arguments and keys are PyTorch's: ``in_proj_weight`` (3E, E) holds W_q, W_k, W_v one below the other. Inputs are
    (T, N, E), or (N, T, E) with ``batch_first=True``, or (T, E). Returns the output and, with ``need_weights``, the
    attention weights: the mean over heads (N, T, S), or all (N, heads, T, S).
    """

    def __init__(self, embed_dim, num_heads, dropout=0.0, bias=True, batch_first=False):
        super().__init__()
        if num_heads < 1 or embed_dim % num_heads:
            raise ValueError(f"MultiheadAttention: embed_dim = {embed_dim} must be divisible by num_heads = {num_heads}")
        self.embed_dim, self.num_heads, self.dropout, self.batch_first = embed_dim, num_heads, dropout, batch_first
        self.in_proj_weight = Parameter(ops.creation.zeros(3 * embed_dim, embed_dim))
        self.register_parameter("in_proj_bias", Parameter(ops.creation.zeros(3 * embed_dim)) if bias else None)
        self.out_proj = Linear(embed_dim, embed_dim, bias)
        init.xavier_uniform_(self.in_proj_weight)
        if bias:
            init.zeros_(self.out_proj.bias)

    def forward(self, query, key, value, key_padding_mask=None, need_weights=True, attn_mask=None,
                average_attn_weights=True, is_causal=False):
        single = query.ndim == 2
        if single:
            query, key, value = (x.unsqueeze(0) for x in (query, key, value))
            key_padding_mask = None if key_padding_mask is None else key_padding_mask.unsqueeze(0)
        elif not self.batch_first:
            query, key, value = self._swapped(query, key, value)
        for name, x in (("query", query), ("key", key), ("value", value)):
            if x.ndim != 3 or x.shape[2] != self.embed_dim:
                raise ValueError(f"MultiheadAttention: {name} has shape {x.shape}, expected three axes, the last of length "
                                 f"{self.embed_dim}")
        q, k, v = self._projected(query, key, value)                    # each (N, heads, T or S, d)
        mask = self._mask(attn_mask, key_padding_mask, q, k)
        scale = q.shape[-1] ** -0.5
        p = self.dropout if self.training else 0.0
        causal = is_causal and mask is None
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

    @staticmethod
    def _swapped(query, key, value):
        """(T, N, E) → (N, T, E), keeping `is` between inputs so that one projection can serve three."""
        q = query.transpose(0, 1)
        k = q if key is query else key.transpose(0, 1)
        return q, k, q if value is query else k if value is key else value.transpose(0, 1)

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

    def _mask(self, attn_mask, key_padding_mask, q, k):
        """Both masks as one that is added to the scores; in PyTorch's masks of this layer True means "not to be seen"."""
        total = None
        n, h, t, s = *q.shape[:3], k.shape[2]
        for name, mask, shapes in (("attn_mask", attn_mask, {(t, s): (1, 1, t, s), (n * h, t, s): (n, h, t, s)}),
                                   ("key_padding_mask", key_padding_mask, {(n, s): (n, 1, 1, s)})):
            if mask is None:
                continue
            if mask.shape not in shapes:
                raise ValueError(f"MultiheadAttention: {name} has shape {mask.shape}, expected "
                                 + " or ".join(map(str, shapes)))
            if mask.dtype == bool:
                mask = Tensor(np.where(mask.data, -np.inf, 0).astype(q.dtype))
            mask = mask.reshape(shapes[mask.shape])
            total = mask if total is None else total + mask
        return total

    def extra_repr(self):
        return f"{self.embed_dim}, num_heads={self.num_heads}"
