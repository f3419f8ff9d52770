"""Recording looks on: with it the result is the same to the last bit, without it nothing is computed, copied or kept."""
import numpy as np
import pytest

import tinyattn as ta
from tinyattn import models, ops, viz
from tinyattn.autograd import Function
from tinyattn.nn import functional as F
from tinyattn.nn.attention import GATES

PAIRS = [(name, gate) for name in models.MODELS for gate in (GATES if name in models.HAS_GATES else ["none"])]
SOME = [(name, gate) for name, gate in PAIRS if name == "attention_cnn" or gate in ("none", "cbam")]  # each gate, and each model


def build(name, gate):
    ta.manual_seed(0)
    model = models.create(name, in_channels=1, num_classes=5, image_size=28, attention=gate)
    for p in model.parameters():  # a gate may begin as a constant, self-attention as nothing
        if not p.data.any():
            p.data[...] = np.random.default_rng(0).standard_normal(p.shape) * 0.1
    return model


def step(model):
    """Scores and gradients of a training step."""
    ta.manual_seed(1)  # dropout
    x = ta.tensor(np.random.default_rng(1).standard_normal((3, 1, 28, 28)).astype(np.float32))
    scores = model(x)
    wanted = [p for p in model.parameters() if p.requires_grad]
    return [scores, *ta.grad(F.cross_entropy(scores, ta.tensor([0, 1, 4])), wanted)]


@pytest.fixture
def operations(monkeypatch):
    """The names of the operations that run, in order, and of what only a recording asks for."""
    names, apply, weights = [], Function.apply.__func__, ops.attention.attention_weights

    def spy(cls, *inputs, **attributes):
        names.append((cls.__name__, attributes.get("maps") is not None))
        return apply(cls, *inputs, **attributes)

    def asked(*arguments):
        names.append(("the whole matrix of weights", True))
        return weights(*arguments)
    monkeypatch.setattr(Function, "apply", classmethod(spy))
    monkeypatch.setattr(ops.attention, "attention_weights", asked)
    return names


@pytest.mark.parametrize("name, gate, training", [*((*pair, True) for pair in PAIRS), *((*pair, False) for pair in SOME)])
def test_the_result_is_the_same_to_the_last_bit(name, gate, training):
    plain, watched = build(name, gate).train(training), build(name, gate).train(training)
    expected = step(plain)
    with viz.record(watched) as recording:
        found = step(watched)
    assert [a.data.tobytes() for a in expected] == [b.data.tobytes() for b in found]
    attends = [path for path, module in plain.named_modules() if hasattr(module, "record_attention")]
    assert list(recording.maps) == attends
    for maps in recording.maps.values():
        for kind, values in maps.items():
            assert kind in viz.kinds.KINDS and len(values) == 3 and np.isfinite(values).all()


@pytest.mark.parametrize("name, gate", SOME)
def test_nothing_is_done_when_it_is_off(name, gate, operations):
    model = build(name, gate)
    step(model)
    before = operations.copy()
    with viz.record(model):
        step(model)
    operations.clear()
    step(model)
    assert operations == before and not any(asks for _, asks in before)
    assert all(getattr(module, "attention_maps", {}) == {} and not getattr(module, "record_attention", False)
               for module in model.modules())


def test_the_spy_sees_a_recording(operations):
    model = build("attention_cnn", "cbam")
    with viz.record(model):
        step(model)
    assert {kind for kind, asks in operations if asks} >= {"AttentionGateFunction", "AttentionPoolFunction"}
    operations.clear()
    model = build("resnet8", "self")
    with viz.record(model):
        step(model)
    assert ("the whole matrix of weights", True) in operations


def test_a_recording_keeps_what_it_saw_and_the_model_nothing():
    model = build("attention_cnn", "se").eval()
    x = ta.randn(2, 1, 28, 28)
    with viz.record(model) as outer:
        model(x)
        first = outer.maps
        with viz.record(model) as inner:
            model(x * 2)
        assert outer.maps.keys() == first.keys()
        np.testing.assert_array_equal(outer.maps["pool"]["pool"], first["pool"]["pool"])
    model(x * 3)
    assert outer.maps.keys() == inner.maps.keys()
    assert (outer.maps["stages.0.gate"]["channel"] != inner.maps["stages.0.gate"]["channel"]).any()
    assert [path for path, _ in outer.of_kind("channel")] == ["stages.0.gate", "stages.1.gate", "stages.2.gate"]


def test_an_error_ends_the_recording():
    model = build("attention_cnn", "se")
    with pytest.raises(ValueError):
        with viz.record(model):
            model(ta.zeros(2, 3, 28, 28))
    assert not any(getattr(module, "record_attention", False) for module in model.modules())
