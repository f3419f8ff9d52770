"""The average of the weights against the same sum written out in NumPy."""
import numpy as np
import pytest

import tinyattn as ta
from tinyattn import nn
from tinyattn.training import Average


def test_it_is_the_exponential_average_with_a_growing_decay():
    ta.manual_seed(0)
    model = nn.Sequential(nn.Linear(3, 4), nn.BatchNorm1d(4))
    average = Average(model, 0.6)
    chance, expected = np.random.default_rng(0), {k: v.data.astype(np.float64) for k, v in model.state_dict().items()}
    for step in range(1, 40):
        for name, tensor in model.state_dict().items():
            tensor.data[...] = chance.normal(size=tensor.shape) if tensor.data.dtype.kind == "f" else step
            decay = min(0.6, (1 + step) / (10 + step)) if tensor.data.dtype.kind == "f" else 0.0
            expected[name] = decay * expected[name] + (1 - decay) * tensor.data
        average.update()
    state = average.state_dict()
    assert state["step"] == 39 and state["weights"].keys() == expected.keys()
    assert int(state["weights"]["1.num_batches_tracked"]) == 39
    for name, value in expected.items():
        np.testing.assert_allclose(state["weights"][name], value, rtol=2e-5, atol=1e-6)


def test_it_is_lent_to_the_model_and_taken_back():
    model = nn.Linear(2, 2)
    average, own = Average(model, 0.9), model.weight.data.copy()
    model.weight.data[...] += 1
    with pytest.raises(KeyError):
        with average.applied():
            np.testing.assert_array_equal(model.weight.data, own)
            raise KeyError
    np.testing.assert_array_equal(model.weight.data, own + 1)


def test_its_state_comes_back():
    model = nn.Linear(2, 2)
    one, two = Average(model, 0.9), Average(model, 0.9)
    model.weight.data[...] = 5
    one.update()
    two.load_state_dict(one.state_dict())
    model.weight.data[...] = 7
    one.update()
    two.update()
    np.testing.assert_array_equal(one.state_dict()["weights"]["weight"], two.state_dict()["weights"]["weight"])
