"""Random calls of every function on both libraries: outcome, dtype, shape, values, first and second gradients.

``TINYATTN_RANDOM_CALLS=5000 python -m pytest tests/parity/test_random_calls.py`` looks longer; TINYATTN_RANDOM_SEED elsewhere.
"""
import os
import warnings

import numpy as np
import pytest
from answers import is_ours

torch = pytest.importorskip("torch")
pytest.importorskip("expecttest", reason="PyTorch's own samples need it: pip install -e '.[parity]'")

import random_calls as R  # noqa: E402
import torch_samples as T  # noqa: E402

import tinyattn as ta  # noqa: E402
import tinyattn.nn.functional as F  # noqa: E402

CALLS = int(os.environ.get("TINYATTN_RANDOM_CALLS", 12))
SEED = int(os.environ.get("TINYATTN_RANDOM_SEED", 0))

EMPTY = [("the output would be empty", "PyTorch now and then gives images without a pixel")]
CRUDE = [("PyTorch: IndexError: select()", "PyTorch stumbles over no channels, or no images, in some of its ways only")]
SINGULAR = [("NaN in different places", "derivatives at poles, where each formula gives its own ∞ − ∞")]
CORNERS = [("second gradient 0: differs by", "second derivatives at corners, which numbers with ties hit")]
ON_PURPOSE = {
    **dict.fromkeys(("max_pool1d", "max_pool2d"), [("nothing but padding", "PyTorch gives −∞, and the index of a pixel that is not there")]),
    "conv_transpose1d": EMPTY, "conv_transpose2d": EMPTY, "batch_norm": CRUDE, "instance_norm": CRUDE,
    "clamp": [("gradient", "where min and max are equal, PyTorch's gradient goes to neither")],
    "prelu": CORNERS, "smooth_l1_loss": CORNERS, "huber_loss": CORNERS, "norm": SINGULAR, "l1_loss": SINGULAR,
    "std": [("e+1", "derivatives of the deviation of equal numbers")], "pad": [("leaves nothing of", "PyTorch gives an image without a pixel")],
    "hardsigmoid": [("e-08 of the largest", "PyTorch's 1/6 is a float32 there, also in float64")],
    "logsumexp": [("doesn't match the broadcast shape [1", "PyTorch takes dim=() for all axes, but not for every input")],
    **dict.fromkeys(("setitem", "getitem"), [("is out of range", "PyTorch does not look at an index where nothing can be picked")]),
    "in_place": SINGULAR, "div": SINGULAR, "pow": SINGULAR, "cosine_similarity": SINGULAR, "normalize": SINGULAR,
}
"""name → [(part of what is found, reason)]: differences that are meant."""


def our_function(name):
    if name in R.CALLS:
        return R.CALLS[name]
    for room in (F, ta, ta.Tensor):
        if hasattr(room, name):
            return getattr(room, name)
    raise AttributeError(name)


def _last_room(error):
    """The module whose line raised it."""
    last = error.__traceback__
    while last.tb_next is not None:
        last = last.tb_next
    return last.tb_frame.f_globals.get("__name__", "")


def difference(name, arguments, options):
    """What is wrong with our answer, "" if nothing."""
    ours, theirs = our_function(name), R.their_function(name)
    arguments, options = T.fresh(arguments), T.fresh(options)
    try:
        with torch.no_grad():
            theirs(*T.fresh(arguments), **T.fresh(options))
    except Exception as refused:
        try:
            made = ours(*T.convert(arguments), **T.convert(options))
        except Exception as error:
            return "" if is_ours(error) else f"bare {type(error).__name__}: {error}"
        shape = [tuple(y.shape) for y in T._tensors(made) if hasattr(y, "shape")]
        return f"accepted, giving {shape}; PyTorch: {type(refused).__name__}: {refused}"
    narrow = any(getattr(x, "dtype", None) == torch.float32 or x is torch.float32 for x in (*T._tensors(arguments), *options.values()))
    for second in (not narrow, False):
        try:
            with torch.nn.attention.sdpa_kernel(torch.nn.attention.SDPBackend.MATH):
                T.check_call(ours, theirs, arguments, options, second=second, tolerance=1e-4 if narrow else 1e-9)
        except Exception as error:
            if not is_ours(error) and _last_room(error).split(".")[0] == "torch":     # PyTorch's own gradient fails
                continue
            return f"{type(error).__name__}: {error}"
        break
    return ""


def told(value):
    """An argument in short."""
    if isinstance(value, torch.Tensor):
        return f"{str(value.dtype)[6:]}{list(value.shape)}" + ("" if value.is_contiguous() else f"/{value.stride()}") + ("" if value.requires_grad else " const")
    if isinstance(value, (tuple, list)):
        return "(" + ", ".join(map(told, value)) + ")"
    return repr(value)


def differences(name, calls, seed=SEED):
    """All of them among so many calls: (what, the call)."""
    found = []
    with warnings.catch_warnings(), np.errstate(all="ignore"):
        warnings.simplefilter("ignore")
        for i in range(calls):
            arguments, options = R.draw(name, np.random.default_rng([seed, i, *name.encode()]))
            what = difference(name, arguments, options)
            if what and not any(part in what for part, _ in ON_PURPOSE.get(name, ())):
                found.append((what.replace("\n", " ")[:240], f"{name}{told(arguments)} " + ", ".join(f"{k}={told(v)}" for k, v in options.items())))
    return found


@pytest.mark.parametrize("name", R.GENERATORS)
def test_random_calls(name):
    found = differences(name, CALLS)
    assert not found, f"{len(found)} of {CALLS} calls differ:\n" + "\n".join(f"{what}\n    {call}" for what, call in found[:8])
