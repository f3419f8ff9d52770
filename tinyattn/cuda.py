"""The GPU, under the names of ``torch.cuda``: is there one, what does its memory hold, and whole steps replayed as one graph.

>>> ta.cuda.is_available()
>>> model.to("cuda"); x = ta.tensor(images, device="cuda")
>>> print(ta.cuda.memory_summary())

Kernels run behind each other on one stream, and Python does not wait for them; what looks at values (`item()`, `cpu()`,
`print`) does. Importing this needs no GPU; the simulator (``TINYATTN_CUDA=simulator``) counts as one.
"""
import contextlib

import numpy as np

from . import kernels, random


def _runtime():
    from .kernels.cuda import runtime
    return runtime


def _pool():
    from .kernels.cuda.memory import POOL
    return POOL


def is_available():
    """True if tensors can be moved to "cuda"; `tinyattn doctor` says why not."""
    return kernels.rung("cuda").is_available()


def synchronize():
    """Wait until the GPU has done all that it was given."""
    kernels.rung("cuda").synchronize()


def get_device_name():
    """What the GPU calls itself. RuntimeError where there is none."""
    kernels.rung("cuda").check_available()
    return _runtime().device_name()


def memory_allocated():
    """Bytes that living arrays hold."""
    return _pool().counted()[0]


def max_memory_allocated():
    """The most that they ever held, since the start or `reset_peak_memory_stats`."""
    return _pool().counted()[1]


def reset_peak_memory_stats():
    """Count `max_memory_allocated` from now on."""
    _pool().reset_peak()


def empty_cache():
    """Give memory that no array holds back to the driver, for other programs."""
    _pool().give_back()


def memory_summary():
    """A few lines: what arrays hold, what is kept for the next ones, and what the device has left."""
    kernels.rung("cuda").check_available()
    return _pool().summary()


class CUDAGraph:
    """Operations captured once, to be replayed as one: `replay` computes them again, on what their inputs hold by then.

    >>> g = ta.cuda.CUDAGraph()
    >>> with ta.cuda.graph(g):
    ...     y = model(x)                       # computes nothing yet
    >>> x.copy_(images); g.replay()            # y is model(images)

    Run the same operations once before, so that their kernels are compiled. Random numbers go on from replay to replay.
    RuntimeError if what is captured looks at values or copies from the host; Python code is not repeated.
    """

    def __init__(self):
        self._graph, self._counters = _runtime().Graph(), None

    def replay(self):
        """Compute it all again, behind what the GPU was given before."""
        if self._counters is None:
            raise RuntimeError("replay: nothing was captured; use `with ta.cuda.graph(g):` first")
        self._counters.advance()
        self._graph.replay()


@contextlib.contextmanager
def graph(cuda_graph):
    """``with ta.cuda.graph(g):`` capture the operations inside in the `CUDAGraph` g, instead of computing them."""
    if not isinstance(cuda_graph, CUDAGraph):
        raise TypeError(f"graph: expected a CUDAGraph, got {type(cuda_graph).__name__}")
    kernels.rung("cuda").check_available()
    counters = Counters()
    with random.counting(counters), cuda_graph._graph.capture():
        yield cuda_graph
    cuda_graph._counters = counters


class Counters:
    """The random numbers of a captured graph: where each of its draws begins is in memory, and moves on with every replay."""

    MOST = 256  # draws in one graph

    def __init__(self):
        k = kernels.rung("cuda")
        self._seed, self._offsets = k.zeros(1, np.uint64), k.zeros(self.MOST, np.uint64)
        self._starts, self._total = [], 0

    def take(self, count):
        """(seed, offset) of the next draw, arrays on the device."""
        i = len(self._starts)
        if i == self.MOST:
            raise RuntimeError(f"a graph can hold {self.MOST} draws of random numbers, and this one has more")
        self._starts.append(self._total)
        self._total += count
        return self._seed, self._offsets[i:i + 1]

    def advance(self):
        """Set the counters for one replay, and move the stream of random numbers on by what it uses."""
        if self._starts:
            seed, offset = random.take(self._total)
            k = kernels.rung("cuda")
            k.write(self._seed, seed)
            k.write(self._offsets[:len(self._starts)], offset + np.array(self._starts, np.uint64))
