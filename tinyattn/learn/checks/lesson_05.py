"""Checks the answers to lesson 05: a few steps in a row, beside the formulas written out here number by number."""
import math

import numpy as np

from ..exercise import Exercise, Wrong, same

STEPS = 4


def _parts(given, names, what):
    if not isinstance(given, tuple) or len(given) != len(names):
        raise Wrong(f"{what} should return ({', '.join(names)}), and returned {type(given).__name__}"
                    + (f" of {len(given)}" if isinstance(given, tuple) else ""))
    return given


def _start(rng):
    shape = (2, int(rng.integers(2, 5)), 3)
    return rng.normal(size=shape), [rng.normal(size=shape) * 10.0 ** rng.integers(-2, 3, shape) for _ in range(STEPS)]


def _momentum(answer, rng):
    w, slopes = _start(rng)
    rate, mu, v = 0.1, float(rng.uniform(0.5, 0.95)), rng.normal(size=w.shape)
    for g in slopes:
        old = v
        right_v = mu * v + g
        given_w, given_v = _parts(answer(w.copy(), g.copy(), v.copy(), rate, mu), ("w", "v"), "momentum_step")
        same(given_v, right_v, "v", [(mu * old + (1 - mu) * g, "v is an average: here slopes are added up in full, only what was before fades"),
                                     (old + g, "v never forgets: what was before should fade by the factor μ"),
                                     (mu * old + rate * g, "the rate is already in v; it comes in when the weights move")])
        same(given_w, w - rate * right_v, "w",
             [(w + rate * right_v, "the weights go up the slope; which way makes the loss smaller?"),
              (w - rate * old, "the weights moved with the velocity from before this step"),
              (w - rate * g, "the weights moved with the slope alone, as without momentum")])
        w, v = w - rate * right_v, right_v


def _adam_numbers(w, g, m, s, t, rate, decay, b1, b2, eps):
    """(w, m, s) after one step, one number at a time."""
    out = np.empty_like(w), np.empty_like(w), np.empty_like(w)
    for at in np.ndindex(*w.shape):
        m1 = b1 * m[at] + (1 - b1) * g[at]
        s1 = b2 * s[at] + (1 - b2) * g[at] ** 2
        step = rate * (m1 / (1 - b1 ** t)) / (math.sqrt(s1 / (1 - b2 ** t)) + eps)
        out[0][at], out[1][at], out[2][at] = w[at] - rate * decay * w[at] - step, m1, s1
    return out


def _check_adam(call, rng, name, decay):
    w, slopes = _start(rng)
    m, s = rng.normal(size=w.shape), rng.uniform(0.1, 2, w.shape)     # as if there had been steps before: then every mistake differs
    rate, b1, b2, eps = 0.01, float(rng.uniform(0.8, 0.95)), float(rng.uniform(0.98, 0.999)), 1e-3
    for t, g in enumerate(slopes, 1):
        right_w, right_m, right_s = _adam_numbers(w, g, m, s, t, rate, decay, b1, b2, eps)
        given_w, given_m, given_s = _parts(call(w.copy(), g.copy(), m.copy(), s.copy(), t, rate, b1, b2, eps), ("w", "m", "s"), name)
        coupled = g + decay * w
        mixed = decay and "the decay went into the slope and so into an average: it should bypass both, and act on the weights alone"
        same(given_m, right_m, "m", [*([(b1 * m + (1 - b1) * coupled, mixed)] if decay else []),
                                     (b1 * m + g, "m is a sum; as an average, the new slope comes in with its share 1 − β₁"),
                                     (right_m / (1 - b1 ** t), "m was returned corrected: the correction is for this step's use; the average itself goes on without it")])
        same(given_s, right_s, "s", [(b2 * s + (1 - b2) * g, "s averages the slope; it should average the slope's square"),
                                     (b2 * s + g * g, "s is a sum; as an average, the new square comes in with its share 1 − β₂"),
                                     (right_s / (1 - b2 ** t), "s was returned corrected: the correction is for this step's use; the average itself goes on without it")])
        kept = w * (1 - rate * decay)
        corrected_m, corrected_s = right_m / (1 - b1 ** t), right_s / (1 - b2 ** t)
        mistakes = [
            (kept - rate * right_m / (np.sqrt(right_s) + eps), "the corrections are missing: both averages began at 0, and are too small by 1 − βᵗ"),
            (kept - rate * corrected_m / (np.sqrt(right_s) + eps), "s is not corrected: it began at 0, too"),
            (kept - rate * corrected_m / np.sqrt(corrected_s + eps), "ε stands under the root; it is added to the root"),
            (kept - rate * corrected_m / (corrected_s + eps), "divide by the root of s: s is a square"),
            (kept + rate * corrected_m / (np.sqrt(corrected_s) + eps), "the weights go up the slope; which way makes the loss smaller?")]
        if decay:
            step = rate * corrected_m / (np.sqrt(corrected_s) + eps)
            mistakes += [(w - step, "the weights do not shrink: where is the decay?"),
                         (w - decay * w - step, "the weights shrink by the share decay; it should be rate · decay, so that a smaller rate makes all of the step smaller"),
                         ((w - step) * (1 - rate * decay), "what shrank is the weight after Adam's step; it should be the weight before")]
        same(given_w, right_w, "w", mistakes, rtol=1e-9)
        w, m, s = right_w, right_m, right_s


def _adam(answer, rng):
    _check_adam(lambda w, g, m, s, t, rate, b1, b2, eps: answer(w, g, m, s, t, rate, b1, b2, eps), rng, "adam_step", 0.0)


def _adamw(answer, rng):
    decay = float(rng.uniform(0.5, 2))
    _check_adam(lambda w, g, m, s, t, rate, b1, b2, eps: answer(w, g, m, s, t, rate, decay, b1, b2, eps), rng, "adamw_step", decay)


EXERCISES = [Exercise("momentum_step", "a step with a velocity", _momentum),
             Exercise("adam_step", "a step of Adam, corrections and all", _adam),
             Exercise("adamw_step", "Adam with weight decay that bypasses its averages", _adamw)]
