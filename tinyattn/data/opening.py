"""Opening a file that somebody else made: an ordinary one, or an error that says what it is instead.

A folder, a pipe or a device under the name of a data file would otherwise end in the system's own words, or in waiting
for bytes for ever.
"""
import os
import stat

_KINDS = ((stat.S_ISDIR, "a folder"), (stat.S_ISFIFO, "a pipe"), (stat.S_ISSOCK, "a socket"),
          (stat.S_ISCHR, "a device"), (stat.S_ISBLK, "a device"))


def open_file(path, what="a file"):
    """Open the ordinary file at `path` for reading bytes. `what` was expected there, for the message.

    Raises OSError, of the subclass that fits (FileNotFoundError, IsADirectoryError, PermissionError …), in our own words.
    """
    try:
        mode = os.stat(path).st_mode
        if stat.S_ISREG(mode):
            return open(path, "rb")
    except FileNotFoundError:
        hint = "; it is a link to nothing" if os.path.islink(path) else ""
        raise FileNotFoundError(f"{path}: there is no such file{hint}") from None
    except PermissionError:
        raise PermissionError(f"{path} may not be read by this user; change its permissions, or the folder's") from None
    except (OSError, ValueError) as error:  # ValueError: a zero byte in the name
        raise OSError(f"{path} cannot be opened: {getattr(error, 'strerror', None) or error}") from None
    kind = next((name for test, name in _KINDS if test(mode)), "no ordinary file")
    raise (IsADirectoryError if stat.S_ISDIR(mode) else OSError)(f"{path} is {kind}, expected {what}")


def size_of(file):
    """Bytes in an open file."""
    return os.fstat(file.fileno()).st_size
