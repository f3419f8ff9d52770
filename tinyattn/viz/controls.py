"""Maps that a good map must beat, each telling what the good one could owe its score to.

    random     to nothing: an independent number for each pixel
    centre     to the middle, where photographers and makers of data sets put things: a Gaussian of a quarter of the side
    gradient   to the network alone: the plain gradient, for which no attention is needed
    blurred    to its rough shape: the map itself without its detail
"""
import numpy as np

from .blur import gaussian_blur
from .gradients import saliency

CENTRE, ROUGH = 4, 8  # parts of the side


def random_map(shape, seed=0):
    """Uniform numbers (N, H, W)."""
    return np.random.default_rng(seed).random(shape, dtype=np.float32)


def centre_map(shape):
    """exp(−r² / 2σ²) around the middle, (N, H, W); σ is a quarter of each side."""
    n, h, w = shape
    y, x = (((np.arange(m) - (m - 1) / 2) / (m / CENTRE)) ** 2 for m in (h, w))
    return np.broadcast_to(np.exp(-0.5 * (y[:, None] + x)).astype(np.float32), (n, h, w))


def blurred_map(maps):
    """The maps (N, H, W) blurred by a sigma of an eighth of their longer side."""
    return gaussian_blur(np.asarray(maps)[:, None], max(maps.shape[1:]) / ROUGH)[:, 0]


def controls(model, x, classes, seed=0):
    """Name → maps (N, H, W) for images x: those controls that belong to no map in particular."""
    shape = (len(x), *x.shape[2:])
    return {"random": random_map(shape, seed), "centre": centre_map(shape), "gradient": saliency(model, x, classes)}
