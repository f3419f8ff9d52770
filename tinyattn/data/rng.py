"""Random numbers by counter: sample 17 of epoch 3 draws the same numbers whichever batch, thread or order it is in.

Philox-4x32-10 is a function, not a sequence: 128 bits of counter and 64 bits of key go in, four random 32-bit words come
out. Here the key is the seed, and the counter is (block, sample, epoch, stream); each draw uses a stream of its own.

Source: Salmon, Moraes, Dror and Shaw, "Parallel random numbers: as easy as 1, 2, 3", SC 2011.
"""
import numpy as np

_MULTIPLIERS = (np.uint64(0xD2511F53), np.uint64(0xCD9E8D57))
_WEYL = (0x9E3779B9, 0xBB67AE85)
_LOW, _32 = np.uint64(0xFFFFFFFF), np.uint64(32)


def philox(c0, c1, c2, c3, key):
    """Ten rounds of Philox-4x32 on arrays of counters (uint64, each below 2³², broadcast) under a 64-bit `key`.

    A round multiplies words 0 and 2, and mixes the high halves of the products into the words beside them:
    (c0, c1, c2, c3) ← (hi(m₁c2) ⊕ c1 ⊕ k0, lo(m₁c2), hi(m₀c0) ⊕ c3 ⊕ k1, lo(m₀c0)). Returns four uint64 arrays below 2³².
    """
    k0, k1 = key & 0xFFFFFFFF, key >> 32
    for _ in range(10):
        a, b = c0 * _MULTIPLIERS[0], c2 * _MULTIPLIERS[1]
        c0, c1, c2, c3 = ((b >> _32) ^ c1 ^ np.uint64(k0), b & _LOW, (a >> _32) ^ c3 ^ np.uint64(k1), a & _LOW)
        k0, k1 = (k0 + _WEYL[0]) & 0xFFFFFFFF, (k1 + _WEYL[1]) & 0xFFFFFFFF
    return c0, c1, c2, c3


class Rng:
    """The random numbers of some samples in one epoch: each draw gives every sample a row of its own.

    seed   integer from 0 to 2⁶⁴ − 1: the run
    epoch  integer below 2³²
    index  (B,) integers below 2³²: which samples of the data set; their rows depend on nothing else

    Draws follow one another: the second `uniform(1)` differs from the first. Raises ValueError for numbers out of range.
    """

    ORDER = 0xFFFFFFFF
    """The stream of the shuffling, far from those of the transforms."""

    ONCE = 0xFFFFFFFE
    """The stream, in epoch 0, of what is drawn once for a sample and holds in every epoch."""

    def __init__(self, seed, epoch=0, index=(0,), stream=0):
        index = np.asarray(index)
        if not 0 <= seed < 1 << 64:
            raise ValueError(f"Rng: seed is {seed}, expected 0 to 2**64 - 1")
        if not 0 <= epoch < 1 << 32 or (index.size and not 0 <= index.min() <= index.max() < 1 << 32):
            raise ValueError(f"Rng: epoch {epoch} and sample indices must be from 0 to 2**32 - 1")
        self.seed, self.epoch, self.stream = int(seed), int(epoch), stream
        self.index = index.astype(np.uint64).reshape(-1, 1)                       # (B, 1)

    def once(self):
        """The random numbers of the same samples that are the same in every epoch."""
        return Rng(self.seed, 0, self.index[:, 0], self.ONCE)

    def words(self, n):
        """uint64 (B, n) of uniformly random 32-bit words."""
        blocks = np.arange(-(-n // 4), dtype=np.uint64)                           # (n/4,)
        sample, block = np.broadcast_arrays(self.index, blocks)
        out = philox(block, sample, np.uint64(self.epoch), np.uint64(self.stream), self.seed)
        self.stream += 1
        return np.stack(out, axis=-1).reshape(len(self.index), 4 * len(blocks))[:, :n]

    def uniform(self, n, low=0.0, high=1.0):
        """float32 (B, n), uniform in [low, high): low + (high − low)·(word >> 8)·2⁻²⁴."""
        unit = (self.words(n) >> np.uint64(8)).astype(np.float32) * np.float32(2.0 ** -24)
        return unit * np.float32(high - low) + np.float32(low)

    def integers(self, n, high):
        """int64 (B, n), uniform in 0 … high − 1 (high below 2³²): (word·high) >> 32, even to within high/2³²."""
        return ((self.words(n) * np.uint64(high)) >> _32).astype(np.int64)

    def normal(self, n):
        """float32 (B, n), standard normal: Box and Muller's √(−2 ln u)·cos(2πv), with u in (0, 1] and v in [0, 1)."""
        u, v = np.split(self.uniform(2 * n), 2, axis=1)
        return np.sqrt(np.float32(-2.0) * np.log(np.float32(1.0) - u)) * np.cos(np.float32(2.0 * np.pi) * v)


def permutation(n, seed, epoch):
    """int64 (n,): the order of samples 0 … n − 1 in `epoch`, by sorting one 64-bit random key a sample."""
    high, low = Rng(seed, epoch, np.arange(n), stream=Rng.ORDER).words(2).T
    return np.argsort((high << _32) | low, kind="stable")
