"""The pictures of the suite "scaling": throughput along each sweep, and every point under the roofline."""
import math

from ..viz import style

SIDES = (("ours_ms", "TinyAttn", style.BLUE, "o-"), ("torch_ms", "PyTorch", style.SOFT, "s--"),
         ("torch_channels_last_ms", "PyTorch channels_last", style.ORANGE, "^--"))


def draw(rows, sweeps, about, ceiling, folder, ending="png"):
    """Write ``scaling-NAME.png`` for every sweep that has rows, and ``roofline.png``, or another `ending`. Returns the paths.

    about, ceiling: the machine that the rows were measured on, as `machine.describe` and `ceiling.measure` have it.
    """
    rows, paths = [row for row in rows if "error" not in row], []
    words = f"{about['processor']}, {about['threads']} threads"
    for sweep in sweeps:
        mine = [row for row in rows if row["sweep"] == sweep.name]
        if mine:
            paths.append(folder / f"scaling-{sweep.name.replace(' ', '-')}.{ending}")
            with style.rules():
                style.save(_curves(mine, sweep, ceiling, words), paths[-1])
    if rows:
        paths.append(folder / f"roofline.{ending}")
        with style.rules():
            style.save(_roofline(rows, ceiling, words), paths[-1])
    return paths


def _roof(row, sweep, ceiling):
    """What the machine can do at most with every byte from memory; fewer threads reach their part of its arithmetic."""
    part = row["number"] / ceiling["threads"] if sweep.what == "threads" else 1
    return min(ceiling["fma_gflops"] * part, row["intensity"] * ceiling["copy_gbs"])


def _rate(row, column):
    """Billions of operations a second; None where the side was not measured."""
    return None if row[column] is None else row["flops"] / row[column] / 1e6


def _curves(rows, sweep, ceiling, words):
    made = style.figure(5.6, 3.8)
    axes = made.subplots()
    numbers = [row["number"] for row in rows]
    for column, label, colour, mark in SIDES:
        if rows[0][column] is not None:
            axes.plot(numbers, [_rate(row, column) for row in rows], mark, color=colour, label=label, markersize=4)
    axes.plot(numbers, [_roof(row, sweep, ceiling) for row in rows], ":", color=style.RED, label="roofline, from memory")
    axes.set_xscale("log", base=2)
    axes.set_xticks(numbers, [str(n) for n in numbers])
    axes.minorticks_off()
    axes.set_xlabel(sweep.what)
    axes.set_ylabel("GFLOP/s, forward and backward")
    axes.set_title(f"{sweep.fixed}\n{words.rpartition(',')[0] if sweep.what == 'threads' else words}", fontsize=8)
    axes.margins(y=0.12)
    axes.set_ylim(bottom=0)
    axes.legend(fontsize=7)
    return made


def _roofline(rows, ceiling, words):
    made = style.figure(6.4, 4.6)
    axes = made.subplots()
    for column, label, colour, mark in SIDES:
        points = [(row["intensity"], _rate(row, column)) for row in rows if row[column] is not None]
        if points:
            axes.plot(*zip(*points), mark[0], color=colour, label=label, markersize=4, alpha=0.8)
    peak, bandwidth = ceiling["fma_gflops"], ceiling["copy_gbs"]
    low, high = min(row["intensity"] for row in rows) / 2, max(peak / bandwidth, *(row["intensity"] for row in rows)) * 2
    knee = peak / bandwidth
    left = min(low, knee / 4)
    axes.plot([left, knee, high], [left * bandwidth, peak, peak], color=style.RED)
    axes.annotate(f"{peak:.0f} GFLOP/s", (high, peak), xytext=(-4, 4), textcoords="offset points", ha="right", color=style.RED, fontsize=8)
    axes.annotate(f"{bandwidth:.0f} GB/s", (math.sqrt(left * knee), math.sqrt(left * knee) * bandwidth), xytext=(-6, 3),
                  textcoords="offset points", ha="right", color=style.RED, fontsize=8)
    axes.set_xscale("log")
    axes.set_yscale("log")
    axes.set_xlabel("operations for each byte that must be moved")
    axes.set_ylabel("GFLOP/s, forward and backward")
    axes.set_title(f"every point of the sweeps, and the roofline; Winograd multiplies less than is counted\n{words}", fontsize=8)
    axes.legend(fontsize=7, loc="lower right")
    return made
