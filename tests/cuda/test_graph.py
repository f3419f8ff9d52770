"""Capturing a graph: what the driver is asked for, in which order, and that nothing is left behind when it refuses."""
import sys
import types

import numpy as np
import pytest

import tinyattn as ta
from tinyattn import nn
from tinyattn.kernels.cuda import runtime
from tinyattn.kernels.cuda.memory import POOL
from tinyattn.training.update import EAGER_FIRST, Captured


class Core:
    """Stands for ``cuda.core``: a device, its builder of graphs and the graph in one, which note what they are asked for."""

    def __init__(self, refuses=None):
        self.asked, self.refuses = [], refuses

    def __getattr__(self, name):
        def ask(*args):
            self.asked.append(name)
            if name == self.refuses:
                raise LookupError("CUDA_ERROR_STREAM_CAPTURE_INVALIDATED")  # cuda.core's own error is no RuntimeError, either
            return self
        return ask


class Kernel:
    """A compiled kernel that notes on which stream it is launched."""
    key = "tests", "kernel", None

    def __init__(self):
        self.streams = []

    def __getitem__(self, configuration):
        return lambda *args: self.streams.append(configuration[2])


@pytest.fixture
def gpu(monkeypatch):
    """``gpu(refuses=None)`` → (core, kernel), as on a GPU."""
    monkeypatch.setattr(runtime, "SIMULATED", False)
    monkeypatch.setattr(runtime, "device_id", lambda: 0)
    monkeypatch.setattr(runtime, "_configured", {})

    def made(refuses=None):
        core = Core(refuses)
        monkeypatch.setitem(sys.modules, "cuda.core", types.SimpleNamespace(Device=lambda number: core))
        return core, Kernel()
    yield made
    assert runtime.capturing is None and POOL._private is None


BUILT = ["set_current", "create_graph_builder", "begin_building"]


def test_the_order_of_what_is_asked_for(gpu):
    core, kernel = gpu()
    graph = runtime.Graph()
    with graph.capture():
        runtime.launch(kernel, 1, 32)
    runtime.launch(kernel, 1, 32)
    assert core.asked == [*BUILT, "end_building", "complete", "close"]
    assert kernel.streams == [core, 0]  # into the graph, then as always


@pytest.mark.parametrize("step", ["create_graph_builder", "begin_building", "end_building", "complete"])
def test_what_the_driver_refuses_is_a_capture_error(gpu, step):
    core, kernel = gpu(step)
    graph = runtime.Graph()
    with pytest.raises(runtime.CaptureError, match="the driver refuses it: LookupError: CUDA_ERROR_STREAM_CAPTURE_INVALIDATED"):
        with graph.capture():
            runtime.launch(kernel, 1, 32)
    assert graph.launches == [] and (core.asked[-1] == "close" or step in BUILT)
    runtime.launch(kernel, 1, 32)
    assert kernel.streams[-1] == 0
    core.refuses = None
    with graph.capture():  # and again, when it does not
        runtime.launch(kernel, 1, 32)


def test_an_error_while_capturing_is_not_hidden_by_one_of_the_driver(gpu):
    core, kernel = gpu("close")
    with pytest.raises(ZeroDivisionError):
        with runtime.Graph().capture():
            1 / 0
    assert core.asked == [*BUILT, "close"]  # what was begun is not ended: it may be invalid, and that would be an error of its own


def test_waiting_cannot_be_captured(gpu):
    gpu()
    with pytest.raises(runtime.CaptureError, match="waits for the GPU"):
        with runtime.Graph().capture():
            ta.cuda.synchronize()


# ---- the step of a training -----------------------------------------------------------------------------------------------


@pytest.mark.skipif(not runtime.SIMULATED, reason="needs TINYATTN_CUDA=simulator, which tests/conftest.py sets unless a GPU is asked for")
@pytest.mark.parametrize("refused", [None, RuntimeError("no"), MemoryError("no room")])
def test_the_rate_that_a_schedule_sets_counts_in_every_step(monkeypatch, refused):
    """In replays, in batches of another size, and where the step could not be captured and runs call by call."""
    layer = nn.Linear(2, 1, bias=False).to("cuda")
    optimizer = ta.optim.SGD(layer.parameters(), lr=1.0)

    def update(x, _):
        if refused and runtime.capturing:
            raise refused
        loss = layer(x).sum()
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
        return (loss.detach(),)

    update.optimizer, said = optimizer, []
    captured, moves = Captured(update, said.append), []
    for step, (rate, count) in enumerate([(1.0, 2)] * EAGER_FIRST + [(0.5, 2), (0.25, 2), (0.125, 1), (0.5, 2)]):
        optimizer.param_groups[0]["lr"] = rate
        before = layer.weight.detach().cpu().numpy().copy()
        x = ta.ones((count, 2)).to("cuda")
        captured(x, x)
        moves.append(float((before - layer.weight.detach().cpu().numpy())[0, 0]))
    assert np.allclose(moves, [2.0] * EAGER_FIRST + [1.0, 0.5, 0.125, 1.0])
    assert len(said) == bool(refused) and (captured.graph is None) == bool(refused)
