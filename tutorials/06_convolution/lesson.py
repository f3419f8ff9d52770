# tolerance: 0.02
# %% [markdown]
# # 06 · Filters by hand, and filters that learned
#
# One pixel of a picture means nothing. Grey, 0.7: of what? Its neighbours decide: dark on the left and bright on the right, and we stand at
# an edge. So whoever wants to see must look through a window that is larger than a pixel, and do it everywhere. That is a convolution, and
# it raises two questions. **What can be seen through a small window? And if a net is free to choose its windows, does it choose better ones
# than we do, or does it only seem to learn?**
#
# The second question is seldom asked, for the answer seems plain. We shall put it to the test with a control: a net whose windows are
# random and may not change.
#
# ## A window of nine numbers
#
# Here is a picture of the built-in data set, a letter or digit in a typeface, $28 \times 28$ pixels from 0 (black) to 1 (white), and nine
# weights, the **kernel**. Lay the kernel on the picture, multiply each weight by the pixel under it, and add the nine products:

# %%
import numpy as np

import tinyattn as ta
from tinyattn.learn import figure, show, source
from tinyattn.nn import functional as F
from tinyattn.viz.style import BLUE, GREEN, INK, ORANGE, SOFT

shown = ta.data.load("glyphs", "test", size=60)
image = shown.images[35, 0] / 255.0                      # (28, 28)
sobel_x = np.array([[-1.0, 0, 1], [-2, 0, 2], [-1, 0, 1]])

top, left = 12, 12
window = image[top:top + 3, left:left + 3]
print(f"this is a {shown.classes[shown.labels[35]]}; the window at row {top}, column {left}:")
print(window.round(2))
print("the kernel:")
print(sobel_x)
print(f"products, added: {np.sum(window * sobel_x):.2f}")

# %% [markdown]
# The left column counts as minus, the right one as plus. The sum is large where the picture gets brighter to the right, negative where it
# gets darker, and 0 where nothing changes across the window. Now slide the window over the whole picture, and write down each sum where the
# window was. The result is a picture too: a **feature map**.

# %%


def correlate(x, w, stride=1, padding=0):
    """y[i, j] = Σ_{r,s} w[r, s] · x[i·stride + r − padding, j·stride + s − padding]:  x (H, W), w (R, S) → y (H', W')"""
    x = np.pad(x, padding)                               # zeros around
    R, S = w.shape
    Ho, Wo = (x.shape[0] - R) // stride + 1, (x.shape[1] - S) // stride + 1
    y = np.zeros((Ho, Wo))
    for i in range(Ho):
        for j in range(Wo):
            y[i, j] = np.sum(x[i * stride:i * stride + R, j * stride:j * stride + S] * w)
    return y


edges = correlate(image, sobel_x)
print(f"picture {image.shape}, kernel {sobel_x.shape}, feature map {edges.shape}; at row {top}, column {left}: {edges[top, left]:.2f}")

# %% tags=["aside"]
from matplotlib.patches import ConnectionPatch, Rectangle
picture, (a, b, c) = figure(6.4, 2.6, columns=3, gridspec_kw={"width_ratios": [28, 14, 26]})
a.imshow(image, cmap="gray")
a.add_patch(Rectangle((left - 0.5, top - 0.5), 3, 3, fc="none", ec=ORANGE, lw=2))
b.imshow(sobel_x, cmap="RdBu", vmin=-4, vmax=4)
for (r, s), weight in np.ndenumerate(sobel_x):
    b.text(s, r, f"{weight:.0f}", ha="center", va="center", color=INK, fontsize=10)
c.imshow(edges, cmap="RdBu", vmin=-4, vmax=4)
c.add_patch(Rectangle((left - 0.5, top - 0.5), 1, 1, fc="none", ec=ORANGE, lw=2))
for axes, title in ((a, "the picture"), (b, "the kernel"), (c, "the feature map")):
    axes.set_title(title)
    axes.set_xticks([])
    axes.set_yticks([])
    axes.grid(False)
for start, end, begin, finish in ((a, b, (left + 2.5, top + 1), (-0.5, 1)), (b, c, (2.5, 1), (left - 0.5, top))):
    picture.add_artist(ConnectionPatch(begin, finish, "data", "data", axesA=start, axesB=end, arrowstyle="-|>", color=ORANGE, lw=1.4))
show(picture, "window",
     "A window of the picture times the kernel makes one pixel of the feature map, which is blue at left edges and red at right ones.")

# %% [markdown]
# ## How large is the map?
#
# The window must fit. On $H$ rows, a window of $R$ rows can begin at row 0, 1, …, $H - R$, which is $H - R + 1$ places. **Padding** puts
# $p$ rows of zeros above and below, so there are $H + 2p$. **Stride** $s$ moves the window by $s$ at a time, so of the steps from the first
# place to the last only every $s$-th is made, and what does not fit at the end is left out:
#
# $$H' = \left\lfloor \frac{H + 2p - R}{s} \right\rfloor + 1$$

# %%
print("  R  stride  padding   formula   as it comes")
for R, stride, padding in ((3, 1, 0), (3, 1, 1), (7, 1, 3), (3, 2, 1), (7, 4, 3), (5, 3, 0)):
    formula = (28 + 2 * padding - R) // stride + 1
    comes = correlate(image, np.ones((R, R)), stride, padding).shape[0]
    print(f"{R:3} {stride:7} {padding:8} {formula:9} {comes:13}")

# %% [markdown]
# With stride 1 and padding $(R-1)/2$ the map is as large as the picture: the second row and the third.
#
# ## Filters by hand
#
# What a kernel answers to can be read from its weights: it answers most where the picture looks like the kernel. (The sum of products is an
# inner product, and it is largest, for patches of equal strength, where the patch *is* the kernel.) So one draws what one looks for.
#
# - **Sobel's** two kernels (1968) are a step across and a little smoothing along: the first for upright edges, its transpose for level
#   ones. Both together, $\sqrt{g_x^2 + g_y^2}$, are the strength of the edge, whatever its direction.
# - A **corner** is where the picture changes in *both* directions. No single kernel can tell: it adds, and an edge of double strength looks
#   to it like a corner. One must multiply first. Harris and Stephens (1988) blur $g_x^2$, $g_y^2$ and $g_x g_y$ over a small neighbourhood
#   and ask whether $\overline{g_x^2} \cdot \overline{g_y^2} - \overline{g_x g_y}^{\,2}$ is large: along a straight edge, however strong,
#   this is 0.
# - **Gabor's** kernel is a wave under a bell. It answers to stripes of one direction $\theta$ and one width, here and not elsewhere; cells
#   in the first stage of a cat's visual cortex behave much like it (Hubel and Wiesel 1962, Daugman 1985):
#
# $$g(x, y) = \exp\left(-\frac{x^2 + y^2}{2 \sigma^2}\right) \cos\left(\frac{2\pi u}{\lambda} + \varphi\right)$$
#
# $$u = x \cos\theta + y \sin\theta$$

# %%


def gabor(size, theta, wavelength=5.0, sigma=2.0, phase=0.0):
    """A wave under a bell, (size, size), of mean 0 and length 1."""
    y, x = np.mgrid[:size, :size] - size // 2
    u = x * np.cos(theta) + y * np.sin(theta)
    g = np.exp(-(x * x + y * y) / (2 * sigma ** 2)) * np.cos(2 * np.pi * u / wavelength + phase)
    g -= g.mean()                                        # blind to plain brightness
    return g / np.sqrt(np.sum(g * g))


gx, gy = correlate(image, sobel_x, padding=1), correlate(image, sobel_x.T, padding=1)
strength = np.sqrt(gx ** 2 + gy ** 2)
blur = np.outer([1, 4, 6, 4, 1], [1, 4, 6, 4, 1]) / 256
xx, yy, xy = (correlate(part, blur, padding=2) for part in (gx * gx, gy * gy, gx * gy))
corners = xx * yy - xy * xy
stripes = [correlate(image, gabor(7, theta), padding=3) for theta in np.pi * np.arange(4) / 4]

# %% tags=["aside"]
picture, parts = figure(6.4, 3.5, rows=2, columns=4)
shades = [("the picture", image, "gray"), ("Sobel, both", strength, "gray"), ("corners", np.maximum(corners, 0) ** 0.5, "gray"),
          ("Sobel, level edges", gy, "RdBu")]
shades += [(f"Gabor, {45 * k}°", part, "RdBu") for k, part in enumerate(stripes)]
for axes, (title, values, colours) in zip(parts.ravel(), shades):
    limit = np.abs(values).max()
    axes.imshow(values, cmap=colours, vmin=0 if colours == "gray" else -limit, vmax=limit)
    axes.set_title(title, fontsize=9)
    axes.set_xticks([])
    axes.set_yticks([])
    axes.grid(False)
show(picture, "by_hand",
     "Sobel draws the outline, the corner measure lights up at its ends and crossings, and each Gabor answers to strokes of one direction.")

# %% [markdown]
# ## Correlation or convolution?
#
# Strictly, what we computed is a *cross-correlation*. A mathematician's convolution turns the kernel by half first. It has a reason: only
# the turned one is a kind of product, where the order does not matter and two kernels in a row are one kernel:

# %%
row, p, q = np.array([1.0, 5, 2, 8, 3, 9, 4, 1]), np.array([1.0, 2, 4]), np.array([1.0, 0, -1])
print("two convolutions, and one with the kernels' convolution:", np.array_equal(
    np.convolve(np.convolve(row, p), q), np.convolve(row, np.convolve(p, q))))
print("the same with correlations:                             ", np.array_equal(
    np.correlate(np.correlate(row, p, "full"), q, "full"), np.correlate(row, np.correlate(p, q, "full"), "full")))
turned = correlate(image, sobel_x[::-1, ::-1])
print("Sobel's kernel turned gives the negative map:           ", np.array_equal(turned, -edges))

# %% [markdown]
# For learning it makes no difference: a net that needs a kernel turned learns it turned. So all libraries leave the turn out, and call it
# convolution all the same. We do too. (The turn comes back in lesson 07, where nobody can leave it out.)
#
# ## One kernel for all places
#
# The same nine weights are used everywhere. Two things follow. The first is thrift: from 784 pixels to eight maps of $7 \times 7$, a layer
# that connects everything with everything has three hundred thousand weights; the convolution that we train below has four hundred. The
# second is a promise: **move the picture, and the map moves with it.** A kernel that has learned a stroke in one place knows it in all. Is
# the promise kept?

# %%
kernel = gabor(7, 0.5)


def moved(x, down, right):
    """The picture moved, with black coming in from behind."""
    room = np.zeros_like(x)
    room[down:, right:] = x[:x.shape[0] - down, :x.shape[1] - right]
    return room


print("weights, all with all:", 784 * 8 * 7 * 7, "  convolution:", 8 * 7 * 7 + 8)
for stride, step in ((1, 1), (1, 3), (4, 4), (4, 1)):
    before = correlate(np.pad(image, 8), kernel, stride)
    after = correlate(moved(np.pad(image, 8), step, step), kernel, stride)
    if step % stride == 0:
        gone = np.abs(after - moved(before, step // stride, step // stride)).max()
    else:
        gone = min(np.abs(after - moved(before, s, s)).max() for s in (0, 1))
    print(f"stride {stride}, picture moved by {step}: the maps differ by at most {gone:.2f} "
          f"(the largest value is {np.abs(before).max():.2f})")

# %% [markdown]
# Exactly, with stride 1. With stride 4 it holds for moves of 4, 8, … pixels; for others the windows stand elsewhere on the stroke, and no
# moved map is the right one. This is the price of stride, and we shall meet it again with pooling (lesson 08).
#
# ## Let it choose
#
# Pictures have channels and come in batches, and one wants many kernels. Kernel $k$ has a slice for each channel, and the slices' results
# are added:
#
# $$\underset{(N, K, H', W')}{y_{nkij}} = \underset{(K,)}{b_k} + \sum_{c,r,s} \underset{(K, C, R, S)}{w_{kcrs}} \; \underset{(N, C, H, W)}{x_{nchv}}$$
#
# where row $r$ of the kernel meets row $h = i \cdot \text{stride} + r - \text{padding}$ of the picture, and column $s$ likewise column $v$.
# (Writing that with loops is the first exercise.) In the framework it is `conv2d`, and it agrees with ours:

# %%
theirs = F.conv2d(ta.tensor(image[None, None]), ta.tensor(kernel[None, None]), stride=2, padding=3)
print("conv2d", theirs.shape, "agrees with ours:", np.allclose(theirs.numpy()[0, 0], correlate(image, kernel, 2, 3), rtol=0, atol=1e-12))
source(ta.kernels.reference.conv2d_forward, "The specification, which fixes one place of the kernel after another")

# %% [markdown]
# The net: $K$ kernels of $7 \times 7$ with stride 4, a ReLU, and a linear layer from the $K \times 7 \times 7$ numbers to scores for the 41
# characters. It has nothing else, so it stands or falls with its kernels. It learns by Adam (lesson 05) from 6,000 images in 12 typefaces,
# and is tested on 2,000 images in 5 other typefaces. The kernels begin as noise of length 1; how a net computes their slopes is lesson 07,
# and here `backward` does it.

# %%
train, test = ta.data.load("glyphs", "train", size=6000), ta.data.load("glyphs", "test", size=2000)
X, XT = (ta.tensor((d.images / 255.0 - train.mean[0]) / train.std[0]) for d in (train, test))
Y, YT = np.array(train.labels, np.int64), np.array(test.labels, np.int64)


def noise(count, seed):
    w = np.random.default_rng(seed).normal(size=(count, 1, 7, 7))
    return w / np.sqrt((w * w).sum(axis=(2, 3), keepdims=True))


def gabors(count, _):
    """Half of them lines, half of them edges, in evenly spread directions."""
    angles = np.pi * np.arange(count // 2) / (count // 2)
    return np.stack([gabor(7, theta, phase=phase) for phase in (0, np.pi / 2) for theta in angles])[:, None]


def fit(start, count, seed, learns=True, labels=Y, steps=400):
    """Train a net whose kernels begin as start(count, seed); `learns`: whether they may change. Returns accuracy, kernels, biases."""
    rng = np.random.default_rng(100 + seed)
    w = ta.tensor(start(count, seed), requires_grad=learns)
    b = ta.tensor(np.zeros(count), requires_grad=True)
    V = ta.tensor(rng.normal(0, 1 / np.sqrt(count * 49), (41, count * 49)), requires_grad=True)
    c = ta.tensor(np.zeros(41), requires_grad=True)

    def scores(x):
        return F.linear(F.relu(F.conv2d(x, w, b, stride=4, padding=3)).flatten(1), V, c)

    rule = ta.optim.Adam([p for p in (w, b, V, c) if p.requires_grad], lr=3e-3)
    for _ in range(steps):
        pick = rng.integers(0, len(labels), 64)
        rule.zero_grad()
        F.cross_entropy(scores(X[pick]), ta.tensor(labels[pick])).backward()
        rule.step()
    with ta.no_grad():
        right = float((scores(XT).numpy().argmax(axis=1) == YT).mean())
    return right, w.data.copy(), b.data.copy()


SEEDS = range(3)
learned = {seed: fit(noise, 8, seed) for seed in SEEDS}
print("right on new typefaces:", "  ".join(f"{learned[seed][0]:.2f}" for seed in SEEDS), f"  (by chance {1 / 41:.2f})")

# %% tags=["aside"]
picture, parts = figure(6.4, 3.5, rows=4, columns=8)
maps = F.conv2d(ta.tensor((image[None, None] - train.mean[0]) / train.std[0]), ta.tensor(learned[0][1]),
                ta.tensor(learned[0][2]), padding=3).numpy()[0]
for line, (words, kernels) in enumerate((("Gabor", gabors(8, 0)[:, 0]), ("noise", noise(8, 0)[:, 0]), ("learned", learned[0][1][:, 0]),
                                         ("its maps", np.maximum(maps, 0)))):
    for axes, values in zip(parts[line], kernels):
        limit = np.abs(values).max() or 1.0
        axes.imshow(values, cmap="gray" if line == 3 else "RdBu", vmin=0 if line == 3 else -limit, vmax=limit)
        axes.set_xticks([])
        axes.set_yticks([])
        axes.grid(False)
    parts[line][0].set_ylabel(words, color=INK, fontsize=9)
show(picture, "kernels",
     "Gabor kernels by hand, the noise the net began with, what it made of it (patches and strokes of two colours), and the maps of a 4.")

# %% [markdown]
# The third row grew out of the second. It looks like something: strokes and steps. But eyes see faces in clouds. So two questions remain.
#
# ## Did the kernels learn, or only the layer behind them?
#
# A net with frozen random kernels can still train its last layer, and random windows are not as useless as they sound. So the accuracy
# above proves nothing until we know what the same net reaches with kernels that may *not* change: noise, and our Gabors. The same data,
# steps and seeds, and three sizes of the net:

# %%
table = {}
for count, seeds in ((4, SEEDS), (8, SEEDS), (32, range(1))):
    table[count, "learned"] = [learned[s][0] if count == 8 else fit(noise, count, s)[0] for s in seeds]
    table[count, "frozen noise"] = [fit(noise, count, s, learns=False)[0] for s in seeds]
    table[count, "frozen Gabor"] = [fit(gabors, count, s, learns=False)[0] for s in seeds]
print("kernels   " + "".join(f"{kind:<22}" for kind in ("learned", "frozen noise", "frozen Gabor")))
for count in (4, 8, 32):
    cells = ("  ".join(f"{a:.2f}" for a in table[count, kind]) for kind in ("learned", "frozen noise", "frozen Gabor"))
    print(f"{count:7}   " + "".join(f"{cell:<22}" for cell in cells))

# %% tags=["aside"]
picture, axes = figure(6.4, 2.6)
for k, (kind, colour, mark) in enumerate((("frozen noise", SOFT, "s"), ("learned", BLUE, "o"), ("frozen Gabor", ORANGE, "^"))):
    places = [i + (k - 1) * 0.16 for i, count in enumerate((4, 8, 32)) for _ in table[count, kind]]
    values = [a for count in (4, 8, 32) for a in table[count, kind]]
    axes.plot(places, values, mark, color=colour, ms=6, label=kind)
axes.set_xticks(range(3), ["4 kernels", "8 kernels", "32 kernels"])
axes.set_xlim(-0.5, 3.3)
axes.set_ylabel("right on new typefaces")
axes.legend(loc="center right")
show(picture, "control",
     "Frozen noise is right most of the time and gains most from more kernels; learned kernels beat it, and frozen Gabors keep up.")

# %% [markdown]
# Three things can be read here. **Frozen noise is far above chance**, and with many kernels it is right most of the time: the last layer
# makes the best of whatever it is shown, and of many random windows some are useful. So a good accuracy says nothing about the kernels.
# **Learning pays**: the learned kernels are ahead of the noise at every size and with every seed, by much where there are few, by little
# where there are many. Who has four windows must choose them well.
#
# And a third thing, which is not what one hopes to report: **our Gabors, which never saw a letter, are as good.** They are a little behind
# with four kernels, and level or a little ahead with more (with 32 we trained one net of each, which is a hint and no more, and a longer
# training might change the order). For letters, a designer who knows that strokes matter can write the first layer down. Learning is for
# all that nobody knows how to write down: what matters in colours and textures, and in the maps of the second layer.
#
# So the kernels were of use, and were they also *shaped*? Two measures: how **rough** a kernel is, and how much it is **like a Gabor**, any
# of a family of 576. Measures need their controls too. Noise resembles one of 576 Gabors a little, by chance. And a kernel's slopes are
# sums of pieces of images (lesson 07), which are smooth, so perhaps it would become smooth whatever it learns? Therefore another net: the
# same images, the same steps, but the labels shuffled, so that there is nothing to find.

# %%


def roughness(w):
    """How much neighbouring weights differ, against how much all differ: (K,). Noise has 2 on average, one smooth patch next to 0."""
    w = w[:, 0] - w[:, 0].mean(axis=(1, 2), keepdims=True)
    steps = ((np.diff(w, axis=1) ** 2).mean(axis=(1, 2)) + (np.diff(w, axis=2) ** 2).mean(axis=(1, 2))) / 2
    return steps / (w ** 2).mean(axis=(1, 2))


FAMILY = np.array([gabor(7, theta, wave, sigma, phase).ravel() for theta in np.pi * np.arange(12) / 12 for wave in (4, 6, 9, 14)
                   for sigma in (1.5, 2.2, 3.0) for phase in np.pi * np.arange(4) / 4])     # (576, 49), each of mean 0 and length 1


def likeness(w):
    """The cosine between each kernel and the Gabor of the family that it resembles most: (K,)."""
    flat = w.reshape(len(w), -1) - w.mean(axis=(1, 2, 3), keepdims=True).reshape(len(w), 1)
    return np.abs(flat / np.linalg.norm(flat, axis=1, keepdims=True) @ FAMILY.T).max(axis=1)


shuffled = {seed: fit(noise, 8, seed, labels=np.random.default_rng(seed).permutation(Y)) for seed in SEEDS}
print("                                    roughness   likeness to a Gabor   moved by   right")
for words, runs in (("noise, as it began", None), ("after learning", learned), ("after learning shuffled labels", shuffled)):
    began = np.concatenate([noise(8, seed) for seed in SEEDS])
    ended = began if runs is None else np.concatenate([runs[seed][1] for seed in SEEDS])
    right = "" if runs is None else f"{np.mean([runs[seed][0] for seed in SEEDS]):8.2f}"
    far = np.linalg.norm(ended - began) / np.linalg.norm(began)
    print(f"{words:<34} {roughness(ended).mean():10.2f} {likeness(ended).mean():21.2f} {far:10.2f}{right}")

# %% [markdown]
# They were shaped. The learned kernels moved by more than their own length, are half as rough as the noise they began with, and much more
# like Gabors. The net with shuffled labels saw the very same images, and its kernels moved less than half as far and are still nearly noise
# (and it is right as often as chance, as it must be). So it is not the pictures that shape the kernels, it is the question that is asked
# about them.
#
# A picture of kernels alone would not have shown this, nor would the accuracy. Keep the habit for lesson 11, where attention is put on
# trial.
#
# What is still missing is how `backward` found the slopes of the kernels. One weight was used at every place of the picture: who tells it
# what? That is lesson 07, and there the kernel has to be turned after all.
#
# **To read next.** `tinyattn/viz/features.py` draws the maps of a trained model (`tinyattn maps`). D. Hubel and T. Wiesel, "Receptive
# fields, binocular interaction and functional architecture in the cat's visual cortex" (Journal of Physiology 160, 1962); J. Daugman,
# "Uncertainty relation for resolution in space, spatial frequency, and orientation" (Journal of the Optical Society of America A 2, 1985).
# C. Harris and M. Stephens, "A combined corner and edge detector" (Alvey Vision Conference, 1988). On random kernels: A. Saxe and others,
# "On random weights and unsupervised feature learning" (ICML 2011).
