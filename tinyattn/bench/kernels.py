"""Suite "kernels": one operation at a time, forward and backward, float32, batch 128, with the gradients of all inputs.

The PyTorch side is written as its user would write it, with layers and functions, nothing compiled.
"""
import numpy as np

from .measure import Case, run_cases
from .sides import Forward, Gradients, Update

CONVOLUTIONS = [
    # kind, in, out, size, kernel, stride, groups
    ("conv3x3", 1, 16, 28, 3, 1, 1), ("conv3x3", 16, 32, 28, 3, 1, 1), ("conv3x3", 32, 64, 14, 3, 1, 1), ("conv3x3", 3, 32, 32, 3, 1, 1),
    ("conv3x3", 32, 32, 32, 3, 1, 1), ("conv3x3", 64, 64, 16, 3, 1, 1), ("conv3x3", 64, 128, 8, 3, 1, 1),
    ("conv1x1", 64, 128, 16, 1, 1, 1), ("conv3x3/2", 16, 32, 32, 3, 2, 1), ("depthwise3x3", 64, 64, 16, 3, 1, 64),
]
ATTENTION = [(128, 4, 64, 32), (32, 4, 256, 32), (4, 4, 1024, 64)]  # batch, heads, tokens, numbers a head
MEAN_FLOOR, CONVOLUTION_FLOOR = 1.2, 0.85
FLOAT = 4  # bytes


def convolution(name, x_shape, w_shape, floor=None, mean=False, forward=False, bias=False, **options):
    """A convolution of an image by filters, with the gradients of both; or its forward pass alone."""
    def make(side, random):
        x, w = side.image(random.standard_normal(x_shape, np.float32)), side.weight(0.1 * random.standard_normal(w_shape, np.float32))
        return Forward(side, apply(side), x, w) if forward else Gradients(side, apply(side), x, w, image=True)

    def apply(side):
        return lambda x, w: side.F.conv2d(x, w, **options)

    (n, _, h, wide), (k, c, r, s) = x_shape, w_shape
    pad, step, hole = (options.get(key, default) for key, default in (("padding", 0), ("stride", 1), ("dilation", 1)))
    outputs = n * k * ((h + 2 * pad - hole * (r - 1) - 1) // step + 1) * ((wide + 2 * pad - hole * (s - 1) - 1) // step + 1)
    return Case(name, make, images=True, flops=(2 if forward else 6) * outputs * c * r * s, floor=floor, mean=mean)


def attention(batch, heads, tokens, width, causal, floor=None, name=None):
    """Scaled-dot-product attention with the gradients of q, k and v: 2 products forward and 5 backward, half of each if causal."""
    shape = (batch, heads, tokens, width)

    def make(side, random):
        q, k, v = (side.tensor(random.standard_normal(shape, np.float32)) for _ in range(3))
        return Gradients(side, lambda q, k, v: side.F.scaled_dot_product_attention(q, k, v, is_causal=causal), q, k, v)

    flops = 7 * 2 * batch * heads * tokens * tokens * width / (2 if causal else 1)
    return Case(name or f"attention {batch}x{heads}x{tokens}x{width}{' causal' if causal else ''}", make, flops=flops, floor=floor)


def of_image(name, shape, function, passes, floor=None):
    """``function(side, random)`` gives a function of an image, or a layer; `passes`: how often an array of its size is moved."""
    def make(side, random):
        x = side.image(random.standard_normal(shape, np.float32))
        f = function(side, random)
        return Gradients(side, f, x, parameters=list(f.parameters()) if hasattr(f, "parameters") else (), image=True)
    return Case(name, make, images=True, bytes=passes * FLOAT * float(np.prod(shape)), floor=floor)


def of_rows(name, shape, function, passes=5, floor=None):
    """The same for a function of tokens or rows of numbers."""
    def make(side, random):
        x = side.tensor(random.standard_normal(shape, np.float32))
        f = function(side, random)
        return Gradients(side, f, x, parameters=list(f.parameters()) if hasattr(f, "parameters") else ())
    return Case(name, make, bytes=passes * FLOAT * float(np.prod(shape)), floor=floor)


def max_pool(side, random):
    return lambda x: side.F.max_pool2d(x, 2)


def norm_relu(side, random):
    """Batch norm in training, then ReLU: in one pass on our side, as `nn.ConvNormAct` runs it."""
    layer = side.layer(lambda: side.nn.BatchNorm2d(32), lambda: side.nn.BatchNorm2d(32), random)

    class Both:
        parameters = layer.parameters
        __call__ = staticmethod(side.pick(lambda x: layer.forward(x, activation="relu"), lambda x: side.F.relu(layer(x))))
    return Both()


def channel_gate(side, random):
    """x · σ(mean of x over the pixels)"""
    return side.pick(lambda x: side.F.attention_gate(x), lambda x: x * side.t.sigmoid(x.mean((2, 3), keepdim=True)))


def cbam(side, random):
    def torch():
        from . import torch_gates
        return torch_gates.CBAM(32)
    return side.layer(lambda: side.nn.attention.CBAM(32), torch, random)


def layer_norm(side, random):
    return side.layer(lambda: side.nn.LayerNorm(128), lambda: side.nn.LayerNorm(128), random)


def gelu(side, random):
    return side.F.gelu


def cross_entropy(classes, rows):
    """The mean over the rows of −log softmax(x)[target]."""
    def function(side, random):
        target = side.tensor(random.integers(0, classes, rows), False)
        return lambda x: side.F.cross_entropy(x, target)
    return function


def adamw(name, tensors, size, floor, **options):
    """One update of `tensors` tensors of `size` numbers; `options` are PyTorch's."""
    def make(side, random):
        arrays = [random.standard_normal(size, np.float32) for _ in range(2 * tensors)]
        optimizer = side.pick(lambda p: side.t.optim.AdamW(p, lr=1e-3), lambda p: side.t.optim.AdamW(p, lr=1e-3, **options))
        return Update(side, optimizer, [side.tensor(a) for a in arrays[:tensors]], [side.tensor(a, False) for a in arrays[tensors:]])
    return Case(name, make, bytes=7 * FLOAT * tensors * size, floor=floor)


def matmul(n, name=None, floor=1.0):
    """The product of two square matrices, with the gradients of both."""
    def make(side, random):
        a, b = (side.tensor(random.standard_normal((n, n), np.float32)) for _ in range(2))
        return Gradients(side, lambda a, b: a @ b, a, b)
    return Case(name or f"matmul {n}", make, flops=6 * n ** 3, floor=floor)


def linear(n, name=None, floor=1.0):
    """A layer with bias for n rows of n numbers."""
    def make(side, random):
        x = side.tensor(random.standard_normal((n, n), np.float32))
        layer = side.layer(lambda: side.nn.Linear(n, n), lambda: side.nn.Linear(n, n), random)
        return Gradients(side, layer, x, parameters=list(layer.parameters()))
    return Case(name or f"linear {n}", make, flops=6 * n ** 3, floor=floor)


def gru(batch, steps, width, name=None, floor=1.0):
    """A GRU over sequences; every weight meets every step of every sequence."""
    def make(side, random):
        x = side.tensor(random.standard_normal((steps, batch, width), np.float32))
        layer = side.layer(lambda: side.nn.GRU(width, width), lambda: side.nn.GRU(width, width), random)
        return Gradients(side, lambda x: layer(x)[0], x, parameters=list(layer.parameters()))
    return Case(name or f"gru {batch}x{steps}x{width}", make, flops=6 * batch * steps * 6 * width ** 2, floor=floor)


def cases(batch=128):
    """Every case. A smaller `batch` shrinks what has one, for a quick look."""
    made, part = [], batch / 128
    for forward in (False, True):
        for kind, c, k, size, r, stride, groups in CONVOLUTIONS:
            name = f"{kind} {c}-{k} @{size}" + (" forward" if forward else "")
            if not forward or (min(c, k) >= 32 and groups == 1 and stride == 1 and r == 3):
                made.append(convolution(name, (batch, c, size, size), (k, c // groups, r, r), forward=forward, mean=not forward,
                                        floor=None if forward else CONVOLUTION_FLOOR, padding=r // 2, stride=stride, groups=groups))
    for causal in (False, True):
        for n, heads, tokens, width in ATTENTION:
            made.append(attention(max(1, int(n * part)), heads, tokens, width, causal, 1.3,
                                  f"attention {n}x{heads}x{tokens}x{width}{' causal' if causal else ''}"))
    image, rows = (batch, 32, 28, 28), max(1, int(4096 * part))
    return made + [
        of_image("max_pool 2x2 32 @28", image, max_pool, 2.5, 1.5), of_image("batch_norm+relu 32 @28", image, norm_relu, 5, 1.5),
        of_image("channel gate 32 @28", image, channel_gate, 5, 2.0), of_image("cbam 32 @28", image, cbam, 5, 3.0),
        of_rows("layer_norm 64x128", (batch, 64, 128), layer_norm, floor=1.0), of_rows("gelu 64x256", (batch, 64, 256), gelu, floor=1.0),
        of_rows("cross_entropy 4096x100", (rows, 100), cross_entropy(100, rows), 3, 1.0),
        of_rows("cross_entropy 128x10", (batch, 10), cross_entropy(10, batch), 3, 1.0),
        adamw("adamw 1M in 100", 100, max(10, int(10_000 * part)), 2.0),
        adamw("adamw 1M in 100, fused", 100, max(10, int(10_000 * part)), 1.0, fused=True),
        *(f(max(64, int(n * part)), f"{f.__name__} {n}") for f in (matmul, linear) for n in (512, 1024)),
        gru(max(2, int(256 * part)), 30, 64, "gru 256x30x64"),
    ]


def names():
    """The names of the cases."""
    return [case.name for case in cases()]


def run(settings):
    """A row a case."""
    yield from run_cases("kernels", cases(2 if settings.quick else 128), settings)


def notes(rows):
    """What the rows say together: mean and smallest ratio of the convolutions, beside what is wanted."""
    from .timing import geometric_mean
    ratios = {row["case"]: row["ratio"] for row in rows if row.get("mean") and row["ratio"]}
    if not ratios:
        return []
    least = min(ratios, key=ratios.get)
    return [f"convolutions: geometric mean of {len(ratios)} ratios {geometric_mean(list(ratios.values())):.2f} (floor {MEAN_FLOOR}), "
            f"smallest {ratios[least]:.2f}, {least} (floor {CONVOLUTION_FLOOR})"]
