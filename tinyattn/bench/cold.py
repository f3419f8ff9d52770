"""Suite "cold": how long one waits before anything happens. Every figure is of fresh processes, seen from outside.

    import                  ``import numpy, numba, tinyattn`` beyond ``import numpy, numba``; beside it, PyTorch's import likewise
    first step, warm cache  from the start of the process to the end of the first training step of attention_cnn with CBAM, batch
                            128, through `tinyattn.training.train` with all it prepares; PyTorch: the bare step
    first step, empty cache the same where no kernel has ever been compiled
    warmup, empty cache     ``tinyattn warmup``;   warmup again: where it finds all there
"""
import os
import pathlib
import subprocess
import sys
import tempfile
import time

from .measure import empty_row, failing
from .timing import median, ratio, spread

OURS = """
import sys
from tinyattn import training
from tinyattn.training.progress import Progress
class First(Progress):
    def step(self, *_):
        print("step", flush=True)
        raise SystemExit
training.train(out=sys.argv[1] + "/run", progress=First(), limit_train=256, limit_test=64)
"""
TORCH = """
import importlib, sys, types
import torch
sys.modules["twins"] = types.ModuleType("twins")
sys.modules["twins"].__path__ = [sys.argv[2]]
models = importlib.import_module("twins.torch_models")
model = models.create("attention_cnn", attention="cbam").to(memory_format=torch.channels_last)
optimizer = torch.optim.AdamW(model.parameters(), lr=1e-3)
x, labels = torch.randn(128, 1, 28, 28), torch.arange(128) % 10
torch.nn.functional.cross_entropy(model(x), labels).backward()
optimizer.step()
print("step", flush=True)
"""
MOST = {"import": 150, "first step, warm cache": 2500, "first step, empty cache": 25_000}
"""Milliseconds that are wanted at most."""
CASES = (*MOST, "warmup, empty cache", "warmup again")


def names():
    """The names of the cases."""
    return list(CASES)


def environment(cache=None):
    """The environment of a process: this checkout or installation first, and another cache if one is named."""
    root = str(pathlib.Path(__file__).resolve().parents[2])
    variables = {**os.environ, "PYTHONPATH": os.pathsep.join(filter(None, [root, os.environ.get("PYTHONPATH")]))}
    variables.pop("GOMP_SPINCOUNT", None)
    if cache is not None:
        variables["TINYATTN_CACHE"] = cache
    return variables


def seconds_of(*arguments, cache=None):
    """Seconds of a whole Python process. Raises RuntimeError with what it said last where it fails."""
    began = time.perf_counter()
    done = subprocess.run([sys.executable, *arguments], env=environment(cache), capture_output=True, text=True)
    took = time.perf_counter() - began
    if done.returncode:
        raise RuntimeError(f"a process failed: {done.stderr.strip().splitlines()[-1:] or done.returncode}")
    return took


def until_first_step(code, cache=None):
    """Seconds from starting ``python -c code FOLDER OURS``, OURS being where torch_models.py is, until it says "step"; and what it wrote to standard error."""
    with tempfile.TemporaryDirectory() as folder:
        began = time.perf_counter()
        arguments = [sys.executable, "-c", code, folder, str(pathlib.Path(__file__).parent)]
        process = subprocess.Popen(arguments, env=environment(cache), stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
        line = process.stdout.readline()
        took = time.perf_counter() - began
        _, said = process.communicate()
    if line.strip() != "step":
        raise RuntimeError(f"no step was made: {said.strip().splitlines()[-1:]}")
    return took, said


def _import(settings, row, times):
    """Medians of differences of neighbours: both processes of a pair meet the same machine."""
    def beyond(module):
        both = [(seconds_of("-c", "import numpy, numba"), seconds_of("-c", f"import numpy, numba, {module}")) for _ in range(times)]
        return [1e3 * (b - a) for a, b in both]
    seconds_of("-c", "import tinyattn")  # compiles Python to bytecode, once
    found = beyond("tinyattn")
    row["ours_ms"], row["times_ms"] = median(found), found
    if settings.against == "torch":
        row["torch_ms"] = median(beyond("torch"))


def _warm(settings, row, times):
    until_first_step(OURS)  # fills the cache
    found = [1e3 * until_first_step(OURS)[0] for _ in range(times)]
    row["ours_ms"], row["spread"] = median(found), spread(found)
    if settings.against == "torch":
        row["torch_ms"] = median([1e3 * until_first_step(TORCH)[0] for _ in range(times)])


def _empty(settings, row, times):
    with tempfile.TemporaryDirectory() as cache:
        took, said = until_first_step(OURS, cache)
    row["ours_ms"] = 1e3 * took
    row["said"] = [line for line in said.splitlines() if "compiling" in line]


def run(settings):
    """A row a case; `quick` leaves out those that compile everything."""
    times = 1 if settings.quick else 5
    for name, measure in (("import", _import), ("first step, warm cache", _warm), ("first step, empty cache", _empty)):
        if settings.wants(name) and not (settings.quick and measure is _empty):
            row = empty_row("cold", name)
            with failing(row):
                measure(settings, row, times)
                row["most_ms"], row["ratio"] = MOST[name], ratio(row["ours_ms"], row["torch_ms"])
            yield row
    if not settings.quick and any(map(settings.wants, CASES[3:])):
        with tempfile.TemporaryDirectory() as cache:
            for name in CASES[3:]:
                row = empty_row("cold", name)
                with failing(row):
                    row["ours_ms"] = 1e3 * seconds_of("-m", "tinyattn", "warmup", "--quiet", cache=cache)
                yield row


def notes(rows):
    """Each time beside the most it should take."""
    lines = [f"{row['case']}: {row['ours_ms'] / 1e3:.2f} s, at most {row['most_ms'] / 1e3:g} s wanted"
             for row in rows if row.get("most_ms") and row["ours_ms"] is not None]
    return lines + [f"a first run says: {line}" for row in rows for line in row.get("said", [])]
