"""Where compiled kernels are kept between runs, and why they are never stale.

Numba's own cache looks at one file at a time: it does not notice that a helper in *another* file
changed, and would go on using the old machine code. So the folder is named by a hash over the source
of every kernel (and Numba's version): one changed letter anywhere, and everything is compiled anew.
Several processes may share it: Numba writes to a temporary name and renames.
"""
import hashlib
import os
import pathlib
import sys
import tempfile

import numba


def user_cache_folder():
    """The folder for everything TinyAttn may recreate: $TINYATTN_CACHE, else the platform's cache folder."""
    if os.environ.get("TINYATTN_CACHE"):
        return pathlib.Path(os.environ["TINYATTN_CACHE"]).expanduser()
    if sys.platform == "win32":
        base = os.environ.get("LOCALAPPDATA") or "~/AppData/Local"
    elif sys.platform == "darwin":
        base = "~/Library/Caches"
    else:
        base = os.environ.get("XDG_CACHE_HOME") or "~/.cache"
    return pathlib.Path(base).expanduser() / "tinyattn"


def _source_hash():
    digest = hashlib.sha256(numba.__version__.encode())
    digest.update(os.environ.get("TINYATTN_VECTOR_BYTES", "").encode())  # another vector length is other machine code
    root = pathlib.Path(__file__).resolve().parent.parent
    for path in sorted(root.rglob("*.py")):
        digest.update(path.relative_to(root).as_posix().encode() + b"\0" + path.read_bytes() + b"\0")
    return digest.hexdigest()[:16]


def _writable(folder):
    try:
        folder.mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryFile(dir=folder):
            return True
    except OSError:
        return False


def compiled_folder():
    """The folder of this exact version's machine code; a temporary one where the cache is not writable."""
    folder = user_cache_folder() / "compiled" / _source_hash()
    if _writable(folder):
        return str(folder)
    return os.path.join(tempfile.gettempdir(), f"tinyattn-{os.getuid() if hasattr(os, 'getuid') else 'user'}", folder.name)


FOLDER = compiled_folder()
