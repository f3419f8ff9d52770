"""Additive attention: a small network says how well a key fits a query. (Bahdanau et al., arXiv:1409.0473)"""
from ... import ops
from ...ops.arguments import float_argument, same_dtype, tensor_argument, whole
from .. import functional as F
from .. import init
from ..linear import Linear
from ..parameter import Parameter
from .weighing import Weighing


class AdditiveAttention(Weighing):
    """c_t = Σ_s α_ts value_s,   α_t = softmax_s(e_ts),   e_ts = vᵀ tanh(W query_t + U key_s).

    query (N, T, query_dim), or (N, query_dim) for one step of a decoder; key (N, S, key_dim); value (N, S, E), the key
    itself where none is given. Returns the contexts c (N, T, E) and the weights α (N, T, S), without T for one step.

    key_padding_mask  (N, S), True where a key is *not* to be seen. A query that may see no key gets 0, and weights of 0.
    hidden_dim        length D of v; default query_dim

    Parameters: D · (query_dim + key_dim + 1), without biases. Place it in a decoder, whose state asks all that the encoder
    has read. It needs no common length of queries and keys, and no scale; multi-head attention is the faster one for
    long sequences. On request it keeps α as "cross" (N, 1, T, S).
    """

    def __init__(self, query_dim, key_dim=None, hidden_dim=None):
        super().__init__()
        caller = "AdditiveAttention"
        self.query_dim = whole(query_dim, caller, "query_dim")
        self.key_dim = self.query_dim if key_dim is None else whole(key_dim, caller, "key_dim")
        hidden = self.query_dim if hidden_dim is None else whole(hidden_dim, caller, "hidden_dim")
        self.query = Linear(self.query_dim, hidden, bias=False)
        self.key = Linear(self.key_dim, hidden, bias=False)
        self.weight = Parameter(ops.creation.zeros(hidden))
        init.uniform_(self.weight, -hidden ** -0.5, hidden ** -0.5)       # as a Linear's of that length

    def forward(self, query, key, value=None, key_padding_mask=None):
        value = key if value is None else value
        self._check(query, key, value, key_padding_mask)
        step = query.ndim == 2
        query = query.unsqueeze(1) if step else query
        scores = F.additive_scores(self.query(query), self.key(key), self.weight)          # (N, T, S)
        weights = _softmax_of_seen(scores, key_padding_mask)
        self.keep(cross=weights.unsqueeze(1))
        context = weights @ value                                                          # (N, T, E)
        return (context.squeeze(1), weights.squeeze(1)) if step else (context, weights)

    def _check(self, query, key, value, mask):
        """TypeError or ValueError unless all fit this layer and one another."""
        caller = "AdditiveAttention"
        for name, x in (("query", query), ("key", key), ("value", value)):
            float_argument(x, caller, name)
        same_dtype(caller, query=query, key=key, value=value, weight=self.weight)
        if query.ndim not in (2, 3) or query.shape[-1] != self.query_dim or 0 in query.shape:
            raise ValueError(f"{caller}: query has shape {query.shape}, expected (N, T, {self.query_dim}), or (N, {self.query_dim}) for one step")
        if key.ndim != 3 or key.shape[0] != query.shape[0] or key.shape[2] != self.key_dim or 0 in key.shape:
            raise ValueError(f"{caller}: key has shape {key.shape}, expected ({query.shape[0]}, S, {self.key_dim}) for a query of shape {query.shape}")
        if value.ndim != 3 or value.shape[:2] != key.shape[:2]:
            raise ValueError(f"{caller}: value has shape {value.shape}, expected ({key.shape[0]}, {key.shape[1]}, E): one for each key")
        if mask is None:
            return
        if tensor_argument(mask, caller, "key_padding_mask").dtype != bool:
            raise TypeError(f"{caller}: key_padding_mask must be boolean (True: not to be seen), got {mask.dtype}")
        if mask.shape != key.shape[:2]:
            raise ValueError(f"{caller}: key_padding_mask has shape {mask.shape}, expected {key.shape[:2]}: one for each key")

    def own_multiply_adds(self, inputs, output):
        """vᵀ tanh(…) of every pair, and the contexts."""
        pairs = output.numel() // output.shape[-1] * inputs[1].shape[1]
        return pairs * (self.weight.shape[0] + output.shape[-1])

    def extra_repr(self):
        return f"{self.query_dim}, key_dim={self.key_dim}, hidden_dim={self.weight.shape[0]}"


def _softmax_of_seen(scores, hidden):
    """Softmax over the last axis of scores (N, T, S) without what is `hidden` (N, S); 0 where everything is."""
    if hidden is None:
        return F.softmax(scores, -1)
    hidden = hidden.unsqueeze(1)                                                           # (N, 1, S)
    some = hidden & ~hidden.all(2, keepdim=True)      # of a row with nothing to see take all, which is finite, and then none
    return F.softmax(scores.masked_fill(some, -float("inf")), -1).masked_fill(hidden, 0)
