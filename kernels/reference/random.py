"""Random numbers that are a function of (seed, offset, position) and of nothing else: a counter-based generator.

Philox-4×32-10 (Salmon, Moraes, Dror & Shaw, "Parallel random numbers: as easy as 1, 2, 3", SC 2011) scrambles a
128-bit counter under a 64-bit key, by ten rounds of multiplications, into four 32-bit words. Any element can be
computed alone, in any order and on any number of threads, and every rung draws the same integers.

`seed` and `offset` are one-element uint64 arrays. The key is the seed; block number n is the scrambled counter
(low half of n, high half of n, 0, 0), and element i takes word i % 4 of block offset + i // 4. What draws n numbers
uses at most ⌈n/2⌉ blocks: the caller moves its offset on by that.
"""
import numpy as np

from .array import copy

__all__ = ["random_uniform", "random_normal", "dropout"]

ROUNDS = 10
MULTIPLIERS = 0xD2511F53, 0xCD9E8D57
KEY_STEPS = 0x9E3779B9, 0xBB67AE85
LOW, HALF = np.uint64(0xFFFFFFFF), np.uint64(32)


def _philox(counter, key):
    """Philox-4×32-10 of `counter`, four uint64 arrays below 2³², under `key`, two such numbers; as `counter`.

    One round multiplies words 0 and 2, swaps halves, and mixes the high halves into words 1 and 3.
    """
    c0, c1, c2, c3 = counter
    k0, k1 = (np.uint64(k) for k in key)
    for _ in range(ROUNDS):
        p0, p2 = c0 * np.uint64(MULTIPLIERS[0]), c2 * np.uint64(MULTIPLIERS[1])  # 32 × 32 → 64 bits
        c0, c1, c2, c3 = (p2 >> HALF) ^ c1 ^ k0, p2 & LOW, (p0 >> HALF) ^ c3 ^ k1, p0 & LOW
        k0, k1 = (k0 + np.uint64(KEY_STEPS[0])) & LOW, (k1 + np.uint64(KEY_STEPS[1])) & LOW
    return c0, c1, c2, c3


def _words(count, seed, offset):
    """The first `count` words from block `offset` on, uint64 below 2³²."""
    block = offset[0] + np.arange(-(-count // 4), dtype=np.uint64)
    zero = np.zeros_like(block)
    words = _philox((block & LOW, block >> HALF, zero, zero), (seed[0] & LOW, seed[0] >> HALF))
    return np.stack(words, axis=1).reshape(-1)[:count]


def _53_bits(count, seed, offset):
    """`count` integers below 2⁵³, the i-th from words 2i (its upper 27 bits) and 2i + 1 (its upper 26)."""
    w = _words(2 * count, seed, offset)
    return (w[0::2] >> np.uint64(5) << np.uint64(26)) + (w[1::2] >> np.uint64(6))


def _size(shape):
    return int(np.prod(shape, dtype=np.int64))


def random_uniform(shape, seed, offset, dtype):
    """Uniform in [0, 1).

    float32: (word i >> 8) · 2⁻²⁴. float64: 53 bits of words 2i and 2i + 1, times 2⁻⁵³.
    """
    if np.dtype(dtype) == np.float64:
        u = _53_bits(_size(shape), seed, offset) * 2.0**-53
    else:
        u = (_words(_size(shape), seed, offset) >> np.uint64(8)) * 2.0**-24
    return copy(u.astype(dtype).reshape(shape))


def random_normal(shape, seed, offset, dtype):
    """Standard normal, by Box & Muller (1958), computed in float64 and rounded once.

    Elements 2j and 2j + 1 are r cos 2πu and r sin 2πu with r = √(−2 ln v), where v in (0, 1] is (U₂ⱼ + 1) / 2ᵇ
    and u in [0, 1) is U₂ⱼ₊₁ / 2ᵇ. float32: U is the word, b = 32. float64: U is the 53 bits, b = 53.
    Logarithm, sine and cosine are each rung's library's own: rungs agree within 1e-14, that is, in float32, almost
    always to the bit.
    """
    count = _size(shape)
    pairs = -(-count // 2)
    if np.dtype(dtype) == np.float64:
        U, scale = _53_bits(2 * pairs, seed, offset), 2.0**-53
    else:
        U, scale = _words(2 * pairs, seed, offset), 2.0**-32
    r = np.sqrt(-2 * np.log((U[0::2] + 1.0) * scale))
    angle = 2 * np.pi * (U[1::2] * scale)
    z = np.stack([r * np.cos(angle), r * np.sin(angle)], axis=1).reshape(-1)[:count]
    return copy(z.astype(dtype).reshape(shape))


def dropout(x, p, seed, offset, out=None):
    """y = x · mask / (1 − p), where mask is 0 with probability p (Srivastava et al. 2014). Its own backward.

    mask[i] = (word i >> 8) · 2⁻²⁴ ≥ p, whatever the dtype of x. With p = 1 everything is dropped.
    """
    keep = (_words(x.size, seed, offset) >> np.uint64(8)) * 2.0**-24 >= p
    scale = x.dtype.type(1 / (1 - p) if p < 1 else 0)
    return copy(np.where(keep.reshape(x.shape), x * scale, x.dtype.type(0)), out)
