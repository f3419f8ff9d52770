"""Whether a result depends on the number of threads: it must not, to the last bit."""
import numba
import numpy as np


def same_bits(everything):
    """`everything()` gives the same arrays on one thread as on all."""
    before = numba.get_num_threads()
    many = everything()
    try:
        numba.set_num_threads(1)
        one = everything()
    finally:
        numba.set_num_threads(before)
    assert len(many) == len(one) > 0
    for i, (a, b) in enumerate(zip(many, one)):
        assert np.array_equal(a, b, equal_nan=True), f"result {i} of shape {a.shape} differs"
