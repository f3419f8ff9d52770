"""How long compiling took, and a word when it starts: the wait of a first run, explained and kept out of its timings.

Numba announces every compilation as an event. Kernels call helpers, so announcements nest and, with several threads,
overlap: the clock runs while at least one compilation is under way, and each moment counts once. What is loaded from
the disk cache is announced to nobody and counts as nothing.
"""
import threading
import time

from numba.core import event


class _Clock(event.Listener):
    def __init__(self):
        self._lock = threading.Lock()
        self._depth, self._began, self._total, self._count = 0, 0.0, 0.0, 0
        self._call = None

    def on_start(self, _event):
        with self._lock:
            self._depth += 1
            if self._depth > 1:
                return
            self._began, self._count = time.perf_counter(), self._count + 1
            call, self._call = self._call, None
        if call is not None:
            call()

    def on_end(self, _event):
        with self._lock:
            self._depth -= 1
            if self._depth == 0:
                self._total += time.perf_counter() - self._began

    def seconds(self):
        with self._lock:
            return self._total + (time.perf_counter() - self._began if self._depth else 0.0)

    def count(self):
        with self._lock:
            return self._count

    def announce(self, call):
        with self._lock:
            self._call = call


_clock = None


def watch():
    """Start the clock, once in a process; calling it again does nothing."""
    global _clock
    if _clock is None:
        _clock = _Clock()
        event.register("numba:compile", _clock)


def seconds():
    """Wall-clock seconds this process has spent compiling since `watch` was first called."""
    return _clock.seconds() if _clock is not None else 0.0


def count():
    """How many compilations (not counting the helpers compiled within them) have begun since `watch`."""
    return _clock.count() if _clock is not None else 0


def announce(call):
    """Call `call()` when the next compilation begins, once. None takes the wish back."""
    watch()
    _clock.announce(call)
