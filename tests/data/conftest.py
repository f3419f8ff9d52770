"""A web server on this machine that behaves as badly as the real ones do, and counts what it sends."""
import http.server
import threading
import time

import pytest


class Handler(http.server.BaseHTTPRequestHandler):
    """The first part of the path says how to behave; `server.log` collects (behaviour, Range header, body bytes sent)."""

    def log_message(self, *_):
        pass

    def do_GET(self):
        self.server.active.append(self)
        self.entry = [self.path.split("/")[1], self.headers.get("Range"), 0]
        self.server.log.append(self.entry)
        try:
            self.behave()
        finally:
            self.server.active.remove(self)

    def behave(self):
        how, name = self.path.strip("/").split("/")
        whole = self.server.files.get(name)
        asked = self.headers.get("Range")
        start = int(asked.removeprefix("bytes=").removesuffix("-")) if asked else 0
        if whole is None or how == "refuse":
            return self.answer(403 if whole else 404, b"<html>no</html>")
        if how == "silent":
            time.sleep(1.1)
            return self.answer(503, b"")
        if how in ("norange", "norange-cut"):
            start = 0
        if start >= len(whole) and start:
            return self.answer(416, b"", {"Content-Range": f"bytes */{len(whole)}"})
        status = 206 if asked and not how.startswith("norange") else 200
        headers = {"Content-Range": f"bytes {start}-{len(whole) - 1}/{len(whole)}"} if status == 206 else {}
        body, length = whole[start:], len(whole) - start
        if how == "liar" and status == 206:
            body = whole[7:]  # whatever was asked for and is announced
        elif how == "early" and status == 206:
            body, headers["Content-Range"] = whole[start - 10:], f"bytes {start - 10}-{len(whole) - 1}/{len(whole)}"
            length = len(body)
        elif how in ("cut", "norange-cut"):
            body = body[:70_000]
        elif how == "drip":
            body = body[:100]
        elif how == "long":
            length *= 3
        elif how == "short":
            body, length = body[:-50], length - 50
        elif how == "corrupt":
            body = bytes([body[0] ^ 1]) + body[1:]
        elif how == "enormous":
            length = 10 ** 15
        elif how == "nolength":
            length = None
        self.answer(status, body, headers, length, {"trickle": 0.05, "slow": 0.02}.get(how, 0))

    def answer(self, status, body, headers=None, length=-1, pause=0):
        self.send_response(status)
        for key, value in (headers or {}).items():
            self.send_header(key, value)
        if length is not None:
            self.send_header("Content-Length", str(len(body) if length < 0 else length))
        self.end_headers()
        sent, piece = 0, 4 if self.entry[0] == "trickle" else 10_000
        try:
            while sent < len(body):
                self.wfile.write(body[sent:sent + piece])
                self.wfile.flush()
                sent += len(body[sent:sent + piece])
                time.sleep(pause)
        except (BrokenPipeError, ConnectionResetError):
            pass  # the client gave us up
        self.entry[2] = sent


def finished(server):
    """The log, in the order of the requests, once the server's threads are done with them."""
    while server.active:
        time.sleep(0.005)
    return [tuple(entry) for entry in server.log]


@pytest.fixture
def bad_server(monkeypatch):
    """A running server: put bytes into `.files`, ask `.url(behaviour, name)`, then look at `.sent()`."""
    monkeypatch.setenv("no_proxy", "127.0.0.1")
    with http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler) as it:
        it.daemon_threads = True
        it.files, it.log, it.active = {}, [], []
        it.url = lambda how, name="data.bin": f"http://127.0.0.1:{it.server_port}/{how}/{name}"
        it.sent = lambda: finished(it)
        thread = threading.Thread(target=it.serve_forever, kwargs={"poll_interval": 0.01})
        thread.start()
        yield it
        it.shutdown()
        thread.join()
