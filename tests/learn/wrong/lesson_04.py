"""Answers to lesson 04 that are wrong, each as a mistake that people make, and a word of the hint they should get."""
import numpy as np


def _stable(s, axis=-1):
    z = s - s.max(axis=axis, keepdims=True)
    return z - np.log(np.exp(z).sum(axis=axis, keepdims=True))


def log_naive(scores):
    return np.log(np.exp(scores) / np.exp(scores).sum(1, keepdims=True))


def log_of_stable_softmax(scores):
    e = np.exp(scores - scores.max(1, keepdims=True))
    return np.log(e / e.sum(1, keepdims=True))


def log_one_maximum_for_all(scores):
    z = scores - scores.max()
    return z - np.log(np.exp(z).sum(1, keepdims=True))


def log_maximum_not_subtracted(scores):
    return scores - np.log(np.exp(scores - scores.max(1, keepdims=True)).sum(1, keepdims=True))


def log_down_the_columns(scores):
    return _stable(scores, 0)


def log_in_float64(scores):
    return _stable(scores.astype(np.float64))


def _cross(scores, labels):
    rows, logs = np.arange(len(labels)), _stable(scores)
    y = np.zeros_like(scores)
    y[rows, labels] = 1
    return -logs[rows, labels].mean(), (np.exp(logs) - y) / len(labels)


def cross_sum(scores, labels):
    value, gradient = _cross(scores, labels)
    return value * len(labels), gradient * len(labels)


def cross_gradient_of_sum(scores, labels):
    value, gradient = _cross(scores, labels)
    return value, gradient * len(labels)


def cross_wrong_sign(scores, labels):
    value, gradient = _cross(scores, labels)
    return value, -gradient


def cross_without_truth(scores, labels):
    return _cross(scores, labels)[0], np.exp(_stable(scores)) / len(labels)


def cross_from_shares(scores, labels):
    p = np.exp(_stable(scores))
    return -np.log(p[np.arange(len(labels)), labels]).mean(), _cross(scores, labels)[1]


def backward_alone(gradient, shares):
    return shares * gradient


def backward_diagonal(gradient, shares):
    return shares * (1 - shares) * gradient


def backward_without_share(gradient, shares):
    return gradient - (gradient * shares).sum(-1, keepdims=True)


def backward_one_mean_for_all(gradient, shares):
    return shares * (gradient - (gradient * shares).sum())


def backward_with_table(gradient, shares):
    table = shares[..., :, None] * (np.eye(shares.shape[-1]) - shares[..., None, :])
    return (gradient[..., :, None] * table).sum(-2)


WRONG = {
    "log_softmax": [(log_naive, "NaN"), (log_of_stable_softmax, "cancel on paper"), (log_one_maximum_for_all, "whose largest"),
                    (log_maximum_not_subtracted, "in front of it"), (log_down_the_columns, "down the columns"),
                    (log_in_float64, "keep the dtype")],
    "cross_entropy": [(cross_sum, "the mean is asked for"), (cross_gradient_of_sum, "1/N"), (cross_wrong_sign, "sign is wrong"),
                      (cross_without_truth, "should have been said"), (cross_from_shares, "±10,000")],
    "softmax_backward": [(backward_alone, "compete"), (backward_diagonal, "diagonal"), (backward_without_share, "nothing can move"),
                         (backward_one_mean_for_all, "competition of its own"), (backward_with_table, "on paper first")],
}
