"""The command ``tinyattn gradcheck``: the checker on every operation, layer and model by name."""
import difflib
import json
import math
import pathlib
import time
import traceback

import numpy as np

from .. import kernels
from ..nearest import did_you_mean
from .checker import gradcheck, gradgradcheck
from .float32 import gradcheck_float32
from .report import Report

_EPILOG = """With one name, its attributes can be given freely, by their names in Python:

  tinyattn gradcheck conv2d --stride 2 --groups 2 --dtype float64
  tinyattn gradcheck conv2d --padding 1 --shape 2,4,9,9 --picture conv2d.png
  tinyattn gradcheck GroupNorm --num_groups 3 --num_channels 6
  tinyattn gradcheck attention_cnn --attention cbam
  tinyattn gradcheck softmax CBAM            every sample of both, as a table

Where one thing is checked (or with --curve) the answer shows the worst element, the error of the difference quotient
against its step (the V curve, with what its two arms mean), a map of the wrong entries, and the likely cause of a wrong
gradient, or "unknown". --dtype float32 checks the gradient that training uses: by differences in float64, within what
rounding can do (measured, not guessed). Exit code 0: all right, 1: a wrong gradient, 2: a mistake in the command."""


def run_case(case, rung, seed=0, second_order=False, dtype="float64", curve=False):
    """Check one case on one rung: (a dict for the table or the JSON, the Report)."""
    started = time.perf_counter()
    options = dict(raise_exception=False, seed=seed, curve=curve)
    try:
        with kernels.use(rung):
            if dtype == "float32":
                pair = [case.prepared(seed, d, rounded=True) for d in (np.float32, np.float64)]
                report = gradcheck_float32(*pair, names=case.names(), **options)
            else:
                report = (gradgradcheck if second_order else gradcheck)(*case.prepared(seed), names=case.names(), **options)
    except Exception as error:  # one broken operation must not hide the others: it is a row that fails
        where = traceback.extract_tb(error.__traceback__)[-1]
        report = Report(float("nan"), problem=f"{type(error).__name__}: {error} ({where.filename}:{where.lineno})")
    row = {"name": case.name, "case": case.label, "rung": rung, **report.as_dict(),
           "seconds": round(time.perf_counter() - started, 4), "text": report.summary()}
    return row, report


def _names(registry):
    """Every name that can be checked: operations and layers, then the models and gates that `tinyattn train` knows."""
    from ..models import MODELS
    from ..nn.attention import GATES
    return [*dict.fromkeys(case.name for case in registry), *MODELS, *[g for g, made in GATES.items() if made is not None]]


def _chosen(names, registry, free, shape):
    """The cases of these names, or `Mistake` with the nearest that exist."""
    from ..cli import Mistake
    from . import free as freely
    known, lower = _names(registry), {}
    for name in known:
        lower.setdefault(name.lower(), []).append(name)
    for name in names:
        if name not in known:
            near = difflib.get_close_matches(name.lower(), lower, 3, 0.5)
            hint = f"did you mean {', '.join(n for key in near for n in lower[key])}? " if near else ""
            raise Mistake(f"gradcheck: unknown name {name!r}: {hint}tinyattn gradcheck --list shows them all")
    of_registry = {case.name for case in registry}
    if (free or shape) and len(names) != 1:
        raise Mistake("gradcheck: attributes and --shape are for one name; give one")
    try:
        if free or shape:
            (name,) = names
            samples = [case for case in registry if case.name == name and case.smooth]
            return [freely.fitted(name, free, shape, samples) if name in of_registry else freely.model_case(name, free, shape)]
        made = [case for case in registry if not names or case.name in names]
        return made + [freely.model_case(name, {}, None) for name in names if name not in of_registry]
    except (ValueError, TypeError, IndexError) as error:
        raise Mistake(f"gradcheck: {error}") from error


def _sorted_out(argv, parser):
    """(what the parser knows, free attributes as a dict): --key value pairs that are none of the command's own options."""
    known = {o: a for action in parser._actions for o in action.option_strings for a in [action]}
    own, free, position = [], {}, 0
    while position < len(argv):
        word = argv[position]
        key, equals, value = word.partition("=")
        position += 1
        if key in known or not word.startswith("--") or len(word) < 3:
            own.append(word)
            if key in known and known[key].nargs is None and not equals and position < len(argv):
                own.append(argv[position])
                position += 1
            continue
        if not equals and position < len(argv) and not argv[position].startswith("--"):
            value, position = argv[position], position + 1
        free[key] = (value, word)
    return own, free


def _parser():
    from ..cli import Parser
    parser = Parser(prog="tinyattn gradcheck", description="Check gradients against central differences, and say what is wrong.", epilog=_EPILOG)
    parser.add_argument("names", nargs="*", metavar="NAME", help="operations, layers and models, such as conv2d, CBAM or attention_cnn")
    parser.add_argument("--all", action="store_true", help="check everything")
    parser.add_argument("--list", action="store_true", help="show the names")
    parser.add_argument("--shape", metavar="N,C,…", help="of the first input, with one name")
    parser.add_argument("--dtype", choices=("float64", "float32"), default="float64", help="of the gradient to check (default: %(default)s)")
    parser.add_argument("--rung", choices=kernels.HOST_RUNGS, default=kernels.active(), help="kernels to check (default: %(default)s)")
    parser.add_argument("--second-order", action="store_true", help="check gradients of gradients instead")
    parser.add_argument("--seed", type=int, default=0, help="of the random inputs (default: 0)")
    parser.add_argument("--curve", action="store_true", help="show the whole report of everything, not only where one thing is checked")
    parser.add_argument("--picture", metavar="FILE", help="draw the V curve and the map of errors into a PNG, PDF or SVG")
    parser.add_argument("--json", action="store_true", help="print one JSON object instead of the table")
    return parser


def _read(argv):
    """The command line: (arguments, free attributes, shape), or `Mistake`."""
    from ..cli import Mistake
    from .free import value_of
    parser = _parser()
    own, words = _sorted_out(argv, parser)
    args = parser.parse_all(own)
    options = [o for action in parser._actions for o in action.option_strings]
    if words and not args.names:
        key, (_, word) = next(iter(words.items()))
        hint = did_you_mean(key, options, quoted=False)
        raise Mistake(f"unknown argument {word}{': ' * bool(hint)}{hint} (see tinyattn gradcheck --help)")
    free = {}
    for key, (value, _) in words.items():
        near = did_you_mean(key, options, quoted=False, cutoff=0.8)
        free[key[2:].replace("-", "_")] = True if value == "" else value_of(value)
        if near and len(args.names) != 1:
            raise Mistake(f"unknown argument {key}: {near} (see tinyattn gradcheck --help)")
    shape = None
    if args.shape is not None:
        found = value_of(args.shape)
        shape = found if isinstance(found, tuple) else (found,)
        if not all(isinstance(n, int) and not isinstance(n, bool) and n >= 0 for n in shape):
            raise Mistake(f"gradcheck: --shape is {args.shape!r}, expected lengths such as 2,4,9,9")
        if math.prod(shape) > 10**6:
            raise Mistake(f"gradcheck: --shape {args.shape} has {math.prod(shape)} elements, more than anyone waits for; try a small one")
    if not args.list and not args.names and not args.all:
        raise Mistake("gradcheck: name what to check, or --all (--list shows the names)")
    if args.seed < 0:
        raise Mistake(f"gradcheck: --seed must not be negative, got {args.seed}")
    if args.second_order and args.dtype == "float32":
        raise Mistake("gradcheck: --second-order is checked in float64 only; leave out --dtype")
    if args.picture and pathlib.Path(args.picture).suffix.lower() not in (".png", ".pdf", ".svg"):
        raise Mistake(f"gradcheck: --picture is {args.picture!r}, expected a name that ends in .png, .pdf or .svg")
    return args, free, shape


def main(argv):
    """``tinyattn gradcheck``: 0 if every gradient is right, 1 if one is wrong; a report, a table, or one JSON object."""
    from ..cli import Mistake
    from .registry import CASES, LAYERS
    args, free, shape = _read(argv)
    registry = [*CASES, *LAYERS]
    if args.list:
        print(*_names(registry), sep="\n")
        return 0
    with kernels.use(args.rung):
        cases = [case for case in _chosen(args.names, registry, free, shape) if case.smooth and (case.second or not args.second_order)]
    if not cases:
        raise Mistake(f"gradcheck: {' '.join(args.names)} has nothing to check{' to the second order' * args.second_order}")
    if args.picture and len(cases) != 1:
        raise Mistake(f"gradcheck: --picture draws one thing, and these are {len(cases)}; give its attributes, such as --shape")
    whole = args.curve or len(cases) == 1
    rows, told = [], []
    if not args.json:
        print(f"{'name':<42} {'result':<6} {'max error':>10} {'derivatives':>12} {'time':>9}")
    for case in cases:
        row, report = run_case(case, args.rung, args.seed, args.second_order, args.dtype, whole)
        rows.append(row)
        told.append(report)
        if not args.json:
            title = f"{row['name']} {row['case']}".strip()
            print(f"{title:<42} {'ok' if row['passed'] else 'FAIL':<6} {row['max_error']:>10.1e} {row['checked']:>12} "
                  f"{row['seconds'] * 1000:>6.0f} ms", flush=True)
    failed = [row for row in rows if not row["passed"]]
    if args.json:
        print(json.dumps({"passed": not failed, "rung": args.rung, "dtype": args.dtype, "seed": args.seed, "rows": rows}, allow_nan=True))
    else:
        for row, report in zip(rows, told):
            if whole or not row["passed"]:
                print(f"\n{row['name']} {row['case']}".rstrip() + f":\n  {report}")
        print(f"\n{len(rows) - len(failed)} of {len(rows)} passed on {args.rung}")
    if args.picture:
        from ..viz import gradient_check
        gradient_check(told[0], args.picture, f"{rows[0]['name']} {rows[0]['case']}".strip())
        if not args.json:
            print(f"drawn: {args.picture}")
    return 1 if failed else 0
