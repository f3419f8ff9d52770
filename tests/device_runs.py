"""The same work on two devices, to be compared: samples of operations, and trainings of models."""
import contextlib

import numpy as np
import op_samples

import tinyattn as ta
import tinyattn.nn.functional as F
from tinyattn.gradcheck.layer_cases import flat as listed
from tinyattn.kernels.cuda import runtime
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


@contextlib.contextmanager
def transfers():
    """What is copied between the host and the device "cuda" inside the ``with`` block: a list of ("upload" or "download", bytes)."""
    seen, real = [], {name: getattr(runtime, name) for name in ("upload", "download")}

    def noting(name):
        def copy(memory, offset, host):
            seen.append((name, host.nbytes))
            return real[name](memory, offset, host)
        return copy

    for name in real:
        setattr(runtime, name, noting(name))
    try:
        yield seen
    finally:
        for name, function in real.items():
            setattr(runtime, name, function)


def losses(name, device, steps, **options):
    """The losses of the first training steps of a model, as numbers, and its weights after them; see `training`."""
    model, update, batches = training(name, device, steps, **options)
    found = [update(*batch)[0] for batch in batches]
    return [loss.item() for loss in found], weights(model)


def training(name, device, steps, *, dtype=np.float32, size=12, count=4, channels=1, captured=False, optimizer=None, **options):
    """(model, update, batches): what `losses` trains, on what, with AdamW unless `optimizer` makes another of the parameters.

    name      the name of a model, or a function that makes one
    captured  whether the update is replayed as a graph; RuntimeError where it cannot be
    batches   (images, labels) on the device, each moved there as it is asked for
    """
    ta.manual_seed(0)
    model = ta.models.create(name, in_channels=channels, num_classes=4, image_size=size, **options) if isinstance(name, str) else name()
    model = model.to(dtype).to(device).train()
    update = Update(model, optimizer(model.parameters()) if optimizer else ta.optim.AdamW(model.parameters(), lr=1e-3), 0.1)

    def refuse(words):
        raise RuntimeError(words)

    def batches():
        for step in range(steps):
            images, labels = batch(channels, size, count, step)
            yield ta.tensor(images.astype(dtype)).to(device), ta.tensor(labels).to(device)
    return model, Captured(update, refuse) if captured else update, batches()


def weights(model):
    """The model's state in the host's memory."""
    return {key: value.cpu().data for key, value in model.state_dict().items()}
