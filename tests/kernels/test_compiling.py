"""The clock of compilations, against compilations that are made to take a known time."""
import time

import numba

from tinyattn.kernels.cpu import compiling


def test_compiling_is_timed_and_announced_once():
    compiling.watch()
    said, before, count = [], compiling.seconds(), compiling.count()
    compiling.announce(lambda: said.append(1))

    @numba.njit
    def inner(x):
        return x + 1

    @numba.njit
    def outer(x):
        return inner(x) * 2

    began = time.perf_counter()
    assert outer(1) == 4
    took = time.perf_counter() - began
    spent = compiling.seconds() - before
    assert 0.3 * took < spent <= took  # the helper's compilation lies within the other's: counted once
    assert compiling.count() - count >= 1 and said == [1]
    still = compiling.seconds()
    outer(2)
    assert compiling.seconds() == still
    compiling.announce(None)


def test_overlapping_compilations_count_each_moment_once(monkeypatch):
    now = [0.0]
    monkeypatch.setattr(compiling.time, "perf_counter", lambda: now[0])
    clock = compiling._Clock()
    for at, call in ((1.0, clock.on_start), (2.0, clock.on_start), (4.0, clock.on_end), (5.0, clock.on_end), (9.0, clock.on_start)):
        now[0] = at
        call(None)
    assert clock.seconds() == 4.0
    now[0] = 9.5
    assert clock.seconds() == 4.5 and clock.count() == 2
