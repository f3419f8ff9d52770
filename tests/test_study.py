"""The study of attention where it can matter: its arithmetic by hand, a tiny run of it, and that what is recorded is whole."""
import json

import numpy as np
import pytest
import study

from tinyattn.models import AttentionCNN
from tinyattn.training import robustness

RECORD = json.loads(study.RECORDED.read_text())


def count(model):
    return sum(p.numel() for p in model.parameters())


def test_the_arms_differ_in_what_they_should():
    sizes = {arm: count(make(60)) for arm, make in study.ARMS.items()}
    assert sizes["pooling"] == sizes["mean"] + 33 and sizes["levels"] == sizes["uniform"] + 9 * 32 + 3
    assert abs(sizes["widened"] / sizes["cbam"] - 1) < 0.01 and abs(sizes["widened"] / sizes["mean"] - 1) < 0.06
    assert all(isinstance(study.ARMS[arm](40), AttentionCNN) for arm in ("mean", "widened", "pooling", "cbam"))


def test_what_was_recorded_is_this_study_and_whole():
    assert RECORD["protocol"] == study.protocol()
    for data, arms in study.PLAN.items():
        for arm in arms:
            rows, found = study.runs(RECORD, data, arm), RECORD["search"][data][arm]
            assert [row["seed"] for row in rows] == list(study.SEEDS) and set(found) == {str(lr) for lr in study.LRS}
            for row in rows:
                assert row["lr"] == max(study.LRS, key=lambda lr: found[str(lr)]) and row["parameters"] == count(study.ARMS[arm](study.PIXELS[data]))
                assert study.unpacked(row).mean() == pytest.approx(row["accuracy"]) and set(row["corrupted"]) == {"clean", *robustness.CORRUPTIONS}
                assert study.unpacked(row)[:study.CORRUPTED].mean() == pytest.approx(row["corrupted"]["clean"])


def test_answers_are_packed_and_unpacked():
    right = np.random.default_rng(0).random(study.TEST) < 0.7
    assert np.array_equal(study.unpacked({"right": study.packed(right)}), right)


def test_intervals():
    """Equal arms: an interval around 0. One better by 10 points: an interval around that, as wide as theory says."""
    random = np.random.default_rng(1)
    base = random.random((3, 2000)) < 0.5
    assert study.interval(base, base) == (0.0, 0.0, 0.0)
    other = base | (random.random((3, 2000)) < 0.2)                                # 10 points better, image by image
    difference, low, high = study.interval(other, base, draws=2000)
    assert difference == pytest.approx((other.mean() - base.mean())) and low < difference < high
    expected = 2 * 1.96 * np.sqrt(0.1 * 0.9 / 6000)                                # were all 6,000 answers independent
    assert 0.8 * expected < high - low < 2 * expected
    noisy = random.random((3, 2000)) < np.array([[0.4], [0.5], [0.6]])             # seeds that disagree widen it
    difference, low, high = study.interval(noisy, base, draws=2000)
    assert high - low > 0.1


def test_a_tiny_run_and_its_tables(tmp_path, monkeypatch, capsys):
    for name, value in dict(TRAIN=128, VALIDATION=82, TEST=82, CORRUPTED=41, EPOCHS=1, LRS=(1e-2,), SEEDS=(0, 1), SEVERITY=5).items():
        monkeypatch.setattr(study, name, value)
    monkeypatch.setattr(study, "PLAN", {"cluttered": ("widened", "pooling"), "scales": ("uniform", "levels")})
    monkeypatch.setattr(robustness, "CORRUPTIONS", {"blur": None, "stripe": None})
    file = tmp_path / "record.json"
    with pytest.raises(SystemExit, match="to be continued"):
        study.main(["--record", str(file), "--seconds", "0"])
    assert len(json.loads(file.read_text())["search"]) == 1
    study.main(["--record", str(file)])
    out = capsys.readouterr().out
    for words in ("cluttered: test accuracy", "pooling − widened: ", "levels − uniform: ", "level 3", "with equal ones", "24–28 px"):
        assert words in out
    record = json.loads(file.read_text())
    assert len(record["runs"]) == 8
    for row in study.runs(record, "scales", "levels"):
        assert np.allclose(np.sum(row["shares"], 1), 1, atol=1e-5)
    study.main(["--record", str(file)])
    assert "seed 0: " not in capsys.readouterr().out.split("scales: test")[0] and json.loads(file.read_text()) == record   # nothing is trained twice
    monkeypatch.setattr(study, "EPOCHS", 2)
    with pytest.raises(SystemExit, match="another protocol"):
        study.main(["--record", str(file)])


def test_a_run_that_is_broken_off_goes_on_to_the_same_end(tmp_path, monkeypatch):
    for name, value in dict(TRAIN=64, VALIDATION=41, TEST=41, EPOCHS=3).items():
        monkeypatch.setattr(study, name, value)
    data, saved, save = study.Images("scales"), [], study.checkpoint.save
    whole, _, learned = study.train("levels", data, 1e-2, 0, tmp_path)

    def breaks_off(*what):
        save(*what)
        saved.append(what)
        if len(saved) == 2:
            raise KeyboardInterrupt

    monkeypatch.setattr(study.checkpoint, "save", breaks_off)
    with pytest.raises(KeyboardInterrupt):
        study.train("levels", data, 1e-2, 0, tmp_path)
    assert len(list(tmp_path.iterdir())) == 1
    resumed, _, again = study.train("levels", data, 1e-2, 0, tmp_path)
    assert again == learned and len(saved) == 2 and not list(tmp_path.iterdir())
    assert all(np.array_equal(a.data, b.data) for a, b in zip(whole.parameters(), resumed.parameters()))
