"""One linear map an axis: the operation behind padding, scaling and unfolding (see `taps`)."""
import math

from ..autograd import Function
from .layout import NCHW, NHWC, is_channels_last


class ResampleFunction(Function):
    """y = x with axes mixed as their taps say; dx = dy with the transposed taps. taps: {axis: Taps}"""

    def forward(ctx, x, taps):
        k = ctx.kernels
        channels_last = not x.flags.c_contiguous and is_channels_last(x)
        if channels_last:                                              # images stay in the memory order they have
            x, taps = x.transpose(*NHWC), {NCHW[axis]: t for axis, t in taps.items()}
        y, waiting = k.contiguous(x) if taps else k.copy(x), dict(sorted(taps.items()))
        while waiting:
            axis, rows = next(iter(waiting.items()))
            del waiting[axis]
            columns = waiting.pop(axis + 1, None)                      # neighbours go together, in one pass
            last = axis + 2 if columns is not None else axis + 1
            shape = y.shape
            y = y.reshape(math.prod(shape[:axis]), shape[axis], shape[axis + 1] if columns is not None else 1,
                          math.prod(shape[last:]))
            y = k.resample_axes(y, rows.on(x.device), None if columns is None else columns.on(x.device))
            y = y.reshape(shape[:axis] + y.shape[1:2 + (columns is not None)] + shape[last:])
        return y.transpose(*NCHW) if channels_last else y

    def backward(ctx, dy):
        return ResampleFunction.apply(dy, taps={axis: t.transposed for axis, t in ctx.attributes["taps"].items()})
