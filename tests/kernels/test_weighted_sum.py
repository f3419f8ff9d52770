"""Weighted sums against their formula in extended precision, block edges, and any number of threads."""
import numpy as np
import pytest
from same_bits import same_bits

from tinyattn import kernels

L = np.longdouble
SHAPES = [(1, 1), (3, 5, 2), (2, 7, 3, 17), (2, 32768), (1, 32769), (3, 4097, 9), (0, 3), (2, 0)]


def inputs(shape, count, dtype):
    rng = np.random.default_rng(0)
    return [rng.standard_normal(shape).astype(dtype) for _ in range(count + 1)] + [rng.standard_normal((shape[0], count)).astype(dtype)]


@pytest.mark.parametrize("dtype, tolerance", [(np.float32, 2e-6), (np.float64, 1e-14)])
@pytest.mark.parametrize("count", [1, 2, 3, 4])
@pytest.mark.parametrize("shape", SHAPES)
@pytest.mark.parametrize("rung", kernels.HOST_RUNGS)
def test_values_and_gradients(rung, shape, count, dtype, tolerance):
    k = kernels.rung(rung)
    dy, *xs, w = inputs(shape, count, dtype)
    y, (dw, dxs) = k.weighted_sum_forward(w, xs), k.weighted_sum_backward(dy, w, xs)
    assert y.shape == shape and dw.shape == w.shape and [dx.shape for dx in dxs] == [shape] * count and y.dtype == dw.dtype == dtype
    for n in range(shape[0]):
        np.testing.assert_allclose(y[n], sum(L(w[n, i]) * x[n] for i, x in enumerate(xs)).astype(float), rtol=0, atol=10 * tolerance)
        for i, x in enumerate(xs):
            np.testing.assert_allclose(dxs[i][n], w[n, i] * dy[n], rtol=tolerance)
            np.testing.assert_allclose(dw[n, i], float((dy[n].astype(L) * x[n]).sum()), rtol=0, atol=tolerance * max(1, x[n].size) ** 0.5 * 4)


def test_same_bits():
    k = kernels.rung("cpu")
    dy, *xs, w = inputs((5, 28, 28, 64), 3, np.float32)

    def run():
        dw, dxs = k.weighted_sum_backward(dy, w, xs)
        return k.weighted_sum_forward(w, xs), dw, *dxs
    same_bits(run)
