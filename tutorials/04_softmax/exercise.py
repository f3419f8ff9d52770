"""Lesson 04, exercises: three functions that no score can break.

Write what is missing, then:  tinyattn learn check 04
"""


def log_softmax(scores):
    """The logarithm of the softmax of each row.

    scores: array (N, C), float64 or float32, of any size: ±10,000 and more. Returns an array of the same shape and dtype, all finite.
    """
    raise NotImplementedError


def cross_entropy(scores, labels):
    """The mean loss of N examples, and the gradient of that mean.

    scores: float64 (N, C), of any size. labels: (N,), whole numbers, the true class of each row. Returns (a float, an array (N, C)).
    """
    raise NotImplementedError


def softmax_backward(gradient, shares):
    """The gradient of the scores, from the gradient of the shares.

    shares: softmax of the scores along the last axis, float64 (N, M, T). gradient: of the same shape, how much the result grows for
    each 1 that a share grows. Returns an array of that shape, and makes none with T × T numbers a row.
    """
    raise NotImplementedError
