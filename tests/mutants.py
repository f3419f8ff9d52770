"""The gradient checker is itself checked: every backward in tinyattn/ops is broken on purpose, and the check must notice.

    python tests/mutants.py [--only NAME] [--causes FILE]

A mutant is one operation's backward with one mistake in it, of two sorts. Those of the source: a sign turned, a term or a factor
dropped, a constant, an axis or a slice off by one, an un-broadcast left out, done to the syntax tree of the method. And those of the
result: the gradient of one input negated, times 1.5, moved by one along an axis, one element of it wrong, or with something added.
Each is run on the samples of `tinyattn gradcheck` that pass through that operation, the quickest first, until one notices; those
whose gradients it leaves as they are, to the last bit, are passed over. An operation that no sample reaches, one with fewer than
three mutants, and a mutant that survives without being in EQUIVALENT fail the proof. The likely causes that the checker states are
held against what was done: none may be a wrong one (see TRUE).

The rooms: mutants_samples.py (operations, and samples that reach them), mutants_source.py and mutants_made.py (the mutants),
mutants_judged.py (what may survive, and which causes are true); here is the proof.
"""
import argparse
import functools
import multiprocessing
import sys
import time
import warnings
from collections import Counter
from dataclasses import dataclass
from unittest import mock

import numpy as np
from mutants_judged import EQUIVALENT, complaints_about, misled, named, survivors
from mutants_made import METHODS, Mutant, mutants, put_in
from mutants_samples import operations, swept, uses_of_operations

from tinyattn import kernels
from tinyattn.gradcheck import checker, gradcheck, gradgradcheck


@dataclass
class Outcome:
    """Whether a mutant was caught, by which sample, and the cause that was stated ("" where it crashed)."""
    mutant: Mutant
    caught: bool
    by: str = ""
    cause: str = ""
    words: str = ""


def check_of(use):
    """Run the checker on one sample: a report, or the exception that a broken backward raised."""
    if hasattr(use.sample, "check"):
        return use.sample.check()
    check = gradcheck if use.order == 1 else gradgradcheck
    with mock.patch.object(checker, "EXPLAINED", int(use.order == 1)):             # one cause is read, or none
        return check(*use.sample.prepared(), raise_exception=False, curve=False, all_below=64 if use.order == 1 else 12)


_RIGHT, _SWEPT = {}, {}


def passes_unbroken(use):
    """Whether a sample passes when nothing is broken. One that does not would "catch" anything."""
    key = use.sample.name, use.sample.label, use.order
    if key not in _RIGHT:
        _RIGHT[key] = bool(check_of(use))
    return _RIGHT[key]


def changes(use, mutant):
    """Whether a mutant changes a bit of the gradients of a sample. Where it does not (its line is not reached), nothing could notice."""
    key = use.sample.name, use.sample.label, use.order
    if key not in _SWEPT:
        _SWEPT[key] = swept(use)
    with mutant.installed():
        try:
            found = swept(use)
        except Exception:               # a backward that crashes is for the checker to notice
            return True
    before = _SWEPT[key]
    return len(found) != len(before) or not all(map(functools.partial(np.array_equal, equal_nan=True), before, found))


def try_mutant(mutant, uses):
    for use in uses:
        if not changes(use, mutant):
            continue
        by = f"{use.sample.name} {use.sample.label}"
        with mutant.installed():
            try:
                report = check_of(use)
            except Exception as error:  # a backward that crashes is noticed by everyone
                report, crash = None, f"{type(error).__name__}: {error}"
        if report:
            continue
        if not passes_unbroken(use):
            raise AssertionError(f"the sample {by} (order {use.order}) fails although nothing is broken: it proves nothing")
        if report is None:
            return Outcome(mutant, True, by, "", crash)
        cause = report.failures[0].cause if report.failures else report.cause
        return Outcome(mutant, True, by, "" if cause is None or use.order == 2 else cause.kind, str(cause))
    return Outcome(mutant, False)


def gradients_of(cls, uses):
    """How many gradients its backward gives, at most, over the samples."""
    counts, original = [0], cls.backward

    def backward(ctx, *gradients):
        results = original(ctx, *gradients)
        results_ = results if isinstance(results, tuple) else (results,)
        counts.append(sum(g is not None for g in results_))
        return results
    with put_in(cls, "backward", backward):
        for use in uses:
            swept(use)
    return max(counts)


def _prove_one(name):
    """(name, outcomes or None where no sample reaches it, seconds): one operation, in a process of its own."""
    started, cls, uses = time.perf_counter(), operations()[name], _USES.get(name)
    if not uses:
        return name, None, 0.0
    with kernels.use("reference"), warnings.catch_warnings(), np.errstate(all="ignore"):
        warnings.simplefilter("ignore")
        tried = [try_mutant(m, uses) for m in mutants(name, cls, gradients_of(cls, uses[:1] + uses[-1:]))]
    for o in tried:
        o.mutant.cls = o.mutant.made = None                       # functions do not travel between processes
    return name, tried, time.perf_counter() - started


_USES = {}


def prove(names=None, processes=2, progress=print):
    """Run the proof on these operations (default: all). Returns (outcomes, complaints)."""
    outcomes, complaints = [], []
    with kernels.use("reference"):
        _USES.update(_USES or uses_of_operations())
    chosen = sorted(operations() if names is None else names, key=_dearest_first)
    if processes > 1:
        with multiprocessing.get_context("fork").Pool(processes) as pool:
            results = list(_told(pool.imap_unordered(_prove_one, chosen), progress))
    else:
        results = list(_told(map(_prove_one, chosen), progress))
    for name, tried in sorted(results):
        if tried is None:
            complaints.append(f"{name}: no sample reaches its backward")
            continue
        outcomes += tried
        if len(tried) < 3:
            complaints.append(f"{name}: {len(tried)} mutants, expected at least 3")
    return outcomes, complaints


def _dearest_first(name):
    """So that no process is left alone with a long one at the end: operations with long backwards before short ones."""
    cls, uses = operations()[name], _USES.get(name, ())
    length = sum(len(vars(cls)[m].__code__.co_code) for m in METHODS if m in vars(cls))
    return -length * sum(u.cost for u in uses[:8]), name


def _told(results, progress):
    for name, tried, seconds in results:
        progress(f"{name:<32} {sum(o.caught for o in tried or ()):>3} of {len(tried or ()):>3} caught {seconds:>7.1f} s", flush=True)
        yield name, tried


def main():
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--only", default="", help="operations whose names contain one of these: softmax,conv")
    parser.add_argument("--part", default="1/1", help="the first of three parts of the operations: 1/3")
    parser.add_argument("--causes", metavar="FILE", help="write every stated cause beside what was done")
    args = parser.parse_args()
    started, (part, parts) = time.perf_counter(), map(int, args.part.split("/"))
    names = [n for n in sorted(operations()) if any(word in n.lower() for word in args.only.lower().split(","))][part - 1::parts]
    outcomes, complaints = prove(names)
    if args.causes:
        with open(args.causes, "w", encoding="utf-8") as file:
            for o in outcomes:
                print(o.mutant.kind, o.cause or "-", o.mutant.name, o.by, o.words[:200], sep=" | ", file=file)
    missed = survivors(outcomes)
    for name in missed:
        print(f"survived: {name}" + (f" (equivalent: {EQUIVALENT[name]})" if name in EQUIVALENT else ""))
    complaints += complaints_about(outcomes)
    print("causes:", dict(Counter(o.cause or "(crash, or second order)" for o in outcomes if o.caught)))
    print(f"{len(outcomes)} mutants of {len({o.mutant.operation for o in outcomes})} operations: {len(outcomes) - len(missed)} caught, "
          f"{len(missed)} equivalent or not; a cause named for {named(outcomes)}, a wrong one for {len(misled(outcomes))}; "
          f"{time.perf_counter() - started:.0f} s")
    print(*complaints, sep="\n")
    return 1 if complaints else 0


if __name__ == "__main__":
    sys.exit(main())
