"""`tinyattn doctor`: what it finds on this machine, and every warning, provoked."""
import copy
import json
import os
import pathlib
import subprocess
import sys

import numba
import pytest

from tinyattn import cli, first_aid, requirements
from tinyattn.commands import doctor, doctor_facts, doctor_probe

ROOT = pathlib.Path(__file__).resolve().parent.parent
GB = 1 << 30


def run(*options, before=None, cwd=None, **environment):
    """(exit code, report, standard error) of the command in a process of its own."""
    path = os.pathsep.join(map(str, [*([before] if before else []), ROOT]))
    done = subprocess.run([sys.executable, "-m", "tinyattn", "doctor", *options], capture_output=True, text=True, cwd=cwd,
                          env={**os.environ, "PYTHONPATH": path, **environment})
    return done.returncode, done.stdout, done.stderr


@pytest.fixture(scope="module")
def here():
    """The JSON of this machine."""
    code, out, err = run("--json")
    assert code == 0 and err == "", out + err
    return json.loads(out)


def healthy():
    """Facts of a machine on which nothing is wrong."""
    return {
        "environment": {}, "requirements": [], "versions": {"python": "3.12.1", "numpy": "2.1.0", "scipy": None},
        "processor": {"name": "A processor", "llvm": "znver4", "machine": "x86_64", "system": "Linux", "features": ["avx2", "fma"]},
        "cores": {"there": 8, "allowed": 8, "quota": None},
        "cache": {"folder": "/c/compiled/1", "wanted": "/c", "makeshift": False, "writable": True, "bytes": 5, "entries": 2,
                  "other_versions": 0},
        "data": {"looked_in": ["/d"], "sets": {"glyphs": "built in", "mnist": None}},
        "memory": {"free": 8 * GB, "total": 16 * GB}, "disk": {"folder": "/r", "free": 50 * GB, "writable": True},
        "probe": {"kernels": {"difference": 1e-6, "import_seconds": 1, "compile_seconds": 2.0, "compiled": 3, "first_seconds": 2.0,
                              "again_seconds": 0.001,
                              "threading_layer": "omp", "threads": 8, "vector_bytes": 32}, "gpu": {"environment": {}, "numpy": "2.1.0", "numba_cuda": None, "driver": None, "init": None, "devices": [], "toolkit": None}},
    }


def test_this_machine(here):
    assert here["usable"] and here["versions"]["numba"] == numba.__version__ and here["versions"]["python"] == sys.version.split()[0]
    kernels = here["probe"]["kernels"]
    assert kernels["difference"] < 1e-5 and kernels["threads"] >= 1 and kernels["vector_bytes"] in (16, 32, 64)
    assert kernels["threading_layer"] in ("omp", "tbb", "workqueue")
    assert {"driver", "init", "devices", "numba_cuda", "toolkit"} <= set(here["probe"]["gpu"])
    assert here["cache"]["writable"] and here["cache"]["entries"] > 0 and here["cache"]["bytes"] > 1000
    assert here["data"]["sets"]["glyphs"] == "built in" and set(here["data"]["sets"]) > {"mnist", "cifar10"}
    assert here["processor"]["llvm"] and here["memory"]["free"] and here["disk"]["free"]
    text = doctor.describe(here)
    for words in ("differs from the reference by", "threading layer", "vectors", "CUDA", "processors", "looked in"):
        assert words in text


def test_nothing_is_wrong_with_a_healthy_machine():
    assert doctor.judge(healthy()) == []


CONDITIONS = [  # what is changed in the facts (or the environment), level, words of the finding, words of its repair
    ({"probe.error": "ended by signal SIGILL"}, "broken", "do not run: ended by signal SIGILL", "TINYATTN_KERNELS=reference"),
    ({"probe": {"kernels": None, "kernels_error": "TypingError: x"}}, "broken", "do not run: TypingError", "force-reinstall numba"),
    ({"probe": {"error": "x"}, "environment.NUMBA_DISABLE_JIT": "1"}, "broken", "NUMBA_DISABLE_JIT=1 forbids compiling",
     "unset NUMBA_DISABLE_JIT"),
    ({"environment.NUMBA_DISABLE_JIT": "1"}, "warning", "nothing is compiled", "unset NUMBA_DISABLE_JIT"),
    ({"probe.kernels.difference": 0.3}, "broken", "differs from the reference by 3.0e-01", "remove the cache folder /c/compiled/1"),
    ({"probe.kernels.difference": float("nan")}, "broken", "differs from the reference", "remove the cache folder"),
    ({"requirements": [["numpy", "1.26.0", ">=2.0,<3"]]}, "warning", "numpy is version 1.26.0", "pip install 'numpy>=2.0,<3'"),
    ({"requirements": [["tqdm", None, ">=4"]]}, "broken", "tqdm is not installed", "pip install 'tqdm>=4'"),
    ({"requirements": [["python", "3.9.1", ">=3.11"]]}, "warning", "python is version 3.9.1", "use a Python >=3.11"),
    ({"environment.TINYATTN_KERNELS": "reference"}, "warning", "10 to 100 times slower", "unset TINYATTN_KERNELS"),
    ({"environment.TINYATTN_KERNELS": "refrence"}, "broken", "did you mean reference?", "one of reference, cpu"),
    ({"probe.kernels.threading_layer": "workqueue"}, "warning", "no OpenMP", "libgomp1" if sys.platform == "linux" else "install"),
    ({"probe.kernels.threading_layer": "workqueue", "environment.NUMBA_THREADING_LAYER": "workqueue"}, "warning", "no OpenMP",
     "unset NUMBA_THREADING_LAYER"),
    ({"processor.features": ["sse2", "sse4.2", "avx"]}, "warning", "no AVX2", "host passthrough"),
    ({"environment.NUMBA_CPU_NAME": "haswell"}, "warning", "NUMBA_CPU_NAME=haswell", "unset NUMBA_CPU_NAME"),
    ({"environment.TINYATTN_VECTOR_BYTES": "16"}, "warning", "TINYATTN_VECTOR_BYTES=16", "unset TINYATTN_VECTOR_BYTES"),
    ({"environment.NUMBA_NUM_THREADS": "2", "probe.kernels.threads": 2}, "warning", "keeps the kernels to 2 of 8",
     "unset NUMBA_NUM_THREADS"),
    ({"environment.NUMBA_NUM_THREADS": "99", "probe.kernels.threads": 99}, "warning", "99 threads share 8 processors",
     "NUMBA_NUM_THREADS=8"),
    ({"environment.OMP_THREAD_LIMIT": "1"}, "warning", "only 1 of 8 threads", "unset OMP_THREAD_LIMIT"),
    ({"environment.OMP_NUM_THREADS": "1"}, "warning", "limits NumPy and PyTorch to 1 of 8", "unset OMP_NUM_THREADS"),
    ({"cores": {"there": 8, "allowed": 2, "quota": None}, "probe.kernels.threads": 2}, "warning", "may use 2 of 8", "more processors"),
    ({"cores.quota": 1.5}, "warning", "8 threads share 2 processors (a container's quota)", "NUMBA_NUM_THREADS=2"),
    ({"cores": {"there": 1, "allowed": 1, "quota": None}, "probe.kernels.threads": 1}, "warning", "a single thread", "more processors"),
    ({"probe.gpu.numba_cuda": "0.30.4"}, "warning", "no GPU is used: no NVIDIA driver was found", "install NVIDIA's driver"),
    ({"probe.gpu.driver": [13, 0], "probe.gpu.init": 0}, "warning", "no GPU is used: numba-cuda is not installed", "pip install 'tinyattn[cuda]'"),
    ({"probe.gpu.environment": {"NUMBA_ENABLE_CUDASIM": "1"}}, "warning", "NUMBA_ENABLE_CUDASIM=1 is set", "unset NUMBA_ENABLE_CUDASIM"),
    ({"cache.writable": False}, "warning", "every process compiles anew", "set TINYATTN_CACHE"),
    ({"cache.makeshift": True}, "warning", "/c is not writable", "set TINYATTN_CACHE"),
    ({"memory.free": GB}, "warning", "only 1.0 GB of memory", "smaller --batch-size"),
    ({"disk.free": 1000}, "warning", "only 0.00 GB are free in /r", "--out"),
    ({"disk.writable": False}, "warning", "/r is not writable", "--out"),
    ({"memory": {"error": "OSError: x"}}, "warning", "memory: could not be found out (OSError: x)", "report this"),
]


@pytest.mark.parametrize("changes, level, what, repair", CONDITIONS, ids=[" ".join(row[0]) for row in CONDITIONS])
def test_each_condition_is_told_with_its_repair(capsys, monkeypatch, changes, level, what, repair):
    facts = healthy()
    for path, value in changes.items():
        place, *keys = facts, *path.split(".")
        for key in keys[:-1]:
            place = place[key]
        place[keys[-1]] = value
    found = doctor.judge(facts)
    (told,) = [each for each in found if what in each["what"]]
    assert told["level"] == level and repair in told["repair"], told
    monkeypatch.setattr(doctor_facts, "gather", lambda: facts)
    assert cli.main(["doctor"]) == (1 if level == "broken" else 0)
    out = capsys.readouterr().out
    assert f"{level.upper()}" in out and what in out and f"repair: {told['repair']}" in out
    assert ("NOT usable" if level == "broken" else "ready to use: 0 broken") in out


@pytest.mark.parametrize("section", [key for key in healthy() if key not in ("environment", "requirements")])
@pytest.mark.parametrize("value", [{}, None, {"error": "x"}, "nonsense", []])
def test_what_could_not_be_found_out_never_stops_it(section, value):
    facts = {**healthy(), section: value}
    doctor.judge(facts)
    assert isinstance(doctor.describe(facts), str)


def test_every_fact_may_fail(monkeypatch):
    """Whatever a section raises becomes a line of the report."""
    def fails():
        raise RuntimeError("no\nsuch thing")
    for name in ("versions", "processor", "cores", "cache", "data", "memory", "disk", "probe"):
        broken = lambda: fails()
        broken.__name__ = name
        monkeypatch.setattr(doctor_facts, name, broken)
    monkeypatch.setattr(requirements, "complaints", fails)
    facts = doctor_facts.gather()
    assert facts["cores"] == {"error": "RuntimeError: no such thing"} and facts["requirements"] == []
    findings = doctor.judge(facts)
    assert findings[0]["level"] == "broken" and "do not run" in findings[0]["what"] and len(findings) >= 7
    assert isinstance(doctor.describe(facts), str)


# ---- in a process of its own, with the condition really there ---------------------------------------------------------------

@pytest.mark.parametrize("variables, code, words", [
    ({"TINYATTN_KERNELS": "reference"}, 0, "TINYATTN_KERNELS=reference is set"),
    ({"TINYATTN_KERNELS": "refrence"}, 1, "did you mean reference?"),
    ({"NUMBA_NUM_THREADS": "1"}, 0, "NUMBA_NUM_THREADS=1 keeps" if os.cpu_count() > 1 else "a single thread"),
    ({"NUMBA_THREADING_LAYER": "workqueue"}, 0, "threading layer is workqueue"),
    ({"NUMBA_DISABLE_JIT": "1"}, 1, "NUMBA_DISABLE_JIT=1 forbids"),
    ({"TINYATTN_VECTOR_BYTES": "wide"}, 1, "the compiled kernels do not run")])
def test_conditions_that_are_really_there(variables, code, words):
    got, out, err = run(**variables)
    assert got == code and words in out and "Traceback" not in out + err, out + err


def test_a_cache_that_cannot_be_written(tmp_path):
    (tmp_path / "file").write_text("")  # a folder under a file can nobody make, not even the superuser
    code, out, _ = run(TINYATTN_CACHE=str(tmp_path / "file" / "cache"), TMPDIR=str(tmp_path))
    assert code == 0 and f"{tmp_path / 'file' / 'cache'} is not writable: compiled kernels are kept in {tmp_path}" in out
    assert "s of compiling" in out


def test_a_numpy_that_numba_refuses(tmp_path):
    """TinyAttn cannot be imported then; the doctor answers all the same."""
    (tmp_path / "numba").mkdir()
    (tmp_path / "numba" / "__init__.py").write_text("raise ImportError('Numba needs NumPy 2.4 or less. Got NumPy 2.9.')")
    code, out, err = run(before=tmp_path, cwd=tmp_path)
    assert code == 1 and err == "" and "BROKEN   TinyAttn cannot be imported: ImportError: Numba needs NumPy 2.4" in out and "repair: pip install" in out
    code, out, err = run("--json", before=tmp_path, cwd=tmp_path)
    assert code == 1 and json.loads(out)["findings"][0]["level"] == "broken" and not json.loads(out)["usable"]
    done = subprocess.run([sys.executable, "-m", "tinyattn", "list"], capture_output=True, text=True, cwd=tmp_path,
                          env={**os.environ, "PYTHONPATH": os.pathsep.join(map(str, [tmp_path, ROOT]))})
    assert "Got NumPy 2.9" in done.stderr and done.returncode == 1


def test_an_error_of_somebody_else_is_left_alone(tmp_path):
    (tmp_path / "own.py").write_text("import tinyattn, nothing_of_that_name")
    done = subprocess.run([sys.executable, "own.py", "doctor"], capture_output=True, text=True, cwd=tmp_path,
                          env={**os.environ, "PYTHONPATH": str(ROOT)})
    assert "ModuleNotFoundError: No module named 'nothing_of_that_name'" in done.stderr and done.stdout == ""


@pytest.mark.parametrize("code, words", [
    ("import os, signal; os.kill(os.getpid(), signal.SIGILL)", "ended by signal SIGILL"),
    ("raise SystemExit('bad luck')", "failed: bad luck"),
    ("print('no JSON')", "failed"), ("import time; time.sleep(60)", "within 2 seconds")])
def test_a_process_of_kernels_that_dies(monkeypatch, code, words):
    monkeypatch.setattr(doctor_facts.sys, "executable", sys.executable)
    real = subprocess.run
    monkeypatch.setattr(doctor_facts.subprocess, "run", lambda command, **options: real([sys.executable, "-c", code], **options))
    found = doctor_facts.probe(patience=2)
    assert words in found["error"]
    facts = {**healthy(), "probe": found}
    assert doctor.judge(facts)[0]["level"] == "broken"


def test_the_probe_answers_whatever_happens(monkeypatch, capsys):
    def fails():
        raise OSError("no\nmemory")
    monkeypatch.setattr(doctor_probe, "kernels_run", fails)
    doctor_probe.main()
    found = json.loads(capsys.readouterr().out)
    assert found["kernels"] is None and found["kernels_error"] == "OSError: no memory" and "driver" in found["gpu"]


# ---- versions ------------------------------------------------------------------------------------------------------------

@pytest.mark.parametrize("version, wanted, fits", [
    ("2.0", ">=2.0,<3", True), ("2.4.6", ">=2.0,<3", True), ("1.26.4", ">=2.0,<3", False), ("3.0.0", ">=2.0,<3", False),
    ("2", ">=2.0", True),
    ("0.62.1rc1", ">=0.62,<0.70", True), ("0.70", ">=0.62,<0.70", False), ("2.13.0+cpu", ">=2.5,<3", True), ("3.11", ">=3.11", True),
    ("3.9", ">=3.11", False), ("1", "", True)])
def test_versions_are_compared_by_their_numbers(version, wanted, fits):
    assert requirements.fits(version, wanted) == fits


def test_ranges_come_from_the_checkout_or_the_installation(monkeypatch, tmp_path):
    own = requirements.ranges()
    assert own["python"] == ">=3.11" and own["numpy"].startswith(">=2.0") and set(own) > {"numba", "pillow", "tqdm", "safetensors",
                                                                                          "matplotlib"}
    about = copy.copy(own)
    lines = [f"{name} ({','.join(reversed(wanted.split(',')))})" for name,
             wanted in about.items() if name != "python"] + ['torch>=2.5; extra == "parity"']

    class Metadata(dict):
        def get_all(self, name):
            return lines
    monkeypatch.setattr(requirements, "__file__", str(tmp_path / "tinyattn" / "requirements.py"))
    monkeypatch.setattr(requirements.importlib.metadata, "metadata", lambda name: Metadata({"Requires-Python": ">=3.11"}))
    found = requirements.ranges()
    assert {name: set(wanted.split(",")) for name, wanted in found.items()} == {name: set(wanted.split(",")) for name,
                                                                                wanted in own.items()}


def test_first_aid_names_what_is_wrong(monkeypatch):
    monkeypatch.setattr(requirements, "complaints", lambda: [("numpy", "3.1", ">=2.0,<3")])
    text = first_aid.report("ImportError: x")
    assert "BROKEN   numpy is 3.1, TinyAttn needs >=2.0,<3" in text and "repair: pip install 'numpy>=2.0,<3'" in text
    monkeypatch.setattr(requirements, "complaints", lambda: [("python", "3.9", ">=3.11")])
    assert "repair: use a Python >=3.11" in first_aid.report("SyntaxError: x")
