"""`tinyattn learn`: lists, copies stubs without writing over anything, checks, remembers."""
import shutil

import pytest

from tinyattn.cli import main
from tinyattn.learn import progress
from tinyattn.learn.lessons import all_lessons, lesson


@pytest.fixture(autouse=True)
def home(tmp_path, monkeypatch):
    monkeypatch.setenv("TINYATTN_STATE", str(tmp_path / "state"))
    monkeypatch.chdir(tmp_path)
    return tmp_path


def said(capsys, *words):
    code = main(["learn", *map(str, words)])
    out, err = capsys.readouterr()
    return code, out + err


def test_from_stub_to_done(home, capsys):
    first = all_lessons()[0]
    assert "0 of 3" in said(capsys)[1]
    code, text = said(capsys, "new", "mine")
    assert code == 0 and (home / "mine" / first.name / "exercise.py").read_bytes() == (first.folder / "exercise.py").read_bytes()
    code, text = said(capsys, "check")
    assert code == 0 and "Nothing is written yet" in text
    code, text = said(capsys, "check", "1")
    assert code == 1 and text.count("to do") == 3 and "0 of 3" in text
    shutil.copy(first.folder / "solution.py", home / "mine" / first.name / "exercise.py")
    code, text = said(capsys, "check")
    assert code == 0 and text.count("✓") == 3 and "done" in text
    code, text = said(capsys)
    assert " ✓     01" in text and "3 of 3" in text
    (home / "mine" / first.name / "exercise.py").write_text("def divide(a, b): return 0, 0, 0", encoding="utf-8")
    code, text = said(capsys, "check", "01")
    assert code == 1 and "✗ divide" in text and "has no sigmoid" in text
    assert "0 of 3" in said(capsys)[1], "what is wrong now is done no longer"


def test_nothing_is_written_over(home, capsys):
    said(capsys, "new", "mine")
    stub = home / "mine" / all_lessons()[0].name / "exercise.py"
    stub.write_text("# my work", encoding="utf-8")
    code, text = said(capsys, "new", "mine")
    assert code == 0 and "as they were" in text and stub.read_text(encoding="utf-8") == "# my work"


def test_one_file_and_another_folder(home, capsys):
    first = all_lessons()[0]
    assert said(capsys, "check", "01", "--file", first.folder / "solution.py")[0] == 0
    (home / "other" / first.name).mkdir(parents=True)
    shutil.copy(first.folder / "solution.py", home / "other" / first.name / "exercise.py")
    assert said(capsys, "check", "01", "--dir", "other")[0] == 0


def test_one_exhibit_of_the_museum(home, capsys):
    museum = lesson("museum")
    said(capsys, "new", "mine")
    assert "Nothing is written yet" in said(capsys, "check")[1], "an exhibit that nobody has touched is no mistake of the reader's"
    for word in ("museum/03", "museum/3", "museum/Conv2d", "museum/03_kernel_not_flipped"):
        code, text = said(capsys, "check", word)
        assert code == 1 and "✗ Conv2d" in text and "0 of 1" in text and "Scale" not in text
    assert "dx, where it is wrong:" in text and "█" in text
    shutil.copy(museum.folder / "repaired" / "03_kernel_not_flipped.py", home / "mine" / "museum" / "03_kernel_not_flipped.py")
    assert said(capsys, "check", "museum/03")[0] == 0
    assert f"1 of {len(museum.exercises)}" in said(capsys)[1]
    code, text = said(capsys, "check")
    assert code == 0 and "✓ Conv2d" in text and "Scale" not in text
    (home / "mine" / "museum" / "01_unbroadcast.py").write_text("class Scale:\n    pass", encoding="utf-8")
    code, text = said(capsys, "check")
    assert code == 1 and "✗ Scale" in text and "✓ Conv2d" in text
    code, text = said(capsys, "check", "museum/99")
    assert code == 2 and "has no exercise '99'" in text and "Conv2d" in text


def test_progress_survives_nonsense(home, capsys):
    progress.path().parent.mkdir(parents=True)
    for text in ("", "[]", '{"done": 3, "folder": []}', '{"done": {"01": 4}}', "\x00"):
        progress.path().write_text(text, encoding="utf-8")
        assert said(capsys)[0] == 0 and progress.read() == {"folder": None, "done": {}}


@pytest.mark.parametrize("words, hint", [
    (["check", "99"], "there is no lesson '99'"), (["chekc", "01"], "did you mean check?"), (["new"], "needs a folder"),
    (["read"], "needs a lesson"), (["check", "01"], "tinyattn learn new DIR"), (["list", "01"], "tinyattn learn read 01"),
    (["check", "--file", "x.py"], "needs the lesson"), (["new", "x", "--file", "y"], "belongs to check"),
    (["check", "01", "--dir", "nowhere"], "there is no folder nowhere"),
])
def test_mistakes_are_explained(capsys, words, hint):
    code, text = said(capsys, *words)
    assert code == 2 and hint in text, text


def test_missing_file_is_a_hint(home, capsys):
    code, text = said(capsys, "check", "01", "--file", "nothing.py")
    assert code == 1 and "there is no file" in text


def test_read_shows_files_that_are_there(capsys):
    for one in all_lessons():
        code, text = said(capsys, "read", one.name)
        assert code == 0 and str(one.folder / "README.md") in text and "docs build --kept" in text
