"""How many threads the kernels use. The number changes how long a run takes, never what it computes."""
import numbers

import numba


def set_num_threads(count):
    """Use `count` threads in every kernel. ValueError unless 1 ≤ count ≤ the threads of this process."""
    most = numba.config.NUMBA_NUM_THREADS
    if not isinstance(count, numbers.Integral) or isinstance(count, bool) or not 1 <= count <= most:
        raise ValueError(f"set_num_threads: expected 1 to {most} threads on this machine, got {count!r}")
    numba.set_num_threads(int(count))


def get_num_threads():
    """How many threads the kernels use now."""
    return numba.get_num_threads()
