"""Training steps on a GPU: forward, loss, backward, AdamW; ours call by call and replayed as a graph, PyTorch's eager."""
import numpy as np

import tinyattn as ta

from ...training.update import EAGER_FIRST, Captured, Update
from .. import steps as on_cpu
from ..measure import TOLERANCE, Disagreement
from .sides import Torch

CASES = {name: case for name, case in on_cpu.CASES.items() if name.endswith("b128")}
WANTED = {"attention_cnn cbam 28x28 b128": 1.5, "resnet20 none 32x32 b128": 1.5}
"""The ratios to PyTorch's step, call by call, that are wanted."""
QUICK = {"attention_cnn cbam 4x4 b2": ("attention_cnn", "cbam", 1, 4, 2)}
SMALLER = dict(widths=(4, 8), depths=(1, 1))
"""What makes its net small enough for the simulator."""


def _ours(model, x, labels, graph):
    """A function that takes one step."""
    images = ta.tensor(np.ascontiguousarray(x.transpose(0, 2, 3, 1)).transpose(0, 3, 1, 2)).to("cuda")
    target, said = ta.tensor(labels).to("cuda"), []
    update = Update(model.to("cuda").train(), ta.optim.AdamW(model.parameters(), lr=1e-3), 0.0)
    if not graph:
        return lambda: update(images, target)
    captured = Captured(update, said.append)
    for _ in range(EAGER_FIRST + 1):
        captured(images, target)
    if said:
        raise RuntimeError(said[0])
    return lambda: captured(images, target)


def _torchs(side, twin, x, labels):
    torch = side.t
    model, images, target = twin.to(side.device, memory_format=side._layout).train(), side.image(x, False), torch.from_numpy(labels).to(side.device)
    optimizer = torch.optim.AdamW(model.parameters(), lr=1e-3)

    def step():
        side.precise()
        loss = torch.nn.functional.cross_entropy(model(images), target)
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
    return step


def jobs(case, against, quick=False):
    """(name → (function, wait), relative error of the scores or None) of a model's step; `quick`: of a smaller model."""
    name, attention, channels, size, batch = case
    options = dict(in_channels=channels, num_classes=10, image_size=size, attention=attention, **(SMALLER if quick else {}))
    x, labels = on_cpu._data(name, channels, size, batch)

    def fresh():
        ta.manual_seed(0)
        return ta.models.MODELS[name](**options) if quick else ta.models.create(name, **options)
    made, error = {}, None
    if against == "torch":
        error = _agree(fresh(), on_cpu._twin(name, options, fresh()), x)
        for side in (Torch(), Torch(True), Torch(True, tf32=True)):
            made[side.column] = _torchs(side, on_cpu._twin(name, options, fresh()), x, labels), side.wait
    made["ours_ms"] = _ours(fresh(), x, labels, False), ta.cuda.synchronize
    made["ours_graph_ms"] = _ours(fresh(), x, labels, True), ta.cuda.synchronize
    return made, error


def _agree(ours, twin, x):
    """The relative error of our scores on the GPU against PyTorch's on the CPU. Raises `Disagreement`."""
    import torch
    with torch.no_grad(), ta.no_grad():
        expected, found = twin.eval()(torch.from_numpy(x)).numpy(), ours.eval().to("cuda")(ta.tensor(x).to("cuda")).cpu().numpy()
    error = float(np.abs(found - expected).max() / np.abs(expected).max())
    if not error <= TOLERANCE:
        raise Disagreement(f"the models disagree: relative error {error:.1e}")
    return error
