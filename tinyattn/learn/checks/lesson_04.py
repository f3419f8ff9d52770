"""Checks the answers to lesson 04."""
import tracemalloc

import numpy as np

from ..exercise import Exercise, Wrong, same, slope


def _log_softmax(s):
    z = s - s.max(axis=-1, keepdims=True)
    return z - np.log(np.exp(z).sum(axis=-1, keepdims=True))


def _check_log_softmax(answer, rng):
    usual = rng.normal(size=(3, 4)) * 2
    with np.errstate(all="ignore"):
        given = answer(usual.copy())
        total = np.log(np.exp(usual - usual.max(1, keepdims=True)).sum(1, keepdims=True))
        same(given, _log_softmax(usual), "log_softmax of small scores",
             [(np.exp(_log_softmax(usual)), "these are the shares; their logarithm is asked for"),
              (_log_softmax(usual.T).T, "the shares add up to 1 down the columns; each row is an example of its own"),
              (usual - total, "the largest score was subtracted under the sum and not in front of it"),
              (-_log_softmax(usual), "the sign is wrong: a logarithm of a share is below 0")], rtol=1e-9, atol=1e-12)
        for told, scores in (("scores near 10,000", usual + 10000), ("scores near −10,000", usual - 10000),
                             ("scores of 10,000, 0 and −10,000", np.array([[10000.0, 0.0, -10000.0], [0.0, 1.0, 2.0]])),
                             ("one row near 10,000 and one near −10,000", np.stack([usual[0] + 10000, usual[1] - 10000]))):
            given, right = np.asarray(answer(scores.copy()), float), _log_softmax(scores)
            if given.shape == right.shape and np.isnan(given).any():
                raise Wrong(f"{told}: NaN. Which power became infinite (or, all of them, 0)? Only differences of scores count")
            if given.shape == right.shape and np.isinf(given).any():
                far = np.isinf(given).all(1).any()
                raise Wrong(f"{told}: −∞ in place of {right[np.isinf(given)][0]:.6g}. " +
                            ("A whole row vanished: whose largest was subtracted from it?" if far else
                             "A share that rounds to 0 has no logarithm any more: let power and logarithm cancel on paper"))
            same(given, right, told, rtol=1e-9, atol=1e-9)
        single = answer((usual * 20).astype(np.float32))
        if getattr(single, "dtype", None) != np.float32:
            raise Wrong(f"float32 scores gave {getattr(single, 'dtype', type(single).__name__)}: the result should keep the dtype")
        same(single, _log_softmax(usual.astype(np.float32).astype(float) * 20), "float32 scores", rtol=1e-4, atol=1e-4)


def _check_cross_entropy(answer, rng):
    scores, labels = rng.normal(size=(5, 3)) * 2, rng.integers(0, 3, 5)
    with np.errstate(all="ignore"):
        given = answer(scores.copy(), labels.copy())
        if not isinstance(given, (tuple, list)) or len(given) != 2:
            raise Wrong("cross_entropy should return a pair: the mean loss and its gradient")
        value, gradient = given
        losses = -_log_softmax(scores)[np.arange(5), labels]
        same(value, losses.mean(), "the loss", [(losses.sum(), "the loss is a sum over the examples; the mean is asked for"),
                                                (-losses.mean(), "the sign of the loss is wrong: the logarithm of a share is below 0"),
                                                (losses.mean() / 3, "divided by too much: one loss an example, not one a score"),
                                                (losses, "one loss an example; their mean is asked for")], rtol=1e-9)
        right = slope(lambda s: np.mean(-_log_softmax(s)[np.arange(5), labels]), scores, 1.0)
        p = np.exp(_log_softmax(scores)) / 5
        same(gradient, right, "the gradient",
             [(right * 5, "this is the gradient of the sum of the losses; each has a share of 1/N in the mean"),
              (-right, "the sign is wrong: against the slope, the true class must come up"),
              (p, "these are the shares; what should have been said is missing"),
              (right / 3, "divided by too much: the mean is one over the examples, not over all scores")], rtol=1e-5, atol=1e-8)
        hard, truth = np.array([[10000.0, -10000.0, 0.0], [-10000.0, -10000.0, -9999.0]]), np.array([1, 2])
        value, gradient = answer(hard.copy(), truth.copy())
        if not np.isfinite(value) or not np.isfinite(gradient).all():
            raise Wrong("scores of ±10,000 gave a loss or a gradient that is infinite or NaN: take the loss from the logarithm of the "
                        "softmax as in the first exercise")
        same(value, -_log_softmax(hard)[[0, 1], truth].mean(), "the loss of scores of ±10,000", rtol=1e-9)
        p = np.exp(_log_softmax(hard))
        p[[0, 1], truth] -= 1
        same(gradient, p / 2, "the gradient at scores of ±10,000", rtol=1e-9)


def _check_softmax_backward(answer, rng):
    scores, gradient = rng.normal(size=(2, 3, 4)), rng.normal(size=(2, 3, 4))

    def softmax(s):
        return np.exp(_log_softmax(s))
    p = softmax(scores)
    same(answer(gradient.copy(), p.copy()), slope(softmax, scores, gradient), "the gradient",
         [(p * gradient, "each share is treated as if it were alone; they compete, and what one gains the others lose"),
          (p * (1 - p) * gradient, "only the diagonal of the table: each score also moves the shares of the others"),
          (gradient - (gradient * p).sum(-1, keepdims=True), "right but for a factor: where a share is 0 nothing can move"),
          (p * (gradient - (gradient * p).sum()), "the mean runs over everything; each row has a competition of its own"),
          (p * (gradient - gradient.mean(-1, keepdims=True)), "the mean is one of the shares' weights, not a plain one"),
          (-p * (gradient - (gradient * p).sum(-1, keepdims=True)), "the sign is wrong")], rtol=1e-5, atol=1e-8)
    T = 1500
    p = softmax(rng.normal(size=(1, 1, T)))
    tracemalloc.start()
    try:
        answer(np.ones_like(p), p)
        peak = tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()
    if peak > T * T * 8 / 2:
        raise Wrong(f"right, but a row of {T} shares took {peak / 1e6:.0f} MB: a table of {T} × {T} was made; multiply it out on "
                    "paper first")


EXERCISES = [Exercise("log_softmax", "logarithms of shares, finite for any scores", _check_log_softmax),
             Exercise("cross_entropy", "the mean loss and its gradient, from scores", _check_cross_entropy),
             Exercise("softmax_backward", "from the gradient of shares to that of scores, without the matrix", _check_softmax_backward)]
