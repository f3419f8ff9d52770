"""What `tinyattn gradcheck` checks: every differentiable operation, on samples that enter every path of its kernels.

A case is a call ``f(t, F, *inputs)``, where t is this library's namespace and F its `nn.functional`. Names are PyTorch's,
so the same call runs on ``torch`` and ``torch.nn.functional``: the tests hold values and gradients against them.

Inputs are described, and made from a seed:

    N(2, 3)      normal                     P(2, 3)      between ½ and 2
    D(2, 3)      all different, far apart (no ties, for maxima)
    I(5, 2, 3)   integers 0 … 4             B(2, 3)      booleans
    V([…])       these values               const(…)     without gradient
"""
import math
from dataclasses import dataclass

import numpy as np

from ..tensor import Tensor


@dataclass(frozen=True)
class Input:
    """How to make one input: a function of a random generator, whether it wants a gradient, and how to make it in another shape."""
    make: object
    shape: tuple
    grad: bool = True
    again: object = None

    def reshaped(self, shape):
        """The same kind of numbers in another shape; given values have only their own."""
        if tuple(shape) == self.shape:
            return self
        if self.again is None:
            raise ValueError(f"an input of given values has the shape {self.shape} and no other, not {tuple(shape)}")
        made = self.again(*shape)
        return made if self.grad else const(made)


def N(*shape):
    """Numbers from a standard normal distribution."""
    return Input(lambda random: random.normal(size=shape), shape, again=N)


def P(*shape):
    """Positive numbers, 0.5 to 2."""
    return Input(lambda random: random.uniform(0.5, 2, shape), shape, again=P)


def D(*shape):
    """Different numbers, an eighth apart, none of them 0: no ties, no kinks."""
    size = math.prod(shape)
    return Input(lambda random: (random.permutation(size).reshape(shape) - size / 2 + 0.25) / 8, shape, again=D)


def I(high, *shape):  # noqa: E743
    """Whole numbers from 0 to high − 1."""
    return Input(lambda random: random.integers(0, high, shape), shape, False, lambda *other: I(high, *other))


def B(*shape):
    """Booleans, three in five True."""
    return Input(lambda random: random.random(shape) < 0.6, shape, False, B)


def V(values, dtype=np.float64):
    """These very values."""
    array = np.array(values, dtype)
    return Input(lambda random: array.copy(), array.shape, array.dtype.kind == "f")


def const(given):
    """The same input, but no gradient is asked of it."""
    return Input(given.make, given.shape, False, given.again)


def tensors(specs, arrays, dtype, rounded):
    """The arrays as Tensors, floats in `dtype`; `rounded` to what float32 can hold, so that both dtypes mean one point."""
    made = []
    for spec, a in zip(specs, map(np.asarray, arrays)):
        if a.dtype.kind == "f":
            a = (a.astype(np.float32) if rounded else a).astype(dtype)
        made.append(Tensor(a, requires_grad=spec.grad))
    return made


@dataclass(frozen=True)
class Case:
    """One sample of one operation. `smooth`: no kink at the inputs; `second`: also right for gradients of gradients.
    `called`: the names of its inputs."""
    name: str
    label: str
    call: object
    inputs: tuple
    smooth: bool = True
    second: bool = True
    called: tuple = ()

    def arrays(self, seed=0):
        """The inputs as NumPy arrays (float64 where float)."""
        random = np.random.default_rng([seed, *map(ord, self.name + self.label)])
        return [spec.make(random) for spec in self.inputs]

    def prepared(self, seed=0, dtype=np.float64, rounded=False):
        """(function of tensors, its tensors), for `gradcheck`."""
        import tinyattn
        return (lambda *xs: self.call(tinyattn, tinyattn.nn.functional, *xs)), tensors(self.inputs, self.arrays(seed), dtype, rounded)

    def names(self):
        """What its inputs are called, where that is known."""
        return self.called


CASES = []


def case(name, call, *inputs, label="", smooth=True, second=True):
    """Add a `Case` to the list; its label is made of the shapes where none is given."""
    CASES.append(Case(name, label or " ".join("×".join(map(str, i.shape)) or "0-d" for i in inputs), call, inputs, smooth, second))


# --- two operands: broadcasting, from both sides and in the middle, numbers, 0-d, size-1 axes ------------------------

PAIRS = [(N(3, 4), P(3, 4)), (N(2, 3, 4), P(4)), (N(4), P(2, 3, 4)), (N(2, 1, 4), P(3, 1)), (N(), P(3)), (N(), P()),
         (N(2, 3, 2, 5), P(1, 3, 1, 1)), (N(0, 3), P(3)), (N(1, 1), P(1))]
for a, b in PAIRS:
    case("add", lambda t, F, a, b: a + b, a, b)
    case("sub", lambda t, F, a, b: a - b, a, b)
    case("mul", lambda t, F, a, b: a * b, a, b)
    case("div", lambda t, F, a, b: a / b, a, b)
for a, b in [(P(3, 4), N(3, 4)), (P(2, 1, 4), N(3, 1)), (P(), N(3))]:
    case("pow", lambda t, F, a, b: a ** b, a, b)
for a, b in [(D(3, 4), const(N(3, 4))), (D(2, 3, 4), V([0.1, -0.3, 0.2, 7.0])), (D(3), V(0.05))]:
    case("maximum", lambda t, F, a, b: t.maximum(a, b), a, b)
    case("minimum", lambda t, F, a, b: t.minimum(a, b), a, b)
case("mul", lambda t, F, a: a * a, N(3, 4), label="by itself")
case("mul", lambda t, F, a: a.detach() * a, N(3, 4), label="by its detached self", smooth=False)
case("mul", lambda t, F, a, b: a * b, N(70, 1000), N(1000), label="70×1000 1000")
case("add", lambda t, F, a: 2 + a * 3 - 1.5, N(2, 3), label="numbers")
case("add", lambda t, F, a, b: t.add(a, b, alpha=0.5), N(2, 3), N(3), label="alpha")
case("sub", lambda t, F, a, b: t.sub(a, b, alpha=3), N(2, 3), N(3), label="alpha")
case("div", lambda t, F, a: 2 / a + a / 4, P(5), label="numbers")
case("pow", lambda t, F, a: a ** 2 + a ** 3 + a ** 1, N(2, 3), label="integer exponents")
case("pow", lambda t, F, a: a ** -0.5 + a ** 0.5 + 2.0 ** a, P(2, 3), label="fractions")
case("pow", lambda t, F, a: a ** 2 + a ** 3 + a ** 0, V([0.0, -1.5, 2.0]), label="at 0", second=False)
case("maximum", lambda t, F, a, b: t.maximum(a, b), V([1.0, 2, 3]), V([1.0, 3, 2]), label="ties", smooth=False)
case("minimum", lambda t, F, a, b: t.minimum(a, b), V([1.0, 2, 3]), V([1.0, 3, 2]), label="ties", smooth=False)
case("where", lambda t, F, c, a, b: t.where(c, a, b), B(3, 4), N(3, 4), N(4))
case("where", lambda t, F, c, a, b: t.where(c, a, b), B(3, 1), N(1, 4), N())
case("where", lambda t, F, c, a: t.where(c, a, 0.5) + t.where(c, 2.0, a), B(4), N(3, 4), label="numbers")
case("masked_fill", lambda t, F, x, m: x.masked_fill(m, -2.0), N(3, 4), B(4))

# --- one operand -----------------------------------------------------------------------------------------------------

SHAPES = [(3, 5), (), (2, 3, 4, 5), (0,)]
for name in ("exp", "sin", "cos", "tanh", "sigmoid", "erf", "square", "neg", "abs", "sign", "floor", "ceil", "round"):
    for shape in SHAPES:
        case(name, lambda t, F, x, name=name: getattr(t, name)(x), D(*shape))
for name in ("log", "log1p", "sqrt", "rsqrt", "reciprocal"):
    for shape in SHAPES:
        case(name, lambda t, F, x, name=name: getattr(t, name)(x), P(*shape))
for name in ("relu", "gelu", "silu", "softplus", "elu", "leaky_relu"):
    for shape in SHAPES:
        case(name, lambda t, F, x, name=name: getattr(F, name)(x), D(*shape))
case("leaky_relu", lambda t, F, x: F.leaky_relu(x, 0.3), D(3, 5), label="slope 0.3")
case("relu", lambda t, F, x: F.relu(x), V([-1.0, 0.0, 2.0]), label="at 0", smooth=False)
case("abs", lambda t, F, x: t.abs(x), V([-1.0, 0.0, 2.0]), label="at 0", smooth=False)
for name in ("hardtanh", "relu6", "hardsigmoid", "hardswish", "logsigmoid", "mish", "selu"):
    for shape in SHAPES[:2]:
        case(name, lambda t, F, x, name=name: getattr(F, name)(x * 7), D(*shape))
for name in ("hardtanh", "relu6", "hardsigmoid", "hardswish", "mish", "selu"):
    case(name, lambda t, F, x, name=name: getattr(F, name)(x * 7, inplace=True) * 3, D(3, 5), label="in place")
case("prelu", lambda t, F, x, w: F.prelu(x, w), D(2, 3, 4), N(3))
case("prelu", lambda t, F, x, w: F.prelu(x, w), D(7), N(1))
case("glu", lambda t, F, x: F.glu(x, 1) * F.glu(x).sum(), N(2, 4, 6))
case("clamp", lambda t, F, x: x.clamp(-0.4, 0.6), D(3, 5))
case("clamp", lambda t, F, x: x.clamp(min=0.1) + x.clamp(max=0.2), D(7), label="one side")
case("clamp", lambda t, F, x: x.clamp(-1, 2), V([-1.0, 0.0, 2.0, 3.0]), label="at the limits", smooth=False)
case("clamp", lambda t, F, x, a, b: x.clamp(a, b), D(3, 5), V([-0.42, -0.3, -0.2, 0.1, 0.2]), V([[0.5], [0.31], [-0.6]]), label="by tensors")
case("clamp", lambda t, F, x, a: x.clamp(min=a), D(7), V(0.03), label="by a 0-d tensor")
case("exp", lambda t, F, x: t.exp(x), N(100, 700), label="100×700")
case("trunc", lambda t, F, x: t.trunc(x) + x, D(3, 5))
case("round", lambda t, F, x: t.round(x, decimals=1) + t.round(x * 30, decimals=-1) + x, D(3, 5), label="decimals")
case("floor_divide", lambda t, F, a, b: a.detach() // b.detach() + a * b, D(3, 5), P(5))
case("remainder", lambda t, F, a, b: a % b + (-a) % 0.7, D(3, 5), P(5))
case("div", lambda t, F, a, b: t.div(a, b, rounding_mode="trunc") * a + t.div(a, b, rounding_mode="floor"), D(3, 5), P(5), label="rounded")
case("gelu", lambda t, F, x: F.gelu(x, approximate="tanh"), D(3, 5), label="tanh")
case("softplus", lambda t, F, x: F.softplus(x, 3, 0.7), D(3, 5), label="beta and threshold")
case("elu", lambda t, F, x: F.elu(x, 0.4), D(3, 5), label="alpha 0.4")
case("elu", lambda t, F, x: F.elu(x * 2, inplace=True) * 3, D(3, 5), label="in place")
case("relu", lambda t, F, x: F.relu(x * 2, inplace=True) * 3, D(3, 5), label="in place")
case("leaky_relu", lambda t, F, x: F.leaky_relu(x * 2, 0.1, inplace=True) * 3, D(3, 5), label="in place")
case("silu", lambda t, F, x: F.silu(x * 2, inplace=True) * 3, D(3, 5), label="in place")
case("cast", lambda t, F, x: x.float().double() * x, V([[0.5, 1.25]]), label="and back", smooth=False)

# --- shape -----------------------------------------------------------------------------------------------------------

case("reshape", lambda t, F, x: x.reshape(4, -1) * 2, N(2, 3, 4))
case("reshape", lambda t, F, x: x.reshape(()) + x.reshape(1, 1, 1), N(1))
case("reshape", lambda t, F, x: x.transpose(0, 1).reshape(6), N(2, 3), label="of a transposed")
case("view", lambda t, F, x: x.view(6, 4) * x.view(-1)[0], N(2, 3, 4))
case("flatten", lambda t, F, x: x.flatten(1, 2) * 3, N(2, 3, 4, 2))
case("flatten", lambda t, F, x: x.flatten(), N())
case("permute", lambda t, F, x: x.permute(2, 0, 1) ** 2, N(2, 3, 4))
case("transpose", lambda t, F, x: x.transpose(-1, 0) ** 2, N(2, 3, 4))
case("matrix_transpose", lambda t, F, x: x.T ** 2, N(2, 3))
case("squeeze", lambda t, F, x: x.squeeze(1) * 2, N(2, 1, 3))
case("squeeze", lambda t, F, x: x.squeeze() * 2, N(1, 2, 1))
case("unsqueeze", lambda t, F, x: x.unsqueeze(-1) * x.unsqueeze(0), N(3))
case("expand", lambda t, F, x: x.expand(4, 2, 3) ** 2, N(2, 1))
case("expand", lambda t, F, x: x.expand(1, -1) ** 2, N(3), label="a new axis of length 1")
case("clone", lambda t, F, x: x.clone() * x, N(2, 3))
case("contiguous", lambda t, F, x: x.transpose(0, 1).contiguous() ** 2, N(2, 3))
case("cat", lambda t, F, a, b, c: t.cat([a, b, c], 1) ** 2, N(2, 3), N(2, 1), N(2, 2))
case("cat", lambda t, F, a: t.cat([a, a * 2, a], -1), N(2, 3), label="one three times")
case("stack", lambda t, F, a, b: t.stack([a, b], 1) ** 2, N(2, 3), N(2, 3))
case("batch_transpose", lambda t, F, x: x.mT ** 2, N(2, 3, 4))
case("t", lambda t, F, x, v: t.t(x) ** 2 @ v.t(), N(2, 3), N(2))
case("swapaxes", lambda t, F, x: x.swapaxes(0, -1) ** 2, N(2, 3, 4))
case("swapdims", lambda t, F, x: t.swapdims(x, 0, 1) ** 2, N(2, 3, 4))
case("movedim", lambda t, F, x: x.movedim((0, 1), (-1, 0)) ** 2, N(2, 3, 4))
case("moveaxis", lambda t, F, x: t.moveaxis(x, 2, 0) ** 2, N(2, 3, 4))
case("select", lambda t, F, x: x.select(1, -1) ** 2, N(2, 3, 4))
case("narrow", lambda t, F, x: t.narrow(x, 1, -3, 2) ** 2, N(2, 5))
case("unbind", lambda t, F, x: [y ** 2 for y in x.unbind(1)], N(2, 3))
case("diagonal", lambda t, F, x: t.diagonal(x) ** 2, N(3, 4))
case("diagonal", lambda t, F, x: x.diagonal(-1, 2, 0) ** 2, N(3, 4, 5), label="below")
case("squeeze", lambda t, F, x: x.squeeze((0, 2)) * 2, N(1, 2, 1, 1), label="two")
case("unflatten", lambda t, F, x: x.unflatten(1, (2, -1)) ** 2, N(2, 6))
case("ravel", lambda t, F, x: x.ravel() ** 2, N(2, 3))
case("reshape_as", lambda t, F, x, y: x.reshape_as(y) * y, N(2, 3), N(6))
case("view_as", lambda t, F, x, y: x.view_as(y) * y, N(2, 3), N(6))
case("expand_as", lambda t, F, x, y: x.expand_as(y) * y, N(3), N(2, 3))
case("broadcast_to", lambda t, F, x: t.broadcast_to(x, (4, 3)) ** 2, N(3))
case("repeat", lambda t, F, x: x.repeat(2, 1, 3) ** 2, N(2, 3))
case("repeat", lambda t, F, x: x.repeat(1, 1) * x, N(2, 3), label="once")
case("tile", lambda t, F, x: t.tile(x, (3,)) ** 2, N(2, 3))
case("cat", lambda t, F, a, b: t.cat([a, b, a.narrow(0, 0, 0).reshape(0)], 1) ** 2, N(2, 3), N(2, 2), label="nothing at the end")
case("split", lambda t, F, x: [p ** 2 for p in x.split(2, 1)], N(2, 5))
case("split", lambda t, F, x: x.split([1, 4], 1)[1] ** 2, N(2, 5), label="sections, one unused")
case("chunk", lambda t, F, x: [p ** 2 for p in x.chunk(3, 1)], N(2, 7))
case("flip", lambda t, F, x: x.flip((0, 2)) ** 2, N(2, 3, 4))
case("flip", lambda t, F, x: x.flip(0, -1) * x.flip(()), N(2, 3, 2), label="one by one, and none")
case("tril", lambda t, F, x: x.tril(-1) ** 2, N(2, 3, 4))
case("triu", lambda t, F, x: x.triu(1) ** 2, N(3, 3))

# --- indices ---------------------------------------------------------------------------------------------------------

case("getitem", lambda t, F, x: x[1] ** 2, N(3, 4))
case("getitem", lambda t, F, x: x[:, 1::2, None, -1] ** 2, N(2, 5, 3), label="steps")
case("getitem", lambda t, F, x: x[..., 0] * x[0, ..., 1:].sum(), N(2, 3, 4), label="ellipsis")
case("getitem", lambda t, F, x, i: x[i] ** 2, N(4, 3), I(4, 6), label="integers, some twice")
case("getitem", lambda t, F, x, i: x[:, i, 1] ** 2, N(3, 4, 2), I(4, 2, 3), label="integers in the middle")
case("getitem", lambda t, F, x, m: x[m] ** 2, N(3, 4), B(3, 4), label="booleans")
case("getitem", lambda t, F, x, i, j: x[i, :, j] ** 2, N(4, 3, 5), I(4, 2, 1), I(5, 3), label="integers apart, broadcast")
case("getitem", lambda t, F, x, i, j: x[:, i, j] ** 2, N(3, 4, 5), I(4, 6), I(5, 6), label="two axes of integers")
case("getitem", lambda t, F, x, i, m: x[0, :, i, m] ** 2, N(2, 3, 4, 2), I(4, 2), V([True, True], bool), label="a number, integers, booleans")
case("getitem", lambda t, F, x, m: x[..., m, None] ** 2, N(2, 3, 4), B(3, 4), label="a mask of the last two axes")


def _assign(t, F, x, v):
    y = x * 2
    y[1:, :2] = v
    y[0] = y[1].clone() * v.sum()
    return y * y


case("setitem", _assign, N(3, 4), N(2), label="slices")


def _assign_picked(t, F, x, v, i, m):
    y = x * 2
    y[0, :, i] = v
    y[:, m] = y[:, m] * v[0, 0]
    return y * y


case("setitem", _assign_picked, N(2, 3, 4), N(3, 2), V([3, 1], np.int64), V([True, False, True], bool), label="integers and booleans")
case("index_select", lambda t, F, x, i: t.index_select(x, 1, i) ** 2, N(3, 4), I(4, 6))
case("gather", lambda t, F, x, i: t.gather(x, 1, i) ** 2, N(3, 4), I(4, 3, 5))
case("gather", lambda t, F, x, i: t.gather(x, 0, i) ** 2, N(4, 3), I(4, 2, 3))
case("gather", lambda t, F, x, i: t.gather(x, 1, i) ** 2, N(4, 5), I(5, 2, 7), label="a shorter index")
case("gather", lambda t, F, x, i: x.gather(0, i) ** 2, N(), V([0, 0], np.int64), label="of one number")
case("scatter_add", lambda t, F, x, i, v: t.scatter_add(x, 1, i, v) ** 2, N(3, 5), I(5, 2, 4), N(2, 4))
case("scatter", lambda t, F, x, i, v: t.scatter(x, 0, i, v) ** 2, N(4, 3), V([[0, 1, 2], [3, 3, 0]], np.int64), N(2, 3))
case("scatter", lambda t, F, x, i: x.scatter(1, i, 2.5) ** 2, N(2, 3), I(3, 2, 1), label="a number")
case("masked_select", lambda t, F, x, m: x.masked_select(m) ** 2, N(3, 4), B(4))
case("index_select", lambda t, F, x, i: t.index_select(x, 0, i) ** 2, N(), V([0], np.int64), label="of one number")
for label, shape, options in [("", (4, 5), {}), ("downwards", (3, 40), dict(descending=True)), ("along the first", (5, 3), dict(dim=0, stable=True)),
                              ("long", (2, 9000), {}), ("0-d", (), {})]:
    case("sort", lambda t, F, x, o=options: x.sort(**o)[0] ** 2, D(*shape), label=label)
for label, shape, k, options in [("", (3, 50), 3, {}), ("smallest", (4, 5), 2, dict(dim=0, largest=False)), ("most", (2, 30), 20, {}),
                                 ("none", (2, 3), 0, {}), ("0-d", (), 1, {})]:
    case("topk", lambda t, F, x, k=k, o=options: t.topk(x, k, **o)[0] ** 2, D(*shape), label=label)
case("embedding", lambda t, F, i, w: F.embedding(i, w) ** 2, I(5, 2, 4), N(5, 3))
case("embedding", lambda t, F, i, w: F.embedding(i, w, padding_idx=-2) ** 2, I(5, 9), N(5, 3), label="padding", smooth=False)
case("embedding", lambda t, F, i, w: F.embedding(i, w, 0, scale_grad_by_freq=True) ** 2, V([2, 0, 2, 1, 2], np.int64), N(5, 3),
     label="by frequency", smooth=False, second=False)

# --- reductions ------------------------------------------------------------------------------------------------------

AXES = [(None, (3, 4)), (1, (2, 3, 4)), ((0, 2), (2, 3, 4)), (-1, (2, 1)), (0, (5,)), (None, ()), ((2, 3), (2, 3, 4, 5)), ((0,), (300, 9))]
for dim, shape in AXES:
    for keep in (False, True):
        label = f"{'×'.join(map(str, shape)) or '0-d'} over {dim}{' keepdim' * keep}"
        for name in ("sum", "mean", "amax", "amin"):
            case(name, lambda t, F, x, n=name, d=dim, k=keep: getattr(t, n)(x, **({} if d is None else {"dim": d, "keepdim": k})),
                 D(*shape), label=label)
        if dim is not None:
            for name in ("var", "std"):
                case(name, lambda t, F, x, n=name, d=dim, k=keep: getattr(t, n)(x, dim=d, correction=0 if x.shape[-1] == 1 else 1,
                                                                                keepdim=k), N(*shape), label=label,
                     smooth=shape != (2, 1))
case("sum", lambda t, F, x: x.sum() * x.sum(0), N(300, 300), label="300×300")
case("var", lambda t, F, x: t.var(x), N(3, 4), label="all")
case("std", lambda t, F, x: x.std(1, correction=2), N(3, 4), label="correction 2")
case("prod", lambda t, F, x: t.prod(x), N(6))
case("prod", lambda t, F, x: t.prod(x, 1, keepdim=True), N(2, 5, 3), label="along 1")
case("prod", lambda t, F, x: t.prod(x, 0), V([[0.0, 2.0], [0.0, 3.0], [1.0, 0.0]]), label="with zeros")
for name in ("max", "min"):
    case(name, lambda t, F, x, name=name: getattr(x, name)(), D(3, 4), label="all")
    case(name, lambda t, F, x, name=name: getattr(x, name)(1)[0], D(3, 4), label="along 1")
    case(name, lambda t, F, x, name=name: getattr(x, name)(0, keepdim=True)[0], D(3, 4), label="keepdim")
    case(name, lambda t, F, x, name=name: getattr(x, name)(1)[0], V([[1.0, 2, 2], [3.0, 3, 3]]), label="ties", smooth=False)
case("amax", lambda t, F, x: t.amax(x, (0, 1)), V([[1.0, 2, 2], [2.0, 1, 0]]), label="ties", smooth=False)
case("max", lambda t, F, a, b: t.max(a, b), D(3, 4), const(N(4)), label="of two")
case("min", lambda t, F, a, b: t.min(a, b), D(3, 4), const(N(4)), label="of two")
case("sum", lambda t, F, x: t.sum(x, 1, dtype=x.dtype) * t.mean(x, 1, dtype=x.dtype) * t.prod(x, 1, dtype=x.dtype), N(3, 4), label="dtype")
case("var", lambda t, F, x: x.var(1, False) + t.var(x, unbiased=True), N(3, 4), label="unbiased")
for p in ("fro", 1, 3, 0.5, -1.5, math.inf, -math.inf, 0):
    case("norm", lambda t, F, x, p=p: t.norm(x, p, 1) + x.sum(1), D(3, 4), label=f"p = {p}")
case("logsumexp", lambda t, F, x: t.logsumexp(x, 1) + x.logsumexp((0, 2), keepdim=True).sum(), N(2, 4, 3))
case("logsumexp", lambda t, F, x: t.logsumexp(x * 1000, 0), N(3, 2), label="large")
case("cosine_similarity", lambda t, F, a, b: F.cosine_similarity(a, b, 1) * t.cosine_similarity(a, b, dim=-1).sum(), N(2, 3, 4), N(3, 4))
case("norm", lambda t, F, x: x.norm() * t.norm(x, 3), N(3, 4), label="of all")
case("norm", lambda t, F, x: t.norm(x, 2, 0, keepdim=True) + t.norm(x, 3, 0), V([[0.0, 1.0], [0.0, 2.0]]), label="of zeros", smooth=False, second=False)
case("cumsum", lambda t, F, x: t.cumsum(x, 1) ** 2, N(2, 4, 3))

# --- products --------------------------------------------------------------------------------------------------------

for a, b in [(N(3, 4), N(4, 5)), (N(4), N(4)), (N(3, 4), N(4)), (N(4), N(4, 3)), (N(2, 3, 4), N(4, 5)), (N(2, 3, 4), N(2, 4, 5)),
             (N(5, 1, 3, 4), N(2, 4, 2)), (N(3, 4), N(2, 4, 5)), (N(1, 1), N(1, 1)), (N(2, 3, 0), N(0, 2)), (N(3, 1), N(1, 5)),
             (N(37, 70), N(70, 45)), (N(130, 64), N(64, 96))]:
    case("matmul", lambda t, F, a, b: a @ b, a, b)
case("matmul", lambda t, F, a, b: a.transpose(0, 1) @ b.T, N(4, 3), N(5, 4), label="of transposed")
case("mm", lambda t, F, a, b: t.mm(a, b), N(2, 3), N(3, 4))
case("bmm", lambda t, F, a, b: a.bmm(b), N(2, 3, 4), N(2, 4, 1))
case("mv", lambda t, F, a, b: t.mv(a, b), N(2, 3), N(3))
case("dot", lambda t, F, a, b: a.dot(b), N(3), N(3))
case("outer", lambda t, F, a, b: t.outer(a, b), N(3), N(2))
case("linear", lambda t, F, x, w: F.linear(x, w), N(2, 3), N(3), label="one output without an axis")
case("linear", lambda t, F, x, w, b: F.linear(x, w, b), N(2, 3), N(4, 3), N(), label="one bias")
case("linear", lambda t, F, x, w, b: F.linear(x, w, b), N(3, 4), N(5, 4), N(5))
case("linear", lambda t, F, x, w: F.linear(x, w), N(2, 3, 4), N(5, 4))
case("linear", lambda t, F, x, w, b: F.linear(x, w, b), N(4), N(5, 4), N(5))
case("linear", lambda t, F, x, w, b: F.linear(x, w, b), N(33, 65), N(40, 65), N(40))
for equation, inputs in {"bqd,bkd->bqk": (N(2, 3, 4), N(2, 5, 4)), "ij->ji": (N(2, 3),), "ij,j": (N(2, 3), N(3)), "i,j->ij": (N(2), N(3)),
                         "ij,jk,kl->il": (N(2, 3), N(3, 4), N(4, 2)), "ijk->j": (N(2, 3, 4),), "ij,ij->": (N(2, 3), N(2, 3)),
                         "bhi,hj->bj": (N(2, 3, 4), N(3, 2)), "iji->j": (N(3, 2, 3),), "ii": (N(3, 3),), "...ij->...ji": (N(2, 1, 3, 4),),
                         "b...i,ij...->...bj": (N(2, 3, 4), N(4, 5, 1)), "aB, Bc": (N(2, 3), N(3, 2)), "ij,ij->ij": (N(2, 3), N(1, 3)),
                         "...ij->ij": (N(2, 3, 4),), "bi,bi->b": (N(4, 3), N(4, 3)), "i,i,i->i": (N(3), N(1), N(3)), "": (N(),)}.items():
    case("einsum", lambda t, F, *xs, e=equation: t.einsum(e, *xs), *inputs, label=equation)
case("einsum", lambda t, F, a, b: t.einsum(a, [0, ..., 1], b, [..., 1, 2], [0, ..., 2]), N(2, 5, 3), N(5, 3, 4), label="by numbers")
case("einsum", lambda t, F, a, b: t.einsum("i,ij", [a, b]), N(2), N(2, 3), label="a list")
