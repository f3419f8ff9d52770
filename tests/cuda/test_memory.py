"""The pool of device memory, over a device that is only counted: what is reused, what it wastes, what it says when there is no more."""
import gc
import threading
import weakref

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tinyattn.kernels.cuda.memory import Pool, readable, rounded

KB, MB = 1 << 10, 1 << 20


class Chunk:
    """A piece of the counted device; freed as its last name goes."""

    def __init__(self, device, nbytes):
        self.device, self.nbytes = device, nbytes

    def __del__(self):
        self.device.held -= self.nbytes


class Device:
    """`total` bytes, and a list of what was asked."""

    def __init__(self, total=1 << 40):
        self.total, self.held, self.asked = total, 0, []

    def allocate(self, nbytes):
        self.asked.append(nbytes)
        if self.held + nbytes > self.total:
            raise MemoryError("CUDA_ERROR_OUT_OF_MEMORY")
        self.held += nbytes
        return Chunk(self, nbytes)

    def memory_info(self):
        return self.total - self.held, self.total

    def synchronize(self):
        self.asked.append("wait")


def pool_of(total=1 << 40):
    device = Device(total)
    return Pool(device), device


def test_the_next_array_of_a_size_takes_the_dead_ones_memory():
    pool, device = pool_of()
    first = pool.block(1000)
    memory = first.memory
    other = pool.block(1000)
    assert other.memory is not memory
    del first
    assert pool.block(700).memory is memory  # 700 and 1000 bytes are both served by 1024
    assert device.asked == [1024, 1024] and pool.asked_driver == 2 and pool.handed_out == 3


def test_memory_of_a_block_in_a_cycle_is_not_freed_before_it_comes_back():
    """The collector calls a memory's finalizer, as numba-cuda hangs one on each, before it lets the block give the memory back."""
    pool, _ = pool_of()
    block, freed = pool.block(1000), []
    weakref.finalize(block.memory, freed.append, "too early")
    number, cycle = id(block.memory), [block]
    cycle.append(cycle)
    del block, cycle
    gc.collect()
    assert not freed and id(pool.block(1000).memory) == number
    pool.give_back()
    gc.collect()
    assert freed  # once nobody holds it, it is


def test_another_size_does_not():
    pool, device = pool_of()
    memory = pool.block(1000).memory
    assert pool.block(1025).memory is not memory and device.asked == [1024, 1536]


@given(st.integers(0, 1 << 42))
def test_rounding_wastes_little_and_is_the_same_the_second_time(nbytes):
    size = rounded(nbytes)
    assert size >= nbytes and size % 512 == 0 and rounded(size) == size
    assert size - nbytes <= (511 if 0 < nbytes <= MB else 512 if not nbytes else nbytes / 8)


@given(st.integers(1, 1 << 42), st.integers(1, 1 << 42))
def test_rounding_keeps_order(a, b):
    assert (rounded(a) <= rounded(b)) or a > b


@pytest.mark.parametrize("power", range(20, 40))
def test_sizes_are_few(power):
    """Above 1 MiB there are eight sizes to each doubling."""
    low = 1 << power
    sizes = {rounded(low + 1 + (low - 1) * k // 999) for k in range(1000)}
    assert len(sizes) == 8 and max(sizes) == 2 * low


def test_counters():
    pool, _ = pool_of()
    a, b = pool.block(1024), pool.block(2048)
    assert (pool.used_bytes, pool.idle_bytes, pool.peak_bytes) == (3072, 0, 3072)
    del a
    c = pool.block(512)
    assert (pool.used_bytes, pool.idle_bytes, pool.peak_bytes) == (2560, 1024, 3072)
    pool.reset_peak()
    assert pool.peak_bytes == 2560
    del b, c
    text = pool.summary()
    assert pool.used_bytes == 0 and pool.idle_bytes == 3584
    for words in ("held by living arrays         0 B   (peak 2.5 KiB)", "3.5 KiB   in 3 blocks", "3 of which 3 came from the driver".replace("3 of", "3   of"), "1 × 2 KiB"):
        assert words in text, text


def test_idle_memory_goes_back_before_there_is_no_more():
    pool, device = pool_of(10 * KB)
    del device.asked[:]
    for _ in range(4):
        pool.block(2 * KB)  # one block, four times
    kept = pool.block(4 * KB)
    assert device.asked == [2 * KB, 4 * KB]
    large = pool.block(6 * KB)  # fits only without the idle 2 KiB
    assert device.asked[2:] == [6 * KB, "wait", 6 * KB] and device.held == 10 * KB and pool.idle_bytes == 0
    assert kept.nbytes + large.nbytes == pool.used_bytes


def test_no_memory_is_explained():
    pool, device = pool_of(10 * KB)
    held = pool.block(8 * KB)
    idle = pool.block(1 * KB)
    del idle
    with pytest.raises(MemoryError) as caught:
        pool.block(5000)
    for words in ("no 4.883 KiB left", "8 KiB are held by living arrays (peak 9 KiB)", "2 KiB of 10 KiB are free", "smaller batch"):
        assert words in str(caught.value), caught.value
    assert pool.used_bytes == held.nbytes and pool.idle_bytes == 0 and device.held == 8 * KB  # and the pool goes on
    assert pool.block(2048).nbytes == 2048


def test_everything_goes_back_when_asked():
    pool, device = pool_of()
    kept = pool.block(100)
    for n in (600, 5000, 3 * MB):
        pool.block(n)
    pool.give_back()
    assert device.held == kept.nbytes and pool.idle_bytes == 0


def test_a_block_that_dies_while_the_pool_is_busy_waits_its_turn():
    """The collector may run at any moment, also while the pool's lock is held."""
    pool, device = pool_of()
    doomed = [pool.block(512)]
    real = device.allocate

    def allocate(nbytes):
        doomed.clear()  # dies inside of pool.block
        gc.collect()
        return real(nbytes)
    device.allocate = allocate
    kept = pool.block(4096)
    pool.summary()
    assert pool.used_bytes == kept.nbytes and pool.idle_bytes == 512


def test_many_threads():
    """Blocks made in one thread and dropped in another: no memory is in two hands, and all comes home."""
    pool, device = pool_of()
    in_use, lock, faults, passed, left = set(), threading.Lock(), [], [], []

    def work(seed):
        mine = []
        for i in range(400):
            block = pool.block(512 * (1 + (seed + i) % 5))
            with lock:
                if id(block.memory) in in_use:
                    faults.append(i)
                in_use.add(id(block.memory))
                mine.append(block)
                if i % 3 == 0:
                    passed.append(mine.pop(0))  # for somebody else to drop
                victim = passed.pop(0) if i % 4 == 0 and passed else mine.pop() if i % 2 else None
                if victim is not None:
                    in_use.discard(id(victim.memory))
            del victim, block
        left.append(mine)
    threads = [threading.Thread(target=work, args=(n,)) for n in range(6)]
    for t in threads:
        t.start()
    for t in threads:
        t.join()
    assert not faults
    passed.clear(), left.clear()
    pool.give_back()
    assert pool.used_bytes == pool.idle_bytes == 0 and device.held == 0


def test_a_graph_keeps_what_was_handed_out_while_it_was_captured():
    pool, _ = pool_of()
    before = pool.block(512).memory            # idle when the capture begins
    pool.begin_capture()
    inner = pool.block(512)
    assert inner.memory is before              # it may take idle memory, and its own again
    memory = inner.memory
    del inner
    result = pool.block(512)
    assert result.memory is memory
    graph = pool.end_capture()
    del result                                 # the graph still writes there
    other = pool.block(512)
    assert other.memory is not memory and "kept for graphs" in pool.summary()
    pool.give_back()
    assert pool.block(512).memory is not memory
    del graph
    assert "kept for graphs" not in pool.summary()
    assert pool.idle_bytes == 1024
    taken = [pool.block(512), pool.block(512)]
    assert memory in [t.memory for t in taken]


def test_a_result_outlives_its_graph():
    pool, _ = pool_of()
    pool.begin_capture()
    result = pool.block(512)
    graph, memory = pool.end_capture(), result.memory
    del graph
    assert pool.block(512).memory is not memory
    del result
    assert pool.summary() and memory in [b.memory for b in [pool.block(512), pool.block(512)]]


def test_the_driver_is_not_waited_for_while_a_graph_is_captured():
    pool, device = pool_of(8 * KB)
    pool.block(4 * KB)
    pool.begin_capture()
    with pytest.raises(MemoryError):
        pool.block(8 * KB)
    with pytest.raises(RuntimeError, match="after the capture"):
        pool.give_back()
    assert "wait" not in device.asked
    pool.end_capture()
    assert pool.block(8 * KB).nbytes == 8 * KB and "wait" in device.asked


@pytest.mark.parametrize("nbytes, words", [(0, "0 B"), (1023, "1023 B"), (1536, "1.5 KiB"), (3 << 20, "3 MiB"), (5 << 40, "5120 GiB")])
def test_sizes_in_words(nbytes, words):
    assert readable(nbytes) == words
