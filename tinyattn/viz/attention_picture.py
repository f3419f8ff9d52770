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

import tinyattn as ta

from . import columns_picture
from .gradients import saliency
from .kinds import places
from .record import record

MOST_CHANNEL_STRIPS, MOST_MAPS = 4, 6
_WORDS = {"pool": "share of a sum", "tokens": "looked at, by all", "cross": "by all queries"}


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
            columns = columns_of(recording.maps, images.shape[2:])
        if not columns:
            columns = [("the gradient\nof the answer", "heat", saliency(model, normal, logits.argmax(axis=1)))]
    finally:
        model.train(was_training)
    shown = np.exp(logits - logits.max(axis=1, keepdims=True))
    return columns_picture.draw(images, labels, classes, shown / shown.sum(axis=1, keepdims=True), columns, path,
                                f"what the attention looked at  ·  {title}" if title else "")


def _normalised(images, mean, std):
    mean, std = (np.asarray(v, np.float32).reshape(1, -1, 1, 1) for v in (mean, std))
    return (images.astype(np.float32) / np.float32(255) - mean) / std


def columns_of(maps, size, most=MOST_MAPS):
    """The columns after the image: list of (title, "heat" | "bars", array). Places first, `most` of them, then channel strips."""
    heat, bars = [], []
    for name, kinds in maps.items():
        short = short_name(name)
        for kind, values in kinds.items():
            place = places(kind, values, size)
            if kind == "channel":
                bars.append((f"{short}\n{values.shape[1]} channels", "bars", values))
            elif place is not None:
                words = _WORDS.get(kind, f"{kind.replace('_', ' ')} {place.shape[1]}×{place.shape[2]}")
                heat.append((f"{short}\n{'share of the answer' if (name, kind) == ('pool', 'pool') else words}", "heat", place))
    if len(bars) > MOST_CHANNEL_STRIPS:
        bars = [bars[i] for i in np.linspace(0, len(bars) - 1, MOST_CHANNEL_STRIPS).round().astype(int)]
    if len(heat) > most:
        heat = [heat[i] for i in np.linspace(0, len(heat) - 1, most).round().astype(int)]
    return heat + bars


def short_name(name):
    """A module's name without the words that say nothing: ``stages.0.gate.spatial`` → ``stages 0``."""
    parts = [part for part in name.split(".") if part not in ("gate", "attention", "spatial", "channel", "layers", "multihead_attn")]
    return " ".join(parts or [name]).replace("_", " ")
