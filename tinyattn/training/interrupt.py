"""Ctrl-C and SIGTERM: finish the step, save, leave. A second Ctrl-C leaves at once."""
import signal
import threading


class Interrupted(Exception):
    """The run was stopped by a signal. `signal` is its number, `folder` the run to resume.

    saved: whether the run could save where it stood; otherwise it goes on from its last checkpoint
    """

    def __init__(self, number, folder, saved=True):
        done = "stopped and saved; go on" if saved else "stopped; go on from the last checkpoint"
        super().__init__(f"{done} with: tinyattn train --resume {folder}")
        self.signal, self.folder = number, folder


class Watch:
    """``with Watch(notify) as watch:`` turns the first signal into `watch.signal`, which the loop reads after a step.

    notify: called with the signal's number as soon as it comes, so that the user sees it was heard.
    Handlers can be set only in the main thread; elsewhere the signals keep their usual meaning.
    """

    def __init__(self, notify=None):
        self.signal = None
        self._notify, self._before = notify, {}

    def __enter__(self):
        if threading.current_thread() is threading.main_thread():
            for number in (signal.SIGINT, signal.SIGTERM):
                self._before[number] = signal.signal(number, self._first)
        return self

    def __exit__(self, *_):
        for number, handler in self._before.items():
            signal.signal(number, handler if handler is not None else signal.SIG_DFL)

    def _first(self, number, _frame):
        self.signal = number
        signal.signal(signal.SIGINT, signal.default_int_handler)  # the second one raises KeyboardInterrupt where it is
        if self._notify is not None:
            self._notify(number)
