"""Lesson 01, exercises: slopes of two steps, and the walk backward.

Write what is missing, then:  tinyattn learn check 01
"""


def divide(a, b):
    """One step of a computation and its slopes.

    a, b: floats. Returns three floats (y, how much y grows for each 1 that a grows, the same for b), where y = a / b.
    """
    raise NotImplementedError


def sigmoid(x):
    """The same for y = 1 / (1 + e^−x). Returns two floats (y, how much y grows for each 1 that x grows)."""
    raise NotImplementedError


def backward(result):
    """Set `.grad` of every node that `result` was made from, and of `result` itself (which is 1).

    A node has `.parents`, a list of pairs (node it was made from, slope of that step), and `.grad`, a float that may hold anything
    before. A node can be used many times, also twice by the same other. Visit each node once: nodes may have more ways
    to the result than there are atoms. And do it without a function that calls itself: a graph may be 50,000 steps deep, and Python
    gives up at a thousand calls. (One way: count for each node by how many it was used, and let it send on what it has when that many
    have sent to it.)
    """
    raise NotImplementedError
