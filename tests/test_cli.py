"""The command line: what it answers to good wishes, to bad ones, and that it never answers with a traceback."""
import errno
import json
import os
import pathlib
import re
import subprocess
import sys

import numpy as np
import pytest
from PIL import Image, ImageDraw

from tinyattn.cli import COMMANDS, main
from tinyattn.training import files

SMALL = ["--limit-train", "160", "--limit-test", "64", "--batch-size", "32", "--epochs", "1"]


@pytest.fixture(scope="module")
def run(tmp_path_factory):
    """A tiny finished run and the line its training printed."""
    folder = tmp_path_factory.mktemp("cli") / "run"
    done = subprocess.run([sys.executable, "-m", "tinyattn", "train", *SMALL, "--out", str(folder), "--json"],
                          capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    return folder, done


def mistake(capsys, *argv):
    """Run a command that must fail as the user's mistake; returns its one line."""
    assert main([str(a) for a in argv]) == 2
    captured = capsys.readouterr()
    assert captured.err.startswith("tinyattn: error: ") and "Traceback" not in captured.err
    return captured.err.strip()


def test_a_run_leaves_what_is_promised(run):
    folder, done = run
    result = json.loads(done.stdout.splitlines()[-1])
    assert result == files.read_json(folder / "result.json")
    promised = "test_accuracy train_seconds compile_seconds images_per_second parameters epochs seed"
    assert set(promised.split()) <= set(result)
    assert (result["epochs"], result["seed"], result["steps"], result["data"]) == (1, 0, 5, "glyphs")
    assert 0 < result["train_seconds"] < 300 and result["compile_seconds"] >= 0
    names = {path.name for path in folder.iterdir()} - {".lock"}
    assert names == {"checkpoint.safetensors", "model.safetensors", "log.jsonl", "result.json", "curves.png",
                     "attention.png"}
    for name in ("curves.png", "attention.png"):
        with Image.open(folder / name) as image:
            assert min(image.size) > 300


def test_progress_is_plain_lines_on_standard_error(run):
    _, done = run
    lines = done.stderr.splitlines()
    (first,) = [line for line in lines if line.startswith("glyphs: ")]
    assert first.startswith("glyphs: 160 training and 64 test images · attention_cnn with cbam attention")
    assert re.fullmatch(r"epoch 1/1  loss \d\.\d{3}  acc +[\d.]+%  test acc +[\d.]+%  after .*", lines[-1])
    assert "\r" not in done.stderr and len(done.stdout.splitlines()) == 1


def test_eval_repeats_the_accuracy(run, capsys):
    folder, _ = run
    assert main(["eval", str(folder), "--json"]) == 0
    answer = json.loads(capsys.readouterr().out)
    expected = files.read_json(folder / "result.json")
    assert (answer["test_accuracy"], answer["test_loss"]) == (expected["test_accuracy"], expected["test_loss"])
    matrix = np.array(answer["confusion"])
    assert matrix.sum() == 64 and np.trace(matrix) / 64 == expected["test_accuracy"]
    assert (folder / "confusion.png").exists()
    (folder / "confusion.png").unlink()
    assert main(["eval", str(folder)]) == 0
    out = capsys.readouterr().out
    assert out.startswith(f"test accuracy {expected['test_accuracy']:.2%} (") and "recall" in out
    (folder / "confusion.png").unlink()


def test_eval_of_mirror_images(run, capsys):
    folder, _ = run
    plain, both = [], []
    for answers, more in ((plain, []), (both, ["--test-augment", "flip"])):
        assert main(["eval", str(folder), "--json", *more]) == 0
        answers.append(json.loads(capsys.readouterr().out))
    assert plain[0]["test_augment"] == "none" and both[0]["test_augment"] == "flip" and both[0]["test_loss"] != plain[0]["test_loss"]
    assert main(["eval", str(folder), "--test-augment", "flip", "--quiet"]) == 0
    assert "several views of an image (flip)" in capsys.readouterr().out
    (folder / "confusion.png").unlink()


def test_predict_any_picture(run, capsys, tmp_path):
    folder, _ = run
    image = Image.new("RGB", (300, 200), (250, 250, 240))
    ImageDraw.Draw(image).ellipse([100, 40, 180, 160], outline=(20, 20, 60), width=14)
    image.save(tmp_path / "o.jpg")
    picture = str(tmp_path / "a.png")
    assert main(["predict", str(folder), str(tmp_path / "o.jpg"), "--picture", picture, "--top", "2"]) == 0
    out = capsys.readouterr().out
    assert out.startswith(str(tmp_path / "o.jpg")) and out.count("%") == 2 and "inverted" in out
    assert (tmp_path / "a.png").exists()
    assert main(["predict", str(folder), str(tmp_path / "o.jpg"), str(tmp_path / "none.png"), "--json"]) == 2
    captured = capsys.readouterr()
    answer = json.loads(captured.out)
    assert len(answer["top"]) == 3 and 0 < answer["top"][0]["probability"] <= 1
    assert captured.err.strip() == f"tinyattn: error: {tmp_path / 'none.png'}: there is no such file"


def test_train_resume_of_a_finished_run(run, capsys):
    folder, _ = run
    assert main(["train", "--resume", str(folder), "--json"]) == 0
    captured = capsys.readouterr()
    assert "is finished" in captured.err and json.loads(captured.out) == files.read_json(folder / "result.json")


def test_summary_counts(run, capsys):
    folder, _ = run
    assert main(["summary", str(folder), "--json"]) == 0
    assert json.loads(capsys.readouterr().out)["parameters"] == files.read_json(folder / "result.json")["parameters"]
    assert main(["summary", "resnet8", "--data", "cifar10"]) == 0
    assert "1 × 3 × 32 × 32" in capsys.readouterr().out


def test_list_and_data(capsys, tmp_path):
    assert main(["list"]) == 0
    out = capsys.readouterr().out
    from tinyattn.data.corruptions import CORRUPTIONS
    from tinyattn.training import config
    assert f"\n  {', '.join(config.ATTENTION)[:80]}" in out
    for name in (*config.DATA, *config.MODELS, *config.OPTIMIZERS, *config.SCHEDULES,
                 *config.AUGMENTATIONS, *config.TEST_AUGMENTATIONS, *config.RECIPES, *CORRUPTIONS):
        assert f"\n  {name} " in out, name
    assert main(["list", "data"]) == 0 and "resnet8" not in capsys.readouterr().out
    assert main(["data", "--data-dir", str(tmp_path)]) == 0
    out = capsys.readouterr().out
    assert "built in" in out and str(tmp_path) in out and "cifar100" in out


def test_help_for_every_command(capsys):
    assert main(["--help"]) == 0
    overview = capsys.readouterr().out
    for name in COMMANDS:
        assert f"\n  {name} " in overview
    for name in ("train", "eval", "predict", "maps", "export", "summary", "list", "data", "doctor", "xray", "warmup", "bench"):
        assert main([name, "--help"]) == 0
        text = capsys.readouterr().out
        assert text.startswith(f"usage: tinyattn {name}")
    assert main(["--version"]) == 0 and capsys.readouterr().out.startswith("tinyattn ")
    assert main([]) == 2


@pytest.mark.parametrize("argv, words", [
    (["trian"], "did you mean train?"),
    (["train", "--epoch", "3"], "did you mean --epochs?"),
    (["train", "--epochs", "three"], "--epochs"),
    (["train", "--data", "minst"], "did you mean mnist?"),
    (["train", "--attention", "cbm"], "did you mean cbam?"),
    (["train", "--recipe", "mnist9"], "did you mean mnist99?"),
    (["train", "--recipe", "mnist99", "--attention", "cbma"], "did you mean cbam?"),
    (["eval", "x", "--test-augment", "flop"], "did you mean flip?"),
    (["train", "--cuda-graph"], "add --device cuda"),
    (["train", "--threads", "9999"], "threads"),
    (["train", "--batch-size", "0"], "--batch-size is 0"),
    (["train", "--resume", "/nowhere"], "no such folder"),
    (["train", "--resume", "x", "--out", "y"], "leave out --out"),
    (["eval", "/nowhere"], "does not exist"),
    (["eval"], "required"),
    (["predict", "/nowhere", "x.png"], "does not exist"),
    (["summary", "resnet9"], "did you mean resnet8?"),
    (["summary", "lenet", "--attention", "se"], "no place for a gate"),
    (["data", "mnits"], "did you mean mnist?"),
    (["list", "modells"], "did you mean models?"),
])
def test_mistakes_are_one_line(capsys, tmp_path, monkeypatch, argv, words):
    monkeypatch.chdir(tmp_path)
    line = mistake(capsys, *argv)
    assert words in line and "\n" not in line
    assert not list(tmp_path.iterdir())  # nothing was begun


def test_a_damaged_model_is_one_line(run, capsys, tmp_path):
    folder, _ = run
    (tmp_path / "model.safetensors").write_bytes((folder / "model.safetensors").read_bytes()[:2000])
    assert "damaged" in mistake(capsys, "eval", tmp_path)


def test_a_run_is_not_overwritten(run, capsys):
    folder, _ = run
    assert "--resume" in mistake(capsys, "train", *SMALL, "--out", folder)


def test_missing_data_is_one_clear_message(capsys, tmp_path, monkeypatch):
    from tinyattn.data import datasets, download
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("TINYATTN_CACHE", str(tmp_path / "cache"))

    def offline(urls, *_, **__):
        raise download.DownloadError("train-images-idx3-ubyte.gz", [(url, "offline") for url in urls])
    monkeypatch.setattr(datasets, "fetch", offline)
    words = mistake(capsys, "train", "--data", "mnist", "--data-dir", tmp_path / "none")
    assert "train-images-idx3-ubyte.gz" in words and str(tmp_path / "none") in words and "glyphs" in words
    assert not (tmp_path / "runs").exists()


def test_a_loss_that_explodes_stops_the_run(capsys, tmp_path):
    words = mistake(capsys, "train", *SMALL, "--optimizer", "sgd", "--lr", "1e30", "--schedule", "constant", "--quiet",
                    "--out", tmp_path / "run")
    assert "lower --lr" in words


@pytest.mark.parametrize("number", [errno.EACCES, errno.ENOSPC])
def test_a_place_that_cannot_be_written_to_is_one_line(capsys, tmp_path, monkeypatch, number):
    def refuse(path, *more, **options):
        raise OSError(number, "no", str(path))
    monkeypatch.setenv("HOME", str(tmp_path))
    monkeypatch.setattr(pathlib.Path, "mkdir", refuse)
    assert main(["learn", "new", str(tmp_path / "mine")]) == 2
    said = capsys.readouterr().err
    assert said.count("\n") == 1 and "mine" in said and "you may write" in said


def test_a_closed_pipe_is_no_error(tmp_path):
    reader, writer = os.pipe()
    os.close(reader)
    done = subprocess.run([sys.executable, "-m", "tinyattn", "list"], stdout=writer, stderr=subprocess.PIPE, text=True)
    os.close(writer)
    assert done.returncode == 0 and done.stderr == ""
