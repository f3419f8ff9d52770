"""What a recorded map is a map of: its axes, what it says in words, and what it says of each place of the image.

The kinds are those that the attention modules keep (`nn.attention.weighing.KINDS`). Some speak of places (a gate a pixel, the share of each
token), some of other things (channels, branches, levels, queries among themselves), which no picture of the image can show.
"""
import math

import numpy as np

import tinyattn as ta

from ..nn import functional as F
from ..nn.attention.weighing import KINDS


def words(kind):
    """What a map of this kind says."""
    return KINDS[kind][1] if kind in KINDS else "an attention map"


def title(name, kind):
    """How a map is called where there are others: its layer and its kind; the layer alone where that says the kind ("pool")."""
    return name if name.split(".")[-1] == kind else f"{name} {kind.replace('_', ' ')}".strip()


def token_grid(count, size):
    """(h, w, extra) of `count` tokens cut from an image of `size` (H, W): h · w of them lie in the image, `extra` come before.

    h / w is as near to H / W as it can be; an extra token (0 or 1) is one for the class. None where no such grid exists.
    """
    for tokens in (count, count - 1):
        h = round(math.sqrt(max(tokens, 0) * size[0] / size[1]))
        if h and tokens % h == 0 and abs(tokens / h - h * size[1] / size[0]) < 1:
            return h, tokens // h, count - tokens
    return None


def as_grid(values, size):
    """Token values (…, T) as the grid (…, h, w) they were cut from, a token for the class left out; (…, 1, T) where there is none."""
    grid = token_grid(values.shape[-1], size)
    if grid is None:
        return values[..., None, :]
    h, w, extra = grid
    return values[..., extra:].reshape(*values.shape[:-1], h, w)


def places(kind, values, size):
    """What a recorded map says of each place of an image of `size` (H, W): (N, h, w), or None where it speaks of no places.

    pixel, pool            as they are
    voxel, rows, columns, height_channel, width_channel   the mean over the channels; (N, H, W), (N, H, 1) or (N, 1, W)
    tokens, cross          how much each place was looked at: the mean over heads and queries
    """
    values = np.asarray(values)
    if kind == "pixel" or kind == "pool" and values.ndim == 3:
        return values
    if kind == "pool":
        return as_grid(values, size)
    if kind == "voxel":
        return values.mean(axis=1)
    if kind in ("rows", "height_channel"):
        return values.mean(axis=1)[:, :, None]
    if kind in ("columns", "width_channel"):
        return values.mean(axis=1)[:, None, :]
    if kind in ("tokens", "cross") and token_grid(values.shape[3], size) is not None:
        return as_grid(values.mean(axis=(1, 2)), size)
    return None


def all_places(maps, size):
    """(name, kind, (N, h, w)) of every map of a recording that speaks of places, in the order of the model."""
    found = []
    for name, kinds in maps.items():
        for kind, values in kinds.items():
            place = places(kind, values, size)
            if place is not None:
                found.append((name, kind, place))
    return found


def to_size(values, size):
    """Maps (N, h, w) brought to `size` (H, W), float32: bilinear where they grow, means where they shrink."""
    values = np.ascontiguousarray(values, np.float32)
    mode = "bilinear" if size[0] >= values.shape[1] and size[1] >= values.shape[2] else "area"
    return F.interpolate(ta.tensor(values[:, None]), tuple(map(int, size)), mode=mode).data[:, 0]
