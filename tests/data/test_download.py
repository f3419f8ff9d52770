"""Downloads, against a web server on this machine that behaves as badly as the real ones do (see conftest.py)."""
import hashlib
import os
import pathlib
import signal
import subprocess
import sys
import threading
import time

import numpy as np
import pytest

from tinyattn.data import download
from tinyattn.data.download import DownloadError, fetch

PAYLOAD = np.random.default_rng(0).bytes(200_000)
MD5 = hashlib.md5(PAYLOAD).hexdigest()
ROOT = str(pathlib.Path(__file__).resolve().parents[2])


@pytest.fixture
def server(bad_server):
    bad_server.files["data.bin"] = PAYLOAD
    return bad_server


@pytest.fixture
def get(server, tmp_path):
    """Fetch from mirrors that behave like this; afterwards nothing but the file may be there."""
    def get(*hows, part=None, timeout=20.0):
        path = tmp_path / "data.bin"
        if part is not None:
            (tmp_path / "data.bin.part").write_bytes(part)
        assert fetch([server.url(how) for how in hows], path, MD5, timeout=timeout, progress=False) == path
        assert path.read_bytes() == PAYLOAD
        assert os.listdir(tmp_path) == ["data.bin"]
        return server.sent()
    return get


def test_a_good_server_is_asked_once_and_a_present_file_never(get):
    assert get("good") == [("good", None, 200_000)]
    assert len(get("good")) == 1


@pytest.mark.parametrize("how", ["slow", "nolength"])
def test_slow_and_lengthless_servers(get, how):
    assert get(how) == [(how, None, 200_000)]


def test_what_is_cut_off_is_continued_and_no_byte_comes_twice(get):
    assert get("cut") == [("cut", None, 70_000), ("cut", "bytes=70000-", 70_000), ("cut", "bytes=140000-", 60_000)]


def test_what_an_earlier_process_left_is_continued(get):
    assert get("good", part=PAYLOAD[:150_000]) == [("good", "bytes=150000-", 50_000)]


def test_a_whole_part_needs_no_server(get):
    assert get("refuse", part=PAYLOAD) == []


def test_a_server_without_ranges_sends_everything_again(get):
    assert get("norange", part=PAYLOAD[:150_000]) == [("norange", "bytes=150000-", 200_000)]


def test_a_server_without_ranges_that_is_cut_off_destroys_nothing(get):
    sent = get("norange-cut", "good", part=PAYLOAD[:150_000])
    assert sent == [("norange-cut", "bytes=150000-", 70_000), ("good", "bytes=150000-", 50_000)]


def test_a_longer_part_of_something_else_is_cut_to_size(get):
    assert get("norange", part=PAYLOAD + b"more") == [("norange", "bytes=200004-", 200_000)]


def test_refusals_lead_to_the_next_mirror(get):
    assert [how for how, *_ in get("refuse", "good")] == ["refuse", "good"]


def test_nobody_listening_leads_to_the_next_mirror(server, tmp_path):
    urls = ["http://127.0.0.1:9/data.bin", "no scheme", server.url("good")]
    assert fetch(urls, tmp_path / "data.bin", MD5, progress=False).read_bytes() == PAYLOAD


def test_silent_and_trickling_servers_are_given_up(get):
    began = time.monotonic()
    asked = {how: asked for how, asked, _ in get("silent", "trickle", "good", timeout=0.8)}
    assert asked.keys() == {"silent", "trickle", "good"} and asked["good"] is not None  # the trickle's bytes are kept
    assert time.monotonic() - began < 20


def test_a_tiny_gain_is_no_reason_to_go_on(get):
    assert get("drip", "good") == [("drip", None, 100), ("good", "bytes=100-", 199_900)]


def test_a_length_announced_too_long_does_not_matter(get):
    assert get("long") == [("long", None, 200_000)]


def test_a_length_announced_too_short_is_wrong_bytes(get):
    assert [how for how, *_ in get("short", "good")] == ["short", "good"]


def test_an_enormous_announcement_is_not_even_read(server, tmp_path):
    with pytest.raises(DownloadError, match="announces 1,000,000,000,000,000 bytes"):
        fetch([server.url("enormous")], tmp_path / "data.bin", MD5, progress=False)


def test_endless_answers_are_stopped(server, tmp_path, monkeypatch):
    monkeypatch.setattr(download, "LARGEST", 90_000)
    with pytest.raises(DownloadError, match="sends more than 90,000 bytes"):
        fetch([server.url("nolength")], tmp_path / "data.bin", MD5, progress=False)


def test_corrupt_bytes_are_thrown_away(get):
    assert get("corrupt", "good") == [("corrupt", None, 200_000), ("good", None, 200_000)]


def test_a_corrupt_part_is_continued_once_and_then_replaced(get):
    sent = get("good", part=b"\0" * 150_000)
    assert sent == [("good", "bytes=150000-", 50_000), ("good", None, 200_000)]


def test_a_part_longer_than_the_file_is_replaced(get):
    assert [asked for _, asked, _ in get("good", part=b"\0" * 300_000)] == ["bytes=300000-", None]


def test_a_continuation_that_begins_earlier_and_says_so_is_used(get):
    assert get("early", part=PAYLOAD[:1000]) == [("early", "bytes=1000-", 199_010)]


def test_a_continuation_from_the_wrong_byte_is_noticed(get):
    sent = get("liar", part=PAYLOAD[:1000])
    assert [asked for _, asked, _ in sent] == ["bytes=1000-", None]


def test_when_nobody_has_it_every_reason_is_told(server, tmp_path):
    urls = [server.url(how) for how in ("refuse", "silent", "corrupt", "drip")] + [server.url("good", "absent.bin")]
    with pytest.raises(DownloadError) as caught:
        fetch(urls, tmp_path / "data.bin", MD5, timeout=0.8, progress=False)
    reasons = dict(caught.value.reasons)
    assert list(reasons) == urls
    for url, word in zip(urls, ("HTTP 403", "timed out", "wrong bytes: 200,000", "cut off after 100 of", "HTTP 404")):
        assert word in reasons[url] and url in str(caught.value)
    assert os.listdir(tmp_path) == ["data.bin.part"]  # the 100 bytes that can be continued
    with pytest.raises(DownloadError):
        fetch([server.url("corrupt")], tmp_path / "data.bin", MD5, progress=False)
    assert os.listdir(tmp_path) == []


def test_one_line_is_printed_where_there_is_no_terminal(server, tmp_path, capsys):
    fetch([server.url("good")], tmp_path / "data.bin", MD5)
    assert capsys.readouterr().err == f"downloading data.bin, 0.2 MB from {server.url('good')}\n"


def test_a_bar_is_drawn_on_a_terminal(server, tmp_path, capsys, monkeypatch):
    monkeypatch.setattr(sys.stderr, "isatty", lambda: True)
    fetch([server.url("slow")], tmp_path / "data.bin", MD5)
    assert "data.bin: 100%" in capsys.readouterr().err


SCRIPT = """
import sys; sys.path.insert(0, sys.argv[1])
from tinyattn.data.download import fetch
{before}
fetch([sys.argv[2]], sys.argv[3], sys.argv[4], progress={progress})
"""


def start(url, path, before="", progress=False):
    code = SCRIPT.format(before=before, progress=progress)
    return subprocess.Popen([sys.executable, "-c", code, ROOT, url, str(path), MD5], stderr=subprocess.PIPE, text=True)


def test_processes_at_the_same_time_download_once(server, tmp_path):
    path = tmp_path / "data.bin"
    running = [start(server.url("slow"), path) for _ in range(2)]
    fetch([server.url("slow")], path, MD5, progress=False)
    assert [process.communicate()[1] for process in running] == ["", ""]
    assert [process.returncode for process in running] == [0, 0]
    assert server.sent() == [("slow", None, 200_000)]
    assert path.read_bytes() == PAYLOAD and os.listdir(tmp_path) == ["data.bin"]


def test_threads_at_the_same_time_download_once(server, tmp_path):
    threads = [threading.Thread(target=fetch, args=([server.url("slow")], tmp_path / "data.bin", MD5, 20.0, False))
               for _ in range(5)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert server.sent() == [("slow", None, 200_000)] and os.listdir(tmp_path) == ["data.bin"]


def test_a_lock_that_its_owner_took_away_is_not_held(tmp_path, monkeypatch):
    """Between our opening and our locking, the process before us may remove the file: then we hold nothing."""
    lock, calls, take = tmp_path / "data.bin.lock", [], download._take

    def late(file):
        calls.append(file)
        if len(calls) == 1:
            lock.unlink()
        return take(file)
    monkeypatch.setattr(download, "_take", late)
    with download._alone(lock, progress=False):
        assert len(calls) == 2 and lock.exists()
    assert not lock.exists()


@pytest.mark.skipif(os.name == "nt", reason="SIGKILL is POSIX's")
def test_a_killed_download_leaves_no_file_and_is_continued(server, tmp_path):
    part = tmp_path / "data.bin.part"
    process = start(server.url("slow"), tmp_path / "data.bin")
    while not (part.exists() and part.stat().st_size > 50_000):
        assert process.poll() is None
        time.sleep(0.005)
    process.send_signal(signal.SIGKILL)
    process.communicate()
    assert not (tmp_path / "data.bin").exists()
    left = part.stat().st_size
    assert fetch([server.url("good")], tmp_path / "data.bin", MD5, progress=False).read_bytes() == PAYLOAD
    assert ("good", f"bytes={left}-", 200_000 - left) in server.sent()
    assert os.listdir(tmp_path) == ["data.bin"]


@pytest.mark.skipif(os.name == "nt", reason="needs POSIX's limit on file sizes, which stands for a full disk")
def test_a_full_disk_is_one_clear_error(server, tmp_path):
    limit = "import resource; resource.setrlimit(resource.RLIMIT_FSIZE, (90_000, 90_000))"
    process = start(server.url("good"), tmp_path / "data.bin", before=limit)
    error = process.communicate()[1]
    assert process.returncode == 1 and "cannot be kept here, name another folder with --data-dir" in error
    assert not (tmp_path / "data.bin").exists()
