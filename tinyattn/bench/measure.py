"""From a case to its row: the results are compared, the times taken in turns, the rates reckoned."""
import dataclasses

import numpy as np

from .sides import sides
from .timing import median, ratio, spread, turns

TOLERANCE = 1e-3
"""Of the largest number of a result: what two right computations in float32 may differ by, and no wrong one does."""


class Disagreement(Exception):
    """The sides computed different things: no time is worth taking."""


@dataclasses.dataclass(frozen=True)
class Case:
    """What is measured: ``make(side, random)`` gives a job (see `sides`).

    images: whether PyTorch's channels_last is tried too
    flops:  floating-point operations of the job, a multiply-add counts 2     } one of them: which ceiling it is held
    bytes:  that must be read and written at least, every array once a pass   } against
    floor:  the ratio that is wanted at least;   mean: whether it counts in the mean of the convolutions
    """

    name: str
    make: object
    images: bool = False
    flops: float = 0
    bytes: float = 0
    floor: float | None = None
    mean: bool = False


@dataclasses.dataclass
class Settings:
    """What was asked for: opponent, names, seconds a case; `quick`: tiny work, one round; `out`: a folder for pictures.

    seeds, full: of recipes: how many runs; whether PyTorch trains the long ones whole
    """

    against: str | None = None
    chosen: list | None = None
    seconds: float = 6.0
    quick: bool = False
    out: object = None
    ceiling: object = None
    seeds: int | None = None
    full: bool = False

    def wants(self, name):
        """Whether the case `name` is chosen."""
        return not self.chosen or any(part in name for part in self.chosen)

    def turns(self, functions):
        """Times of the functions, name → list of ms."""
        return turns(functions, 0, 1, 1) if self.quick else turns(functions, self.seconds, most=200)


def difference(found, expected):
    """The largest difference of two lists of arrays, each as a part of the largest number expected in it."""
    if [a.shape for a in found] != [a.shape for a in expected]:
        return float("inf")
    parts = [np.abs(a - b).max() / max(np.abs(b).max(), 1e-30) for a, b in zip(found, expected)]
    return float(np.max(parts))  # NaN stays NaN


def agree(jobs):
    """The largest difference between our results and each of the others'. Raises `Disagreement` beyond TOLERANCE."""
    ours = jobs["ours_ms"].results()
    worst = 0.0
    for column, job in jobs.items():
        if column != "ours_ms":
            error = difference(ours, job.results())
            if not error <= TOLERANCE:
                raise Disagreement(f"our results differ from {column.removesuffix('_ms')}'s by {error:.1e} of the largest number")
            worst = max(worst, error)
    return worst


def empty_row(suite, name, floor=None):
    """A row with every column of the table in it."""
    return {"suite": suite, "case": name, "ours_ms": None, "torch_ms": None, "torch_channels_last_ms": None, "ratio": None, "floor": floor}


def fill(row, times, flops=0, bytes=0, ceiling=None):
    """Put medians, spread, ratio, rate and share of the ceiling into a row; `times`: column → list of ms."""
    row.update({column: median(values) for column, values in times.items()})
    row["spread"] = max(map(spread, times.values()))
    row["least_ms"] = {column: min(values) for column, values in times.items()}  # what a busy machine disturbs least
    row["ratio"] = ratio(row["ours_ms"], row["torch_ms"], row["torch_channels_last_ms"])
    for name, amount, most in (("gflops", flops, "fma_gflops"), ("gbs", bytes, "copy_gbs")):
        if amount:
            row[name] = amount / row["ours_ms"] / 1e6
            row["share"] = row[name] / ceiling[most] if ceiling else None
    return row


def measured(suite, case, settings):
    """The row of a case."""
    row = empty_row(suite, case.name, case.floor)
    with failing(row):
        jobs = {side.column: case.make(side, np.random.default_rng(0)) for side in sides(settings.against, case.images)}
        if settings.against:
            row["relative_error"] = agree(jobs)
        fill(row, settings.turns({column: job.run for column, job in jobs.items()}), case.flops, case.bytes, settings.ceiling)
        row["mean"] = case.mean
    return row


class failing:
    """``with failing(row):`` what goes wrong inside is written into the row, so that one case does not hide the others."""

    def __init__(self, row):
        self._row = row

    def __enter__(self):
        return self._row

    def __exit__(self, kind, error, _):
        if kind is None or not issubclass(kind, Exception):
            return False
        self._row["error"] = str(error) if kind is Disagreement else f"{kind.__name__}: {error}"
        return True


def run_cases(suite, cases, settings):
    """The rows of all chosen cases, one by one."""
    for case in cases:
        if settings.wants(case.name):
            yield measured(suite, case, settings)
