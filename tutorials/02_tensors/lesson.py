# %% [markdown]
# # 02 · Tensors, and why gradients are summed back
#
# The net of lesson 01 was made of single numbers, and each of its 49 knobs was an object of its own. For 24 points and 16 neurons it made
# about two thousand objects to compute *one* error, and threw them away. Real networks have millions of knobs. Nobody computes those one
# by one: numbers come in **arrays**, and one operation works on all of an array at once.
#
# The walk backward stays what it was. One thing is new, and it is the question of this lesson: **an array operation lets one number be
# used for a whole row; what is the slope of that number?** The answer is a sum that is easily forgotten, and with it and two more rules
# we have a `Tensor` that trains the net of lesson 01 with a handful of objects.
#
# ## One number for a whole column
#
# Three thermometers, four readings of each. Every thermometer is off by some amount, so we add a correction `b` to its readings:

# %%
import math

import numpy as np

from tinyattn.learn import figure, show, source

x = np.array([[20.0, 18.0, 25.0],
              [21.0, 19.0, 24.0],
              [19.0, 18.0, 26.0],
              [22.0, 20.0, 25.0]])
b = np.array([0.5, -1.0, 2.0])
y = x + b
print("x", x.shape, "  b", b.shape, "  y", y.shape)
print(y)

# %% [markdown]
# `x` holds twelve numbers and `b` only three, and yet they can be added: NumPy reads each number of `b` four times, once for every row.
# This is called **broadcasting**, and it is best seen as *stretching*: `b` is stretched to the shape of `x`, and then two arrays of the
# same shape are added, number by number.

# %% tags=["aside"]
from matplotlib.patches import Rectangle

from tinyattn.viz.style import BLUE, INK, ORANGE, SOFT


def grid(axes, values, left, top, colour, faded_from=None, words="", digits=1):
    """Draw a matrix as cells of width 1; rows from `faded_from` on are pale copies."""
    for i, row in enumerate(values):
        for j, value in enumerate(row):
            copy = faded_from is not None and i >= faded_from
            axes.add_patch(Rectangle((left + j, top - i - 1), 1, 1, fc="white", ec=colour, lw=1.3, alpha=0.35 if copy else 1,
                                                        ls="--" if copy else "-"))
            axes.text(left + j + 0.5, top - i - 0.5, f"{value:.{digits}f}".replace("-", "−"), ha="center", va="center", fontsize=9,
                      color=SOFT if copy else INK)
    axes.text(left + len(values[0]) / 2, top + 0.35, words, ha="center", va="center", fontsize=10, color=colour, fontweight="bold")


picture, axes = figure(6.4, 2.5)
grid(axes, x, 0, 4, BLUE, words="x  (4, 3)")
grid(axes, np.broadcast_to(b, (4, 3)), 4.2, 4, ORANGE, faded_from=1, words="b  (3,), stretched to (4, 3)")
grid(axes, y, 8.4, 4, BLUE, words="y  (4, 3)")
axes.text(3.6, 2, "+", ha="center", va="center", fontsize=16)
axes.text(7.8, 2, "=", ha="center", va="center", fontsize=16)
axes.set_xlim(-0.1, 11.5)
axes.set_ylim(-0.1, 4.7)
axes.axis("off")
show(picture, "stretch", "The row b with its three numbers is repeated four times, which gives it the shape (4, 3) of x; then the two are "
     "added cell by cell.")

# %% [markdown]
# Nothing is copied. An array is a strip of numbers in memory with two notes on it: its **shape**, and its **strides**, which say how many
# bytes to walk for the next number along each axis. Stretching only changes the notes: along the stretched axis the stride becomes 0.
# Whoever asks for the next row stays where they are, and reads the same three numbers again.

# %%
stretched = np.broadcast_to(b, (4, 3))
print("x: shape", x.shape, "strides", x.strides)
print("b: shape", b.shape, "strides", b.strides)
print("b stretched: shape", stretched.shape, "strides", stretched.strides)

# %% [markdown]
# What fits? Write the two shapes below each other, *right-aligned*. In each place the lengths must be equal, or one of them 1, or
# missing. What is 1 or missing gets stretched.

# %%
for one, other in (((4, 3), (3,)), ((4, 3), (4, 1)), ((4, 1), (3,)), ((2, 4, 3), (4, 1)), ((4, 3), ()), ((4, 3), (4,))):
    try:
        made = np.broadcast_shapes(one, other)
    except ValueError:
        made = "do not fit: 3 and 4 meet at the last place"
    print(f"{str(one):>9} and {str(other):>6}: {made}")

# %% [markdown]
# ## What comes back
#
# Behind `y` some computation goes on and ends in a single number, the error $L$. Suppose the walk backward has reached `y`: we hold an
# array `g` of the shape of `y` that says for each number of `y` how much $L$ grows for each 1 that it grows. What then is the slope of
# `b[0]`?
#
# Lesson 01 knows. `b[0]` was used four times, so it has four ways to the result, and **ways add**. Each way goes through one addition,
# whose slope is 1. So what arrives at `b[0]` is the sum of the four numbers of `g` where it was used: the sum of its column.

# %%
g = np.array([[1.0, 0.0, 2.0],
              [0.5, 1.0, -1.0],
              [-2.0, 0.0, 3.0],
              [1.5, 1.0, 0.0]])


def error(b):
    """Any computation behind y will do: this one has g as the slopes of y."""
    return np.sum(g * (x + b))


nudge = 1e-6
nudged = [(error(b + nudge * e) - error(b - nudge * e)) / (2 * nudge) for e in np.eye(3)]
print("summed:", g.sum(axis=0))
print("nudged:", np.round(nudged, 6))

# %% tags=["aside"]
picture, axes = figure(6.4, 2.9)
grid(axes, g, 0, 5.6, BLUE, words="g, the slopes of y  (4, 3)")
grid(axes, [g.sum(0)], 0, 0.9, ORANGE, digits=1)
axes.text(1.5, -0.4, "slopes of b  (3,)", ha="center", va="center", fontsize=10, color="#b3541e", fontweight="bold")
for j in range(3):
    axes.annotate("", (j + 0.5, 0.92), (j + 0.5, 1.58), arrowprops={"arrowstyle": "-|>", "color": SOFT, "lw": 1.4})
axes.text(3.3, 3.6, "forward: each number of b was read\nby the four cells of its column", fontsize=9.5, va="center")
axes.text(3.3, 0.7, "backward: each number of b gets\nwhat those four cells send back, added", fontsize=9.5, va="center")
axes.set_xlim(-0.1, 7.6)
axes.set_ylim(-0.8, 6.3)
axes.axis("off")
show(picture, "summed_back", "The slopes of y, four rows of three, are added down each column and give the three slopes of b.")

# %% [markdown]
# That is the whole secret, and it holds for every shape: **where forward stretches, backward sums, along the very axes that were
# stretched.** As a function it needs nothing but the gradient and the shape that the input had:

# %%


def unbroadcast(gradient, shape):
    """The gradient of an input of `shape` that was stretched to the gradient's shape: summed over the axes that grew."""
    missing = gradient.ndim - len(shape)
    gradient = gradient.sum(axis=tuple(range(missing)))                         # axes that the input did not have
    ones = tuple(i for i, n in enumerate(shape) if n == 1)
    return gradient.sum(axis=ones, keepdims=True)                               # axes on which it had length 1


for shape in ((3,), (1, 3), (4, 1), (), (4, 3)):
    print(f"{str(shape):>6}: {unbroadcast(g, shape).tolist()}")

# %% [markdown]
# A single number, shape `()`, stands in all twelve cells and gets the sum of all. What was not stretched gets `g` itself.
#
# And what if one forgets? The gradient then has the shape of `y`, and the step against the slope is an array operation, too. It stretches
# without a word of complaint:

# %%
forgotten = b - 0.1 * g
print("b was", b.shape, "and after one careless step it is", forgotten.shape)

# %% [markdown]
# From now on every reading has a correction of its own. Such a net still runs, even learns, and fails at the first batch of another size.
#
# ## The mirror image: sums
#
# Now the other way round. $s = x_1 + x_2 + \dots + x_n$ makes one number of many. Each $x_i$ is used once, with slope 1. So each gets
# what arrives at $s$, the same for all: **where forward sums, backward stretches.** Broadcasting and summing are each other's backward.
#
# | forward | backward |
# |---|---|
# | stretch $(3) \to (4, 3)$ | sum $(4, 3) \to (3)$ |
# | sum $(4, 3) \to (3)$ | stretch $(3) \to (4, 3)$ |
# | mean $(4, 3) \to (3)$ | stretch, and divide by $4$ |
#
# One trap: after `x.sum(axis=1)` the shape is `(4,)`, and to stretch it to `(4, 3)` its axis must first be put back where it was, as
# `(4, 1)`. Right-aligned, `(4,)` would meet the 3.

# %%
upstream = np.array([10.0, 20.0, 30.0, 40.0])                                  # slopes of x.sum(axis=1), shape (4,)
print(np.broadcast_to(np.expand_dims(upstream, 1), x.shape))

# %% [markdown]
# ## Functions instead of slopes
#
# A `Scalar` kept a slope for each number it was made from. What should an array keep? The slope of an array operation is a slope for
# every pair of an input's number and an output's number. For `y = x + b` above these are 12 · 3 numbers, each of them 0 or 1; for two
# images of a million pixels it would be a million times a million.
#
# We never need that table (its name is the *Jacobian*). We need what it does: turn the gradient of the output into the gradient of the
# input. That is a **function**: for `+` it hands `g` on, for `*` it multiplies `g` by the other factor, for a sum it stretches. So each
# array remembers pairs (the array it was made from, the function that takes its gradient back).
#
# ## A product of matrices, with shapes as guide
#
# The one operation that is still missing is the one in which nets spend their time. A layer with $D$ inputs and $K$ neurons, for $N$
# examples at once:
#
# $$\underset{(N, K)}{y} = \underset{(N, D)}{x}\;\underset{(D, K)}{w} \qquad\qquad y_{nk} = \sum_d x_{nd}\, w_{dk}$$
#
# Where was $w_{dk}$ used? In $y_{nk}$ for every example $n$, with the slope $x_{nd}$. Ways add:
#
# $$\bar w_{dk} = \sum_n x_{nd}\, g_{nk}$$
#
# $$\underset{(D, K)}{\bar w} = \underset{(D, N)}{x^{\mathsf T}}\;\underset{(N, K)}{g}$$
#
# The second line says the same for all $d$ and $k$ at once. The sum over the examples is the same sum as for `b`: one weight was used for
# all of them. In the same way $x_{nd}$ was used in $y_{nk}$ for every neuron $k$, with slope $w_{dk}$:
#
# $$\underset{(N, D)}{\bar x} = \underset{(N, K)}{g}\;\underset{(K, D)}{w^{\mathsf T}}$$
#
# Nobody needs to learn these by heart. A gradient has the shape of its array; from `g` $(N, K)$ and `w` $(D, K)$ there is only one
# product of shape $(N, D)$. The shapes lead the way.

# %% tags=["aside"]
picture, axes = figure(6.4, 1.7)
N, D, K = 1.6, 1.0, 0.6


def block(left, bottom, wide, high, words, colour, sides):
    axes.add_patch(Rectangle((left, bottom), wide, high, fc=colour, ec=colour, alpha=0.18))
    axes.add_patch(Rectangle((left, bottom), wide, high, fc="none", ec=colour, lw=1.4))
    axes.text(left + wide / 2, bottom + high / 2, words, ha="center", va="center", fontsize=11)
    axes.text(left - 0.09, bottom + high / 2, sides[0], ha="right", va="center", fontsize=9, color=SOFT)
    axes.text(left + wide / 2, bottom + high + 0.06, sides[1], ha="center", va="bottom", fontsize=9, color=SOFT)


size, at = {"N": N, "D": D, "K": K}, 0.0
for title, factors in (("forward", (("x", "ND"), ("w", "DK"), ("y", "NK"))), ("back to w", (("xᵀ", "DN"), ("g", "NK"), ("w̄", "DK"))),
                       ("back to x", (("g", "NK"), ("wᵀ", "KD"), ("x̄", "ND")))):
    start = at
    for k, (words, (rows, columns)) in enumerate(factors):
        colour = ORANGE if k == 2 and title != "forward" else BLUE
        block(at, 0.9 - size[rows] / 2, size[columns], size[rows], words, colour, (rows, columns))
        at += size[columns]
        if k < 2:
            axes.text(at + 0.2, 0.9, "·="[k], ha="center", va="center", fontsize=13)
            at += 0.76
    axes.text((start + at) / 2, 2.25, title, ha="center", fontsize=10, fontweight="bold")
    at += 1.0
axes.set_xlim(-0.35, at - 0.9)
axes.set_ylim(0, 2.5)
axes.set_aspect("equal")
axes.axis("off")
show(picture, "shapes", "Forward an N by D block times a D by K block gives N by K; backward, the only products that give D by K and "
     "N by D are x transposed times g, and g times w transposed.")

# %% [markdown]
# They lead, but they prove nothing: if $N = D = K$, everything fits, the wrong products too. This is why one tests with lengths that
# differ.
#
# ## A tensor
#
# Now we put it together. An array with a memory is called a `Tensor`. The walk is lesson 01's, line by line; only the multiplication by a
# slope has become the call of a function.

# %%


class Tensor:
    """An array that remembers how it was made: `parents` holds pairs (tensor it was made from, what takes the gradient back to it)."""

    def __init__(self, data, parents=()):
        self.data, self.parents, self.grad = np.asarray(data, float), parents, None

    def __add__(self, other):
        other = as_tensor(other)
        return Tensor(self.data + other.data, [(self, lambda g: unbroadcast(g, self.data.shape)),
                                               (other, lambda g: unbroadcast(g, other.data.shape))])

    def __mul__(self, other):
        other = as_tensor(other)
        return Tensor(self.data * other.data, [(self, lambda g: unbroadcast(g * other.data, self.data.shape)),
                                               (other, lambda g: unbroadcast(g * self.data, other.data.shape))])

    def __matmul__(self, other):                                                # (N, D) @ (D, K)
        return Tensor(self.data @ other.data, [(self, lambda g: g @ other.data.T),
                                               (other, lambda g: self.data.T @ g)])

    def sum(self, axis=None):
        def back(g):
            return np.broadcast_to(g if axis is None else np.expand_dims(g, axis), self.data.shape)
        return Tensor(self.data.sum(axis), [(self, back)])

    def mean(self, axis=None):
        total = self.sum(axis)
        return total * (total.data.size / self.data.size)

    def tanh(self):
        y = np.tanh(self.data)
        return Tensor(y, [(self, lambda g: g * (1 - y * y))])

    def __sub__(self, other):
        return self + as_tensor(other) * -1

    def backward(self):
        nodes = order(self)
        for node in nodes:
            node.grad = np.zeros_like(node.data)
        self.grad = np.ones_like(self.data)
        for node in nodes:
            for parent, back in node.parents:
                parent.grad = parent.grad + back(node.grad)


def as_tensor(x):
    return x if isinstance(x, Tensor) else Tensor(x)


def order(result):
    """Lesson 01: all that `result` was made from, each after all those that were made of it."""
    noted, seen = [], set()

    def visit(node):
        if node not in seen:
            seen.add(node)
            for parent, _ in node.parents:
                visit(parent)
            noted.append(node)
    visit(result)
    return noted[::-1]

# %% [markdown]
# The mean is a sum times $1/n$, and needs no backward of its own.
#
# Is it right? We nudge every number of every input. The lengths 4, 3 and 2 differ; the bias is stretched over the rows, and the factor
# `s`, a column, over the columns.

# %%


def machine(x, w, b, s):
    return (((x @ w + b) * s).tanh() * (x @ w)).sum(1).mean()


def slopes_by_nudging(function, arrays, which):
    """Lesson 01's nudge for every number of arrays[which]."""
    slopes = np.zeros_like(arrays[which])
    for place in np.ndindex(slopes.shape):
        moved = []
        for way in (nudge, -nudge):
            changed = [a.copy() for a in arrays]
            changed[which][place] += way
            moved.append(float(function(*map(Tensor, changed)).data))
        slopes[place] = (moved[0] - moved[1]) / (2 * nudge)
    return slopes


rng = np.random.default_rng(0)
arrays = [rng.normal(size=shape) for shape in ((4, 3), (3, 2), (2,), (4, 1))]
tensors = [Tensor(a) for a in arrays]
machine(*tensors).backward()
for which, name in enumerate("xwbs"):
    numeric = slopes_by_nudging(machine, arrays, which)
    agree = np.abs(tensors[which].grad - numeric).max() < 1e-8
    print(f"{name}: gradient {str(tensors[which].grad.shape):>6}   agrees with nudging: {agree}")

# %% [markdown]
# ## The net of lesson 01, all points at once
#
# The 24 points are the rows of a column, the 16 neurons the columns of a row: `x @ w` with shapes $(24, 1)$ and $(1, 16)$ is every point
# times every weight. The 49 knobs are four tensors.

# %%
rng = np.random.default_rng(0)
hidden = 16
w = Tensor(rng.normal(0, 2, (1, hidden)))
shift = Tensor(rng.normal(0, 2, (1, hidden)))
out = Tensor(rng.normal(0, 0.3, (hidden, 1)))
base = Tensor(0.0)
knobs = [w, shift, out, base]
xs = np.linspace(-2, 2, 24)[:, None]                                            # (24, 1)
wanted = np.sin(2 * xs) * np.exp(-xs * xs / 4)

for step in range(301):
    miss = (Tensor(xs) @ w + shift).tanh() @ out + base - wanted                # (24, 1)
    loss = (miss * miss).mean()
    loss.backward()
    if step % 100 == 0:
        print(f"step {step:3}: mean squared error {loss.data:.4f}")
    for knob in knobs:
        knob.data = knob.data - 0.05 * knob.grad
print()
print("tensors in one step:", len(order(loss)), "  Scalars in one step of lesson 01, at least:", 24 * 16 * 5)

# %% [markdown]
# The four errors are those of lesson 01, digit by digit: it is the same net with the same start, and it takes the same steps. Only the
# bookkeeping has shrunk, from one object a number to one object an array. That is why every framework is made of tensors: the walk in
# Python costs the same for ten numbers as for ten million, and the work on the numbers is left to fast code (lesson 09 writes such code).
#
# ## The same in the framework
#
# TinyAttn's `unbroadcast` does what ours does, in terms of its own tensors, so that gradients of gradients work as well:

# %%
import tinyattn as ta
from tinyattn.ops import matmul, reduce, shape
source(shape.unbroadcast, "Where stretching is undone")

# %%
source(reduce.SumFunction, "The sum, and its mirror image")

# %%
source(matmul.MatmulFunction.backward, "The product of matrices")

# %% [markdown]
# The last one looks busier than ours. It never turns a matrix round in memory: it tells the kernel which factor to read transposed. In
# the plain case, where neither was, its two lines say `dy bᵀ` and `aᵀ dy`, as ours do. Same inputs, same slopes?

# %%
theirs = [ta.tensor(a, requires_grad=True) for a in arrays]
machine(*theirs).backward()
for name, mine, other in zip("xwbs", tensors, theirs):
    print(f"{name}: largest difference below 1e-14: {np.abs(mine.grad - other.grad.data).max() < 1e-14}")
print("b:", np.round(tensors[2].grad, 8), np.round(theirs[2].grad.data, 8))

# %% [markdown]
# `machine` is the very function from above: our `Tensor` has the framework's names (only what we call `axis`, as NumPy does, is `dim`
# there, as in PyTorch).
#
# Again and again we have trusted a nudge of 0.000001. Why not a larger one, or a smaller, and how good is it? If nudging is our judge,
# somebody should judge the judge. That is lesson 03.
#
# **To read next.** `tinyattn/ops/shape.py`, `reduce.py` and `matmul.py`: every class there has a forward and a backward side by side.
# Functions that take gradients back instead of tables of slopes are chapter 3 of A. Griewank and A. Walther, *Evaluating Derivatives*
# (SIAM 2008); shapes and strides are told by C. Harris and others, "Array programming with NumPy" (Nature 585, 2020).
