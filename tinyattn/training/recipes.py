"""What works: the settings each data set and model is trained with when the user chooses none.

Every one is a one-cycle schedule (L. N. Smith and N. Topin, "Super-convergence", 2017): the learning rate rises to
`lr` over the first part of the run and falls to nearly nothing over the rest, which is what lets a few epochs be
enough. Label smoothing is from C. Szegedy et al., "Rethinking the Inception Architecture" (2016); the average of the
weights, B. T. Polyak and A. B. Juditsky (1992), is the exponential one.
"""

_DATA = {
    #                 epochs        augmentation
    "glyphs": dict(epochs=2, augment="none"),
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
