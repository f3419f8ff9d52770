"""Taking times in turns, and what to make of them."""
import math
import time


SHORT = 5.0
"""Milliseconds below which a call is timed right after another of its own."""


def turns(functions, seconds=6.0, least=5, most=60, short=SHORT):
    """Milliseconds of each of the `functions` (name → callable), called in turns: name → list, one number a round.

    Each is called twice first (compiling, warming up). Rounds go on for `seconds`, but at least `least` and at most
    `most` times. What takes less than `short` ms is called once untimed before each time that counts: it would else pay for
    what its neighbour left behind, threads gone to sleep or still turning, and a cache full of other things.
    """
    times, hasty = {name: [] for name in functions}, set()
    for name, function in functions.items():
        function()
        start = time.perf_counter()
        function()
        if 1e3 * (time.perf_counter() - start) < short:
            hasty.add(name)
    end = time.perf_counter() + seconds
    for i in range(most):
        if i >= least and time.perf_counter() > end:
            break
        for name, function in functions.items():
            if name in hasty:
                function()
            start = time.perf_counter()
            function()
            times[name].append(1e3 * (time.perf_counter() - start))
    return times


def median(values):
    """The middle of the sorted values; of an even number, the mean of the two in the middle."""
    values = sorted(values)
    half = len(values) // 2
    return values[half] if len(values) % 2 else (values[half - 1] + values[half]) / 2


def spread(values):
    """How far the middle half of the values reaches, as a part of the median: on a quiet machine a few hundredths."""
    values = sorted(values)
    quarter = len(values) // 4
    return (values[-1 - quarter] - values[quarter]) / median(values)


def ratio(ours, *others):
    """How many times faster we are than the best of `others`; None where there are no others."""
    others = [other for other in others if other is not None]
    return min(others) / ours if others else None


def geometric_mean(ratios):
    """(r₁ · r₂ · … · rₙ)^(1/n): the mean in which twice as fast and half as fast cancel."""
    return math.exp(sum(map(math.log, ratios)) / len(ratios))
