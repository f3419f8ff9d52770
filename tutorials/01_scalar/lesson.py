# %% [markdown]
# # 01 · A scalar that remembers
#
# Turn one knob of a machine a little, and watch its needle. How far does the needle move for each step of the knob? That ratio is all
# that learning needs: a network with a million knobs gets better by turning each one a little in the direction that makes the error
# smaller. So the question of this lesson is: **how does a program find out, for every number that went into a computation, how much the
# result depends on it?**
#
# We build the answer from nothing, in about sixty lines, and then find the same lines in the framework. You need Python and the idea that
# a slope is "how much up for how much to the right"; nothing else.
#
# ## A nudge
#
# Here is a small computation: two inputs, one result.

# %%
import math

import numpy as np

from tinyattn.learn import figure, show, source


def result(a, b):
    c = a * b
    d = c + a
    return d * d


print("result(2, -3) =", result(2.0, -3.0))

# %% [markdown]
# To see how much it depends on `a`, nudge `a` and look:

# %%
nudge = 1e-6
slope_a = (result(2.0 + nudge, -3.0) - result(2.0 - nudge, -3.0)) / (2 * nudge)
slope_b = (result(2.0, -3.0 + nudge) - result(2.0, -3.0 - nudge)) / (2 * nudge)
print(f"slope for a: {slope_a:.4f}")
print(f"slope for b: {slope_b:.4f}")

# %% [markdown]
# Near $a=2$ the curve is almost a straight line, and the slope is that line's steepness.

# %% tags=["aside"]
picture, axes = figure(6.4, 2.6)
a = np.linspace(0.5, 3.5, 61)
axes.plot(a, [result(v, -3.0) for v in a], color="#2f6fdb", lw=2)
near = np.linspace(1.4, 2.6, 2)
axes.plot(near, result(2.0, -3.0) + slope_a * (near - 2.0), color="#e8793a", lw=2)
axes.plot([2.0], [result(2.0, -3.0)], "o", color="#1d2330", ms=5)
axes.annotate(f"here it rises by {slope_a:.0f} for each step to the right", (2.0, result(2.0, -3.0)), (1.95, 4.0))
axes.set_xlabel("a   (b stays −3)")
axes.set_ylabel("result")
show(picture, "nudge", "The result as a function of a is a curve; at a = 2 the straight line through its point rises by 16 for each step.")

# %% [markdown]
# This works for any program, and it is how we shall check everything later (lesson 03). But each knob costs two runs of the whole
# machine. For a million knobs that is two million runs, for *one* step of learning. The way out is to look inside.
#
# ## Inside: every step is simple
#
# The machine is made of steps, and each step has a slope that anyone can write down:
#
# | step | if the first input grows by 1, the output grows by | and for the second input |
# |---|---|---|
# | $c = a \cdot b$ | $b$ | $a$ |
# | $d = c + a$ | $1$ | $1$ |
# | $y = d \cdot d$ | $d$ | $d$ |
#
# Steps in a row multiply, like gears: if $d$ moves 2 for each 1 of $c$, and $y$ moves 3 for each 1 of $d$, then $y$ moves 6 for each 1 of
# $c$. And where a number has several ways to the result, their effects add: `a` is used twice above, once in `a * b` and once in
# `c + a`. These two sentences are the **chain rule**:
#
# $$\frac{\partial y}{\partial x} = \sum_{\text{ways from } x \text{ to } y} \; \prod_{\text{steps on the way}} \text{slope}$$
#
# With the numbers of our example, $a=2$, $b=-3$, so $c=-6$, $d=-4$:

# %%
a, b = 2.0, -3.0
c = a * b
d = c + a
slope_y_d = d + d            # y = d · d: d goes in twice, and each time the slope is the other factor
way_over_c = slope_y_d * 1 * b
way_direct = slope_y_d * 1
print("a over c:", way_over_c, "   a directly:", way_direct, "   together:", way_over_c + way_direct)

# %% [markdown]
# The same 16 as by nudging, without running the machine again. What is missing is a program that does this for any computation by
# itself.
#
# ## A number that remembers
#
# The idea is small: let each number **remember how it was made**: from which numbers, and with which slopes. Arithmetic on such numbers
# then builds the record on the side, while the program runs.

# %%


class Scalar:
    """A number, and how it was made: `parents` holds pairs (the number it was made from, the slope of that step)."""

    def __init__(self, value, parents=()):
        self.value, self.parents, self.grad = value, parents, 0.0

    def __add__(self, other):
        return Scalar(self.value + other.value, [(self, 1.0), (other, 1.0)])

    def __mul__(self, other):
        return Scalar(self.value * other.value, [(self, other.value), (other, self.value)])


a, b = Scalar(2.0), Scalar(-3.0)
y = result(a, b)
print("value:", y.value)
print("y was made from:", [(parent.value, slope) for parent, slope in y.parents])

# %% [markdown]
# `result` is the very function from above; it did not notice that it was given anything but plain numbers. The record is a graph.
# Its arrows point from each number to what was made of it, with the slope of the step written on it:

# %% tags=["aside"]
picture, axes = figure(6.4, 2.5)
places = {"a": (0, 1), "b": (0, -0.2), "c": (1.9, -0.2), "d": (3.2, 0.6), "y": (4.8, 0.6)}
values = {"a": "a = 2", "b": "b = −3", "c": "c = a·b = −6", "d": "d = c+a = −4", "y": "y = d·d = 16"}
boxes = {name: axes.text(x, height, values[name], ha="center", va="center", fontsize=10,
                         bbox={"boxstyle": "round,pad=0.5", "fc": "white", "ec": "#2f6fdb"}).get_bbox_patch() for name, (x, height) in places.items()}
for start, end, words, bend, lift in (("a", "c", "−3", 0, 0.16), ("b", "c", "2", 0, 0.16), ("c", "d", "1", 0, 0.18), ("a", "d", "1", -0.15, 0.34),
                                      ("d", "y", "−4", -0.4, 0.53), ("d", "y", "−4", 0.4, -0.55)):
    axes.annotate("", places[end], places[start], arrowprops={"arrowstyle": "-|>", "color": "#6b7385", "lw": 1.4, "patchA": boxes[start],
                                                              "patchB": boxes[end], "shrinkA": 0, "shrinkB": 2,
                                                              "connectionstyle": f"arc3,rad={bend}"})
    middle = [(p + q) / 2 for p, q in zip(places[start], places[end])]
    axes.text(middle[0], middle[1] + lift, words, color="#b3541e", ha="center", va="center", fontsize=10, fontweight="bold")
axes.set_xlim(-0.5, 5.4)
axes.set_ylim(-0.6, 1.5)
axes.axis("off")
show(picture, "graph", "The record of the computation as a graph: a and b lead to c, c and a to d, d twice to y; on each arrow stands its slope.")

# %% [markdown]
# Now the chain rule can be read off the graph: follow every way from $y$ back to an input, multiply the slopes along it, and add what
# arrives. As a program:

# %%


def backward_by_ways(node, upstream=1.0):
    """Follow every way back from `node`; `upstream` is the product of the slopes so far."""
    node.grad += upstream
    for parent, slope in node.parents:
        backward_by_ways(parent, upstream * slope)


backward_by_ways(y)
print("a:", a.grad, "  b:", b.grad)

# %% [markdown]
# ## Too many ways
#
# It is right, and it is useless. Every number that is used twice doubles the ways behind it. Let us count, for a chain in which each number
# is the sum of the one before with itself:

# %%


def ways(node):
    """How many ways lead back from `node`."""
    return 1 if not node.parents else sum(ways(parent) for parent, _ in node.parents)


for length in (1, 2, 5, 10, 15):
    x = Scalar(1.0)
    for _ in range(length):
        x = x + x
    print(f"{length:2} additions: {ways(x):6} ways")

# %% [markdown]
# Fifteen additions, and already tens of thousands of ways; a network of a hundred layers would not be done before the sun goes out. Yet there
# are only sixteen numbers. The ways share most of their length, and the program walks every shared piece again and again.
#
# The remedy: **do not walk ways, visit numbers.** Collect at each number all that arrives, and only when everything has arrived send it on,
# *once*, times the slope of each step:
#
# $$\underbrace{\bar x}_{x\text{.grad}} \;=\; \sum_{u \text{ made from } x} \bar u \cdot \frac{\partial u}{\partial x}$$
#
# For that we need an order in which every number comes after all those that were made of it. It is easily had: walk back from the result,
# and note each number *when all behind it have been noted*; that list, read from its end, is the order. (Its name is *reversed topological
# order*.)

# %%


def order(result):
    """All numbers that `result` was made from, each after all those that were made of it; the result itself first."""
    noted, seen = [], set()

    def visit(node):
        if node not in seen:
            seen.add(node)
            for parent, _ in node.parents:
                visit(parent)
            noted.append(node)
    visit(result)
    return noted[::-1]


def backward(result):
    """Set `grad` of everything that `result` was made from: how much the result grows for each 1 that it grows."""
    nodes = order(result)
    for node in nodes:
        node.grad = 0.0
    result.grad = 1.0
    for node in nodes:
        for parent, slope in node.parents:
            parent.grad += node.grad * slope


backward(y)
print("a:", a.grad, "  b:", b.grad)
x = start = Scalar(1.0)
for _ in range(100):
    x = x + x
backward(x)
print(f"a hundred additions, {len(order(x))} numbers visited: slope {start.grad:.6g} = 2^{math.log2(start.grad):.0f}")

# %% [markdown]
# This is **reverse-mode automatic differentiation**, or backpropagation: one walk backward, as long as the computation itself, gives the
# slope for *every* input. A million knobs cost as much as one. (Linnainmaa found it in 1970 for rounding errors; Rumelhart, Hinton and
# Williams made networks learn with it in 1986.)
#
# Note the `+=`. It is the "ways add" of the chain rule, and forgetting it is the most common mistake of all: with `=` the last way wins.
#
# ## Sixty lines
#
# Two more kinds of steps make it a small tool: a curve that bends (tanh), and powers. And plain numbers should mix with `Scalar`s.

# %%


class Scalar:
    """A number that remembers how it was made."""

    def __init__(self, value, parents=()):
        self.value, self.parents, self.grad = float(value), parents, 0.0

    def __add__(self, other):
        other = as_scalar(other)
        return Scalar(self.value + other.value, [(self, 1.0), (other, 1.0)])

    def __mul__(self, other):
        other = as_scalar(other)
        return Scalar(self.value * other.value, [(self, other.value), (other, self.value)])

    def __pow__(self, n):
        return Scalar(self.value ** n, [(self, n * self.value ** (n - 1))])

    def tanh(self):
        y = math.tanh(self.value)
        return Scalar(y, [(self, 1 - y * y)])

    def __neg__(self):
        return self * -1

    def __sub__(self, other):
        return self + -as_scalar(other)

    def __truediv__(self, other):
        return self * as_scalar(other) ** -1

    __radd__, __rmul__ = __add__, __mul__

    def backward(self):
        backward(self)


def as_scalar(x):
    return x if isinstance(x, Scalar) else Scalar(x)

# %% [markdown]
# Nothing in `__truediv__` knows about slopes: $a/b = a \cdot b^{-1}$ is made of steps that do. Whoever composes gets the derivative for
# nothing. Is it right? We nudge, of course:

# %%


def machine(a, b):
    return ((a * b + 1) / (b - 3)).tanh() * a ** 3


a, b = Scalar(0.7), Scalar(1.6)
machine(a, b).backward()
for name, node in (("a", a), ("b", b)):
    moved = [machine(Scalar(0.7 + s * (name == "a")), Scalar(1.6 + s * (name == "b"))).value for s in (nudge, -nudge)]
    print(f"{name}: backward {node.grad:+.8f}   nudged {(moved[0] - moved[1]) / (2 * nudge):+.8f}")

# %% [markdown]
# ## It learns
#
# A neuron multiplies its inputs by weights, adds them up, and bends the sum: $y = \tanh(w \cdot x + b)$. Sixteen of them side by side, and
# one sum of their outputs, can take the shape of any curve, if the knobs (49 of them) are set right. Nobody sets them. We start from
# random ones, measure the squared error at 24 points of a curve, ask `backward` for all 49 slopes, and turn each knob a little against
# its slope, a few hundred times. The slope that we ask for is the error's, so going against it makes the error smaller; this is
# **gradient descent**.

# %%
rng = np.random.default_rng(0)
hidden = 16
w = [Scalar(v) for v in rng.normal(0, 2, hidden)]
shift = [Scalar(v) for v in rng.normal(0, 2, hidden)]
out = [Scalar(v) for v in rng.normal(0, 0.3, hidden)]
base = Scalar(0.0)
knobs = w + shift + out + [base]
xs = np.linspace(-2, 2, 24)
wanted = np.sin(2 * xs) * np.exp(-xs * xs / 4)


def net(x):
    y = base
    for wi, si, oi in zip(w, shift, out):
        y = y + oi * (wi * x + si).tanh()
    return y


before = [net(x).value for x in xs]
for step in range(301):
    error = Scalar(0.0)
    for x, t in zip(xs, wanted):
        error = error + (net(x) - t) ** 2
    error = error / len(xs)
    error.backward()
    if step % 100 == 0:
        print(f"step {step:3}: mean squared error {error.value:.4f}")
    for knob in knobs:
        knob.value -= 0.05 * knob.grad

# %% tags=["aside"]
picture, axes = figure(6.4, 2.6)
axes.plot(xs, wanted, "o", color="#1d2330", ms=4)
axes.plot(xs, before, color="#9aa3b5", lw=1.5, ls="--")
axes.plot(xs, [net(x).value for x in xs], color="#2f6fdb", lw=2)
axes.text(xs[2], before[2] + 0.12, "before", color="#6b7385")
axes.text(0.95, 0.85, "after 301 steps", color="#2f6fdb")
axes.set_xlabel("x")
axes.set_ylabel("y")
show(picture, "fit", "Before training the net's curve misses the points; after 301 steps of gradient descent it runs through nearly all of them.")

# %% [markdown]
# ## The same in the framework
#
# TinyAttn's tape is this lesson with arrays in place of single numbers. A *node* there is one operation; it keeps what its slope needs, and
# `backward` of the operation multiplies by it. Our `order` walks with a function that calls itself, which Python allows a thousand deep; the
# framework counts instead how many gradients each node still waits for, and runs those that have got all. (The last exercise asks you to
# do the same.) This is the function that adds ways up:

# %%
import tinyattn as ta
from tinyattn import sweep
source(sweep._add, "Where ways meet")

# %%
a, b = ta.tensor(0.7, dtype=ta.float64, requires_grad=True), ta.tensor(1.6, dtype=ta.float64, requires_grad=True)
(((a * b + 1) / (b - 3)).tanh() * a ** 3).backward()
print(f"a: {a.grad.item():+.8f}   b: {b.grad.item():+.8f}")

# %% [markdown]
# The same digits as above. From here on numbers come in arrays, and one new question comes with them: what happens to a slope when one
# number was used for a whole row? That is lesson 02.
#
# **To read next.** `tinyattn/autograd.py` and `tinyattn/sweep.py` are this lesson at full size. The book on the
# subject is A. Griewank and A. Walther, *Evaluating Derivatives* (SIAM 2008), chapter 3 for what we did here; the paper that made it the
# way networks learn is D. Rumelhart, G. Hinton and R. Williams, "Learning representations by back-propagating errors" (Nature 323, 1986).
