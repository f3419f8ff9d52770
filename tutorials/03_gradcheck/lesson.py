# %% [markdown]
# # 03 · The gradient checker
#
# Whenever we asked whether a gradient is right, a nudge has answered: move one number by 0.000001 each way, look how far the result
# moves, divide. That nudge is our judge. It is worth a lesson of its own, for a net with a wrong gradient rarely crashes. It learns, a
# little worse than it should, and no message ever tells.
#
# So: **how far can the judge be trusted, and how does one catch a wrong gradient with it?** We measure the judge's own error first, then
# build a checker in twenty lines, and then let it loose on three operations whose backward is wrong.
#
# ## The error of the judge
#
# We take a curve whose slope we know, $f(x) = 1/x$ with the slope $-1/x^2$ (lesson 01, first exercise), and nudge it at $x = 0.7$ with
# steps $h$ of every size:
#
# $$f'(x) \approx \frac{f(x+h) - f(x-h)}{2h}$$

# %%
import numpy as np

from tinyattn.learn import figure, show, source


def f(x):
    return 1 / x


def central(f, x, h):
    return (f(x + h) - f(x - h)) / (2 * h)


x = 0.7
true = -1 / (x * x)
for exponent in range(1, 14, 2):
    h = float(f"1e-{exponent}")
    print(f"h = 1e-{exponent:02}: slope {central(f, x, h):+.12f}   error {abs(central(f, x, h) - true):.0e}")
print(f"true slope:      {true:+.12f}")

# %% [markdown]
# Smaller steps are better, as one would think, but only down to about $10^{-5}$. Then they get worse again, and with $h = 10^{-13}$
# barely three digits are right. Drawn with both axes in powers of ten, the error is a V:

# %% tags=["aside"]
from tinyattn.viz.style import BLUE, GREEN, INK, ORANGE, RED, SOFT

u = 2.0 ** -53
steps = np.array([float(f"{digit}e-{k}") for k in range(13, 0, -1) for digit in (1, 2, 5)])
errors = [abs(central(f, x, h) - true) for h in steps]
picture, axes = figure(6.4, 3.2)
axes.loglog(steps, steps ** 2 / x ** 4, color=ORANGE, lw=1.6)
axes.loglog(steps, 2 * u * f(x) / steps, color=GREEN, lw=1.6)
axes.loglog(steps, errors, "o", color=BLUE, ms=3.5)
axes.text(1e-3, 1e-11, "truncation: $h^2 f'''/6$\nfalls with the square\nof the step", color="#b3541e")
axes.text(2e-13, 1e-12, "rounding: $2u\\,f/h$\ngrows as the step shrinks", color="#1f7a50")
axes.set_ylim(1e-14, 1)
axes.set_xlabel("step h")
axes.set_ylabel("error of the slope")
show(picture, "v_curve", "The measured error of the slope falls with the square of the step from 0.1 down to about 1e-5; for smaller steps "
     "it rises below a rounding line, and so makes a V.")

# %% [markdown]
# The two lines are no fits. They are what theory says about the two arms, and the measured points lie on the one and below the other.
#
# **The right arm: the curve bends.** Taylor's series, which writes a curve near a point as a sum of powers of the step, says what a nudge
# leaves out. With $f(x \pm h) = f \pm h f' + \tfrac{h^2}{2} f'' \pm \tfrac{h^3}{6} f''' + \dots$ the even terms cancel in the difference,
# and what stays is
#
# $$\frac{f(x+h) - f(x-h)}{2h} = f'(x) + \frac{h^2}{6} f'''(x) + \dots$$
#
# A tenth of the step, a hundredth of the error. For $1/x$ the third derivative is $-6/x^4$, so the line is $h^2/x^4$.
#
# **The left arm: numbers have only sixteen digits.** A float64 is rounded to 53 binary digits, which puts it off by up to
# $u = 2^{-53} \approx 10^{-16}$ of its size. The closer $x+h$ and $x-h$ are, the more of the sixteen digits of $f(x+h)$ and $f(x-h)$
# agree and vanish in the difference. What is left is noise of about $2uf$ (one $uf$ for the rounding of the place $x \pm h$, one for that
# of the value), and that is divided by an ever smaller $h$. Here it is at work:

# %%
for exponent in (5, 9, 13):
    h = float(f"1e-{exponent}")
    print(f"h = 1e-{exponent:02}: f(x+h) = {f(x + h):.16f}   f(x-h) = {f(x - h):.16f}")

# %% [markdown]
# **The lowest point** is where the arms meet. The sum $2uf/h + h^2 |f'''|/6$ is smallest, for our $1/x$, at $h = x \sqrt[3]{u}$; set its
# slope to zero and the rest falls out. For other curves it is the same up to a small factor: *the step should be the cube root of the
# rounding error, times the size of $x$.*

# %%
for name, unit in (("float64", 2.0 ** -53), ("float32", 2.0 ** -24)):
    best = unit ** (1 / 3)
    print(f"{name}: u = {unit:.1e}   best step {best:.1e}   relative error there about {3 * unit ** (2 / 3):.0e}")

# %% [markdown]
# This is why gradients are checked in float64, even if the net trains in float32. In float32 the best nudge is good for four or five
# digits, at a step so large that any bend in the curve disturbs it. A gradient that is off by one part in ten thousand could pass. In
# float64 there are ten digits, and nothing that a person gets wrong hides behind those.
#
# It is also why one nudges both ways. The one-sided $(f(x+h) - f(x))/h$ saves one run, but its first term left out is $\tfrac{h}{2} f''$:
# it falls only with $h$ itself, and its V is less deep.

# %% tags=["aside"]
def single(x):
    return np.float32(1) / np.float32(x)


x32 = np.float32(x)
steps32 = steps[steps >= 1e-7]
errors32 = [abs(float(central(single, x32, np.float32(h))) + 1 / float(x32) ** 2) for h in steps32]
onesided = [abs((f(x + h) - f(x)) / h - true) for h in steps]
picture, axes = figure(6.4, 3.0)
axes.loglog(steps32, errors32, "s", color=RED, ms=3.5)
axes.loglog(steps, onesided, "^", color=SOFT, ms=3.5)
axes.loglog(steps, errors, "o", color=BLUE, ms=3.5)
axes.text(1.5e-7, 3, "float32, both ways", color=RED, ha="left")
axes.text(1.2e-10, 2e-5, "float64, one-sided", color=SOFT)
axes.text(2.5e-4, 3e-11, "float64, both ways", color=BLUE)
axes.set_ylim(1e-14, 20)
axes.set_xlabel("step h")
axes.set_ylabel("error of the slope")
show(picture, "three_vs", "Three V curves: nudging both ways in float64 reaches the smallest error; one-sided nudging in float64 ends "
     "higher, and nudging in float32 higher by far.")

# %%
print(f"lowest errors: both ways {min(errors):.0e}, one-sided {min(onesided):.0e}, float32 {min(errors32):.0e}")

# %% [markdown]
# ## When are two numbers the same?
#
# `backward` says $a$, the nudge says $n$. They never agree to the last digit, so we must say how much difference is allowed. A fixed
# number will not do: a difference of 0.001 is nothing for a slope of 100,000 and everything for a slope of 0.001. So one compares with
# the size: $|a - n| \le r\,|n|$ with, say, $r = 10^{-5}$.
#
# That fails where the true slope is 0. The nudge gives something like $10^{-11}$ there, pure rounding, and no factor $r$ will make 0
# equal to that. The rounding does not care how large the slope is; it has a size of its own. So both go in:
#
# $$|a - n| \;\le\; \text{atol} + \text{rtol} \cdot |n|$$

# %%


def agrees(a, n, rtol=1e-5, atol=1e-7):
    return bool(np.all(np.abs(a - n) <= atol + rtol * np.abs(n)))


for a, n, words in ((100000.001, 100000.0, "large, off by 0.001"), (0.002, 0.001, "small, off by 0.001"), (0.0, 3.1e-11, "zero, and noise"),
                    (float("nan"), 1.0, "not a number")):
    print(f"{words:>20}: {agrees(a, n)}")

# %% [markdown]
# Note how the comparison is written. A NaN compares with nothing: `nan <= 1` is false, and so it is refused. Written the other way round,
# as "wrong if the difference is larger", NaN would pass every check. Broken checkers of that kind exist.
#
# ## Many outputs
#
# A nudge needs *one* number that moves. An operation gives an array. One could check each output by itself, but there may be thousands.
# Instead we do what the walk backward does: give every output $y_j$ a weight $r_j$, and look at
#
# $$L = \sum_j r_j\, y_j .$$
#
# The slopes of $L$ for the inputs are exactly what `backward` returns when it is handed the gradient $r$. So one call of `backward` is
# held against nudges of one number.
#
# Which weights? The first idea, all ones, is bad. Take an operation that subtracts the mean. Its outputs add up to 0, always. So their
# sum has slope 0 for every input, and any backward that gives zeros for ones passes, even one with the wrong sign:

# %%


def centre(x):
    return x - x.mean(-1, keepdims=True)


def centre_backward_with_wrong_sign(g, x):
    return [-(g - g.mean(-1, keepdims=True))]


def nudged(L, x, h=1e-5):
    """The slope of the number L() for every number of the array x, which is moved and put back."""
    slopes = np.zeros_like(x)
    for place in np.ndindex(x.shape):
        kept = x[place]
        x[place] = kept + h
        above = L()
        x[place] = kept - h
        below = L()
        x[place] = kept
        slopes[place] = (above - below) / (2 * h)
    return slopes


rng = np.random.default_rng(1)
x = rng.normal(size=(2, 6, 8))
for name, r in (("ones", np.ones(x.shape)), ("random", rng.normal(size=x.shape))):
    wrong = centre_backward_with_wrong_sign(r, x)[0]
    print(f"weights {name}: the wrong backward passes: {agrees(wrong, nudged(lambda: np.sum(r * centre(x)), x))}")

# %% [markdown]
# Random weights have no such friends: no mistake cancels against numbers that were drawn after it was made.
#
# The same trick saves work at the inputs. A layer with a million weights needs two million runs to check each one. But moving *all*
# inputs at once along a random direction $d$ needs two, and must give $\sum_i a_i d_i$. If any $a_i$ is wrong, that sum is wrong. It only
# does not tell which one; for that one goes back to nudging single numbers.
#
# ## The checker
#
# Everything is there. An operation is a pair of functions: `forward(*inputs)` gives an array, `backward(g, *inputs)` a gradient for each
# input.

# %%


def check(forward, backward, *inputs):
    """Hold backward against nudges. Returns for each input a pair (what backward says, what nudges say), and prints what is wrong."""
    r = np.random.default_rng(0).normal(size=forward(*inputs).shape)
    pairs = []
    for number, (x, a) in enumerate(zip(inputs, backward(r, *inputs))):
        n = nudged(lambda: np.sum(r * forward(*inputs)), x)
        if a.shape != x.shape:
            print(f"  input {number}: gradient has shape {a.shape}, the input {x.shape}")
        elif agrees(a, n):
            print(f"  input {number}: {n.size} slopes agree")
        else:
            wrong = ~(np.abs(a - n) <= 1e-7 + 1e-5 * np.abs(n))
            worst = np.unravel_index(np.argmax(np.abs(a - n)), n.shape)
            print(f"  input {number}: {wrong.sum()} of {n.size} slopes wrong; at {tuple(map(int, worst))} backward says {a[worst]:.4f}, "
                  f"nudging {n[worst]:.4f}")
        pairs.append((a, n))
    return pairs


def scale(x, gain):
    return x * gain


def scale_backward(g, x, gain):
    return [g * gain, np.sum(g * x, axis=(0, 1))]


pairs = check(scale, scale_backward, x, rng.normal(size=8))

# %% [markdown]
# ## Three patients
#
# Three operations on two small images, `x` of shape $(2, 6, 8)$. Each backward has one mistake, of the kind that people make, and each
# looks harmless. Read them if you like to find the mistake by eye; or skip the code, and diagnose from the figures below it.

# %%


def add_bias(x, b):                                                  # (2, 6, 8), (8,)
    return x + b


def add_bias_backward(g, x, b):
    return [g, g]


def row_mean(x):                                                     # (2, 6, 8) → (2, 6)
    return x.mean(-1)


def row_mean_backward(g, x):
    return [np.broadcast_to(g[..., None], x.shape)]


def blur(x):                                                         # each pixel with its four neighbours; outside is 0
    p = np.pad(x, ((0, 0), (1, 1), (1, 1)))
    return (4 * x + p[:, :-2, 1:-1] + p[:, 2:, 1:-1] + p[:, 1:-1, :-2] + p[:, 1:-1, 2:]) / 8


def blur_backward(g, x):                                             # each pixel sends to its four neighbours
    return [(4 * g + np.roll(g, 1, 1) + np.roll(g, -1, 1) + np.roll(g, 1, 2) + np.roll(g, -1, 2)) / 8]


print("patient 1")
check(add_bias, add_bias_backward, x, rng.normal(size=8))
print("patient 2")
((a2, n2),) = check(row_mean, row_mean_backward, x)
print("patient 3")
((a3, n3),) = check(blur, blur_backward, x)

# %% [markdown]
# The worst slope alone says little. What tells a mistake is the **pattern**: where is the gradient wrong, and in what proportion? For
# patients 2 and 3, here is the first image. On the left, each slope from `backward` divided by the nudged one; on the right, the
# difference of the two.

# %% tags=["aside"]
picture, (left, right) = figure(6.4, 2.9, columns=2)
ratio, difference = (a2 / n2)[0], np.abs(a3 - n3)[0]
for axes, values, top, digits, title in ((left, ratio, 16, 1, "patient 2: backward ÷ nudged"),
                                         (right, difference, difference.max() * 1.3, 2, "patient 3: |backward − nudged|")):
    axes.imshow(values, cmap="Oranges", vmin=0, vmax=top)
    for i, j in np.ndindex(values.shape):
        word = f"{values[i, j]:.{digits}f}" if values[i, j] > 1e-6 else "·"
        axes.text(j, i, word, ha="center", va="center", fontsize=7.5, color=INK)
    axes.set_title(title, fontsize=9.5)
    axes.set_xticks([])
    axes.set_yticks([])
    axes.grid(False)
show(picture, "patterns", "Patient 2 is wrong by the same factor 8 at every pixel; patient 3 is right inside and wrong only in the "
     "outermost rows and columns.")

# %% [markdown]
# Make your diagnosis before you read on.
#
# **Patient 1** has no numbers to look at: the gradient has the wrong *shape*. It is that of the output, so a sum is missing, over the
# axes along which `b` was stretched (lesson 02). Note that the comparison must look at shapes first. NumPy would have subtracted $(8,)$
# from $(2, 6, 8)$ without a word.
#
# **Patient 2** is wrong everywhere, by *one factor*, 8. A constant factor is a constant of the formula; and 8 is the length of a row. The
# mean's $1/n$ was forgotten.
#
# **Patient 3** is right inside and wrong in a *frame*. Whatever is special there must be to blame: the border. `np.roll` wraps around, so
# the pixels of the left edge receive from those of the right edge, where forward had put zeros. Inside, where no neighbour is missing,
# the two are the same.
#
# Shape, factor, frame; there are a dozen such patterns. Every second row wrong: a stride. Wrong sign. Right numbers in the wrong places:
# a transposed or a flipped array. All but the last row: an index off by one. Whoever has seen them once reads them like a doctor.
#
# ## The same in the framework
#
# TinyAttn's checker knows these patterns by heart. Our operations become operations of the framework with five lines, and `ta.gradcheck`
# says what it thinks.

# %%
import textwrap

import tinyattn as ta


class Patient(ta.Function):
    """Any of the pairs above as an operation of the framework."""

    def forward(ctx, *arrays, pair):
        ctx.save(*arrays)
        return pair[0](*arrays)

    def backward(ctx, dy):
        return tuple(ta.tensor(np.array(a)) for a in ctx.attributes["pair"][1](dy.data, *(s.data for s in ctx.saved)))


def examine(pair, *inputs):
    tensors = [ta.tensor(array, requires_grad=True) for array in inputs]
    return ta.gradcheck(lambda *given: Patient.apply(*given, pair=pair), tensors, raise_exception=False)


bias = rng.normal(size=8)
reports = [examine((add_bias, add_bias_backward), x, bias), examine((row_mean, row_mean_backward), x), examine((blur, blur_backward), x)]
for number, report in enumerate(reports, 1):
    print(textwrap.fill(f"patient {number}: {report.problem or report.failures[0].hint}", 100, subsequent_indent="    "))

# %% [markdown]
# Three times the right cause. The hints are careful: each pattern has to hold at every number, and at a second point too, or else the
# answer is "unknown". The full report of patient 3 has a map like ours, and a V curve with a difference:

# %%
print(reports[2])

# %% [markdown]
# There is no V. However small or large the step, the error stays on its floor. That is the surest sign that the *gradient* is wrong and
# not the nudge, and worth remembering when an error lies close to the tolerance: change the step. An error of the judge moves, an error
# of the accused stays.
#
# Are its numbers ours? It takes the same random weights (seed 0), so they should be:

# %%
worst = reports[2].failures[0]
print(f"framework at {tuple(map(int, worst.index))}: backward {worst.analytic:.8f}, nudged {worst.numeric:.8f}")
print(f"ours      at {tuple(map(int, worst.index))}: backward {a3[worst.index]:.8f}, nudged {n3[worst.index]:.8f}")

# %%
from tinyattn.gradcheck.subject import Subject
source(Subject.slopes, "The framework's nudge, of one number or along a direction")

# %% [markdown]
# Repaired, with the border as forward had it, patient 3 is healthy:

# %%


def blur_backward_repaired(g, x):
    return [blur(g)]


print("patient 3, repaired:", "passes" if examine((blur, blur_backward_repaired), x) else "still ill")

# %% [markdown]
# (Its backward is its own forward: if pixel A takes an eighth of B, then B takes an eighth of A. Lesson 07 meets this again, with filters
# that are not symmetric.)
#
# ## What it cannot see
#
# A checker looks at one point. At a *kink* it is of no use: left and right of 0 the curve $|x|$ has slopes $-1$ and $1$, and the nudge
# across says 0. (The framework looks from both sides, and says "kink".) It cannot see what a formula does for inputs that were not tried.
# And it works in float64, with tame numbers. A formula can be right, pass every check, and still turn to NaN in the middle of the night,
# because an input was 1000 and $e^{1000}$ is not a number that fits. That is lesson 04.
#
# `tinyattn gradcheck --all` runs this lesson over every layer of the framework.
#
# **To read next.** `tinyattn/gradcheck/checker.py`, and `places.py` and `whole.py` beside it for the patterns. The V curve is chapter 5.7
# of W. Press and others, *Numerical Recipes* (Cambridge, 3rd edition 2007); what floating-point numbers do is told by D. Goldberg, "What
# every computer scientist should know about floating-point arithmetic" (ACM Computing Surveys 23, 1991).
