"""Random numbers on the GPU: the stream that `reference.random` specifies, whose docstrings these are, bit for bit.

A thread scrambles one counter, and makes of the four words what they are for: four float32, two float64. Nothing is remembered
between numbers, so the threads need nothing of each other. `seed` and `offset` are arrays of one uint64: NumPy's are handed to the
kernel as numbers, those on the GPU are read by the kernel. So a captured graph draws other numbers at each replay, if its offset
is on the GPU and something moves it on (`assign`, `add` with ``out=``).
"""
import functools
import math

import numpy as np

from ..reference import random as spec
from ..reference.random import __all__
from .array import blocks, cast, empty
from .device_array import DeviceArray
from .loops import THREADS
from .runtime import cuda, device, jit, launch, library, specialised

u32, u64 = np.uint32, np.uint64
M0, M2 = (u64(m) for m in spec.MULTIPLIERS)
STEP0, STEP1 = (u32(k) for k in spec.KEY_STEPS)
LOW, HALF = u64(0xFFFFFFFF), u64(32)
cospi = library("cospi", np.float64, lambda x: np.cos(np.pi * x))
sinpi = library("sinpi", np.float64, lambda x: np.sin(np.pi * x))


@device
def philox(block, seed):
    """The four words of one block, uint32."""
    c0, c1, c2, c3 = u32(block & LOW), u32(block >> HALF), u32(0), u32(0)
    k0, k1 = u32(seed & LOW), u32(seed >> HALF)
    for _ in range(10):
        p0, p2 = u64(c0) * M0, u64(c2) * M2
        c0, c1, c2, c3 = u32(u32(p2 >> HALF) ^ c1 ^ k0), u32(p2 & LOW), u32(u32(p0 >> HALF) ^ c3 ^ k1), u32(p0 & LOW)
        k0, k1 = u32((u64(k0) + u64(STEP0)) & LOW), u32((u64(k1) + u64(STEP1)) & LOW)
    return c0, c1, c2, c3


@device
def bits_53(high, low):
    """53 bits of two words, as a float64."""
    return np.float64(np.int64((u64(high) >> u64(5) << u64(26)) + (u64(low) >> u64(6))))


@device
def uniform_24(word):
    """The upper 24 bits of a word, as a float32 in [0, 1)."""
    return np.float32(np.int32(word >> u32(8))) * np.float32(2.0**-24)


@device
def pair(v, u):
    """Two normals of v in (0, 1] and u in [0, 1) (Box & Muller); float64."""
    r = math.sqrt(-2.0 * math.log(v))
    return r * cospi(2.0 * u), r * sinpi(2.0 * u)


@functools.cache
def _uniform(dtype):
    """From the words of a block to the numbers that it makes, and how many those are."""
    @device
    def four(w0, w1, w2, w3):
        return uniform_24(w0), uniform_24(w1), uniform_24(w2), uniform_24(w3)

    @device
    def two(w0, w1, w2, w3):
        return bits_53(w0, w1) * 2.0**-53, bits_53(w2, w3) * 2.0**-53

    return (two, 2) if dtype == "float64" else (four, 4)


@functools.cache
def _normal(dtype):
    @device
    def four(w0, w1, w2, w3):
        a, b = pair((np.float64(w0) + 1.0) * 2.0**-32, np.float64(w1) * 2.0**-32)
        c, d = pair((np.float64(w2) + 1.0) * 2.0**-32, np.float64(w3) * 2.0**-32)
        return np.float32(a), np.float32(b), np.float32(c), np.float32(d)

    @device
    def two(w0, w1, w2, w3):
        return pair((bits_53(w0, w1) + 1.0) * 2.0**-53, bits_53(w2, w3) * 2.0**-53)

    return (two, 2) if dtype == "float64" else (four, 4)


def _first(where):
    """The function that reads a seed or an offset: a number that the kernel was given, or an array's only element."""
    @device
    def number(x):
        return x

    @device
    def element(x):
        return x[0]

    return element if where == "device" else number


def _given(x):
    """A one-element array as a kernel takes it, and where it is."""
    return (x.flat, "device") if isinstance(x, DeviceArray) else (u64(x[0]), "host")


@specialised
def draw(kind, dtype, seed_at, offset_at):
    """y[i] for i in the four (float64: two) numbers that thread n makes of block offset + n."""
    make, each = (_uniform if kind == "uniform" else _normal)(dtype)
    read_seed, read_offset = _first(seed_at), _first(offset_at)

    @jit
    def draw(y, seed, offset):
        n = cuda.grid(1)
        i = n * each
        if i < y.size:
            w0, w1, w2, w3 = philox(read_offset(offset) + u64(n), read_seed(seed))
            values = make(w0, w1, w2, w3)
            y[i] = values[0]
            if i + 1 < y.size:
                y[i + 1] = values[1]
            if each == 4:
                if i + 2 < y.size:
                    y[i + 2] = values[2 % each]
                if i + 3 < y.size:
                    y[i + 3] = values[3 % each]
    return draw


def _draw(kind, shape, seed, offset, dtype):
    y = empty(shape, dtype)
    (seed, seed_at), (offset, offset_at) = _given(seed), _given(offset)
    each = 2 if y.dtype == np.float64 else 4
    launch(draw(kind, y.dtype.name, seed_at, offset_at), blocks(blocks(y.size, each)), THREADS, y.flat, seed, offset)
    return y


def random_uniform(shape, seed, offset, dtype):
    return _draw("uniform", shape, seed, offset, dtype)


def random_normal(shape, seed, offset, dtype):
    return _draw("normal", shape, seed, offset, dtype)


@specialised
def drop(dtype, seed_at, offset_at):
    """y[i] = factor · x[i] where the upper 24 bits of word i are at least `limit`, else 0; four i a thread."""
    zero = np.dtype(dtype).type(0)
    read_seed, read_offset = _first(seed_at), _first(offset_at)

    @jit
    def drop(x, y, limit, factor, seed, offset):
        n = cuda.grid(1)
        i = n * 4
        if i < y.size:
            w0, w1, w2, w3 = philox(read_offset(offset) + u64(n), read_seed(seed))
            y[i] = x[i] * factor if w0 >> u32(8) >= limit else zero
            if i + 1 < y.size:
                y[i + 1] = x[i + 1] * factor if w1 >> u32(8) >= limit else zero
            if i + 2 < y.size:
                y[i + 2] = x[i + 2] * factor if w2 >> u32(8) >= limit else zero
            if i + 3 < y.size:
                y[i + 3] = x[i + 3] * factor if w3 >> u32(8) >= limit else zero
    return drop


def dropout(x, p, seed, offset, out=None):
    y = empty(x.shape, x.dtype) if out is None or not out.is_contiguous() else out
    limit = u32(min(math.ceil(p * 2**24), 2**24))  # (word >> 8) · 2⁻²⁴ ≥ p, in whole numbers
    (seed, seed_at), (offset, offset_at) = _given(seed), _given(offset)
    launch(drop(x.dtype.name, seed_at, offset_at), blocks(blocks(x.size, 4)), THREADS,
           x.flat, y.flat, limit, x.dtype.type(1 / (1 - p) if p < 1 else 0), seed, offset)
    return y if out is None or out is y else cast(y, out.dtype, out)


for _function in (random_uniform, random_normal, dropout):
    _function.__doc__ = getattr(spec, _function.__name__).__doc__
