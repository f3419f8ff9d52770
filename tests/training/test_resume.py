"""Nothing is lost: a run killed anywhere and resumed ends with the weights of the one left alone, bit for bit."""
import json
import os
import random
import signal
import subprocess
import sys
import time

import numba
import numpy as np
import pytest

import tinyattn as ta
from tinyattn import training
from tinyattn.training import checkpoint, files, setup
from tinyattn.training.loop import Run

SMALL = dict(data="glyphs", model="attention_cnn", attention="cbam", limit_train=160, limit_test=64, batch_size=32,
             epochs=3, augment="affine", seed=3)
STEPS = 15
ARGUMENTS = [text for key, value in SMALL.items() for text in (f"--{key.replace('_', '-')}", str(value))]


@pytest.fixture(autouse=True)
def one_thread(request):
    """One thread in each test: the runs are tiny, and what they are compared with was made with all threads."""
    before = ta.get_num_threads()
    ta.set_num_threads(1)
    yield
    ta.set_num_threads(before)


class Killed(BaseException):
    """Stands for a kill within one process: nothing of ours catches it."""


@pytest.fixture(scope="module")
def whole(tmp_path_factory):
    """The run that was left alone."""
    folder = tmp_path_factory.mktemp("whole") / "run"
    ta.set_num_threads(numba.config.NUMBA_NUM_THREADS)
    training.train(out=folder, quiet=True, **SMALL)
    return folder


def assert_same(folder, whole):
    """Every array of the two checkpoints and models, the log and the result are equal (times and places apart)."""
    for name in ("checkpoint.safetensors", "model.safetensors"):
        form = checkpoint.MODEL_FORMAT if name.startswith("model") else checkpoint.FORMAT
        got, expected = (checkpoint.flatten(checkpoint.load(f / name, form))[0] for f in (folder, whole))
        assert got.keys() == expected.keys()
        for key in expected:
            np.testing.assert_array_equal(got[key], expected[key], err_msg=key, strict=True)
    rows, expected = (rows_of(f) for f in (folder, whole))
    assert rows == expected
    results = [files.read_json(f / "result.json") for f in (folder, whole)]
    for key in ("test_accuracy", "test_loss", "train_accuracy", "steps", "parameters"):
        assert results[0][key] == results[1][key]
    assert not list(folder.glob(".*.partial"))


def rows_of(folder):
    rows = [json.loads(line) for line in (folder / "log.jsonl").read_text().splitlines()]
    for row in rows:
        row.pop("train_seconds", None)
    return rows


def test_the_log_has_every_step_once(whole):
    rows = rows_of(whole)
    assert [row["step"] for row in rows if row["kind"] == "steps"] == list(range(1, STEPS + 1))
    assert [row["epoch"] for row in rows if row["kind"] == "epoch"] == [1, 2, 3]


def test_killed_at_every_place(whole, tmp_path, monkeypatch):
    """Die before and after updates, in each stage of a save, in evaluation, while finishing: each in turn, in a chain."""
    plan = [("step", 3), ("fsync", 1), ("update", 2), ("replace", 2), ("evaluate", 1), ("folder", 1), ("append", 2),
            ("step", 1), ("fsync", 2), ("update", 3), ("evaluate", 2), ("finish", 1), ("curves", 1), ("result", 1)]
    folder, deaths = tmp_path / "run", 0
    for place, nth in [*plan, (None, 0)]:
        with monkeypatch.context() as patch:
            _die_at(patch, place, nth)
            try:
                if (folder / "checkpoint.safetensors").exists():
                    training.resume(folder, quiet=True, checkpoint_every=2)
                else:
                    training.train(out=folder, quiet=True, checkpoint_every=2, **SMALL)
            except Killed:
                deaths += 1
    assert deaths == len(plan)
    assert_same(folder, whole)


def _die_at(patch, place, nth):
    """Raise `Killed` at the `nth` passage of a place in the program."""
    from tinyattn import viz
    from tinyattn.training import loop, session
    places = {"step": (Run, "_step", True), "update": (Run, "_step", False), "fsync": (files.os, "fsync", True),
              "replace": (files.os, "replace", True), "folder": (files, "_sync_folder", True),
              "append": (files, "append_line", False), "evaluate": (loop, "evaluate", True),
              "finish": (session, "finish", True), "curves": (viz, "curves", False), "result": (files, "write_json", True)}
    if place is None:
        return
    owner, name, before = places[place]
    real, left = getattr(owner, name), [nth]

    def deadly(*arguments, **options):
        left[0] -= 1
        if not before:
            value = real(*arguments, **options)
        if left[0] == 0:
            raise Killed
        return real(*arguments, **options) if before else value
    patch.setattr(owner, name, deadly)


def test_a_recipe_killed_and_resumed(tmp_path, monkeypatch):
    """The same with a named recipe: its name, the fixed first layer, alternating flips and the schedule of two rates come back."""
    small = dict(recipe="cifar90", data="glyphs", limit_train=160, limit_test=64, batch_size=32, epochs=2, seed=5)
    training.train(out=tmp_path / "whole", quiet=True, **small)
    with monkeypatch.context() as patch:
        _die_at(patch, "step", 7)
        with pytest.raises(Killed):
            training.train(out=tmp_path / "run", quiet=True, checkpoint_every=2, **small)
    training.resume(tmp_path / "run", quiet=True)
    assert_same(tmp_path / "run", tmp_path / "whole")
    result = files.read_json(tmp_path / "run" / "result.json")
    assert (result["recipe"], result["test_augment"], result["epochs"]) == ("cifar90", "flip", 2)
    with pytest.raises(training.OptionError, match=r"--recipe mnist99 \(was cifar90\)"):
        training.resume(tmp_path / "run", quiet=True, recipe="mnist99")


def start(folder, *more, resume=False):
    run = ["--resume", str(folder)] if resume else ["--out", str(folder), *ARGUMENTS]
    command = [sys.executable, "-m", "tinyattn", "train", *run, *more, "--threads", "1", "--quiet"]
    return subprocess.Popen(command, stderr=subprocess.PIPE, text=True)


@pytest.mark.skipif(os.name == "nt", reason="needs SIGKILL")
def test_killed_for_real_at_random_moments(whole, tmp_path):
    """SIGKILL from outside, a random while after the checkpoint has moved; saving at every step, so often within it."""
    folder, chance, path = tmp_path / "run", random.Random(os.getpid()), tmp_path / "run" / "checkpoint.safetensors"
    kills = 0
    for attempt in range(4):
        before = path.stat().st_mtime_ns if path.exists() else None
        process = start(folder, "--checkpoint-every", "1", resume=before is not None)
        while process.poll() is None and (not path.exists() or path.stat().st_mtime_ns == before):
            time.sleep(0.002)
        time.sleep(chance.uniform(0, 0.15))
        if process.poll() is None:
            process.kill()
            kills += 1
        assert process.wait() in (0, -signal.SIGKILL), process.stderr.read()
    assert kills >= 1
    process = start(folder, resume=True)
    assert process.wait() == 0, process.stderr.read()
    assert_same(folder, whole)


@pytest.mark.skipif(os.name == "nt", reason="needs POSIX signals")
@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_a_signal_saves_and_says_how_to_go_on(whole, tmp_path, number):
    folder = tmp_path / "run"
    process = start(folder)
    while process.poll() is None and not (folder / "log.jsonl").exists():
        time.sleep(0.002)
    process.send_signal(number)
    words = process.communicate()[1]
    assert process.returncode == 128 + number
    assert words.splitlines()[-1] == f"tinyattn: stopped and saved; go on with: tinyattn train --resume {folder}"
    assert 1 <= checkpoint.load(folder / "checkpoint.safetensors")["step"] < STEPS
    training.resume(folder, quiet=True)
    assert_same(folder, whole)


def test_a_finished_run_says_so(whole, capsys):
    before = (whole / "checkpoint.safetensors").stat().st_mtime_ns
    result = training.resume(whole)
    assert "is finished" in capsys.readouterr().err
    assert result == files.read_json(whole / "result.json")
    assert (whole / "checkpoint.safetensors").stat().st_mtime_ns == before


def test_what_a_resumed_run_refuses(whole, tmp_path):
    with pytest.raises(training.OptionError, match=r"--epochs 4 \(was 3\)"):
        training.resume(whole, epochs=4)
    with pytest.raises(training.OptionError, match="no such folder; .* holds run"):
        training.resume(whole.parent / "runn")
    with pytest.raises(training.CheckpointError, match="does not exist"):
        training.resume(tmp_path)


def test_chance_goes_on_where_it_stood(whole, tmp_path):
    """What layers draw (dropout) comes from the framework's counter: a loaded state puts it back."""
    state = checkpoint.load(whole / "checkpoint.safetensors")
    run = Run(training.Config(**state["config"]), setup.load_data(training.Config(**state["config"])), tmp_path,
              training.Progress(quiet=True))
    ta.manual_seed(1)
    ta.rand(5)
    expected, state["random"] = ta.get_rng_state(), ta.get_rng_state()
    ta.manual_seed(2)
    run.load_state(state)
    np.testing.assert_array_equal(ta.get_rng_state(), expected)
    np.testing.assert_array_equal(run.state()["random"], expected)


def test_other_data_is_noticed(whole, tmp_path):
    (tmp_path / "run").mkdir()
    state = checkpoint.load(whole / "checkpoint.safetensors")
    state.update(fingerprint="00000000", epochs_done=1)
    checkpoint.save(tmp_path / "run" / "checkpoint.safetensors", state)
    with pytest.raises(training.CheckpointError, match="other data"):
        training.resume(tmp_path / "run", quiet=True)


def test_a_full_disk_stops_the_run_and_keeps_the_last_checkpoint(whole, tmp_path, monkeypatch):
    folder, real, left = tmp_path / "run", os.fsync, [5]

    def full(handle):
        left[0] -= 1
        if left[0] <= 0:
            raise OSError(28, "No space left on device")
        real(handle)

    with monkeypatch.context() as patch:
        patch.setattr(files.os, "fsync", full)
        with pytest.raises(training.SaveError, match="No space left.*previous one is kept"):
            training.train(out=folder, quiet=True, checkpoint_every=2, **SMALL)
    assert checkpoint.load(folder / "checkpoint.safetensors")["step"] == 2
    training.resume(folder, quiet=True)
    assert_same(folder, whole)


@pytest.mark.skipif(numba.config.NUMBA_NUM_THREADS < 2, reason="this machine has one core")
def test_one_thread_and_several_make_the_same_weights(whole, tmp_path):
    training.train(out=tmp_path / "run", quiet=True, threads=1, **SMALL)
    assert_same(tmp_path / "run", whole)
