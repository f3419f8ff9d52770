"""Image data sets, whole in memory: `load("mnist", "train")` and its relatives.

    ds = load("mnist", "train")      # from a local folder, else downloaded
    ds.images                        # uint8 (60000, 1, 28, 28), channels-last in memory
    ds.labels                        # int64 (60000,)
"""
import dataclasses
import hashlib
import math
import warnings

import numpy as np

from ..nearest import did_you_mean
from . import cifar, idx, locate
from .download import DownloadError, fetch
from .locate import DataNotFound
from .published import SOURCES

SPLITS = ("train", "test")


@dataclasses.dataclass(frozen=True)
class BuiltIn:
    """A data set that is drawn from a seed: its class in the package `glyphs`, the shape of an image, and what `load` passes on."""
    maker: str
    shape: tuple
    options: tuple


BUILT_IN = {
    "glyphs": BuiltIn("Glyphs", (1, 28, 28), ("size", "seed", "clutter", "return_masks")),
    "cluttered": BuiltIn("Cluttered", (1, 60, 60), ("size", "seed")),
    "scales": BuiltIn("Scales", (1, 40, 40), ("size", "seed")),
}
"""Name → what is known of every data set that needs no file."""

MARGIN = 4
"""Files may be so many times longer than the published ones; what announces more is refused before it is read."""


class ImageDataset:
    """Images and their labels in memory.

    name, split  strings
    images       uint8 (N, C, H, W); the loader is fastest where memory is channels-last (N, H, W, C)
    labels       int64 (N,), each below len(classes)
    classes      list of str
    mean, std    tuples of C floats, of the training split's values scaled to 0..1

    `len(ds)` is N and `ds[i]` the pair (image (C, H, W), label); a slice or an array of indices gives (images, labels).
    Raises ValueError where the parts do not fit together.
    """

    def __init__(self, name, split, images, labels, classes, mean, std):
        if images.ndim != 4 or images.dtype != np.uint8:
            raise ValueError(f"{name}: images are {images.dtype} {images.shape}, expected uint8 (N, C, H, W)")
        if labels.shape != images.shape[:1]:
            raise ValueError(f"{name}: {len(images)} images, but labels of shape {labels.shape}")
        if len(labels) and not 0 <= labels.min() <= labels.max() < len(classes):
            raise ValueError(f"{name}: labels go from {labels.min()} to {labels.max()}, expected 0 to {len(classes) - 1}")
        self.name, self.split, self.images, self.labels = name, split, images, labels.astype(np.int64, copy=False)
        self.classes, self.mean, self.std = list(classes), tuple(mean), tuple(std)

    def __len__(self):
        return len(self.labels)

    def __getitem__(self, index):
        label = self.labels[index]
        return self.images[index], int(label) if label.ndim == 0 else label

    def __repr__(self):
        size = "×".join(str(length) for length in self.images.shape[1:])
        return f"ImageDataset({self.name} {self.split}: {len(self):,} images {size}, {len(self.classes)} classes)"


def names():
    """The data sets that `load` knows, the built-in ones first."""
    return [*BUILT_IN, *SOURCES]


def _nearest(word, known):
    hint = did_you_mean(word, known)
    return f", {hint}" if hint else ","


def load(name, split="train", root=None, download=True, **options):
    """Load one split of a data set by name.

    name      one of `names()`; "FashionMNIST" or "cifar-10" are understood too
    split     "train" or "test"
    root      folder that holds `mnist/`, `cifar10/`, …; default $TINYATTN_DATA, then the user's cache folder
    download  fetch what is not there (into `root` or the cache folder); False: only look
    options   of the built-in ones: size, seed; for "glyphs" also clutter, return_masks

    Local files are checked for structure; a checksum that differs from the published one is reported as a warning.
    What is downloaded must match. A published file under another's name (the training images as test images, the labels
    of another data set) is refused. Raises ValueError for an unknown name, a damaged or a swapped file, OSError for one
    that cannot be opened, DataNotFound (a FileNotFoundError) when there is no file and none could be fetched.
    """
    known = {locate.plain(each): each for each in names()}
    if locate.plain(name) not in known:
        raise ValueError(f"load: unknown data set {name!r}{_nearest(name, names())} expected one of {', '.join(names())}")
    if not isinstance(split, str) or split not in SPLITS:
        raise ValueError(f"load: unknown split {split!r}{_nearest(split, SPLITS)} expected 'train' or 'test'")
    name = known[locate.plain(name)]
    if name in BUILT_IN:
        from . import glyphs
        known = BUILT_IN[name].options
        unknown = [option for option in options if option not in known]
        if unknown:
            raise TypeError(f"load: {name} has no option {unknown[0]!r}{_nearest(unknown[0], known)} expected one of "
                            + ", ".join(known))
        return getattr(glyphs, BUILT_IN[name].maker)(split, **options)
    if options:
        raise TypeError(f"load: {name} has no option {', '.join(options)}; only "
                        + ", ".join(f"{each} has ({', '.join(built.options)})" for each, built in BUILT_IN.items()))
    source = SOURCES[name]
    paths = locate.find(source, split, root)
    local = paths is not None
    if not local:
        paths = _download(source, split, root, download)
    images, labels = (_read_cifar if source.is_cifar else _read_idx)(source, split, paths, compare=local)
    other = "test" if split == "train" else "train"
    if len(images) != source.counts[split]:
        if len(images) == source.counts[other]:
            raise ValueError(f"{paths[0]} holds {len(images):,} images, as many as the published {name} {other} split, "
                             f"expected {source.counts[split]:,} of the {split} split: the two seem to be exchanged; "
                             "put the published files there again")
        warnings.warn(f"{paths[0]} holds {len(images):,} images; the published {name} {split} split has "
                      f"{source.counts[split]:,}", stacklevel=2)
    return ImageDataset(name, split, images, labels, source.classes, source.mean, source.std)


def _read_idx(source, split, paths, compare):
    most = MARGIN * source.counts["train"] * math.prod(source.shape)
    arrays = [idx.read_idx(path, most) for path in paths]
    for path, array, file, ndim in zip(paths, arrays, source.files[split], (3, 1)):
        if array.ndim != ndim or array.dtype != np.uint8 or (ndim == 3 and array.shape[1:] != source.shape[1:]):
            expected = "(N, 28, 28)" if ndim == 3 else "(N,)"
            swapped = "; the files of images and labels seem to be exchanged" if array.ndim == 4 - ndim else ""
            raise ValueError(f"{path}: holds {array.dtype} {array.shape}, expected uint8 {expected}{swapped}")
        if compare:
            if file.inner_md5:  # the bytes inside: the same however often they were packed anew
                _compare(path, hashlib.md5(idx.header(array) + array.tobytes(), usedforsecurity=False), file.inner_md5)
            elif path.suffix.lower() == ".gz":
                _compare(path, hashlib.md5(path.read_bytes(), usedforsecurity=False), file.md5)
    images, labels = arrays
    if len(images) != len(labels):
        raise ValueError(f"{paths[0]} holds {len(images)} images, but {paths[1]} {len(labels)} labels")
    return images[:, None], labels                                                # (N, 1, 28, 28), (N,)


def _read_cifar(source, split, paths, compare):
    path = paths[0]
    read = cifar.read_cifar(path, source.folder, source.members[split], source.label_bytes, len(source.classes))
    if compare and path.is_file():
        with open(path, "rb") as file:
            _compare(path, hashlib.file_digest(file, lambda: hashlib.md5(usedforsecurity=False)), source.files[split][0].md5)
    return read


def _compare(path, digest, expected):
    """Warn where a file differs from the published one; refuse it where it is another published one."""
    if digest.hexdigest() != expected:
        for source in SOURCES.values():
            for split, files in source.files.items():
                if any(digest.hexdigest() in (file.md5, file.inner_md5) for file in files):
                    raise ValueError(f"{path} is a file of the {source.name} {split} split under another name (MD5 "
                                     f"{digest.hexdigest()}); put the published file there")
        warnings.warn(f"{path} differs from the published file (MD5 {digest.hexdigest()}, published {expected}); "
                      "its structure is right, so it is used", stacklevel=4)


def _download(source, split, root, allowed):
    """Fetch the files of one split; their paths. Raises DataNotFound, the one error that says all there is to say."""
    tried = []
    if allowed:
        try:
            folder = locate.download_folder(source, root)
            return [fetch([mirror + file.name for mirror in source.mirrors], folder / file.name, file.md5)
                    for file in source.files[split]]
        except DownloadError as error:
            tried = [f"{url}: {reason}" for url, reason in error.reasons]
    looked = [str(folder) for folder in locate.folders(source, root)]
    pickled = locate.pickled(source, root)
    missing = " and ".join(file.name for file in source.files[split])
    raise DataNotFound("\n".join([
        f"{source.name} is not here: {missing} " + ("could not be found or downloaded." if allowed else "could not be found."),
        "  looked in  " + "\n             ".join(looked),
        "  tried      " + ("\n             ".join(tried) if allowed else "no download (download=False)"),
        *([f"  found      {pickled}, the version made of pickles, which are not opened; the binary version is needed"]
          if pickled else []),
        *(f"  found      {path}: it {wrong}" for path, wrong in locate.obstacles(source, split, root)),
        f"Put the published files into one of these folders (--data-dir DIR or TINYATTN_DATA=DIR, holding {source.name}/), "
        f"or use the built-in data: --data {next(iter(BUILT_IN))}"]))
