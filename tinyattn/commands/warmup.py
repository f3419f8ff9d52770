"""Compile ahead, on all cores, what the first training run would otherwise wait for.

Kernels are compiled for this machine when they are first used, and kept. This does it now: everything that training,
testing and gradient-checking the models needs, or with --what all every operation in both dtypes. A second time it finds
everything there and is done in a few seconds.
"""
import concurrent.futures
import importlib
import multiprocessing
import pathlib
import sys
import time

WHAT = ("models", "all")
EVERY = 5.0  # seconds between lines of progress where there is no terminal


def add_arguments(parser):
    """The options of `tinyattn warmup`."""
    parser.add_argument("--what", choices=WHAT, default="models", help="the models' kernels, or those of every operation (default: %(default)s)")
    parser.add_argument("--quiet", action="store_true", help="show no progress")


def run(args):
    """Find out what is missing, compile it in as many processes as there are cores, say what was done."""
    from .. import kernels, threads
    from ..cli import Mistake
    from ..training.progress import clock
    if kernels.active() != "cpu":
        raise Mistake("warmup: TINYATTN_KERNELS=reference is set, and nothing is compiled for that; unset it")
    from ..kernels.cpu import cache
    from . import warmup_list
    began = time.perf_counter()
    with warmup_list.listing() as wanted:
        warmup_list.models()
        unfinished = warmup_list.gradchecks(args.what == "all")
    missing = warmup_list.missing(wanted)
    folder = pathlib.Path(cache.FOLDER)
    mark = folder / f"warmup-{args.what}"  # that what is on no list is there, too
    functions = sum(map(len, wanted.values()))
    if missing or not mark.exists():
        jobs = _jobs(missing, unfinished)
        workers = min(threads.get_num_threads(), len(jobs))
        _say(args.quiet, f"compiling {sum(map(len, missing.values()))} of {functions} kernels in {workers} "
                         f"process{'es' if workers > 1 else ''}; they are kept in {folder} …")
        _work(jobs, workers, args.quiet)
        mark.touch()
        _nothing_left_to_a_first_run(folder)
    done = sum(map(len, missing.values()))
    print(f"{functions} kernels of {'every operation' if args.what == 'all' else 'the models'} are ready: {done} compiled now, "
          f"{functions - done} there before; {clock(time.perf_counter() - began)}; kept in {cache.FOLDER}")
    return 0


def _jobs(missing, unfinished):
    """What the processes do, the longest first: (what, …) each. All calls of a body are one job: their index is one file."""
    bodies = [("body", key, sorted(calls)) for key, calls in sorted(missing.items(), key=lambda item: -len(item[1]))]
    return [("loops",), ("transforms",), *bodies, *([("cases", unfinished)] if unfinished else [])]


def work(job):
    """One job, in a process of its own. Returns what it was about."""
    import numpy as np

    import tinyattn as ta

    from . import warmup_list
    what, *rest = job
    if what == "body":
        key, calls = rest
        launch = importlib.import_module(warmup_list.LAUNCH)
        for dtypes in calls:
            launch._learn(warmup_list.body(key), [np.empty(1, np.dtype(char)) for char in dtypes])
        return key[1]
    if what == "loops":  # the loop that all bodies share: enough work to need the threads
        (ta.ones(1 << 20) + 1).data
    elif what == "transforms":
        from ..data import DataLoader, load
        from ..training.setup import augmentation
        next(iter(DataLoader(load("glyphs", "train", size=4), batch_size=4, transform=augmentation("affine", 28, (0.5,), (0.5,)))))
    else:
        for number, single in rest[0]:
            warmup_list.sweep(number, single)
    return what


def _work(jobs, workers, quiet):
    """Run the jobs in `workers` processes, showing how far they are."""
    from tqdm import tqdm
    bar = tqdm(total=len(jobs), unit="job", leave=False, file=sys.stderr, disable=quiet or not sys.stderr.isatty())
    last, done = time.monotonic(), 0
    context = multiprocessing.get_context("spawn")  # a fork would take over threads in the middle of their work
    with bar, concurrent.futures.ProcessPoolExecutor(workers, mp_context=context) as pool:
        futures = [pool.submit(work, job) for job in jobs]
        for future in concurrent.futures.as_completed(futures):
            try:
                name, done = future.result(), done + 1
            except BaseException:  # Ctrl-C, or a job that failed: what has not begun shall not
                pool.shutdown(wait=False, cancel_futures=True)
                raise
            bar.set_postfix_str(name, refresh=False)
            bar.update()
            if not sys.stderr.isatty() and time.monotonic() - last > EVERY:
                last = time.monotonic()
                _say(quiet, f"  {done} of {len(jobs)} jobs done, the latest {name}")


def _nothing_left_to_a_first_run(folder):
    """Leave word that no run needs a second process to compile along (see `training.compile_ahead`, `commands.ahead`)."""
    from ..models import HAS_GATES, MODELS
    from ..nn.attention import GATES
    from .warmup_list import OPTIMIZERS
    for model in MODELS:
        for gate in (GATES if model in HAS_GATES else ("none",)):
            for optimizer in OPTIMIZERS:
                (folder / f"ahead-{model}-{gate}-{optimizer}").touch()


def _say(quiet, text):
    if not quiet:
        print(text, file=sys.stderr, flush=True)
