"""Random calls of every function: arguments that nobody chose, drawn alike for both libraries.

`GENERATORS` says for each name how a call is drawn: mostly valid, now and then not (an axis too many, a length that does
not fit), with all options, ranks from 0 to 5, lengths from 0 to 7, and memory in every order. Arguments are PyTorch's tensors.
"""
import math

import numpy as np
import torch
import torch.nn.functional as TF

FLOATS = (torch.float64, torch.float32)
NUMBERS = (*FLOATS, torch.int64)
ANY = (*NUMBERS, torch.bool)


class Dice:
    """Draws numbers, shapes and tensors from one generator."""

    def __init__(self, random):
        self.random = random

    def number(self, low, high):
        """An int from `low` to `high`, both included."""
        return int(self.random.integers(low, high + 1))

    def chance(self, p=0.5):
        return bool(self.random.random() < p)

    def pick(self, *choices):
        return choices[self.number(0, len(choices) - 1)]

    def length(self, least=0):
        return max(least, self.pick(0, 1, 1, 2, 2, 3, 3, 4, 5, 6, 7))

    def shape(self, low=0, high=4, least=0):
        return tuple(self.length(least if self.chance(0.9) else 0) for _ in range(self.number(low, high)))

    def dtype(self, dtypes=FLOATS):
        return dtypes[0] if self.chance(0.6) else self.pick(*dtypes)

    def values(self, shape, dtype, low=-4, high=4):
        if dtype == torch.bool:
            return torch.from_numpy(np.asarray(self.random.random(shape) < 0.5))
        if dtype not in FLOATS:
            return torch.from_numpy(np.asarray(self.random.integers(low, high + 1, shape))).to(dtype)
        if self.chance(0.15):                                        # with ties and zeros
            return torch.from_numpy(np.asarray(self.random.integers(-2, 3, shape), float)).to(dtype)
        return torch.from_numpy(np.asarray(self.random.normal(size=shape))).to(dtype)

    def laid(self, draw, shape):
        """A tensor of `shape` from `draw(shape)`, in memory of some order."""
        kind = self.pick("plain", "plain", "plain", "turned", "stepped", "expanded", "images")
        if kind == "turned" and len(shape) > 1:
            order = self.random.permutation(len(shape)).tolist()
            return draw(tuple(shape[i] for i in order)).permute([order.index(i) for i in range(len(shape))])
        if kind == "stepped" and shape:
            return draw((*shape[:-1], 2 * shape[-1]))[..., ::2]
        if kind == "expanded" and shape:
            at = self.number(0, len(shape) - 1)
            return draw(tuple(1 if i == at else n for i, n in enumerate(shape))).expand(shape)
        if kind == "images" and len(shape) == 4:
            return draw(shape).contiguous(memory_format=torch.channels_last)
        return draw(shape)

    def tensor(self, shape, dtypes=FLOATS, low=-4, high=4):
        dtype = self.dtype(dtypes) if isinstance(dtypes, tuple) else dtypes
        x = self.laid(lambda s: self.values(s, dtype, low, high), tuple(shape))
        return x.requires_grad_(dtype in FLOATS and self.chance(0.85))

    def plain(self, shape, dtypes):
        """One whose memory is in order: PyTorch's gradients of batch_norm are wrong where weight has other strides than 1, or axes of
        length 1 have odd ones (its own result for a contiguous copy is another, and ours)."""
        return self.values(shape, dtypes[0]).requires_grad_(self.chance())

    def any(self, dtypes=FLOATS, low=0, high=4):
        return self.tensor(self.shape(low, high), dtypes)

    def integers(self, shape, low, high):
        return self.laid(lambda s: torch.from_numpy(np.asarray(self.random.integers(low, max(high, low + 1), s))), tuple(shape))

    def dim(self, ndim):
        if self.chance(0.04):
            return self.pick(ndim, -ndim - 1)
        return self.number(-max(ndim, 1), max(ndim, 1) - 1)

    def dims(self, ndim):
        """Some axes, each once as a rule, in any order."""
        order = self.random.permutation(ndim).tolist()[:self.number(0, ndim)]
        return tuple(i - ndim if self.chance() else i for i in order) + ((0,) if self.chance(0.03) else ())

    def options(self, **choices):
        """Each option with an even chance; a callable is called."""
        return {k: v() if callable(v) else self.pick(*v) for k, v in choices.items() if self.chance()}

    def like(self, shape):
        """A shape that broadcasts with `shape`: axes left out in front, lengths of 1."""
        start = self.number(0, len(shape)) if self.chance(0.5) else 0
        return tuple(1 if self.chance(0.3) else n for n in shape[start:])

    def one_or_more(self, n, low, high):
        """An int, or n of them."""
        return self.number(low, high) if self.chance() else tuple(self.number(low, high) for _ in range(n))


# --- element by element ----------------------------------------------------------------------------------------------

def unary(dtypes=FLOATS, positive=False, **choices):
    def draw(d):
        x = d.any(dtypes, high=5)
        if positive and x.dtype in FLOATS:
            x = x.detach().abs().add(0.01).requires_grad_(x.requires_grad)
        return (x,), d.options(**choices)
    return draw


def binary(dtypes=NUMBERS, numbers=True, second=None, **choices):
    def draw(d):
        shape = d.shape(0, 5)
        x, y = d.tensor(d.like(shape) if d.chance(0.3) else shape, dtypes), d.tensor(d.like(shape), second or dtypes)
        if numbers and d.chance(0.25):
            y = d.pick(2, 0, -1.5, 3.0, True, -2)
        if d.chance(0.03):
            y = d.any(second or dtypes)
        return (x, y), d.options(**choices)
    return draw


def clamp(d):
    shape = d.shape()
    x = d.tensor(shape, NUMBERS)
    kind = d.pick("numbers", "tensors")
    def bound(): return (None if d.chance(0.2) else d.pick(-1, 0, 0.5, 2, -0.7) if kind == "numbers" else d.tensor(d.like(shape), NUMBERS))
    return (x, bound(), bound()), {}


def where(d):
    shape = d.shape(0, 5)
    x, y = (d.pick(0, 1.5, 2) if d.chance(0.15) else d.tensor(d.like(shape), ANY) for _ in range(2))
    return (d.tensor(d.like(shape), torch.bool), x, y), {}


def masked_fill(d):
    shape = d.shape(0, 5)
    x = d.tensor(shape, NUMBERS)
    value = d.pick(0, -1, 2.5, float("-inf"), d.tensor((), NUMBERS if x.dtype in FLOATS else (torch.int64,)))
    return (x, d.tensor(d.like(shape), torch.bool), value), {}


# --- many into one ---------------------------------------------------------------------------------------------------

def _converted(d, x, choices):
    """Options, and x without a gradient where they make integers of it (PyTorch then writes down a history that it cannot walk)."""
    options = d.options(**choices)
    return x.detach() if options.get("dtype") == torch.int64 else x, options


def reduction(dtypes=FLOATS, several=True, need=False, **choices):
    def draw(d):
        x, options = _converted(d, d.any(dtypes, high=5), choices)
        if need or d.chance(0.8):
            options["dim"] = d.dims(x.ndim) if several and d.chance() else d.dim(x.ndim)
            if d.chance():
                options["keepdim"] = d.chance()
        return (x,), options
    return draw


def spread(d):
    x = d.plain(d.shape(0, 5), (d.dtype(),))    # not expanded: the deviation of equal numbers is rounding, and its gradient anything
    options = d.options(keepdim=(True, False), **{d.pick("unbiased", "correction"): (0, 1)})
    dims = d.dims(x.ndim) or None               # of () PyTorch takes the variance of all, but the gradient of none
    if "unbiased" in options:
        options["unbiased"] = bool(options["unbiased"])
    options["dim"] = d.pick(None, d.dim(x.ndim), dims)
    return (x,), options


def along(dtypes=FLOATS, **choices):
    def draw(d):
        x, options = _converted(d, d.any(dtypes, high=5), choices)
        return (x, d.dim(x.ndim)), options
    return draw


def ordered(d):
    x = d.any(NUMBERS)
    return (x,), {"dim": d.dim(x.ndim), "stable": True, "descending": d.chance()}


def topk(d):
    x = d.any(FLOATS)
    x = torch.randperm(x.numel(), generator=torch.Generator().manual_seed(d.number(0, 99))).reshape(x.shape).to(x.dtype).requires_grad_(d.chance())
    at = d.dim(x.ndim)
    n = x.shape[at] if x.ndim and -x.ndim <= at < x.ndim else 1
    return (x, d.number(0 if x.ndim else 1, n + d.chance(0.05)), at), {"largest": d.chance()}


# --- shapes ----------------------------------------------------------------------------------------------------------

def reshape(d):
    x = d.any(ANY, high=5)
    n, shape = x.numel(), []
    while n > 1 and d.chance(0.8):
        f = d.pick(*[k for k in range(1, n + 1) if n % k == 0])
        shape.append(f)
        n //= f
    shape.append(n)
    if d.chance(0.3):
        shape[d.number(0, len(shape) - 1)] = -1
    if d.chance(0.2):
        shape.insert(d.number(0, len(shape)), 1)
    return (x, tuple(shape)), {}


def flatten(d):
    x = d.any(ANY, high=5)
    return (x,), d.options(start_dim=lambda: d.dim(x.ndim), end_dim=lambda: d.dim(x.ndim))


def two_axes(d):
    x = d.any(ANY, high=5)
    return (x, d.dim(x.ndim), d.dim(x.ndim)), {}


def permute(d):
    x = d.any(ANY, high=5)
    order = d.random.permutation(x.ndim).tolist()
    return (x, tuple(i - x.ndim if d.chance() else i for i in order)), {}


def squeeze(d):
    x = d.tensor(tuple(d.pick(1, 1, 2, 0) for _ in range(d.number(0, 5))), ANY)
    return (x, *d.pick((), (d.dim(x.ndim),), (d.dims(x.ndim),))), {}


def unsqueeze(d):
    x = d.any(ANY)
    return (x, d.dim(x.ndim + 1)), {}


def expand(d):
    x = d.tensor(tuple(d.pick(1, 1, 2, 3, 0) for _ in range(d.number(0, 4))), ANY)
    new = [d.length() for _ in range(d.number(0, 2))]
    return (x, (*new, *(d.pick(-1, n, d.length() if n == 1 else n) for n in x.shape))), {}


def repeat(d):
    x = d.any(ANY, high=3)
    return (x, tuple(d.number(0, 3) for _ in range(max(0, x.ndim + d.pick(-1, 0, 0, 0, 1, 2))))), {}


def flip(d):
    x = d.any(ANY)
    return (x, d.dims(x.ndim)), {}


def cat(d):
    shape, dtypes = list(d.shape(1, 4)), ANY if d.chance(0.3) else FLOATS
    at, many = d.number(0, len(shape) - 1), []
    for _ in range(d.number(1, 4)):
        shape[at] = d.length()
        many.append(d.tensor((0,) if d.chance(0.1) else shape, dtypes))
    return (many, at - len(shape) if d.chance() else at), {}


def stack(d):
    shape = d.shape(0, 3)
    return ([d.tensor(shape, d.pick(FLOATS, (torch.float64,))) for _ in range(d.number(1, 4))], d.dim(len(shape) + 1)), {}


def split(d):
    x = d.any(ANY)
    at = d.dim(x.ndim)
    n = x.shape[at] if x.ndim and -x.ndim <= at < x.ndim else 1
    a = d.number(0, n)
    return (x, d.pick(d.number(0, 4), [a, n - a], [n, 0], [a, n - a, d.number(0, 1)]), at), {}


def chunk(d):
    x = d.any(ANY)
    return (x, d.number(1, 9), d.dim(x.ndim)), {}


def triangle(d):
    return (d.any(ANY, 1, 5), *d.pick((), (d.number(-8, 8),))), {}


def unflatten(d):
    shape = list(d.shape(1, 4))
    at, a, b = d.number(0, len(shape) - 1), d.length(), d.length()
    shape[at] = a * b
    return (d.tensor(shape), d.pick(at, at - len(shape)), d.pick((a, b), (-1, b), (a, -1), (a, b, 1))), {}


def narrow(d):
    x = d.any()
    return (x, d.dim(x.ndim), d.number(-3, 3), d.number(0, 3)), {}


# --- picking and placing ---------------------------------------------------------------------------------------------

def _slice(d, n):
    def end(): return None if d.chance(0.3) else d.number(-n - 3, n + 3)
    return slice(end(), end(), d.pick(None, 1, 2, 3))


def getitem(d):
    shape, key, masked = d.shape(0, 4), [], d.chance(0.2)
    common = d.like(d.shape(0, 2, 1))
    axis = 0
    while axis < len(shape) and d.chance(0.85):
        n, kind = shape[axis], d.pick("slice", "slice", "int", "ints", "new", "mask" if masked else "slice")
        axis += kind != "new"
        if kind == "slice":
            key.append(_slice(d, n))
        elif kind == "new":
            key.append(None)
        elif kind == "int" and (n or d.chance(0.2)):
            key.append(d.number(-n, n - 1) if n and d.chance(0.97) else n)
        elif kind == "ints" and n:
            key.append(d.integers(d.like(common), -n, n))
        elif kind == "mask":
            more = d.number(1, len(shape) - axis + 1)
            key.append(d.tensor(shape[axis - 1:axis - 1 + more], torch.bool))
            axis, masked = axis - 1 + more, False
        else:
            key.append(slice(None))
    if d.chance(0.3):
        key.insert(d.number(0, len(key)), Ellipsis)
    return (d.tensor(shape), tuple(key) if len(key) != 1 or d.chance() else key[0]), {}


def gather(d):
    x = d.any(NUMBERS)
    at = d.number(0, max(x.ndim, 1) - 1)
    shape = tuple(d.length() if i == at else d.number(0, n) for i, n in enumerate(x.shape))
    n = x.shape[at] if x.ndim else 1
    return (x, at - max(x.ndim, 1) if d.chance() else at, d.integers(shape, 0, n) if n else torch.zeros(tuple(0 if i == at else k for i, k in enumerate(shape)), dtype=torch.int64)), {}


def scatter_add(d):
    (x, at, index), _ = gather(d)
    src = d.tensor(tuple(n + d.number(0, 1) for n in index.shape), (x.dtype,))
    return (x, at, index, src.detach() if src.shape != index.shape else src), {}         # else PyTorch's gradient fails


def scatter(d):
    """Numbers for places of their own, or one number for all; else PyTorch leaves open which of them stays."""
    (x, at, index, src), _ = scatter_add(d)
    if d.chance(0.4):
        return (x, at, index, d.pick(0, 1.5, 2)), {}
    if d.chance(0.3) and x.dtype != torch.bool:
        return (x.detach(), at, index, src.detach()), {"reduce": d.pick("add", "multiply")}
    if index.numel():
        n = x.shape[at] if x.ndim else 1
        index = torch.argsort(torch.rand((*index.movedim(at, -1).shape[:-1], n) if index.ndim else (n,)), -1)
        index = index.movedim(-1, at) if x.ndim else index[0]
        src = d.tensor(index.shape, (x.dtype,))
    return (x, at, index, src), {}


def index_select(d):
    x = d.any(NUMBERS)
    at = d.dim(x.ndim)
    n = x.shape[at] if x.ndim and -x.ndim <= at < x.ndim else 1
    return (x, at, d.integers((d.length() if x.ndim else 1,), 0, n)), {}


# --- products --------------------------------------------------------------------------------------------------------

def matmul(d):
    m, k, n, batch, dtype = d.length(), d.length(), d.length(), d.shape(0, 2), (d.dtype(NUMBERS),)
    a, b = (*d.like(batch), m, k), (*d.like(batch), k, n)
    a, b = d.pick(a, a, (k,)), d.pick(b, b, (k,))
    return (d.tensor(a, dtype), d.tensor(b, dtype)), {}


def linear(d):
    i, o, dtype = d.length(), d.length(), (d.dtype(),)
    return (d.tensor((*d.shape(0, 3), i), dtype), d.tensor((o, i), dtype), *d.pick((), (d.tensor((o,), dtype),))), {}


def einsum(d):
    letters = "abcdE"
    lengths = {c: d.length() for c in letters}
    rest = d.shape(0, 2)
    terms, arrays, dtype = [], [], (d.dtype(),)
    for _ in range(d.number(1, 3)):
        named = [d.pick(*letters) for _ in range(d.number(0, 3))]
        shape, dots = [1 if d.chance(0.1) else lengths[c] for c in named], d.chance(0.3)
        at = d.number(0, len(named))
        terms.append("".join(named[:at]) + ("..." if dots else "") + "".join(named[at:]))
        arrays.append(d.tensor((*shape[:at], *(d.like(rest) if dots else ()), *shape[at:]), dtype))
    equation = ",".join(terms)
    used = sorted(set(equation) & set(letters), key=lambda c: d.random.random())
    if d.chance(0.7):
        equation += "->" + "".join(used[:d.number(0, len(used))]) + ("..." if d.chance(0.4) or "..." in equation and d.chance(0.8) else "")
    return (equation, *arrays), {}


# --- windows ---------------------------------------------------------------------------------------------------------

def conv(dims, transposed=False):
    def draw(d):
        groups, dtype = d.pick(1, 1, 1, 2, 3), (d.dtype(),)
        c, k = groups * d.number(1, 3), groups * d.number(1, 3)
        kernel = tuple(d.number(1, 4) for _ in range(dims))
        lengths = tuple(d.number(1, 9) for _ in range(dims))
        stride, dilation = d.one_or_more(dims, 1, 3), d.one_or_more(dims, 1, 3)
        first, second = (c, k // groups) if transposed else (k, c // groups)
        x = d.tensor(((d.number(0 if not transposed else 1, 3),) if d.chance(0.85) else ()) + (c, *lengths), dtype)   # empty, PyTorch checks less
        w = d.tensor((first, second, *kernel), dtype)
        options = {"bias": d.pick(None, d.tensor((k,), dtype)), "stride": stride, "dilation": dilation, "groups": groups,
                   "padding": d.one_or_more(dims, 0, 3)}
        if transposed:
            options["output_padding"] = d.one_or_more(dims, 0, 2)
        elif d.chance(0.2):
            options["padding"] = d.pick("same", "valid")
            if options["padding"] == "same" and d.chance(0.9):
                options["stride"] = 1
        return (x, w), options
    return draw


def pool(dims, dilated):
    def draw(d):
        x = d.tensor(((d.number(0, 3),) if d.chance(0.8) else ()) + (d.number(1, 4), *(d.number(1, 9) for _ in range(dims))))
        options = d.options(stride=lambda: d.one_or_more(dims, 1, 4), padding=lambda: d.one_or_more(dims, 0, 2), ceil_mode=(True, False))
        if dilated:
            options |= d.options(dilation=lambda: d.one_or_more(dims, 1, 3), return_indices=(True, False))
        else:
            options |= d.options(count_include_pad=(True, False))
            if dims == 2:
                options |= d.options(divisor_override=(1, 2, 3, -2))
        return (x, d.one_or_more(dims, 1, 4)), options
    return draw


def adaptive(dims, indexed):
    def draw(d):
        x = d.tensor(((d.number(0, 3),) if d.chance(0.8) else ()) + (d.number(1, 4), *(d.number(1, 9) for _ in range(dims))))
        size = d.one_or_more(dims, 1, 9)
        if dims == 2 and isinstance(size, tuple) and d.chance(0.3):
            size = d.pick((None, size[1]), (size[0], None))
        return (x, size), d.options(return_indices=(True, False)) if indexed else {}
    return draw


# --- norms, losses, tables -------------------------------------------------------------------------------------------

def batch_norm(d):
    shape, dtype = d.shape(2, 5, 1), (d.dtype(),)
    c = shape[1]
    training = d.chance()
    stats = (None, None) if training and d.chance(0.3) else (d.values((c,), dtype[0]), d.values((c,), dtype[0]).abs() + 0.1)
    return (d.plain(shape, dtype), *stats), {"training": training} | d.options(
        weight=lambda: d.plain((c,), dtype), bias=lambda: d.tensor((c,), dtype), momentum=(0.1, 0.5, 0.0, 1.0), eps=(1e-5, 0.1))


def instance_norm(d):
    shape, dtype = d.shape(3, 5, 1), (d.dtype(),)
    c, own = shape[1], d.chance(0.8)
    stats = (None, None) if own and d.chance() else (d.values((c,), dtype[0]), d.values((c,), dtype[0]).abs() + 0.1)
    return (d.tensor(shape, dtype), *stats), {"use_input_stats": own} | d.options(
        weight=lambda: d.plain((c,), dtype), bias=lambda: d.tensor((c,), dtype), momentum=(0.1, 0.5), eps=(1e-5, 0.1))


def layer_norm(d):
    shape, dtype = d.shape(1, 4, 1), (d.dtype(),)
    own = shape[d.number(0, len(shape) - 1):]
    return (d.tensor(shape, dtype), own), d.options(weight=lambda: d.tensor(own, dtype), bias=lambda: d.tensor(own, dtype), eps=(1e-5, 0.1))


def group_norm(d):
    groups, dtype = d.number(1, 3), (d.dtype(),)
    c = groups * d.number(1, 3)
    x = d.tensor((d.length(), c, *(max(n, 1) for n in d.shape(0, 3, 1))), dtype)
    if not x.is_contiguous():
        x.requires_grad_()                            # PyTorch 2.13 ends the process where only weight wants a gradient here
    return (x, groups), d.options(
        weight=lambda: d.tensor((c,), dtype), bias=lambda: d.tensor((c,), dtype), eps=(1e-5, 0.1))


def labelled(smoothed):
    def draw(d):
        c, more, dtype = d.number(1, 6), d.shape(0, 3, 1), (d.dtype(),)
        single = d.chance(0.2)
        x = d.tensor((c,) if single else (d.length(1), c, *more), dtype)
        shape = () if single else (x.shape[0], *more)
        target = d.integers(shape, 0, c)
        options = d.options(weight=lambda: d.values((c,), dtype[0]).abs() + 0.1, reduction=("mean", "sum", "none"))
        if d.chance(0.4):
            ignore = d.pick(-100, 0, c - 1, -1)
            options["ignore_index"] = ignore
            kept = torch.from_numpy(np.asarray(d.random.random(shape) < d.pick(0.7, 0.7, 0)))
            target = torch.where(kept, target, ignore)
        if smoothed:
            options |= d.options(label_smoothing=(0.0, 0.1, 1.0))
            if d.chance(0.25):
                options.pop("ignore_index", None)
                target = d.tensor(x.shape, dtype).detach().abs().requires_grad_(d.chance())
        return (x, target), options
    return draw


def pairwise(same=False, probabilities=False, **choices):
    def draw(d):
        shape, dtype = d.shape(), (d.dtype(),)
        x = d.tensor(shape, dtype)
        t = d.tensor(shape if same or d.chance(0.8) else d.like(shape), dtype)
        if probabilities:
            x, t = (v.detach().sigmoid().requires_grad_(v.requires_grad) for v in (x, t))
        made = d.options(reduction=("mean", "sum", "none"), **choices)
        for name in ("weight", "pos_weight"):
            if name in made:
                made[name] = d.tensor(shape if name == "weight" and not same else d.like(shape), dtype).detach().abs()
        return (x, t), made
    return draw


def embedding(d):
    rows, width = d.number(1, 6), d.length(1)
    return (d.integers(d.shape(0, 3), 0, rows), d.tensor((rows, width))), d.options(padding_idx=lambda: d.number(-rows, rows - 1), scale_grad_by_freq=(True, False))


def one_hot(d):
    return (d.integers(d.shape(0, 3), 0, 5),), d.options(num_classes=(5, 6, 9, -1, 3))


def attention(d):
    heads, dtype = d.pick((), (2,), (1, 3), (2, 4), (3, 1, 2)), (d.dtype(),)
    T, S, D, E = d.number(1, 6), d.number(1, 6), d.number(1, 5), d.number(1, 5)
    gqa = len(heads) == 2 and d.chance(0.2)
    others = (*heads[:-1], 2 if heads[-1] % 2 == 0 else 1) if gqa else heads
    q, k, v = d.tensor((*heads, T, D), dtype), d.tensor((*others, S, D), dtype), d.tensor((*others, S, E), dtype)
    options = d.options(scale=(None, 0.3, 1.0))
    if gqa:
        options["enable_gqa"] = True
    kind = d.pick("none", "causal", "mask", "float")
    if kind == "causal":
        options["is_causal"] = True
    elif kind != "none":
        shape = (T, S) if d.chance(0.4) else (*d.like(heads), *d.pick((T, S), (1, S), (T, 1)))
        mask = torch.from_numpy(np.asarray(d.random.random(shape) < 0.7))
        options["attn_mask"] = mask if kind == "mask" else d.tensor(shape, dtype)
    return (q, k, v), options


def normalize(d):
    x = d.any(high=4)
    return (x,), {"dim": d.dim(x.ndim)} | d.options(p=(1.0, 2.0, 3, float("inf"), 0.5), eps=(1e-12, 0.5))


def pad(d):
    x = d.any(NUMBERS, high=5)
    mode = d.pick("constant", "constant", "reflect", "replicate", "circular")
    if mode == "constant":
        return (x, tuple(d.number(-2, 3) for _ in range(2 * d.number(0, x.ndim)))), d.options(value=(0.0, 1.5, -2)) | d.options(mode=("constant",))
    last = d.number(1, 3)
    x = d.tensor(tuple(d.number(1, 6) for _ in range(last + d.number(1, 2))), FLOATS)
    least = 0 if mode == "circular" else -1           # where more is added than a cut leaves, PyTorch shows memory that nothing was written to
    return (x, tuple(d.number(least, 4) for _ in range(2 * last))), {"mode": mode}


def interpolate(d):
    dims = d.number(1, 3)
    mode = d.pick("nearest", "nearest-exact", "area", ("linear", "bilinear", "trilinear")[dims - 1], *["bicubic"] * (dims == 2))
    x = d.tensor(tuple(d.number(1, 3) for _ in range(2)) + tuple(d.number(1, 6) for _ in range(dims)), (torch.float64,))
    size = d.one_or_more(dims, 1, 9)
    factor = d.pick(2, 1.5, 0.5, 3.0, 0.7) if d.chance() else tuple(d.pick(2.0, 1.5, 0.6, 1.0) for _ in range(dims))
    if mode.startswith("nearest"):                    # of others (and of bicubic where the size stays), PyTorch's gradient goes to
        factor = d.pick(1, 2, 3.0)                    # pixels that its forward did not read
    options = {"mode": mode, **({"size": size} if d.chance() else {"scale_factor": factor})}
    if "linear" in mode or mode == "bicubic":
        options |= d.options(align_corners=(True, False))
    if "scale_factor" in options and not options.get("align_corners"):
        options |= d.options(recompute_scale_factor=(True, False))
    if mode.startswith("nearest") and dims == 2:      # PyTorch's ways differ from one another in 4-D float64
        x = x.detach().float().requires_grad_(x.requires_grad)
    return (x,), options


def grid_sample(d):
    dims = d.pick(2, 2, 3)
    n, c, t = d.number(1, 2), d.number(1, 3), (d.dtype(),)
    x = d.tensor((n, c, *(d.number(1, 5) for _ in range(dims))), t)
    grid = d.tensor((n, *(d.number(1, 4) for _ in range(dims)), dims), t)
    return (x, grid), {"align_corners": d.chance(), "mode": d.pick("bilinear", "nearest", *["bicubic"] * (dims == 2)),
                       "padding_mode": d.pick("zeros", "border", "reflection")}


def affine_grid(d):
    dims, n = d.pick(2, 3), d.number(1, 3)
    return (d.tensor((n, dims, dims + 1)), (n, d.number(1, 3), *(d.number(1, 4) for _ in range(dims)))), {"align_corners": d.chance()}


def windows(d):
    """How unfold and fold cut an image, and the image's size."""
    kernel, size = tuple(d.number(1, 3) for _ in range(2)), tuple(d.number(1, 7) for _ in range(2))
    return size, kernel, d.options(dilation=lambda: d.one_or_more(2, 1, 2), padding=lambda: d.one_or_more(2, 0, 2), stride=lambda: d.one_or_more(2, 1, 3))


def unfold(d):
    size, kernel, options = windows(d)
    return (d.tensor((*(d.number(1, 3) for _ in range(d.number(1, 2))), *size)), kernel), options


def fold(d):
    size, kernel, options = windows(d)
    channels = d.number(1, 2)
    try:
        columns = TF.unfold(torch.zeros(1, channels, *size), kernel, **options).shape[1:]
    except RuntimeError:                              # no window fits: a bad call
        columns = (channels * math.prod(kernel), 1)
    return (d.tensor((*(d.number(1, 2) for _ in range(d.number(0, 1))), *columns)), size, kernel), options


def setitem(d):
    (x, key), _ = getitem(d)
    x = x if x.dtype in FLOATS else x.double()
    try:
        place = tuple(x[key].shape)
    except Exception:                                 # an index that does not fit: a bad call
        place = ()
    if any(isinstance(i, torch.Tensor) and i.dtype != torch.bool for i in (key if isinstance(key, tuple) else (key,))):
        place = (1,) * len(place)                     # of two values for one place either may stay: one value for all
    return (x, key, d.pick(0, 2.5) if d.chance(0.2) else d.tensor(d.like(place), (x.dtype,))), {}


def in_place(d):
    shape = d.shape()
    how = d.pick("add_", "sub_", "mul_", "div_", "fill_", "copy_", "clamp_")
    x = d.tensor(shape, NUMBERS)
    other = d.pick(2, -1, 3) if how in ("fill_", "clamp_") or how != "copy_" and d.chance(0.3) else d.tensor(d.like(shape), (x.dtype,))
    return (x, how, other), {}


def creation(*arguments):
    def draw(d):
        return tuple(a(d) if callable(a) else a for a in arguments), d.options(dtype=(torch.float32, torch.float64, torch.int64))
    return draw


def sizes(d):
    return (d.shape(0, 5),), d.options(dtype=(torch.float64, torch.int64, torch.bool))


def arange(d):
    def end(): return d.pick(d.number(-6, 9), d.number(-12, 18) / 4)
    return d.pick((end(),), (end(), end()), (end(), end(), d.pick(1, 2, -1, 0.5, 0.3, -0.7, 3))), d.options(dtype=(torch.float32, torch.float64, torch.int64))


def softmax(d):
    x = d.any(high=5)
    if d.chance(0.2):
        x = (x.detach() * 1000).requires_grad_(x.requires_grad)
    return (x, d.dim(x.ndim)), d.options(dtype=(torch.float64, torch.float32))


GENERATORS = {
    **dict.fromkeys("abs exp sin cos tanh sigmoid neg square sign floor ceil round erf isnan isfinite isinf logical_not trunc".split(), unary(NUMBERS)),
    **dict.fromkeys("log sqrt rsqrt reciprocal log1p".split(), unary(NUMBERS, positive=True)),
    **dict.fromkeys("relu silu mish softplus selu hardswish hardsigmoid relu6 logsigmoid".split(), unary()),
    "leaky_relu": unary(negative_slope=(0.1, 0.0, 2, -0.5)), "elu": unary(alpha=(1.0, 0.5, 2)), "gelu": unary(approximate=("none", "tanh")),
    "hardtanh": unary(min_val=(-1.0, -2), max_val=(1, 0.5)), "glu": lambda d: (lambda x: ((x, d.dim(x.ndim)), {}))(d.any()),
    "prelu": lambda d: (lambda x: ((x, d.tensor((d.pick(1, x.shape[1] if x.ndim > 1 else 1),), (x.dtype,))), {}))(d.any()),
    **dict.fromkeys("add sub".split(), binary(alpha=(2, 0.5))), "mul": binary(ANY), "div": binary(NUMBERS, rounding_mode=(None, "floor", "trunc")),
    "pow": binary(FLOATS), "remainder": binary(FLOATS), "floor_divide": lambda d: (tuple(x.detach() if isinstance(x, torch.Tensor) else x for x in binary(FLOATS)(d)[0]), {}),
    **dict.fromkeys("maximum minimum".split(), binary(ANY, numbers=False)), **dict.fromkeys("eq ne lt le gt ge".split(), binary(ANY)),
    **dict.fromkeys("logical_and logical_or logical_xor".split(), binary(ANY, numbers=False)),
    "clamp": clamp, "where": where, "masked_fill": masked_fill,
    "sum": reduction(ANY, dtype=(torch.float64, torch.float32, torch.int64)), "mean": reduction(dtype=(torch.float64, torch.float32)),
    "prod": reduction(ANY, several=False, dtype=(torch.float64, torch.int64)), **dict.fromkeys("amax amin".split(), reduction(ANY)),
    **dict.fromkeys("max min".split(), reduction(ANY, several=False)), **dict.fromkeys("argmax argmin".split(), reduction(NUMBERS, several=False)),
    **dict.fromkeys("all any".split(), reduction(ANY)), "logsumexp": reduction(need=True), "norm": reduction(several=False, p=(1, 2, "fro", 3, 0, float("inf"))),
    **dict.fromkeys("var std".split(), spread), "cumsum": along(ANY, dtype=(torch.float64, torch.int64)), "sort": ordered, "argsort": ordered, "topk": topk,
    **dict.fromkeys("softmax log_softmax".split(), softmax),
    **dict.fromkeys("reshape view".split(), reshape), "flatten": flatten, **dict.fromkeys("transpose swapaxes movedim".split(), two_axes), "permute": permute,
    "squeeze": squeeze, "unsqueeze": unsqueeze, **dict.fromkeys("expand broadcast_to".split(), expand), **dict.fromkeys("repeat tile".split(), repeat), "flip": flip,
    "cat": cat, "stack": stack, "split": split, "chunk": chunk, **dict.fromkeys("tril triu".split(), triangle), "unflatten": unflatten, "narrow": narrow,
    "diagonal": lambda d: (lambda x: ((x, d.number(-3, 3), d.dim(x.ndim), d.dim(x.ndim)), {}))(d.any(ANY, 2, 4)), "unbind": along(ANY),
    "select": lambda d: (lambda x: ((x, d.dim(x.ndim), d.number(-3, 3)), {}))(d.any()),
    "getitem": getitem, "gather": gather, "scatter_add": scatter_add, "scatter": scatter,
    "index_select": index_select, "masked_select": lambda d: (lambda s: ((d.tensor(s), d.tensor(d.like(s), torch.bool)), {}))(d.shape()),
    "matmul": matmul, "linear": linear, "einsum": einsum, **dict.fromkeys("dot".split(), lambda d: (lambda n, t: ((d.tensor((n,), t), d.tensor((n,), t)), {}))(d.length(), (d.dtype(NUMBERS),))),
    "outer": lambda d: ((d.tensor((d.length(),), NUMBERS), d.tensor((d.length(),), NUMBERS)), {}),
    "conv1d": conv(1), "conv2d": conv(2), "conv_transpose1d": conv(1, True), "conv_transpose2d": conv(2, True),
    "max_pool1d": pool(1, True), "max_pool2d": pool(2, True), "avg_pool1d": pool(1, False), "avg_pool2d": pool(2, False),
    "adaptive_avg_pool1d": adaptive(1, False), "adaptive_avg_pool2d": adaptive(2, False), "adaptive_max_pool1d": adaptive(1, True), "adaptive_max_pool2d": adaptive(2, True),
    "batch_norm": batch_norm, "instance_norm": instance_norm, "layer_norm": layer_norm, "group_norm": group_norm,
    "cross_entropy": labelled(True), "nll_loss": labelled(False), "mse_loss": pairwise(weight=(1,)), "l1_loss": pairwise(weight=(1,)),
    "smooth_l1_loss": pairwise(beta=(1.0, 0.5, 0.0, 2)), "huber_loss": pairwise(delta=(1.0, 0.5, 2), weight=(1,)),
    "binary_cross_entropy_with_logits": pairwise(True, weight=(1,), pos_weight=(1,)), "binary_cross_entropy": pairwise(True, True, weight=(1,)),
    "kl_div": pairwise(False, True, log_target=(True, False)), "embedding": embedding, "one_hot": one_hot, "scaled_dot_product_attention": attention,
    "cosine_similarity": lambda d: (lambda s, t: ((d.tensor(s, t), d.tensor(d.like(s), t)), {"dim": d.dim(len(s))}))(d.shape(1, 4), (d.dtype(),)),
    "normalize": normalize, "pad": pad, "interpolate": interpolate, "grid_sample": grid_sample, "affine_grid": affine_grid,
    "unfold": unfold, "fold": fold, "setitem": setitem, "in_place": in_place,
    **dict.fromkeys("zeros ones".split(), sizes), "full": lambda d: ((d.shape(), d.pick(1, 2.5, True, -3)), d.options(dtype=(torch.float64, torch.int64))),
    "arange": arange, "eye": lambda d: (tuple(d.length() for _ in range(d.number(1, 2))), d.options(dtype=(torch.float64, torch.int64))),
    "linspace": lambda d: ((d.number(-5, 5), d.number(-50, 50) / 7, d.length()), d.options(dtype=(torch.float64, torch.float32))),
    "zeros_like": unary(ANY, dtype=(torch.float64, torch.int64)), "ones_like": unary(ANY, dtype=(torch.float64, torch.int64)),
    "full_like": lambda d: ((d.any(ANY), d.pick(1, 0, True)), d.options(dtype=(torch.float64, torch.int64))),
}


def _written(x, key, value):
    y = x * 1
    y[key] = value
    return y


CALLS = {"getitem": lambda x, key: x[key], "setitem": _written, "in_place": lambda x, how, other: getattr(x * 1, how)(other)}
"""What is no function, on either library's tensors."""


def their_function(name):
    """PyTorch's function of that name."""
    if name in CALLS:
        return CALLS[name]
    for room in (TF, torch, torch.Tensor):
        if hasattr(room, name):
            return getattr(room, name)
    raise AttributeError(name)


def draw(name, random):
    """One call: its arguments, and its options."""
    return GENERATORS[name](Dice(random))


def count(arguments):
    """How many numbers the tensors among the arguments hold."""
    return sum(math.prod(x.shape) for x in arguments if isinstance(x, torch.Tensor))
