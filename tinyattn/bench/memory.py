"""Suite "memory": by how much a process grows when it trains, beside PyTorch's.

Every side has a process of its own, which imports, makes the model and takes one step of a batch of 2: from then on all code
is loaded. That is the baseline. Then it takes STEPS steps of the whole batch, and what is told is the growth: the most memory
the process ever held in them (the kernel's high-water mark, set back before) less the baseline. So libraries and weights
count for nobody, and activations, workspaces and what is kept for the next step count in full.
"""
import json
import subprocess
import sys

import numpy as np

import tinyattn as ta

from . import steps
from .cold import environment
from .measure import empty_row, failing
from .sides import import_torch
from .timing import ratio

CASES = [case for case in steps.CASES if case.endswith("b128")]
SIDES = {"ours_mb": "ours", "torch_mb": "torch", "torch_channels_last_mb": "channels_last"}
STEPS = 5
SHOWN = {"ours_mb": "ours MiB", "torch_mb": "torch MiB", "torch_channels_last_mb": "ch_last MiB"}
FLOOR = 1.0
MIB = 1 << 20


def names():
    """The names of the cases: the models at batch 128 of the suite "steps"."""
    return list(CASES)


def _held(key):
    """Bytes: VmRSS, what this process holds now, or VmHWM, the most since the mark was set back."""
    try:
        with open("/proc/self/status", encoding="ascii") as file:
            return next(1024 * int(line.split()[1]) for line in file if line.startswith(key))
    except (OSError, StopIteration) as error:
        raise RuntimeError("the peak of a process's memory is read from /proc/self/status, which this system lacks") from error


def growth(step, warm):
    """Bytes by which this process grows beyond its baseline, reached by ``warm()``, in STEPS calls of ``step()``."""
    warm()
    with open("/proc/self/clear_refs", "w", encoding="ascii") as file:
        file.write("5")
    baseline = _held("VmRSS")
    for _ in range(STEPS):
        step()
    return _held("VmHWM") - baseline


def _child(case, side, threads, batch):
    """What the process of a side does; prints the growth in bytes."""
    name, attention, channels, size, _ = steps.CASES[case]
    options = dict(in_channels=channels, num_classes=10, image_size=size, attention=attention)
    rng = np.random.default_rng(0)
    x, labels = rng.standard_normal((batch, channels, size, size), np.float32), rng.integers(0, 10, batch)
    ta.manual_seed(0)
    ta.set_num_threads(threads)
    if side == "ours":
        model = ta.models.create(name, **options)
        make = steps.our_step
    else:
        import_torch().set_num_threads(threads)
        from . import torch_models
        model = torch_models.create(name, **options)

        def make(model, x, labels):
            return steps.torch_step(model, x, labels, side == "channels_last")
    whole, few = make(model, x, labels), make(model, x[:2], labels[:2])
    print(growth(whole, few))


def _measured(case, side, settings):
    """MiB of growth of that side, in a fresh process."""
    arguments = [case, side, ta.get_num_threads(), 4 if settings.quick else steps.CASES[case][-1]]
    done = subprocess.run([sys.executable, "-m", __name__, json.dumps(arguments)], env=environment(), capture_output=True, text=True)
    if done.returncode:
        raise RuntimeError(f"the process of {side} failed: {(done.stderr.strip().splitlines() or [done.returncode])[-1]}")
    return int(done.stdout) / MIB


def run(settings):
    """A row a case; where others have milliseconds, these have MiB."""
    for case in filter(settings.wants, CASES):
        row = {**empty_row("memory", case, FLOOR), **dict.fromkeys(SIDES)}
        with failing(row):
            _measured(case, "ours", settings)  # what is compiled now is loaded in the process that counts
            for column, side in SIDES.items():
                if side == "ours" or settings.against == "torch":
                    row[column] = _measured(case, side, settings)
            row["ratio"] = ratio(*(row[column] for column in SIDES))
        yield row


def notes(rows):
    """What is compared here."""
    return ["ratio: the less of the growth of PyTorch's two layouts / ours"] if rows else []


if __name__ == "__main__":
    _child(*json.loads(sys.argv[1]))
