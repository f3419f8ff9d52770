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


def evaluate(model, part, batch_size=500, test_augment="none"):
    """Run `model` in evaluation mode over every example of `part`, in order. Its mode is put back afterwards.

    test_augment: test-time augmentation; "flip": the mean of what it says to an image and to its mirror image
    """
    was_training = model.training
    model.eval()
    meter, predicted, probability = Meter(), [], []
    try:
        with ta.no_grad():
            for images, labels in test_loader(part, batch_size):
                logits = scores(model, images, test_augment)
                answers, sure = best(logits.data)
                meter.add(F.cross_entropy(logits, labels).item(), int((answers == labels.data).sum()), len(answers))
                predicted.append(answers)
                probability.append(sure)
    finally:
        model.train(was_training)
    return Answers(meter.loss, meter.accuracy, np.concatenate(predicted), np.concatenate(probability))


def scores(model, images, test_augment="none"):
    """What the model says to a batch of images: scores (B, K); with "flip" the mean over an image and its mirror image."""
    logits = model(images)
    return (logits + model(ta.Tensor(transforms.hflip(images.data)))) * 0.5 if test_augment == "flip" else logits


def best(logits):
    """The most probable class of each row of `logits` (B, K) and its probability: int64 (B,), float (B,)."""
    shifted = np.exp(logits - logits.max(axis=1, keepdims=True))
    answers = logits.argmax(axis=1)
    return answers, shifted[np.arange(len(answers)), answers] / shifted.sum(axis=1)
