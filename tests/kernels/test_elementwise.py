"""Elementwise functions against extended precision, with NumPy's broadcasting, scalars, and the odd values."""
import math

import numpy as np
import pytest

from tinyattn import kernels
from tinyattn.kernels.cpu import loops

L = np.longdouble
erf = np.vectorize(math.erf, otypes=[float])
inf, nan = math.inf, math.nan


@pytest.fixture(params=kernels.HOST_RUNGS)
def k(request):
    return kernels.rung(request.param)


def numbers(dtype, low, high, seed=0, shape=(21, 50)):
    return np.random.default_rng(seed).uniform(low, high, shape).astype(dtype)


def sigma(x):
    return 1 / (1 + np.exp(-x))


def bell(x):
    return np.exp(-x * x / 2) / np.sqrt(2 * L(np.pi))


# name: formula on extended precision, range of inputs, and the error allowed in units of the last place
UNARY = {
    "neg": (lambda x: -x, -9, 9, 0), "abs": (lambda x: np.where(x < 0, -x, x), -9, 9, 0),
    "sign": (lambda x: (x > 0) * 1.0 - (x < 0), -9, 9, 0), "exp": (np.exp, -80, 80, 2), "log": (np.log, 1e-6, 99, 2),
    "log1p": (np.log1p, -0.99, 9, 2), "sqrt": (np.sqrt, 0, 99, 1), "rsqrt": (lambda x: 1 / np.sqrt(x), 0.1, 99, 2),
    "reciprocal": (lambda x: 1 / x, 0.1, 99, 1), "square": (lambda x: x * x, -9, 9, 1),
    "sin": (np.sin, -9, 9, 2), "cos": (np.cos, -9, 9, 2), "tanh": (np.tanh, -9, 9, 3),
    "sigmoid": (sigma, -50, 50, 3), "erf": (erf, -4, 4, 4), "floor": (np.floor, -9, 9, 0), "ceil": (np.ceil, -9, 9, 0),
    "round": (np.rint, -9, 9, 0), "relu": (lambda x: np.where(x > 0, x, 0), -9, 9, 0),
    "gelu": (lambda x: x * (1 + erf(x / np.sqrt(L(2)))) / 2, -2, 5, 20),
    "silu": (lambda x: x * sigma(x), -9, 9, 4), "softplus": (lambda x: np.log1p(np.exp(x)), -40, 40, 3),
}


def check_ulp(y, expected, ulp, dtype):
    expected = np.asarray(expected, L)
    assert y.dtype == dtype and y.shape == expected.shape
    error = np.abs(y - expected) / np.spacing(np.maximum(np.abs(expected), np.finfo(dtype).tiny).astype(dtype))
    assert error.max() <= ulp + 0.51, f"off by {error.max()} units in the last place"


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
@pytest.mark.parametrize("name", UNARY)
def test_unary(k, name, dtype):
    formula, low, high, ulp = UNARY[name]
    x = numbers(dtype, low, high)
    before = x.copy()
    check_ulp(getattr(k, name)(x), formula(x.astype(L)), ulp, dtype)
    assert (x == before).all()


BINARY = {
    "add": lambda a, b: a + b, "sub": lambda a, b: a - b, "mul": lambda a, b: a * b, "div": lambda a, b: a / b,
    "pow": lambda a, b: np.abs(a) ** b,
    "add_relu": lambda a, b: np.where(a + b > 0, a + b, 0),
    "maximum": lambda a, b: np.where(a > b, a, b), "minimum": lambda a, b: np.where(a < b, a, b),
    "eq": lambda a, b: a == b, "ne": lambda a, b: a != b, "lt": lambda a, b: a < b, "le": lambda a, b: a <= b,
    "gt": lambda a, b: a > b, "ge": lambda a, b: a >= b,
}


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
@pytest.mark.parametrize("name", BINARY)
def test_binary(k, name, dtype):
    a, b = np.round(numbers(dtype, -4, 4, 1), 1), np.round(numbers(dtype, 0.5, 4, 2), 1)
    a = np.abs(a) if name == "pow" else a
    y, expected = getattr(k, name)(a, b), BINARY[name](a.astype(L), b.astype(L))
    if expected.dtype == bool:
        assert y.dtype == bool and (y == expected).all() and expected.any() and not expected.all()
    else:
        check_ulp(y, expected, 2, dtype)


SHAPES = [
    ((4, 5), (4, 5)), ((4, 5), ()), ((), (4, 5)), ((2, 3, 4, 5), (5,)), ((5,), (2, 3, 4, 5)),
    ((2, 3, 4, 5), (2, 1, 1, 5)), ((2, 3, 4, 5), (2, 3, 4, 1)), ((2, 3, 4, 5), (3, 1, 1)), ((2, 1, 4, 1), (3, 1, 5)),
    ((2, 1, 4, 1, 3), (1, 3, 1, 5, 1)), ((1, 1), (1,)), ((0, 3), (3,)), ((3, 1), (1, 20_000)),
    ((2, 20_000), (2, 1)), ((3000, 7), (7,)), ((3000, 7), (3000, 1)),
]


@pytest.mark.parametrize("shapes", SHAPES, ids=str)
def test_broadcasting(k, shapes):
    a, b = (numbers(np.float32, 1, 2, seed, shape) for seed, shape in enumerate(shapes))
    assert np.array_equal(k.sub(a, b), a - b)
    out = np.empty(np.broadcast_shapes(*shapes), np.float32)
    assert k.sub(a, b, out) is out and np.array_equal(out, a - b)
    assert np.array_equal(k.where(a > 1.5, a, b), np.where(a > 1.5, a, b))
    assert np.array_equal(k.where(b > 1.5, np.float32(3), a), np.where(b > 1.5, np.float32(3), a))


@pytest.mark.parametrize("shape", [(1,), (1, 1), (5, 1, 1), (1, 4, 1)])
def test_a_condition_that_stands_still_where_the_others_move(k, shape):
    """Axes of length 1 at the end must not hide that the condition does not move along the last of the others."""
    condition, a = np.random.default_rng(0).random(shape) < 0.5, numbers(np.float32, -1, 1, shape=(5, 4, 1))
    for c in (condition, ~condition):
        assert np.array_equal(k.where(c, a, np.float32(2)), np.where(c, a, np.float32(2)))


@pytest.mark.parametrize("scalar", [
    2, 0.1, True, np.sqrt(64), np.float64(0.1), np.float32(0.1), np.array(0.1), np.int64(3)], ids=repr)
def test_scalars_never_change_the_dtype(k, scalar):
    x = numbers(np.float32, 1, 2)
    as_float32 = np.float32(scalar)
    for y, expected in ((k.mul(x, scalar), x * as_float32), (k.sub(scalar, x), as_float32 - x),
                        (k.div(scalar, x), as_float32 / x), (k.maximum(x, scalar), np.maximum(x, as_float32)),
                        (k.where(x > 1.5, x, scalar), np.where(x > 1.5, x, as_float32)),
                        (k.mul(x.astype(np.float64), scalar), x.astype(np.float64) * np.float64(scalar))):
        assert y.dtype == expected.dtype and np.array_equal(y, expected)
    assert k.eq(x, x[3, 4]).sum() == (x == x[3, 4]).sum()


def test_results_without_axes_are_arrays(k):
    x = np.array(2.0, np.float32)
    for y in (k.add(x, x), k.mul(x, 0.5), k.exp(x), k.gt(x, 1), k.clamp(x, 0, 1), k.relu(x),
              k.where(np.array(True), x, 0.0)):
        assert type(y) is np.ndarray and y.shape == () and y.dtype in (np.float32, np.bool_)


@pytest.mark.parametrize("n", [5, 40_000])
def test_in_place(k, n):
    a, b = numbers(np.float32, 1, 2, 1, (n, 3)), numbers(np.float32, 1, 2, 2, (n, 3))
    for f, expected in ((lambda y: k.add(y, b, out=y), a + b), (lambda y: k.sub(b, y, out=y), b - a),
                        (lambda y: k.mul(y, b[0], out=y), a * b[0]), (lambda y: k.div(y, 2, out=y), a / 2),
                        (lambda y: k.add(y, y, out=y), a + a), (lambda y: k.sqrt(y, out=y), np.sqrt(a)),
                        (lambda y: k.clamp(y, 1.2, None, out=y), np.maximum(a, np.float32(1.2))),
                        (lambda y: k.relu_backward(y, b, out=y), a),
                        (lambda y: k.where(b > 1.5, y, b, out=y), np.where(b > 1.5, a, b))):
        y = a.copy()
        assert f(y) is y and np.array_equal(y, expected)


def test_out_with_strides(k):
    x, frame = numbers(np.float32, 1, 2, 1, (6, 4)), np.zeros((6, 9), np.float32)
    out = frame[:, ::2][:, :4]
    for y in (k.add(x, x, out), k.sqrt(x, out), k.relu_backward(x, x, out), k.clamp(x, 1.1, 1.2, out)):
        assert y is out
    assert np.array_equal(out, np.clip(x, np.float32(1.1), np.float32(1.2))) and not frame[:, 1::2].any()


def test_read_only_and_strided_inputs(k):
    x = numbers(np.float32, 1, 2)
    x.flags.writeable = False
    assert np.array_equal(k.add(x, x[:, ::-1]), x + x[:, ::-1]) and np.array_equal(k.sqrt(x.T), np.sqrt(x.T))


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_odd_values(k, dtype):
    def values(f, *x, **keywords):
        return np.asarray(f(*(np.array(v, dtype) for v in x), **keywords)).tolist()

    def same(got, expected):
        np.testing.assert_equal(np.array(got), np.array(expected))
    same(values(k.exp, [inf, -inf, nan, 0, 1e4, -1e4]), [inf, 0, nan, 1, inf, 0])
    same(values(k.log, [inf, 0, -1, nan, 1]), [inf, -inf, nan, nan, 0])
    same(values(k.log1p, [inf, -1, -2, nan, 0]), [inf, -inf, nan, nan, 0])
    same(values(k.sigmoid, [inf, -inf, nan, 0, 1e4, -1e4]), [1, 0, nan, 0.5, 1, 0])
    same(values(k.tanh, [inf, -inf, nan, 0]), [1, -1, nan, 0])
    same(values(k.softplus, [inf, -inf, nan, 1e4, -1e4]), [inf, 0, nan, 1e4, 0])
    same(values(k.erf, [inf, -inf, nan, 0]), [1, -1, nan, 0])
    same(values(k.gelu, [nan, inf, -60]), [nan, inf, 0])
    same(values(k.relu, [nan, -inf, inf, -1]), [nan, 0, inf, 0])
    same(values(k.elu, [nan, -inf, inf, -1e4]), [nan, -1, inf, -1])
    same(values(k.sign, [nan, -inf, 0, 3]), [0, -1, 0, 1])
    same(values(k.round, [0.5, 1.5, 2.5, -0.5, nan]), [0, 2, 2, -0.0, nan])
    same(values(k.div, [1, -1, 0, nan], [0, 0, 0, 1]), [inf, -inf, nan, nan])
    same(values(k.maximum, [nan, 1, nan, -inf], [1, nan, nan, 2]), [nan, nan, nan, 2])
    same(values(k.minimum, [nan, 1, nan, -inf], [1, nan, nan, 2]), [nan, nan, nan, -inf])
    same(values(k.pow, [2, -2, -2, 0, nan], [-1, 3, 0.5, 0, 0]), [0.5, -8, nan, 1, 1])
    same(values(k.eq, [nan, inf], [nan, inf]), [False, True])
    same(values(k.relu_backward, [1, 2, 3], [0, 5, -1]), [0, 2, 0])
    same(values(lambda x: k.clamp(x, -1, 1), [nan, inf, -inf, 0.5]), [nan, 1, -1, 0.5])


def test_exp_goes_down_to_denormals(k):
    for dtype, low in ((np.float32, -103), (np.float64, -745)):
        x = np.linspace(low, low * 0.85, 500).astype(dtype)
        expected = np.exp(x.astype(L))
        smallest = np.finfo(dtype).smallest_subnormal
        assert (np.abs(k.exp(x) - expected) <= 1.01 * np.maximum(np.spacing(expected.astype(dtype)), smallest)).all()


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_functions_with_a_parameter(k, dtype):
    x = numbers(dtype, -3, 3)
    wide = x.astype(L)
    check_ulp(k.elu(x, 0.5), np.where(wide > 0, wide, 0.5 * np.expm1(wide)), 3, dtype)
    check_ulp(k.elu(x), np.where(wide > 0, wide, np.expm1(wide)), 3, dtype)
    check_ulp(k.leaky_relu(x, 0.25), np.where(wide > 0, wide, wide / 4), 0, dtype)
    for exponent in (2, 0.5, -1, 3, 0, 1.75, np.float64(2)):
        check_ulp(k.pow(np.abs(x), exponent), np.abs(wide) ** L(exponent), 2, dtype)
    check_ulp(k.pow(2.0, x), 2 ** wide, 2, dtype)
    for lo, hi in ((-1, 1), (None, 0.5), (0, None), (2, -2), (x[0], 1), (None, x[:, :1])):
        low, high = -inf if lo is None else lo, inf if hi is None else hi
        assert np.array_equal(k.clamp(x, lo, hi), np.minimum(np.maximum(x, low), high).astype(dtype))


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_derivatives(k, dtype):
    dy, x = numbers(dtype, -2, 2, 1), numbers(dtype, -3, 3, 2)
    g, w = dy.astype(L), x.astype(L)
    eps = np.finfo(dtype).eps
    y = dtype(1) / (1 + np.exp(-x))
    cases = {
        "relu_backward": (k.relu_backward(dy, np.maximum(x, 0)), g * (w > 0)),
        "sigmoid_backward": (k.sigmoid_backward(dy, y), g * y * (1 - y.astype(L))),
        "tanh_backward": (k.tanh_backward(dy, np.tanh(x)), g * (1 - np.tanh(x).astype(L) ** 2)),
        "gelu_backward": (k.gelu_backward(dy, x), g * ((1 + erf(w / np.sqrt(L(2)))) / 2 + w * bell(w))),
        "silu_backward": (k.silu_backward(dy, x), g * sigma(w) * (1 + w * (1 - sigma(w)))),
    }
    for name, (dx, expected) in cases.items():
        assert dx.dtype == dtype and np.abs(dx - expected).max() <= 8 * eps, name


def test_integers_and_booleans(k):
    a, b = np.array([[1, 2], [3, -4]]), np.array([2, 2])
    assert k.add(a, b).tolist() == [[3, 4], [5, -2]] and k.add(a, b).dtype == np.int64
    assert k.gt(a, 1.5).tolist() == [[False, True], [True, False]]
    assert k.maximum(a, 0).tolist() == [[1, 2], [3, 0]] and k.neg(b).tolist() == [-2, -2]
    t, f = np.array([True, True, False, False]), np.array([True, False, True, False])
    assert k.logical_and(t, f).tolist() == [True, False, False, False]
    assert k.logical_or(t, f).tolist() == [True, True, True, False]
    assert k.logical_not(t).tolist() == [False, False, True, True]
    assert k.logical_and(np.array([0.0, 2.0], np.float32), True).tolist() == [False, True]
    assert k.where(t, np.arange(4), -1).tolist() == [0, 1, -1, -1]


@pytest.mark.parametrize("n", [1, 1000, 100_000])
def test_all_finite(k, n):
    x = numbers(np.float32, -1, 1, 0, (n,))
    assert k.all_finite(x) is True and k.all_finite(x * np.float32(3e38)) is True and k.all_finite(np.arange(3)) is True
    for bad in (inf, -inf, nan):
        x[n // 2] = bad
        assert k.all_finite(x) is False


@pytest.mark.parametrize("shapes, axes", [
    (((8, 4, 4, 16), (8, 4, 4, 16)), (1, 1, 2048)), (((8, 4, 4, 16), (16,)), (1, 128, 16)),
    (((8, 4, 4, 16), (8, 1, 1, 16)), (8, 16, 16)), (((8, 4, 4, 16), (8, 4, 4, 1)), (1, 128, 16)),
    (((8, 4, 4, 16), ()), (1, 1, 2048)), (((8, 3, 5, 5), (8, 1, 5, 5)), (8, 3, 25))])
def test_broadcasting_leaves_few_axes(shapes, axes):
    shape, _, steps = loops.layout(*shapes)
    assert shape == shapes[0] and (steps[0], steps[1], steps[2]) == (axes[0] * axes[1], axes[1], axes[2])


def test_the_same_bits_on_one_thread_and_two():
    import numba
    cpu, x = kernels.rung("cpu"), numbers(np.float32, -3, 3, 0, (70_001,))
    before = numba.get_num_threads()
    results = []
    try:
        for threads in (1, min(2, numba.config.NUMBA_NUM_THREADS)):
            numba.set_num_threads(threads)
            results.append([y.tobytes() for y in (cpu.exp(x), cpu.gelu(x), cpu.add(x, x[0]), cpu.where(x > 0, x, 0.0))])
    finally:
        numba.set_num_threads(before)
    assert results[0] == results[1]
