# %% [markdown]
# # 09 · From a loop to SIMD
#
# Lesson 06 wrote a convolution as it is thought: seven loops, one multiplication inside. It is right, and nobody could train with it. The
# framework's convolution computes the same sums some tens of thousands of times faster, on the same machine. **Where does a factor like that
# hide?** Not in one trick. We climb from the loops to the registers, one rung at a time, and at each rung ask what the machine had been waiting for.
#
# All times on this page were taken on one machine, which is named below, and kept with the lesson (a time has no business in a test). `python
# tutorials/09_loop_to_simd/lesson.py --measure` takes them on yours.
#
# ## Rung 1: the loops
#
# Images are kept **channels-last**, $(N, H, W, C)$: all channels of a pixel lie side by side in memory. Filters are $(3, 3, C, K)$: for each of nine
# taps, a table from $C$ channels to $K$. The image already has its border of zeros, so that indices cannot fall off.

# %%
import re
import time

import numba
import numpy as np
from numba import prange

from tinyattn.kernels import cpu
from tinyattn.learn import figure, recorded, show, source
from tinyattn.viz.style import BLUE, GREEN, INK, ORANGE, RED, SOFT


def conv_loops(x, w):
    """y (N, H, W, K) of x (N, H + 2, W + 2, C), padded, and w (3, 3, C, K)."""
    N, H, W, C, K = x.shape[0], x.shape[1] - 2, x.shape[2] - 2, x.shape[3], w.shape[3]
    y = np.zeros((N, H, W, K), x.dtype)
    for n in range(N):
        for i in range(H):
            for j in range(W):
                for k in range(K):
                    total = x.dtype.type(0)
                    for r in range(3):
                        for s in range(3):
                            for c in range(C):
                                total += x[n, i + r, j + s, c] * w[r, s, c, k]
                    y[n, i, j, k] = total
    return y


def inputs(n, h, w, c, k):
    """Random x, padded, and filters, float32."""
    rng = np.random.default_rng(0)
    x = np.zeros((n, h + 2, w + 2, c), np.float32)
    x[:, 1:-1, 1:-1] = rng.normal(size=(n, h, w, c))
    return x, (rng.normal(size=(3, 3, c, k)) / np.sqrt(9 * c)).astype(np.float32)


small = inputs(2, 5, 28, 8, 64)
right = conv_loops(*(a.astype(np.float64) for a in small))
print("small:", small[0].shape, small[1].shape, "→", right.shape, f" {right.size * 9 * 8:,} multiply-adds")

# %% [markdown]
# For every multiplication Python looks up what `x` is, makes a tuple of four indices, asks NumPy for an element, wraps it in an object, finds
# out how objects of this kind are multiplied, and throws the wrapping away. The processor does some hundred instructions for one that we
# wanted.
#
# ## Rung 2: NumPy, a tap at a time
#
# So let Python say less. The nine taps stay a loop; for one tap, all pixels and channels are one matrix product, "shift the image, multiply by the
# tap's table, add":

# %%


def conv_taps(x, w):
    H, W = x.shape[1] - 2, x.shape[2] - 2
    y = np.zeros((x.shape[0], H, W, w.shape[3]), x.dtype)
    for r in range(3):
        for s in range(3):
            y += x[:, r:r + H, s:s + W] @ w[r, s]        # (N, H, W, C) @ (C, K)
    return y


# %% [markdown]
# ## Rung 3: one product (im2col)
#
# Nine products that each read and write all of `y` can be one. Write under every output pixel the $9 \cdot C$ numbers that it is made
# of, as a row; then the whole convolution is one matrix times another:
#
# $$\underbrace{Y}_{NHW,\,K} = \underbrace{X_{\text{col}}}_{NHW,\,9C} \;\; \underbrace{W}_{9C,\,K}$$
#
# This is *im2col*, image to columns. For many years it was how nets were computed, because fast matrix products existed already. Its price is memory:
# every number of the image is written nine times.

# %%


def im2col(x):
    """(N·H·W, 9·C): row by row the numbers that an output pixel is made of, in the order of w's first three axes."""
    N, H, W, C = x.shape[0], x.shape[1] - 2, x.shape[2] - 2, x.shape[3]
    columns = np.empty((N, H, W, 9, C), x.dtype)
    for r in range(3):
        for s in range(3):
            columns[:, :, :, 3 * r + s] = x[:, r:r + H, s:s + W]
    return columns.reshape(N * H * W, 9 * C)


def conv_im2col(x, w):
    y = im2col(x) @ w.reshape(-1, w.shape[3])            # (N·H·W, K)
    return y.reshape(x.shape[0], x.shape[1] - 2, x.shape[2] - 2, -1)


print("image", small[0].size, "numbers, columns", im2col(small[0]).size)

# %% [markdown]
# ## Rung 4: the loops, compiled
#
# We can go another way: keep the loops, and get rid of Python. Numba reads the function's bytecode, finds out from the arguments which types
# everything has, and has LLVM make machine code of it, the compiler behind clang. It takes one line:

# %%
conv_compiled = numba.njit(conv_loops)

# %% [markdown]
# ## Rung 5: the loops, inside out
#
# The compiled loop is free of Python, and still does one multiplication at a time. A processor has **vector registers**: one instruction can
# multiply 4, 8 or 16 pairs of float32 and add them to 16 sums (SIMD: single instruction, multiple data). Why was it not used? Because the
# inner loop runs over $c$ and adds everything to *one* `total`. The next addition needs the result of the last, and float addition may not
# be reordered without changing the last digits, so the compiler must not.
#
# Turn the loops inside out. With $k$ innermost there are $K$ sums, independent of each other and side by side in memory, and so are the filters
# $w[r, s, c, :]$. Nothing needs to be reordered; each sum gets its products in the same order as before:

# %%


@numba.njit(fastmath={"contract"}, error_model="numpy")
def conv_inside_out(x, w):
    N, H, W, C, K = x.shape[0], x.shape[1] - 2, x.shape[2] - 2, x.shape[3], w.shape[3]
    y = np.zeros((N, H, W, K), x.dtype)
    for n in range(N):
        for i in range(H):
            for j in range(W):
                sums = y[n, i, j]
                for r in range(3):
                    for s in range(3):
                        for c in range(C):
                            pixel, filters = x[n, i + r, j + s, c], w[r, s, c]
                            for k in range(K):
                                sums[k] += pixel * filters[k]
    return y


# %% [markdown]
# (`contract` allows a product and a sum to become one instruction, a *fused multiply-add*, which rounds once in place of twice.)
#
# ## Rung 6: all cores
#
# Rows of the output do not touch each other, so every core can have its own. `prange` says so. The rule that keeps it right: divide the
# *outputs*, so that no two threads ever add to the same number.

# %%


@numba.njit(fastmath={"contract"}, error_model="numpy", parallel=True)
def conv_cores(x, w):
    N, H, W, C, K = x.shape[0], x.shape[1] - 2, x.shape[2] - 2, x.shape[3], w.shape[3]
    y = np.zeros((N, H, W, K), x.dtype)
    for row in prange(N * H):
        n, i = np.int64(row) // H, np.int64(row) % H
        for j in range(W):
            sums = y[n, i, j]
            for r in range(3):
                for s in range(3):
                    for c in range(C):
                        pixel, filters = x[n, i + r, j + s, c], w[r, s, c]
                        for k in range(K):
                            sums[k] += pixel * filters[k]
    return y


# %% [markdown]
# ## Rung 7: a tile of registers
#
# What is left? Look at the inner line of rung 5 again: for one vector of multiply-adds it loads a vector of filters, loads a vector of sums, and
# stores it. A core that could do two multiply-adds in a cycle spends its time fetching and putting away. The sums are fetched and put away
# $9C$ times, though they are needed only at the end.
#
# So keep them where they are computed. A core has 16 vector registers of 8 float32 (AVX2), or 32 of 16 (AVX-512): the fastest memory there
# is, and at most 2 KiB of it. Take a **tile** of outputs, say 6 neighbouring pixels × 2 vectors of channels, and hold its 12 vectors of sums
# in registers during the whole sum. One step then loads 2 vectors of filters and 6 single numbers of the image, and makes 12 vector multiply-adds
# of them: every loaded filter is used 6 times, every loaded pixel number twice. (With 32 registers it is 14 × 2.)

# %% tags=["aside"]
picture, axes = figure(6.4, 2.3)


def box(x, y, width, color, alpha):
    axes.bar(x + width / 2, 0.8, width, y, color=color, alpha=alpha, edgecolor="white", linewidth=0.6)


for m in range(6):
    box(0, -m, 0.9, ORANGE, 0.7)
    for v in range(2):
        for lane in range(8):
            box(2 + 8.5 * v + lane, -m, 0.94, BLUE, 0.55)
for v in range(2):
    for lane in range(8):
        box(2 + 8.5 * v + lane, 1.4, 0.94, GREEN, 0.7)
axes.text(0.45, 1.1, "6 pixels,\none channel c", color=ORANGE, ha="center", fontsize=8)
axes.text(10.2, 2.5, "w[r, s, c]: two vectors of filters", color=GREEN, ha="center")
axes.text(10.2, -6, "12 vectors of sums, in registers from the first product to the last", color=BLUE, ha="center")
axes.set_xlim(-1.6, 19)
axes.set_ylim(-6.4, 3.2)
axes.axis("off")
show(picture, "tile", "A tile: 6 rows, one for each pixel, of two vectors of 8 sums; above it two vectors of filters, at its left one number "
                      "of each pixel; every sum gets the product of what stands above and what stands to the left.")

# %% [markdown]
# No compiler does this by itself with our loops, so it must be said. Numba lets one write LLVM's instructions directly; the framework
# wraps them in half a dozen words (`kernels/cpu/simd.py`), and with these a tile is ordinary Python again:

# %%
from tinyattn.kernels.cpu.simd import REGISTERS, VECTOR_BYTES, multiply_add, tile_store, tile_zero, vector_lanes

PIXELS, VECTORS = (14, 2) if REGISTERS == 32 else (6, 2)         # what the machine's registers hold


@numba.njit(fastmath={"contract"}, error_model="numpy")
def tiles(x, w, y, N, H, W, C, K):
    """x, w and y as in `conv_loops`, flat; W ≥ PIXELS, and K a multiple of the tile's channels."""
    lanes = vector_lanes(x)
    for n in range(N):
        for i in range(H):
            for k in range(0, K, VECTORS * lanes):
                for first in range(0, W, PIXELS):
                    j = min(first, W - PIXELS)           # the last tile steps back over what is done already
                    sums = tile_zero(x, PIXELS, VECTORS)
                    for r in range(3):
                        for s in range(3):
                            pixel, filters = ((n * (H + 2) + i + r) * (W + 2) + j + s) * C, (3 * r + s) * C * K + k
                            for c in range(C):
                                sums = multiply_add(sums, x, pixel + c, C, w, filters + c * K, lanes)
                    tile_store(sums, y, ((n * H + i) * W + j) * K + k, K, PIXELS, VECTORS * lanes)


def conv_tile(x, w):
    N, H, W, C, K = x.shape[0], x.shape[1] - 2, x.shape[2] - 2, x.shape[3], w.shape[3]
    y = np.empty((N, H, W, K), x.dtype)
    tiles(x.ravel(), w.ravel(), y.ravel(), N, H, W, C, K)
    return y


# %% [markdown]
# ## Rung 8: the framework
#
# The framework's convolution is rung 7 on all cores, with what a real one needs besides: any stride, dilation, group and number of channels, borders
# without a copy of the batch, filters laid out in the order in which they are read. This is its inner part; you will recognise it:

# %%
from tinyattn.kernels.cpu.conv import direct, winograd
source(direct._panel, "One band of rows")

# %% [markdown]
# And for 3×3 filters there is one rung above, which does *less arithmetic*. S. Winograd found in 1980 that two neighbouring outputs of a
# filter of three taps need four multiplications, not six, if one adds cleverly before and after; in two dimensions 16 in place of 36. Its
# sums cancel a little, so it pays with accuracy. `kernels/cpu/conv/winograd.py` tells how.
#
# Do all rungs climb the same tree? On the small input, against the loops in float64:

# %%


def plainly(path):
    """One of the framework's paths as a function of padded x and w (3, 3, C, K)."""
    def run(x, w):
        N, H, W, _ = x.shape
        y = np.empty((N, H - 2, W - 2, w.shape[3]), x.dtype)
        filters = np.ascontiguousarray(w.transpose(3, 2, 0, 1))      # (K, C, 3, 3)
        if path == "direct":
            direct.forward(x, filters, None, (1, 1), (0, 0), (1, 1), 1, y)
        else:
            winograd.forward(x, filters, None, (0, 0), y)
        return y
    return run


RUNGS = {"Python loops": conv_loops, "NumPy, tap by tap": conv_taps, "im2col, one product": conv_im2col, "loops compiled": conv_compiled,
         "inside out": conv_inside_out, "all cores": conv_cores, "register tile": conv_tile, "framework": plainly("direct"),
         "framework, Winograd": plainly("winograd")}
for name, rung in RUNGS.items():
    print(f"{name:20} agrees:", np.allclose(rung(*small), right, rtol=1e-4, atol=1e-5))

# %% [markdown]
# ## The ladder

# %%


def compile_anew(name, x, w):
    """Seconds it takes to compile the rung as if it had never been called; None where nothing of it is compiled here."""
    compiled = {"loops compiled": conv_compiled, "inside out": conv_inside_out, "all cores": conv_cores, "register tile": tiles}.get(name)
    if compiled is None:
        return None
    arguments = (x.ravel(), w.ravel(), x.ravel(), 1, 1, 1, 1, 1) if compiled is tiles else (x, w)
    fresh = numba.njit(**{key: value for key, value in compiled.targetoptions.items() if key != "nopython"})(compiled.py_func)
    began = time.perf_counter()
    fresh.compile(tuple(numba.typeof(a) for a in arguments))
    return time.perf_counter() - began


def climb():
    """Of each rung: billions of operations a second, seconds that compiling took, largest error relative to the largest output."""
    from tinyattn.bench import ceiling
    x, w = inputs(16, 28, 28, 32, 64)
    exact = conv_im2col(x.astype(np.float64), w.astype(np.float64))
    given = {name: (x[:1, :6, :6], w) if rung is conv_loops else (x, w) for name, rung in RUNGS.items()}     # the first would take minutes
    found, best, most = {}, dict.fromkeys(RUNGS, np.inf), {}
    for name, rung in RUNGS.items():
        y, wanted = rung(*given[name]), exact[:1, :4, :4] if rung is conv_loops else exact
        found[name] = {"operations": 2 * y.size * 9 * 32, "compiling": compile_anew(name, x, w),
                       "error": float(np.abs(y - wanted).max() / np.abs(exact).max())}
    for _ in range(5):                                   # in turns, so that what disturbs hits all alike; the best time of each counts
        for name, rung in RUNGS.items():
            end = time.perf_counter() + 0.4
            while time.perf_counter() < end:
                began = time.perf_counter()
                rung(*given[name])
                best[name] = min(best[name], time.perf_counter() - began)
        most = {key: max(value, most.get(key, 0)) for key, value in ceiling.measure(quick=True).items()}
    for name, row in found.items():
        row["gflops"] = row.pop("operations") / best[name] / 1e9
    return {"rungs": found, "ceiling": most}


ladder, machine = recorded("ladder", climb)
print(machine["processor"], "·", machine["threads"], "threads · numba", machine["numba"], "· numpy", machine["numpy"])
slowest = ladder["rungs"]["Python loops"]["gflops"]
print(f"{'rung':20} GFLOP/s   times the first   compiling   error")
for name, row in ladder["rungs"].items():
    compiling = "" if row["compiling"] is None else f"{row['compiling']:.1f} s"
    print(f"{name:20} {row['gflops']:7.3g}   {row['gflops'] / slowest:15,.0f}   {compiling:>9}   {row['error']:.0e}")
print(f"{'nothing but tiles':20} {ladder['ceiling']['fma_gflops']:7.3g}   (the most that all cores can do)")

# %% tags=["aside"]
picture, axes = figure(6.4, 3.1)
names = list(ladder["rungs"])
speeds = [ladder["rungs"][name]["gflops"] for name in names]
axes.barh(range(len(names)), speeds, color=[SOFT] * 3 + [BLUE] * 4 + [GREEN] * 2, height=0.7, left=1e-4)
for at, speed in enumerate(speeds):
    axes.text(speed * 1.15, at, f"{speed:.2g}" if speed < 100 else f"{speed:.0f}", va="center", color=INK, fontsize=8, zorder=5,
              bbox={"fc": "white", "ec": "none", "pad": 0.8})
axes.axvline(ladder["ceiling"]["fma_gflops"], color=RED, lw=1.4, ls="--")
axes.text(ladder["ceiling"]["fma_gflops"] * 0.8, 0.0, "the most that\nall cores can do", color=RED, ha="right", va="center", fontsize=8)
axes.set_xscale("log")
axes.set_xlim(1e-4, 6e3)
axes.set_yticks(range(len(names)), names)
axes.invert_yaxis()
axes.grid(False, axis="y")
axes.set_xlabel("billions of operations a second (each step to the right: ten times)")
show(picture, "ladder", "Speeds of nine rungs on a scale in which each step is ten times: Python's loops far below all others, the compiled loops between "
                        "them and NumPy, the tiles above, and Winograd's convolution longest of all.")

# %% [markdown]
# Read it from the top. Python's loops are off the chart on the left. NumPy hides a compiled matrix product with register tiles of its own, so two lines
# of it are thousands of times faster, and one large product beats nine that each pass over the output.
#
# Compiling the loops brings a factor of hundreds and is still far behind NumPy: one number at a time. Turning them inside out, which changes no
# sum, brings another ten. A second core brings less than a factor of two. The tile, on *one* core, overtakes both: not by multiplying
# faster, but by fetching less. The framework is the tile on all cores.
#
# Winograd's convolution is counted by the multiplications that it stands for, not by the fewer that it makes; so it may lie beyond what the
# units can do. Its error is the largest, though still at a millionth. And the parallel loop takes by far the longest to compile, which
# is why the framework has few kernels with `prange` in them, and keeps what it has compiled on disk.
#
# ## What the compiler made of it
#
# Beliefs about compilers are often wrong, so look. Numba keeps the assembly of every function it compiled (`inspect_asm`). An instruction
# such as `vfmadd231ps` is a fused multiply-add (`fmadd`) of *packed single* precision (`ps`): a whole vector; with `ss` at its end it is a single
# number. Registers are called `xmm`, `ymm`, `zmm`, with 4, 8, 16 float32. We count:

# %%


def assembly():
    """Of each compiled rung: how often each kind of arithmetic stands in its code, how many vector registers it names, an excerpt."""
    found = {}
    for name, compiled, arguments in (("loops compiled", conv_compiled, inputs(1, 28, 28, 32, 64)),
                                      ("inside out", conv_inside_out, inputs(1, 28, 28, 32, 64)),
                                      ("register tile", tiles, None)):
        if arguments is None:
            flat = [np.zeros(1, np.float32)] * 3
            compiled.compile(tuple(numba.typeof(a) for a in (*flat, 1, 28, 28, 32, 64)))
        else:
            compiled(*arguments)
        text = next(text for signature, text in compiled.inspect_asm().items() if "float32" in str(signature[0]))
        lines = [" ".join(line.split()) for line in text.splitlines()]
        kinds = {}
        for line in lines:
            match = re.match(r"(vfn?madd\w*?|v?mul|v?add|fmla|fmul|fadd)(?:\d+)?(ss|ps)?\b.*?(?:%(zmm|ymm|xmm)\d+)?$", line)
            if match and (match[2] or match[1].startswith("f")):
                kind = f"{match[1].rstrip('0123456789')} {'one number' if match[2] == 'ss' else match[3] or 'vector'}"
                kinds[kind] = kinds.get(kind, 0) + 1
        fused = [i for i, line in enumerate(lines) if re.match(r"vfmadd\d+ps|fmla", line)]
        longest = max(fused, key=lambda i: sum(j in range(i, i + 8) for j in fused), default=0)
        registers = {match for line in lines for match in re.findall(r"%([zy]mm\d+)", line)}
        found[name] = {"kinds": kinds, "registers": len(registers), "excerpt": lines[longest:longest + 6] if fused else
                       [line for line in lines if re.match(r"v?mulss|v?addss", line)][:2]}
    return found


code, machine = recorded("assembly", assembly)
print(machine["processor"])
for name, row in code.items():
    print(f"{name}: {row['kinds']}, {row['registers']} wide registers in use")
    for line in row["excerpt"]:
        print("      ", line)

# %% [markdown]
# There it is, line by line. The compiled loops multiply and add **one number** at a time, in two instructions. Inside out, `vfmadd` works on whole
# vectors; but see the excerpt: each reads its filters or sums from memory (what stands in brackets), and a `vmovups` puts every
# result back. (The single numbers in its count are for what is left over where $K$ is not a multiple of the vectors.) In the tile there are vector
# multiply-adds only, with nothing but registers in them: between them a `vbroadcastss` spreads the next pixel's number over a vector. On
# this machine all 16 registers are in use, 12 of them for sums.
#
# ## Is it the arithmetic, or the memory?
#
# Before climbing, one should ask how high the roof is. A kernel cannot be faster than the arithmetic units, nor faster than memory
# can bring its numbers. The ratio of the two demands, operations for each byte that must be moved at least once, is its **arithmetic intensity**:
#
# $$I = \frac{2 \cdot N H W \cdot 9 C K}{4\,\text{bytes} \cdot (N H W C + 9 C K + N H W K)}$$
#
# $$\text{speed} \le \min(\text{arithmetic},\; I \cdot \text{memory})$$
#
# This is the *roofline*: a slope on the left, where memory decides, and a flat roof on the right.

# %%
fma, copy = ladder["ceiling"]["fma_gflops"], ladder["ceiling"]["copy_gbs"]
print(f"arithmetic {fma:.0f} GFLOP/s, memory {copy:.1f} GB/s: a kernel needs {fma / copy:.0f} operations a byte to be able to reach the roof")
pixels, c, k = 16 * 28 * 28, 32, 64
flops = 2 * pixels * 9 * c * k
work = {"3×3 convolution": flops / 4 / (pixels * c + 9 * c * k + pixels * k),
        "the same by im2col": flops / 4 / (pixels * c + 2 * pixels * 9 * c + 9 * c * k + pixels * k),
        "1×1 convolution": flops / 9 / 4 / (pixels * c + c * k + pixels * k),
        "adding two images": 1 / 12}
for name, intensity in work.items():
    print(f"{name:20} {intensity:6.2f} operations a byte: at most {min(fma, intensity * copy):4.0f} GFLOP/s")

# %% tags=["aside"]
picture, axes = figure(6.4, 2.8)
at = np.geomspace(0.03, 1000, 200)
axes.plot(at, np.minimum(fma, at * copy), color=RED, lw=2)
for name, intensity in work.items():
    axes.plot([intensity] * 2, [0.01, min(fma, intensity * copy)], color=SOFT, lw=0.8)
    beside = 0.88 if "convolution" in name else 1.15
    axes.text(intensity * beside, 0.014, name, rotation=90, ha="left" if beside > 1 else "right", va="bottom", fontsize=8)
for name, color in (("im2col, one product", SOFT), ("all cores", BLUE), ("framework", GREEN)):
    intensity = work["the same by im2col" if name.startswith("im2col") else "3×3 convolution"]
    axes.plot(intensity, ladder["rungs"][name]["gflops"], "o", color=color, ms=6)
    axes.text(intensity * 1.2, ladder["rungs"][name]["gflops"], name.partition(",")[0], color=color, va="center", fontsize=7,
              bbox={"fc": "white", "ec": "none", "pad": 0.5})
axes.set_xscale("log")
axes.set_yscale("log")
axes.set_xlim(0.03, 1000)
axes.set_ylim(0.01, 2 * fma)
axes.set_xlabel("operations for each byte that is moved")
axes.set_ylabel("GFLOP/s")
show(picture, "roofline", "The roof: rising with the operations for each byte while memory decides, then flat. A sum of images lies far down the "
                          "slope, a 3×3 convolution under the flat part.")

# %% [markdown]
# A sum of two images can never be fast: whatever the code, it waits for memory. (That is why fusing such steps into their neighbours pays more than
# tuning them.) A 3×3 convolution of 32 channels stands far to the right of the bend, so all nine rungs have the same roof, and it was worth
# climbing. im2col moves its ninefold columns out and in again, and so comes close to the bend, with the arithmetic unchanged.
#
# And that is the whole trick of the ladder: the arithmetic was never the problem. At each rung the machine had been waiting for something else: for
# Python, for the next addition, for the store and the load, for the other core. Find out what it waits for, and take that away.
#
# A convolution is fast now. It is still short-sighted: three pixels by three, always the same nine places. How a number asks for what it
# needs, wherever that is, is lesson 10.
#
# **To read next.** U. Drepper, "What every programmer should know about memory" (2007); S. Williams, A. Waterman and D. Patterson, "Roofline"
# (CACM 52, 2009); K. Goto and R. van de Geijn, "Anatomy of high-performance matrix multiplication" (ACM TOMS 34, 2008), where the tile is from;
# E. Georganas and others, "Anatomy of high-performance deep learning convolutions on SIMD architectures" (SC 2018). For Winograd's
# convolution: A. Lavin and S. Gray (2015). In the framework: `kernels/cpu/conv/plain.py`, `direct.py`, `winograd.py`, in this order.
