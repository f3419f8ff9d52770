"""`tinyattn list attention`: every gate with its formula, its counts at the asked size, and a paper."""
import re

import pytest

from tinyattn import kernels
from tinyattn.cli import main
from tinyattn.commands import gate_table
from tinyattn.nn import attention


@pytest.fixture(autouse=True)
def plain_kernels():
    with kernels.use("reference"):
        yield


GATES = {name: gate for name, gate in attention.GATES.items() if gate is not None}


@pytest.mark.parametrize("name", GATES)
def test_every_gate_has_a_formula_and_a_paper(name):
    formula, paper = gate_table.formula(GATES[name]), gate_table.paper(GATES[name])
    assert formula.startswith("y = ") and "\n" not in formula and len(formula) < 140
    assert re.search(r"et al\., (arXiv:\d{4}\.\d{5}|ICML \d{4})", paper)


@pytest.mark.parametrize("name", GATES)
def test_docstrings_say_what_a_reader_needs(name):
    doc = GATES[name].__doc__
    if name == "nonlocal-dot":                        # which refers to the block above it
        assert "Recorded" in doc and "NonLocal2d" in doc
        return
    for word in ("(N, C, H, W)", "Recorded:", "Parameters:", "lace it"):
        assert word in doc or (name, word) == ("sk", "lace it") and "in the place of" in doc, word


def table(capsys, *options):
    assert main(["list", "attention", *options]) == 0
    lines = capsys.readouterr().out.splitlines()
    return {line.split()[0]: line.split()[1:] for line in lines if line.split() and line.split()[0] in attention.GATES}, "\n".join(lines)


def test_the_table_counts_at_the_asked_size(capsys):
    rows, text = table(capsys)
    assert list(rows) == list(attention.GATES) and "64 channels and 16×16 pixels" in text
    assert rows["none"][:2] == rows["simam"][:2] == ["0", "0"]
    assert rows["se"][:2] == ["580", "512"]                                  # 2·64·4 + 4 + 64; 2·64·4
    assert rows["cbam"][:2] == ["610", f"{2 * 2 * 64 * 4 + 98 * 256:,}"]     # two poolings
    assert rows["self"][:2] == ["16,640", f"{4 * 64 * 64 * 256 + 2 * 256 * 256 * 64:,}"]
    assert rows["nonlocal"][1] == f"{4 * 64 * 32 * 256 + 2 * 256 * 256 * 32:,}"
    assert rows["nonlocal-dot"][1] == f"{4 * 64 * 32 * 256 + 2 * 256 * 32 * 32:,}"
    assert rows["gc"][1] == f"{2 * 64 * 256 + 2 * 64 * 4:,}"
    relative = 4 * 64 * 64 * 256 + 256 * 32 * 64 + 256 * 256 * (4 * (16 + 32) + 64)      # distances, Q Kᵀ with 32 more a head, the sum of V
    assert rows["relative"][:2] == [f"{16640 + 62 * 16:,}", f"{relative:,}"]
    assert "arXiv:1807.06514" in text and "y = x · (p + q + r) / 3" in text
    assert max(map(len, text.splitlines())) < 145


def test_another_size_and_what_is_left_out(capsys):
    rows, text = table(capsys, "--channels", "5", "--size", "17")
    assert rows["se"][:2] == [str(2 * 5 * 4 + 4 + 5), "40"] and rows["triplet"][0] == "300"
    assert {name for name, row in rows.items() if row[0] == "–"} == {"nonlocal", "self", "relative", "bot"}
    assert "leave them out above 256 pixels" in text


@pytest.mark.parametrize("words, answer", [
    (["attention", "--size", "0"], "--size is 0, expected 1 to 512"), (["attention", "--channels", "-3"], "--channels is -3, expected 1 to 4096"),
    (["attention", "--size", "512", "--channels", "4096"], "too large to be counted"), (["--size", "8"], "tinyattn list attention --channels"),
    (["models", "--channels", "8"], "--channels and --size are of the gates' table"), (["attention", "--chanels", "8"], "did you mean --channels?"),
    (["attention", "--size", "big"], "expected a whole number"), (["atention"], "did you mean attention?")])
def test_mistakes(capsys, words, answer):
    assert main(["list", *words]) == 2
    said = capsys.readouterr().err
    assert answer in said and said.count("\n") == 1


def test_the_overview_names_them_all_and_stays_short(capsys):
    assert main(["list"]) == 0
    lines = capsys.readouterr().out.splitlines()
    at = lines.index("attention (--attention)")
    end = lines.index("", at)
    assert end - at <= 4 and ", ".join(attention.GATES) == " ".join(line.strip() for line in lines[at + 1:end - 1])
    assert "tinyattn list attention" in lines[end - 1] and len(lines) < 80
