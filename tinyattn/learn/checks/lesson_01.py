"""Checks the answers to lesson 01."""
import numpy as np

from ..exercise import Exercise, Wrong, same

DEEP = 50_000

def _several(given, count, what):
    if not isinstance(given, (tuple, list)) or len(given) != count:
        raise Wrong(f"{what} should return {count} numbers, and returned {given!r}")
    return given


def _divide(answer, rng):
    a, b = rng.uniform(-3, 3), rng.uniform(0.5, 2) * rng.choice([-1, 1])
    y, slope_a, slope_b = _several(answer(a, b), 3, "divide")
    same(y, a / b, "y", [(b / a, "y is b / a: which is divided by which?")])
    near = 1e-6
    same(slope_a, (answer(a + near, b)[0] - answer(a - near, b)[0]) / (2 * near), "the slope for a",
         [(b, "the slope for a is that of a · b: a grows by 1, and y by one b-th of it")], rtol=1e-6)
    same(slope_b, (answer(a, b + near)[0] - answer(a, b - near)[0]) / (2 * near), "the slope for b",
         [(a / b ** 2, "the slope for b has the wrong sign: a larger b makes the quotient of positive numbers smaller"),
          (-a / b, "the slope for b is too flat or too steep by a factor b: write a / b as a · b⁻¹, and use the slope of a power"),
          (-1 / b ** 2, "the slope for b lacks the factor a: nudge b by hand for a = 10 and for a = 20")], rtol=1e-5)


def _sigmoid(answer, rng):
    x = rng.uniform(-3, 3)
    y, slope = _several(answer(x), 2, "sigmoid")
    right = 1 / (1 + np.exp(-x))
    same(y, right, "y", [(1 - right, "y falls where it should rise: mind the sign in the exponent")])
    same(slope, right * (1 - right), "the slope",
         [(1 - right * right, "this is the slope of tanh, 1 − y²; the sigmoid's differs: nudge x and look"),
          (-right * (1 - right), "the slope has the wrong sign: e^−x falls, and it stands in the denominator"),
          (-right * right, "the slope lacks the inner step: −x goes into e, so the slope of e^−x is a factor too"),
          (right, "the slope is y itself, as it is for e^x; here e^−x stands in a denominator")])


class Node:
    """A node of a graph; counts how often its parents are asked for."""

    def __init__(self, parents=()):
        self._parents, self.grad, self.asked = list(parents), 123.0, 0

    @property
    def parents(self):
        self.asked += 1
        if self.asked > 50:
            raise Wrong("the parents of one node were asked for more than 50 times: each way to it is walked, where each node should be "
                        "visited once (remember which you have seen)")
        return self._parents


def _graph(rng, count):
    """`count` nodes, each made from one or two earlier ones; the slopes as a matrix [made, from]."""
    nodes, slopes = [], np.zeros((count, count))
    for i in range(count):
        parents = []
        for j in rng.integers(max(0, i - 4), i, rng.integers(1, 4)) if i else ():
            slope = float(rng.uniform(0.5, 1.5) * rng.choice([-1, 1]))
            parents.append((nodes[j], slope))
            slopes[i, j] += slope
        nodes.append(Node(parents))
    return nodes, slopes


def _backward(answer, rng):
    nodes, slopes = _graph(rng, 12)
    leading = np.zeros(12)
    leading[11] = 1.0
    last = np.zeros(12)                       # what a "=" in place of "+=" leaves: only what arrived last
    last[11] = 1.0
    for i in range(11, -1, -1):               # made later: higher number
        leading += leading[i] * slopes[i]
        for parent, slope in nodes[i]._parents:
            last[nodes.index(parent)] = last[i] * slope
    reached = leading != 0
    answer(nodes[11])
    given = np.array([n.grad for n in nodes])
    if given[11] != 1.0:
        raise Wrong(f"the result's own grad is {given[11]:g}, expected 1: it grows by 1 for each 1 that it grows")
    same(given[reached], leading[reached], "grad (of the nodes in the order they were made)",
         [(last[reached], "a node that was used several times keeps only what arrived last: ways add up"),
          (leading[reached] + 123.0 * (np.arange(12) != 11)[reached], "what was in grad before is still in it: begin with 0 at every node")])
    end = start = Node()
    for _ in range(60):
        end = Node([(end, 1.0), (end, 1.0)])
    answer(end)
    same(start.grad, 2.0 ** 60, "grad at the start of a chain of 60 doublings")
    end = start = Node()
    for _ in range(DEEP):
        end = Node([(end, 1.0)])
    try:
        answer(end)
    except RecursionError:
        raise Wrong(f"a chain of {DEEP:,} steps is deeper than Python lets a function call itself: keep a list of what is to be visited") from None
    same(start.grad, 1.0, f"grad at the start of a chain of {DEEP:,} steps")


EXERCISES = [Exercise("divide", "the slopes of a quotient", _divide),
             Exercise("sigmoid", "the slope of 1 / (1 + e^−x)", _sigmoid),
             Exercise("backward", "the walk back through any graph, each node once, however deep", _backward)]
