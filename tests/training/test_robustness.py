"""Accuracy under corruptions: the figures are those of corrupted images, whichever way they are asked for."""
import json

import numpy as np
import pytest
from PIL import Image

import tinyattn as ta
from tinyattn import training
from tinyattn.cli import main
from tinyattn.data import corrupt, load
from tinyattn.training import robustness
from tinyattn.training.setup import Part


@pytest.fixture(scope="module")
def run(tmp_path_factory):
    folder = tmp_path_factory.mktemp("runs") / "run"
    training.train(out=folder, quiet=True, data="glyphs", model="attention_cnn", attention="none", epochs=2, limit_train=1640,
                   limit_test=82, batch_size=32)
    return folder


def test_accuracies_are_those_of_the_corrupted_images(run):
    trained, test = training.open_run(run), load("glyphs", "test", size=82)
    clean = training.evaluate(trained.model, Part(test)).accuracy
    seen = []
    found = robustness.robustness(trained.model, Part(test), clean, ("noise", "occlusion"), (1, 5), each=lambda *what: seen.append(what))
    for name in ("noise", "occlusion"):
        for severity, accuracy in zip((1, 5), found["corruptions"][name]["accuracy"]):
            x = (corrupt(test.images, name, severity).astype(np.float32) / np.float32(255) - np.float32(test.mean[0])) / np.float32(test.std[0])
            with ta.no_grad():
                answers = trained.model(ta.tensor(x)).data.argmax(1)
            assert accuracy == pytest.approx((answers == test.labels).mean())
    means = [np.mean(row["accuracy"]) for row in found["corruptions"].values()]
    assert [row["mean"] for row in found["corruptions"].values()] == pytest.approx(means)
    assert found["clean"] == clean and found["mean"] == pytest.approx(np.mean(means)) and found["relative"] == pytest.approx(np.mean(means) / clean)
    assert [what[:2] for what in seen] == [("noise", 1), ("noise", 5), ("occlusion", 1), ("occlusion", 5)]
    assert len(set(what[2] for what in seen)) > 1 and found["mean"] < clean - 0.1


def test_nothing_right_is_no_division_by_zero():
    class Wrong(ta.nn.Module):
        def forward(self, x):
            return ta.zeros(len(x), 41)

    test = load("glyphs", "test", size=41)
    test.labels[:] = 1
    found = robustness.robustness(Wrong(), Part(test), 0.0, ("blur",), (3,))
    assert found["relative"] is None and found["mean"] == 0 and "-" in robustness.table(found)[-1]


def test_the_command(run, capsys):
    assert main(["eval", str(run), "--corrupt", "translation", "--json"]) == 0
    result = json.loads(capsys.readouterr().out)
    rows = result["corrupted"]["corruptions"]
    assert list(rows) == ["translation"] and len(rows["translation"]["accuracy"]) == 5
    assert result["corrupted"]["clean"] == result["test_accuracy"]
    assert main(["eval", str(run), "--corrupt", "all", "--severity", "5", "--quiet"]) == 0
    lines = capsys.readouterr().out.splitlines()
    assert lines[0].startswith("test accuracy") and lines[1].split() == ["corruption", "5", "mean", "of", "clean"]
    assert [line.split()[0] for line in lines[2:]] == [*robustness.CORRUPTIONS, "mean"]
    (moved,) = [line.split() for line in lines if line.startswith("translation")]
    assert float(moved[1].rstrip("%")) == pytest.approx(100 * rows["translation"]["accuracy"][4], abs=0.051)


def test_the_sheet(capsys, tmp_path, monkeypatch):
    monkeypatch.setattr("tinyattn.data.glyphs.generated.SIZES", {"train": 100, "test": 100})
    for name in ("all", "fog"):
        assert main(["data", "glyphs", "--corrupt", name, "--picture", str(tmp_path / f"{name}.png")]) == 0
    with Image.open(tmp_path / "all.png") as all_of_them, Image.open(tmp_path / "fog.png") as fog:
        assert all_of_them.height > 2 * fog.height and np.asarray(fog.convert("L")).std() > 30
