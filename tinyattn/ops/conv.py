"""Convolution as a differentiable operation.

    y[n,k,i,j] = b[k] + Σ_{c,r,s} w[k,c,r,s] · x[n, c, i·stride + r·dilation − padding, j·stride + s·dilation − padding]

(a cross-correlation, as in every deep-learning library). It is linear in x and in w, so each gradient is a linear
operation too, and the three are each other's derivatives: that is why gradients of gradients need no further kernel.
A transposed convolution is the gradient to x, called forward.
(Dumoulin & Visin, "A guide to convolution arithmetic for deep learning", arXiv:1603.07285.)
"""
from ..autograd import Function
from .arguments import images, lines, one, pair, same_dtype, tensor_argument, whole
from .layout import to_memory, to_public
from .pad import pad


def _geometry(ctx):
    a = ctx.attributes
    return {name: a[name] for name in ("stride", "padding", "dilation", "groups")}


class Conv2dFunction(Function):
    """y[n,k,i,j] = b[k] + Σ_{c,r,s} w[k,c,r,s] · x[n,c, i·stride+r·dilation−pad, j·stride+s·dilation−pad]"""

    def forward(ctx, x, w, b, stride, padding, dilation, groups):
        ctx.save(x if ctx.needs[1] else None, w if ctx.needs[0] else None)
        ctx.shapes = x.shape, w.shape
        k = ctx.kernels
        b = None if b is None else k.contiguous(b)
        return to_public(k.conv2d_forward(to_memory(k, x), k.contiguous(w), b, stride, padding, dilation, groups))

    def backward(ctx, dy):
        (x, w), (x_shape, w_shape) = ctx.saved, ctx.shapes
        dx = dw = db = None
        if ctx.needs[0]:
            dx = Conv2dInputGradFunction.apply(dy, w, x_shape=x_shape, **_geometry(ctx))
        if ctx.needs[1]:
            dw, db = Conv2dWeightGradFunction.apply(dy, x, w_shape=w_shape, **_geometry(ctx))
        elif ctx.needs[2]:
            db = dy.sum((0, 2, 3))
        return dx, dw, db if ctx.needs[2] else None


class Conv2dInputGradFunction(Function):
    """dx[n,c,h,w] = Σ over the (k, i, j, r, s) that read x[n,c,h,w]:  w[k,c,r,s] · dy[n,k,i,j]"""

    def forward(ctx, dy, w, x_shape, stride, padding, dilation, groups):
        ctx.save(dy, w)
        n, c, height, width = x_shape
        k = ctx.kernels
        return to_public(k.conv2d_backward_input(to_memory(k, dy), k.contiguous(w), (n, height, width, c),
                                                 stride, padding, dilation, groups))

    def backward(ctx, g):
        dy, w = ctx.saved
        d_dy = Conv2dFunction.apply(g, w, None, **_geometry(ctx)) if ctx.needs[0] else None
        dw = None
        if ctx.needs[1]:
            dw, _ = Conv2dWeightGradFunction.apply(dy, g, w_shape=w.shape, **_geometry(ctx))
        return d_dy, dw


class ConvTranspose2dFunction(Conv2dInputGradFunction):
    """y[n,c,h,w] = Σ over the (k, i, j, r, s) with h = i·stride+r·dilation−pad and w likewise:  w[k,c,r,s] · x[n,k,i,j]"""


class Conv2dWeightGradFunction(Function):
    """dw[k,c,r,s] = Σ_{n,i,j} dy[n,k,i,j] · x[n,c, i·stride+r·dilation−pad, …];   db[k] = Σ_{n,i,j} dy[n,k,i,j]"""

    def forward(ctx, dy, x, w_shape, stride, padding, dilation, groups):
        ctx.save(dy, x)
        k = ctx.kernels
        return k.conv2d_backward_weight(to_memory(k, dy), to_memory(k, x), w_shape, stride, padding, dilation, groups)

    def backward(ctx, g, gb):
        dy, x = ctx.saved
        d_dy = Conv2dFunction.apply(x, g, gb, **_geometry(ctx)) if ctx.needs[0] else None
        dx = Conv2dInputGradFunction.apply(dy, g, x_shape=x.shape, **_geometry(ctx)) if ctx.needs[1] else None
        return d_dy, dx


def _same(kernel, stride, dilation, caller):
    """The padding (top, left) of padding="same", and how many rows and columns more there are to be below and to the right."""
    if stride != (1, 1):
        raise ValueError(f"{caller}: padding='same' needs stride 1, got stride {stride[-1] if caller.endswith('1d') else stride}")
    total = [d * (k - 1) for d, k in zip(dilation, kernel)]
    return (total[0] // 2, total[1] // 2), (total[0] % 2, total[1] % 2)


def _behind(x, rows, columns):
    """x (N, C, H, W) with rows and columns of zeros behind its last ones."""
    return pad(x, (0, columns, 0, rows)) if rows or columns else x


def _checked_filters(weight, groups, caller, shape):
    """ValueError unless `weight` has four axes, none empty, and `groups` divides the first."""
    if tensor_argument(weight, caller, "weight").ndim != 4:
        raise ValueError(f"{caller}: weight has shape {weight.shape}, expected {shape}")
    if not isinstance(groups, int) or groups < 1 or weight.shape[0] % groups:
        raise ValueError(f"{caller}: groups must be a positive int that divides the {weight.shape[0]} "
                         f"{'out' if shape[1] == 'K' else 'in'}put channels, got {groups!r}")


def _seen(shape, caller):
    """A shape as the caller of that function gave it: sequences are computed as images of height 1."""
    return shape[:-2] + shape[-1:] if caller.endswith("1d") else shape


def _checked_bias(bias, count, weight, caller):
    if bias is not None and bias.shape != (count,):
        raise ValueError(f"{caller}: bias has shape {bias.shape}, expected ({count},) to match weight {_seen(weight.shape, caller)}")


def _to_match(weight, groups):
    return f"to match weight {weight.shape}" + (f" in {groups} groups" if groups > 1 else "")


def conv2d(input, weight, bias=None, stride=1, padding=0, dilation=1, groups=1):
    """2-D convolution: input (N, C, H, W) or (C, H, W), weight (K, C/groups, R, S), bias (K,) → (N, K, H', W').

    H' = ⌊(H + 2·padding − dilation·(R − 1) − 1) / stride⌋ + 1. `padding` may be "valid" (none) or "same" (H' = H; where
    dilation·(R − 1) is odd, the one row more lies below, as in PyTorch).
    ValueError for shapes that do not fit or an output that would be empty; TypeError for mixed dtypes.
    """
    return _convolve(input, weight, bias, stride, padding, dilation, groups, "conv2d")


def _convolve(input, weight, bias, stride, padding, dilation, groups, caller):
    _checked_filters(weight, groups, caller, "(K, C/groups, R, S)")
    x, single = images(input, caller, weight.shape[1] * groups, _to_match(weight, groups))
    same_dtype(caller, input=x, weight=weight, bias=bias)
    _checked_bias(bias, weight.shape[0], weight, caller)
    stride, dilation = pair(stride, caller, "stride", 1), pair(dilation, caller, "dilation", 1)
    kernel = weight.shape[2:]
    if not isinstance(padding, str):
        padding = pair(padding, caller, "padding")
    elif padding == "same":
        padding, more = _same(kernel, stride, dilation, caller)
        x = _behind(x, *more)
    elif padding == "valid":
        padding = 0, 0
    else:
        raise ValueError(f"{caller}: padding must be ints, 'same' or 'valid', got {padding!r:.40}")
    for name, n, p, d, r in zip(("height", "width" if caller == "conv2d" else "length"), x.shape[2:], padding, dilation, kernel):
        if r < 1 or n + 2 * p < d * (r - 1) + 1:
            raise ValueError(f"{caller}: the output would be empty: the kernel covers {d * (r - 1) + 1} in {name}, the padded input has "
                             f"{n + 2 * p} (input {_seen(input.shape, caller)}, weight {_seen(weight.shape, caller)}, padding {p}, dilation {d})")
    y = Conv2dFunction.apply(x, weight, bias, stride=stride, padding=padding, dilation=dilation, groups=groups)
    return y.squeeze(0) if single else y


def conv_transpose2d(input, weight, bias=None, stride=1, padding=0, output_padding=0, groups=1, dilation=1):
    """The transpose of conv2d: input (N, C, H, W) or (C, H, W), weight (C, K/groups, R, S), bias (K,) → (N, K, H', W').

    H' = (H − 1)·stride − 2·padding + dilation·(R − 1) + output_padding + 1: a height from which conv2d with the same
    options would make H. With stride > 1 there are several, and `output_padding` chooses. (Zeiler et al., CVPR 2010.)
    ValueError for shapes that do not fit or an output that would be empty; TypeError for mixed dtypes.
    """
    return _spread(input, weight, bias, stride, padding, output_padding, groups, dilation, "conv_transpose2d")


def _spread(input, weight, bias, stride, padding, output_padding, groups, dilation, caller):
    _checked_filters(weight, groups, caller, "(C, K/groups, R, S)")
    if 0 in weight.shape:
        raise ValueError(f"{caller}: weight of shape {_seen(weight.shape, caller)} is empty")
    x, single = images(input, caller, weight.shape[0], _to_match(weight, groups))
    same_dtype(caller, input=x, weight=weight, bias=bias)
    channels, kernel = weight.shape[1] * groups, weight.shape[2:]
    _checked_bias(bias, channels, weight, caller)
    stride, dilation = pair(stride, caller, "stride", 1), pair(dilation, caller, "dilation", 1)
    padding, extra = pair(padding, caller, "padding"), pair(output_padding, caller, "output_padding")
    if any(e >= max(s, d) for e, s, d in zip(extra, stride, dilation)):
        extra, stride, dilation = ((v[-1] if caller.endswith("1d") else v) for v in (extra, stride, dilation))
        raise ValueError(f"{caller}: output_padding must be smaller than stride or dilation, got output_padding {extra}, stride "
                         f"{stride} and dilation {dilation}")
    size = tuple((n - 1) * s - 2 * p + d * (r - 1) + e + 1
                 for n, s, p, d, r, e in zip(x.shape[2:], stride, padding, dilation, kernel, extra))
    if min(size) < 1:
        size, stride, padding = ((v[-1] if caller.endswith("1d") else v) for v in (size, stride, padding))
        raise ValueError(f"{caller}: the output would be empty: its size would be {size} (input {_seen(input.shape, caller)}, weight "
                         f"{_seen(weight.shape, caller)}, stride {stride}, padding {padding})")
    x = _behind(x, *[e // s for e, s in zip(extra, stride)])  # a whole stride of output_padding is a row of zeros more to read
    y = ConvTranspose2dFunction.apply(x, weight, x_shape=(x.shape[0], channels) + size, stride=stride, padding=padding,
                                      dilation=dilation, groups=groups)
    y = y if bias is None else y + bias.reshape(-1, 1, 1)
    return y.squeeze(0) if single else y


def _checked_lines(input, weight, channels_axis, groups, caller, shape):
    """The input of a 1-D convolution as images of height 1."""
    if tensor_argument(weight, caller, "weight").ndim != 3:
        raise ValueError(f"{caller}: weight has shape {weight.shape}, expected {shape}")
    if not isinstance(groups, int) or groups < 1:
        raise ValueError(f"{caller}: groups must be a positive int, got {groups!r:.40}")
    return lines(input, caller, weight.shape[channels_axis] * (groups if channels_axis else 1), _to_match(weight, groups))


def conv1d(input, weight, bias=None, stride=1, padding=0, dilation=1, groups=1):
    """1-D convolution: input (N, C, L) or (C, L), weight (K, C/groups, R), bias (K,) → (N, K, L'): a conv2d of height 1."""
    caller = "conv1d"
    x = _checked_lines(input, weight, 1, groups, caller, "(K, C/groups, R)")
    padding = padding if isinstance(padding, str) else (0, whole(one(padding, caller, "padding"), caller, "padding", 0))
    return _convolve(x, weight.unsqueeze(-2), bias, (1, whole(one(stride, caller, "stride"), caller, "stride")), padding,
                     (1, whole(one(dilation, caller, "dilation"), caller, "dilation")), groups, caller).squeeze(-2)


def conv_transpose1d(input, weight, bias=None, stride=1, padding=0, output_padding=0, groups=1, dilation=1):
    """The transpose of conv1d: input (N, C, L) or (C, L), weight (C, K/groups, R), bias (K,) → (N, K, L')."""
    caller = "conv_transpose1d"
    x = _checked_lines(input, weight, 0, groups, caller, "(C, K/groups, R)")
    (stride, dilation), (padding, extra) = ([whole(one(value, caller, name), caller, name, least) for name, value in pairs] for least, pairs in (
        (1, (("stride", stride), ("dilation", dilation))), (0, (("padding", padding), ("output_padding", output_padding)))))
    return _spread(x, weight.unsqueeze(-2), bias, (1, stride), (0, padding), (0, extra), groups, (1, dilation), caller).squeeze(-2)
