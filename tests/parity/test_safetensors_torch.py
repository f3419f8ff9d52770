"""Weights travel: what a run saved is read by PyTorch's own loader into the twin, key for key, and gives the same scores; and back.

The twins stand in `tinyattn/bench/torch_models.py` and `torch_gates.py`, where the benchmark times them too. All in float32, in evaluation
mode, after some steps of training on glyphs, so that no weight and no running statistic is where it began.
"""
import numpy as np
import pytest
import safetensors.numpy

import tinyattn as ta
import tinyattn.nn.functional as F
from tinyattn import training
from tinyattn.models import HAS_GATES, MODELS
from tinyattn.nn.attention import GATES
from tinyattn.training import config as c
from tinyattn.training import session, setup

torch = pytest.importorskip("torch")
import safetensors.torch  # noqa: E402

from tinyattn.bench import torch_models as twins  # noqa: E402

PAIRS = [(m, g) for m in MODELS for g in (GATES if m in HAS_GATES else ["none"])]


@pytest.fixture(scope="module")
def glyphs():
    """A training part, and 32 of its images, normalised."""
    part = ta.data.load("glyphs", "train", size=4100)
    images = (part.images[:64].astype(np.float32) / 255 - np.float32(part.mean[0])) / np.float32(part.std[0])
    return part, images, part.labels[:64]


def _off_the_start(parameters, rng):
    """Some gates begin with zeros, which hide what lies behind them."""
    for p in parameters:
        p[...] += 0.02 * rng.normal(size=p.shape).astype(np.float32)


def _ours(name, gate, classes):
    options = c.complete(model=name, attention=gate, data="glyphs")
    return setup.build_model(options, 1, classes, 28), options


def _close(ours, theirs, images):
    y = ours.eval()(ta.tensor(images)).data
    with torch.no_grad():
        z = theirs.eval()(torch.tensor(images)).numpy()
    largest, difference = np.abs(y).max(), np.abs(y - z).max()
    assert difference < 1e-5 * max(1, largest) and difference < 1e-3 * largest, (largest, difference)     # the latter where scores are small


@pytest.mark.parametrize("name, gate", PAIRS)
def test_a_trained_model_in_pytorch(name, gate, glyphs, tmp_path):
    part, images, labels = glyphs
    ta.manual_seed(0)
    net, options = _ours(name, gate, len(part.classes))
    _off_the_start([p.data for p in net.parameters()], np.random.default_rng(0))
    optimizer = ta.optim.AdamW(net.parameters(), lr=1e-3)
    for i in range(0, 64, 16):
        loss = F.cross_entropy(net(ta.tensor(images[i:i + 16])), ta.tensor(labels[i:i + 16].astype(np.int64)))
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
    path = tmp_path / "model.safetensors"
    session.save_model(path, net, options, part)
    twin = twins.create(name, 1, len(part.classes), 28, gate)
    twin.load_state_dict(safetensors.torch.load_file(path), strict=True)
    _close(net, twin, images)
    _close(training.open_run(path).model, twin, images)


@pytest.mark.parametrize("name, gate", PAIRS)
def test_a_model_trained_in_pytorch_here(name, gate, glyphs, tmp_path):
    part, images, labels = glyphs
    torch.manual_seed(0)
    twin = twins.create(name, 1, len(part.classes), 28, gate)
    with torch.no_grad():
        _off_the_start([p.numpy() for p in twin.parameters()], np.random.default_rng(1))
    optimizer = torch.optim.AdamW([p for p in twin.parameters() if p.requires_grad], lr=1e-3)
    for i in range(0, 64, 32):
        loss = torch.nn.functional.cross_entropy(twin(torch.tensor(images[i:i + 32])), torch.tensor(labels[i:i + 32].astype(np.int64)))
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
    safetensors.torch.save_file(twin.state_dict(), tmp_path / "theirs.safetensors")
    net, _ = _ours(name, gate, len(part.classes))
    net.load_state_dict(safetensors.numpy.load_file(tmp_path / "theirs.safetensors"))
    _close(net, twin, images)


def test_a_wrong_weight_is_seen(glyphs, tmp_path):
    """The comparison can fail: by a running mean of another layer, and by one filter."""
    part, images, _ = glyphs
    net, options = _ours("resnet8", "se", len(part.classes))
    for key in ("blocks.1.second.norm.running_mean", "stem.conv.weight"):
        twin = twins.create("resnet8", 1, len(part.classes), 28, "se")
        state = {k: torch.tensor(v.data.copy()) for k, v in net.state_dict().items()}
        state[key] += 0.1
        twin.load_state_dict(state)
        with pytest.raises(AssertionError):
            _close(net, twin, images)
