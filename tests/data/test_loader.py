"""The loader: every sample once, the same batches with any number of threads, taken up anywhere, and no thread left."""
import concurrent.futures
import gc
import signal
import subprocess
import sys
import threading
import time
import pathlib

import numpy as np
import pytest

from tinyattn.data import DataLoader, ImageDataset, to_arrays
from tinyattn.data.transforms import Compose, GaussianNoise, Normalize, RandomAffine, RandomCrop, RandomErasing, \
    RandomHorizontalFlip

ROOT = str(pathlib.Path(__file__).resolve().parents[2])


def dataset(n=50, channels=3, size=8):
    """Image n's first pixel is n, and so is its label."""
    images = np.random.default_rng(0).integers(0, 256, (n, size, size, channels), dtype=np.uint8)
    images[:, 0, 0, 0] = np.arange(n)
    return ImageDataset("d", "train", images.transpose(0, 3, 1, 2), np.arange(n), range(n), (0.5,) * channels, (0.2,) * channels)


def loader(n=50, batch_size=8, **options):
    return DataLoader(dataset(n), batch_size, **{"collate": to_arrays, **options})


def threads():
    return [thread for thread in threading.enumerate() if thread.name.startswith("tinyattn-loader")]


def seen(batches):
    return np.concatenate([labels for _, labels in batches]) if batches else np.zeros(0)


def same(a, b):
    assert len(a) == len(b)
    for (x, y), (u, v) in zip(a, b):
        assert x.tobytes() == u.tobytes() and y.tobytes() == v.tobytes() and x.strides == u.strides


EVERYTHING = Compose([RandomCrop(8, padding=2), RandomHorizontalFlip(), RandomAffine(20, (0.1, 0.1), (0.8, 1.2), 5),
                      RandomErasing(), GaussianNoise(), Normalize((0.5,) * 3, (0.2,) * 3)])


def test_batches_in_order():
    batches = list(loader())
    assert [len(y) for _, y in batches] == [8] * 6 + [2] and len(loader()) == 7
    assert seen(batches).tolist() == list(range(50))
    for x, y in batches:
        assert x.dtype == np.float32 and x.shape == (len(y), 3, 8, 8) and y.dtype == np.int64
        assert x.transpose(0, 2, 3, 1).flags.c_contiguous
        np.testing.assert_array_equal(x, dataset().images[y] / np.float32(255))


def test_channels_first_data_comes_out_channels_last():
    images = np.random.default_rng(0).random((5, 3, 4, 6), np.float32)
    for x, y in DataLoader((images, np.arange(5)), 2, collate=to_arrays):
        assert x.transpose(0, 2, 3, 1).flags.c_contiguous
        np.testing.assert_array_equal(x, images[y])


def test_drop_last_and_lengths():
    assert [len(y) for _, y in loader(drop_last=True)] == [8] * 6 and len(loader(drop_last=True)) == 6
    assert len(loader(48)) == 6 and len(loader(3)) == 1 and len(loader(3, drop_last=True)) == 0
    assert list(loader(3, drop_last=True)) == []


def test_shuffling_gives_every_sample_once_in_a_new_order_each_epoch():
    it = loader(shuffle=True, seed=3)
    orders = [seen(list(it)).tolist() for _ in range(3)]
    assert all(sorted(order) == list(range(50)) for order in orders) and len({tuple(order) for order in orders}) == 3
    assert orders[0] == seen(list(loader(shuffle=True, seed=3))).tolist() == loader(shuffle=True, seed=3).order(0).tolist()
    assert orders[0] != seen(list(loader(shuffle=True, seed=4))).tolist()


@pytest.mark.parametrize("workers", [1, 2, 5])
def test_the_same_bits_with_any_number_of_threads(workers):
    plain, threaded = (loader(shuffle=True, transform=EVERYTHING, seed=1, num_workers=n) for n in (0, workers))
    for _ in range(2):
        same(list(plain), list(threaded))
    assert not threads()


def test_augmentation_belongs_to_the_sample_not_to_the_batch():
    small, large = ({int(label): image for x, y in loader(batch_size=size, shuffle=True, transform=EVERYTHING)
                     for image, label in zip(x, y)} for size in (3, 50))
    for label in small:
        np.testing.assert_array_equal(small[label], large[label])
    it = loader(batch_size=50, transform=EVERYTHING)
    (first, _), (second, _) = next(iter(it)), next(iter(it))  # the second pass is the next epoch
    assert not any(np.array_equal(a, b) for a, b in zip(first, second))


@pytest.mark.parametrize("at", [0, 1, 4, 7])
@pytest.mark.parametrize("epoch", [0, 2])
def test_a_run_is_taken_up_at_any_batch(epoch, at):
    make = lambda: loader(shuffle=True, transform=EVERYTHING, seed=9)
    whole, cut = make(), make()
    expected = [list(whole) for _ in range(4)]
    for _ in range(epoch):
        list(cut)
    passing = iter(cut)
    for _ in range(at):
        next(passing)
    state = cut.state_dict()
    assert state == {"seed": 9, "epoch": epoch, "position": at, "batch_size": 8}
    passing.close()
    fresh = make()
    fresh.load_state_dict(state)
    assert fresh.state_dict() == state
    same(list(fresh), expected[epoch][at:])
    for later in expected[epoch + 1:]:
        same(list(fresh), later)
    fresh.load_state_dict(state)
    for _ in zip(range(1), fresh):
        pass
    same(list(fresh), expected[epoch + 1])


def test_the_state_inside_the_loop_counts_the_batch_in_hand():
    it = loader()
    assert [it.state_dict()["position"] for _ in it] == [1, 2, 3, 4, 5, 6, 7]
    assert (it.epoch, it.position) == (1, 0)


def test_a_pass_broken_off_is_over_and_the_next_is_the_next_epoch():
    it, whole = loader(shuffle=True), loader(shuffle=True)
    expected = [list(whole) for _ in range(3)]
    for _ in it:
        break
    assert (it.epoch, it.position) == (0, 1)
    same(list(it), expected[1])
    assert it.epoch == 2
    first, second = iter(it), iter(it)  # two at once: the state is the latest one's
    next(first), next(second), next(first), next(first)
    assert it.position == 1
    list(first)
    assert it.position == 1
    list(second)
    assert (it.epoch, it.position) == (3, 0)


def test_a_state_of_another_loader_is_refused():
    for change in ({"batch_size": 4}, {"position": 8}, {"position": -1}, {"seed": -1}, {"epoch": -1}):
        with pytest.raises(ValueError):
            loader().load_state_dict({**loader().state_dict(), **change})


def test_batches_are_made_ahead_but_not_too_far():
    made = []

    def note(images, rng):
        made.append(len(rng.index))
        return images
    passing = iter(loader(batch_size=1, transform=note, num_workers=1, prefetch_factor=3))
    assert made == []
    for ahead in (4, 5):  # the one in hand and three more
        next(passing)
        wait_until(lambda: len(made) >= ahead)
        time.sleep(0.05)
        assert len(made) == ahead
    passing.close()
    assert len(made) == 5 and not threads()


def wait_until(done):
    deadline = time.monotonic() + 20
    while not done():
        assert time.monotonic() < deadline
        time.sleep(0.002)


def test_what_was_ordered_but_not_begun_is_not_made():
    made = []

    def slow(images, rng):
        made.append(len(rng.index))
        time.sleep(0.1)
        return images
    for _ in loader(batch_size=1, transform=slow, prefetch_factor=20):
        break
    assert len(made) <= 10


def test_work_goes_on_while_the_consumer_works():
    """Inside the loop, with batch 1 in hand and nothing asked for, batch 2 comes to be."""
    third = threading.Event()

    def note(images, rng):
        if 16 in rng.index:
            third.set()
        return images
    for _ in loader(transform=note):
        assert third.wait(20)
        break


def test_no_thread_is_left_when_a_pass_is_left():
    for _ in loader():
        assert threads()
        break
    assert not threads()
    passing = iter(loader())
    next(passing)
    del passing
    gc.collect()
    assert not threads()
    iter(loader())  # never begun
    assert not threads()
    with pytest.raises(ZeroDivisionError):
        for _ in loader():
            1 / 0
    gc.collect()
    assert not threads()


@pytest.mark.parametrize("workers", [0, 1, 3])
def test_exceptions_reach_the_consumer_where_their_batch_would_have_come(workers):
    def fail(images, rng):
        if 20 in rng.index:
            raise KeyError("sample 20")
        return images
    got = []
    with pytest.raises(KeyError, match="sample 20"):
        for _, y in loader(transform=fail, num_workers=workers):
            got.append(y)
    assert np.concatenate(got).tolist() == list(range(16))
    gc.collect()
    assert not threads()


SCRIPT = """
import sys, time; sys.path.insert(0, sys.argv[1])
import numpy as np, threading
from tinyattn.data import DataLoader, to_arrays
def slow(images, rng):
    time.sleep(0.05)
    return images
it = DataLoader((np.zeros((10000, 1, 4, 4), np.uint8), np.zeros(10000, np.int64)), 2, transform=slow, collate=to_arrays)
try:
    for batch in it:
        print("ready", flush=True)
except KeyboardInterrupt:
    print("caught", it.position > 0, flush=True)
del batch
"""


@pytest.mark.skipif(sys.platform == "win32", reason="SIGINT is sent the POSIX way")
def test_ctrl_c_is_caught_and_the_process_ends():
    process = subprocess.Popen([sys.executable, "-c", SCRIPT, ROOT], stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True,
                               preexec_fn=lambda: signal.signal(signal.SIGINT, signal.SIG_DFL))  # what runs in the background ignores it
    assert process.stdout.readline() == "ready\n"
    process.send_signal(signal.SIGINT)
    out, err = process.communicate(timeout=60)
    assert out.splitlines()[-1] == "caught True" and process.returncode == 0 and err == ""


def test_a_pass_dropped_at_the_end_of_the_program_leaves_its_threads_to_concurrent_futures(monkeypatch):
    """By then those are joined, and the modules that `shutdown` needs may be gone."""
    pools, executor = [], concurrent.futures.ThreadPoolExecutor

    class Gone(executor):
        def __init__(self, *arguments, **options):
            super().__init__(*arguments, **options)
            pools.append(self)

        def shutdown(self, **options):
            raise AttributeError("'NoneType' object has no attribute 'Empty'")
    monkeypatch.setattr(concurrent.futures, "ThreadPoolExecutor", Gone)
    monkeypatch.setattr(sys, "is_finalizing", lambda: True)
    passing = iter(loader())
    next(passing)
    passing.close()
    executor.shutdown(pools[0])
    assert not threads()


def test_tensors_by_default():
    x, y = next(iter(DataLoader(dataset(), 4)))
    assert type(x).__name__ == type(y).__name__ == "Tensor"
    assert x.data.dtype == np.float32 and y.data.dtype == np.int64 and x.shape == (4, 3, 8, 8)


def test_impossible_arguments():
    for options in ({"batch_size": 0}, {"num_workers": -1}, {"prefetch_factor": 0}, {"seed": -1}):
        with pytest.raises(ValueError):
            loader(**options)
    with pytest.raises(ValueError, match=r"expected \(N, C, H, W\) and \(N,\)"):
        DataLoader((np.zeros((3, 4, 4)), np.zeros(3)))
