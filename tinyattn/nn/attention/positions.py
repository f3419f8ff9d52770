"""Where a token stands: attention sees a set, so what it is to know of places must be added to its tokens.

    SinePositions1d      waves of falling frequency along a sequence (Vaswani et al., arXiv:1706.03762, §3.5)
    SinePositions2d      the same for rows and columns of a map (Carion et al., DETR, arXiv:2005.12872)
    LearnedPositions1d   a trained vector a place (Gehring et al., arXiv:1705.03122)
    LearnedPositions2d   a trained vector a row and one a column, side by side (as DETR's learned ones)

Each is called with what it is for and returns the positions alone: ``x + positions(x)``, or to queries and keys only, as
DETR does. None mixes tokens: give the values without them where what is read should not say where it stood.
"""
import math

import numpy as np

from ... import ops
from ...ops.arguments import flag, float_argument, pair, real, same_dtype, tensor_argument, whole
from ...placing import constant, on_host, table
from .. import init
from ..module import Module
from ..parameter import Parameter


def _even(dim, caller, of, unit):
    """`dim` as an int; ValueError unless `unit` divides it."""
    if whole(dim, caller, of) % unit:
        raise ValueError(f"{caller}: {of} must be divisible by {unit}, got {dim}: sine and cosine{' of row and column' if unit == 4 else ''} come in pairs")
    return int(dim)


def _waves(places, dim, temperature):
    """(…, dim) of places (…): entry 2i is sin(place / temperature^(2i/dim)), entry 2i + 1 its cosine."""
    angles = places[..., None] / temperature ** (np.arange(0, dim, 2) / dim)               # (…, dim / 2)
    return np.stack([np.sin(angles), np.cos(angles)], -1).reshape(*places.shape, dim)


def _tokens(x, dim, caller):
    if float_argument(x, caller).ndim not in (2, 3) or x.shape[-1] != dim:
        raise ValueError(f"{caller}: input has shape {x.shape}, expected (N, T, {dim}) or (T, {dim})")
    return x


def _map(x, channels, caller):
    if float_argument(x, caller).ndim != 4 or x.shape[1] != channels or 0 in x.shape[2:]:
        raise ValueError(f"{caller}: input has shape {x.shape}, expected (N, {channels}, H, W)")
    return x


class SinePositions1d(Module):
    """p[t, 2i] = sin(t / 10000^(2i/D)),  p[t, 2i+1] = cos(t / 10000^(2i/D)),  t = 0 … T − 1.

    For tokens (N, T, D) or (T, D) → (T, D), D even. No parameters: it knows sequences of every length, and t + 5 is a
    rotation of t, the same one everywhere.
    """

    def __init__(self, dim, temperature=10000):
        super().__init__()
        self.dim, self.temperature = _even(dim, "SinePositions1d", "dim", 2), real(temperature, "SinePositions1d", "temperature", 1)

    def forward(self, x):
        length = _tokens(x, self.dim, "SinePositions1d").shape[-2]
        return table(x.device, _line, length, self.dim, self.temperature, x.dtype).clone()

    def extra_repr(self):
        return f"{self.dim}"


class SinePositions2d(Module):
    """The first C/2 channels are waves of the row, the others of the column: with D = C/2, entry 2i of row y is

        sin(y′ / 10000^(2i/D)),   y′ = 2π (y + 1) / H    (with normalize=False: y + 1),   and entry 2i + 1 its cosine.

    For maps (N, C, H, W) → (C, H, W), C divisible by 4. No parameters; normalised, a place is a share of the map, and maps
    of another size are read as larger or smaller ones of the same.

    padding_mask  (N, H, W), True where the map of an image is only padding: then rows and columns count what is not, each
                  image has positions of its own, and they are (N, C, H, W)
    """

    def __init__(self, channels, temperature=10000, normalize=True):
        super().__init__()
        caller = "SinePositions2d"
        self.channels, self.temperature = _even(channels, caller, "channels", 4), real(temperature, caller, "temperature", 1)
        self.normalize = flag(normalize, caller, "normalize")

    def forward(self, x, padding_mask=None):
        caller = "SinePositions2d"
        n, _, h, w = _map(x, self.channels, caller).shape
        if padding_mask is None:
            return table(x.device, _map_table, h, w, self.channels, self.temperature, self.normalize, x.dtype).clone()
        if tensor_argument(padding_mask, caller, "padding_mask").dtype != bool or padding_mask.shape != (n, h, w):
            raise ValueError(f"{caller}: padding_mask is {padding_mask.dtype} of shape {padding_mask.shape}, expected booleans of shape {(n, h, w)}")
        return constant(_of_places(~on_host(padding_mask), self.channels, self.temperature, self.normalize).astype(x.dtype), x)

    def extra_repr(self):
        return f"{self.channels}"


def _of_places(there, channels, temperature, normalize):
    """Waves (N, C, H, W) of maps of which only what is `there` (N, H, W) counts."""
    halves = []
    for axis in (1, 2):
        places = there.cumsum(axis).astype(float)
        if normalize:
            places *= 2 * math.pi / (np.take(places, [-1], axis) + 1e-6)  # where a whole line is padding, it stays at 0
        halves.append(_waves(places, channels // 2, temperature))
    return np.concatenate(halves, 3).transpose(0, 3, 1, 2)


def _map_table(h, w, channels, temperature, normalize, dtype):
    """Waves (C, H, W) of a whole map."""
    return _of_places(np.ones((1, h, w), bool), channels, temperature, normalize)[0].astype(dtype)


def _line(length, dim, temperature, dtype):
    """Waves (T, D) of a whole sequence."""
    return _waves(np.arange(length, dtype=float), dim, temperature).astype(dtype)


class LearnedPositions1d(Module):
    """p[t] = W[t], for tokens (N, T, D) or (T, D) → (T, D), T up to `length`.

    Parameters: length · D, drawn from a normal distribution of deviation 0.02. ValueError for longer sequences: of a place that
    was never trained it knows nothing.
    """

    def __init__(self, dim, length):
        super().__init__()
        self.dim, self.length = whole(dim, "LearnedPositions1d", "dim"), whole(length, "LearnedPositions1d", "length")
        self.weight = Parameter(ops.creation.zeros(self.length, self.dim))
        init.normal_(self.weight, std=0.02)

    def forward(self, x):
        same_dtype("LearnedPositions1d", input=_tokens(x, self.dim, "LearnedPositions1d"), weight=self.weight)
        if x.shape[-2] > self.length:
            raise ValueError(f"LearnedPositions1d: {x.shape[-2]} tokens, but there are positions for {self.length}; make it with length={x.shape[-2]}")
        return self.weight[:x.shape[-2]]

    def extra_repr(self):
        return f"{self.dim}, length={self.length}"


class LearnedPositions2d(Module):
    """The first C/2 channels are a vector of the column, W_x[x], the others one of the row, W_y[y] (DETR's order).

    For maps (N, C, H, W) → (C, H, W), C even, H and W up to `size` (an int, or one for rows and one for columns). Parameters:
    (rows + columns) · C/2, drawn evenly from 0 … 1 as DETR does.
    """

    def __init__(self, channels, size=50):
        super().__init__()
        caller = "LearnedPositions2d"
        self.channels = _even(channels, caller, "channels", 2)
        self.size = pair(size, caller, "size", 1)
        self.row = Parameter(ops.creation.zeros(self.size[0], channels // 2))
        self.column = Parameter(ops.creation.zeros(self.size[1], channels // 2))
        init.uniform_(self.row)
        init.uniform_(self.column)

    def forward(self, x):
        caller = "LearnedPositions2d"
        same_dtype(caller, input=_map(x, self.channels, caller), weight=self.row)
        h, w = x.shape[2:]
        if h > self.size[0] or w > self.size[1]:
            raise ValueError(f"{caller}: a map of {h}×{w}, but there are positions for {self.size[0]}×{self.size[1]}; make it with size={h, w}")
        half = self.channels // 2
        row = self.row[:h].T.unsqueeze(2).expand(half, h, w)                               # (C/2, H, W)
        return ops.shape.cat([self.column[:w].T.unsqueeze(1).expand(half, h, w), row])     # (C, H, W)

    def extra_repr(self):
        return f"{self.channels}, size={self.size}"
