"""Compiled code is kept between processes, is never stale, and may be shared by processes that start together."""
import importlib.util
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

    def start(program=PROGRAM):
        return subprocess.Popen([sys.executable, "-c", program], cwd=tmp_path, env=environment, text=True,
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


PROBE = """
from .jit import entrance
{imports}

@entrance
def total():
    return {total}
"""
HELPER = """
from {jit} import part


@part
def cache_helper():
    return 1
"""
FILES = {"simd": ".jit", "launch": ".jit", "conv/direct": "..jit", "recurrent/steps": "..jit"}


def test_never_stale_whichever_file_is_edited(checkout):
    """One compiled function with a helper in each of these files, and one helper after the other is edited."""
    folder, start = checkout
    cpu = folder / "kernels" / "cpu"
    modules = {name: name.replace("/", ".") for name in FILES}
    (cpu / "probe.py").write_text(PROBE.format(
        imports="\n".join(f"from .{module} import cache_helper as _{i}" for i, module in enumerate(modules.values())),
        total=" + ".join(f"_{i}()" for i in range(len(modules)))), encoding="utf-8")
    for name, jit in FILES.items():
        with open(cpu / f"{name}.py", "a", encoding="utf-8") as file:
            file.write(HELPER.format(jit=jit))
    program = "from tinyattn import kernels; cpu = kernels.rung('cpu'); from tinyattn.kernels.cpu import probe; from tinyattn.kernels.cpu import " \
              "compiling; compiling.watch(); print(probe.total(), compiling.count())"
    value, compiled = _result(start(program))
    assert value == 4 and compiled > 0 and _result(start(program)) == (4, 0)
    for edits, name in enumerate(FILES, 1):
        source = cpu / f"{name}.py"
        times = source.stat()
        source.write_text(source.read_text(encoding="utf-8").replace("return 1\n", "return 9\n"), encoding="utf-8")
        os.utime(source, ns=(times.st_atime_ns, times.st_mtime_ns))  # nor does a time that stood still deceive
        assert _result(start(program))[0] == 4 + 8 * edits, f"an edit of {name}.py was not seen"


def test_every_source_file_counts(checkout):
    """The name of the folder: another one after any edit, new file, lost file or other name."""
    folder, _ = checkout
    spec = importlib.util.spec_from_file_location("cache_of_the_copy", folder / "kernels" / "cpu" / "cache.py")
    cache = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(cache)
    now = cache._source_hash()
    files = sorted((folder / "kernels").rglob("*.py"))
    assert len(files) > 50
    for path in files:
        before = path.read_bytes()
        path.write_bytes(before + b"#")
        assert cache._source_hash() != now, path
        path.write_bytes(before)
    assert cache._source_hash() == now
    last = files[-1].rename(files[-1].with_name("other.py"))
    assert cache._source_hash() != now
    last.unlink()
    assert cache._source_hash() != now


def test_processes_that_start_together(checkout):
    _, start = checkout
    processes = [start() for _ in range(3)]
    assert [_result(p)[0] for p in processes] == [0.5] * 3
    assert _result(start()) == (0.5, 0)
