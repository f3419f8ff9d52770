"""Answers to lesson 11 that are wrong, each as a mistake that people make, and a word of the hint they should get."""
import numpy as np


def _sigmoid(z):
    return 1 / (1 + np.exp(-z))


def se_without_bend(x, w1, b1, w2, b2):
    return x * _sigmoid((x.mean((2, 3)) @ w1.T + b1) @ w2.T + b2)[:, :, None, None]


def se_sums(x, w1, b1, w2, b2):
    return x * _sigmoid(np.maximum(x.sum((2, 3)) @ w1.T + b1, 0) @ w2.T + b2)[:, :, None, None]


def se_over_the_batch(x, w1, b1, w2, b2):
    return x * _sigmoid(np.maximum(x.mean((0, 2, 3)) @ w1.T + b1, 0) @ w2.T + b2)[None, :, None, None]


def se_without_sigmoid(x, w1, b1, w2, b2):
    return x * (np.maximum(x.mean((2, 3)) @ w1.T + b1, 0) @ w2.T + b2)[:, :, None, None]


def se_gate_alone(x, w1, b1, w2, b2):
    return np.ones(x.shape) * _sigmoid(np.maximum(x.mean((2, 3)) @ w1.T + b1, 0) @ w2.T + b2)[:, :, None, None]


def _backward(dy, x, w1, b1, w2, b2, direct=1, spread=1, share=True, slope=True, cut=True, pixels=True):
    mean = x.mean((2, 3))
    hidden = np.maximum(mean @ w1.T + b1, 0)
    gate = _sigmoid(hidden @ w2.T + b2)
    dscore = (dy * x if pixels else dy).sum((2, 3)) * (gate * (1 - gate) if slope else 1)
    dhidden = dscore @ w2 * (hidden > 0 if cut else 1)
    through = (dhidden @ w1)[:, :, None, None] / (x.shape[2] * x.shape[3] if share else 1)
    return direct * dy * gate[:, :, None, None] + spread * through, dhidden.T @ mean, dhidden.sum(0), dscore.T @ hidden, dscore.sum(0)


def backward_one_way(*given):
    return _backward(*given, spread=0)


def backward_only_squeeze(*given):
    return _backward(*given, direct=0)


def backward_mean_not_shared(*given):
    return _backward(*given, share=False)


def backward_without_sigmoids_slope(*given):
    return _backward(*given, slope=False)


def backward_through_the_cut(*given):
    return _backward(*given, cut=False)


def backward_without_pixels(*given):
    return _backward(*given, pixels=False)


def backward_three_only(*given):
    return _backward(*given)[:3]


def _spatial(x, w, pooled):
    size, (h, width) = w.shape[2], x.shape[2:]
    padded = np.pad(pooled, ((0, 0), (0, 0), (size // 2,) * 2, (size // 2,) * 2))
    return sum(w[0, p, r, s] * padded[:, p, r:r + h, s:s + width] for p in range(2) for r in range(size) for s in range(size))[:, None]


def _pooled(x):
    return np.stack([x.mean(1), x.max(1)], 1)


def spatial_exchanged(x, w):
    return x * _sigmoid(_spatial(x, w, _pooled(x)[:, ::-1]))


def spatial_turned(x, w):
    return x * _sigmoid(_spatial(x, w[:, :, ::-1, ::-1], _pooled(x)))


def spatial_without_sigmoid(x, w):
    return x * _spatial(x, w, _pooled(x))


def spatial_sum(x, w):
    return x * _sigmoid(_spatial(x, w, np.stack([x.sum(1), x.max(1)], 1)))


def spatial_with_residual(x, w):
    return x + x * _sigmoid(_spatial(x, w, _pooled(x)))


def spatial_shrinks(x, w):
    edge = w.shape[2] // 2
    return (x * _sigmoid(_spatial(x, w, _pooled(x))))[:, :, edge:-edge, edge:-edge]


def _around(middle, reach):
    return middle, middle - reach, middle + reach


def interval_unpaired(ones, others, t):
    return _around(ones.mean() - others.mean(), t * np.sqrt((ones.var(ddof=1) + others.var(ddof=1)) / len(ones)))


def interval_of_single_runs(ones, others, t):
    return _around((ones - others).mean(), t * (ones - others).std(ddof=1))


def interval_wrong_freedom(ones, others, t):
    return _around((ones - others).mean(), t * (ones - others).std() / np.sqrt(len(ones)))


def interval_other_sign(ones, others, t):
    return _around((others - ones).mean(), t * (ones - others).std(ddof=1) / np.sqrt(len(ones)))


def interval_over_n(ones, others, t):
    return _around((ones - others).mean(), t * (ones - others).std(ddof=1) / len(ones))


WRONG = {
    "se_gate": [(se_without_bend, "two layers are one"), (se_sums, "adds the pixels up"), (se_over_the_batch, "mixes the images"),
                (se_without_sigmoid, "between 0 and 1"), (se_gate_alone, "the gate itself")],
    "se_gate_backward": [(backward_one_way, "another way"), (backward_only_squeeze, "also what the gate multiplies"),
                         (backward_mean_not_shared, "how much of it to each"), (backward_without_sigmoids_slope, "slope of the sigmoid"),
                         (backward_through_the_cut, "cut off at 0"), (backward_without_pixels, "bright pixel"), (backward_three_only, "five arrays")],
    "spatial_gate": [(spatial_exchanged, "exchanged"), (spatial_turned, "turned"), (spatial_without_sigmoid, "between 0 and 1"),
                     (spatial_sum, "not their mean"), (spatial_with_residual, "residual"), (spatial_shrinks, "shape")],
    "paired_interval": [(interval_unpaired, "strangers"), (interval_of_single_runs, "single runs"), (interval_wrong_freedom, "degrees of freedom"),
                        (interval_other_sign, "wrong sign"), (interval_over_n, "square root")],
}
