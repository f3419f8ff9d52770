"""Suite "scaling": how throughput grows with batch, channels, image size, tokens and threads, and how near it comes to the roof.

Each sweep changes one number and leaves the rest. `--out DIR` draws a picture of each, and one of all points under the
roofline: at an intensity of i operations a byte, no more than min(peak, i · bandwidth) operations a second can be done
where every byte comes from memory. (S. Williams, A. Waterman and D. Patterson, "Roofline: an insightful visual
performance model for multicore architectures", CACM 52(4), 2009.) Operations are counted as the formula has them. Winograd's way
to convolve multiplies less than that (`kernels/cpu/conv/winograd.py`), and so can rise above the roof.
"""
import dataclasses

import numba

from .. import threads
from .kernels import attention, convolution
from .measure import measured
from .sides import import_torch

FLOAT = 4


@dataclasses.dataclass(frozen=True)
class Sweep:
    """`make(n)` gives the case for the number n and the bytes it must move at least; `what` is what n counts."""

    name: str
    what: str
    fixed: str
    numbers: tuple
    make: object


def _conv(name, n, c, size):
    """A 3×3 convolution of c channels to c, and its traffic: x, y, dy, dx, and the filters."""
    case = convolution(name, (n, c, size, size), (c, c, 3, 3), padding=1)
    return case, FLOAT * (5 * n * c * size * size + 4 * c * c * 9)  # forward x → y; backward dy, x → dx, dw


def _attention(name, batch, tokens):
    """4 heads of 32; traffic: q, k, v → o, then q, k, v, o, do → dq, dk, dv."""
    case = attention(batch, 4, tokens, 32, causal=False, name=name)
    return case, FLOAT * 12 * batch * 4 * tokens * 32


def sweeps():
    """All sweeps."""
    most = numba.config.NUMBA_NUM_THREADS
    some = tuple(n for n in (1, 2, 4, 8, 16, 32, 64, 128) if n < most) + (most,)
    return [
        Sweep("batch", "images a batch", "3×3 convolution, 32 → 32 channels, 16×16", (1, 2, 4, 8, 16, 32, 64, 128, 256),
              lambda n: _conv(f"batch {n}", n, 32, 16)),
        Sweep("channels", "channels in and out", "3×3 convolution, 32 images of 16×16", (1, 2, 4, 8, 16, 32, 64, 128),
              lambda c: _conv(f"channels {c}", 32, c, 16)),
        Sweep("size", "height and width of the image", "3×3 convolution, 16 → 16 channels, 16 images", (4, 7, 14, 28, 56, 112),
              lambda size: _conv(f"size {size}", 16, 16, size)),
        Sweep("tokens", "tokens", "attention, 4 heads of 32, 4096 tokens in all", (16, 32, 64, 128, 256, 512, 1024, 2048),
              lambda t: _attention(f"tokens {t}", 4096 // t, t)),
        Sweep("threads conv", "threads", "3×3 convolution, 64 → 64 channels, 64 images of 16×16", some,
              lambda t: _conv(f"threads conv {t}", 64, 64, 16)),
        Sweep("threads attention", "threads", "attention, 16 × 4 heads × 256 tokens × 32", some,
              lambda t: _attention(f"threads attention {t}", 16, 256)),
    ]


def names():
    """The names of the points: the sweep and its number."""
    return [f"{sweep.name} {n}" for sweep in sweeps() for n in sweep.numbers]


def run(settings):
    """A row a point, with `sweep`, `number` and `intensity` (operations a byte) beside the columns of every row."""
    rows, before = [], threads.get_num_threads()
    for sweep in sweeps():
        for n in (sweep.numbers[:2] if settings.quick else sweep.numbers):
            if settings.wants(f"{sweep.name} {n}"):
                case, traffic = sweep.make(n)
                try:
                    if sweep.what == "threads":
                        use_threads(n, settings.against)
                    row = measured("scaling", case, settings)
                finally:
                    if sweep.what == "threads":
                        use_threads(before, settings.against)
                row.update(sweep=sweep.name, number=n, flops=case.flops, intensity=case.flops / traffic)
                rows.append(row)
                yield row
    if settings.out is not None:
        from . import machine, plots
        _drawn.extend(plots.draw(rows, sweeps(), machine.describe(), settings.ceiling, settings.out))


def use_threads(count, against):
    """Let both sides use `count` threads."""
    threads.set_num_threads(count)
    if against == "torch":
        import_torch().set_num_threads(count)


_drawn = []


def notes(rows):
    """Where the pictures are."""
    paths, _drawn[:] = list(_drawn), []
    return [f"drawn: {', '.join(map(str, paths))}"] if paths else []
