"""Where gradients end: what arrives at a leaf becomes its ``.grad``, without a copy where that can be.

``.grad`` may share memory with nothing: ``a + b`` hands one array to both, a hook may have kept what it saw, an optimizer changes
gradients in place. But what nobody else holds can be taken over as it is, and that is the usual case. (The gradient of images
(128, 32, 28, 28) used to be copied, out of channels-last order, in 3.8 ms: max-pooling computes it in 0.7.) As in PyTorch, a gradient
lies in memory as its leaf does, so what is in another order is copied too.

Whether it is held is asked of Python, which counts the references to every object. How many there are to a gradient that only
the sweep knows is not reckoned but counted, when this file is imported, on one that was made for it.
"""
import sys

import numpy as np

from . import kernels
from .tensor import Tensor

NHWC, NCHW = (0, 2, 3, 1), (0, 3, 1, 2)

_fewest = []  # references to a tensor, to its array, and to the array that this is a view of, when the sweep alone holds them


def call_hooks(hooks, gradient):
    """The gradient as the hooks leave it: each may replace it by one of the same shape."""
    for hook in list(hooks.values()):
        changed = hook(gradient)
        if changed is not None:
            if not isinstance(changed, Tensor) or changed.shape != gradient.shape:
                raise TypeError(f"hook: a gradient of shape {gradient.shape} can only be replaced by a Tensor of that shape, "
                                f"got {changed.shape if isinstance(changed, Tensor) else type(changed).__name__}")
            gradient = changed
    return gradient


def settle(leaves, keep, create_graph):
    """Add to each leaf's ``.grad`` what arrived at it, (leaf, gradient) by any key; or, unless `keep`, only list that, after the hooks."""
    found = []
    for leaf, gradient in leaves.values():
        if leaf._hooks:
            gradient = call_hooks(leaf._hooks, gradient)
        if not keep:
            found.append((leaf, gradient))
        elif leaf.grad is not None:
            leaf.grad = leaf.grad + gradient
        elif create_graph:
            leaf.grad = gradient
        else:
            alone = _alone(gradient)
            leaf.grad = Tensor(_in_order(gradient.data, leaf.data, alone))
    return found


def _alone(gradient):
    """Whether nobody but the sweep can see this tensor, its array, or the memory behind it."""
    if not _fewest:
        _fewest.append(sys.getrefcount(gradient))
    if sys.getrefcount(gradient) > _fewest[0]:
        return False
    gradient._base = None  # the tensor that it is a view of: perhaps nobody else knows that one either
    data = gradient.data
    if type(data) is not np.ndarray:
        return False
    memory = data.base
    if len(_fewest) == 1:
        _fewest.extend((sys.getrefcount(data), sys.getrefcount(memory)))
    if sys.getrefcount(data) > _fewest[1]:
        return False
    if type(memory) is np.ndarray:
        if sys.getrefcount(memory) > _fewest[2] or memory.nbytes != data.nbytes:
            return False
        memory = memory.base
    return memory is None or getattr(type(memory), "of_one_array", False)


def _in_order(data, like, own):
    """`data` as a contiguous array, channels-last if `like` is: itself if it is our `own` and lies so, else a copy."""
    last = like.ndim == 4 and not like.flags.c_contiguous and like.transpose(*NHWC).flags.c_contiguous
    ordered = data.transpose(*NHWC) if last else data
    if not (own and ordered.flags.c_contiguous and ordered.flags.writeable):
        ordered = kernels.of(data).copy(ordered)
    return ordered.transpose(*NCHW) if last else ordered


settle({0: (Tensor(np.zeros(2)), Tensor(np.zeros(2)[:]))}, True, False)
