"""The lessons' pages: each lesson runs anew, and its page must say what it says now.

Words exactly, numbers to the lesson's tolerance (`tinyattn.learn.markdown.TOLERANCE`, or the lesson's own), pictures by the data they plot.
Timings come from a recorded file, which is not measured anew.
"""
import ast
import importlib.util

import pytest

from tinyattn.learn import markdown, pages
from tinyattn.learn.lessons import all_lessons, folder

LESSONS = [lesson for lesson in all_lessons() if (lesson.folder / "lesson.py").is_file()]
each = pytest.mark.parametrize("lesson", LESSONS, ids=lambda lesson: lesson.name)
needs_docs = pytest.mark.skipif(importlib.util.find_spec("jupytext") is None or importlib.util.find_spec("nbclient") is None,
                                reason="pip install -e '.[docs]'")


@needs_docs
@each
def test_page_is_what_the_lesson_does(lesson):
    found = pages.compare(lesson, pages.make(lesson, all_lessons()))
    assert not found, "\n".join(["run: tinyattn docs pages", *found])


def test_index_is_up_to_date():
    text = (folder() / "README.md").read_text(encoding="utf-8")
    assert pages.index(all_lessons(), text) == text, "run: tinyattn docs pages"


@each
def test_a_lesson_has_its_files(lesson):
    kept = pages.kept(lesson)
    assert {"README.md", "fig/figures.json"} <= kept.keys() and any(name.endswith(".svg") for name in kept)
    assert (lesson.folder / "exercise.py").is_file() and (lesson.folder / "solution.py").is_file()
    text = (lesson.folder / "lesson.py").read_text(encoding="utf-8")
    ast.parse(text)
    assert "To read next" in text


@each
def test_stub_and_solution_have_the_same_doors(lesson):
    """The solution's signatures are the stub's."""
    def signatures(name):
        tree = ast.parse((lesson.folder / name).read_text(encoding="utf-8"))
        return {n.name: ast.dump(n.args) for n in tree.body if isinstance(n, ast.FunctionDef)}
    stub, solution = signatures("exercise.py"), signatures("solution.py")
    assert stub and all(solution.get(name) == arguments for name, arguments in stub.items()
                        if name in {e.name for e in lesson.exercises})


PAGE = {"README.md": "The error is 0.1234 after 20 steps.\n", "fig/figures.json": '{"fig/a.svg": {"alt": "up", "data": [1.5, 2]}}', "fig/a.svg": "<svg>"}


@pytest.mark.parametrize("change, agrees", [
    ({}, True),
    ({"fig/a.svg": "<svg >"}, True),                                       # pictures are compared by their data
    ({"README.md": "The error is 0.1235 after 20 steps.\n"}, True),        # one step of the last digit
    ({"README.md": "The error is 0.1238 after 20 steps.\n"}, False),
    ({"README.md": "The error is 0.1234 after 21 steps.\n"}, False),       # whole numbers are exact
    ({"README.md": "The loss is 0.1234 after 20 steps.\n"}, False),
    ({"README.md": "The error is 0.1234 after 20 steps, 3 times.\n"}, False),
    ({"fig/figures.json": '{"fig/a.svg": {"alt": "up", "data": [1.7, 2]}}'}, False),
    ({"fig/a.svg": None}, False),
    ({"fig/b.svg": "<svg>"}, False),
])
def test_differences_are_found(change, agrees):
    made = {name: text for name, text in {**PAGE, **change}.items() if text is not None}
    assert (markdown.differences(made, PAGE, 1e-6) == []) is agrees


def test_tolerance_is_the_lessons_own(tmp_path):
    from tinyattn.learn.lessons import Lesson
    (tmp_path / "lesson.py").write_text("# tolerance: 0.02\n# %% [markdown]\n# # 01 · x\n", encoding="utf-8")
    assert markdown.tolerance(Lesson("01", tmp_path, "x")) == 0.02
    assert markdown.differences({"README.md": "0.510000"}, {"README.md": "0.502000"}, 0.02) == []
    assert markdown.differences({"README.md": "0.510000"}, {"README.md": "0.482000"}, 0.02)


@needs_docs
@pytest.mark.parametrize("code, words", [("1 / 0", "ZeroDivisionError"), ("import warnings\nwarnings.warn('old')", "complained"), ("", "no code")])
def test_a_lesson_that_fails_is_no_page(tmp_path, code, words):
    from tinyattn.learn.execute import execute
    from tinyattn.learn.lessons import Lesson, LessonError
    (tmp_path / "lesson.py").write_text(f"# %% [markdown]\n# # 01 · x\n\n# %%\n{code}\n", encoding="utf-8")
    with pytest.raises(LessonError, match=words):
        execute(Lesson("01", tmp_path, "x"))


def test_a_quoted_piece_may_move_down_its_file():
    made, kept = ({"README.md": f"[add](../../a.py#L{first}-L{first + 4})\n"} for first in (3, 40))
    assert markdown.differences(made, kept, 1e-6) == []
    assert markdown.differences(made, {"README.md": "[add](../../b.py#L3-L7)\n"}, 1e-6)
