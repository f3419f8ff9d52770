"""One HTML page to point at: each place of an image shows its row of attention. It holds everything and loads nothing.

Numbers are stored as bytes between the least and the largest of their line (a token's row in a head, a whole map), which are stored as
float32 beside them: exact to 1/510 of the line's range. Sampling grids are float32. The page is `maps_page.html` in the `shell` of all
our pages.
"""
import base64
import html
import io

import numpy as np
from PIL import Image

from . import shell, style
from .kinds import places, title, token_grid, words

MOST_BYTES = 5_500_000   # of numbers, before they become text, which is a third longer
BARS = ("channel", "branches", "levels")
ASKING = {"tokens": "rows", "cross": "queries"}   # kind → form, of what has a map for each that asks: a place, a query


def write(path, look, classes, heading, names=None):
    """Write the page of a `Look` to `path`; returns its size in bytes. names: of the images, default "test image 1" and so on."""
    from ..training.files import write_atomically
    return write_atomically(path, page(look, classes, heading, names).encode())


def page(look, classes, heading, names=None):
    """The page as text."""
    return shell.compose("maps_page", f"What it looks at: {heading}", contents(look, classes, names), heading=html.escape(heading))


def contents(look, classes, names=None):
    """What the page knows, as plain values: the images, and for each layer its numbers."""
    names = names or [f"test image {i + 1}" for i in range(len(look.images))]
    images = []
    for i, (image, p) in enumerate(zip(look.images, look.probabilities)):
        best = np.argsort(-p, kind="stable")[:3]
        images.append({"name": str(names[i]), "uri": _png(image), "label": None if look.labels is None else int(look.labels[i]),
                       "top": [[int(k), round(float(p[k]), 4)] for k in best]})
    return {"size": list(look.size), "classes": [str(name) for name in classes], "images": images, "layers": _layers(look),
            "heat": np.round(255 * style.heat(np.linspace(0, 1, 33))).astype(int).tolist()}


def _layers(look):
    """The layers in the order of the model: self-attention and queries, which have a map for each place or query; sampling grids and maps of
    places; gates; then what is computed from them."""
    rows, others, left = [], [], MOST_BYTES
    for name, kinds in look.maps.items():
        for kind, values in kinds.items():
            if kind in ASKING and token_grid(values.shape[3], look.size) is not None:
                rows.append((name, kind, values))
            elif kind == "grid":
                others.append(_grid(name, values))
            elif kind in BARS:
                others.append(_bars(name, kind, values))
            elif places(kind, values, look.size) is not None:
                others.append(_map(title(name, kind), words(kind), places(kind, values, look.size)))
    others.sort(key=lambda layer: layer["form"] == "bars")              # places first: they lie in the image
    if look.rollout.values is not None:
        others.append(_map("attention rollout", f"where the answer comes from, through several layers ({look.rollout.words()})", look.rollout.values))
    others += [_map(f"Grad-CAM of {name}", "which places speak for the answer, by gradients", maps) for name, maps in look.cams.items()]
    others.append(_map("gradient", "how strongly each pixel could change the answer", look.gradient))
    if sum(values.size for _, _, values in rows) > left:                # too large: the heads' mean
        rows = [(name, kind, values.mean(axis=1, keepdims=True)) for name, kind, values in rows]
    found = []
    for name, kind, values in reversed(rows):                           # the last layers are the ones that must be there
        if values.size <= left:
            left -= values.size
            found.insert(0, _rows(name, kind, values, look.size))
    return found + others


def _rows(name, kind, values, size):
    n, heads, asking, keys = values.shape
    h, w, extra = token_grid(keys, size)
    data, ends = _stored(values.reshape(n, heads * asking, keys))
    return {"title": name, "form": ASKING[kind], "words": words(kind), "grid": [h, w], "tokens": asking, "extra": extra, "heads": heads,
            "length": keys, "shares": bool(np.allclose(values.sum(axis=-1), 1, atol=1e-3)), "data": data, "ends": ends}


def _grid(name, values):
    """A sampling grid (N, h, w, 2): all its x, then all its y, as they are: bytes would bend its lines."""
    nets = values.reshape(len(values), -1, 2).swapaxes(1, 2).astype("<f4")
    return {"title": title(name, "grid"), "form": "grid", "words": words("grid"), "grid": list(values.shape[1:3]),
            "net": [_text(net.tobytes()) for net in nets]}


def _map(name, words_, values):
    data, ends = _stored(values.reshape(len(values), 1, -1))
    return {"title": name, "form": "places", "words": words_, "grid": list(values.shape[1:]), "length": int(values[0].size), "data": data, "ends": ends}


def _bars(name, kind, values):
    made = {"title": title(name, kind), "form": "bars", "words": words(kind), "length": int(values[0].size)}
    if kind == "branches":
        made["names"] = [f"branch {b}, channel {c}" for b in range(values.shape[1]) for c in range(values.shape[2])]
    elif kind == "levels":
        made["names"] = [f"level {i}" for i in range(values.shape[1])]
    made["data"], made["ends"] = _stored(values.reshape(len(values), 1, -1))
    return made


def _stored(lines):
    """Lines of numbers (N, L, length) as text: for each of N the bytes, and the least and largest of each line."""
    lines = np.asarray(lines, np.float32)
    low, high = lines.min(axis=2, keepdims=True), lines.max(axis=2, keepdims=True)
    level = np.round(255 * ((lines - low) / np.where(high > low, high - low, 1))).astype(np.uint8)
    ends = np.concatenate([low, high], axis=2).astype("<f4")
    return [_text(each.tobytes()) for each in level], [_text(each.tobytes()) for each in ends]


def _text(data):
    return base64.b64encode(data).decode()


def _png(image):
    buffer = io.BytesIO()
    Image.fromarray(image[0] if len(image) == 1 else np.ascontiguousarray(image.transpose(1, 2, 0))).save(buffer, "PNG")
    return "data:image/png;base64," + _text(buffer.getvalue())
