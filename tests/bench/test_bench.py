"""The benchmark: arithmetic of times, comparison before timing, every suite from end to end, and mistakes answered in one line."""
import dataclasses
import json
import sys
import time
import types

import numpy as np
import pytest

from tinyattn.bench import ceiling, cold, kernels, measure, memory, plain, table, timing
from tinyattn.bench.measure import Case, Disagreement, Settings
from tinyattn.cli import main
from tinyattn.kernels import rung


def bench(tmp_path, *options):
    """Exit status and rows of a quick run."""
    file = tmp_path / "rows.json"
    status = main(["bench", "--quick", "--json", str(file), *options])
    return status, json.loads(file.read_text())


# ---- arithmetic -------------------------------------------------------------------------------------------------------

def test_median():
    assert timing.median([3.0, 1.0, 2.0]) == 2.0
    assert timing.median([4.0, 1.0, 2.0, 3.0]) == 2.5


def test_spread_is_the_middle_half_beside_the_median():
    assert timing.spread([5.0]) == 0 and timing.spread([2.0] * 9) == 0
    assert timing.spread([1.0, 8.0, 9.0, 10.0, 10.0, 12.0, 12.0, 50.0]) == pytest.approx((12 - 9) / 10)


def test_ratio_counts_the_better_of_the_others():
    assert timing.ratio(2.0, 6.0, 3.0) == 1.5 and timing.ratio(2.0, 1.0, None) == 0.5 and timing.ratio(2.0, None) is None


def test_geometric_mean():
    assert timing.geometric_mean([4.0, 0.25]) == pytest.approx(1) and timing.geometric_mean([2.0, 4.0]) == pytest.approx(8 ** 0.5)


def test_turns_are_taken():
    order = []
    result = timing.turns({"a": lambda: order.append("a"), "b": lambda: order.append("b")}, seconds=0, least=3, short=0)
    assert order == ["a", "a", "b", "b"] + ["a", "b"] * 3  # two to warm up, then in turns
    order.clear()
    timing.turns({"a": lambda: order.append("a"), "b": lambda: (order.append("b"), time.sleep(0.02))}, seconds=0, least=3, short=10)
    assert order == ["a", "a", "b", "b"] + ["a", "a", "b"] * 3  # what is short is settled first
    assert {name: len(times) for name, times in result.items()} == {"a": 3, "b": 3} and min(min(t) for t in result.values()) >= 0


def test_a_row_is_reckoned():
    row = measure.fill(measure.empty_row("kernels", "x", 1.2), {"ours_ms": [2.0] * 3, "torch_ms": [6.0] * 3, "torch_channels_last_ms": [3.0] * 3},
                       flops=4e6, ceiling={"fma_gflops": 8, "copy_gbs": 1})
    assert (row["ours_ms"], row["ratio"], row["gflops"], row["share"], row["spread"]) == (2, 1.5, 2, 0.25, 0)
    assert "BELOW" not in table.line(row) and "25%" in table.line(row)
    assert "BELOW 2" in table.line({**row, "floor": 2.0}) and table.summary([{**row, "floor": 2.0}])[0].startswith("1 of 1 rows")


def test_what_is_said_of_the_convolutions():
    rows = [{"case": name, "ratio": value, "mean": mean} for name, value, mean in (("a", 4.0, True), ("b", 1.0, True), ("c", 0.1, False))]
    (line,) = kernels.notes(rows)
    assert "2 ratios 2.00 (floor 1.2)" in line and "smallest 1.00, b (floor 0.85)" in line


def test_a_busy_machine_is_noticed():
    about = {"processor": "P", "threads": 2, "cores": 2}
    most = {"fma_gflops": 100, "copy_gbs": 10}
    assert len(table.machine_lines(about, most, 0.3)) == 1 and "load average is 3.0" in table.machine_lines(about, most, 3.0)[1]
    unsteady = measure.fill(measure.empty_row("s", "x"), {"ours_ms": [1.0, 1.0, 2.0, 3.0]})
    assert table.line(unsteady).split()[1].startswith("~") and "varied" in table.summary([unsteady])[0]
    assert "was busy" in table.summary([unsteady], others=True)[1] and unsteady["least_ms"] == {"ours_ms": 1.0}


def test_operations_are_counted():
    by_name = {case.name: case for case in kernels.cases()}
    assert by_name["conv3x3 16-32 @28"].flops == 3 * 2 * 128 * 28 * 28 * 32 * 16 * 9
    assert by_name["conv3x3/2 16-32 @32"].flops == 3 * 2 * 128 * 16 * 16 * 32 * 16 * 9
    assert by_name["depthwise3x3 64-64 @16"].flops == 3 * 2 * 128 * 16 * 16 * 64 * 9
    assert by_name["conv3x3 32-32 @32 forward"].flops == 2 * 128 * 32 * 32 * 32 * 32 * 9
    assert by_name["attention 4x4x1024x64 causal"].flops * 2 == by_name["attention 4x4x1024x64"].flops == 7 * 2 * 4 * 4 * 1024 ** 2 * 64
    assert by_name["linear 512"].flops == 6 * 512 ** 3
    assert len(by_name) == len(kernels.cases()) and sum(case.mean for case in by_name.values()) == 10


def test_the_ceiling_is_of_this_machine():
    most = ceiling.measure(quick=True)
    assert most["fma_gflops"] > 0 and most["copy_gbs"] > 0 and most["threads"] >= 1
    y = np.zeros(3 * ceiling.ROWS * 64, np.float32)  # the loop that is timed does what it says: x₀ · x is added to x, every round
    width = ceiling.VECTORS * ceiling.lanes_of(y.dtype)
    x = np.linspace(1, 2, ceiling.ROWS * width, dtype=np.float32)
    y = np.zeros(x.size, np.float32)
    ceiling._multiply_adds(x, 3, 1, y)
    np.testing.assert_allclose(y.reshape(-1, width), x.reshape(-1, width) + 3 * x[0] * x[:width], rtol=1e-6)
    source, target = np.arange(1001, dtype=np.float32), np.zeros(1001, np.float32)
    ceiling._copy(source, target, 7)
    assert (source == target).all()


# ---- results are compared before times are taken ------------------------------------------------------------------------

def job(*arrays):
    return types.SimpleNamespace(results=lambda: [np.asarray(a) for a in arrays], run=lambda: None)


def test_results_are_compared():
    x = np.linspace(-1, 1, 9)
    assert measure.agree({"torch_ms": job(x), "ours_ms": job(x + 1e-5)}) == pytest.approx(1e-5)
    for wrong in (x + 0.01, x * np.nan, x[:5]):
        with pytest.raises(Disagreement, match="torch"):
            measure.agree({"torch_ms": job(x), "ours_ms": job(wrong)})


def test_a_wrong_result_is_an_error_and_no_time(tmp_path, capsys, monkeypatch):
    pytest.importorskip("torch")
    from tinyattn.nn import functional as F
    right = F.max_pool2d
    monkeypatch.setattr(F, "max_pool2d", lambda x, size: right(x, size) * 1.01)
    status, rows = bench(tmp_path, "--suite", "kernels", "--against", "torch", "--case", "max_pool", "--case", "gelu")
    wrong, good = rows
    assert status == 1 and "differ" in wrong["error"] and wrong["ours_ms"] is None and good["ours_ms"] > 0
    assert "ERROR: our results differ from torch's by" in capsys.readouterr().out


def test_a_case_that_breaks_does_not_hide_the_others():
    def broken(side, random):
        raise RuntimeError("no such thing")
    row = measure.measured("kernels", Case("x", broken), Settings(quick=True))
    assert row["error"] == "RuntimeError: no such thing" and row["ours_ms"] is None


# ---- the suites, end to end -----------------------------------------------------------------------------------------------

def check(rows, suite, against=True):
    columns = {"suite", "case", "ours_ms", "torch_ms", "torch_channels_last_ms", "ratio", "machine", "settings", "ceiling"}
    for row in rows:
        assert columns <= set(row) and row["suite"] == suite and "error" not in row and row["ours_ms"] > 0, row
        others = [row[key] for key in ("torch_ms", "torch_channels_last_ms") if row[key] is not None]
        assert row["ratio"] == (pytest.approx(min(others) / row["ours_ms"]) if others else None)
        assert bool(others) == against
        assert row["machine"]["threads"] >= 1 and row["settings"]["quick"] is True


@pytest.mark.parametrize("suite", ["kernels", "odd", "steps"])
def test_beside_torch(suite, tmp_path, capsys):
    pytest.importorskip("torch")
    status, rows = bench(tmp_path, "--suite", suite, "--against", "torch")
    assert status == 0
    check(rows, suite)
    assert len(rows) == len(capsys.readouterr().out.split("floor\n\n")[1].split("\n\n")[0].splitlines()) > 8
    assert max(row["relative_error"] for row in rows) < measure.TOLERANCE


def test_every_plain_twin_is_measured_and_computes_the_same(tmp_path):
    assert plain.names() == plain.twins(), "what has no arguments in bench/plain.py?"
    for name in plain.names():
        arguments = getattr(plain, name)(np.random.default_rng(0), True)
        measure.agree({"ours_ms": plain.Job(getattr(rung("cpu"), name), arguments), "reference_ms": plain.Job(getattr(rung("reference"), name), arguments)})
    status, rows = bench(tmp_path, "--suite", "plain", "--case", "softmax", "--case", "gru_forward", "--case", "resample")
    assert status == 0 and len(rows) == 4
    for row in rows:
        assert row["relative_error"] < measure.TOLERANCE and row["ratio"] == pytest.approx(row["plain_ms"] / row["ours_ms"]) and row["reference_ms"] > 0


def test_ours_alone(tmp_path, capsys):
    status, rows = bench(tmp_path, "--case", "attention_cnn cbam 28x28 b16")
    (row,) = rows
    check(rows, "steps", against=False)
    assert status == 0 and f"{row['ours_ms']:.2f}" in capsys.readouterr().out


def test_scaling_draws(tmp_path):
    status, rows = bench(tmp_path, "--suite", "scaling", "--out", str(tmp_path / "pictures"), "--case", "batch", "--case", "tokens")
    check(rows, "scaling", against=False)
    assert status == 0 and [row["number"] for row in rows] == [1, 2, 16, 32] and all(row["intensity"] > 0 for row in rows)
    assert {path.name for path in (tmp_path / "pictures").iterdir()} == {"scaling-batch.png", "scaling-tokens.png", "roofline.png"}


def test_cold(tmp_path, capsys):
    status, rows = bench(tmp_path, "--suite", "cold")
    check(rows, "cold", against=False)
    assert status == 0 and [row["case"] for row in rows] == list(cold.CASES[:2]) and "s wanted" in capsys.readouterr().out


@pytest.mark.skipif(sys.platform != "linux", reason="peaks of memory are read from /proc")
def test_growth_is_of_the_peak():
    held = []
    found = memory.growth(lambda: np.ones(5 << 20), warm=lambda: held.append(np.ones(9 << 20)))  # 40 MiB five times, not at once; 72 before
    assert 39 * memory.MIB < found < 60 * memory.MIB
    assert 199 * memory.MIB < memory.growth(lambda: held.append(np.ones(5 << 20)), warm=lambda: None) < 230 * memory.MIB


@pytest.mark.skipif(sys.platform != "linux", reason="peaks of memory are read from /proc")
def test_memory(tmp_path, capsys):
    status, (row,) = bench(tmp_path, "--suite", "memory", "--case", "attention_cnn cbam")
    assert status == 0 and row["suite"] == "memory" and row["ours_ms"] is row["ratio"] is row["torch_mb"] is None and 0 <= row["ours_mb"] < 500
    assert f"{row['ours_mb']:.2f}" in capsys.readouterr().out


def test_recipes(tmp_path, capsys, monkeypatch):
    """Both sides train the same: after an epoch from the same weights on the same batches their accuracies are next to equal."""
    pytest.importorskip("torch")
    use_glyphs_for_recipes(monkeypatch)
    status, rows = bench(tmp_path, "--suite", "recipes", "--against", "torch", "--case", "mnist99", "--seeds", "2")
    (row,) = rows
    check(rows, "recipes")
    assert status == 0 and row["seeds"] == 2 and [len(v) for v in row["accuracy"].values()] == [2, 2, 2]
    for column in ("torch_ms", "torch_channels_last_ms"):
        assert row["accuracy"][column] == pytest.approx(row["accuracy"]["ours_ms"], abs=0.02)
    assert "2 seeds; wanted 99%" in capsys.readouterr().out


@pytest.mark.parametrize("name", ["mnist99", "cifar90", "resnet20-cbam"])
def test_a_recipe_in_torch_is_the_same_recipe(name, tmp_path, monkeypatch):
    """The losses of the first steps: model, first weights, batches, augmentation, optimizer, rates of each group, average."""
    torch = pytest.importorskip("torch")
    from tinyattn.bench import recipes
    from tinyattn.training import Progress, setup
    from tinyattn.training.config import complete
    from tinyattn.training.loop import Run
    config = complete("glyphs", recipe=name, limit_train=160, limit_test=32, batch_size=16, epochs=1)
    data = setup.load_data(config)
    run, twin = Run(config, data, tmp_path, Progress(quiet=True)), recipes.Twin(config, data, True)
    run.prepare()
    run.model.train(), twin.model.train()
    for (images, labels), (again, truth) in zip(run.loader, twin.loader, strict=True):
        np.testing.assert_array_equal(images.data, again)
        run._step(images, labels)
        ((ours, *_),), theirs = run._results.read(), twin.step(again, truth)
        assert ours == pytest.approx(theirs[0], rel=2e-3 if run.step < 5 else 0.1)
    for (key, tensor) in (twin.average.module if twin.average else twin.model).state_dict().items():
        if run.average and tensor.dtype == torch.int64:
            assert int(run.average.state_dict()["weights"][key]) == int(tensor)


def test_some_steps_stand_for_a_long_recipe(tmp_path, monkeypatch):
    pytest.importorskip("torch")
    from tinyattn.bench import recipes
    from tinyattn.bench.measure import Settings, empty_row
    from tinyattn.training.config import complete
    use_glyphs_for_recipes(monkeypatch)
    monkeypatch.setattr(recipes, "complete", lambda **options: complete(**{**options, "limit_train": 96, "limit_test": 32, "batch_size": 32, "epochs": 3}))
    monkeypatch.setattr(recipes, "STEPS", 1)
    row = empty_row("recipes", "cifar90")
    recipes._measure(row, "cifar90", Settings(against="torch", seeds=2))
    assert row["torch_steps"] == 2 and row["steps"] == 9 and row["accuracy"]["torch_ms"] == []
    assert row["torch_ms"] == pytest.approx(9 * row["step_ms"]["torch_ms"]) and "PyTorch's from 2 of its steps, times 9" in recipes.notes([row])[0]


def use_glyphs_for_recipes(monkeypatch):
    """The recipes with the built-in data for MNIST and CIFAR, which may not be here."""
    from tinyattn.training import recipes
    for name, recipe in recipes.RECIPES.items():
        monkeypatch.setitem(recipes.RECIPES, name, dataclasses.replace(recipe, settings={**recipe.settings, "data": "glyphs"}))


@pytest.mark.parametrize("options, words", [
    (["--case", "nothing"], "no case contains nothing"),
    (["--thread", "1"], "did you mean --threads"),
    (["--threads", "100000"], "threads on this machine"),
    (["--json", "/no/such/folder/rows.json"], "No such file"),
    (["--out", "/dev/null/pictures"], "--out /dev/null/pictures"),
    (["--suite", "stps"], "did you mean steps?"),
    (["--seconds", "-1"], "--seconds is -1"),
    (["--seeds", "0"], "--seeds is 0"),
])
def test_mistakes(options, words, capsys):
    assert main(["bench", *options]) == 2
    error = capsys.readouterr().err
    assert error.startswith("tinyattn: error:") and words in error
