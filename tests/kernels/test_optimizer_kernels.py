"""Optimizer steps worked by hand, number by number, and how they treat their arguments."""
import math

import numpy as np
import pytest

from tinyattn import kernels


@pytest.fixture(params=kernels.RUNGS)
def k(request):
    return kernels.rung(request.param)


def one(value, dtype=np.float64):
    return np.array([value], dtype)


def test_two_plain_steps_by_hand(k):
    p, g = np.array([1.0, -2.0]), np.array([0.5, 0.25])
    k.sgd_step(p, g, None, one(0.1), 0.0, 0.0, 0.0, False, True)
    assert p.tolist() == pytest.approx([0.95, -2.025], rel=1e-15)
    k.sgd_step(p, g, None, one(0.1), 0.0, 0.0, 0.5, False, False)  # g + p/2 = 0.975, -0.7625
    assert p.tolist() == pytest.approx([0.8525, -1.94875], rel=1e-15)


@pytest.mark.parametrize("nesterov", [False, True])
def test_two_momentum_steps_by_hand(k, nesterov):
    p, g, b = np.array([1.0]), np.array([1.0]), np.array([math.nan])  # the first step must not read the buffer
    k.sgd_step(p, g, b, one(0.1), 0.5, 0.0, 0.0, nesterov, True)
    first = 1 - 0.1 * (1 + 0.5 if nesterov else 1)
    assert p[0] == pytest.approx(first) and b[0] == 1
    k.sgd_step(p, np.array([1.0]), b, one(0.1), 0.5, 0.0, 0.0, nesterov, False)  # b = 0.5 + 1
    assert b[0] == 1.5 and p[0] == pytest.approx(first - 0.1 * (1 + 0.5 * 1.5 if nesterov else 1.5))


def test_dampening(k):
    p, b = np.array([0.0]), np.array([4.0])
    k.sgd_step(p, np.array([1.0]), b, one(1.0), 0.5, 0.25, 0.0, False, False)
    assert b[0] == 2.75 and p[0] == -2.75  # 0.5 · 4 + 0.75 · 1
    k.sgd_step(p, np.array([1.0]), b, one(1.0), 0.5, 0.25, 0.0, False, True)
    assert b[0] == 1.0 and p[0] == -3.75  # the first gradient is taken whole


def test_the_first_step_of_adam_has_the_size_of_the_rate(k):
    """m/(1 − β₁) = g and v/(1 − β₂) = g², so p moves by lr · sign(g) whatever the size of g."""
    for size in (1e-3, 1.0, 1e3):
        p, m, v = np.zeros(2), np.zeros(2), np.zeros(2)
        k.adam_step(p, np.array([size, -size]), m, v, one(0.01), one(1, np.int64), 0.9, 0.999, 0.0, 0.0, False)
        assert p.tolist() == pytest.approx([-0.01, 0.01], rel=1e-12)
        assert m[0] == pytest.approx(0.1 * size) and v[0] == pytest.approx(0.001 * size * size)


def test_weight_decay_is_in_the_gradient_or_beside_it(k):
    def step(decoupled):
        p = np.array([2.0])
        k.adam_step(p, np.zeros(1), np.zeros(1), np.zeros(1), one(0.1), one(1, np.int64), 0.9, 0.999,
                    1e-8 if decoupled else 0.0, 0.5, decoupled)
        return p[0]
    assert step(False) == pytest.approx(2 - 0.1)  # g = 1: a step of full size
    assert step(True) == pytest.approx(2 * (1 - 0.05))


def test_lerp(k):
    average = np.array([1.0, 2.0], np.float32)
    k.lerp_step(average, np.array([3.0, 2.0], np.float32), 0.25)
    assert average.tolist() == [1.5, 2.0]


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_rungs_agree_on_sizes_in_one_task_and_in_many(dtype):
    for n in (1, 1000, 50_001):
        results = []
        for name in kernels.RUNGS:
            rung, draw = kernels.rung(name), np.random.default_rng(0)
            p, m, v = draw.normal(size=n).astype(dtype), np.zeros(n, dtype), np.zeros(n, dtype)
            for t in range(1, 6):
                g = draw.normal(size=n).astype(dtype)
                kept = g.copy()
                g.flags.writeable = False
                rung.adam_step(p, g, m, v, one(1e-2, dtype), one(t, np.int64), 0.9, 0.99, 1e-8, 0.1, True)
                rung.sgd_step(p, g, m, one(1e-2, dtype), 0.9, 0.0, 0.1, True, False)
                assert np.array_equal(g, kept) and p.dtype == dtype
            results.append(p)
        np.testing.assert_allclose(*results, rtol=0, atol=50 * np.finfo(dtype).eps)
