"""A training step runs wholly on the device: the same losses as by the specification, call by call and replayed as a graph, and nothing copied
between the two but what was asked for.

On the simulator, with the smallest net that has a convolution, batch norm, a gate, a pool, dropout and a linear layer.
"""
import device_runs
import numpy as np
import pytest

import tinyattn as ta
from tinyattn import kernels, nn
from tinyattn.kernels import cuda
from tinyattn.kernels.cuda import runtime
from tinyattn.training.update import EAGER_FIRST

pytestmark = pytest.mark.skipif(not runtime.SIMULATED, reason="needs TINYATTN_CUDA=simulator, which tests/conftest.py sets unless a GPU is asked for")

SIZE, COUNT, STEPS = 4, 2, EAGER_FIRST + 2
OPTIMIZERS = {"SGD": lambda parameters: ta.optim.SGD(parameters, lr=0.1, momentum=0.9), "AdamW": lambda parameters: ta.optim.AdamW(parameters, lr=0.01)}


def net():
    """(2, 1, 4, 4) → (2, 4)"""
    return nn.Sequential(nn.ConvNormAct(1, 4), nn.attention.CBAM(4, kernel_size=3), nn.MaxPool2d(2), nn.Dropout(0.25), nn.Flatten(),
                         nn.Linear(16, 4))


def train(name, device, captured=False):
    """(losses, weights, what was copied in each step, what reading the losses copied)."""
    copied = []
    model, update, batches = device_runs.training(net, device, STEPS, dtype=np.float64, size=SIZE, count=COUNT, captured=captured,
                                                  optimizer=OPTIMIZERS[name])
    found = []
    for images, labels in batches:
        with device_runs.transfers() as seen:
            found.append(update(images, labels)[0])
        copied.append(seen)
    with device_runs.transfers() as seen:
        losses = [loss.item() for loss in found]
    return losses, device_runs.weights(model), copied, seen


@pytest.fixture(scope="module", params=OPTIMIZERS)
def trainings(request):
    """On the CPU by the specification, on the device, and there as a graph."""
    cuda.check_indices(cuda.from_host(np.zeros(1)), 0, 1)  # the flag of wrong labels is put on the device by the first label of a process
    with kernels.use("reference"):  # in float64 the compiled kernels would be compiled for this test alone, which takes minutes
        here = train(request.param, "cpu")
    return here, train(request.param, "cuda"), train(request.param, "cuda", True)


def test_losses_are_the_specifications(trainings):
    (here, ours, *_), (there, theirs, *_), _ = trainings
    assert len(set(here)) == STEPS
    assert np.allclose(there, here, rtol=1e-12, atol=0), (there, here)
    for key, value in ours.items():
        assert np.allclose(theirs[key], value, rtol=1e-10, atol=1e-13), key


def test_a_graph_replays_to_the_same_bits(trainings):
    _, (eager, theirs, *_), (replayed, again, *_) = trainings
    assert eager == replayed
    assert all(np.array_equal(theirs[key], again[key]) for key in theirs)


def test_nothing_is_copied_but_what_was_asked_for(trainings):
    (_, _, *host), (_, _, eager, read), (_, _, replayed, read_again) = trainings
    assert host == [[[]] * STEPS, []]
    assert eager == [[]] * STEPS
    assert read == read_again == [("download", 8), ("download", 8)] * STEPS    # each loss, and whether a label was wrong
    assert replayed[:EAGER_FIRST] == [[]] * EAGER_FIRST
    assert set(replayed[EAGER_FIRST]) == {("upload", 8)}                       # rates and counts move in before they are captured, …
    assert replayed[EAGER_FIRST + 1:] == [[("upload", 8), ("upload", 8)]]      # … then only where the step's random numbers begin
