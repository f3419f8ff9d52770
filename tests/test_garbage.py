"""Any value in any place: every function either works or says in our own words what it wanted.

Each public function has one right call below; then each of its arguments in turn is replaced by each of many values.
"""
import inspect
import itertools
import warnings

import numpy as np
import pytest
from answers import is_ours

import tinyattn as ta
import tinyattn.nn.functional as F
from tinyattn import kernels


def x(*shape):
    return ta.Tensor(np.ones(shape, np.float32))


def i(*shape):
    return ta.Tensor(np.zeros(shape, np.int64))


ANY = {"None": None, "a string": "a", "a list": [1.0, 2.0], "3": 3, "-1": -1, "0": 0, "0.5": 0.5, "NaN": float("nan"), "10³⁰": 10 ** 30,
       "an array": np.zeros((2, 3), np.float32), "()": x(), "(2,)": x(2), "ints (2,)": i(2), "(2, 3)": x(2, 3), "a mask": x(2, 3) > 0,
       "an image": x(2, 3, 4, 4), "float64": x(2, 3).double(), "empty": x(0, 3), "a pair": (1, 2), "object": object(), "True": True,
       "a complex": 1j, "a class": float}

IMAGE, TOKENS = x(1, 2, 5, 5), x(2, 3, 4)
RIGHT = {
    "abs add ceil clone cos div eq erf exp floor ge gt isfinite isnan le log log1p logical_and logical_not logical_or lt maximum "
    "minimum mul ne neg pow reciprocal relu round rsqrt sigmoid sign sin sqrt square sub tanh tril triu zeros_like ones_like "
    "all amax amin any argmax argmin max mean min prod std sum var flatten squeeze "
    "elu gelu leaky_relu silu softplus dropout normalize logical_xor isinf floor_divide remainder trunc norm rand_like randn_like allclose equal isclose glu hardsigmoid "
    "hardswish hardtanh logsigmoid mish relu6 selu cosine_similarity": None, "prelu": [x(2, 3), x(3)], "logsumexp": [x(2, 3), 1],
    "binary_cross_entropy kl_div huber_loss": [x(2, 3), x(2, 3)],
    "conv2d": [IMAGE, x(2, 2, 3, 3)], "conv1d": [x(1, 2, 5), x(2, 2, 3)], "max_pool2d": [IMAGE, 2], "avg_pool2d": [IMAGE, 2],
    "conv_transpose2d": [IMAGE, x(2, 2, 3, 3)], "conv_transpose1d": [x(1, 2, 5), x(2, 2, 3)], "dropout1d": [x(2, 3)], "dropout2d": [IMAGE],
    "max_pool1d avg_pool1d adaptive_avg_pool1d adaptive_max_pool1d": [x(1, 2, 5), 2], "instance_norm": [IMAGE],
    "adaptive_avg_pool2d adaptive_max_pool2d": [IMAGE, 2], "batch_norm": [x(4, 2), x(2), x(2)], "layer_norm": [x(2, 3), 3], "group_norm": [x(2, 3), 3],
    "cross_entropy nll_loss": [x(2, 3), i(2)], "mse_loss l1_loss smooth_l1_loss binary_cross_entropy_with_logits": [x(2, 3), x(2, 3)],
    "linear": [x(2, 3), x(4, 3)], "matmul": [x(2, 3), x(3, 2)], "einsum": ["ij,jk", x(2, 3), x(3, 2)], "embedding": [i(2), x(4, 2)],
    "one_hot": [i(2)], "scaled_dot_product_attention": [TOKENS, TOKENS, TOKENS], "additive_scores": [TOKENS, TOKENS, x(4)], "weighted_sum": [[TOKENS, TOKENS], x(2)], "pool_pixels": [IMAGE], "pool_channels": [IMAGE], "energy_gate": [IMAGE],
    "apply_gates attention_gate": [IMAGE], "pad": [IMAGE, (1, 2)], "interpolate": [IMAGE, 3], "unfold": [IMAGE, 2],
    "fold": [x(1, 8, 16), 5, 2], "grid_sample": [IMAGE, x(1, 3, 4, 2)], "affine_grid": [x(1, 2, 3), (1, 1, 3, 4)], "softmax log_softmax cumsum unsqueeze flip": [x(2, 3), 1], "full": [(2,), 1.0], "arange eye": [3],
    "zeros ones rand randn": [2, 3], "cat stack": [[x(2), x(2)]], "chunk split": [x(4), 2], "transpose": [x(2, 3), 0, 1],
    "permute": [x(2, 3), 1, 0], "reshape view": [x(2, 3), 3, 2], "swapaxes swapdims movedim moveaxis": [x(2, 3), 0, 1], "select": [x(2, 3), 0, 1],
    "narrow": [x(2, 3), 0, 1, 1], "t unbind diagonal ravel contiguous": [x(2, 3)], "expand broadcast_to": [x(2, 1), 2, 3],
    "expand_as view_as reshape_as": [x(2, 3), x(2, 3)], "repeat tile": [x(2, 3), 2, 1], "unflatten": [x(2, 4), 1, (2, 2)], "sort argsort": [x(2, 3)],
    "topk": [x(2, 3), 1], "scatter scatter_add": [x(2, 3), 0, i(2, 3), x(2, 3)], "masked_select": [x(2, 3), x(2, 3) > 0], "mm": [x(2, 3), x(3, 2)],
    "bmm": [TOKENS, x(2, 4, 3)], "mv": [x(2, 3), x(3)], "dot outer": [x(2), x(2)], "gather": [x(2, 3), 0, i(2, 3)], "index_select": [x(2, 3), 0, i(2)],
    "clamp": [x(2), 0.0], "where": [x(2) > 0, x(2), x(2)], "masked_fill": [x(2), x(2) > 0, 0.0], "grad": [x(2), x(2)], "tensor": [1.0],
    "full_like": [x(2), 1.0], "linspace": [0, 1, 3], "randint": [3, 9, (2,)], "randperm": [3], "empty": [2, 3], "as_tensor": [1.0], "from_numpy": [np.ones(2)], "from_dlpack": [np.ones(2)],
}
CALLS = {name: args for names, args in RIGHT.items() for name in names.split()}
NOT_HERE = {"manual_seed", "get_rng_state", "set_rng_state", "set_num_threads", "get_num_threads", "is_grad_enabled", "is_tensor"}


def public():
    """Name → function, of `tinyattn` and `nn.functional`."""
    found = {n: getattr(F, n) for n in F.__all__}
    found.update((n, f) for n, f in vars(ta).items() if inspect.isfunction(f) and not n.startswith("_"))
    return {n: f for n, f in found.items() if n not in NOT_HERE}


def variations(name, function):
    """(what was changed, args, options): the right call with one or, for two tensors, both first arguments replaced."""
    parameters = inspect.signature(function).parameters.values()
    needed = [p for p in parameters if p.default is p.empty and p.kind == p.POSITIONAL_OR_KEYWORD]
    args = CALLS[name] if CALLS[name] is not None else [x(2, 3)] * len(needed)
    yield "nothing", args, {}
    for place, (what, value) in itertools.product(range(len(args)), ANY.items()):
        yield f"argument {place} is {what}", [*args[:place], value, *args[place + 1:]], {}
    for p, (what, value) in itertools.product(list(parameters)[len(args):], ANY.items()):
        truth_of_an_array = isinstance(p.default, bool) and isinstance(value, np.ndarray)      # Python asks that, not we
        if p.kind in (p.POSITIONAL_OR_KEYWORD, p.KEYWORD_ONLY) and not truth_of_an_array:
            yield f"{p.name} is {what}", args, {p.name: value}
    for (what, one), (other, two) in itertools.product(ANY.items(), repeat=2) if len(needed) > 1 and len(args) > 1 else ():
        yield f"arguments are {what} and {other}", [one, two, *args[2:]], {}


def test_every_function_is_here():
    assert set(public()) == set(CALLS)


@pytest.mark.parametrize("name", sorted(CALLS))
def test_no_bare_errors(name):
    function, answered = public()[name], 0
    bare = []
    with kernels.use("reference"), warnings.catch_warnings():
        warnings.simplefilter("ignore")              # NaN and infinity are values too
        for what, args, options in variations(name, function):
            try:
                function(*args, **options)
            except Exception as error:
                answered += 1
                if not is_ours(error) and not (what == "nothing" and name == "grad"):
                    bare.append(f"{what}: {type(error).__name__}: {str(error)[:90]}")
    assert not bare, f"{len(bare)} bare errors of {name}, such as\n" + "\n".join(bare[:8])
    assert answered >= 3
