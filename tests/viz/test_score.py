"""Scores of maps: a perfect map wins, an inverted one loses, a blind one gets what chance gives it."""
import json

import numpy as np
import pytest

import tinyattn as ta
from tinyattn import nn
from tinyattn.viz import blur, bootstrap, controls, deletion, pointing, score

SIDE, OBJECT = 12, 4


@pytest.fixture(scope="module")
def squares():
    """Images (24, 1, 12, 12) of a 4 × 4 square on a ground of 0, rising inwards, somewhere; and its masks."""
    rng = np.random.default_rng(0)
    x, masks = np.zeros((24, 1, SIDE, SIDE), np.float32), np.zeros((24, SIDE, SIDE), bool)
    bump = np.minimum.outer([1, 2, 2, 1], [1, 2, 2, 1]).astype(np.float32)
    for image, mask, (y, z) in zip(x, masks, rng.integers(1, SIDE - OBJECT, (24, 2))):
        image[0, y:y + OBJECT, z:z + OBJECT] = bump
        mask[y:y + OBJECT, z:z + OBJECT] = True
    return x, masks


class Sum(nn.Module):
    """Says "square" (class 1) the more surely the more ink above 0.7 it sees; its gate is the ink."""

    def __init__(self):
        super().__init__()
        self.record_attention, self.attention_maps = False, {}
        self.look = nn.Sequential(nn.Conv2d(1, 2, 1), nn.ReLU())
        self.look[0].weight.data[...] = np.array([1.0, 0.5], np.float32).reshape(2, 1, 1, 1)
        self.look[0].bias.data[...] = [-0.7, -0.35]

    def forward(self, x):
        if self.record_attention:
            self.attention_maps = {"pixel": x.data[:, 0].copy(), "channel": np.ones((len(x.data), 2), np.float32)}
        seen = self.look(x).sum((1, 2, 3))
        return ta.stack([seen * 0, seen - 6], 1)


def test_pointing_and_mass():
    masks = np.zeros((4, 4, 4), bool)
    masks[:, 1:3, 1:3] = True
    maps = np.zeros((4, 4, 4))
    maps[0, 1, 2] = 1                                                     # on the object
    maps[1, 0, 0] = 1                                                     # beside it
    maps[2] = 3                                                           # everywhere
    maps[3, 1, 1], maps[3, 0, 0], maps[3, 3, 3] = 2, 2, 1                 # two highest, one of them on it
    np.testing.assert_allclose(pointing.pointing(maps, masks), [1, 0, 0.25, 0.5])
    np.testing.assert_allclose(pointing.mass_inside(maps, masks), [1, 0, 0.25, 0.4])
    np.testing.assert_allclose(pointing.mass_inside(np.zeros((1, 4, 4)), masks[:1]), [0.25])
    np.testing.assert_allclose(pointing.chance(masks), 0.25)
    with pytest.raises(ValueError, match=r"pointing: maps are float64 \(4, 4, 4\), masks float64 \(4, 4, 4\), expected"):
        pointing.pointing(maps, maps)
    with pytest.raises(ValueError, match="mass_inside: maps go down to -3"):
        pointing.mass_inside(-maps, masks)


def test_a_random_map_points_as_chance_says(squares):
    _, masks = squares
    many = np.tile(masks, (200, 1, 1))
    hits = pointing.pointing(controls.random_map(many.shape), many)
    assert abs(hits.mean() - OBJECT ** 2 / SIDE ** 2) < 4 * np.sqrt(0.1 / len(hits))


def test_boxes():
    masks = np.zeros((2, 5, 5), bool)
    masks[0, 1, 3] = masks[0, 3, 1] = True
    expected = np.zeros((2, 5, 5), bool)
    expected[0, 1:4, 1:4] = True
    np.testing.assert_array_equal(pointing.boxes(masks), expected)


def test_order_is_by_value_and_by_lot():
    maps = np.array([[[3.0, 1.0], [2.0, 5.0]]])
    np.testing.assert_array_equal(deletion.order(maps), [[3, 0, 2, 1]])
    equal = deletion.order(np.zeros((500, 2, 2)))
    assert (np.sort(equal, axis=1) == np.arange(4)).all()
    assert (np.bincount(equal[:, 0], minlength=4) > 80).all()             # none of them is preferred


def test_curves_by_hand(squares):
    """With one pixel a stage the curve is what the model says to images changed by hand."""
    x, _ = squares
    x = x[:2]
    model, maps, classes = Sum(), x[:, 0], np.array([1, 0])
    gone = deletion.deletion(model, x, maps, classes, steps=SIDE * SIDE)
    back = deletion.insertion(model, x, maps, classes, steps=SIDE * SIDE)
    for n in range(2):
        image, other = x[n:n + 1].copy(), blur.gaussian_blur(x[n:n + 1], SIDE / 6)
        for stage, place in enumerate([None, *deletion.order(maps)[n]]):
            if place is not None:
                other.reshape(-1)[place], image.reshape(-1)[place] = x[n].reshape(-1)[place], 0
            for curve, made in ((gone, image), (back, other)):
                logits = model(ta.tensor(made)).data[0]
                p = np.exp(logits - logits.max())
                np.testing.assert_allclose(curve[n, stage], (p / p.sum())[classes[n]], rtol=1e-5)


def test_area_and_ground():
    np.testing.assert_allclose(deletion.area(np.array([[1.0, 0.0, 0.0], [1, 1, 1], [0, 0.5, 1]])), [0.25, 1, 0.5])
    x = np.zeros((1, 2, 5, 5), np.float32)
    x[0, 1], x[0, 0, 2, 2] = 7, 3
    assert (deletion.ground(x)[0, 0] == 0).all() and (deletion.ground(x)[0, 1] == 7).all()
    with pytest.raises(ValueError, match=r"deletion: maps have shape \(1, 3, 3\) and classes \(1,\), expected \(1, 5, 5\) and \(1,\)"):
        deletion.deletion(Sum(), x, np.zeros((1, 3, 3)), np.zeros(1, int))


def test_blur_keeps_the_mean_and_spreads_by_sigma():
    x = np.zeros((1, 2, 31, 31), np.float32)
    x[0, 0, 15, 15], x[0, 1] = 1, 4
    y = blur.gaussian_blur(x, 2.0)
    np.testing.assert_allclose(y[0, 1], 4, rtol=1e-5)
    np.testing.assert_allclose(y[0, 0].sum(), 1, rtol=1e-5)
    offsets = np.arange(31) - 15
    np.testing.assert_allclose((y[0, 0].sum(axis=1) * offsets ** 2).sum(), 4, rtol=0.03)
    np.testing.assert_allclose(y[0, 0], y[0, 0].T, atol=1e-7)


def test_a_true_map_beats_the_controls_and_its_opposite_does_not(squares):
    x, masks = squares
    chance, rows = score.score(Sum(), x, masks, steps=12)
    by_name = {(row.name, row.what): {m: v.mean() for m, v in row.values.items()} for row in rows}
    true = by_name["", "pixel"]
    random, centre = by_name["random", "control"], by_name["centre", "control"]
    assert true["pointing"] == true["mass"] == true["box"] == 1
    assert abs(chance["pointing"] - 1 / 9) < 1e-9 and abs(random["mass"] - 1 / 9) < 0.02
    assert true["deletion"] < centre["deletion"] < 1 and true["deletion"] < 0.75 * random["deletion"]
    assert true["insertion"] > random["insertion"] + 0.1
    (row,) = [row for row in rows if row.what == "pixel"]
    assert {"random", "centre"} <= set(row.beats["deletion"]) and "blurred" not in row.beats["pointing"]
    worst = score._row(Sum(), x, {"": masks}, np.ones(len(x), int), "opposite", "pixel", 2 - x[:, 0], 12, 0,
                       [row for row in rows if row.what == "control"])
    assert worst.values["pointing"].mean() == 0 and worst.beats["deletion"] == []
    assert ("Grad-CAM", "gradient") in by_name


def test_without_masks_only_the_curves(squares):
    x, masks = squares
    chance, rows = score.score(Sum(), x[:4], None, steps=4)
    assert chance == {} and all(set(row.values) == {"deletion", "insertion"} for row in rows)
    with pytest.raises(ValueError, match=r"score: images have shape \(4, 1, 12, 12\) and masks \(24, 12, 12\)"):
        score.score(Sum(), x[:4], masks)


def test_table_and_json(squares):
    x, masks = squares
    said = []
    chance, rows = score.score(Sum(), x, masks, steps=4, say=said.append)
    text = score.table(chance, rows)
    lines = text.splitlines()
    assert lines[0].split()[:3] == ["map", "pointing", "box"] and lines[1].startswith("(chance)")
    assert sum("blurred" in line.split("  surely")[0][:14] for line in lines) == 2 and max(map(len, lines)) < 140
    assert len(said) == 5 and said[-1].startswith("scored 7 of 7")
    values = json.loads(json.dumps(score.asdict(chance, rows)))
    assert values["images"] == 24 and len(values["maps"]) == 7
    first = values["maps"][0]["scores"]["deletion"]
    assert first["low"] <= first["mean"] <= first["high"]
    np.testing.assert_allclose(np.mean(rows[0].values["deletion"]), first["mean"])
    assert len(values["maps"][0]["curves"]["insertion"]) == 5


def test_bootstrap_is_as_wide_as_theory_says():
    values = np.random.default_rng(1).standard_normal(400)
    mean, (low, high) = bootstrap.interval(values)
    assert mean == values.mean() and low < mean < high
    np.testing.assert_allclose((high - low) / 2, 1.96 * values.std() / 20, rtol=0.12)
    assert bootstrap.better(values + 0.05, values) and not bootstrap.better(values, values + 0.05)
    assert bootstrap.better(values, values + 0.05, lower=True)
    assert not bootstrap.better(values, values)
