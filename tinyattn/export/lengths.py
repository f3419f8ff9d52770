"""Numbers that grow with the batch, found by running a model twice.

A shape such as (2, 7, 7, 64) does not say whether its 2 counts images or heads. Two runs do, with batches of a and b images: what
was p in the first and q in the second is

    p + k · (N − a),   k = (q − p) / (b − a)

for a batch of N. What is equal in both is constant.
"""
import dataclasses

import numpy as np


@dataclasses.dataclass(frozen=True)
class Length:
    """times · N + plus, for a batch of N."""

    times: int
    plus: int = 0

    def at(self, n):
        """Its value for a batch of n."""
        return self.times * n + self.plus

    def __str__(self):
        factor = "N" if self.times == 1 else f"{self.times}*N"
        return factor + (f"{self.plus:+d}" if self.plus else "")


class Changes(Exception):
    """Something else than a length changes from one batch to the next."""


def together(p, q, a, b):
    """What stood as p in the run with a images, and as q in that with b: ints that differ become `Length`. `Changes` for other differences."""
    if isinstance(p, (tuple, list)) and isinstance(q, (tuple, list)) and len(p) == len(q):
        return tuple(together(x, y, a, b) for x, y in zip(p, q))
    if isinstance(p, dict) and isinstance(q, dict) and p.keys() == q.keys():
        return {key: together(p[key], q[key], a, b) for key in p}
    if isinstance(p, slice) and isinstance(q, slice):
        return slice(*(together(getattr(p, end), getattr(q, end), a, b) for end in ("start", "stop", "step")))
    if isinstance(p, np.ndarray) and isinstance(q, np.ndarray):
        if p.shape == q.shape and np.array_equal(p, q, equal_nan=p.dtype.kind == "f"):
            return p
        raise Changes
    if p is q or type(p) is type(q) and (p == q or p != p and q != q):
        return p
    if isinstance(p, int) and isinstance(q, int) and a != b and (q - p) % (b - a) == 0:
        times = (q - p) // (b - a)
        return Length(times, p - times * a)
    raise Changes


def stretched(p, q, a, b):
    """The same for constant arrays whose shape grows with the batch and whose numbers are one and the same along it, such as ones(N, 1).

    Returns the array with length 1 where it grows, and its shape; `Changes` if its numbers differ.
    """
    shape = together(p.shape, q.shape, a, b)
    grown = tuple(slice(0, 1) if isinstance(n, Length) else slice(None) for n in shape)
    short = p[grown]
    if not (np.array_equal(np.broadcast_to(short, p.shape), p) and np.array_equal(np.broadcast_to(short, q.shape), q)):
        raise Changes
    return short, shape
