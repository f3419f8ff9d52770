"""Lesson 04, answers."""
import numpy as np


def log_softmax(scores):
    """s − m − log Σ e^(s − m): the power and the logarithm cancel on paper, not in floats."""
    shifted = scores - scores.max(axis=1, keepdims=True)
    return shifted - np.log(np.exp(shifted).sum(axis=1, keepdims=True))


def cross_entropy(scores, labels):
    """−log p of the true class, and p − y, both of the mean."""
    rows, logs = np.arange(len(labels)), log_softmax(scores)
    gradient = np.exp(logs)
    gradient[rows, labels] -= 1
    return -logs[rows, labels].mean(), gradient / len(labels)


def softmax_backward(gradient, shares):
    """p (g − Σ g p): who gets more than the mean grows."""
    return shares * (gradient - (gradient * shares).sum(axis=-1, keepdims=True))
