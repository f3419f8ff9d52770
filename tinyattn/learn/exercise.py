"""An exercise, and what happens to an answer: it is called with random inputs, and what it gives is compared.

A check is a function ``check(answer, rng)`` that calls `answer` (what the reader wrote) with inputs drawn from `rng`, and raises
`Wrong` with a hint. A hint says what is to be seen and where to look, never the answer. `same` compares arrays, and knows which wrong
arrays the usual mistakes give: the mistake is named, not guessed.
"""
import contextlib
import copy
import functools
import importlib.util
import signal
import threading
import traceback
from dataclasses import dataclass
from typing import Callable

import numpy as np

ROUNDS = 3            # random inputs that each answer is tried on
SECONDS = 20          # after that long it is taken for an endless loop


class Wrong(Exception):
    """The answer is not right; `str()` is the hint."""


@dataclass(frozen=True)
class Exercise:
    """Something to write: the function or class `name` in the file `file` of the lesson's folder, and what checks it.

    asks: one line on what is asked. check: called with what the reader wrote and a random generator; raises `Wrong`.
    """

    name: str
    asks: str
    check: Callable
    file: str = "exercise.py"


@dataclass(frozen=True)
class Outcome:
    """What became of one exercise: `state` is "right", "wrong" or "not written"; `hint` says more of the last two."""

    exercise: Exercise
    state: str
    hint: str = ""


def same(given, expected, what, mistakes=(), rtol=1e-6, atol=1e-9):
    """Raise `Wrong` unless the array `given` equals `expected`.

    what: what it is, as in "dx". mistakes: pairs (array, hint), what a usual mistake would have given and what to say to it; only those
    that differ from `expected` by more than rounding can be recognised.
    """
    expected = np.asarray(expected, np.float64)
    if given is None:
        raise Wrong(f"{what} is None, expected {_kind(expected)}: is there a return?")
    try:
        array = np.asarray(given, np.float64)
    except (TypeError, ValueError):
        raise Wrong(f"{what} is {_kind(given)}, expected {_kind(expected)}") from None
    for wrong, hint in mistakes:
        wrong = np.asarray(wrong, np.float64)
        if wrong.shape == array.shape and not _close(wrong, expected, rtol, atol) and _close(array, wrong, rtol, atol):
            raise Wrong(hint)
    if array.shape != expected.shape:
        raise Wrong(f"{what} has shape {array.shape}, expected {expected.shape}")
    if _close(array, expected, rtol, atol):
        return
    if not np.isfinite(array).all():
        raise Wrong(f"{what} holds {int((~np.isfinite(array)).sum())} numbers that are infinite or not a number")
    off = np.abs(array - expected)
    place = np.unravel_index(off.argmax(), off.shape)
    wrong = int((off > atol + rtol * np.abs(expected)).sum())
    where = f"[{', '.join(map(str, place))}]" if place else ""
    many = f"; {wrong} of {off.size} numbers differ" if off.size > 1 else ""
    raise Wrong(f"{what}{where} is {array[place]:.6g}, expected {expected[place]:.6g}{many}")


def _close(a, b, rtol, atol):
    return a.shape == b.shape and np.allclose(a, b, rtol, atol, equal_nan=True)


def _kind(thing):
    return f"an array of shape {thing.shape}" if isinstance(thing, np.ndarray) else f"a {type(thing).__name__}"


def slope(function, x, weights, step=1e-6):
    """Central differences: the gradient, in the shape of `x`, of Σ weights · function(x), with float64 arrays in and out."""
    x = np.array(x, np.float64)
    gradient = np.zeros_like(x)
    for place in np.ndindex(*x.shape):
        kept = x[place]
        x[place] = kept + step
        above = np.sum(weights * function(x))
        x[place] = kept - step
        below = np.sum(weights * function(x))
        x[place] = kept
        gradient[place] = (above - below) / (2 * step)
    return gradient


def load(path):
    """The reader's file as a module of its own; `Wrong` with the line where Python stopped."""
    spec = importlib.util.spec_from_file_location("the_readers_file", path)
    module = importlib.util.module_from_spec(spec)
    try:
        with _limited():
            spec.loader.exec_module(module)
    except SyntaxError as error:
        raise Wrong(f"{path.name}, line {error.lineno}: Python cannot read this: {error.msg}") from None
    except FileNotFoundError:
        raise Wrong(f"there is no file {path}; tinyattn learn new DIR copies the stubs") from None
    except Exception as error:  # whatever the reader's lines do
        raise Wrong(f"while it was loaded: {_told(error, path)}") from None
    return module


def examine(exercise, path, seed=0):
    """Check the answer to `exercise` in the file at `path`; an `Outcome`."""
    try:
        module = load(path)
        if not hasattr(module, exercise.name):
            raise Wrong(f"{path.name} has no {exercise.name}: keep the name that the stub has")
        for number in range(ROUNDS):
            with _limited():
                exercise.check(_guarded(getattr(module, exercise.name)), np.random.default_rng([seed, number]))
    except Wrong as wrong:
        return Outcome(exercise, "wrong", str(wrong))
    except NotImplementedError:
        return Outcome(exercise, "not written", exercise.asks)
    except Exception as error:  # whatever the reader's lines do
        return Outcome(exercise, "wrong", _told(error, path))
    return Outcome(exercise, "right")


def _guarded(answer):
    """`answer`, or, of a function, one that sees to it that its array arguments are left as they were."""
    if isinstance(answer, type) or not callable(answer):
        return answer

    @functools.wraps(answer, updated=())
    def called(*arguments, **options):
        before = [copy.deepcopy(a) if isinstance(a, np.ndarray) else None for a in arguments]
        result = answer(*arguments, **options)
        for number, (kept, now) in enumerate(zip(before, arguments)):
            if kept is not None and not np.array_equal(kept, now, equal_nan=kept.dtype.kind == "f"):
                raise Wrong(f"argument {number + 1} was changed in place; whoever called it may still need it: work on a copy")
        return result
    return called


def _told(error, path):
    """An exception of the reader's code in one line, with the line of their file it came from."""
    mine = str(path.absolute())                      # a module's frames know it so, however the file was named
    lines = [frame.lineno for frame in traceback.extract_tb(error.__traceback__) if frame.filename == mine]
    where = f"{path.name}, line {lines[-1]}: " if lines else ""
    return f"{where}{type(error).__name__}: {error}"


@contextlib.contextmanager
def _limited():
    """Stop what runs too long, where the system can (not on Windows, not beside the main thread)."""
    if not hasattr(signal, "setitimer") or threading.current_thread() is not threading.main_thread():
        yield
        return

    def ring(*_):
        raise Wrong(f"still running after {SECONDS} seconds: is there a loop that never ends?")
    before = signal.signal(signal.SIGALRM, ring)
    signal.setitimer(signal.ITIMER_REAL, SECONDS)
    try:
        yield
    finally:
        signal.setitimer(signal.ITIMER_REAL, 0)
        signal.signal(signal.SIGALRM, before)
