"""A first run compiles on two cores: a second process compiles what the step needs last, while this one begins with what it needs first.

Compiled kernels are shared through the cache on disk. The second process (`tinyattn.commands.ahead`) goes through the list of what
a step launches from its end; this one meets it somewhere in the backward pass, and finds the rest in the cache.
"""
import atexit
import json
import pathlib
import subprocess
import sys

from ..kernels.cpu import cache

PROGRAM = f"{__name__.split('.')[0]}.commands.ahead"


def start(config):
    """Start the second process for the model and optimizer of `config`, unless they have been compiled before.

    Returns the process, or None. It is ended with this one; whether it succeeds does not matter to the run.
    """
    mark = pathlib.Path(cache.FOLDER) / f"ahead-{config.model}-{config.attention}-{config.optimizer}"
    if mark.exists():
        return None
    command = [sys.executable, "-m", PROGRAM, json.dumps(config.asdict()), str(mark)]
    process = subprocess.Popen(command, stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    atexit.register(_end, process)
    return process


def _end(process):
    process.terminate()
    process.wait()
