"""A slice of fuzz.py with a fixed seed: every reader answers changed files in our own words, soon, and for little memory.

The whole of it is ``python tests/fuzz.py``.
"""
import time

import fuzz
import pytest

pytest.importorskip("resource", reason="alarms and peaks of memory are asked of Unix")

INPUTS = {"png": 300, "idx": 400, "cifar": 300, "model": 200, "checkpoint": 200}


@pytest.mark.parametrize("name", fuzz.READERS)
def test_changed_files_are_accepted_or_refused_in_our_words(name):
    counts, answers, failures = fuzz.trial(name, "fixed", 0, INPUTS.get(name, 150))
    assert not failures, f"{len(failures)} failures, such as input {failures[0]}"
    assert counts["inputs"] == INPUTS.get(name, 150) == counts["accepted"] + counts["refused"]
    assert counts["accepted"] > 0 and counts["refused"] > counts["inputs"] / 10 and len(answers) > 1


def test_an_input_follows_from_the_seed_and_its_number():
    assert fuzz.content("png", "a", 7) == fuzz.content("png", "a", 7) != fuzz.content("png", "b", 7)
    assert len({fuzz.content("idx", "a", i) for i in range(50)}) > 40


def bare(path):
    return {}["missing"]


def numpys(path):
    import numpy as np
    return np.frombuffer(b"abc", np.float32)


def hangs(path):
    while True:
        time.sleep(0.01)


def greedy(path):
    return bytearray(300 << 20)[::4096]


def warns(path):
    import numpy as np
    return np.float32(1e30) * np.float32(1e30)


@pytest.mark.parametrize("broken, kind, words", [
    (bare, "bare", "KeyError: 'missing'"), (numpys, "bare", "ValueError: buffer size"), (hangs, "hang", "more than 0.2 s"),
    (greedy, "memory", "MB more"), (warns, "bare", "RuntimeWarning: overflow")])
def test_each_kind_of_failure_is_caught(monkeypatch, broken, kind, words):
    """A reader that goes wrong after its seeds were read."""
    reader, seen = fuzz.Reader([b"seed"], None), []

    def read(path):
        seen.append(path)
        if len(seen) > 2:
            broken(path)
    reader.read, reader.most = read, 100 << 20
    monkeypatch.setattr(fuzz, "reader_of", lambda name: reader)
    counts, _, failures = fuzz.trial("any", 0, 0, 3, patience=0.2 if broken is hangs else 20)
    assert counts["accepted"] == 1 and failures, counts
    assert failures[0][1] == kind and words in failures[0][2], failures


def test_a_reader_that_lost_its_checks_is_found(monkeypatch):
    """An IDX reader that believes its header."""
    import math

    import numpy as np
    from tinyattn.data import idx

    def believing(stream, limit, there=None):
        head = stream.read(4)
        dtype = np.dtype(idx.TYPES[head[2]])
        shape = tuple(int.from_bytes(stream.read(4), "big") for _ in range(head[3]))
        return np.frombuffer(stream.read(min(limit, math.prod(shape) * dtype.itemsize)), dtype).reshape(shape)
    monkeypatch.setattr(idx, "_parse", believing)
    _, _, failures = fuzz.trial("idx", "fixed", 0, 300)
    assert {words.partition(":")[0] for _, kind, words in failures if kind == "bare"} >= {"KeyError", "IndexError"}


def test_the_command(capsys, monkeypatch):
    assert fuzz.main(["result", "records", "--inputs", "40", "--jobs", "1"]) == 0
    out = capsys.readouterr().out
    assert "result " in out and "records " in out and "all " in out
    with pytest.raises(SystemExit):
        fuzz.main(["pgn"])
