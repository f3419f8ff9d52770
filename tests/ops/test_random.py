"""Chance: laws, seeds, and the same numbers on every rung."""
import numpy as np
import pytest

import tinyattn as ta
import tinyattn.nn.functional as F
from tinyattn import kernels


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_the_same_numbers_on_every_rung(dtype):
    made = {}
    for rung in kernels.HOST_RUNGS:
        with kernels.use(rung):
            ta.manual_seed(42)
            made[rung] = [ta.rand(5, 7, dtype=dtype).data, ta.randn(9, dtype=dtype).data, ta.rand((), dtype=dtype).data,
                          F.dropout(ta.ones(4, 5, dtype=dtype), 0.3).data, F.dropout(ta.ones(2, 3, 4, 5, dtype=dtype), 0.3).data]
    for a, b in zip(made["reference"], made["cpu"], strict=True):
        assert a.dtype == b.dtype == dtype
        np.testing.assert_allclose(a, b, rtol=1e-6 if dtype == np.float32 else 1e-14)
    assert np.array_equal(made["reference"][0], made["cpu"][0])


def test_streams_go_on_and_start_again():
    ta.manual_seed(1)
    first, second = ta.rand(100).data, ta.rand(100).data
    ta.manual_seed(1)
    assert np.array_equal(ta.rand(100).data, first) and not np.array_equal(first, second)
    assert not set(first.tolist()) & set(second.tolist())
    ta.manual_seed(2**64 + 1)
    assert np.array_equal(ta.rand(100).data, first)
    ta.manual_seed(-1)
    assert not np.array_equal(ta.rand(100).data, first)


def test_laws():
    ta.manual_seed(0)
    u, z = ta.rand(200, 200).data, ta.randn(200, 200).data
    assert u.min() >= 0 and u.max() < 1 and abs(u.mean() - 0.5) < 0.01 and abs(u.var() - 1 / 12) < 0.002
    assert abs(z.mean()) < 0.02 and abs(z.std() - 1) < 0.02 and abs((z**4).mean() - 3) < 0.2
    assert np.abs(np.corrcoef(u[:-1].ravel(), u[1:].ravel())[0, 1]) < 0.02


def test_dropout():
    ta.manual_seed(0)
    x = ta.ones(300, 300, requires_grad=True)
    y = F.dropout(x, 0.2)
    assert set(np.unique(y.data)) == {0.0, np.float32(1.25)}
    assert abs((y.data == 0).mean() - 0.2) < 0.01
    y.sum().backward()
    assert np.array_equal(x.grad.data, y.data)
    assert F.dropout(x, 0.5, training=False) is x and F.dropout(x, 0.0) is x
    assert not F.dropout(x, 1.0).data.any()
    again = F.dropout(x, 0.2).data
    assert not np.array_equal(again, y.data)
    layer = ta.nn.Dropout(0.5)
    assert (layer(x).data == 0).any() and layer.eval()(x) is x


@pytest.mark.parametrize("function, shape", [("dropout1d", (300, 20, 3)), ("dropout1d", (6000, 3)), ("dropout2d", (300, 20, 3, 2))])
def test_dropout_of_channels(function, shape):
    ta.manual_seed(0)
    x = ta.ones(*shape, requires_grad=True)
    y = getattr(F, function)(x, 0.2)
    channels = y.data.reshape(6000, -1)
    assert (channels == channels[:, :1]).all() and set(np.unique(channels)) == {0.0, np.float32(1.25)}
    assert abs((channels == 0).mean() - 0.2) < 0.02
    y.sum().backward()
    assert np.array_equal(x.grad.data, y.data)
    assert getattr(F, function)(x, 0.5, training=False) is x and not getattr(F, function)(x, 1.0).data.any()


@pytest.mark.parametrize("function", ["dropout", "dropout1d", "dropout2d"])
def test_dropout_in_place(function):
    ta.manual_seed(0)
    start = ta.ones(4, 30, 2, requires_grad=True)
    x = start * 3
    y = getattr(F, function)(x, 0.5, True, True)
    assert y is x and set(np.unique(x.data)) == {0.0, 6.0}
    x.sum().backward()
    assert np.array_equal(start.grad.data, x.data)
    whole = x.data.copy()
    assert getattr(F, function)(x, 0.5, False, True) is x and np.array_equal(x.data, whole)


def test_whole_numbers_are_spread_evenly():
    ta.manual_seed(0)
    drawn = ta.randint(2, 7, (5, 4000))
    assert drawn.shape == (5, 4000) and drawn.dtype == np.int64
    counts = np.bincount(drawn.data.reshape(-1), minlength=7)
    assert counts[:2].sum() == 0 and abs(counts[2:] - 4000).max() < 250      # 5 values, 20,000 draws, deviation 57
    assert ta.randint(3, (2,)).data.max() < 3


def test_permutations_hold_every_number_once_and_differ():
    ta.manual_seed(0)
    a, b = ta.randperm(100), ta.randperm(100)
    assert sorted(a.tolist()) == list(range(100)) and a.tolist() != b.tolist() and a.tolist() != list(range(100))
    x = ta.zeros(2, 3, dtype=np.float64)
    assert ta.rand_like(x).dtype == np.float64 and ta.randn_like(x, dtype=np.float32).shape == (2, 3)
