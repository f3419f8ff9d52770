"""Checkpoints, models, results and pictures that lie: each is answered with one sentence of ours, at once, for little memory.

A row is what was done to a good file and words of the answer. Checksums are made right again, so that what is behind
them is reached.
"""
import copy
import json
import os
import struct
import time
import tracemalloc

import numpy as np
import pytest
from answers import is_ours
from PIL import Image

from tinyattn import kernels, training
from tinyattn.training import checkpoint, files, pictures, session, setup
from tinyattn.training.loop import Run

ROOT_USER = hasattr(os, "geteuid") and os.geteuid() == 0
NAN, INF = float("nan"), float("inf")


def refused(call, error, words, path=None, most=40e6, seconds=5):
    """`call()` is answered by `error` of ours with `words`, soon, and within `most` bytes of memory."""
    tracemalloc.start()
    began = time.perf_counter()
    try:
        with pytest.raises(error) as caught:
            call()
        assert time.perf_counter() - began < seconds
        assert tracemalloc.get_traced_memory()[1] < most
    finally:
        tracemalloc.stop()
    text = str(caught.value)
    assert words in text, text
    assert is_ours(caught.value) and text.isprintable()
    assert path is None or str(path) in text
    assert len(text) < 500 + 3 * len(str(path))


@pytest.fixture(scope="module")
def states(tmp_path_factory):
    """The state of an unfinished run after one step, and of its model: what `checkpoint.load` gives for the two files."""
    folder = tmp_path_factory.mktemp("good")
    config = training.complete(model="lenet", limit_train=16, limit_test=8, batch_size=8, epochs=1)
    with kernels.use("reference"):
        run = Run(config, setup.load_data(config), folder, training.Progress(quiet=True))
        run._step(*next(iter(run.loader)))
        run._results_in(1, wait=True)
        run.save()
        session.save_model(folder / "model.safetensors", run.model, config, run.data.train)
    return {"checkpoint": checkpoint.load(run.path), "model": checkpoint.load(folder / "model.safetensors", checkpoint.MODEL_FORMAT)}


def put(state, where, value):
    """Set `state[a][b]…` for the path "a/b/…"; DELETE takes it away."""
    *path, last = where
    for key in path:
        state = state[key]
    if value is DELETE:
        del state[last]
    else:
        state[last] = value(state[last]) if callable(value) else value


DELETE = object()
OPTIONS = [  # of the config, in a model and in a checkpoint
    ("data", "mnits", "--data 'mnits' is not known: did you mean mnist?"), ("data", 5, "--data 5 is not known"),
    ("model", "lenet2", "--model 'lenet2' is not known: did you mean lenet?"), ("model", ["lenet"], "--model ['lenet'] is not known"),
    ("attention", "cbam", "lenet has no place for a gate"), ("attention", None, "--attention None is not known"),
    ("epochs", "1", "--epochs is '1', expected a whole number"), ("epochs", NAN, "--epochs is nan"), ("epochs", 0, "--epochs is 0"),
    ("batch_size", -1, "--batch-size is -1"), ("batch_size", True, "--batch-size is True"), ("lr", NAN, "--lr is nan"),
    ("lr", INF, "--lr is inf"), ("lr", "fast", "--lr is 'fast', expected a number"), ("seed", -1, "--seed is -1"),
    ("seed", 0.5, "--seed is 0.5"),
    ("optimizer", "adamx", "did you mean adam"), ("schedule", {}, "--schedule {} is not known"), ("augment", "flop", "did you mean flip?"),
    ("weight_decay", NAN, "--weight-decay is nan"), ("label_smoothing", 2, "--label-smoothing is 2"), ("average", NAN, "--average is nan"),
    ("device", "tpu", "--device 'tpu' is not known"), ("threads", 0, "--threads is 0"), ("data_dir", 7, "--data-dir is 7"),
    ("checkpoint_seconds", NAN, "--checkpoint-seconds is nan"), ("limit_train", 1.5, "--limit-train is 1.5"),
    ("lr", DELETE, "its options do not fit this version of TinyAttn (missing: lr)"),
    ("colour", "red", "its options do not fit this version of TinyAttn (unknown: 'colour')"),
]
MODEL = [
    *[(("config", key), value, words) for key, value, words in OPTIONS],
    (("config",), [], "its config is [], expected a dict of options"), (("config",), DELETE, "config is missing, expected config, about"),
    (("about",), DELETE, "about is missing"), (("about",), None, "its state is None, expected a dict"),
    (("model",), DELETE, "model is missing"),
    (("about", "mean"), DELETE, "mean is missing"), (("about", "data"), "mnist", "the data set of the model is 'mnist', expected 'glyphs'"),
    (("about", "channels"), 10 ** 9, "the number of channels is 1000000000, expected 1"),
    (("about", "channels"), True, "the number of channels is True"), (("about", "image_size"), [10 ** 6, 10 ** 6], "the image size is"),
    (("about", "image_size"), 28, "the image size is 28, expected [28, 28]"), (("about", "image_size"), [28.0, 28.0], "the image size is"),
    (("about", "classes"), ["a"] * 10 ** 5, "the list of classes is"), (("about", "classes"), "abc", "the list of classes is 'abc'"),
    (("about", "classes", 3), 3, "41 printable names"), (("about", "classes", 3), "\x1b[2J", "41 printable names"),
    (("about", "classes", 3), "\ud800", "41 printable names"),
    (("about", "mean"), [NAN], "the mean of the images is [nan], expected 1 finite numbers"),
    (("about", "mean"), 0.5, "the mean of the images"),
    (("about", "std"), [0.0], "the std of the images is [0.0], expected 1 finite numbers above 0"),
    (("about", "std"), [0.3, 0.3], "the std of the images"),
    (("model",), [], "are no arrays under names"), (("model", "conv1.weight"), "x", "are no arrays under names"),
    (("model", "conv1.weight"), DELETE, "do not fit LeNet (missing: conv1.weight); are they another model's?"),
    (("model", "conv1.weight"), lambda w: w.astype(np.float64), "other dtype: conv1.weight float64 instead of float32"),
    (("model", "conv1.weight"), lambda w: w.astype(np.int32), "other dtype: conv1.weight int32"),
    (("model", "conv1.weight"), lambda w: w[..., :2], "other shape: conv1.weight"),
    (("model", "conv1.weight"), lambda w: w * np.float32(NAN), "are not finite numbers (in conv1.weight): that run had diverged"),
    (("model", "conv1.weight"), lambda w: w + np.float32(INF), "are not finite numbers"),
    (("model", "\x1b[31m"), np.zeros(3, np.float32), "unknown: '\\x1b[31m'"),
    (("config", "model"), "resnet8", "do not fit ResNet"), (("config", "model"), "cct", "do not fit CCT"),
]
SAME_RUN = "holds a state that is not of this run"
CHECKPOINT = [
    *[(("config", key), value, words) for key, value, words in OPTIONS if key not in ("checkpoint_seconds",)],
    *[((key,), DELETE, f"{key} is missing") for key in ("model", "optimizer", "average", "schedule", "loader", "random", "step",
                                                        "epochs_done", "epoch_meter", "row_meter", "log", "seconds", "fingerprint")],
    (("step",), -1, "the number of steps is -1"), (("step",), 10 ** 30, "the number of steps is 1000000000"),
    (("step",), "1", "the number of steps"),
    (("step",), 99, "stands at step 99, epoch 0 of a run of 2 steps"),
    (("epochs_done",), 7, "the number of epochs done is 7, expected 0 to 1"),
    (("seconds",), [NAN, 0, 0], "the list of seconds is [nan"), (("seconds",), [1], "the list of seconds is [1], expected three"),
    (("log",), "rows", "the log is 'rows', expected a list of rows"), (("log",), [{"kind": "steps"}], "row 0 of the log is"),
    (("log",), [{"kind": []}], "row 0 of the log is"), (("log",), [5], "row 0 of the log is 5"),
    (("epoch_meter",), [], "epoch_meter is []"), (("epoch_meter", "correct"), NAN, "epoch_meter is"), (("row_meter", "other"), 1, SAME_RUN),
    (("average",), None, "the average of the weights is None, expected one"),
    (("average", "step"), -5, "the number of averaged steps is -5"),
    (("average", "weights"), DELETE, "weights is missing"), (("average", "weights", "conv1.weight"), DELETE, "the average in"),
    (("average", "weights", "conv1.weight"), lambda w: w[:1], "other shape: conv1.weight"),
    (("optimizer",), None, SAME_RUN), (("optimizer", "param_groups"), 3, SAME_RUN), (("optimizer", "param_groups"), [1, 2], SAME_RUN),
    (("optimizer", "param_groups"), [], SAME_RUN), (("optimizer", "param_groups", 0, "params"), [0], SAME_RUN),
    (("optimizer", "param_groups", 0, "momentum"), 0.9, SAME_RUN), (("optimizer", "param_groups", 0, "eps"), DELETE, SAME_RUN),
    (("optimizer", "param_groups", 0, "eps"), "x", SAME_RUN), (("optimizer", "param_groups", 0, "eps"), 0.5,
                                                               "an optimizer with other options than the run's (adamw)"),
    (("optimizer", "param_groups", 0, "betas"), [2.0, 3.0], SAME_RUN),
    (("optimizer", "param_groups", 0, "betas"), [0.5, 0.6], "an optimizer with other options"),
    (("schedule", "base_lrs"), [NAN, NAN], "base_lrs of the schedule is [nan, nan], expected finite numbers"),
    (("optimizer", "state"), [1], SAME_RUN), (("optimizer", "state", "x"), {}, SAME_RUN),
    (("optimizer", "state", 99), {}, SAME_RUN), (("optimizer", "state", 0), None, SAME_RUN),
    (("optimizer", "state", 0, "exp_avg"), np.zeros(3, np.float32), SAME_RUN), (("optimizer", "state", 0, "exp_avg"), "x", SAME_RUN),
    (("schedule",), None, SAME_RUN), (("schedule",), {"last_epoch": 0}, SAME_RUN), (("schedule", "base_lrs"), [1], SAME_RUN),
    (("schedule", "last_epoch"), "soon", SAME_RUN), (("loader",), None, SAME_RUN), (("loader", "position"), 99, SAME_RUN),
    (("loader", "epoch"), 10 ** 40, SAME_RUN), (("loader", "epoch"), -1, SAME_RUN), (("loader", "epoch"), 5, "epoch 5 of a run of"),
    (("random",), np.zeros(3, np.uint64), SAME_RUN), (("random",), "x", SAME_RUN), (("random",), np.zeros(2), SAME_RUN),
    (("fingerprint",), "00000000", "was trained on other data"), (("fingerprint",), None, "was trained on other data"),
]


def title(row):
    where, value = row[0], row[1]
    shown = "missing" if value is DELETE else "changed" if callable(value) or isinstance(value, np.ndarray) else ascii(value)[:24]
    return f"{'.'.join(map(ascii, where))} {shown}"


@pytest.mark.parametrize("row", MODEL, ids=title)
def test_a_model_that_says_something_else(states, tmp_path, row):
    state = copy.deepcopy(states["model"])
    put(state, row[0], row[1])
    path = tmp_path / "model.safetensors"
    checkpoint.save(path, state, checkpoint.MODEL_FORMAT)
    with kernels.use("reference"):
        refused(lambda: training.open_run(path), training.CheckpointError, row[2], path)


@pytest.mark.parametrize("row", CHECKPOINT, ids=title)
def test_a_checkpoint_that_says_something_else(states, tmp_path, row):
    state = copy.deepcopy(states["checkpoint"])
    put(state, row[0], row[1])
    checkpoint.save(tmp_path / "checkpoint.safetensors", state)
    with kernels.use("reference"):
        refused(lambda: training.resume(tmp_path, quiet=True), training.CheckpointError, row[2], tmp_path, most=80e6)


def test_the_good_ones_are_taken(states, tmp_path):
    for name, form in (("model", checkpoint.MODEL_FORMAT), ("checkpoint", checkpoint.FORMAT)):
        checkpoint.save(tmp_path / f"{name}.safetensors", states[name], form)
        with kernels.use("reference"):
            assert type(training.open_run(tmp_path / f"{name}.safetensors").model).__name__ == "LeNet"


# ---- files that are no safetensors file, or another one ------------------------------------------------------------------

GOOD = {"format": checkpoint.FORMAT, "state": "{}", "checksum": "00000000"}


def safe(header, data=b"", length=None):
    text = header if isinstance(header, bytes) else json.dumps(header).encode()
    return struct.pack("<Q", len(text) if length is None else length) + text + data


def tensor(kind="F32", shape=(1,), offsets=(0, 4), data=bytes(4), **more):
    return safe({"__metadata__": GOOD, "a": {"dtype": kind, "shape": list(shape), "data_offsets": list(offsets)}, **more}, data)


def state(text):
    return safe({"__metadata__": {**GOOD, "state": text}})


NO_FILE = "is damaged or cut short, or is no safetensors file ("
SAFETENSORS = {
    "nothing": (b"", NO_FILE + "its 0 bytes are fewer"), "seven bytes": (bytes(7), "its 7 bytes are fewer"),
    "a header of 2⁶³ bytes": (safe(b"{}", length=1 << 63), "its header would take 9,223,372,036,854,775,808 bytes, the file has 10"),
    "a header longer than the file": (safe(b"{}", length=3), "its header would take 3 bytes, the file has 10"),
    "a pickle": (b"\x80\x04\x95" + bytes(50), "a pickle, as PyTorch saves; those can run code and are never opened"),
    "a zip of pickles": (b"PK\x03\x04" + bytes(50), "a pickle, as PyTorch saves"),
    "text": (b"weights: 1 2 3 and so on", "its header would take"), "a PNG": (b"\x89PNG\r\n\x1a\n" + bytes(50), "its header would take"),
    "no JSON": (safe(b"{{}}"), NO_FILE), "no text": (safe(b"\xff\xfe"), NO_FILE), "a list": (safe(b"[]"), NO_FILE),
    "JSON a hundred thousand deep": (safe(b"[" * 100_000), NO_FILE), "a number of 5000 digits": (safe(b"1" * 5000), NO_FILE),
    "a name twice": (safe(b'{"a":{"dtype":"F32","shape":[1],"data_offsets":[0,4]},"a":{"dtype":"F32","shape":[1],"data_offsets":[0,4]}}',
                          bytes(4)), "its header holds a twice"),
    "metadata twice": (safe(b'{"__metadata__":{"format":"a"},"__metadata__":{"format":"b"}}'), "holds __metadata__ twice"),
    "metadata of numbers": (safe({"__metadata__": {"format": 5}}), NO_FILE),
    "overlapping arrays": (tensor(b={"dtype": "F32", "shape": [1], "data_offsets": [0, 4]}), NO_FILE),
    "a hole": (tensor(offsets=(4, 8), data=bytes(8)), NO_FILE), "bytes left over": (tensor(data=bytes(8)), NO_FILE),
    "offsets turned round": (tensor(offsets=(4, 0)), NO_FILE), "offsets beyond": (tensor(offsets=(0, 1 << 40)), NO_FILE),
    "a negative offset": (tensor(offsets=(-4, 0)), NO_FILE), "a length of −1": (tensor(shape=(-1,)), NO_FILE),
    "a length of 1.5": (tensor(shape=(1.5,)), NO_FILE), "2⁶⁴ elements": (tensor(shape=(1 << 62, 4)), NO_FILE),
    "nothing times 2⁶³": (tensor(shape=(0, (1 << 63) - 1), offsets=(0, 0), data=b""), "an impossible shape of 2 axes"),
    "a hundred axes": (tensor(shape=[1] * 100), "an impossible shape of 100 axes"),
    "bfloat16": (tensor("BF16", (2,)), "holds a as BF16, expected one of BOOL"), "float8": (tensor("F8_E4M3", (4,)), "holds a as F8_E4M3"),
    "complex": (tensor("C64", (1,), (0, 8), bytes(8)), "holds a as C64"), "an unknown type": (tensor("F7"), NO_FILE),
    "another program's": (safe({"a": {"dtype": "F32", "shape": [1], "data_offsets": [0, 4]}}, bytes(4)),
                          "a safetensors file of another program, expected"),
    "a model": (safe({"__metadata__": {**GOOD, "format": checkpoint.MODEL_FORMAT}}),
                "is tinyattn-model-1, expected tinyattn-checkpoint-1; name the folder"),
    "a newer version": (safe({"__metadata__": {**GOOD, "format": "tinyattn-checkpoint-2"}}),
                        "has version 2 of the format tinyattn-checkpoint, this TinyAttn reads version 1: use the TinyAttn it was written with"),
    "version a": (safe({"__metadata__": {**GOOD, "format": "tinyattn-checkpoint-a"}}), "is tinyattn-checkpoint-a, expected"),
    "a format of control characters": (safe({"__metadata__": {**GOOD, "format": "\x1b[2J"}}), "is '\\x1b[2J', expected"),
    "no state": (safe({"__metadata__": {"format": checkpoint.FORMAT, "checksum": "00000000"}}), "checksum does not match"),
    "a wrong checksum": (safe({"__metadata__": {**GOOD, "checksum": "12345678"}}), "checksum does not match"),
    "a wrong checksum of the state": (safe({"__metadata__": {**GOOD, "state_checksum": "12345678"}}), "checksum of its options and log"),
    "a state that is no JSON": (state("{"), "its state cannot be read"),
    "a state too deep": (state("[" * 50_000), "its state cannot be read"),
    "a state a little too deep": (state("[" * 900 + "]" * 900), "its state cannot be read"),
    "a state of 5000 digits": (state("1" * 5000), "its state cannot be read"),
    "an array that is not there": (state('{"$array": "b"}'), "it names an array b that is not there"),
    "an array without name": (state('{"$array": [1]}'), "it names an array [1]"),
    "items that are none": (state('{"$items": 5}'), "keys and values"),
    "keys that cannot be": (state('{"$items": [[[1], 2]]}'), "keys and values"),
    "items of three": (state('{"$items": [[1, 2, 3]]}'), "keys and values"),
}


@pytest.mark.parametrize("what", SAFETENSORS)
def test_safetensors(tmp_path, what):
    content, words = SAFETENSORS[what]
    path = tmp_path / "checkpoint.safetensors"
    path.write_bytes(content)
    refused(lambda: checkpoint.load(path), training.CheckpointError, words, path)
    refused(lambda: training.open_run(tmp_path), training.CheckpointError, words, path)


def test_a_header_of_99_megabytes_is_not_read(tmp_path):
    path = tmp_path / "checkpoint.safetensors"
    with open(path, "wb") as file:
        file.write(struct.pack("<Q", 99_000_000))
        file.truncate(100_000_000)
    refused(lambda: checkpoint.load(path), training.CheckpointError, "its header takes 99,000,000 bytes; at most 33,554,432", path, 1e6)


def test_a_flipped_digit_in_the_options_is_noticed(states, tmp_path):
    path = tmp_path / "model.safetensors"
    checkpoint.save(path, states["model"], checkpoint.MODEL_FORMAT)
    content = path.read_bytes()
    at = content.index(b"lr")
    path.write_bytes(content.replace(b'lr\\": 0.01', b'lr\\": 0.03'))
    assert path.read_bytes()[at:] != content[at:]
    refused(lambda: training.open_run(path), training.CheckpointError, "the checksum of its options and log does not match", path)


@pytest.mark.parametrize("make, words", [
    (lambda p: p.mkdir(), "is a folder, expected a safetensors file"), (os.mkfifo, "is a pipe"),
    (lambda p: p.symlink_to("/dev/zero"), "is a device"),
    (lambda p: p.symlink_to("none"), "it is a link to nothing"), (lambda p: None, "does not exist")])
def test_what_is_no_file(tmp_path, make, words):
    path = tmp_path / "checkpoint.safetensors"
    make(path)
    refused(lambda: checkpoint.load(path), training.CheckpointError, words, path)


def test_a_file_in_the_place_of_a_run(tmp_path):
    (tmp_path / "run").write_text("x")
    refused(lambda: training.resume(tmp_path / "run"), training.OptionError, "that is no folder; name the folder of a run")
    refused(lambda: training.open_run(tmp_path / "run"), training.CheckpointError, "its 1 bytes are fewer than any has")


@pytest.mark.skipif(ROOT_USER, reason="permissions do not bind the superuser")
def test_a_file_of_another_user(tmp_path):
    path = tmp_path / "checkpoint.safetensors"
    path.write_bytes(safe({"__metadata__": GOOD}))
    path.chmod(0)
    refused(lambda: checkpoint.load(path), training.CheckpointError, "may not be read by this user", path)


@pytest.mark.parametrize("content, words", [
    (b"", "cannot read"), (b"{", "cannot read"), (b"\xff", "cannot read"), (b"[" * 50_000, "cannot read"), (b"[]", "is no result of a run"),
    (b"{}", "is no result of a run"), (b'{"test_accuracy": "high"}', "is no result of a run"),
    (b" " * (17 << 20), "it has 17,825,792 bytes")])
def test_a_result_that_is_none(states, tmp_path, content, words):
    finished = copy.deepcopy(states["checkpoint"])
    finished["epochs_done"] = 1
    checkpoint.save(tmp_path / "checkpoint.safetensors", finished)
    (tmp_path / "result.json").write_bytes(content)
    refused(lambda: training.resume(tmp_path, quiet=True), training.CheckpointError, words, tmp_path / "result.json")
    with pytest.raises(training.CheckpointError, match="remove it and resume the run: it is written anew"):
        training.resume(tmp_path, quiet=True)


def test_json_files_are_read_or_named(tmp_path):
    (tmp_path / "a").mkdir()
    refused(lambda: files.read_json(tmp_path / "a"), ValueError, "is a folder, expected a JSON file", tmp_path / "a")


# ---- pictures --------------------------------------------------------------------------------------------------------

FIGURE = {"data": "mnist", "channels": 1, "image_size": [28, 28], "mean": [0.1], "std": [0.3]}


def png_of(width, height):
    """A PNG whose header announces width × height, and hardly any pixels."""
    from zlib import compress, crc32
    chunk = lambda kind, body: struct.pack(">I", len(body)) + kind + body + struct.pack(">I", crc32(kind + body))
    return (b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", struct.pack(">IIBBBBB", width, height, 8, 0, 0, 0, 0))
            + chunk(b"IDAT", compress(bytes(50))) + chunk(b"IEND", b""))


def saved(form, size=(40, 40), mode="RGB", **options):
    import io
    out = io.BytesIO()
    Image.new(mode, size, 200).save(out, form, **options)
    return out.getvalue()


def webp_of(width, height):
    content = bytearray(saved("WEBP", mode="RGBA", lossless=True))
    extended = b"VP8X" + struct.pack("<I", 10) + bytes(4) + (width - 1).to_bytes(3, "little") + (height - 1).to_bytes(3, "little")
    content[12:12] = extended
    content[4:8] = struct.pack("<I", len(content) - 8)
    return bytes(content)


PICTURES = {
    "nothing": (b"", "is no image that can be read"), "text": (b"no image", "is no image that can be read"),
    "PostScript": (b"%!PS-Adobe-3.0 EPSF-3.0\n%%BoundingBox: 0 0 10 10\n", "is no image that can be read"),
    "an icon": (b"\0\0\1\0\1\0" + bytes(40), "is no image that can be read"),
    "SVG": (b"<svg xmlns='http://www.w3.org/2000/svg'/>", "is no image"),
    "a telephone's HEIC": (b"\0\0\0\x18ftypheic" + bytes(40), "it is HEIC, as telephones save: save it as JPEG"),
    "a PNG's first bytes": (b"\x89PNG\r\n\x1a\n", "is no image that can be read"),
    "a PNG cut short": (saved("PNG", (300, 300))[:150], "cannot be read"),
    "a PNG of no pixels": (png_of(0, 10), "is no image"), "a PNG of fewer rows": (png_of(200, 200), "cannot be read"),
    "a PNG of 3.6 billion pixels": (png_of(60_000, 60_000), "has far too many pixels; at most 50,000,000 are read, make it smaller first"),
    "a PNG of 2³¹ by 2³¹": (png_of((1 << 31) - 1, (1 << 31) - 1), "has far too many pixels"),
    "a PNG of 100 megapixels": (png_of(10_000, 10_000), "has 10,000 × 10,000 pixels; at most 50,000,000 are read"),
    "a WebP of 16383 by 16383": (webp_of(16383, 16383), ""), "a JPEG cut short": (saved("JPEG", (300, 300))[:400], "cannot be read"),
    "a GIF cut short": (saved("GIF", (300, 300))[:60], ""), "a BMP cut short": (saved("BMP", (300, 300))[:500], "cannot be read"),
    "a TIFF cut short": (saved("TIFF", (300, 300))[:500], "cannot be read"), "a PPM without numbers": (b"P6 x y 255\n", "cannot be read"),
    "a PPM of a million by a million": (b"P6 1000000 1000000 255\n", "has far too many pixels"),
}


@pytest.mark.parametrize("what", PICTURES)
def test_pictures(tmp_path, what):
    content, words = PICTURES[what]
    path = tmp_path / "picture"
    path.write_bytes(content)
    refused(lambda: pictures.prepare(path, FIGURE), pictures.PictureError, words, path, most=4e6)


@pytest.mark.parametrize("make, words", [
    (lambda p: p.mkdir(), "is a folder, expected an image file"), (os.mkfifo, "is a pipe, expected an image file"),
    (lambda p: p.symlink_to("/dev/zero"), "is a device, expected an image file"), (lambda p: None, "there is no such file"),
    (lambda p: p.symlink_to(p.name), "cannot be opened")])
def test_pictures_that_are_no_files(tmp_path, make, words):
    path = tmp_path / "picture.png"
    make(path)
    refused(lambda: pictures.prepare(path, FIGURE), pictures.PictureError, words, path)


def test_damaged_words_of_the_camera_do_not_matter(tmp_path):
    for number, exif in enumerate((b"Exif\0\0", b"Exif\0\0II*\0\xff\xff\xff\xff",
                                   b"Exif\0\0MM\0*\0\0\0\x08\0\1\x01\x12\0\7\0\0\0\1\xff\xff\xff\xff")):
        Image.new("RGB", (40, 30), 200).save(tmp_path / f"{number}.jpg", exif=exif)
        assert pictures.prepare(tmp_path / f"{number}.jpg", FIGURE)[0].shape == (1, 28, 28)


def test_values_that_are_no_numbers_are_black(tmp_path):
    values = np.zeros((40, 40), np.float32)
    values[10:30, 18:22], values[0, 0], values[39, 39] = 3e38, NAN, INF
    Image.fromarray(values).save(tmp_path / "a.tif")
    image, _ = pictures.prepare(tmp_path / "a.tif", FIGURE)
    assert image.max() > 150 and image[0, 2, 2] == 0


def test_a_large_picture_is_reduced_before_it_is_worked_on(tmp_path):
    Image.new("L", (9000, 5000), 255).save(tmp_path / "a.png")
    tracemalloc.start()
    image, notes = pictures.prepare(tmp_path / "a.png", FIGURE)
    assert tracemalloc.get_traced_memory()[1] < 60e6 and image.shape == (1, 28, 28)
    tracemalloc.stop()
    assert notes[0] == "2250×1250 (reduced from 9000×5000)"
