"""Data files that lie, and what each is answered with: one sentence of ours, at once, and without taking memory.

A row is what lies there (bytes, or a function that makes it), how it is read, and words of the answer.
"""
import dataclasses
import gzip
import hashlib
import io
import os
import socket
import struct
import tarfile
import time
import tracemalloc
import warnings

import numpy as np
import pytest
from answers import is_ours

from tinyattn import data
from tinyattn.data import cifar, idx, opening, published
from tinyattn.data.glyphs import atlas

ROOT_USER = hasattr(os, "geteuid") and os.geteuid() == 0


def refused(call, error, words, path=None, most=24e6, seconds=5):
    """`call()` is answered by `error` of ours with `words`, after little work, and within `most` bytes of memory.

    The seconds are those that this process worked, not those that passed: others on the machine do not count.
    """
    tracemalloc.start()
    began = time.process_time()
    try:
        with pytest.raises(error, match=words) as caught:
            call()
        assert time.process_time() - began < seconds
        assert tracemalloc.get_traced_memory()[1] < most
    finally:
        tracemalloc.stop()
    assert is_ours(caught.value), f"not raised by us: {caught.value!r}"
    assert path is None or str(path) in str(caught.value)
    assert len(str(caught.value)) < 400 + 3 * len(str(path))


def put(path, made):
    """Make what lies at `path`: bytes are written, a function makes it itself."""
    made(path) if callable(made) else path.write_bytes(made)
    return path


def a_folder(path):
    path.mkdir()


def a_pipe(path):
    os.mkfifo(path)


def a_socket(path):
    folder = os.getcwd()
    os.chdir(path.parent)  # a socket's whole path may have 107 bytes
    try:
        with socket.socket(socket.AF_UNIX) as server:
            server.bind(path.name)
    finally:
        os.chdir(folder)


def a_link_to_nothing(path):
    path.symlink_to("nowhere")


def a_link_to_itself(path):
    path.symlink_to(path.name)


def a_device(path):
    path.symlink_to("/dev/zero")


def of_size(size):
    def make(path):  # a hole: no disk is used
        with open(path, "wb") as file:
            file.write(b"\0\0\x08\x01\x3f\xff\xff\xff")
            file.truncate(size)
    return make


def head(*lengths, kind=8):
    return bytes([0, 0, kind, len(lengths)]) + b"".join(length.to_bytes(4, "big") for length in lengths)


PLACES = {
    "a folder": (a_folder, IsADirectoryError, "is a folder, expected"),
    "a pipe": (a_pipe, OSError, "is a pipe, expected"),
    "a socket": (a_socket, OSError, "is a socket, expected"),
    "a device": (a_device, OSError, "is a device, expected"),
    "a link to nothing": (a_link_to_nothing, FileNotFoundError, "there is no such file; it is a link to nothing"),
    "a link to itself": (a_link_to_itself, OSError, "cannot be opened: Too many levels of symbolic links"),
    "nothing": (lambda path: None, FileNotFoundError, "there is no such file"),
}

IDX = {
    "nothing": (b"", "starts with nothing"),
    "one byte": (b"\0", "not an IDX file: it starts with 00"),
    "text": (b"5,0,0,0", "not an IDX file: it starts with 35 2c 30 2c"),
    "a zip archive": (b"PK\x03\x04rest", "not an IDX file: it starts with 50 4b"),
    "little-endian": (b"\x03\x08\0\0" + bytes(20), "not an IDX file"),
    "an unknown type": (head(1, kind=0x0F) + b"a", "not an IDX file"),
    "no axes": (head() + b"a", "announces 0 axes, expected 1 to 8"),
    "nine axes": (head(*[1] * 9) + b"a", "announces 9 axes"),
    "a cut header": (head(3, 28, 28)[:11], "header is cut off after 11 bytes, expected 16"),
    "one byte short": (head(2, 3) + bytes(5), r"cut off: the header announces shape \(2, 3\), 6 bytes, and 5 follow"),
    "one byte long": (head(2, 3) + bytes(7), "more data than the header announces"),
    "an empty array with data": (head(0, 28, 28) + b"x", "more data than the header announces"),
    "all ones": (head(*[0xFFFFFFFF] * 3), "79,228,162,458,924,105,385,300,197,375 bytes; at most"),
    "an overflowing product": (head(1 << 31, 1 << 31, 4, kind=0x0E), "at most"),
    "a zero among giants": (head(0, 0xFFFFFFFF, 0xFFFFFFFF) + b"x", "more data"),
    "1 GB promised": (head((1 << 30) - 1) + b"abc", "3 follow"),
    "1 GB of nothing": (of_size((1 << 30) + 9), "more data than the header announces"),
    "100 GB of nothing": (of_size(100 << 30), "more data than the header announces"),
}

GZIP = {
    "a cut trailer": (lambda: gzip.compress(head(4) + b"abcd")[:-3], "damaged gzip file"),
    "a cut header": (lambda: b"\x1f\x8b\x08", "damaged gzip file"),
    "another method": (lambda: b"\x1f\x8b\x07" + bytes(20), "damaged gzip file"),
    "reserved flags and no end": (lambda: b"\x1f\x8b\x08\x08" + bytes(6) + b"name without end", "damaged gzip file"),
    "a wrong sum": (lambda: gzip.compress(head(4) + b"abcd")[:-8] + bytes(8), "damaged gzip file"),
    "noise": (lambda: b"\x1f\x8b\x08\0" + bytes(6) + b"\xff" * 50, "damaged gzip file"),
    "a second member": (lambda: gzip.compress(head(4) + b"abcd") + gzip.compress(b"more"), "more data"),
    "noise behind the end": (lambda: gzip.compress(head(4) + b"abcd") + b"noise", "damaged gzip file"),
    "a bomb behind the end": (lambda: gzip.compress(head(4) + bytes(80_000_000), 1), "more data"),
    "a bomb that is announced": (lambda: gzip.compress(head(0x7FFFFFFF) + bytes(1_000_000)), "at most"),
    "a gzip within a gzip": (lambda: gzip.compress(gzip.compress(head(4) + b"abcd")), "not an IDX file: it starts with 1f 8b"),
}


@pytest.mark.parametrize("what", PLACES)
def test_what_is_no_ordinary_file(tmp_path, what):
    make, error, words = PLACES[what]
    path = put(tmp_path / "file", make)
    refused(lambda: idx.read_idx(path), error, words, path)
    refused(lambda: opening.open_file(path), error, words, path)
    if what != "a folder":
        refused(lambda: cifar.read_cifar(path, "f", ["a"], 1, 10), error, words, path)
    inside = tmp_path / "records"
    inside.mkdir()
    put(inside / "a.bin", make)
    refused(lambda: cifar.read_cifar(inside, "f", ["a.bin"], 1, 10), error, words, inside / "a.bin")


@pytest.mark.skipif(ROOT_USER, reason="permissions do not bind the superuser")
def test_a_file_of_another_user(tmp_path):
    path = put(tmp_path / "file", b"x")
    path.chmod(0)
    refused(lambda: idx.read_idx(path), PermissionError, "may not be read by this user; change its permissions", path)


def test_a_file_the_system_keeps_from_us(tmp_path, monkeypatch):
    """The same for the superuser: the system says no."""
    path = put(tmp_path / "file", b"x")

    def no(*_):
        raise PermissionError(13, "Permission denied")
    monkeypatch.setattr(opening, "open", no, raising=False)
    refused(lambda: opening.open_file(path), PermissionError, "may not be read by this user", path)


def test_a_name_that_is_none():
    refused(lambda: opening.open_file("a\0b"), OSError, "cannot be opened: embedded null")
    refused(lambda: opening.open_file("x" * 300), OSError, "cannot be opened: File name too long")


@pytest.mark.parametrize("what", IDX)
def test_idx(tmp_path, what):
    made, words = IDX[what]
    path = put(tmp_path / "file", made)
    refused(lambda: idx.read_idx(path), ValueError, words, path)


@pytest.mark.parametrize("what", GZIP)
def test_gzip(tmp_path, what):
    made, words = GZIP[what]
    path = put(tmp_path / "file.gz", made())
    refused(lambda: idx.read_idx(path), ValueError, words, path)


def test_a_gzip_header_without_end_is_not_searched(tmp_path):
    def make(path):
        with open(path, "wb") as file:
            file.write(b"\x1f\x8b\x08\x08" + bytes(6) + b"\x01")
            file.truncate(8 << 30)
    refused(lambda: idx.read_idx(put(tmp_path / "file.gz", make)), ValueError, "the gzip file has 8,589,934,592 bytes")


# ---- CIFAR -----------------------------------------------------------------------------------------------------------

RECORD = bytes([3]) + bytes(3072)
INSIDE = "cifar-10-batches-bin/data_batch_1.bin"


def tar(*members, form=tarfile.GNU_FORMAT):
    """A .tar.gz of (name, bytes) or (name, type, link) members."""
    out = io.BytesIO()
    with tarfile.open(fileobj=out, mode="w:gz", format=form) as file:
        for name, content, *link in members:
            info = tarfile.TarInfo(name)
            if isinstance(content, bytes) and len(content) != 1:
                info.size = len(content)
                file.addfile(info, io.BytesIO(content))
            else:
                info.type, info.linkname = content, link[0] if link else ""
                file.addfile(info)
    return out.getvalue()


def tar_header(name=INSIDE, size=0, kind=tarfile.REGTYPE, **more):
    info = tarfile.TarInfo(name)
    info.size, info.type = size, kind
    for key, value in more.items():
        setattr(info, key, value)
    return info.tobuf(tarfile.GNU_FORMAT)


def sparse(size):
    """A GNU sparse member that takes no room in the archive and is `size` bytes long."""
    block = bytearray(tar_header(kind=tarfile.GNUTYPE_SPARSE))
    block[386:410] = b"%011o\0" % 0 + b"%011o\0" % 0
    block[483:495] = b"%011o\0" % size
    block[148:156] = b" " * 8
    block[148:156] = b"%06o\0 " % sum(block)
    return gzip.compress(bytes(block) + bytes(1024))


LACKS = r"lacks data_batch_1.bin in cifar-10-batches-bin/; is it the binary version\?"
ARCHIVES = {
    "nothing": (lambda: b"", "damaged archive"),
    "text": (lambda: b"no archive", "damaged archive"),
    "gzip of text": (lambda: gzip.compress(b"no archive"), "damaged archive"),
    "a plain tar": (lambda: gzip.decompress(tar((INSIDE, RECORD))), "damaged archive"),
    "cut in the middle": (lambda: tar((INSIDE, np.random.default_rng(0).bytes(30730)))[:20000], "damaged archive"),
    "a member cut short": (lambda: gzip.compress(gzip.decompress(tar((INSIDE, RECORD)))[:2000]), "damaged archive"),
    "empty": (lambda: tar(), LACKS),
    "the pickled version": (lambda: tar(("cifar-10-batches-py/data_batch_1", RECORD)), LACKS),
    "climbing out": (lambda: tar(("../" + INSIDE, RECORD)), LACKS),
    "climbing about": (lambda: tar(("cifar-10-batches-bin/../" + INSIDE, RECORD)), LACKS),
    "an absolute path": (lambda: tar(("/" + INSIDE, RECORD)), LACKS),
    "without its folder": (lambda: tar(("data_batch_1.bin", RECORD)), LACKS),
    "a folder of the name": (lambda: tar((INSIDE, tarfile.DIRTYPE)), LACKS),
    "a symbolic link": (lambda: tar((INSIDE, tarfile.SYMTYPE, "/etc/passwd")), LACKS),
    "a link within": (lambda: tar(("cifar-10-batches-bin/x", RECORD), (INSIDE, tarfile.SYMTYPE, "x")), LACKS),
    "a hard link": (lambda: tar((INSIDE, tarfile.LNKTYPE, "/etc/passwd")), LACKS),
    "a character device": (lambda: tar((INSIDE, tarfile.CHRTYPE)), LACKS),
    "a block device": (lambda: tar((INSIDE, tarfile.BLKTYPE)), LACKS),
    "a pipe": (lambda: tar((INSIDE, tarfile.FIFOTYPE)), LACKS),
    "an empty file": (lambda: tar((INSIDE, b"")), "data_batch_1.bin: 0 bytes, expected a whole number"),
    "a file twice": (lambda: tar((INSIDE, RECORD), (INSIDE, RECORD), ("cifar-10-batches-bin/test_batch.bin", RECORD)),
                     "holds data_batch_1.bin twice, expected once"),
    "a sparse file of 64 GB": (lambda: sparse((1 << 33) - 1), "as a sparse file|damaged archive"),
    "a member of 8 GB": (lambda: gzip.compress(tar_header(size=(1 << 33) - 1)), "announces 8,589,934,591 bytes for data_batch_1.bin"),
    "a member of 2⁶⁰ bytes": (lambda: gzip.compress(tar_header(size=1 << 60)), "announces 1,152,921,504,606,846,976 bytes"),
    "a long name of 8 GB": (lambda: gzip.compress(tar_header(size=(1 << 33) - 1, kind=tarfile.GNUTYPE_LONGNAME) + bytes(9999)),
                            "damaged archive|lacks"),
    "an extended header of 8 GB": (lambda: gzip.compress(tar_header(size=(1 << 33) - 1, kind=tarfile.XHDTYPE) + bytes(9999)),
                                   "damaged archive|lacks"),
    "no whole records": (lambda: tar((INSIDE, RECORD[:-1])), "3,072 bytes, expected a whole number of 3073-byte records"),
    "CIFAR-100's records": (lambda: tar((INSIDE, (b"\x05" + RECORD) * 2)), "6,148 bytes, expected a whole number"),
    "a label out of range": (lambda: tar((INSIDE, b"\x0a\0" + RECORD[2:])), "record 0 has label 10, expected 0 to 9"),
}


@pytest.mark.parametrize("what", ARCHIVES)
def test_archives(tmp_path, what):
    made, words = ARCHIVES[what]
    path = put(tmp_path / "cifar-10-binary.tar.gz", made())
    names = ["data_batch_1.bin"] + ["test_batch.bin"] * (what == "a file twice")
    refused(lambda: cifar.read_cifar(path, "cifar-10-batches-bin", names, 1, 10), ValueError, words, path)
    assert [each.name for each in tmp_path.iterdir()] == [path.name]  # nothing was extracted


def test_a_bomb_before_the_files_is_unpacked_up_to_the_limit(tmp_path, monkeypatch):
    """Counted in bytes: what lies behind the limit is not even looked at. (The limit is made small: 400 MB take seconds to unpack.)"""
    unpacked, read = [], gzip.GzipFile.read

    def counted(self, size=-1):
        unpacked.append(len(data := read(self, size)))
        return data
    monkeypatch.setattr(gzip.GzipFile, "read", counted)
    assert cifar.read_archive.__defaults__ == (400_000_000,)
    monkeypatch.setattr(cifar.read_archive, "__defaults__", (4_000_000,))
    path = put(tmp_path / "a.tar.gz", gzip.compress(tar_header("x", 32_000_000) + bytes(32_000_000), 1))
    refused(lambda: cifar.read_cifar(path, "cifar-10-batches-bin", ["data_batch_1.bin"], 1, 10), ValueError,
            "unpacks to more than 4,000,000 bytes", path)
    assert 4_000_000 < sum(unpacked) < 4_100_000


def test_an_archive_of_many_gigabytes_is_not_read(tmp_path):
    path = put(tmp_path / "a.tar.gz", of_size(100 << 30))
    refused(lambda: cifar.read_archive(path, "f", ["a"]), ValueError, "damaged archive|has 107,374,182,400 bytes", path)
    put(tmp_path / "a.bin", of_size(100 << 30))
    refused(lambda: cifar.read_cifar(tmp_path, "f", ["a.bin"], 1, 10), ValueError, "holds 107,374,182,400 bytes; at most")


# ---- load: files under each other's names ------------------------------------------------------------------------------

NAMES = {"train": ("train-images-idx3-ubyte.gz", "train-labels-idx1-ubyte.gz"),
         "test": ("t10k-images-idx3-ubyte.gz", "t10k-labels-idx1-ubyte.gz")}
COUNTS = {"train": 6, "test": 3}


def md5(content):
    return hashlib.md5(content).hexdigest()


@pytest.fixture
def mnist(tmp_path, monkeypatch):
    """A folder with a small MNIST, "published" with its true checksums, and a Fashion-MNIST of which only sums are known."""
    monkeypatch.setenv("TINYATTN_CACHE", str(tmp_path / "cache"))
    monkeypatch.delenv("TINYATTN_DATA", raising=False)
    folder = tmp_path / "data" / "mnist"
    folder.mkdir(parents=True)
    for number, name in enumerate(("mnist", "fashion-mnist")):
        random, sums = np.random.default_rng(number), {}
        for split, count in COUNTS.items():
            arrays = random.integers(0, 256, (count, 28, 28), np.uint8), random.integers(0, 10, count, np.uint8)
            plain = [idx.header(array) + array.tobytes() for array in arrays]
            for file, content in zip(NAMES[split], plain):
                (folder / (file if name == "mnist" else "fashion-" + file)).write_bytes(gzip.compress(content, mtime=0))
            sums[split] = tuple(published.Published(file, md5(gzip.compress(content, mtime=0)), md5(content))
                                for file, content in zip(NAMES[split], plain))
        monkeypatch.setitem(published.SOURCES, name, dataclasses.replace(published.SOURCES[name], files=sums, counts=COUNTS))
    return folder


def move(folder, there, here):
    (folder / here).write_bytes((folder / there).read_bytes())


IMAGES, LABELS = NAMES["train"]
SWAPS = {
    "labels for images": (lambda f: move(f, LABELS, IMAGES), "holds uint8 (6,), expected uint8 (N, 28, 28); the files of images"),
    "images for labels": (lambda f: move(f, IMAGES, LABELS), "expected uint8 (N,); the files of images and labels seem to be exch"),
    "test images for training": (lambda f: move(f, NAMES["test"][0], IMAGES), "is a file of the mnist test split under another name"),
    "test labels for training": (lambda f: move(f, NAMES["test"][1], LABELS), "is a file of the mnist test split under another name"),
    "another data set's": (lambda f: move(f, "fashion-" + IMAGES, IMAGES), "is a file of the fashion-mnist train split"),
    "other test data for training": (
        lambda f: [(f / n).write_bytes(gzip.compress(head(*s) + bytes(3 * 784)[:np.prod(s)])) for n, s in
                   zip(NAMES["train"], ((3, 28, 28), (3,)))], "holds 3 images, as many as the published mnist test split"),
    "fewer labels": (lambda f: (f / LABELS).write_bytes(gzip.compress(head(5) + bytes(5))), "holds 6 images, but"),
    "larger images": (lambda f: (f / IMAGES).write_bytes(gzip.compress(head(6, 32, 32) + bytes(6144))), "holds uint8 (6, 32, 32)"),
    "float images": (lambda f: (f / IMAGES).write_bytes(gzip.compress(head(6, 28, 28, kind=0x0D) + bytes(18816))),
                     "holds float32 (6, 28, 28), expected uint8 (N, 28, 28)"),
    "a label of 11": (lambda f: (f / LABELS).write_bytes(gzip.compress(head(6) + b"\0\1\2\3\4\x0b")), "labels go from 0 to 11"),
    "more than can be": (lambda f: (f / IMAGES).write_bytes(gzip.compress(head(60, 28, 28) + bytes(60 * 784))),
                         "at most 18,816 are read"),
}


@pytest.mark.parametrize("what", SWAPS)
def test_swapped_files(mnist, what):
    make, words = SWAPS[what]
    assert len(data.load("mnist", "train", mnist.parent, download=False)) == 6
    make(mnist)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        with pytest.raises(ValueError) as caught:
            data.load("mnist", "train", mnist.parent, download=False)
    assert words in str(caught.value) and is_ours(caught.value) and str(mnist.parent) + os.sep in str(caught.value) or "mnist:" in str(caught.value)


@pytest.mark.parametrize("make, words", [
    (lambda f: (f / IMAGES).unlink() or (f / IMAGES).mkdir(), f"{IMAGES}: it is a folder, expected a file"),
    (lambda f: (f / LABELS).unlink() or os.mkfifo(f / LABELS), f"{LABELS}: it is no ordinary file"),
    (lambda f: (f / LABELS).unlink() or (f / LABELS).symlink_to("none"), f"{LABELS}: it is no ordinary file"),
    (lambda f: f.rename(f.with_name("x")) and f.write_text("x"), "mnist: it is a file, expected a folder")])
def test_what_stands_in_the_way_is_named(mnist, make, words):
    make(mnist)
    with pytest.raises(data.DataNotFound) as caught:
        data.load("mnist", "train", mnist.parent, download=False)
    assert words in str(caught.value) and is_ours(caught.value)


def test_a_folder_that_may_not_be_looked_into(mnist, monkeypatch):
    """The superuser may look everywhere: the system's answer is played."""
    real = os.listdir

    def no(folder):
        if str(folder).endswith("mnist"):
            raise PermissionError(13, "Permission denied")
        return real(folder)
    monkeypatch.setattr(os, "listdir", no)
    with pytest.raises(data.DataNotFound, match="mnist: it cannot be looked into: Permission denied"):
        data.load("mnist", "train", mnist.parent, download=False)


def test_training_images_as_test_images_of_the_same_number(mnist):
    """No checksum knows this file, and its count is right: the images themselves tell."""
    from tinyattn import training
    from tinyattn.training import setup
    config = training.complete("mnist", data_dir=str(mnist.parent))
    assert len(setup.load_data(config).test) == 3
    whole = idx.read_idx(mnist / IMAGES)
    (mnist / NAMES["test"][0]).write_bytes(gzip.compress(idx.header(whole[:3]) + whole[:3].tobytes()))
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        with pytest.raises(training.OptionError, match="3 of 3 test images are training images too") as caught:
            setup.load_data(config)
    assert is_ours(caught.value)


# ---- the built-in data set's own file ------------------------------------------------------------------------------------

@pytest.mark.parametrize("made, words", [
    (b"", "is damaged: its checksum"), (b"PK\x03\x04" + bytes(100), "is damaged: its checksum"), (a_folder, "is a folder"),
    (lambda path: None, "there is no such file"), (lambda path: path.write_bytes(atlas.ATLAS_FILE.read_bytes()[:-1] + b"\1"), "damaged")])
def test_a_damaged_atlas_is_explained(tmp_path, monkeypatch, made, words):
    path = tmp_path / "atlas.npz"
    put(path, made)
    monkeypatch.setattr(atlas, "ATLAS_FILE", path)
    refused(atlas.load_outlines.__wrapped__, RuntimeError, words + ".*install it again", path)


def test_more_glyphs_than_fit_are_not_drawn():
    refused(lambda: data.load("glyphs", size=10 ** 9), ValueError, "size is 1000000000, expected a whole number of images, 1 to 10,000,000")
