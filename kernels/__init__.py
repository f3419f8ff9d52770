"""Numbers in, numbers out: every formula of the framework, on rungs that share one set of names.

    reference/   the specification, in plain NumPy: read this first
    cpu/         the same functions compiled with Numba: parallel, and explicit SIMD where it pays

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

RUNGS = ("reference", "cpu")
"""Names of the rungs, slowest and plainest first."""

_loaded = {}
_chosen = contextvars.ContextVar("tinyattn_rung", default=os.environ.get("TINYATTN_KERNELS") or "cpu")


def _checked(name):
    if not isinstance(name, str) or name not in RUNGS:
        close = difflib.get_close_matches(str(name).lower(), RUNGS, 1, 0.5)
        hint = f"did you mean {close[0]!r}? " if close else ""
        where = "TINYATTN_KERNELS: " if name == os.environ.get("TINYATTN_KERNELS") else "kernels: "
        raise ValueError(f"{where}unknown rung {name!r}, {hint}expected one of {', '.join(RUNGS)}")
    return name


def active():
    """Name of the rung that runs CPU tensors now: the innermost `use`, else TINYATTN_KERNELS, else "cpu"."""
    return _checked(_chosen.get())


def rung(name=None):
    """The module of kernels called `name` (default: the active one), imported when first asked for."""
    name = name or _chosen.get()
    module = _loaded.get(name) if isinstance(name, str) else None
    if module is None:
        module = _loaded[name] = importlib.import_module(f"{__name__}.{_checked(name)}")
    return module


@contextlib.contextmanager
def use(name):
    """Run every kernel called inside the ``with`` block on the rung `name`.

    Raises ValueError for a name that is not in `RUNGS`. Choices nest, and each thread has its own.
    """
    token = _chosen.set(_checked(name))
    try:
        yield rung(name)
    finally:
        _chosen.reset(token)
