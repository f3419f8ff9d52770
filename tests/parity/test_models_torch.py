"""The models beside the same architectures written in PyTorch, with the same weights: scores, loss, gradients, one update.

The twins stand in `tinyattn/bench/torch_models.py`, written with PyTorch's layers from the papers; the benchmark times them.
"""
import numpy as np
import pytest

import tinyattn as ta
from tinyattn.nn import functional as F

torch = pytest.importorskip("torch")
from tinyattn.bench import torch_models  # noqa: E402  (needs torch)

CASES = [("attention_cnn", "cbam", 1, 28), ("attention_cnn", "se", 1, 28), ("attention_cnn", "none", 3, 30),
         ("resnet8", "cbam", 3, 32), ("resnet20", "none", 3, 32), ("cct", "none", 3, 32)]


def _pair(name, attention, channels, size, dtype):
    """Our model and its twin with the same random weights; no parameter is left at its special first value."""
    ta.manual_seed(3)
    ours = ta.models.create(name, channels, 10, size, attention).to(dtype)
    rng = np.random.default_rng(4)
    for p in ours.parameters():
        p.data[...] += 0.1 * rng.standard_normal(p.shape)
    twin = torch_models.create(name, channels, 10, size, attention).to(getattr(torch, np.dtype(dtype).name))
    twin.load_state_dict({key: torch.from_numpy(np.array(value.data)) for key, value in ours.state_dict().items()})
    for module in (*ours.modules(), *twin.modules()):  # dropout draws other numbers on each side
        if type(module).__name__ == "Dropout":
            module.p = 0.0
    return ours, twin


def _close(found, expected, tolerance, what):
    scale = max(float(np.abs(expected).max()), 1e-6)
    error = float(np.abs(found - expected).max()) / scale
    assert error < tolerance, f"{what}: relative error {error:.1e}"


@pytest.mark.parametrize("name, attention, channels, size", CASES)
def test_training_step(name, attention, channels, size):
    ours, twin = _pair(name, attention, channels, size, np.float64)
    rng = np.random.default_rng(5)
    x, y = rng.standard_normal((6, channels, size, size)), rng.integers(0, 10, 6)
    optimizer = ta.optim.AdamW(ours.parameters(), lr=1e-3)
    reference = torch.optim.AdamW(twin.parameters(), lr=1e-3)
    for step in range(2):  # the second step sees the first one's running statistics and moments
        loss = F.cross_entropy(ours(ta.tensor(x)), ta.tensor(y))
        expected = torch.nn.functional.cross_entropy(twin(torch.from_numpy(x)), torch.from_numpy(y))
        assert loss.item() == pytest.approx(expected.item(), rel=1e-9)
        optimizer.zero_grad(), reference.zero_grad()
        loss.backward(), expected.backward()
        gradients = dict(twin.named_parameters())
        for key, p in ours.named_parameters():
            _close(p.grad.data, gradients[key].grad.numpy(), 1e-7, f"step {step}, gradient of {key}")
        optimizer.step(), reference.step()
    for key, value in twin.state_dict().items():
        if "num_batches" not in key:
            _close(ours.state_dict()[key].data, value.numpy(), 1e-6, key)


def test_float32_scores():
    ours, twin = _pair("attention_cnn", "cbam", 1, 28, np.float32)
    x = np.random.default_rng(6).standard_normal((16, 1, 28, 28)).astype(np.float32)
    with torch.no_grad(), ta.no_grad():
        _close(ours.eval()(ta.tensor(x)).data, twin.eval()(torch.from_numpy(x)).numpy(), 1e-5, "scores")
