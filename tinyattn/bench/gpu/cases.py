"""The kernels that are timed on a GPU. Targets are shares of the peak, and ratios to PyTorch, on an H100."""
import dataclasses

import numpy as np

from ..sides import Forward, Gradients


@dataclasses.dataclass(frozen=True)
class Case:
    """``make(side, random)`` gives a job; `flops` or `bytes` of it; the share of the peak, or the ratio to PyTorch, that is wanted."""

    name: str
    make: object
    images: bool = False
    flops: float = 0
    bytes: float = 0
    share: float | None = None
    ratio: float | None = None


def _normal(random, *shape):
    return random.standard_normal(shape, np.float32)


def _matmul(n, share=None):
    return Case(f"matmul {n}", lambda side, random: Forward(side, side.t.matmul, side.tensor(_normal(random, n, n), False),
                                                            side.tensor(_normal(random, n, n), False)), flops=2 * n ** 3, share=share)


def _conv(n, c, k, size, backward, share=None):
    def make(side, random):
        x, w = side.image(_normal(random, n, c, size, size), backward), side.weight(_normal(random, k, c, 3, 3) / 24, backward)
        return (Gradients(side, lambda x, w: side.F.conv2d(x, w, padding=1), x, w, image=True) if backward else
                Forward(side, lambda x, w: side.F.conv2d(x, w, padding=1), x, w))
    return Case(f"conv 3x3 {c}-{k}@{size} b{n}" + (" with backward" if backward else ""), make, images=True,
                flops=2 * 9 * n * c * k * size * size * (3 if backward else 1), share=share)


def _attention(n, heads, tokens, d, backward, plain):
    def make(side, random):
        qkv = [side.tensor(_normal(random, n, heads, tokens, d), backward) for _ in range(3)]

        def torchs(q, k, v):
            backend = side.t.nn.attention.SDPBackend
            with side.t.nn.attention.sdpa_kernel([backend.MATH] if plain else [backend.EFFICIENT_ATTENTION, backend.FLASH_ATTENTION, backend.MATH]):
                return side.F.scaled_dot_product_attention(q, k, v)
        function = side.pick(side.F.scaled_dot_product_attention, torchs)
        return (Gradients if backward else Forward)(side, function, *qkv)
    return Case(f"attention {n},{heads},{tokens},{d}" + (" with backward" if backward else "") + ("" if plain else " (torch: fused)"), make,
                flops=4 * n * heads * tokens * tokens * d * (3.5 if backward else 1), ratio=1.0 if plain and not backward else None)


def _passes(name, shape, passes, function, images=False, backward=False, extra=()):
    """A case bound by memory: `passes` times the array is read or written."""
    def make(side, random):
        inputs = [(side.image if images else side.tensor)(_normal(random, *shape), backward)]
        inputs += [side.tensor(_normal(random, *other) if callable(other) else np.ones(other, np.float32), backward) for other in extra]
        return (Gradients if backward else Forward)(side, lambda *xs: function(side, *xs), *inputs, **({"image": images} if backward else {}))
    return Case(name, make, images=images, bytes=4 * passes * float(np.prod(shape)), share=0.75)


def cases(quick=False):
    """All of them; `quick`: in sizes that the simulator can do."""
    big = 64 if quick else 1 << 25
    maps = (2, 4, 4, 4) if quick else (128, 64, 56, 56)
    rows = (4, 32) if quick else (8192, 1024)
    made = [_matmul(n, share) for n, share in (((16, None),) if quick else ((1024, None), (2048, None), (4096, 0.5)))]
    n, size = (1, 6) if quick else (128, 56)
    c = 4 if quick else 64
    made += [_conv(n, c, c, size, False, 0.4), _conv(n, c, c, size, True), _conv(n, 1, 4 if quick else 16, 8 if quick else 28, True)]
    heads = (1, 1, 16, 8) if quick else (8, 8, 2048, 64)
    made += [_attention(*heads, False, True), _attention(*heads, False, False), _attention(*heads, True, True)]
    made += [
        _passes("add", (big,), 3, lambda side, a, b: a + b, extra=[(big,)]),
        _passes("relu", (big,), 2, lambda side, x: side.F.relu(x)),
        _passes("gelu", (big,), 2, lambda side, x: side.F.gelu(x)),
        _passes("layer_norm", rows, 2, lambda side, x: side.F.layer_norm(x, rows[-1:])),
        _passes("softmax", rows, 2, lambda side, x: side.F.softmax(x, -1)),
        _passes("batch_norm in training", maps, 3, lambda side, x: side.F.batch_norm(x, None, None, training=True), images=True),
        _passes("max_pool2d 2x2", maps, 1.25, lambda side, x: side.F.max_pool2d(x, 2), images=True),
        _passes("sum over rows", rows, 1, lambda side, x: x.sum(1)),
    ]
    return made
