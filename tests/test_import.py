"""`import tinyattn` is light: what is heavy, or needed by few, is loaded when it is first used."""
import json
import subprocess
import sys

HEAVY = {"matplotlib", "PIL", "tqdm", "safetensors", "torch", "scipy", "argparse", "concurrent.futures.process", "multiprocessing.pool",
         "tinyattn.data", "tinyattn.models", "tinyattn.training", "tinyattn.viz", "tinyattn.bench", "tinyattn.gradcheck", "tinyattn.cli",
         "tinyattn.nn", "tinyattn.optim", "tinyattn.kernels.cpu", "tinyattn.kernels.reference"}


def loaded_by(code):
    """Names of the modules that `code` loads beyond NumPy and Numba, in a process of its own."""
    code = f"import sys, json, numpy, numba; before = set(sys.modules); {code}; print(json.dumps(sorted(set(sys.modules) - before)))"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    return set(json.loads(done.stdout))


def test_what_the_import_does_not_load():
    loaded = loaded_by("import tinyattn")
    assert not loaded & HEAVY and "tinyattn.tensor" in loaded and len(loaded) < 90, sorted(loaded & HEAVY) or len(loaded)


def test_what_is_left_out_comes_when_it_is_asked_for():
    loaded = loaded_by("import tinyattn as ta; ta.nn.Linear(2, 2); ta.optim.SGD; from tinyattn import models")
    assert {"tinyattn.nn", "tinyattn.optim", "tinyattn.models"} <= loaded and not loaded & {"matplotlib", "PIL", "torch", "tinyattn.training"}
