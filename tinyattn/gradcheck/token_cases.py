"""The cases of attention over tokens and of what makes one of many: operations and layers."""
from .cases import N, V, case, const
from .layer_cases import layer

for shapes in ((N(2, 3, 5), N(2, 4, 5), N(5)), (N(1, 1, 1), N(1, 1, 1), N(1)), (N(3, 9, 70), N(3, 2, 70), N(70)), (N(2, 5, 33), N(2, 130, 33), N(33)),
               (N(0, 2, 3), N(0, 4, 3), N(3))):
    case("additive_scores", lambda t, F, q, k, v: F.additive_scores(q, k, v), *shapes)

HIDDEN = const(V([[False, True, False, False], [True] * 4], bool))
layer("AdditiveAttention", lambda nn: nn.attention.AdditiveAttention(4, 3, 5), N(2, 3, 4), N(2, 4, 3))
layer("AdditiveAttention", lambda nn: nn.attention.AdditiveAttention(3), N(2, 3), N(2, 4, 3), N(2, 4, 2), HIDDEN, label="one step, padded")
layer("QueryDecoderBlock", lambda nn: nn.attention.QueryDecoderBlock(4, 2, 5, dropout=0.0), N(2, 3, 4), N(2, 4, 4), N(3, 4), N(4, 4), HIDDEN)
layer("QueryDecoder", lambda nn: nn.attention.QueryDecoder(4, 3, 2, 2, 5), N(2, 4, 3, 2), training=False)
