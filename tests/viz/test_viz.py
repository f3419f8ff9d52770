"""Pictures: what is recorded is what was computed, what is drawn is where it should be."""
import subprocess
import sys

import numpy as np
import pytest
from PIL import Image

import tinyattn as ta
from tinyattn import nn, viz


@pytest.fixture
def model():
    ta.manual_seed(0)
    return ta.models.create("attention_cnn", in_channels=1, num_classes=10, image_size=28, attention="cbam").eval()


IMAGES = np.random.default_rng(0).integers(0, 256, (4, 1, 28, 28), dtype=np.uint8)


def test_matplotlib_waits_until_something_is_drawn():
    script = "import sys, tinyattn.viz, tinyattn.cli, tinyattn.training; assert 'matplotlib' not in sys.modules"
    assert subprocess.run([sys.executable, "-c", script]).returncode == 0


def test_a_recording_holds_the_gates_own_numbers():
    ta.manual_seed(0)
    gate = nn.attention.SqueezeExcitation(8)
    x = ta.randn(2, 8, 5, 5)
    with viz.record(gate) as recording:
        y = gate(x)
        maps = recording.maps
    (name, value), = recording._modules.items()
    assert list(maps) == [name] and value is gate
    np.testing.assert_allclose(y.data, x.data * maps[name]["channel"][:, :, None, None], rtol=1e-6)
    assert gate.attention_maps == {} and gate.record_attention is False


def test_nothing_is_recorded_outside(model):
    x = ta.tensor(IMAGES.astype(np.float32))
    with viz.record(model) as recording:
        model(x)
        inside = recording.maps
    assert recording.maps.keys() == inside.keys() and len(recording.of_kind("pixel")) == 3  # the recording keeps them, the model does not
    assert [maps["pixel"].shape for maps in inside.values() if "pixel" in maps] == [(4, 28, 28), (4, 14, 14), (4, 7, 7)]
    pools = [maps["pool"] for maps in inside.values() if "pool" in maps]
    np.testing.assert_allclose(pools[0].reshape(4, -1).sum(axis=1), 1, rtol=1e-5)
    model(x)
    assert all(not getattr(module, "attention_maps", {}) for module in model.modules())


@pytest.mark.parametrize("name, attention", [("attention_cnn", "cbam"), ("attention_cnn", "self"), ("resnet8", "se"),
                                             ("resnet8", "none"), ("cct", "none"), ("lenet", "none")])
def test_every_model_has_a_picture(tmp_path, name, attention):
    model = ta.models.create(name, in_channels=1, num_classes=10, image_size=28, attention=attention).train()
    picture = viz.attention(model, IMAGES, np.arange(4), list("abcdefghij"), [0.5], [0.3], tmp_path / "a.png", "title")
    assert model.training
    with Image.open(tmp_path / "a.png") as image:
        assert min(image.size) > 300
    assert picture._repr_png_().startswith(b"\x89PNG")


def test_a_map_is_drawn_over_its_own_place():
    from tinyattn.viz.cells import over
    from tinyattn.viz.kinds import as_grid
    image, values = np.zeros((1, 28, 28), np.uint8), np.zeros((7, 7), np.float32)
    values[1, 5] = 1
    drawn = over(image, values).sum(axis=2)
    y, x = np.unravel_index(drawn.argmax(), drawn.shape)
    assert (int(7 * y / drawn.shape[0]), int(7 * x / drawn.shape[1])) == (1, 5)
    tokens = np.arange(2 * 50, dtype=np.float32).reshape(2, 50)  # a class token, then 7 × 7
    np.testing.assert_array_equal(as_grid(tokens, (28, 28))[0], np.arange(1, 50).reshape(7, 7))


def test_examples_are_of_different_classes_and_some_are_wrong():
    labels = np.repeat(np.arange(10), 20)
    predicted = labels.copy()
    predicted[[3, 50, 100, 150]] = 9 - predicted[[3, 50, 100, 150]]
    chosen = viz.choose_examples(labels, predicted, 8)
    assert len(chosen) == len(set(chosen)) == 8
    assert list(chosen[-3:]) == [3, 50, 100]
    assert len(set(labels[chosen[:5]])) == 5 and (labels[chosen[:5]] == predicted[chosen[:5]]).all()
    assert len(viz.choose_examples(labels[:3], labels[:3])) == 3
    assert len(viz.choose_examples(labels[:3], labels[:3] + 1)) == 3


def test_curves_confusion_and_samples_are_drawn(tmp_path):
    log = [{"kind": "steps", "step": i, "epoch": i / 10, "train_loss": 1 / i, "train_accuracy": 1 - 1 / i, "lr": 0.1}
           for i in range(1, 21)]
    log += [{"kind": "epoch", "epoch": e, "test_loss": 0.1, "test_accuracy": 0.9} for e in (1, 2)]
    viz.curves(log, tmp_path / "curves.png", "title")
    viz.curves([], tmp_path / "none.png")
    matrix = np.random.default_rng(0).integers(0, 9, (10, 10))
    viz.confusion(matrix, list("abcdefghij"), tmp_path / "confusion.png", "run")
    viz.samples(ta.data.load("glyphs", "test", size=60), tmp_path / "samples.png")
    viz.corruptions(ta.data.load("glyphs", "test", size=60), ["fog", "blur"], tmp_path / "corruptions.png")
    for name in ("curves", "none", "confusion", "samples", "corruptions"):
        with Image.open(tmp_path / f"{name}.png") as image:
            assert min(image.size) > 200
