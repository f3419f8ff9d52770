"""Recurrent kernels: a step by hand, slopes by finite differences, lengths, edges of tiles, and bits that do not depend on threads."""
import math
import types

import numpy as np
import pytest
from same_bits import same_bits

from tinyattn import kernels

NAMES = ("rnn", "gru", "lstm")
ROWS = {"rnn": 1, "gru": 3, "lstm": 4}
SHAPES = [(1, 1, 1, 1), (3, 2, 4, 5), (5, 9, 3, 17), (4, 33, 20, 40), (2, 300, 8, 64), (7, 1, 2, 33), (2, 5, 3, 300)]


PLAIN = types.SimpleNamespace(**{f"{name}_{way}": getattr(kernels.rung("cpu"), f"{name}_{way}_plain")
                                 for name in NAMES for way in ("forward", "backward")})


@pytest.fixture(params=[*kernels.HOST_RUNGS, "plain"])
def k(request):
    """A rung, or the compiled one's plain twins."""
    return PLAIN if request.param == "plain" else kernels.rung(request.param)


def made(name, T, N, I, H, dtype=np.float64, P=0, bias=True, seed=0):
    """(states, weights, x) of random numbers; an LSTM's weights end with w_hr."""
    random = np.random.default_rng(seed)

    def draw(*shape):
        return (random.normal(size=shape) / math.sqrt(shape[-1])).astype(dtype)

    G, P = ROWS[name] * H, P or H
    states = [draw(N, P), draw(N, H)][:1 + (name == "lstm")]
    weights = [draw(G, I), draw(G, P), *((draw(G), draw(G)) if bias else (None, None))]
    return states, weights + ([draw(P, H) if P != H else None] if name == "lstm" else []), draw(T, N, I) * 2


def forward(k, name, states, weights, x, **options):
    """All results as a tuple; the first is y."""
    result = getattr(k, name + "_forward")(x, *states, *weights, **options)
    return result if isinstance(result, tuple) else (result,)


def backward(k, name, states, weights, x, results, dy, dc=None, **options):
    """{what: gradient}"""
    if name == "lstm":
        dc = np.zeros_like(results[1]) if dc is None else dc
        found = k.lstm_backward(dy, dc, x, *states, weights[0], weights[1], weights[4], *results, **options)
        return dict(zip(("x", "h0", "c0", "w_ih", "w_hh", "b", "w_hr"), found, strict=True))
    found = getattr(k, name + "_backward")(dy, x, *states, weights[0], weights[1], *results, **options)
    return dict(zip(("x", "h0", "w_ih", "w_hh", "b") if name == "rnn" else ("x", "h0", "w_ih", "w_hh", "b_ih", "b_hh"), found, strict=True))


def sigmoid(x):
    return 1 / (1 + math.exp(-x))


def test_two_steps_by_hand(k):
    """One number in, one number as state: every formula on paper."""
    x, h0, one = np.array([[[0.5]], [[-1.0]]]), np.array([[0.2]]), np.ones((1, 1))
    h = math.tanh(0.5 * 2 + 0.1 + 0.2 * 3 - 0.3)
    y = k.rnn_forward(x, h0, one * 2, one * 3, np.array([0.1]), np.array([-0.3]))
    np.testing.assert_allclose(y.ravel(), [h, math.tanh(-1 * 2 + 0.1 + h * 3 - 0.3)], rtol=1e-13)
    np.testing.assert_allclose(k.rnn_forward(x, h0, one * 2, one * 3, None, None, True).ravel(), [1.6, 2.8], rtol=1e-13)

    w, u, b, d = np.array([[1.0], [2], [3]]), np.array([[0.5], [-1], [2]]), np.array([0.1, 0.2, 0.3]), np.array([0.4, 0.5, 0.6])
    h, expected = 0.2, []
    for v in (0.5, -1.0):
        r, z = sigmoid(v * 1 + 0.1 + h * 0.5 + 0.4), sigmoid(v * 2 + 0.2 - h + 0.5)
        n = math.tanh(v * 3 + 0.3 + r * (h * 2 + 0.6))
        h = (1 - z) * n + z * h
        expected.append(h)
    np.testing.assert_allclose(k.gru_forward(x, h0, w, u, b, d)[0].ravel(), expected, rtol=1e-13)

    w, u, b = np.array([[1.0], [2], [3], [4]]), np.array([[0.5], [-1], [2], [1]]), np.array([0.1, 0.2, 0.3, 0.4])
    h, c, expected = 0.2, -0.7, []
    for v in (0.5, -1.0):
        i, f, o = (sigmoid(v * w[m, 0] + h * u[m, 0] + 2 * b[m]) for m in (0, 1, 3))
        c = f * c + i * math.tanh(v * 3 + h * 2 + 0.6)
        h = 0.5 * o * math.tanh(c)                                                    # projected by 0.5
        expected.append([h, c])
    y, cells, _ = k.lstm_forward(x, h0, np.array([[-0.7]]), w, u, b, b, one * 0.5)
    np.testing.assert_allclose(np.stack([y.ravel(), cells.ravel()], 1), expected, rtol=1e-13)


@pytest.mark.parametrize("reverse", [False, True])
@pytest.mark.parametrize("lengths", [None, [2, 3, 1]])
@pytest.mark.parametrize("name,options,P", [("rnn", {}, 0), ("rnn", {"relu": True}, 0), ("gru", {}, 0), ("lstm", {}, 0), ("lstm", {}, 2)])
def test_slopes(k, name, options, P, lengths, reverse):
    options = {**options, "lengths": None if lengths is None else np.array(lengths), "reverse": reverse}
    states, weights, x = made(name, 3, 3, 2, 4, P=P)
    random = np.random.default_rng(1)
    results = forward(k, name, states, weights, x, **options)
    dy, dc = random.normal(size=results[0].shape), random.normal(size=x.shape[:2] + (4,))
    found = backward(k, name, states, weights, x, results, dy, dc, **options)

    def loss():
        again = forward(k, name, states, weights, x, **options)
        return (again[0] * dy).sum() + ((again[1] * dc).sum() if name == "lstm" else 0)

    b = {"b": weights[2]} if "b" in found else {"b_ih": weights[2], "b_hh": weights[3]}
    moved = {"x": x, "h0": states[0], "c0": states[-1], "w_ih": weights[0], "w_hh": weights[1], "w_hr": weights[-1], **b}
    for what, gradient in found.items():
        if gradient is None:
            continue
        assert gradient.shape == moved[what].shape
        for at in np.ndindex(gradient.shape):
            before, step = moved[what][at], 1e-6
            moved[what][at] = before + step
            up = loss()
            moved[what][at] = before - step
            slope = (up - loss()) / (2 * step)
            moved[what][at] = before
            assert abs(slope - gradient[at]) < 2e-8, (what, at)
    if lengths is not None:
        beyond = np.arange(3)[:, None] >= np.array(lengths)
        assert not results[0][beyond].any() and not found["x"][beyond].any()


@pytest.mark.parametrize("dtype,tolerance", [(np.float64, 1e-12), (np.float32, 2e-5)])
@pytest.mark.parametrize("ragged", [False, True])
@pytest.mark.parametrize("T,N,I,H", SHAPES)
@pytest.mark.parametrize("name", NAMES)
def test_rungs_agree(name, T, N, I, H, ragged, dtype, tolerance):
    """Full tiles and edges of rows and columns, one task and many, one step and several."""
    P, reverse = (H + 1) // 2 if name == "lstm" and ragged and H > 1 else 0, bool(N % 2)
    states, weights, x = made(name, T, N, I, H, dtype, P, bias=H != 17)
    options = {"lengths": np.random.default_rng(2).integers(1, T + 1, N) if ragged else None, "reverse": reverse}
    all_results, gradients = [], []
    for rung in kernels.HOST_RUNGS:
        k = kernels.rung(rung)
        results = forward(k, name, states, weights, x, **options)
        if ragged:                                                                # what gates hold beyond the end is nobody's
            results = tuple(np.where((np.arange(T)[:, None] < options["lengths"])[..., None], r, 0) for r in results)
        all_results.append(results)
        dy = np.random.default_rng(3).normal(size=results[0].shape).astype(dtype)
        gradients.append(backward(k, name, states, weights, x, results, dy, **options))
    for a, b in [*zip(*all_results), *((gradients[0][what], gradients[1][what]) for what in gradients[0])]:
        assert (a is None) == (b is None)
        if a is not None:
            assert a.dtype == b.dtype == dtype and a.shape == b.shape
            np.testing.assert_allclose(b, a, rtol=0, atol=tolerance * max(1, np.abs(a).max(initial=0)))


@pytest.mark.parametrize("name", NAMES)
def test_a_sequence_alone_and_in_a_batch(k, name):
    """Rows do not know of each other, and a shorter sequence is the same as one that was cut."""
    states, weights, x = made(name, 5, 11, 3, 6)
    lengths = np.array([3, 5, 1, 2, 5, 4, 3, 2, 1, 5, 4])
    for reverse in (False, True):
        y = forward(k, name, states, weights, x, lengths=lengths, reverse=reverse)[0]
        for n in range(11):
            alone = forward(k, name, [s[n:n + 1].copy() for s in states], weights, x[:lengths[n], n:n + 1].copy(), reverse=reverse)[0]
            np.testing.assert_allclose(y[:lengths[n], n], alone[:, 0], atol=1e-15)
            assert not y[lengths[n]:, n].any()


def test_dx_only_where_it_is_wanted(k):
    for name in NAMES:
        states, weights, x = made(name, 2, 3, 4, 5)
        results = forward(k, name, states, weights, x)
        with_dx, without = (backward(k, name, states, weights, x, results, results[0], needs_dx=wanted) for wanted in (True, False))
        assert without.pop("x") is None and with_dx.pop("x").shape == x.shape
        assert all(a is b or np.array_equal(a, b) for a, b in zip(with_dx.values(), without.values()))


def test_saturated_gates_are_exact(k):
    """Sums of ±1000 open or close a gate for good: nothing overflows, and a closed GRU keeps its state to the bit."""
    x, h0 = np.full((4, 2, 1), 1000.0, np.float32), np.array([[0.3], [-0.7]], np.float32)
    w, u = np.array([[0], [1], [1]], np.float32), np.zeros((3, 1), np.float32)
    y = k.gru_forward(x, h0, w, u, None, None)[0]
    assert np.array_equal(y, np.broadcast_to(h0, (4, 2, 1)))
    assert np.array_equal(k.gru_forward(x, h0, -w, u, None, None)[0], np.full((4, 2, 1), -1, np.float32))


@pytest.mark.parametrize("name", NAMES)
def test_bits_do_not_depend_on_the_threads(name):
    k, dtype = kernels.rung("cpu"), np.float32
    states, weights, x = made(name, 9, 61, 20, 40, dtype, P=17 if name == "lstm" else 0)
    lengths = np.random.default_rng(4).integers(1, 10, 61)

    def everything():
        found = []
        for options in ({}, {"lengths": lengths, "reverse": True}):
            results = forward(k, name, states, weights, x, **options)
            found += [results[0], *backward(k, name, states, weights, x, results, np.ones_like(results[0]), **options).values()]
        return found

    same_bits(everything)
