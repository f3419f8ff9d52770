"""What attention gates do to a feature map: squeeze it to a mean and a maximum, and multiply it by numbers in 0…1.

    pool_pixels     mean, max over the pixels of x[n,c,:,:]               → (N, C) each: what each channel has to say
    pool_channels   mean, max over the channels of x[n,:,h,w] · gate      → (N, 2, H, W): what each place has to say
    apply_gates     y[n,c,h,w] = x[n,c,h,w] · channel[n,c] · pixel[n,h,w]

(Squeeze-and-excitation, arXiv:1709.01507; CBAM, arXiv:1807.06521.) Each is one pass over x in channels-last memory;
the gated map between CBAM's two gates is never stored.
"""
import numpy as np

from ..autograd import Function, is_grad_enabled
from ..tensor import Tensor
from .arguments import float_argument, same_dtype
from .layout import to_memory, to_public


def _tokens(k, x):
    """(N, C, H, W) in memory order, as (N, P, C) with P = H·W."""
    memory = to_memory(k, x)
    return memory.reshape(memory.shape[0], -1, memory.shape[3])


def _image(rows, shape):
    """(N, P, C) as an (N, C, H, W) view."""
    return to_public(rows.reshape(shape[0], shape[2], shape[3], rows.shape[2]))


class PoolPixelsFunction(Function):
    """mean[n,c] and max[n,c] of x over its pixels; the maximum's gradient goes to the first that has it"""

    def forward(ctx, x, with_max):
        mean, most, argmax = ctx.kernels.pool_pixels_forward(_tokens(ctx.kernels, x), with_max)
        ctx.shape = x.shape
        ctx.save(argmax)
        return (mean, most) if with_max else mean

    def backward(ctx, dmean, dmax=None):
        (argmax,) = ctx.saved
        return PoolPixelsGradFunction.apply(dmean, dmax, argmax, shape=ctx.shape)


class PoolPixelsGradFunction(Function):
    """dx[n,p,c] = dmean[n,c] / P + dmax[n,c] at the pixel that had the maximum"""

    def forward(ctx, dmean, dmax, argmax, shape):
        k = ctx.kernels
        ctx.save(argmax)
        dmax = None if dmax is None else k.contiguous(dmax)
        return _image(k.pool_pixels_backward(k.contiguous(dmean), dmax, argmax, shape[2] * shape[3]), shape)

    def backward(ctx, g):
        (argmax,) = ctx.saved
        n, c, h, w = ctx.attributes["shape"]
        picked = None
        if ctx.needs[1]:
            picked = g.reshape(n, c, h * w).gather(2, argmax.reshape(n, c, 1)).squeeze(2)
        return g.mean((2, 3)), picked


class PoolChannelsFunction(Function):
    """maps[n,0] = mean_c and maps[n,1] = max_c of x[n,c] · gate[n,c], at every pixel"""

    def forward(ctx, x, gate):
        k = ctx.kernels
        maps, argmax = k.pool_channels_forward(_tokens(k, x), None if gate is None else k.contiguous(gate))
        ctx.save(x, gate, argmax)
        return _image(maps, x.shape)

    def backward(ctx, dmaps):
        x, gate, argmax = ctx.saved
        if is_grad_enabled():
            return _written_out_pool_channels(dmaps, x, gate, argmax)
        return PoolChannelsGradFunction.apply(dmaps, argmax, x, gate)


class PoolChannelsGradFunction(Function):
    """dx and dgate of pool_channels in one pass; not recorded"""

    def forward(ctx, dmaps, argmax, x, gate):
        k = ctx.kernels
        dx, dgate = k.pool_channels_backward(_tokens(k, dmaps), argmax, _tokens(k, x),
                                             None if gate is None else k.contiguous(gate))
        return (_image(dx, x.shape),) if dgate is None else (_image(dx, x.shape), dgate)


def _written_out_pool_channels(dmaps, x, gate, argmax):
    """The gradients of pool_channels by ordinary operations: where they are recorded themselves."""
    n, c, h, w = x.shape
    won = Tensor((argmax.data.reshape(n, 1, h, w) == np.arange(c).reshape(1, c, 1, 1)).astype(x.dtype))
    g = dmaps[:, :1] * (1 / c) + won * dmaps[:, 1:]
    if gate is None:
        return g, None
    return g * gate.reshape(n, c, 1, 1), (g * x).sum((2, 3))


class ApplyGatesFunction(Function):
    """y[n,c,h,w] = x[n,c,h,w] · channel[n,c] · pixel[n,h,w]"""

    def forward(ctx, x, channel, pixel):
        k = ctx.kernels
        ctx.save(x, channel, pixel)
        return _image(k.apply_gates_forward(_tokens(k, x), *_flat(k, channel, pixel)), x.shape)

    def backward(ctx, dy):
        x, channel, pixel = ctx.saved
        if not is_grad_enabled():
            dx, *rest = ApplyGatesGradFunction.apply(dy, x, channel, pixel)
            return dx, rest.pop(0) if channel is not None else None, rest[0].reshape(pixel.shape) if rest else None
        n, c, h, w = x.shape
        a = None if channel is None else channel.reshape(n, c, 1, 1)
        b = None if pixel is None else pixel.reshape(n, 1, h, w)
        product = dy * x
        dx = dy if a is None else dy * a
        dx = dx if b is None else dx * b
        da = None if a is None else (product if b is None else product * b).sum((2, 3))
        db = None if b is None else (product if a is None else product * a).sum(1).reshape(pixel.shape)
        return dx, da, db


class ApplyGatesGradFunction(Function):
    """dx, dchannel, dpixel in one pass over dy and x; not recorded"""

    def forward(ctx, dy, x, channel, pixel):
        k = ctx.kernels
        dx, dchannel, dpixel = k.apply_gates_backward(_tokens(k, dy), _tokens(k, x), *_flat(k, channel, pixel))
        return tuple([_image(dx, x.shape)] + [d for d in (dchannel, dpixel) if d is not None])


def _flat(k, channel, pixel):
    """Both gates as the kernels want them: (N, C) and (N, P), or None."""
    return (None if channel is None else k.contiguous(channel),
            None if pixel is None else k.contiguous(pixel).reshape(pixel.shape[0], -1))


def _feature_map(x, caller):
    if float_argument(x, caller).ndim != 4:
        raise ValueError(f"{caller}: input has shape {x.shape}, expected (N, C, H, W)")
    if 0 in x.shape:
        raise ValueError(f"{caller}: input of shape {x.shape} is empty")
    return x


def pool_pixels(input, with_max=True):
    """(N, C, H, W) → mean and max over the pixels, each (N, C); the mean alone without `with_max`."""
    return PoolPixelsFunction.apply(_feature_map(input, "pool_pixels"), with_max=with_max)


def pool_channels(input, gate=None):
    """(N, C, H, W), multiplied by `gate` (N, C) if given → (N, 2, H, W): mean and max over the channels."""
    x = _feature_map(input, "pool_channels")
    same_dtype("pool_channels", input=x, gate=gate)
    if gate is not None and gate.shape != x.shape[:2]:
        raise ValueError(f"pool_channels: gate has shape {gate.shape}, expected {x.shape[:2]} to match input {x.shape}")
    return PoolChannelsFunction.apply(x, gate)


def apply_gates(input, channel=None, pixel=None):
    """input (N, C, H, W) · channel (N, C) · pixel (N, H, W) or (N, 1, H, W); either gate may be None."""
    x = _feature_map(input, "apply_gates")
    same_dtype("apply_gates", input=x, channel=channel, pixel=pixel)
    n, c, h, w = x.shape
    if channel is not None and channel.shape != (n, c):
        raise ValueError(f"apply_gates: channel has shape {channel.shape}, expected {(n, c)} to match input {x.shape}")
    if pixel is not None and pixel.shape not in ((n, h, w), (n, 1, h, w)):
        raise ValueError(f"apply_gates: pixel has shape {pixel.shape}, expected {(n, h, w)} to match input {x.shape}")
    return x if channel is None and pixel is None else ApplyGatesFunction.apply(x, channel, pixel)
