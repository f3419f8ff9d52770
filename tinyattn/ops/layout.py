"""Between what the user sees and what the kernels want.

Images are (N, C, H, W) in public and (N, H, W, C) in memory: the public array is a transposed *view*. Kernels take
C-contiguous arrays in memory order, so an operation hands them ``x.transpose(0, 2, 3, 1)`` (copied only where that is
not contiguous) and gives back the view. Layout is asked of the transposed view's flags, never of strides: axes of
size 1 have strides that mean nothing.
"""
NHWC = (0, 2, 3, 1)
NCHW = (0, 3, 1, 2)


def moved_last(x, axis):
    """A view of `x` with one axis last; the others keep their order."""
    return x.transpose(*range(axis), *range(axis + 1, x.ndim), axis)


def moved_back(x, axis):
    """A view of `x` with its last axis at `axis`: undoes `moved_last`."""
    return x.transpose(*range(axis), x.ndim - 1, *range(axis, x.ndim - 1))


def is_channels_last(x):
    """True for a 4-D array whose memory is (N, H, W, C)."""
    return x.ndim == 4 and x.transpose(*NHWC).flags.c_contiguous


def to_memory(kernels, x):
    """(N, C, H, W) as a C-contiguous (N, H, W, C) array: a view where it is channels-last, else a copy."""
    return kernels.contiguous(x.transpose(*NHWC))


def to_public(y):
    """(N, H, W, C) as an (N, C, H, W) view."""
    return y.transpose(*NCHW)


def common_order(kernels, arrays, shape):
    """Arrays of one elementwise operation, all in one memory order, and whether that is channels-last.

    The result of the operation has `shape`; it is channels-last if any operand of that full shape is.
    """
    channels_last = len(shape) == 4 and any(
        a.shape == shape and not a.flags.c_contiguous and is_channels_last(a) for a in arrays)
    if not channels_last:
        return [kernels.contiguous(a) for a in arrays], False
    ordered = []
    for a in arrays:
        if a.ndim:
            a = a.reshape((1,) * (4 - a.ndim) + a.shape).transpose(*NHWC)
        ordered.append(kernels.contiguous(a))
    return ordered, True


def memory_axes(x, axes):
    """`x` in its own memory order if that is channels-last, its `axes` renamed to match, and whether it was."""
    if not x.flags.c_contiguous and is_channels_last(x):
        return x.transpose(*NHWC), tuple(NCHW[a] for a in axes), True
    return x, axes, False
