"""Random numbers, compiled. What is drawn, and how, is said in `reference.random`; the docstrings are its own.

A task draws a range of blocks of four words. Every step of Philox treats the words of many blocks alike, so the loop
over blocks is vectorised.
"""
import math

import numpy as np

from ..reference import random as spec
from ..reference.random import __all__
from .array import empty
from .jit import part, precise
from .launch import launch

u32, u64 = np.uint32, np.uint64
M0, M2 = (u64(m) for m in spec.MULTIPLIERS)
STEP0, STEP1 = (u32(k) for k in spec.KEY_STEPS)
BLOCKS = 2048  # of four words, a task


@precise
def _philox(block, seed):
    """The four words of one block, uint32."""
    c0, c1, c2, c3 = u32(block), u32(block >> u64(32)), u32(0), u32(0)
    k0, k1 = u32(seed), u32(seed >> u64(32))
    for _ in range(10):
        p0, p2 = u64(c0) * M0, u64(c2) * M2
        c0, c1, c2, c3 = u32(u32(p2 >> u64(32)) ^ c1 ^ k0), u32(p2), u32(u32(p0 >> u64(32)) ^ c3 ^ k1), u32(p0)
        k0, k1 = u32(k0 + STEP0), u32(k1 + STEP1)
    return c0, c1, c2, c3


@part
def _words_body(t, seed, offset, words):
    """The words of some blocks, one after the other; `words` has a whole number of blocks."""
    start = offset[0] + u64(t * BLOCKS)
    w = words[4 * t * BLOCKS:4 * min((t + 1) * BLOCKS, words.size // 4)]
    key = seed[0]
    for j in range(w.size // 4):
        w[4 * j], w[4 * j + 1], w[4 * j + 2], w[4 * j + 3] = _philox(start + u64(j), key)


@part
def _53_bits(high, low):
    return np.float64((u64(high) >> u64(5) << u64(26)) + (u64(low) >> u64(6)))


@part
def _uniform_body_32(t, words, y):
    begin, end = 4 * t * BLOCKS, min(4 * (t + 1) * BLOCKS, y.size)
    w, o = words[begin:end], y[begin:end]
    for i in range(o.size):
        o[i] = np.float32(np.int32(w[i] >> u32(8))) * np.float32(2.0**-24)


@part
def _uniform_body_64(t, words, y):
    begin, end = 4 * t * BLOCKS, min(4 * (t + 1) * BLOCKS, y.size)
    w, o = words[2 * begin:2 * end], y[begin:end]
    for i in range(o.size):
        o[i] = _53_bits(w[2 * i], w[2 * i + 1]) * 2.0**-53


@part
def _pair(v, u):
    """Two normals of v in (0, 1] and u in [0, 1) (Box & Muller)"""
    r = math.sqrt(-2.0 * math.log(v))
    return r * math.cos(2.0 * math.pi * u), r * math.sin(2.0 * math.pi * u)


@part
def _normal_body_32(t, words, y):
    """y has an even size"""
    for j in range(2 * t * BLOCKS, min(2 * (t + 1) * BLOCKS, y.size // 2)):
        a, b = _pair((np.float64(words[2 * j]) + 1.0) * 2.0**-32, np.float64(words[2 * j + 1]) * 2.0**-32)
        y[2 * j], y[2 * j + 1] = a, b


@part
def _normal_body_64(t, words, y):
    """y has an even size"""
    for j in range(2 * t * BLOCKS, min(2 * (t + 1) * BLOCKS, y.size // 2)):
        v = (_53_bits(words[4 * j], words[4 * j + 1]) + 1.0) * 2.0**-53
        y[2 * j], y[2 * j + 1] = _pair(v, _53_bits(words[4 * j + 2], words[4 * j + 3]) * 2.0**-53)


@part
def _dropout_body(t, scale, limit, seed, offset, x, y):
    """A number is kept if the upper 24 bits of its word are at least `limit`."""
    start, key, factor, least = offset[0] + u64(t * BLOCKS), seed[0], scale[0], limit[0]
    begin, end = 4 * t * BLOCKS, min(4 * (t + 1) * BLOCKS, x.size)
    p, o = x[begin:end], y[begin:end]
    words = np.empty((p.size + 3) // 4 * 4, u32)  # first all words, then all numbers: both loops are vectorised
    for j in range(words.size // 4):
        words[4 * j], words[4 * j + 1], words[4 * j + 2], words[4 * j + 3] = _philox(start + u64(j), key)
    for i in range(p.size):
        o[i] = p[i] * factor if words[i] >> u32(8) >= least else x.dtype.type(0)


def _tasks(count):
    return -(-count // (4 * BLOCKS))


def _draw(body, shape, seed, offset, dtype):
    """Let `body` make one number of `dtype` of every word (float64: of every two)."""
    size = int(np.prod(shape, dtype=np.int64))
    even = size + size % 2
    blocks = -(-even * (2 if dtype == np.float64 else 1) // 4)
    words = empty((4 * blocks,), np.uint32)
    launch(_words_body, -(-blocks // BLOCKS), seed, offset, words)
    y = empty((even,), dtype)
    launch(body, _tasks(even), words, y)
    return y[:size].reshape(shape)


def random_uniform(shape, seed, offset, dtype):
    dtype = np.dtype(dtype)
    return _draw(_uniform_body_64 if dtype == np.float64 else _uniform_body_32, shape, seed, offset, dtype)


def random_normal(shape, seed, offset, dtype):
    dtype = np.dtype(dtype)
    return _draw(_normal_body_64 if dtype == np.float64 else _normal_body_32, shape, seed, offset, dtype)


def dropout(x, p, seed, offset, out=None):
    y = out if out is not None and out.flags.carray else empty(x.shape, x.dtype)
    limit = np.array([min(math.ceil(p * 2**24), 2**24)], np.uint32)  # (word >> 8) · 2⁻²⁴ ≥ p, in whole numbers
    scale = np.array([1 / (1 - p) if p < 1 else 0], x.dtype)
    launch(_dropout_body, _tasks(x.size), scale, limit, seed, offset, x, y)
    if out is not None and out is not y:
        out[...] = y
    return y if out is None else out


for _function in (random_uniform, random_normal, dropout):
    _function.__doc__ = getattr(spec, _function.__name__).__doc__
