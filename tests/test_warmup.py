"""`tinyattn warmup`: the list of what is needed is complete, nothing runs while it is made, and a second time nothing is compiled."""
import importlib
import os
import subprocess
import sys

import numpy as np
import pytest

import tinyattn as ta
from tinyattn.cli import main
from tinyattn.commands import warmup, warmup_list
from tinyattn.nn import functional as F


def test_the_list_is_what_a_run_launches(monkeypatch):
    """A model's step, once dry and once in earnest: the same bodies with the same dtypes."""
    launch = importlib.import_module(warmup_list.LAUNCH)

    def step():
        ta.manual_seed(0)
        model = ta.models.create("attention_cnn", attention="cbam")
        loss = F.cross_entropy(model(ta.tensor(np.ones((4, 1, 28, 28), np.float32))), ta.tensor([0, 1, 2, 3]))
        loss.backward()
        ta.optim.AdamW(model.parameters()).step()
        return loss

    with warmup_list.listing() as wanted:
        step()
    learnt, learn = {}, launch._learn

    def noting(body, arrays):
        learnt.setdefault((body.py_func.__module__, body.py_func.__qualname__), set()).add(tuple(a.dtype.char for a in arrays))
        learn(body, arrays)

    monkeypatch.setattr(launch, "_rows", {})
    monkeypatch.setattr(launch, "_learn", noting)
    step()
    assert wanted == learnt and len(wanted) > 20


def test_nothing_runs_while_listing():
    x = ta.tensor(np.ones(5, np.float32))
    with warmup_list.listing() as wanted:
        x.mul_(3.0)
    assert (x.numpy() == 1).all() and len(wanted) == 1
    x.mul_(3.0)  # and all is as before
    assert (x.numpy() == 3).all()
    with pytest.raises(RuntimeError, match="stop"), warmup_list.listing():
        raise RuntimeError("stop")
    assert ((x + 1).numpy() == 4).all()


def test_what_is_missing(tmp_path, monkeypatch):
    with warmup_list.listing() as wanted:
        F.relu(ta.tensor(np.ones(5, np.float32)))
    F.relu(ta.tensor(np.ones(5, np.float32)))
    assert warmup_list.missing(wanted) == {}
    (key,) = wanted
    assert warmup_list.missing({key: {("e", "e")}}) == {key: {("e", "e")}}  # half precision: no kernel has it
    assert warmup_list.body(key).py_func.__qualname__ == key[1]
    assert warmup._jobs({key: {("f", "f")}}, [])[-1] == ("body", key, [("f", "f")])


def test_the_models_need_every_family():
    with warmup_list.listing() as wanted:
        warmup_list.models()
        assert warmup_list.gradchecks(False) == []
    modules = {module.removeprefix("tinyattn.kernels.cpu.").split(".")[0] for module, _ in wanted}
    assert {"attention", "conv", "gates", "loops", "loss", "matmul", "norm", "optimizer", "pool"} <= modules
    assert {char for calls in wanted.values() for dtypes in calls for char in dtypes} >= {"f", "d"}


def test_compiles_into_an_empty_cache_and_then_no_more(tmp_path):
    """The whole command on a list of two kernels."""
    code = ("import sys; from tinyattn.commands import warmup_list; from tinyattn.cli import main; import tinyattn as ta\n"
            "warmup_list.models = lambda: ta.nn.functional.relu(ta.zeros(4)) + 1\n"
            "warmup_list.gradchecks = lambda everything: []\n"
            "if __name__ == '__main__': sys.exit(main(['warmup']))\n")
    (tmp_path / "small.py").write_text(code)
    found = []
    for _ in range(2):
        done = subprocess.run([sys.executable, str(tmp_path / "small.py")], capture_output=True, text=True,
                              env={**os.environ, "TINYATTN_CACHE": str(tmp_path / "cache"), "PYTHONPATH": os.pathsep.join(sys.path)})
        assert done.returncode == 0, done.stderr
        found.append((done.stdout, done.stderr))
    (first, said), (second, silent) = found
    assert first.startswith("2 kernels of the models are ready: 2 compiled now, 0 there before;") and str(tmp_path / "cache") in first
    assert said.startswith("compiling 2 of 2 kernels in ") and "0 compiled now, 2 there before" in second and silent == ""
    assert list((tmp_path / "cache").rglob("ahead-attention_cnn-cbam-adamw"))  # a first run starts no second process


def test_help_and_mistakes(capsys, monkeypatch):
    assert main(["warmup", "--help"]) == 0 and capsys.readouterr().out.startswith("usage: tinyattn warmup")
    assert main(["warmup", "--what", "al"]) == 2 and "did you mean all?" in capsys.readouterr().err
    with ta.kernels.use("reference"):
        assert main(["warmup"]) == 2 and "TINYATTN_KERNELS" in capsys.readouterr().err


def test_a_first_run_is_met_from_the_end(monkeypatch, tmp_path):
    """The second process's list is what the run launches, and it goes through what is missing of it from its end."""
    from tinyattn.commands import ahead
    from tinyattn.training import compile_ahead
    from tinyattn.training.config import complete
    config = complete(model="lenet", attention="none", batch_size=8)
    ahead.compile_from_the_end(config)
    with warmup_list.listing() as wanted:
        ahead.step(config)
    assert len(wanted) > 10 and warmup_list.missing(wanted) == {}
    learnt = []
    monkeypatch.setattr(importlib.import_module(warmup_list.LAUNCH), "_learn", lambda body, arrays: learnt.append(body.py_func.__qualname__))
    monkeypatch.setattr(warmup_list, "missing", lambda wanted: wanted)
    ahead.compile_from_the_end(config)
    assert learnt == [name for (_, name), calls in reversed(wanted.items()) for _ in calls]

    monkeypatch.setattr(compile_ahead.cache, "FOLDER", str(tmp_path))
    process = compile_ahead.start(config)
    assert process.wait(timeout=100) == 0 and (tmp_path / "ahead-lenet-none-adamw").exists() and compile_ahead.start(config) is None
