"""Checks the answers to lesson 11."""
import numpy as np

from ..exercise import Exercise, Wrong, same, slope

NEAR = {"rtol": 1e-5, "atol": 1e-8}      # central differences have no more digits


def _sigmoid(z):
    return 1 / (1 + np.exp(-z))


def _inputs(rng):
    """x (2, C, H, W) and the layers' weights; H and W differ, no hidden number lies near the kink at 0."""
    c, h, size = rng.integers(3, 5), rng.integers(2, 4) + 3, rng.integers(3, 6, 2) + [0, 2]
    while True:
        x = rng.normal(size=(2, c, *size)) + rng.normal(size=(2, c, 1, 1))
        w1, b1, w2, b2 = (rng.normal(size=shape) for shape in ((h, c), (h,), (c, h), (c,)))
        before = x.mean((2, 3)) @ w1.T + b1
        if np.abs(before).min() > 1e-3 and (before > 0).any() and (before < 0).any():
            return x, w1, b1, w2, b2


def _gate(squeezed, w1, b1, w2, b2, bend=True):
    before = squeezed @ w1.T + b1
    return _sigmoid((np.maximum(before, 0) if bend else before) @ w2.T + b2)


def _se(x, *weights):
    return x * _gate(x.mean((2, 3)), *weights)[:, :, None, None]


def _se_gate(answer, rng):
    x, *weights = _inputs(rng)
    mean = x.mean((2, 3))
    w1, b1, w2, b2 = weights
    gate = _gate(mean, *weights)
    same(answer(x, *weights), _se(x, *weights), "y",
         [(x * _gate(mean, *weights, bend=False)[:, :, None, None], "what stands between the two layers? Without a bend there, two layers are one"),
          (x * _gate(x.sum((2, 3)), *weights)[:, :, None, None], "the squeeze adds the pixels up: the gate of a large image would not be that of a small one"),
          (x * _gate(x.max((2, 3)), *weights)[:, :, None, None], "the squeeze takes the largest pixel of each channel; SE takes the mean"),
          (x * _gate(x.mean((0, 2, 3))[None], *weights)[:, :, None, None], "the squeeze mixes the images of the batch: each image has its own gate"),
          (x * (np.maximum(mean @ w1.T + b1, 0) @ w2.T + b2)[:, :, None, None], "the gate is not between 0 and 1: what comes last?"),
          (x * np.maximum(_sigmoid(np.maximum(mean @ w1.T + b1, 0) @ w2.T), 0)[:, :, None, None], "the second bias has no effect"),
          (x + gate[:, :, None, None], "the gate is added; a gate multiplies"),
          (np.broadcast_to(gate[:, :, None, None], x.shape), "this is the gate itself, and what passes it is missing")])


def _se_gate_backward(answer, rng):
    x, *weights = _inputs(rng)
    w1, b1, w2, b2 = weights
    dy = rng.normal(size=x.shape)
    given = answer(dy, x, *weights)
    if not isinstance(given, (tuple, list)) or len(given) != 5:
        raise Wrong("se_gate_backward should return five arrays: dx, dw1, db1, dw2, db2")
    mean, pixels = x.mean((2, 3)), x.shape[2] * x.shape[3]
    hidden = np.maximum(mean @ w1.T + b1, 0)
    gate = _gate(mean, *weights)
    dgate = (dy * x).sum((2, 3))
    dscore = dgate * gate * (1 - gate)
    dhidden = dscore @ w2 * (hidden > 0)
    direct, spread = dy * gate[:, :, None, None], (dhidden @ w1)[:, :, None, None] * np.ones(x.shape)
    same(given[4], slope(lambda b: _se(x, w1, b1, w2, b), b2, dy), "db2",
         [(dgate.sum(0), "db2 lacks the slope of the sigmoid, g (1 − g)"),
          (dscore.mean(0), "db2 is a mean over the batch; one bias serves all images, and what it does to each adds up"),
          ((dscore / pixels).sum(0), "a gate multiplies every pixel of its channel, and all of them have a say: they add up"),
          ((dy.sum((2, 3)) * gate * (1 - gate)).sum(0), "the gate's gradient lacks what it multiplies: a gate on a bright pixel matters more")], **NEAR)
    same(given[3], slope(lambda w: _se(x, w1, b1, w, b2), w2, dy), "dw2",
         [((hidden.T @ dscore).T * 0 + dscore.T @ (mean @ w1.T + b1), "dw2 is taken with the hidden numbers before their bend")], **NEAR)
    loose = dscore @ w2
    same(given[2], slope(lambda b: _se(x, w1, b, w2, b2), b1, dy), "db1",
         [(loose.sum(0), "db1 passes where the hidden number was cut off at 0: nothing flows back through what did not pass")], **NEAR)
    same(given[1], slope(lambda w: _se(x, w, b1, w2, b2), w1, dy), "dw1",
         [(loose.T @ mean, "dw1 passes where the hidden number was cut off at 0"),
          (dhidden.T @ x.sum((2, 3)), "dw1 is as if the squeeze had added the pixels; it took their mean")], **NEAR)
    same(given[0], slope(lambda v: _se(v, *weights), x, dy), "dx",
         [(direct, "dx has one way only: x goes into y as what is multiplied, and by another way too"),
          (spread / pixels, "dx has only the way through the squeeze; x is also what the gate multiplies"),
          (direct + spread, "dx: what arrives at a mean belongs to all pixels it was taken of; how much of it to each?")], **NEAR)


def _spatial(x, w, pooled=None):
    pooled = np.stack([x.mean(1), x.max(1)], 1) if pooled is None else pooled
    edge = w.shape[2] // 2
    padded = np.pad(pooled, ((0, 0), (0, 0), (edge, edge), (edge, edge)))
    windows = np.lib.stride_tricks.sliding_window_view(padded, w.shape[2:], (2, 3))
    return np.einsum("nphwrs,prs->nhw", windows, w[0])


def _spatial_gate(answer, rng):
    r = int(rng.choice([3, 5]))
    x = rng.normal(size=(2, rng.integers(3, 5), rng.integers(6, 8), rng.integers(8, 10)))
    w = rng.normal(size=(1, 2, r, r)) / r
    score, mean, largest = _spatial(x, w), x.mean(1), x.max(1)
    same(answer(x, w), x * _sigmoid(score)[:, None], "y",
         [(x * _sigmoid(_spatial(x, w[:, ::-1]))[:, None], "the two maps are exchanged: first the mean, then the maximum"),
          (x * _sigmoid(_spatial(x, w[:, :, ::-1, ::-1]))[:, None], "the filter is turned: a forward convolution of this course does not turn it (lesson 06)"),
          (x * score[:, None], "the gate is not between 0 and 1: what comes last?"),
          (x * _sigmoid(_spatial(x, w, np.stack([x.sum(1), largest], 1)))[:, None], "the first map is the sum over the channels, not their mean"),
          (x * _sigmoid(_spatial(x, w, np.stack([mean, mean], 1)))[:, None], "the second map is the mean again; it should be the maximum"),
          (x * _sigmoid(_spatial(x, w, np.stack([mean, np.abs(x).max(1)], 1)))[:, None], "the second map is the largest size; it should be the largest number"),
          (x + x * _sigmoid(score)[:, None], "x is added once more: this gate has no residual of its own"),
          (x * _sigmoid(score).mean(0)[None, None], "the gate mixes the images of the batch: each has its own")])


def _paired_interval(answer, rng):
    n = int(rng.integers(5, 9))
    seeds = rng.normal(0.8, 0.05, n)
    ones, others, t = seeds + rng.normal(0.01, 0.005, n), seeds + rng.normal(0, 0.005, n), float(rng.uniform(2.2, 2.8))
    difference = ones - others
    middle, error = difference.mean(), difference.std(ddof=1) / np.sqrt(n)

    def around(reach):
        return [middle, middle - reach, middle + reach]
    unpaired = np.sqrt((ones.var(ddof=1) + others.var(ddof=1)) / n)
    same(answer(ones, others, t), around(t * error), "(difference, low, high)",
         [(np.negative(around(t * error))[[0, 2, 1]], "the difference has the wrong sign: ones − others"),
          (around(t * difference.std(ddof=1)), "this is the spread of single runs; how far may the *mean* of n of them be off?"),
          (around(t * difference.std() / np.sqrt(n)), "the spread is too small by a little: n differences around their own mean have n − 1 degrees of freedom"),
          (around(t * unpaired), "the two arms are treated as strangers: run i of both shares its seed, so take differences first, then their spread"),
          (around(t * difference.std(ddof=1) / n), "the error of a mean shrinks with the square root of how many there are"),
          (around(error), "t is not used: the interval reaches t standard errors to each side"),
          (around(2 * t * error), "the interval is twice as wide as it should be: t standard errors to *each* side")])


EXERCISES = [Exercise("se_gate", "one factor for each channel, from all channels' means", _se_gate),
             Exercise("se_gate_backward", "its five gradients; x goes into it twice", _se_gate_backward),
             Exercise("spatial_gate", "one factor for each place: the second half of CBAM", _spatial_gate),
             Exercise("paired_interval", "a difference of two arms that share their seeds, and how sure it is", _paired_interval)]
