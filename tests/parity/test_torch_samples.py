"""Every function and layer on the samples that PyTorch's own developers wrote, bad ones too (see torch_samples.py).

``python tests/breadth.py --details NAME`` says what differs.
"""
import pytest

torch = pytest.importorskip("torch")
pytest.importorskip("expecttest", reason="PyTorch's own samples need it: pip install -e '.[parity]'")

import torch_samples as T  # noqa: E402

from tinyattn import kernels  # noqa: E402

WRAPS = "does not fit into uint8"
LEFT_OUT = {
    **dict.fromkeys(("sort", "argsort", "topk"), ("differs in ", "PyTorch leaves the order of equal numbers open; here they keep the order "
                                                  "they came in (test_index_torch.py compares with stable=True)")),
    "full_like": ("must fit into uint8", "PyTorch lets a number that does not fit wrap around without a word"),
    **{name: ("gradient 0: NaN in different places", "at a NaN, PyTorch's vector loop and its loop over the rest give different gradients")
       for name in ("elu", "selu")},
    **{name: ("gradient 0: differs by", "likewise; and hardsigmoid's sixth is a float32 in PyTorch") for name in ("hardtanh", "relu6", "hardsigmoid")},
    **{name: ("output 0: differs in 8 of 50", "which of two whole numbers a value becomes depends here on its last bit")
       for name in ("linspace", "linspace tensor_overload")},
    "remainder": (("derivative for aten::remainder is not implemented", "gradient 0: NaN in different places"),
                  "PyTorch does not differentiate by every second argument, and 0 · ∞ is NaN here"),
    "add": (WRAPS, "PyTorch lets a number that does not fit wrap around without a word"), "sub": (WRAPS, "likewise"),
    **{name: ("must be float32 or float64, got ", "PyTorch convolves, multiplies and pools integers too, slowly; here they are to be converted")
       for name in ("conv1d", "conv2d", "conv_transpose2d", "avg_pool2d", "max_pool2d")},
    **{f"interpolate {mode}": ("must be float32 or float64, got uint8", "PyTorch weighs bytes with weights rounded to integers, and rounds "
                               "after each axis; here they are to be converted") for mode in ("bilinear", "bicubic")},
}
"""Samples that differ on purpose, by title: part of the message (or several), and the reason."""
OTHERS = (torch.int64, torch.int32, torch.int8, torch.uint8, torch.bool)


def _wrong(checks, title):
    """What differs, beyond what is left out on purpose."""
    found = []
    for check in checks:
        try:
            check()
        except T.OutOfScope:
            continue
        except Exception as error:
            words = f"{type(error).__name__}: {error}"
            parts = LEFT_OUT.get(title, ((),))[0]
            if not any(part in words for part in ((parts,) if isinstance(parts, str) else parts)):
                found.append(words[:300])
    return found


@pytest.mark.filterwarnings("ignore")
@pytest.mark.parametrize("title", T.OPERATIONS)
def test_function(title):
    name, op = T.OPERATIONS[title]
    samples = T.samples(op)
    assert samples
    wrong = _wrong([lambda s=s: T.check_sample(name, op, s) for s in samples], None)     # here nothing differs on purpose
    assert not wrong, f"{len(wrong)} of {len(samples)} differ, such as\n" + "\n".join(wrong[:5])


@pytest.mark.filterwarnings("ignore")
@pytest.mark.parametrize("title", T.OPERATIONS)
def test_function_on_the_reference_rung_and_in_float32(title):
    name, op = T.OPERATIONS[title]
    samples = T.samples(op)
    some = samples[::max(1, len(samples) // 8)]
    with kernels.use("reference"):
        wrong = _wrong([lambda s=s: T.check_sample(name, op, s) for s in some], title)
    if torch.float32 in op.dtypes:
        some = T.samples(op, torch.float32)[::max(1, len(samples) // 8)]
        wrong += _wrong([lambda s=s: T.check_sample(name, op, s, second=False) for s in some], title)
    assert not wrong, "\n".join(wrong[:5])


@pytest.mark.filterwarnings("ignore")
@pytest.mark.parametrize("title", [t for t, (_, op) in T.OPERATIONS.items() if set(OTHERS) & set(op.dtypes)])
def test_integers_and_booleans(title):
    name, op = T.OPERATIONS[title]
    for dtype in set(OTHERS) & set(op.dtypes):
        samples = T.samples(op, dtype)
        wrong = _wrong([lambda s=s: T.check_sample(name, op, s) for s in samples[::max(1, len(samples) // 12)]], title)
        assert not wrong, f"{dtype}: {len(wrong)} differ, such as\n" + "\n".join(wrong[:5])


@pytest.mark.filterwarnings("ignore")
@pytest.mark.parametrize("title", [t for t, (_, op) in T.OPERATIONS.items() if torch.float64 in op.dtypes and op.reference_inputs_func])
def test_hard_values_and_odd_strides(title):
    name, op = T.OPERATIONS[title]
    try:
        samples = T.samples(op, more=True)
    except ValueError as error:         # some of PyTorch's generators ask integers for gradients
        pytest.skip(str(error))
    wrong = _wrong([lambda s=s: T.check_sample(name, op, s, second=False) for s in samples[::max(1, len(samples) // 100)]], title)
    assert not wrong, f"{len(wrong)} differ, such as\n" + "\n".join(wrong[:5])


@pytest.mark.filterwarnings("ignore")
@pytest.mark.parametrize("title", [t for t, (_, op) in T.OPERATIONS.items() if op.error_inputs_func])
def test_bad_inputs_of_a_function(title):
    name, op = T.OPERATIONS[title]
    for sample, their_words in T.bad_inputs(op):
        try:
            problem = T.is_answered(name, sample)
        except T.OutOfScope:
            continue
        assert not problem, f"{problem}\nPyTorch says: {their_words}"


@pytest.mark.filterwarnings("ignore")
@pytest.mark.parametrize("training", [True, False], ids=["training", "evaluation"])
@pytest.mark.parametrize("name", T.LAYERS)
def test_layer(name, training):
    info = T.LAYERS[name]
    samples = T.layer_samples(info, training)
    assert samples
    wrong = _wrong([lambda s=s: T.check_layer(info, s, training) for s in samples], name)
    assert not wrong, f"{len(wrong)} of {len(samples)} differ, such as\n" + "\n".join(wrong[:5])


@pytest.mark.filterwarnings("ignore")
@pytest.mark.parametrize("name", [n for n, info in T.LAYERS.items() if info.module_error_inputs_func])
def test_bad_inputs_of_a_layer(name):
    info = T.LAYERS[name]
    for bad in T.bad_layers(info):
        try:
            problem = T.is_layer_answered(info, bad)
        except T.OutOfScope:
            continue
        assert not problem, f"{problem}\nPyTorch says: {bad.error_regex}"
