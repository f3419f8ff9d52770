"""The built-in data sets that ask where to look: their bits, their masks and boxes, and that they are as hard as they should be."""
import hashlib
import os
import pathlib
import subprocess
import sys

import numpy as np
import pytest

import tinyattn as ta
from tinyattn.data import load
from tinyattn.data.datasets import BUILT_IN
from tinyattn.data.glyphs import Cluttered, Glyphs, Scales, cluttered, draw, generated, scales
from tinyattn.models import MODELS

PINNED = {      # SHA-256 of images, labels, masks, boxes and sizes; whoever changes these changes everybody's data set
    ("cluttered", "train"): "6e64f49eac505f99c36846b82e4509d3d47ba32c219f4561b08414335c35adc8",
    ("cluttered", "test"): "44dddeec69058cd0bd8eb325aaa4b571d51a97d3c419cc6c91a0cdb2e2bddbce",
    ("scales", "train"): "46abbf88edad440ea038c7b13ffc27c75cbc9ba002215d05571d120917225587",
    ("scales", "test"): "3d7b0c5a840eb07e8d018df55f02c4107bb666ae5e458aad70d9de14081bc617",
}


def digest(name, split):
    data = load(name, split, size=300, seed=7)
    parts = [data.images, data.labels.astype("<i8"), data.masks, data.boxes.astype("<i8")]
    parts += [data.sizes.astype("<f4")] if name == "scales" else []
    return hashlib.sha256(b"".join(np.ascontiguousarray(part).tobytes() for part in parts)).hexdigest()


@pytest.fixture(scope="module", params=["cluttered", "scales"])
def splits(request):
    return load(request.param, "train", size=4100), load(request.param, "test", size=2050)


@pytest.mark.parametrize("name, split", PINNED)
def test_the_bits_are_pinned(name, split):
    assert digest(name, split) == PINNED[name, split]


def test_the_bits_do_not_depend_on_the_vector_instructions():
    """NumPy with every faster code path of this processor switched off draws the same images."""
    slower = " ".join(getattr(sys.modules["numpy._core._multiarray_umath"], "__cpu_dispatch__", []))
    code = ("import numpy, runpy; module = runpy.run_path('tests/data/test_cluttered_scales.py'); "
            "print(*(module['digest'](name, 'test') for name in ('cluttered', 'scales')))")
    root = pathlib.Path(__file__).resolve().parents[2]
    out = subprocess.run([sys.executable, "-W", "ignore", "-c", code], cwd=root, capture_output=True, text=True, check=True,
                         env={**os.environ, "NPY_DISABLE_CPU_FEATURES": slower, "PYTHONPATH": str(root)})
    assert out.stdout.split()[-2:] == [PINNED["cluttered", "test"], PINNED["scales", "test"]]


def test_an_image_does_not_depend_on_the_size_or_on_how_it_is_chunked():
    for name, make in (("cluttered", cluttered.images_and_masks), ("scales", scales.images_masks_sizes)):
        whole, short = load(name, "train", size=300, seed=3), load(name, "train", size=131, seed=3)
        images, masks = make("train", 3, 77, 203)[:2]
        assert np.array_equal(short.images, whole.images[:131]) and np.array_equal(short.masks, whole.masks[:131])
        assert np.array_equal(short.labels, whole.labels[:131]) and np.array_equal(short.boxes, whole.boxes[:131])
        assert np.array_equal(images, whole.images[77:203, 0]) and np.array_equal(masks, whole.masks[77:203])
        assert np.array_equal(draw.labels("train", 3, 77, 203, name), whole.labels[77:203])


def test_seeds_splits_and_data_sets_differ():
    drawn = [load(name, split, size=90, seed=seed).labels.tolist() for name in BUILT_IN for split in ("train", "test") for seed in (0, 1)]
    assert len({tuple(labels) for labels in drawn}) == len(drawn)


def test_shapes_classes_balance_mean_and_deviation(splits):
    pixels = splits[0].images.shape[2]
    for data, size in zip(splits, (4100, 2050)):
        assert data.images.shape == (size, *BUILT_IN[data.name].shape) and data.images.dtype == np.uint8
        assert data.masks.shape == (size, pixels, pixels) and data.masks.dtype == bool and data.boxes.shape == (size, 4)
        assert len(data.classes) == 41 and np.all(np.bincount(data.labels) == size // 41)
    values = splits[0].images / np.float32(255)
    assert abs(values.mean() - splits[0].mean[0]) < 1e-3 and abs(values.std() - splits[0].std[0]) < 1e-3


def test_every_glyph_has_a_mask_and_its_box_is_tight(splits):
    for data in splits:
        for mask, (x0, y0, x1, y1) in zip(data.masks[:400], data.boxes[:400].tolist()):
            rows, columns = np.nonzero(mask)
            assert (columns.min(), rows.min(), columns.max() + 1, rows.max() + 1) == (x0, y0, x1, y1)
        assert data.masks.any((1, 2)).all()
        side = (data.boxes[:, 2:] - data.boxes[:, :2]).max(1)
        at_edge = data.masks[:, [0, -1]].any((1, 2)) | data.masks[:, :, [0, -1]].any((1, 2))
        assert at_edge.mean() < 0.05 and 5 <= side.min() and side.max() <= 38


def test_boxes_by_hand():
    masks = np.zeros((3, 5, 6), bool)
    masks[0, 1, 2] = masks[0, 3, 4] = masks[1, 0, 0] = masks[2, 4, 5] = True
    assert generated.boxes(masks).tolist() == [[2, 1, 5, 4], [0, 0, 1, 1], [5, 4, 6, 5]]


def test_the_glyph_is_anywhere_and_its_ink_is_whole():
    """Centres cover the picture, the mask's pixels are bright, and no fragment lies within a pixel of them."""
    data = Cluttered("test", 2000)
    centre = (data.boxes[:, :2] + data.boxes[:, 2:]) / 2
    assert np.all(np.histogram2d(*centre.T, bins=3, range=[[12, 48]] * 2)[0] > 100)
    images = data.images[:, 0]
    inside = np.array([image[mask].mean() for image, mask in zip(images, data.masks)])
    assert np.all(inside > 80)
    grown = np.pad(data.masks, ((0, 0), (1, 1), (1, 1)))
    grown = np.any([grown[:, r:r + 60, s:s + 60] for r in range(3) for s in range(3)], 0)
    elsewhere = np.array([(image[~mask] > 110).sum() for image, mask in zip(images, grown)])
    share = data.masks.sum((1, 2)) / (data.masks.sum((1, 2)) + elsewhere)
    assert 0.2 < np.median(share) < 0.45                         # most of the ink is clutter ...
    assert np.mean(elsewhere > 40) > 0.99                        # ... in every picture


def test_scales_are_even_and_true():
    data = Scales("train", 4000)
    assert data.sizes.dtype == np.float32 and 8 <= data.sizes.min() < 8.1 and 27.9 < data.sizes.max() < 28
    assert np.all(np.abs(np.histogram(data.sizes, 5)[0] - 800) < 100)
    side = (data.boxes[:, 2:] - data.boxes[:, :2]).max(1)
    assert np.corrcoef(side, data.sizes)[0, 1] > 0.95 and abs(np.median(side / data.sizes) - 1) < 0.1
    brightest = np.array([image[mask].mean() for image, mask in zip(data.images[:, 0], data.masks)])
    assert np.all(brightest > 60)


@pytest.mark.parametrize("name", ["cluttered", "scales"])
def test_a_linear_model_does_badly(name):
    """Softmax regression, plain NumPy: the place of a pixel says little where the glyph may be anywhere."""
    train, test = load(name, "train", size=4100), load(name, "test", size=1025)
    x, x_test = (((d.images.reshape(len(d), -1) / np.float32(255) - d.mean[0]) / d.std[0]).astype(np.float32) for d in (train, test))
    weight, order = np.zeros((x.shape[1], 41), np.float32), np.random.default_rng(0)
    for epoch in range(6):
        for batch in np.split(order.permutation(len(x)), 41):
            p = np.exp(x[batch] @ weight)
            p /= p.sum(1, keepdims=True)
            p[np.arange(len(batch)), train.labels[batch]] -= 1
            weight -= np.float32(0.02 / (1 + epoch) / len(batch)) * (x[batch].T @ p)
    learnt, accuracy = (np.mean((images @ weight).argmax(1) == labels) for images, labels in ((x, train.labels), (x_test, test.labels)))
    assert learnt > 0.1 and accuracy < 0.2                      # it learns, but not what counts


@pytest.mark.parametrize("model", MODELS)
@pytest.mark.parametrize("name", ["cluttered", "scales"])
def test_every_model_takes_them(name, model):
    data = load(name, "test", size=2)
    made = ta.models.create(model, num_classes=len(data.classes), image_size=data.images.shape[2])
    with ta.no_grad():
        assert made.eval()(ta.tensor(data.images.astype(np.float32))).shape == (2, 41)


@pytest.mark.parametrize("kind", [Cluttered, Scales, Glyphs])
@pytest.mark.parametrize("arguments, message", [
    (dict(split="valid"), "unknown split 'valid', expected 'train' or 'test'"),
    (dict(size=0), "size is 0, expected a whole number of images"), (dict(size=True), "size is True"),
    (dict(size=10 ** 9), r"size is 1000000000, expected a whole number of images, 1 to \d"),
    (dict(seed=-1), r"seed is -1, expected an integer from 0 to 2\*\*64 - 1"), (dict(seed="x"), "seed is 'x'"),
])
def test_explained_errors(kind, arguments, message):
    with pytest.raises(ValueError, match=f"{kind.__name__}: {message}"):
        kind(**{"size": 45, **arguments})
