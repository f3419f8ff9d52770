"""CIFAR-10 and CIFAR-100 in their binary version, from the unpacked folder or straight from the published archive.

A file is a row of records, one an image: `label_bytes` bytes of labels (CIFAR-10: the class; CIFAR-100: the coarse
class, then the fine one, which we use), and 3072 pixel bytes: a 32×32 plane of red, one of green, one of blue.

Source: Krizhevsky, "Learning multiple layers of features from tiny images", 2009, and the data sets' home page.
The archive is read, never extracted: no name inside it can become a path outside our folder. The other published
version is made of pickles, which can run code when opened; it is not read at all.
"""
import gzip
import tarfile
import zlib

import numpy as np

from .opening import open_file, size_of

PIXELS = 3 * 32 * 32

LIMIT = 400_000_000
"""Most bytes that an archive may unpack to, or a folder's files hold: twice CIFAR. More is refused before it is read."""


class _Capped:
    """A readable stream that stops with ValueError after `limit` bytes, whatever the headers inside ask for."""

    def __init__(self, stream, limit):
        self.stream, self.left, self.limit = stream, limit, limit

    def read(self, size):
        data = self.stream.read(size)  # tarfile asks for small blocks, one after the other
        self.left -= len(data)
        if self.left < 0:
            raise ValueError(f"the archive unpacks to more than {self.limit:,} bytes")
        return data


def parse_records(data, label_bytes, classes, name="data"):
    """Split the bytes of one file into images uint8 (N, 3, 32, 32), channels-last in memory, and labels int64 (N,).

    Raises ValueError when `data` is empty or no whole number of records, or a label is not below `classes`.
    """
    record = label_bytes + PIXELS
    if not len(data) or len(data) % record:
        raise ValueError(f"{name}: {len(data):,} bytes, expected a whole number of {record}-byte records "
                         f"({label_bytes} of labels, {PIXELS} of pixels)")
    rows = np.frombuffer(data, np.uint8).reshape(-1, record)                       # (N, label_bytes + 3·32·32)
    labels = rows[:, label_bytes - 1].astype(np.int64)                             # (N,)
    if labels.max() >= classes:
        at = int(labels.argmax())
        raise ValueError(f"{name}: record {at} has label {labels[at]}, expected 0 to {classes - 1}")
    images = np.empty((len(rows), 32, 32, 3), np.uint8)
    for c, plane in enumerate(np.split(rows[:, label_bytes:], 3, axis=1)):         # plane by plane: five times faster
        images[..., c] = plane.reshape(-1, 32, 32)
    return images.transpose(0, 3, 1, 2), labels


def read_archive(path, folder, files, limit=LIMIT):
    """The bytes of `files` inside `folder` of the .tar.gz at `path`: dict of name to bytes.

    Only ordinary members with exactly these names are read; links, devices and everything else are passed by. Reading
    ends with the last of `files`. Raises ValueError, naming the archive, when it is damaged, too large, lacks one of the
    files or holds one twice; OSError where it cannot be opened.
    """
    found = {}
    try:
        with (open_file(path, "an archive") as packed, gzip.GzipFile(fileobj=packed) as unzipped,
              tarfile.open(fileobj=_Capped(unzipped, limit), mode="r|") as archive):
            if size_of(packed) > limit:
                raise ValueError(f"the archive has {size_of(packed):,} bytes; at most {limit:,} are read")
            for member in archive:
                parent, _, name = member.name.removeprefix("./").rpartition("/")
                if not member.isreg() or parent != folder or name not in files:
                    continue
                if member.issparse():
                    raise ValueError(f"the archive holds {name} as a sparse file, expected a plain one")
                if name in found:
                    raise ValueError(f"the archive holds {name} twice, expected once")
                if member.size > limit:
                    raise ValueError(f"the archive announces {member.size:,} bytes for {name}; at most {limit:,} are read")
                found[name] = archive.extractfile(member).read()
                if len(found) == len(files):
                    return found
    except (tarfile.TarError, gzip.BadGzipFile, EOFError, zlib.error) as error:
        raise ValueError(f"{path}: damaged archive ({error}); download it again") from error
    except ValueError as error:
        raise ValueError(f"{path}: {error}") from error
    missing = ", ".join(sorted(set(files) - set(found)))
    raise ValueError(f"{path}: the archive lacks {missing} in {folder}/; is it the binary version?")


def _read_whole(path):
    """The bytes of one file of records, if there can be so many."""
    with open_file(path, "a file of records") as file:
        if size_of(file) > LIMIT:
            raise ValueError(f"{path}: holds {size_of(file):,} bytes; at most {LIMIT:,} are read")
        return file.read(LIMIT)


def read_cifar(path, folder, files, label_bytes, classes):
    """Images uint8 (N, 3, 32, 32) and labels int64 (N,) of `files`, in this order, from `path`.

    `path` is the folder that holds the files, or the archive that holds them in `folder`. Raises ValueError for
    anything that is not whole (see `parse_records` and `read_archive`) and OSError for what cannot be read.
    """
    if path.is_dir():
        contents = {name: _read_whole(path / name) for name in files}
    else:
        contents = read_archive(path, folder, files)
    parts = [parse_records(contents[name], label_bytes, classes, f"{path}: {name}") for name in files]
    images = np.concatenate([images.transpose(0, 2, 3, 1) for images, _ in parts])  # (N, 32, 32, 3)
    return images.transpose(0, 3, 1, 2), np.concatenate([labels for _, labels in parts])
