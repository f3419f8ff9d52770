# %% [markdown]
# # 11 · Attention in a net of convolutions
#
# A convolution treats every channel and every place alike: the same filter everywhere, and all its answers count the same. But somewhere in
# this picture stands a digit, and everything else in it is litter:

# %%
import time

import numpy as np

import tinyattn as ta
from tinyattn import nn, viz
from tinyattn.learn import figure, recorded, show, source
from tinyattn.nn import attention
from tinyattn.nn import functional as F
from tinyattn.summary import summary
from tinyattn.viz.kinds import to_size
from tinyattn.viz.style import BLUE, GREEN, INK, ORANGE, RED, SOFT


def digits(split, count):
    """The first `count` digits of the built-in set `cluttered` at half its size: x (count, 1, 30, 30), labels, and the whole set's rows."""
    whole = ta.data.load("cluttered", split, size=5 * count)
    rows = np.flatnonzero(whole.labels < 10)[:count]
    small = whole.images[rows].reshape(count, 1, 30, 2, 30, 2).mean((3, 5)) / 255
    return (small - whole.mean[0]) / whole.std[0], whole.labels[rows], whole, rows


x, labels, _, _ = digits("train", 1000)
x_test, labels_test, whole, rows = digits("test", 400)
print("training images", x.shape, "  test images", x_test.shape)

# %% tags=["aside"]
picture, axes = figure(6.4, 1.5, 1, 5)
for ax, row, label in zip(axes, rows, labels_test):
    ax.imshow(1 - whole.images[row, 0] / 255, cmap="gray", vmin=0, vmax=1)
    x0, y0, x1, y1 = whole.boxes[row]
    ax.plot([x0 - 1, x1, x1, x0 - 1, x0 - 1], [y0 - 1, y0 - 1, y1, y1, y0 - 1], color=ORANGE, lw=1.3)
    ax.set_title(f"{label}", fontsize=10)
    ax.set_xticks([])
    ax.set_yticks([])
    ax.grid(False)
show(picture, "task", "Five pictures, each with one whole digit somewhere among ten round cuttings of other glyphs; the orange frame, which the net "
                      "is never shown, says where.")

# %% [markdown]
# **Would the net do better if it could say, for each image, which channels and which places matter?** Hundreds of modules have been built on
# that hope. We build the two best known from nothing, put four into the same net, look at what they look at,
# and then measure whether they help; and that last part is the harder one.
#
# ## Squeeze and excite: which channels?
#
# A **gate** is a factor between 0 and 1 on something that passes. Squeeze-and-excitation (SE) gives each channel of a feature map one,
# $y = x \cdot g$. To know which channels matter it must see the whole image, but cheaply: it squeezes each channel to one number, its
# mean, and lets a small net of two layers decide:
#
# $$\underset{(N,C)}{m} = \text{mean}_{h,w}\; x$$
#
# $$\underset{(N,h)}{a} = \max(m W_1^\top + b_1,\, 0)$$
#
# $$\underset{(N,C)}{g} = \sigma(a W_2^\top + b_2), \qquad y_{nchw} = x_{nchw}\; g_{nc}$$

# %%


def sigmoid(z):
    return 1 / (1 + np.exp(-z))


def se_gate(x, w1, b1, w2, b2):
    """x (N, C, H, W), w1 (h, C), b1 (h,), w2 (C, h), b2 (C,) → y (N, C, H, W)"""
    mean = x.mean((2, 3))                                   # (N, C)
    hidden = np.maximum(mean @ w1.T + b1, 0)                # (N, h)
    gate = sigmoid(hidden @ w2.T + b2)                      # (N, C)
    return x * gate[:, :, None, None]


rng = np.random.default_rng(0)
maps = rng.normal(size=(2, 16, 6, 5))
se = attention.SqueezeExcitation(16, reduction=4).double()
theirs = se(ta.tensor(maps)).data
mine = se_gate(maps, *(p.data for p in se.parameters()))
print("parameters:", {name: p.shape for name, p in se.named_parameters()}, "  the same numbers:", np.allclose(mine, theirs))

# %% [markdown]
# Its gradient has one thing to watch, and it is a good exercise (`se_gate_backward`): $x$ goes into $y$ *twice*, as what is multiplied
# and, through the mean, as what decides. For the gate itself every pixel of a channel has a say, so they add up:
# $dg_{nc} = \sum_{hw} dy_{nchw}\, x_{nchw}$.
#
# ## CBAM: which channels, then which places?
#
# CBAM (convolutional block attention module) adds to the mean the *largest* number of each channel, sends both through the same two layers
# without biases, and adds the scores. Then it asks the same of places: squeeze the channels of each pixel to two numbers, mean and maximum, and let one
# 7×7 filter look at these two maps:
#
# $$\underset{(N,C)}{g} = \sigma\big(\text{MLP}(\text{mean}_{hw}\,x) + \text{MLP}(\text{max}_{hw}\,x)\big)$$
#
# $$\underset{(N,H,W)}{s} = \sigma\big(w_{7\times7} * [\,\text{mean}_c\,xg;\; \text{max}_c\,xg\,]\big)$$
#
# $$y = x\,g\,s$$

# %%


def spatial_gate(x, w):
    """x (N, C, H, W), w (1, 2, R, R) with R odd → y (N, C, H, W): x times one number for each place."""
    pooled = np.stack([x.mean(1), x.max(1)], 1)             # (N, 2, H, W)
    edge = w.shape[2] // 2
    padded = np.pad(pooled, ((0, 0), (0, 0), (edge, edge), (edge, edge)))
    windows = np.lib.stride_tricks.sliding_window_view(padded, w.shape[2:], (2, 3))     # (N, 2, H, W, R, R)
    gate = sigmoid(np.einsum("nphwrs,prs->nhw", windows, w[0]))                         # (N, H, W)
    return x * gate[:, None]


def cbam(x, w1, w2, w):
    scores = sum(np.maximum(squeezed @ w1.T, 0) @ w2.T for squeezed in (x.mean((2, 3)), x.max((2, 3))))     # (N, C)
    return spatial_gate(x * sigmoid(scores)[:, :, None, None], w)


module = attention.CBAM(16, reduction=4).double()
print("parameters:", {name: p.shape for name, p in module.named_parameters()},
      "  the same numbers:", np.allclose(cbam(maps, *(p.data for p in module.parameters())), module(ta.tensor(maps)).data))

# %% [markdown]
# The framework's module is these lines, layer by layer, or as one operation where nobody watches the layers:

# %%
source(attention.CBAM.forward)

# %% [markdown]
# ## Self-attention, and a single question
#
# Lesson 10 has built the third: every pixel a token, every token asks all others. In a net it gets a **residual**: $y = x + W_o\,O$, with
# $W_o = 0$ at the start, so that the module begins as if it were not there, and learns how much of itself it wants.

# %%
source(attention.SelfAttention2d.forward)

# %% [markdown]
# And the fourth is the smallest. At the end of such a net stands a mean over all places, in which the digit's few pixels drown among the rest.
# **Attention pooling** takes a weighted mean: $y = \sum_i p_i x_i$ with $p = \text{softmax}_i(w \cdot x_i)$. It is lesson 10 with
# *one* query, the same for all images, learned: "does this place look like part of an answer?" With $w = 0$ it is the plain mean.
#
# ## One net, four candidates
#
# To compare them, everything else must be the same. The net is small; a gate stands between its second and third convolution, where the map
# has 15×15 places and 16 channels; attention pooling takes the place of the mean at the end. A gate is made *last*, so that nets with the
# same seed begin with the same weights, gate or no gate.

# %%


class Net(nn.Module):
    """Images (N, 1, 30, 30) → scores (N, 10); `gate` and `pool` make modules, `last` is the width of the last convolution."""

    def __init__(self, gate=nn.Identity, last=32, pool=None):
        super().__init__()
        self.early = nn.Sequential(nn.ConvNormAct(1, 8, 3), nn.MaxPool2d(2), nn.ConvNormAct(8, 16, 3))
        self.late, self.norm, self.head = nn.ConvNormAct(16, last, 3), nn.BatchNorm1d(last), nn.Linear(last, 10)
        self.gate = gate()
        self.pool = pool() if pool else nn.Sequential(nn.AdaptiveAvgPool2d(1), nn.Flatten())

    def forward(self, x):
        features = self.late(self.gate(self.early(x)))      # (N, 32, 15, 15)
        return self.head(self.norm(self.pool(features)))    # (N, 10)


ARMS = {
    "plain": lambda: Net(),
    "SE": lambda: Net(lambda: attention.SqueezeExcitation(16, 4)),
    "CBAM": lambda: Net(lambda: attention.CBAM(16, 4)),
    "self-attention": lambda: Net(lambda: attention.SelfAttention2d(16)),
    "pooling": lambda: Net(pool=lambda: attention.AttentionPool(32)),
    "wider": lambda: Net(last=33),
    "widest": lambda: Net(last=39),
}


def train(arm, x, labels, rate, seed, dtype=ta.float32, epochs=4, batch=32):
    """A trained net: Adam with decay (lesson 05); the rate rises over the first fifth of the steps, then falls to 0."""
    ta.manual_seed(seed)
    net = ARMS[arm]().to(dtype=dtype)
    optimizer = ta.optim.AdamW(net.parameters(), lr=rate, weight_decay=0.01)
    order, steps, step = np.random.default_rng(seed), epochs * (len(x) // batch), 0
    for _ in range(epochs):
        for part in order.permutation(len(x))[:len(x) // batch * batch].reshape(-1, batch):
            optimizer.param_groups[0]["lr"] = rate * min((step + 1) / (0.2 * steps), 1 - step / steps)
            loss = F.cross_entropy(net(ta.tensor(x[part], dtype=dtype)), ta.tensor(labels[part]))
            optimizer.zero_grad()
            loss.backward()
            optimizer.step()
            step += 1
    return net.eval()


def right(net, x, labels, dtype=ta.float32):
    """bool (N,): which images the net names rightly."""
    with ta.no_grad():
        return np.concatenate([net(ta.tensor(x[i:i + 250], dtype=dtype)).data.argmax(1) for i in range(0, len(x), 250)]) == labels


# %% [markdown]
# One run each, here and now, 124 steps:

# %%
ta.set_num_threads(1)                                       # nets this small leave nothing for a second
nets = {arm: train(arm, x, labels, 0.03, 0, ta.float64) for arm in ("plain", "SE", "CBAM", "self-attention", "pooling")}
for arm, net in nets.items():
    print(f"{arm:15} {right(net, x_test, labels_test, ta.float64).mean():.1%} of the test images")

# %% [markdown]
# ## Where they look
#
# Every gate of the framework can be listened to: `viz.record` keeps what it said of the last batch. SE speaks of channels; the other
# three of places. For self-attention we draw how much each place is asked, on average over all askers.

# %%
said = {}
for arm in ("SE", "CBAM", "self-attention", "pooling"):
    with ta.no_grad(), viz.record(nets[arm]) as recording:
        nets[arm](ta.tensor(x_test[:200], dtype=ta.float64))
    said[arm] = recording.maps["pool" if arm == "pooling" else "gate"]
places = {"CBAM": said["CBAM"]["pixel"], "self-attention": said["self-attention"]["tokens"].mean((1, 2)).reshape(-1, 15, 15),
          "pooling": said["pooling"]["pool"]}            # (200, 15, 15) each
inside = np.zeros((200, 60, 60), bool)
for mine, (x0, y0, x1, y1) in zip(inside, whole.boxes[rows]):
    mine[y0:y1, x0:x1] = True
print(f"the digit's frame covers {inside.mean():.0%} of a picture")
for arm, shares in places.items():
    large = to_size(shares, (60, 60))
    on, off = (large * inside).sum((1, 2)) / inside.sum((1, 2)), (large * ~inside).sum((1, 2)) / (~inside).sum((1, 2))
    print(f"{arm:15} weighs a place on the digit {np.median(on / off):.2f} times one elsewhere (median of 200 images)")

# %% tags=["aside"]
chosen = range(6)
picture, axes = figure(6.6, 5.5, 5, 6, gridspec_kw={"height_ratios": [1, 0.55, 1, 1, 1]})
for column, i in enumerate(chosen):
    paper = 1 - whole.images[rows[i], 0] / 255
    x0, y0, x1, y1 = whole.boxes[rows[i]]
    axes[0, column].imshow(paper, cmap="gray", vmin=0, vmax=1)
    axes[0, column].plot([x0 - 1, x1, x1, x0 - 1, x0 - 1], [y0 - 1, y0 - 1, y1, y1, y0 - 1], color=BLUE, lw=1.3)
    axes[1, column].bar(range(16), said["SE"]["channel"][i], color=ORANGE, width=0.8)
    axes[1, column].set_ylim(0, 1)
    for row, (arm, shares) in enumerate(places.items(), 2):
        level = to_size(shares[i:i + 1], (60, 60))[0]
        level = ((level - level.min()) / (level.max() - level.min()))[..., None]
        shown = (0.35 + 0.65 * paper[..., None]) * np.ones(3)
        axes[row, column].imshow((shown * (1 - 0.8 * level) + 0.8 * level * np.array([0.95, 0.45, 0.1])).clip(0, 1))
for ax in axes.flat:
    ax.set_xticks([])
    ax.set_yticks([])
    ax.grid(False)
for ax, words in zip(axes[:, 0], ("the image", "SE:\n16 channels", "CBAM", "self-\nattention", "attention\npooling")):
    ax.set_ylabel(words, color=INK)
show(picture, "looks", "Six pictures of a digit among litter, and below each what four gates say of it: sixteen factors of SE, nearly the same for "
                      "every picture; CBAM's and self-attention's soft clouds over digit and litter alike; attention pooling's few bright spots on the digit.")
# %% [markdown]
# (Each map is drawn from its own smallest number to its largest.) The pictures differ more than the accuracies. Attention pooling, 33 numbers, has
# found the digit without ever being told that there is one to find. CBAM weighs it a little higher than the rest. Self-attention asks
# the digit's places no more than others; what it fetches for whom, the map does not say. And SE's bars look the same in all
# columns. It is tempting to stop here: the lowest row is a beautiful picture, and beautiful pictures are convincing.
#
# ## Does it help?
#
# One run each is what most claims in this field rest on, and it is worth little. Before a difference between two numbers is believed, ask what else
# could have made it:
#
# - **Luck.** Another seed, other first weights, another order of the images. So: five seeds, all shown. Nets with the same seed see the images
#   in the same order, and have the same first weights in all layers that they have in common; so differences are taken seed by seed
#   (*paired*), which removes the luck they share.
# - **Size.** A gate has parameters, and a larger net may do better without any attention. So: two **controls** without a gate, whose last
#   convolution is wider by as much as SE and CBAM (`wider`) or self-attention (`widest`) cost.
# - **The learning rate.** What suits the plain net may not suit the others. So: each arm's rate is chosen among three, on 1,000
#   images set aside for that, with a seed not used again.
# - **Peeking.** Who tries things until the test images agree has trained on them. So: they are looked at once, at the very end.
#
# That is 56 trainings, too many for a page; they were recorded by `python tutorials/11_attention_in_a_cnn/lesson.py --record`.

# %%
RATES, SEEDS = (0.02, 0.06, 0.15), (0, 1, 2, 3, 4)


class Frozen(nn.Module):
    """A gate that says the same of every image: the means (C,) and (H, W) of what it said of many."""

    def __init__(self, channel, pixel=1.0):
        super().__init__()
        self.factor = channel[:, None, None] * pixel        # (C, 1, 1) or (C, H, W)

    def forward(self, x):
        return x * ta.tensor(self.factor, dtype=x.dtype)


def frozen(net, x):
    """`net` with its gate replaced by the mean of what it says of the images x."""
    with ta.no_grad(), viz.record(net) as recording:
        net(ta.tensor(x, dtype=ta.float32))
    net.gate = Frozen(*(said.mean(0) for said in recording.maps["gate"].values()))
    return net


def compare():
    """Choose each arm's rate on images set aside, then train it with every seed; rows of plain numbers."""
    x, labels, _, _ = digits("train", 2500)
    x_test, labels_test, _, _ = digits("test", 1000)
    ta.set_num_threads(1)
    found = {}
    for arm in ARMS:
        aside = {rate: right(train(arm, x[:1500], labels[:1500], rate, 100), x[1500:], labels[1500:]).mean() for rate in RATES}
        rate = max(RATES, key=aside.get)
        found[arm] = {"rate": rate, "aside": list(aside.values()), "accuracy": [], "frozen": []}
        for seed in SEEDS:
            net = train(arm, x[:1500], labels[:1500], rate, seed)
            found[arm]["accuracy"].append(right(net, x_test, labels_test).mean())
            if arm in ("SE", "CBAM"):
                found[arm]["frozen"].append(right(frozen(net, x[:500]), x_test, labels_test).mean())
    return found


found, machine = recorded("comparison", compare)
print(f"{'arm':15} rate   accuracy of each seed, on 1,000 test images       mean   standard deviation")
for arm, row in found.items():
    accuracy = np.array(row["accuracy"])
    print(f"{arm:15} {row['rate']:<5}  {'  '.join(f'{a:6.1%}' for a in accuracy)}   {accuracy.mean():8.1%}   {100 * accuracy.std(ddof=1):5.1f} points")

# %% [markdown]
# Look at the rows before looking at the means: within one arm, seeds differ by several points. A single run of the one and a single run
# of the other can be had to "show" almost anything.
#
# How sure is a mean difference of five pairs? The standard error of a mean of $n$ numbers is their standard deviation divided by $\sqrt n$. For 95 %
# of certainty with five one goes 2.776 of them to each side (Student's table, four degrees of freedom):
#
# $$d_i = a_i - b_i, \qquad \bar d \pm t\,\frac{s_d}{\sqrt n}$$

# %%


def paired_interval(ones, others, t=2.776):
    """The mean difference, and how far from it the true one may be, with 95 % certainty, for five pairs."""
    difference = np.array(ones) - np.array(others)
    return difference.mean(), t * difference.std(ddof=1) / np.sqrt(len(difference))


PAIRS = [("SE", "plain"), ("CBAM", "plain"), ("self-attention", "plain"), ("pooling", "plain"), ("wider", "plain"), ("widest", "plain"),
         ("SE", "wider"), ("CBAM", "wider"), ("self-attention", "widest"), ("pooling", "wider")]
verdicts = {}
for arm, control in PAIRS:
    middle, reach = verdicts[arm, control] = [100 * v for v in paired_interval(found[arm]["accuracy"], found[control]["accuracy"])]
    verdict = "better" if middle > reach else "worse" if middle < -reach else "not shown to differ"
    strict = 5.598 / 2.776 * reach                          # Student's t for 1 − 5 % / 10 in place of 1 − 5 %
    print(f"{arm + ' − ' + control:24} {middle:+5.1f} ± {reach:4.1f} points: {verdict + ',':20} and as one of ten, ± {strict:4.1f}: "
          f"{verdict if abs(middle) > strict else 'not shown to differ'}")
print(f"if nothing differed at all, one of ten such intervals would miss 0 with a chance of up to {1 - 0.95 ** 10:.0%}")

# %% tags=["aside"]
picture, axes = figure(6.4, 2.9, 1, 2, width_ratios=[1.25, 1], sharey=True)
for at, (arm, row) in enumerate(found.items()):
    color = GREEN if arm in ("wider", "widest", "plain") else BLUE
    axes[0].plot(100 * np.array(row["accuracy"]), [at] * 5, "o", color=color, ms=5, alpha=0.55, mew=0)
    axes[0].plot([100 * np.mean(row["accuracy"])] * 2, [at - 0.3, at + 0.3], color=color, lw=2.2)
    for (one, control), (middle, reach) in verdicts.items():
        if one == arm and control == "plain":
            axes[1].plot([middle - reach, middle + reach], [at, at], color=color, lw=2)
            axes[1].plot(middle, at, "o", color=color, ms=5)
axes[1].axvline(0, color=INK, lw=1)
axes[0].set_yticks(range(len(found)), list(found))
axes[0].set_ylim(len(found) - 0.5, -0.7)
axes[0].set_xlabel("% of the test images right: five seeds, mean")
axes[1].set_xlabel("points better than plain, 95 % interval")
show(picture, "comparison", "Left, the five accuracies of each arm with their mean: pooling lies above all others, which overlap. Right, the "
                            "differences to the plain net: only pooling's interval lies above 0; self-attention's lies below.")

# %% [markdown]
# One arm of six stands out, and it is the smallest: 33 numbers that choose the places of which the mean is taken. Against the plain net it stays
# ahead when the interval is widened for having asked ten questions at once; against `wider` it is ahead by as much, and not by enough for that.
# SE and CBAM, at this place, in this net, on this task, with this many steps, are not shown to help; CBAM has the largest spread of all: some
# of its seeds fail badly. Self-attention comes out below the plain net, as far as one such interval goes; the correction takes that away
# again. And a few more channels do nothing either, so size was not the matter.
#
# Why pooling? The task says so: the digit covers a small part of the picture, and a plain mean mixes its features with those of all the
# litter. SE cannot help with that, for it does not speak of places. CBAM and self-attention could, but stand before the last convolution
# and before a mean that mixes all again; and they must learn their job in 184 steps. None of this says that these modules are useless. The
# papers report gains of a point or two on large nets, long trained. It says that "add attention, get accuracy" is not a law, and that a
# difference of two points cannot be seen with five seeds of a net whose seeds differ by four.
#
# Look at the pairs, too. Against `plain`, with which it shares all first weights, SE's difference is known to ± 3 points; against `wider`,
# whose last layers begin elsewhere, only to ± 7. Pairing is worth a multiple of seeds, where there is something to pair.
#
# ## Is it attention?
#
# A gate that helps may still not *attend*: a fixed factor for each channel, the same for all images, is no attention, it is a weight. There is
# a simple test. Replace what the trained gate says by its mean over 500 training images, for all images alike, and see what is lost:

# %%
for arm in ("SE", "CBAM"):
    middle, reach = (100 * v for v in paired_interval(found[arm]["accuracy"], found[arm]["frozen"]))
    print(f"{arm:5} {np.mean(found[arm]['accuracy']):.1%}, frozen {np.mean(found[arm]['frozen']):.1%}: the image's own gate is worth "
          f"{middle:+.1f} ± {reach:.1f} points")

# %% [markdown]
# Not much is lost for SE: most of what its gate does could be done by sixteen fixed numbers, which the next convolution could take into its
# weights. For CBAM more seems to hang on the image, but the interval reaches over 0, again. A page on attention that only showed the maps would
# not have told.
#
# ## What it cost

# %%


def cost():
    """Milliseconds of a training step of 32 images for each arm, the middle of 30."""
    ta.set_num_threads(1)
    images, answers, found = ta.tensor(x[:32], dtype=ta.float32), ta.tensor(labels[:32]), {}
    made = {arm: (net := make(), ta.optim.AdamW(net.parameters(), lr=1e-3)) for arm, make in ARMS.items()}
    times = {arm: [] for arm in ARMS}
    for _ in range(33):                                     # all arms side by side: what disturbs hits all alike
        for arm, (net, optimizer) in made.items():
            began = time.perf_counter()
            loss = F.cross_entropy(net(images), answers)
            optimizer.zero_grad()
            loss.backward()
            optimizer.step()
            times[arm].append(1000 * (time.perf_counter() - began))
    return {arm: float(np.median(row[3:])) for arm, row in times.items()}


costs, cost_machine = recorded("cost", cost)
print(f"{'arm':15} parameters  multiply-adds an image   ms a step")
for arm, make in ARMS.items():
    counted = summary(make(), (1, 1, 30, 30))
    print(f"{arm:15} {counted.parameters:10,}  {counted.multiply_adds:22,}  {costs[arm]:10.1f}")
print("times:", cost_machine["processor"], "one thread, batches of 32")

# %% [markdown]
# SE, CBAM and pooling cost little. Self-attention takes three times as long as the plain net: a matrix of 225 × 225 for every image. (At 15×15
# that is bearable; lesson 10 has the bill for larger maps.) And multiply-adds do not tell time: a net with one channel more than 32 is
# slower than one with a gate, because 33 channels do not fill whole vectors of the processor (lesson 09).
#
# ## What to take along
#
# A gate is a few lines: squeeze, decide, multiply. Whether it helps is a question about a net, a task and a budget, and is answered by runs, not by
# the module's name. Ask for the control of equal size, for the seeds, for the interval, and for what is left when the gate is
# frozen. And first ask what the task is short of: here it was a way to say *where*, and the cheapest way to say it won.
#
# **To read next.** J. Hu and others, "Squeeze-and-excitation networks" (2018); S. Woo and others, "CBAM" (2018); X. Wang and others, "Non-local
# neural networks" (2018); X. Zhu and others, "An empirical study of spatial attention mechanisms in deep networks" (2019), which does for large nets
# what this page does for a small one. On comparing honestly: X. Bouthillier and others, "Accounting for variance in machine learning benchmarks"
# (2021). In the framework: `tinyattn/nn/attention/`, one file a module, and `tests/study.py`, a larger comparison of the same kind.
