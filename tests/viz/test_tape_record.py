"""What is written down of a sweep, and what is answered where there is nothing to write down."""
import numpy as np
import pytest

import tinyattn as ta
from tinyattn import nn
from tinyattn.ops.elementwise import AddFunction, MulFunction
from tinyattn.viz.tape_record import MOST_NODES, recorded, source


def leaf(*shape):
    return ta.tensor(np.random.default_rng(len(shape)).standard_normal(shape), requires_grad=True)


def test_gradients_are_left_alone_and_the_graph_is_kept():
    w = leaf(3)
    h = (w * 2).exp()
    h.retain_grad()
    calls = []
    w.register_hook(lambda g: calls.append(1))
    loss = h.sum()
    held = recorded(loss)
    assert w.grad is None and h.grad is None and not calls
    assert not any("backward" in vars(node) for node in (loss.grad_fn, h.grad_fn)) and h.grad_fn.hooks and w._hooks
    loss.backward()
    assert calls == [1] and np.allclose(h.grad.data, 1)
    last = held["steps"][-1]["sends"][0]
    np.testing.assert_array_equal(last["sofar"]["values"], w.grad.data)
    assert [node["kind"] for node in held["nodes"]].count("leaf") == 1


def test_an_error_on_the_way_leaves_the_graph_as_it_was():
    class Broken(ta.Function):
        def forward(ctx, x):
            return x + 1

        def backward(ctx, dy):
            raise RuntimeError("no luck")
    w = leaf(2)
    handle = w.register_hook(lambda g: None)
    loss = Broken.apply(w).sum()
    with pytest.raises(RuntimeError, match="no luck"):
        recorded(loss)
    assert "backward" not in vars(loss.grad_fn) and w._hooks and w.grad is None
    handle.remove()


def test_names_and_values():
    model = nn.Linear(2, 3)
    x = ta.randn(5, 2)
    y = model(x)
    loss = (y * y).sum()
    held = recorded(loss, names={"model": model, "x": x, "y": y, "other": 3}, values=6)
    names = {node["name"] for node in held["nodes"] if node["kind"] != "operation"}
    assert {"model.weight", "model.bias", "x"} <= names
    called = {node["called"]: node for node in held["nodes"] if node.get("called")}
    assert called["y"]["outputs"][0]["value"]["shape"] == [5, 3]
    assert set(called["y"]["outputs"][0]["value"]) == {"shape", "dtype", "least", "mean", "most"}
    weight = next(node for node in held["nodes"] if node["name"] == "model.weight")
    np.testing.assert_array_equal(weight["value"]["values"], model.weight.data.ravel())
    assert {node["name"] for node in recorded((model(x) ** 2).sum(), names=model)["nodes"]} >= {"weight", "bias"}


def test_where_a_derivative_is_written():
    assert source(MulFunction)["code"].startswith("def partials(ctx, dy, a, b):") and source(AddFunction)["where"].startswith("tinyattn/ops/elementwise.py:")
    tanh = ta.tanh(leaf(2)).grad_fn
    assert "lambda" in source(type(tanh))["code"] and "pointwise" not in source(type(tanh))["where"]     # its own formula, not the factory's
    made = {}
    exec("import tinyattn as ta\nclass Mine(ta.Function):\n    def backward(ctx, dy):\n        return dy", made)
    assert source(made["Mine"]) is None


def test_the_line_that_called_it():
    w = leaf(2)
    with ta.detect_anomaly():
        loss = w.exp().sum()
    lines = [node["line"] for node in recorded(loss)["nodes"] if node["kind"] == "operation"]
    assert all("test_tape_record.py" in line for line in lines)
    assert "line" not in recorded(w.exp().sum())["nodes"][0]


def test_numbers_that_are_none(tmp_path):
    w = ta.tensor([0.0, 1.0], requires_grad=True)
    with np.errstate(all="ignore"):
        loss = (w / w).log().sum()
        ta.viz.tape(loss, tmp_path / "t.html")
    assert '"NaN"' in (tmp_path / "t.html").read_text(encoding="utf-8")


def long_chain():
    x = leaf(1)
    for _ in range(MOST_NODES + 1):
        x = x + 1
    return x.sum()


def freed():
    loss = leaf(2).exp().sum()
    loss.backward()
    return loss


@pytest.mark.parametrize("make, options, error, words", [
    (lambda: 3.0, {}, TypeError, "loss must be a Tensor, got float"),
    (lambda: leaf(2), {}, RuntimeError, "tape: only a scalar has an implicit gradient"),
    (lambda: ta.ones(1).sum(), {}, RuntimeError, "tape: the tensor of shape \\(\\) needs no gradient"),
    (lambda: ta.tensor(1.0, requires_grad=True), {}, ValueError, "the tensor is a leaf"),
    (long_chain, {}, ValueError, "more than 200 operations"),
    (freed, {}, RuntimeError, "call ta.viz.tape\\(loss, …\\) before loss.backward\\(\\), or loss.backward\\(retain_graph=True\\)"),
    (lambda: leaf(2).exp().sum(), {"names": [1]}, TypeError, "names must be a dict"),
    (lambda: leaf(2).exp().sum(), {"values": 0}, ValueError, "values must be an int of at least 1"),
    (lambda: leaf(2).exp().sum(), {"gradient": ta.ones(3)}, ValueError, "gradient has shape"),
])
def test_what_cannot_be_shown(tmp_path, make, options, error, words):
    with pytest.raises(error, match=words):
        ta.viz.tape(make(), tmp_path / "t.html", **options)
    assert not (tmp_path / "t.html").exists()


def test_a_result_that_is_no_scalar():
    y = leaf(2).exp()
    held = recorded(y, gradient=ta.tensor(np.array([1.0, -2.0])))
    assert held["steps"][0]["sends"][0]["gradient"]["values"] == [1, -2]
