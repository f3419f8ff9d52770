"""One seed makes a run: 50 steps of every model end with the same weights, bit for bit, twice and with any number of threads.

The batches are small, so that it stays quick; that no kernel stays on one thread because of that, the shared loop is told
that all work is much.
"""
import importlib

import numba
import numpy as np
import pytest

import tinyattn as ta
from tinyattn import threads
from tinyattn.nn import functional as F

STEPS = 50
MODELS = {
    # name: model, attention, channels, size of the images, batch
    "attention_cnn": ("attention_cnn", "none", 1, 28, 12),
    "attention_cnn cbam": ("attention_cnn", "cbam", 1, 28, 12),
    "attention_cnn self": ("attention_cnn", "self", 1, 28, 8),
    "lenet": ("lenet", "none", 1, 28, 12),
    "resnet8 cbam": ("resnet8", "cbam", 3, 32, 8),
    "resnet20 se": ("resnet20", "se", 3, 16, 8),
    "cct": ("cct", "none", 3, 16, 8),
}
launch = importlib.import_module("tinyattn.kernels.cpu.launch")


@pytest.fixture
def spread(monkeypatch):
    """Every launch of more than one task goes over the threads. Gives the set of the bodies that did."""
    bodies, run = set(), launch._run

    def much(rows, tasks, work, arguments):
        if tasks > 1:
            bodies.add(rows[1])  # its address
        return run(rows, tasks, 10 ** 9, arguments)

    monkeypatch.setattr(launch, "_run", much)
    return bodies


def trained(name, attention, channels, size, batch, count):
    """Parameters, buffers and the optimizer's moments after STEPS steps from one seed, on `count` threads."""
    before = threads.get_num_threads()
    threads.set_num_threads(count)
    try:
        ta.manual_seed(5)
        model = ta.models.create(name, in_channels=channels, num_classes=10, image_size=size, attention=attention)
        optimizer = ta.optim.AdamW(model.parameters(), lr=2e-3, weight_decay=0.05)
        for _ in range(STEPS):
            images, labels = ta.randn(batch, channels, size, size), ta.randint(0, 10, (batch,))
            loss = F.cross_entropy(model(images), labels, label_smoothing=0.1)
            optimizer.zero_grad()
            loss.backward()
            optimizer.step()
        assert np.isfinite(loss.item())
        moments = [value for state in optimizer.state.values() for value in state.values()]
        return [np.array(value.data) for value in model.state_dict().values()] + [np.array(getattr(m, "data", m)) for m in moments]
    finally:
        threads.set_num_threads(before)


@pytest.mark.parametrize("case", MODELS)
def test_the_same_weights_twice_and_on_one_thread(case, spread):
    many = trained(*MODELS[case], count=numba.config.NUMBA_NUM_THREADS)
    assert len(spread) > 10
    for count in {1, numba.config.NUMBA_NUM_THREADS}:
        again = trained(*MODELS[case], count=count)
        assert len(again) == len(many)
        for i, (a, b) in enumerate(zip(many, again)):
            assert a.dtype == b.dtype and a.tobytes() == b.tobytes(), f"array {i} of shape {a.shape} differs on {count} threads"
