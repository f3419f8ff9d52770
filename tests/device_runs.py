"""The same work on two devices, to be compared: samples of operations, and trainings of models."""
import numpy as np
import op_samples

import tinyattn as ta
import tinyattn.nn.functional as F
from tinyattn.gradcheck.layer_cases import flat as listed
from tinyattn.training.update import Captured, Update


def sample_on(sample, arrays, device):
    """Outputs and gradients of an operation sample computed on `device`, as NumPy arrays; None where there is no gradient."""
    xs = [ta.tensor(a).to(device).requires_grad_(spec.grad) for a, spec in zip(arrays, sample.inputs)]
    outputs = listed(sample.call(ta, F, *xs))
    graded = [(y, w) for y, w in zip(outputs, op_samples.weights_of(outputs)) if y.requires_grad]
    wanted = [x for x in xs if x.requires_grad]
    found = iter(ta.grad([y for y, _ in graded], wanted, [ta.tensor(w.astype(y.dtype)).to(device) for y, w in graded], allow_unused=True))
    gradients = [next(found) if x.requires_grad else None for x in xs]
    return [y.detach().cpu().data for y in outputs], [None if g is None else g.cpu().data for g in gradients]


def batch(channels, size, count, seed=0):
    """Images of noise with a brighter corner for each label, and the labels."""
    random = np.random.default_rng(seed)
    labels = random.integers(0, 4, count)
    images = random.standard_normal((count, channels, size, size))
    for image, label in zip(images, labels):
        image[:, (label // 2) * size // 2:, (label % 2) * size // 2:] += 1
    return images, labels


def losses(name, device, steps, *, dtype=np.float32, size=12, count=4, channels=1, captured=False, **options):
    """The losses of the first training steps of a model, as numbers, and its weights after them."""
    ta.manual_seed(0)
    model = ta.models.create(name, in_channels=channels, num_classes=4, image_size=size, **options).to(dtype).to(device).train()
    said = []
    update = Update(model, ta.optim.AdamW(model.parameters(), lr=1e-3), 0.1)
    update = Captured(update, said.append) if captured else update
    found = []
    for step in range(steps):
        images, labels = batch(channels, size, count, step)
        loss, _ = update(ta.tensor(images.astype(dtype)).to(device), ta.tensor(labels).to(device))
        found.append(loss)
    assert not said, said
    return [loss.item() for loss in found], {key: value.cpu().data for key, value in model.state_dict().items()}
