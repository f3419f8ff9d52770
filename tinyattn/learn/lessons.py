"""Where the lessons lie and what they are called.

``tutorials/`` stands at the top of a checkout, and is installed as ``tinyattn/tutorials``.
"""
import pathlib
import re
from dataclasses import dataclass

from ..nearest import did_you_mean

HERE = pathlib.Path(__file__).resolve().parent


class LessonError(ValueError):
    """There is no such lesson, or it does not run; `str()` is what the user should read."""


@dataclass(frozen=True)
class Lesson:
    """One folder of ``tutorials/``: its `key` ("07", or "museum"), its folder, its title."""

    key: str
    folder: pathlib.Path
    title: str

    @property
    def name(self):
        """The folder's name, as "07_convolution_backward"."""
        return self.folder.name

    @property
    def exercises(self):
        """The list of its `Exercise`s, in the order of the lesson; empty where it has none."""
        from .checks import exercises_of
        return exercises_of(self.key)


def folder():
    """The folder with the lessons; `LessonError` where none was installed."""
    for place in (HERE.parent / "tutorials", HERE.parent.parent / "tutorials"):
        if (place / "README.md").is_file():
            return place
    raise LessonError("the lessons are not here: this installation has no folder tutorials; install the package anew")


def all_lessons():
    """Every lesson in order, the museum last."""
    found = []
    for place in sorted(folder().iterdir()):
        number = re.match(r"(\d\d)_", place.name)
        if number and (place / "lesson.py").is_file():
            found.append(Lesson(number[1], place, _title((place / "lesson.py").read_text(encoding="utf-8"), r"^# # (?:\d+ · )?(.+)$")))
    if (folder() / "museum").is_dir():
        found.append(Lesson("museum", folder() / "museum", _title((folder() / "museum" / "README.md").read_text(encoding="utf-8"), r"^# (.+)$")))
    return found


def _title(text, pattern):
    return re.search(pattern, text, re.M)[1].strip()


def lesson(word):
    """The lesson that `word` names: "7", "07", "07_convolution_backward", "museum"."""
    every = all_lessons()
    wanted = str(word).strip().rstrip("/")
    for one in every:
        if wanted in (one.key, one.key.lstrip("0"), one.name):
            return one
    hint = did_you_mean(wanted, [one.name for one in every])
    raise LessonError(f"there is no lesson {word!r}: {hint}{' ' * bool(hint)}there are {', '.join(one.key for one in every)}")
