"""Suite "steps": a whole training step (forward, loss, backward, AdamW) of each model, beside its PyTorch twin."""
import numpy as np

import tinyattn as ta
from tinyattn.nn import functional as F

from ..summary import summary
from .measure import TOLERANCE, Disagreement, empty_row, failing, fill

CASES = {
    # name: model, attention, image channels, image size, batch
    "attention_cnn cbam 28x28 b128": ("attention_cnn", "cbam", 1, 28, 128),
    "attention_cnn none 28x28 b128": ("attention_cnn", "none", 1, 28, 128),
    "resnet8 cbam 32x32 b128": ("resnet8", "cbam", 3, 32, 128),
    "resnet20 cbam 32x32 b128": ("resnet20", "cbam", 3, 32, 128),
    "resnet20 none 32x32 b128": ("resnet20", "none", 3, 32, 128),
    "cct 32x32 b128": ("cct", "none", 3, 32, 128),
    "attention_cnn cbam 28x28 b16": ("attention_cnn", "cbam", 1, 28, 16),
    "attention_cnn none 28x28 b16": ("attention_cnn", "none", 1, 28, 16),
    "resnet20 cbam 32x32 b16": ("resnet20", "cbam", 3, 32, 16),
    "resnet20 none 32x32 b16": ("resnet20", "none", 3, 32, 16),
    "cct 32x32 b16": ("cct", "none", 3, 32, 16),
}
"""The models and sizes that are timed."""

FLOORS = {"attention_cnn cbam 28x28 b128": 2.5, "attention_cnn none 28x28 b128": 1.3, "resnet20 cbam 32x32 b128": 1.8,
          "resnet20 none 32x32 b128": 1.25, "cct 32x32 b128": 1.8}
"""The ratios wanted at least; at batch 16, 1."""


def _data(name, channels, size, batch):
    """A batch of real digits where MNIST is at hand and fits, else of generated glyphs, else noise; and its labels."""
    rng = np.random.default_rng(0)
    if channels == 1 and size == 28:
        from tinyattn import data
        try:
            found = data.load("mnist", "train", download=False)
        except FileNotFoundError:
            found = data.load("glyphs", "test", size=batch)
        x = found.images[:batch].astype(np.float32) / 255
        return (x - x.mean()) / x.std(), found.labels[:batch] % 10
    return rng.standard_normal((batch, channels, size, size), np.float32), rng.integers(0, 10, batch)


def our_step(model, x, labels):
    """A function that takes one training step of our `model` on these images and labels, and gives its loss."""
    optimizer = ta.optim.AdamW(model.parameters(), lr=1e-3)
    images, target = ta.tensor(np.ascontiguousarray(x.transpose(0, 2, 3, 1)).transpose(0, 3, 1, 2)), ta.tensor(labels)

    def step():
        loss = F.cross_entropy(model(images), target)
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
        return loss.item()
    return step


def torch_step(model, x, labels, channels_last):
    """The same of a model of PyTorch's, in one of its layouts."""
    import torch
    layout = torch.channels_last if channels_last else torch.contiguous_format
    model = model.to(memory_format=layout)
    optimizer = torch.optim.AdamW(model.parameters(), lr=1e-3)
    images, target = torch.from_numpy(x.copy()).to(memory_format=layout), torch.from_numpy(labels)

    def step():
        loss = torch.nn.functional.cross_entropy(model(images), target)
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
        return loss.item()
    return step


def _twin(name, options, ours):
    """The PyTorch model with the same weights."""
    import torch

    from . import torch_models
    twin = torch_models.create(name, **options)
    twin.load_state_dict({key: torch.from_numpy(np.array(value.data)) for key, value in ours.state_dict().items()})
    return twin


def _agree(ours, twin, x):
    """The relative error of the scores in evaluation mode. Raises `Disagreement` where it is one: no time is worth taking then."""
    import torch
    with torch.no_grad(), ta.no_grad():
        expected = twin.eval()(torch.from_numpy(x)).numpy()
        found = ours.eval()(ta.tensor(x)).numpy()
    error = float(np.abs(found - expected).max() / np.abs(expected).max())
    if not error <= TOLERANCE:
        raise Disagreement(f"the models disagree: relative error {error:.1e}")
    ours.train(), twin.train()
    return error


def names():
    """The names of the cases."""
    return list(CASES)


def run(settings):
    """A row a case."""
    for case in filter(settings.wants, CASES):
        row = empty_row("steps", case, FLOORS.get(case, 1.0 if case.endswith("b16") else None))
        with failing(row):
            _measure(row, *CASES[case], settings)
        yield row


def _measure(row, name, attention, channels, size, batch, settings):
    """Fill in the row of one model."""
    options = dict(in_channels=channels, num_classes=10, image_size=size, attention=attention)
    ta.manual_seed(0)
    x, labels = _data(name, channels, size, 8 if settings.quick else batch)
    model = ta.models.create(name, **options)
    steps, flops = {}, 6 * summary(model, x.shape).multiply_adds  # a product forward, two backward
    if settings.against == "torch":
        row["relative_error"] = _agree(model, _twin(name, options, model), x)
        steps["torch_ms"] = torch_step(_twin(name, options, model), x, labels, False)
        steps["torch_channels_last_ms"] = torch_step(_twin(name, options, model), x, labels, True)
    steps["ours_ms"] = our_step(model, x, labels)
    fill(row, settings.turns(steps), flops=flops, ceiling=settings.ceiling)


def notes(rows):
    """Nothing to say of all rows together."""
    return []
