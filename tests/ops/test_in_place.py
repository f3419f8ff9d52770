"""Methods that change a tensor: their values, their views, and their gradients."""
import numpy as np
import pytest
from answers import expect

import tinyattn as ta


def test_values_and_views():
    x = ta.arange(6, dtype=np.float32).reshape(2, 3)
    row = x[0]
    assert x.zero_() is x and row.tolist() == [0, 0, 0]
    row.fill_(2.5)
    assert x.tolist() == [[2.5] * 3, [0] * 3]
    assert x.add_(1).mul_(4).sub_(ta.tensor([1.0, 2, 3]), alpha=2).div_(4).tolist() == [[3, 2.5, 2], [0.5, 0, -0.5]]
    assert x.clamp_(min=0).data.min() == 0
    assert x.copy_(ta.tensor([7.0, 8, 9])).tolist() == [[7, 8, 9]] * 2


@pytest.mark.parametrize("change", [lambda y: y.mul_(y), lambda y: y.div_(2), lambda y: y.add_(y, alpha=3), lambda y: y.clamp_(0, 3)])
def test_gradients_are_those_of_the_operation(change):
    x = ta.tensor([1.0, -2.0, 3.0], dtype=np.float64, requires_grad=True)
    y = x * 2
    change(y)
    y.sum().backward()
    z = ta.tensor(x.data, requires_grad=True)
    same = {"mul_": lambda y: y * y, "div_": lambda y: y / 2, "add_": lambda y: y + 3 * y, "clamp_": lambda y: y.clamp(0, 3)}
    same[change.__code__.co_names[0]](z * 2).sum().backward()
    np.testing.assert_array_equal(x.grad.data, z.grad.data)


def test_what_is_overwritten_has_no_gradient():
    x = ta.ones(3, requires_grad=True)
    y = x * 2
    y.zero_()
    (y + x).sum().backward()
    assert x.grad.tolist() == [1, 1, 1]


def test_mistakes():
    x = ta.ones(3, requires_grad=True)
    expect(lambda: x.zero_(), RuntimeError, "this leaf requires a gradient, and changing it would lose the value")
    expect(lambda: ta.ones(3).add_(ta.ones(2, 3)), ValueError, "in place, the result must keep the shape (3,), got (2, 3)")
    expect(lambda: ta.ones(3, dtype=np.int64).mul_(0.5), TypeError, "in place, the result must keep the dtype int64, got float32")
    expect(lambda: ta.ones(3).copy_(np.ones(3)), TypeError, "copy_: src must be a Tensor, got ndarray")
