"""Races, planted and found at their lines; and kernels that have none."""
import functools
import inspect
import re

import more_cuda_calls
import cuda_calls
import numpy as np
import pytest

from tinyattn.kernels import cuda as rung
from tinyattn.kernels.cuda import runtime, simulator, witness
from tinyattn.kernels.cuda.runtime import cuda, jit, launch, load4, store4
from tinyattn.kernels.cuda.threads import block_sum, warp_sum

pytestmark = pytest.mark.skipif(not runtime.SIMULATED, reason="needs TINYATTN_CUDA=simulator, which tests/conftest.py sets unless a GPU is asked for")

f32 = np.float32


# ---- small kernels; a line whose comment is "race" takes part in one -------------------------------------------------------------

@jit
def reversed_without_a_barrier(x, y):
    tile = cuda.shared.array(64, f32)
    i = cuda.threadIdx.x
    tile[i] = x[i]  # race
    y[i] = tile[63 - i]  # race


@jit
def reversed_with_a_barrier(x, y):
    tile = cuda.shared.array(64, f32)
    i = cuda.threadIdx.x
    tile[i] = x[i]
    cuda.syncthreads()
    y[i] = tile[63 - i]


@jit
def no_barrier_before_the_next_round(x, y):
    tile = cuda.shared.array(64, f32)
    i = cuda.threadIdx.x
    for k in range(2):
        tile[i] = x[i] + f32(k)  # race
        cuda.syncthreads()
        y[i] = tile[63 - i]  # race


@jit
def reversed_within_a_warp(x, y):
    tile = cuda.shared.array(64, f32)
    i = cuda.threadIdx.x
    tile[i] = x[i]
    cuda.syncwarp()
    y[i] = tile[i ^ 31]


@jit
def a_warp_is_no_block(x, y):
    tile = cuda.shared.array(64, f32)
    i = cuda.threadIdx.x
    tile[i] = x[i]  # race
    cuda.syncwarp()
    y[i] = tile[63 - i]  # race


@jit
def an_exchange_is_no_barrier(x, y):
    tile = cuda.shared.array(64, f32)
    i = cuda.threadIdx.x
    tile[i] = x[i]  # race
    v = warp_sum(x[i])
    y[i] = tile[i ^ 31] + v  # race


@jit
def counted_by_all(x, y):
    y[0] += x[cuda.grid(1)]  # race


@jit
def counted_atomically(x, y):
    cuda.atomic.add(y, 0, x[cuda.grid(1)])


@jit
def atomically_and_not(x, y):
    i = cuda.grid(1)
    if i == 5:
        y[0] = f32(0)  # race
    else:
        cuda.atomic.add(y, 0, x[i])  # race


@jit
def a_flag_that_many_set(x, y):
    if x[cuda.grid(1)] >= f32(0):
        y[0] = f32(1)


@jit
def the_block_before(x, y):
    i = cuda.grid(1)
    x[i] = f32(i)  # race
    if i >= 64:
        y[i] = x[i - 64]  # race


@jit
def a_barrier_is_no_bridge_between_blocks(x, y):
    i = cuda.grid(1)
    x[i] = f32(i)  # race
    cuda.syncthreads()
    y[i] = x[127 - i]  # race


@jit
def vectors_that_overlap(x, y):
    i = cuda.threadIdx.x
    if i < 4:
        store4(y, 4 * i, load4(x, 4 * i))  # race
    else:
        y[i] = f32(-1)  # race


@jit
def summed_by_the_block(x, y):
    scratch = cuda.shared.array(32, f32)
    total = block_sum(x[cuda.grid(1)], scratch)
    total = block_sum(total, scratch)
    if cuda.threadIdx.x == 0:
        y[cuda.blockIdx.x] = total


KERNELS = [k for k in list(globals().values()) if hasattr(k, "py_func") and k.py_func.__module__ == __name__]


def raced(kernel):
    """Line numbers that are marked in the kernel's source."""
    lines, first = inspect.getsourcelines(kernel.py_func)
    return {first + n for n, line in enumerate(lines) if line.rstrip().endswith("# race")}


def seen_of(kernel, grid=2, block=64, log=False):
    x, y = rung.from_host(np.arange(128, dtype=f32)), rung.zeros((128,), f32)
    with witness.watching(log) as seen:
        launch(kernel, grid, block, x, y)
    return seen


@pytest.mark.parametrize("kernel", KERNELS, ids=lambda k: k.py_func.__name__)
def test_races_are_found_at_their_lines_and_nowhere_else(kernel):
    races = seen_of(kernel).races
    assert {a.place.line for r in races for a in (r.first, r.second)} == raced(kernel), list(map(str, races))
    assert all(a.place.file == __file__ for r in races for a in (r.first, r.second))


def test_a_race_in_words():
    (race,) = seen_of(reversed_without_a_barrier, grid=1).races
    lines = sorted(raced(reversed_without_a_barrier))
    assert re.fullmatch(rf"race in reversed_without_a_barrier on shared tile\[\d+\]: thread \(\d+, 0, 0\) of block \(0, 0, 0\) (writes|reads) "
                        rf"at test_witness.py:({'|'.join(map(str, lines))}), thread .* (writes|reads) at test_witness.py:\d+; no syncthreads.* is between them",
                        str(race)), str(race)
    assert "; blocks run in any order" in str(seen_of(the_block_before).races[0])


def test_a_race_is_found_though_the_result_is_right():
    """A thread order in which nothing goes wrong."""
    x, y = np.arange(64, dtype=f32), np.zeros(64, f32)
    with witness.watching() as seen:
        for seed in range(3):
            simulator.run(reversed_without_a_barrier, 1, 64, [x, y], seed=seed)
    assert len(seen.races) == 3


def test_one_launch_after_another_is_in_order():
    x, y = rung.zeros((64,), f32), rung.zeros((64,), f32)
    with witness.watching() as seen:
        launch(reversed_with_a_barrier, 1, 64, x, y)
        launch(reversed_with_a_barrier, 1, 64, y, x)
    assert seen.races == [] and [l.kernel for l in seen.launches] == ["reversed_with_a_barrier"] * 2


def test_the_same_memory_under_two_names():
    x = rung.zeros((64,), f32)
    with witness.watching() as seen:
        launch(the_block_before, 2, 32, x, x)
    assert seen.races == []     # 64 threads: each touches its own cell
    x = rung.zeros((128,), f32)
    with witness.watching() as seen:
        launch(copied_to_the_neighbour, 1, 64, x[:64], x[1:65])
    assert {a.place.line for r in seen.races for a in (r.first, r.second)} == raced(copied_to_the_neighbour)


@jit
def copied_to_the_neighbour(x, y):
    i = cuda.threadIdx.x
    y[i] = x[i]  # race


def test_the_log():
    seen = seen_of(vectors_that_overlap, 1, log=True)
    first = [a for a in seen.accesses if a.thread == (2, 0, 0)]
    assert [(a.kind, a.array.name, a.start, a.count) for a in first] == [("reads", "x", 8, 4), ("writes", "y", 8, 4)]
    seen = seen_of(no_barrier_before_the_next_round, 1, log=True)
    mine = [a for a in seen.accesses if a.rank == 7 and a.array.shared]
    assert [(a.phase, a.time, a.kind) for a in mine] == [(0, 0, "writes"), (1, 0, "reads"), (1, 1, "writes"), (2, 1, "reads")]
    assert set(seen.launches[0].arrays) == {"x", "y", mine[0].array.name}


def test_a_log_has_an_end(monkeypatch):
    monkeypatch.setattr(witness, "MOST_ACCESSES", 100)
    with pytest.raises(witness.TooMany, match="more than 100 accesses"):
        seen_of(reversed_with_a_barrier, log=True)
    assert seen_of(reversed_with_a_barrier).races == [] and simulator.witness is None


# ---- the kernels of this rung ----------------------------------------------------------------------------------------------------

@functools.cache
def calls():
    return more_cuda_calls.by_kernel(rung)


WATCHED = 2
"""Calls of each kernel that are watched, which takes three times as long as to run them: the largest, of several blocks if any is."""


def size(call):
    """Elements of all arguments; 0 for float64, whose kernels are the same code with other numbers."""
    arrays = list(cuda_calls.arrays_in((call.args, call.options)))
    return 0 if any(a.dtype == np.float64 for a in arrays) else sum(a.size for a in arrays)


@pytest.mark.parametrize("name", sorted(calls()))
def test_no_kernel_races(name):
    for call in sorted(calls()[name], key=size)[-WATCHED:]:
        with witness.watching() as seen:
            cuda_calls.replay(call, rung, name)
        assert list(map(str, seen.races)) == [], call.describe()
