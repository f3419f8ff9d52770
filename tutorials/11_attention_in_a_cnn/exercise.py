"""Lesson 11, exercises: a gate for channels and its gradients, a gate for places, and an honest difference.

Write what is missing, then:  tinyattn learn check 11
"""
import numpy as np


def se_gate(x, w1, b1, w2, b2):
    """Squeeze and excite: every channel times one number between 0 and 1 that depends on all channels' means.

    x (N, C, H, W), w1 (h, C), b1 (h,), w2 (C, h), b2 (C,): arrays. Returns y (N, C, H, W).
    """
    raise NotImplementedError


def se_gate_backward(dy, x, w1, b1, w2, b2):
    """Gradients of `se_gate`.

    dy (N, C, H, W): how much the loss grows for each 1 that each number of y grows; the rest as there.
    Returns dx (N, C, H, W), dw1 (h, C), db1 (h,), dw2 (C, h), db2 (C,).
    """
    raise NotImplementedError


def spatial_gate(x, w):
    """The second half of CBAM: every place times one number between 0 and 1, the same for all its channels.

    x (N, C, H, W); w (1, 2, R, R), R odd: a filter over two maps, first the mean over the channels, then their maximum; the
    image is padded with zeros so that the gate has H × W numbers. Returns y (N, C, H, W).
    """
    raise NotImplementedError


def paired_interval(ones, others, t):
    """Does one arm do better than another? The mean difference of runs that share their seeds, and a 95 % interval.

    ones, others (n,): results of both arms, run i of both with seed i. t: how many standard errors the interval reaches to each
    side, from Student's table for n − 1 degrees of freedom. Returns three numbers (difference ones − others, low, high).
    """
    raise NotImplementedError
