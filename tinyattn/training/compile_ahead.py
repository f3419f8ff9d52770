"""A first run compiles on two cores: a second process compiles the backward pass while this one compiles the forward.

Compiled kernels are shared through the cache on disk. The second process makes the same model and runs one small step,
the forward pass on the NumPy rung, which needs no compiling, and the backward pass and the update on the compiled one.
By the time this process has finished its own first forward pass, the rest of the step is found in the cache.
"""
import atexit
import json
import pathlib
import subprocess
import sys

import numpy as np

from .. import kernels
from ..kernels.cpu import cache
from ..nn import functional as F
from ..tensor import Tensor
from . import setup
from .average import Average
from .config import Config


def start(config):
    """Start the second process for the model and optimizer of `config`, unless they have been compiled before.

    Returns the process, or None. It is ended with this one; whether it succeeds does not matter to the run.
    """
    mark = pathlib.Path(cache.FOLDER) / f"ahead-{config.model}-{config.attention}-{config.optimizer}"
    if mark.exists():
        return None
    command = [sys.executable, "-m", __name__, json.dumps(config.asdict()), str(mark)]
    process = subprocess.Popen(command, stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    atexit.register(_end, process)
    return process


def _end(process):
    process.terminate()
    process.wait()


def step(config):
    """One training step of a small batch, compiling what its backward pass and its update need."""
    colours, size = (3, 32) if config.data.startswith("cifar") else (1, 28)
    with kernels.use("reference"):
        model = setup.build_model(config, colours, 10, size)
        average = Average(model, config.average or 0.9)
        images = np.zeros((4, size, size, colours), np.float32).transpose(0, 3, 1, 2)  # channels-last, as the loader's
        loss = F.cross_entropy(model(Tensor(images)), Tensor(np.arange(4)), label_smoothing=config.label_smoothing)
    loss.backward()
    setup.build_optimizer(config, model).step()
    average.update()


if __name__ == "__main__":
    step(Config(**json.loads(sys.argv[1])))
    pathlib.Path(sys.argv[2]).touch()
