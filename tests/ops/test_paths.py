"""The samples enter every path: a counter at each door that a kernel's host function chooses between."""
import numpy as np
import pytest
from op_samples import BY_ID, run

from tinyattn.kernels.cpu.conv import depthwise, direct, planes, weight_grad

DOORS = {"conv2d": [(depthwise, "forward"), (depthwise, "backward_input"), (depthwise, "backward_weight"),
                    (planes, "forward"), (planes, "backward_input"),
                    (direct, "forward"), (direct, "backward_input"), (weight_grad, "backward_weight")]}


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
@pytest.mark.parametrize("operation", DOORS)
def test_every_door_is_entered(operation, dtype, monkeypatch):
    counts = {}
    for module, name in DOORS[operation]:
        door, key = getattr(module, name), f"{module.__name__.rpartition('.')[2]}.{name}"
        counts[key] = 0

        def counted(*arguments, door=door, key=key):
            counts[key] += 1
            return door(*arguments)

        monkeypatch.setattr(module, name, counted)
    for sample in BY_ID.values():
        if sample.name == operation:
            run(sample, [np.asarray(a, dtype) for a in sample.arrays()], "cpu")
    if dtype == np.float64:                     # where vectors hold fewer numbers, `planes` may never be worth it
        counts = {key: n for key, n in counts.items() if not key.startswith("planes") or n}
    assert all(counts.values()), f"paths that no sample enters: {[key for key, n in counts.items() if not n]}"
