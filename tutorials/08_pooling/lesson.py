# tolerance: 0.001
# %% [markdown]
# # 08 · Pooling: where the gradient goes
#
# A pooling layer looks at four numbers, keeps the largest, and drops three. It has no weights and nothing to learn. But the error must get
# through it to the layers that do learn, so it too must answer the question of this course: if the output should grow, **whom do we tell?**
# The three that were dropped had no part in it. And what if two were equally large?
#
# The question sounds like hair-splitting, and it is one of the places where a gradient is quietly wrong: ties are not rare in a real net,
# they are everywhere. At the end we ask what pooling is good for, and what it costs.
#
# ## The largest of four

# %%
import numpy as np

import tinyattn as ta
from tinyattn.learn import figure, show, source
from tinyattn.nn import functional as F
from tinyattn.viz.style import BLUE, FAINT, GREEN, INK, ORANGE, SOFT


def max_pool(x, size, stride):
    """x (H, W) → y (H', W'), and where (H', W', 2): row and column of each maximum."""
    Ho, Wo = (x.shape[0] - size) // stride + 1, (x.shape[1] - size) // stride + 1
    y, where = np.zeros((Ho, Wo)), np.zeros((Ho, Wo, 2), int)
    for i, j in np.ndindex(Ho, Wo):
        window = x[i * stride:i * stride + size, j * stride:j * stride + size]
        r, s = np.unravel_index(window.argmax(), window.shape)
        y[i, j], where[i, j] = window[r, s], (i * stride + r, j * stride + s)
    return y, where


x = np.array([[3.0, 1, 4, 1], [5, 9, 2, 6], [5, 3, 5, 8], [9, 7, 9, 3]])
y, where = max_pool(x, size=2, stride=2)
print(x)
print("the largest of each four:", y.ravel(), "  at", [tuple(map(int, place)) for place in where.reshape(-1, 2)])

# %% [markdown]
# Nudge the 9 in the upper left window, and the output moves by the same: slope 1. Nudge the 5 beside it, and nothing happens: it would have
# to grow by 4 to win. Slope 0. So the gradient of an output goes to its **winner**, all of it, and the others get nothing. All that the
# backward pass must know is who won, so the forward pass writes it down:

# %%


def max_pool_backward(dy, where, shape):
    """dx of the given shape: each dy goes to the place where the maximum stood."""
    dx = np.zeros(shape)
    for i, j in np.ndindex(*dy.shape):
        dx[tuple(where[i, j])] += dy[i, j]
    return dx


dy = np.array([[1.0, 2], [3, 4]])
dx = max_pool_backward(dy, where, x.shape)
print(dx)

# %% tags=["aside"]
from matplotlib.patches import Rectangle


def cells(axes, values, marked, edge, left=0.0, size=1.0):
    """A table of numbers at `left`; marked: which cells are tinted with `edge`."""
    for (r, c), value in np.ndenumerate(values):
        if marked[r, c]:
            axes.add_patch(Rectangle((left + c * size, -r * size), size, -size, fc=edge, alpha=0.25))
        axes.add_patch(Rectangle((left + c * size, -r * size), size, -size, fc="none", ec=FAINT))
        axes.text(left + (c + 0.5) * size, -(r + 0.5) * size, f"{value:.0f}", ha="center", va="center", fontsize=10,
                  color=INK if marked[r, c] else SOFT)


picture, axes = figure(6.4, 2.3)
won = dx != 0
cells(axes, x, won, BLUE)
cells(axes, y, np.ones((2, 2), bool), BLUE, 5.6)
cells(axes, dy, np.ones((2, 2), bool), ORANGE, 9.6)
cells(axes, dx, won, ORANGE, 13.2)
for left in (0, 13.2):
    axes.plot([left + 2, left + 2], [0, -4], color=SOFT, lw=1.6)
    axes.plot([left, left + 4], [-2, -2], color=SOFT, lw=1.6)
for left, words in ((0, "x"), (5.6, "y: the winners"), (9.6, "dy, as it comes"), (13.2, "dx: to the winners")):
    axes.text(left, 0.25, words, color=INK, fontweight="bold", fontsize=9)
for start, end, height in ((4.2, 5.4, -1), (11.8, 13.0, -1)):
    axes.annotate("", (end, height), (start, height), arrowprops={"arrowstyle": "-|>", "color": SOFT})
axes.set_xlim(-0.2, 17.6)
axes.set_ylim(-4.2, 0.8)
axes.set_aspect("equal")
axes.axis("off")
show(picture, "routing",
     "Each window's largest number goes forward; on the way back each dy goes to the place where that number stood, and zeros elsewhere.")

# %% [markdown]
# Is it right? Nudging (lesson 03) is the judge:

# %%


def slopes(f, at, step=1e-6):
    """Central differences: the slope of the number f(at) for each entry of the array `at`."""
    slope = np.zeros_like(at)
    for place in np.ndindex(*at.shape):
        above, below = at.copy(), at.copy()
        above[place] += step
        below[place] -= step
        slope[place] = (f(above) - f(below)) / (2 * step)
    return slope


rng = np.random.default_rng(0)
big, big_dy = rng.normal(size=(7, 9)), rng.normal(size=(3, 4))
by_nudging = slopes(lambda x: np.sum(big_dy * max_pool(x, 3, 2)[0]), big)
by_hand = max_pool_backward(big_dy, max_pool(big, 3, 2)[1], big.shape)
print("windows of 3 with stride 2, as nudged:", np.allclose(by_hand, by_nudging, rtol=0, atol=1e-8))

# %% [markdown]
# ## Overlaps add
#
# In that last check the windows were three wide and stood two apart, so they shared rows and columns, and a number that is large enough
# wins several windows. It is told by each of them, and the effects add (lesson 01). This is the `+=` in `max_pool_backward`; let us count
# what a plain `=` would have lost:

# %%
places = max_pool(big, 3, 2)[1].reshape(-1, 2)
_, wins = np.unique(places, axis=0, return_counts=True)
lost = np.zeros_like(big)
for place, g in zip(places, big_dy.ravel()):
    lost[tuple(place)] = g
print(f"{len(places)} windows, {len(wins)} different winners, one of them won {wins.max()} times")
print(f"places where = is wrong: {int((~np.isclose(lost, by_nudging, atol=1e-6)).sum())}")

# %% [markdown]
# With windows that do not overlap, the two give the same, which is why the mistake survives every test with size 2 and stride 2.
#
# ## Ties
#
# Now let two numbers in a window be equal, both the largest. Nudge the first **up**: it wins alone, and the output follows: slope 1. Nudge
# it **down**: the other wins, and the output stays: slope 0. The curve has a corner there, and a corner has no slope.

# %%
h = 1e-6


def output(a, b):
    return max(a, b)


print(f"first up:   {(output(5 + h, 5) - output(5, 5)) / h:.2f}")
print(f"first down: {(output(5, 5) - output(5 - h, 5)) / h:.2f}")
print(f"central:    {(output(5 + h, 5) - output(5 - h, 5)) / (2 * h):.2f}")
print(f"both up:    {(output(5 + h, 5 + h) - output(5, 5)) / h:.2f}")
print(f"both down:  {(output(5, 5) - output(5 - h, 5 - h)) / h:.2f}")

# %% tags=["aside"]
picture, both = figure(6.4, 2.5, columns=2)
line = np.linspace(4, 6, 41)
for axes, values, title, words in ((both[0], np.maximum(line, 5), "one of the two moves", "slope 0 left, 1 right"),
                                   (both[1], line, "both move together", "slope 1 on both sides")):
    axes.plot(line, values, color=BLUE, lw=2)
    axes.plot([5], [5], "o", color=ORANGE, ms=6)
    axes.set_title(title)
    axes.text(4.05, 5.7, words, color=INK, fontsize=8.5)
    axes.set_ylim(3.9, 6.1)
    axes.set_xlabel("the moving number")
both[0].set_ylabel("the maximum")
show(picture, "tie",
     "At a tie the maximum has a corner when one number moves alone, and no corner at all, with slope 1, when both move together.")

# %% [markdown]
# The central difference says one half, and it is not the truth either: it is the mean of two different slopes. (So a gradient checker that
# is run at a tie complains of a right gradient. Check pooling on numbers that are all different.) But one thing is certain: the last two
# lines. If both move *together*, there is no corner, and the output moves by exactly as much. So **the shares of the tied numbers must add
# up to 1.** That leaves several rules, and rules out one:
#
# | rule | shares of two tied numbers | together |
# |---|---|---|
# | the first one takes all (PyTorch, and here) | 1, 0 | 1 |
# | they share equally | ½, ½ | 1 |
# | everyone who equals the maximum takes all | 1, 1 | **2** |
#
# The third is what one writes without thinking: `dx = dy * (x == y)`. It looks harmless, since ties between random numbers never happen.
# But after a ReLU they do: every negative number became 0, and a window in an empty part of the picture holds nothing but zeros, all equal.
# Here are the feature maps of real images, made by Gabor kernels (lesson 06) and a ReLU:

# %%


def gabor(theta, size=7, wavelength=5.0, sigma=2.0):
    y, x = np.mgrid[:size, :size] - size // 2
    g = np.exp(-(x * x + y * y) / (2 * sigma ** 2)) * np.cos(2 * np.pi * (x * np.cos(theta) + y * np.sin(theta)) / wavelength)
    g -= g.mean()
    return g / np.sqrt(np.sum(g * g))


kernels = np.stack([gabor(theta) for theta in np.pi * np.arange(4) / 4])[:, None]                  # (4, 1, 7, 7)
images = np.pad(ta.data.load("glyphs", "test", size=100).images / 255.0, ((0, 0), (0, 0), (8, 8), (8, 8)))  # room to move in


def features(x):
    """(N, 1, 44, 44) → (N, 4, 44, 44): what four Gabor kernels see, where it is more than the noise."""
    return F.relu(F.conv2d(ta.tensor(x), ta.tensor(kernels), ta.tensor(np.full(4, -0.1)), padding=3)).data


maps = features(images)
flat = maps.reshape(100, 4, 22, 2, 22, 2).transpose(0, 1, 2, 4, 3, 5).reshape(-1, 4)               # (windows, 4)
counts = (flat == flat.max(axis=1, keepdims=True)).sum(axis=1)
alive = flat.max(axis=1) > 0
print(f"{(counts > 1).mean():.0%} of all windows hold a tie; where the maximum is above 0: {(counts[alive] > 1).mean():.1%}")
print(f"dy * (x == y) hands out {counts.mean():.2f} times what came in")

# %% [markdown]
# Most windows are tied, and all of them at 0. There the ReLU below saves us: it passes nothing back where its output is 0, so these
# gradients are thrown away whatever the rule. The mistake hides again, until someone pools what did not come from a ReLU: a picture itself,
# with its 256 levels of grey. A rule that is right by luck is wrong.
#
# ## The mean
#
# **Average pooling** takes the mean of the window. Everyone has an equal part in it, so everyone gets an equal share of the gradient: `dy`
# divided by the number of the window's places. Where windows overlap, shares add. It is a convolution with a constant kernel, and its
# backward pass is the scatter of lesson 07.
#
# At the border there is a choice. A window that hangs over the edge by padding has fewer real pixels: divide by the size of the window
# (`count_include_pad=True`, PyTorch's default), or by the real ones only? The forward pass decides, and the backward pass must divide by
# the same. On a picture of nothing but ones it can be seen:

# %%
ones = ta.tensor(np.ones((1, 1, 4, 4)))
for include in (True, False):
    print(f"count_include_pad={include}")
    print(F.avg_pool2d(ones, 3, stride=1, padding=1, count_include_pad=include).data[0, 0].round(2))

# %% [markdown]
# With the zeros counted, a corner has 4 ones among 9 places, and the rim goes dark.
#
# Two more kinds are the mean with other windows. **Global** pooling has one window, the whole map: $(N, C, H, W) \to (N, C)$, and each of
# the $H W$ places gets $dy / HW$. **Adaptive** pooling is told how many windows to make, whatever the size of the map: window $i$ of $H'$
# goes from $\lfloor i H / H' \rfloor$ to $\lceil (i + 1) H / H' \rceil$, so that every place is covered, and neighbours overlap where it
# does not divide:

# %%


def adaptive_windows(size, parts):
    """Begin and end of each window."""
    return [(i * size // parts, -(-(i + 1) * size // parts)) for i in range(parts)]


for size, parts in ((6, 3), (7, 3), (10, 4)):
    print(f"{size} places in {parts} windows:", adaptive_windows(size, parts))

# %% [markdown]
# All four, side by side: a `dy` of ones sent back through each. The darker, the more a pixel is told (each picture has its own scale).

# %%
strokes = ta.tensor(maps[7:8, :1, 8:35, 8:35], requires_grad=True)                                 # (1, 1, 27, 27)
ways = {"max, 3 wide, stride 2": lambda x: F.max_pool2d(x, 3, 2), "mean, 3 wide, stride 2": lambda x: F.avg_pool2d(x, 3, 2),
        "mean, adaptive, 4×4": lambda x: F.adaptive_avg_pool2d(x, 4), "mean, global": lambda x: F.adaptive_avg_pool2d(x, 1)}
told = {}
for words, pool in ways.items():
    strokes.grad = None
    out = pool(strokes)
    out.backward(ta.ones(*out.shape, dtype=ta.float64))
    told[words] = strokes.grad.data[0, 0].copy()
    print(f"{words:<24} outputs {out.data.size:4}, sum of dx {told[words].sum():7.2f}, pixels told {int((told[words] != 0).sum()):4}, "
          f"most {told[words].max():.3f}")

# %% tags=["aside"]
picture, parts = figure(6.4, 1.9, columns=5)
parts[0].imshow(strokes.data[0, 0], cmap="gray")
parts[0].set_title("the map", fontsize=8)
for axes, (words, values) in zip(parts[1:], told.items()):
    axes.imshow(values, cmap="YlGnBu", vmin=0, vmax=values.max())
    axes.set_title(words.replace(", ", "\n", 1), fontsize=8)
for axes in parts:
    axes.set_xticks([])
    axes.set_yticks([])
    axes.grid(False)
show(picture, "told",
     "Max pooling tells single pixels, some of them several times; mean pooling tells all, overlaps more; global pooling all the same.")

# %% [markdown]
# Max and the means hand out exactly what came in, one for each output. That is the law of this lesson in another form: shares add up to 1.
#
# ## What is it good for?
#
# A person who writes a 4 one pixel further to the right has written the same 4. Lesson 06 promised that the feature map moves along, and so
# all its numbers change places. Pooling forgets the place *within* a window, so that a small move changes little. How little? We move 100
# images by 1 to 4 pixels, and compare what each kind of pooling says before and after, as the length of the change against the length of
# the features:

# %%
kinds = {"no pooling": lambda m: m, "every 4th kept": lambda m: m[:, :, ::4, ::4],
         "max of 2×2": lambda m: F.max_pool2d(ta.tensor(m), 2).data, "max of 4×4": lambda m: F.max_pool2d(ta.tensor(m), 4).data,
         "mean of 4×4": lambda m: F.avg_pool2d(ta.tensor(m), 4).data, "mean of all": lambda m: F.adaptive_avg_pool2d(ta.tensor(m), 1).data}
change = {words: [] for words in kinds}
for step in (1, 2, 3, 4):
    after = features(np.roll(images, step, axis=3))                  # the rim is empty, so nothing comes in on the other side
    for words, pool in kinds.items():
        before = pool(maps)
        lengths = [np.sqrt((v ** 2).sum(axis=(1, 2, 3))) for v in (pool(after) - before, before)]
        change[words].append(float(np.mean(lengths[0] / lengths[1])))
print("moved by          1     2     3     4")
for words, values in change.items():
    print(f"{words:<15}", "  ".join(f"{v:.2f}" for v in values))

# %% tags=["aside"]
picture, axes = figure(6.4, 2.8)
looks = {"no pooling": (INK, "o-"), "every 4th kept": (SOFT, "s--"), "max of 2×2": (GREEN, "v-"), "max of 4×4": (BLUE, "^-"),
         "mean of 4×4": (ORANGE, "D-"), "mean of all": ("#8a4fbf", "x-")}
for words, values in change.items():
    axes.plot((1, 2, 3, 4), values, looks[words][1], color=looks[words][0], ms=5, label=words)
axes.set_xticks((1, 2, 3, 4))
axes.set_xlim(0.9, 5.6)
axes.set_xlabel("pixels moved")
axes.set_ylabel("change of the features")
axes.legend(loc="center right", fontsize=8)
show(picture, "moves",
     "Larger pooling windows change less when the picture moves, max less than mean; keeping every 4th is no better than none.")

# %% [markdown]
# Pooled features change less, and the larger the window, the less; the maximum is a little steadier than the mean. Keeping every fourth
# number without pooling throws away just as much and gains nothing. So it is not the smaller size that helps, it is that the window looks
# everywhere before it decides.
#
# But *less* is not *nothing*. Books call pooling "invariant to small shifts"; here a move by one pixel still changes a third or more of
# what is left, and a move by the width of the window far more (two features with nothing in common would give $\sqrt 2$). The borders of
# the windows are as fixed as the pixels were. Only the mean of all does not change, for it has forgotten every place. What else has it
# forgotten? We exchange the four quarters of each letter, which no reader would take for the letter, and ask how alike the features are (1:
# the same):

# %%
exchanged = features(np.pad(np.roll(images[:, :, 8:36, 8:36], (14, 14), axis=(2, 3)), ((0, 0), (0, 0), (8, 8), (8, 8))))
for words in ("no pooling", "max of 4×4", "mean of all"):
    a, b = (kinds[words](m).reshape(100, -1) for m in (maps, exchanged))
    alike = np.sum(a * b, axis=1) / np.linalg.norm(a, axis=1) / np.linalg.norm(b, axis=1)
    print(f"{words:<12} the letter and its quarters exchanged are alike by {alike.mean():.2f}")

# %% [markdown]
# To the mean of all, the letter and its pieces are nearly the same thing. It still knows *how much* of each stroke there was, and no layer
# behind it can find out where. That is the price: pooling buys steadiness with knowledge of place. Where the place matters, as for a box
# around a word or a mask of an object, one pools little or not at all.
#
# ## The same in the framework

# %%
from tinyattn.kernels.reference import pool
source(pool.max_pool2d_backward, "Max pooling, backward")
source(pool._average_backward, "Average pooling, backward, whatever the windows")

# %% [markdown]
# The forward kernel hands over `indices`, one number $h \cdot W + w$ for each output, which is our `where`; the compiled kernels keep the
# same. All means share one backward that is given the windows as begin and end. Here are ours against both, with overlaps, padding and,
# since the numbers are rounded to halves, with many ties:

# %%
X = np.round(rng.normal(size=(2, 3, 7, 9)) * 2) / 2                                  # many equal numbers
DY = rng.normal(size=(2, 3, 4, 5))


def max_by_hand(dy, x, size, stride, padding):
    """Pad with −∞, which never wins, and go plane by plane."""
    dx = np.zeros_like(x)
    for n, c in np.ndindex(*x.shape[:2]):
        padded = np.pad(x[n, c], padding, constant_values=-np.inf)
        whole = max_pool_backward(dy[n, c], max_pool(padded, size, stride)[1], padded.shape)
        dx[n, c] = whole[padding:-padding, padding:-padding]
    return dx


def mean_by_hand(dy, x_shape, size, stride, padding):
    """Every place of the window gets dy / size², the padding's share is cropped."""
    padded = np.zeros((*x_shape[:2], x_shape[2] + 2 * padding, x_shape[3] + 2 * padding))
    for i, j in np.ndindex(*dy.shape[2:]):
        padded[:, :, i * stride:i * stride + size, j * stride:j * stride + size] += dy[:, :, i, j, None, None] / size ** 2
    return padded[:, :, padding:-padding, padding:-padding]


for rung in ("reference", "cpu"):
    for words, op, ours in (("max", F.max_pool2d, max_by_hand(DY, X, 3, 2, 1)),
                            ("mean", F.avg_pool2d, mean_by_hand(DY, X.shape, 3, 2, 1))):
        with ta.kernels.use(rung):
            given = ta.tensor(X, requires_grad=True)
            op(given, 3, stride=2, padding=1).backward(ta.tensor(DY))
        print(f"{rung:>9}, {words:>4}: within 1e-12 of ours: {np.allclose(given.grad.data, ours, rtol=0, atol=1e-12)}")

# %% [markdown]
# We have now taken apart every layer of a small convolutional net, forward and backward, and all of it runs in Python loops. A net that
# trains on sixty thousand images cannot wait for those. How the same loops become fast, without a change to what they compute, is lesson
# 09.
#
# **To read next.** `kernels/reference/pool.py` and `kernels/windows.py`. D. Scherer, A. Müller and S. Behnke, "Evaluation of pooling
# operations in convolutional architectures for object recognition" (ICANN 2010); Y-L. Boureau, J. Ponce and Y. LeCun, "A theoretical
# analysis of feature pooling in visual recognition" (ICML 2010); M. Lin, Q. Chen and S. Yan, "Network in network" (ICLR 2014) for global
# pooling; R. Zhang, "Making convolutional networks shift-invariant again" (ICML 2019) on what stride costs.
