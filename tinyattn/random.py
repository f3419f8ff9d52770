"""The one source of chance: a seed and a counter.

Random numbers are counter-based (Salmon et al., "Parallel random numbers: as easy as 1, 2, 3", SC 2011): the number at
position i is a fixed function of (seed, i). So the state is two integers, any thread can compute any part, and one seed
makes a run, to the last bit.
"""
import contextlib
import threading

import numpy as np

_lock = threading.Lock()
_state = np.zeros(2, np.uint64)  # seed, next unused counter
_counters = None  # what deals out the numbers of a graph that is being captured


def manual_seed(seed):
    """Start the stream of random numbers anew from `seed` (an int; taken modulo 2⁶⁴)."""
    if isinstance(seed, bool) or not isinstance(seed, (int, np.integer)):
        raise TypeError(f"manual_seed: seed must be an int, got {seed!r}")
    with _lock:
        _state[:] = int(seed) % 2**64, 0


def get_rng_state():
    """The state, a (2,) uint64 array: give it to `set_rng_state` to go on from here."""
    with _lock:
        return _state.copy()


def set_rng_state(state):
    """Go on from a state that `get_rng_state` returned."""
    state = np.asarray(state)
    if state.shape != (2,) or state.dtype != np.uint64:
        raise ValueError(f"set_rng_state: expected a (2,) uint64 array, got shape {state.shape}, dtype {state.dtype}")
    with _lock:
        _state[:] = state


def take(count):
    """Reserve `count` random numbers: (seed, offset) as the kernels want them, one-element uint64 arrays.

    The offset counts blocks of four 32-bit words; a number may use up to four words.
    """
    if _counters is not None:
        return _counters.take(count)
    with _lock:
        seed, offset = _state[:1].copy(), _state[1:].copy()
        _state[1] += np.uint64(count)
    return seed, offset


@contextlib.contextmanager
def counting(counters):
    """Inside, ``counters.take`` is asked in place of `take`: a captured graph has its counters in the GPU's memory."""
    global _counters
    _counters, before = counters, _counters
    try:
        yield
    finally:
        _counters = before
