"""Transforms: small random changes of the training images, made for a whole batch at once.

    augment = Compose([RandomAffine(10, translate=(0.1, 0.1)), Normalize(ds.mean, ds.std)])
    images = augment(images, rng)

Every transform is called `t(images, rng)` with images (B, C, H, W), uint8 0..255 or float32 (0..1 where it matters), and
an `Rng` (see rng.py), which gives each sample the same numbers whatever batch it is in. It returns a new batch and
leaves the given one alone. Names and arguments are torchvision's; the numbers drawn are ours.

Arrays are channels-last in memory: inside, a transform works on the view (B, H, W, C).
"""
import math

import numpy as np


def _rows(images, who, rng=None):
    """The batch as (B, H, W, C), checked."""
    if images.ndim != 4 or images.dtype not in (np.uint8, np.float32):
        raise ValueError(f"{who}: images are {images.dtype} {images.shape}, expected uint8 or float32 (B, C, H, W); "
                         "a single image is image[None]")
    if rng is not None and len(rng.index) != len(images):
        raise ValueError(f"{who}: rng is for {len(rng.index)} samples, the batch has {len(images)}")
    return images.transpose(0, 2, 3, 1)


def _images(rows):
    return rows.transpose(0, 3, 1, 2)


def _pair(value, who, name):
    """(low, high) of a number (0 or −number … number) or a pair, as torchvision reads `degrees` and `shear`."""
    if np.ndim(value) == 0:
        if value < 0:
            raise ValueError(f"{who}: {name} is {value}; a single number must not be negative (it means ± that much)")
        return -float(value), float(value)
    if len(value) != 2 or value[0] > value[1]:
        raise ValueError(f"{who}: {name} is {tuple(value)}, expected (low, high) with low <= high")
    return float(value[0]), float(value[1])


def _probability(p, who):
    if not 0 <= p <= 1:
        raise ValueError(f"{who}: p is {p}, expected a probability from 0 to 1")
    return p


class _Transform:
    """What transforms share: `__repr__` from the arguments they keep."""

    def __repr__(self):
        return f"{type(self).__name__}({', '.join(f'{key}={value!r}' for key, value in vars(self).items())})"


class Compose(_Transform):
    """One transform after the other."""

    def __init__(self, transforms):
        self.transforms = list(transforms)

    def __call__(self, images, rng=None):
        for transform in self.transforms:
            images = transform(images, rng)
        return images


class ToFloat(_Transform):
    """uint8 0..255 to float32 0..1, x / 255 (torchvision's ToTensor). float32 passes as it is."""

    def __call__(self, images, rng=None):
        rows = _rows(images, "ToFloat")
        return _images(np.divide(rows, np.float32(255))) if rows.dtype == np.uint8 else images


class Normalize(_Transform):
    """(x − mean) / std for each channel, of values from 0 to 1 (uint8 is converted first). Returns float32.

    mean, std: one number a channel. Raises ValueError for a std of 0 or another number of channels.
    """

    def __init__(self, mean, std):
        self.mean, self.std = tuple(np.atleast_1d(mean).tolist()), tuple(np.atleast_1d(std).tolist())
        if len(self.mean) != len(self.std) or not all(std > 0 for std in self.std):
            raise ValueError(f"Normalize: mean {self.mean} and std {self.std}, expected one each a channel, std > 0")

    def __call__(self, images, rng=None):
        rows = _rows(images, "Normalize")
        if rows.shape[-1] != len(self.mean):
            raise ValueError(f"Normalize: images have {rows.shape[-1]} channels, mean and std {len(self.mean)}")
        width = rows.shape[2]                                                      # a row at once: (W·C,) is longer than (C,)
        lines = np.ascontiguousarray(rows).reshape(*rows.shape[:2], width * rows.shape[3])
        mean, std = np.array(self.mean), np.array(self.std)
        if rows.dtype == np.uint8:                                                 # x · 1/(255 std) − mean/std: two passes, not three
            factor = np.tile((1 / (255 * std)).astype(np.float32), width)
            out = np.multiply(lines, factor, dtype=np.float32)                     # (B, H, W·C)
            out -= np.tile((mean / std).astype(np.float32), width)
        else:
            out = lines - np.tile(mean.astype(np.float32), width)
            out /= np.tile(std.astype(np.float32), width)
        return _images(out.reshape(rows.shape))


class RandomCrop(_Transform):
    """A window of `size` at a random place of the image, after `padding` rows and columns of `fill` on every side.

    size: int or (height, width). padding: int or (horizontal, vertical). padding_mode: "constant", or "edge",
    "reflect", "symmetric". Raises ValueError where the window is larger than the padded image.
    """

    def __init__(self, size, padding=0, fill=0, padding_mode="constant"):
        if padding_mode not in ("constant", "edge", "reflect", "symmetric"):
            raise ValueError(f"RandomCrop: padding_mode {padding_mode!r}, expected constant, edge, reflect or symmetric")
        self.size = (size, size) if np.ndim(size) == 0 else tuple(size)
        self.padding = (padding, padding) if np.ndim(padding) == 0 else tuple(padding)
        self.fill, self.padding_mode = fill, padding_mode

    def __call__(self, images, rng):
        rows = _rows(images, "RandomCrop", rng)
        px, py = self.padding
        more = {"constant_values": self.fill} if self.padding_mode == "constant" else {}
        padded = np.pad(rows, ((0, 0), (py, py), (px, px), (0, 0)), self.padding_mode, **more)
        free_y, free_x = padded.shape[1] - self.size[0], padded.shape[2] - self.size[1]
        if free_y < 0 or free_x < 0:
            raise ValueError(f"RandomCrop: size {self.size} is larger than the padded image {padded.shape[1:3]}")
        y, x = rng.integers(1, free_y + 1)[:, 0], rng.integers(1, free_x + 1)[:, 0]  # (B,)
        height, width = self.size
        out = np.empty((len(rows), height, width, rows.shape[3]), rows.dtype)
        for n, (i, j) in enumerate(zip(y.tolist(), x.tolist())):                   # whole rows of pixels: quicker than one gather
            out[n] = padded[n, i:i + height, j:j + width]
        return _images(out)


def _flipped(rows, flip):
    """A copy of the images (B, H, W, C), mirrored where `flip` (B,) says so."""
    out = rows.copy(order="C")
    out[flip] = np.take(out[flip], np.arange(rows.shape[2])[::-1], axis=2)         # moves whole pixels
    return _images(out)


def hflip(images):
    """All images with left and right exchanged."""
    rows = _rows(images, "hflip")
    return _flipped(rows, np.ones(len(rows), bool))


class RandomHorizontalFlip(_Transform):
    """Left and right exchanged, with probability `p`."""

    def __init__(self, p=0.5):
        self.p = _probability(p, "RandomHorizontalFlip")

    def __call__(self, images, rng):
        rows = _rows(images, "RandomHorizontalFlip", rng)
        return _flipped(rows, rng.uniform(1)[:, 0] < self.p)


class AlternatingHorizontalFlip(_Transform):
    """Left and right exchanged in every other epoch; a coin, tossed once for each sample, says in which it begins.

    So two epochs show both sides of every image, where chance would show half of them the same side twice.
    Source: Jordan, "94% on CIFAR-10 in 3.29 seconds on a single GPU", arXiv:2404.00498, section 3.6.
    """

    def __call__(self, images, rng):
        rows = _rows(images, "AlternatingHorizontalFlip", rng)
        return _flipped(rows, (rng.once().uniform(1)[:, 0] < 0.5) ^ bool(rng.epoch % 2))


def inverse_affine_matrices(angle, translate, scale, shear):
    """float32 (B, 2, 3): from an output pixel to the place in the input that it shows, both counted from the centre.

    Forward, an image is sheared by (sx, sy), rotated by θ (degrees, clockwise on the screen, where y points down), scaled
    and moved by (tx, ty) pixels:  M = s·R(θ)·Shear_y·Shear_x, written out below as in torchvision; this is M⁻¹(p − t).
    angle, scale (B,); translate, shear (B, 2). The determinant of the part without the scale is 1.
    """
    angle, sx, sy = np.deg2rad(np.asarray(angle, np.float64)), *np.deg2rad(np.asarray(shear, np.float64)).T
    a, c = np.cos(angle - sy) / np.cos(sy), np.sin(angle - sy) / np.cos(sy)
    b, d = -a * np.tan(sx) - np.sin(angle), -c * np.tan(sx) + np.cos(angle)
    inverse = np.stack([np.stack([d, -b], -1), np.stack([-c, a], -1)], 1) / np.asarray(scale, np.float64)[:, None, None]
    moved = -(inverse * np.asarray(translate, np.float64)[:, None, :]).sum(-1)     # −M⁻¹t  (B, 2)
    return np.concatenate([inverse, moved[:, :, None]], 2).astype(np.float32)


def affine(images, angle, translate, scale, shear, fill=0.0):
    """Turn, move, scale and shear each image by numbers of its own; bilinear. Returns float32 (B, C, H, W).

    angle (B,) in degrees, translate (B, 2) in pixels (x, y), scale (B,), shear (B, 2) in degrees (x, y). What comes from
    outside the image is `fill`. uint8 is converted to 0..1 first.
    """
    from .warp import warp_affine  # brings Numba: only where it is needed
    rows = np.ascontiguousarray(_rows(ToFloat()(images), "affine"))
    out = np.empty_like(rows)
    warp_affine(rows, inverse_affine_matrices(angle, translate, scale, shear), np.full(1, fill, np.float32), out)
    return _images(out)


class RandomAffine(_Transform):
    """A random turn, move, scaling and shear that keeps the centre; bilinear. Returns float32.

    degrees    number (± that much) or (low, high)
    translate  (a, b): moved by up to a·width and b·height, whole pixels; None: not moved
    scale      (low, high), None: not scaled
    shear      number: along x, ±; (low, high): along x; four numbers: (x low, x high, y low, y high); None
    fill       value of what comes from outside the image (0 is black: so normalise afterwards)
    """

    def __init__(self, degrees, translate=None, scale=None, shear=None, fill=0.0):
        who = "RandomAffine"
        self.degrees = _pair(degrees, who, "degrees")
        self.translate = (0.0, 0.0) if translate is None else tuple(float(part) for part in translate)
        if len(self.translate) != 2 or not all(0 <= part <= 1 for part in self.translate):
            raise ValueError(f"{who}: translate is {translate}, expected two fractions from 0 to 1")
        self.scale = (1.0, 1.0) if scale is None else _pair(scale, who, "scale")
        if self.scale[0] <= 0:
            raise ValueError(f"{who}: scale is {scale}, expected positive numbers")
        four = np.ndim(shear) == 1 and len(shear) == 4
        self.shear = (0.0, 0.0) if shear is None else _pair(shear[:2] if four else shear, who, "shear")
        self.shear += _pair(shear[2:], who, "shear") if four else (0.0, 0.0)
        self.fill = fill
        from . import warp  # noqa: F401 -- Numba's decorators are not for the loader's thread

    def __call__(self, images, rng):
        height, width = _rows(images, "RandomAffine", rng).shape[1:3]
        u = rng.uniform(6).T                                                       # (6, B): each draws all, used or not
        between = lambda unit, low, high: low + (high - low) * unit.astype(np.float64)
        dx, dy = self.translate[0] * width, self.translate[1] * height
        translate = np.round(np.stack([between(u[1], -dx, dx), between(u[2], -dy, dy)], 1))
        shear = np.stack([between(u[4], *self.shear[:2]), between(u[5], *self.shear[2:])], 1)
        return affine(images, between(u[0], *self.degrees), translate, between(u[3], *self.scale), shear, self.fill)


class RandomErasing(_Transform):
    """A random rectangle replaced by `value`, with probability `p`.

    The rectangle covers a fraction of the area within `scale`, its height over its width is within `ratio` (even in the
    logarithm). Of ten candidates the first that fits is taken. value: a number, one a channel, or "random" (standard
    normal noise, float32 only). Source: Zhong et al., "Random erasing data augmentation", AAAI 2020.
    """

    CANDIDATES = 10

    def __init__(self, p=0.5, scale=(0.02, 0.33), ratio=(0.3, 3.3), value=0):
        who = "RandomErasing"
        self.p, self.scale, self.ratio = _probability(p, who), _pair(scale, who, "scale"), _pair(ratio, who, "ratio")
        if not 0 <= self.scale[0] <= self.scale[1] <= 1 or self.ratio[0] <= 0:
            raise ValueError(f"{who}: scale {scale} and ratio {ratio}, expected fractions from 0 to 1 and positive ratios")
        if isinstance(value, str) and value != "random":
            raise ValueError(f"{who}: value is {value!r}, expected a number, one a channel, or 'random'")
        self.value = value

    def __call__(self, images, rng):
        rows = _rows(images, "RandomErasing", rng).copy(order="C")
        count, height, width, channels = rows.shape
        chosen = rng.uniform(1)[:, 0] < self.p                                     # (B,)
        area = height * width * rng.uniform(self.CANDIDATES, *self.scale)          # (B, 10)
        aspect = np.exp(rng.uniform(self.CANDIDATES, math.log(self.ratio[0]), math.log(self.ratio[1])))
        h, w = np.round(np.sqrt(area * aspect)).astype(int), np.round(np.sqrt(area / aspect)).astype(int)
        fits = (h < height) & (w < width)
        first = fits.argmax(1)                                                     # (B,)
        h, w = h[np.arange(count), first], w[np.arange(count), first]
        y, x = np.floor(rng.uniform(2).T * np.stack([height - h + 1, width - w + 1])).astype(int)
        noise = rng.normal(height * width * channels).reshape(rows.shape) if self.value == "random" else None
        for n in np.flatnonzero(chosen & fits.any(1)):
            box = np.s_[n, y[n]:y[n] + h[n], x[n]:x[n] + w[n]]
            rows[box] = self.value if noise is None else noise[box]
        return _images(rows)


class GaussianNoise(_Transform):
    """x + mean + sigma·ε with ε standard normal, kept within 0..1 unless `clip` is False. Returns float32."""

    def __init__(self, mean=0.0, sigma=0.1, clip=True):
        if sigma < 0:
            raise ValueError(f"GaussianNoise: sigma is {sigma}, expected at least 0")
        self.mean, self.sigma, self.clip = mean, sigma, clip

    def __call__(self, images, rng):
        rows = _rows(ToFloat()(images), "GaussianNoise", rng)
        out = rng.normal(rows[0].size).reshape(rows.shape) if len(rows) else rows.copy()
        out *= np.float32(self.sigma)
        out += np.float32(self.mean)
        out += rows
        return _images(np.clip(out, 0, 1, out=out) if self.clip else out)
