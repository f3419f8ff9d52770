"""The cases of attention over tokens and of what makes one of many: operations and layers."""
from .cases import N, V, case, const
from .layer_cases import layer

for shapes in ((N(2, 3, 5), N(2, 4, 5), N(5)), (N(1, 1, 1), N(1, 1, 1), N(1)), (N(3, 9, 70), N(3, 2, 70), N(70)), (N(2, 5, 33), N(2, 130, 33), N(33)),
               (N(0, 2, 3), N(0, 4, 3), N(3))):
    case("additive_scores", lambda t, F, q, k, v: F.additive_scores(q, k, v), *shapes)

for shape, count in (((2, 3, 4, 5), 2), ((2, 3, 4, 5), 1), ((3, 2), 3), ((2, 1, 2), 4), ((2, 3, 2, 3), 5), ((4,), 2)):
    case("weighted_sum", lambda t, F, w, *xs: F.weighted_sum(xs, w), N(count), *[N(*shape)] * count)
    case("weighted_sum", lambda t, F, w, *xs: F.weighted_sum(xs, w), N(shape[0], count), *[N(*shape)] * count)

HIDDEN = const(V([[False, True, False, False], [True] * 4], bool))
layer("AdditiveAttention", lambda nn: nn.attention.AdditiveAttention(4, 3, 5), N(2, 3, 4), N(2, 4, 3))
layer("AdditiveAttention", lambda nn: nn.attention.AdditiveAttention(3), N(2, 3), N(2, 4, 3), N(2, 4, 2), HIDDEN, label="one step, padded")
layer("QueryDecoderBlock", lambda nn: nn.attention.QueryDecoderBlock(4, 2, 5, dropout=0.0), N(2, 3, 4), N(2, 4, 4), N(3, 4), N(4, 4), HIDDEN)
layer("QueryDecoder", lambda nn: nn.attention.QueryDecoder(4, 3, 2, 2, 5), N(2, 4, 3, 2), training=False)
for kind in ("pc", "dot", "additive"):
    layer("GlobalQueryPool", lambda nn, kind=kind: nn.attention.GlobalQueryPool(3, 4, kind), N(2, 3, 2, 3), N(2, 4), label=kind)
layer("GlobalQueryPool", lambda nn: nn.attention.GlobalQueryPool(3, compatibility="additive"), N(2, 3, 2, 3), N(2, 3), label="one length")

MAPS = N(2, 3, 4, 3), N(2, 3, 4, 3), N(2, 3, 4, 3)
layer("WeightedFusion", lambda nn: nn.attention.WeightedFusion(3), *MAPS)
layer("LevelGate", lambda nn: nn.attention.LevelGate(3, 3), *MAPS)
layer("MultiScaleChannelAttention", lambda nn: nn.attention.MultiScaleChannelAttention(3), N(3, 3, 4, 3))
layer("AttentionalFeatureFusion", lambda nn: nn.attention.AttentionalFeatureFusion(3), N(3, 3, 4, 3), N(3, 3, 4, 3))
layer("IterativeFeatureFusion", lambda nn: nn.attention.IterativeFeatureFusion(3), N(2, 3, 4, 3), N(2, 3, 4, 3), training=False)
layer("FeaturePyramid", lambda nn: nn.attention.FeaturePyramid([3, 2, 4], 3), N(2, 3, 7, 5), N(2, 2, 4, 3), N(2, 4, 2, 1))
layer("SpatialTransformer", lambda nn: nn.attention.SpatialTransformer(2, features=3, size=(4, 3)), N(2, 2, 5, 6), second=False)
