"""The command line of the benchmarks: which suites, against what, and the table."""
import json
import os

from .. import threads
from ..cli import Mistake, Parser
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


def _writable(path):
    """`path` to write to, checked before minutes of measuring; None stays None."""
    if path is None:
        return None
    try:
        with open(path, "a", encoding="utf-8"):
            return path
    except OSError as error:
        raise Mistake(f"--json {path}: {error.strerror}") from error


def _parser():
    parser = Parser(prog="tinyattn bench", description="Measure training steps, beside PyTorch on request. Both sides take "
                    "turns in one process; medians;\nratio = the better of PyTorch's layouts / ours: above 1 we are faster.")
    parser.add_argument("--suite", choices=[*SUITES, "all"], default="steps", help="what to measure (default: %(default)s)")
    parser.add_argument("--case", action="append", metavar="TEXT", help="only cases whose name contains TEXT (repeatable)")
    parser.add_argument("--against", choices=["torch"], help="measure this beside ours (pip install torch)")
    parser.add_argument("--threads", type=int, metavar="N", help="threads for both sides (default: all of this machine's)")
    parser.add_argument("--seconds", type=float, default=6.0, metavar="S", help="time for each case (default: %(default)s)")
    parser.add_argument("--json", metavar="FILE", help="also write the rows to FILE")
    return parser


def main(argv):
    """``tinyattn bench``; returns the exit status."""
    options = _parser().parse_all(argv)
    path = _writable(options.json)
    try:
        if options.threads is not None:
            threads.set_num_threads(options.threads)
        if options.against == "torch":
            _import_torch().set_num_threads(threads.get_num_threads())
    except ImportError:
        raise Mistake("--against torch needs PyTorch: pip install torch") from None
    except ValueError as error:
        raise Mistake(str(error)) from error
    if options.case and not any(part in case for part in options.case for case in steps.CASES):
        raise Mistake(f"no case contains {' or '.join(options.case)}; there are: {', '.join(steps.CASES)}")
    print(f"{'':<32}" + "".join(f"{name:>{24 if 'last' in name else 10}}" for name in COLUMNS[1:]))
    rows, about = [], machine.describe()
    for name in SUITES if options.suite == "all" else [options.suite]:
        for row in SUITES[name](options.against, options.case, options.seconds):
            rows.append({**row, "machine": about})
            print(_line(row), flush=True)
    if path:
        with open(path, "w", encoding="utf-8") as file:
            json.dump(rows, file, indent=1)
    return 0
