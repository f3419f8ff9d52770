"""A kernel of the GPU, watched: every read and write of every thread on the simulator, on tiny arrays. No GPU is needed.

    from tinyattn import xray
    seen = xray.look("matmul", M=32)
    seen.races, seen.wasteful         # what is wrong: `Race` and `Spot`, each with its line
    print(xray.table(seen))
    xray.draw(seen, "matmul.png")

The process must run with ``TINYATTN_CUDA=simulator``, set before `tinyattn.kernels.cuda` is first imported; `tinyattn xray` sees to it.
"""
import dataclasses
import math

import numpy as np

from ..nearest import did_you_mean
from . import examples, traffic
from .report import compared, table  # noqa: F401

MOST_NUMBERS = 1 << 16
"""Of all arguments together; a simulated thread takes a while."""


class XrayError(ValueError):
    """What cannot be watched, in words for the user."""


@dataclasses.dataclass
class Seen:
    """What a kernel did: `launches`, `accesses` and `races` as `kernels.cuda.witness` has them, `spots` as `traffic`.

    shapes: address of an argument or result → its name and shape, since kernels are given many as one long axis.
    """
    name: str
    sizes: dict
    launches: list
    accesses: list
    races: list
    spots: list
    shapes: dict

    @property
    def wasteful(self):
        """The accesses that are uncoalesced, or in conflict over banks."""
        return [spot for spot in self.spots if spot.wasteful]

    def shape(self, watched):
        """The shape to draw a watched array in: that of the argument if it is one."""
        name, shape = self.shapes.get(watched.address, (None, watched.array.shape))
        return shape if math.prod(shape) == watched.array.size else watched.array.shape


def rung():
    """`kernels.cuda` on the simulator."""
    from ..kernels import cuda
    from ..kernels.cuda import runtime
    if not runtime.SIMULATED:
        raise XrayError("kernels are watched on the simulator, and this process runs them on a GPU: set TINYATTN_CUDA=simulator before "
                        "tinyattn.kernels.cuda is imported")
    return cuda


def names():
    """The kernels that can be watched: those of the GPU's rung that have example arguments, and their plain twins."""
    there = rung()
    return [name for name in sorted(vars(there)) if examples.base(name) in examples.EXAMPLES and callable(getattr(there, name))]


def look(name, **sizes):
    """Run the kernel `name` on arrays of these sizes (others: the defaults), and note everything. `XrayError` explains what cannot be."""
    known = names()
    if name not in known:
        hint = did_you_mean(name, known, quoted=False)
        raise XrayError(f"no kernel {name!r} to look at: {hint}{' ' * bool(hint)}there are {', '.join(known)}")
    return watch(name, getattr(rung(), name), examples.arguments(name, complete(name, sizes)), complete(name, sizes))


def complete(name, sizes):
    """All sizes of the kernel, checked."""
    every = examples.sizes_of(name)
    for size, value in sizes.items():
        if size not in every:
            hint = did_you_mean(size, every, quoted=False)
            raise XrayError(f"{name} has no size {size!r}: {hint}{' ' * bool(hint)}it has {', '.join(every)}")
        if not 1 <= value <= MOST_NUMBERS:
            raise XrayError(f"{name}: {size} is {value}, expected 1 to {MOST_NUMBERS:,}")
    every = {**every, **sizes}
    return every


def watch(name, function, arguments, sizes=None):
    """Run ``function(*arguments)``, arrays copied to the simulated device, and note everything that its kernels do."""
    from ..kernels.cuda import witness
    there = rung()
    count = sum(a.size for a in arguments if isinstance(a, np.ndarray))
    if count > MOST_NUMBERS:
        raise XrayError(f"{name}: {count:,} numbers are too many for a simulator that runs thread after thread; at most {MOST_NUMBERS:,}: "
                        "take smaller sizes")
    given = [_moved(a, there) if isinstance(a, np.ndarray) else a for a in arguments]
    try:
        with witness.watching(log=True) as seen:
            result = function(*given)
    except witness.TooMany as error:
        raise XrayError(f"{name}: {error}, which nobody could look through; take smaller sizes") from None
    shapes = {}
    for array in [*given, *(result if isinstance(result, (list, tuple)) else [result])]:
        if hasattr(array, "block") and array.size and array.is_contiguous():
            shapes.setdefault(array.handle().ctypes.data, (None, array.shape))
    return Seen(name, sizes or {}, seen.launches, seen.accesses, seen.races, traffic.spots(seen), shapes)


def _moved(a, there):
    """`a` on the device, with its axes in memory as they are."""
    order = sorted(range(a.ndim), key=lambda k: -abs(a.strides[k]))
    return there.from_host(a.transpose(order)).transpose(np.argsort(order)) if a.ndim else there.from_host(a)


def draw(seen, path=None, against=None, thread=0, block=0):
    """Draw who reads and writes what; see `viz.xray_picture`."""
    from ..viz import xray_picture
    return xray_picture.draw(seen, path, against, thread, block)
