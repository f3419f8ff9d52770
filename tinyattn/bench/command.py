"""The command line of the benchmarks: which suites, against what, and the table."""
import argparse
import json
import os
import sys

from .. import threads
from . import machine, steps

SUITES = {"steps": steps.run}
COLUMNS = ("case", "ours_ms", "torch_ms", "torch_channels_last_ms", "ratio")


def _cell(value, width):
    return f"{value:>{width}.2f}" if isinstance(value, float) else f"{value if value is not None else '-':>{width}}"


def _line(row):
    return f"{row.get('case', ''):<32}" + "".join(_cell(row.get(name), 24 if "last" in name else 10) for name in COLUMNS[1:])


def _import_torch():
    """PyTorch as its user would have it: our own setting of how OpenMP's threads wait is not for it."""
    ours = os.environ.pop("GOMP_SPINCOUNT", None)
    import torch
    if ours is not None:
        os.environ["GOMP_SPINCOUNT"] = ours
    return torch


def main(argv=None):
    """``tinyattn bench``; returns the exit status."""
    parser = argparse.ArgumentParser(prog="tinyattn bench", description="Measure training steps, beside PyTorch on request. "
                                     "Both sides take turns in one process; medians; ratio = the better of PyTorch's "
                                     "layouts / ours, so above 1 we are faster.")
    parser.add_argument("--suite", choices=[*SUITES, "all"], default="steps", help="what to measure (default: %(default)s)")
    parser.add_argument("--case", action="append", metavar="TEXT", help="only cases whose name contains TEXT (repeatable)")
    parser.add_argument("--against", choices=["torch"], help="measure this beside ours (pip install torch)")
    parser.add_argument("--threads", type=int, metavar="N", help="threads for both sides (default: all of this machine's)")
    parser.add_argument("--seconds", type=float, default=6.0, metavar="S", help="time for each case (default: %(default)s)")
    parser.add_argument("--json", metavar="FILE", help="also write the rows to FILE")
    options = parser.parse_args(argv)
    try:
        if options.threads is not None:
            threads.set_num_threads(options.threads)
        if options.against == "torch":
            _import_torch().set_num_threads(threads.get_num_threads())
    except ImportError:
        print("tinyattn: error: --against torch needs PyTorch: pip install torch", file=sys.stderr)
        return 2
    except ValueError as error:
        print(f"tinyattn: error: {error}", file=sys.stderr)
        return 2
    print(f"{'':<32}" + "".join(f"{name:>{24 if 'last' in name else 10}}" for name in COLUMNS[1:]))
    rows, about = [], machine.describe()
    for name in SUITES if options.suite == "all" else [options.suite]:
        for row in SUITES[name](options.against, options.case, options.seconds):
            rows.append({**row, "machine": about})
            print(_line(row), flush=True)
    if not rows:
        print(f"tinyattn: error: no case contains {options.case}; there are: {', '.join(steps.CASES)}", file=sys.stderr)
        return 2
    if options.json:
        with open(options.json, "w", encoding="utf-8") as file:
            json.dump(rows, file, indent=1)
    return 0
