"""How much of PyTorch's core is here, and how true: every function, layer and optimizer on the samples that PyTorch's developers wrote.

    python tests/breadth.py [NAME …] [--rung cpu|reference|both] [--every N] [--details] [--json FILE]

For each name: samples tried (PyTorch's, and those of `tinyattn gradcheck` run on both libraries), and on how many values,
gradients and gradients of gradients agree; bad inputs tried (PyTorch's, and any value in any place of a right call), and
how many were refused in our own words. Where PyTorch's function is linear or has no second derivative, none is counted. Needs PyTorch and expecttest (``pip install -e '.[parity]'``). Exit code 1 if anything
falls short.
"""
import argparse
import collections
import json
import pathlib
import sys
import warnings

HERE = pathlib.Path(__file__).resolve().parent
sys.path[:0] = [str(HERE.parent), str(HERE)]

import numpy as np  # noqa: E402
import op_samples  # noqa: E402
import torch  # noqa: E402
import torch_samples as T  # noqa: E402

import tinyattn as ta  # noqa: E402
import tinyattn.nn.functional as F  # noqa: E402
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


def own_samples(name):
    """Checks of the samples of `tinyattn gradcheck`, the same call on both libraries; of the name, or of layers of that name."""
    from parity.test_ops_torch import NO_TWIN, TWINS
    for case in op_samples.CASES:
        if case.name == name and name not in NO_TWIN:
            theirs = TWINS.get(f"{case.name} {case.label}") or TWINS.get(case.name) or case.call
            yield lambda case=case, theirs=theirs: T.check_case(case, theirs)


def own_bad_inputs(name):
    """Checks of wrong calls: any value in any place of a right call."""
    from test_garbage import CALLS, public, variations
    if name not in CALLS:
        return
    function = public()[name]
    for _, args, options in variations(name, function):
        def check(args=args, options=options):
            with kernels.use("reference"):
                try:
                    function(*args, **options)
                except Exception as error:
                    return "" if T.is_ours(error) else f"bare {type(error).__name__}: {error}"
            raise T.OutOfScope("a right call after all")
        yield check


def of_function(name, every):
    """Counts and problems of one function: PyTorch's samples and ours, on the rung in use."""
    checks, bad = list(own_samples(name)), list(own_bad_inputs(name))
    for own_name, op in T.OPERATIONS.values():
        if own_name == name:
            checks += [lambda s=s, op=op: T.check_sample(name, op, s) for s in T.samples(op)[::every]]
            bad += [lambda s=s: T.is_answered(name, s) for s, _ in T.bad_inputs(op)]
    done, wrong = tried(checks)
    more, worse = refused(bad)
    return done + more, wrong + worse


def of_layer(name, every):
    """Counts and problems of one layer."""
    info = T.LAYERS.get(f"nn.{name}")
    if info is None:
        return tried([lambda c=c: T.check_layer_case(c) for c in op_samples.LAYERS if c.name == name])
    done, wrong = tried([lambda s=s, t=t: T.check_layer(info, s, t) for t in (True, False) for s in T.layer_samples(info, t)[::every]])
    bad = T.bad_layers(info) if info.module_error_inputs_func else []
    more, worse = refused([lambda s=s: T.is_layer_answered(info, s) for s in bad])
    return done + more, wrong + worse


def of_optimizer(name, every):
    """Counts and problems of one optimizer: 50 steps of each of PyTorch's samples."""
    info = T.OPTIMIZERS[name]
    done, wrong = tried([lambda s=s: T.check_optimizer(info, s) for s in T.optimizer_samples(info)[::every]])
    more, worse = refused([lambda s=s: T.optimizer_is_answered(info, s) for s in info.optim_error_inputs_func("cpu", torch.float64)])
    return done + more, wrong + worse


KINDS = {
    "functions": (of_function, sorted({name for name, _ in T.OPERATIONS.values()} | {case.name for case in op_samples.CASES
                                                                                     if hasattr(F, case.name) or hasattr(ta, case.name)})),
    "layers": (of_layer, sorted({n.removeprefix("nn.") for n in T.LAYERS} | {c.name for c in op_samples.LAYERS if hasattr(torch.nn, c.name)})),
    "optimizers": (of_optimizer, sorted(T.OPTIMIZERS)),
}
"""What is measured: how, and the names."""

LISTED = {
    "tinyattn": """tensor zeros ones full arange randn rand zeros_like ones_like no_grad manual_seed set_num_threads Tensor grad exp log
        sqrt abs sin cos tanh sigmoid clamp maximum minimum where sum mean prod amax amin max min argmax argmin var std sort topk
        reshape view flatten transpose permute squeeze unsqueeze expand repeat cat stack split chunk gather index_select masked_fill
        matmul cumsum flip tril triu einsum""",
    "tinyattn.Tensor": """data grad shape ndim dtype device T requires_grad requires_grad_ numpy item tolist detach clone contiguous size
        backward register_hook to __array__ __dlpack__ __repr__ __add__ __sub__ __mul__ __truediv__ __pow__ __matmul__ __eq__ __lt__
        __getitem__ __setitem__ exp log sqrt abs sin cos tanh sigmoid clamp maximum minimum where sum mean prod amax amin max min argmax
        argmin var std sort topk reshape view flatten transpose permute squeeze unsqueeze expand repeat split chunk gather index_select
        masked_fill matmul cumsum flip tril triu""",
    "tinyattn.nn.functional": """relu leaky_relu elu gelu silu sigmoid tanh softplus softmax log_softmax linear conv1d conv2d
        conv_transpose2d max_pool2d avg_pool2d adaptive_avg_pool2d adaptive_max_pool2d batch_norm layer_norm group_norm dropout embedding
        cross_entropy nll_loss mse_loss l1_loss smooth_l1_loss binary_cross_entropy_with_logits scaled_dot_product_attention interpolate
        grid_sample affine_grid pad unfold fold normalize one_hot""",
    "tinyattn.nn": """Module Parameter Sequential ModuleList MultiheadAttention ReLU LeakyReLU ELU GELU SiLU Sigmoid Tanh Softplus Softmax
        LogSoftmax Linear Conv1d Conv2d ConvTranspose2d MaxPool2d AvgPool2d AdaptiveAvgPool2d AdaptiveMaxPool2d BatchNorm1d BatchNorm2d
        LayerNorm GroupNorm Dropout Embedding CrossEntropyLoss NLLLoss MSELoss L1Loss SmoothL1Loss BCEWithLogitsLoss Upsample
        ConstantPad2d ZeroPad2d ReflectionPad2d ReplicationPad2d CircularPad2d Unfold Fold Flatten GRUCell LSTMCell GRU LSTM""",
    "tinyattn.nn.init": """uniform_ normal_ trunc_normal_ constant_ ones_ zeros_ eye_ dirac_ xavier_uniform_ xavier_normal_ kaiming_uniform_
        kaiming_normal_ orthogonal_ sparse_ calculate_gain""",
    "tinyattn.nn.utils": "clip_grad_norm_ clip_grad_value_",
    "tinyattn.optim": "SGD Adam AdamW RMSprop Lion Muon StepLR MultiStepLR CosineAnnealingLR OneCycleLR LinearLR LambdaLR",
    "tinyattn.optim.swa_utils": "AveragedModel",
}
"""The names that this library means to have of PyTorch's core (beside many that it has)."""


def missing():
    """The names of the list that are not here, with their rooms; and how many names there are."""
    absent, count = [], 0
    for room, names in LISTED.items():
        place = ta
        for part in room.split(".")[1:]:
            place = getattr(place, part)
        example = place(np.zeros(1, np.float32)) if room == "tinyattn.Tensor" else place
        for name in names.split():
            count += 1
            if not hasattr(example, name):
                absent.append(f"{room}.{name}")
    return absent, count


def main():
    """Print the table."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("names", nargs="*", metavar="NAME")
    parser.add_argument("--rung", default="cpu", choices=[*kernels.HOST_RUNGS, "both"])
    parser.add_argument("--every", type=int, default=1, metavar="N", help="only every Nth sample")
    parser.add_argument("--details", action="store_true", help="say what differs")
    parser.add_argument("--json", metavar="FILE", help="write the sums to FILE")
    args = parser.parse_args()
    warnings.simplefilter("ignore")
    rungs = kernels.HOST_RUNGS if args.rung == "both" else (args.rung,)
    known = {name for _, names in KINDS.values() for name in names}
    for name in args.names:
        if name not in known:
            parser.error(f"no samples of {name!r}; there are samples of {' '.join(sorted(known))}")
    columns = ("tried", "values", "first", "second", "left out", "bad", "bad answered")
    print(f"{'':<34}" + "".join(f"{c:>13}" for c in columns))
    total, short = collections.defaultdict(collections.Counter), 0
    for rung in rungs:
        with kernels.use(rung):
            for kind, (measure, names) in KINDS.items():
                for name in [n for n in names if not args.names or n in args.names]:
                    done, wrong = measure(name, args.every)
                    complete = done["tried"] == done["right"] and done["bad"] == done["bad answered"]
                    total[kind, rung].update(done)
                    total[kind, rung].update(["names", *["complete"] * complete])
                    short += not complete
                    print(f"{name:<34}" + "".join(f"{done[c]:>13}" for c in columns) + ("" if complete else "   ← falls short"), flush=True)
                    for what, count in wrong.items() if args.details else ():
                        print(f"        {count} × {what}")
    print()
    for (kind, rung), done in total.items():
        title = f"{done['complete']} of {done['names']} {kind}, {rung}"
        print(f"{title:<34}" + "".join(f"{done[c]:>13}" for c in columns))
    if not args.names:
        absent, count = missing()
        print(f"{count - len(absent)} of the {count} names that are meant to be here are" + (f"; not {', '.join(absent)}" if absent else ""))
    if args.json:
        rows = [{"kind": kind, "rung": rung, **{c: done[c] for c in ("names", "complete", *columns)}} for (kind, rung), done in total.items()]
        pathlib.Path(args.json).write_text(json.dumps({"torch": torch.__version__, "rows": rows}, indent=1) + "\n", encoding="utf-8")
    return 1 if short or not args.names and absent else 0


if __name__ == "__main__":
    sys.exit(main())
