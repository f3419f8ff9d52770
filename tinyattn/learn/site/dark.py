"""Pictures for dark pages: the same drawing with lightness turned round and hues kept; images in it (digits, heat maps) stay as they are."""
import re

import numpy as np

NIGHT = 0.19        # the lightness of furo's dark page in OKLab; white paper takes it
COLOUR = re.compile(r"((?:fill|stroke): )(#[0-9a-f]{6})")
WORDS = re.compile(r'<g style="fill: #[0-9a-f]{6}" transform="translate\((\S+) ([^)\s]+)\)')
IMAGE = re.compile(r'<image [^>]*translate\(0 (\S+)\)" x="(\S+)" y="(\S+)" width="(\S+)" height="(\S+)"/>')    # drawn upside down
_LMS = np.array([[0.4122214708, 0.5363325363, 0.0514459929], [0.2119034982, 0.6806995451, 0.1073969566], [0.0883024619, 0.2817188376, 0.6299787005]])
_LAB = np.array([[0.2104542553, 0.7936177850, -0.0040720468], [1.9779984951, -2.4285922050, 0.4505937099], [0.0259040371, 0.7827717662, -0.8086757660]])


def night(colour):
    """The colour "#rrggbb" for a dark page: greys and tints with their lightness turned round, strong colours no darker than can be read there.

    Lightness and hue are those of OKLab (Björn Ottosson, "A perceptual color space for image processing", 2020).
    """
    rgb = np.array([int(colour[i:i + 2], 16) for i in (1, 3, 5)]) / 255
    linear = np.where(rgb <= 0.04045, rgb / 12.92, ((rgb + 0.055) / 1.055) ** 2.4)
    lab = _LAB @ np.cbrt(_LMS @ linear)
    strong = np.hypot(*lab[1:]) > 0.09
    lab[0] = max(lab[0], 0.7) if strong else NIGHT + 0.78 * max(1 - lab[0], 0) ** 0.6    # the power keeps grey words light enough to read
    linear = np.linalg.solve(_LMS, np.linalg.solve(_LAB, lab) ** 3).clip(0, 1)
    rgb = np.where(linear <= 0.0031308, 12.92 * linear, 1.055 * linear ** (1 / 2.4) - 0.055)
    return "#" + "".join(f"{round(255 * v):02x}" for v in rgb)


def dark(svg):
    """The picture `svg` (text, as Matplotlib writes it) for a dark page. Words that lie on an image keep their colour, as the image does."""
    head, *parts = re.split(r'(?=<g id="axes_\d+">)', svg)
    parts = [_part(part) for part in parts]
    head = COLOUR.sub(_turned, head.replace("<svg ", f'<svg fill="{night("#000000")}" ', 1))     # black is not written out
    return head + "".join(parts)


def _part(part):
    images = [[float(number) for number in found] for found in IMAGE.findall(part)]
    pieces, at = [], 0
    for found in WORDS.finditer(part):
        x, y = float(found[1]), float(found[2])
        if any(left <= x <= left + width and -height <= y + lower + top <= 0 for lower, left, top, width, height in images):
            pieces += [COLOUR.sub(_turned, part[at:found.start()]), found[0]]
            at = found.end()
    return "".join(pieces) + COLOUR.sub(_turned, part[at:])


def _turned(found):
    return found[1] + night(found[2])
