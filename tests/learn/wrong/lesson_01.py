"""Answers to lesson 01 that are wrong, each as a mistake that people make, and a word of the hint they should get."""
import math


def divide_without_sign(a, b):
    return a / b, 1 / b, a / b ** 2


def divide_as_product(a, b):
    return a / b, b, -a / b ** 2


def divide_without_factor(a, b):
    return a / b, 1 / b, -1 / b ** 2


def sigmoid_slope_of_tanh(x):
    y = 1 / (1 + math.exp(-x))
    return y, 1 - y * y


def sigmoid_wrong_exponent(x):
    y = 1 / (1 + math.exp(x))
    return y, y * (1 - y)


def sigmoid_without_inner_step(x):
    y = 1 / (1 + math.exp(-x))
    return y, -y * y


def backward_every_way(node, upstream=1.0):
    if upstream == 1.0:
        _zero(node)
    node.grad += upstream
    for parent, slope in node.parents:
        backward_every_way(parent, upstream * slope)


def _zero(node, seen=None):
    seen = set() if seen is None else seen
    if node not in seen:
        seen.add(node)
        node.grad = 0.0
        for parent, _ in node.parents:
            _zero(parent, seen)


def _order(result):
    noted, seen = [], set()

    def visit(node):
        if node not in seen:
            seen.add(node)
            for parent, _ in node.parents:
                visit(parent)
            noted.append(node)
    visit(result)
    return noted[::-1]


def backward_assigns(result):
    result.grad = 1.0
    for node in _order(result):
        for parent, slope in node.parents:
            parent.grad = node.grad * slope


def backward_keeps_old(result):
    result.grad = 1.0
    for node in _order(result):
        for parent, slope in node.parents:
            parent.grad += node.grad * slope


def backward_as_in_the_lesson(result):
    nodes = _order(result)
    for node in nodes:
        node.grad = 0.0
    result.grad = 1.0
    for node in nodes:
        for parent, slope in node.parents:
            parent.grad += node.grad * slope


WRONG = {
    "divide": [(divide_without_sign, "sign"), (divide_as_product, "a · b"), (divide_without_factor, "lacks the factor a")],
    "sigmoid": [(sigmoid_slope_of_tanh, "tanh"), (sigmoid_wrong_exponent, "sign in the exponent"),
                (sigmoid_without_inner_step, "inner step")],
    "backward": [(backward_every_way, "visited once"), (backward_assigns, "grad"), (backward_keeps_old, "grad"),
                 (backward_as_in_the_lesson, "deeper than Python")],
}
