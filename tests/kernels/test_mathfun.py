"""The helpers that kernels compute with: as accurate as they say, and loops over them really are vectorised."""
import math
import platform

import numba
import numpy as np
import pytest

from tinyattn.kernels.cpu import mathfun

L = np.longdouble
# function: the truth, the range it is used on, and the error allowed in units of the last place
CASES = {
    "exp_": (np.exp, (-87, 88.7), 1), "exp_falling_": (np.exp, (-87, 1), 1), "expm1_": (np.expm1, (-20, 20), 2.5), "log_": (np.log, (1e-30, 50), 1.5),
    "log1p_": (np.log1p, (-0.999, 50), 2), "sigmoid_": (lambda x: 1 / (1 + np.exp(-x)), (-80, 80), 3),
    "tanh_": (np.tanh, (-10, 10), 3), "softplus_": (lambda x: np.logaddexp(x, L(0)), (-80, 80), 2.5),
    "erf_": (np.vectorize(math.erf, otypes=[float]), (-4, 4), 4),
}


def compiled_loop(function):
    """y[i] = function(x[i]), compiled here and not read from a cache: only then is there assembly to look at."""
    @numba.njit(error_model="numpy")
    def loop(x, y):
        for i in range(x.size):
            y[i] = function(x[i])
    return loop


@pytest.mark.parametrize("name", CASES)
def test_accuracy_and_vectors(name):
    truth, (low, high), allowed = CASES[name]
    loop, rng = compiled_loop(getattr(mathfun, name)), np.random.default_rng(0)
    for dtype in (np.float32, np.float64):
        if name == "erf_" and dtype == np.float64:
            continue  # the C library's, which is the truth here
        near = rng.uniform(max(low, -1), 1, 20_000), rng.uniform(0, 1e-3, 5_000)
        x = np.maximum(np.concatenate([rng.uniform(low, high, 20_000), *near]), low).astype(dtype)
        y = np.empty_like(x)
        loop(x, y)
        expected = truth(x.astype(L))
        error = np.abs(y - expected) / np.spacing(np.maximum(np.abs(expected), np.finfo(dtype).tiny).astype(dtype))
        assert error.max() <= allowed, f"{dtype.__name__}: {error.max():.2f} units at {x[error.argmax()]}"
    if platform.machine() in ("x86_64", "AMD64"):
        for signature, assembly in loop.inspect_asm().items():
            assert "ymm" in assembly or "zmm" in assembly, f"{name} of {signature[0]} is computed one by one"


def test_exponentials_at_the_ends():
    """Hidden keys of a softmax have −∞: exactly 0; and a NaN must not be lost."""
    for name in ("exp_", "exp_falling_"):
        loop = compiled_loop(getattr(mathfun, name))
        for dtype in (np.float32, np.float64):
            x = np.array([-np.inf, -1e30, np.nan, 0, -800] * 20, dtype)
            y = np.empty_like(x)
            loop(x, y)
            np.testing.assert_array_equal(y, np.array([0, 0, np.nan, 1, 0] * 20, dtype))


def test_normal_distribution_and_its_bell():
    first, second = (compiled_loop(numba.njit(lambda x, k=k: mathfun.normal_(x)[k])) for k in (0, 1))
    for dtype in (np.float32, np.float64):
        x = np.linspace(-6, 6, 3001).astype(dtype)
        y = np.empty_like(x)
        first(x, y)
        expected = [0.5 * math.erfc(-v / math.sqrt(2)) for v in x.tolist()]
        np.testing.assert_allclose(y, expected, rtol=50 * np.finfo(dtype).eps)
        second(x, y)
        np.testing.assert_allclose(y, np.exp(-x.astype(L) ** 2 / 2).astype(float), rtol=20 * np.finfo(dtype).eps)


def test_numbers_of_x_stay_of_its_type():
    for dtype in (np.float32, np.float64):
        typed = numba.njit(lambda x: mathfun.like(0.1, x) * x)
        assert typed(dtype(3)) == dtype(0.1) * dtype(3)
        assert str(typed.overloads[typed.signatures[0]].signature.return_type) == np.dtype(dtype).name
