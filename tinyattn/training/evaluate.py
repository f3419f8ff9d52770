"""How good a model is on a data set: loss, accuracy, and what it answered to each example."""
import dataclasses

import numpy as np

import tinyattn as ta

from ..data import transforms
from ..nn import functional as F
from .metrics import Meter
from .setup import test_loader


@dataclasses.dataclass
class Answers:
    """What a model said about a data set: mean `loss`, `accuracy` (0 … 1), `predicted`, int64 (N,), `probability` (N,)."""

    loss: float
    accuracy: float
    predicted: np.ndarray
    probability: np.ndarray


def evaluate(model, part, batch_size=500, test_augment="none", corruption=None):
    """Run `model` in evaluation mode over every example of `part`, in order. Its mode is put back afterwards.

    test_augment: test-time augmentation: which `views` of an image the answer is a mean of
    corruption:   what is done to the images before (a `data.Corruption`), the same at every call
    """
    was_training = model.training
    model.eval()
    meter, predicted, probability = Meter(), [], []
    try:
        with ta.no_grad():
            for images, labels in test_loader(part, batch_size, corruption):
                logits = scores(model, images, test_augment).cpu()
                answers, sure = best(logits.data)
                meter.add(F.cross_entropy(logits, labels).item(), int((answers == labels.data).sum()), len(answers))
                predicted.append(answers)
                probability.append(sure)
    finally:
        model.train(was_training)
    return Answers(meter.loss, meter.accuracy, np.concatenate(predicted), np.concatenate(probability))


def scores(model, images, test_augment="none"):
    """What the model says to a batch of images: scores (B, K), a mean over the `views` of each image by their weights."""
    total, device = None, device_of(model)
    for weight, view in views(images.data, test_augment):
        part = model(ta.Tensor(view).to(device))
        part = part * weight if weight != 1 else part
        total = part if total is None else total + part
    return total


def device_of(model):
    """Where a model computes: where its parameters are."""
    return next((p.device for p in model.parameters()), "cpu")


def views(images, test_augment):
    """(weight, images) of what a test image is shown as; the weights add up to 1. Arrays (N, C, H, W), channels-last in memory.

    none:           as it is
    flip:           and its mirror image
    flip-translate: both also moved by a pixel, up and left and down and right, the edge mirrored; these four count half
                    (Jordan, arXiv:2404.00498, section 3.5)
    """
    if test_augment == "none":
        return [(1, images)]
    if test_augment == "flip":
        return [(0.5, images), (0.5, transforms.hflip(images))]
    height, width = images.shape[2:]
    padded = np.pad(images.transpose(0, 2, 3, 1), ((0, 0), (1, 1), (1, 1), (0, 0)), "reflect")
    moved = [np.ascontiguousarray(padded[:, i:i + height, i:i + width]).transpose(0, 3, 1, 2) for i in (0, 2)]
    return [(0.25, view) for view in (images, transforms.hflip(images))] + [
        (0.125, view) for image in moved for view in (image, transforms.hflip(image))]


def best(logits):
    """The most probable class of each row of `logits` (B, K) and its probability: int64 (B,), float (B,)."""
    shifted = np.exp(logits - logits.max(axis=1, keepdims=True))
    answers = logits.argmax(axis=1)
    return answers, shifted[np.arange(len(answers)), answers] / shifted.sum(axis=1)
