"""Multi-head attention: several soft look-ups side by side. (Vaswani et al., arXiv:1706.03762)"""
import math

import numpy as np

from ... import ops
from ...grad_mode import no_grad
from ...ops.arguments import flag, float_argument, probability, tensor_argument, whole
from ...ops.compare import logical_not, where
from ...ops.creation import triangle
from ...ops.shape import cast
from .. import functional as F
from .. import init
from ..linear import Linear
from ..parameter import Parameter, checked_options
from .weighing import Weighing


class MultiheadAttention(Weighing):
    """concat_h softmax(Q_h K_hᵀ / √d_h) V_h · W_o,  with Q = q W_q + b_q and so on, split into heads of d_h = E / heads.

    Arguments and keys are PyTorch's: ``in_proj_weight`` (3E, E) holds W_q, W_k, W_v one below the other; where keys or values have
    other lengths than E (`kdim`, `vdim`), they are ``q_proj_weight`` (E, E), ``k_proj_weight`` (E, kdim), ``v_proj_weight`` (E, vdim).
    Inputs are (T, N, E), or (N, T, E) with ``batch_first=True``, or (T, E). Returns the output and, with ``need_weights``, the
    attention weights, after dropout: the mean over heads (N, T, S), or all (N, heads, T, S).

    add_bias_kv       one more key and value, the trained ``bias_k`` and ``bias_v`` (1, 1, E), that every query sees
    add_zero_attn     one more key and value of zeros: a query can attend to nothing
    attn_mask         (T, S) or (N·heads, T, S): boolean, True where a key is *not* to be seen, or float, added to the scores
    key_padding_mask  (N, S): likewise, the same for every query
    is_causal         key j is seen by query i only where j ≤ i, whatever the masks allow besides. (PyTorch takes it as a hint that
                      attn_mask is that mask, and demands attn_mask beside it; here it may stand alone.)
    A query that may see no key gets weights of 0 (in PyTorch NaN, with need_weights). ValueError for shapes that do not fit.
    On request it keeps all its weights (see `Weighing`): "tokens" (N, heads, T, T) where the key is the query, else "cross" (N, heads, T, S).
    Whose tokens are no places of an image sets `kind` to another name than "tokens" ("queries").
    """

    kind = "tokens"

    def __init__(self, embed_dim, num_heads, dropout=0.0, bias=True, add_bias_kv=False, add_zero_attn=False, kdim=None, vdim=None,
                 batch_first=False, device=None, dtype=None):
        super().__init__()
        caller = "MultiheadAttention"
        if whole(embed_dim, caller, "embed_dim") % whole(num_heads, caller, "num_heads"):
            raise ValueError(f"{caller}: embed_dim = {embed_dim} must be divisible by num_heads = {num_heads}")
        self.embed_dim, self.num_heads, self.head_dim = embed_dim, num_heads, embed_dim // num_heads
        self.kdim, self.vdim = (embed_dim if n is None else whole(n, caller, name) for n, name in ((kdim, "kdim"), (vdim, "vdim")))
        self.dropout, self.batch_first = probability(dropout, caller, "dropout"), flag(batch_first, caller, "batch_first")
        self.add_zero_attn = flag(add_zero_attn, caller, "add_zero_attn")
        flag(bias, caller, "bias"), flag(add_bias_kv, caller, "add_bias_kv")
        made = checked_options(caller, device, dtype)

        def parameter(*shape):
            return Parameter(ops.creation.zeros(*shape, **made))

        joined = self.kdim == self.vdim == embed_dim
        self.register_parameter("in_proj_weight", parameter(3 * embed_dim, embed_dim) if joined else None)
        for name, length in (("q", embed_dim), ("k", self.kdim), ("v", self.vdim)):
            self.register_parameter(f"{name}_proj_weight", None if joined else parameter(embed_dim, length))
        self.register_parameter("in_proj_bias", parameter(3 * embed_dim) if bias else None)
        self.out_proj = Linear(embed_dim, embed_dim, bias, **made)
        for name in ("bias_k", "bias_v"):
            self.register_parameter(name, parameter(1, 1, embed_dim) if add_bias_kv else None)
        for weight in (self.in_proj_weight, self.q_proj_weight, self.k_proj_weight, self.v_proj_weight):
            if weight is not None:
                init.xavier_uniform_(weight)
        if add_bias_kv:
            init.xavier_normal_(self.bias_k)
            init.xavier_normal_(self.bias_v)
        if bias:
            init.zeros_(self.out_proj.bias)

    def forward(self, query, key, value, key_padding_mask=None, need_weights=True, attn_mask=None,
                average_attn_weights=True, is_causal=False):
        self._check(query, key, value)
        for name, given in (("need_weights", need_weights), ("average_attn_weights", average_attn_weights), ("is_causal", is_causal)):
            flag(given, "MultiheadAttention", name)
        single = query.ndim == 2
        if single:
            query, key, value = self._each(lambda x: x.unsqueeze(0), query, key, value)
        elif not self.batch_first:
            query, key, value = self._each(lambda x: x.transpose(0, 1), query, key, value)
        if key is query and value is query and not need_weights and self._joins():
            o = self._self_attention(query, key_padding_mask, attn_mask, is_causal, single)
            y = self.out_proj(o)                                        # (N, T, E)
            return (y.squeeze(0) if single else y if self.batch_first else y.transpose(0, 1)), None
        q, k, v = self._projected(query, key, value)                    # (N, T, E), (N, S, E), (N, S, E)
        mask = self._mask(attn_mask, key_padding_mask, is_causal, q, k, single)
        k, v, mask = self._with_more_keys(k, v, mask)                   # S grows by up to 2
        q, k, v = map(self._heads, (q, k, v))
        p = self.dropout if self.training else 0.0
        causal = is_causal and mask is None
        self._record(self.kind if key is query else "cross", q, k, mask, causal)
        weights = None
        if need_weights:
            weights = F.dropout(ops.attention.attention_weights(q, k, mask, causal, self.head_dim ** -0.5), p, True)
            o = weights @ v                                             # (N, heads, T, d)
        else:
            o = F.scaled_dot_product_attention(q, k, v, mask, p, causal)
        y = self.out_proj(o.transpose(1, 2).reshape(query.shape))       # (N, T, E)
        if weights is not None:
            weights = weights.mean(1) if average_attn_weights else weights
        if single:
            return y.squeeze(0), None if weights is None else weights.squeeze(0)
        return y if self.batch_first else y.transpose(0, 1), weights

    def _joins(self):
        """Whether heads can be taken from where one product of all tokens leaves them: no keys besides, no dropout of weights."""
        return (self.in_proj_weight is not None and self.bias_k is None and not self.add_zero_attn
                and not (self.dropout and self.training))

    def _self_attention(self, x, key_padding_mask, attn_mask, is_causal, single):
        """The heads' outputs side by side (N, T, E), of tokens x (N, T, E) that attend to each other."""
        mask = self._mask(attn_mask, key_padding_mask, is_causal, x, x, single)
        mask = None if mask is None else mask.expand(mask.shape[:2] + 2 * x.shape[1:2])
        qkv = F.linear(x, self.in_proj_weight, self.in_proj_bias)       # (N, T, 3E)
        if self.record_attention:
            q, k = (self._heads(part) for part in qkv.split(self.embed_dim, 2)[:2])
            self._record(self.kind, q, k, mask, is_causal and mask is None)
        return ops.attention.SelfAttentionFunction.apply(
            qkv, mask, heads=self.num_heads, causal=is_causal and mask is None, scale=self.head_dim ** -0.5)

    def _heads(self, x):
        """(N, heads, T, d) of tokens (N, T, E)."""
        return x.reshape(x.shape[:2] + (self.num_heads, self.head_dim)).transpose(1, 2)

    def _record(self, kind, q, k, mask, causal):
        """Keep the weights (N, heads, T, S) before dropout, computed a second time: what the layer returns stays as it is."""
        if self.record_attention:
            with no_grad():
                self.keep(**{kind: ops.attention.attention_weights(q, k, mask, causal, self.head_dim ** -0.5)})

    def _check(self, query, key, value):
        """TypeError or ValueError unless the three fit this layer and one another."""
        caller = "MultiheadAttention"
        for name, x, e in (("query", query, self.embed_dim), ("key", key, self.kdim), ("value", value, self.vdim)):
            float_argument(x, caller, name)
            if x.ndim not in (2, 3) or x.ndim != query.ndim or x.shape[-1] != e:
                raise ValueError(f"{caller}: {name} has shape {x.shape}, expected "
                                 + (f"(N, T, {e})" if self.batch_first else f"(T, N, {e})") + f", or (T, {e}) for all three")
        batch = 0 if self.batch_first else 1
        if key.shape[:-1] != value.shape[:-1] or query.ndim == 3 and key.shape[batch] != query.shape[batch]:
            raise ValueError(f"{caller}: query {query.shape}, key {key.shape} and value {value.shape} do not fit: key and value must "
                             f"be equally many, and the batch (axis {batch} with batch_first={self.batch_first}) be the same")

    @staticmethod
    def _each(view, query, key, value):
        """A view of each, keeping `is` between inputs so that one projection can serve three."""
        q = view(query)
        k = q if key is query else view(key)
        return q, k, q if value is query else k if value is key else view(value)

    def _projected(self, query, key, value):
        """Q, K and V; one product where all come from the same tokens."""
        e, w, b = self.embed_dim, self.in_proj_weight, self.in_proj_bias
        if w is not None and key is query and value is query:
            return F.linear(query, w, b).split(e, 2)                    # of (N, T, 3E)
        weights = (self.q_proj_weight, self.k_proj_weight, self.v_proj_weight) if w is None else w.split(e)
        biases = (None,) * 3 if b is None else b.split(e)
        return [F.linear(x, *own) for x, *own in zip((query, key, value), weights, biases)]

    def _with_more_keys(self, k, v, mask):
        """The keys and values that `add_bias_kv` and `add_zero_attn` put at the end, which no mask hides."""
        n, s, e = k.shape
        if self.bias_k is not None:
            k, v = ops.shape.cat([k, self.bias_k.expand(n, 1, e)], 1), ops.shape.cat([v, self.bias_v.expand(n, 1, e)], 1)
        if self.add_zero_attn:
            nothing = ops.creation.zeros(n, 1, e, dtype=k.dtype)
            k, v = ops.shape.cat([k, nothing], 1), ops.shape.cat([v, nothing], 1)
        if mask is not None and k.shape[1] > s:
            mask = ops.shape.cat([mask, ops.creation.zeros(*mask.shape[:3], k.shape[1] - s, dtype=mask.dtype)], 3)
        return k, v, mask

    def _mask(self, attn_mask, key_padding_mask, is_causal, q, k, single):
        """All masks as one that is added to the scores; in PyTorch's masks of this layer True means "not to be seen"."""
        caller, total, h = "MultiheadAttention", None, self.num_heads
        (n, t, _), s = q.shape, k.shape[1]
        padding = {(n, s): (n, 1, 1, s), **({(s,): (1, 1, 1, s)} if single else {})}
        for name, mask, shapes in (("attn_mask", attn_mask, {(t, s): (1, 1, t, s), (n * h, t, s): (n, h, t, s)}),
                                   ("key_padding_mask", key_padding_mask, padding)):
            if mask is None:
                continue
            if tensor_argument(mask, caller, name).shape not in shapes:
                raise ValueError(f"{caller}: {name} has shape {mask.shape}, expected " + " or ".join(map(str, shapes)))
            if mask.dtype not in (np.dtype(bool), q.dtype):
                raise TypeError(f"{caller}: {name} must be boolean (True: not to be seen) or {q.dtype}, got {mask.dtype}")
            mask = (_hiding(mask, q.dtype) if mask.dtype == bool else mask).reshape(shapes[mask.shape])
            total = mask if total is None else total + mask
        if is_causal and (total is not None or self.add_zero_attn or self.bias_k is not None):
            unseen = _hiding(logical_not(triangle(t, s, 0, q.device)).reshape(1, 1, t, s), q.dtype)
            total = unseen if total is None else total + unseen
        return total

    def own_multiply_adds(self, inputs, output):
        """Q, K and V of their inputs, Q Kᵀ and its product with V."""
        keys = inputs[1].shape[1 if self.batch_first and inputs[1].ndim == 3 else 0]
        return sum(x.numel() for x in inputs[:3]) * self.embed_dim + 2 * output.numel() * keys

    def extra_repr(self):
        return f"{self.embed_dim}, num_heads={self.num_heads}"


def _hiding(unseen, dtype):
    """−∞ where `unseen`, else 0: what is added to scores that are not to count."""
    return cast(where(unseen, -math.inf, 0), dtype)
