"""The loop that runs the bodies of all families: every task once, any arrays, and nothing freed too early."""
import subprocess
import sys
import threading

import numba
import numpy as np
import pytest

from tinyattn.kernels.cpu import launch as shared
from tinyattn.kernels.cpu.jit import part
from tinyattn.kernels.cpu.launch import ENOUGH, MOST_ARRAYS, launch, numbers

WORK = {"alone": 0, "threads": ENOUGH}


@part
def _count(t, x):
    x[t] += t


@part
def _scaled(t, flags, factors, x, y):
    part = x[10 * t:10 * (t + 1)]
    for i in range(part.size):
        y[10 * t + i] = part[i] * factors[0] if flags[t] else part[i]


@part
def _many(t, a, b, c, d, e, f, g, h, i, j, k, l):  # noqa: E741
    l[t] = a[t] + b[t] + c[t] + d[t] + e[t] + f[t] + g[t] + h[t] + i[t] + j[t] + k[t]


@part
def _too_much(t, wanted, x):
    scratch = np.empty(wanted[t], x.dtype)
    scratch[0] = t
    x[t] = scratch[0]


@part
def _thread_that_runs(t, x):
    x[t] = numba.get_thread_id()


@pytest.mark.parametrize("work", WORK)
@pytest.mark.parametrize("tasks", [0, 1, 2, 1000])
def test_every_task_runs_once(tasks, work):
    x = np.ones(1000, np.int64)
    launch(_count, tasks, x, work=WORK[work])
    assert x.tolist() == [1 + t if t < tasks else 1 for t in range(1000)]


@pytest.mark.parametrize("work", WORK)
@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_arrays_of_several_kinds_and_shapes(dtype, work):
    x, flags = np.arange(300, dtype=dtype).reshape(3, 10, 10), np.arange(30) % 3 == 0
    y = np.empty_like(x)
    launch(_scaled, 30, flags, np.array(0.5, dtype), x, y, work=WORK[work])
    assert np.array_equal(y.ravel(), np.where(np.repeat(flags, 10), x.ravel() / 2, x.ravel()))


def test_as_many_arrays_as_it_takes():
    arrays = [np.full(5, 10.0**n) for n in range(MOST_ARRAYS)]
    launch(_many, 5, *arrays)
    assert arrays[-1].tolist() == [11111111111.0] * 5
    with pytest.raises(TypeError, match="at most 12"):
        launch(_many, 5, *arrays, arrays[0])


def test_arrays_are_counted_as_before_and_live_as_long():
    x, flags, factors = np.arange(300.0), np.ones(30, bool), np.array([2.0])
    before = sys.getrefcount(x), sys.getrefcount(factors)
    for work in WORK.values():
        for _ in range(300):
            y = np.empty(300)
            launch(_scaled, 30, flags, factors, x, y, work=work)
            assert y[299] == 598
    assert (sys.getrefcount(x), sys.getrefcount(factors)) == before and x[299] == 299


def test_a_view_begins_where_it_begins():
    x = np.zeros(100, np.int64)
    launch(_count, 10, x[50:])
    assert x[50:60].tolist() == list(range(10)) and not x[:50].any()


def test_arrays_of_other_classes_and_of_equal_dtypes():
    class Own(np.ndarray):
        pass

    with_metadata = np.dtype(np.int64, metadata={"unit": "m"})
    for x in (np.zeros(5, np.int64).view(Own), np.zeros(5, with_metadata), np.zeros(5, np.longlong)):
        known = len(shared._kept)
        for _ in range(3):
            launch(_count, 5, x)
        assert x.tolist() == [0, 3, 6, 9, 12] and len(shared._kept) <= known + 1


def test_scattered_arrays_are_read_and_written_in_order():
    x, y = np.arange(40.0).reshape(4, 10), np.zeros((10, 8))
    launch(_scaled, 4, np.ones(4, bool), np.array([2.0]), x.T, y[:, ::2])
    assert np.array_equal(y[:, ::2], 2 * x.T) and not y[:, 1::2].any()
    assert np.array_equal(x, np.arange(40).reshape(4, 10))
    launch(_scaled, 4, np.ones(4, bool), np.array([2.0]), np.broadcast_to(3.0, (4, 10)), y[:, ::2])  # read-only too
    assert (y[:, ::2] == 6).all()
    wide = np.zeros(81, np.uint8)
    crooked = wide[1:].view(np.int64)
    launch(_count, 10, crooked)
    assert crooked.tolist() == list(range(10))


def test_what_is_no_array_of_numbers_is_refused():
    x = np.arange(10)
    for wrong in (None, [1, 2], x.astype(">i8"), np.array(["a"])):
        with pytest.raises(TypeError, match="kernels take arrays of numbers"):
            launch(_count, 1, wrong)
    assert x.tolist() == list(range(10))


@pytest.mark.parametrize("work", WORK)
def test_a_task_that_fails_is_told(work):
    x = np.zeros(4)
    launch(_too_much, 4, np.full(4, 10), x, work=WORK[work])
    assert x.tolist() == [0, 1, 2, 3]
    with pytest.raises(MemoryError, match="_too_much"):
        launch(_too_much, 4, np.array([10, 10, 2**58, 10]), x, work=WORK[work])


def test_threads_may_launch_at_once():
    """Little work, as a loader's thread may do it beside the kernels; also the first use of a body."""
    results = [np.zeros(300) for _ in range(4)]

    def run(y):
        for _ in range(200):
            launch(_scaled, 30, np.ones(30, bool), np.array([2.0]), np.arange(300.0), y, work=0)

    threads = [threading.Thread(target=run, args=(y,)) for y in results]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert all(np.array_equal(y, np.arange(0, 600, 2.0)) for y in results)


def test_little_work_wakes_nobody():
    """In `_thread_that_runs` every task notes which thread runs it."""
    threads = numba.get_num_threads()
    who = np.full(64, -1)
    launch(_thread_that_runs, 64, who, work=ENOUGH - 1)
    assert set(who) == {0}
    launch(_thread_that_runs, 64, who, work=ENOUGH)
    assert len(set(who)) == threads
    large = np.full(3 * ENOUGH, -1)
    launch(_thread_that_runs, 64, large)  # as much as its arrays hold
    assert len(set(large[:64])) == threads
    launch(_thread_that_runs, 64, large[:-3])
    assert set(large[:64]) == {0}


def test_numbers_are_made_once():
    assert numbers(1, 2, True).tolist() == [1, 2, 1] and numbers(1, 2, 3) is numbers(1, 2, 3)
    assert numbers(7).dtype == np.int64


def test_a_foreign_layout_is_noticed_at_import():
    program = """
import numpy, tinyattn
class Other(numpy.ndarray): pass
numpy.ndarray = Other  # now no array's first words are what the check expects
try:
    from tinyattn.kernels.cpu import launch
except ImportError as error:
    print("refused:", error)
"""
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, timeout=100)
    assert "refused: kernels.cpu.launch: this Python and NumPy" in done.stdout, done.stderr
