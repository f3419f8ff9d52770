"""SimAM's gate on every rung: against a loop over numbers, finite differences, and itself with other numbers of threads."""
import math

import numpy as np
import pytest
from same_bits import same_bits

from tinyattn import kernels

SHAPES = [(1, 1, 1), (2, 1, 7), (2, 35, 5), (3, 49, 16), (1, 784, 3), (2, 60, 130), (2, 9000, 2)]


@pytest.fixture(params=kernels.HOST_RUNGS)
def k(request):
    return kernels.rung(request.param)


def numbers(*shape, dtype=np.float64, seed=0):
    return np.random.default_rng(seed).standard_normal(shape).astype(dtype)


@pytest.mark.parametrize("dtype, tolerance", [(np.float32, 2e-6), (np.float64, 1e-13)])
@pytest.mark.parametrize("N, P, C", SHAPES)
def test_forward(k, N, P, C, dtype, tolerance):
    x = numbers(N, P, C, dtype=dtype) + dtype(3)                          # a mean far from 0
    y, notes = k.energy_gate_forward(x, 0.01)
    assert y.dtype == notes.dtype == dtype and notes.shape == (N, 2, C)
    for n in range(N):
        for c in range(C):
            values = x[n, :, c].astype(float).tolist()
            mean = math.fsum(values) / P
            v = math.fsum((a - mean) ** 2 for a in values) / max(1, P - 1)
            gate = [1 / (1 + math.exp(-((a - mean) ** 2 / (4 * (v + 0.01)) + 0.5))) for a in values]
            np.testing.assert_allclose(y[n, :, c], [a * g for a, g in zip(values, gate)], rtol=10 * tolerance, atol=10 * tolerance)
            np.testing.assert_allclose(notes[n, :, c], [mean, 1 / (4 * (v + 0.01))], rtol=tolerance)
    out = np.empty_like(x)
    assert k.energy_gate_forward(x, 0.01, out=out)[0] is out and np.array_equal(out, y)


@pytest.mark.parametrize("N, P, C", [(1, 1, 1), (2, 1, 3), (2, 7, 5), (1, 40, 16), (1, 3, 130)])
def test_backward(k, N, P, C):
    x, dy, step = numbers(N, P, C), numbers(N, P, C, seed=1), 1e-6
    dx = k.energy_gate_backward(dy, x, k.energy_gate_forward(x, 0.1)[1])
    for i in np.random.default_rng(2).permutation(list(np.ndindex(x.shape)))[:40]:
        i = tuple(i)
        moved = x.copy()
        moved[i] += step
        up = k.energy_gate_forward(moved, 0.1)[0]
        moved[i] -= 2 * step
        np.testing.assert_allclose(dx[i], ((up - k.energy_gate_forward(moved, 0.1)[0]) * dy).sum() / (2 * step), rtol=1e-5, atol=1e-7)


@pytest.mark.parametrize("dtype, tolerance", [(np.float32, 1e-5), (np.float64, 1e-12)])
@pytest.mark.parametrize("N, P, C", SHAPES)
def test_backward_of_every_rung_is_the_specifications(k, N, P, C, dtype, tolerance):
    x, dy, reference = numbers(N, P, C, dtype=dtype) + dtype(1), numbers(N, P, C, dtype=dtype, seed=1), kernels.rung("reference")
    notes = reference.energy_gate_forward(x, 1e-3)[1]
    np.testing.assert_allclose(k.energy_gate_backward(dy, x, notes), reference.energy_gate_backward(dy, x, notes), rtol=0, atol=tolerance)


def test_what_is_not_a_number_stays_in_its_channel(k):
    x = numbers(2, 20, 40, dtype=np.float32)
    clean = k.energy_gate_forward(x, 1e-4)[0]
    x[1, 3, 7] = np.nan
    y = k.energy_gate_forward(x, 1e-4)[0]
    assert np.isnan(y[1, :, 7]).all() and np.isnan(y).sum() == 20
    assert np.array_equal(y[~np.isnan(y)], clean[~np.isnan(y)])
    same = np.full((1, 20, 3), 2, np.float32)                             # no variance: λ alone keeps the division finite
    np.testing.assert_allclose(k.energy_gate_forward(same, 1e-4)[0], 2 / (1 + np.exp(-0.5)), rtol=1e-6)


def test_the_number_of_threads_changes_no_bit():
    x, dy = numbers(7, 300, 20, dtype=np.float32), numbers(7, 300, 20, dtype=np.float32, seed=1)
    k = kernels.rung("cpu")
    same_bits(lambda: [*k.energy_gate_forward(x, 1e-4), k.energy_gate_backward(dy, x, k.energy_gate_forward(x, 1e-4)[1])])
