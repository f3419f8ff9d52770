"""The CIFAR reader: records made by hand, folders, archives, and archives that mean harm."""
import gzip
import io
import tarfile
import tracemalloc

import numpy as np
import pytest

from tinyattn.data import cifar

FILES = ("data_batch_1.bin", "data_batch_2.bin")


def records(labels, seed=0):
    """Records and the images they hold; pixel (n, c, i, j) is drawn, so that no two axes can be confused."""
    images = np.random.default_rng(seed).integers(0, 256, (len(labels), 3, 32, 32), dtype=np.uint8)
    return b"".join(bytes(np.atleast_1d(label).tolist()) + image.tobytes() for label, image in zip(labels, images)), images


def archive(path, members, mode="w:gz"):
    with tarfile.open(path, mode) as out:
        for name, data in members:
            info = tarfile.TarInfo(name)
            if isinstance(data, bytes):
                info.size = len(data)
                out.addfile(info, io.BytesIO(data))
            else:
                info.type, info.linkname = data
                out.addfile(info)
    return path


def test_a_record_worked_by_hand():
    data = bytes([7]) + bytes([1]) * 1024 + bytes([2]) * 1024 + bytes([3]) * 1024
    images, labels = cifar.parse_records(data, 1, 10)
    assert labels.tolist() == [7] and labels.dtype == np.int64
    assert images.shape == (1, 3, 32, 32) and images[0, :, 5, 9].tolist() == [1, 2, 3]
    assert images.transpose(0, 2, 3, 1).flags.c_contiguous


def test_the_fine_label_is_the_second_byte():
    data, images = records([(19, 99), (3, 42)])
    got, labels = cifar.parse_records(data, 2, 100)
    assert labels.tolist() == [99, 42]
    np.testing.assert_array_equal(got, images)


@pytest.mark.parametrize("data, words", [(b"", "0 bytes"), (bytes(3072), "whole number of 3073-byte records"),
                                         (bytes(3074), "whole number"), (bytes(3073) + b"\x0a" + bytes(3072), "record 1 has label 10")])
def test_records_that_are_not(data, words):
    with pytest.raises(ValueError, match=words):
        cifar.parse_records(data, 1, 10)


@pytest.fixture
def two():
    (a, first), (b, second) = records([1, 2, 3], 1), records([9, 0], 2)
    return {"data_batch_1.bin": a, "data_batch_2.bin": b}, np.concatenate([first, second])


def check(path, images):
    got, labels = cifar.read_cifar(path, "cifar-10-batches-bin", FILES, 1, 10)
    np.testing.assert_array_equal(got, images)
    assert labels.tolist() == [1, 2, 3, 9, 0]
    assert got.transpose(0, 2, 3, 1).flags.c_contiguous


def test_folder(tmp_path, two):
    for name, data in two[0].items():
        (tmp_path / name).write_bytes(data)
    check(tmp_path, two[1])


@pytest.mark.parametrize("prefix", ["cifar-10-batches-bin/", "./cifar-10-batches-bin/"])
def test_archive_in_any_order(tmp_path, two, prefix):
    members = [(prefix + name, data) for name, data in two[0].items()]
    check(archive(tmp_path / "a.tar.gz", members), two[1])
    check(archive(tmp_path / "b.tar.gz", [(prefix + "readme.html", b"hello"), *reversed(members)]), two[1])


def test_nothing_else_in_an_archive_is_read_or_written(tmp_path, two):
    """Links and names that lead out of the folder are passed by, even when they are called like the files."""
    inside = "cifar-10-batches-bin/data_batch_1.bin"
    hostile = [("../data_batch_1.bin", b"x"), ("/etc/cifar-10-batches-bin/data_batch_1.bin", b"x"), ("data_batch_1.bin", b"x"),
               ("cifar-10-batches-bin/../cifar-10-batches-bin/data_batch_1.bin", b"x"),
               (inside, (tarfile.SYMTYPE, "/etc/passwd")), (inside, (tarfile.LNKTYPE, "/etc/passwd")),
               (inside, (tarfile.CHRTYPE, "")), (inside, (tarfile.DIRTYPE, ""))]
    good = [("cifar-10-batches-bin/" + name, data) for name, data in two[0].items()]
    folder = tmp_path / "only"
    folder.mkdir()
    check(archive(folder / "a.tar.gz", hostile + good), two[1])
    assert [path.name for path in folder.iterdir()] == ["a.tar.gz"] and len(list(tmp_path.iterdir())) == 1
    with pytest.raises(ValueError, match="lacks data_batch_1.bin in cifar-10-batches-bin/; is it the binary version"):
        cifar.read_archive(archive(tmp_path / "b.tar.gz", hostile), "cifar-10-batches-bin", FILES[:1])


def refuse(path, words, **options):
    tracemalloc.start()
    try:
        with pytest.raises(ValueError, match=words) as caught:
            cifar.read_archive(path, "cifar-10-batches-bin", FILES, **options)
        assert str(path) in str(caught.value)
        assert tracemalloc.get_traced_memory()[1] < 8e6
    finally:
        tracemalloc.stop()


def test_damaged_archives(tmp_path, two):
    whole = archive(tmp_path / "a.tar.gz", [("cifar-10-batches-bin/" + name, data) for name, data in two[0].items()])
    data = whole.read_bytes()
    path = tmp_path / "b.tar.gz"
    for broken in (data[:len(data) // 2], data[:3], b"", b"not an archive", gzip.compress(b"neither is this"),
                   gzip.compress(gzip.decompress(data)[:2000]), data[:100] + bytes(200) + data[300:], data[:10] + b"\xff" * 20):
        path.write_bytes(broken)
        refuse(path, "damaged archive|lacks data_batch_1.bin")


@pytest.mark.parametrize("kind", [tarfile.REGTYPE, tarfile.XHDTYPE, tarfile.GNUTYPE_LONGNAME])
def test_a_header_that_announces_terabytes_takes_no_memory(tmp_path, kind):
    info = tarfile.TarInfo("cifar-10-batches-bin/data_batch_1.bin")
    info.size, info.type = 1 << 42, kind
    (tmp_path / "a.tar.gz").write_bytes(gzip.compress(info.tobuf() + bytes(3 << 20)))
    refuse(tmp_path / "a.tar.gz", "damaged archive|lacks|announces 4,398,046,511,104 bytes|more than 1,000,000", limit=1_000_000)


def test_an_archive_that_never_ends(tmp_path):
    refuse(archive(tmp_path / "a.tar.gz", [("cifar-10-batches-bin/big", bytes(30_000_000))]), "more than 1,000,000 bytes",
           limit=1_000_000)
