"""The benchmark: medians, turns, its table and file, and mistakes answered in one line."""
import json

import pytest

from tinyattn.bench import timing
from tinyattn.cli import main


def test_median():
    assert timing.median([3.0, 1.0, 2.0]) == 2.0
    assert timing.median([4.0, 1.0, 2.0, 3.0]) == 2.5


def test_turns_are_taken():
    order = []
    result = timing.interleaved({"a": lambda: order.append("a"), "b": lambda: order.append("b")}, seconds=0, least=3)
    assert order == ["a", "a", "b", "b"] + ["a", "b"] * 3  # two to warm up, then in turns
    assert set(result) == {"a", "b"} and all(value >= 0 for value in result.values())


def test_rows_and_file(tmp_path, capsys):
    file = tmp_path / "rows.json"
    assert main(["bench", "--case", "attention_cnn cbam 28x28 b16", "--seconds", "0.1", "--json", str(file)]) == 0
    (row,) = json.loads(file.read_text())
    assert row["suite"] == "steps" and row["ours_ms"] > 0 and row["machine"]["threads"] >= 1
    assert f"{row['ours_ms']:.2f}" in capsys.readouterr().out


@pytest.mark.parametrize("options, words", [
    (["--case", "nothing"], "no case contains nothing"),
    (["--thread", "1"], "did you mean --threads"),
    (["--threads", "100000"], "threads on this machine"),
    (["--json", "/no/such/folder/rows.json"], "No such file"),
    (["--suite", "stps"], "--suite"),
])
def test_mistakes(options, words, capsys):
    assert main(["bench", *options]) == 2
    error = capsys.readouterr().err
    assert error.startswith("tinyattn: error:") and words in error


def test_beside_torch(tmp_path):
    pytest.importorskip("torch")
    file = tmp_path / "rows.json"
    assert main(["bench", "--against", "torch", "--case", "attention_cnn cbam 28x28 b16", "--seconds", "0.1", "--json", str(file)]) == 0
    (row,) = json.loads(file.read_text())
    assert row["relative_error"] < 1e-3
    assert row["ratio"] == pytest.approx(min(row["torch_ms"], row["torch_channels_last_ms"]) / row["ours_ms"])
