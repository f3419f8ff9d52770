"""Whether operations are recorded, whether every result is checked for NaN and Inf, and who watches: switches of each thread."""
import contextlib
import linecache
import sys
import threading


class _Mode(threading.local):
    recording = True    # is the tape running?
    anomaly = False     # is every result checked?
    node = None         # the recorded operation whose backward is running, under anomaly
    watcher = None      # who is told of every operation and every layer that runs (see `watching`)


mode = _Mode()


def is_grad_enabled():
    """True where operations are being recorded."""
    return mode.recording


class set_grad_enabled(contextlib.ContextDecorator):
    """``ta.set_grad_enabled(flag)``: record operations from here on, or do not.

    As a context manager (``with …:``) or a decorator, only inside; as a plain call, until the next call, as in PyTorch.
    """

    def __init__(self, enabled):
        self.enabled, self._before = bool(enabled), mode.recording
        mode.recording = self.enabled

    def __enter__(self):
        mode.recording = self.enabled

    def __exit__(self, *_):
        mode.recording = self._before

    def __call__(self, function):
        mode.recording = self._before
        return super().__call__(function)

    def _recreate_cm(self):  # a decorated function may run in several threads, or call itself: a switch for each call
        return set_grad_enabled(self.enabled)


class _Inside(contextlib.ContextDecorator):
    """A switch that is set inside a block or a decorated function; nests, and each thread has its own."""

    name, value = "recording", True

    def __new__(cls, function=None):
        made = super().__new__(cls)
        made.__init__()
        return made if function is None else made(function)

    def __init__(self):
        self._before = []

    def __enter__(self):
        self._before.append(getattr(mode, self.name))
        setattr(mode, self.name, self.value)

    def __exit__(self, *_):
        setattr(mode, self.name, self._before.pop())

    def _recreate_cm(self):
        return type(self)()


class no_grad(_Inside):
    """Record nothing inside: ``with ta.no_grad(): …`` or ``@ta.no_grad()``. Results need no gradient."""

    value = False


class enable_grad(_Inside):
    """Record inside, also where an outer `no_grad` is in force."""


class detect_anomaly(_Inside):
    """Check every result, forward and backward; raise FloatingPointError at the first NaN or Inf.

    The error names the operation that made it out of finite numbers, and the line of the user's code that called it;
    for a backward pass, the operation that it belongs to and the line of its forward call. Every result is read once
    more, so use it to find a fault, not to train.
    """

    name = "anomaly"


@contextlib.contextmanager
def watching(watcher):
    """``with watching(watcher): model(x)`` tells `watcher` what runs inside, of this thread.

    It has three methods: ``enter(module)`` and ``leave(module)`` around every call of a layer, and ``called(ctx, inputs, outputs)``
    after every operation: its node, and its Tensors (inputs may be None). A layer that is watched in this way still runs fused;
    one with hooks does not. The tape alone would not do: it holds only what a gradient passes through.
    """
    before, mode.watcher = mode.watcher, watcher
    try:
        yield watcher
    finally:
        mode.watcher = before


_PACKAGE = __name__.rpartition(".")[0]
_ENGINE = tuple(f"{_PACKAGE}.{room}" for room in ("autograd", "grad_mode", "sweep", "tensor", "ops", "nn"))


def _is_engine(name):
    return name.startswith(_PACKAGE) and any(name == room or name.startswith(room + ".") for room in _ENGINE)


def calling_line():
    """The innermost line that is not the engine's own: ``model.py:12: y = x.log()``."""
    frame = sys._getframe(1)
    while frame is not None and _is_engine(frame.f_globals.get("__name__", "")):
        frame = frame.f_back
    if frame is None:
        return "unknown line"
    name, line = frame.f_code.co_filename, frame.f_lineno
    return f"{name}:{line}: {linecache.getline(name, line).strip()}".rstrip(": ")
