"""The IDX reader: files written by hand, byte by byte, and headers that lie."""
import gzip
import struct
import tracemalloc

import numpy as np
import pytest

from tinyattn.data import idx


def write(tmp_path, data, name="file"):
    (tmp_path / name).write_bytes(data)
    return tmp_path / name


HAND = b"\x00\x00\x08\x02" + b"\x00\x00\x00\x02" + b"\x00\x00\x00\x03" + bytes([1, 2, 3, 4, 5, 255])


@pytest.mark.parametrize("pack", [bytes, gzip.compress])
def test_a_file_worked_by_hand(tmp_path, pack):
    array = idx.read_idx(write(tmp_path, pack(HAND)))
    assert array.dtype == np.uint8 and array.tolist() == [[1, 2, 3], [4, 5, 255]]


@pytest.mark.parametrize("code, letter, values", [(0x09, "b", [-1, 7]), (0x0B, "h", [-2, 300]), (0x0C, "i", [1 << 30, -5]),
                                                  (0x0D, "f", [0.5, -2.0]), (0x0E, "d", [0.1, 1e300])])
def test_the_other_types_are_big_endian(tmp_path, code, letter, values):
    data = bytes([0, 0, code, 1]) + struct.pack(f">i2{letter}", 2, *values)
    array = idx.read_idx(write(tmp_path, data))
    assert array.dtype.isnative and array.tolist() == values


def test_an_empty_array_has_no_data(tmp_path):
    assert idx.read_idx(write(tmp_path, b"\0\0\x08\x02" + bytes(4) + b"\0\0\0\x05")).shape == (0, 5)


def test_header_is_what_stands_before_the_array():
    array = np.array([[1, 2, 3], [4, 5, 255]], np.uint8)
    assert idx.header(array) + array.tobytes() == HAND
    assert idx.header(np.zeros(3, np.float32)) == b"\0\0\x0d\x01\0\0\0\x03"
    with pytest.raises(ValueError, match="no type for int64"):
        idx.header(np.zeros(1, np.int64))


@pytest.mark.parametrize("data, words", [
    (b"", "starts with nothing"),
    (b"\x00\x00", "not an IDX file"),
    (b"\x89PNG\r\n\x1a\n", "not an IDX file: it starts with 89 50 4e 47"),
    (b"\x00\x00\x07\x01\x00\x00\x00\x01a", "not an IDX file"),
    (b"\x00\x01\x08\x01\x00\x00\x00\x01a", "not an IDX file"),
    (b"\x00\x00\x08\x00", "0 axes"),
    (b"\x00\x00\x08\xff" + b"\x00\x00\x00\x01" * 255, "255 axes"),
    (HAND[:9], "header is cut off"),
    (HAND[:-1], "cut off"),
    (HAND + b"x", "more data than the header announces"),
    (b"\x00\x00\x08\x03" + b"\xff" * 12, "at most"),
    (b"\x00\x00\x0e\x08" + b"\xff" * 32, "at most"),                     # the product overflows 64 bits
    (b"\x00\x00\x08\x01\x3f\xff\xff\xff" + b"abc", "3 follow"),         # 1 GB announced, 3 bytes there
])
@pytest.mark.parametrize("pack", [bytes, gzip.compress])
def test_hostile_files_are_refused_by_name_without_taking_memory(tmp_path, data, words, pack):
    path = write(tmp_path, pack(data))
    tracemalloc.start()
    try:
        with pytest.raises(ValueError, match=words) as caught:
            idx.read_idx(path)
        assert str(path) in str(caught.value)
        assert tracemalloc.get_traced_memory()[1] < 4e6
    finally:
        tracemalloc.stop()


def test_damaged_gzip_is_refused(tmp_path):
    packed = bytearray(gzip.compress(b"\x00\x00\x08\x01\x00\x00\x10\x00" + np.random.default_rng(0).bytes(4096)))
    flipped = packed.copy()
    flipped[300] ^= 255
    for data in (packed[:-20], flipped, packed[:5], b"\x1f\x8bnonsense", packed[:10] + b"\xff" * 20):
        with pytest.raises(ValueError, match="file: "):
            idx.read_idx(write(tmp_path, bytes(data)))


def test_a_small_file_that_unpacks_to_much_is_refused(tmp_path):
    bomb = gzip.compress(b"\x00\x00\x08\x01\x00\x00\x00\x04" + bytes(50_000_000))
    tracemalloc.start()
    with pytest.raises(ValueError, match="more data than"):
        idx.read_idx(write(tmp_path, bomb))
    assert tracemalloc.get_traced_memory()[1] < 4e6
    tracemalloc.stop()
    with pytest.raises(ValueError, match="at most 1,000 are read"):
        idx.read_idx(write(tmp_path, b"\x00\x00\x08\x01\x00\x00\x04\x00"), limit=1000)


def test_a_missing_file_is_the_systems_error(tmp_path):
    with pytest.raises(FileNotFoundError):
        idx.read_idx(tmp_path / "absent")
