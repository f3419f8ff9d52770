"""Walking through arrays of any strides: broadcasting, and joining axes that are one walk, beside NumPy."""
import itertools

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from tinyattn.kernels.cuda.strides import broadcast, collapsed


@st.composite
def views(draw):
    """A NumPy view of random axes, steps and order."""
    shape = draw(st.lists(st.integers(1, 4), min_size=0, max_size=4))
    x = np.arange(int(np.prod(shape)), dtype=np.float32).reshape(shape)
    x = x.transpose(draw(st.permutations(range(x.ndim))))
    return x[tuple(slice(None, None, draw(st.sampled_from([1, 1, -1, 2]))) for _ in range(x.ndim))]


def walk(shape, strides):
    """The places visited, in the order of the elements."""
    return [sum(i * s for i, s in zip(index, strides)) for index in itertools.product(*map(range, shape))]


@given(views(), st.data())
def test_broadcast_is_numpys(x, data):
    shape = tuple(data.draw(st.integers(1, 3)) if n == 1 else n for n in x.shape)
    shape = (*data.draw(st.lists(st.integers(1, 3), max_size=2)), *shape)
    expected = np.broadcast_to(x, shape)
    assert walk(shape, broadcast(shape, x)) == walk(shape, [s // 4 for s in expected.strides])


@given(views(), st.data())
def test_collapsed_walks_the_same(x, data):
    other = data.draw(st.sampled_from([np.broadcast_to(np.float32(1), x.shape), np.ascontiguousarray(x), x]))
    walks = [tuple(s // 4 for s in a.strides) for a in (x, other)]
    shape, *joined = collapsed(x.shape, *walks)
    assert len(shape) >= 1 and all(len(j) == len(shape) for j in joined)
    for before, after in zip(walks, joined):
        assert walk(x.shape, before) == walk(shape, after)


@given(st.lists(st.integers(1, 5), max_size=5))
def test_contiguous_arrays_become_one_axis(shape):
    x = np.empty(shape, np.float32)
    lengths, a, b = collapsed(x.shape, broadcast(x.shape, x), broadcast(x.shape, x))
    assert lengths == (x.size,) and a == b and (x.size == 1 or a == (1,))


def test_only_what_is_one_walk_in_all_is_joined():
    assert collapsed((2, 3, 4), (12, 4, 1), (12, 4, 1)) == ((24,), (1,), (1,))
    assert collapsed((2, 3, 4), (12, 4, 1), (0, 4, 1)) == ((2, 12), (12, 1), (0, 1))
    assert collapsed((2, 3, 4), (12, 4, 1), (4, 0, 1)) == ((2, 3, 4), (12, 4, 1), (4, 0, 1))
    assert collapsed((5, 1, 7), (7, 99, 1)) == ((35,), (1,))
    assert collapsed((1, 1), (3, 5)) == ((1,), (0,))
    assert collapsed((), ()) == ((1,), (0,))
