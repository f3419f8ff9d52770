"""Does a map lie on the object? Measures that need to know where the object is: the pointing game and the mass inside.

maps (N, H, W), at least 0; masks bool (N, H, W), True on the object. (J. Zhang et al., "Top-down neural attention by excitation
backprop", arXiv:1608.00507, invented the game; it is won where the map's highest pixel lies on the object.)
"""
import numpy as np


def pointing(maps, masks):
    """The share of an image's highest pixels that lies on the object, (N,): 1 or 0, and between where several are equally high."""
    maps, masks = _checked(maps, masks, "pointing")
    highest = maps == maps.max(axis=(1, 2), keepdims=True)
    return (highest & masks).sum(axis=(1, 2)) / highest.sum(axis=(1, 2))


def mass_inside(maps, masks):
    """The share of a map's sum that lies on the object, (N,). A map of zeros has the object's share of the area, as any constant."""
    maps, masks = _checked(maps, masks, "mass_inside")
    if maps.min() < 0:
        raise ValueError(f"mass_inside: maps go down to {maps.min():.3g}, expected nothing below 0: a share needs positive weights")
    maps = maps.astype(np.float64)
    total = maps.sum(axis=(1, 2))
    inside = (maps * masks).sum(axis=(1, 2))
    return np.where(total > 0, inside / np.where(total > 0, total, 1), chance(masks))


def chance(masks):
    """What a map that knows nothing gets in both on average: the object's share of the area, (N,)."""
    return np.asarray(masks, bool).mean(axis=(1, 2))


def boxes(masks):
    """The smallest upright rectangle around each object, as masks bool (N, H, W); nothing where there is no object."""
    masks = np.asarray(masks, bool)
    rows, columns = masks.any(axis=2), masks.any(axis=1)                # (N, H), (N, W)
    return _span(rows)[:, :, None] & _span(columns)[:, None, :]


def _span(flags):
    """True from the first True to the last, along the last axis."""
    return np.maximum.accumulate(flags, axis=1) & np.maximum.accumulate(flags[:, ::-1], axis=1)[:, ::-1]


def _checked(maps, masks, caller):
    maps, masks = np.asarray(maps), np.asarray(masks)
    if maps.ndim != 3 or maps.shape != masks.shape or masks.dtype != bool:
        raise ValueError(f"{caller}: maps are {maps.dtype} {maps.shape}, masks {masks.dtype} {masks.shape}, expected (N, H, W) of one shape, "
                         "the masks bool; bring maps to the images' size with viz.kinds.to_size")
    return maps, masks
