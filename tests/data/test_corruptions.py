"""Corruptions: what all of them promise, and each one against its formula, by hand or by plain loops."""
import numpy as np
import pytest

from tinyattn.data import Rng, corrupt, load
from tinyattn.data.corruptions import CORRUPTIONS, SEVERITIES, Corruption

EVERY = pytest.mark.parametrize("name", CORRUPTIONS)


def photographs(n=24, channels=3, height=32, width=32, seed=0):
    """Smooth random images with a little noise, uint8 (N, C, H, W), channels-last in memory."""
    random = np.random.default_rng(seed)
    coarse = random.uniform(10, 230, (n, 5, 5, channels))
    down, across = (np.maximum(1 - np.abs(np.linspace(0, 4, length)[:, None] - np.arange(5)), 0) for length in (height, width))
    smooth = np.einsum("ik,jl,nklc->nijc", down, across, coarse)
    return np.uint8(smooth + random.uniform(0, 20, smooth.shape)).transpose(0, 3, 1, 2)


def grey():
    return load("glyphs", "test", size=48).images


@pytest.mark.parametrize("images", [grey(), photographs(), photographs(channels=1, height=24, width=40)], ids=["glyphs", "colour", "oblong"])
@EVERY
def test_each_severity_is_farther_from_the_clean_image(name, images):
    before = images.copy()
    for start in (images, images.astype(np.float32) / np.float32(255)):
        unit = 255 if start.dtype == np.uint8 else 1
        distances = []
        for severity in SEVERITIES:
            out = corrupt(start, name, severity)
            assert out.shape == start.shape and out.dtype == start.dtype and out.transpose(0, 2, 3, 1).flags.c_contiguous
            assert np.isfinite(out).all() and 0 <= out.min() <= out.max() <= unit
            distances.append(np.sqrt(((out.astype(np.float64) - start) ** 2).mean((1, 2, 3))).mean() / unit)
        assert distances[0] > 0.005 and np.all(np.diff(distances) > 0), distances
    np.testing.assert_array_equal(images, before)


@EVERY
def test_an_image_is_corrupted_alike_whatever_stands_beside_it(name):
    images = np.concatenate([photographs(200), photographs(100, seed=1)])          # more than are done at once
    whole = corrupt(images, name, 3, seed=5)
    assert corrupt(images, name, 3, seed=5).tobytes() == whole.tobytes()
    for n in (0, 37, 255, 256, 299):
        one = Corruption(name, 3)(images[n:n + 1], Rng(5, 0, [n]))
        assert np.abs(one[0].astype(int) - whole[n]).max() <= (1 if name in ("fog", "pixelate") else 0)   # those two are matrix products
    assert corrupt(images[:0], name).shape == (0, 3, 32, 32)


@EVERY
def test_seeds_differ_where_there_is_chance(name):
    images = photographs(40)
    differ = corrupt(images, name, 4, seed=0).tobytes() != corrupt(images, name, 4, seed=1).tobytes()
    assert differ == (name not in ("blur", "pixelate", "brightness", "contrast", "stripe", "scale"))


@pytest.mark.parametrize("severity, sigma, share", [(1, 0.08, 0.03), (2, 0.12, 0.06), (3, 0.18, 0.09), (4, 0.26, 0.17), (5, 0.38, 0.27)])
def test_noise_is_as_strong_as_hendrycks_and_dietterichs(severity, sigma, share):
    """Of a normal error 68.27 % lie within σ, 38.29 % within σ/2, whatever is cut off beyond."""
    flat = np.full((30, 1, 28, 28), np.float32(0.5))
    for name, s in (("noise", sigma), ("speckle", 0.5 * CORRUPTIONS["speckle"].levels[severity - 1])):
        errors = corrupt(flat, name, severity) - np.float32(0.5)
        assert abs(errors.mean()) < 0.01 and abs(np.median(errors)) < 0.01
        assert abs((np.abs(errors) < s).mean() - 0.6827) < 0.01 and abs((np.abs(errors) < s / 2).mean() - 0.3829) < 0.01
    spots = corrupt(flat, "impulse", severity)
    assert set(np.unique(spots).tolist()) == {0.0, 0.5, 1.0}
    assert abs((spots == 0).mean() - share / 2) < 0.005 and abs((spots == 1).mean() - share / 2) < 0.005


def test_noise_grows_with_the_severity_and_stays_the_same_noise():
    flat = np.full((4, 1, 28, 28), np.float32(0.5))
    weak, strong = (corrupt(flat, "noise", severity) - 0.5 for severity in (1, 2))
    inside = np.abs(strong) < 0.49
    np.testing.assert_allclose(strong[inside], weak[inside] * 1.5, atol=1e-6)


def test_brightness_by_hand():
    grey = np.float32([[0.0, 0.3, 0.65, 1.0]]).reshape(1, 1, 2, 2)
    np.testing.assert_allclose(corrupt(grey, "brightness", 5).ravel(), [0.5, 0.8, 1.0, 1.0], atol=1e-6)
    red = np.float32([0.4, 0.2, 0.0]).reshape(1, 3, 1, 1)                         # V 0.4 → 0.8, hue and saturation kept
    np.testing.assert_allclose(corrupt(red, "brightness", 4).ravel(), [0.8, 0.4, 0.0], atol=1e-6)


def test_contrast_by_hand():
    x = np.float32([0.0, 1.0, 0.5, 0.5, 0.2, 0.2, 0.2, 0.6]).reshape(1, 2, 2, 2)  # means 0.5 and 0.3
    np.testing.assert_allclose(corrupt(x, "contrast", 2).ravel(), [0.35, 0.65, 0.5, 0.5, 0.27, 0.27, 0.27, 0.39], atol=1e-6)


def test_stripe_is_the_published_one_at_severity_5():
    x = np.random.default_rng(0).uniform(0, 1, (3, 1, 28, 28)).astype(np.float32)
    expected = x.copy()
    expected[..., :7], expected[..., 21:] = 1 - x[..., :7], 1 - x[..., 21:]
    np.testing.assert_allclose(corrupt(x, "stripe", 5), expected, atol=1e-6)
    assert np.array_equal(corrupt(x, "stripe", 2)[..., 3:25], x[..., 3:25])


@pytest.mark.parametrize("side, pixels", [(28, (1, 2, 3, 4, 5)), (60, (2, 4, 6, 9, 11)), (32, (1, 2, 3, 5, 6))])
def test_translation_is_by_whole_pixels(side, pixels):
    x = np.random.default_rng(0).uniform(0, 1, (40, 2, side, side)).astype(np.float32)
    for severity, d in zip(SEVERITIES, pixels):
        out, seen = corrupt(x, "translation", severity), set()
        for image, moved in zip(x, out):
            for signs in ((1, 1), (1, -1), (-1, 1), (-1, -1)):
                expected = np.zeros_like(image)
                to, source = zip(*((slice(d, None), slice(None, -d)) if s > 0 else (slice(None, -d), slice(d, None)) for s in signs))
                expected[:, to[0], to[1]] = image[:, source[0], source[1]]
                if np.allclose(moved, expected, atol=1e-5):
                    seen.add(signs)
                    break
            else:
                raise AssertionError(f"severity {severity}: no move by {d} pixels")
        assert len(seen) == 4


def test_blur_against_plain_loops():
    x = np.random.default_rng(1).uniform(0, 1, (1, 1, 14, 28)).astype(np.float32)
    expected, s = x[0, 0].astype(float), 1.5
    for axis in (0, 1):
        reach, source = int(4 * s + 0.5), expected.copy()
        g = {d: np.exp(-d * d / (2 * s * s)) for d in range(-reach, reach + 1)}
        for i in range(14):
            for j in range(28):
                at = [(min(max(i + d, 0), 13), j) if axis == 0 else (i, min(max(j + d, 0), 27)) for d in g]
                expected[i, j] = sum(w * source[p] for w, p in zip(g.values(), at)) / sum(g.values())
    np.testing.assert_allclose(corrupt(x, "blur", 3)[0, 0], expected, atol=1e-6)


def test_pixelate_is_a_mean_of_blocks():
    x = np.random.default_rng(2).uniform(0, 1, (2, 3, 28, 28)).astype(np.float32)
    half = x.reshape(2, 3, 14, 2, 14, 2).mean((3, 5)).repeat(2, 2).repeat(2, 3)
    quarter = x.reshape(2, 3, 7, 4, 7, 4).mean((3, 5)).repeat(4, 2).repeat(4, 3)
    np.testing.assert_allclose(corrupt(x, "pixelate", 2), half, atol=1e-6)
    np.testing.assert_allclose(corrupt(x, "pixelate", 5), quarter, atol=1e-6)
    assert len(np.unique(corrupt(x, "pixelate", 4)[0, 0].round(5))) == 8 * 8


def test_fog_lightens_and_flattens():
    x = np.zeros((30, 1, 40, 40), np.float32)
    x[:, :, 15:25, 15:25] = 0.8
    out = corrupt(x, "fog", 4)
    cloud = out[:, :, :10] * (0.8 + 2.5) / (0.8 * 2.5)                              # where x is 0: f itself
    assert 0 <= cloud.min() < 0.05 and 0.95 < cloud.max() <= 1 + 1e-5 and 0.3 < cloud.mean() < 0.7
    inside = out[:, :, 15:25, 15:25] * (0.8 + 2.5) / 0.8
    assert np.all(inside > 0.8 - 1e-5) and np.all(inside < 0.8 + 2.5 + 1e-4)
    assert np.abs(np.diff(cloud, axis=3)).mean() < 0.1                              # neighbours are alike
    assert np.all(corrupt(np.zeros((2, 1, 8, 8), np.float32), "fog", 5) == 0)       # formula: no light, no fog


def test_occlusion_is_a_black_square():
    out = corrupt(np.ones((200, 2, 20, 20), np.float32), "occlusion", 3)
    dark = out[:, 0] == 0
    assert np.array_equal(out[:, 1] == 0, dark) and np.all(dark.sum((1, 2)) == 64)
    rows, columns = dark.any(2), dark.any(1)
    assert np.all(rows.sum(1) == 8) and np.all(columns.sum(1) == 8)
    assert len(np.unique(rows.argmax(1))) == len(np.unique(columns.argmax(1))) == 13    # anywhere, and wholly inside


@pytest.mark.parametrize("name, moves", [
    ("rotation", lambda c, s: ((np.cos(c), -s * np.sin(c)), (s * np.sin(c), np.cos(c)))),
    ("shear", lambda c, s: ((1, -s * np.tan(c)), (0, 1))), ("scale", lambda c, s: ((c, 0), (0, c)))])
def test_where_a_spot_goes(name, moves):
    """A bright spot off the middle goes where the matrix says, one way or the other; the middle stays."""
    for severity in SEVERITIES[:3]:
        spot = np.zeros((30, 1, 41, 41), np.float32)
        spot[:, :, 20 + 6 - 1:20 + 6 + 2, 20 + 3 - 1:20 + 3 + 2] = 1                 # around (x, y) = (3, 6)
        out = corrupt(spot, name, severity)[:, 0]
        i, j = np.mgrid[-20:21, -20:21]
        found = np.stack([(out * j).sum((1, 2)), (out * i).sum((1, 2))], 1) / out.sum((1, 2))[:, None]
        level = CORRUPTIONS[name].levels[severity - 1]
        ways = np.array([np.array(moves(level, s)) @ [3, 6] for s in (1, -1)])
        error = np.abs(found[:, None] - ways).max(2)                                # (30, 2)
        assert error.min(1).max() < 0.1
        assert name == "scale" or set(error.argmin(1)) == {0, 1}


def test_explained_errors():
    images = photographs(2)
    for call, message in [
            (lambda: corrupt(images, "fogg"), "unknown corruption 'fogg'; did you mean 'fog'"), (lambda: corrupt(images, 3), "unknown corruption 3"),
            (lambda: corrupt(images, "fog", 6), "severity is 6, expected a whole number from 1 to 5"),
            (lambda: corrupt(images, "fog", 0), "severity is 0"), (lambda: corrupt(images, "fog", 2.5), "severity is 2.5"),
            (lambda: corrupt(images, "fog", True), "severity is True"), (lambda: corrupt(images, "fog", "3"), "severity is '3'"),
            (lambda: corrupt(images[0], "fog"), "expected uint8 or float32"),
            (lambda: corrupt(images.astype(float), "noise"), "images are float64"),
            (lambda: corrupt(images, "noise", 1, seed=-1), "seed is -1")]:
        with pytest.raises(ValueError, match=message):
            call()
