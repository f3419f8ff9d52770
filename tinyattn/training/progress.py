"""What the user sees while it trains: a bar in a terminal or a notebook, plain lines elsewhere, nothing when quiet.

All of it goes to standard error, so that standard output holds results only.
"""
import sys
import time

from tqdm.auto import tqdm

_BAR = "{desc} {percentage:3.0f}%|{bar:24}| {n_fmt}/{total_fmt}{postfix}"
_NOTEBOOK_BAR = _BAR.replace("{bar:24}", "{bar}")  # its width is the browser's to choose


def clock(seconds):
    """Seconds as people read them: ``4.2 s``, ``1:05``, ``2:03:04``."""
    if seconds < 60:
        return f"{seconds:.1f} s"
    minutes, seconds = divmod(int(round(seconds)), 60)
    hours, minutes = divmod(minutes, 60)
    return f"{hours}:{minutes:02d}:{seconds:02d}" if hours else f"{minutes}:{seconds:02d}"


def _in_notebook():
    shell = sys.modules.get("IPython")
    shell = shell.get_ipython() if shell is not None else None
    return shell is not None and "IPKernelApp" in shell.config


class Progress:
    """Shows a run's advance. `quiet`: say nothing. `every`: seconds between plain lines within an epoch."""

    def __init__(self, quiet=False, stream=None, every=10.0):
        self._stream, self._every = stream or sys.stderr, every
        self._quiet = quiet
        self._bars = not quiet and (self._stream.isatty() or _in_notebook())
        self._bar, self._last = None, time.monotonic()

    def say(self, text):
        """Print one line, above the bar if there is one."""
        if self._quiet:
            return
        if self._bar is not None:
            self._bar.write(text, file=self._stream)
        else:
            print(text, file=self._stream, flush=True)

    def begin_epoch(self, epoch, epochs, steps, done=0):
        """Start the bar of `epoch` (from 1), of which `done` of `steps` steps are already made."""
        self._title, self._steps, self._done = f"epoch {epoch}/{epochs}", steps, done
        self._last = time.monotonic()
        if self._bars:
            self._bar = tqdm(total=steps, initial=done, desc=self._title, leave=False,
                             bar_format=_NOTEBOOK_BAR if _in_notebook() else _BAR,
                             file=self._stream, mininterval=0.1, dynamic_ncols=True)

    def step(self, loss, accuracy, rate, seconds_left):
        """Count a step. loss, accuracy: means of the epoch so far; rate: images a second; seconds_left: of the run."""
        self._done += 1
        if self._quiet:
            return
        now = time.monotonic()
        if self._bar is not None:
            if now - self._last >= 0.1:  # formatting at every step would cost more than it shows
                self._last = now
                self._bar.set_postfix_str(_state(loss, accuracy, rate, seconds_left), refresh=False)
            self._bar.update()
        elif now - self._last >= self._every:
            self._last = now
            self.say(f"{self._title}  step {self._done}/{self._steps}  {_state(loss, accuracy, rate, seconds_left)}")

    def end_epoch(self, text=None):
        """Take the bar away and leave one line in its place."""
        if self._bar is not None:
            self._bar.close()
            self._bar = None
        if text is not None:
            self.say(f"{self._title}  {text}")

    close = end_epoch


def _state(loss, accuracy, rate, seconds_left):
    return f"loss {loss:.3f}  acc {accuracy:6.2%}  {rate:,.0f} images/s  {clock(seconds_left)} left"
