"""What `Module.load_state_dict` checks before it changes anything."""
import collections.abc

import numpy as np

from ..placing import on_host
from ..tensor import Tensor


class LoadResult(tuple):
    """What `load_state_dict` found: ``missing_keys`` and ``unexpected_keys``."""

    def __new__(cls, missing, unexpected):
        self = super().__new__(cls, (missing, unexpected))
        self.missing_keys, self.unexpected_keys = missing, unexpected
        return self


def fitted(own, given, strict, owner):
    """Arrays for the tensors `own` (path → Tensor) out of the state `given`, copied, and the LoadResult.

    ValueError lists every key that is missing or unexpected (both only if `strict`), mis-shaped, or holds no numbers.
    """
    if not isinstance(given, collections.abc.Mapping):
        raise TypeError(f"load_state_dict: expected a dict of path → Tensor or array, got {type(given).__name__}")
    missing = [key for key in own if key not in given]
    unexpected = [str(key) for key in given if key not in own]
    arrays, wrong = {}, []
    for key in own:
        if key in given:
            arrays[key] = array = _numbers(given[key])
            if array is None:
                wrong.append(f"{key} holds no array of numbers")
            elif array.shape != own[key].shape:
                wrong.append(f"{key} has shape {array.shape}, expected {own[key].shape}")
    problems = [("mis-shaped", wrong)] + [("missing", missing), ("unexpected", unexpected)] * bool(strict)
    if any(keys for _, keys in problems):
        listed = "; ".join(f"{what}: {', '.join(keys)}" for what, keys in problems if keys)
        raise ValueError(f"load_state_dict: the state does not fit this {owner}; {listed}")
    return arrays, LoadResult(missing, unexpected)


def _numbers(value):
    """A copy of `value` as an array; None if it is none, or not of numbers."""
    try:
        array = np.array(on_host(value) if isinstance(value, Tensor) else value)
    except ValueError:  # lists of unequal lengths
        return None
    return array if array.dtype.kind in "biuf" else None
