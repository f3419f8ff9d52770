"""What attention gates do to a feature map: squeeze it to a mean and a maximum, and multiply it by numbers in 0…1.

    pool_pixels     mean, max over the pixels of x[n,c,:,:]               → (N, C) each: what each channel has to say
    pool_channels   mean, max over the channels of x[n,:,h,w] · gate      → (N, 2, H, W): what each place has to say
    apply_gates     y[n,c,h,w] = x[n,c,h,w] · channel[n,c] · pixel[n,h,w]
    attention_gate  all of it, with the small networks between them: a whole SE or CBAM gate

(Squeeze-and-excitation, arXiv:1709.01507; CBAM, arXiv:1807.06521.) Each of the first three is one pass over x in
channels-last memory; the gated map between CBAM's two gates is never stored. The last does everything to one image
while that is in the cache.
"""
from .. import kernels
from ..autograd import Function, grad, is_grad_enabled
from .activation import relu
from .arguments import flag, float_argument, same_dtype
from .compare import eq
from .conv import conv2d
from .creation import arange
from .elementwise import sigmoid
from .layout import to_memory, to_public
from .matmul import linear
from .shape import cast

MOST_PIXELS = 2 ** 24
"""Of an image in `attention_gate`, whose notes number them in floats: larger ones go step by step."""


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
    won = cast(eq(argmax.reshape(n, 1, h, w), arange(c, device=x.device).reshape(1, c, 1, 1)), x.dtype)
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


class AttentionGateFunction(Function):
    """y = x · g · s,  g = σ(MLP(mean_pixels x) [+ MLP(max_pixels x)]),  s = σ(filters ∗ [mean_c; max_c](x · g)) or 1"""

    def forward(ctx, x, w1, b1, w2, b2, filters, with_max, maps):
        k = ctx.kernels
        weights = [None if w is None else k.contiguous(w) for w in (w1, b1, w2, b2, filters)]
        y, notes = k.attention_gate_forward(to_memory(k, x), *weights, with_max)
        if maps is not None:
            n, c, h, w = x.shape
            maps["channel"] = k.copy(notes[:, 3, :c])
            if filters is not None:
                maps["pixel"] = k.copy(notes[:, 3, c:]).reshape(n, h, w)
        ctx.save(x, w1, b1, w2, b2, filters, notes)
        return to_public(y)

    def backward(ctx, dy):
        *inputs, notes = ctx.saved
        with_max = ctx.attributes["with_max"]
        if is_grad_enabled():
            return _gradients_in_steps(dy, inputs, with_max)
        found = iter(AttentionGateGradFunction.apply(dy, *inputs, notes, with_max=with_max))
        return tuple([None if x is None else next(found) for x in inputs])


class AttentionGateGradFunction(Function):
    """The gradients of x and of every weight in one pass over dy and x; not recorded"""

    def forward(ctx, dy, x, w1, b1, w2, b2, filters, notes, with_max):
        k = ctx.kernels
        weights = [None if w is None else k.contiguous(w) for w in (w1, b1, w2, b2, filters)]
        dx, *rest = k.attention_gate_backward(to_memory(k, dy), to_memory(k, x), *weights, with_max, notes)
        return (to_public(dx), *[d for d in rest if d is not None])


def _in_steps(x, w1, b1, w2, b2, filters, with_max, maps=None):
    """The same gate by ordinary operations."""
    pooled = pool_pixels(x, with_max)
    scores = [v if w1 is None else linear(relu(linear(v, w1, b1)), w2, b2) for v in (pooled if with_max else [pooled])]
    channel = sigmoid(scores[0] + scores[1] if with_max else scores[0])   # (N, C)
    pixel = None
    if filters is not None:
        padding = filters.shape[2] // 2, filters.shape[3] // 2
        pixel = sigmoid(conv2d(pool_channels(x, channel), filters, None, padding=padding)).squeeze(1)
    if maps is not None:
        maps.update((name, kernels.of(gate.data).copy(gate.data)) for name, gate in (("channel", channel), ("pixel", pixel)) if gate is not None)
    return apply_gates(x, channel, pixel)


def _gradients_in_steps(dy, inputs, with_max):
    """The gradients of those steps: where they are recorded themselves.

    Taken with respect to stand-ins, at which the sweep ends: an input may itself have been computed from another.
    """
    stand_ins = [None if x is None else x.reshape(x.shape) for x in inputs]
    wanted = [x for x in stand_ins if x is not None and x.requires_grad]
    found = iter(grad(_in_steps(*stand_ins, with_max), wanted, dy, create_graph=True))
    return tuple([next(found) if x is not None and x.requires_grad else None for x in stand_ins])


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


def attention_gate(input, fc1_weight=None, fc1_bias=None, fc2_weight=None, fc2_bias=None, filters=None, with_max=False, maps=None):
    """A whole gate as one operation: input (N, C, H, W) · g (N, C) · s (N, H, W).

        g = σ(MLP(mean over the pixels) [+ MLP(max over the pixels), with_max]),    MLP(v) = W₂ max(W₁ v + b₁, 0) + b₂
        s = σ(filters ∗ [mean; max over the channels of input · g]),    or 1 without filters

    fc1_weight (h, C), fc1_bias (h,), fc2_weight (C, h), fc2_bias (C,): without weights MLP(v) = v, and biases may be None.
    filters (1, 2, R, S), R and S odd. Squeeze-and-excitation is the gate of both layers, CBAM that of everything.
    maps: None, or a dict that gets copies of the arrays "channel", g, and "pixel", s. ValueError for shapes that do not fit. It equals pool_pixels, linear, pool_channels, conv2d and apply_gates in turn
    within rounding.
    """
    caller = "attention_gate"
    x = _feature_map(input, caller)
    same_dtype(caller, input=x, fc1_weight=fc1_weight, fc1_bias=fc1_bias, fc2_weight=fc2_weight, fc2_bias=fc2_bias, filters=filters)
    flag(with_max, caller, "with_max")
    if maps is not None and not isinstance(maps, dict):
        raise TypeError(f"{caller}: maps must be None or a dict to put the gates into, got {type(maps).__name__}")
    if (fc1_weight is None) != (fc2_weight is None) or fc1_weight is None and not (fc1_bias is None and fc2_bias is None):
        raise ValueError(f"{caller}: give both fc1_weight and fc2_weight, or neither and no bias")
    c = x.shape[1]
    if fc1_weight is not None:
        h = fc1_weight.shape[0] if fc1_weight.ndim else 0
        for name, value, shape in (("fc1_weight", fc1_weight, (h, c)), ("fc1_bias", fc1_bias, (h,)),
                                   ("fc2_weight", fc2_weight, (c, h)), ("fc2_bias", fc2_bias, (c,))):
            if value is not None and (value.shape != shape or not h):
                raise ValueError(f"{caller}: {name} has shape {value.shape}, expected {shape} for {c} channels and {h or 'some'} "
                                 "hidden ones")
    if filters is not None and (filters.shape[:2] != (1, 2) or filters.ndim != 4 or not all(n % 2 for n in filters.shape[2:])):
        raise ValueError(f"{caller}: filters has shape {filters.shape}, expected (1, 2, R, S) with R and S odd")
    given = x, fc1_weight, fc1_bias, fc2_weight, fc2_bias, filters
    if x.shape[2] * x.shape[3] > MOST_PIXELS:
        return _in_steps(*given, with_max, maps)
    return AttentionGateFunction.apply(*given, with_max=bool(with_max), maps=maps)
