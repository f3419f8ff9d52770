"""What a measurement was taken on: a figure without its machine says little."""
import os
import pathlib
import platform
import sys

import numba
import numpy as np

from .. import threads


def processor():
    """The processor's name as the system gives it."""
    listing = pathlib.Path("/proc/cpuinfo")  # Linux
    for line in listing.read_text(encoding="utf-8").splitlines() if listing.exists() else ():
        if line.startswith("model name"):
            return line.partition(":")[2].strip()
    return platform.processor() or platform.machine()


def describe():
    """Processor, threads and versions, for the rows of a benchmark."""
    about = {"processor": processor(), "cores": os.cpu_count(), "threads": threads.get_num_threads(),
             "system": platform.system(), "python": platform.python_version(), "numpy": np.__version__,
             "numba": numba.__version__}
    if "torch" in sys.modules:
        about["torch"] = sys.modules["torch"].__version__
    return about


def load():
    """How many processes wanted a processor over the last minute, ours included; None where the system does not say."""
    return os.getloadavg()[0] if hasattr(os, "getloadavg") else None
