"""How much of PyTorch's core is here, and how true: every function, layer and optimizer on the samples that PyTorch's developers wrote.

    python tests/breadth.py [NAME …] [--rung reference] [--every N] [--details]

For each name: samples tried, and on how many values, gradients and gradients of gradients agree; bad inputs tried, and how
many were refused in our own words. Needs PyTorch and expecttest (``pip install -e '.[parity]'``). Exit code 1 if anything
falls short.
"""
import argparse
import collections
import pathlib
import sys
import warnings

HERE = pathlib.Path(__file__).resolve().parent
sys.path[:0] = [str(HERE.parent), str(HERE)]

import torch_samples as T  # noqa: E402

from tinyattn import kernels  # noqa: E402


def tried(checks):
    """Run checks; a Counter of what agreed, and a Counter of what did not."""
    done, wrong = collections.Counter(), collections.Counter()
    for check in checks:
        try:
            agreed = check()
        except T.OutOfScope as reason:
            done["left out"] += 1
            wrong[f"(left out: {reason})"] += 1
        except Exception as error:
            done["tried"] += 1
            wrong[f"{type(error).__name__}: {error}".replace("\n", " ")[:230]] += 1
        else:
            done.update(["tried", "right", *agreed])
    return done, wrong


def refused(checks):
    """The same for bad inputs."""
    done, wrong = collections.Counter(), collections.Counter()
    for check in checks:
        try:
            problem = check()
        except T.OutOfScope:
            done["bad left out"] += 1
            continue
        done["bad"] += 1
        done["bad answered"] += not problem
        if problem:
            wrong[f"bad input {problem}"[:230].replace("\n", " ")] += 1
    return done, wrong


def rows(names, every):
    """(kind, title, counts, problems) of every function, layer and optimizer asked for."""
    for title, (name, op) in T.OPERATIONS.items():
        if not names or name in names:
            samples = T.samples(op)[::every]
            done, wrong = tried([lambda s=s: T.check_sample(name, op, s) for s in samples])
            more, worse = refused([lambda s=s: T.is_answered(name, s) for s, _ in T.bad_inputs(op)])
            yield "functions", title, done + more, wrong + worse
    for name, info in T.LAYERS.items():
        if not names or name.removeprefix("nn.") in names:
            checks = [lambda s=s, t=t: T.check_layer(info, s, t) for t in (True, False) for s in T.layer_samples(info, t)[::every]]
            done, wrong = tried(checks)
            bad = T.bad_layers(info) if info.module_error_inputs_func else []
            more, worse = refused([lambda s=s: T.is_layer_answered(info, s) for s in bad])
            yield "layers", name, done + more, wrong + worse
    for name, info in T.OPTIMIZERS.items():
        if not names or name in names:
            done, wrong = tried([lambda s=s: T.check_optimizer(info, s) for s in T.optimizer_samples(info)[::every]])
            more, worse = refused([lambda s=s: T.optimizer_is_answered(info, s)
                                   for s in info.optim_error_inputs_func("cpu", T.torch.float64)])
            yield "optimizers", name, done + more, wrong + worse


def main():
    """Print the table."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("names", nargs="*", metavar="NAME")
    parser.add_argument("--rung", default="cpu", choices=kernels.RUNGS)
    parser.add_argument("--every", type=int, default=1, metavar="N", help="only every Nth sample")
    parser.add_argument("--details", action="store_true", help="say what differs")
    args = parser.parse_args()
    warnings.simplefilter("ignore")
    columns = ("tried", "values", "first", "second", "left out", "bad", "bad answered")
    print(f"{'':<34}" + "".join(f"{c:>13}" for c in columns))
    total, short = collections.defaultdict(collections.Counter), 0
    with kernels.use(args.rung):
        for kind, title, done, wrong in rows(args.names, args.every):
            total[kind].update(done)
            total[kind]["names"] += 1
            complete = done["tried"] == done["right"] and done["bad"] == done["bad answered"]
            short += not complete
            print(f"{title:<34}" + "".join(f"{done[c]:>13}" for c in columns) + ("" if complete else "   ← falls short"), flush=True)
            for what, count in wrong.items() if args.details else ():
                print(f"        {count} × {what}")
    for kind, done in total.items():
        title = f"{done['names']} {kind}"
        print(f"{title:<34}" + "".join(f"{done[c]:>13}" for c in columns))
    return 1 if short else 0


if __name__ == "__main__":
    sys.exit(main())
