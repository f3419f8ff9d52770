"""Random layers on both libraries: random arguments and inputs, the state copied over, two calls in a row in both modes."""
import os
import warnings

import numpy as np
import pytest

torch = pytest.importorskip("torch")
pytest.importorskip("expecttest", reason="PyTorch's own samples need it: pip install -e '.[parity]'")

import torch_samples as T  # noqa: E402
from answers import is_ours  # noqa: E402
from random_calls import Dice  # noqa: E402

import tinyattn as ta  # noqa: E402

CALLS = int(os.environ.get("TINYATTN_RANDOM_CALLS", 12))
SEED = int(os.environ.get("TINYATTN_RANDOM_SEED", 0))
F64 = (torch.float64,)


def image(d, channels, dims, batch=(1, 3)):
    """(N, C, …) as a rule, now and then without N."""
    return d.tensor(((d.number(*batch),) if d.chance(0.85) else ()) + (channels, *(d.number(1, 8) for _ in range(dims))), F64)


def conv(dims, transposed=False):
    def draw(d):
        groups = d.pick(1, 1, 2, 3)
        c, k = groups * d.number(1, 2), groups * d.number(1, 2)
        options = d.options(stride=lambda: d.one_or_more(dims, 1, 2), padding=lambda: d.one_or_more(dims, 0, 2), dilation=lambda: d.one_or_more(dims, 1, 2),
                            bias=(True, False)) | {"groups": groups}
        if transposed:
            options |= d.options(output_padding=lambda: d.one_or_more(dims, 0, 1))
        else:
            options |= d.options(padding_mode=("zeros", "reflect", "replicate", "circular"))
            if d.chance(0.2):
                options |= {"padding": d.pick("same", "valid"), "stride": 1}
        return (c, k, d.one_or_more(dims, 1, 3)), options, (image(d, c, dims),)
    return draw


def norm(dims, instance=False):
    def draw(d):
        c = d.number(1, 4)
        n = () if instance and d.chance(0.2) or dims == 0 else (d.number(1, 3),)
        # in plain order: where the strides of axes of length 1 are odd, PyTorch's gradient is another one
        shape = (*n, c, *(d.number(1, 5) for _ in range(dims)))
        if dims == 0:
            shape = d.pick((d.number(1, 4), c), (d.number(1, 3), c, d.number(1, 5)))
        return (c,), d.options(eps=(1e-5, 0.1), momentum=(0.1, 0.5, None), affine=(True, False), track_running_stats=(True, False)), (d.plain(shape, F64),)
    return draw


def pool(dims, maximum):
    def draw(d):
        options = d.options(stride=lambda: d.one_or_more(dims, 1, 3), padding=lambda: d.one_or_more(dims, 0, 1), ceil_mode=(True, False))
        options |= d.options(dilation=lambda: d.one_or_more(dims, 1, 2), return_indices=(True, False)) if maximum else d.options(count_include_pad=(True, False))
        return (d.one_or_more(dims, 1, 3),), options, (image(d, d.number(1, 3), dims),)
    return draw


def recurrent(lstm):
    def draw(d):
        i, h = d.number(1, 4), d.number(1, 4)
        options = d.options(num_layers=(1, 2), bias=(True, False), batch_first=(True, False), bidirectional=(True, False))
        if lstm and h > 1:
            options |= d.options(proj_size=lambda: d.number(1, h - 1))
        return (i, h), options, (d.tensor((*(d.number(1, 4) for _ in range(d.pick(1, 2, 2))), i), F64),)
    return draw


def attention(d):
    heads = d.pick(1, 2, 3)
    width, t, s, n = heads * d.number(1, 3), d.number(1, 4), d.number(1, 4), d.pick((), (2,))
    options = d.options(bias=(True, False), batch_first=(True, False), add_bias_kv=(True, False), add_zero_attn=(True, False))

    def tokens(count):
        return d.tensor((*n, count, width) if options.get("batch_first") else (count, *n, width), F64)
    def hidden(shape):
        mask = torch.from_numpy(np.asarray(d.random.random(shape) < 0.3))
        mask[..., 0] = False                  # who may see nothing sees 0 here, and NaN in PyTorch
        return mask
    key = tokens(s)
    forward = {"need_weights": d.chance()} | d.options(average_attn_weights=(True, False))
    if d.chance(0.4):
        forward["attn_mask"] = d.pick(hidden((t, s)), d.values((t, s), torch.float64))
    if d.chance(0.3):
        forward["key_padding_mask"] = hidden((*n, s))
    return (width, heads), options, (tokens(t), key, key), forward


def of_shape(*args, low=1, high=4, **choices):
    return lambda d: (tuple(a(d) if callable(a) else a for a in args), d.options(**choices), (d.tensor(d.shape(low, high, 1), F64),))


def linear(d):
    i = d.number(1, 5)
    return (i, d.number(1, 5)), d.options(bias=(True, False)), (d.tensor((*d.shape(0, 3), i), F64),)


def layer_norm(d):
    shape = d.shape(1, 4, 1)
    own = shape[d.number(0, len(shape) - 1):]
    return (own,), d.options(eps=(1e-5, 0.1), elementwise_affine=(True, False), bias=(True, False)), (d.tensor(shape, F64),)


def group_norm(d):
    groups = d.number(1, 3)
    c = groups * d.number(1, 3)
    return (groups, c), d.options(eps=(1e-5, 0.1), affine=(True, False)), (d.tensor((d.number(1, 3), c, *d.shape(0, 3, 1)), F64),)


def embedding(d):
    rows = d.number(1, 6)
    return (rows, d.number(1, 4)), d.options(padding_idx=lambda: d.number(-rows, rows - 1), max_norm=(None, 0.7), scale_grad_by_freq=(True, False)), (
        d.integers(d.shape(0, 3), 0, rows),)


def adaptive(dims):
    return lambda d: ((d.one_or_more(dims, 1, 6),), {}, (image(d, d.number(1, 3), dims),))


LAYERS = {
    "Linear": linear, "Conv1d": conv(1), "Conv2d": conv(2), "ConvTranspose1d": conv(1, True), "ConvTranspose2d": conv(2, True),
    "BatchNorm1d": norm(0), "BatchNorm2d": norm(2), "BatchNorm3d": norm(3), "InstanceNorm1d": norm(1, True), "InstanceNorm2d": norm(2, True),
    "LayerNorm": layer_norm, "GroupNorm": group_norm, "MaxPool1d": pool(1, True), "MaxPool2d": pool(2, True), "AvgPool1d": pool(1, False),
    "AvgPool2d": pool(2, False), "RNN": recurrent(False), "LSTM": recurrent(True), "GRU": recurrent(False), "MultiheadAttention": attention,
    "Embedding": embedding, **{f"Adaptive{kind}Pool{dims}d": adaptive(dims) for kind in ("Avg", "Max") for dims in (1, 2)},
    "PReLU": lambda d: ((), d.options(init=(0.1, 0.5)), (d.tensor(d.shape(1, 4, 1), F64),)), "Flatten": of_shape(start_dim=(0, 1), end_dim=(-1, 0, 1)),
    "Softmax": of_shape(lambda d: d.pick(0, -1, 1)), "LogSoftmax": of_shape(lambda d: d.pick(0, -1, 1)), "ELU": of_shape(alpha=(0.5, 2.0)), "GELU": of_shape(approximate=("none", "tanh")),
    "LeakyReLU": of_shape(negative_slope=(0.1, 0.3)), "Softplus": of_shape(beta=(1.0, 2.0), threshold=(20.0, 1.0)), "Dropout": of_shape(lambda d: d.pick(0.0, 1.0)),
}
EMPTY = ("the output would be empty", "leaves nothing of")
"""PyTorch now and then gives images without a pixel."""


def difference(name, seed):
    """(what is wrong, the call), "" if nothing."""
    d = Dice(np.random.default_rng([SEED, seed, *name.encode()]))
    args, options, inputs, forward = (*LAYERS[name](d), {})[:4]
    call = f"{name}{args} {options} {[tuple(x.shape) for x in inputs]} {list(forward)}"
    training = d.chance()
    try:
        theirs = getattr(torch.nn, name)(*args, **options).double().train(training)
        with torch.no_grad():
            expected = [theirs(*inputs, **forward)]
    except Exception as refused:
        try:
            ours = getattr(ta.nn, name)(*args, **options).double().train(training)
            ours(*T.convert(inputs), **T.convert(forward))
        except Exception as error:
            return ("" if is_ours(error) else f"bare {error!r}"), call
        return f"accepted; PyTorch: {refused!r}", call
    theirs = getattr(torch.nn, name)(*args, **options).double().train(training)
    inputs = T.fresh(inputs)
    try:
        ours = getattr(ta.nn, name)(*args, **options).double().train(training)
        assert list(ours.state_dict()) == list(theirs.state_dict()), "other state"
        ours.load_state_dict({k: v.numpy() for k, v in theirs.state_dict().items()})
        for _ in range(2):
            leaves = []
            with torch.nn.attention.sdpa_kernel(torch.nn.attention.SDPBackend.MATH):
                made, expected = T._tensors(ours(*T.convert(inputs, leaves), **T.convert(forward))), T._tensors(theirs(*inputs, **forward))
            leaves += list(zip(ours.parameters(), theirs.parameters(), strict=True))
            T.compare_all(made, expected, leaves, second=False)
            for key, value in theirs.state_dict().items():
                T.compare(ours.state_dict()[key], value, 1e-9, key)
    except Exception as error:
        words = f"{type(error).__name__}: {error}"
        return ("" if any(part in words for part in EMPTY) else words), call
    return "", call


@pytest.mark.filterwarnings("ignore")
@pytest.mark.parametrize("name", LAYERS)
def test_random_layers(name):
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        found = [(what, call) for what, call in (difference(name, i) for i in range(CALLS)) if what]
    assert not found, f"{len(found)} of {CALLS} differ:\n" + "\n".join(f"{what[:300]}\n    {call}" for what, call in found[:6])
