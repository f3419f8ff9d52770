"""The cause that the checker names, on operations and shapes that its detectors were not written with.

The detectors were written with linear, conv2d of 3×3, softmax and the mistakes of test_gradcheck.py. Here stand others. Each breaks
the gradient of one input of one operation in a known way; the checker must name that cause.
"""
import numpy as np
import pytest

import tinyattn as ta
import tinyattn.nn.functional as F
from tinyattn import kernels
from tinyattn.gradcheck.float32 import gradcheck_float32
from tinyattn.gradcheck.whole import _orders
from tinyattn.ops import attention, axes, conv, elementwise, gather, index, loss, norm, pool, recurrent, reduce, shape
from tinyattn.ops.compare import WhereFunction
from tinyattn.ops.shape import CastFunction


@pytest.fixture(autouse=True)
def plain_kernels():
    with kernels.use("reference"):
        yield


def given(*lengths, seed=0):
    return ta.tensor(np.random.default_rng(seed + sum(lengths)).normal(size=lengths), requires_grad=True)


def positive(*lengths):
    return ta.tensor(np.random.default_rng(sum(lengths)).uniform(0.5, 2, lengths), requires_grad=True)


def along(g, axis, factor):
    """g times factor(i) at index i of an axis."""
    f = np.array([factor(i) for i in range(g.shape[axis])], float)
    return g * ta.Tensor(f.reshape([-1 if a == axis % g.ndim else 1 for a in range(g.ndim)]) * np.ones(g.shape))


def moved(g, axis):
    return ta.Tensor(np.roll(g.data, 1, axis))


def rim(g):
    """g with zeros all around its last two axes."""
    return along(along(g, -1, lambda i: 0 < i < g.shape[-1] - 1), -2, lambda i: 0 < i < g.shape[-2] - 1)


def last_use(ctx, g, dy):
    out, places = np.zeros(g.shape), ctx.saved[0].data
    for at in np.ndindex(*places.shape):
        out[at[0], places[at]] = dy.data[at]
    return ta.Tensor(out)


def mean_of_uses(ctx, g, dy):
    return g * ta.Tensor(1 / np.maximum(np.bincount(ROWS.data, minlength=6), 1)).reshape(-1, 1)


def without_variance(ctx, g, dy, *_):
    x, weight, _, _, mean, rstd = ctx.saved
    normed = (x - mean) * rstd
    return g + rstd * weight * normed * (dy * normed).mean(0, keepdim=True)


class Scaled(ta.Function):
    """y = w x³"""

    def forward(ctx, x, w):
        ctx.save(x, w)
        return w * x**3

    def backward(ctx, dy):
        x, w = ctx.saved
        return dy * 3 * x * x * w, dy * x * x * x


class Centred(ta.Function):
    """y = x − mean of its row"""

    def forward(ctx, x):
        return x - x.mean(1, keepdims=True)

    def backward(ctx, dy):
        return dy - dy.mean(1, keepdim=True)


ROWS = ta.tensor(np.array([0, 2, 2, 5, 5, 5, 1]))
PLACES = ta.tensor(np.array([[0, 0, 2], [1, 4, 4], [3, 3, 3], [0, 1, 2]]))
LABELS = ta.tensor(np.array([0, 2, 3, 1, 1, 0, 2]))
PROBED = ta.tensor(np.random.default_rng(4).normal(size=(2, 3, 6)))

BROKEN = {
    # title: (kinds, class, input of the operation, what is done to its gradient, function, inputs, words)
    "max_pool2d at the border": (("border",), pool.MaxPool2dFunction, 0, lambda ctx, g, *_: rim(g), lambda x: F.max_pool2d(x, 3, 1, 1) ** 2,
                                 [given(2, 2, 7, 6)], "padding"),
    "every third of a slice": (("stride",), index.SliceFunction, 0, lambda ctx, g, dy: g * 1.2, lambda x: x[:, ::3] ** 2 + (x * x).sum(1, keepdim=True),
                               [given(2, 9)], "every third"),
    "a group of conv_transpose2d": (("groups",), conv.ConvTranspose2dFunction, 1, lambda ctx, g, dy: along(g, 0, lambda i: 1 + (2 <= i < 4)),
                                    lambda x, w: F.conv_transpose2d(x, w, groups=3), [given(2, 6, 3, 2), given(6, 2, 2, 2)], "group 1 of 3"),
    "gather that overwrites": (("last use",), gather.GatherFunction, 0, last_use, lambda x: x.gather(1, PLACES) ** 2, [given(4, 5)], "overwritten"),
    "index_select by a mean": (("mean",), gather.IndexSelectFunction, 0, mean_of_uses, lambda x: ta.index_select(x, 0, ROWS), [given(6, 4)],
                               "number of uses"),
    "cumsum from the wrong end": (("transposed",), reduce.CumsumFunction, 0, lambda ctx, g, dy: dy.cumsum(0), lambda x: x.cumsum(0), [given(6)], "Jᵀ"),
    "flip unflipped": (("flipped",), shape.FlipFunction, 0, lambda ctx, g, dy: dy, lambda x: x.flip(1) * PROBED[0], [given(3, 6)], "axis 1"),
    "cross_entropy without 1/N": (("sum",), loss.CrossEntropyFunction, 0, lambda ctx, g, dy: g * 7, lambda x: F.cross_entropy(x, LABELS), [given(7, 4)],
                                  "the batch size"),
    "keys without 1/√d": (("factor",), attention.AttentionFunction, 1, lambda ctx, g, *_: g * 7 ** 0.5,
                          lambda q, k, v: F.scaled_dot_product_attention(q, k, v, is_causal=True), [given(2, 4, 7), given(2, 4, 7, seed=1), given(2, 4, 3)],
                          "√7"),
    "batch_norm without the path through its variance": (("dropped sum",), norm.BatchNormFunction, 0, without_variance,
                                                         lambda x, w, b: F.batch_norm(x, None, None, w, b, True), [given(9, 3), given(3), given(3, seed=2)],
                                                         "sum over axis 0"),
    "where takes one row": (("un-broadcast",), WhereFunction, 2, lambda ctx, g, dy: (dy * ta.Tensor(1.0 - ctx.saved[0].data))[0],
                            lambda b: ta.where(PROBED[0] > 9, PROBED[0], b), [given(6)], "stretched"),
    "conv_transpose1d moved by one": (("off by one",), conv.ConvTranspose2dFunction, 0, lambda ctx, g, dy: moved(g, 3),
                                      lambda x, w: F.conv_transpose1d(x, w, stride=2), [given(2, 3, 6), given(3, 2, 3)], "along axis 2"),
    "the cell state of an LSTM": (("sign",), recurrent.LSTMFunction, 2, lambda ctx, g, *_: g * -1, lambda *a: recurrent.lstm(*a),
                                  [given(3, 2, 4), given(2, 5), given(2, 5, seed=1), given(20, 4), given(20, 5)], "sign"),
    "pow without dy": (("dy",), elementwise.PowFunction, 0, lambda ctx, g, dy: g / dy, lambda a, b: a ** b, [positive(3, 4), given(3, 4)], "dy"),
    "a forgotten weight": (("missing factor",), Scaled, 0, lambda ctx, g, dy: g / ctx.saved[1], lambda x, w: Scaled.apply(x, w), [given(4, 5), given(4, 5, seed=3)],
                           "input 1"),
    "one part of cat": (("nothing",), shape.CatFunction, 1, lambda ctx, g, dy: None, lambda a, b: ta.cat([a, b], 1), [given(2, 3), given(2, 2)], "nothing arrived"),
    "the last step of an LSTM": (("end", "off by one"), recurrent.LSTMFunction, 0, lambda ctx, g, *_: along(g, 0, lambda i: i < 4), lambda *a: recurrent.lstm(*a),
                                 [given(5, 2, 3), given(2, 4), given(2, 4, seed=1), given(16, 3), given(16, 4)], "last index along axis 0"),
    "layer_norm in float32": (("float32",), norm.LayerNormFunction, 1, lambda ctx, g, dy: g.float().double(), lambda x, w: F.layer_norm(x, (7,), w),
                              [given(3, 7), given(7)], "computed in float32"),
    "a mean over the wrong axis": (("wrong axis",), Centred, 0, lambda ctx, g, dy: dy - dy.mean(0, keepdim=True), Centred.apply, [given(4, 6)], "axis 0"),
    "a row left out": (("left out",), gather.IndexSelectFunction, 0, lambda ctx, g, dy: along(g, 0, lambda i: i != 2), lambda x: ta.index_select(x, 0, ROWS) ** 2,
                       [given(6, 4)], "some uses"),
    "two channels of batch_norm": (("channels",), norm.BatchNormInferenceFunction, 0, lambda ctx, g, dy: along(g, 1, lambda i: 1 - 0.5 * (2 <= i < 4)),
                                   lambda x: F.batch_norm(x, ta.zeros(6, dtype=np.float64), ta.ones(6, dtype=np.float64)) ** 2, [given(2, 6, 3, 3)],
                                   "channels 2 … 3"),
    "an axis not moved back": (("transposed",), axes.PermuteFunction, 0, lambda ctx, g, dy: dy, lambda x: x.movedim(0, 1) ** 2, [given(4, 4, 2)],
                               "axes in the order (1, 0, 2)"),
}


def broken_report(title, monkeypatch):
    _, cls, which, change, function, inputs, _ = BROKEN[title]
    assert ta.gradcheck(function, inputs, curve=False)
    original = cls.backward

    def backward(ctx, *gradients):
        results = original(ctx, *gradients)
        results = list(results) if isinstance(results, tuple) else [results]
        results[which] = change(ctx, results[which], *gradients)
        return tuple(results)
    monkeypatch.setattr(cls, "backward", backward)
    return ta.gradcheck(function, inputs, raise_exception=False, curve=False)


@pytest.mark.parametrize("title", BROKEN)
def test_the_cause_is_named(title, monkeypatch):
    report = broken_report(title, monkeypatch)
    (failure,) = report.failures
    assert failure.cause.kind in BROKEN[title][0] and BROKEN[title][-1] in failure.hint, failure.hint


@pytest.mark.parametrize("function, point, kind", [
    (lambda x: F.relu6(x), [6.0, 1.0, 7.0], "kink"), (lambda x: F.hardtanh(x, -0.5, 0.5), [0.5, 0.1, 2.0], "kink"),
    (lambda x: (x * 2).detach() * x, [1.0, 2.0, 3.0], "factor"), (lambda x: ta.where(x > 5, x, ta.sqrt(x - x)), [1.0, 2.0, 3.0], "not finite")])
def test_points_and_functions_of_the_user(function, point, kind):
    report = ta.gradcheck(function, ta.tensor(np.array(point), requires_grad=True), raise_exception=False, curve=False)
    assert report.failures and report.failures[0].cause.kind == kind, str(report)


@pytest.mark.parametrize("lengths", [(2,), (5,), (2, 2), (2, 3), (3, 2, 2)])
def test_no_two_orders_are_the_same(lengths):
    """Two descriptions of one change of places would both be told, and say one thing twice."""
    n = np.random.default_rng(0).normal(size=lengths)
    made = [change(n).tobytes() for _, _, change in _orders(lengths)]
    assert len(made) == len(set(made)) and n.tobytes() not in made


def test_a_pair_that_changed_places_is_told_once(monkeypatch):
    monkeypatch.setattr(shape.FlipFunction, "backward", lambda ctx, dy: dy)
    report = ta.gradcheck(lambda x: x.flip(0) * PROBED[0, :2], given(2, 6), raise_exception=False, curve=False)
    assert report.failures[0].cause.kind == "flipped" and "off by one" not in report.failures[0].hint


def test_a_mistake_that_float64_does_not_make_is_no_usual_one(monkeypatch):
    right = CastFunction.backward
    monkeypatch.setattr(CastFunction, "backward", lambda ctx, dy: -right(ctx, dy))
    x = np.random.default_rng(0).normal(size=(3, 4)).astype(np.float32)
    single, double = ((lambda x: x.double() ** 2, [ta.tensor(x.astype(dtype), dtype=dtype, requires_grad=True)])
                      for dtype in (np.float32, np.float64))
    report = gradcheck_float32(single, double, raise_exception=False, curve=False)
    assert not report and "only on float32's way" in str(report)
