"""Tensors out of nothing: what the tables of samples cannot hold."""
import numpy as np

import tinyattn as ta


def test_empty_has_the_shape_and_dtype_asked_for():
    for x in (ta.empty(2, 3), ta.empty((2, 3), dtype=ta.float32), ta.empty(size=(2, 3))):
        assert x.shape == (2, 3) and x.dtype == np.float32
    assert ta.empty(0, dtype=ta.int64).dtype == np.int64


def test_names_of_dtypes_are_numpy_dtypes():
    assert ta.tensor([1, 2], dtype=ta.float64).dtype == ta.double == np.float64
    assert ta.tensor([1, 2]).dtype == ta.long and ta.tensor([True]).dtype == ta.bool and ta.tensor(1.5).dtype == ta.float
    assert ta.zeros(2).to(ta.int32).dtype == ta.int == np.int32


def test_from_numpy_shares_and_tensor_copies():
    array = np.zeros(3, np.float32)
    shared, again, copied = ta.from_numpy(array), ta.as_tensor(array), ta.tensor(array)
    array[0] = 5
    assert shared[0].item() == again[0].item() == 5 and copied[0].item() == 0
    assert ta.as_tensor(shared) is shared and ta.as_tensor(shared, ta.float64) is not shared
    assert ta.is_tensor(shared) and not ta.is_tensor(array)
