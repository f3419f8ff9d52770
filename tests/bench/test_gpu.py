"""``tinyattn bench --device cuda``, from end to end on the simulator: every kernel and a step, compared with PyTorch's results before times are taken."""
import json

import numpy as np
import pytest

from tinyattn.bench.gpu import ceiling, report
from tinyattn.bench.measure import TOLERANCE
from tinyattn.cli import main
from tinyattn.kernels import cuda
from tinyattn.kernels.cuda import runtime
from tinyattn.nn import functional as F

pytestmark = pytest.mark.skipif(not runtime.SIMULATED, reason="needs TINYATTN_CUDA=simulator, which tests/conftest.py sets unless a GPU is asked for")

KERNELS = [name for name in report.names(quick=True) if name not in report.steps.QUICK]


def bench(tmp_path, *options):
    """Exit status and rows of a quick run."""
    file = tmp_path / "rows.json"
    status = main(["bench", "--device", "cuda", "--quick", "--json", str(file), *options])
    return status, json.loads(file.read_text())


def check(row, against):
    """A row says what was measured, on what, and how it stands to the ceiling."""
    assert "error" not in row and row["ours_ms"] > 0 and row["machine"]["gpu"] == "simulator" and row["settings"]["quick"] is True, row
    others = [row[column] for column in ("torch_ms", "torch_channels_last_ms") if row[column] is not None]
    assert bool(others) == against and row["ratio"] == (pytest.approx(min(others) / row["ours_ms"]) if others else None)
    assert row["ceiling"]["fma_gflops"] > 0 and row["ceiling"]["copy_gbs"] > 0
    assert all(row["ceiling"][key] > 0 for key in ("launch_us", "launch_8_arrays_us", "graph_us"))
    if row["suite"] == "gpu kernels":
        rate, most = ("gflops", "fma_gflops") if "gflops" in row else ("gbs", "copy_gbs")
        assert row["share"] == pytest.approx(row[rate] / row["ceiling"][most]) and row["ours_graph_ms"] is None
    else:
        assert row["suite"] == "gpu steps" and row["ours_graph_ms"] > 0


def test_beside_torch(tmp_path, capsys):
    pytest.importorskip("torch")
    status, rows = bench(tmp_path, "--against", "torch")
    assert status == 0 and [row["case"] for row in rows] == report.names(quick=True)
    for row in rows:
        check(row, against=True)
        assert row["torch_tf32_ms"] > 0 and row["relative_error"] < TOLERANCE
    (row,) = rows[len(KERNELS):]
    assert row["graph_ratio"] == pytest.approx(min(row["torch_ms"], row["torch_channels_last_ms"]) / row["ours_graph_ms"])
    first, heads, table, *_ = capsys.readouterr().out.split("\n\n")
    assert first.startswith("simulator: ") and "a launch costs" in first and "graph ms" in heads and "tf32 ms" in heads
    assert [line.split("  ")[0] for line in table.splitlines()] == [row["case"] for row in rows]


def test_ours_alone(tmp_path):
    status, rows = bench(tmp_path, "--case", "softmax", "--case", "max_pool")
    assert status == 0 and [row["case"] for row in rows] == ["softmax", "max_pool2d 2x2"]
    for row in rows:
        check(row, against=False)


def test_a_wrong_result_is_an_error_and_no_time(tmp_path, capsys, monkeypatch):
    pytest.importorskip("torch")
    right = F.max_pool2d
    monkeypatch.setattr(F, "max_pool2d", lambda x, size: right(x, size) * 1.01)
    status, (wrong, good) = bench(tmp_path, "--against", "torch", "--case", "max_pool", "--case", "sum over")
    assert status == 1 and "differ" in wrong["error"] and wrong["ours_ms"] is None and good["ours_ms"] > 0
    assert "ERROR: our results differ from torch's by" in capsys.readouterr().out


def test_a_case_that_is_not_there(capsys):
    assert main(["bench", "--device", "cuda", "--quick", "--case", "nothing"]) == 2
    assert "no case contains nothing; there are: matmul 16, " in capsys.readouterr().err


def test_the_ceilings_kernel_does_what_is_counted():
    """Eight numbers a thread, each v ← v·a + b as many times as there are rounds: 16 operations a round."""
    a, b, rounds = 0.5, 0.25, 3
    x, y = cuda.from_host(np.array([a, b])), cuda.empty(32, np.float64)
    multiply_adds, _ = ceiling._kernels()
    runtime.launch(multiply_adds(np.float64, rounds), 1, 32, x, y)
    v = np.array([1, a, b, 2, a + b, a + 1, b + 1, a - b])
    for _ in range(rounds):
        v = v * a + b
    assert cuda.to_host(y).tolist() == [v.sum()] * 32
