"""Taking times in turns."""
import time


def interleaved(functions, seconds=6.0, least=5, most=60):
    """Median milliseconds of each of the `functions` (name → callable), called in turns.

    Each is called twice first (compiling, warming up). Rounds go on for `seconds`, but at least `least` and at most
    `most` times.
    """
    for function in functions.values():
        function()
        function()
    times = {name: [] for name in functions}
    end = time.perf_counter() + seconds
    for i in range(most):
        if i >= least and time.perf_counter() > end:
            break
        for name, function in functions.items():
            start = time.perf_counter()
            function()
            times[name].append(time.perf_counter() - start)
    return {name: 1e3 * median(values) for name, values in times.items()}


def median(values):
    """The middle of the sorted values; of an even number, the mean of the two in the middle."""
    values = sorted(values)
    half = len(values) // 2
    return values[half] if len(values) % 2 else (values[half - 1] + values[half]) / 2
