# %% [markdown]
# # 04 · Softmax and cross-entropy that survive ±10,000
#
# A net that is to tell cats from dogs from birds ends in three numbers, one for each. They are called **scores**, and they can be
# anything: 2.0, −7, 10,000. What we want from them is two things. *Shares*: how sure is the net of each answer, in positive numbers that
# add up to 1? And *one number* that says how wrong it was, for the walk backward to begin with.
#
# Both formulas fit into one line, and both lines are right; the checker of lesson 03 would pass them. Then a training runs for an hour, a
# score grows past 709, and everything is NaN. So the question of this lesson is: **how does one compute a formula so that no input can
# break it?** On the way we find the shortest gradient in all of deep learning, and one that is worth writing down without its matrix.
#
# ## From scores to shares
#
# Scores may be negative, shares may not. $e^x$ makes a positive number of any. Then divide by the sum:
#
# $$p_i = \frac{e^{s_i}}{\sum_j e^{s_j}}$$

# %%
import numpy as np

from tinyattn.learn import figure, show, source


def naive_softmax(s):
    e = np.exp(s)
    return e / e.sum(-1, keepdims=True)


scores = np.array([2.0, 1.0, -1.0])
print("shares:", np.round(naive_softmax(scores), 4), "  sum:", round(naive_softmax(scores).sum(), 12))

# %% tags=["aside"]
from tinyattn.viz.style import BLUE, GREEN, INK, ORANGE, RED, SOFT

names = ["cat", "dog", "bird"]
picture, panels = figure(6.4, 2.3, columns=3)
for axes, values, title in zip(panels, (scores, np.exp(scores), naive_softmax(scores)), ("scores s", "powers $e^s$", "shares p")):
    axes.bar(names, values, color=BLUE if title != "shares p" else ORANGE, width=0.6)
    axes.axhline(0, color=SOFT, lw=0.8)
    for i, v in enumerate(values):
        above = 0.03 * np.ptp([0, *values]) * np.sign(v)
        axes.text(i, v + above, f"{v:.2f}".replace("-", "−"), ha="center", va="bottom" if v >= 0 else "top")
    axes.set_title(title)
    axes.margins(y=0.18)
    axes.set_yticks([])
    axes.grid(False)
show(picture, "shares", "Scores of 2, 1 and −1 become positive powers of e, and those, divided by their sum, become shares of 0.71, 0.26 "
     "and 0.04.")

# %% [markdown]
# This is the **softmax**. One more in the score makes the share larger by the factor $e \approx 2.7$ beside the others, wherever the
# scores lie. Only *differences* of scores count: add 5 to all three, and $e^5$ appears above and below the line, and cancels.
#
# ## It breaks

# %%
with np.errstate(all="ignore"):
    for bad in ([10000.0, 9999.0, 9997.0], [-10000.0, -10001.0, -10003.0]):
        print(bad, "->", naive_softmax(np.array(bad)))
for kind in (np.float64, np.float32):
    limits = np.finfo(kind)
    highest, lowest = np.log(limits.max), np.log(limits.smallest_subnormal)
    print(f"{kind.__name__}: e^x is infinite above {highest:.1f}; the smallest number is e^{lowest:.1f}")

# %% [markdown]
# Differences of 1 and 2, as harmless as above. But the *way* to the result leads over $e^{10000}$, a number with more than 4,000 digits,
# and no float can hold it. Infinity divided by infinity is NaN. With −10,000 all powers are 0, and 0 divided by 0 is NaN as well. In
# float32, in which nets train, it happens at 88.7 already.
#
# ## Move them where it is safe
#
# Only differences count. So *we* choose the level: subtract the largest score $m$ from all. In exact arithmetic nothing changes; on a
# computer everything does.
#
# $$p_i = \frac{e^{s_i - m}}{\sum_j e^{s_j - m}} \qquad m = \max_j s_j$$

# %% tags=["aside"]
picture, axes = figure(6.4, 1.9)
axes.axvspan(-745, 709.8, color=GREEN, alpha=0.15, lw=0)
axes.axhline(0, color=INK, lw=1)
far = np.array([3000, 2700, 2400])
for s in far:
    axes.annotate("", (s - 3000, 0.06), (s, 0.06), arrowprops={"arrowstyle": "-|>", "color": SOFT, "lw": 1.1,
                                                               "connectionstyle": "arc3,rad=0.28"})
axes.plot(far, 0 * far, "o", color=RED, ms=7)
axes.plot(far - 3000, 0 * far, "o", color=BLUE, ms=7)
axes.text(-18, -0.42, "$e^x$ fits into float64", color="#1f7a50", ha="center")
axes.text(2700, -0.42, "scores: $e^x$ is infinite", color=RED, ha="center")
axes.text(1500, 1.22, "minus the largest", color=SOFT, ha="center")
axes.set_ylim(-0.6, 1.5)
axes.set_xlim(-800, 3300)
axes.set_yticks([])
axes.grid(False)
axes.spines["left"].set_visible(False)
show(picture, "shift", "Scores of 3000, 2700 and 2400 lie far outside the range in which e to the x fits into a float; minus the largest "
     "they become 0, −300 and −600 and lie inside.")

# %%


def softmax(s):
    e = np.exp(s - s.max(-1, keepdims=True))
    return e / e.sum(-1, keepdims=True)


for bad in ([2.0, 1.0, -1.0], [10000.0, 9999.0, 9997.0], [-10000.0, -10001.0, -10003.0], [10000.0, 0.0, -10000.0]):
    print(f"{str(bad):>30} -> {np.round(softmax(np.array(bad)), 4)}")

# %% [markdown]
# Why can nothing go wrong now? The largest exponent is exactly 0, so no power is larger than 1: no overflow. And that one power is
# exactly 1, so the sum is at least 1: no division by 0. What can still happen is that a power falls below the smallest float and
# becomes 0. Then its true share was less than $10^{-323}$, and 0 is as good an answer as floats can give. The last line's zeros are such.
#
# ## How wrong was it?
#
# The net gave share $p_t$ to the true answer $t$. The loss is
#
# $$\ell = -\log p_t$$
#
# A share of 1 costs nothing; half costs 0.69; one in a hundred costs 4.6; and towards 0 there is no limit: a net that says "impossible"
# to the truth pays without bound. Why the logarithm? The probability that a net gives to a whole data set is the *product* of its shares
# of the true answers. Of products of thousands of numbers below 1 nothing would be left; the logarithm makes sums of them. This loss is
# called **cross-entropy**.
#
# We have a softmax that survives anything. So take its logarithm, and be done?

# %%
with np.errstate(all="ignore"):
    for s in ([2.0, 1.0, -1.0], [0.0, 1000.0, 0.0], [10000.0, -10000.0, 0.0]):
        losses = 0.0 - np.log(softmax(np.array(s)))
        print(f"{str(s):>24}: loss if the answer is the first {losses[0]:.4f}, if it is the second {losses[1]:.4f}")

# %% [markdown]
# Zero was as good as one can do *for a share*. It is a catastrophe for its logarithm. The second line's true loss is 1000, an ordinary
# number; $e^{-1000}$, on the way to it, is not. Again the formula is right and the way is wrong. So we do the algebra before the
# arithmetic:
#
# $$\log p_t = \log \frac{e^{s_t - m}}{\sum_j e^{s_j - m}} = s_t - m - \log \sum_j e^{s_j - m}$$
#
# The logarithm has met the power and both are gone. What is left is differences of scores, and the logarithm of a sum that lies between 1
# and the number of classes. Nothing in it can overflow, and nothing that matters can vanish.

# %%


def log_softmax(s):
    z = s - s.max(-1, keepdims=True)
    return z - np.log(np.exp(z).sum(-1, keepdims=True))


for s in ([2.0, 1.0, -1.0], [0.0, 1000.0, 0.0], [10000.0, -10000.0, 0.0]):
    print(f"{str(s):>24}: losses {0.0 - log_softmax(np.array(s))}")
s32 = np.array([0.0, 40.0, 120.0], np.float32)
with np.errstate(all="ignore"):
    print("float32, log of softmax:", 0 - np.log(softmax(s32)))
print("float32, log_softmax:   ", 0 - log_softmax(s32))

# %% [markdown]
# Losses up to 20,000, to the last digit. This is why every framework has `log_softmax` and `cross_entropy` as operations of their own,
# and why they take *scores*, not shares. Whoever passes shares to them, or takes the logarithm of a softmax, gives that up. (The function
# $m + \log \sum_j e^{s_j - m}$ is called **log-sum-exp**. It is a smooth maximum: never less than the largest score, and never more than
# $\log C$ above it for $C$ classes.)
#
# ## The shortest gradient
#
# Now the slope of the loss for each score. With the logarithm multiplied out, the loss is
#
# $$\ell = -s_t + \log \sum_j e^{s_j}$$
#
# The first part has the slope $-1$ for $s_t$, and 0 for the others. For the second: the slope of $\log u$ is $1/u$, that of the sum for
# $s_j$ is $e^{s_j}$, and steps in a row multiply:
#
# $$\frac{\partial}{\partial s_j} \log \sum_k e^{s_k} = \frac{e^{s_j}}{\sum_k e^{s_k}} = p_j$$
#
# The slope of log-sum-exp is the softmax. With $y$ for the true answer, 1 at $t$ and 0 elsewhere:
#
# $$\boxed{\;\bar s = p - y\;}$$
#
# *What was said, minus what should have been said.* That is all. Against the slope we go, so the score of the true answer is pulled up by
# what its share lacks to 1, and each other score is pushed down by its share. The pushes together are as strong as the pull: they add up
# to 0.

# %%


def cross_entropy(scores, labels):
    """The mean loss of N examples and its gradient. scores (N, C), labels (N,) whole numbers. Returns a float and (N, C)."""
    rows = np.arange(len(labels))
    logs = log_softmax(scores)
    gradient = np.exp(logs)                                              # p
    gradient[rows, labels] -= 1                                          # p − y
    return -logs[rows, labels].mean(), gradient / len(labels)


example = np.array([[2.0, 1.0, -1.0]])
loss, gradient = cross_entropy(example, np.array([1]))
print(f"loss {loss:.4f}   gradient {np.round(gradient[0], 4)}   sum {abs(gradient.sum()):.0f}")
h = 1e-5
moved = [[cross_entropy(example + way * e, np.array([1]))[0] for way in (h, -h)] for e in np.eye(3)]
nudged = [(above - below) / (2 * h) for above, below in moved]
print(f"              nudged   {np.round(nudged, 4)}")

# %% tags=["aside"]
picture, axes = figure(6.4, 2.7)
p = softmax(example[0])
axes.bar(range(3), p, color=[SOFT, BLUE, SOFT], width=0.5, alpha=0.55)
for i, (share, step) in enumerate(zip(p, -gradient[0])):
    axes.annotate("", (i + 0.36, share + step), (i + 0.36, share),
                  arrowprops={"arrowstyle": "-|>", "color": GREEN if step > 0 else RED, "lw": 2.4, "shrinkA": 0, "shrinkB": 0})
    axes.text(i + 0.42, max(share + step / 2, 0.06), f"{step:+.2f}".replace("-", "−"), va="center", color="#1f7a50" if step > 0 else RED)
    axes.text(i, share + 0.02, f"{share:.2f}", ha="center")
axes.axhline(1, color=SOFT, lw=0.8, ls="--")
axes.axhline(0, color=SOFT, lw=0.8)
axes.set_xticks(range(3), ["cat", "dog (the truth)", "bird"])
axes.set_xlim(-0.5, 2.8)
axes.set_ylim(-0.04, 1.1)
axes.set_ylabel("share p")
axes.grid(False)
show(picture, "push_pull", "The true answer with share 0.26 is pulled up by 0.74, what it lacks to 1; the two wrong ones are pushed down "
     "by their own shares, 0.71 and 0.04.")

# %% [markdown]
# No number of the gradient is ever larger than 1, however mad the scores. The loss can be 20,000; the force stays bounded:

# %%
loss, gradient = cross_entropy(np.array([[10000.0, -10000.0, 0.0], [0.0, 0.0, 0.0]]), np.array([1, 1]))
print("mean loss:", round(loss, 4))
print("gradient times 2, for the mean of two examples halves each:")
print(np.round(gradient * 2, 4) + 0.0)

# %% [markdown]
# ## Softmax alone, without its matrix
#
# Sometimes the shares themselves are used further on: in attention (lesson 10) they say how much of each neighbour to take. Then a
# gradient $g$ arrives at the *shares*, one number for each, and is to be taken back to the scores. Every share depends on every score,
# for they compete for a sum of 1. So the table of slopes is full:
#
# $$\frac{\partial p_i}{\partial s_j} = p_i\,([i = j] - p_j) \qquad (T \times T)$$
#
# For a sentence of 1,000 words that is a million slopes for *each* word. Lesson 02 says that we need not the table but what it does to
# $g$. So multiply it out, before any number is computed:
#
# $$\bar s_j = \sum_i g_i\, p_i\,([i = j] - p_j) = g_j\, p_j - p_j \sum_i g_i\, p_i$$
#
# $$\bar s_j = p_j \Big(g_j - \underbrace{\sum_i g_i\, p_i}_{\text{mean of } g}\Big)$$
#
# The table is gone: two passes over $T$ numbers. And it can be read: $\sum_i g_i p_i$ is the mean of what arrives, weighted by the
# shares. **A score grows if its share gets more than the mean, and shrinks if it gets less.** What one gains the others lose. Forget the
# mean, and everybody grows who is praised at all; it is the typical mistake here.

# %%


def softmax_backward(g, p):
    """The gradient of the scores from that of the shares. g, p (…, T)."""
    return p * (g - (g * p).sum(-1, keepdims=True))


rng = np.random.default_rng(0)
s, g = rng.normal(size=(2, 5)), rng.normal(size=(2, 5))
p = softmax(s)
table = p[:, :, None] * (np.eye(5) - p[:, None, :])                      # (2, 5, 5): slopes of share i for score j
print("as with the table:", np.allclose(softmax_backward(g, p), np.einsum("ni,nij->nj", g, table), rtol=0, atol=1e-14))
steps = 1e-5 * np.eye(10).reshape(10, 2, 5)
nudged = np.array([((g * softmax(s + e)).sum() - (g * softmax(s - e)).sum()) / 2e-5 for e in steps]).reshape(2, 5)
print("as by nudging:    ", np.allclose(softmax_backward(g, p), nudged, rtol=0, atol=1e-9))
print("each row adds up to 0:", np.allclose(softmax_backward(g, p).sum(-1), 0, atol=1e-14))

# %% [markdown]
# One can now ask why the loss must have that logarithm. Why not the squared distance of $p$ from $y$? Its gradient at the shares is
# $2(p - y)$, and `softmax_backward` takes it to the scores. Take two classes, and let the wrong one lead by more and more:

# %%
print("lead   cross-entropy, slope    squared, slope")
for lead in (0.0, 2.0, 5.0, 10.0, 20.0):
    pair, y = np.array([0.0, lead]), np.array([1.0, 0.0])
    p = softmax(pair)
    print(f"{lead:4.0f}   {cross_entropy(pair[None], np.array([0]))[1][0, 0]:+20.6f}   {softmax_backward(2 * (p - y), p)[0]:+15.1e}")

# %% tags=["aside"]
picture, (left, right) = figure(6.4, 2.6, columns=2)
leads = np.linspace(-6, 12, 73)
shares = softmax(np.stack([0 * leads, leads], -1))
y = np.array([1.0, 0.0])
left.plot(leads, -log_softmax(np.stack([0 * leads, leads], -1))[:, 0], color=BLUE, lw=2)
left.plot(leads, ((shares - y) ** 2).sum(-1), color=ORANGE, lw=2)
left.set_title("loss")
left.text(3.2, 7, "cross-entropy", color=BLUE, ha="right")
left.text(6, 2.5, "squared", color="#b3541e")
right.plot(leads, np.abs(shares - y)[:, 0], color=BLUE, lw=2)
right.plot(leads, np.abs(softmax_backward(2 * (shares - y), shares))[:, 0], color=ORANGE, lw=2)
right.set_title("size of the slope")
right.text(4.6, 0.88, "cross-entropy", color=BLUE)
right.text(4.0, 0.22, "squared", color="#b3541e")
for axes in (left, right):
    axes.set_xlabel("lead of the wrong answer")
show(picture, "wrong_and_sure", "The more the wrong answer leads, the nearer the cross-entropy's slope comes to 1, while that of the "
     "squared error falls back to 0.")

# %% [markdown]
# The more wrong the net is, the *less* the squared error pulls. A net that is sure and wrong cannot find out. In cross-entropy the
# logarithm undoes the power, in the slope as in the value: it pulls hardest there.
#
# ## The same in the framework

# %%
import tinyattn as ta
from tinyattn.kernels import reference
from tinyattn.nn import functional as F
source(reference.log_softmax_forward, "The stable logarithm (with `_shifted`, which subtracts the largest)")

# %%
source(reference.softmax_backward, "Without the matrix")

# %%
source(reference.cross_entropy_backward, "p − y, with weights of classes and smoothed labels")

# %% [markdown]
# These are the specification. What runs when you train does the same in one visit to each row, with $e^x$ as a polynomial in vectors
# (`kernels/cpu/softmax.py`). Same numbers, in float32 and at ±10,000?

# %%
scores = rng.normal(size=(4, 3)) * 3
labels = np.array([0, 2, 1, 1])
x = ta.tensor(scores, requires_grad=True)
theirs = F.cross_entropy(x, ta.tensor(labels))
theirs.backward()
loss, gradient = cross_entropy(scores, labels)
print(f"loss: ours {loss:.10f}, theirs {theirs.item():.10f}")
print("gradients equal:", np.allclose(gradient, x.grad.data, rtol=0, atol=1e-14))

x = ta.tensor(np.array([[10000.0, -10000.0, 0.0]], np.float32), requires_grad=True)
theirs = F.cross_entropy(x, ta.tensor(np.array([1])))
theirs.backward()
print(f"float32 at ±10,000: loss {theirs.item():.0f}, gradient {x.grad.data[0]}")

# %% [markdown]
# What have we learned beyond this formula? A formula is not yet a program. Look where the *intermediate* numbers go; cancel on paper what
# would cancel in the result; and move freely whatever the result does not depend on.
#
# Now we have the slopes of anything, a judge for them, and a loss that no score can break. What we have not asked: once the slope is
# known, how far should one step? That is lesson 05.
#
# **To read next.** `kernels/reference/softmax.py` and `loss.py`, then their fast twins in `kernels/cpu/`. J. Bridle, "Probabilistic
# interpretation of feedforward classification network outputs" (1990), gave the softmax its name. P. Blanchard, D. Higham and N. Higham,
# "Accurately computing the log-sum-exp and softmax functions" (IMA Journal of Numerical Analysis 41, 2021) prove how good the shift is.
