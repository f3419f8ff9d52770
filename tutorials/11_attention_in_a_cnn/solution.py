"""Lesson 11, answers."""
import numpy as np


def _sigmoid(z):
    return 1 / (1 + np.exp(-z))


def se_gate(x, w1, b1, w2, b2):
    """Squeeze to means, two layers, a sigmoid, and the product."""
    hidden = np.maximum(x.mean((2, 3)) @ w1.T + b1, 0)              # (N, h)
    return x * _sigmoid(hidden @ w2.T + b2)[:, :, None, None]


def se_gate_backward(dy, x, w1, b1, w2, b2):
    """x has two ways to y: as what is multiplied, and through its mean, spread over the pixels it was taken of."""
    mean = x.mean((2, 3))                                           # (N, C)
    hidden = np.maximum(mean @ w1.T + b1, 0)                        # (N, h)
    gate = _sigmoid(hidden @ w2.T + b2)                             # (N, C)
    dgate = (dy * x).sum((2, 3))                                    # (N, C): every pixel has a say
    dscore = dgate * gate * (1 - gate)                              # (N, C)
    dhidden = dscore @ w2 * (hidden > 0)                            # (N, h)
    dmean = dhidden @ w1                                            # (N, C)
    dx = dy * gate[:, :, None, None] + dmean[:, :, None, None] / (x.shape[2] * x.shape[3])
    return dx, dhidden.T @ mean, dhidden.sum(0), dscore.T @ hidden, dscore.sum(0)


def spatial_gate(x, w):
    """Two maps, one filter, a sigmoid, and the product."""
    pooled = np.stack([x.mean(1), x.max(1)], 1)                     # (N, 2, H, W)
    (h, width), size = x.shape[2:], w.shape[2]
    padded = np.pad(pooled, ((0, 0), (0, 0), (size // 2,) * 2, (size // 2,) * 2))
    score = sum(w[0, p, r, s] * padded[:, p, r:r + h, s:s + width] for p in range(2) for r in range(size) for s in range(size))
    return x * _sigmoid(score)[:, None]


def paired_interval(ones, others, t):
    """The differences are one sample: its mean, and t standard errors of that mean to each side."""
    difference = np.asarray(ones) - np.asarray(others)
    reach = t * difference.std(ddof=1) / np.sqrt(len(difference))
    return difference.mean(), difference.mean() - reach, difference.mean() + reach
