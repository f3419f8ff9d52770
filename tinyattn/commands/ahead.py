"""What the second process of a first run does: compile what a training step launches, the last first.

The list comes from a step whose kernels do not run (`warmup_list`). The run itself compiles from its beginning, as it goes, so
the two meet in the middle whatever the model, and one kernel at most is compiled by both.
"""
import importlib
import json
import pathlib
import sys

import numpy as np

from ..nn import functional as F
from ..training import setup
from ..training.average import Average
from ..training.config import Config
from . import warmup_list


def step(config):
    """A training step of `config`, as the first run takes it; dry, it lists what has to be compiled."""
    channels, size = (3, 32) if config.data.startswith("cifar") else (1, 28)
    model = setup.build_model(config, channels, 10, size)
    average = Average(model, config.average or 0.9)
    images, labels = warmup_list._images(config.batch_size, channels, size), warmup_list._labels(config.batch_size)
    F.cross_entropy(model(images), labels, label_smoothing=config.label_smoothing).backward()
    setup.build_optimizer(config, model).step()
    average.update()


def compile_from_the_end(config):
    """Compile what the cache lacks of a step's kernels, the last that it launches first."""
    launch = importlib.import_module(warmup_list.LAUNCH)
    with warmup_list.listing() as wanted:
        step(config)
    for key, calls in reversed(wanted.items()):
        for dtypes in sorted(warmup_list.missing({key: calls}).get(key, ())):
            launch._learn(warmup_list.body(key), [np.empty(1, np.dtype(char)) for char in dtypes])


if __name__ == "__main__":
    compile_from_the_end(Config(**json.loads(sys.argv[1])))
    pathlib.Path(sys.argv[2]).touch()
