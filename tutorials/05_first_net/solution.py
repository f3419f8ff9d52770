"""Lesson 05, answers."""
import numpy as np


def momentum_step(w, g, v, rate, mu):
    """The velocity first, then a step with the new velocity."""
    v = mu * v + g
    return w - rate * v, v


def adam_step(w, g, m, s, step, rate, beta1=0.9, beta2=0.999, eps=1e-8):
    """Both averages, both corrected by what they lack from having begun at zero."""
    m = beta1 * m + (1 - beta1) * g
    s = beta2 * s + (1 - beta2) * g * g
    return w - rate * (m / (1 - beta1 ** step)) / (np.sqrt(s / (1 - beta2 ** step)) + eps), m, s


def adamw_step(w, g, m, s, step, rate, decay, beta1=0.9, beta2=0.999, eps=1e-8):
    """Shrink, then Adam's step: the slopes g know nothing of the decay."""
    return adam_step(w * (1 - rate * decay), g, m, s, step, rate, beta1, beta2, eps)
