"""Compiled code is kept between processes, is never stale, and may be shared by processes that start together."""
import os
import pathlib
import shutil
import subprocess
import sys

import pytest

ROOT = pathlib.Path(__file__).resolve().parents[2]
PROGRAM = """
import sys, numpy as np
from tinyattn import kernels
from tinyattn.kernels.cpu import compiling
compiling.watch()
cpu = kernels.rung("cpu")
y = cpu.sigmoid(np.array([[0.0, 1.0]], np.float32))
print(float(y[0, 0]), compiling.count())
"""


@pytest.fixture
def checkout(tmp_path):
    """A copy of the code to edit, with an empty cache, and a function that starts the program in it."""
    for name in ("kernels", "tinyattn"):
        shutil.copytree(ROOT / name, tmp_path / name, ignore=shutil.ignore_patterns("__pycache__"))
    environment = {**os.environ, "TINYATTN_CACHE": str(tmp_path / "cache"), "PYTHONDONTWRITEBYTECODE": "1"}
    environment.pop("PYTHONPATH", None)

    def start():
        return subprocess.Popen([sys.executable, "-c", PROGRAM], cwd=tmp_path, env=environment, text=True,
                                stdout=subprocess.PIPE, stderr=subprocess.PIPE)

    return tmp_path, start


def _result(process):
    out, err = process.communicate(timeout=120)
    assert process.returncode == 0, err
    value, compiled = out.split()
    return float(value), int(compiled)


def test_found_again_and_never_stale(checkout):
    folder, start = checkout
    assert _result(start())[0] == 0.5
    value, compiled = _result(start())
    assert value == 0.5 and compiled == 0, "the second process should find everything in the cache"

    source = folder / "kernels" / "cpu" / "mathfun.py"   # another file than the compiled loop's
    head, body = source.read_text(encoding="utf-8").split("def sigmoid_(x):")
    source.write_text(head + "def sigmoid_(x):\n    return x + like(7, x)\n\n\ndef _before(x):" + body, encoding="utf-8")
    value, compiled = _result(start())
    assert value == pytest.approx(7.0) and compiled > 0, "an edited kernel must not give the old result"


def test_processes_that_start_together(checkout):
    _, start = checkout
    processes = [start() for _ in range(3)]
    assert [_result(p)[0] for p in processes] == [0.5] * 3
    assert _result(start()) == (0.5, 0)
