"""`tinyattn export`: a run becomes a file that tells the test images apart as well as the run does."""
import json
import subprocess
import sys

import numpy as np
import pytest

from tinyattn.cli import main
from tinyattn.training import files


@pytest.fixture(scope="module")
def run(tmp_path_factory):
    """A short run on glyphs."""
    folder = tmp_path_factory.mktemp("export") / "run"
    options = ["--limit-train", "4000", "--limit-test", "300", "--batch-size", "64", "--epochs", "2", "--quiet"]
    done = subprocess.run([sys.executable, "-m", "tinyattn", "train", *options, "--out", str(folder)], capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    return folder


def predicted(path, images):
    """The classes that the file gives to normalised images, 100 at a time, or as many as it takes."""
    from onnxruntime import InferenceSession
    session = InferenceSession(path, providers=["CPUExecutionProvider"])
    n = session.get_inputs()[0].shape[0]
    n = n if isinstance(n, int) else 100
    assert [x.name for x in session.get_inputs()] == ["images"] and [y.name for y in session.get_outputs()] == ["scores"]
    return np.concatenate([session.run(None, {"images": images[i:i + n]})[0].argmax(1) for i in range(0, len(images), n)])


def pixels(run):
    """Pixels 0 … 1 of the images that the run was tested on, their classes, and what the run says of its data."""
    from tinyattn.training import open_run, setup
    trained = open_run(run)
    part = setup.load_part(trained.config, "test")
    return part.images.astype(np.float32) / 255, part.labels, trained.about


def test_the_same_accuracy(run, tmp_path, capsys):
    path = tmp_path / "model.onnx"
    assert main(["export", str(run), str(path)]) == 0
    out = capsys.readouterr().out
    assert out.startswith(f"{path}: ") and "N × 1 × 28 × 28" in out and "largest difference" in out
    images, labels, about = pixels(run)
    mean, std = np.float32(about["mean"]), np.float32(about["std"])
    classes = predicted(path, (images - mean) / std)
    assert (classes == labels).mean() == files.read_json(run / "result.json")["test_accuracy"] > 0.3
    import onnx
    said = {p.key: p.value for p in onnx.load(path).metadata_props}
    assert json.loads(said["classes"]) == about["classes"] and json.loads(said["mean"]) == about["mean"] and said["model"] == "attention_cnn"


def test_with_normalisation_and_a_fixed_batch(run, tmp_path, capsys):
    path = tmp_path / "model.onnx"
    assert main(["export", str(run), str(path), "--with-normalise", "--batch", "20", "--opset", "18", "--json"]) == 0
    said = json.loads(capsys.readouterr().out)
    assert said["inputs"] == {"images": "20 × 1 × 28 × 28"} and said["opset"] == 18 and said["images"] == "pixels from 0 to 1" and said["difference"] < 1e-4
    images, labels, _ = pixels(run)
    assert (predicted(path, images) == labels).mean() == files.read_json(run / "result.json")["test_accuracy"]


def test_unchecked(run, tmp_path, capsys):
    assert main(["export", str(run), str(tmp_path / "m.onnx"), "--no-check"]) == 0
    assert capsys.readouterr().out.endswith("not compared with onnxruntime\n")


@pytest.mark.parametrize("words, said", [
    ("{run} {tmp}/m.pt", "must end in .onnx"), ("{run} {tmp}/none/m.onnx", "there is no folder"), ("{tmp}/nothing {tmp}/m.onnx", "does not exist: name the folder"),
    ("{run}", "required: FILE"), ("{run} {tmp}/m.onnx --opset 9", "opset_version must be 17 to 22, got 9"), ("{run} {tmp}/m.onnx --opset new", "--opset is 'new'"),
    ("{run} {tmp}/m.onnx --batch 0", "--batch is '0', expected dynamic or a number"), ("{run} {tmp}/m.onnx --batch all", "--batch is 'all'"),
    ("{run} {tmp}/m.onnx --with-normalize", "did you mean --with-normalise?"), ("{tmp}/m.onnx {run}", "does not exist")])
def test_mistakes_are_one_line(run, tmp_path, capsys, words, said):
    assert main(["export", *words.format(run=run, tmp=tmp_path).split()]) == 2
    line = capsys.readouterr().err.strip()
    assert line.startswith("tinyattn: error: ") and said in line and "\n" not in line, line
    assert not list(tmp_path.iterdir())


def test_the_file_is_replaced_or_left(run, tmp_path, capsys):
    path = tmp_path / "m.onnx"
    path.write_bytes(b"before")
    assert main(["export", str(run), str(path), "--opset", "9"]) == 2 and path.read_bytes() == b"before"
    assert main(["export", str(run), str(path)]) == 0 and path.stat().st_size > 100_000 and [p.name for p in tmp_path.iterdir()] == ["m.onnx"]
