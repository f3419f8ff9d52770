"""Attention modules, one idea a file.

    gates          a feature map in, the same shape out
        which channels      SqueezeExcitation, EfficientChannelAttention
        which places        SpatialAttention
        both                CBAM, BAM, CoordinateAttention, TripletAttention, SimAM, MultiScaleChannelAttention
        which window        SelectiveKernel
        from everywhere     GlobalContext, NonLocal2d, DotProductNonLocal2d, SelfAttention2d, RelativeSelfAttention2d, BottleneckTransformer
    tokens         tokens in, tokens out
        from one another    MultiheadAttention
        from another source MultiheadAttention, AdditiveAttention, QueryDecoder of QueryDecoderBlock
        where they stand    SinePositions1d, SinePositions2d, LearnedPositions1d, LearnedPositions2d
    many to one    several maps, or all of one, made into one
        a map to a vector   AttentionPool, GlobalQueryPool, and GlobalQueryAttention for several maps
        maps to a map       WeightedFusion, LevelGate, AttentionalFeatureFusion, IterativeFeatureFusion
        a neck              FeaturePyramid
        where to look       SpatialTransformer

Every one keeps its weights on request (`Weighing`). `create(name, channels, size)` makes the gate that ``attention="name"`` plugs
into a model.
"""

from ...nearest import did_you_mean
from ...ops.arguments import pair
from ..linear import Identity
from .additive import AdditiveAttention
from .bam import BAM
from .bottleneck import BottleneckTransformer
from .cbam import CBAM
from .coordinate import CoordinateAttention
from .eca import EfficientChannelAttention
from .feature_fusion import AttentionalFeatureFusion, IterativeFeatureFusion, MultiScaleChannelAttention
from .gate import Gate
from .global_context import GlobalContext
from .global_query import GlobalQueryAttention, GlobalQueryPool
from .level_gate import LevelGate
from .multihead import MultiheadAttention
from .non_local import DotProductNonLocal2d, NonLocal2d
from .pooling import AttentionPool
from .positions import LearnedPositions1d, LearnedPositions2d, SinePositions1d, SinePositions2d
from .pyramid import FeaturePyramid
from .queries import QueryDecoder, QueryDecoderBlock
from .relative import RelativeSelfAttention2d
from .se import SqueezeExcitation
from .selective_kernel import SelectiveKernel
from .self_attention import SelfAttention2d
from .simam import SimAM
from .spatial import SpatialAttention
from .spatial_transformer import SpatialTransformer
from .triplet import TripletAttention
from .weighing import Weighing
from .weighted_fusion import WeightedFusion

GATES = {
    "none": None,
    "se": SqueezeExcitation,
    "eca": EfficientChannelAttention,
    "spatial": SpatialAttention,
    "cbam": CBAM,
    "bam": BAM,
    "coordinate": CoordinateAttention,
    "triplet": TripletAttention,
    "simam": SimAM,
    "sk": SelectiveKernel,
    "gc": GlobalContext,
    "nonlocal": NonLocal2d,
    "nonlocal-dot": DotProductNonLocal2d,
    "self": SelfAttention2d,
    "relative": RelativeSelfAttention2d,
    "bot": BottleneckTransformer,
}
"""What ``attention="…"`` may be."""

MOST_PIXELS = 256
"""Gates whose cost grows with the square of the pixels are placed on maps up to this many."""


def check_name(name):
    """ValueError, with the nearest valid name, unless `name` is in `GATES`."""
    if not isinstance(name, str) or name not in GATES:
        hint = did_you_mean(name, GATES)
        raise ValueError(f"unknown attention {name!r}" + (f"; {hint}" if hint else "")
                         + f" (there are {', '.join(GATES)})")
    return name


def create(name, channels, size=16):
    """The gate called `name` for `channels` channels and maps of `size`, (H, W) or the side of a square.

    Identity for "none", and where the gate's cost grows with the square of the pixels and there are more than `MOST_PIXELS`.
    """
    gate, (height, width) = GATES[check_name(name)], pair(size, "create", "size", 1)
    if gate is None or gate.quadratic and height * width > MOST_PIXELS:
        return Identity()
    return gate(channels, (height, width)) if gate.sized else gate(channels)


__all__ = ["AdditiveAttention", "AttentionPool", "AttentionalFeatureFusion", "BAM", "BottleneckTransformer", "CBAM",
           "CoordinateAttention", "DotProductNonLocal2d", "EfficientChannelAttention", "FeaturePyramid", "GATES", "Gate",
           "GlobalContext", "GlobalQueryAttention", "GlobalQueryPool", "IterativeFeatureFusion", "LearnedPositions1d",
           "LearnedPositions2d", "LevelGate", "MultiScaleChannelAttention", "MultiheadAttention", "NonLocal2d", "QueryDecoder",
           "QueryDecoderBlock", "RelativeSelfAttention2d", "SelectiveKernel", "SelfAttention2d", "SimAM", "SinePositions1d",
           "SinePositions2d", "SpatialAttention", "SpatialTransformer", "SqueezeExcitation", "TripletAttention", "Weighing",
           "WeightedFusion", "check_name", "create"]
