"""Who asks for more memory than there is gets a sentence with both numbers, at once, and keeps the process."""
import numpy as np
import pytest
from answers import expect

import tinyattn as ta
import tinyattn.nn.functional as F
from tinyattn import nn
from tinyattn.kernels import memory

HUGE = 10 ** 13
IMAGE, WIDE = ta.zeros(1, 2, 5, 5), ta.zeros(1)

CASES = {
    "zeros": lambda: ta.zeros(HUGE), "ones": lambda: ta.ones(10 ** 7, 10 ** 6), "full": lambda: ta.full((HUGE,), 1.5), "empty": lambda: ta.empty(HUGE),
    "randn": lambda: ta.randn(HUGE), "randint": lambda: ta.randint(0, 3, (HUGE,)), "arange": lambda: ta.arange(HUGE), "eye": lambda: ta.eye(10 ** 7),
    "zeros_like": lambda: ta.zeros_like(WIDE.expand(HUGE)), "add": lambda: WIDE.expand(HUGE) + 1, "clone": lambda: WIDE.expand(HUGE).clone(),
    "relu": lambda: F.relu(WIDE.expand(HUGE)), "sum": lambda: WIDE.expand(HUGE).sum(), "cat": lambda: ta.cat([WIDE.expand(HUGE)] * 2),
    "one_hot": lambda: F.one_hot(ta.tensor([HUGE])), "pad": lambda: F.pad(WIDE, (0, 2 ** 44)), "mul": lambda: ta.einsum("i,j->ij", ta.zeros(10 ** 7), ta.zeros(10 ** 7)),
    "matmul": lambda: ta.zeros(10 ** 7, 1) @ ta.zeros(1, 10 ** 7), "reshape": lambda: ta.zeros(2, 3).repeat(10 ** 7, 10 ** 6),
    "conv2d": lambda: F.conv2d(IMAGE, ta.zeros(1, 2, 1, 1), padding=10 ** 7), "conv_transpose2d": lambda: F.conv_transpose2d(IMAGE, ta.zeros(2, 1, 3, 3), stride=10 ** 7),
    "unfold": lambda: F.unfold(IMAGE, 3, padding=10 ** 7), "interpolate": lambda: F.interpolate(IMAGE, size=10 ** 7), "linear": lambda: nn.Linear(10 ** 7, 10 ** 7),
}


@pytest.mark.skipif(memory.free() is None, reason="this system does not say how much memory is free")
@pytest.mark.parametrize("name", CASES)
def test_more_than_there_is(name):
    caller = {"linear": "zeros"}.get(name, name)
    expect(CASES[name], MemoryError, f"{caller}: ")
    expect(CASES[name], MemoryError, "would need ")


def test_views_cost_nothing():
    assert WIDE.expand(HUGE)[HUGE - 1].item() == 0 and WIDE.expand(10 ** 7, 10 ** 6).diagonal().shape == (10 ** 6,)


def test_nothing_is_drawn_where_there_is_no_room():
    ta.manual_seed(3)
    first = ta.rand(3).numpy()
    ta.manual_seed(3)
    with pytest.raises(MemoryError):
        ta.rand(10 ** 16)
    assert np.array_equal(ta.rand(3).numpy(), first)


@pytest.mark.parametrize(("size", "words"), [(0, "0 bytes"), (1023, "1023 bytes"), (1024, "1.0 KiB"), (3 << 29, "1.5 GiB"), (1 << 50, "1.0 PiB")])
def test_bytes_told(size, words):
    assert memory.told(size) == words


def test_what_is_free_is_asked_for_large_arrays_only(monkeypatch):
    monkeypatch.setattr(memory, "free", lambda: 1 << 20)
    assert memory.lacking(memory.MUCH - 1) == ""
    assert memory.lacking(memory.MUCH) == "would need 256.0 MiB of memory, and 1.0 MiB are free"
