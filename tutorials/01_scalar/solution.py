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
    """Count the uses of each node; one that has got as many gradients is ready to send on what it has."""
    awaited, found = {result: 0}, [result]
    for node in found:                              # it grows while we walk along it
        node.grad = 0.0
        for parent, _ in node.parents:
            if parent not in awaited:
                awaited[parent] = 0
                found.append(parent)
            awaited[parent] += 1
    result.grad = 1.0
    ready = [result]
    while ready:
        node = ready.pop()
        for parent, slope in node.parents:
            parent.grad += node.grad * slope
            awaited[parent] -= 1
            if awaited[parent] == 0:
                ready.append(parent)
