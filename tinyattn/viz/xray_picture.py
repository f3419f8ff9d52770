"""Which thread of a GPU's kernel reads and writes which cell: its arrays as grids, one thread, its warp and its block marked, reads counted.

Every launch has two rows. Above: what one block, one warp of it, and one thread of that touch: blue where they read, orange where they
write, the darker the fewer they are. Below: how often each cell is read by all threads; where nothing is read, how often it is written.
"""
import math

import numpy as np

from . import style

LONGEST = 64        # cells of a row; a longer axis is folded
LEVELS = (0.22, 0.5, 1.0)  # of colour: the block, its warp, the thread


def draw(seen, path=None, against=None, thread=0, block=0):
    """Draw a `tinyattn.xray.Seen`, and below it another one, `against`, if given. thread: its number in the block; block: its number."""
    rows = [(one, launch) for one in (seen, against) if one is not None for launch in range(len(one.launches))]
    rows = [row for row in rows if row[0].launches[row[1]].arrays]
    widest = max(len(one.launches[launch].arrays) for one, launch in rows)
    with style.rules():
        made = style.figure(max(7, 2.5 * widest), 5.2 * len(rows))
        made.get_layout_engine().set(hspace=0.06, wspace=0.06)
        parts = np.atleast_1d(made.subfigures(len(rows), 1))
        for part, (one, launch) in zip(parts, rows):
            _launch(part, one, launch, thread, block)
        return style.save(made, path)


def folded(shape, longest=LONGEST):
    """(rows, columns) to draw an array in: its last axis across, unless that is too long or the only one."""
    size = math.prod(shape)
    across = shape[-1] if len(shape) > 1 else min(size, 32)
    across = min(across, longest)
    return -(-size // max(across, 1)), max(across, 1)


def touched(accesses, size, thread, block_index):
    """(read, written): for each cell 0, or 1, 2, 3 where the block, the thread's warp, the thread itself does."""
    read, written = np.zeros(size, int), np.zeros(size, int)
    for a in accesses:
        if a.block != block_index:
            continue
        level = 3 if a.rank == thread else 2 if a.rank // 32 == thread // 32 else 1
        for marks, kinds in ((read, ("reads", "changes atomically")), (written, ("writes", "changes atomically"))):
            if a.kind in kinds:
                cells = slice(a.start, a.start + a.count)
                marks[cells] = np.maximum(marks[cells], level)
    return read, written


def colours(read, written):
    """(n, 3) of cells that are read and written so much: blue, orange, and what lies between."""
    levels = np.array((0, *LEVELS))
    paper, blue, orange = (np.array([int(c[k:k + 2], 16) / 255 for k in (1, 3, 5)]) for c in (style.PAPER, style.BLUE, style.ORANGE))
    r, w = levels[read][:, None], levels[written][:, None]
    mixed = (r * blue + w * orange) / np.maximum(r + w, 1e-9)
    level = np.maximum(r, w)
    return paper * (1 - level) + mixed * level


def _launch(part, seen, number, thread, block):
    launch = seen.launches[number]
    indices = list(dict.fromkeys(a.block for a in seen.accesses if a.launch == number))
    chosen = indices[min(block, len(indices) - 1)] if indices else (0, 0, 0)
    sizes = "  ".join(f"{name} {value}" for name, value in seen.sizes.items())
    many = f", launch {number + 1} of {len(seen.launches)}" if len(seen.launches) > 1 else ""
    part.suptitle(f"{seen.name}{many}: {launch.kernel}   {sizes}", x=0.01, ha="left", fontsize=11, fontweight="bold")
    arrays = list(launch.arrays.items())
    grid = part.subplots(2, len(arrays), squeeze=False)
    for column, (name, watched) in enumerate(arrays):
        accesses = [a for a in seen.accesses if a.launch == number and a.array.name == name]
        shape = folded(seen.shape(watched))
        size = watched.array.size
        where = "shared memory" if watched.shared else "global"
        read, written = touched(accesses, size, thread, chosen)
        label = name.removeprefix("shared ")
        _cells(grid[0][column], colours(read, written), shape, f"{label}  {'×'.join(map(str, seen.shape(watched)))}, {where}")
        counts, verb = np.zeros(size, int), "read"
        for a in accesses:
            counts[a.start:a.start + a.count] += a.kind != "writes"
        if not counts.any():
            verb = "written"
            for a in accesses:
                counts[a.start:a.start + a.count] += a.kind != "reads"
        most = int(counts.max(initial=0))
        _cells(grid[1][column], style.tones(counts / most) if most else np.ones((size, 3)), shape, _often(verb, counts, most))
    part.supxlabel(f"thread {thread} of block {chosen}, its warp and its block, from dark to light: blue reads, orange writes", x=0.01, ha="left",
                   fontsize=8, color=style.SOFT)


def _often(verb, counts, most):
    touched_ = counts[counts > 0]
    if not len(touched_):
        return "not touched"
    low = int(touched_.min())
    often = f"{low} to {most} times" if low != most else f"{most} time{'s' * (most != 1)}"
    return f"{verb} {often} a cell" + ("" if len(touched_) == len(counts) else f", {len(counts) - len(touched_)} not")


def _cells(axes, colours_, shape, title):
    """Cells in a grid of `shape`; what folding left over is paper."""
    rows, columns = shape
    image = np.ones((rows * columns, 3))
    image[:len(colours_)] = colours_
    axes.imshow(image.reshape(rows, columns, 3), interpolation="nearest", aspect="equal" if rows <= 2 * columns and columns <= 4 * rows else "auto")
    axes.set_title(title, fontsize=7.5, fontweight="normal")
    axes.grid(False)
    axes.set_xticks([0, columns - 1] if columns > 1 else [0])
    axes.set_yticks([0, rows - 1] if rows > 1 else [0])
    axes.tick_params(labelsize=6, length=0)
    for side in axes.spines.values():
        side.set_visible(True)
        side.set_color(style.FAINT)
    if rows <= 40 and columns <= 40:
        for k in range(1, columns):
            axes.axvline(k - 0.5, color=style.PAPER, lw=0.4)
        for k in range(1, rows):
            axes.axhline(k - 0.5, color=style.PAPER, lw=0.4)
