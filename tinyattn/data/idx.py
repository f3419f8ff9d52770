"""The IDX format, in which MNIST and its relatives are published: a header of a few bytes, then the array.

    0   0   type   ndim        four bytes; type 8 is uint8
    dim₀ … dimₙ₋₁              ndim big-endian 32-bit lengths
    data                       Π dim elements, big-endian, last axis fastest

Source: LeCun, Cortes and Burges, "The MNIST database of handwritten digits", section "The IDX file format".
"""
import gzip
import math
import zlib

import numpy as np

from .opening import open_file, size_of

TYPES = {0x08: ">u1", 0x09: ">i1", 0x0B: ">i2", 0x0C: ">i4", 0x0D: ">f4", 0x0E: ">f8"}
"""NumPy's name of each type code."""

LIMIT = 1 << 30
"""Most bytes of data that a file may announce: twenty times MNIST. A header alone never makes us reserve memory."""

_PIECE = 1 << 20


def _read_up_to(stream, size):
    """The next `size` bytes, or as many as there are. The buffer grows with what comes, not with what was promised."""
    data = bytearray()
    while len(data) < size:
        piece = stream.read(min(_PIECE, size - len(data)))
        if not piece:
            break
        data += piece
    return data


def _parse(stream, limit, there=None):
    """`there`: how many bytes the stream has, where that is known before reading it."""
    head = _read_up_to(stream, 4)
    if len(head) < 4 or head[0] or head[1] or head[2] not in TYPES:
        raise ValueError(f"not an IDX file: it starts with {bytes(head).hex(' ') or 'nothing'}, "
                         "expected 00 00, a type (08 for uint8) and the number of axes")
    dtype, ndim = np.dtype(TYPES[head[2]]), head[3]
    if not 1 <= ndim <= 8:
        raise ValueError(f"the IDX header announces {ndim} axes, expected 1 to 8")
    lengths = _read_up_to(stream, 4 * ndim)
    if len(lengths) < 4 * ndim:
        raise ValueError(f"the IDX header is cut off after {4 + len(lengths)} bytes, expected {4 + 4 * ndim}")
    shape = tuple(int.from_bytes(lengths[i:i + 4], "big") for i in range(0, 4 * ndim, 4))
    size = math.prod(shape) * dtype.itemsize  # Python's integers: cannot overflow
    if size > limit:
        raise ValueError(f"the IDX header announces shape {shape} of {dtype.name}, {size:,} bytes; at most {limit:,} are read")
    data, follow = b"", None if there is None else there - 4 - 4 * ndim
    if follow is None or follow == size:
        data = _read_up_to(stream, size)
        follow = len(data)
    if follow < size:
        raise ValueError(f"the data is cut off: the header announces shape {shape}, {size:,} bytes, and {follow:,} follow")
    if follow > size or stream.read(1):
        raise ValueError(f"there is more data than the header announces: shape {shape}, {size:,} bytes")
    return np.frombuffer(data, dtype).astype(dtype.newbyteorder("="), copy=False).reshape(shape)


def header(array):
    """The bytes that stand before `array` in an IDX file. Raises ValueError for a type that IDX does not have."""
    codes = [code for code, name in TYPES.items() if np.dtype(name) == array.dtype.newbyteorder(">")]
    if not codes:
        raise ValueError(f"IDX has no type for {array.dtype}, expected one of {', '.join(TYPES.values())}")
    return bytes([0, 0, codes[0], array.ndim]) + b"".join(length.to_bytes(4, "big") for length in array.shape)


def read_idx(path, limit=LIMIT):
    """Read an IDX file, plain or gzipped (told by its first bytes, not by its name), into an ndarray.

    Returns an array of the shape and type in the header, in native byte order. Raises ValueError, naming the file,
    when it is not IDX, is cut off, goes on after its end, announces more than `limit` bytes, or its gzip is damaged;
    OSError where it cannot be opened.
    """
    with open_file(path, "an IDX file") as file:
        zipped = file.read(2) == b"\x1f\x8b"
        file.seek(0)
        try:
            if not zipped:
                return _parse(file, limit, size_of(file))
            if size_of(file) > limit + _PIECE:  # packing makes nothing longer than that
                raise ValueError(f"the gzip file has {size_of(file):,} bytes; at most {limit:,} bytes of data are read")
            with gzip.GzipFile(fileobj=file) as stream:
                return _parse(stream, limit)
        except (EOFError, zlib.error, gzip.BadGzipFile) as error:
            raise ValueError(f"{path}: damaged gzip file ({error})") from error
        except ValueError as error:
            raise ValueError(f"{path}: {error}") from error
