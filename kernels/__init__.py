"""Numbers in, numbers out: every formula of the framework, on rungs that share one set of names.

    reference/   the specification, in plain NumPy: read this first
    cpu/         the same functions compiled with Numba: parallel, and explicit SIMD where it pays
    cuda/        the same functions on a GPU, whose arrays live there (an array class of its own)

The first two compute on NumPy arrays, and one of them, the active one, runs all CPU tensors. The third runs what is on its
device, whichever is active: an array's kernels are ``kernels.of(array)``.

A kernel takes C-contiguous arrays in memory order (images ``(N, H, W, C)``, tokens ``(B, T, D)``)
and plain numbers, keeps no state, and returns arrays. It knows nothing of tensors or graphs.

>>> from tinyattn import kernels
>>> with kernels.use("reference"):        # run what is called inside on the specification
...     loss = model(x)

The environment variable ``TINYATTN_KERNELS=reference``, read at import, does the same for a whole process.
"""
import contextlib
import contextvars
import difflib
import importlib
import os

import numpy as np

HOST_RUNGS = ("reference", "cpu")
"""The rungs that compute on NumPy arrays: one of them runs CPU tensors (see `use`)."""

DEVICE_RUNGS = ("cuda",)
"""The rungs that have arrays of their own, named as the device that those are on."""

RUNGS = HOST_RUNGS + DEVICE_RUNGS
"""Names of the rungs, slowest and plainest first."""

_loaded = {}
_chosen = contextvars.ContextVar("tinyattn_rung", default=os.environ.get("TINYATTN_KERNELS") or "cpu")


def _checked(name, choices=RUNGS):
    if not isinstance(name, str) or name not in choices:
        close = difflib.get_close_matches(str(name).lower(), choices, 1, 0.5)
        hint = f"did you mean {close[0]!r}? " if close else ""
        where = "TINYATTN_KERNELS: " if name == os.environ.get("TINYATTN_KERNELS") else "kernels: "
        if isinstance(name, str) and name in DEVICE_RUNGS:
            raise ValueError(f"{where}{name!r} runs what is on the device, and is not chosen for CPU tensors (expected one of "
                             f"{', '.join(choices)}); move the tensors there: x.to({name!r})")
        raise ValueError(f"{where}unknown rung {name!r}, {hint}expected one of {', '.join(choices)}")
    return name


def active():
    """Name of the rung that runs CPU tensors now: the innermost `use`, else TINYATTN_KERNELS, else "cpu"."""
    return _checked(_chosen.get(), HOST_RUNGS)


def rung(name=None):
    """The module of kernels called `name` (default: the active one), imported when first asked for."""
    chosen = name or _chosen.get()
    module = _loaded.get(chosen) if isinstance(chosen, str) else None
    if module is None:
        checked = _checked(chosen, RUNGS if name else HOST_RUNGS)
        module = _loaded[chosen] = importlib.import_module(f"{__name__}.{checked}")
    return module


def on(device):
    """The kernels of a device: the active rung for "cpu"."""
    return rung() if device == "cpu" else rung(device)


def of(array):
    """The kernels for an array: the active rung for NumPy's, else those of the device that it is on."""
    return rung() if isinstance(array, (np.ndarray, np.generic)) else rung(array.device)


def is_array(value):
    """Whether `value` is an array that some rung computes with: NumPy's, or one on a device."""
    return isinstance(value, np.ndarray) or getattr(value, "device", None) in DEVICE_RUNGS


@contextlib.contextmanager
def use(name):
    """Run every kernel of CPU tensors called inside the ``with`` block on the rung `name`.

    Raises ValueError for a name that is not in `HOST_RUNGS`. Choices nest, and each thread has its own.
    """
    token = _chosen.set(_checked(name, HOST_RUNGS))
    try:
        yield rung(name)
    finally:
        _chosen.reset(token)
