# tolerance: 0.02
# %% [markdown]
# # 05 · The first net, and what Adam adds
#
# We can compute slopes (lessons 01 to 03) and a loss that survives any number (lesson 04). Now something learns. The task is drawn in
# the plane, so that we can watch: points on three arms of a spiral, and the question to which arm a point belongs.

# %%
import numpy as np

import tinyattn as ta
from tinyattn.learn import figure, show, source
from tinyattn.nn import functional as F


def spiral(count, rng):
    """Points (count, 2) on three arms that wind outward, and the number of each point's arm (count,)."""
    arm = rng.integers(0, 3, count)
    radius = rng.uniform(0.1, 1, count)
    angle = 2 * np.pi * arm / 3 + 3.5 * radius + rng.normal(0, 0.15, count)
    return np.stack([radius * np.cos(angle), radius * np.sin(angle)], axis=1), arm


rng = np.random.default_rng(1)
train, validation, test = spiral(300, rng), spiral(300, rng), spiral(1000, rng)

# %% tags=["aside"]
COLOURS, MARKS = ("#2f6fdb", "#e8793a", "#2a9d67"), ("o", "s", "^")


def points(axes, data, size=9):
    for arm in range(3):
        axes.scatter(*data[0][data[1] == arm].T, s=size, c=COLOURS[arm], marker=MARKS[arm], linewidths=0, zorder=3)
    axes.set_xlim(-1.25, 1.25)
    axes.set_ylim(-1.25, 1.25)
    axes.set_aspect("equal")
    axes.grid(False)
    axes.set_xticks([])
    axes.set_yticks([])


picture, axes = figure(3.4, 3.2)
points(axes, train)
show(picture, "task", "Three arms of a spiral wind around each other: no straight line parts one from the other two.")

# %% [markdown]
# Three data sets, and each has one purpose. The net learns on the first. What we choose by hand, such as the size of a step, we choose by
# looking at the second. The third we look at once, at the end: a number that was used to choose something no longer says how well the
# choice works elsewhere.
#
# ## A straight cut is not enough
#
# The simplest net takes a weighted sum of the two coordinates for each arm, and answers with the arm of the largest sum. With a batch of
# $N$ points:
#
# $$\underset{(N,3)}{\text{scores}} \;=\; \underset{(N,2)}{x} \;\, \underset{(2,3)}{W} + \underset{(3,)}{b}$$
#
# Where two scores are equal there is a straight line, so this net can only make straight cuts. A layer in between changes that: 32 weighted
# sums, each bent by tanh, and the scores are weighted sums of those:
#
# $$\underset{(N,32)}{h} = \tanh(\underset{(N,2)}{x}\;\underset{(2,32)}{W_1} + \underset{(32,)}{b_1})$$
#
# $$\underset{(N,3)}{\text{scores}} = h \;\underset{(32,3)}{W_2} + \underset{(3,)}{b_2}$$
#
# Each of the 32 makes one cut in the plane, in a direction of its own and with a soft edge; together they can follow a spiral. Without
# the tanh two layers would be one: $(xW_1)W_2 = x(W_1W_2)$ is a straight cut again.

# %%


def parameters(rng, sizes):
    """Weights and biases of layers of the given sizes, [W₁, b₁, W₂, b₂, …]: random with a spread of 1/√inputs, and zeros."""
    made = []
    for inputs, outputs in zip(sizes, sizes[1:]):
        made += [rng.normal(0, 1 / np.sqrt(inputs), (inputs, outputs)), np.zeros(outputs)]
    return [ta.tensor(values, requires_grad=True) for values in made]


def scores(x, p):
    """(N, 2) → (N, 3): weighted sums, bent by tanh between the layers."""
    for W, b in zip(p[:-2:2], p[1:-2:2]):
        x = (x @ W + b).tanh()
    return x @ p[-2] + p[-1]

# %% [markdown]
# The spread of the first weights is not a detail. A sum of $n$ products with random weights of spread $s$ has itself a spread of about
# $s\sqrt{n}$ times that of its inputs; with $s = 1/\sqrt{n}$ numbers keep their size from layer to layer, and tanh is neither flat nor
# straight where they land.
#
# ## The loop
#
# Training is four lines, and they are the same for every net on earth: compute the loss on some examples, ask for its slopes, change
# every parameter by a rule, again. We take 32 random points at a time (a *minibatch*). Their slope is not the slope of all 300, but it is
# right on average, and costs a tenth. The simplest rule is the one of lesson 01, gradient descent: $w \leftarrow w - \eta\, g$, where
# $g$ is the slope and $\eta$ the *learning rate*.

# %%


def fit(rule, rate, sizes=(2, 32, 3), scale=1.0, seed=0, steps=400, data=train):
    """Train a net; returns its parameters and the loss of every step. scale: what the points are multiplied by before the net sees them."""
    rng = np.random.default_rng(seed)
    p = parameters(rng, sizes)
    memory = [{} for _ in p]                     # what the rule remembers of each parameter
    x, arm = data[0] * scale, data[1]
    losses = []
    for step in range(1, steps + 1):
        pick = rng.integers(0, len(x), 32)
        loss = F.cross_entropy(scores(ta.tensor(x[pick]), p), ta.tensor(arm[pick]))
        for w in p:
            w.grad = None
        loss.backward()
        for w, kept in zip(p, memory):
            rule(w.data, w.grad.data, kept, step, rate)
        losses.append(loss.item())
    return p, losses


def accuracy(p, data, scale=1.0):
    """The share of points whose highest score is that of their arm."""
    return float((scores(ta.tensor(data[0] * scale), p).data.argmax(axis=1) == data[1]).mean())


def sgd(w, g, kept, step, rate):
    w -= rate * g


line, _ = fit(sgd, 1.0, sizes=(2, 3))
net, losses = fit(sgd, 1.0)
print(f"straight cuts: {accuracy(line, validation):.2f} of the validation points are right")
print(f"with 32 bends: {accuracy(net, validation):.2f}")

# %% tags=["aside"]
picture, axes = figure(6.4, 3.2, columns=2)
side = np.linspace(-1.25, 1.25, 161)
grid = np.stack(np.meshgrid(side, side), axis=-1).reshape(-1, 2)
shades = np.array([[219, 230, 250], [251, 228, 215], [214, 239, 227]]) / 255
for ax, p, title in zip(axes, (line, net), ("straight cuts", "32 bends")):
    regions = scores(ta.tensor(grid), p).data.argmax(axis=1).reshape(161, 161)
    ax.imshow(shades[regions], extent=(-1.25, 1.25, -1.25, 1.25), origin="lower", interpolation="bilinear")
    points(ax, validation, 6)
    ax.set_title(title)
show(picture, "regions", "Left, three straight sectors cut across the arms; right, the net's regions wind along with the spiral.")

# %% [markdown]
# ## One rate for all directions
#
# Why 1.0? Because we tried. Here is what other rates do, on the validation points:

# %%
for rate in (0.03, 0.1, 0.3, 1.0, 3.0):
    print(f"rate {rate:5}: {accuracy(fit(sgd, rate)[0], validation):.2f}")

# %% [markdown]
# Small steps have not arrived after 400. Large ones, from about 10 on, leap about and learn less again: try it. To see what limits the
# rate, take the net away and look at the simplest landscape with two directions, a long valley: $f(a, b) = \tfrac12 (a^2 + 40\, b^2)$,
# steep across and flat along. Across, a step is $b \leftarrow b - \eta \cdot 40\, b = (1 - 40\,\eta)\, b$, and for $\eta > 2/40$ the
# factor is below $-1$: each step lands farther out on the other side. So **the steepest direction sets the limit**, and along the floor,
# where the slope is forty times smaller, everything crawls.
#
# Two remedies, both with a memory. **Momentum** keeps a velocity: what points the same way again and again adds up, what alternates
# cancels.
#
# $$v \leftarrow \mu v + g, \qquad w \leftarrow w - \eta v \qquad (\mu = 0.9)$$
#
# **Adam** (Kingma and Ba, 2014) gives each parameter a step size of its own: it averages the slope, averages its square, and divides.
#
# $$m \leftarrow \beta_1 m + (1-\beta_1)\, g$$
#
# $$s \leftarrow \beta_2 s + (1-\beta_2)\, g^2$$
#
# $$w \leftarrow w - \eta\, \frac{m / (1-\beta_1^t)}{\sqrt{s / (1-\beta_2^t)} + \varepsilon}$$
#
# All of it is per number: $m$, $s$ and $w$ have one shape. With $\beta_1 = 0.9$, $\beta_2 = 0.999$, $\varepsilon = 10^{-8}$.

# %%


def momentum(w, g, kept, step, rate):
    kept["v"] = 0.9 * kept.get("v", 0.0) + g
    w -= rate * kept["v"]


def adam(w, g, kept, step, rate):
    kept["m"] = 0.9 * kept.get("m", 0.0) + 0.1 * g
    kept["s"] = 0.999 * kept.get("s", 0.0) + 0.001 * g * g
    m, s = kept["m"] / (1 - 0.9 ** step), kept["s"] / (1 - 0.999 ** step)
    w -= rate * m / (np.sqrt(s) + 1e-8)


def walk(rule, rate, slope, start=(-4.0, 1.0), steps=60):
    """The places that a rule visits on a landscape with the given slope."""
    w, kept, path = np.array(start), {}, [np.array(start)]
    for step in range(1, steps + 1):
        rule(w, slope(w), kept, step, rate)
        path.append(w.copy())
    return np.array(path)


STEEP = np.array([1.0, 40.0])


def valley(w):
    return STEEP * w


TURN = np.array([[1.0, -1.0], [1.0, 1.0]]) / np.sqrt(2)


def turned(w):
    """The same valley, turned by 45°."""
    return TURN @ (STEEP * (TURN.T @ w))


RULES = [("SGD", sgd, 0.045, "#e8793a"), ("momentum", momentum, 0.02, "#2a9d67"), ("Adam", adam, 0.3, "#2f6fdb")]
for title, slope, start in (("valley along an axis", valley, (-4.0, 1.0)), ("turned by 45°", turned, TURN @ np.array([-4.0, 1.0]))):
    ends = ", ".join(f"{name} {np.linalg.norm(walk(rule, rate, slope, start)[-1]):.3f}" for name, rule, rate, _ in RULES)
    print(f"{title}: after 60 steps, still from the lowest point: {ends}")

# %% tags=["aside"]
picture, axes = figure(6.6, 4.6, rows=2, columns=3)
a, b = np.meshgrid(np.linspace(-4.6, 2.2, 120), np.linspace(-2.2, 2.2, 100))
c, d = np.meshgrid(np.linspace(-4.2, 1.6, 120), np.linspace(-4.2, 1.6, 120))
for row, (x, y, slope, start) in enumerate(((a, b, valley, np.array([-4.0, 1.0])), (c, d, turned, TURN @ np.array([-4.0, 1.0])))):
    flat = np.stack([x.ravel(), y.ravel()])
    own = flat if row == 0 else TURN.T @ flat
    height = 0.5 * (own[0] ** 2 + 40 * own[1] ** 2)
    for ax, (name, rule, rate, colour) in zip(axes[row], RULES):
        path = walk(rule, rate, slope, start)
        ax.contour(x, y, height.reshape(x.shape), levels=[0.3, 1, 3, 8, 20, 50], colors="#c9cfda", linewidths=0.8)
        ax.plot(*path.T, "-o", color=colour, ms=2.2, lw=1)
        ax.plot(0, 0, "+", color="#1d2330", ms=9, mew=1.5)
        ax.set_xlim(x.min(), x.max())
        ax.set_ylim(y.min(), y.max())
        ax.set_xticks([])
        ax.set_yticks([])
        if row == 0:
            ax.set_title(f"{name}, rate {rate}")
axes[0][0].set_ylabel("along an axis")
axes[1][0].set_ylabel("turned by 45°")
show(picture, "valley", "In a long valley SGD zigzags across and crawls along, momentum swings and arrives; Adam heads for it at once when the valley lies along an axis, "
     "and has no such advantage when it is turned.")

# %% [markdown]
# The lower row is worth a second look. SGD and momentum do the same in both: they do not know where the axes are. Adam knows nothing else.
# Its step sizes belong to single parameters, so it sees a steep direction only if that direction *is* a parameter. **What Adam adds is
# scale for each parameter, not knowledge of directions.**
#
# ## The first steps
#
# One part of Adam looks like a detail: the divisions by $1 - \beta^t$. Both averages start at zero, so at first they are far too small, and
# $s$, which remembers a thousand steps, stays so longer than $m$. For a slope that is always 1, the averages should be 1 from the start:

# %%
m = s = 0.0
print("step   m      s        m/√s    corrected")
for t in range(1, 6):
    m, s = 0.9 * m + 0.1, 0.999 * s + 0.001
    print(f"{t:4}   {m:.3f}  {s:.5f}  {m / np.sqrt(s):6.3f}  {(m / (1 - 0.9 ** t)) / np.sqrt(s / (1 - 0.999 ** t)):6.3f}")

# %% [markdown]
# Without the correction the first step would be three times too long, and the next ones longer still, just when the net knows least. With
# it, Adam's first step is $\eta$ in every parameter, whatever the slope: only its sign counts.
#
# ## Does it pay? An honest comparison
#
# "Adam is better" is easily shown: give each rule one rate, and choose the rate that suits Adam. What is fair? Each rule gets the same
# number of steps and of tries; its rate is chosen on the validation points; then the chosen one trains three nets from other starts, and
# only those are tested. And we compare on two versions of the task: the spiral as it is, and the same spiral with one coordinate measured
# in other units, so that its numbers are twenty times smaller. Nothing in the task has changed by that; data often comes so.

# %%
RATES = {"SGD": (sgd, (0.1, 0.3, 1.0, 3.0, 10.0)), "momentum": (momentum, (0.01, 0.03, 0.1, 0.3, 1.0)),
         "Adam": (adam, (0.01, 0.03, 0.1, 0.3, 1.0))}
UNITS = {"as it is": np.array([1.0, 1.0]), "other units": np.array([1.0, 0.05])}
found = {}
for units, scale in UNITS.items():
    for name, (rule, rates) in RATES.items():
        tries = {rate: accuracy(fit(rule, rate, scale=scale)[0], validation, scale) for rate in rates}
        best = max(tries, key=tries.get)
        runs = [accuracy(fit(rule, best, scale=scale, seed=seed)[0], test, scale) for seed in (1, 2, 3)]
        found[units, name] = runs
        print(f"{units:11}  {name:8}  rate {best:4}   test, three starts: " + "  ".join(f"{r:.2f}" for r in runs))

# %% tags=["aside"]
picture, axes = figure(6.4, 2.3, columns=2, sharey=True)
for ax, units in zip(axes, UNITS):
    for place, (name, _, _, colour) in enumerate(RULES):
        runs = found[units, name]
        ax.plot(runs, [place] * 3, "o", color=colour, ms=6, alpha=0.8)
        ax.plot([np.mean(runs)], [place], "|", color="#1d2330", ms=16, mew=2)
    ax.set_title(units)
    ax.set_xlim(0.5, 1.02)
    ax.set_ylim(2.6, -0.6)
    ax.set_xlabel("test accuracy")
axes[0].set_yticks([0, 1, 2], [name for name, *_ in RULES])
show(picture, "comparison", "With well scaled inputs all three rules end near 1.0; with one coordinate in other units only Adam still comes close.")

# %% [markdown]
# With inputs of one size the three are equal, once each has its own rate. With inputs of different sizes SGD and momentum fall behind, and
# no rate in the list helps them: a rate that the large coordinate can bear leaves the weights of the small one, whose slopes are twenty
# times smaller, nearly where they began. How far momentum comes depends on the start, too: look at its three. Adam hardly notices. The
# other remedy costs nothing: measure all inputs in units of their own spread before the net sees them. Between layers, where nobody chooses
# the units, normalisation layers do that (the nets of lesson 11 have them).
#
# ## The same in the framework
#
# The framework's Adam is this formula, in place and for many parameters at once:

# %%
from tinyattn.kernels import reference
source(reference.adam_step)

# %%
ours = parameters(np.random.default_rng(5), (2, 32, 3))
theirs = [ta.tensor(w.data, requires_grad=True) for w in ours]
optimizer, memory = ta.optim.Adam(theirs, lr=0.03), [{} for _ in ours]
for step in range(1, 21):
    for p in (ours, theirs):
        for w in p:
            w.grad = None
        F.cross_entropy(scores(ta.tensor(train[0]), p), ta.tensor(train[1])).backward()
    for w, kept in zip(ours, memory):
        adam(w.data, w.grad.data, kept, step, 0.03)
    optimizer.step()
worst = max(float(np.abs(a.data - b.data).max()) for a, b in zip(ours, theirs))
print("after 20 steps the two differ by less than 1e-12:", worst < 1e-12)

# %% [markdown]
# The net of this lesson sees a point as two numbers. Show it an image of 28 × 28, and it sees 784 numbers of which none is a
# neighbour of any other: move the image by one pixel and everything is new. Lesson 06 builds the layer that knows better.
#
# **To read next.** D. Kingma and J. Ba, "Adam: a method for stochastic optimization" (2014, arXiv:1412.6980), sections 2 and 3. I.
# Loshchilov and F. Hutter, "Decoupled weight decay regularization" (2017, arXiv:1711.05101), for the third exercise. G. Goh, "Why
# momentum really works" (Distill, 2017) has the valley as a thing to play with. `tinyattn/optim/adam.py` and `kernels/cpu/optimizer.py`
# hold the framework's.
