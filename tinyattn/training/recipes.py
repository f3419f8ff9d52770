"""What works: the settings each data set and model is trained with when the user chooses none, and recipes with a name and an aim.

The defaults are a one-cycle schedule (L. N. Smith and N. Topin, "Super-convergence", 2017): the learning rate rises to
`lr` over the first part of the run and falls to nearly nothing over the rest, which is what lets a few epochs be
enough. Label smoothing is from C. Szegedy et al., "Rethinking the Inception Architecture" (2016); the average of the
weights, B. T. Polyak and A. B. Juditsky (1992), is the exponential one.
"""
import dataclasses

_DATA = {
    #                 epochs        augmentation
    "glyphs": dict(epochs=2, augment="none"),
    "cluttered": dict(epochs=4, augment="none"),
    "scales": dict(epochs=4, augment="none"),
    "mnist": dict(epochs=5, augment="affine"),
    "fashion-mnist": dict(epochs=8, augment="crop-flip"),
    "kmnist": dict(epochs=8, augment="affine"),
    "cifar10": dict(epochs=10, augment="crop-flip"),
    "cifar100": dict(epochs=20, augment="crop-flip"),
}

_OPTIMIZER = {
    "adamw": dict(lr=1e-2, weight_decay=0.1),
    "adam": dict(lr=5e-3, weight_decay=0.0),
    "sgd": dict(lr=0.2, weight_decay=5e-4),  # Nesterov momentum 0.9
}


def defaults(data, model, optimizer=None):
    """The recipe for training `model` on `data`, as a dict of `Config` fields."""
    optimizer = optimizer or "adamw"
    settings = dict(batch_size=128, optimizer=optimizer, schedule="onecycle", label_smoothing=0.05, average=0.995)
    settings.update(_OPTIMIZER.get(optimizer, _OPTIMIZER["adamw"]))
    settings.update(_DATA[data])
    if model == "cct" and optimizer in ("adamw", "adam"):
        settings["lr"] = 1e-3  # a Transformer diverges where a normalised CNN does not
    return settings


@dataclasses.dataclass(frozen=True)
class Recipe:
    """A named way to an accuracy: fields of `Config`, and what to expect.

    settings  fields of `Config`: what is trained, on what, and how; every one can be overridden
    accuracy  the test accuracy it is made for: the median of several seeds is to reach it
    seeds     of how many
    seconds   of training, roughly, on two cores of 2023 (AMD EPYC, Zen 4)
    words     one line for `tinyattn list recipes`
    sources   where its parts come from
    """

    settings: dict
    accuracy: float
    seeds: int
    seconds: float
    words: str
    sources: tuple


AIRBENCH = 'K. Jordan, "94% on CIFAR-10 in 3.29 seconds on a single GPU", arXiv:2404.00498'
PAGE = 'D. Page, "How to train your ResNet", myrtle.ai, 2018'

RECIPES = {
    "mnist99": Recipe(
        dict(data="mnist", model="whitened_vgg4", attention="none", epochs=1, batch_size=192, optimizer="sgd", lr=0.4, momentum=0.9,
             weight_decay=2e-3, schedule="triangle", augment="translate", label_smoothing=0.0, average=0.0),
        accuracy=0.99, seeds=5, seconds=3, words="99 % on MNIST in one epoch, about 3 s",
        sources=(AIRBENCH, PAGE)),
    "cifar90": Recipe(
        dict(data="cifar10", model="whitened_vgg8", attention="se", epochs=12, batch_size=128, optimizer="sgd", lr=0.5, momentum=0.85,
             weight_decay=1e-3, bias_lr=16.0, schedule="triangle", augment="translate-flip", label_smoothing=0.2, average=0.0,
             test_augment="flip"),
        accuracy=0.90, seeds=3, seconds=480, words="made for 90 % on CIFAR-10 in about 8 minutes; not measured in full yet",
        sources=(AIRBENCH, PAGE, 'J. Hu et al., "Squeeze-and-excitation networks", arXiv:1709.01507')),
    "resnet20-cbam": Recipe(
        dict(data="cifar10", model="resnet20", attention="cbam", epochs=10, batch_size=128, optimizer="adamw", lr=1e-2, weight_decay=0.1,
             schedule="onecycle", augment="crop-flip", label_smoothing=0.05, average=0.995),
        accuracy=0.85, seeds=1, seconds=580,
        words="made for 85 % on CIFAR-10 with attention in each of nine blocks, in about 10 minutes; not measured in full yet",
        sources=("K. He et al., arXiv:1512.03385", "S. Woo et al., arXiv:1807.06521", "L. N. Smith and N. Topin, arXiv:1708.07120")),
}
"""Name → recipe: what ``tinyattn train --recipe NAME`` trains, and `tinyattn bench --suite recipes` measures."""
