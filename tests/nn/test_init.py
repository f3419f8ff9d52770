"""First values: laws, bounds, fans, and one seed for all."""
import math

import numpy as np
import pytest

import tinyattn as ta
from tinyattn import kernels
from tinyattn.nn import init


@pytest.fixture(autouse=True)
def plain_kernels():
    with kernels.use("reference"):
        ta.manual_seed(11)
        yield


def filled(function, *options, shape=(200, 30, 3, 3), **named):
    tensor = ta.zeros(shape, dtype=np.float64)
    before = tensor._version[0]
    assert function(tensor, *options, **named) is tensor and tensor._version[0] == before + 1
    return tensor.data


FAN_IN, FAN_OUT = 30 * 9, 200 * 9


@pytest.mark.parametrize("function,options,deviation,bound", [
    (init.uniform_, (-2.0, 4.0), 6 / math.sqrt(12), 4.0),
    (init.normal_, (1.0, 0.5), 0.5, None),
    (init.xavier_uniform_, (2.0,), 2 * math.sqrt(2 / (FAN_IN + FAN_OUT)), 2 * math.sqrt(6 / (FAN_IN + FAN_OUT))),
    (init.xavier_normal_, (), math.sqrt(2 / (FAN_IN + FAN_OUT)), None),
    (init.kaiming_uniform_, (), math.sqrt(2 / FAN_IN), math.sqrt(6 / FAN_IN)),
    (init.kaiming_uniform_, (math.sqrt(5),), math.sqrt(1 / (3 * FAN_IN)), 1 / math.sqrt(FAN_IN)),
    (init.kaiming_normal_, (0, "fan_out", "relu"), math.sqrt(2 / FAN_OUT), None),
    (init.kaiming_normal_, (0, "fan_in", "tanh"), 5 / 3 / math.sqrt(FAN_IN), None),
])
def test_laws(function, options, deviation, bound):
    values = filled(function, *options)
    middle = {init.uniform_: 1.0, init.normal_: 1.0}.get(function, 0.0)
    n = values.size                                            # 54,000: the deviation is known to about 0.5 %
    assert values.std() == pytest.approx(deviation, rel=0.02)
    assert values.mean() == pytest.approx(middle, abs=5 * deviation / math.sqrt(n))
    if bound is not None:
        assert np.abs(values).max() <= bound and np.abs(values).max() > 0.99 * bound
    else:
        within = np.mean(np.abs(values - middle) < deviation)
        assert within == pytest.approx(0.6827, abs=0.01)       # normal


def test_trunc_normal_stays_inside():
    values = filled(init.trunc_normal_, 0.0, 1.0, -1.0, 0.5)
    assert values.min() >= -1 and values.max() <= 0.5 and np.unique(values).size > 0.99 * values.size
    small = filled(init.trunc_normal_, std=0.02)
    assert small.std() == pytest.approx(0.02, rel=0.02)


def test_constants():
    assert (filled(init.zeros_) == 0).all() and (filled(init.ones_) == 1).all() and (filled(init.constant_, 0.3) == 0.3).all()


def test_fans_and_gains():
    assert init.fan_in_and_out((5, 7)) == (7, 5) and init.fan_in_and_out((8, 3, 3, 5)) == (45, 120)
    assert init.calculate_gain("relu") == pytest.approx(math.sqrt(2))
    assert init.calculate_gain("leaky_relu", 0.2) == pytest.approx(math.sqrt(2 / 1.04))
    assert init.calculate_gain("tanh") == pytest.approx(5 / 3)
    with pytest.raises(ValueError, match="at least two axes"):
        init.xavier_uniform_(ta.zeros(3))
    with pytest.raises(ValueError, match="unknown nonlinearity 'swish'"):
        init.calculate_gain("swish")
    with pytest.raises(ValueError, match="'fan_in' or 'fan_out', got 'fan'"):
        init.kaiming_normal_(ta.zeros(2, 2), mode="fan")


def test_one_seed_makes_the_same_network():
    def weights(seed):
        ta.manual_seed(seed)
        return np.concatenate([p.data.reshape(-1) for p in ta.models.create("attention_cnn").parameters()])
    first = weights(3)
    assert np.array_equal(first, weights(3)) and not np.array_equal(first, weights(4))
    state = ta.get_rng_state()
    a = ta.rand(5).data.copy()
    ta.set_rng_state(state)
    assert np.array_equal(a, ta.rand(5).data)


def test_signals_keep_their_size_through_a_deep_relu_net():
    """He's point: with gain √2 the deviation stays near 1 through 20 layers."""
    x = ta.randn(64, 100)
    for _ in range(20):
        w = ta.zeros(100, 100)
        init.kaiming_normal_(w, nonlinearity="relu")
        x = (x @ w.T).relu()
    assert 0.1 < float((x.data ** 2).mean()) ** 0.5 < 10
