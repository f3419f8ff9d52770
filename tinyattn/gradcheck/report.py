"""What a check found, and how it is told."""
import textwrap
from dataclasses import dataclass, field

import numpy as np

from . import curve as curves
from . import heat
from .evidence import Cause

SMALL_MAP = 4096  # error maps of up to so many elements go into the JSON


class GradcheckError(AssertionError):
    """A gradient does not agree with central differences; `report` has the details."""

    def __init__(self, report):
        super().__init__(str(report))
        self.report = report


@dataclass
class Worst:
    """The element of one input where the two agree least: both values, and how often the input was looked at.

    index is None where only a sum along a random direction was looked at, and `excess` is the error over what is allowed.
    """
    input: int
    shape: tuple
    index: tuple
    analytic: float
    numeric: float
    excess: float = 0.0
    checked: int = 0
    name: str = ""
    direction: np.ndarray = field(default=None, repr=False)

    @property
    def error(self):
        return abs(self.analytic - self.numeric)

    def place(self):
        at = f"at {self.index}" if self.index is not None else "along a random direction"
        named = f" ({self.name})" if self.name else ""
        return f"input {self.input}{named} of shape {self.shape}: worst {at}: backward says {self.analytic:.9g}, differences say {self.numeric:.9g}"


@dataclass
class Failure(Worst):
    """One input whose gradient is wrong: its worst element, a likely cause, and a map of the error (None if too large)."""
    cause: Cause = None
    map: np.ndarray = field(default=None, repr=False)
    wrong: int = 0

    @property
    def hint(self):
        return str(self.cause)

    def __str__(self):
        return f"{self.place()}; {self.hint}"


@dataclass
class Report:
    """What a check found: truthy if all is well. `max_error` is the largest |analytic − numeric| / max(1, |numeric|).

    worst     a `Worst` for each input that was checked
    failures  a `Failure` for each that is wrong
    curve     [(h, |analytic − difference with step h|)] at the worst place of all; [] if it was not asked for
    cause     of a problem that is no matter of numbers (a gradient of the wrong shape), else None
    """
    max_error: float = 0.0
    checked: int = 0
    failures: list = field(default_factory=list)
    problem: str = ""
    worst: list = field(default_factory=list)
    curve: list = field(default_factory=list)
    curve_at: Worst = None
    dtype: str = "float64"
    cause: Cause = None

    @property
    def passed(self):
        return not self.failures and not self.problem

    def __bool__(self):
        return self.passed

    def summary(self):
        """The result in a line, and a line for each wrong input."""
        if self.passed:
            return f"gradcheck: {self.checked} derivatives agree, largest error {self.max_error:.1e}"
        return "gradcheck: " + "\n  ".join([self.problem] * bool(self.problem) + [str(f) for f in self.failures])

    def __str__(self):
        lines = [self.summary()]
        if self.passed and self.curve_at is not None and self.curve:
            lines.append(f"  {self.curve_at.place()}")
        for failure in self.failures:
            if failure.map is not None:
                lines += ["", f"where input {failure.input} of shape {failure.shape} is wrong ({failure.wrong} of {failure.map.size} elements):",
                          *heat.draw(failure.map)]
        if self.curve:
            at = f"at {self.curve_at.index}" if self.curve_at.index is not None else "along a random direction"
            lines += ["", f"the error against the step, input {self.curve_at.input} {at}:", *curves.draw(self.curve)]
            rounding = self.curve_at.error / self.curve_at.excess if self.dtype == "float32" and self.curve_at.excess else None
            for text in curves.explain(self.curve, not self.passed, rounding):
                lines += textwrap.wrap(text, 110, initial_indent="  ", subsequent_indent="    ")
        return "\n".join(lines)

    def as_dict(self):
        """Everything, as JSON can hold it."""
        def told(w):
            made = {"input": w.input, "name": w.name, "shape": list(w.shape), "index": None if w.index is None else list(w.index),
                    "analytic": w.analytic, "numeric": w.numeric, "error": w.error, "error_over_allowed": w.excess, "checked": w.checked}
            if isinstance(w, Failure):
                small = w.map is not None and w.map.size <= SMALL_MAP
                made.update(hint=w.hint, cause=w.cause.kind, candidates=list(w.cause.names), wrong=w.wrong, map=w.map.tolist() if small else None)
            return made
        return {"passed": self.passed, "dtype": self.dtype, "max_error": self.max_error, "checked": self.checked, "problem": self.problem,
                "cause": self.cause and self.cause.kind, "worst": [told(w) for w in self.worst], "failures": [told(f) for f in self.failures],
                "curve": [{"h": h, "error": error} for h, error in self.curve], "curve_at": self.curve_at and told(self.curve_at)}
