"""float32 is judged by what rounding can do: where everything cancels as well, and without letting a fault of float32 through."""
import numpy as np
import pytest

import tinyattn as ta
from tinyattn import kernels
from tinyattn.gradcheck.cases import Case, I, N, P
from tinyattn.gradcheck.float32 import gradcheck_float32
from tinyattn.ops import attention, norm, softmax

ATTENTION = [N(2, 3, 4, 5), N(2, 3, 1, 5), N(2, 3, 1, 5)]

CANCELLING = {
    # title: (call, inputs): gradients that are 0, or nearly, because the terms of a formula cancel
    "a layer norm over one number": (lambda t, F, x, w, b: F.layer_norm(x, (1,), w, b), [N(5, 1), N(1), N(1)]),
    "a layer norm over two": (lambda t, F, x, w, b: F.layer_norm(x, (2,), w, b), [N(5, 2), N(2), N(2)]),
    "a layer norm over two far apart": (lambda t, F, x, w, b: F.layer_norm(x * 100, (2,), w, b), [N(5, 2), N(2), N(2)]),
    "a layer norm of what a row shares": (lambda t, F, x, b: F.layer_norm(x + b, (5,)), [N(4, 5), N(4, 1)]),
    "a layer norm of a row's scale": (lambda t, F, x, b: F.layer_norm(x * b, (5,), eps=1e-12), [N(4, 5), P(4, 1)]),
    "a group norm over one number": (lambda t, F, x, w, b: F.group_norm(x, 3, w, b), [N(2, 3), N(3), N(3)]),
    "a group norm over one pixel": (lambda t, F, x, w, b: F.group_norm(x, 3, w, b), [N(2, 3, 1, 1), N(3), N(3)]),
    "an instance norm over two pixels": (lambda t, F, x, w, b: F.instance_norm(x, None, None, w, b), [N(2, 3, 2), N(3), N(3)]),
    "a batch norm over two": (lambda t, F, x, w, b: F.batch_norm(x, None, None, w, b, True), [N(2, 3), N(3), N(3)]),
    "a bias before a batch norm": (lambda t, F, x, b: F.batch_norm(x + b, None, None, None, None, True), [N(6, 5), N(5)]),
    "a softmax over one": (lambda t, F, x, y: F.softmax(x * y, 1) * y, [N(4, 1), N(4, 1)]),
    "a softmax of what a row shares": (lambda t, F, x, b: F.softmax(x + b, 1), [N(4, 5), N(4, 1)]),
    "a log-softmax over one": (lambda t, F, x, y: F.log_softmax(x * y, 1) * y, [N(4, 1), N(4, 1)]),
    "attention to one key": (lambda t, F, q, k, v: F.scaled_dot_product_attention(q, k, v), ATTENTION),
    "attention to one wide key": (lambda t, F, q, k, v: F.scaled_dot_product_attention(q, k, v), [N(2, 4, 64), N(2, 1, 64), N(2, 1, 64)]),
    "attention to keys that share a part": (lambda t, F, q, k, v, b: F.scaled_dot_product_attention(q, k + b, v), [N(4, 5), N(7, 5), N(7, 5), N(5)]),
    "one class": (lambda t, F, x, y: F.cross_entropy(x, y), [N(4, 1), I(1, 4)]),
    "a direction of one": (lambda t, F, x: F.normalize(x, dim=1), [N(4, 1)]),
    "a ratio of equals": (lambda t, F, x: x / x, [N(4, 3)]),
    "a variance of one": (lambda t, F, x: t.var(x, 1, correction=0), [N(4, 1)]),
}


def checked(call, inputs, seed=0):
    case = Case("a sample", "", call, tuple(inputs))
    return gradcheck_float32(*[case.prepared(seed, dtype, rounded=True) for dtype in (np.float32, np.float64)], raise_exception=False, seed=seed,
                             curve=False)


@pytest.mark.parametrize("rung", ["cpu", "reference"])
@pytest.mark.parametrize("title", CANCELLING)
def test_what_rounding_leaves_of_terms_that_cancel_is_no_fault(title, rung):
    with kernels.use(rung):
        for seed in range(3):
            report = checked(*CANCELLING[title], seed)
            assert report, str(report)


def remembered(ctx, g, dy):
    """g with a thousandth of dy added: not a term that cancels any more."""
    return g + dy * 1e-3


FAULTS = {
    "30 millionths too large": lambda ctx, g, dy: g * (1 + 3e-5), "half precision inside": lambda ctx, g, dy: ta.Tensor(g.data.astype(np.float16).astype(g.dtype)),
    "a thousandth of dy more": remembered, "one element 1 in 10,000 too large": lambda ctx, g, dy: g * ta.Tensor(_one(g)),
}


def _one(g):
    factor = np.ones(g.shape, g.dtype)
    factor[np.unravel_index(np.abs(g.data).argmax(), g.shape)] += 1e-4
    return factor


OPERATIONS = {
    # where a fused backward makes the gradient: (class, call, inputs), at points where nothing cancels
    "layer_norm": (norm.LayerNormFunction, lambda t, F, x, w, b: F.layer_norm(x, (5,), w, b), [N(3, 5), N(5), N(5)]),
    "group_norm": (norm.GroupNormFunction, lambda t, F, x, w, b: F.group_norm(x, 2, w, b), [N(2, 4, 3, 3), N(4), N(4)]),
    "batch_norm": (norm.BatchNormFunction, lambda t, F, x, w, b: F.batch_norm(x, None, None, w, b, True), [N(6, 3), N(3), N(3)]),
    "softmax": (softmax.SoftmaxFunction, lambda t, F, x: F.softmax(x, 1), [N(3, 5)]),
    "log_softmax": (softmax.LogSoftmaxFunction, lambda t, F, x: F.log_softmax(x, 1), [N(3, 5)]),
    "attention": (attention.AttentionFunction, lambda t, F, q, k, v: F.scaled_dot_product_attention(q, k, v), [N(2, 4, 5), N(2, 6, 5), N(2, 6, 5)]),
}


def break_float32(cls, change, monkeypatch):
    """The gradient of the first input, where it is float32 and not recorded, goes through `change`."""
    original = cls.backward

    def backward(ctx, dy, *others):
        results = original(ctx, dy, *others)
        first, *rest = results if isinstance(results, tuple) else (results,)
        if first.dtype == np.float32 and not ta.is_grad_enabled():
            first = change(ctx, first, dy)
        return (first, *rest)
    monkeypatch.setattr(cls, "backward", backward)


@pytest.mark.parametrize("fault", FAULTS)
@pytest.mark.parametrize("name", OPERATIONS)
def test_faults_of_float32_alone_are_caught(name, fault, monkeypatch):
    cls, call, inputs = OPERATIONS[name]
    with kernels.use("reference"):
        assert checked(call, inputs)
        break_float32(cls, FAULTS[fault], monkeypatch)
        report = checked(call, inputs)
    assert not report and report.failures[0].input == 0


CENTRES = {title: cls for title, cls in [
    ("a layer norm over one number", norm.LayerNormFunction), ("a layer norm over two", norm.LayerNormFunction),
    ("a group norm over one pixel", norm.GroupNormFunction), ("an instance norm over two pixels", norm.GroupNormFunction),
    ("a batch norm over two", norm.BatchNormFunction), ("a softmax of what a row shares", softmax.SoftmaxFunction),
    ("attention to one key", attention.AttentionFunction)]}


@pytest.mark.parametrize("title", CENTRES)
def test_terms_that_cancel_are_no_hiding_place(title, monkeypatch):
    """Where the true gradient is 0, or nearly, a thousandth of one of the terms that should cancel is too much."""
    with kernels.use("reference"):
        break_float32(CENTRES[title], remembered, monkeypatch)
        assert not checked(*CANCELLING[title])
