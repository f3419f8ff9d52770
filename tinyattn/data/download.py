"""Fetching a published file from servers that are slow, cut off, refuse, or lie.

What is received is kept beside the target as `NAME.part` and counts for nothing until its checksum is right; only then is
it moved into place, in one step. What a cut-off transfer left is continued with an HTTP Range request (RFC 9110, section
14), by this process or the next one. While one process downloads, others wait for it behind a lock and then find the file.
"""
import contextlib
import errno
import hashlib
import http.client
import os
import pathlib
import re
import sys
import time
import urllib.error
import urllib.request

from tqdm import tqdm

TIMEOUT = 20.0
"""Seconds without a byte, or with fewer than `SLOWEST` bytes, after which a server is given up."""

SLOWEST = 1024
"""Bytes that must arrive in every `TIMEOUT` seconds."""

LARGEST = 1 << 30
"""Bytes after which a server that goes on sending is not believed: six times the largest published file."""

_PIECE = 1 << 16


class DownloadError(OSError):
    """No mirror gave the file. `reasons` is a list of (url, what went wrong)."""

    def __init__(self, name, reasons):
        super().__init__(f"{name} could not be downloaded: " + "; ".join(f"{url}: {why}" for url, why in reasons))
        self.reasons = reasons


class _Refused(Exception):
    """This mirror will not do; the text says why."""


class _CutOff(Exception):
    """The transfer stopped early; what came is kept and may be continued."""


def fetch(urls, path, md5, timeout=TIMEOUT, progress=True):
    """Download the first of `urls` that gives a file with this MD5 sum to `path`; returns `path` as a pathlib.Path.

    A file that is already at `path` is whole, and is returned at once. Mirrors are tried in turn; one that breaks off is
    asked for the rest as long as each answer brings something. `timeout` is in seconds, for each wait. `progress` shows a
    bar on a terminal, a line elsewhere (standard error).

    Raises DownloadError, with each mirror's reason, when none gives the file; OSError when it cannot be written.
    """
    path = pathlib.Path(path)
    if path.exists():
        return path
    part, reasons = path.with_name(path.name + ".part"), []
    try:
        with _alone(path.with_name(path.name + ".lock"), progress):
            if path.exists():  # another process was faster
                return path
            for url in urls:
                try:
                    _from_mirror(url, part, md5, timeout, progress)
                except _Refused as error:
                    reasons.append((url, str(error)))
                    continue
                os.replace(part, path)
                return path
    except OSError as error:  # the servers' failures were all made reasons: this one is the disk's
        raise OSError(error.errno, f"{error.strerror}; {path.name} cannot be kept here, "
                      "name another folder with --data-dir or TINYATTN_DATA", str(part)) from error
    raise DownloadError(path.name, reasons)


def _from_mirror(url, part, md5, timeout, progress):
    """Make `part` whole from one mirror, or raise _Refused and leave what another mirror can continue.

    Wrong bytes are no proof against this mirror when they came in several answers, perhaps from elsewhere or on another
    day: then it gets one more try, from the first byte.
    """
    may_restart = True
    if _digest(part) == md5:
        return
    while True:
        before = _size(part)
        cut_off = _transfer(url, part, timeout, progress)
        if _digest(part) == md5:  # also when the server had announced more than there is
            return
        gained = _size(part) - before
        if cut_off and gained < SLOWEST:
            raise _Refused(cut_off)
        if cut_off:
            continue
        received = _size(part)
        part.unlink()
        if not (before and may_restart):
            raise _Refused(f"wrong bytes: {received:,} of them, and their MD5 sum is not the published one")
        may_restart = False


def _transfer(url, part, timeout, progress):
    """One request: append to `part` what it lacks, or write over it where the server begins anew.

    Returns None when the answer came to its end, else how it was cut off; raises _Refused when there is no usable answer.
    """
    have = _size(part)
    headers = {"User-Agent": "tinyattn", "Accept-Encoding": "identity"} | ({"Range": f"bytes={have}-"} if have else {})
    try:
        response = urllib.request.urlopen(urllib.request.Request(url, headers=headers), timeout=timeout)
    except urllib.error.HTTPError as error:
        error.close()
        if error.code == 416 and have:  # Range Not Satisfiable: the server has nothing behind what we have
            return None
        raise _Refused(f"HTTP {error.code} {error.reason}") from error
    except (OSError, http.client.HTTPException, ValueError) as error:
        raise _Refused(_why(error)) from error
    with response:
        have = _start(response, have)
        announced = response.headers.get("Content-Length", "")
        total = have + int(announced) if announced.isdigit() else None
        if total is not None and total > LARGEST:
            raise _Refused(f"announces {total:,} bytes; no published file is larger than {LARGEST:,}")
        with open(part, "r+b" if part.exists() else "wb") as file, _bar(part, url, have, total, progress) as bar:
            file.seek(have)
            try:
                for piece in _pieces(response, timeout):
                    file.write(piece)
                    have += len(piece)
                    bar.update(len(piece))
                    if have > LARGEST:
                        file.truncate(0)
                        raise _Refused(f"sends more than {LARGEST:,} bytes")
            except _CutOff as error:
                return f"{error} after {have:,} bytes"
            if total is not None and have < total:
                return f"cut off after {have:,} of {total:,} bytes"
            file.truncate()  # what a longer, older part still had behind this
            file.flush()
            os.fsync(file.fileno())
    return None


def _start(response, have):
    """Where in the file this answer's first byte belongs: 0 unless it is Partial Content, which says where.

    If that is a lie, or leaves a gap, the checksum will be wrong.
    """
    if response.status != 206:
        return 0
    start = re.match(r"bytes (\d+)-", response.headers.get("Content-Range", ""))
    return int(start[1]) if start else have


def _pieces(response, timeout):
    """The body, piece by piece as it arrives. Raises _CutOff where it breaks, falls silent, or trickles."""
    began, received = time.monotonic(), 0
    while True:
        try:
            piece = response.read1(_PIECE)
        except (OSError, http.client.HTTPException) as error:
            raise _CutOff(_why(error)) from error
        if not piece:
            return
        yield piece
        received += len(piece)
        if time.monotonic() - began > timeout:
            if received < SLOWEST:
                raise _CutOff(f"too slow: {received} bytes in {timeout:g} seconds")
            began, received = time.monotonic(), 0


def _why(error):
    reason = getattr(error, "reason", None) or error
    return "timed out" if isinstance(reason, TimeoutError) else str(reason) or type(reason).__name__


def _size(part):
    return part.stat().st_size if part.exists() else 0


def _digest(part):
    if not part.exists():
        return ""
    with open(part, "rb") as file:
        return hashlib.file_digest(file, lambda: hashlib.md5(usedforsecurity=False)).hexdigest()


def _bar(part, url, have, total, progress):
    name = part.name.removesuffix(".part")
    if progress and not sys.stderr.isatty():
        size = f", {total / 1e6:.1f} MB" if total else ""
        print(f"downloading {name}{size} from {url}", file=sys.stderr, flush=True)
    return tqdm(desc=name, total=total, initial=have, unit="B", unit_scale=True,
                disable=not progress or not sys.stderr.isatty())


@contextlib.contextmanager
def _alone(lock, progress):
    """Hold the file `lock` for this process; wait while another one does. It is gone when nobody needs it."""
    told = False
    while True:
        file = open(lock, "a+b")
        if _take(file) and _still_there(file, lock):
            break
        file.close()
        if progress and not told and lock.exists():
            print(f"waiting for another process that downloads {lock.stem}", file=sys.stderr, flush=True)
            told = True
        time.sleep(0.1)
    try:
        yield
    finally:
        with contextlib.suppress(PermissionError):  # Windows does not remove what is open; the empty file stays
            lock.unlink()
        file.close()


def _still_there(file, lock):
    """True when the locked `file` is what others find at `lock`; the process before us removes its own as it leaves."""
    try:
        return os.path.samestat(os.fstat(file.fileno()), os.stat(lock))
    except FileNotFoundError:
        return False


def _take(file):
    """Lock `file` unless somebody has; True on success. The system drops the lock when the process ends, however it ends.

    Where the file system has no locks the answer is True as well: two processes may then disturb each other's part, which
    the checksum notices.
    """
    try:
        if os.name == "nt":
            import msvcrt
            msvcrt.locking(file.fileno(), msvcrt.LK_NBLCK, 1)
        else:
            import fcntl
            fcntl.flock(file.fileno(), fcntl.LOCK_EX | fcntl.LOCK_NB)
    except (BlockingIOError, PermissionError):
        return False
    except OSError as error:
        return error.errno not in (errno.EAGAIN, errno.EACCES, errno.EDEADLK)
    return True
