"""Kernels watched: planted races, uncoalesced accesses and bank conflicts are found at their lines, real kernels have none, counts are known."""
import inspect
import json
import os
import subprocess
import sys

import numpy as np
import pytest
from PIL import Image

from tinyattn import cli, xray
from tinyattn.kernels.cuda import runtime
from tinyattn.kernels.cuda.runtime import cuda, jit, launch, load4
from tinyattn.viz import xray_picture
from tinyattn.xray import examples, report, traffic

pytestmark = pytest.mark.skipif(not runtime.SIMULATED, reason="needs TINYATTN_CUDA=simulator, which tests/conftest.py sets unless a GPU is asked for")

f32, f64 = np.float32, np.float64


# ---- planted faults: lines are marked by what is wrong with them -----------------------------------------------------------------

@jit
def neighbours(x, y):
    i = cuda.grid(1)
    y[i] = x[i]


@jit
def column_by_column(x, y):
    i = cuda.grid(1)
    y[i] = x[i % 32 * 32 + i // 32]  # uncoalesced


@jit
def written_apart(x, y):
    i = cuda.grid(1)
    y[i % 32 * 32 + i // 32] = x[i]  # uncoalesced


@jit
def one_for_all(x, y):
    i = cuda.grid(1)
    y[i] = x[i // 32]


@jit
def four_at_once(x, y):
    i = cuda.grid(1)
    a, b, c, d = load4(x, 4 * (i % 256))
    y[i] = a + b + c + d


@jit
def turned_in_shared_memory(x, y):
    tile = cuda.shared.array((32, 32), f32)
    i, j = cuda.threadIdx.x, cuda.threadIdx.y
    for k in range(0, 32, 8):
        tile[j + k, i] = x[(j + k) * 32 + i]
    cuda.syncthreads()
    for k in range(0, 32, 8):
        y[(j + k) * 32 + i] = tile[i, j + k]  # banks


@jit
def turned_with_a_column_more(x, y):
    tile = cuda.shared.array((32, 33), f32)
    i, j = cuda.threadIdx.x, cuda.threadIdx.y
    for k in range(0, 32, 8):
        tile[j + k, i] = x[(j + k) * 32 + i]
    cuda.syncthreads()
    for k in range(0, 32, 8):
        y[(j + k) * 32 + i] = tile[i, j + k]


@jit
def turned_without_a_barrier(x, y):
    tile = cuda.shared.array((32, 33), f32)
    i, j = cuda.threadIdx.x, cuda.threadIdx.y
    for k in range(0, 32, 8):
        tile[j + k, i] = x[(j + k) * 32 + i]  # race
    for k in range(0, 32, 8):
        y[(j + k) * 32 + i] = tile[i, j + k]  # race


@jit
def doubles_side_by_side(x, y):
    tile = cuda.shared.array(32, f64)
    i = cuda.threadIdx.x
    tile[i] = x[i]
    cuda.syncthreads()
    y[i] = tile[31 - i]


@jit
def every_other_word(x, y):
    tile = cuda.shared.array(64, f32)
    i = cuda.threadIdx.x
    tile[2 * i % 64] = x[i % 32]  # banks
    cuda.syncthreads()
    y[i] = x[i]


PLANTED = {neighbours: (4, 256), column_by_column: (4, 256), written_apart: (4, 256), one_for_all: (4, 256), four_at_once: (4, 256),
           turned_in_shared_memory: (1, (32, 8)), turned_with_a_column_more: (1, (32, 8)), turned_without_a_barrier: (1, (32, 8)),
           doubles_side_by_side: (1, 32), every_other_word: (1, 32)}


def watched(kernel):
    grid, block = PLANTED[kernel]
    return xray.watch("planted", lambda x, y: launch(kernel, grid, block, x.flat, y.flat), [np.arange(1024, dtype=f32).reshape(32, 32), np.zeros((32, 32), f32)])


def marked(kernel, word):
    lines, first = inspect.getsourcelines(kernel.py_func)
    return {first + n for n, line in enumerate(lines) if line.rstrip().endswith(f"# {word}")}


@pytest.mark.parametrize("kernel", PLANTED, ids=lambda k: k.py_func.__name__)
def test_what_was_planted_is_found_at_its_line_and_nothing_else(kernel):
    seen = watched(kernel)
    assert {a.place.line for race in seen.races for a in (race.first, race.second)} == marked(kernel, "race")
    assert {s.place.line for s in seen.wasteful if not s.shared} == marked(kernel, "uncoalesced")
    assert {s.place.line for s in seen.wasteful if s.shared} == marked(kernel, "banks")
    text = xray.table(seen)
    for word, title in (("race", "RACE"), ("uncoalesced", "UNCOALESCED"), ("banks", "BANKS")):
        for line in marked(kernel, word):
            assert f"{title}  " in text and f"test_xray.py:{line}" in text
    for line in [s.source for s in seen.wasteful]:
        assert f"\n      {line}\n" in text


def test_known_counts():
    spots = {s.array: s for s in watched(neighbours).spots}
    assert (spots["x"].count, spots["x"].sectors, spots["x"].least_sectors, spots["x"].lines) == (32, 128, 128, 32)
    spots = {s.array: s for s in watched(column_by_column).spots}
    assert (spots["x"].count, spots["x"].sectors, spots["x"].least_sectors, spots["x"].waste) == (32, 1024, 128, 8)
    spots = {s.array: s for s in watched(one_for_all).spots}
    assert (spots["x"].sectors, spots["x"].least_sectors) == (32, 32)
    spots = {s.array: s for s in watched(four_at_once).spots}
    assert (spots["x"].count, spots["x"].sectors, spots["x"].lines, spots["x"].waste) == (32, 32 * 16, 32 * 4, 1)
    turned = [s for s in watched(turned_in_shared_memory).spots if s.shared]
    assert [(s.kind, s.count, s.turns, s.least_turns) for s in turned] == [("writes", 32, 32, 32), ("reads", 32, 1024, 32)]
    (conflict,) = [s for s in watched(every_other_word).spots if s.shared]
    assert (conflict.turns, conflict.least_turns) == (2, 1)
    doubles = [s for s in watched(doubles_side_by_side).spots if s.shared]
    assert [(s.turns, s.least_turns) for s in doubles] == [(2, 2), (2, 2)]  # half a warp at a time


@pytest.mark.parametrize("ranges, sectors, lines, used", [
    ([(0, 4)], 1, 1, 4), ([(30, 4)], 2, 1, 4), ([(4 * k, 4) for k in range(32)], 4, 1, 128), ([(16 + 4 * k, 4) for k in range(32)], 5, 2, 128),
    ([(128 * k, 4) for k in range(32)], 32, 32, 128), ([(0, 4)] * 32, 1, 1, 4)])
def test_pieces_of_global_memory(ranges, sectors, lines, used):
    assert traffic.touched(ranges) == (sectors, lines, used)


@pytest.mark.parametrize("ranges, turns", [
    ([(4 * k, 4) for k in range(32)], 1), ([(8 * k, 4) for k in range(32)], 2), ([(128 * k, 4) for k in range(32)], 32),
    ([(132 * k, 4) for k in range(32)], 1), ([(0, 4)] * 32, 1), ([(8 * k, 8) for k in range(16)], 1), ([(16 * k, 16) for k in range(8)], 1),
    ([(64 * k, 16) for k in range(8)], 4)])
def test_turns_at_the_banks(ranges, turns):
    assert traffic.turns(ranges) == turns


# ---- real kernels ------------------------------------------------------------------------------------------------------------------

@pytest.mark.parametrize("name", xray.names())
def test_real_kernels_do_nothing_wrong(name):
    seen = xray.look(name)
    assert list(map(str, seen.races)) == [] and seen.launches and seen.accesses
    if name != "copy" and not name.endswith("_plain"):  # a transposed copy, and lessons
        assert waste(seen, shared=False) < 1.3 and waste(seen, shared=True) < 1.3, xray.table(seen)


def waste(seen, shared):
    """Pieces of memory touched by a kernel's largest launch (before it, weights may be packed), in units of the least possible."""
    largest = max(range(len(seen.launches)), key=[a.launch for a in seen.accesses].count)
    spots = [s for s in seen.spots if s.shared == shared and s.launch == largest]
    pieces, least = (sum(getattr(s, name) for s in spots) for name in (("turns", "least_turns") if shared else ("sectors", "least_sectors")))
    return pieces / least if least else 1


def test_examples_are_arguments_of_kernels():
    from tinyattn.kernels import reference
    for name in examples.EXAMPLES:
        arguments = examples.arguments(name, examples.sizes_of(name))
        assert getattr(reference, name)(*arguments) is not None, name
        assert sum(a.size for a in arguments if isinstance(a, np.ndarray)) < 10_000


def test_a_transposed_copy_reads_columns():
    seen = xray.look("copy", rows=32, columns=32)
    (spot,) = seen.wasteful
    assert spot.waste == 8 and spot.kind == "reads"
    (row, out) = report.per_array(seen, 0)
    assert (row["reads"], row["writes"], out["writes"], row["most"]) == (1024, 0, 1024, 1)
    totals = report.totals(seen)
    assert totals["global reads"] == totals["global writes"] == 1024 and totals["shared reads"] == totals["barriers"] == 0


# ---- pictures ------------------------------------------------------------------------------------------------------------------------

def test_who_touches_what():
    seen = watched(turned_with_a_column_more)
    accesses = [a for a in seen.accesses if a.array.name == "x"]
    read, written = xray_picture.touched(accesses, 1024, 33, (0, 0, 0))
    read = read.reshape(32, 32)
    assert not written.any() and (read[1::8, 1] == 3).all() and (read == 3).sum() == 4     # thread (1, 1): x[1 + k, 1]
    assert (read[1::8] >= 2).all() and (read >= 2).sum() == 128 and (read > 0).all()         # its warp is row 1 of the block
    assert xray_picture.touched(accesses, 1024, 0, (1, 0, 0))[0].sum() == 0


def test_colours_tell_reading_from_writing():
    (none, reads, writes, both, little) = xray_picture.colours(np.array([0, 3, 0, 3, 1]), np.array([0, 0, 3, 3, 0]))
    assert none.tolist() == [1, 1, 1] and reads[2] > reads[0] and writes[0] > writes[2]
    assert np.allclose(both, (reads + writes) / 2) and (little > reads)[:2].all()


@pytest.mark.parametrize("shape, expected", [((3, 5), (3, 5)), ((2, 3, 4), (6, 4)), ((1000,), (32, 32)), ((7,), (1, 7)), ((2, 200), (7, 64)), ((), (1, 1))])
def test_arrays_are_folded_into_rows(shape, expected):
    assert xray_picture.folded(shape) == expected


def test_a_picture_shows_every_array(tmp_path):
    seen = watched(turned_in_shared_memory)
    figure = xray.draw(seen, tmp_path / "x.png", against=watched(neighbours)).figure
    titles = [axes.get_title(loc="left") for part in figure.subfigs for axes in part.axes]
    assert titles == ["x  32×32, global", "y  32×32, global", "tile  32×32, shared memory", "read 1 time a cell", "written 1 time a cell", "read 1 time a cell",
                      "x  32×32, global", "y  32×32, global", "read 1 time a cell", "written 1 time a cell"]
    with Image.open(tmp_path / "x.png") as image:
        assert min(image.size) > 500


# ---- the command -----------------------------------------------------------------------------------------------------------------------

def test_the_command_in_a_process_of_its_own(tmp_path):
    environment = {k: v for k, v in os.environ.items() if k != "TINYATTN_CUDA"}
    root = str(os.path.dirname(os.path.dirname(xray.__file__.replace("/xray/__init__.py", ""))) or ".")
    done = subprocess.run([sys.executable, "-m", "tinyattn", "xray", "copy", "--size", "rows=16", "columns=16"], capture_output=True, text=True, cwd=tmp_path,
                          env={**environment, "PYTHONPATH": os.pathsep.join(filter(None, [root, os.environ.get("PYTHONPATH")]))})
    assert done.returncode == 0 and done.stderr == "", done.stderr
    assert "copy  rows 16  columns 16" in done.stdout and "UNCOALESCED  " in done.stdout and done.stdout.splitlines()[-2] == "copy.png"
    assert (tmp_path / "copy.png").exists()


def test_json_and_comparison(capsys, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    assert cli.main(["xray", "fill", "--json", "--shape", "4", "8"]) == 0
    (found,) = json.loads(capsys.readouterr().out)
    assert found["sizes"] == {"rows": 4, "columns": 8} and found["totals"]["global writes"] == 32 and found["races"] == [] and not list(tmp_path.iterdir())
    assert cli.main(["xray", "fill", "--against", "fill", "--no-picture"]) == 0
    out = capsys.readouterr().out
    assert out.count("launch 1 of 1: ") == 2 and "global writes" in out and not list(tmp_path.iterdir())
    assert cli.main(["xray", "--list"]) == 0 and "copy                           rows 32  columns 32" in capsys.readouterr().out


def test_a_race_is_the_commands_exit_code(capsys, monkeypatch, tmp_path):
    monkeypatch.setattr(xray, "look", lambda name, **sizes: watched(turned_without_a_barrier))
    assert cli.main(["xray", "copy", "--picture", str(tmp_path / "x.svg")]) == 1
    assert "RACE  in turned_without_a_barrier on shared tile[" in capsys.readouterr().out and (tmp_path / "x.svg").read_text().startswith("<?xml")


@pytest.mark.parametrize("typed, words", [
    ("xray", "which kernel? tinyattn xray KERNEL"), ("xray coppy", "did you mean copy?"), ("xray xyzzy", "there are "),
    ("xray copy --size rws=4", "did you mean rows?"), ("xray copy --size rows", "expected NAME=NUMBER"), ("xray copy --size rows=0", "rows is 0, expected 1 to"),
    ("xray copy --size rows=-3", "expected NAME=NUMBER"), ("xray copy --shape 1 2 3", "3 numbers, and copy has 2 sizes: rows columns"),
    ("xray copy --shape 4 --size rows=4", "use one of them"), ("xray copy --size rows=3000 columns=3000", "too many for a simulator"),
    ("xray copy --against plain", "copy has no plain version"), ("xray copy --against fill", "other arguments than copy"), ("xray copy --against nothing", "no kernel 'nothing'"),
    ("xray copy --thread 256", "expected 0 to 255"), ("xray copy --block -1", "--block is -1"), ("xray copy --thread x", "--thread is 'x', expected a whole number"),
    ("xray copy --picture x.nothing", "--picture"), ("xray copy --pictur x", "did you mean --picture?")])
def test_mistakes_are_one_line(capsys, tmp_path, monkeypatch, typed, words):
    monkeypatch.chdir(tmp_path)
    assert cli.main(typed.split()) == 2
    said = capsys.readouterr().err.strip()
    assert said.startswith("tinyattn: error: ") and words in said and "\n" not in said, said
    assert not list(tmp_path.iterdir())


def test_too_much_to_look_through(monkeypatch):
    from tinyattn.kernels.cuda import witness
    monkeypatch.setattr(witness, "MOST_ACCESSES", 100)
    with pytest.raises(xray.XrayError, match="copy: more than 100 accesses, which nobody could look through; take smaller sizes"):
        xray.look("copy")


def test_on_a_gpu_it_says_what_to_set(monkeypatch):
    monkeypatch.setattr(runtime, "SIMULATED", False)
    with pytest.raises(xray.XrayError, match="set TINYATTN_CUDA=simulator before"):
        xray.look("copy")
