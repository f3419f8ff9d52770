"""The words for parts of tiles and for arithmetic with tiles (the others are tested through every kernel)."""
import numpy as np
import pytest

from tinyattn.kernels.cpu.jit import inner
from tinyattn.kernels.cpu.simd import fetch_run, lanes_of, slide, tile_load, tile_store, vector_lanes
from tinyattn.kernels.cpu.tiles import tile_store_rows, turn


@inner
def _write_rows(x, first, last, y):
    tile_store_rows(tile_load(x, 0, vector_lanes(x), 4, 1), y, 0, vector_lanes(x), first, last)


@inner
def _compute(x, y):
    V = vector_lanes(x)
    a, b = tile_load(x, 0, V, 2, 1), tile_load(x, 2 * V, V, 2, 1)
    tile_store(0.5 * (a + b) - 3.0 * a, y, 0, V, 2, V)


@inner
def _turned(x, y):
    V = vector_lanes(x)
    a, b, c = turn((tile_load(x, 0, V, 3, 1), tile_load(x, 3 * V, V, 3, 1)))
    tile_store(a, y, 0, V, 2, V)
    tile_store(b, y, 2 * V, V, 2, V)
    tile_store(c, y, 4 * V, V, 2, V)


@inner
def _slid(x, step, b, bstep, y):
    V = vector_lanes(x)
    tile_store(slide(tile_load(y, 0, 2 * V, 4, 2), x, 3, step, 2, b, 1, bstep, 3, 5), y, 0, 2 * V, 4, 2 * V)


@inner
def _fetched(x):
    fetch_run(x, -100_000_000, 40)
    fetch_run(x, 0, 0)
    fetch_run(x, len(x) - 1, 100_000)
    return x.sum()


def numbers(rows, dtype):
    return np.random.default_rng(0).standard_normal((rows, lanes_of(np.dtype(dtype)))).astype(dtype)


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
@pytest.mark.parametrize("first, last", [(0, 4), (1, 3), (2, 2), (3, 9), (-5, 1)])
def test_some_rows_of_a_tile(dtype, first, last):
    x = numbers(4, dtype)
    inside = np.array([first <= m < last for m in range(4)])[:, None]
    written = np.full_like(x, 7)
    _write_rows(x.ravel(), first, last, written.ravel())
    np.testing.assert_array_equal(written, np.where(inside, x, 7))


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_arithmetic(dtype):
    x, y = numbers(4, dtype), np.empty((2, lanes_of(np.dtype(dtype))), dtype)
    _compute(x.ravel(), y.ravel())
    np.testing.assert_allclose(y, 0.5 * (x[:2] + x[2:]) - 3 * x[:2], rtol=8 * np.finfo(dtype).eps, atol=np.finfo(dtype).eps)


def test_turn():
    x, y = numbers(6, np.float32), np.empty((6, lanes_of(np.dtype(np.float32))), np.float32)
    _turned(x.ravel(), y.ravel())
    np.testing.assert_array_equal(y.reshape(3, 2, -1), x.reshape(2, 3, -1).swapaxes(0, 1))


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_slide(dtype):
    """In small whole numbers, so that every sum is exact."""
    wide, random = 2 * lanes_of(np.dtype(dtype)), np.random.default_rng(0)
    step, bstep = wide + 3, wide + 1
    x, b, y = (random.integers(-9, 9, size).astype(dtype) for size in (3 + 19 * step, 1 + 5 * bstep, 4 * wide))
    expected = y.reshape(4, wide).copy()
    for m in range(4):
        for n in range(5):
            at, bat = 3 + (m * 2 + n * 3) * step, 1 + n * bstep
            expected[m] += x[at:at + wide] * b[bat:bat + wide]
    _slid(x, step, b, bstep, y)
    assert y.reshape(4, wide).tolist() == expected.tolist()


def test_fetching_changes_nothing_even_outside():
    assert _fetched(np.arange(5.0)) == 10
