"""The loop that runs the bodies of other families: every task once, any arrays, and nothing freed too early."""
import sys

import numpy as np
import pytest

from tinyattn.kernels.cpu.jit import inner
from tinyattn.kernels.cpu.launch import MOST_ARRAYS, WORDS, _fill, flat, launch


@inner
def _count(t, x):
    x[t] += t


@inner
def _scaled(t, flags, numbers, x, y):
    part = x[10 * t:10 * (t + 1)]
    for i in range(part.size):
        y[10 * t + i] = part[i] * numbers[0] if flags[t] else part[i]


@inner
def _many(t, a, b, c, d, e, f, g, h, i, j, k, l):  # noqa: E741
    l[t] = a[t] + b[t] + c[t] + d[t] + e[t] + f[t] + g[t] + h[t] + i[t] + j[t] + k[t]


@pytest.mark.parametrize("tasks", [0, 1, 2, 1000])
def test_every_task_runs_once(tasks):
    x = np.ones(1000, np.int64)
    launch(_count, tasks, x)
    assert x.tolist() == [1 + t if t < tasks else 1 for t in range(1000)]


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_arrays_of_several_kinds(dtype):
    x, flags = np.arange(300, dtype=dtype), np.arange(30) % 3 == 0
    y = np.empty_like(x)
    launch(_scaled, 30, flags, np.array([0.5], dtype), x, y)
    assert np.array_equal(y, np.where(np.repeat(flags, 10), x / 2, x))


def test_as_many_arrays_as_it_takes():
    arrays = [np.full(5, 10.0**n) for n in range(MOST_ARRAYS)]
    launch(_many, 5, *arrays)
    assert arrays[-1].tolist() == [11111111111.0] * 5


def test_arrays_are_counted_as_before_and_live_as_long():
    x, flags, numbers = np.arange(300.0), np.ones(30, bool), np.array([2.0])
    before = sys.getrefcount(x), sys.getrefcount(numbers)
    for _ in range(300):
        y = np.empty(300)
        launch(_scaled, 30, flags, numbers, x, y)
        assert y[299] == 598
    assert (sys.getrefcount(x), sys.getrefcount(numbers)) == before and x[299] == 299


def test_the_table_names_no_owners():
    """A body counts references through an array's first two words; by then those owners are gone."""
    arrays = np.arange(300.0), np.ones(30, bool)[10:]
    table = np.full(WORDS * 2, -1)
    _fill(table, arrays)
    words = table.reshape(2, WORDS)
    assert not words[:, :2].any()
    assert words[:, 2].tolist() == [300, 20] and words[:, 4].tolist() == [a.ctypes.data for a in arrays]


def test_flat_is_a_view_where_it_can_be():
    x = np.zeros((3, 4), np.float32)
    assert np.shares_memory(flat(x), x) and flat(x).shape == (12,)
    x.flags.writeable = False
    assert not np.shares_memory(flat(x), x) and flat(x).flags.writeable
    assert flat(np.arange(6).reshape(2, 3).T).tolist() == [0, 3, 1, 4, 2, 5] and flat(np.array(7.0)).tolist() == [7]
