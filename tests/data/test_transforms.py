"""The transforms against hand cases and against plain loops over one image at a time."""
import numpy as np
import pytest

from tinyattn.data import Rng
from tinyattn.data.transforms import (AlternatingHorizontalFlip, Compose, GaussianNoise, Normalize, RandomAffine, RandomCrop, RandomErasing,
                                      RandomHorizontalFlip, ToFloat, affine, hflip, inverse_affine_matrices)

B = 40


def batch(dtype=np.float32, n=B, channels=3, height=9, width=12, seed=0):
    random = np.random.default_rng(seed)
    rows = random.integers(1, 256, (n, height, width, channels), dtype=np.uint8)
    return (rows if dtype == np.uint8 else rows.astype(np.float32) / np.float32(256)).transpose(0, 3, 1, 2)


def rng(n=B, seed=0, epoch=0):
    return Rng(seed, epoch, np.arange(n))


ALL = [RandomCrop(8), RandomCrop((7, 11), padding=(3, 1)), RandomHorizontalFlip(), RandomAffine(30, (0.2, 0.1), (0.7, 1.3), 10),
       RandomErasing(0.7), RandomErasing(1.0, value="random"), GaussianNoise(), Normalize((0.1, 0.2, 0.3), (1, 2, 3)), ToFloat(),
       Compose([RandomHorizontalFlip(), RandomAffine(10), RandomErasing()]), AlternatingHorizontalFlip()]


@pytest.mark.parametrize("transform", ALL, ids=repr)
def test_what_all_of_them_promise(transform):
    """The input is left alone; a sample's result depends on seed, epoch and sample alone; memory is channels-last."""
    for images in (batch(), batch(np.uint8), np.ascontiguousarray(batch()), batch(channels=3, n=1)[:0]):
        if isinstance(transform, RandomErasing) and transform.value == "random" and images.dtype == np.uint8:
            continue
        before = images.copy()
        out = transform(images, rng(len(images)))
        np.testing.assert_array_equal(images, before)
        assert out.dtype in (np.float32, images.dtype) and out.shape[:2] == images.shape[:2]
        if images.transpose(0, 2, 3, 1).flags.c_contiguous:
            assert out.transpose(0, 2, 3, 1).flags.c_contiguous
        for n in (0, 7, 33)[:len(images)]:
            np.testing.assert_array_equal(transform(images[n:n + 1], Rng(0, 0, [n]))[0], out[n])


@pytest.mark.parametrize("transform", ALL[:7], ids=repr)
def test_random_means_random(transform):
    """Samples differ from each other, epochs differ, the same numbers give the same."""
    images = np.broadcast_to(batch(n=1), (B, 3, 9, 12))
    out, again, later = (transform(images, rng(epoch=epoch)) for epoch in (0, 0, 1))
    assert out.tobytes() == again.tobytes() != later.tobytes()
    assert len({image.tobytes() for image in out}) >= (2 if isinstance(transform, RandomHorizontalFlip) else 5)


def test_alternating_flip():
    """Every epoch is the mirror image of the one before; in which a sample begins is a coin of its own, and of the seed's."""
    images = batch(n=200)
    first, second, third = (AlternatingHorizontalFlip()(images, rng(200, epoch=epoch)) for epoch in (0, 1, 2))
    np.testing.assert_array_equal(second, hflip(first))
    np.testing.assert_array_equal(third, first)
    flipped = (first != images).any((1, 2, 3))
    assert 70 < flipped.sum() < 130
    np.testing.assert_array_equal(first[flipped], images[flipped][..., ::-1])
    other = (AlternatingHorizontalFlip()(images, rng(200, seed=1)) != images).any((1, 2, 3))
    assert 70 < (flipped ^ other).sum() < 130


def test_to_float():
    images = np.arange(256, dtype=np.uint8).reshape(1, 1, 16, 16)
    out = ToFloat()(images)
    assert out.dtype == np.float32 and out.max() == 1 and out.min() == 0
    np.testing.assert_array_equal(out.ravel(), [np.float32(value) / np.float32(255) for value in range(256)])
    assert ToFloat()(out) is out


def test_normalize():
    images = np.zeros((1, 2, 1, 2), np.uint8)
    images[0, 0], images[0, 1] = [[51, 102]], [[0, 255]]
    np.testing.assert_allclose(Normalize((0.2, 0.5), (0.1, 0.25))(images).ravel(), [0, 2, -2, 2], atol=1e-6)
    with pytest.raises(ValueError, match="3 channels, mean and std 1"):
        Normalize(0.5, 0.5)(batch())
    with pytest.raises(ValueError, match="std > 0"):
        Normalize((0.5,), (0,))


@pytest.mark.parametrize("padding, mode", [(0, "constant"), (2, "constant"), ((3, 1), "reflect"), ((1, 2), "edge")])
def test_random_crop_is_a_window_of_the_padded_image(padding, mode):
    images = batch()
    out = RandomCrop((6, 7), padding, fill=0.5, padding_mode=mode)(images, rng())
    px, py = (padding, padding) if np.ndim(padding) == 0 else padding
    more = {"constant_values": 0.5} if mode == "constant" else {}
    places = set()
    for image, got in zip(images, out):
        padded = np.pad(image, ((0, 0), (py, py), (px, px)), mode, **more)
        found = [(y, x) for y in range(padded.shape[1] - 5) for x in range(padded.shape[2] - 6)
                 if np.array_equal(padded[:, y:y + 6, x:x + 7], got)]
        assert found
        places.add(found[0])
    assert len(places) > 10


def test_random_crop_reaches_every_place_equally():
    images = np.broadcast_to(np.arange(9, dtype=np.uint8).reshape(1, 1, 3, 3), (9000, 1, 3, 3))
    corners = RandomCrop(1)(images, rng(9000)).ravel()
    assert (abs(np.bincount(corners, minlength=9) - 1000) < 150).all()
    with pytest.raises(ValueError, match="larger than the padded image"):
        RandomCrop(10)(batch(), rng())


def test_random_flip():
    images = batch(n=2000, height=2, width=3)
    out = RandomHorizontalFlip(0.3)(images, rng(2000))
    flipped = np.array([np.array_equal(got, image[:, :, ::-1]) for got, image in zip(out, images)])
    kept = np.array([np.array_equal(got, image) for got, image in zip(out, images)])
    assert (flipped ^ kept).all() and abs(flipped.mean() - 0.3) < 0.04
    np.testing.assert_array_equal(RandomHorizontalFlip(0)(images, rng(2000)), images)
    np.testing.assert_array_equal(RandomHorizontalFlip(1)(images, rng(2000)), images[..., ::-1])


def warp(images, angle=0.0, translate=(0, 0), scale=1.0, shear=(0, 0), **options):
    many = np.ones(len(images))
    return affine(images, angle * many, np.outer(many, translate), scale * many, np.outer(many, shear), **options)


def test_affine_identity_is_exact():
    for images in (batch(), batch(height=1, width=1), batch(height=28, width=28, channels=1)):
        np.testing.assert_array_equal(warp(images), images)


@pytest.mark.parametrize("dx, dy", [(2, 0), (0, -3), (-1, 4), (20, 0)])
def test_affine_whole_shifts_are_exact(dx, dy):
    images, expected = batch(), np.full_like(batch(), 0.25)
    for i in range(9):
        for j in range(12):
            if 0 <= i - dy < 9 and 0 <= j - dx < 12:
                expected[:, :, i, j] = images[:, :, i - dy, j - dx]
    np.testing.assert_array_equal(warp(images, translate=(dx, dy), fill=0.25), expected)


@pytest.mark.parametrize("size", [1, 8, 9])
@pytest.mark.parametrize("turns", [1, 2, 3])
def test_affine_quarter_turns_are_rot90(size, turns):
    """A positive angle turns clockwise, as torchvision's; np.rot90 turns the other way."""
    images = batch(height=size, width=size)
    np.testing.assert_allclose(warp(images, angle=-90 * turns), np.rot90(images, turns, axes=(2, 3)), atol=2e-6)


def test_affine_scale_and_shear_by_hand():
    image = np.zeros((1, 1, 5, 5), np.float32)
    image[0, 0] = np.arange(25).reshape(5, 5)
    doubled = warp(image, scale=2.0)[0, 0]
    assert doubled[2, 2] == 12 and doubled[2, 3] == 12.5 and doubled[3, 2] == 14.5 and doubled[0, 0] == 6
    sheared = warp(image, shear=(-45, 0))[0, 0]  # each row moves right by its height below the centre
    np.testing.assert_allclose(sheared, [[2, 3, 4, 0, 0], [6, 7, 8, 9, 0], [10, 11, 12, 13, 14], [0, 15, 16, 17, 18],
                                         [0, 0, 20, 21, 22]], atol=1e-5)


def test_affine_against_one_pixel_at_a_time():
    """Bilinear sampling written from the definition: Σ over all pixels of the hat function, plus fill for the rest."""
    images = batch(n=3, height=5, width=6, channels=2)
    angle, translate, scale, shear = [17, -60, 140], [[1.5, 0], [0, -2], [0.3, 0.7]], [1.2, 0.6, 0.9], [[5, 0], [0, -9], [10, 4]]
    out = affine(images, angle, translate, scale, shear, fill=0.3)
    for n in range(3):
        t, (sx, sy) = np.deg2rad(angle[n]), np.deg2rad(shear[n])
        forward = scale[n] * (np.array([[np.cos(t), -np.sin(t)], [np.sin(t), np.cos(t)]])
                              @ [[1, 0], [-np.tan(sy), 1]] @ [[1, -np.tan(sx)], [0, 1]])
        for i in range(5):
            for j in range(6):
                x, y = np.linalg.inv(forward) @ (np.array([j - 2.5, i - 2.0]) - translate[n]) + [2.5, 2.0]
                hats = np.array([[max(0, 1 - abs(x - s)) * max(0, 1 - abs(y - r)) for s in range(6)] for r in range(5)])
                expected = (images[n] * hats).sum((1, 2)) + 0.3 * (1 - hats.sum())
                np.testing.assert_allclose(out[n, :, i, j], expected, atol=3e-6)


def test_affine_far_outside_and_nan_are_fill():
    images = batch(n=2)
    assert (warp(images, translate=(1e30, 0), fill=7.0) == 7).all()
    assert (warp(images, angle=np.nan, fill=7.0) == 7).all()


def test_random_affine_draws_within_its_ranges(monkeypatch):
    from tinyattn.data import transforms
    drawn = {}
    monkeypatch.setattr(transforms, "affine", lambda images, *numbers: drawn.update(zip("atsh", numbers)))
    RandomAffine(10, (0.25, 0.5), (0.5, 2.0), (1, 2, 3, 4))(batch(n=4000, height=8, width=20), rng(4000))
    for values, low, high in ((drawn["a"], -10, 10), (drawn["t"][:, 0], -5, 5), (drawn["t"][:, 1], -4, 4), (drawn["s"], 0.5, 2),
                              (drawn["h"][:, 0], 1, 2), (drawn["h"][:, 1], 3, 4)):
        assert low <= values.min() < low + 0.02 * (high - low) and high - 0.02 * (high - low) < values.max() <= high
    assert (drawn["t"] == np.round(drawn["t"])).all()
    RandomAffine((5, 6))(batch(), rng())
    assert 5 <= drawn["a"].min() and drawn["a"].max() <= 6
    assert not drawn["t"].any() and (drawn["s"] == 1).all() and not drawn["h"].any()
    RandomAffine(0, shear=3)(batch(), rng())
    assert abs(drawn["h"][:, 0]).max() <= 3 and drawn["h"][:, 0].min() < 0 and not drawn["h"][:, 1].any()


@pytest.mark.parametrize("arguments", [(-1,), ((5, 1),), (0, (2, 0)), (0, (0.1,)), (0, None, (0, 1)), (0, None, None, (1, 2, 3))])
def test_random_affine_refuses(arguments):
    with pytest.raises(ValueError, match="RandomAffine: "):
        RandomAffine(*arguments)


def test_random_erasing_makes_one_rectangle_of_the_right_size():
    images = batch(n=500, height=20, width=30)
    out = RandomErasing(0.6, scale=(0.05, 0.3), ratio=(0.5, 2.0), value=0)(images, rng(500))
    changed = (out != images).all(1)                                               # (N, H, W): no pixel is 0 before
    assert ((out == 0).all(1) == changed).all() and (out[:, 0][~changed] == images[:, 0][~changed]).all()
    hit = changed.any((1, 2))
    assert abs(hit.mean() - 0.6) < 0.07
    touched = np.zeros((20, 30), int)
    for mask in changed[hit]:
        rows, columns = np.flatnonzero(mask.any(1)), np.flatnonzero(mask.any(0))
        h, w = len(rows), len(columns)
        assert mask.sum() == h * w and rows[-1] - rows[0] + 1 == h and columns[-1] - columns[0] + 1 == w
        assert 0.05 * 600 - 15 <= h * w <= 0.3 * 600 + 25 and 0.5 * 0.8 <= h / w <= 2.0 * 1.25
        touched += mask
    assert touched[0].any() and touched[-1].any() and touched[:, 0].any() and touched[:, -1].any()
    assert touched[4:-4, 6:-6].min() > 20


def test_random_erasing_values():
    images = batch()
    colours = RandomErasing(1.0, value=(7, 8, 9))(images, rng())
    mask = (colours != images).all(1)
    assert all((colours[:, c][mask] == value).all() for c, value in enumerate((7, 8, 9))) and mask.any((1, 2)).all()
    noise = RandomErasing(1.0, scale=(0.3, 0.33), value="random")(batch(n=400), rng(400))
    drawn = noise[noise != batch(n=400)]
    assert abs(drawn.mean()) < 0.02 and abs(drawn.std() - 1) < 0.02
    np.testing.assert_array_equal(RandomErasing(0)(images, rng()), images)
    square = batch(height=9, width=9)
    whole = RandomErasing(1.0, scale=(1, 1), ratio=(1, 1))(square, rng())  # never smaller than the image: left alone
    np.testing.assert_array_equal(whole, square)
    for options in ({"p": 2}, {"scale": (0.5, 0.1)}, {"scale": (0, 2)}, {"ratio": (0, 1)}, {"value": "noise"}):
        with pytest.raises(ValueError, match="RandomErasing: "):
            RandomErasing(**options)


def test_gaussian_noise():
    images = np.full((100, 1, 20, 20), 0.5, np.float32)
    out = GaussianNoise(0.05, 0.1)(images, rng(100))
    assert abs(out.mean() - 0.55) < 0.002 and abs(out.std() - 0.1) < 0.002
    wild = GaussianNoise(0, 5.0)(images, rng(100))
    assert wild.min() == 0 and wild.max() == 1 and GaussianNoise(0, 5.0, clip=False)(images, rng(100)).max() > 5
    with pytest.raises(ValueError, match="sigma"):
        GaussianNoise(sigma=-1)


def test_mistakes_are_explained():
    with pytest.raises(ValueError, match=r"ToFloat: images are float32 \(3, 9, 12\).* image\[None\]"):
        ToFloat()(batch()[0])
    with pytest.raises(ValueError, match="float64"):
        RandomHorizontalFlip()(batch().astype(float), rng())
    with pytest.raises(ValueError, match="rng is for 3 samples, the batch has 40"):
        RandomHorizontalFlip()(batch(), rng(3))
    with pytest.raises(ValueError, match="probability"):
        RandomHorizontalFlip(1.5)
    with pytest.raises(ValueError, match="padding_mode"):
        RandomCrop(3, padding_mode="wrap")
    assert repr(Compose([RandomHorizontalFlip(0.5)])) == "Compose(transforms=[RandomHorizontalFlip(p=0.5)])"
    assert np.linalg.det(inverse_affine_matrices([30.0], [[1, 2]], [1.0], [[10, 20]])[0, :, :2]) == pytest.approx(1)
