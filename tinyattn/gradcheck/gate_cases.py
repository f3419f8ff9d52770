"""The cases of attention gates: maps that are not square, channels that no vector divides."""
from .cases import D, N
from .layer_cases import layer

layer("SqueezeExcitation", lambda nn: nn.attention.SqueezeExcitation(5), N(2, 5, 3, 4))
layer("EfficientChannelAttention", lambda nn: nn.attention.EfficientChannelAttention(6), N(2, 6, 3, 4))
layer("CBAM", lambda nn: nn.attention.CBAM(5), D(2, 5, 6, 7))
layer("CBAM", lambda nn: nn.attention.CBAM(8, kernel_size=3), D(1, 8, 3, 3), label="3×3")
layer("SelfAttention2d", lambda nn: nn.attention.SelfAttention2d(6, heads=2), N(2, 6, 3, 4))
layer("SpatialAttention", lambda nn: nn.attention.SpatialAttention(5), D(2, 5, 6, 7))
layer("SpatialAttention", lambda nn: nn.attention.SpatialAttention(3, 3), D(1, 3, 1, 4), label="3×3, one row")
for training in (True, False):
    mode = dict(training=training, label="" if training else "eval")
    layer("BAM", lambda nn: nn.attention.BAM(5, dilation=2), N(3, 5, 4, 3), **mode)
    layer("CoordinateAttention", lambda nn: nn.attention.CoordinateAttention(5), N(2, 5, 3, 4), **mode)
    layer("SelectiveKernel", lambda nn: nn.attention.SelectiveKernel(4), N(3, 4, 3, 5), **mode)
    layer("TripletAttention", lambda nn: nn.attention.TripletAttention(5, 3), D(2, 5, 3, 4), **mode)
    layer("NonLocal2d", lambda nn: nn.attention.NonLocal2d(5), N(2, 5, 3, 4), **mode)
    layer("DotProductNonLocal2d", lambda nn: nn.attention.DotProductNonLocal2d(5), N(2, 5, 3, 4), **mode)
    layer("BottleneckTransformer", lambda nn: nn.attention.BottleneckTransformer(6, (3, 4), 2), N(2, 6, 3, 4), **mode)
layer("SelectiveKernel", lambda nn: nn.attention.SelectiveKernel(6, 3, groups=1), N(2, 6, 4, 3), label="three, whole")
layer("NonLocal2d", lambda nn: nn.attention.NonLocal2d(10, scaled=True), N(2, 10, 2, 3), label="scaled")
layer("GlobalContext", lambda nn: nn.attention.GlobalContext(5), N(2, 5, 3, 4))
layer("SimAM", lambda nn: nn.attention.SimAM(5), N(2, 5, 3, 4))
layer("SimAM", lambda nn: nn.attention.SimAM(3, 0.1), N(2, 3, 1, 1), label="one pixel")
layer("RelativeSelfAttention2d", lambda nn: nn.attention.RelativeSelfAttention2d(6, (3, 4), heads=2), N(2, 6, 3, 4))
layer("RelativeSelfAttention2d", lambda nn: nn.attention.RelativeSelfAttention2d(4, 2), N(2, 4, 4, 3), label="farther than its tables")
