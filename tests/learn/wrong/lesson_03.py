"""Answers to lesson 03 that are wrong, each as a mistake that people make, and a word of the hint they should get."""
import numpy as np


def central_one_sided(function, x, step):
    slopes, moved = np.zeros_like(x), x.copy()
    for place in np.ndindex(x.shape):
        moved[place] = x[place] + step
        slopes[place] = (function(moved) - function(x)) / step
        moved[place] = x[place]
    return slopes


def central_divided_by_step(function, x, step):
    slopes, moved = np.zeros_like(x), x.copy()
    for place in np.ndindex(x.shape):
        moved[place] = x[place] + step
        above = function(moved)
        moved[place] = x[place] - step
        slopes[place] = (above - function(moved)) / step
        moved[place] = x[place]
    return slopes


def central_left_moved(function, x, step):
    slopes, moved = np.zeros_like(x), x.copy()
    for place in np.ndindex(x.shape):
        moved[place] = x[place] + step
        above = function(moved)
        moved[place] = x[place] - step
        slopes[place] = (above - function(moved)) / (2 * step)
    return slopes


def central_changes_x(function, x, step):
    slopes = np.zeros_like(x)
    for place in np.ndindex(x.shape):
        kept = float(x[place])
        x[place] = kept + step
        above = function(x)
        x[place] = kept - step
        slopes[place] = (above - function(x)) / (2 * step)
        x[place] = kept + 1e-12
    return slopes


def agrees_absolute(analytic, numeric, rtol, atol):
    return analytic.shape == numeric.shape and bool(np.all(np.abs(analytic - numeric) <= atol + rtol))


def agrees_relative(analytic, numeric, rtol, atol):
    return analytic.shape == numeric.shape and bool(np.all(np.abs(analytic - numeric) <= rtol * np.abs(numeric)))


def agrees_none_is_larger(analytic, numeric, rtol, atol):
    return analytic.shape == numeric.shape and not np.any(np.abs(analytic - numeric) > atol + rtol * np.abs(numeric))


def agrees_without_shapes(analytic, numeric, rtol, atol):
    return bool(np.all(np.abs(analytic - numeric) <= atol + rtol * np.abs(numeric)))


def agrees_without_sign(analytic, numeric, rtol, atol):
    return analytic.shape == numeric.shape and bool(np.all(analytic - numeric <= atol + rtol * np.abs(numeric)))


def _numeric(forward, x, r):
    slopes, moved = np.zeros_like(x), x.copy()
    for place in np.ndindex(x.shape):
        moved[place] = x[place] + 1e-5
        above = np.sum(r * forward(moved))
        moved[place] = x[place] - 1e-5
        slopes[place] = (above - np.sum(r * forward(moved))) / 2e-5
        moved[place] = x[place]
    return slopes


def places_with_ones(forward, backward, x):
    r = np.ones(np.shape(forward(x)))
    n = _numeric(forward, x, r)
    return ~(np.abs(backward(r, x) - n) <= 1e-7 + 1e-5 * np.abs(n))


def places_nan_passes(forward, backward, x):
    r = np.random.default_rng(0).normal(size=np.shape(forward(x)))
    n = _numeric(forward, x, r)
    return np.abs(backward(r, x) - n) > 1e-7 + 1e-5 * np.abs(n)


def places_too_lenient(forward, backward, x):
    r = np.random.default_rng(0).normal(size=np.shape(forward(x)))
    n = _numeric(forward, x, r)
    return ~(np.abs(backward(r, x) - n) <= 0.05 + 0.05 * np.abs(n))


def places_relative_only(forward, backward, x):
    r = np.random.default_rng(0).normal(size=np.shape(forward(x)))
    n = _numeric(forward, x, r)
    return ~(np.abs(backward(r, x) - n) <= 1e-5 * np.abs(n))


def places_all_or_nothing(forward, backward, x):
    return np.full(x.shape, places_nan_passes(forward, backward, x).any())


WRONG = {
    "central_difference": [(central_one_sided, "one-sided"), (central_divided_by_step, "twice as steep"),
                           (central_left_moved, "moved at once"), (central_changes_x, "changed in place")],
    "agrees": [(agrees_absolute, "size"), (agrees_relative, "atol"), (agrees_none_is_larger, "NaN"), (agrees_without_shapes, "stretches"),
               (agrees_without_sign, "either sign")],
    "wrong_places": [(places_with_ones, "weights"), (places_nan_passes, "NaN"), (places_too_lenient, "thousandth"),
                     (places_relative_only, "slopes of 0"), (places_all_or_nothing, "that are right")],
}
