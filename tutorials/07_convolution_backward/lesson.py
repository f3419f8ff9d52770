# %% [markdown]
# # 07 · Convolution backward by hand
#
# Every book says it in one line: *the gradient of a convolution is a convolution with the flipped kernel.* But a convolution uses one
# weight at every place of the image, and it reads one pixel for many outputs. **If the error asks that one output grow, which pixels are
# told, and which weights, and where in all this does something get flipped?**
#
# We answer with pencil and paper, on a row of six numbers. Then we do the same for images with channels, batches, strides and padding,
# where nothing new will happen.
#
# ## Six numbers and three weights
#
# The kernel slides along the row, and each output is a sum of three products: $y_i = x_i w_0 + x_{i+1} w_1 + x_{i+2} w_2$.
# We choose the weights 1, 10 and 100, so that a sum shows in its digits what went into it.

# %%
import numpy as np

from tinyattn.learn import figure, show, source
from tinyattn.viz.style import BLUE, FAINT, GREEN, INK, ORANGE, SOFT

x = np.array([2.0, 7, 1, 8, 2, 8])
w = np.array([1.0, 10, 100])


def forward(x, w):
    """y[i] = Σ_r x[i + r] · w[r]:  x (L,), w (R,) → y (L − R + 1,)"""
    y = np.zeros(len(x) - len(w) + 1)
    for i in range(len(y)):
        for r in range(len(w)):
            y[i] += x[i + r] * w[r]
    return y


y = forward(x, w)
for i in range(len(y)):
    print(f"y[{i}] = " + " + ".join(f"{x[i + r]:.0f}·{w[r]:<3.0f}" for r in range(3)) + f" = {y[i]:.0f}")

# %% [markdown]
# The row begins 2, 7, 1, and `y[0]` is 172: its digits are the pixels in reverse, since the last one read got the largest weight. It will
# come back the other way round.
#
# Behind this layer an error $L$ was computed, and its walk backward (lesson 01) has come as far as $y$. It brings, for each output, how
# much $L$ grows for each 1 that this output grows: $\partial L / \partial y_i$, an array of the shape of $y$. We call it `dy`, and want
# `dx` and `dw`, which are the same for $x$ and $w$. Say it brought

# %%
dy = np.array([3.0, 1, 4, 1])

# %% [markdown]
# ## Turn the table around
#
# What was printed above is written from the outputs' side: for each `y`, what it read. For `dx` we need it from the other side: **which
# outputs did `x[3]` reach, and through which weight?** That is the same list, sorted otherwise:

# %%
for m in range(len(x)):
    reached = [(i, r) for i in range(len(y)) for r in range(len(w)) if i + r == m]
    print(f"x[{m}] reaches " + ", ".join(f"y[{i}] through w[{r}]" for i, r in reached))

# %% [markdown]
# Read the line of `x[3]`: the outputs go up, 1, 2, 3, and the weights go **down**, 2, 1, 0. That is the flip. The picture shows both
# readings in one table. A filled cell says that this `y` reads this `x`, and through which weight. A row, which is how the forward pass
# reads, says $w_0, w_1, w_2$. A column, which is how `dx` must read, says $w_2, w_1, w_0$.

# %% tags=["aside"]
from matplotlib.patches import Rectangle
picture, axes = figure(6.4, 3.0)
for i in range(4):
    for m in range(6):
        tap = 0 <= m - i < 3
        face = BLUE if tap and i == 0 else ORANGE if tap and m == 3 else "#eef1f6" if tap else "white"
        axes.add_patch(Rectangle((m, -i), 1, -1, fc=face, ec=FAINT))
        if tap:
            axes.text(m + 0.5, -i - 0.5, f"w{'₀₁₂'[m - i]}", ha="center", va="center", fontsize=11,
                      color="white" if face in (BLUE, ORANGE) else INK)
for m in range(6):
    axes.text(m + 0.5, 0.25, f"x[{m}]", ha="center", color=ORANGE if m == 3 else SOFT, fontweight="bold" if m == 3 else None)
for i in range(4):
    axes.text(-0.15, -i - 0.5, f"y[{i}]", ha="right", va="center", color=BLUE if i == 0 else SOFT, fontweight="bold" if i == 0 else None)
axes.text(6.3, -0.5, "a row, left to right: w₀ w₁ w₂\n(what y[0] reads)", color=BLUE, va="center")
axes.text(6.3, -2.5, "a column, top to bottom: w₂ w₁ w₀\n(whom x[3] reaches)", color="#b3541e", va="center")
axes.set_xlim(-0.8, 10.6)
axes.set_ylim(-4.1, 0.6)
axes.set_aspect("equal")
axes.axis("off")
show(picture, "table",
     "The table of which y reads which x: its rows hold the weights in the order 0, 1, 2, its columns in the order 2, 1, 0.")

# %% [markdown]
# ## Two ways to compute it
#
# If $x_m$ grows by 1, then $y_i$ grows by the weight $w_r$ between them, and $L$ by $w_r \, dy_i$; several ways add (lesson 01). So
#
# $$dx_m = \sum_{i + r = m} w_r \, dy_i .$$
#
# A program can take these products in two orders. **Scatter**: go through the outputs, and let each throw its `dy` back onto the three
# pixels that it read. **Gather**: go through the pixels, and let each collect from the outputs that it reached. For a fixed pixel $m$ the
# output is $i = m - r$, with a *minus*: as the weight's number goes up, the output's goes down.

# %%


def dx_scatter(dy, w):
    """Each dy[i] throws the kernel, as it is, onto dx[i … i + R − 1]."""
    dx = np.zeros(len(dy) + len(w) - 1)
    for i in range(len(dy)):
        for r in range(len(w)):
            dx[i + r] += w[r] * dy[i]
    return dx


def dx_gather(dy, w):
    """Each dx[m] collects: slide the kernel *read backward* along dy, with zeros beyond both ends."""
    zeros = np.zeros(len(w) - 1)
    return forward(np.concatenate([zeros, dy, zeros]), w[::-1])


print("scatter:", dx_scatter(dy, w))
print("gather: ", dx_gather(dy, w))

# %% tags=["aside"]
picture, both = figure(6.4, 3.7, rows=2)
for axes, title, pairs in ((both[0], "scatter: one dy, three dx", [(1, 1 + r, r) for r in range(3)]),
                           (both[1], "gather: one dx, three dy", [(3 - r, 3, r) for r in (2, 1, 0)])):
    for k, (values, name, level, shift) in enumerate(((dy, "dy", 1.6, 1.0), (dx_scatter(dy, w), "dx", 0.0, 0.0))):
        for p, value in enumerate(values):
            active = any(p == pair[k] for pair in pairs)
            edge, face = ((BLUE, "#dbe7fb"), (ORANGE, "#fbe6d8"))[k]
            axes.text(p + shift, level, f"{value:.0f}", ha="center", va="center", fontsize=9, color=INK if active else SOFT,
                      bbox={"boxstyle": "square,pad=0.45", "fc": face if active else "white", "ec": edge})
        axes.text(-0.75, level, name, ha="right", va="center", color=SOFT)
    for i, m, r in pairs:
        axes.annotate("", (m, 0.34), (i + 1, 1.26), arrowprops={"arrowstyle": "-|>", "color": SOFT, "lw": 1.1, "shrinkA": 0, "shrinkB": 0})
        far = 0.62 if axes is both[0] else 0.38                     # of the way from dy to dx: where the three arrows are apart
        axes.text(i + 1 + (m - i - 1) * far, 1.26 - 0.92 * far, f"×{w[r]:.0f}", ha="center", va="center", fontsize=9, color="#b3541e",
                  fontweight="bold", bbox={"fc": "white", "ec": "none", "pad": 1})
    axes.set_title(title)
    axes.set_xlim(-1.2, 5.6)
    axes.set_ylim(-0.4, 2.0)
    axes.axis("off")
show(picture, "two_ways",
     "Scatter: dy[1] throws 1, 10, 100 onto dx[1], dx[2], dx[3], left to right. Gather: dx[3] collects with 100, 10, 1, left to right.")

# %% [markdown]
# The same products, added in another order. And now the digits: `dy` is 3, 1, 4, 1, and `dx[2]` is 314, read **forward**. In `y`, the
# digits of `x` stood **backward**. The two passes read the kernel in opposite directions.
#
# Is it right? We nudge. The loss that has exactly this `dy` is $L = \sum_i dy_i \, y_i$, for its slope for $y_i$ is the number $dy_i$.

# %%


def slopes(f, at, step=1e-6):
    """Central differences (lesson 03): the slope of the number f(at) for each entry of the array `at`."""
    slope = np.zeros_like(at)
    for place in np.ndindex(*at.shape):
        above, below = at.copy(), at.copy()
        above[place] += step
        below[place] -= step
        slope[place] = (f(above) - f(below)) / (2 * step)
    return slope


print("nudged: ", slopes(lambda x: np.sum(dy * forward(x, w)), x).round(4))

# %% [markdown]
# ## The weights' side
#
# The weight $w_1$ sits in every output: in $y_0$ next to $x_1$, in $y_1$ next to $x_2$, and so on. If it grows by 1, $y_i$ grows by
# $x_{i+1}$. So
#
# $$dw_r = \sum_i x_{i+r} \, dy_i .$$
#
# Compare this with $y_i = \sum_r x_{i+r} w_r$: it is the same sliding sum over $x$, with `dy` in the place of the kernel. Nothing is
# flipped here: as $i$ goes up, the place $i + r$ in `x` goes up with it. A bias $b$ that is added to every output moves them all alike, so
# its slope is the plain sum of `dy`.

# %%
dw = forward(x, dy)
db = dy.sum()
print("dw:", dw, "  nudged:", slopes(lambda w: np.sum(dy * forward(x, w)), w).round(4))
print("db:", db)

# %% [markdown]
# ## One sum that holds everything
#
# Write that loss out in full:
#
# $$L \;=\; \sum_{i,\,r} \; dy_i \; w_r \; x_{i+r}$$
#
# Strike out one of the three factors, and what remains is the slope for it. Without $x$: `dx`. Without $w$: `dw`. Without $dy$: $y$ itself.
# All of convolution, forward and backward, is one list of triples (an output, a weight, a pixel) that meet; each pass walks the list and
# adds to a different one of the three. Whoever remembers this line can write any convolution's gradient.
#
# ## Images, channels, batches
#
# A 2-D convolution has more letters and the same list:
#
# | | shape | index |
# |---|---|---|
# | images `x`, and `dx` | $(N, C, H, W)$ | image n, channel c, row h, column v |
# | kernels `w`, and `dw` | $(K, C, R, S)$ | output channel k, input channel c, row r, column s |
# | outputs `y`, and `dy` | $(N, K, H', W')$ | image n, channel k, row i, column j |
# | bias `b`, and `db` | $(K,)$ | |
#
# Who meets whom is decided by one formula, and stride, padding and dilation live in it and nowhere else:
#
# $$h = i \cdot \text{stride} + r \cdot \text{dilation} - \text{padding}$$
#
# and likewise $v$ from $j$ and $s$. (**Dilation** spreads the kernel: its neighbouring weights read pixels that far apart.) If $h$ lies
# outside the image, the kernel looked at padding, which is 0 and nobody's, and the triple does not count. So here is the list, and the
# three passes:

# %%


def meetings(x_shape, w_shape, stride, padding, dilation):
    """Yield all (output, weight, pixel) that meet, each as the place in its array."""
    N, C, H, W = x_shape
    K, C, R, S = w_shape
    Ho = (H + 2 * padding - dilation * (R - 1) - 1) // stride + 1
    Wo = (W + 2 * padding - dilation * (S - 1) - 1) // stride + 1
    for n, k, i, j in np.ndindex(N, K, Ho, Wo):
        for c, r, s in np.ndindex(C, R, S):
            h, v = i * stride + r * dilation - padding, j * stride + s * dilation - padding
            if 0 <= h < H and 0 <= v < W:
                yield (n, k, i, j), (k, c, r, s), (n, c, h, v)


def conv_y(x, w, y_shape, **how):
    y = np.zeros(y_shape)
    for output, weight, pixel in meetings(x.shape, w.shape, **how):
        y[output] += w[weight] * x[pixel]
    return y


def conv_dx(dy, w, x_shape, **how):
    dx = np.zeros(x_shape)
    for output, weight, pixel in meetings(x_shape, w.shape, **how):
        dx[pixel] += w[weight] * dy[output]
    return dx


def conv_dw(dy, x, w_shape, **how):
    dw = np.zeros(w_shape)
    for output, weight, pixel in meetings(x.shape, w_shape, **how):
        dw[weight] += x[pixel] * dy[output]
    return dw, dy.sum(axis=(0, 2, 3))                              # (K, C, R, S), (K,)


rng = np.random.default_rng(0)
how = {"stride": 2, "padding": 1, "dilation": 1}
X, Wt, DY = rng.normal(size=(2, 3, 6, 5)), rng.normal(size=(4, 3, 3, 2)), rng.normal(size=(2, 4, 3, 3))
DX, (DW, DB) = conv_dx(DY, Wt, X.shape, **how), conv_dw(DY, X, Wt.shape, **how)
by_nudging = (slopes(lambda x: np.sum(DY * conv_y(x, Wt, DY.shape, **how)), X),
              slopes(lambda w: np.sum(DY * conv_y(X, w, DY.shape, **how)), Wt))
for name, ours, judge in (("dx", DX, by_nudging[0]), ("dw", DW, by_nudging[1])):
    print(f"{name} {ours.shape}: {ours.size} slopes, all as nudged: {np.allclose(ours, judge, rtol=0, atol=1e-7)}")
print(f"{sum(1 for _ in meetings(X.shape, Wt.shape, **how))} meetings, and each pass walks them once")

# %% [markdown]
# Channels, stride, padding, nothing square: the one line of index arithmetic took care of all. Note that `dw` and `db` add over the *whole
# batch*, for all images shared the weights. It is a sum, not a mean: if the loss is a mean, its division by $N$ is in `dy` already.
#
# ## The flip, seen
#
# In two dimensions the flip is a half turn: upside down *and* mirrored. Take a kernel in the shape of an F. A single 1 in `dy` throws the F
# back as it is. A single 1 in `x` reaches the outputs in the shape of an F that is turned.

# %%
F = np.array([[1, 1, 1], [1, 0, 0], [1, 1, 0], [1, 0, 0], [1, 0, 0]], float)[None, None]      # (1, 1, 5, 3)
plain = {"stride": 1, "padding": 0, "dilation": 1}
dot_y, dot_x = np.zeros((1, 1, 7, 5)), np.zeros((1, 1, 11, 7))
dot_y[0, 0, 3, 2] = dot_x[0, 0, 5, 3] = 1
thrown = conv_dx(dot_y, F, dot_x.shape, **plain)
reached = conv_y(dot_x, F, dot_y.shape, **plain)

# %% tags=["aside"]
picture, parts = figure(6.4, 2.7, columns=4, gridspec_kw={"width_ratios": [5, 7, 7, 5]})
for axes, image, words in zip(parts, (dot_y, thrown, dot_x, reached),
                              ("a single 1 in dy", "gives this dx", "a single 1 in x", "gives this y")):
    axes.imshow(image[0, 0], cmap="Blues", vmin=0, vmax=1.3)
    axes.set_xticks(np.arange(0.5, image.shape[3] - 1))
    axes.set_yticks(np.arange(0.5, image.shape[2] - 1))
    axes.tick_params(length=0, labelbottom=False, labelleft=False)
    axes.set_title(words, fontsize=9)
show(picture, "stamp",
     "With an F as the kernel, a single 1 in dy stamps an upright F into dx, and a single 1 in x leaves a half-turned F in y.")

# %% [markdown]
# So to *gather* `dx` with a kernel sliding over `dy`, the kernel must be turned first. Forget it, and a net may still train: [the museum's
# exhibit 03](../museum/03_kernel_not_flipped.py) has this mistake, and the reason why it hides so well.
#
# ## Stride, padding, dilation in the gather view
#
# Scattering needs no thought: each `dy` knows where it read. But fast programs gather, for each `dx` is then finished at one stroke, and no
# two threads write to the same place.
#
# **Stride** 2 made outputs at every second place only. Put `dy` back at the places where they were made, with zeros in the gaps, and slide
# the turned kernel with stride 1. **Dilation** puts the gaps into the kernel instead. **Padding** made the image larger, and its gradient
# comes out larger too; the rim belongs to the zeros, who learn nothing: crop it. A last row that the stride left unread has reached nobody:
# its gradient is 0.

# %%
stride = 2
longer = np.array([2.0, 7, 1, 8, 2, 8, 1])                 # (7,): with stride 2 the kernel stops at 0, 2, 4
dy = np.array([3.0, 1, 4])
spread = np.zeros(stride * (len(dy) - 1) + 1)
spread[::stride] = dy
print("spread:", spread)
print("dx:    ", dx_gather(spread, w))
print("nudged:", slopes(lambda x: np.sum(dy * forward(x, w)[::stride]), longer).round(4))

# %% tags=["aside"]
picture, axes = figure(6.4, 2.9)
padded = np.concatenate([np.zeros(2), spread, np.zeros(2)])
at = 4
for level, name, values, shift in ((2.4, "dy spread,\nzeros around", padded, 0), (1.2, "kernel,\nread backward", w[::-1], at),
                                   (0, "dx", dx_gather(spread, w), 1)):
    for p, value in enumerate(values):
        real = level == 2.4 and 2 <= p < 2 + len(spread) and (p - 2) % stride == 0
        edge, face = {2.4: (BLUE, "#dbe7fb") if real else (FAINT, "white"), 1.2: (GREEN, "#dff3e8"),
                      0: (ORANGE, "#fbe6d8" if p == at else "white")}[level]
        axes.text(p + shift, level, f"{value:.0f}", ha="center", va="center", fontsize=10, color=SOFT if level == 2.4 and not real else INK,
                  bbox={"boxstyle": "square,pad=0.5", "fc": face, "ec": edge})
    axes.text(-1.0, level, name, ha="right", va="center", color=SOFT)
for p in range(3):
    axes.plot([at + p, at + p], [1.55, 2.05], color=GREEN, lw=1.2)
axes.annotate("", (at + 1, 0.35), (at + 1, 0.85), arrowprops={"arrowstyle": "-|>", "color": ORANGE})
axes.text(at + 1.3, 0.6, f"{padded[at]:.0f}·100 + {padded[at + 1]:.0f}·10 + {padded[at + 2]:.0f}·1 = {dx_gather(spread, w)[at]:.0f}",
          va="center", color="#b3541e")
axes.set_xlim(-3.0, 9.2)
axes.set_ylim(-0.5, 2.9)
axes.axis("off")
show(picture, "stride",
     "With stride 2, dy is spread with a zero between its numbers; the reversed kernel slides over it by single steps and gives dx.")

# %% [markdown]
# With channels and both directions nothing changes but the shapes: `dy` $(N, K, H', W')$ spread into zeros, the kernels turned and their
# channel axes swapped, $(C, K, R, S)$, for they now read $K$ channels and make $C$; and the *forward* convolution makes `dx`. Writing that
# is the third exercise.

# %% [markdown]
# ## The same in the framework
#
# TinyAttn's convolution is one operation whose `backward` calls two others, one for `dx` and one for `dw` and `db`, each only if someone
# needs it:

# %%
import tinyattn as ta
from tinyattn.kernels import reference
from tinyattn.kernels.cpu.conv import direct
from tinyattn.ops.conv import Conv2dFunction
source(Conv2dFunction.backward, "The operation's backward")
source(reference.conv2d_backward_input_plain, "The kernel for dx, in its plainest form")
source(reference.conv2d_backward_input, "The same, tap by tap")
source(direct.backward_input, "The compiled one")

# %% [markdown]
# The second is our `conv_dx`. (The channels come last there, `(N, H, W, C)`, because the numbers of one pixel then lie side by side; lesson 09
# tells why this is fast. `groups` splits the channels into parts that do not see each other.)
#
# The third cuts the same list otherwise: it fixes one place $(r, s)$ of the kernel. All pixels that this place touches are a slice of the
# padded image, and the weights at it are a matrix $(K, C)$ that works on channels: nine products of matrices for a 3×3 kernel, whatever
# the image. Slices of neighbouring places overlap, hence the `+=`.
#
# The compiled one gathers. Instead of sliding over inserted zeros it sorts the pixels by their remainder when divided by the stride. All
# pixels of one remainder meet the same part of the kernel (in our row: the even ones $w_0$ and $w_2$, the odd ones $w_1$ alone), and each
# such part is a small convolution of its own. All must agree with what we wrote by hand:

# %%
for rung in ("reference", "cpu"):
    with ta.kernels.use(rung):
        tx, tw = ta.tensor(X, requires_grad=True), ta.tensor(Wt, requires_grad=True)
        tb = ta.zeros(4, dtype=ta.float64, requires_grad=True)
        out = ta.nn.functional.conv2d(tx, tw, tb, stride=2, padding=1)
        out.backward(ta.tensor(DY))
    agree = [bool(np.allclose(theirs.grad.numpy(), ours, rtol=0, atol=1e-12)) for theirs, ours in ((tx, DX), (tw, DW), (tb, DB))]
    print(f"{rung:>9}: dx, dw, db within 1e-12 of ours: {agree}")

# %% [markdown]
# All of this can be watched cell by cell: `ta.viz.conv_stepper("conv.html")` writes a page to open in a browser, with no network. And a
# layer that runs `dx`'s formula as its *forward* pass, to make a large image of a small one, is called a transposed convolution
# (`conv_transpose2d`); by the sum with the three factors its own backward pass is a plain convolution.
#
# The next question is smaller and has a trap of its own: a pooling layer keeps one number of four and drops the rest. Where does its
# gradient go, and what if two were equally large? That is lesson 08.
#
# **To read next.** `kernels/reference/conv.py`; `kernels/cpu/conv/` has the fast ones. V. Dumoulin and F. Visin, "A guide to convolution
# arithmetic for deep learning" (arXiv:1603.07285, 2016) draws every case of stride and padding. Y. LeCun and
# others, "Backpropagation applied to handwritten zip code recognition" (Neural Computation 1, 1989) trained shared weights first.
