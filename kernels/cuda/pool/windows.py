"""Where windows lie along an axis, worked out on the GPU from their numbers: tables of bounds would have to be copied there.

Two kinds: windows that slide, and windows that cut the axis into nearly equal parts (`kernels/windows.py` has the same on the host).
"""
from ..runtime import device


@device
def sliding(i, size, count, kernel, stride, padding):
    """Window i along an axis: (first place, the place behind its last, length with padding)."""
    start = i * stride - padding
    stop = min(start + kernel, size + padding)
    return min(max(start, 0), size), min(max(stop, 0), size), stop - start


@device
def adaptive(i, size, count, kernel, stride, padding):
    """The same of the window that is part i of `count` nearly equal ones."""
    start, stop = i * size // count, ((i + 1) * size + count - 1) // count
    return start, stop, stop - start


@device
def holding_sliding(h, size, count, kernel, stride, padding):
    """The windows that hold place h: (the first, the one behind the last)."""
    first = (h + padding - kernel + stride) // stride  # the smallest i with i·stride − padding + kernel > h
    return max(first, 0), min((h + padding) // stride + 1, count)


@device
def holding_adaptive(h, size, count, kernel, stride, padding):
    """The same of nearly equal parts."""
    return h * count // size, ((h + 1) * count + size - 1) // size
