"""Optimizer steps worked by hand, number by number, and how they treat their arguments."""
import math

import numpy as np
import pytest

from tinyattn import kernels, threads


@pytest.fixture(params=kernels.HOST_RUNGS)
def k(request):
    return kernels.rung(request.param)


def one(value, dtype=np.float64):
    return np.array([value], dtype)


def test_two_plain_steps_by_hand(k):
    p, g = np.array([1.0, -2.0]), np.array([0.5, 0.25])
    k.sgd_step([p], [g], None, one(0.1), 0.0, 0.0, 0.0, False, True)
    assert p.tolist() == pytest.approx([0.95, -2.025], rel=1e-15)
    k.sgd_step([p], [g], None, one(0.1), 0.0, 0.0, 0.5, False, False)  # g + p/2 = 0.975, -0.7625
    assert p.tolist() == pytest.approx([0.8525, -1.94875], rel=1e-15)


@pytest.mark.parametrize("nesterov", [False, True])
def test_two_momentum_steps_by_hand(k, nesterov):
    p, g, b = np.array([1.0]), np.array([1.0]), np.array([math.nan])  # the first step must not read the buffer
    k.sgd_step([p], [g], [b], one(0.1), 0.5, 0.0, 0.0, nesterov, True)
    first = 1 - 0.1 * (1 + 0.5 if nesterov else 1)
    assert p[0] == pytest.approx(first) and b[0] == 1
    k.sgd_step([p], [np.array([1.0])], [b], one(0.1), 0.5, 0.0, 0.0, nesterov, False)  # b = 0.5 + 1
    assert b[0] == 1.5 and p[0] == pytest.approx(first - 0.1 * (1 + 0.5 * 1.5 if nesterov else 1.5))


def test_dampening(k):
    p, b = np.array([0.0]), np.array([4.0])
    k.sgd_step([p], [np.array([1.0])], [b], one(1.0), 0.5, 0.25, 0.0, False, False)
    assert b[0] == 2.75 and p[0] == -2.75  # 0.5 · 4 + 0.75 · 1
    k.sgd_step([p], [np.array([1.0])], [b], one(1.0), 0.5, 0.25, 0.0, False, True)
    assert b[0] == 1.0 and p[0] == -3.75  # the first gradient is taken whole


def test_the_first_step_of_adam_has_the_size_of_the_rate(k):
    """m/(1 − β₁) = g and v/(1 − β₂) = g², so p moves by lr · sign(g) whatever the size of g."""
    for size in (1e-3, 1.0, 1e3):
        p, m, v = np.zeros(2), np.zeros(2), np.zeros(2)
        k.adam_step([p], [np.array([size, -size])], [m], [v], one(0.01), one(1, np.int64), 0.9, 0.999, 0.0, 0.0, False)
        assert p.tolist() == pytest.approx([-0.01, 0.01], rel=1e-12)
        assert m[0] == pytest.approx(0.1 * size) and v[0] == pytest.approx(0.001 * size * size)


def test_weight_decay_is_in_the_gradient_or_beside_it(k):
    def step(decoupled):
        p = np.array([2.0])
        k.adam_step([p], [np.zeros(1)], [np.zeros(1)], [np.zeros(1)], one(0.1), one(1, np.int64), 0.9, 0.999,
                    1e-8 if decoupled else 0.0, 0.5, decoupled)
        return p[0]
    assert step(False) == pytest.approx(2 - 0.1)  # g = 1: a step of full size
    assert step(True) == pytest.approx(2 * (1 - 0.05))


def test_lerp(k):
    average = np.array([1.0, 2.0], np.float32)
    k.lerp_step([average], [np.array([3.0, 2.0], np.float32)], 0.25)
    assert average.tolist() == [1.5, 2.0]


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_rungs_agree_on_sizes_in_one_task_and_in_many(dtype):
    for n in (1, 1000, 50_001):
        results = []
        for name in kernels.HOST_RUNGS:
            rung, draw = kernels.rung(name), np.random.default_rng(0)
            p, m, v = draw.normal(size=n).astype(dtype), np.zeros(n, dtype), np.zeros(n, dtype)
            for t in range(1, 6):
                g = draw.normal(size=n).astype(dtype)
                kept = g.copy()
                g.flags.writeable = False
                rung.adam_step([p], [g], [m], [v], one(1e-2, dtype), one(t, np.int64), 0.9, 0.99, 1e-8, 0.1, True)
                rung.sgd_step([p], [g], [m], one(1e-2, dtype), 0.9, 0.0, 0.1, True, False)
                assert np.array_equal(g, kept) and p.dtype == dtype
            results.append(p)
        np.testing.assert_allclose(*results, rtol=0, atol=50 * np.finfo(dtype).eps)


def test_amsgrad_keeps_the_largest_square(k):
    p, m, v, top = (np.zeros(1) for _ in range(4))
    for t, g in ((1, 2.0), (2, 0.0)):  # v = 4, then 2
        k.adam_step([p], [one(g)], [m], [v], one(1.0), one(t, np.int64), 0.0, 0.5, 0.0, 0.0, False, False, [top])
        assert v[0] == (2 if t == 1 else 1) and top[0] == 2
    assert p[0] == pytest.approx(-1)  # 2 / √(2 / ½), then 0


def test_uphill_is_downhill_of_the_other_sign(k):
    def moved(step, g, maximize):
        p, state = np.array([1.0, -2.0]), [np.zeros(2) for _ in range(2)]
        step(p, np.array(g), *state, maximize)
        return p
    for step in (lambda p, g, a, b, u: k.sgd_step([p], [g], [a], one(0.1), 0.9, 0.0, 0.1, True, True, u),
                 lambda p, g, a, b, u: k.sgd_step([p], [g], None, one(0.1), 0.0, 0.0, 0.1, False, True, u),
                 lambda p, g, a, b, u: k.adam_step([p], [g], [a], [b], one(0.1), one(1, np.int64), 0.9, 0.99, 1e-8, 0.1, False, u),
                 lambda p, g, a, b, u: k.rmsprop_step([p], [g], [a], None, [b], one(0.1), 0.9, 1e-8, 0.1, 0.9, u),
                 lambda p, g, a, b, u: k.lion_step([p], [g], [a], one(0.1), 0.9, 0.99, 0.1, u)):
        assert moved(step, [1.0, -3.0], True).tolist() == moved(step, [-1.0, 3.0], False).tolist()


def test_rmsprop_by_hand(k):
    p, v = np.array([1.0]), np.array([0.0])
    k.rmsprop_step([p], [one(4.0)], [v], None, None, one(0.1), 0.75, 0.0, 0.0, 0.0)
    assert v[0] == 4 and p[0] == pytest.approx(1 - 0.1 * 4 / 2)
    a, b = np.array([0.0]), np.array([10.0])
    p, v = np.array([1.0]), np.array([0.0])
    k.rmsprop_step([p], [one(4.0)], [v], [a], [b], one(0.1), 0.75, 0.0, 0.0, 0.5)
    assert a[0] == 1 and b[0] == pytest.approx(5 + 4 / math.sqrt(3)) and p[0] == pytest.approx(1 - 0.1 * b[0])  # v − a² = 3


def test_lion_by_hand(k):
    p, m = np.array([1.0, 1.0, 1.0, 1.0]), np.array([1.0, 1.0, 0.0, math.nan])
    k.lion_step([p], [np.array([-8.0, -10.0, 0.0, 1.0])], [m], one(0.1), 0.9, 0.5, 0.5)  # c = 0.1, −0.1, 0, NaN
    assert p[:3].tolist() == pytest.approx([0.85, 1.05, 0.95]) and m[:3].tolist() == [-3.5, -4.5, 0] and math.isnan(p[3])


def test_newton_schulz_acts_on_singular_values_alone(k):
    """With U and V known, each round is the polynomial on σ / ‖σ‖."""
    draw = np.random.default_rng(0)
    for M, N in ((3, 5), (5, 3), (4, 4), (1, 6), (70, 40)):
        n = min(M, N)
        u, v = np.linalg.qr(draw.normal(size=(M, n)))[0], np.linalg.qr(draw.normal(size=(N, n)))[0]
        sigma = draw.uniform(1, 3, n)
        expected = sigma / np.sqrt((sigma ** 2).sum())
        for _ in range(3):
            expected = 3 * expected - 4 * expected ** 3 + 2 * expected ** 5
        x = u * sigma @ v.T
        kept = x.copy()
        np.testing.assert_allclose(k.newton_schulz(x, (3.0, -4.0, 2.0), 3, 1e-7), u * expected @ v.T, atol=1e-12)
        assert np.array_equal(x, kept)
    assert not k.newton_schulz(np.zeros((2, 3)), (3.0, -4.0, 2.0), 5, 1e-7).any()


def test_muon_by_hand(k):
    p, b = np.full((1, 2), 2.0), np.array([[1.0, 0.0]])
    k.muon_step(p, np.array([[0.0, 2.0]]), b, one(0.1), 0.5, 0.75, True, (1.0, 0.0, 0.0), 1e-7, 1, 10.0)
    assert b.tolist() == [[0.75, 0.5]]  # ¾ · b + ¼ · g;  u = ¼ · g + ¾ · b = (0.5625, 0.875)
    length = math.hypot(0.5625, 0.875)
    np.testing.assert_allclose(p, [[1.9 - 0.5625 / length, 1.9 - 0.875 / length]], rtol=1e-14)


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_norms(k, dtype):
    x = np.array([[3.0, -4.0], [0.0, 12.0]], dtype)
    for order, expected in ((2, 13), (1, 19), (0, 3), (math.inf, 12), (-math.inf, 0), (3, (27 + 64 + 1728) ** (1 / 3)), (0.5, (3 ** 0.5 + 2 + 12 ** 0.5) ** 2)):
        assert k.power_norm(x, order).tolist() == [pytest.approx(expected, rel=1e-12)]
    assert k.power_norm(np.zeros(0, dtype), math.inf).tolist() == [0]
    for order in (2, 1, 3, math.inf, -math.inf):
        assert math.isnan(k.power_norm(np.array([1, np.nan, 2], dtype), order)[0])
    assert k.power_norm(np.full(3, 1e30, np.float32), 2)[0] == pytest.approx(3 ** 0.5 * 1e30)  # its square is not a float32
    long = np.ones(100_000, dtype)
    long[-1] = -3
    assert [k.power_norm(long, order)[0] for order in (0, 1, math.inf, -math.inf)] == [100_000, 100_002, 3, 1]


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_new_steps_agree_on_both_rungs_and_for_any_number_of_threads(dtype):
    def run(k, n):
        draw, found = np.random.default_rng(0), []
        for step in (lambda p, g, s, t: k.adam_step([p], [g], [s[0]], [s[1]], one(1e-2, dtype), one(t, np.int64), 0.9, 0.99, 1e-8, 0.1, False, True, [s[2]]),
                     *(lambda p, g, s, t, a=a, b=b: k.rmsprop_step([p], [g], [s[0]], [s[1]] if a else None, [s[2]] if b else None, one(1e-2, dtype),
                                                                   0.9, 1e-3, 0.1, 0.5 if b else 0) for a in (0, 1) for b in (0, 1)),
                     lambda p, g, s, t: k.lion_step([p], [g], [s[0]], one(1e-2, dtype), 0.9, 0.99, 0.1),
                     lambda p, g, s, t: found.append(np.concatenate([k.power_norm(g, order) for order in (0, 1, 2, 3, math.inf)]))):
            p, state = draw.normal(size=n).astype(dtype), [np.zeros(n, dtype) for _ in range(3)]
            for t in range(1, 4):
                step(p, draw.normal(size=n).astype(dtype), state, t)
            found += [p, *state]
        p, b = (draw.normal(size=(n // 50 + 1, 30)).astype(dtype) for _ in range(2))
        k.muon_step(p, p.copy(), b, one(1e-2, dtype), 0.1, 0.9, False, (3.4, -4.7, 2.0), 1e-7, 5, 1.0)
        return [*found, p, b]

    before = threads.get_num_threads()
    for n in (1, 37, 50_001):
        expected, found = run(kernels.rung("reference"), n), []
        try:
            for count in (1, 2):
                threads.set_num_threads(count)
                found.append(run(kernels.rung("cpu"), n))
        finally:
            threads.set_num_threads(before)
        assert all(np.array_equal(a, b) for a, b in zip(*found))
        for a, b in zip(found[0], expected):
            np.testing.assert_allclose(a, b, rtol=200 * np.finfo(dtype).eps, atol=200 * np.finfo(dtype).eps)


SIZES = [(3, 5), (0,), (16_384,), (), (1, 130, 300), (64,), (2, 1), (16_383,), (7, 0), (70_001,), (1,)]
"""Members that share a task, fill several, end where a task does, and are empty."""


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_many_parameters_move_as_each_would_alone(dtype):
    """Also those whose memory is in another order than their axes."""
    def run(k, together):
        draw = np.random.default_rng(0)
        lists = [[draw.normal(size=shape).astype(dtype) for shape in SIZES] for _ in range(4)]
        lists[3] = [np.asarray(np.abs(v)) for v in lists[3]]
        lists[0][0], lists[2][4] = np.asfortranarray(lists[0][0]), np.asfortranarray(lists[2][4])
        for some in [lists] if together else [[[one[i]] for one in lists] for i in range(len(SIZES))]:
            k.adam_step(*some, one(1e-2, dtype), one(3, np.int64), 0.9, 0.99, 1e-8, 0.1, True)
            k.sgd_step(some[0], some[1], some[2], one(1e-2, dtype), 0.9, 0.0, 0.1, True, False)
            k.lion_step(some[0], some[1], some[2], one(1e-2, dtype), 0.9, 0.99, 0.1)
            k.rmsprop_step(some[0], some[1], some[3], None, None, one(1e-2, dtype), 0.9, 1e-3, 0.1, 0.0)
            k.lerp_step(some[2], some[0], 0.25)
        return [x for one in lists for x in one]

    cpu, expected, before = kernels.rung("cpu"), run(kernels.rung("reference"), False), threads.get_num_threads()
    found = [run(cpu, False)]
    try:
        for count in (1, 2):
            threads.set_num_threads(count)
            found.append(run(cpu, True))
    finally:
        threads.set_num_threads(before)
    assert all(np.array_equal(a, b) for a, b in zip(found[1], found[2]))
    for each in found[:2]:
        for a, b in zip(each, expected):
            np.testing.assert_allclose(a, b, rtol=200 * np.finfo(dtype).eps, atol=200 * np.finfo(dtype).eps)


def test_no_parameters(k):
    k.lerp_step([], [], 0.5)
    k.adam_step([], [], [], [], one(0.1), one(1, np.int64), 0.9, 0.99, 1e-8, 0.1, True)


@pytest.mark.parametrize("averages, ps", [
    ([np.zeros(3), np.zeros(2)], [np.zeros(3)]), ([np.zeros(3), np.zeros(2)], [np.zeros(3), np.zeros(4)]),
    ([np.zeros(3), np.zeros(2)], [np.zeros(3), np.zeros(2, np.float32)])])
def test_lists_that_do_not_fit_are_refused(averages, ps):
    with pytest.raises(TypeError, match="lists of one length"):
        kernels.rung("cpu").lerp_step(averages, ps, 0.5)
