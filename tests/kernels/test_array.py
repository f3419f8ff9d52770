"""Making, copying and joining arrays, and the pool that hands dead arrays' memory to new ones."""
import gc
import pickle
import random
import threading

import numpy as np
import pytest

from tinyattn import kernels
from tinyattn.kernels.cpu import reuse

BIG = (300, 400)  # of float32: above the size from which the CPU rung reuses memory


@pytest.fixture(params=kernels.HOST_RUNGS)
def k(request):
    return kernels.rung(request.param)


@pytest.mark.parametrize("shape", [(), (0, 3), (2, 3), BIG])
@pytest.mark.parametrize("dtype", [np.float32, np.float64, np.int64, np.uint8, np.bool_])
def test_new_arrays(k, shape, dtype):
    for made in (k.empty(shape, dtype), k.zeros(shape, dtype), k.full(shape, 1, dtype)):
        assert type(made) is np.ndarray and made.shape == shape and made.dtype == dtype
        assert made.flags.c_contiguous and made.flags.writeable and made.flags.aligned
    assert (k.zeros(shape, dtype) == 0).all() and (k.full(shape, 1, dtype) == 1).all()


@pytest.mark.parametrize("view", [
    lambda a: a, lambda a: a.transpose(2, 0, 1), lambda a: a[::-1, 1:], lambda a: a[:, None, 0]])
@pytest.mark.parametrize("size", [3, 200])
def test_copies_of_any_strides(k, view, size):
    x = view(np.arange(size * 4 * size, dtype=np.float32).reshape(size, 4, size))
    for y in (k.copy(x), k.copy(x, np.empty(x.shape, x.dtype)), k.contiguous(x)):
        assert y.flags.c_contiguous and y.shape == x.shape and y.tolist() == x.tolist()
    assert not np.shares_memory(k.copy(x), x)
    assert (k.contiguous(x) is x) == x.flags.c_contiguous


def test_cast_truncates_and_fill_is_in_place(k):
    x = np.array([[1.7, -1.7], [250.0, 0.0]], np.float32)
    assert k.cast(x, np.int64).tolist() == [[1, -1], [250, 0]]
    assert k.cast(x.T, np.bool_).tolist() == [[True, True], [True, False]]
    assert k.cast(np.array([3, 200], np.uint8), np.float32).dtype == np.float32
    assert k.fill(x, 7) is x and x.tolist() == [[7, 7], [7, 7]]


def test_cat_by_hand(k):
    a, b = np.array([[1, 2], [3, 4]], np.float32), np.array([[5, 6]], np.float32)
    assert k.cat([a, b], 0).tolist() == [[1, 2], [3, 4], [5, 6]]
    assert k.cat([a, b.T[:, :1], a], 1).tolist() == [[1, 2, 5, 1, 2], [3, 4, 6, 3, 4]]
    assert k.cat([a, a], -1).tolist() == [[1, 2, 1, 2], [3, 4, 3, 4]]
    out = np.empty((3, 2), np.float32)
    assert k.cat([a, b], 0, out) is out and out[2].tolist() == [5, 6]


def test_the_host_is_where_cpu_arrays_are(k):
    a = np.ones(3)
    assert k.from_host(a) is a and k.to_host(a) is a


# ---- the pool of the CPU rung --------------------------------------------------------------------------------------

def address(a):
    return a.__array_interface__["data"][0]


@pytest.fixture
def pool():
    return reuse.Pool(most_idle=3 << 20)


def new(pool, shape=BIG, dtype=np.float32):
    return pool.array(shape, np.dtype(dtype))


def test_memory_is_reused_only_when_the_last_view_is_gone(pool):
    a = new(pool)
    first, view = address(a), a[10:20].T.reshape(-1)[::3].view(np.int32)
    a[...] = 5
    kept = a[10:20, :3].view(np.int32)
    del a, view
    b = new(pool)
    assert address(b) != first and kept[0, 0] == np.float32(5).view(np.int32)
    del kept
    assert address(new(pool)) == first


def test_sizes_that_differ_little_share_blocks_and_others_do_not(pool):
    a = new(pool, (100_000,))
    first = address(a)
    del a
    assert address(new(pool, (200_000,))) != first
    assert address(new(pool, (100_003,))) == first


def test_blocks_are_aligned_and_whole(pool):
    for dtype, n in ((np.float32, 65_537), (np.float64, 40_001), (np.uint8, 300_001), (np.bool_, 262_144)):
        a = new(pool, (n,), dtype)
        owner = a.base
        assert address(a) % 64 == 0 and address(a) + a.nbytes <= address(owner.block) + owner.block.nbytes
        assert a.flags.carray and a.dtype == dtype


def test_idle_memory_is_capped_oldest_first(pool):
    arrays = [new(pool, (256, 1024)) for _ in range(5)]  # 1 MB each, and a little
    addresses = [address(a) for a in arrays]
    while arrays:
        arrays.pop(0)
    assert pool.idle_bytes <= 3 << 20
    again = [new(pool, (256, 1024)) for _ in range(2)]
    assert [address(a) for a in again] == addresses[:2:-1]  # the latest are the warmest
    assert pool.idle_bytes == 0


def test_pickles_hold_the_values_alone():
    a = kernels.rung("cpu").full(BIG, 3, np.float32)
    b = pickle.loads(pickle.dumps(a))
    assert b.base is None or not isinstance(b.base, reuse._Owner)
    assert (b == 3).all() and not np.shares_memory(a, b)


def test_no_two_living_arrays_share_memory_in_any_thread(pool):
    """Arrays are marked, kept, viewed, caught in reference cycles and dropped at random; every mark must last."""
    wrong = []

    def work(seed):
        choose, alive = random.Random(seed), []
        for i in range(400):
            if alive and choose.random() < 0.5:
                array, mark = alive.pop(choose.randrange(len(alive)))
                if not (array == mark).all():
                    wrong.append((seed, i))
            else:
                array = new(pool, (choose.choice([70_000, 80_000, 100_000]),))
                mark = seed * 1000 + i
                array.fill(mark)
                alive.append((array[::97], mark))
                if choose.random() < 0.2:
                    ring = [array]
                    ring.append(ring)

    threads = [threading.Thread(target=work, args=(seed,)) for seed in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    gc.collect()
    assert not wrong
    assert sum(block.size for block in pool._idle.values()) == pool.idle_bytes <= pool.most_idle


def test_small_arrays_are_numpys_own():
    assert kernels.rung("cpu").empty((10, 10), np.float32).base is None
