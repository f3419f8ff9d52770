"""The loader: takes a data set apart into batches, and keeps the next ones ready while the current one trains.

    loader = DataLoader(load("mnist", "train"), batch_size=128, shuffle=True, transform=augment, seed=0)
    for x, y in loader:                  # one pass; the next `for` is the next epoch
        ...

Where a run stands is three numbers: (seed, epoch, position). The order of an epoch and every sample's augmentation are
functions of them (see rng.py), so a run can be taken up again at any batch, with any number of threads, to the bit.
"""
import collections
import concurrent.futures
import contextlib
import itertools
import numbers
import sys

import numpy as np

from .rng import Rng, permutation
from .transforms import ToFloat


def to_tensors(images, labels):
    """Collate as two Tensors (the default)."""
    from tinyattn.tensor import Tensor
    return Tensor(images), Tensor(labels)


def to_arrays(images, labels):
    """Collate as the two ndarrays they are."""
    return images, labels


def _images_and_labels(dataset):
    """The two arrays of a data set, or of a pair. TypeError, with the repair, for anything else."""
    if not isinstance(dataset, tuple) and hasattr(dataset, "images") and hasattr(dataset, "labels"):
        dataset = dataset.images, dataset.labels
    if not isinstance(dataset, tuple) or len(dataset) != 2:
        raise TypeError("DataLoader: expected a data set with .images and .labels, or the pair (images, labels), got "
                        f"{type(dataset).__name__}")
    for name, array in zip(("images", "labels"), dataset):
        if not isinstance(array, np.ndarray):
            raise TypeError(f"DataLoader: {name} must be an array, got {type(array).__name__}; "
                            + ("use .numpy()" if hasattr(array, "numpy") else "use np.asarray(…)"))
    return dataset


def _ahead(make, items, workers, depth):
    """`map(make, items)` in order, with up to `depth` results being made by `workers` threads before they are asked for.

    An exception in `make` is raised where its result would have come. When the generator ends, is closed or is
    dropped, what was not begun is cancelled and the threads are joined.
    """
    if not workers:
        yield from map(make, items)
        return
    items, at_exit = iter(items), sys.is_finalizing  # a local name: at the interpreter's end there are no globals left
    pool = concurrent.futures.ThreadPoolExecutor(workers, thread_name_prefix="tinyattn-loader")
    try:
        coming = collections.deque(pool.submit(make, item) for item in itertools.islice(items, depth))
        while coming:
            ready = coming.popleft().result()
            coming.extend(pool.submit(make, item) for item in itertools.islice(items, 1))
            yield ready
    finally:
        if not at_exit():  # then concurrent.futures has joined its threads already
            pool.shutdown(wait=True, cancel_futures=True)


class DataLoader:
    """Batches of (images float32 (B, C, H, W), labels int64 (B,)), images channels-last in memory.

    dataset          has `.images` (N, C, H, W) and `.labels` (N,), as an ImageDataset; or that pair
    batch_size       samples a batch; the last one may be smaller, or is left out with `drop_last`
    shuffle          a new order each epoch, decided by the seed; otherwise the data set's own
    transform        called `transform(images, rng)` on each batch in a background thread (see transforms.py);
                     uint8 that comes out of it becomes float32 from 0 to 1
    seed             integer: decides orders and augmentations
    num_workers      background threads; 0 makes batches when they are asked for. The batches are the same
    prefetch_factor  batches kept ready for each thread
    collate          called `collate(images, labels)` in the caller's thread: `to_tensors` or `to_arrays`

    Each `iter()` is one pass. A pass that was broken off is over: the next one is the next epoch. `epoch` and `position`
    (batches handed out in this epoch) can be read; `state_dict()` has them. Raises ValueError for impossible arguments.
    """

    def __init__(self, dataset, batch_size=1, shuffle=False, *, drop_last=False, transform=None, seed=0, num_workers=1,
                 prefetch_factor=2, collate=to_tensors):
        images, labels = _images_and_labels(dataset)
        if images.ndim != 4 or labels.shape != images.shape[:1]:
            raise ValueError(f"DataLoader: images have shape {images.shape} and labels {labels.shape}, "
                             "expected (N, C, H, W) and (N,)")
        if labels.dtype.kind not in "iu":
            raise TypeError(f"DataLoader: labels must be integers, got {labels.dtype}; use labels.astype(np.int64)")
        for name, value in (("batch_size", batch_size), ("num_workers", num_workers), ("prefetch_factor", prefetch_factor),
                            ("seed", seed)):
            if not isinstance(value, numbers.Integral) or isinstance(value, bool):
                raise TypeError(f"DataLoader: {name} must be an int, got {value!r}")
        for name, value in (("transform", transform), ("collate", collate)):
            if not callable(value) and not (value is None and name == "transform"):
                raise TypeError(f"DataLoader: {name} must be a function, got {type(value).__name__}")
        if batch_size < 1 or num_workers < 0 or prefetch_factor < 1:
            raise ValueError(f"DataLoader: batch_size {batch_size}, num_workers {num_workers}, prefetch_factor "
                             f"{prefetch_factor}; expected at least 1, 0 and 1")
        Rng(seed)  # a seed out of range is refused now, not in a thread
        self.dataset, self.batch_size, self.shuffle, self.drop_last = dataset, batch_size, shuffle, drop_last
        self.transform, self.seed, self.num_workers, self.prefetch_factor = transform, int(seed), num_workers, prefetch_factor
        self.collate = collate
        self.epoch, self.position = 0, 0
        self._images = images.transpose(0, 2, 3, 1)  # rows of memory where the data set is channels-last  (N, H, W, C)
        self._labels = labels.astype(np.int64, copy=False)
        self._loaded = False                         # the next pass continues a loaded state
        self._pass = None                            # the pass that may move `epoch` and `position`: the latest

    def __len__(self):
        """Batches in an epoch."""
        whole, rest = divmod(len(self._labels), self.batch_size)
        return whole + (rest > 0 and not self.drop_last)

    def order(self, epoch):
        """int64 (N,): the samples in the order in which `epoch` visits them."""
        n = len(self._labels)
        return permutation(n, self.seed, epoch) if self.shuffle else np.arange(n)

    def _make(self, epoch, index):
        images = self._images[index].transpose(0, 3, 1, 2)                        # (B, C, H, W)
        if self.transform is not None:
            images = self.transform(images, Rng(self.seed, epoch, index))
        images = ToFloat()(images)
        return np.ascontiguousarray(images.transpose(0, 2, 3, 1)).transpose(0, 3, 1, 2), self._labels[index]

    def __iter__(self):
        if self.position and not self._loaded:
            self.epoch, self.position = self.epoch + 1, 0
        self._loaded = False
        self._pass = mark = object()
        return self._batches(mark, self.epoch, self.position)

    def _batches(self, mark, epoch, first):
        order = self.order(epoch)
        rows = (order[i * self.batch_size:(i + 1) * self.batch_size] for i in range(first, len(self)))
        made = _ahead(lambda index: self._make(epoch, index), rows, self.num_workers,
                      self.num_workers * self.prefetch_factor)
        with contextlib.closing(made):
            for position, (images, labels) in enumerate(made, first + 1):
                if self._pass is mark:
                    self.position = position
                yield self.collate(images, labels)
        if self._pass is mark:
            self.epoch, self.position = epoch + 1, 0

    def state_dict(self):
        """Where the loader stands, as plain integers: after `position` batches of `epoch`, under `seed`."""
        return {"seed": self.seed, "epoch": self.epoch, "position": self.position, "batch_size": self.batch_size}

    def load_state_dict(self, state):
        """Go on from `state`: the next pass gives what remains of its epoch (nothing, where all was handed out).

        Raises ValueError where the state cannot be of this data set and batch size.
        """
        if not isinstance(state, dict) or not {"seed", "epoch", "position", "batch_size"} <= set(state):
            raise ValueError(f"DataLoader: expected a state as state_dict() gives it, got {state!r:.80}")
        if int(state["batch_size"]) != self.batch_size or not 0 <= int(state["position"]) <= len(self):
            raise ValueError(f"DataLoader: the state stands at batch {state['position']} of batch size "
                             f"{state['batch_size']}; this loader has {len(self)} batches of size {self.batch_size}")
        Rng(int(state["seed"]), int(state["epoch"]))
        self.seed, self.epoch, self.position = int(state["seed"]), int(state["epoch"]), int(state["position"])
        self._loaded, self._pass = True, None
