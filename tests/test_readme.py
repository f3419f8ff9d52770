"""The README keeps its word: its training loop runs as printed, and what it links to is there."""
import pathlib
import re

import pytest
import readme_tables

ROOT = pathlib.Path(__file__).resolve().parent.parent
TEXT = (ROOT / "README.md").read_text(encoding="utf-8")


def test_training_loop_runs_as_printed(capsys):
    (code,) = re.findall(r"```python\n(.*?)```", TEXT, re.S)
    assert len(code.splitlines()) <= 20
    exec(compile(code, "README.md", "exec"), {"__name__": "__main__"})
    *epochs, result = capsys.readouterr().out.splitlines()
    assert len(epochs) == 3 and float(result.split()[-1]) > 0.9, result


PAGES = {"README.md": readme_tables.tables, "tests/recorded/performance.md": readme_tables.performance}


@pytest.mark.parametrize("page", PAGES)
def test_links_lead_somewhere(page):
    text = (ROOT / page).read_text(encoding="utf-8")
    links = [target for target in re.findall(r"\]\(([^)#]+)\)", text) if "://" not in target]
    assert links and all(((ROOT / page).parent / target).exists() for target in links), links


@pytest.mark.parametrize("page", PAGES)
def test_figures_are_the_measured_ones(page):
    text = (ROOT / page).read_text(encoding="utf-8")
    assert readme_tables.rewritten(text, PAGES[page]) == text, "run python tests/readme_tables.py"
