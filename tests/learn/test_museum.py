"""The museum: exhibits that differ from their repaired twins where they are wrong, a tour that names each, a picture that is up to date."""
import re

import numpy as np
import pytest

from tinyattn.learn import markdown, museum, pages
from tinyattn.learn.checks.museum import EXHIBITS, measured
from tinyattn.learn.exercise import examine, load
from tinyattn.learn.lessons import lesson

MUSEUM = lesson("museum")
each = pytest.mark.parametrize("exhibit", EXHIBITS, ids=lambda e: e.file)


def test_every_file_is_an_exhibit_with_a_repaired_twin():
    names = sorted(path.name for path in MUSEUM.folder.glob("*.py"))
    assert names == [e.file for e in EXHIBITS] == sorted(path.name for path in (MUSEUM.folder / "repaired").glob("*.py"))
    assert len(names) >= 10 and len({e.name for e in EXHIBITS}) == len(names)


def test_the_tour_leads_past_every_exhibit():
    text = (MUSEUM.folder / "README.md").read_text(encoding="utf-8")
    assert re.findall(r"\]\((\d\d_\w+\.py)\)", text) == [e.file for e in EXHIBITS]
    assert f"![{museum.ALT}](fig/errors.svg)" in text
    assert "repaired/" in text


def test_the_picture_is_up_to_date():
    found = markdown.differences(museum.page(MUSEUM), pages.kept(MUSEUM), markdown.TOLERANCE)
    assert not found, "\n".join(["run: tinyattn docs pages museum", *found])


@each
def test_an_exhibit_goes_forward_as_it_should_and_says_what_is_seen(exhibit):
    """The output is right and only the gradient wrong, as far as the class can be told apart from its twin."""
    options, inputs = exhibit.draw(np.random.default_rng(0))
    mine, repaired = (getattr(load(MUSEUM.folder / place / exhibit.file), exhibit.name) for place in ("", "repaired"))
    assert np.allclose(mine(*options).forward(*(a.copy() for a in inputs)), repaired(*options).forward(*(a.copy() for a in inputs)), rtol=1e-12)
    text = (MUSEUM.folder / exhibit.file).read_text(encoding="utf-8")
    assert text.startswith(f'"""Museum, exhibit {exhibit.file[:2]}: ') and "\nSymptom. " in text


@each
def test_repaired_twin_is_right_by_central_differences(exhibit):
    options, inputs = exhibit.draw(np.random.default_rng(1))
    twin = getattr(load(MUSEUM.folder / "repaired" / exhibit.file), exhibit.name)(*options)
    dy = np.random.default_rng(2).normal(size=np.shape(twin.forward(*(a.copy() for a in inputs))))
    back = twin.backward(np.array(dy))
    true = [t for t in measured(exhibit.file, exhibit.name, options, inputs, dy)[1] if t is not None]
    for gradient, truth in zip(back if isinstance(back, tuple) else (back,), true, strict=True):
        assert gradient.shape == truth.shape and np.allclose(gradient, truth, rtol=1e-6, atol=1e-8)


def test_where_several_are_largest_they_may_share(tmp_path):
    """One winner is PyTorch's way; halves are a way too, and no mistake."""
    (exhibit,) = [e for e in MUSEUM.exercises if e.name == "MaxPool2d"]
    text = (MUSEUM.folder / "repaired" / exhibit.file).read_text(encoding="utf-8")
    line = next(line for line in text.splitlines() if "winner = " in line)
    shared = "        winner = self.windows == self.windows.max(axis=-1, keepdims=True)\n        winner = winner / winner.sum(axis=-1, keepdims=True)"
    (tmp_path / "shared.py").write_text(text.replace(line, shared), encoding="utf-8")
    assert examine(exhibit, tmp_path / "shared.py").state == "right"


def test_forward_cannot_be_bent_to_suit_backward(tmp_path):
    (exhibit,) = [e for e in MUSEUM.exercises if e.name == "MeanSquaredError"]
    text = (MUSEUM.folder / exhibit.file).read_text(encoding="utf-8")
    (tmp_path / "bent.py").write_text(text.replace("np.mean", "np.sum"), encoding="utf-8")
    outcome = examine(exhibit, tmp_path / "bent.py")
    assert outcome.state == "wrong" and outcome.hint.startswith("y is"), outcome.hint
