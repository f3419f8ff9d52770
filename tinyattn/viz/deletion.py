"""Is what a map marks what the model needs? Pixels are taken away, or brought in, the most important first.

    deletion    the image loses its pixels to a plain ground: the probability of the class should fall soon (small area)
    insertion   a blurred image gets its pixels back:         the probability should rise soon              (large area)

The measure is the area under the curve of the class's probability over the share of pixels changed. (V. Petsiuk, A. Das and
K. Saenko, "RISE", arXiv:1806.07421, section 4.) There what is deleted becomes the mean colour; here, the image's own ground
(the median of its border): on a black ground a grey patch would be a new figure.
"""
import numpy as np

import tinyattn as ta

from ..nn.module import evaluating
from .blur import gaussian_blur

BATCH = 512
BLUR = 6  # the insertion begins with an image blurred by a sigma of this part of its side


def deletion(model, x, maps, classes, steps=20, seed=0):
    """The probability of each image's class while its pixels go, (N, steps + 1): from the whole image to none of it.

    x float (N, C, H, W), normalised; maps (N, H, W); classes int (N,)
    """
    return _curve(model, x, ground(x), maps, classes, steps, seed, "deletion")


def insertion(model, x, maps, classes, steps=20, seed=0):
    """The probability of each image's class while its pixels come back, (N, steps + 1): from a blurred image to the whole one."""
    x = np.asarray(x)
    return _curve(model, gaussian_blur(x, max(x.shape[2:]) / BLUR), x, maps, classes, steps, seed, "insertion")


def area(curves):
    """The area under curves (N, S + 1) over 0 … 1, by trapezoids: (N,)."""
    return ((curves[:, 1:] + curves[:, :-1]) / 2).mean(axis=1)


def ground(x):
    """Each image's ground: the median of its border, a channel, as an image (N, C, H, W)."""
    x = np.asarray(x)
    border = np.concatenate([x[:, :, 0], x[:, :, -1], x[:, :, :, 0], x[:, :, :, -1]], axis=2)
    return np.broadcast_to(np.median(border, axis=2)[:, :, None, None].astype(x.dtype), x.shape)


def order(maps, seed=0):
    """The pixels of maps (N, H, W) by falling value, (N, H·W); equal ones in a random order, so that no corner is preferred."""
    flat = np.asarray(maps).reshape(len(maps), -1)
    noise = np.random.default_rng(seed).random(flat.shape)
    return np.lexsort((noise, -flat))


def _curve(model, start, end, maps, classes, steps, seed, caller):
    """The class's probability at `steps` + 1 stages between `start` and `end`, pixels changing in the maps' order."""
    start, end, maps, classes = (np.asarray(a) for a in (start, end, maps, classes))
    n, c, h, w = start.shape
    if maps.shape != (n, h, w) or classes.shape != (n,):
        raise ValueError(f"{caller}: maps have shape {maps.shape} and classes {classes.shape}, expected {(n, h, w)} and {(n,)} to match "
                         f"images {start.shape}; bring maps to the images' size with viz.kinds.to_size")
    if steps < 1:
        raise ValueError(f"{caller}: steps is {steps}, expected 1 or more")
    rank = np.empty((n, h * w), np.int64)
    np.put_along_axis(rank, order(maps, seed), np.arange(h * w)[None], axis=1)
    rank = rank.reshape(n, 1, 1, h, w)
    counts = np.round(np.linspace(0, h * w, steps + 1)).reshape(1, -1, 1, 1, 1)       # pixels changed at each stage
    together = max(1, BATCH // (steps + 1))
    found = np.empty((n, steps + 1), np.float32)
    with evaluating(model), ta.no_grad():
        for first in range(0, n, together):
            part = slice(first, first + together)
            mixed = np.where(rank[part] < counts, end[part, None], start[part, None]).astype(start.dtype)
            logits = model(ta.tensor(mixed.reshape(-1, c, h, w)))
            p = ta.softmax(logits, 1).data.reshape(*mixed.shape[:2], -1)
            found[part] = np.take_along_axis(p, classes[part, None, None], axis=2)[..., 0]
    return found
