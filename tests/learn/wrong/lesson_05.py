"""Wrong answers to lesson 05, and a piece of the hint that each should get."""
import numpy as np


def momentum_average(w, g, v, rate, mu):
    v = mu * v + (1 - mu) * g
    return w - rate * v, v


def momentum_old_velocity(w, g, v, rate, mu):
    return w - rate * v, mu * v + g


def momentum_uphill(w, g, v, rate, mu):
    v = mu * v + g
    return w + rate * v, v


def momentum_in_place(w, g, v, rate, mu):
    v *= mu
    v += g
    return w - rate * v, v


def _averages(g, m, s, b1, b2):
    return b1 * m + (1 - b1) * g, b2 * s + (1 - b2) * g * g


def adam_uncorrected(w, g, m, s, step, rate, beta1=0.9, beta2=0.999, eps=1e-8):
    m, s = _averages(g, m, s, beta1, beta2)
    return w - rate * m / (np.sqrt(s) + eps), m, s


def adam_eps_inside(w, g, m, s, step, rate, beta1=0.9, beta2=0.999, eps=1e-8):
    m, s = _averages(g, m, s, beta1, beta2)
    return w - rate * m / (1 - beta1 ** step) / np.sqrt(s / (1 - beta2 ** step) + eps), m, s


def adam_returns_corrected(w, g, m, s, step, rate, beta1=0.9, beta2=0.999, eps=1e-8):
    m, s = _averages(g, m, s, beta1, beta2)
    m, s = m / (1 - beta1 ** step), s / (1 - beta2 ** step)
    return w - rate * m / (np.sqrt(s) + eps), m, s


def adam_without_square(w, g, m, s, step, rate, beta1=0.9, beta2=0.999, eps=1e-8):
    m, s = beta1 * m + (1 - beta1) * g, beta2 * s + (1 - beta2) * g
    return w - rate * m / (1 - beta1 ** step) / (np.sqrt(np.abs(s) / (1 - beta2 ** step)) + eps), m, s


def _adam(w, g, m, s, step, rate, beta1, beta2, eps):
    m, s = _averages(g, m, s, beta1, beta2)
    return w - rate * m / (1 - beta1 ** step) / (np.sqrt(s / (1 - beta2 ** step)) + eps), m, s


def adamw_coupled(w, g, m, s, step, rate, decay, beta1=0.9, beta2=0.999, eps=1e-8):
    return _adam(w, g + decay * w, m, s, step, rate, beta1, beta2, eps)


def adamw_without_rate(w, g, m, s, step, rate, decay, beta1=0.9, beta2=0.999, eps=1e-8):
    new, m, s = _adam(w, g, m, s, step, rate, beta1, beta2, eps)
    return new - decay * w, m, s


def adamw_forgotten(w, g, m, s, step, rate, decay, beta1=0.9, beta2=0.999, eps=1e-8):
    return _adam(w, g, m, s, step, rate, beta1, beta2, eps)


def adamw_after(w, g, m, s, step, rate, decay, beta1=0.9, beta2=0.999, eps=1e-8):
    new, m, s = _adam(w, g, m, s, step, rate, beta1, beta2, eps)
    return new * (1 - rate * decay), m, s


WRONG = {
    "momentum_step": [(momentum_average, "average"), (momentum_old_velocity, "from before this step"), (momentum_uphill, "up the slope"),
                      (momentum_in_place, "changed in place")],
    "adam_step": [(adam_uncorrected, "corrections are missing"), (adam_eps_inside, "under the root"), (adam_returns_corrected, "returned corrected"),
                  (adam_without_square, "square")],
    "adamw_step": [(adamw_coupled, "bypass"), (adamw_without_rate, "rate · decay"), (adamw_forgotten, "where is the decay"),
                   (adamw_after, "weight before")],
}
