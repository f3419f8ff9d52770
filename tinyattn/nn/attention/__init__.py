"""Attention modules, one idea a file.

    gates          a feature map in, the same shape out: SqueezeExcitation, EfficientChannelAttention, CBAM, SelfAttention2d
    tokens         tokens in, tokens out: MultiheadAttention
    many to one    AttentionPool

Every one keeps its weights on request (`Weighing`). `create(name, channels)` makes the gate that ``attention="name"`` plugs into a model.
"""

from ...nearest import did_you_mean
from ..linear import Identity
from .cbam import CBAM
from .eca import EfficientChannelAttention
from .gate import Gate
from .multihead import MultiheadAttention
from .pooling import AttentionPool
from .se import SqueezeExcitation
from .self_attention import SelfAttention2d
from .weighing import Weighing

GATES = {
    "none": None,
    "se": SqueezeExcitation,
    "eca": EfficientChannelAttention,
    "cbam": CBAM,
    "self": SelfAttention2d,
}
"""What ``attention="…"`` may be."""

MOST_PIXELS = 256
"""Self-attention is placed on maps up to this many pixels: its cost grows with their square."""


def check_name(name):
    """ValueError, with the nearest valid name, unless `name` is in `GATES`."""
    if not isinstance(name, str) or name not in GATES:
        hint = did_you_mean(name, GATES)
        raise ValueError(f"unknown attention {name!r}" + (f"; {hint}" if hint else "")
                         + f" (there are {', '.join(GATES)})")
    return name


def create(name, channels, pixels=0):
    """The gate called `name` for `channels` channels and maps of `pixels` pixels; Identity where there is none."""
    gate = GATES[check_name(name)]
    if gate is None or gate is SelfAttention2d and pixels > MOST_PIXELS:
        return Identity()
    return gate(channels)


__all__ = ["AttentionPool", "CBAM", "EfficientChannelAttention", "GATES", "Gate", "MultiheadAttention", "SelfAttention2d",
           "SqueezeExcitation", "Weighing", "check_name", "create"]
