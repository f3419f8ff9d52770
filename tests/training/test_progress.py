"""What is shown, in a terminal and outside one."""
import io

from tinyattn.training.progress import Progress, clock


class Terminal(io.StringIO):
    def isatty(self):
        return True


def drive(progress):
    progress.say("hello")
    progress.begin_epoch(1, 2, 10, done=4)
    for _ in range(6):
        progress._last -= 1.0
        progress.step(0.5, 0.875, 1234.0, 65.0)
    progress.say("in between")
    progress.end_epoch("done")


def test_a_terminal_gets_a_bar():
    stream = Terminal()
    drive(Progress(stream=stream))
    text = stream.getvalue()
    for words in ("hello\n", "epoch 1/2", "10/10", "loss 0.500  acc 87.50%  1,234 images/s  1:05 left", "in between",
                  "epoch 1/2  done"):
        assert words in text
    assert "\r" in text


def test_elsewhere_plain_lines_now_and_then():
    stream = io.StringIO()
    drive(Progress(stream=stream, every=3.0))
    assert stream.getvalue().splitlines() == [
        "hello", "epoch 1/2  step 7/10  loss 0.500  acc 87.50%  1,234 images/s  1:05 left",
        "epoch 1/2  step 10/10  loss 0.500  acc 87.50%  1,234 images/s  1:05 left", "in between", "epoch 1/2  done"]


def test_quiet_is_silent():
    stream = Terminal()
    drive(Progress(quiet=True, stream=stream))
    assert stream.getvalue() == ""


def test_seconds_as_people_read_them():
    assert [clock(s) for s in (0.04, 59.94, 61, 3600, 86399)] == ["0.0 s", "59.9 s", "1:01", "1:00:00", "23:59:59"]
