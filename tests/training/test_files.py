"""Files are whole or not there: what a full disk, a kill in the middle of writing and a second process do to them."""
import errno
import os
import signal
import subprocess
import sys

import pytest

from tinyattn.training import files


def test_a_write_replaces_the_whole_file(tmp_path):
    path = tmp_path / "a.bin"
    assert files.write_atomically(path, b"first") == 5
    files.write_atomically(path, b"second, longer")
    assert path.read_bytes() == b"second, longer"
    assert [p.name for p in tmp_path.iterdir()] == ["a.bin"]


@pytest.mark.parametrize("where", ["write", "fsync", "replace"])
def test_a_full_disk_keeps_the_old_file_and_leaves_nothing_behind(tmp_path, monkeypatch, where):
    path = tmp_path / "a.bin"
    files.write_atomically(path, b"old")

    def full(*_):
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    if where == "write":
        class Full:
            def __init__(self, *_): pass
            def __enter__(self): return self
            def __exit__(self, *_): return False
            write = full
        monkeypatch.setattr("builtins.open", Full)
    else:
        monkeypatch.setattr(files.os, where, full)
    with pytest.raises(files.SaveError, match="No space left.*previous one is kept"):
        files.write_atomically(path, b"new")
    monkeypatch.undo()
    assert path.read_bytes() == b"old"
    assert [p.name for p in tmp_path.iterdir()] == ["a.bin"]


@pytest.mark.skipif(os.name == "nt" or os.geteuid() == 0, reason="permissions do not bind the superuser")
def test_a_read_only_folder_is_one_clear_error(tmp_path):
    tmp_path.chmod(0o500)
    try:
        with pytest.raises(files.SaveError, match="Permission denied.*--out"):
            files.write_atomically(tmp_path / "a.bin", b"new")
        with pytest.raises(files.SaveError, match="cannot create the run folder"):
            files.make_run_folder(tmp_path / "run")
    finally:
        tmp_path.chmod(0o700)


def test_a_folder_that_cannot_be_made_is_one_clear_error(tmp_path):
    (tmp_path / "file").write_text("")
    with pytest.raises(files.SaveError, match="cannot create the run folder"):
        files.make_run_folder(tmp_path / "file" / "run")
    with pytest.raises(FileExistsError, match="is a file"):
        files.make_run_folder(tmp_path / "file")


@pytest.mark.skipif(os.name == "nt", reason="needs SIGKILL")
def test_a_kill_in_the_middle_of_writing_keeps_the_old_file(tmp_path):
    path = tmp_path / "a.bin"
    files.write_atomically(path, b"old" * 1000)
    script = ("import os, signal, sys\n"
              "from tinyattn.training import files\n"
              "files.os.fsync = lambda _: os.kill(os.getpid(), signal.SIGKILL)\n"
              "files.write_atomically(sys.argv[1], b'new' * 1000)\n")
    done = subprocess.run([sys.executable, "-c", script, str(path)])
    assert done.returncode == -signal.SIGKILL
    assert path.read_bytes() == b"old" * 1000
    left = [p.name for p in tmp_path.iterdir() if p != path]
    assert len(left) == 1 and files.remove_partial(tmp_path) == left
    assert list(tmp_path.iterdir()) == [path]


def test_run_folders_are_numbered_and_never_shared(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    names = [str(files.make_run_folder(None, "glyphs")) for _ in range(3)]
    assert names == ["runs/glyphs", "runs/glyphs-2", "runs/glyphs-3"]


def test_a_folder_with_a_run_is_not_overwritten(tmp_path):
    (tmp_path / "checkpoint.safetensors").write_bytes(b"")
    with pytest.raises(FileExistsError, match="--resume"):
        files.make_run_folder(tmp_path)


@pytest.mark.skipif(files.fcntl is None, reason="this system has no fcntl")
def test_a_second_process_in_a_run_is_refused(tmp_path):
    with files.locked(tmp_path), pytest.raises(BlockingIOError, match="another process"):
        with files.locked(tmp_path):
            pass
    with files.locked(tmp_path):
        pass
