"""Writes the README's tables, and tests/recorded/performance.md, from what was measured: ``python tests/readme_tables.py``.

    tests/recorded/SUITE.json   written by  python tests/readme_tables.py --measure [SUITE …] [--seconds S], on an idle machine:
                                            tinyattn bench --suite SUITE --against torch --json tests/recorded/SUITE.json
    tests/recorded/breadth.json written by  python tests/breadth.py --rung both --json tests/recorded/breadth.json
    tests/recorded/runs.json    the result.json of training runs, gathered by  python tests/readme_tables.py runs/A runs/B …

The tests compare both with what this writes, so that no figure in them is typed by hand.
"""
import json
import os
import pathlib
import subprocess
import sys

ROOT = pathlib.Path(__file__).resolve().parent.parent
RECORDED = ROOT / "tests" / "recorded"
PAGE, PICTURES = RECORDED / "performance.md", RECORDED / "performance"
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


def machine_line(rows):
    """What the rows were measured on."""
    about, most = rows[0]["machine"], rows[0]["ceiling"]
    return (f"{about['processor']} ({about['system']}, Python {about['python']}, NumPy {about['numpy']}, Numba {about['numba']}"
            + (f", PyTorch {about['torch']}" if "torch" in about else "") + f"), {about['threads']} threads: at most {most['fma_gflops']:.0f} GFLOP/s "
            f"of multiply-adds and {most['copy_gbs']:.0f} GB/s of copying.")


def _number(value):
    return "–" if value is None else f"{value:.2f}" if value < 100 else f"{value:,.0f}"


def suite_table(rows, columns, rates=False):
    """The rows of a suite; columns: key → head."""
    heads = ["case", *columns.values(), *(["rate", "of the ceiling"] if rates else []), "ratio", "wanted"]
    lines = ["| " + " | ".join(heads) + " |", "|---|" + "---:|" * (len(heads) - 1)]
    for row in rows:
        cells = [row["case"], *(_number(row[key]) for key in columns)]
        if rates:
            rate = f"{row['gflops']:.0f} GFLOP/s" if row.get("gflops") else f"{row['gbs']:.0f} GB/s" if row.get("gbs") else "–"
            cells += [rate, f"{row['share']:.0%}" if row.get("share") else "–"]
        cells += ["–" if row["ratio"] is None else f"{row['ratio']:.2f} ×", "" if row["floor"] is None else f"{row['floor']:g}"]
        lines.append("| " + " | ".join(cells) + " |")
    return lines


TIMES = {"ours_ms": "TinyAttn", "torch_ms": "PyTorch", "torch_channels_last_ms": "channels_last"}
SUITES = {
    # suite: title, what stands above the table, its columns, whether rates are shown
    "steps": ("Training steps", "Forward, loss, backward, AdamW.", TIMES, True),
    "memory": ("Memory", "MiB by which the peak of a process's memory grows in the training steps of batch 128, beyond that of a process that has "
               "loaded all and taken a step of 2 images.",
               {"ours_mb": "TinyAttn", "torch_mb": "PyTorch", "torch_channels_last_mb": "channels_last"}, False),
    "kernels": ("Operations", "Forward and backward with the gradients of all inputs, float32, a batch of 128.", TIMES, True),
    "odd": ("Odd shapes", "Shapes that no kernel was made for.", TIMES, True),
    "plain": ("Beside the plain twins", "Each fast kernel beside the twin of it that is written without tricks, on as many threads, and beside the "
              "specification in NumPy. Here the ratio is the plain twin's time divided by the fast one's.",
              {"ours_ms": "fast", "plain_ms": "plain", "reference_ms": "NumPy"}, False),
    "cold": ("Before anything happens", "Milliseconds of fresh processes: `import` beyond NumPy's and Numba's; from the start of a process to the end of the "
             "first training step, with compiled kernels at hand and without any; `tinyattn warmup`.", {"ours_ms": "TinyAttn", "torch_ms": "PyTorch"}, False),
    "scaling": ("How the cost grows", "Throughput, forward and backward, against one number at a time, and every point under the roofline: what the machine "
                "could do at most where every byte came from memory.", None, False),
}


def recorded(name):
    """The rows of a suite, or None where none were recorded."""
    path = RECORDED / f"{name}.json"
    return json.loads(path.read_text(encoding="utf-8")) if path.exists() else None


def performance():
    """The measured part of tests/recorded/performance.md."""
    lines = []
    for name, (title, words, columns, rates) in SUITES.items():
        rows = recorded(name)
        if rows:
            lines += [f"## {title}", "", words, "", machine_line(rows), ""]
            if columns:
                lines += [*suite_table(rows, columns, rates), ""]
            else:
                lines += [line for path in pictures(rows) for line in (f"![{path.stem}]({PICTURES.name}/{path.name})", "")]
    return "\n".join(lines)


def pictures(rows, draw=False):
    """The paths of the pictures of the suite "scaling", written anew with `draw`."""
    names = list(dict.fromkeys(row["sweep"] for row in rows))
    if draw:
        import matplotlib
        from tinyattn.bench import plots, scaling
        os.environ.setdefault("SOURCE_DATE_EPOCH", "0")  # the same figures, the same file
        with matplotlib.rc_context({"svg.fonttype": "none", "svg.hashsalt": "tinyattn"}):
            for path in plots.draw(rows, scaling.sweeps(), rows[0]["machine"], rows[0]["ceiling"], PICTURES, "svg"):
                text = path.read_text(encoding="utf-8").replace("'DejaVu Sans'", "'DejaVu Sans', Verdana, sans-serif")  # where it is missing
                path.write_text("".join(line.rstrip() + "\n" for line in text.splitlines()), encoding="utf-8")
    return [PICTURES / f"scaling-{name.replace(' ', '-')}.svg" for name in names] + [PICTURES / "roofline.svg"]


def measure(arguments):
    """Run the suites named (all, if none is) and record them."""
    seconds = arguments[arguments.index("--seconds") + 1] if "--seconds" in arguments else None
    chosen = [name for name in arguments if name in SUITES] or list(SUITES)
    failed = []
    for name in chosen:
        command = [sys.executable, "-m", "tinyattn", "bench", "--suite", name, "--against", "torch", "--json", str(RECORDED / f"{name}.json")]
        if subprocess.run(command + (["--seconds", seconds] if seconds else []), cwd=ROOT).returncode:
            failed.append(name)
    return f"rows of {', '.join(failed)} are errors: see above" if failed else None


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


def rewritten(text, measured=tables):
    """The README's `text` with its measured part written anew; or that of another page."""
    before, rest = text.split(BEGIN)
    return before + BEGIN + measured() + END + rest.split(END)[1]


if __name__ == "__main__":
    failed = None
    if sys.argv[1:2] == ["--measure"]:
        failed = measure(sys.argv[2:])
    elif sys.argv[1:]:
        gathered = [json.loads((pathlib.Path(run) / "result.json").read_text(encoding="utf-8")) for run in sys.argv[1:]]
        for result in gathered:
            result.pop("run")  # a path of the machine it ran on
        (RECORDED / "runs.json").write_text(json.dumps(gathered, indent=1) + "\n", encoding="utf-8")
    if recorded("scaling"):
        pictures(recorded("scaling"), draw=True)
    for page, measured in ((ROOT / "README.md", tables), (PAGE, performance)):
        page.write_text(rewritten(page.read_text(encoding="utf-8"), measured), encoding="utf-8")
    sys.exit(failed)
