"""Philox against its published test vectors; what is drawn from it against its definition and its distribution."""
import math

import numba
import numpy as np
import pytest

from tinyattn import kernels
from tinyattn.kernels.cpu import random as compiled
from tinyattn.kernels.cpu.launch import launch
from tinyattn.kernels.reference import random as specification

SEED, OFFSET = np.array([0x0123456789ABCDEF], np.uint64), np.array([2**32 - 3], np.uint64)


@pytest.fixture(params=kernels.HOST_RUNGS)
def k(request):
    return kernels.rung(request.param)


# Known answers for philox4x32-10 that come with Random123 (Salmon et al. 2011): counter, key, result.
KNOWN = [
    ("00000000 00000000 00000000 00000000", "00000000 00000000", "6627e8d5 e169c58d bc57ac4c 9b00dbd8"),
    ("ffffffff ffffffff ffffffff ffffffff", "ffffffff ffffffff", "408f276d 41c83b0e a20bc7c6 6d5451fd"),
    ("243f6a88 85a308d3 13198a2e 03707344", "a4093822 299f31d0", "d16cfe09 94fdcceb 5001e420 24126ea1"),
]


def words_of(text):
    return [int(word, 16) for word in text.split()]


@pytest.mark.parametrize("counter, key, expected", KNOWN)
def test_known_answers(counter, key, expected):
    result = specification._philox([np.array([word], np.uint64) for word in words_of(counter)], words_of(key))
    assert [int(word[0]) for word in result] == words_of(expected)


def python_words(seed, block):
    """Philox once more, in Python's integers, for counters (low, high, 0, 0)."""
    c, key = [block & 0xFFFFFFFF, block >> 32, 0, 0], [seed & 0xFFFFFFFF, seed >> 32]
    for _ in range(10):
        a, b = c[0] * 0xD2511F53, c[2] * 0xCD9E8D57
        c = [(b >> 32) ^ c[1] ^ key[0], b & 0xFFFFFFFF, (a >> 32) ^ c[3] ^ key[1], a & 0xFFFFFFFF]
        key = [(key[0] + 0x9E3779B9) % 2**32, (key[1] + 0xBB67AE85) % 2**32]
    return c


def test_the_compiled_generator_word_for_word():
    assert python_words(0, 0) == words_of(KNOWN[0][2])
    words = np.empty(4 * 9, np.uint32)
    launch(compiled._words_body, 1, SEED, OFFSET, words)
    expected = [word for block in range(9) for word in python_words(int(SEED[0]), int(OFFSET[0]) + block)]
    assert words.tolist() == expected


def test_uniform_by_its_definition(k):
    words = [word for block in range(12) for word in python_words(int(SEED[0]), int(OFFSET[0]) + block)]
    y = k.random_uniform((2, 3, 4), SEED, OFFSET, np.float32)
    assert y.dtype == np.float32 and y.shape == (2, 3, 4)
    assert y.ravel().tolist() == [(word >> 8) / 2**24 for word in words[:24]]
    y = k.random_uniform((23,), SEED, OFFSET, np.float64)
    assert y.dtype == np.float64
    assert y.tolist() == [((a >> 5) * 2**26 + (b >> 6)) / 2**53 for a, b in zip(words[0:46:2], words[1:46:2])]


def test_normal_by_its_definition(k):
    words = [word for block in range(12) for word in python_words(int(SEED[0]), int(OFFSET[0]) + block)]
    expected = []
    for a, b in zip(words[0:24:2], words[1:24:2]):
        r, angle = math.sqrt(-2 * math.log((a + 1) / 2**32)), 2 * math.pi * b / 2**32
        expected += [r * math.cos(angle), r * math.sin(angle)]
    y = k.random_normal((23,), SEED, OFFSET, np.float32)
    np.testing.assert_allclose(y, expected[:23], rtol=1e-7, atol=1e-14)


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
@pytest.mark.parametrize("shape", [(), (0,), (1,), (7,), (3, 5, 2), (20_001,)])
def test_rungs_agree(dtype, shape):
    """Uniform numbers and dropout masks to the bit; normal ones within 1e-14, the C library's sine from NumPy's."""
    reference, cpu = (kernels.rung(name) for name in ("reference", "cpu"))
    a, b = (rung.random_uniform(shape, SEED, OFFSET, dtype) for rung in (reference, cpu))
    assert a.dtype == b.dtype == dtype and a.shape == b.shape == shape and np.array_equal(a, b)
    a, b = (rung.random_normal(shape, SEED, OFFSET, dtype) for rung in (reference, cpu))
    np.testing.assert_allclose(a, b, rtol=0, atol=1e-14 if dtype == np.float64 else 5e-7)
    x = np.linspace(1, 2, a.size).astype(dtype).reshape(shape)
    for p in (0.0, 0.1, 0.5, 1.0):
        assert np.array_equal(reference.dropout(x, p, SEED, OFFSET), cpu.dropout(x, p, SEED, OFFSET))


def test_a_stream_can_be_drawn_in_pieces(k):
    whole = k.random_uniform((4000,), SEED, OFFSET, np.float32)
    later = k.random_uniform((2000,), SEED, OFFSET + np.uint64(500), np.float32)
    assert np.array_equal(whole[2000:], later)
    assert not np.array_equal(whole, k.random_uniform((4000,), SEED + np.uint64(1), OFFSET, np.float32))


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_moments_and_tails(dtype):
    cpu, n = kernels.rung("cpu"), 400_000
    u = cpu.random_uniform((n,), SEED, OFFSET, dtype).astype(np.float64)
    assert u.min() >= 0 and u.max() < 1 and abs(u.mean() - 0.5) < 4 / math.sqrt(12 * n)
    counts = np.bincount((u * 64).astype(int), minlength=64)
    assert ((counts - n / 64) ** 2 / (n / 64)).sum() < 63 + 5 * math.sqrt(2 * 63)  # χ², 63 degrees of freedom
    assert abs(np.corrcoef(u[:-1], u[1:])[0, 1]) < 4 / math.sqrt(n)
    z = cpu.random_normal((n,), SEED, OFFSET, dtype).astype(np.float64)
    for power, moment, spread in ((1, 0, 1), (2, 1, 2), (3, 0, 15), (4, 3, 96)):
        assert abs((z**power).mean() - moment) < 4 * math.sqrt(spread / n)
    for sigma in (1, 2, 3):
        share = math.erfc(sigma / math.sqrt(2))
        assert abs((np.abs(z) > sigma).mean() - share) < 4 * math.sqrt(share / n)


def test_dropout(k):
    x = np.linspace(1, 2, 10_001).astype(np.float32)
    y = k.dropout(x, 0.25, SEED, OFFSET)
    kept = y != 0
    assert np.array_equal(y[kept], (x * np.float32(1 / 0.75))[kept]) and abs(kept.mean() - 0.75) < 0.02
    assert np.array_equal(kept, k.random_uniform(x.shape, SEED, OFFSET, np.float32) >= 0.25)
    assert np.array_equal(kept, k.dropout(x.astype(np.float64), 0.25, SEED, OFFSET) != 0)
    assert np.array_equal(k.dropout(x, 0.0, SEED, OFFSET), x) and not k.dropout(x, 1.0, SEED, OFFSET).any()
    u = k.random_uniform((1,), SEED, OFFSET, np.float32)
    assert k.dropout(x, float(u[0]), SEED, OFFSET)[0] != 0 and k.dropout(x, float(u[0]) + 1e-9, SEED, OFFSET)[0] == 0
    out = x.copy()
    assert k.dropout(out, 0.25, SEED, OFFSET, out) is out and np.array_equal(out, y)


def test_the_same_bits_on_one_thread_and_two():
    cpu, before, results = kernels.rung("cpu"), numba.get_num_threads(), []
    x = np.ones(50_003, np.float32)
    try:
        for threads in (1, min(2, numba.config.NUMBA_NUM_THREADS)):
            numba.set_num_threads(threads)
            results.append((cpu.dropout(x, 0.5, SEED, OFFSET).tobytes(),
                            cpu.random_normal((50_003,), SEED, OFFSET, np.float32).tobytes()))
    finally:
        numba.set_num_threads(before)
    assert results[0] == results[1]
