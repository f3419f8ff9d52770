"""Checks the answers to lesson 03."""
import numpy as np

from ..exercise import Exercise, Wrong, same


def _central_difference(answer, rng):
    for shape in ((2, 3), (), (4,), (2, 1, 3)):
        x, w = rng.normal(size=shape), rng.normal(size=shape)
        before, moved = x.copy(), [0]

        def function(v):
            if np.shape(v) != shape:
                raise Wrong(f"function was given an array of shape {np.shape(v)}, expected that of x, {shape}")
            moved.append(int(np.count_nonzero(v != before)))
            return float(np.sum(w * v ** 3))

        given = answer(function, x, 1e-2)
        if max(moved) > 1:
            raise Wrong(f"{max(moved)} numbers were moved at once: put a number back before the next is moved")
        right = w * (3 * x * x + 1e-4)                     # exact for a cube: the step's h² f'''/6 is part of the answer
        mistakes = [(w * (3 * x * x + 3e-2 * x + 1e-4), "this is the one-sided difference: nudge both ways, and compare the two"),
                    (w * (3 * x * x - 3e-2 * x + 1e-4), "this is the one-sided difference: nudge both ways, and compare the two"),
                    (2 * right, "twice as steep as it should be: how far apart are x + step and x − step?"),
                    (-right, "the sign is wrong: which of the two values is subtracted?")]
        same(given, right, f"the slopes for an array of shape {shape}", mistakes, rtol=1e-8, atol=1e-10)


def _agrees(answer, rng):
    n = rng.normal(size=(2, 3)) + 3 * rng.choice([-1, 1], size=(2, 3))

    def expect(a, b, truth, hint, rtol=1e-5, atol=1e-7):
        given = answer(a, b, rtol, atol)
        if not isinstance(given, (bool, np.bool_)):
            raise Wrong(f"agrees returned {given!r}, expected True or False")
        if bool(given) is not truth:
            raise Wrong(f"agrees said {bool(given)}: {hint}")

    expect(n, n.copy(), True, "these two are equal")
    one = n.copy()
    one[1, 2] += 0.01
    expect(one, n, False, "one number of six is off by 0.01")
    one[1, 2] = n[1, 2] - 0.01
    expect(one, n, False, "one number of six is too small by 0.01; a difference may have either sign")
    expect(1e6 * n * (1 + 5e-6), 1e6 * n, True, "slopes of a million, off by five in a million of their size: compare with the size (rtol)")
    expect(-1e6 * np.abs(n) * (1 + 5e-6), -1e6 * np.abs(n), True, "large negative slopes, off by five in a million of their size")
    expect(np.zeros((2, 3)), 3e-11 * n, True, "true slopes of 0, and the noise of nudging: atol is for this")
    expect(1e-3 * n, 2e-3 * n, False, "small slopes, off by a factor of two")
    one = n.copy()
    one[0, 1] = np.nan
    expect(one, n, False, "one number is NaN; nan > anything is False, and so is nan < anything")
    expect(n, one, False, "one nudged slope is NaN; nan > anything is False, and so is nan < anything")
    expect(np.broadcast_to(n[:1], (2, 3)).copy(), n[:1], False,
           "shapes (2, 3) and (1, 3): NumPy stretches the one to the other, and a gradient of the wrong shape passes")
    expect(n + 0.05, n, True, "rtol = 0.2 was asked for, and the difference is less", 0.2, 0.0)
    expect(n + 0.05, n, True, "atol = 0.1 was asked for, and the difference is less", 0.0, 0.1)


def _blur(x):
    p = np.pad(x, ((0, 0), (1, 1), (1, 1)))
    return p[:, :-2, 1:-1] + 2 * x + 0.5 * p[:, 1:-1, 2:]


def _blur_back(g, x):
    p = np.pad(g, ((0, 0), (1, 1), (1, 1)))
    return p[:, 2:, 1:-1] + 2 * g + 0.5 * p[:, 1:-1, :-2]


def _centre(x):
    return x - x.mean(-1, keepdims=True)


def _masked(x):
    always = 100 * np.sqrt(np.abs(x)) ** 2 / np.abs(x)          # 100, but for rounding
    return np.where(np.arange(x.shape[-1]) % 2, x * x, always)


def _masked_back(g, x):
    return np.where(np.arange(x.shape[-1]) % 2, 2 * x * g, 0.0)


def _wrong_places(answer, rng):
    x = rng.normal(size=(2, 4, 5)) + 2.5

    def expect(forward, backward, truth, words):
        given = np.asarray(answer(forward, backward, x.copy()))
        if given.shape != x.shape or given.dtype != bool:
            raise Wrong(f"wrong_places returned {given.dtype} of shape {given.shape}, expected bool of shape {x.shape}")
        if not np.array_equal(given, truth):
            missed, accused = int((truth & ~given).sum()), int((given & ~truth).sum())
            told = f"{missed} wrong places were not found" if missed else f"{accused} places were accused that are right"
            raise Wrong(f"{words}: {told}")

    none, every = np.zeros(x.shape, bool), np.ones(x.shape, bool)
    frame = none.copy()
    frame[:, -1] = True
    expect(_blur, _blur_back, none, "a backward that is right")
    expect(_blur, lambda g, v: _blur_back(g, v) * np.where(frame, 1.001, 1), frame,
           "a backward that is off by a thousandth in the last row")
    expect(lambda v: v.sum(-1), lambda g, v: np.broadcast_to(g[..., None], v.shape), none, "a sum, whose output is smaller than its input")
    expect(_centre, lambda g, v: 1.5 * (g - g.mean(-1, keepdims=True)), every,
           "a backward that is wrong, though it is right for a gradient of ones (the outputs add up to 0): which weights do you give "
           "the outputs?")
    expect(_masked, _masked_back, none, "a right backward with slopes of 0 at every second place")
    expect(_masked, lambda g, v: np.where(np.arange(v.shape[-1]) % 2, 2 * v * g, np.nan), np.broadcast_to(np.arange(5) % 2 == 0, x.shape),
           "a backward that gives NaN at every second place")
    expect(lambda v: 1e4 * v ** 3, lambda g, v: 3e4 * v * v * g, none, "a right backward with slopes of a hundred thousand")


EXERCISES = [Exercise("central_difference", "slopes by nudging both ways", _central_difference),
             Exercise("agrees", "whether two gradients are the same, NaN and stretched shapes included", _agrees),
             Exercise("wrong_places", "a gradient checker that says where", _wrong_places)]
