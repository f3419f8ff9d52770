"""What the attention looked at: test images under the maps that the model weighed their pixels with.

A row is an image. Its first cell shows it with the model's answer; the next show one attention each:

    pixel gates      (N, H, W)          the gate of each place, over the image
    pooling          (N, T)             the share of each token in the answer
    self-attention   (N, heads, T, T)   how much all tokens together looked at each, mean of the heads
    channel gates    (N, C)             a strip of bars: there is no place to show

A model without attention is shown by its gradient instead: how strongly each pixel could change the answer (K. Simonyan,
A. Vedaldi and A. Zisserman, "Deep inside convolutional networks", 2013).
"""
import math

import numpy as np

import tinyattn as ta

from . import style
from .record import record
from .samples_picture import show

MOST_CHANNEL_STRIPS = 4


def choose_examples(labels, predicted, count=8, mistakes=3):
    """Indices of `count` examples worth showing: up to `mistakes` wrong answers, then right ones of different classes."""
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
            columns = [("the gradient\nof the answer", "heat", _gradient(model, normal, logits.argmax(axis=1)))]
    finally:
        model.train(was_training)
    shown = np.exp(logits - logits.max(axis=1, keepdims=True))
    return _picture(images, labels, classes, shown / shown.sum(axis=1, keepdims=True), columns, path, title)


def _normalised(images, mean, std):
    mean, std = (np.asarray(v, np.float32).reshape(1, -1, 1, 1) for v in (mean, std))
    return (images.astype(np.float32) / np.float32(255) - mean) / std


def _gradient(model, normal, answers):
    """|∂ logit of the answer / ∂ pixel|, the largest over the channels: (N, H, W)."""
    x = ta.tensor(normal, requires_grad=True)
    logits = model(x)
    chosen = np.zeros(logits.shape, np.float32)
    chosen[np.arange(len(answers)), answers] = 1
    (gradient,) = ta.grad((logits * ta.tensor(chosen)).sum(), [x])
    return np.abs(gradient.data).max(axis=1)


def _columns(maps, size):
    """The columns after the image: list of (title, "heat" | "bars", array). Places first, then channel strips."""
    heat, bars = [], []
    for name, kinds in maps.items():
        short = _short(name)
        for kind, values in kinds.items():
            values = np.asarray(values)
            if kind == "pixel":
                heat.append((f"{short}\nplaces {values.shape[1]}×{values.shape[2]}", "heat", values))
            elif kind == "pool":
                heat.append((f"{short}\nshare of the answer", "heat", _grid(values, size)))
            elif kind == "tokens":
                heat.append((f"{short}\nlooked at, by all", "heat", _grid(values.mean(axis=(1, 2)), size)))
            elif kind == "channel":
                bars.append((f"{short}\n{values.shape[1]} channels", "bars", values))
    if len(bars) > MOST_CHANNEL_STRIPS:
        bars = [bars[i] for i in np.linspace(0, len(bars) - 1, MOST_CHANNEL_STRIPS).round().astype(int)]
    if len(heat) > 6:
        heat = [heat[i] for i in np.linspace(0, len(heat) - 1, 6).round().astype(int)]
    return heat + bars


def _short(name):
    """A module's name without the words that say nothing: ``stages.0.gate.spatial`` → ``stages 0``."""
    parts = [part for part in name.split(".") if part not in ("gate", "attention", "spatial", "channel")]
    return " ".join(parts or [name]).replace("_", " ")


def _grid(values, size):
    """Token values (N, T) as the grid (N, h, w) they came from, with h/w as in the image; a first extra token is dropped."""
    count = values.shape[1]
    for tokens in (count, count - 1):
        h = round(math.sqrt(tokens * size[0] / size[1]))
        if h and tokens % h == 0 and abs(tokens / h - h * size[1] / size[0]) < 1:
            return values[:, count - tokens:].reshape(len(values), h, -1)
    return values[:, None, :]


def _picture(images, labels, classes, probabilities, columns, path, title):
    rows = len(images)
    widths = [1.0, 1.25] + [1.0] * len(columns)
    with style.rules():
        made = style.figure(1.28 * sum(widths) + 0.3, 1.28 * rows + 0.9)
        grid = made.subplots(rows, len(widths), squeeze=False, width_ratios=widths)
        made.get_layout_engine().set(w_pad=0.02, h_pad=0.02, wspace=0.02, hspace=0.02)
        if title:
            made.suptitle(f"what the attention looked at  ·  {title}", x=0.01, ha="left", fontsize=11, color=style.SOFT)
        for row, axes in enumerate(grid):
            for each in axes:
                each.axis("off")
            show(axes[0], images[row])
            _answer(axes[1], probabilities[row], None if labels is None else int(labels[row]), classes)
            for each, (name, kind, values) in zip(axes[2:], columns):
                if kind == "heat":
                    _heat(each, images[row], values[row])
                else:
                    _bars(each, values[row])
                if row == 0:
                    each.set_title(name, loc="center", fontsize=7.5, weight="normal", color=style.SOFT)
            if row == 0:
                axes[0].set_title("test image" if labels is not None else "image", loc="center", fontsize=7.5,
                                  weight="normal", color=style.SOFT)
        return style.save(made, path)


def _answer(axes, probabilities, label, classes):
    """The three most probable classes as bars, the answer in words above them."""
    best = np.argsort(-probabilities, kind="stable")[:3]
    right = label is None or best[0] == label
    axes.set_xlim(0, 1)
    axes.set_ylim(0, 1)
    axes.text(0.0, 0.93, str(classes[best[0]]), fontsize=12 if len(str(classes[best[0]])) < 4 else 9, weight="bold", va="top",
              color=style.GREEN if right else style.RED)
    if not right:
        axes.text(1.0, 0.93, f"is {classes[label]}", fontsize=8, va="top", ha="right", color=style.SOFT)
    for place, index in enumerate(best):
        y = 0.50 - 0.19 * place
        colour = style.GREEN if index == label or (label is None and place == 0) else style.RED if place == 0 else style.SOFT
        axes.barh(y, 0.52 * probabilities[index], height=0.11, left=0.0, color=colour)
        axes.text(0.52 * probabilities[index] + 0.04, y, f"{classes[index]}  {100 * probabilities[index]:.0f} %", fontsize=6.5,
                  va="center", color=style.INK)


def _heat(axes, image, values):
    """A map over its image: the image in grey, dimmed; the map in colour, stretched from its least to its largest value."""
    height, width = image.shape[1:]
    grey = image.mean(axis=0) / 255
    axes.imshow(grey, cmap="gray", vmin=-0.15, vmax=1.3, interpolation="nearest", extent=(0, width, height, 0))
    low, high = float(values.min()), float(values.max())
    level = (values - low) / (high - low) if high > low else np.zeros_like(values)
    axes.imshow(level, cmap=style.HEAT, vmin=0, vmax=1, alpha=0.25 + 0.5 * level, interpolation="bilinear",
                extent=(0, width, height, 0))
    axes.set_xlim(0, width)
    axes.set_ylim(height, 0)


def _bars(axes, values):
    """Channel gates as bars, strongest first; the line is at 1/2 for gates in 0 … 1."""
    values = np.sort(values)[::-1]
    axes.bar(np.arange(len(values)), values, width=1.0, color=style.BLUE)
    axes.set_ylim(0, max(1.0, float(values.max())))
    axes.axhline(0.5, color=style.PAPER, lw=0.8)
