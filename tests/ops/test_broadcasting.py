"""Any shapes: broadcasting and reductions against NumPy, with un-broadcast gradients, on shapes that Hypothesis invents."""
import numpy as np
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra.numpy import mutually_broadcastable_shapes

import tinyattn as ta
from tinyattn import kernels

few = settings(max_examples=60, deadline=None, derandomize=True, database=None)
rungs = st.sampled_from(kernels.HOST_RUNGS)


def _array(shape, seed):
    return np.random.default_rng(seed).uniform(0.5, 2, shape)


@few
@given(mutually_broadcastable_shapes(num_shapes=2, max_dims=4, max_side=4), rungs, st.sampled_from(["add", "sub", "mul", "div"]))
def test_two_operands(shapes, rung, name):
    a, b = (_array(s, i) for i, s in enumerate(shapes.input_shapes))
    f = {"add": np.add, "sub": np.subtract, "mul": np.multiply, "div": np.divide}[name]
    with kernels.use(rung):
        x, y = ta.Tensor(a, requires_grad=True), ta.Tensor(b, requires_grad=True)
        z = getattr(ta, name)(x, y)
        weights = _array(z.shape, 3)
        z.backward(ta.Tensor(weights))
    np.testing.assert_allclose(z.data, f(a, b), rtol=1e-14)
    assert z.shape == shapes.result_shape
    full_a, full_b = np.broadcast_to(a, z.shape), np.broadcast_to(b, z.shape)
    da = {"add": weights, "sub": weights, "mul": weights * full_b, "div": weights / full_b}[name]
    db = {"add": weights, "sub": -weights, "mul": weights * full_a, "div": -weights * full_a / full_b**2}[name]
    for leaf, d in ((x, da), (y, db)):
        extra = d.ndim - leaf.ndim
        repeated = tuple(range(extra)) + tuple(i for i in range(extra, d.ndim) if leaf.shape[i - extra] == 1)
        expected = d.sum(repeated, keepdims=True).reshape(leaf.shape)
        np.testing.assert_allclose(leaf.grad.data, expected, rtol=1e-12, atol=1e-12)


@st.composite
def reductions(draw):
    shape = tuple(draw(st.lists(st.integers(1, 5), min_size=0, max_size=4)))
    axes = draw(st.lists(st.integers(-len(shape), len(shape) - 1), unique_by=lambda a: a % len(shape), max_size=len(shape))) if shape else []
    return shape, tuple(axes), draw(st.booleans()), draw(st.permutations(range(len(shape))))


@few
@given(reductions(), rungs, st.sampled_from(["sum", "mean", "amax", "amin", "prod"]))
def test_reductions(case, rung, name):
    shape, axes, keep, order = case
    a = _array(shape, 0).transpose(order)                       # memory in another order than the axes
    axes = tuple(axes) or None
    f = {"sum": np.sum, "mean": np.mean, "amax": np.max, "amin": np.min, "prod": np.prod}[name]
    with kernels.use(rung):
        x = ta.Tensor(a, requires_grad=True)
        y = getattr(ta, name)(x, dim=axes, keepdim=keep)
        weights = _array(y.shape, 1)
        y.backward(ta.Tensor(weights))
    np.testing.assert_allclose(y.data, f(a, axis=axes, keepdims=keep), rtol=1e-13)
    all_axes = tuple(range(a.ndim)) if axes is None else axes
    spread = weights if keep or not all_axes else np.expand_dims(weights, all_axes)
    kept = f(a, axis=axes, keepdims=True)
    share = {"sum": 1.0, "mean": kept.size / max(a.size, 1), "prod": kept / a,
             "amax": (a == kept) * 1.0, "amin": (a == kept) * 1.0}[name]
    np.testing.assert_allclose(x.grad.data, np.broadcast_to(spread, a.shape) * share, rtol=1e-11, atol=1e-12)


@few
@given(reductions(), rungs)
def test_reshapes_and_views_agree_with_numpy(case, rung):
    shape, axes, _, order = case
    a = _array(shape, 0).transpose(order)
    with kernels.use(rung):
        x = ta.Tensor(a, requires_grad=True)
        y = x.reshape(-1)
        z = x.permute(*order[::-1]) if shape else x
        assert np.array_equal(y.data, a.reshape(-1)) and np.array_equal(z.data, a.transpose(order[::-1]))
        weights = _array(z.shape, 2)
        (z * ta.Tensor(weights)).sum().backward()
    assert np.array_equal(x.grad.data, weights.transpose(np.argsort(order[::-1])) if shape else weights)
