"""The command ``tinyattn gradcheck``: the checker on every operation and layer by name."""
import difflib
import json
import time
import traceback
from dataclasses import asdict

from .. import kernels
from .checker import Report, gradcheck, gradgradcheck


def _run_case(case, rung, seed, second_order):
    """Check one case of the registry on one rung: a dict for the table or the JSON."""
    started = time.perf_counter()
    check = gradgradcheck if second_order else gradcheck
    try:
        with kernels.use(rung):
            function, inputs = case.prepared(seed)
            report = check(function, inputs, raise_exception=False, seed=seed)
    except Exception as error:  # one broken operation must not hide the others: it is a row that fails
        where = traceback.extract_tb(error.__traceback__)[-1]
        report = Report(float("nan"), problem=f"{type(error).__name__}: {error} ({where.filename}:{where.lineno})")
    return {"name": case.name, "case": case.label, "rung": rung, "passed": report.passed, "max_error": report.max_error,
            "checked": report.checked, "seconds": round(time.perf_counter() - started, 4), "problem": report.problem,
            "failures": [asdict(f) for f in report.failures], "text": str(report)}


def _chosen(names, registry):
    """The cases of these names, or `Mistake` with the nearest that exist."""
    from ..cli import Mistake
    known = {case.name: None for case in registry}
    lower = {}
    for name in known:
        lower.setdefault(name.lower(), []).append(name)
    for name in names:
        if name not in known:
            near = difflib.get_close_matches(name.lower(), lower, 3, 0.5)
            hint = f"did you mean {', '.join(n for key in near for n in lower[key])}? " if near else ""
            raise Mistake(f"gradcheck: unknown name {name!r}: {hint}tinyattn gradcheck --list shows them all")
    return [case for case in registry if not names or case.name in names]


def main(argv):
    """``tinyattn gradcheck``: 0 if every gradient is right, 1 if one is wrong; a table, or one JSON object."""
    from ..cli import Mistake, Parser
    from .registry import CASES, LAYERS
    parser = Parser(prog="tinyattn gradcheck", description="Check gradients against central differences, in float64.")
    parser.add_argument("names", nargs="*", metavar="NAME", help="operations and layers, such as conv2d or CBAM")
    parser.add_argument("--all", action="store_true", help="check everything")
    parser.add_argument("--list", action="store_true", help="show the names")
    parser.add_argument("--rung", choices=kernels.RUNGS, default=kernels.active(), help="kernels to check (default: %(default)s)")
    parser.add_argument("--second-order", action="store_true", help="check gradients of gradients instead")
    parser.add_argument("--seed", type=int, default=0, help="of the random inputs (default: 0)")
    parser.add_argument("--json", action="store_true", help="print one JSON object instead of the table")
    args = parser.parse_all(argv)
    registry = [*CASES, *LAYERS]
    if args.list:
        print(*dict.fromkeys(case.name for case in registry), sep="\n")
        return 0
    if not args.names and not args.all:
        raise Mistake("gradcheck: name what to check, or --all (--list shows the names)")
    if args.seed < 0:
        raise Mistake(f"gradcheck: --seed must not be negative, got {args.seed}")
    cases = [case for case in _chosen(args.names, registry) if case.smooth and (case.second or not args.second_order)]
    rows = []
    if not args.json:
        print(f"{'name':<42} {'result':<6} {'max error':>10} {'derivatives':>12} {'time':>9}")
    for case in cases:
        row = _run_case(case, args.rung, args.seed, args.second_order)
        rows.append(row)
        if not args.json:
            title = f"{row['name']} {row['case']}".strip()
            print(f"{title:<42} {'ok' if row['passed'] else 'FAIL':<6} {row['max_error']:>10.1e} {row['checked']:>12} "
                  f"{row['seconds'] * 1000:>6.0f} ms", flush=True)
    failed = [row for row in rows if not row["passed"]]
    if args.json:
        print(json.dumps({"passed": not failed, "rung": args.rung, "seed": args.seed, "rows": rows}, allow_nan=True))
    else:
        for row in failed:
            print(f"\n{row['name']} {row['case']}:\n  {row['text']}")
        print(f"\n{len(rows) - len(failed)} of {len(rows)} passed on {args.rung}")
    return 1 if failed else 0
