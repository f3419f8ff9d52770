# %% [markdown]
# # 10 · Query, key, value
#
# A convolution looks at its neighbourhood: three pixels by three, always the same nine places. But the dot of an *i* matters to a stroke
# ten pixels below it, and a word at the end of a sentence to one at its beginning. **How can a number in a net ask for what it needs,
# wherever that is, and how can the asking be learned?** The answer is a dictionary that has been made soft enough to have slopes.
#
# We build it in four lines, find its gradients by hand, check them with the checker of lesson 03, let it learn where to look, and then
# turn it loose on the pixels of an image.
#
# ## A dictionary that knows exactly, or nothing

# %%
import numpy as np

import tinyattn as ta
from tinyattn.learn import figure, show, source
from tinyattn.viz.style import BLUE, GREEN, INK, ORANGE, SOFT

temperature = {6: 4.0, 9: 7.0, 12: 15.0, 15: 18.0, 18: 13.0, 21: 8.0}    # hour of the day: degrees
print("at nine:", temperature[9])
try:
    temperature[10]
except KeyError as error:
    print("at ten: KeyError", error)

# %% [markdown]
# The hours are **keys**, the degrees **values**, and what we ask with is a **query**. At ten there is no key, so there is no answer. Whoever
# reads the table knows better: at ten it was somewhat warmer than 7 degrees, since ten is close to nine and not so far from twelve.
#
# So, instead of asking "is this key *equal* to the query?", ask "how *similar* is it?", for every key. Turn the similarities into shares that
# are positive and sum to 1, and take the mean of the values in these shares. What turns any numbers into such shares we know from
# lesson 04: the softmax.

# %%


def softmax(s):
    """Shares (…, S) of scores (…, S): positive, of sum 1 (lesson 04)."""
    e = np.exp(s - s.max(-1, keepdims=True))
    return e / e.sum(-1, keepdims=True)


def soft_lookup(query, keys, values, width):
    """The mean of the values, weighted by how close their keys are to the query."""
    scores = -(query - keys) ** 2 / (2 * width ** 2)
    weights = softmax(scores)
    return weights @ values, weights


hours, degrees = np.array(list(temperature), float), np.array(list(temperature.values()))
answer, weights = soft_lookup(10.0, hours, degrees, width=1.5)
for hour, value, weight in zip(hours, degrees, weights):
    print(f"{hour:4.0f} h  {value:5.1f} degrees   weight {weight:.3f}")
print(f"at ten: {answer:.2f} degrees")

# %% [markdown]
# No query fails any more. And the answer is *smooth*: move the query a little, and it moves a little. That is what we gain for learning, for
# a slope needs something that moves; `temperature[10]` has none.
#
# How soft is a matter of `width`. Small, and the nearest key takes all: the ordinary dictionary. Large, and every query
# gets the mean of everything.

# %% tags=["aside"]
picture, axes = figure(6.4, 2.7)
at = np.linspace(5, 22, 120)
for width, color, words, place in ((0.3, ORANGE, "width 0.3: the nearest key", (6.1, 17.3)), (1.5, BLUE, "1.5: a blend", (16.9, 16.3)),
                                   (20, GREEN, "20: the mean of all", (5.2, 11.25))):
    axes.plot(at, [soft_lookup(q, hours, degrees, width)[0] for q in at], color=color, lw=2)
    axes.text(*place, words, color=color)
axes.plot(hours, degrees, "o", color=INK, ms=5)
axes.set_xlabel("query: hour of the day")
axes.set_ylabel("degrees")
show(picture, "soft_lookup", "The soft dictionary answers for every hour: with a small width in steps, as the nearest key says; with a middle one in "
                             "a smooth curve near the six points; with a very large one always with the mean.")

# %% [markdown]
# ## Similarity of vectors
#
# With keys and queries that are lists of numbers, $q, k \in \mathbb{R}^D$, the distance can be multiplied out:
#
# $$-\tfrac12\,|q - k|^2 \;=\; q \cdot k \;-\; \tfrac12 |q|^2 \;-\; \tfrac12 |k|^2$$
#
# The middle term is the same for all keys, and a softmax does not see what is added to all of its scores (lesson 04 used that to stay
# finite). If the keys are also equally long, the last term is the same for all, too. What is left is the **dot product**:

# %%
rng = np.random.default_rng(0)
keys = rng.normal(size=(5, 3))
keys /= np.sqrt((keys ** 2).sum(1, keepdims=True))      # all of length 1
query = rng.normal(size=3)
by_distance = softmax(-((query - keys) ** 2).sum(1) / 2)
by_product = softmax(keys @ query)
print("by distance:", by_distance.round(4))
print("by product: ", by_product.round(4))

# %% [markdown]
# And dot products of many queries with many keys are one matrix product. So here is attention, for $B$ sequences at once, each with $T$
# queries, and $S$ keys with a value each:
#
# $$\underset{(B,T,S)}{P} = \text{softmax}\left(\frac{1}{\sqrt D} \; \underset{(B,T,D)}{Q} \; \underset{(B,D,S)}{K^\top}\right)$$
#
# $$\underset{(B,T,E)}{O} = \underset{(B,T,S)}{P} \; \underset{(B,S,E)}{V}$$
#
# Row $i$ of $P$ says how much query $i$ takes from each value; each row sums to 1.

# %%


def attention(q, k, v):
    """O (B, T, E) of q (B, T, D), k (B, S, D), v (B, S, E)."""
    p = softmax(q @ k.swapaxes(-1, -2) / np.sqrt(q.shape[-1]))      # (B, T, S)
    return p @ v


q, k, v = rng.normal(size=(2, 3, 4)), rng.normal(size=(2, 5, 4)), rng.normal(size=(2, 5, 6))
print("q", q.shape, " k", k.shape, " v", v.shape, " → ", attention(q, k, v).shape)

# %% [markdown]
# ## Why √D
#
# A dot product is a sum of $D$ products. If the numbers in $q$ and $k$ have mean 0 and variance 1, each product has variance 1, and the sum
# of $D$ of them has variance $D$: it is typically as large as $\sqrt D$. We measure it, and look at what a softmax over 16 keys makes of it:

# %%
print("   D   variance of q·k   largest of 16 weights   the same with 1/√D")
for d in (4, 16, 64, 256, 1024):
    many_q, many_k = rng.normal(size=(2000, 1, d)), rng.normal(size=(2000, 16, d))
    scores = (many_q @ many_k.swapaxes(1, 2))[:, 0]      # (2000, 16)
    plain, scaled = softmax(scores), softmax(scores / np.sqrt(d))
    print(f"{d:4}   {scores.var():15.1f}   {plain.max(1).mean():21.3f}   {scaled.max(1).mean():18.3f}")

# %% [markdown]
# Without the scale, attention over long vectors is a hard dictionary before it has learned anything: one weight is nearly 1, the others
# nearly 0, and where a softmax is that sure its slopes vanish. With $1/\sqrt D$ the weights begin equally soft whatever the length.
# (Dividing scores by a number is what physicists call raising the temperature: `width` above, squared, was one.)
#
# ## Backward, by hand
#
# Someone hands us $dO$: how much the loss grows for each 1 that each number of $O$ grows. Go back through the three steps.
#
# **The blend** $O = PV$. It is a matrix product, so (lesson 02) $dV = P^\top dO$ and $dP = dO\,V^\top$. In words: a value gets the gradients of
# all who looked at it, in the shares in which they looked; a weight's gradient is how well its value points along what is wanted.
#
# **The softmax**, row by row. From lesson 04: a row of shares $p$ with gradient $dp$ has scores with gradient
#
# $$ds_j = p_j\,\Big(dp_j - \sum_l p_l\,dp_l\Big)$$
#
# The sum is the mean of $dp$ in the row's own shares: a score is raised only as far as its weight does *better than the row's average*.
# Shares compete.
#
# **The scores** $S = QK^\top/\sqrt D$, a matrix product again: $dQ = dS\,K/\sqrt D$ and $dK = dS^\top Q/\sqrt D$.

# %%


def attention_backward(do, q, k, v):
    """(dq, dk, dv) in the shapes of q (B, T, D), k (B, S, D), v (B, S, E), for do (B, T, E)."""
    scale = 1 / np.sqrt(q.shape[-1])
    p = softmax(q @ k.swapaxes(-1, -2) * scale)                     # (B, T, S)
    dv = p.swapaxes(-1, -2) @ do                                    # (B, S, E)
    dp = do @ v.swapaxes(-1, -2)                                    # (B, T, S)
    ds = p * (dp - (p * dp).sum(-1, keepdims=True))                 # (B, T, S)
    return scale * ds @ k, scale * ds.swapaxes(-1, -2) @ q, dv


# %% [markdown]
# Six lines, and every one a chance for a wrong axis or a lost factor. Lesson 03's checker takes any operation on the tape, so we put ours there,
# and beside it one with a typical mistake, the softmax's competition forgotten ($ds = p \cdot dp$):

# %%
from tinyattn.autograd import Function


class ByHand(Function):
    def forward(ctx, q, k, v):
        ctx.save(q, k, v)
        return attention(q, k, v)

    def backward(ctx, do):
        return tuple(ta.tensor(d) for d in attention_backward(do.data, *(x.data for x in ctx.saved)))


class Forgetful(ByHand):
    def backward(ctx, do):
        q, k, v = (x.data for x in ctx.saved)
        scale = 1 / np.sqrt(q.shape[-1])
        p = softmax(q @ k.swapaxes(-1, -2) * scale)
        ds = p * (do.data @ v.swapaxes(-1, -2))
        return tuple(ta.tensor(d) for d in (scale * ds @ k, scale * ds.swapaxes(-1, -2) @ q, p.swapaxes(-1, -2) @ do.data))


inputs = [ta.tensor(x, requires_grad=True) for x in (q, k, v)]
for operation in (ByHand, Forgetful):
    report = ta.gradcheck(operation.apply, inputs, raise_exception=False, curve=False)
    wrong = ["qkv"[failure.input] for failure in report.failures]
    print(f"{operation.__name__:9}: {report.checked} derivatives checked,", f"wrong: those of {' and '.join(wrong)}" if wrong else "all agree")

# %% [markdown]
# ## What must not be seen
#
# Sometimes a query may not look everywhere. A model that predicts the next word must not see it: query $i$ sees the keys $j \le i$ only
# (**causal**). Sentences of different lengths are filled up to one length, and the filling is nobody's business (**padding**).
#
# It would be no use to set weights to 0 after the softmax: the row would no longer sum to 1. The score must say "never" *before* it: $-\infty$,
# of which the softmax makes an exact 0, and the others share what is left.
#
# There is one trap. A query that may see nothing at all has a row of $-\infty$ only; its largest score is $-\infty$, and
# $-\infty - (-\infty)$ is not a number. We must *define* what such a row gives. Zero is the sensible choice: nothing seen, nothing
# taken, and no gradient.

# %%


def masked_softmax(s, seen):
    """Shares of scores s (…, T, S), only of those where `seen` (T, S), or (B, T, S), is True; a row that sees nothing is 0."""
    s = np.where(seen, s, -np.inf)
    most = s.max(-1, keepdims=True)
    e = np.exp(s - np.where(most == -np.inf, 0, most))
    total = e.sum(-1, keepdims=True)
    return e / np.where(total == 0, 1, total)


T = 6
tokens = rng.normal(size=(T, 4))
scores = tokens @ tokens.T / 2
causal = np.tril(np.ones((T, T), bool))
padding = np.broadcast_to(np.arange(T) < 4, (T, T))      # the last two tokens are filling
shares = {"everything": masked_softmax(scores, np.ones((T, T), bool)), "causal": masked_softmax(scores, causal),
          "padding": masked_softmax(scores, padding)}
print("rows sum to", {name: sorted({float(total) for total in p.sum(1).round(9)}) for name, p in shares.items()})
print("a row that sees nothing:", masked_softmax(scores[:1], np.zeros((1, T), bool))[0])

# %% tags=["aside"]
picture, axes = figure(6.4, 2.4, 1, 3)
for ax, (name, p) in zip(axes, shares.items()):
    ax.imshow(p, cmap="Blues", vmin=0, vmax=1)
    for (i, j), share in np.ndenumerate(p):
        if share == 0:
            ax.text(j, i, "·", color=SOFT, ha="center", va="center")
    ax.set_title(name)
    ax.set_xlabel("key")
    ax.set_xticks(range(T))
    ax.set_yticks(range(T))
    ax.grid(False)
axes[0].set_ylabel("query")
show(picture, "masks", "Three matrices of weights: without a mask every query sees every key; causal, the upper right triangle is exactly 0; "
                       "with padding the last two columns are exactly 0.")

# %% [markdown]
# ## Heads
#
# A query gets *one* mean. If it needs two things, say its left neighbour and its right one, one softmax can give each a half, and the
# answer is their average: which was left is lost. The remedy is to ask twice. Split the $D$ numbers of each token into $H$ pieces, **heads**, let
# each have a softmax of its own, and lay the answers side by side: $(B, T, H \cdot d) \to (B, H, T, d)$, attention as before, and back.

# %%
left_right = np.array([[3.0], [8.0]])                    # values of two keys
one_head = softmax(np.array([0.0, 0.0])) @ left_right
two_heads = softmax(np.array([[50.0, 0.0], [0.0, 50.0]])) @ left_right
print("one head, both keys wanted:", one_head, "  two heads, one each:", two_heads.ravel())


def heads(x, count):
    """(B, T, count·d) → (B, count, T, d)"""
    b, t, width = x.shape
    return x.reshape(b, t, count, width // count).swapaxes(1, 2)


x = rng.normal(size=(2, 7, 12))
o = attention(heads(x, 3), heads(x, 3), heads(x, 3))     # (2, 3, 7, 4): the same function, one axis more
print("heads:", o.shape, "  side by side again:", o.swapaxes(1, 2).reshape(2, 7, 12).shape)

# %% [markdown]
# ## A bag of tokens
#
# Where do $Q$, $K$ and $V$ come from? When tokens attend to each other (**self-attention**), all three are made of the same tokens $X$
# $(B, T, C)$ by three learned matrices: $Q = XW_q$, $K = XW_k$, $V = XW_v$. What a token asks for, what it can be found by, and what it
# tells are three different things.
#
# Now exchange some tokens, and look at the output:

# %%
w_q, w_k, w_v = (rng.normal(size=(12, 12)) / 4 for _ in range(3))


def self_attention(x):
    return attention(x @ w_q, x @ w_k, x @ w_v)


order = rng.permutation(7)
print("the tokens in the order", order, "give the same outputs in that order:",
      np.allclose(self_attention(x[:, order]), self_attention(x)[:, order]))

# %% [markdown]
# Nothing in $QK^\top$ knows who stands where. To attention a sentence is a bag of words, and an image a bag of pixels. (A convolution is the
# opposite: it knows nothing but who stands where.) If place matters, it must be *told*: each token gets numbers that say where it is.
#
# Whether that works can be seen on the smallest task that needs it: **every token shall answer with its left neighbour's number**. Tokens are
# random numbers; to each we append eight numbers for its place, sines and cosines of a few frequencies (so that near places have
# similar numbers, and a shift by one is the same turn everywhere). Only $W_q$ and $W_k$ are learned, by gradient descent with the
# backward pass we wrote, once without places and once with.

# %%


def positions(count, width):
    """Numbers (count, width) that say where a token stands: sines, then cosines, of width/2 frequencies."""
    angles = np.arange(count)[:, None] / 50 ** (np.arange(0, width, 2) / width)
    return np.concatenate([np.sin(angles), np.cos(angles)], 1)


def learn(places, steps=401):
    """Learn to answer with the left neighbour (the first token: with itself); the matrix of weights for one sequence."""
    rng = np.random.default_rng(0)
    count, width = places.shape
    w_q, w_k = (rng.normal(0, 0.5, (1 + width, width)) for _ in range(2))
    unseen = rng.normal(size=(3000, count, 1))           # to measure with, not to learn from

    def forward(x):
        tokens = np.concatenate([x, np.broadcast_to(places, (len(x), count, width))], 2)
        q, k = tokens @ w_q, tokens @ w_k
        return tokens, q, k, attention(q, k, x) - np.concatenate([x[:, :1], x[:, :-1]], 1)

    for step in range(steps):
        if step % 200 == 0:
            print(f"   step {step:3}: mean squared error {(forward(unseen)[3] ** 2).mean():.3f}")
        x = rng.normal(size=(32, count, 1))
        tokens, q, k, off = forward(x)
        dq, dk, _ = attention_backward(2 * off / off.size, q, k, x)
        w_q -= 2 * np.einsum("btc,btd->cd", tokens, dq)
        w_k -= 2 * np.einsum("btc,btd->cd", tokens, dk)
    return softmax(q[0] @ k[0].T / np.sqrt(width))


print("without places:")
blind = learn(np.zeros((10, 8)))
print("with places:")
seeing = learn(positions(10, 8))

# %% tags=["aside"]
picture, axes = figure(6.4, 3.0, 1, 2)
for ax, p, name in zip(axes, (blind, seeing), ("without places", "with places")):
    ax.imshow(p, cmap="Blues", vmin=0, vmax=1)
    ax.set_title(name)
    ax.set_xlabel("key: place of a token")
    ax.set_xticks(range(0, 10, 3))
    ax.set_yticks(range(0, 10, 3))
    ax.grid(False)
axes[0].set_ylabel("query: place of a token")
show(picture, "places", "Learned weights: without places all are the same, each token looks everywhere alike; with places there is one dark "
                        "line just below the diagonal, so each token looks at its left neighbour.")

# %% [markdown]
# Without places the error stops at 0.9, and no matrix can do better: that is the error of answering always with the mean of all ten tokens,
# $1 - \frac1{10}$. With places a line appears below the diagonal: token $i$ looks at token $i-1$. Nobody said "left"; the slopes of a
# softmax found it.
#
# ## Pixels as tokens
#
# An image is a list of tokens, too: one for each pixel. What would a pixel ask? Not with its brightness alone; that is one number. Let it ask
# with its neighbourhood: the 5×5 pixels around it, mean taken away, at length 1. (A trained net has feature maps in this place, as
# those of lesson 06.) Key and query are the same then, and a pixel finds all others *that look as its own place does*.

# %%
glyph = ta.data.load("glyphs", "test", size=60)
picked = int(np.flatnonzero(glyph.labels == glyph.classes.index("R"))[0])
image = glyph.images[picked, 0] / 255                    # (28, 28)
padded = np.pad(image, 2)
patches = np.stack([padded[i:i + 28, j:j + 28] for i in range(5) for j in range(5)], -1).reshape(784, 25)
patches = patches - patches.mean(1, keepdims=True)
tokens = patches / np.maximum(np.sqrt((patches ** 2).sum(1, keepdims=True)), 1)         # (784, 25); flat places stay short
weights = softmax(8 * tokens @ tokens.T)                # (784, 784)
print(f"tokens {tokens.shape}, weights {weights.shape}: {weights.size:,} numbers for one image of 28×28")

# %% tags=["aside"]
ink = np.argwhere(image > 0.5)


def nearest_ink(row, column):
    return tuple(int(n) for n in ink[((ink - (row, column)) ** 2).sum(1).argmin()])


top, low = ink[:, 0].min(), ink[:, 0].max()
left, right = ink[:, 1].min(), ink[:, 1].max()
queries = [nearest_ink((top + low) / 2, left), nearest_ink(top, (left + right) / 2), nearest_ink(0.2 * top + 0.8 * low, right), (2, 25)]
picture, axes = figure(6.4, 1.95, 1, 4)
for ax, (row, column), words in zip(axes, queries, ("an upright edge", "an upper edge", "the leg", "empty paper")):
    seen = weights[row * 28 + column].reshape(28, 28)
    shown = np.ones((28, 28, 3)) * (1 - 0.25 * image[..., None])
    strength = np.sqrt(seen / seen.max())[..., None]
    ax.imshow(shown * (1 - strength) + strength * np.array([0.91, 0.42, 0.13]))
    ax.plot(column, row, "o", ms=7, mfc="none", mec=BLUE, mew=2)
    ax.set_title(words, fontsize=9)
    ax.set_xticks([])
    ax.set_yticks([])
    ax.grid(False)
show(picture, "pixels", "One glyph four times, each with the weights of one query pixel in orange: a pixel on the left edge of the upright stroke "
                       "finds that edge, one at the top the upper edges of strokes, one on the leg other slanting edges; one on empty paper "
                       "sees everything alike.")

# %% [markdown]
# The circle is the query; orange is its row of $P$, laid out as the image again. In one step a pixel has found its like across the whole picture,
# where a 3×3 convolution sees one pixel farther with each layer. On empty paper there is nothing to ask with: the query is nearly 0,
# all scores are equal, and the answer is the mean of everything.
#
# ## The bill, and how not to pay it
#
# The price is the matrix $P$: a weight for every *pair*. It grows with the square of the pixels, so with the fourth power of the side:

# %%
for side in (7, 14, 28, 56, 224):
    pairs = (side * side) ** 2
    print(f"{side:3}×{side:<3}  {side * side:6,} tokens  {pairs:13,} weights  {4 * pairs / 2 ** 20:9,.2f} MiB in float32, for one image and one head")

# %% [markdown]
# Yet $O$ is small, and nobody wants $P$ itself. Could the keys pass by in small groups, and each be forgotten after it was used? The sum
# $\sum_j p_j v_j$ is no trouble. The softmax is: it subtracts the largest score first, and the largest may come last.
#
# The way out is to be ready to change one's mind. Keep three things for each query: the largest score so far $m$, the sum $t$ of
# $e^{s_j - m}$, and the blend $o$ of the values with these weights. When a group brings a larger score $m'$, everything summed so far was a factor
# $e^{m - m'}$ too large; multiply it by that, and go on. At the end, $o / t$.

# %%


def online_attention(q, k, v, group=16):
    """What `attention` gives, without ever holding more than (B, T, group) weights."""
    most = np.full(q.shape[:-1] + (1,), -np.inf)                    # (B, T, 1)
    total = np.zeros_like(most)
    o = np.zeros(q.shape[:-1] + v.shape[-1:])                       # (B, T, E)
    for start in range(0, k.shape[-2], group):
        keys, values = k[..., start:start + group, :], v[..., start:start + group, :]
        s = q @ keys.swapaxes(-1, -2) / np.sqrt(q.shape[-1])        # (B, T, group)
        larger = np.maximum(most, s.max(-1, keepdims=True))
        shrink, p = np.exp(most - larger), np.exp(s - larger)
        total = total * shrink + p.sum(-1, keepdims=True)
        o = o * shrink + p @ values
        most = larger
    return o / total


q, k, v = (rng.normal(size=(2, 200, 8)) * 3 for _ in range(3))
print("the same numbers:", np.allclose(online_attention(q, k, v), attention(q, k, v), rtol=1e-12))

# %% [markdown]
# In the first round `most` is $-\infty$, and $e^{-\infty - m'} = 0$ wipes out what was not there: no special case. Backward needs $P$ again, and
# does not store it either: with $m + \log t$ kept for each row, a group's weights can be computed anew when it passes a second time. More
# multiplications, far less memory; on today's machines, where moving numbers costs more than multiplying them, it is faster as well.
#
# ## The same in the framework
#
# The framework's attention works this way. This is its specification in NumPy; `kernels/cpu/attention.py` does the same with tiles of 64 keys
# that stay in the processor's cache:

# %%
from tinyattn.kernels import reference
source(reference.attention_forward, "Forward")
source(reference.attention_backward, "Backward")

# %% [markdown]
# In its backward pass $\delta_i = do_i \cdot o_i$ stands where we had $\sum_l p_l\,dp_l$. They are the same number: $\sum_l p_l (do \cdot v_l) = do
# \cdot \sum_l p_l v_l$. It needs no row of $P$, only its result. Do both agree, forward, backward, and for a query that sees nothing?

# %%
from tinyattn.nn import functional as F

do = rng.normal(size=q.shape)
tensors = [ta.tensor(x, requires_grad=True) for x in (q, k, v)]
o = F.scaled_dot_product_attention(*tensors)
o.backward(ta.tensor(do))
print("o: ", np.allclose(o.data, attention(q, k, v)))
for name, tensor, mine in zip(("dq", "dk", "dv"), tensors, attention_backward(do, q, k, v)):
    print(f"{name}:", np.allclose(tensor.grad.data, mine))
seen = np.tril(np.ones((200, 200), bool))
seen[7] = False
o = F.scaled_dot_product_attention(*tensors, attn_mask=ta.tensor(seen)).data
print("masked:", np.allclose(o, masked_softmax(q @ k.swapaxes(1, 2) / np.sqrt(8), seen) @ v), "  the query that sees nothing:", o[0, 7])

# %% [markdown]
# That is all of it. Everything else that is called attention changes who asks whom, or what is weighed. A net for images can afford cheaper
# questions than "every pixel asks every pixel": *which channels matter here? which places?* Lesson 11 builds these, and asks
# whether they help.
#
# **To read next.** The soft dictionary is from 1964 (E. Nadaraya; G. Watson, "Smooth regression analysis", Sankhyā A 26); it was given learned keys by
# D. Bahdanau, K. Cho and Y. Bengio, "Neural machine translation by jointly learning to align and translate" (2015), and the form above by
# A. Vaswani and others, "Attention is all you need" (2017). The online softmax: M. Milakov and N. Gimelshein (2018); for whole attention,
# T. Dao and others, "FlashAttention" (2022). In the framework: `kernels/reference/attention.py`, then `tinyattn/nn/attention/multihead.py`
# for heads and masks.
