"""Which maps depend on what was learned: an edge detector's cannot, a map made by weights must; and numbers worked by hand."""
import json

import numpy as np
import pytest

import tinyattn as ta
from tinyattn import nn
from tinyattn.viz import blur, sanity

RNG = np.random.default_rng(0)


class Edges(nn.Module):
    """Keeps the image's edges as its map, whatever it has learned; answers by its weights."""

    def __init__(self):
        super().__init__()
        self.record_attention, self.attention_maps = False, {}
        self.conv, self.norm, self.head = nn.Conv2d(1, 4, 3, padding=1), nn.BatchNorm2d(4), nn.Linear(4, 3)

    def forward(self, x):
        if self.record_attention:
            self.attention_maps = {"pixel": sanity.edges(x.data)}
        return self.head(nn.functional.relu(self.norm(self.conv(x))).mean((2, 3)))


class Learned(nn.Module):
    """Its pixel map is a filter of its own: a bar upwards, which no other order of the same values is."""

    def __init__(self):
        super().__init__()
        self.record_attention, self.attention_maps = False, {}
        self.filter, self.head = nn.Conv2d(1, 2, 7, padding=3, bias=False), nn.Linear(2, 3)
        self.filter.weight.data[...] = np.array([-1, -1, 1, 3, 1, -1, -2], np.float32)

    def forward(self, x):
        y = self.filter(x)
        if self.record_attention:
            self.attention_maps = {"pixel": y.data[:, 0].copy()}
        return self.head(y.mean((2, 3)))


def images(count=12, side=16):
    return blur.gaussian_blur(RNG.standard_normal((count, 1, side, side)), 1.0)


def rows_of(model, x, **options):
    stages, rows = sanity.sanity(model, x, **options)
    return stages, {(row.name, row.kind): row for row in rows}


def test_a_map_that_cannot_depend_on_weights_and_one_that_must():
    ta.manual_seed(0)
    x = images()
    _, rows = rows_of(Edges(), x)
    blind = rows["", "pixel"]
    np.testing.assert_array_equal(blind.ranks, 1)
    np.testing.assert_allclose(blind.similar, 1, atol=1e-5)
    assert blind.verdict() == "learning does not matter" and blind.other.mean() < 0.5
    np.testing.assert_array_equal(rows["edges", "control"].ranks, 1)
    stages, rows = rows_of(Learned(), x)
    true = rows["", "pixel"]
    assert stages == ["head", "filter"] and (true.ranks[0] == 1).all()    # the head comes after it
    assert true.ranks[-1].mean() < 0.5 and true.verdict() == "learning matters" and true.similar[-1].mean() < 0.5


def test_the_model_is_left_as_it_was_and_a_seed_makes_the_numbers():
    ta.manual_seed(0)
    model, x = ta.models.create("attention_cnn", in_channels=1, num_classes=3, image_size=12, attention="cbam").train(), images(5, 12)
    state = {key: value.data.copy() for key, value in model.state_dict().items()}
    first, again, other = (rows_of(model, x, seed=seed)[1] for seed in (1, 1, 2))
    assert all(np.array_equal(value.data, state[key]) for key, value in model.state_dict().items())
    assert model.training and all(module.momentum == 0.1 for module in model.modules() if isinstance(module, nn.BatchNorm2d))
    assert all(np.array_equal(first[key].ranks, again[key].ranks) for key in first)
    assert any(not np.array_equal(first[key].ranks, other[key].ranks) for key in first)
    assert {kind for _, kind in first} == {"pixel", "pool", "gradient", "control"} and ("Grad-CAM", "gradient") in first
    gate = first["stages.0.gate", "pixel"].ranks                          # of the first stage: mixed last
    assert (gate[0] == 1).all() and not (gate[-1] == 1).any()


def test_layers_go_from_the_last_on_and_a_model_of_one_value_is_said():
    model = ta.models.create("cct", in_channels=1, num_classes=3, image_size=16)
    names = sanity.learned_layers(model)
    assert names[:3] == ["head", "pool.score", "norm"] and names[-1] == "" and names[-2] == "stem.0"     # "": its positions
    with pytest.raises(ValueError, match="sanity: the model has no parameters"):
        sanity.sanity(nn.Sequential(nn.Flatten()), images())
    with pytest.raises(ValueError, match=r"sanity: images have shape \(1, 1, 16, 16\), expected \(N, C, H, W\), two images at least"):
        sanity.sanity(Learned(), images(1))


def test_mixing_keeps_the_values_and_moves_them():
    layer = nn.Conv2d(2, 3, 3)
    before = layer.weight.data.copy()
    sanity.mix(layer, np.random.default_rng(0))
    np.testing.assert_array_equal(np.sort(layer.weight.data, axis=None), np.sort(before, axis=None))
    assert (layer.weight.data != before).mean() > 0.8


def test_norms_of_mixed_layers_are_measured_on_the_images_and_others_are_not():
    ta.manual_seed(0)
    model = nn.Sequential(nn.Conv2d(1, 4, 3), nn.BatchNorm2d(4), nn.ReLU(), nn.Conv2d(4, 4, 3), nn.BatchNorm2d(4)).eval()
    x = images(8)
    sanity.measure_norms(model, ["4", "3"], x)
    y = model[3](model[2](model[1](model[0](ta.tensor(x))))).data
    np.testing.assert_allclose(model[4].running_mean.data, y.mean((0, 2, 3)), rtol=1e-4, atol=1e-6)
    np.testing.assert_allclose(model[4].running_var.data, y.transpose(1, 0, 2, 3).reshape(4, -1).var(axis=1, ddof=1), rtol=1e-4)
    assert not model[1].running_mean.data.any() and not model[4].training


def test_spearman_by_hand():
    a = np.array([[[1.0, 2], [3, 4]], [[1, 1], [2, 3]], [[5, 5], [5, 5]], [[5, 5], [5, 5]], [[0, 1], [2, 3]]])
    b = np.array([[[10.0, 200], [3000, 4e4]], [[3, 3], [2, 1]], [[5, 5], [5, 5]], [[1, 2], [3, 4]], [[0, 3], [1, 2]]])
    # ranks 1 2 3 4: the same; 1.5 1.5 3 4 against 3.5 3.5 2 1; one value, and the same; one value; 1 2 3 4 against 1 4 2 3: 1 − 6·6/60
    np.testing.assert_allclose(sanity.spearman(a, b), [1, -1, 1, 0, 0.4], atol=1e-12)
    squeezed = np.exp(RNG.standard_normal((3, 5, 5)))
    np.testing.assert_allclose(sanity.spearman(squeezed, np.log(squeezed)), 1)


def test_similarity_of_wide_flat_maps_is_the_formula():
    a = RNG.random((3, 24, 24))
    np.testing.assert_allclose(sanity.similarity(a, 3 * a + 7), 1, atol=1e-4)            # brought to 0 … 1
    opposite = sanity.similarity(a, -a)
    assert (opposite < -0.2).all() and (np.abs(sanity.similarity(a, RNG.random((3, 24, 24)))) < 0.3).all()
    halves = np.zeros((1, 40, 40))
    halves[:, :, 20:] = 1
    found = sanity.similarity(halves, 1 - halves)                                        # far from the middle: c₁ / (1 + c₁)
    assert found < 0.3


def test_edges_are_where_the_image_changes():
    x = np.zeros((1, 2, 6, 6))
    x[0, 1, :, 3:] = 4
    np.testing.assert_array_equal(sanity.edges(x)[0], np.tile([0, 0, 2, 2, 0, 0], (6, 1)))


def test_table_and_json():
    ta.manual_seed(0)
    said = []
    stages, rows = sanity.sanity(Learned(), images(), say=said.append)
    lines = sanity.table(stages, rows).splitlines()
    assert lines[0].split()[:4] == ["map", "1", "of", "2"] and lines[-1].startswith("edges") and lines[-1].endswith("learning does not matter")
    assert said == ["mixed 1 of 2 layers: down to head", "mixed 2 of 2 layers: down to filter"]
    held = json.loads(json.dumps(sanity.asdict(stages, rows)))
    assert held["stages"] == ["head", "filter"] and held["maps"][0]["verdict"] == "learning matters" and len(held["maps"][0]["ranks"]) == 2
    np.testing.assert_allclose(held["maps"][0]["ranks"][1], rows[0].ranks[1].mean())
