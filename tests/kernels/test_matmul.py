"""Matrix products against sums of products of Python's own numbers, and NumPy in float64."""
import math

import numba
import numpy as np
import pytest

from tinyattn import kernels

#  leading, M, N, K
SHAPES = [
    ((), 1, 1, 1), ((), 8, 32, 16), ((), 7, 33, 5), ((), 17, 10, 600), ((3,), 13, 17, 300), ((2, 3), 65, 48, 25),
    ((5,), 1, 40, 3), ((), 70, 200, 33), ((), 20, 9, 5000), ((2,), 30, 8, 2100),
]


def operands(leading, M, N, K, transpose_a, transpose_b, dtype, batched=(True, True)):
    rng = np.random.default_rng(M * N + K)
    a = rng.standard_normal((leading if batched[0] else ()) + ((K, M) if transpose_a else (M, K))).astype(dtype)
    b = rng.standard_normal((leading if batched[1] else ()) + ((N, K) if transpose_b else (K, N))).astype(dtype)
    left = a.swapaxes(-1, -2) if transpose_a else a
    right = b.swapaxes(-1, -2) if transpose_b else b
    y = np.einsum("...mk,...kn->...mn", left.astype(np.float64), right.astype(np.float64))
    sizes = np.einsum("...mk,...kn->...mn", abs(left).astype(np.float64), abs(right).astype(np.float64))
    return a, b, y, 8 * np.finfo(dtype).eps * sizes


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
@pytest.mark.parametrize("transpose_a", [False, True])
@pytest.mark.parametrize("transpose_b", [False, True])
@pytest.mark.parametrize("name", ["matmul", "matmul_plain"])
@pytest.mark.parametrize("rung", kernels.HOST_RUNGS)
def test_every_shape(rung, name, transpose_a, transpose_b, dtype):
    f = getattr(kernels.rung(rung), name)
    for leading, M, N, K in SHAPES:
        if rung == "reference" and name == "matmul_plain" and M * N * K > 10_000:
            continue  # three Python loops
        for batched in [(True, True), (True, False), (False, True)] if leading else [(True, True)]:
            a, b, y, allowed = operands(leading, M, N, K, transpose_a, transpose_b, dtype, batched)
            got = f(a, b, transpose_a, transpose_b)
            assert got.dtype == dtype and got.shape == y.shape and got.flags.c_contiguous
            assert (abs(got - y) <= allowed).all(), (leading, M, N, K, batched, abs(got - y).max())
            out = np.full(y.shape, np.nan, dtype)
            assert f(a, b, transpose_a, transpose_b, out) is out and out.tobytes() == got.tobytes()


@pytest.mark.parametrize("rung", kernels.HOST_RUNGS)
def test_a_case_worked_by_hand(rung):
    k = kernels.rung(rung)
    a, b = np.array([[1.0, 2], [3, 4]]), np.array([[5.0, 6], [7, 8]])
    assert k.matmul(a, b).tolist() == [[19, 22], [43, 50]]
    assert k.matmul(a, b, transpose_a=True).tolist() == [[26, 30], [38, 44]]
    assert k.matmul(a, b, transpose_b=True).tolist() == [[17, 23], [39, 53]]


def test_against_exact_sums():
    """math.fsum rounds once: a float64 product of length n may be off by about n roundings of its terms."""
    a, b, _, _ = operands((), 3, 4, 700, False, False, np.float64)
    y = kernels.rung("cpu").matmul(a, b)
    for m, n in np.ndindex(3, 4):
        terms = [float(a[m, k]) * float(b[k, n]) for k in range(700)]
        assert abs(y[m, n] - math.fsum(terms)) < 1e-15 * sum(map(abs, terms))


@pytest.mark.parametrize("rung", kernels.HOST_RUNGS)
@pytest.mark.parametrize("leading, M, N, K", [((0,), 2, 3, 4), ((), 0, 3, 4), ((), 2, 0, 4), ((), 2, 3, 0)])
def test_empty(rung, leading, M, N, K):
    y = kernels.rung(rung).matmul(np.ones(leading + (M, K), np.float32), np.ones(leading + (K, N), np.float32))
    assert y.shape == leading + (M, N) and not y.any()


def test_infinity_stays_in_its_row_and_column():
    a, b, _, _ = operands((), 17, 21, 40, False, False, np.float32)
    a[5, 3], b[7, 11] = np.inf, np.nan
    finite = np.isfinite(kernels.rung("cpu").matmul(a, b))
    assert not finite[5].any() and not finite[:, 11].any() and finite.sum() == 16 * 20


@pytest.mark.skipif(numba.config.NUMBA_NUM_THREADS < 2, reason="one thread only")
@pytest.mark.parametrize(
    "leading, M, N, K, turned", [((), 200, 90, 64, False), ((40,), 33, 20, 31, False), ((), 64, 70, 5000, True)])
def test_same_bits_with_any_number_of_threads(leading, M, N, K, turned):
    a, b, _, _ = operands(leading, M, N, K, turned, False, np.float32)
    before, bits = numba.get_num_threads(), []
    try:
        for threads in (1, 2):
            numba.set_num_threads(threads)
            bits.append(kernels.rung("cpu").matmul(a, b, turned).tobytes())
    finally:
        numba.set_num_threads(before)
    assert bits[0] == bits[1]
