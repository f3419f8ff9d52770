"""What tests read from pictures and pages: pixels, and the numbers of a page as its script reads them."""
import base64
import pathlib

import numpy as np
from PIL import Image

from tinyattn.viz import page

SCRIPT = pathlib.Path(page.__file__).with_name("maps_page.js")


def script():
    """All that the page of maps runs, in one."""
    return SCRIPT.with_name("shell.js").read_bytes() + SCRIPT.read_bytes()


def uncut(path):
    """The picture's pixels; nothing lies at its very edge, where it would be cut off."""
    with Image.open(path) as image:
        pixels = np.asarray(image.convert("RGB"))
    edge = np.concatenate([pixels[0], pixels[-1], pixels[:, 0], pixels[:, -1]])
    assert min(pixels.shape[:2]) > 150 and pixels.std() > 10 and (edge == 255).all(), f"{path.name} is empty, or cut off at its edge"
    return pixels


def decoded(layer, image):
    """The numbers of a layer of a page for an image: (lines, length)."""
    stored = np.frombuffer(base64.b64decode(layer["data"][image]), np.uint8).reshape(-1, layer["length"])
    low, high = np.frombuffer(base64.b64decode(layer["ends"][image]), "<f4").reshape(-1, 2, 1).transpose(1, 0, 2)
    return low + (high - low) * stored / 255
