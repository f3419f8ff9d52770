"""What a saved run or model must say before anything is built from it.

A checkpoint whose checksum is right can still be another version's, another program's or somebody's joke: options of the
wrong type, a model for images of a billion pixels, a log that is none. Here each part is looked at once; what passes can
be used without another thought. Raises `CheckpointError`: which file, which part, what was expected.
"""
import math
import reprlib

from ..data import names as data_names
from ..data.datasets import BUILT_IN
from ..data.glyphs.faces import CLASSES
from ..data.published import SOURCES
from . import config as c
from .checkpoint import CheckpointError

_LOG = {"steps": ("step", "epoch", "train_loss", "train_accuracy", "lr"),
        "epoch": ("step", "epoch", "train_loss", "train_accuracy", "test_loss", "test_accuracy", "train_seconds")}


def _refuse(path, part, value, expected):
    text = reprlib.repr(value).encode("ascii", "backslashreplace").decode()  # of anything: short, and fit to be printed
    raise CheckpointError(f"{path}: {part} is {text}, expected {expected}; the file was "
                          "changed, or written by another version of TinyAttn")


def parts(state, names, path):
    """The parts `names` of a state, in this order. CheckpointError where one is missing."""
    if not isinstance(state, dict):
        _refuse(path, "its state", state, "a dict")
    for name in names:
        if name not in state:
            raise CheckpointError(f"{path}: {name} is missing, expected {', '.join(names)}; the file was changed, or written by "
                                  "another version of TinyAttn")
    return [state[name] for name in names]


def config(values, path):
    """The `Config` that was saved as `values`."""
    if not isinstance(values, dict):
        _refuse(path, "its config", values, "a dict of options")
    fields = {field.name: field for field in c.fields()}
    missing = [name for name, field in fields.items() if name not in values and not c.has_default(field)]
    unknown = [ascii(name) for name in values if name not in fields]
    if missing or unknown:
        raise CheckpointError(f"{path}: its options do not fit this version of TinyAttn ("
                              + "; ".join(f"{what}: {', '.join(names)[:80]}"
                                          for what, names in (("missing", missing), ("unknown", unknown)) if names) + ")")
    made = c.Config(**values)
    try:
        c.check(made)
    except c.OptionError as error:
        raise CheckpointError(f"{path}: its options are impossible: {error}") from error
    return made


def about(values, config, path):
    """The words on the data that a model carries with it (see `loop.describe`), checked against the data set of `config`."""
    data, channels, size, classes, mean, std = parts(values, ("data", "channels", "image_size", "classes", "mean", "std"), path)
    if data != config.data or data not in data_names():
        _refuse(path, "the data set of the model", data, f"{config.data!r}, as its options say")
    if data in SOURCES:
        shape, count = SOURCES[data].shape, len(SOURCES[data].classes)
    else:
        shape, count = BUILT_IN[data].shape, len(CLASSES)
    if type(channels) is not int or channels != shape[0]:
        _refuse(path, "the number of channels", channels, f"{shape[0]}, as {data} has")
    if size != list(shape[1:]) or not all(type(length) is int for length in size):
        _refuse(path, "the image size", size, f"{list(shape[1:])}, as {data} has")
    if not isinstance(classes, list) or len(classes) != count or not all(
            isinstance(name, str) and name.isprintable() for name in classes):
        _refuse(path, "the list of classes", classes, f"{count} printable names, as {data} has")
    for name, numbers in (("mean", mean), ("std", std)):
        if (not isinstance(numbers, list) or len(numbers) != channels or not all(_is_number(n) for n in numbers)
                or name == "std" and not all(n > 0 for n in numbers)):
            _refuse(path, f"the {name} of the images", numbers, f"{channels} finite numbers" + " above 0" * (name == "std"))
    return values


def _is_number(value):
    return isinstance(value, (int, float)) and not isinstance(value, bool) and math.isfinite(value)


def progress(state, config, path):
    """The counters, sums and log of a run: CheckpointError unless they can be those of a run with these options."""
    step, done, seconds, log, average = parts(state, ("step", "epochs_done", "seconds", "log", "average"), path)
    if type(step) is not int or not 0 <= step < 1 << 60:
        _refuse(path, "the number of steps", step, "a whole number")
    if type(done) is not int or not 0 <= done <= config.epochs:
        _refuse(path, "the number of epochs done", done, f"0 to {config.epochs}")
    if not isinstance(seconds, list) or len(seconds) != 3 or not all(_is_number(s) and s >= 0 for s in seconds):
        _refuse(path, "the list of seconds", seconds, "three numbers")
    for name in ("epoch_meter", "row_meter"):
        meter = parts(state, (name,), path)[0]
        if not isinstance(meter, dict) or not all(_is_number(value) and value >= 0 for value in meter.values()):
            _refuse(path, name, meter, "sums of losses and counts")
    if not isinstance(log, list):
        _refuse(path, "the log", log, "a list of rows")
    for number, row in enumerate(log):
        names = _LOG.get(row.get("kind")) if isinstance(row, dict) and isinstance(row.get("kind"), str) else None
        if names is None or not all(isinstance(row.get(name), (int, float)) for name in names):
            _refuse(path, f"row {number} of the log", row, "a row of steps or of an epoch, with its numbers")
    if bool(config.average) != isinstance(average, dict):
        _refuse(path, "the average of the weights", average, "one" if config.average else "none, as --average is 0")
    schedule = parts(state, ("schedule",), path)[0]
    for name, value in schedule.items() if isinstance(schedule, dict) else ():
        if isinstance(value, list) and any(isinstance(each, float) and not math.isfinite(each) for each in value):
            _refuse(path, f"{name} of the schedule", value, "finite numbers")
    if average is not None:
        count, _ = parts(average, ("step", "weights"), path)
        if type(count) is not int or count < 0:
            _refuse(path, "the number of averaged steps", count, "a whole number")
