"""The device's array beside NumPy's: shapes, strides, values, and where there is a view and where a copy. No GPU is needed."""
import copy
import pickle

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tinyattn.kernels import cuda
from tinyattn.kernels.cuda import runtime

pytestmark = pytest.mark.skipif(not runtime.SIMULATED, reason="needs TINYATTN_CUDA=simulator, which tests/conftest.py sets unless a GPU is asked for")

DTYPES = (np.float32, np.float64, np.int64, np.uint8, np.bool_)


def agree(d, x, base=None):
    """AssertionError unless the DeviceArray `d` is what the ndarray `x` is; `base` = (device's, NumPy's) if `d` is to be a view of it."""
    assert d.shape == x.shape and d.dtype == x.dtype and d.ndim == x.ndim and d.size == x.size and d.nbytes == x.nbytes
    assert d.flags.c_contiguous == x.flags.c_contiguous, (d, d.strides, x.strides)
    if x.size:
        for n, mine, theirs in zip(x.shape, d.strides, x.strides):
            assert n == 1 or mine == theirs, (d.strides, x.strides)
    np.testing.assert_array_equal(cuda.to_host(d), x)
    if base is not None and x.size:
        assert (d.block is base[0].block) == np.shares_memory(x, base[1])


def both(shape, dtype=np.float32):
    x = np.arange(int(np.prod(shape))).reshape(shape).astype(dtype)
    return cuda.from_host(x), x


@st.composite
def steps(draw, x):
    """A change of view that NumPy allows of `x`: (its name, what does it to either array)."""
    kind = draw(st.sampled_from(["slice", "slice", "transpose", "reshape", "squeeze", "swapaxes", "T", "new axis", "view"]))
    if kind == "slice":
        index = []
        for n in x.shape:
            index.append(draw(st.one_of(
                st.slices(n) if n else st.just(slice(None)), st.builds(slice, st.integers(-6, 6), st.integers(-6, 6), st.sampled_from([-2, -1, 1, 2, 3])),
                *([st.integers(-n, n - 1)] if n else []))))
        cut = draw(st.integers(0, len(index)))
        index = (*index[:cut], *([Ellipsis] if draw(st.booleans()) else []), *(index[cut:] if draw(st.booleans()) else []))
        return kind, lambda a: a[index]
    if kind == "new axis":
        at = draw(st.integers(0, x.ndim))
        return kind, lambda a: a[(slice(None),) * at + (None, ...)]
    if kind == "transpose":
        order = draw(st.permutations(range(x.ndim)))
        order = [a - x.ndim if draw(st.booleans()) else a for a in order]
        return kind, lambda a: a.transpose(order) if order else a.T
    if kind == "swapaxes" and x.ndim:
        a, b = (draw(st.integers(-x.ndim, x.ndim - 1)) for _ in range(2))
        return kind, lambda array: array.swapaxes(a, b)
    if kind == "reshape":
        shape, left = [], x.size
        while left > 1:
            n = draw(st.sampled_from([d for d in range(2, left + 1) if left % d == 0]))
            shape.append(n)
            left //= n
        if x.size == 0:
            shape = [0, draw(st.integers(0, 3))]
        for _ in range(draw(st.integers(0, 2))):
            shape.insert(draw(st.integers(0, len(shape))), 1)
        if shape and x.size and draw(st.booleans()):
            shape[draw(st.integers(0, len(shape) - 1))] = -1
        return kind, lambda a: a.reshape(shape)
    if kind == "squeeze":
        return kind, lambda a: a.squeeze()
    return (kind, lambda a: a.T) if kind == "T" else ("view", lambda a: a.view())


@settings(max_examples=300, deadline=None)
@given(st.data())
def test_views_are_numpys(data):
    shape = data.draw(st.lists(st.integers(0, 5), max_size=4))
    d, x = both(shape, data.draw(st.sampled_from(DTYPES)))
    agree(d, x)
    for _ in range(data.draw(st.integers(1, 4))):
        kind, step = data.draw(steps(x))
        e, y = step(d), step(x)
        scalar = isinstance(y, np.generic)  # where the device has a view of one element, NumPy has a number
        y = np.asarray(y)
        agree(e, y, base=None if scalar else (d, x))
        if scalar:
            assert e.block is d.block
            break
        d, x = (e, y) if e.block is d.block or kind == "reshape" else (d, x)


@settings(max_examples=60, deadline=None)
@given(st.data())
def test_what_is_written_through_a_view_is_seen_in_the_whole(data):
    shape = data.draw(st.lists(st.integers(1, 4), min_size=1, max_size=3))
    d, x = both(shape)
    e, y = d, x
    for _ in range(2):
        kind, step = data.draw(steps(y))
        f, z = step(e), np.asarray(step(y))
        if z.ndim and np.shares_memory(x, z):
            e, y = f, z
    cuda.fill(e, -7)
    y[...] = -7
    np.testing.assert_array_equal(cuda.to_host(d), x)


@settings(max_examples=100, deadline=None)
@given(st.data())
def test_span_reaches_all_elements(data):
    d, x = both(data.draw(st.lists(st.integers(0, 4), max_size=3)))
    for _ in range(2):
        _, step = data.draw(steps(x))
        d, x = step(d), np.asarray(step(x))
    whole, start = d.span()
    flat = cuda.to_host(whole)
    steps_ = [s // d.itemsize for s in d.strides]
    found = [flat[start + sum(i * s for i, s in zip(index, steps_))] for index in np.ndindex(*d.shape)]
    np.testing.assert_array_equal(np.reshape(found, x.shape), x)


def test_flat():
    d, x = both((2, 3))
    agree(d.flat, x.reshape(-1), base=(d, x))
    with pytest.raises(ValueError, match="not contiguous"):
        d.T.flat


@pytest.mark.parametrize("act, error, words", [
    (lambda d: d.reshape(5), ValueError, "6 elements of shape (2, 3) do not fill shape (5,)"),
    (lambda d: d.reshape(-1, -1), ValueError, "do not fill"),
    (lambda d: d.reshape(-1, 0), ValueError, "do not fill"),
    (lambda d: d.reshape(-2, -3), ValueError, "do not fill"),
    (lambda d: d.transpose(0, 0), ValueError, "are no order of 2 axes"),
    (lambda d: d.transpose(0, 2), ValueError, "transpose: axis 2 is out of bounds"),
    (lambda d: d.transpose(0), ValueError, "are no order of 2 axes"),
    (lambda d: d.swapaxes(0, -3), ValueError, "swapaxes: axis -3 is out of bounds"),
    (lambda d: d.squeeze(0), ValueError, "not all of length 1"),
    (lambda d: d.squeeze(2), ValueError, "squeeze: axis 2 is out of bounds"),
    (lambda d: d[2], IndexError, "index 2 is out of bounds for axis 0 with size 2"),
    (lambda d: d[0, -4], IndexError, "index -4 is out of bounds for axis 1 with size 3"),
    (lambda d: d[0, 0, 0], IndexError, "3 indices for an array with 2 axes"),
    (lambda d: d[..., ...], IndexError, "only one Ellipsis"),
    (lambda d: d[True], IndexError, "not by bool"),
    (lambda d: d[np.array([True, False])], IndexError, "not by ndarray"),
    (lambda d: d[[0, 1]], IndexError, "not by list"),
    (lambda d: d[0.0], IndexError, "not by float"),
    (lambda d: d["a"], IndexError, "not by str"),
    (lambda d: len(d[0, 0]), TypeError, "0-d array"),
    (lambda d: d.T.handle(), ValueError, "not contiguous"),
    (lambda d: np.asarray(d), TypeError, "copy it to the host first"),
    (lambda d: np.add(d, 1), TypeError, "DeviceArray"),
    (lambda d: np.ones((2, 3)) + d, TypeError, "copy it to the host first"),
    (lambda d: bool(d), TypeError, "copy it to the host first"),
    (lambda d: float(d[0, 0]), TypeError, "copy it to the host first"),
    (lambda d: list(d), TypeError, "copy it to the host first"),
    (lambda d: pickle.dumps(d), TypeError, "copy it to the host first"),
    (lambda d: cuda.empty((2, -1), np.float32), ValueError, "negative length"),
    (lambda d: cuda.empty(2, object), TypeError, "cannot be of dtype('O')"),
    (lambda d: cuda.empty(2, np.complex64), TypeError, "expected this machine's numbers"),
    (lambda d: cuda.empty(2, ">f4"), TypeError, "expected this machine's numbers"),
])
def test_mistakes_are_told(act, error, words):
    d, _ = both((2, 3))
    with pytest.raises(error) as caught:
        act(d)
    assert words in str(caught.value), caught.value


@pytest.mark.parametrize("axis", [np.int64(1), -2, (1,), [np.int32(1)]])
def test_squeeze_takes_any_whole_number(axis):
    d, x = both((2, 1, 3))
    agree(d.squeeze(axis), x.reshape(2, 3), base=(d, x))


def test_numbers_of_the_other_byte_order_are_turned():
    x = np.arange(5, dtype=">i4")
    agree(cuda.from_host(x), x.astype("=i4"))


def test_copies():
    d, x = both((2, 3))
    assert copy.copy(d).block is d.block
    e = copy.deepcopy(d.T)
    assert e.block is not d.block
    np.testing.assert_array_equal(cuda.to_host(e), x.T)


@settings(max_examples=80, deadline=None)
@given(st.data())
def test_to_the_device_and_back_keeps_the_order_of_axes(data):
    d, x = both(data.draw(st.lists(st.integers(1, 4), max_size=4)))
    order = data.draw(st.permutations(range(x.ndim)))
    back = cuda.to_host(d.transpose(order) if order else d)
    expected = np.copy(x.transpose(order), order="K")
    assert back.shape == expected.shape and all(n == 1 or a == b for n, a, b in zip(back.shape, back.strides, expected.strides))
    np.testing.assert_array_equal(back, expected)


def test_memory_lives_as_long_as_a_view():
    d, x = both((100,))
    view = d[3:5]
    del d
    for _ in range(20):
        cuda.full((100,), 9, np.float32)
    np.testing.assert_array_equal(cuda.to_host(view), x[3:5])


@pytest.mark.parametrize("offset", [-3, -1, 0, 2, 4])
def test_diagonals_are_views(offset):
    d, x = both((2, 3, 4))
    expected = np.diagonal(x, offset, -2, -1)
    agree(cuda.diagonal(d, offset), expected, base=(d, x) if expected.size else None)
    cuda.assign(cuda.diagonal(d, offset), 7)
    for i in range(expected.shape[-1]):
        x[:, i + max(-offset, 0), i + max(offset, 0)] = 7
    np.testing.assert_array_equal(cuda.to_host(d), x)


def test_repetition_is_a_view():
    d, x = both((3, 1))
    agree(cuda.broadcast_to(d, (2, 3, 4)), np.broadcast_to(x, (2, 3, 4)), base=(d, x))
    assert cuda.may_share_memory(d, d[1:]) and not cuda.may_share_memory(d, cuda.copy(d))
