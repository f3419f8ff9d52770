"""What the built-in data sets share: their size and seed are checked, their images drawn by several threads.

Nothing is kept in a cache: drawing 20,000 images takes a few seconds, and image i depends on (seed, split, i) alone.
"""
import os
from concurrent.futures import ThreadPoolExecutor

import numpy as np

from .faces import SPLITS
from .fields import glyph_fields

SIZES = {"train": 20_500, "test": 5_125}          # 500 and 125 of each class
MOST = 7_840_000_000                              # pixels, about 8 GB: no number typed by mistake fills the memory
CHUNK = 128                                       # images drawn at once: their arrays stay within a core's cache


def checked(who, pixels, split, size, seed):
    """(split, size, seed) for images of `pixels` a side; size None: the usual one. ValueError for what is out of range."""
    if not isinstance(split, str) or split not in SPLITS:
        raise ValueError(f"{who}: unknown split {split!r}, expected 'train' or 'test'")
    size, most = SIZES[split] if size is None else size, MOST // (pixels * pixels)
    if isinstance(size, bool) or not isinstance(size, (int, np.integer)) or not 0 < size <= most:
        raise ValueError(f"{who}: size is {size!r}, expected a whole number of images, 1 to {most:,}")
    if isinstance(seed, bool) or not isinstance(seed, (int, np.integer)) or not 0 <= seed < 1 << 64:
        raise ValueError(f"{who}: seed is {seed!r}, expected an integer from 0 to 2**64 - 1")
    return split, int(size), int(seed)


def drawn(draw, split, size, seed):
    """The arrays of images 0 … size − 1, chunk by chunk from draw(split, seed, first, last) → arrays of last − first rows."""
    glyph_fields(split)                           # once, before the threads ask for it
    whole = [np.empty((size, *part.shape[1:]), part.dtype) for part in draw(split, seed, 0, 1)]

    def fill(first):
        for array, part in zip(whole, draw(split, seed, first, min(first + CHUNK, size))):
            array[first:first + len(part)] = part

    with ThreadPoolExecutor(min(4, os.cpu_count() or 1)) as pool:
        for _ in pool.map(fill, range(0, size, CHUNK)):
            pass                                  # an error in a thread comes up here
    return whole


def boxes(masks):
    """int64 (N, 4): the smallest box x0, y0, x1, y1 around each mask (N, H, W): columns x0 … x1 − 1, rows y0 … y1 − 1."""
    found = []
    for axis in (1, 2):                           # over the rows: columns; over the columns: rows
        there = masks.any(axis)
        found += [there.argmax(1), there.shape[1] - there[:, ::-1].argmax(1)]
    x0, x1, y0, y1 = found
    return np.stack([x0, y0, x1, y1], 1)
