"""Recorded measurements: kept only when asked for, all of them or those named, and told on the page with their machine."""
import sys

import pytest

from tinyattn.learn import page


@pytest.fixture(autouse=True)
def lesson(tmp_path, monkeypatch):
    monkeypatch.setenv("TINYATTN_LESSON", str(tmp_path))
    return tmp_path


def measured(monkeypatch, name, value, *words):
    monkeypatch.setattr(sys, "argv", ["lesson.py", *words])
    return page.recorded(name, lambda: value)[0]


def test_measure_keeps_nothing(lesson, monkeypatch):
    assert measured(monkeypatch, "speed", 1, "--measure") == 1 and measured(monkeypatch, "speed", 2, "--measure") == 2
    assert not (lesson / "recorded.json").exists()


def test_record_keeps_all_or_what_is_named(lesson, monkeypatch):
    assert measured(monkeypatch, "speed", 1, "--record") == 1 and measured(monkeypatch, "error", 5, "--record") == 5
    assert measured(monkeypatch, "speed", 2, "--record", "error") == 1, "what is not named is as it was"
    assert measured(monkeypatch, "error", 6, "--record", "error") == 6
    assert measured(monkeypatch, "speed", 9, "--measure") == 9
    assert measured(monkeypatch, "speed", 9) == 1 and measured(monkeypatch, "error", 9) == 6
    assert page.recorded("speed", lambda: 9)[1]["processor"]


def test_what_was_never_recorded_is_explained(monkeypatch):
    with pytest.raises(LookupError, match="holds no 'speed'; run python lesson.py --record"):
        measured(monkeypatch, "speed", 1)
