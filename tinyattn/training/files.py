"""Files that are whole or not there: nothing a crash, a kill or a full disk can leave half written.

A file is written under a temporary name *in the same folder*, flushed to the disk, and only then renamed over the
old one. Renaming within a folder is atomic (POSIX `rename`), so a reader finds the old bytes or the new ones, never
a mixture. The folder is synced too, because the rename itself lives there.
"""
import contextlib
import errno
import json
import os
import pathlib

from ..data.opening import open_file, size_of

try:
    import fcntl
except ImportError:  # Windows has no fcntl: a run folder is then not locked
    fcntl = None


LARGEST_JSON = 1 << 24


class SaveError(OSError):
    """A file could not be written; the one it was to replace is untouched. `str()` is one sentence for the user."""


def _reason(error):
    """What the operating system said, with what it usually means."""
    text = error.strerror or str(error)
    if error.errno in (errno.ENOSPC, errno.EDQUOT):
        return f"{text} (free some space, then go on)"
    if error.errno in (errno.EACCES, errno.EPERM, errno.EROFS):
        return f"{text} (choose a folder you may write to with --out)"
    return text


def _sync_folder(folder):
    """Bring the folder's entries to the disk. Windows cannot open a folder, and needs no such call."""
    if os.name == "nt":
        return
    handle = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)


def write_atomically(path, data):
    """Replace the file at `path` by `data` (bytes), or raise `SaveError` and leave the old file as it was.

    Returns the number of bytes written. The temporary name begins with a dot and ends in ``.partial``: a killed
    process leaves it behind, and `remove_partial` clears it away when the run goes on.
    """
    path = pathlib.Path(path)
    temporary = path.with_name(f".{path.name}.{os.getpid()}.partial")
    try:
        try:
            with open(temporary, "wb") as file:
                file.write(data)
                file.flush()
                os.fsync(file.fileno())
            os.replace(temporary, path)
            _sync_folder(path.parent)
        except BaseException:
            with contextlib.suppress(OSError):  # the first error is the one worth telling
                temporary.unlink()
            raise
    except OSError as error:
        kept = "; the previous one is kept" if path.exists() else "; nothing is lost, for there was none before"
        raise SaveError(f"cannot write {path}: {_reason(error)}{kept}") from error
    return len(data)


@contextlib.contextmanager
def writing(path, option):
    """``with writing(path, "--picture"):`` what cannot be written inside is a `SaveError` that names the option.

    A picture's format is told by its ending; one that nobody can write is such an error too.
    """
    try:
        yield
    except SaveError:
        raise
    except OSError as error:
        raise SaveError(f"cannot write {path}: {error.strerror or error}; choose another place with {option}") from error
    except ValueError as error:
        if "format" not in str(error).lower():
            raise
        ending = pathlib.Path(path).suffix or "no ending"
        raise SaveError(f"cannot write {path}: {ending} is no form of pictures; use .png, .pdf or .svg with {option}") from error


def write_json(path, value):
    """Write `value` as indented JSON, atomically."""
    return write_atomically(path, (json.dumps(value, indent=2) + "\n").encode())


def json_line(value):
    """`value` as one line of JSON."""
    return json.dumps(value, ensure_ascii=False)


def read_json(path):
    """The value in a JSON file of up to 16 MB. Raises ValueError that names the file, if it cannot be read."""
    try:
        with open_file(path, "a JSON file") as file:
            if size_of(file) > LARGEST_JSON:
                raise ValueError(f"it has {size_of(file):,} bytes; at most {LARGEST_JSON:,} are read")
            return json.loads(file.read(LARGEST_JSON).decode("utf-8"))
    except (OSError, ValueError, RecursionError) as error:
        raise ValueError(f"cannot read {path}: {str(error)[:200]}") from error


def append_line(path, text):
    """Append one line to `path` (a log), or raise `SaveError`."""
    try:
        with open(path, "a", encoding="utf-8") as file:
            file.write(text + "\n")
    except OSError as error:
        raise SaveError(f"cannot write {path}: {_reason(error)}") from error


def remove_partial(folder):
    """Remove what a killed process left half written in `folder`; returns the names removed."""
    left = sorted(pathlib.Path(folder).glob(".*.partial"))
    for path in left:
        path.unlink(missing_ok=True)
    return [path.name for path in left]


def make_folder(path, option="--out"):
    """Create the folder `path`, if it is not there, and return it; `SaveError`, which names the option, if nothing can be written there."""
    folder = pathlib.Path(path)
    try:
        folder.mkdir(parents=True, exist_ok=True)
        probe = folder / f".probe.{os.getpid()}.partial"
        probe.write_bytes(b"")
        probe.unlink()
    except OSError as error:
        why = "it is a file" if folder.is_file() else error.strerror or str(error)
        raise SaveError(f"cannot write in {folder}: {why}; name a folder you may write to with {option}") from error
    return folder


def make_run_folder(wanted, base_name=None):
    """Create a folder for a new run and return its path.

    wanted:    the folder the user asked for, or None
    base_name: without one, ``runs/<base_name>``, or ``runs/<base_name>-2`` and so on if that exists
    Raises `FileExistsError` if `wanted` holds a run already, `SaveError` if nothing can be written there.
    """
    try:
        if wanted is not None:
            if not str(wanted):
                raise FileExistsError("--out is empty, expected a folder's path")
            folder = pathlib.Path(wanted)
            if (folder / "checkpoint.safetensors").exists():
                raise FileExistsError(f"{folder} already holds a run: continue it with --resume {folder}, "
                                      "or choose another --out")
            if folder.exists() and not folder.is_dir():
                raise FileExistsError(f"{folder} is a file; --out names the folder of the run")
            folder.mkdir(parents=True, exist_ok=True)
        else:
            folder = _first_free(pathlib.Path("runs"), base_name)
        probe = folder / f".probe.{os.getpid()}.partial"  # better to hear of it now than after the first epoch
        probe.write_bytes(b"")
        probe.unlink()
    except FileExistsError:
        raise
    except OSError as error:
        raise SaveError(f"cannot create the run folder {wanted or 'runs/' + base_name}: {_reason(error)}") from error
    return folder


def _first_free(parent, name):
    """Create and return ``parent/name``, ``parent/name-2`` …: the first that did not exist."""
    parent.mkdir(parents=True, exist_ok=True)
    number = 1
    while True:
        folder = parent / (name if number == 1 else f"{name}-{number}")
        try:
            folder.mkdir()
            return folder
        except FileExistsError:
            number += 1


@contextlib.contextmanager
def locked(folder):
    """Hold the run in `folder` for this process: a second one gets a `BlockingIOError` that says so.

    The lock is the operating system's and ends with the process, however it ends.
    """
    if fcntl is None:
        yield
        return
    path = pathlib.Path(folder) / ".lock"
    try:
        file = open(path, "w")
    except OSError as error:
        raise SaveError(f"cannot write in {folder}: {_reason(error)}") from error
    with file:
        try:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            raise BlockingIOError(f"another process is training in {folder}") from None
        yield
