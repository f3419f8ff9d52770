"""What is known about a wrong gradient, and what can still be asked about it: the material of the detectors.

A gradient is a sum, dL/dx_i = Σ_j r_j · ∂y_j/∂x_i, with weights r that we chose. So we can look at the summands (the
Jacobian, by differences), choose other weights (a true backward is linear in them), and go to another point.
"""
from dataclasses import dataclass
from functools import cached_property

import numpy as np

from ..tensor import Tensor

CLOSE = 1e-5            # relative to the largest: two gradients are "the same" for a detector
JACOBIAN_BELOW = 2**18  # numbers; larger ones are not looked at
AGAIN_BELOW = 400       # elements; differences at a second point are made for inputs of up to so many


def same(a, b, close=CLOSE):
    """Equal within rounding and the error of differences."""
    a, b = np.asarray(a, float), np.asarray(b, float)
    return a.shape == b.shape and bool(np.abs(a - b).max(initial=0) <= close * max(np.abs(b).max(initial=0), 1e-12))


@dataclass
class Cause:
    """A likely cause: its kind (one word or two, for programs), and the words for people."""
    kind: str
    words: str
    names: tuple = ()

    def __str__(self):
        return self.words


@dataclass
class Evidence:
    """analytic, numeric: the gradient that backward gave and the true one, arrays of one shape.

    subject, number   what was checked, and which of its wanted inputs this is
    sides             the slopes from the left and from the right at the worst element, with a step and with a smaller one; or None
    unused            no gradient arrived at all
    close             relative error up to which two gradients count as the same: larger where the analytic one is float32
    double            the analytic gradient should have all digits of float64
    """
    analytic: np.ndarray
    numeric: np.ndarray
    subject: object
    number: int
    sides: tuple = None
    unused: bool = False
    close: float = CLOSE
    double: bool = True

    @property
    def x(self):
        return self.subject.wanted[self.number][1]

    @property
    def shape(self):
        return self.numeric.shape

    @cached_property
    def error(self):
        return self.analytic - self.numeric

    @cached_property
    def wrong(self):
        """Where the two differ by more than differences can err."""
        return np.abs(self.error) > self.close * (np.abs(self.numeric) + 0.1 * np.abs(self.numeric).max(initial=0) + 1e-12)

    @cached_property
    def jacobian(self):
        """∂y_j/∂x_i by differences, an array (elements of x, elements of y); None where that would be large."""
        size = self.x.data.size * self.subject.flat_weights.size
        if not size or size > JACOBIAN_BELOW:
            return None
        return np.array([self.subject.slopes(self.x, place, 1e-5) for place in np.ndindex(*self.shape)])

    @cached_property
    def tape(self):
        return self.subject.tape()

    def attribute(self, name):
        """All values of an attribute on the tape, pairs taken apart."""
        values = [a[name] for _, a, _ in self.tape if name in a]
        return [n for v in values for n in (v if isinstance(v, (tuple, list)) else (v,)) if isinstance(n, (int, float))]

    def _asked(self, weights):
        g = self.subject.gradients(weights)[self.number]
        return np.zeros(self.shape) if g is None else g

    @cached_property
    def repeated(self):
        """Whether the subject gives this gradient when it is asked again. What was computed in float32 is asked again in float64, and
        a mistake of the casts alone is not made there."""
        return self.double or same(self._asked(self.subject.weights), self.analytic, 10 * self.close)

    @cached_property
    def doubled(self):
        """The analytic gradient where all weights are twice as large: twice as large itself, if backward is linear in dy."""
        return self._asked([2 * r for r in self.subject.weights])

    @cached_property
    def unweighted(self):
        """The true gradient of Σ y, that is, for dy = 1; None without the Jacobian."""
        return None if self.jacobian is None else self.jacobian.sum(1).reshape(self.shape)

    @cached_property
    def elsewhere(self):
        """(analytic, numeric) at another point, with other weights; None where that would take long, or fails."""
        if self.x.data.size > AGAIN_BELOW:
            return None
        random, subject, x = np.random.default_rng(11), self.subject, self.x
        before, weights, flat = x.data.copy(), subject.weights, subject.flat_weights
        try:
            x.data[...] = before * (1 + 0.03 * random.uniform(0.3, 1, x.shape)) + 0.004
            subject.weights = [random.normal(size=r.shape) for r in weights]
            subject.flat_weights = subject.flat(subject.weights)
            analytic = self._asked(subject.weights)
            numeric = np.array([subject.slope(x, place, 1e-5) for place in np.ndindex(*self.shape)]).reshape(self.shape)
        except (ValueError, RuntimeError, FloatingPointError):
            return None
        finally:
            x.data[...] = before
            subject.weights, subject.flat_weights = weights, flat
        return (analytic, numeric) if np.isfinite(analytic).all() and np.isfinite(numeric).all() else None

    @cached_property
    def moved(self):
        """(analytic, numeric) at another point with the same weights, or None."""
        if self.x.data.size > AGAIN_BELOW:
            return None
        random, x = np.random.default_rng(12), self.x
        before = x.data.copy()
        try:
            x.data[...] = before * (1 + 0.03 * random.uniform(0.3, 1, x.shape)) + 0.004
            analytic = self._asked(self.subject.weights)
            numeric = np.array([self.subject.slope(x, place, 1e-5) for place in np.ndindex(*self.shape)]).reshape(self.shape)
        except (ValueError, RuntimeError, FloatingPointError):
            return None
        finally:
            x.data[...] = before
        return analytic, numeric

    def also_elsewhere(self, holds):
        """Whether ``holds(analytic, numeric)`` is true at the second point as well (True where that was not looked at)."""
        return self.elsewhere is None or holds(*self.elsewhere)

    def arrays(self):
        """(words, array) of the other inputs and of the outputs: what a forgotten factor may be."""
        for i, t in enumerate(self.subject.inputs):
            if isinstance(t, Tensor) and t.is_floating_point():
                yield (f"input {i}" if t is not self.x else "the input itself"), t.data
        for i, y in enumerate(self.subject.outputs()):
            yield ("the output" if i == 0 else f"output {i}"), y.data
