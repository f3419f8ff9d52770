"""`load`: where files are looked for, what is checked, what is reported, and the one error when there is nothing."""
import dataclasses
import gzip
import hashlib
import io
import os
import pathlib
import tarfile
import warnings

import numpy as np
import pytest

from tinyattn import data
from tinyattn.data import idx, locate, published

REAL = pathlib.Path(os.environ.get("TINYATTN_DATA") or "absent")
COUNTS = {"train": 6, "test": 3}


@pytest.fixture(autouse=True)
def elsewhere(tmp_path, monkeypatch):
    """No test sees or fills the user's own folders."""
    monkeypatch.delenv("TINYATTN_DATA", raising=False)
    monkeypatch.setenv("TINYATTN_CACHE", str(tmp_path / "cache"))


def idx_bytes(array):
    return idx.header(array) + array.tobytes()


@pytest.fixture
def small(monkeypatch):
    """A small MNIST and a small CIFAR-10, "published" with their true checksums: dict of file name to bytes."""
    random = np.random.default_rng(0)
    files, plain = {}, {}
    mnist = published.SOURCES["mnist"]
    for split, count in COUNTS.items():
        images = random.integers(0, 256, (count, 28, 28), dtype=np.uint8)
        for file, array in zip(mnist.files[split], (images, (np.arange(count) % 10).astype(np.uint8))):
            plain[file.name] = idx_bytes(array)
            files[file.name] = gzip.compress(plain[file.name], mtime=0)
    md5 = lambda content: hashlib.md5(content).hexdigest()
    sums = {split: tuple(published.Published(file.name, md5(files[file.name]), md5(plain[file.name])) for file in group)
            for split, group in mnist.files.items()}
    monkeypatch.setitem(published.SOURCES, "mnist", dataclasses.replace(mnist, files=sums, counts=COUNTS))
    fashion = {split: tuple(dataclasses.replace(file, inner_md5="") for file in group) for split, group in sums.items()}
    monkeypatch.setitem(published.SOURCES, "fashion-mnist",
                        dataclasses.replace(published.SOURCES["fashion-mnist"], files=fashion, counts=COUNTS))

    cifar, packed = published.SOURCES["cifar10"], io.BytesIO()
    with tarfile.open(fileobj=packed, mode="w:gz") as out:
        for name in cifar.members["train"] + cifar.members["test"]:
            files[name] = b"".join(bytes([label]) + random.bytes(3072) for label in range(3))
            info = tarfile.TarInfo(f"{cifar.folder}/{name}")
            info.size = 3 * 3073
            out.addfile(info, io.BytesIO(files[name]))
    archive = published.Published("cifar-10-binary.tar.gz", md5(packed.getvalue()))
    files[archive.name] = packed.getvalue()
    monkeypatch.setitem(published.SOURCES, "cifar10", dataclasses.replace(
        cifar, counts={"train": 15, "test": 3}, files={"train": (archive,), "test": (archive,)}))
    return files


def put(folder, files, *names):
    folder.mkdir(parents=True, exist_ok=True)
    for name in names:
        (folder / name).write_bytes(files[name])


TRAIN = ("train-images-idx3-ubyte.gz", "train-labels-idx1-ubyte.gz")


def quiet(*args, **options):
    """`load`, and no warning."""
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        return data.load(*args, download=False, **options)


@pytest.mark.parametrize("folder", ["mnist", "MNIST/raw", "MNIST", "mnist/raw"])
def test_folders_of_other_hands(tmp_path, small, folder):
    put(tmp_path / "r" / folder, small, *TRAIN)
    ds = quiet("mnist", "train", root=tmp_path / "r")
    assert ds.images.shape == (6, 1, 28, 28) and ds.images.dtype == np.uint8 and ds.labels.dtype == np.int64
    np.testing.assert_array_equal(ds.images.reshape(-1), np.frombuffer(gzip.decompress(small[TRAIN[0]]), np.uint8, -1, 16))
    assert ds.labels.tolist() == [0, 1, 2, 3, 4, 5] and len(ds) == 6
    assert ds.images.transpose(0, 2, 3, 1).flags.c_contiguous


def test_plain_files_and_other_spellings(tmp_path, small):
    folder = tmp_path / "mnist"
    folder.mkdir()
    (folder / "train-images.idx3-ubyte").write_bytes(gzip.decompress(small[TRAIN[0]]))
    (folder / "Train-Labels-IDX1-ubyte").write_bytes(gzip.decompress(small[TRAIN[1]]))
    assert len(quiet("MNIST", root=tmp_path)) == 6
    assert len(quiet("mnist", root=folder)) == 6  # the root may be the data set's own folder


def test_a_root_of_another_name_is_not_taken_for_mnist(tmp_path, small):
    put(tmp_path / "fashion-mnist", small, *TRAIN)
    assert len(quiet("FashionMNIST", root=tmp_path)) == 6
    with pytest.raises(data.DataNotFound):
        quiet("mnist", root=tmp_path / "fashion-mnist")


@pytest.mark.parametrize("folder", ["cifar10", "CIFAR-10", "."])
@pytest.mark.parametrize("form", ["archive", "folder", "files"])
def test_cifar_from_everywhere(tmp_path, small, folder, form):
    names = [name for name in small if name.endswith(".bin")]
    where = tmp_path / folder / ("cifar-10-batches-bin" if form == "folder" else ".")
    put(where, small, *(["cifar-10-binary.tar.gz"] if form == "archive" else names))
    train, test = quiet("cifar10", "train", root=tmp_path), quiet("cifar10", "test", root=tmp_path)
    assert train.labels.tolist() == [0, 1, 2] * 5 and len(test) == 3
    np.testing.assert_array_equal(test.images[1].reshape(-1), np.frombuffer(small["test_batch.bin"], np.uint8)[3074:6146])
    assert train.images.transpose(0, 2, 3, 1).flags.c_contiguous


def test_the_order_of_roots(tmp_path, small, monkeypatch):
    assert locate.roots("a") == [pathlib.Path("a"), tmp_path / "cache" / "data"]
    monkeypatch.setenv("TINYATTN_DATA", str(tmp_path / "env"))
    assert locate.roots() == [tmp_path / "env", tmp_path / "cache" / "data"]
    assert locate.roots("a")[0] == pathlib.Path("a")
    put(tmp_path / "cache" / "data" / "mnist", small, *TRAIN)
    assert len(quiet("mnist")) == 6


def test_a_file_packed_anew_is_no_difference_but_changed_bytes_are(tmp_path, small):
    put(tmp_path / "mnist", small, *TRAIN)
    path = tmp_path / "mnist" / TRAIN[0]
    inner = gzip.decompress(small[TRAIN[0]])
    path.write_bytes(gzip.compress(inner, compresslevel=1, mtime=77))
    quiet("mnist", root=tmp_path)
    path.write_bytes(gzip.compress(inner[:-1] + b"\x80"))
    with pytest.warns(UserWarning, match="train-images-idx3-ubyte.gz differs from the published file") as caught:
        assert len(data.load("mnist", root=tmp_path)) == 6
    assert len(caught) == 1
    assert caught[0].filename == __file__


def test_a_packed_file_or_an_archive_with_another_sum_is_reported(tmp_path, small):
    put(tmp_path / "fashion-mnist", small, *TRAIN)  # its inner sums are not known
    quiet("fashion-mnist", root=tmp_path)
    (tmp_path / "fashion-mnist" / TRAIN[1]).write_bytes(gzip.compress(gzip.decompress(small[TRAIN[1]]), mtime=5))
    with pytest.warns(UserWarning, match="differs"):
        data.load("fashion-mnist", root=tmp_path)
    (tmp_path / "cifar-10-binary.tar.gz").write_bytes(small["cifar-10-binary.tar.gz"] + b"\0")
    with pytest.warns(UserWarning, match="cifar-10-binary.tar.gz differs"):
        data.load("cifar10", "test", root=tmp_path)


def test_another_number_of_images_is_reported(tmp_path, small):
    (tmp_path / "data_batch_1.bin").write_bytes(small["data_batch_1.bin"] * 2)
    put(tmp_path, small, *(f"data_batch_{i}.bin" for i in range(2, 6)))
    with pytest.warns(UserWarning, match="holds 18 images; the published cifar10 train split has 15"):
        assert len(data.load("cifar10", root=tmp_path)) == 18


@pytest.mark.parametrize("which, array, words", [
    (0, np.zeros((6, 28), np.uint8), r"expected uint8 \(N, 28, 28\)"),
    (0, np.zeros((6, 32, 32), np.uint8), r"\(6, 32, 32\), expected uint8 \(N, 28, 28\)"),
    (0, np.zeros((6, 28, 28), np.float32), "float32"),
    (1, np.zeros((6, 1), np.uint8), r"expected uint8 \(N,\)"),
    (1, np.zeros(5, np.uint8), "holds 6 images, but .* 5 labels"),
    (1, np.full(6, 10, np.uint8), "labels go from 10 to 10, expected 0 to 9"),
])
@pytest.mark.filterwarnings("ignore::UserWarning")
def test_a_wrong_structure_is_refused(tmp_path, small, which, array, words):
    put(tmp_path / "mnist", small, *TRAIN)
    (tmp_path / "mnist" / TRAIN[which]).write_bytes(idx_bytes(array))
    with pytest.raises(ValueError, match=words):
        data.load("mnist", root=tmp_path)


def serve(bad_server, monkeypatch, small, name, *hows):
    bad_server.files.update(small)
    mirrors = tuple(bad_server.url(how, "") for how in hows)
    monkeypatch.setitem(published.SOURCES, name, dataclasses.replace(published.SOURCES[name], mirrors=mirrors))


def test_download_into_the_cache_once(tmp_path, small, monkeypatch, bad_server):
    serve(bad_server, monkeypatch, small, "mnist", "refuse", "cut")
    ds = data.load("mnist", "test")
    assert len(ds) == 3 and len(bad_server.sent()) == 4  # two files, each refused once
    assert sorted(os.listdir(tmp_path / "cache" / "data" / "mnist")) == ["t10k-images-idx3-ubyte.gz", "t10k-labels-idx1-ubyte.gz"]
    np.testing.assert_array_equal(quiet("mnist", "test").images, ds.images)
    data.load("mnist", "train")
    assert len(bad_server.sent()) == 8


def test_download_into_the_root_and_only_what_is_missing(tmp_path, small, monkeypatch, bad_server):
    serve(bad_server, monkeypatch, small, "mnist", "good")
    put(tmp_path / "root" / "mnist", small, TRAIN[0])
    assert len(data.load("mnist", root=tmp_path / "root")) == 6
    assert [asked for how, asked, sent in bad_server.sent()] == [None]
    assert (tmp_path / "root" / "mnist" / TRAIN[1]).exists() and not (tmp_path / "cache" / "data" / "mnist").exists()


def test_a_root_that_cannot_be_written_leaves_the_cache(tmp_path, small, monkeypatch, bad_server):
    serve(bad_server, monkeypatch, small, "cifar10", "good")
    (tmp_path / "root").write_text("a file where a folder should be")
    assert len(data.load("cifar10", root=tmp_path / "root")) == 15
    assert os.listdir(tmp_path / "cache" / "data" / "cifar10") == ["cifar-10-binary.tar.gz"]
    monkeypatch.setenv("TINYATTN_CACHE", str(tmp_path / "root" / "deeper"))
    with pytest.raises(OSError, match="no folder to download to can be written"):
        data.load("cifar10", root=tmp_path / "root")


def test_offline_is_one_clear_error(tmp_path, small, monkeypatch, bad_server):
    serve(bad_server, monkeypatch, {}, "mnist", "refuse", "good")
    monkeypatch.setitem(published.SOURCES, "mnist", dataclasses.replace(
        published.SOURCES["mnist"], mirrors=(*published.SOURCES["mnist"].mirrors, "http://127.0.0.1:9/")))
    with pytest.raises(data.DataNotFound) as caught:
        data.load("mnist", root=tmp_path / "root")
    text = str(caught.value)
    assert isinstance(caught.value, FileNotFoundError) and caught.value.__context__ is None
    for part in ("train-images-idx3-ubyte.gz", str(tmp_path / "root" / "mnist"), str(tmp_path / "cache" / "data" / "mnist"),
                 bad_server.url("good", TRAIN[0]) + ": HTTP 404", "http://127.0.0.1:9/" + TRAIN[0] + ": ", "refused",
                 "--data-dir", "TINYATTN_DATA", "--data glyphs"):
        assert part in text
    with pytest.raises(data.DataNotFound, match=r"no download \(download=False\)"):
        data.load("kmnist", download=False)


@pytest.mark.parametrize("name", ["cifar-10-batches-py", "cifar-10-python.tar.gz"])
def test_the_version_made_of_pickles_is_named_and_not_opened(tmp_path, name):
    (tmp_path / "cifar10" / name).mkdir(parents=True)
    with pytest.raises(data.DataNotFound, match=f"found .*{name}, the version made of pickles"):
        data.load("cifar10", root=tmp_path, download=False)


def test_names_splits_options():
    assert data.names() == ["glyphs", "cluttered", "scales", "mnist", "fashion-mnist", "kmnist", "cifar10", "cifar100"]
    with pytest.raises(ValueError, match="unknown data set 'imagenet', expected one of glyphs, cluttered, scales, mnist"):
        data.load("imagenet")
    with pytest.raises(ValueError, match="unknown split 'valid'"):
        data.load("mnist", "valid")
    with pytest.raises(TypeError, match="mnist has no option clutter"):
        data.load("mnist", clutter=True)


def test_the_table():
    for source in published.SOURCES.values():
        assert len(source.classes) == len(set(source.classes)) == (100 if source.name == "cifar100" else 10)
        assert len(source.mean) == len(source.std) == source.shape[0]
        assert all(mirror.endswith("/") for mirror in source.mirrors)
        for file in source.files["train"] + source.files["test"]:
            assert len(file.md5) == 32 and len(file.inner_md5) in (0, 32)
    assert list(published.SOURCES["cifar100"].classes) == sorted(published.SOURCES["cifar100"].classes)


def test_a_data_set_of_ones_own():
    images = np.arange(24, dtype=np.uint8).reshape(2, 3, 2, 2)
    ds = data.ImageDataset("mine", "train", images, np.array([1, 0], np.int32), ["a", "b"], (0.5,) * 3, (0.2,) * 3)
    image, label = ds[1]
    assert image.tolist() == images[1].tolist() and label == 0 and type(label) is int
    assert ds[np.array([1, 0])][1].tolist() == [0, 1] and ds[:1][0].shape == (1, 3, 2, 2)
    assert ds.labels.dtype == np.int64 and repr(ds) == "ImageDataset(mine train: 2 images 3×2×2, 2 classes)"
    with pytest.raises(ValueError, match="expected uint8"):
        data.ImageDataset("mine", "train", images.astype(float), np.zeros(2), ["a"], (0,), (1,))


@pytest.mark.skipif(not any(REAL.glob("**/cifar-10-batches-bin")),
                    reason="no CIFAR-10: TINYATTN_DATA does not name a folder that holds cifar10/cifar-10-batches-bin/")
def test_the_real_cifar10():
    ds = quiet("cifar10", "test", root=REAL)
    assert len(ds) == 10000 and np.bincount(ds.labels).tolist() == [1000] * 10
    values = np.arange(256) / 255
    shares = np.array([np.bincount(ds.images[:, c].ravel(), minlength=256) for c in range(3)]) / ds.images[:, 0].size
    np.testing.assert_allclose(shares @ values, ds.mean, atol=0.01)  # those are of the training split
    np.testing.assert_allclose((shares @ values ** 2 - (shares @ values) ** 2) ** 0.5, ds.std, atol=0.01)


@pytest.mark.skipif(not (REAL / "mnist").is_dir(), reason="no MNIST: TINYATTN_DATA does not name a folder that holds mnist/")
@pytest.mark.parametrize("split, count, first", [("train", 60000, [5, 0, 4, 1, 9]), ("test", 10000, [7, 2, 1, 0, 4])])
def test_the_real_mnist(split, count, first):
    ds = quiet("mnist", split, root=REAL)
    assert len(ds) == count and ds.labels[:5].tolist() == first
    if split == "train":
        assert abs(ds.images.mean() / 255 - ds.mean[0]) < 1e-4 and abs(ds.images.std(dtype=np.float32) / 255 - ds.std[0]) < 1e-4
