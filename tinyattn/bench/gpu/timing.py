"""Times of work that a GPU does behind our back: many calls, one wait, in turns.

A call returns before its kernels have run. So calls are timed in runs long enough (`LEAST` ms) that waiting for the last one
hardly counts; what comes out is the larger of what Python needs for a call and what the GPU needs for its kernels.
"""
import time

from ..timing import median

LEAST = 20.0
"""Milliseconds of a run of calls."""


def _run(function, wait, calls):
    wait()
    start = time.perf_counter()
    for _ in range(calls):
        function()
    wait()
    return 1e3 * (time.perf_counter() - start) / calls


def turns(jobs, seconds, quick=False):
    """Milliseconds a call of each job, in turns: name → list; `jobs`: name → (function, wait)."""
    if quick:
        return {name: [_run(function, wait, 1)] for name, (function, wait) in jobs.items()}
    calls, times = {}, {name: [] for name in jobs}
    for name, (function, wait) in jobs.items():
        _run(function, wait, 2)  # compile
        calls[name] = max(1, min(1000, round(LEAST / max(median([_run(function, wait, 3) for _ in range(3)]), 1e-3))))
    end = time.perf_counter() + seconds
    while len(times[name]) < 5 or time.perf_counter() < end and len(times[name]) < 50:
        for name, (function, wait) in jobs.items():
            times[name].append(_run(function, wait, calls[name]))
    return times
