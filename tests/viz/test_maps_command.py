"""`tinyattn maps`: what it writes, what it lists, what it answers to mistakes."""
import json
import os
import re

import numpy as np
import pytest
from made_pictures import uncut
from PIL import Image

import tinyattn as ta
from tinyattn.cli import main
from tinyattn.training import config, session, setup


def saved(folder, data="glyphs", **choices):
    """A run as training leaves it, without the training."""
    chosen = config.complete(data=data, limit_test=40, **choices)
    part = setup.load_part(chosen, "test")
    ta.manual_seed(0)
    model = setup.build_model(chosen, part.images.shape[1], len(part.classes), part.images.shape[2])
    folder.mkdir()
    session.save_model(folder / "model.safetensors", model, chosen, part)
    return folder


@pytest.fixture(scope="module")
def runs(tmp_path_factory):
    root = tmp_path_factory.mktemp("runs")
    return {"cbam": saved(root / "cbam", attention="cbam"), "cct": saved(root / "cct", model="cct"), "lenet": saved(root / "lenet", model="lenet")}


def mistake(capsys, *argv):
    assert main([str(a) for a in argv]) == 2
    captured = capsys.readouterr()
    assert captured.err.startswith("tinyattn: error: ") and "Traceback" not in captured.err and captured.out == ""
    return captured.err.strip()


def test_long_titles_and_weights_below_0_have_room(tmp_path):
    from tinyattn.viz import columns_picture, gates_picture, rows_picture
    from tinyattn.viz.gate_statistics import GateStatistics
    rng, title = np.random.default_rng(0), "a run with the longest name that anybody could come up with, and a little more than that"
    images = rng.integers(0, 255, (1, 1, 8, 8), dtype=np.uint8)
    columns_picture.draw(images, None, ["a", "b"], np.array([[0.3, 0.7]]), [("x", "heat", rng.random((1, 4, 4)))], tmp_path / "a.png", title, ranges=True)
    gates_picture.draw({("g", "channel"): GateStatistics(rng.random((2, 4)), rng.random(4) + 9, np.array([1.0, 1]))}, ["a", "b"], tmp_path / "b.png", title)
    tokens = np.full((1, 1, 16, 16), -0.5)
    tokens[..., 3] = 0.5
    for weights, name in ((tokens, "c.png"), (tokens + 0.5, "d.png")):    # moved up they are the same colours
        rows_picture.draw(images, weights, [(0, 0)], tmp_path / name, title)
    uncut(tmp_path / "a.png"), uncut(tmp_path / "b.png")
    below, above = (uncut(tmp_path / name) for name in ("c.png", "d.png"))
    np.testing.assert_array_equal(below[:220], above[:220])               # all but the words on the range


@pytest.mark.parametrize("name, expected", [
    ("cbam", {"maps.png", "gates.png", "gradcam.png", "filters.png", "features.png", "maps.html"}),
    ("cct", {"maps.png", "rollout.png", "gradcam.png", "filters.png", "features.png", "maps.html",
             *(f"rows-blocks.{i}.attention.png" for i in range(4))}),
    ("lenet", {"gradcam.png", "filters.png", "features.png", "maps.html"})])
def test_all_pictures_are_written_and_named(runs, capsys, tmp_path, name, expected):
    assert main(["maps", str(runs[name]), "--out", str(tmp_path / "new" / "m"), "--count", "3"]) == 0
    captured = capsys.readouterr()
    lines = captured.out.splitlines()
    assert {os.path.basename(line) for line in lines[::2]} == expected == {path.name for path in (tmp_path / "new" / "m").iterdir()}
    assert all(line.startswith("  ") and len(line) > 15 for line in lines[1::2])
    assert ("has no attention" in captured.err) == (name == "lenet")
    for path in (tmp_path / "new" / "m").glob("*.png"):
        uncut(path)


def test_the_layers_are_listed(runs, capsys):
    assert main(["maps", str(runs["cct"]), "--list"]) == 0
    out = capsys.readouterr().out
    assert re.search(r"blocks\.2\.attention +tokens +4×49×49 +how much each token looks at", out) and re.search(r"\n  norm +128×7×7\n", out)
    assert main(["maps", str(runs["cbam"]), "--list", "--json"]) == 0
    listed = json.loads(capsys.readouterr().out)
    assert listed["attention"]["stages.1.gate"] == {"channel": [32], "pixel": [14, 14]} and listed["features"]["stages"] == [64, 7, 7]
    assert main(["maps", str(runs["lenet"]), "--list"]) == 0
    out = capsys.readouterr().out
    assert "layers that attend: none" in out and "rollout" not in out
    assert not (runs["lenet"] / "maps").exists()


def test_the_layers_that_rollout_leaves_out_are_named(tmp_path, capsys):
    run = str(saved(tmp_path / "self", model="level_cnn", attention="self"))
    words = "fewer than two layers can be joined; without stages.1.gate: 196 tokens, and 49 in stages.2.gate: what became of them in between is in no matrix"
    assert main(["maps", run, "--list"]) == 0 and capsys.readouterr().out.endswith(f"\nattention rollout\n  {words}\n")
    assert main(["maps", run, "--list", "--json"]) == 0
    assert json.loads(capsys.readouterr().out)["rollout"] == {"joined": [], "left_out": {"stages.1.gate": words.partition("stages.1.gate: ")[2]}}
    argv = ["maps", run, "--out", str(tmp_path / "out"), "--count", "2", "--score-images", "2"]
    assert main([*argv, "--json"]) == 0 and list(json.loads(capsys.readouterr().out)["rollout"]["left_out"]) == ["stages.1.gate"]
    assert main([*argv, "--score"]) == 0
    captured = capsys.readouterr()
    assert f"\nrollout: {words}\n" in captured.out and f"attention rollout: {words}" in captured.err


def test_only_the_layers_that_were_asked_for(runs, capsys, tmp_path):
    assert main(["maps", str(runs["cct"]), "--out", str(tmp_path), "--count", "2", "--layers", "blocks.1", "pool", "--quiet", "--at", "3", "27"]) == 0
    assert {path.name for path in tmp_path.glob("rows*")} == {"rows-blocks.1.attention.png"}
    page = (tmp_path / "maps.html").read_text(encoding="utf-8")
    assert '"title":"blocks.1.attention"' in page and '"title":"blocks.2.attention"' not in page and capsys.readouterr().err == ""


def test_your_own_images(runs, capsys, tmp_path):
    Image.fromarray(np.random.default_rng(0).integers(0, 255, (50, 60), dtype=np.uint8)).save(tmp_path / "mine.png")
    (tmp_path / "bad.png").write_bytes(b"no picture")
    out = tmp_path / "out"
    assert main(["maps", str(runs["cbam"]), "--images", str(tmp_path / "bad.png"), str(tmp_path / "mine.png"), "--out", str(out), "--json"]) == 2
    captured = capsys.readouterr()
    assert captured.err == f"tinyattn: error: {tmp_path / 'bad.png'} is no image that can be read (PNG, JPEG, GIF, BMP, WebP … are)\n"
    written = json.loads(captured.out)["written"]
    assert {os.path.basename(each["file"]) for each in written} == {"maps.png", "gradcam.png", "filters.png", "features.png", "maps.html"}
    assert "mine.png" in (out / "maps.html").read_text(encoding="utf-8")
    assert main(["maps", str(runs["cbam"]), "--images", str(tmp_path / "none.png"), "--out", str(out)]) == 2
    captured = capsys.readouterr()
    assert captured.out == "" and "there is no such file" in captured.err


@pytest.mark.parametrize("argv, words", [
    (["/nowhere"], "does not exist"), ([], "required"),
    (["RUN", "--layers", "stages.3"], "--layers: no layer is called 'stages.3': did you mean stages.2? those that attend: stages.0.gate"),
    (["RUN", "--layer", "x"], "did you mean --layers?"),
    (["RUN", "--count", "0"], "--count is 0, expected 1 to 24"), (["RUN", "--score-images", "0"], "--score-images is 0"),
    (["RUN", "--score", "--sanity"], "--score and --sanity are two questions"),
    (["RUN", "--sanity", "--score-images", "1"], "--score-images is 1; --sanity compares two images at least"),
    (["RUN", "--at", "3", "28"], "--at 3 28 lies outside the images, expected 0 0 to 27 27"),
    (["RUN", "--images", *["x.png"] * 30], "--images names 30 files"),
    (["RUN", "--threads", "9999"], "--threads 9999")])
def test_mistakes_are_one_line(runs, capsys, argv, words):
    line = mistake(capsys, "maps", *[str(runs["cbam"]) if word == "RUN" else word for word in argv])
    assert words in line and "\n" not in line and not (runs["cbam"] / "maps").exists()


def test_a_place_that_cannot_be_written(runs, capsys, tmp_path):
    (tmp_path / "file").write_text("")
    assert "it is a file; name a folder you may write to with --out" in mistake(capsys, "maps", runs["cbam"], "--out", tmp_path / "file")
    assert "cannot write in" in mistake(capsys, "maps", runs["cbam"], "--out", tmp_path / "file" / "below")


def test_missing_data_is_one_clear_message(capsys, tmp_path, monkeypatch):
    from tinyattn.data import datasets, download
    monkeypatch.setenv("TINYATTN_CACHE", str(tmp_path / "cache"))

    def offline(urls, *_, **__):
        raise download.DownloadError("x", [(url, "offline") for url in urls])
    monkeypatch.setattr(datasets, "fetch", offline)
    chosen = config.complete(data="mnist")
    part = setup.load_part(config.complete(data="glyphs", limit_test=4), "test")
    part.name, part.classes = "mnist", [str(i) for i in range(10)]
    (tmp_path / "run").mkdir()
    session.save_model(tmp_path / "run" / "model.safetensors", setup.build_model(chosen, 1, 10, 28), chosen, part)
    argv = ["maps", str(tmp_path / "run"), "--data-dir", str(tmp_path / "none"), "--out", str(tmp_path / "out")]
    assert main([*argv, "--quiet"]) == 2 and "mnist is not here" in capsys.readouterr().err
    Image.new("L", (28, 28), 9).save(tmp_path / "x.png")                  # your own images need no data set
    assert main([*argv, "--images", str(tmp_path / "x.png"), "--quiet"]) == 0


def test_scores_are_printed_drawn_and_kept(runs, capsys, tmp_path):
    argv = ["maps", str(runs["cbam"]), "--score", "--score-images", "12", "--out", str(tmp_path)]
    assert main([*argv, "--layers", "pool"]) == 0
    captured = capsys.readouterr()
    lines = captured.out.splitlines()
    assert lines[0].split()[:2] == ["map", "pointing"] and lines[1].startswith("(chance)") and lines[2].startswith("pool ")
    assert [line.split()[0] for line in lines[7:10]] == ["random", "centre", "gradient"] and "scored 7 of 7 maps" in captured.err
    assert {path.name for path in tmp_path.iterdir()} == {"score.png", "score.json"}
    kept = json.loads((tmp_path / "score.json").read_text())
    assert kept["images"] == 12 and 0 < kept["chance"]["pointing"] < kept["chance"]["box"] < 1
    assert main([*argv, "--json", "--layers", "pool"]) == 0
    assert json.loads(capsys.readouterr().out) == kept


def test_what_depends_on_learning_is_printed_drawn_and_kept(runs, capsys, tmp_path):
    argv = ["maps", str(runs["cbam"]), "--sanity", "--score-images", "6", "--out", str(tmp_path)]
    assert main([*argv, "--layers", "pool"]) == 0
    captured = capsys.readouterr()
    lines = captured.out.splitlines()
    assert [line.split()[0] for line in lines[:5]] == ["map", "pool", "Grad-CAM", "gradient", "edges"] and lines[4].endswith("learning does not matter")
    assert "layers: down to stages.0.block.0.conv" in captured.err and {path.name for path in tmp_path.iterdir()} == {"sanity.png", "sanity.json"}
    uncut(tmp_path / "sanity.png")
    kept = json.loads((tmp_path / "sanity.json").read_text())
    assert kept["images"] == 6 and len(kept["stages"]) == len(kept["maps"][0]["ranks"]) == 8
    assert main([*argv, "--json", "--layers", "pool"]) == 0
    assert json.loads(capsys.readouterr().out) == kept
