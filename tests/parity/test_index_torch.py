"""``x[…]`` and ``x[…] = v`` against PyTorch: every form that an index can take, values, gradients, gradients of gradients."""
import numpy as np
import pytest
from op_samples import close

import tinyattn as ta
from tinyattn import kernels

torch = pytest.importorskip("torch")
SHAPE = (4, 3, 5)
MASKS = {"rows": [True, False, True, True], "columns": [False, True, True], "last": [True, False, True, False, True]}


def ints(t, values):
    return t.tensor(values, dtype=np.int64 if t is ta else torch.int64)


def mask(t, name):
    if name == "all":
        return t.tensor((np.arange(60).reshape(SHAPE) % 3 == 0).tolist())
    if name == "first two":
        return t.tensor((np.arange(12).reshape(4, 3) % 5 < 2).tolist())
    if name == "last two":
        return t.tensor((np.arange(15).reshape(3, 5) % 4 == 1).tolist())
    return t.tensor(MASKS[name])


FORMS = {
    "a number": lambda t: 2, "from the end": lambda t: -1, "numbers": lambda t: (1, -3, 4), "all numbers and …": lambda t: (1, 2, 3, ...),
    "nothing": lambda t: (), "…": lambda t: ..., "None": lambda t: None, "a slice": lambda t: slice(1, 3),
    "steps": lambda t: (slice(None, None, 2), slice(1, None, 3), slice(-4, -1, 2)), "beyond the end": lambda t: slice(2, 99),
    "an empty slice": lambda t: slice(3, 1), "None between": lambda t: (None, 1, slice(None), None, slice(0, 2)),
    "… and a number": lambda t: (..., 2), "a number, … and a slice": lambda t: (0, ..., slice(1, 4)), "NumPy's number": lambda t: np.int32(1),
    "a 0-d tensor": lambda t: ints(t, 2), "0-d tensors in a slice": lambda t: slice(ints(t, 1), ints(t, 3)),
    "a list": lambda t: [0, 2], "a list, some twice, negative": lambda t: [3, 3, -1, 0, 3], "a range": lambda t: range(1, 4),
    "an empty list": lambda t: [], "an empty tensor": lambda t: ints(t, []), "a tensor": lambda t: ints(t, [1, 0]),
    "a tensor of two axes": lambda t: ints(t, [[1, 0, 2], [3, 3, 0]]), "NumPy's array": lambda t: np.array([1, 2]),
    "int32": lambda t: t.tensor([0, 1], dtype=np.int32 if t is ta else torch.int32), "a tuple inside": lambda t: ((0, 2),),
    "a list of truths": lambda t: [True, False, True, False], "second axis": lambda t: (slice(None), [2, 0]), "last axis": lambda t: (..., [4, 0, 4]),
    "two lists": lambda t: ([0, 1, 3], [2, 0, 0]), "three": lambda t: ([0, 1], [2, 0], [4, 4]), "two axes broadcast": lambda t: (ints(t, [[0], [3]]), [2, 0, 1]),
    "one broadcast": lambda t: ([1], [0, 1, 2]), "apart": lambda t: ([0, 1], slice(None), [2, 4]),
    "apart, sliced": lambda t: ([0, 1, 1], slice(0, 2), ints(t, [[0, 1, 2], [4, 4, 3]])), "adjacent at the end": lambda t: (slice(1, 3), [0, 2], [4, 1]),
    "a number and a list": lambda t: (0, slice(None), [0, 1]), "a 0-d tensor and a list": lambda t: (ints(t, 1), slice(None), [0, 1, 1]),
    "a list and a number": lambda t: ([0, 1], 2), "lists around a number": lambda t: ([0, 1], 2, [3, 4]), "None and lists": lambda t: (None, [0, 1], None, [2, 0]),
    "lists around None": lambda t: ([0, 1], None, [0, 1]), "… between lists": lambda t: ([0, 1], ..., [3, 4]), "…, list, slice": lambda t: (..., [0, 1], slice(1, 4)),
    "mask": lambda t: mask(t, "all"), "mask of rows": lambda t: mask(t, "rows"), "mask of the first two": lambda t: mask(t, "first two"),
    "mask of the last two": lambda t: (slice(1, 3), mask(t, "last two")), "mask of columns": lambda t: (slice(None), mask(t, "columns")),
    "mask and list": lambda t: (mask(t, "rows"), slice(None), [0, 1, 4]),
    "number and mask": lambda t: (2, mask(t, "last two")), "mask of nobody": lambda t: t.tensor([False] * 4),
    "True": lambda t: True, "False": lambda t: False, "True and a list": lambda t: (True, [0, 1]), "a 0-d mask": lambda t: t.tensor(True),
    "True at the end": lambda t: (..., True), "mask broadcast with one": lambda t: (mask(t, "rows"), [1]),
}
WHOLE = np.random.default_rng(0).normal(size=SHAPE)


@pytest.mark.parametrize("rung", kernels.HOST_RUNGS)
@pytest.mark.parametrize("form", FORMS)
def test_reading(form, rung):
    x, tx = ta.Tensor(WHOLE.copy(), requires_grad=True), torch.tensor(WHOLE, requires_grad=True)
    with kernels.use(rung):
        y, ty = x[FORMS[form](ta)], tx[FORMS[form](torch)]
        close(y.data, ty.detach().numpy(), 0, "values")
        assert y.is_contiguous() or not isinstance(FORMS[form](ta), (list, np.ndarray))
        (g,), (tg,) = ta.grad((y ** 3).sum(), [x], create_graph=True), torch.autograd.grad((ty ** 3).sum(), [tx], create_graph=True)
        close(g.data, tg.detach().numpy(), 1e-13, "gradient")
        if ty.numel():
            (h,), (th,) = ta.grad((g ** 2).sum(), [x]), torch.autograd.grad((tg ** 2).sum(), [tx])
            close(h.data, th.numpy(), 1e-12, "second gradient")


@pytest.mark.parametrize("form", FORMS)
def test_views_are_views(form):
    """What PyTorch gives as a view is one here: written to, it changes the base."""
    x, tx = ta.Tensor(WHOLE.copy()), torch.tensor(WHOLE)
    y, ty = x[FORMS[form](ta)], tx[FORMS[form](torch)]
    if ty.numel():
        y[...] = 7
        ty[...] = 7
    assert np.array_equal(x.data, tx.numpy())


def value_of(kind, shape):
    random = np.random.default_rng(1)
    if kind == "whole":
        return random.normal(size=shape)
    if kind == "row":
        return random.normal(size=shape[-1:])
    return random.normal(size=(1,) + shape[:1] + (1,) * (len(shape) - 1) if shape else (1,))    # its leading 1 is left out (of views)


def is_view(form):
    x = torch.zeros(SHAPE)
    return x[FORMS[form](torch)].untyped_storage().data_ptr() == x.untyped_storage().data_ptr()


TWICE = {"a list, some twice, negative", "a tensor of two axes", "last axis", "apart, sliced", "a 0-d tensor and a list"}
"""Forms that name a place twice: which value stays is up to PyTorch."""


KINDS = ["whole", "row", "column", "number", "under recording", "value alone"]


@pytest.mark.parametrize("form, kind", [(f, k) for f in FORMS for k in KINDS if f not in TWICE and (k != "column" or is_view(f))])
def test_writing(form, kind):
    shape = torch.zeros(SHAPE)[FORMS[form](torch)].shape
    value = 2.5 if kind == "number" else value_of({"under recording": "row", "value alone": "row"}.get(kind, kind), tuple(shape))
    x, tx = ta.Tensor(WHOLE.copy(), requires_grad=kind == "under recording"), torch.tensor(WHOLE, requires_grad=kind == "under recording")
    recorded = kind in ("under recording", "value alone")
    v, tv = (value, value) if kind == "number" else (ta.Tensor(value.copy(), requires_grad=recorded), torch.tensor(value, requires_grad=recorded))
    y, ty = (x * 2, tx * 2) if kind == "under recording" else (x, tx)
    y[FORMS[form](ta)] = v
    ty[FORMS[form](torch)] = tv
    close(y.data, ty.detach().numpy(), 0, "values")
    if recorded and ty.requires_grad:
        wanted, their_wanted = [z for z in (x, v) if z.requires_grad], [z for z in (tx, tv) if z.requires_grad]
        ours = ta.grad((y ** 2).sum(), wanted, allow_unused=True)
        theirs = torch.autograd.grad((ty ** 2).sum(), their_wanted, allow_unused=True)
        for a, b in zip(ours, theirs, strict=True):
            close(None if a is None else a.data, None if b is None else b.numpy(), 1e-13, "gradient")


def test_written_twice_the_last_stays_and_each_value_has_a_gradient():
    x, v = ta.zeros(3), ta.tensor([1.0, 2.0, 3.0], requires_grad=True)
    x[[1, 1, 0]] = v
    assert x.tolist() == [3.0, 2.0, 0.0]
    (x * ta.tensor([5.0, 7.0, 9.0])).sum().backward()
    assert v.grad.tolist() == [7.0, 7.0, 5.0]


@pytest.mark.parametrize("dtype", ["int64", "bool", "float32"])
def test_other_dtypes(dtype):
    a = (np.arange(12).reshape(3, 4) % 3).astype(dtype)
    x, tx = ta.Tensor(a.copy()), torch.tensor(a)
    for index in ([0, 2], (slice(None), [1, 1]), (1, [0, 3])):
        assert np.array_equal(x[index].data, tx[index].numpy()) and x[index].dtype == a.dtype
    x[[0, 1], 1:3], tx[[0, 1], 1:3] = 1, 1
    x[1], tx[1] = True, True
    assert np.array_equal(x.data, tx.numpy())


def test_sorted_as_pytorch_sorts():
    """NaN last, or first of all; equal numbers in the order they came; every dtype."""
    random = np.random.default_rng(0)
    floats = random.integers(-3, 4, (5, 40)).astype(np.float64)
    floats[random.random((5, 40)) < 0.1] = np.nan
    floats[random.random((5, 40)) < 0.1] = -np.inf
    for a in (floats, floats.astype(np.float32), random.integers(0, 5, (5, 40)), random.random((5, 40)) < 0.5):
        for dim in (0, 1):
            for descending in (False, True):
                for rung in kernels.HOST_RUNGS:
                    with kernels.use(rung):
                        ours = ta.sort(ta.Tensor(a), dim, descending, stable=True)
                    theirs = torch.sort(torch.tensor(a), dim=dim, descending=descending, stable=True)
                    assert np.array_equal(ours.indices.data, theirs.indices.numpy())
                    np.testing.assert_array_equal(ours.values.data, theirs.values.numpy())
                    if a.dtype != bool:
                        with kernels.use(rung):
                            few = ta.Tensor(a).topk(2, dim, descending)
                        np.testing.assert_array_equal(few.values.data, torch.tensor(a).topk(2, dim, descending).values.numpy())
