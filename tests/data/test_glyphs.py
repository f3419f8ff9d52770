"""The built-in data set: its bits, its typefaces, its masks, and the rasteriser against shapes of known area and Agg."""
import hashlib
import os
import pathlib
import subprocess
import sys

import numpy as np
import pytest

from tinyattn.data.glyphs import Glyphs, atlas, build_atlas, distort, draw, faces, fields, rasterise

PINNED = {      # SHA-256 of images, labels and masks; whoever changes these changes everybody's data set
    ("train", False): "d96534b9923d2076776cd47e76a7a2faa6fa322f4c6bd6698ffedadc403ddb6f",
    ("test", False): "8501362314b55c8c76fdf186c27ab1d43917dbe9505f9c3ba5590b42cbf392a3",
    ("test", True): "95d6c4ed73f64694a4aecdd099084a4510847fb67fb08c9910a13b8a4720d92e",
}


def digest(split, clutter, size=300):
    data = Glyphs(split, size, seed=7, clutter=clutter, return_masks=True)
    parts = data.images, data.labels.astype("<i8"), data.masks
    return hashlib.sha256(b"".join(np.ascontiguousarray(part).tobytes() for part in parts)).hexdigest()


@pytest.fixture(scope="module")
def splits():
    return Glyphs("train"), Glyphs("test")


# ---- the same bits everywhere ----------------------------------------------------------------------------------------

@pytest.mark.parametrize("split, clutter", PINNED)
def test_the_bits_are_pinned(split, clutter):
    assert digest(split, clutter) == PINNED[split, clutter]


def test_the_bits_do_not_depend_on_the_vector_instructions():
    """NumPy with every faster code path of this processor switched off draws the same images."""
    slower = " ".join(getattr(sys.modules["numpy._core._multiarray_umath"], "__cpu_dispatch__", []))
    code = ("import numpy, runpy; module = runpy.run_path('tests/data/test_glyphs.py'); "
            "print(module['digest']('test', True))")
    root = pathlib.Path(__file__).resolve().parents[2]
    out = subprocess.run([sys.executable, "-W", "ignore", "-c", code], cwd=root, capture_output=True, text=True, check=True,
                         env={**os.environ, "NPY_DISABLE_CPU_FEATURES": slower, "PYTHONPATH": str(root)})
    assert out.stdout.split()[-1] == PINNED["test", True]


def test_an_image_does_not_depend_on_the_size_or_on_how_it_is_chunked():
    whole = Glyphs("train", 300, seed=3, return_masks=True)
    short = Glyphs("train", 131, seed=3, return_masks=True)
    assert np.array_equal(short.images, whole.images[:131]) and np.array_equal(short.masks, whole.masks[:131])
    assert np.array_equal(short.labels, whole.labels[:131])
    image, mask = draw.images("train", 3, 77, 203, clutter=False)
    assert np.array_equal(image, whole.images[77:203, 0]) and np.array_equal(mask, whole.masks[77:203])
    assert np.array_equal(draw.labels("train", 3, 77, 203), whole.labels[77:203])


def test_seeds_and_splits_differ():
    a, b, c = Glyphs("train", 90), Glyphs("train", 90, seed=1), Glyphs("test", 90)
    for x, y in ((a, b), (a, c)):
        assert not np.array_equal(x.images, y.images) and not np.array_equal(x.labels, y.labels)


# ---- what a user meets -----------------------------------------------------------------------------------------------

def test_shapes_classes_and_balance(splits):
    for data, size in zip(splits, (20_500, 5_125)):
        assert data.images.shape == (size, 1, 28, 28) and data.images.dtype == np.uint8
        assert data.labels.dtype == np.int64 and data.masks is None and data.name == "glyphs" and len(data) == size
        assert data.classes == list(faces.CLASSES) and len(set(data.classes)) == len(data.classes) == 41
        assert np.all(np.bincount(data.labels) == size // 41)
    assert np.ptp(np.bincount(Glyphs("test", 100).labels, minlength=41)) == 1


@pytest.mark.parametrize("clutter", [False, True])
def test_mean_and_deviation_are_those_of_the_training_split(splits, clutter):
    data = Glyphs("train", clutter=True, size=4100) if clutter else splits[0]
    pixels = data.images / 255.0
    tolerance = 2e-3 if clutter else 5e-5
    assert abs(pixels.mean() - data.mean[0]) < tolerance and abs(pixels.std() - data.std[0]) < tolerance


def test_a_linear_model_is_not_enough(splits):
    """Softmax regression, plain NumPy, stays far under 85 % on the other typefaces, and far over chance."""
    (x, y), (x_test, y_test) = (((d.images.reshape(len(d), -1) / 255 - d.mean[0]).astype(np.float32), d.labels) for d in splits)
    weight, bias, velocity = np.zeros((784, 41), np.float32), np.zeros(41, np.float32), 0
    order = np.random.default_rng(0)
    for epoch in range(6):
        for batch in np.split(order.permutation(len(x)), 41):
            p = np.exp(x[batch] @ weight + bias)
            p /= p.sum(1, keepdims=True)
            p[np.arange(len(batch)), y[batch]] -= 1
            velocity = 0.9 * velocity - 0.2 / (1 + epoch) / len(batch) * (x[batch].T @ p)
            weight += velocity
            bias -= 0.1 * p.mean(0)
    accuracy = np.mean((x_test @ weight + bias).argmax(1) == y_test)
    assert 0.55 < accuracy < 0.85


def test_masks_are_the_glyphs_own_ink():
    data = Glyphs("test", 450, clutter=True, return_masks=True)
    image, mask = data.images[:, 0], data.masks
    assert mask.shape == image.shape and mask.dtype == bool
    area = mask.sum((1, 2))
    assert 15 <= area.min() and area.max() <= 300
    inside = np.array([picture[own].mean() for picture, own in zip(image, mask)])
    outside = np.array([picture[~own].mean() for picture, own in zip(image, mask)])
    assert np.all(inside > 70) and np.mean(inside > 3 * outside) > 0.99
    assert np.mean(outside) > 15                                # clutter is really there ...
    rows, columns = mask.any(2), mask.any(1)                    # ... and the glyph is wholly in the picture
    assert np.mean(rows[:, [0, -1]].any(1) | columns[:, [0, -1]].any(1)) < 0.1
    plain = Glyphs("test", 450, return_masks=True)
    bright = plain.images[:, 0] > 110
    assert np.mean(bright == plain.masks) > 0.9


@pytest.mark.parametrize("arguments, message", [
    (dict(split="valid"), "unknown split 'valid', expected 'train' or 'test'"),
    (dict(size=0), "size is 0, expected a whole number of images"),
    (dict(size=2.5), "size is 2.5"),
    (dict(size=True), "size is True"),
    (dict(seed=-1), r"seed is -1, expected an integer from 0 to 2\*\*64 - 1"),
    (dict(seed="x"), "seed is 'x'"),
])
def test_explained_errors(arguments, message):
    with pytest.raises(ValueError, match=message):
        Glyphs(**{"size": 45, **arguments})


# ---- typefaces, atlas and licences -----------------------------------------------------------------------------------

def test_train_and_test_share_no_family():
    family = {face.name: face.family for face in faces.FACES}
    train, test = ({family[name] for name in faces.SPLITS[split]} for split in ("train", "test"))
    assert train and test and not train & test
    assert sorted(faces.SPLITS["train"] + faces.SPLITS["test"]) == sorted(family)


def test_no_two_typefaces_draw_the_same_glyph():
    train, _ = fields.glyph_fields("train")
    test, _ = fields.glyph_fields("test")
    ink = [(f < 0).reshape(-1, 41, f.shape[1] * f.shape[2]) for f in (train, test)]
    differ = [(ink[0] != face).mean(2) for face in ink[1]]      # share of samples, each test glyph against each train glyph
    assert np.min(differ) > 0.01


def test_the_atlas_is_small_and_its_licences_are_beside_it():
    assert atlas.ATLAS_FILE.stat().st_size < 300_000
    for face in faces.FACES:
        text = (atlas.ATLAS_FILE.parent / "licenses" / face.license).read_text()
        assert "Permission" in text and "opyright" in text


def test_rebuilding_gives_the_shipped_atlas(tmp_path):
    with np.load(atlas.ATLAS_FILE) as shipped:
        if not np.array_equal(build_atlas.font_sums(), shipped["font_sha256"]):
            pytest.skip("this matplotlib ships other fonts than those the atlas was made from")
    built = tmp_path / "atlas.npz"
    build_atlas.main([str(built)])
    with np.load(built) as new, np.load(atlas.ATLAS_FILE) as shipped:
        assert sorted(new) == sorted(shipped)
        for name in shipped:
            assert new[name].dtype == shipped[name].dtype and np.array_equal(new[name], shipped[name]), name


def test_outlines_by_hand():
    """A contour with two neighbouring points off the curve, beginning off the curve, and one of straight lines."""
    points = np.array([[0, 4], [4, 4], [4, 0], [0, 0], [10, 0], [12, 0], [12, 2]], float)
    on = np.array([False, False, True, True, True, True, True])
    segments = atlas.bezier_segments(atlas.Outline(points, on, np.array([4, 7])))
    expected = {((2, 4), (4, 4), (4, 0)), ((4, 0), (2, 0), (0, 0)), ((0, 0), (0, 4), (2, 4)),
                ((10, 0), (11, 0), (12, 0)), ((12, 0), (12, 1), (12, 2)), ((12, 2), (11, 1), (10, 0))}
    assert {tuple(map(tuple, segment)) for segment in segments.tolist()} == expected


# ---- the rasteriser ---------------------------------------------------------------------------------------------------

def polygon(corners):
    corners = np.asarray(corners, float)
    return np.stack([corners, np.roll(corners, -1, axis=0)], 1)


def test_distances_to_a_square():
    square = polygon([(3.0, 4.0), (11.0, 4.0), (11.0, 10.0), (3.0, 10.0)])
    field = rasterise.signed_distance(square, np.zeros(4, int), 1, 16, 5.0)[0]
    x, y = np.meshgrid(np.arange(16.0), np.arange(16.0))
    dx, dy = np.maximum(3 - x, x - 11), np.maximum(4 - y, y - 10)
    expected = np.where((dx > 0) & (dy > 0), np.hypot(dx, dy), np.maximum(dx, dy))
    np.testing.assert_allclose(field, np.clip(expected, -5, 5), atol=1e-6)
    half = rasterise.signed_distance(square + 0.5, np.zeros(4, int), 1, 16, 5.0)[0]
    assert rasterise.coverage(half).sum() == 8 * 6              # edges between the samples: the area exactly


def test_distances_to_a_ring_and_its_area():
    """Two circles, the inner one the other way round: between them ink, and the area π(R² − r²)."""
    t = np.linspace(0, 2 * np.pi, 200, endpoint=False)
    circle = np.stack([np.cos(t), np.sin(t)], 1)
    pieces = np.concatenate([polygon(20.3 + 15 * circle), polygon(20.3 + 7 * circle[::-1])])
    field = rasterise.signed_distance(pieces, np.zeros(400, int), 1, 41, 4.0)[0]
    x, y = np.meshgrid(np.arange(41.0), np.arange(41.0))
    radius = np.hypot(x - 20.3, y - 20.3)
    np.testing.assert_allclose(field, np.clip(np.maximum(radius - 15, 7 - radius), -4, 4), atol=5e-3)
    assert abs(rasterise.coverage(field).sum() / (np.pi * (15 ** 2 - 7 ** 2)) - 1) < 2e-3


def test_overlapping_and_separate_shapes():
    """Two contours the same way round that overlap are one piece of ink; a second shape does not disturb the first."""
    a, b = polygon([(1, 1), (6, 1), (6, 6), (1, 6)]), polygon([(4, 3), (9, 3), (9, 9), (4, 9)])
    owner = np.repeat([0, 0, 1], 4)
    ink = rasterise.signed_distance(np.concatenate([a, b, b]) + 0.25, owner, 2, 12, 3.0) < 0
    x, y = np.meshgrid(np.arange(12), np.arange(12))
    in_a, in_b = (x > 1) & (x <= 6) & (y > 1) & (y <= 6), (x > 4) & (x <= 9) & (y > 3) & (y <= 9)
    assert np.array_equal(ink, [in_a | in_b, in_b])


@pytest.mark.parametrize("face, character", [("dejavu-sans", "8"), ("cm-italic", "R"), ("times-regular", "a"), ("cm-bold", "R")])
def test_against_matplotlibs_own_rendering(face, character):
    """The same character of the same font file, outlined by FreeType and drawn by Agg."""
    from matplotlib.backends.backend_agg import FigureCanvasAgg
    from matplotlib.figure import Figure
    from matplotlib.font_manager import FontProperties
    from matplotlib.patches import PathPatch
    from matplotlib.textpath import TextPath
    from matplotlib.transforms import Affine2D
    source = {face.name: face.source for face in faces.FACES}[face]
    path = TextPath((0, 0), character, size=100, prop=FontProperties(fname=build_atlas.font_folder() / source))
    box = path.get_extents()
    scale = fields.GLYPH / max(box.width, box.height)
    middle = (fields.SIZE - 1) / 2
    path = Affine2D().translate(-(box.x0 + box.x1) / 2, -(box.y0 + box.y1) / 2).scale(scale, -scale).translate(
        middle, middle).transform_path(path)
    figure = Figure(figsize=(fields.SIZE / 100,) * 2, dpi=100)
    axes = figure.add_axes((0, 0, 1, 1), xlim=(-0.5, fields.SIZE - 0.5), ylim=(fields.SIZE - 0.5, -0.5))
    axes.axis("off")
    axes.add_patch(PathPatch(path, facecolor="black", linewidth=0))
    canvas = FigureCanvasAgg(figure)
    canvas.draw()
    theirs = 1 - np.asarray(canvas.buffer_rgba())[:, :, 0] / 255
    split = "train" if face in faces.SPLITS["train"] else "test"
    index = faces.SPLITS[split].index(face) * len(faces.CLASSES) + faces.CLASSES.index(character)
    ours = rasterise.coverage(fields.glyph_fields(split)[0][index])
    assert np.abs(ours - theirs).mean() < 0.01 and np.quantile(np.abs(ours - theirs), 0.99) < 0.15
    assert abs(ours.sum() / theirs.sum() - 1) < 0.03


# ---- distortion -------------------------------------------------------------------------------------------------------

def test_without_bending_the_map_is_affine():
    turn, scale = np.float32([0.05, -0.3]), np.float32([1.1, 0.7])
    aspect, shear = np.float32([1.2, 0.9]), np.float32([0.2, -0.1])
    shift = np.float32([[1.5, -2], [0.25, 3]])
    x, y = distort.pixel_map(distort.inverse_affine(turn, scale, aspect, shear), shift, np.zeros((2, 7, 7, 2), np.float32))
    for n in range(2):
        angle = 2 * np.arctan(float(turn[n]))
        rotation = np.array([[np.cos(angle), np.sin(angle)], [-np.sin(angle), np.cos(angle)]])
        matrix = distort.UNITS / scale[n] * np.diag([1 / aspect[n], aspect[n]]) @ [[1, shear[n]], [0, 1]] @ rotation
        j, i = np.meshgrid(np.arange(28), np.arange(28))
        place = matrix @ np.stack([j - 13.5 - shift[0, n], i - 13.5 - shift[1, n]]).reshape(2, -1) + 23.5
        np.testing.assert_allclose(np.stack([x[:, :, n], y[:, :, n]]).reshape(2, -1), place, atol=2e-4)


def test_bending_is_smooth_and_as_large_as_asked():
    bend = np.random.default_rng(0).uniform(-1, 1, (2, 7, 7, 200)).astype(np.float32)
    still, identity = np.zeros((2, 200), np.float32), tuple(np.float32(v) * np.ones(200, np.float32) for v in (1, 0, 0, 1))
    x, _ = distort.pixel_map(identity, still, bend)
    straight, _ = distort.pixel_map(identity, still, 0 * bend)
    moved = x - straight
    assert np.abs(moved).max() < 1 and 0.2 < moved.std() < 0.35
    assert np.abs(np.diff(moved, axis=0)).max() < 0.2 and np.abs(np.diff(moved, axis=1)).max() < 0.2
    constant, _ = distort.pixel_map(identity, still, 0 * bend + np.float32(0.75))
    np.testing.assert_allclose(constant - straight, 0.75, atol=1e-5)


def test_sampling_and_blur_against_loops():
    rng = np.random.default_rng(1)
    table = rng.normal(size=(3, 48, 48)).astype(np.float32)
    x, y = rng.uniform(-3, 50, (2, 28, 28, 2)).astype(np.float32)
    got = distort.sample(table, np.array([2, 0]), x, y)
    for i, j, n in rng.integers(0, (28, 28, 2), (200, 3)):
        u, v = np.clip(x[i, j, n], 0, 47), np.clip(y[i, j, n], 0, 47)
        c, r = min(int(u), 46), min(int(v), 46)
        corner = table[[2, 0][n], r:r + 2, c:c + 2].astype(float)
        assert abs(np.array([r + 1 - v, v - r]) @ corner @ np.array([c + 1 - u, u - c]) - got[i, j, n]) < 1e-2
    image, strength = rng.uniform(size=(28, 28, 2)).astype(np.float32), np.float32([0.1, 0.3])
    padded = np.pad(image, ((1, 1), (1, 1), (0, 0)), mode="edge")
    side = np.stack([strength, 1 - 2 * strength, strength])
    expected = sum(side[r] * side[s] * padded[r:r + 28, s:s + 28] for r in range(3) for s in range(3))
    np.testing.assert_allclose(distort.blur(image.copy(), strength), expected, atol=1e-6)


def test_ink_noise_and_rounding():
    d = np.float32([-3, -0.9, 0, 0.9, 3]).reshape(1, 5, 1) * np.ones((1, 1, 1), np.float32)
    np.testing.assert_allclose(distort.ink(d, np.float32([0.25]), np.float32([1.0]))[0, :, 0], [1, 1, 0.75, 0.25, 0], atol=1e-6)
    grain = distort.noise(np.arange(200, dtype=np.uint32) * np.uint32(2654435761))
    assert abs(grain.mean()) < 0.01 and abs(grain.std() - 1) < 0.01 and np.abs(grain).max() < 3.46
    flat = grain.reshape(784, 200)
    assert abs(np.mean(flat[1:] * flat[:-1])) < 0.01 and abs(np.mean(flat[:, 1:] * flat[:, :-1])) < 0.01
    levels = np.float32([-0.2, 0, 0.5, 0.999, 1.3]).reshape(1, 5, 1)
    assert distort.to_bytes(levels.copy())[0].tolist() == [[0, 0, 128, 255, 255]]
