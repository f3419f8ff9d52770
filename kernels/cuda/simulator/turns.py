"""Threads that take turns: each runs until it must wait for others, and goes on when all who must come have come."""
import itertools
import pathlib

import numpy as np

from .basics import WARP, SimulationError


class Thread:
    """One thread of the running block."""
    __slots__ = ("index", "rank", "turn", "waiting", "done", "offered", "seen", "syncs")

    def __init__(self, index, rank):
        self.index, self.rank = index, rank      # threadIdx; x + y·width + z·width·height
        self.waiting, self.done, self.offered, self.seen = None, False, None, None
        self.syncs = 0                           # how many syncwarp it has passed


try:
    from greenlet import greenlet as _greenlet
except ImportError:
    _greenlet = None


class _Abandoned(BaseException):
    """Ends a thread of the system whose block came to nothing."""


class _Turn:
    """A function that can be left in the middle and gone on with: a greenlet where there is one, else a thread of the system."""

    def __init__(self, function):
        if _greenlet is not None:
            self._main, self._body = _greenlet.getcurrent(), _greenlet(function)
            self.resume, self.leave = self._body.switch, self._main.switch
            self.abandon = lambda: None          # what nobody refers to goes by itself
            return
        import threading
        self._mine, self._theirs, self._error, self._abandoned = threading.Semaphore(0), threading.Semaphore(0), None, False

        def body():
            try:
                self._my_turn()
                function()
            except _Abandoned:
                return
            except BaseException as error:
                self._error = error
            self._theirs.release()

        self._body = threading.Thread(target=body, daemon=True)
        self._body.start()

    def _my_turn(self):
        self._mine.acquire()
        if self._abandoned:
            raise _Abandoned

    def resume(self):
        """Go on with the function until it leaves again, or ends."""
        self._mine.release()
        self._theirs.acquire()
        if self._error is not None:
            raise self._error

    def leave(self):
        """From inside the function: back to whoever resumed it."""
        self._theirs.release()
        self._my_turn()

    def abandon(self):
        """Never go on with it."""
        self._abandoned = True
        self._mine.release()
        self._body.join()


class Block:
    """The threads of one block, and what they share."""

    def __init__(self, cuda, function, args, threads, order):
        self.cuda, self.order = cuda, order
        self.phase = 0                           # how many barriers of the whole block are passed
        self.shared, self.shared_bytes = {}, 0
        self.threads = threads
        for t in threads:
            t.turn = _Turn(lambda t=t: self._live(t, function, args))

    def _live(self, thread, function, args):
        with np.errstate(all="ignore"):          # every turn has a context of its own
            function(*args)
        thread.done = True

    def run(self):
        """Let everyone run to the end; barriers hold them meanwhile."""
        ready = list(self.threads)
        try:
            while ready:
                for t in shuffled(ready, self.order):
                    self.cuda.thread = t
                    t.turn.resume()
                ready = self._released()
        finally:
            for t in self.threads:
                if not t.done:
                    t.turn.abandon()

    def _released(self):
        """The threads that may go on: warps, or else the block, of which all that live wait at the same place."""
        alive = [t for t in self.threads if not t.done]
        released = []
        for _, warp in itertools.groupby(alive, lambda t: t.rank // WARP):
            warp = list(warp)
            if all(t.waiting[0] == "warp" for t in warp):
                if any(t.waiting != warp[0].waiting for t in warp):
                    raise SimulationError("lanes of one warp wait at different places: " + _places(warp))
                self._exchange(warp)
                released += warp
        if not released and alive:
            if any(t.waiting != alive[0].waiting for t in alive):
                raise SimulationError("threads of one block wait for each other at different places: " + _places(alive))
            if len(alive) < len(self.threads):
                raise SimulationError(f"{len(self.threads) - len(alive)} threads have ended and will not come to the barrier where others "
                                      "wait: " + _places(alive))
            offered = [t.offered for t in alive]
            for t in alive:
                t.seen = offered
            released = alive
            self.phase += 1
        for t in released:
            t.waiting = None
        return released

    def _exchange(self, warp):
        lanes = {t.rank % WARP: t.offered for t in warp}
        for t in warp:
            t.seen = lanes


def shuffled(threads, order):
    """The threads in an order of their own; `order.shuffle` takes several times as long."""
    chance = order.random
    return sorted(threads, key=lambda _: chance())


def _places(threads):
    """Where they wait: "block at softmax.py:12, warp at softmax.py:20 → threads.py:16"."""
    ways = {(kind, " → ".join(f"{pathlib.Path(code.co_filename).name}:{at[0]}" for code, at in reversed(way)))
            for kind, way in (t.waiting for t in threads)}
    return ", ".join(f"{kind} at {way}" for kind, way in sorted(ways))
