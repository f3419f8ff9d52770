"""Every exercise: the stub is not written, the solution is right, and at least three usual mistakes get a hint that fits.

The wrong answers are in ``tests/learn/wrong/``, a file a lesson: ``WRONG = {exercise: [(answer, a piece of the hint), …]}``.
"""
import importlib.util
import pathlib

import numpy as np
import pytest

from tinyattn.learn import exercise as exercises
from tinyattn.learn.exercise import ROUNDS, Exercise, Wrong, examine, same
from tinyattn.learn.lessons import all_lessons

HERE = pathlib.Path(__file__).resolve().parent
CASES = [(lesson, exercise) for lesson in all_lessons() for exercise in lesson.exercises]
each = pytest.mark.parametrize("lesson, exercise", CASES, ids=[f"{lesson.key}-{e.name}" for lesson, e in CASES])


def solution_of(lesson, exercise):
    name = pathlib.Path(exercise.file)
    return lesson.folder / ("solution.py" if exercise.file == "exercise.py" else pathlib.Path("repaired") / name)


def wrong_answers(lesson):
    path = HERE / "wrong" / (f"lesson_{lesson.key}.py" if lesson.key.isdigit() else f"{lesson.key}.py")
    spec = importlib.util.spec_from_file_location(f"wrong_{lesson.key}", path)
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module.WRONG


@pytest.mark.parametrize("lesson", [x for x in all_lessons() if x.key.isdigit()], ids=lambda x: x.key)
def test_every_lesson_has_two_exercises(lesson):
    assert len(lesson.exercises) >= 2
    assert set(wrong_answers(lesson)) == {e.name for e in lesson.exercises}


@each
def test_stub_is_not_written(lesson, exercise):
    outcome = examine(exercise, lesson.folder / exercise.file)
    assert outcome.state == ("not written" if lesson.key.isdigit() else "wrong") and outcome.hint, outcome


@each
@pytest.mark.parametrize("seed", range(5))
def test_solution_is_right(lesson, exercise, seed):
    outcome = examine(exercise, solution_of(lesson, exercise), seed)
    assert outcome.state == "right", outcome.hint


@each
@pytest.mark.parametrize("seed", range(3))
def test_mistakes_get_a_hint_that_fits(lesson, exercise, seed, monkeypatch):
    answers = wrong_answers(lesson)[exercise.name]
    assert len(answers) >= 3 and len({words for _, words in answers}) >= 2
    for answer, words in answers:
        module = type("Module", (), {exercise.name: staticmethod(answer) if not isinstance(answer, type) else answer})
        monkeypatch.setattr(exercises, "load", lambda path: module)
        outcome = examine(exercise, pathlib.Path("answers.py"), seed)
        assert outcome.state == "wrong", f"{answer.__name__} passed"
        assert words in outcome.hint, f"{answer.__name__}: {outcome.hint}"


def told(tmp_path, text, check=lambda answer, rng: answer(1.0)):
    path = tmp_path / "exercise.py"
    path.write_text(text, encoding="utf-8")
    return examine(Exercise("f", "write f", check), path)


@pytest.mark.parametrize("text, words", [
    ("def f(x:\n    pass", "line 1"),
    ("import nothing_of_this_name", "ModuleNotFoundError"),
    ("def g(x):\n    return x", "has no f"),
    ("def f(x):\n    return x[0]", "line 2: TypeError"),
    ("def f(x):\n    return unknown", "NameError"),
    ("raise SystemError('no')", "SystemError"),
])
def test_what_breaks_is_told_with_its_line(tmp_path, text, words):
    outcome = told(tmp_path, text)
    assert outcome.state == "wrong" and words in outcome.hint, outcome.hint


def test_the_line_is_told_of_a_file_named_from_here(tmp_path, monkeypatch):
    (tmp_path / "mine.py").write_text("def f(x):\n    return x[0]", encoding="utf-8")
    monkeypatch.chdir(tmp_path)
    outcome = examine(Exercise("f", "write f", lambda answer, rng: answer(1.0)), pathlib.Path("mine.py"))
    assert outcome.hint.startswith("mine.py, line 2: TypeError")


def test_endless_loop_is_stopped(tmp_path, monkeypatch):
    monkeypatch.setattr(exercises, "SECONDS", 0.2)
    outcome = told(tmp_path, "def f(x):\n    while True:\n        pass")
    assert outcome.state == "wrong" and "never ends" in outcome.hint


def test_changed_argument_is_noticed(tmp_path):
    outcome = told(tmp_path, "def f(x):\n    x += 1\n    return x", lambda answer, rng: answer(np.zeros(3)))
    assert outcome.state == "wrong" and "changed in place" in outcome.hint


def test_an_answer_is_tried_several_times():
    seen = []
    path = next(solution_of(lesson, e) for lesson, e in CASES)
    name = CASES[0][1].name
    examine(Exercise(name, "", lambda answer, rng: seen.append(rng.integers(1 << 30))), path)
    assert len(set(seen)) == ROUNDS


def test_same_names_the_mistake_and_else_the_worst_place():
    with pytest.raises(Wrong, match="^a mean$"):
        same(np.ones(3), np.full(3, 3.0), "dx", [(np.ones(3), "a mean")])
    with pytest.raises(Wrong, match=r"dx\[1\] is 5, expected 1; 1 of 3 numbers differ"):
        same([1, 5, 1], np.ones(3), "dx", [(np.zeros(3), "zeros")])
    with pytest.raises(Wrong, match=r"shape \(2,\), expected \(3,\)"):
        same(np.ones(2), np.ones(3), "dx")
    with pytest.raises(Wrong, match="not a number"):
        same([np.nan, 1, 1], np.ones(3), "dx")
    with pytest.raises(Wrong, match="is there a return"):
        same(None, np.ones(3), "dx")
    same(np.ones(3), np.ones(3), "dx", [(np.ones(3), "a mistake that gives the right numbers is none")])
