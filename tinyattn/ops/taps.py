"""Lists of taps: which places of an axis, with which weights, make each place of the resampled axis.

The lists are made once for each size and kept: a network asks for the same ones at every step.
"""
import functools

import numpy as np

from .. import kernels


class Taps:
    """Output i is Σ_k weight[k] · x[index[k]], for k from starts[i] to starts[i + 1]; `source` is the length of x."""

    def __init__(self, starts, index, weight, source):
        self.starts, self.index, self.weight, self.source = starts, index, weight, source
        self._on = {"cpu": (starts, index, weight)}

    def __len__(self):
        return len(self.starts) - 1

    def __iter__(self):
        """starts, index and weight."""
        return iter((self.starts, self.index, self.weight))

    def on(self, device):
        """starts, index and weight as arrays of a device, brought there once: what kernels take."""
        if device not in self._on:
            self._on[device] = tuple(kernels.on(device).from_host(np.ascontiguousarray(a)) for a in self)
        return self._on[device]

    @functools.cached_property
    def transposed(self):
        """The taps of the transposed map: those that read place j, listed by j, in the order of the outputs."""
        outputs = np.repeat(np.arange(len(self), dtype=np.int64), np.diff(self.starts))
        order = np.argsort(self.index, kind="stable")
        starts = np.searchsorted(self.index[order], np.arange(self.source + 1))
        made = Taps(starts.astype(np.int64), outputs[order], self.weight[order], len(self))
        made.transposed = self
        return made


def from_table(index, weight, source):
    """Taps of a table, a row an output: index and weight (outputs, taps); where index is −1 there is no tap."""
    there = index >= 0
    starts = np.concatenate([[0], np.cumsum(there.sum(1))]).astype(np.int64)
    return Taps(starts, index[there].astype(np.int64), np.ascontiguousarray(weight[there]), source)


@functools.lru_cache(maxsize=1024)
def padding_taps(n, before, after, mode, dtype):
    """One tap an output: the place that stands for i − before, which may lie outside 0 … n − 1.

    reflect: counted back from the edge, which is not repeated;  replicate: the edge itself;  circular: from the other
    end (of what is left, where the other end is cut off).
    """
    i = np.arange(n + before + after) - before
    if mode == "reflect":
        i = np.abs(i)
        i = np.where(i >= n, 2 * (n - 1) - i, i)
    elif mode == "replicate":
        i = np.clip(i, 0, n - 1)
    else:
        first = max(-before, 0)
        i = (i - first) % (n - first - max(-after, 0)) + first
    return from_table(i[:, None], np.ones((i.size, 1), dtype), n)


@functools.lru_cache(maxsize=512)
def window_taps(n, count, kernel, dilation, padding, stride, dtype):
    """Output r·count + i is what window i has at its place r: i·stride + r·dilation − padding, and nothing in the padding."""
    place = (np.arange(kernel)[:, None] * dilation + np.arange(count) * stride - padding).reshape(-1, 1)
    return from_table(np.where(place < n, place, -1), np.ones(place.shape, dtype), n)
