"""Learned queries: a fixed number of questions, asked of a feature map of any size. (Carion et al., DETR, arXiv:2005.12872)"""
from ... import ops
from ...ops.arguments import float_argument, probability, same_dtype, tensor_argument, whole
from .. import functional as F
from .. import init
from ..container import ModuleList
from ..dropout import Dropout
from ..linear import Linear
from ..module import Module
from ..norm import LayerNorm
from ..parameter import Parameter
from .multihead import MultiheadAttention
from .positions import SinePositions2d


class QueryDecoderBlock(Module):
    """Queries look at each other, then at the memory, then each for itself; a LayerNorm after every sum.

        x ← LN₁(x + SelfAttention(x + p, x + p, x))
        x ← LN₂(x + CrossAttention(x + p, m + r, m))
        x ← LN₃(x + W₂ max(W₁ x, 0))

    x (N, T, E) with query_pos p, memory m (N, S, E) with memory_pos r → (N, T, E); positions broadcast, and may be None. They go
    to queries and keys and never to values. Dropout before every sum, and before W₂. Parameters: 8 E² for both attentions, 2 E F
    for the rest, and biases. Keys are those of PyTorch's TransformerDecoderLayer, which it equals where positions are None.

    memory_key_padding_mask  (N, S), True where the memory is *not* to be seen
    """

    def __init__(self, embed_dim, num_heads=8, dim_feedforward=None, dropout=0.1):
        super().__init__()
        caller = "QueryDecoderBlock"
        self.embed_dim, p = whole(embed_dim, caller, "embed_dim"), probability(dropout, caller, "dropout")
        hidden = 4 * embed_dim if dim_feedforward is None else whole(dim_feedforward, caller, "dim_feedforward")
        self.self_attn = MultiheadAttention(embed_dim, num_heads, dropout=p, batch_first=True)
        self.self_attn.kind = "queries"
        self.multihead_attn = MultiheadAttention(embed_dim, num_heads, dropout=p, batch_first=True)
        self.linear1, self.linear2 = Linear(embed_dim, hidden), Linear(hidden, embed_dim)
        self.norm1, self.norm2, self.norm3 = (LayerNorm(embed_dim) for _ in range(3))
        self.dropout, self.dropout1, self.dropout2, self.dropout3 = (Dropout(p) for _ in range(4))
        for layer in (self.self_attn.out_proj, self.multihead_attn.out_proj, self.linear1, self.linear2):
            init.xavier_uniform_(layer.weight)                            # as all of DETR's transformer

    def forward(self, x, memory, query_pos=None, memory_pos=None, memory_key_padding_mask=None):
        caller = "QueryDecoderBlock"
        for name, tokens in (("queries", x), ("memory", memory)):
            if float_argument(tokens, caller, name).ndim != 3 or tokens.shape[2] != self.embed_dim or 0 in tokens.shape:
                raise ValueError(f"{caller}: {name} have shape {tokens.shape}, expected (N, tokens, {self.embed_dim})")
        asking = _placed(x, query_pos, "query_pos")
        x = self.norm1(x + self.dropout1(self.self_attn(asking, asking, x, need_weights=False)[0]))
        found, _ = self.multihead_attn(_placed(x, query_pos, "query_pos"), _placed(memory, memory_pos, "memory_pos"), memory,
                                       key_padding_mask=memory_key_padding_mask, need_weights=False)
        x = self.norm2(x + self.dropout2(found))
        return self.norm3(x + self.dropout3(self.linear2(self.dropout(F.relu(self.linear1(x))))))


class QueryDecoder(Module):
    """`num_queries` trained questions, answered by a map (N, E, H, W) in `num_layers` blocks → (N, num_queries, E).

    The questions are positions p of the queries, added in every block; their contents start at 0. The map's pixels are the
    memory, their positions the waves of `SinePositions2d`. A last LayerNorm makes the answers comparable. One linear layer on
    every answer is a detector of up to num_queries things; with one query it pools the map.

    padding_mask  (N, H, W), True where an image's map is only padding

    Parameters: num_queries · E, the blocks', and 2 E. Place it on the last map of a backbone, up to about 32×32, after a 1×1
    convolution to E channels. On request its blocks keep "queries" (N, heads, T, T) and "cross" (N, heads, T, H·W).
    """

    def __init__(self, embed_dim, num_queries, num_heads=8, num_layers=1, dim_feedforward=None, dropout=0.1):
        super().__init__()
        caller = "QueryDecoder"
        self.positions = SinePositions2d(embed_dim)
        self.queries = Parameter(ops.creation.zeros(whole(num_queries, caller, "num_queries"), embed_dim))
        init.normal_(self.queries)
        self.layers = ModuleList([QueryDecoderBlock(embed_dim, num_heads, dim_feedforward, dropout)
                                  for _ in range(whole(num_layers, caller, "num_layers"))])
        self.norm = LayerNorm(embed_dim)

    def forward(self, x, padding_mask=None):
        caller = "QueryDecoder"
        count, channels = self.queries.shape
        if float_argument(x, caller).ndim != 4 or x.shape[1] != channels or 0 in x.shape:
            raise ValueError(f"{caller}: input has shape {x.shape}, expected (N, {channels}, H, W); a 1×1 convolution makes the channels fit")
        same_dtype(caller, input=x, queries=self.queries)
        places = self.positions(x, padding_mask)                                           # (E, H, W) or (N, E, H, W)
        memory, places = x.flatten(2).transpose(1, 2), places.flatten(-2).transpose(-2, -1)    # (N, H·W, E) and (…, H·W, E)
        answers = ops.creation.zeros(len(x), count, channels, dtype=x.dtype)
        for layer in self.layers:
            answers = layer(answers, memory, self.queries, places, None if padding_mask is None else padding_mask.flatten(1))
        return self.norm(answers)                                                          # (N, T, E)

    def extra_repr(self):
        return f"{self.queries.shape[1]}, num_queries={self.queries.shape[0]}"


def _placed(x, positions, name):
    """Tokens (N, T, E) with their positions."""
    if positions is None:
        return x
    if tensor_argument(positions, "QueryDecoderBlock", name).shape not in (x.shape, x.shape[1:], (1, *x.shape[1:])):
        raise ValueError(f"QueryDecoderBlock: {name} has shape {positions.shape}, expected {x.shape[1:]} or {x.shape}")
    return x + positions
