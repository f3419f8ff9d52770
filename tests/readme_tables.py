"""Writes the README's tables from what was measured: ``python tests/readme_tables.py``.

    tests/recorded/steps.json   written by  tinyattn bench --suite steps --against torch --json tests/recorded/steps.json
    tests/recorded/breadth.json written by  python tests/breadth.py --rung both --json tests/recorded/breadth.json
    tests/recorded/runs.json    the result.json of training runs, gathered by  python tests/readme_tables.py runs/A runs/B …

The tests compare the README with what this writes, so that no figure in it is typed by hand.
"""
import json
import pathlib
import sys

ROOT = pathlib.Path(__file__).resolve().parent.parent
RECORDED = ROOT / "tests" / "recorded"
BEGIN, END = "<!-- measured: python tests/readme_tables.py -->\n", "<!-- end of measured -->\n"


def _median(values):
    values = sorted(values)
    half = len(values) // 2
    return values[half] if len(values) % 2 else (values[half - 1] + values[half]) / 2


def steps_table(rows):
    """Training steps beside PyTorch's, with the machine they were taken on."""
    machine = rows[0]["machine"]
    lines = [f"A training step (forward, loss, backward, AdamW) in milliseconds, medians of turns taken in one process, on "
             f"{machine['threads']} threads of an {machine['processor']} ({machine['system']}, Python {machine['python']}, "
             f"NumPy {machine['numpy']}, Numba {machine['numba']}, PyTorch {machine['torch']}), which multiplies and adds at "
             f"{rows[0]['ceiling']['fma_gflops']:.0f} GFLOP/s at most:", "",
             "| model | TinyAttn | PyTorch | PyTorch channels_last | better of PyTorch's / ours |", "|---|---:|---:|---:|---:|"]
    for row in rows:
        lines.append(f"| {row['case']} | {row['ours_ms']:.1f} | {row['torch_ms']:.1f} | {row['torch_channels_last_ms']:.1f} | "
                     f"{row['ratio']:.2f} × |")
    return lines


def runs_table(results):
    """Accuracy and time of whole runs, one row for runs that differ only in their seed."""
    groups = {}
    for r in results:
        groups.setdefault((r["data"], r["model"], r["attention"], r["epochs"]), []).append(r)
    lines = ["| data | model | epochs | test accuracy | training time |", "|---|---|---:|---:|---:|"]
    for (data, model, attention, epochs), runs in groups.items():
        seeds = f" (median of {len(runs)} seeds)" if len(runs) > 1 else ""
        gate = "" if attention == "none" else f" + {attention}"
        lines.append(f"| {data} | {model}{gate} | {epochs} | {100 * _median([r['test_accuracy'] for r in runs]):.2f} %{seeds} | "
                     f"{_median([r['train_seconds'] for r in runs]):.0f} s |")
    return lines


def _count(number):
    return f"{number:,}" if number else "–"


def breadth_table(recorded):
    """How many samples agree with PyTorch's."""
    lines = [f"Held against PyTorch {recorded['torch']}, by samples that its developers wrote and by ours (samples that agree; wrong "
             "calls that are answered by a sentence of ours, and not by a stack trace of Numba's):", "",
             "| | values | gradients | second | wrong calls |", "|---|---:|---:|---:|---:|"]
    for row in recorded["rows"]:
        if row["rung"] == "cpu":
            lines.append(f"| {row['names']} {row['kind']} | {row['values']:,} of {row['tried']:,} | {_count(row['first'])} | {_count(row['second'])} | "
                         f"{row['bad answered']:,} of {row['bad']:,} |")
    return lines


def tables():
    """The measured part of the README."""
    breadth = json.loads((RECORDED / "breadth.json").read_text(encoding="utf-8"))
    steps = json.loads((RECORDED / "steps.json").read_text(encoding="utf-8"))
    runs = json.loads((RECORDED / "runs.json").read_text(encoding="utf-8"))
    return "\n".join([*runs_table(runs), "", *steps_table(steps), "", *breadth_table(breadth), ""])


def rewritten(text):
    """The README's `text` with its measured part written anew."""
    before, rest = text.split(BEGIN)
    return before + BEGIN + tables() + END + rest.split(END)[1]


if __name__ == "__main__":
    if sys.argv[1:]:
        gathered = [json.loads((pathlib.Path(run) / "result.json").read_text(encoding="utf-8")) for run in sys.argv[1:]]
        for result in gathered:
            result.pop("run")  # a path of the machine it ran on
        (RECORDED / "runs.json").write_text(json.dumps(gathered, indent=1) + "\n", encoding="utf-8")
    readme = ROOT / "README.md"
    readme.write_text(rewritten(readme.read_text(encoding="utf-8")), encoding="utf-8")
