"""The squeezes and products of attention gates against plain sums and loops, and finite differences."""
import importlib

import numpy as np
import pytest
from same_bits import same_bits

from tinyattn import kernels

nan = np.nan
SHAPES = [(1, 1, 1), (2, 7, 5), (3, 49, 16), (1, 784, 16), (2, 200, 33), (2, 130, 64), (2, 3, 300)]


@pytest.fixture(params=kernels.HOST_RUNGS)
def k(request):
    return kernels.rung(request.param)


def numbers(*shape, dtype=np.float64, seed=0):
    return np.random.default_rng(seed).standard_normal(shape).astype(dtype)


def first_largest(values):
    """(largest, where it first stands) of a list; the first NaN beats everything."""
    best = 0
    for i, v in enumerate(values):
        if values[best] == values[best] and (v > values[best] or v != v):
            best = i
    return values[best], best


def slope(f, x, dy, step=1e-6):
    """Gradient of Σ dy·f(x) by central differences."""
    dx = np.zeros_like(x)
    for i in np.ndindex(x.shape):
        moved = x.copy()
        moved[i] = x[i] + step
        up = f(moved)
        moved[i] = x[i] - step
        dx[i] = ((up - f(moved)) * dy).sum() / (2 * step)
    return dx


@pytest.mark.parametrize("dtype,tolerance", [(np.float32, 1e-6), (np.float64, 1e-14)])
@pytest.mark.parametrize("N,P,C", SHAPES)
def test_pool_pixels(k, N, P, C, dtype, tolerance):
    x = np.round(numbers(N, P, C, dtype=dtype), 1)  # rounded: there are ties
    mean, most, argmax = k.pool_pixels_forward(x)
    assert mean.dtype == most.dtype == dtype and argmax.dtype == np.int64
    np.testing.assert_allclose(mean, x.astype(float).sum(axis=1) / P, rtol=0, atol=tolerance)
    for n, c in np.ndindex(N, C):
        assert (most[n, c], argmax[n, c]) == first_largest(x[n, :, c].tolist())
    alone, nothing, nowhere = k.pool_pixels_forward(x, with_max=False)
    assert nothing is None and nowhere is None
    np.testing.assert_allclose(alone, mean, rtol=0, atol=tolerance)


@pytest.mark.parametrize("N,P,C", [(1, 1, 1), (2, 7, 5), (1, 40, 16)])
def test_pool_pixels_backward(k, N, P, C):
    x, dmean, dmax = numbers(N, P, C), numbers(N, C, seed=1), numbers(N, C, seed=2)
    _, _, argmax = k.pool_pixels_forward(x)
    of_mean = slope(lambda x: x.sum(axis=1) / P, x, dmean)
    of_max = slope(lambda x: np.sort(x, axis=1)[:, -1], x, dmax)
    np.testing.assert_allclose(k.pool_pixels_backward(dmean, dmax, argmax, P), of_mean + of_max, atol=1e-8)
    np.testing.assert_allclose(k.pool_pixels_backward(dmean, None, None, P), of_mean, atol=1e-8)


@pytest.mark.parametrize("dtype,tolerance", [(np.float32, 1e-6), (np.float64, 1e-14)])
@pytest.mark.parametrize("gated", [False, True])
@pytest.mark.parametrize("N,P,C", SHAPES)
def test_pool_channels(k, N, P, C, gated, dtype, tolerance):
    x = np.round(numbers(N, P, C, dtype=dtype), 1)
    gate = np.round(numbers(N, C, dtype=dtype, seed=1)) if gated else None
    maps, argmax = k.pool_channels_forward(x, gate)
    assert maps.dtype == dtype and maps.shape == (N, P, 2) and argmax.dtype == np.int64 and argmax.shape == (N, P)
    product = x if gate is None else x * gate[:, None, :]
    np.testing.assert_allclose(maps[..., 0], product.astype(float).sum(axis=2) / C, rtol=0, atol=tolerance * 4)
    for n, p in np.ndindex(N, P):
        assert (maps[n, p, 1], argmax[n, p]) == first_largest(product[n, p].tolist())


@pytest.mark.parametrize("gated", [False, True])
@pytest.mark.parametrize("N,P,C", [(1, 1, 1), (2, 7, 5), (2, 5, 16)])
def test_pool_channels_backward(k, N, P, C, gated):
    x, dmaps = numbers(N, P, C), numbers(N, P, 2, seed=1)
    gate = numbers(N, C, seed=2) if gated else None

    def maps(x, gate):
        product = x if gate is None else x * gate[:, None, :]
        return np.stack([product.sum(axis=2) / C, np.sort(product, axis=2)[..., -1]], axis=2)

    _, argmax = k.pool_channels_forward(x, gate)
    dx, dgate = k.pool_channels_backward(dmaps, argmax, x, gate)
    np.testing.assert_allclose(dx, slope(lambda x: maps(x, gate), x, dmaps), atol=1e-8)
    if gated:
        np.testing.assert_allclose(dgate, slope(lambda gate: maps(x, gate), gate, dmaps), atol=1e-8)
    else:
        assert dgate is None


@pytest.mark.parametrize("by_channel", [False, True])
@pytest.mark.parametrize("by_pixel", [False, True])
@pytest.mark.parametrize("N,P,C", [(1, 1, 1), (2, 7, 5), (2, 5, 16)])
def test_apply_gates(k, N, P, C, by_channel, by_pixel):
    x, dy = numbers(N, P, C), numbers(N, P, C, seed=1)
    channel = numbers(N, C, seed=2) if by_channel else None
    pixel = numbers(N, P, seed=3) if by_pixel else None

    def product(x, channel, pixel):
        y = x.copy()
        y = y if channel is None else y * channel[:, None, :]
        return y if pixel is None else y * pixel[:, :, None]

    np.testing.assert_allclose(k.apply_gates_forward(x, channel, pixel), product(x, channel, pixel), rtol=1e-14)
    out = np.empty_like(x)
    assert k.apply_gates_forward(x, channel, pixel, out=out) is out
    np.testing.assert_allclose(out, product(x, channel, pixel), rtol=1e-14)
    dx, dchannel, dpixel = k.apply_gates_backward(dy, x, channel, pixel)
    np.testing.assert_allclose(dx, slope(lambda x: product(x, channel, pixel), x, dy), atol=1e-8)
    assert (dchannel is None, dpixel is None) == (not by_channel, not by_pixel)
    if by_channel:
        np.testing.assert_allclose(dchannel, slope(lambda g: product(x, g, pixel), channel, dy), atol=1e-8)
    if by_pixel:
        np.testing.assert_allclose(dpixel, slope(lambda g: product(x, channel, g), pixel, dy), atol=1e-8)


@pytest.mark.parametrize("N,P,C", SHAPES)
def test_rungs_agree(N, P, C):
    """float32, gates and gradients, on shapes that leave edges everywhere."""
    x, dy = numbers(N, P, C, dtype=np.float32), numbers(N, P, C, dtype=np.float32, seed=1)
    channel, pixel = numbers(N, C, dtype=np.float32, seed=2), numbers(N, P, dtype=np.float32, seed=3)
    dmaps, results = numbers(N, P, 2, dtype=np.float32, seed=4), []
    for name in kernels.HOST_RUNGS:
        k = kernels.rung(name)
        _, _, argmax = k.pool_pixels_forward(x)
        results.append([k.pool_pixels_backward(channel, channel, argmax, P),
                        *k.pool_channels_backward(dmaps, k.pool_channels_forward(x, channel)[1], x, channel),
                        k.apply_gates_forward(x, channel, pixel), *k.apply_gates_backward(dy, x, channel, pixel)])
    for a, b in zip(*results):
        assert a.dtype == b.dtype == np.float32 and a.shape == b.shape
        np.testing.assert_allclose(b, a, rtol=0, atol=2e-6 * max(1, np.abs(a).max()) * np.sqrt(max(P, C)))


def test_by_hand(k):
    x = np.array([[[1.0, 8], [5, 2], [3, 8]]])                                # 3 pixels of 2 channels
    mean, most, argmax = k.pool_pixels_forward(x)
    assert mean.tolist() == [[3, 6]] and most.tolist() == [[5, 8]] and argmax.tolist() == [[1, 0]]
    dx = k.pool_pixels_backward(np.array([[3.0, 6]]), np.array([[10.0, 20]]), argmax, 3)
    assert dx.tolist() == [[[1, 22], [11, 2], [1, 2]]]
    maps, argmax = k.pool_channels_forward(x, np.array([[2.0, 0.5]]))
    assert maps.tolist() == [[[3, 4], [5.5, 10], [5, 6]]] and argmax.tolist() == [[1, 0, 0]]


def test_nan_and_infinity(k):
    x = np.full((1, 40, 8), -np.inf)
    _, most, argmax = k.pool_pixels_forward(x)
    assert (most == -np.inf).all() and (argmax == 0).all()
    maps, argmax = k.pool_channels_forward(x, None)
    assert (maps == -np.inf).all() and (argmax == 0).all()
    x[0, :, :] = 1
    x[0, [17, 30], 3], x[0, 5, :] = nan, 9
    mean, most, argmax = k.pool_pixels_forward(x)
    assert np.isnan(mean[0, 3]) and np.isnan(most[0, 3]) and argmax[0, 3] == 17
    assert (np.delete(most[0], 3) == 9).all() and (np.delete(argmax[0], 3) == 5).all()
    maps, argmax = k.pool_channels_forward(x, None)
    assert np.isnan(maps[0, 17]).all() and argmax[0, 17] == 3 and not np.isnan(maps[0, 16]).any()


def test_bits_do_not_depend_on_the_threads():
    k, x = kernels.rung("cpu"), numbers(5, 300, 17, dtype=np.float32)
    channel, pixel = numbers(5, 17, dtype=np.float32, seed=1), numbers(5, 300, dtype=np.float32, seed=2)

    def everything():
        mean, most, argmax = k.pool_pixels_forward(x)
        maps, where = k.pool_channels_forward(x, channel)
        return [mean, most, argmax, maps, where, k.pool_pixels_backward(mean, most, argmax, 300),
                *k.pool_channels_backward(maps, where, x, channel), *k.apply_gates_backward(x, x, channel, pixel)]

    same_bits(everything)


# ---- a whole gate ---------------------------------------------------------------------------------------------------

GATES = {
    # name: (N, H, W, C), hidden (0: no MLP), biases, filter size (None: no filters), with the maximum
    "cbam": ((2, 28, 28, 32), 4, False, (7, 7), True), "cbam, rest everywhere": ((3, 7, 9, 19), 3, False, (7, 7), True),
    "se": ((2, 6, 7, 16), 4, True, None, False), "se, few channels": ((2, 5, 1, 3), 2, True, None, False),
    "mean alone": ((3, 14, 14, 33), 0, False, None, False), "long filters": ((1, 4, 12, 8), 2, True, (3, 11), True),
    "biases and places": ((2, 8, 8, 64), 4, True, (3, 3), False), "one pixel": ((2, 1, 1, 1), 1, True, (1, 1), True),
    "no MLP": ((2, 3, 5, 20), 0, False, (5, 5), True), "fewer pixels than a tile": ((1, 1, 3, 17), 1, False, (1, 3), True),
}


def gate(name, dtype=np.float64):
    """dy, x, five weights and with_max of one of `GATES`; x is rounded where nothing is differenced: there are ties."""
    shape, h, biases, taps, with_max = GATES[name]
    C, make = shape[3], lambda *shape: numbers(*shape, dtype=dtype, seed=len(shape) + shape[0])
    return (numbers(*shape, dtype=dtype, seed=1), numbers(*shape, dtype=dtype), make(h, C) if h else None, make(h) if biases else None,
            make(C, h) if h else None, make(C) if biases else None, 0.2 * make(1, 2, *taps) if taps else None, with_max)


def run(k, dy, *given, end=""):
    y, notes = getattr(k, "attention_gate_forward" + end)(*given)
    return [y, notes, *getattr(k, "attention_gate_backward" + end)(dy, *given, notes)]


@pytest.mark.parametrize("dtype,tolerance", [(np.float32, 3e-5), (np.float64, 1e-12)])
@pytest.mark.parametrize("end", ["", "_plain"], ids=["fast", "plain"])
@pytest.mark.parametrize("name", GATES)
def test_whole_gates_agree(name, end, dtype, tolerance):
    dy, x, *rest = gate(name, dtype)
    given = dy, np.round(x, 1), *rest
    expected = run(kernels.rung("reference"), *given)
    for i, (a, b) in enumerate(zip(expected, run(kernels.rung("cpu"), *given, end=end), strict=True)):
        assert (a is None) == (b is None)
        if a is not None:
            assert a.dtype == b.dtype == dtype and a.shape == b.shape
            np.testing.assert_allclose(b, a, rtol=0, atol=tolerance * max(1, np.abs(a).max()), err_msg=str(i))


@pytest.mark.parametrize("name", ["se, few channels", "fewer pixels than a tile", "one pixel"])
def test_gradients_of_a_whole_gate(k, name):
    dy, x, *weights, with_max = gate(name)
    given = [x, *weights]
    for i, (a, dx) in enumerate(zip(given, run(k, dy, *given, with_max)[2:], strict=True)):
        assert (a is None) == (dx is None)
        if a is not None:
            f = lambda a: k.attention_gate_forward(*given[:i], a, *given[i + 1:], with_max)[0]  # noqa: B023
            np.testing.assert_allclose(dx, slope(f, a, dy), atol=1e-7)


def test_a_whole_gate_by_hand(k):
    """Two pixels of two channels, means 2 and 0; the map of means goes through a filter of one tap, σ(0) where it is 0."""
    x = np.array([[[[1.0, 1], [3, -1]]]])
    s = lambda v: 1 / (1 + np.exp(-v))
    filters = np.array([[[[0.5]], [[0]]]])
    y, notes = k.attention_gate_forward(x, None, None, None, None, filters, False)
    g = s(2), 0.5
    places = s((g[0] + g[1]) / 4), s((3 * g[0] - g[1]) / 4)
    np.testing.assert_allclose(y[0, 0], [[g[0] * places[0], 0.5 * places[0]], [3 * g[0] * places[1], -0.5 * places[1]]], rtol=1e-12)
    np.testing.assert_allclose(notes[0, 3], [*g, *places], rtol=1e-12)
    np.testing.assert_allclose(notes[0, :3], [[2, 0, (g[0] + g[1]) / 2, (3 * g[0] - g[1]) / 2], [0, 0, g[0], 3 * g[0]],
                                              [0, 0, 0, 0]], rtol=1e-12)


def test_nan_in_a_whole_gate_stays_in_its_image(k):
    dy, x, *rest = gate("cbam, rest everywhere")
    x[1, 2, 3, 4] = nan
    y, notes, dx, *_ = run(k, dy, x, *rest)
    assert np.isnan(y[1]).all() and not np.isnan(y[[0, 2]]).any() and not np.isnan(dx[[0, 2]]).any()
    assert np.isnan(notes[1, 1, 4]) and notes[1, 2, 4] == 2 * 9 + 3


def test_bits_of_a_whole_gate_do_not_depend_on_the_threads():
    for name in ("cbam", "biases and places"):
        given = gate(name, np.float32)
        same_bits(lambda: [a for a in run(kernels.rung("cpu"), *given) if a is not None])  # noqa: B023


@pytest.mark.parametrize("name", ["cbam", "mean alone", "se", "biases and places"])
def test_writing_past_the_caches_changes_no_bit(name, monkeypatch):
    k, given = kernels.rung("cpu"), gate(name, np.float32)
    usual = run(k, *given)
    fused = importlib.import_module(k.attention_gate_forward.__module__)
    shape, calls = given[1].shape, []

    def aligned(wanted, dtype):
        room = np.empty(int(np.prod(wanted)) + 16, dtype)
        calls.append(wanted)
        return room[-room.ctypes.data % 64 // dtype.itemsize:][:room.size - 16].reshape(wanted)

    monkeypatch.setattr(fused, "STREAMED", 0)
    monkeypatch.setattr(fused, "empty", aligned)
    for a, b in zip(usual, run(k, *given), strict=True):
        assert a is b is None or np.array_equal(a, b)
    assert calls.count(shape) == 2
