"""Lesson 01, answers."""
import math


def divide(a, b):
    """y = a / b and its slopes for a and b: dividing by b is multiplying by 1/b, whose own slope is −1/b²."""
    return a / b, 1 / b, -a / (b * b)


def sigmoid(x):
    """y = 1 / (1 + e^−x) and its slope y (1 − y), which needs nothing but y."""
    y = 1 / (1 + math.exp(-x))
    return y, y * (1 - y)


def backward(result):
    """Each node after all that were made of it; what arrives is added, and sent on once."""
    noted, seen = [], set()

    def visit(node):
        if node not in seen:
            seen.add(node)
            for parent, _ in node.parents:
                visit(parent)
            noted.append(node)
    visit(result)
    for node in noted:
        node.grad = 0.0
    result.grad = 1.0
    for node in reversed(noted):
        for parent, slope in node.parents:
            parent.grad += node.grad * slope
