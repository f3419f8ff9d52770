"""Where a data set lies: the user's folder first, then the cache; many hands have named these folders and files.

A root R (argument, else $TINYATTN_DATA) holds a folder for each data set. `R/fashion-mnist`, `R/FashionMNIST/raw` and
`R/fashion_mnist` are the same to us: names are compared by their letters and digits alone, in any case.
"""
import os
import pathlib
import tempfile


class DataNotFound(FileNotFoundError):
    """A data set is neither in a local folder nor could it be downloaded. The message says where was looked."""


def cache_folder():
    """The folder for downloads when the user names none: `data/` in the platform's cache folder for TinyAttn."""
    from tinyattn.kernels.cpu.cache import user_cache_folder  # imports Numba: only when asked for
    return user_cache_folder() / "data"


def roots(root=None):
    """The folders to look in, in order: `root`, else $TINYATTN_DATA, where given; then the cache folder."""
    given = root or os.environ.get("TINYATTN_DATA")
    return ([pathlib.Path(given).expanduser()] if given else []) + [cache_folder()]


def plain(name):
    """`name` reduced to what people agree on: "Fashion-MNIST" and "fashion_mnist" are both "fashionmnist"."""
    return "".join(letter for letter in str(name).lower() if letter.isalnum())


def _entries(folder, name):
    """What in `folder` is called `name`, near enough: the exact name first, then in alphabetical order."""
    try:
        there = [each for each in os.listdir(folder) if plain(each) == plain(name)]
    except OSError:  # absent, no folder, or not ours to read: nothing to be found in it
        return []
    return [folder / each for each in sorted(there, key=lambda each: (each != name, each))]


def folders(source, root=None):
    """Every folder in which the files of `source` may lie, existing or not, in the order of looking."""
    found = []
    for base in roots(root):
        own = _entries(base, source.name) or [base / source.name]
        if source.is_cifar or plain(base.resolve().name) == plain(source.name):
            own.append(base)  # the IDX sets share their file names: the root itself must be called like the set
        for folder in own:
            found += [folder, *_entries(folder, "raw")]
    return found


def _idx_files(source, split, folder):
    paths = []
    for file in source.files[split]:
        choices = _entries(folder, file.name) + _entries(folder, file.name.removesuffix(".gz"))
        paths += [path for path in choices if path.is_file()][:1]
    return paths if len(paths) == len(source.files[split]) else None


def _cifar_files(source, split, folder):
    for inside in [*_entries(folder, source.folder), folder]:
        if all((inside / name).is_file() for name in source.members[split]):
            return [inside]
    archives = _entries(folder, source.files[split][0].name)
    return [path for path in archives if path.is_file()][:1] or None


def find(source, split, root=None):
    """The local files of one split: [images, labels] for IDX, [folder or archive] for CIFAR; None where there are none."""
    look = _cifar_files if source.is_cifar else _idx_files
    for folder in folders(source, root):
        paths = look(source, split, folder)
        if paths:
            return paths
    return None


def obstacles(source, split, root=None):
    """What stands in the way where files of a split were looked for: (path, what is wrong with it)."""
    found = []
    for folder in folders(source, root):
        if folder.exists() and not folder.is_dir():
            found.append((folder, "is a file, expected a folder"))
        elif folder.is_dir():
            try:
                os.listdir(folder)
            except OSError as error:
                found.append((folder, f"cannot be looked into: {error.strerror or error}"))
        for file in source.files[split]:
            for path in _entries(folder, file.name) + _entries(folder, file.name.removesuffix(".gz")):
                if not path.is_file():
                    found.append((path, "is a folder, expected a file" if path.is_dir() else "is no ordinary file"))
    return list(dict.fromkeys(found))


def pickled(source, root=None):
    """A local copy of CIFAR's Python version, if there is one: it is made of pickles, which we never open. Else None."""
    names = [f"{source.name.replace('cifar', 'cifar-')}-{kind}" for kind in ("batches-py", "python", "python.tar.gz")]
    found = [path for folder in folders(source, root) for name in names for path in _entries(folder, name)]
    return found[0] if source.is_cifar and found else None


def download_folder(source, root=None):
    """The folder to download to: the data set's own in the first of `roots` that can be written to.

    Raises OSError where none can.
    """
    reasons = []
    for base in roots(root):
        try:
            (base / source.name).mkdir(parents=True, exist_ok=True)
            with tempfile.TemporaryFile(dir=base / source.name):
                return base / source.name
        except OSError as error:
            reasons.append(f"{base / source.name}: {error.strerror or error}")
    raise OSError("no folder to download to can be written: " + "; ".join(reasons)
                  + ". Name another with --data-dir or TINYATTN_DATA")
