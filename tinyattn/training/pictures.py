"""From the picture someone brings to the image a model can read, and a word on everything done to it.

The data sets of figures (glyphs, cluttered, scales, MNIST, Fashion-MNIST, KMNIST) are light on black, centred, with a margin; a
photograph of ink on paper is none of that. MNIST's own preparation is followed: the figure is scaled to 20 of 28
pixels and centred (Y. LeCun, C. Cortes and C. Burges, "The MNIST database", by the centre of mass).
"""
import warnings

import numpy as np
from PIL import Image, ImageFilter, ImageOps, UnidentifiedImageError

from ..data.opening import open_file

FIGURES = {"glyphs": 20, "cluttered": 20, "scales": 18, "mnist": 20, "fashion-mnist": 20, "kmnist": 20}
"""Data sets of figures, and the pixels along a figure's longer side (of scales, in the middle of 8 to 28)."""

FORMATS = ("PNG", "JPEG", "MPO", "GIF", "BMP", "DIB", "WEBP", "TIFF", "PPM", "JPEG2000", "AVIF")
"""What is opened. Pillow knows more, among them formats that start another program (EPS)."""

MOST_PIXELS = 50_000_000
"""Of an image, by its header: a 48-megapixel camera's. A few kilobytes can announce, and unpack to, any number."""

LONGEST = 2048
"""Larger images are reduced to this many pixels a side at once: no model here wants more than a fiftieth of it."""


class PictureError(ValueError):
    """The file cannot be used. `str()` names it and says why."""


def read(path):
    """Open an image file whole, upright, as RGB or RGBA. Raises `PictureError`."""
    try:
        file = open_file(path, "an image file")
    except OSError as error:
        raise PictureError(str(error)) from None
    with file, warnings.catch_warnings():
        warnings.simplefilter("ignore")  # Pillow's, on what it puts up with
        try:
            with Image.open(file, formats=_formats()) as image:
                if image.width * image.height > MOST_PIXELS:
                    raise PictureError(f"{path} has {image.width:,} × {image.height:,} pixels; at most {MOST_PIXELS:,} are read, "
                                       "make it smaller first")
                whole = image.size
                image.draft("RGB", (LONGEST, LONGEST))  # JPEG can be read at a half, a quarter …
                image.load()
                image = _reduced(image)
                made = _eight_bits(_upright(image))
                made.info["reduced from"] = whole if image.size != whole else None
                return made
        except PictureError:
            raise
        except Image.DecompressionBombError:
            raise PictureError(f"{path} has far too many pixels; at most {MOST_PIXELS:,} are read, make it smaller first") from None
        except UnidentifiedImageError:
            file.seek(4)
            heic = "; it is HEIC, as telephones save: save it as JPEG" if file.read(8)[:6] in (b"ftyphe", b"ftypmi") else ""
            raise PictureError(f"{path} is no image that can be read (PNG, JPEG, GIF, BMP, WebP … are){heic}") from None
        except Exception as error:  # whatever a decoder stumbles over, it is this file
            raise PictureError(f"{path} cannot be read: {_short(error)}; is it whole? save it again as PNG") from None


def _formats():
    """Those of `FORMATS` that this Pillow was built with."""
    Image.init()
    return [name for name in FORMATS if name in Image.OPEN]


def _short(error):
    text = str(error).strip().partition("\n")[0][:150]
    return text if text and text.isprintable() else type(error).__name__


def _reduced(image):
    """The image with its longer side at most about `LONGEST`, by averaging whole blocks of pixels."""
    factor = max(1, max(image.size) // LONGEST)
    if factor == 1:
        return image
    info = image.info
    if image.mode in ("P", "PA", "1"):
        image = image.convert("RGBA" if "transparency" in info or image.mode == "PA" else "RGB")
    elif image.mode.startswith("I;"):
        image = image.convert("I")
    reduced = image.reduce((min(factor, image.width), min(factor, image.height)))
    reduced.info.update(info)
    return reduced


def _upright(image):
    """Turned as the camera says it was held; a camera's word that cannot be read is passed over."""
    try:
        return ImageOps.exif_transpose(image)
    except Exception:  # damaged EXIF: any error can come out of it, and the pixels are good
        return image


def _eight_bits(image):
    """As RGB or RGBA of 8 bits. 16 and 32 bits are stretched to 8, as convert() would cut them off."""
    if image.mode.startswith(("I", "F")):
        values = np.asarray(image, np.float64)
        finite = np.isfinite(values)
        low, high = (values[finite].min(), values[finite].max()) if finite.any() else (0.0, 0.0)
        scaled = 255 * ((np.clip(np.nan_to_num(values, nan=low), low, high) - low) / ((high - low) or 1))
        image = Image.fromarray(np.uint8(scaled))
    return image.convert("RGBA" if "A" in image.getbands() or "transparency" in image.info else "RGB")


def prepare(path, about):
    """Read an image file in the form a model wants.

    about: what the model knows of its data: `data`, `channels`, `image_size` (H, W)
    Returns uint8 (C, H, W) and a list of words on what was done. Raises `PictureError`.
    """
    image = read(path)
    whole = image.info["reduced from"]
    notes = [f"{image.width}×{image.height}" + (f" (reduced from {whole[0]}×{whole[1]})" if whole else "")]
    image = _opaque(image, notes)
    height, width = about["image_size"]
    if about["channels"] == 1 and about["data"] in FIGURES:
        figure = _figure(np.asarray(image.convert("L"), np.float32) / 255, (height, width), about["data"], notes)
        return figure[None], notes
    image = _square(image, width / height, notes)
    if image.size != (width, height):
        notes.append(f"scaled to {width}×{height}")
        image = image.resize((width, height), Image.Resampling.LANCZOS)
    values = np.asarray(image.convert("L" if about["channels"] == 1 else "RGB"))
    return np.ascontiguousarray(values.reshape(height, width, -1).transpose(2, 0, 1)), notes


def normalised(images, about):
    """uint8 (N, C, H, W) → float32, with the training images' mean and deviation."""
    mean, std = (np.asarray(about[key], np.float32).reshape(1, -1, 1, 1) for key in ("mean", "std"))
    return (images.astype(np.float32) / np.float32(255) - mean) / std


def _opaque(image, notes):
    """Lay a transparent image on the ground it stands out from: white, or black under a light one."""
    if image.mode != "RGBA":
        return image
    values = np.asarray(image, np.float32)
    solid = values[..., 3] > 127
    if solid.all():
        return image.convert("RGB")
    light = solid.any() and values[solid][:, :3].mean() > 127
    ground = Image.new("RGBA", image.size, (0, 0, 0, 255) if light else (255, 255, 255, 255))
    notes.append(f"laid on {'black' if light else 'white'}")
    return Image.alpha_composite(ground, image).convert("RGB")


def _square(image, ratio, notes):
    """The largest middle part of width/height = `ratio`."""
    width, height = image.size
    w, h = (round(height * ratio), height) if width > height * ratio else (width, round(width / ratio))
    w, h = max(1, w), max(1, h)
    if (w, h) == (width, height):
        return image
    notes.append(f"cut to its middle {w}×{h}")
    left, top = (width - w) // 2, (height - h) // 2
    return image.crop((left, top, left + w, top + h))


def _figure(grey, size, data, notes):
    """Grey values 0 … 1 of any size (H, W) as uint8 of `size`: light on black, cut out, centred."""
    border = np.concatenate([grey[0], grey[-1], grey[:, 0], grey[:, -1]])
    if np.median(border) > 0.5:
        grey, border = 1 - grey, 1 - border
        notes.append("inverted (it was dark on light)")
    if grey.shape == tuple(size):
        notes.append("size kept")
        return np.uint8(np.round(255 * grey))
    ground, peak = float(np.median(border)), float(np.quantile(grey, 0.999))
    if max(peak, float(grey.max())) - ground < 0.08:
        notes.append(f"found no figure in it; scaled to {size[1]}×{size[0]}")
        return _scaled(grey, size[1], size[0])
    grey = np.clip((grey - ground) / max(peak - ground, 0.08), 0, 1)
    ink = _without_specks(grey) > 0.3
    rows, columns = (np.flatnonzero(ink.any(axis=axis)) for axis in (1, 0))
    grey = grey[rows[0]:rows[-1] + 1, columns[0]:columns[-1] + 1]
    scale = FIGURES[data] / max(grey.shape)
    h, w = (max(1, round(length * scale)) for length in grey.shape)
    small = _scaled(grey, w, h)
    notes.append(f"figure cut out, scaled to {w}×{h}, centred in {size[1]}×{size[0]}")
    if data == "mnist":
        mass = small.astype(np.float64) + 1e-9
        y = (mass.sum(axis=1) * (np.arange(h) + 0.5)).sum() / mass.sum()
        x = (mass.sum(axis=0) * (np.arange(w) + 0.5)).sum() / mass.sum()
    else:
        y, x = h / 2, w / 2
    top = int(np.clip(round(size[0] / 2 - y), 0, size[0] - h))
    left = int(np.clip(round(size[1] / 2 - x), 0, size[1] - w))
    placed = np.zeros(size, np.uint8)
    placed[top:top + h, left:left + w] = small
    return placed


def _without_specks(grey):
    """`grey` without single odd pixels (dust, a scan's noise), by a 3 × 3 median: for finding where the figure is."""
    if min(grey.shape) < 56:
        return grey
    image = Image.fromarray(np.uint8(np.round(255 * grey))).filter(ImageFilter.MedianFilter(3))
    clean = np.asarray(image, np.float32) / 255
    return clean if (clean > 0.3).any() else grey


def _scaled(grey, width, height):
    """Grey values 0 … 1 (H, W) scaled to uint8 (height, width); averaging where it shrinks."""
    image = Image.fromarray(np.uint8(np.round(255 * grey)))
    return np.asarray(image.resize((width, height), Image.Resampling.LANCZOS))
