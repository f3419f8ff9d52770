"""The table of a GPU's benchmarks, and its file."""
import json
import platform

import numba
import numpy as np

from ... import cuda
from ...cli import Mistake
from .. import table
from ..measure import Disagreement, difference, failing
from ..measure import TOLERANCE
from ..timing import median, spread
from . import ceiling, steps
from .cases import cases
from .sides import Torch, sides
from .timing import turns

SHOWN = {"ours_ms": "ours ms", "ours_graph_ms": "graph ms", "torch_ms": "torch ms", "torch_channels_last_ms": "ch_last ms", "torch_tf32_ms": "tf32 ms"}
"""The columns; `graph` is our step replayed as a CUDA graph, `tf32` PyTorch with products rounded to tf32."""


def _empty(suite, name):
    return {"suite": suite, "case": name, **dict.fromkeys(SHOWN), "ratio": None, "floor": None, "share": None, "wanted_share": None}


def _fill(row, times, most, flops=0, bytes=0):
    row.update({column: median(values) for column, values in times.items()})
    row["spread"] = max(map(spread, times.values())) if all(len(v) > 3 for v in times.values()) else 0
    others = [row[c] for c in ("torch_ms", "torch_channels_last_ms") if row[c] is not None]
    row["ratio"] = min(others) / row["ours_ms"] if others else None
    row["graph_ratio"] = min(others) / row["ours_graph_ms"] if others and row["ours_graph_ms"] else None
    for name, amount, peak in (("gflops", flops, "fma_gflops"), ("gbs", bytes, "copy_gbs")):
        if amount:
            row[name] = amount / row["ours_ms"] / 1e6
            row["share"] = row[name] / most[peak]


def _kernel_row(case, options, most):
    row = _empty("gpu kernels", case.name)
    row["floor"], row["wanted_share"] = case.ratio, case.share
    with failing(row):
        jobs = {}
        for side in sides(options.against, case.images):
            if isinstance(side, Torch):
                side.precise()
            jobs[side.column] = side, case.make(side, np.random.default_rng(0))
        ours = jobs["ours_ms"][1].results()
        for column, (side, job) in jobs.items():
            if column not in ("ours_ms", "torch_tf32_ms"):
                side.precise()
                error = difference(ours, job.results())
                if not error <= TOLERANCE:
                    raise Disagreement(f"our results differ from {column.removesuffix('_ms')}'s by {error:.1e} of the largest number")
                row["relative_error"] = max(error, row.get("relative_error", 0))
        _fill(row, turns({column: (_precisely(side, job.run), side.wait) for column, (side, job) in jobs.items()}, options.seconds or 1.5,
                         options.quick), most, case.flops, case.bytes)
    return row


def _precisely(side, function):
    """The function, with the precision of its side set before each call."""
    if not isinstance(side, Torch):
        return function

    def run():
        side.precise()
        function()
    return run


def _step_row(name, case, options, most):
    row = _empty("gpu steps", name)
    row["floor"] = steps.WANTED.get(name)
    with failing(row):
        jobs, row["relative_error"] = steps.jobs(case, options.against, options.quick)
        _fill(row, turns(jobs, options.seconds or 4.0, options.quick), most)
    return row


def _rows(options, most):
    wants = lambda name: not options.case or any(part in name for part in options.case)  # noqa: E731
    for case in cases(options.quick):
        if wants(case.name):
            yield _kernel_row(case, options, most)
    for name, case in (steps.QUICK if options.quick else steps.CASES).items():
        if wants(name):
            yield _step_row(name, case, options, most)


def names(quick=False):
    """All cases by name."""
    return [case.name for case in cases(quick)] + list(steps.QUICK if quick else steps.CASES)


def main(options, path):
    """Measure, print, write; the exit status is 1 where a row is an error."""
    if not cuda.is_available():
        from ...kernels.cuda.runtime import why_not
        raise Mistake(f"--device cuda: {why_not()}")
    if options.case and not any(part in name for part in options.case for name in names(options.quick)):
        raise Mistake(f"no case contains {' or '.join(options.case)}; there are: {', '.join(names(options.quick))}")
    most, about = ceiling.measure(options.quick), describe()
    print(f"{about['gpu']}: {most['fma_gflops']:,.0f} GFLOP/s of float32 multiply-adds, {most['copy_gbs']:,.0f} GB/s of copying; a launch costs "
          f"{most['launch_us']:.1f} µs ({most['launch_8_arrays_us']:.1f} with eight arrays), in a graph {most['graph_us']:.1f} µs\n")
    print(table.header(SHOWN), "", sep="\n")
    rows = []
    for row in _rows(options, most):
        print(table.line(row, SHOWN), flush=True)
        rows.append({**row, "machine": about, "ceiling": most, "settings": {"against": options.against, "seconds": options.seconds, "quick": options.quick}})
    below = [row["case"] for row in rows if row["wanted_share"] and row["share"] is not None and row["share"] < row["wanted_share"]]
    print("", *table.summary(rows), *([f"below the share of the peak that is wanted: {', '.join(below)}"] if below and not options.quick else []), sep="\n")
    if path:
        with open(path, "w", encoding="utf-8") as file:
            json.dump(rows, file, indent=1)
    return int(any("error" in row for row in rows))


def describe():
    """The GPU and the versions."""
    import sys
    about = {"gpu": cuda.get_device_name(), "python": platform.python_version(), "numpy": np.__version__, "numba": numba.__version__}
    if "numba_cuda" in sys.modules:
        about["numba_cuda"] = getattr(sys.modules["numba_cuda"], "__version__", "?")
    if "torch" in sys.modules:
        about["torch"] = sys.modules["torch"].__version__
    return about
