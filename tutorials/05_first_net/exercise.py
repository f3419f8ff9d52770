"""Lesson 05, exercises: three rules that change weights.

Each takes arrays of one shape and returns new ones; none may change what it was given.
Write what is missing, then:  tinyattn learn check 05
"""
import numpy as np  # noqa: F401


def momentum_step(w, g, v, rate, mu):
    """One step with momentum. w: weights, g: their slopes, v: the velocity, all of one shape. Returns (w, v) after the step.

    v ← μ v + g,   w ← w − rate · v
    """
    raise NotImplementedError


def adam_step(w, g, m, s, step, rate, beta1=0.9, beta2=0.999, eps=1e-8):
    """One step of Adam. m, s: the averages of the slope and of its square, before the step; step: 1 at the first. Returns (w, m, s)."""
    raise NotImplementedError


def adamw_step(w, g, m, s, step, rate, decay, beta1=0.9, beta2=0.999, eps=1e-8):
    """Adam with decoupled weight decay. Returns (w, m, s).

    Besides Adam's step every weight shrinks by the share rate · decay of what it was before the step. The decay does not pass through the
    averages: a weight with large slopes shrinks as fast as one with small slopes.
    """
    raise NotImplementedError
