"""Every function and layer on the samples that PyTorch's own developers wrote, bad ones too (see torch_samples.py).

``python tests/breadth.py --details NAME`` says what differs.
"""
import pytest

torch = pytest.importorskip("torch")
pytest.importorskip("expecttest", reason="PyTorch's own samples need it: pip install -e '.[parity]'")

import torch_samples as T  # noqa: E402

from tinyattn import kernels  # noqa: E402

LEFT_OUT = {}
"""Samples that differ on purpose, by title: part of the message, and the reason."""


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
            if LEFT_OUT.get(title, ("\0",))[0] not in words:
                found.append(words[:300])
    return found


@pytest.mark.filterwarnings("ignore")
@pytest.mark.parametrize("title", T.OPERATIONS)
def test_function(title):
    name, op = T.OPERATIONS[title]
    samples = T.samples(op)
    assert samples
    wrong = _wrong([lambda s=s: T.check_sample(name, op, s) for s in samples], title)
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
