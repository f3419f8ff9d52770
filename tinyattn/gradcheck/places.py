"""Detectors of mistakes that show by where they are: at the border, in every second row, in some channels, at an end."""
import itertools

import numpy as np

from .evidence import Cause


def _busy(e):
    """Whether some elements (two at least) are wrong and others, that are not merely 0 on both sides, are right."""
    right = ~e.wrong & (np.abs(e.numeric) > 1e-6 * np.abs(e.numeric).max(initial=0))
    return e.wrong.sum() >= 2 and right.any()


def _planes(e):
    """Sets of spatial axes to look at, and their names."""
    n = len(e.shape)
    if n == 4:
        return [((2, 3), "rows and columns"), ((2,), "rows"), ((3,), "columns")]
    if n == 3:
        return [((1, 2), "rows and columns"), ((2,), "places")]
    if n == 5:
        return [((2, 3, 4), "voxels")]
    return []


def border(e):
    """Wrong in a frame of one width around each image, right inside it."""
    if not _busy(e):
        return None
    for axes, _ in _planes(e):
        lengths = [e.shape[a] for a in axes]
        for wide in range(1, (min(lengths) - 1) // 2 + 1):
            inside = np.ones(e.shape, bool)
            for a in axes:
                places = np.arange(e.shape[a]).reshape([-1 if i == a else 1 for i in range(len(e.shape))])
                inside &= (places >= wide) & (places < e.shape[a] - wide)
            if e.wrong[inside].any():
                continue
            alive = np.abs(e.numeric) + np.abs(e.analytic) > 1e-6 * np.abs(e.numeric).max()
            ends = [side for a in axes for side in (_end(e, a, slice(0, wide)), _end(e, a, slice(e.shape[a] - wide, None)))]
            if np.count_nonzero(alive & inside) >= 2 and all(alive[s].any() and e.wrong[s][alive[s]].mean() > 0.6 for s in ends):
                padded = any(e.attribute("padding")) or any(name == "pad" for name, _, _ in e.tape)
                why = "padding" if padded else "padding, or what a window does at the edge"
                along = f"{wide} wide, along ax{'is' if len(axes) == 1 else 'es'} {', '.join(map(str, axes))}"
                return Cause("border", f"wrong only at the border ({along}), right inside: {why}")
            break
    return None


def _end(e, axis, part):
    return tuple(part if i == axis else slice(None) for i in range(len(e.shape)))


def _by_index(e, axis):
    """(wrong at any, wrong at all that could be told) for each index along an axis."""
    others = tuple(i for i in range(len(e.shape)) if i != axis)
    return e.wrong.any(others), e.wrong.mean(others)


def stride(e):
    """Wrong at every s-th index of an axis (or of a grid in two), right between, or the other way round."""
    if not _busy(e):
        return None
    strides = e.attribute("stride")
    steps = sorted({int(s) for s in strides if s > 1}) or [2, 3]
    for axis in reversed(range(len(e.shape))):
        any_wrong, share = _by_index(e, axis)
        for step in steps:
            if e.shape[axis] < 2 * step:
                continue
            classes = [(any_wrong[first::step], share[first::step]) for first in range(step)]
            all_wrong = [bool(a.all()) and s.min() > 0.5 for a, s in classes]
            all_right = [not a.any() for a, _ in classes]
            if all(w or r for w, r in zip(all_wrong, all_right)) and any(all_wrong) and any(all_right):
                what = "row" if len(e.shape) >= 3 and axis == len(e.shape) - 2 else "column" if len(e.shape) >= 3 else "index"
                every = {2: "second", 3: "third", 4: "fourth"}.get(step, f"{step}th")
                why = "stride" if strides else "stride, or the step of a slice"
                return Cause("stride", f"wrong in every {every} {what} (axis {axis}), right between: {why}")
    if len(e.shape) < 3:
        return None
    plane = e.wrong.any(tuple(range(len(e.shape) - 2)))
    for step, (i, j) in ((s, at) for s in steps for at in itertools.product(range(s), range(s))):
        grid = np.zeros(plane.shape, bool)
        grid[i::step, j::step] = True
        if min(plane.shape) >= 2 * step and (np.array_equal(plane, grid) or np.array_equal(plane, ~grid)):
            return Cause("stride", f"wrong {'only at' if plane[i, j] else 'everywhere but at'} every {step}. row and column (from {i}, {j}): stride")
    return None


def channels(e):
    """Wrong in whole channels, a block of them, and right in the others."""
    if not _busy(e) or len(e.shape) < 2:
        return None
    groups = [int(g) for g in e.attribute("groups") + e.attribute("num_groups") if g > 1]
    for axis in (1, 0):
        any_wrong, share = _by_index(e, axis)
        where = np.flatnonzero(any_wrong)
        if not 0 < where.size < e.shape[axis] or where[-1] - where[0] + 1 != where.size or not share[where].min() > 0.6:
            continue
        for g in groups:
            size = e.shape[axis] // g
            if size and e.shape[axis] % g == 0 and where[0] % size == 0 and where.size % size == 0:
                which = f"group {where[0] // size}" if where.size == size else f"groups {where[0] // size} … {where[-1] // size}"
                return Cause("groups", f"wrong only in {which} of {g} (axis {axis}, {where[0]} … {where[-1]}): groups")
        if where.size >= 2 and where.size * 2 <= e.shape[axis] and len(e.shape) >= 3 and axis == 1:
            return Cause("channels", f"wrong only in channels {where[0]} … {where[-1]} (axis {axis}): an index of channels or groups")
    return None


def ends(e):
    """Wrong at the first or at the last index of one axis only."""
    if not _busy(e):
        return None
    for axis, length in enumerate(e.shape):
        any_wrong, share = _by_index(e, axis)
        where = np.flatnonzero(any_wrong)
        if length >= 3 and where.size == 1 and where[0] in (0, length - 1) and share[where[0]] > 0.6 and e.wrong.size // length >= 2:
            slice_ = np.take(e.analytic, where[0], axis)
            word = "last" if where[0] else "first"
            if not np.any(slice_):
                return Cause("off by one", f"the {word} index along axis {axis} gets nothing: a loop or a slice that is one too short")
            if length >= 4:
                return Cause("end", f"wrong only at the {word} index along axis {axis}: the edge of a loop or a slice, off by one")
    return None


def left_out(e):
    """Zero at some elements that matter, right at all others."""
    if _busy(e) and not np.any(e.analytic[e.wrong]):
        return Cause("left out", f"zero at {int(e.wrong.sum())} of {e.wrong.size} elements that matter, right at the others: a wrong "
                                 "mask, or some uses of the input (windows, indices, outputs) are left out")
    return None
