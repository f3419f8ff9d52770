"""Cross entropy against its formula in extended precision, cases worked by hand, and finite differences."""
import numpy as np
import pytest
from same_bits import same_bits

from tinyattn import kernels

L = np.longdouble
WEIGHT = np.array([0.5, 2.0, 1.0, 0.0, 3.0])


@pytest.fixture(params=kernels.HOST_RUNGS)
def k(request):
    return kernels.rung(request.param)


def numbers(*shape, dtype=np.float64, seed=0, scale=1.0):
    return (np.random.default_rng(seed).standard_normal(shape) * scale).astype(dtype)


def losses_by_hand(logits, target, weight, ignore_index, smoothing):
    logits, result = logits.astype(L), []
    for row, t in zip(logits, target):
        if t == ignore_index:
            result.append(L(0))
            continue
        w = np.ones(len(row), L) if weight is None else weight.astype(L)
        surprise = np.log(np.exp(row - row.max()).sum()) + row.max() - row                   # −log p of every class
        result.append((1 - L(smoothing)) * w[t] * surprise[t] + L(smoothing) / len(row) * (w * surprise).sum())
    return np.array(result)


@pytest.mark.parametrize("dtype,tolerance", [(np.float32, 1e-5), (np.float64, 1e-13)])
@pytest.mark.parametrize("smoothing", [0.0, 0.1, 1.0])
@pytest.mark.parametrize("weight", [None, WEIGHT])
@pytest.mark.parametrize("B", [1, 12, 7000])
def test_losses(k, B, weight, smoothing, dtype, tolerance):
    logits, target = numbers(B, 5, dtype=dtype, scale=3), np.random.default_rng(1).integers(0, 5, B)
    target[B // 2] = -100
    weight = None if weight is None else weight.astype(dtype)
    losses, probs = k.cross_entropy_forward(logits, target, weight, -100, smoothing)
    expected = losses_by_hand(logits, target, weight, -100, smoothing)
    assert losses.dtype == probs.dtype == dtype
    np.testing.assert_allclose(losses, expected.astype(float), rtol=tolerance, atol=tolerance)
    np.testing.assert_allclose(probs, k.softmax_forward(logits), rtol=tolerance)
    assert losses[B // 2] == 0


@pytest.mark.parametrize("smoothing", [0.0, 0.1, 1.0])
@pytest.mark.parametrize("weight", [None, WEIGHT])
def test_gradients(k, weight, smoothing):
    logits, dlosses = numbers(6, 5), numbers(6, seed=1)
    target = np.array([0, 4, 2, 2, 3, 1])
    _, probs = k.cross_entropy_forward(logits, target, weight, 2, smoothing)
    dlogits = k.cross_entropy_backward(dlosses, probs, target, weight, 2, smoothing)
    step, expected = L(1e-5), np.zeros((6, 5))
    for b, c in np.ndindex(6, 5):
        change = np.zeros((6, 5), L)
        change[b, c] = step
        up = losses_by_hand(logits + change, target, weight, 2, smoothing)
        down = losses_by_hand(logits - change, target, weight, 2, smoothing)
        expected[b, c] = ((up - down) * dlosses).sum() / (2 * step)
    np.testing.assert_allclose(dlogits, expected, atol=1e-9)
    assert (dlogits[2:4] == 0).all()
    alike = [k.cross_entropy_backward(np.full(n, 0.3 * total), probs, target, weight, 2, smoothing, total) for n in (1, 6) for total in (1, 4)]
    assert all(np.array_equal(alike[0], other) for other in alike[1:])


@pytest.mark.parametrize("weight", [None, WEIGHT])
def test_rungs_agree_on_many_rows(weight):
    logits, dlosses = numbers(8000, 5, dtype=np.float32), numbers(8000, dtype=np.float32, seed=1)
    target = np.random.default_rng(1).integers(0, 5, 8000)
    weight = None if weight is None else weight.astype(np.float32)
    results = []
    for name in kernels.HOST_RUNGS:
        k = kernels.rung(name)
        losses, probs = k.cross_entropy_forward(logits, target, weight, 4, 0.2)
        results.append((losses, k.cross_entropy_backward(dlosses, probs, target, weight, 4, 0.2)))
    for a, b in zip(*results):
        assert a.dtype == b.dtype == np.float32
        np.testing.assert_allclose(a, b, rtol=0, atol=3e-6)


def test_by_hand(k):
    logits = np.log(np.array([[1.0, 3], [1, 1], [4, 1]]))
    losses, _ = k.cross_entropy_forward(logits, np.array([0, 1, -1]), None, -1, 0.0)
    np.testing.assert_allclose(losses, [np.log(4), np.log(2), 0], rtol=1e-14)
    losses, _ = k.cross_entropy_forward(logits, np.array([0, 1, -1]), np.array([3.0, 10]), -1, 0.0)
    np.testing.assert_allclose(losses, [3 * np.log(4), 10 * np.log(2), 0], rtol=1e-14)


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_confident_logits_stay_finite(k, dtype):
    logits = np.array([[1e4, -1e4, 0], [1e4, -1e4, 0]], dtype)
    target = np.array([0, 1])
    losses, probs = k.cross_entropy_forward(logits, target, None, -100, 0.0)
    assert losses.tolist() == [0, 2e4]
    dlogits = k.cross_entropy_backward(np.ones(2, dtype), probs, target, None, -100, 0.0)
    assert dlogits.tolist() == [[0, 0, 0], [1, -1, 0]]


def test_an_impossible_class_that_is_not_the_target_costs_nothing(k):
    logits = np.array([[0.0, -np.inf, 0.0]])
    losses, probs = k.cross_entropy_forward(logits, np.array([0]), None, -100, 0.0)
    assert losses[0] == np.log(2)
    dlogits = k.cross_entropy_backward(np.ones(1), probs, np.array([0]), None, -100, 0.0)
    np.testing.assert_allclose(dlogits, [[-0.5, 0, 0.5]])


def test_bits_do_not_depend_on_the_threads():
    k, logits = kernels.rung("cpu"), numbers(9000, 7, dtype=np.float32)
    target = np.random.default_rng(1).integers(0, 7, 9000)

    def everything():
        losses, probs = k.cross_entropy_forward(logits, target, None, 3, 0.1)
        return [losses, probs, k.cross_entropy_backward(losses, probs, target, None, 3, 0.1)]

    same_bits(everything)
