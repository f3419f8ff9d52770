"""The command line of the benchmarks: which suites, against what, and the table."""
import importlib
import json
import pathlib

from .. import threads
from ..cli import Mistake, Parser
from . import ceiling, machine, table
from .measure import Settings
from .sides import import_torch

SUITES = {
    # name: what it measures
    "kernels": "operations, forward and backward",
    "odd": "operations on shapes that nothing was made for",
    "steps": "training steps of the models",
    "plain": "the fast kernels beside their plain twins, and NumPy",
    "memory": "growth of a process's peak memory in those training steps",
    "scaling": "how throughput grows with batch, channels, image size, tokens, threads",
    "cold": "import, first training step, warmup",
    "recipes": "whole recipes of training: seconds to an accuracy (minutes; not part of all)",
}


def suite(name):
    """The module of a suite: ``names()`` of its cases, ``run(settings)`` yields rows, ``notes(rows)`` sums them up."""
    return importlib.import_module(f".{name}", __package__)


def _writable(path):
    """`path` to write to, checked before minutes of measuring; None stays None."""
    if path is None:
        return None
    try:
        with open(path, "a", encoding="utf-8"):
            return path
    except OSError as error:
        raise Mistake(f"--json {path}: {error.strerror}") from error


def _folder(path):
    """The folder of that path, made if it is not there; None stays None."""
    if path is None:
        return None
    try:
        pathlib.Path(path).mkdir(parents=True, exist_ok=True)
        return pathlib.Path(path)
    except OSError as error:
        raise Mistake(f"--out {path}: {error.strerror}") from error


def _parser():
    parser = Parser(prog="tinyattn bench", description="Measure speed, beside PyTorch's on request. Both sides do the same work in one process, in "
                    "turns;\ntheir results are compared first. Times are medians; ratio = the better of PyTorch's layouts / ours:\nabove 1 we are "
                    "faster. Rates are held against what the machine can do at most, measured at the start.\n\nsuites:\n"
                    + "\n".join(f"  {name:<8} {words}" for name, words in SUITES.items()))
    parser.add_argument("--suite", choices=[*SUITES, "all"], default="steps", help="what to measure (default: %(default)s)")
    parser.add_argument("--case", action="append", metavar="TEXT", help="only cases whose name contains TEXT (repeatable)")
    parser.add_argument("--against", choices=["torch"], help="measure this beside ours (pip install torch)")
    parser.add_argument("--device", choices=["cpu", "cuda"], default="cpu", help="cuda: kernels, launches and training steps on a GPU, in place of a "
                        "suite (default: %(default)s)")
    parser.add_argument("--threads", type=int, metavar="N", help="threads for both sides (default: all of this machine's)")
    parser.add_argument("--seconds", type=float, metavar="S", help="time for each case (default: 6; for scaling 1)")
    parser.add_argument("--json", metavar="FILE", help="also write the rows to FILE")
    parser.add_argument("--out", metavar="DIR", help="where the suite scaling draws its pictures (default: none are drawn)")
    parser.add_argument("--seeds", type=int, metavar="N", help="runs of each recipe (default: as many as it is made for)")
    parser.add_argument("--full", action="store_true", help="recipes: PyTorch trains the long ones whole, too, instead of some steps of them")
    parser.add_argument("--quick", action="store_true", help="tiny work, one round: does it run at all? The times say nothing")
    return parser


def _prepare(options):
    """Threads for both sides; `Mistake` for what cannot be done."""
    if options.seconds is not None and not 0 <= options.seconds < float("inf"):
        raise Mistake(f"--seconds is {options.seconds}, expected 0 or more")
    if options.seeds is not None and options.seeds < 1:
        raise Mistake(f"--seeds is {options.seeds}, expected 1 or more")
    try:
        if options.threads is not None:
            threads.set_num_threads(options.threads)
        if options.against == "torch":
            import_torch().set_num_threads(threads.get_num_threads())
    except ImportError:
        raise Mistake("--against torch needs PyTorch: pip install torch") from None
    except ValueError as error:
        raise Mistake(str(error)) from error


def main(argv):
    """``tinyattn bench``; returns the exit status: 1 where a row is an error, as where the results differ."""
    options = _parser().parse_all(argv)
    path, out = _writable(options.json), _folder(options.out)
    _prepare(options)
    if options.device == "cuda":
        from . import gpu
        return gpu.main(options, path)
    chosen = [name for name in SUITES if name != "recipes"] if options.suite == "all" else [options.suite]
    known = [case for name in chosen for case in suite(name).names()]
    if options.case and not any(part in case for part in options.case for case in known):
        raise Mistake(f"no case contains {' or '.join(options.case)}; there are: {', '.join(known)}")
    load, about, most = machine.load(), machine.describe(), ceiling.measure(options.quick)
    print(*table.machine_lines(about, most, load), "", sep="\n")
    rows = []
    for name in chosen:
        seconds = options.seconds if options.seconds is not None else 1.0 if name == "scaling" else 6.0
        settings = Settings(options.against, options.case, seconds, options.quick, out, most, options.seeds, options.full)
        said = {"against": options.against, "seconds": seconds, "quick": options.quick, "load_average": load}
        shown = getattr(suite(name), "SHOWN", table.SHOWN)
        print(f"{table.header(shown)}\n")
        mine = []
        for row in suite(name).run(settings):
            mine.append(row)
            print(table.line(row, shown), flush=True)
            rows.append({**row, "machine": about, "settings": said, "ceiling": most})
        print("", *suite(name).notes(mine), "", sep="\n")
    print(*table.summary(rows, table.busy(about, load)), sep="\n")
    if path:
        with open(path, "w", encoding="utf-8") as file:
            json.dump(rows, file, indent=1)
    return int(any("error" in row for row in rows))
