"""The benchmark's rows as lines of text."""

UNSTEADY = 0.2
"""A spread from which a row's times are not to be trusted much."""

SHOWN = {"ours_ms": "ours ms", "torch_ms": "torch ms", "torch_channels_last_ms": "ch_last ms"}
"""The columns of a row that are shown, and their heads, where a suite names no others; `ch_last` is PyTorch in its channels_last layout."""

_NAME, _SIDE, _COLUMNS = 34, 12, (("rate", 15), ("of ceiling", 11), ("ratio", 7), ("floor", 14))


def header(shown=SHOWN):
    """The names of the columns."""
    return f"{'case':<{_NAME}}" + "".join(f"{name:>{_SIDE}}" for name in shown.values()) + "".join(f"{name:>{width}}" for name, width in _COLUMNS)


def line(row, shown=SHOWN):
    """A row. A ``~`` marks times that varied much, BELOW a ratio under its floor."""
    name = f"{row['case']:<{_NAME}}"
    if "error" in row:
        return f"{name} ERROR: {row['error']}"
    cells = [number(row[column]) for column in shown]
    cells[0] = ("~" if row.get("spread", 0) > UNSTEADY else "") + cells[0]
    cells += [rate(row), "-" if row.get("share") is None else f"{row['share']:.0%}", number(row["ratio"])]
    below = row["ratio"] is not None and row["floor"] is not None and row["ratio"] < row["floor"]
    cells.append("" if row["floor"] is None else f"{'BELOW ' if below else ''}{row['floor']:g}")
    widths = [_SIDE] * len(shown) + [width for _, width in _COLUMNS]
    return (name + "".join(f"{cell:>{width}}" for cell, width in zip(cells, widths))).rstrip()


def number(value):
    """A time or ratio with what digits it deserves; ``-`` for None."""
    return "-" if value is None else f"{value:.2f}" if abs(value) < 1000 else f"{value:.0f}"


def rate(row):
    """What was done a second, in the unit that limits it."""
    if row.get("gflops") is not None:
        return f"{row['gflops']:.1f} GFLOP/s"
    return f"{row['gbs']:.1f} GB/s" if row.get("gbs") is not None else ""


def busy(about, load):
    """Whether others seemed to be at work before we began: more than half of the processors were wanted."""
    return load is not None and load > 0.5 * about["cores"]


def machine_lines(about, ceiling, load):
    """The machine and its limits; with a warning where others are at work on it."""
    lines = [f"{about['processor']}, {about['threads']} of {about['cores']} threads; measured ceiling {ceiling['fma_gflops']:.0f} GFLOP/s of "
             f"multiply-adds, {ceiling['copy_gbs']:.1f} GB/s of copying"]
    if busy(about, load):
        lines.append(f"note: the load average is {load:.1f} on {about['cores']} processors: others seem to be at work here, and times will vary")
    return lines


def summary(rows, others=False):
    """What is wrong with all rows together: unsteady times, ratios below their floors, errors. `others`: the machine was busy."""
    unsteady = [row for row in rows if row.get("spread", 0) > UNSTEADY]
    below = [row for row in rows if row["ratio"] is not None and row["floor"] is not None and row["ratio"] < row["floor"]]
    wrong = [row["case"] for row in rows if "error" in row]
    lines = []
    if below:
        lines.append(f"{len(below)} of {sum(row['floor'] is not None for row in rows)} rows are below their floor")
    if unsteady:
        lines.append(f"note: the times of {len(unsteady)} of {len(rows)} rows varied by more than {UNSTEADY:.0%} (marked ~): "
                     "measure again on a quiet machine")
    if others:
        lines.append("note: the machine was busy when this began: steady times can be wrong then too, of short work by far")
    if wrong:
        lines.append(f"{len(wrong)} rows are errors: {', '.join(wrong)}")
    return lines
