"""What the attention looked at: test images under the maps that the model weighed their pixels with.

A row is an image. Its first cell shows it with the model's answer; the next show one attention each:

    gates of places  (N, H, W) …          the gate of each place, over the image (see `kinds.places`)
    pooling          (N, T) or (N, H, W)  the share of each token in the answer
    self-attention   (N, heads, T, T)     how much all tokens together looked at each, mean of the heads
    channel gates    (N, C)               a strip of bars: there is no place to show

A model without attention is shown by its gradient instead: how strongly each pixel could change the answer (K.
Simonyan, A. Vedaldi and A. Zisserman, "Deep inside convolutional networks", 2013).
"""
import numpy as np
from matplotlib.patches import Polygon, Rectangle
from PIL import Image

import tinyattn as ta

from . import style
from .gradients import saliency
from .kinds import places
from .record import record

MOST_CHANNEL_STRIPS = 4
CELL, PIXELS = 1.15, 168   # of an image's cell: inches, and about how many pixels it is drawn with
_WORDS = {"pool": "share of the answer", "tokens": "looked at, by all"}
GAP, ANSWER = 0.06, 1.15   # between cells, and the width of the answer, in cells


def choose_examples(labels, predicted, count=8, mistakes=3):
    """Indices of `count` examples worth showing: right answers of different classes, then up to `mistakes` wrong ones."""
    wrong = np.flatnonzero(labels != predicted)[:mistakes]
    right = np.flatnonzero(labels == predicted)
    _, first = np.unique(labels[right], return_index=True)
    different = np.sort(right[first])
    different = different[np.linspace(0, len(different) - 1, min(len(different), count)).round().astype(int)] \
        if len(different) else different
    rest = np.setdiff1d(right, different)
    chosen = np.concatenate([different, rest])[:count - len(wrong)]
    return np.concatenate([chosen, wrong]).astype(np.int64)


def draw(model, images, labels, classes, mean, std, path=None, title=""):
    """Draw `images` (uint8 (N, C, H, W)) and what `model` looked at in them.

    labels: int64 (N,) of indices into `classes`, or None where the truth is not known
    mean, std: the normalisation the model was trained with, one number a channel
    """
    was_training = model.training
    model.eval()
    try:
        normal = _normalised(images, mean, std)
        with ta.no_grad(), record(model) as recording:
            logits = model(ta.tensor(normal)).data
            columns = _columns(recording.maps, images.shape[2:])
        if not columns:
            columns = [("the gradient\nof the answer", "heat", saliency(model, normal, logits.argmax(axis=1)))]
    finally:
        model.train(was_training)
    shown = np.exp(logits - logits.max(axis=1, keepdims=True))
    return _picture(images, labels, classes, shown / shown.sum(axis=1, keepdims=True), columns, path, title)


def _normalised(images, mean, std):
    mean, std = (np.asarray(v, np.float32).reshape(1, -1, 1, 1) for v in (mean, std))
    return (images.astype(np.float32) / np.float32(255) - mean) / std


def _columns(maps, size):
    """The columns after the image: list of (title, "heat" | "bars", array). Places first, then channel strips."""
    heat, bars = [], []
    for name, kinds in maps.items():
        short = _short(name)
        for kind, values in kinds.items():
            place = places(kind, values, size)
            if kind == "channel":
                bars.append((f"{short}\n{values.shape[1]} channels", "bars", values))
            elif place is not None:
                words = _WORDS.get(kind, f"{kind.replace('_', ' ')} {place.shape[1]}×{place.shape[2]}")
                heat.append((f"{short}\n{words}", "heat", place))
    if len(bars) > MOST_CHANNEL_STRIPS:
        bars = [bars[i] for i in np.linspace(0, len(bars) - 1, MOST_CHANNEL_STRIPS).round().astype(int)]
    if len(heat) > 6:
        heat = [heat[i] for i in np.linspace(0, len(heat) - 1, 6).round().astype(int)]
    return heat + bars


def _short(name):
    """A module's name without the words that say nothing: ``stages.0.gate.spatial`` → ``stages 0``."""
    parts = [part for part in name.split(".") if part not in ("gate", "attention", "spatial", "channel")]
    return " ".join(parts or [name]).replace("_", " ")


def _picture(images, labels, classes, probabilities, columns, path, title):
    """Lay the cells out on one sheet whose unit is a cell: x to the right, y down."""
    rows, lefts = len(images), []
    x = 1 + GAP + ANSWER + GAP
    for _ in columns:
        lefts.append(x)
        x += 1 + GAP
    width, height = x - GAP, rows * (1 + GAP) - GAP
    with style.rules():
        made, axes = style.sheet(width, height, CELL, top=0.62 if title else 0.42)
        if title:
            axes.text(0, -0.5, f"what the attention looked at  ·  {title}", fontsize=10.5, color=style.SOFT,
                      va="center")
        names = ["test image" if labels is not None else "image", *(name for name, _, _ in columns)]
        for left, name in zip([0, *lefts], names):
            axes.text(left + 0.5, -0.07, name, fontsize=7, color=style.SOFT, ha="center", va="bottom")
        for row in range(rows):
            y = row * (1 + GAP)
            style.place(axes, _plain(images[row]), 0, y)
            _answer(axes, 1 + GAP, y, probabilities[row], None if labels is None else int(labels[row]), classes)
            for left, (_, kind, values) in zip(lefts, columns):
                if kind == "heat":
                    style.place(axes, _heat(images[row], values[row]), left, y)
                else:
                    _bars(axes, left, y, values[row])
        return style.save(made, path)


def _answer(axes, x, y, probabilities, label, classes):
    """The three most probable classes as bars, the answer in words above them."""
    best = np.argsort(-probabilities, kind="stable")[:3]
    good = style.BLUE if label is None else style.GREEN if best[0] == label else style.RED  # blue: who knows?
    word = str(classes[best[0]])
    axes.text(x, y + 0.02, word, fontsize=13 if len(word) < 4 else 9, weight="bold", va="top",
              color=good)
    if good == style.RED:
        axes.text(x, y + 0.35, f"is {classes[label]}", fontsize=7.5, va="top", color=style.SOFT)
    for place, index in enumerate(best):
        middle = y + 0.62 + 0.15 * place
        colour = style.GREEN if index == label else good if place == 0 else style.FAINT
        length = (ANSWER - 0.5) * float(probabilities[index])
        axes.add_patch(Rectangle((x, middle - 0.045), length, 0.09, color=colour, lw=0))
        axes.text(x + length + 0.04, middle, f"{classes[index]}  {100 * probabilities[index]:.0f} %", fontsize=6.5,
                  va="center", color=style.INK)


def _plain(image):
    """A uint8 image (C, H, W) as (H', W', 3) in 0 … 1, enlarged without smoothing."""
    values = np.broadcast_to(image, (3, *image.shape[1:])).transpose(1, 2, 0) / 255
    times = max(1, PIXELS // image.shape[2])
    return values.repeat(times, axis=0).repeat(times, axis=1)


def _heat(image, values):
    """A map over its image, (H', W', 3): the image in grey, the map in colour, from its least to its largest value."""
    base = _plain(image.mean(axis=0, keepdims=True)) * 0.69 + 0.10
    low, high = float(values.min()), float(values.max())
    level = ((values - low) / (high - low) if high > low else np.zeros_like(values)).astype(np.float32)
    level = np.asarray(Image.fromarray(level).resize(base.shape[1::-1], Image.Resampling.BILINEAR))[..., None]
    weight = 0.2 + 0.42 * level
    return base * (1 - weight) + style.heat(level[..., 0]) * weight


def _bars(axes, x, y, values):
    """Channel gates as bars, strongest first, in a frame from 0 to 1; the line is at 1/2."""
    values = np.sort(values)[::-1]
    top = max(1.0, float(values.max()))
    corners = [(x, y + 1)]
    for i, value in enumerate(values):
        level = y + 1 - float(value) / top
        corners += [(x + i / len(values), level), (x + (i + 1) / len(values), level)]
    axes.add_patch(Rectangle((x, y), 1, 1, facecolor="#f5f6f9", lw=0))
    axes.add_patch(Polygon([*corners, (x + 1, y + 1)], color=style.BLUE, lw=0))
    axes.plot([x, x + 1], [y + 1 - 0.5 / top] * 2, color=style.PAPER, lw=0.8)
