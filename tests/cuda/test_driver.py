"""All that the host asks of a GPU's driver, asked of one that checks and computes nothing (driver.c): through numba-cuda as it is installed.

What is wrong with our use of numba-cuda, cuda.core or the driver is found here before there is a GPU to find it: names, arguments,
limits of launches with the registers that kernels were given, order of calls, memory that was given back too early.
Needs numba-cuda and a C compiler, on Linux.
"""
import os
import pathlib
import re
import shutil
import subprocess
import sys

import pytest

pytest.importorskip("numba_cuda", reason="needs numba-cuda: pip install 'tinyattn[cuda]'")
COMPILER = shutil.which("cc") or shutil.which("gcc")
pytestmark = pytest.mark.skipif(COMPILER is None or not sys.platform.startswith("linux"), reason="needs a C compiler, on Linux")
HERE = pathlib.Path(__file__).parent


@pytest.fixture(scope="module")
def driver(tmp_path_factory):
    """``driver(name, **environment)`` → (what the run printed, the lines of the driver)."""
    folder = tmp_path_factory.mktemp("driver")
    subprocess.run([COMPILER, "-shared", "-fPIC", "-O1", "-w", HERE / "driver.c", "-o", folder / "libcuda.so.1"], check=True)

    def run(name, **environment):
        environment = {key: value for key, value in os.environ.items() if key != "TINYATTN_CUDA"} | environment
        environment |= {"LD_LIBRARY_PATH": str(folder), "PYTHONPATH": os.pathsep.join([str(HERE.parents[1]), environment.get("PYTHONPATH", "")])}
        done = subprocess.run([sys.executable, HERE / "driver_runs.py", name], capture_output=True, text=True, env=environment)
        lines = done.stderr.splitlines()
        assert done.returncode == 0 and "ENDED with 0 faults" in lines, done.stderr[-3000:]
        assert not any("Warning" in line or "Exception" in line for line in lines), done.stderr[-3000:]
        return done.stdout, lines
    return run


def test_a_training_is_launched_captured_and_replayed(driver):
    said, lines = driver("train")
    assert "cannot be captured" not in said and "kept for graphs" in said
    ((graph,), replays) = [[int(re.search(r"\d+", line)[0]) for line in lines if line.startswith(word)] for word in ("GRAPH", "REPLAY")]
    assert graph > 10 and replays == [graph] * 3
    launches = [line for line in lines if line.startswith("LAUNCH")]
    assert len(launches) > 3 * graph and all("local 0:" in line for line in launches)


def test_a_capture_that_is_refused_ends(driver):
    driver("refuse")


def test_memory_that_runs_out_is_given_back_first(driver):
    said, _ = driver("fill", DRIVER_MEMORY=str(30 << 20))
    assert "the GPU has no 4096 GiB left" in said
