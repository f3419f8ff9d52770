"""Whole trainings touch no array outside the kernels: models, gates, optimizers, averages and runs on a device that allows nothing else.

The device is that of `foreign`: the reference rung behind arrays that refuse NumPy. So its numbers must be the reference's to the last bit.
"""
import json

import device_runs
import numpy as np
import pytest
from foreign import ForeignArray, installed

import tinyattn as ta
from tinyattn import kernels, training
from tinyattn.models import HAS_GATES, MODELS
from tinyattn.nn.attention import GATES

SLOW = {"whitened_vgg8", "cct"}  # on the reference rung: a step is enough
OPTIMIZERS = {
    "Adam": dict(lr=0.01, weight_decay=0.1, amsgrad=True), "AdamW": dict(lr=0.01), "SGD": dict(lr=0.1, momentum=0.9, nesterov=True),
    "RMSprop": dict(lr=0.01, momentum=0.5, centered=True), "Lion": dict(lr=0.01), "Muon": dict(lr=0.01),
}


@pytest.fixture(autouse=True)
def device():
    with kernels.use("reference"), installed():
        yield


@pytest.mark.parametrize("name, gate", [*((name, "cbam" if name in HAS_GATES else None) for name in MODELS), *(("attention_cnn", g) for g in GATES)])
def test_a_model_trains(name, gate):
    options = {} if gate is None else {"attention": gate}
    if name.startswith("whitened"):
        options.update(channels=3, size=32)
    there, here = (device_runs.losses(name, where, 1 if name in SLOW else 2, **{"size": 16, "count": 2, **options}) for where in ("cuda", "cpu"))
    assert there[0] == here[0]
    assert all(np.array_equal(there[1][key], here[1][key]) for key in here[1])


@pytest.mark.parametrize("name", OPTIMIZERS)
def test_an_optimizer_moves_and_remembers(name):
    def train(where, held):
        random = np.random.default_rng(0)
        w = ta.tensor(random.normal(size=(4, 3)), device=where, requires_grad=True)
        x = ta.tensor(random.normal(size=(5, 4)), device=where)
        optimizer = getattr(ta.optim, name)([w], **OPTIMIZERS[name])
        for step in range(4):
            loss = ((x @ w) ** 2).mean()
            optimizer.zero_grad(set_to_none=step % 2 == 0)
            loss.backward()
            ta.nn.utils.clip_grad_norm_([w], 0.5)
            optimizer.step()
            if step == 1:
                state = optimizer.state_dict()
                assert all(type(a) is np.ndarray for slots in state["state"].values() for a in slots.values())
                optimizer = getattr(ta.optim, name)([w], **OPTIMIZERS[name])
                optimizer.load_state_dict(state)
            if step == 2 and held:
                optimizer.hold()
        return w.detach().cpu().tolist(), optimizer.state_dict()["state"][0]

    (there, state), (here, expected) = train("cuda", True), train("cpu", False)
    assert there == here
    assert {key: a.tolist() for key, a in state.items()} == {key: a.tolist() for key, a in expected.items()}


def test_held_rates_are_written_where_they_are_read():
    w = ta.ones(3, device="cuda", requires_grad=True)
    optimizer = ta.optim.SGD([w], lr=0.5)
    w.sum().backward()
    optimizer.step()
    optimizer.hold()
    optimizer.param_groups[0]["lr"] = 2.0
    optimizer.step()
    assert w.tolist() == [0.0] * 3          # what was held counts …
    optimizer.refresh()
    optimizer.step()
    assert w.tolist() == [-2.0] * 3         # … until it is refreshed


@pytest.mark.parametrize("options", [{}, {"optimizer": "sgd", "average": 0.5, "augment": "none", "schedule": "cosine"}], ids=["default", "others"])
def test_a_run_trains_and_resumes(tmp_path, options):
    def run(where):
        folder = tmp_path / where
        result = training.train(out=folder, quiet=True, device=where, data="glyphs", epochs=2, limit_train=48, limit_test=20, batch_size=16, **options)
        rows = [{k: v for k, v in json.loads(line).items() if k != "train_seconds"} for line in (folder / "log.jsonl").read_text().splitlines()]
        opened = training.open_run(folder)
        return rows, result["test_loss"], [value.data for value in opened.model.state_dict().values()]

    there, here = run("cuda"), run("cpu")
    assert there[:2] == here[:2]
    assert all(type(a) is np.ndarray and np.array_equal(a, b) for a, b in zip(there[2], here[2]))


def test_layers_take_a_device():
    layer = ta.nn.Conv2d(2, 3, 3, device="cuda")
    assert {type(p.data) for p in layer.parameters()} == {ForeignArray}
    assert layer(ta.ones(1, 2, 4, 4, device="cuda")).device == "cuda"
    there = ta.nn.BatchNorm2d(3).to("cuda")
    there.load_state_dict({"weight": np.full(3, 2.0)}, strict=False)
    assert there.weight.tolist() == [2.0] * 3 and there.running_mean.device == "cuda"
    assert ta.nn.init.orthogonal_(ta.zeros(2, 2, device="cuda")).device == "cuda"
