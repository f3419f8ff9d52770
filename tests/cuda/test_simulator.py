"""Each check of the simulator is shown to fire, by a kernel with a fault planted in it, and to be silent without the fault.

Blocks take turns by greenlets, or by threads of the system where greenlet is not installed: everything here is run both ways.
"""
import threading
import warnings

import numpy as np
import pytest

from tinyattn.kernels import cuda as rung
from tinyattn.kernels.cuda import runtime, simulator
from tinyattn.kernels.cuda.runtime import cuda, device, jit, load2, load4, store4
from tinyattn.kernels.cuda.simulator import SimulationError
from tinyattn.kernels.cuda.threads import ALL, block_sum, warp_max, warp_sum

pytestmark = pytest.mark.skipif(not runtime.SIMULATED, reason="needs TINYATTN_CUDA=simulator, which tests/conftest.py sets unless a GPU is asked for")

f32, i32 = np.float32, np.int32


@pytest.fixture(autouse=True, params=["greenlet", "threads"])
def turns(request, monkeypatch):
    """Both ways of taking turns."""
    if request.param == "threads":
        monkeypatch.setattr(simulator.turns, "_greenlet", None)
    elif simulator.turns._greenlet is None:
        pytest.skip("needs greenlet")


def run(kernel, *args, grid=1, block=64, **options):
    """`kernel` on `args`, with every warning an error."""
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        simulator.run(kernel, grid, block, args, **options)


def numbers(n=64):
    return np.arange(n, dtype=f32)


# ---- what must be found ------------------------------------------------------------------------------------------------


@jit
def turned(x, y, barrier):
    tile = cuda.shared.array(64, f32)
    i = cuda.threadIdx.x
    tile[i] = x[i]
    if barrier:
        cuda.syncthreads()
    y[i] = tile[63 - i]


def test_a_missing_barrier_leaves_nan():
    y = np.zeros(64, f32)
    run(turned, numbers(), y, True)
    assert np.array_equal(y, numbers()[::-1])
    run(turned, numbers(), y, False)
    assert np.isnan(y).any()


@jit
def counted(y, write):
    places = cuda.shared.array(64, i32)
    i = cuda.threadIdx.x
    if write:
        places[i] = i
    cuda.syncthreads()
    y[i] = places[63 - i]


def test_integers_that_nobody_wrote_are_not_read():
    y = np.zeros(64, i32)
    run(counted, y, True)
    assert np.array_equal(y, np.arange(64)[::-1])
    with pytest.raises(SimulationError, match="before anybody wrote there"):
        run(counted, y, False)


@jit
def counted_in_shared_memory(y, begin):
    total = cuda.shared.array(1, i32)
    if begin and cuda.threadIdx.x == 0:
        total[0] = 0
    cuda.syncthreads()
    cuda.atomic.add(total, 0, 1)
    cuda.syncthreads()
    y[cuda.threadIdx.x] = total[0]


def test_a_counter_that_nobody_set_is_not_counted_on():
    y = np.zeros(64, i32)
    run(counted_in_shared_memory, y, True)
    assert (y == 64).all()
    with pytest.raises(SimulationError, match="before anybody wrote there"):
        run(counted_in_shared_memory, y, False)


@jit
def at(x, y, i):
    y[0] = x[i]


@jit
def written_at(y, i):
    y[i] = f32(1)


@jit
def with_two_indices(x, y):
    y[0] = x[0, 0]


@pytest.mark.parametrize("index, words", [(64, r"\(64,\) is outside an array of shape \(64,\)"), (-1, r"\(-1,\) is outside"), (2.0, "float")])
def test_an_index_out_of_range(index, words):
    with pytest.raises(SimulationError, match=words):
        run(at, numbers(), numbers(), index, block=1)
    with pytest.raises(SimulationError, match=words):
        run(written_at, numbers(), index, block=1)
    run(at, numbers(), numbers(), 63, block=1)


def test_another_number_of_indices():
    with pytest.raises(SimulationError, match="2 indices for an array with 1 axes"):
        run(with_two_indices, numbers(), numbers(), block=1)


def test_who_did_it_is_named():
    with pytest.raises(SimulationError) as caught:
        run(written_at, numbers(8), 9, grid=(1, 1, 1), block=(1, 1, 1))
    assert caught.value.__notes__ == ["in written_at, block (0, 0, 0), thread (0, 0, 0)"]


@jit
def a_barrier_for_half(y):
    if cuda.threadIdx.x < 32:
        cuda.syncthreads()
    else:
        cuda.syncthreads()
    y[cuda.threadIdx.x] = f32(1)


@jit
def an_early_end(y):
    if cuda.threadIdx.x >= 40:
        return
    cuda.syncthreads()
    y[cuda.threadIdx.x] = f32(1)


@jit
def another_number_of_rounds(y):
    for _ in range(1 + cuda.threadIdx.x // 32):
        cuda.syncthreads()
    y[cuda.threadIdx.x] = f32(1)


@device
def waits():
    cuda.syncthreads()


@jit
def called_from_two_places(y):
    if cuda.threadIdx.x < 32:
        waits()
    else:
        waits()
    y[cuda.threadIdx.x] = f32(1)


@pytest.mark.parametrize("kernel, words", [(a_barrier_for_half, "different places: block at test_simulator.py"),
                                           (an_early_end, "24 threads have ended"), (another_number_of_rounds, "32 threads have ended"),
                                           (called_from_two_places, r"different places: block at test_simulator.py:\d+ → test_simulator.py")],
                         ids=lambda v: getattr(getattr(v, "py_func", None), "__name__", ""))
def test_a_barrier_that_only_some_can_reach(kernel, words):
    with pytest.raises(SimulationError, match=words):
        run(kernel, numbers())


@jit
def half_a_warp_exchanges(x, y):
    v = x[cuda.threadIdx.x]
    if cuda.threadIdx.x % 32 < 16:
        v = warp_sum(v)
    else:
        v = warp_max(v)
    y[cuda.threadIdx.x] = v


@jit
def a_warp_waits_for_the_block_and_the_block_for_the_warp(y):
    if cuda.threadIdx.x % 32 == 0:
        cuda.syncthreads()
    else:
        cuda.syncwarp()
    y[cuda.threadIdx.x] = f32(1)


@jit
def summed(x, y):
    y[cuda.threadIdx.x] = warp_sum(x[cuda.threadIdx.x])


@jit
def masked(x, y, mask):
    y[cuda.threadIdx.x] = cuda.shfl_xor_sync(mask, x[cuda.threadIdx.x], 1)


def test_lanes_that_do_not_come_along():
    with pytest.raises(SimulationError, match="lanes of one warp wait at different places"):
        run(half_a_warp_exchanges, numbers(), numbers())
    with pytest.raises(SimulationError, match="wait for each other at different places: block at .*, warp at "):
        run(a_warp_waits_for_the_block_and_the_block_for_the_warp, numbers())


def test_a_lane_that_is_not_there():
    y = numbers()
    run(summed, numbers(), y)
    assert (y[:32] == sum(range(32))).all() and (y[32:] == sum(range(32, 64))).all()
    with pytest.raises(SimulationError, match="reads from lane .*, which is not there"):
        run(summed, numbers(), numbers(), block=48)


def test_half_a_mask():
    run(masked, numbers(), numbers(), ALL)
    with pytest.raises(SimulationError, match="mask 0xffff: only whole warps"):
        run(masked, numbers(), numbers(), 0xFFFF)


@jit
def by_fours(x, y, i):
    store4(y, 0, load4(x, i))


@jit
def stored_by_fours(x, y, i):
    store4(y, i, load4(x, 0))


@jit
def by_twos(x, y, i):
    a, b = load2(x, i)
    y[0] = a + b


@jit
def shared_by_fours(y, aligned):
    tile = cuda.shared.array(8, f32, 16) if aligned else cuda.shared.array(8, f32)
    store4(tile, 4, (f32(1), f32(2), f32(3), f32(4)))
    store4(y, 0, load4(tile, 4))


def test_a_vector_that_is_not_aligned():
    aligned = np.zeros(64, f32)
    assert aligned.ctypes.data % 16 == 0
    run(by_fours, aligned, aligned.copy(), 8, block=1)
    run(by_twos, aligned, aligned.copy(), 2, block=1)
    for kernel, x, i in ((by_fours, aligned, 6), (by_fours, aligned[1:], 0), (stored_by_fours, aligned, 2), (by_twos, aligned, 1),
                         (by_twos, aligned[1:], 0)):
        with pytest.raises(SimulationError, match="not aligned"):
            run(kernel, x, aligned.copy(), i, block=1)
    with pytest.raises(SimulationError, match="outside"):
        run(by_fours, aligned[:10], aligned.copy(), 8, block=1)
    run(shared_by_fours, aligned, True, block=1)
    assert aligned[:4].tolist() == [1, 2, 3, 4]
    with pytest.raises(SimulationError, match="not aligned"):
        run(shared_by_fours, aligned, False, block=1)


@jit
def roomy(y):
    first = cuda.shared.array(8192, f32)
    second = cuda.shared.array(4096, f32)
    first[0] = second[0] = f32(1)
    y[0] = first[0] + second[0]


def test_what_a_gpu_has_not():
    run(roomy, numbers(), block=1)
    with pytest.raises(SimulationError, match="49156 bytes of shared memory; it has 49152"):
        run(roomy, numbers(), block=1, shared=4)
    for grid, block, words in ((1, 1025, "1025 threads"), (1, (1, 1, 65), "block of"), (1, 0, "block of"), ((1, 65536), 1, "grid of"),
                               ((1, 1, 65536), 1, "grid of")):
        with pytest.raises(SimulationError, match=words):
            run(at, numbers(), numbers(), 0, grid=grid, block=block)


@jit
def the_last_one_stays(y):
    y[0] = f32(cuda.grid(1))


def test_who_comes_last_is_not_to_be_counted_on():
    found = set()
    for seed in range(8):
        y = numbers(1)
        run(the_last_one_stays, y, grid=2, block=4, seed=seed)
        found.add(float(y[0]))
    assert len(found) > 2 and {v // 4 for v in found} == {0, 1}


def test_memory_that_is_used_again_holds_nothing():
    x = rung.full((1000,), 3, f32)
    address = x.block.memory.ctypes.data
    del x
    y = rung.empty((1000,), f32)
    assert y.block.memory.ctypes.data == address, "this test wants the same memory again"
    assert np.isnan(rung.to_host(y)).all()


# ---- what must not be disturbed ----------------------------------------------------------------------------------------


def test_nobody_is_left_waiting_after_an_error():
    before = threading.active_count()
    for kernel in (a_barrier_for_half, an_early_end):
        with pytest.raises(SimulationError):
            run(kernel, numbers())
    with pytest.raises(SimulationError):
        run(turned, numbers(3), numbers(), True)
    assert threading.active_count() == before


@jit
def whole(x, y, counts):
    scratch = cuda.shared.array(32, f32)
    i = cuda.threadIdx.x
    total = block_sum(x[i], scratch)
    some = cuda.syncthreads_or(i == 5)
    every = cuda.syncthreads_and(i != 5)
    count = cuda.syncthreads_count(i % 2)
    lane = i & 31
    y[i] = total + cuda.shfl_sync(ALL, x[i], 3) + cuda.shfl_down_sync(ALL, x[i], 1) + cuda.shfl_up_sync(ALL, x[i], 1)
    if cuda.any_sync(ALL, lane == 7) and not cuda.all_sync(ALL, lane == 7) and some and not every:
        counts[i] = count * 100 + cuda.popc(cuda.ballot_sync(ALL, lane < 7))


def test_exchanges_and_barriers_give_what_a_gpu_gives():
    y, counts, lane = numbers(), np.zeros(64, np.int64), np.arange(64) % 32
    run(whole, numbers(), y, counts)
    first = np.arange(64) // 32 * 32
    down, up = np.where(lane < 31, np.arange(64) + 1, np.arange(64)), np.where(lane > 0, np.arange(64) - 1, np.arange(64))
    assert np.array_equal(y, sum(range(64)) + (first + 3) + down + up)
    assert (counts == 3207).all()


@jit
def unheard_of(x, y):
    i = cuda.threadIdx.x
    y[i] = x[i] * x[i] - x[i] * x[i] / (x[i] - x[i])
    cuda.syncthreads()
    y[i] = y[i] / (x[i] - x[i])


def test_infinities_are_silent():
    run(unheard_of, np.full(32, 3e38, f32), numbers(), block=32)


def test_math_is_a_gpus():
    m, nan, inf = simulator.translate.gpus_math, f32(np.nan), f32(np.inf)
    with np.errstate(all="ignore"):
        for got, expected in ((m.exp(f32(1000)), inf), (m.sqrt(f32(-1)), nan), (m.log(f32(0)), -inf), (m.erf(f32(0.5)), f32(0.5204999)),
                              (m.pow(f32(2), f32(3)), f32(8)), (m.atan2(f32(1), f32(1)), f32(np.pi / 4)), (m.tanh(inf), f32(1))):
            assert type(got) is f32 and (got == expected or np.isnan(got) and np.isnan(expected)), (got, expected)
    assert type(m.sqrt(np.float64(2))) is np.float64 and m.floor(f32(2.5)) == 2 and type(m.floor(f32(2.5))) is int
    assert m.pi == np.pi
    larger, smaller = simulator.translate.BUILT_IN["max"], simulator.translate.BUILT_IN["min"]
    assert larger(nan, f32(1)) == larger(f32(1), nan) == smaller(nan, f32(1)) == 1
    assert larger(2, 3) == 3 and type(larger(2, 3)) is int and larger(1, 2, 3) == 3
