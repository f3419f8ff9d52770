"""Convolution as a differentiable operation.

    y[n,k,i,j] = b[k] + Σ_{c,r,s} w[k,c,r,s] · x[n, c, i·stride + r·dilation − padding, j·stride + s·dilation − padding]

(a cross-correlation, as in every deep-learning library). It is linear in x and in w, so each gradient is a linear
operation too, and the three are each other's derivatives: that is why gradients of gradients need no further kernel.
(Dumoulin & Visin, "A guide to convolution arithmetic for deep learning", arXiv:1603.07285.)
"""
from ..autograd import Function
from .arguments import images, pair, same_dtype, tensor_argument
from .layout import to_memory, to_public


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


def _padding(padding, kernel, stride, dilation, caller):
    """Ints for "same" and "valid" (PyTorch's names), or the pair itself."""
    if not isinstance(padding, str):
        return pair(padding, caller, "padding")
    if padding == "valid":
        return 0, 0
    if padding != "same":
        raise ValueError(f"{caller}: padding must be ints, 'same' or 'valid', got {padding!r}")
    total = [d * (k - 1) for d, k in zip(dilation, kernel)]
    if stride != (1, 1) or any(t % 2 for t in total):
        raise ValueError(f"{caller}: padding='same' needs stride 1 and odd kernels, got stride {stride} and kernel {kernel}")
    return total[0] // 2, total[1] // 2


def conv2d(input, weight, bias=None, stride=1, padding=0, dilation=1, groups=1):
    """2-D convolution: input (N, C, H, W) or (C, H, W), weight (K, C/groups, R, S), bias (K,) → (N, K, H', W').

    H' = ⌊(H + 2·padding − dilation·(R − 1) − 1) / stride⌋ + 1. `padding` may be "same" or "valid".
    ValueError for shapes that do not fit or an output that would be empty; TypeError for mixed dtypes.
    """
    caller = "conv2d"
    tensor_argument(weight, caller, "weight")
    if weight.ndim != 4:
        raise ValueError(f"{caller}: weight has shape {weight.shape}, expected (K, C/groups, R, S)")
    if not isinstance(groups, int) or groups < 1 or weight.shape[0] % groups:
        raise ValueError(f"{caller}: groups must be a positive int that divides the {weight.shape[0]} output channels, "
                         f"got {groups!r}")
    x, single = images(input, caller, weight.shape[1] * groups, f"to match weight {weight.shape}"
                       + (f" in {groups} groups" if groups > 1 else ""))
    same_dtype(caller, input=x, weight=weight, bias=bias)
    if bias is not None and bias.shape != weight.shape[:1]:
        raise ValueError(f"{caller}: bias has shape {bias.shape}, expected ({weight.shape[0]},) to match weight {weight.shape}")
    stride, dilation = pair(stride, caller, "stride", 1), pair(dilation, caller, "dilation", 1)
    kernel = weight.shape[2:]
    padding = _padding(padding, kernel, stride, dilation, caller)
    for name, n, p, d, r in zip(("height", "width"), x.shape[2:], padding, dilation, kernel):
        if r < 1 or n + 2 * p < d * (r - 1) + 1:
            raise ValueError(f"{caller}: the output would be empty: the kernel covers {d * (r - 1) + 1} in {name}, the padded "
                             f"input has {n + 2 * p} (input {input.shape}, kernel {kernel}, padding {padding}, dilation {dilation})")
    y = Conv2dFunction.apply(x, weight, bias, stride=stride, padding=padding, dilation=dilation, groups=groups)
    return y.squeeze(0) if single else y


def conv1d(input, weight, bias=None, stride=1, padding=0, dilation=1, groups=1):
    """1-D convolution: input (N, C, L) or (C, L), weight (K, C/groups, R), bias (K,) → (N, K, L'): a conv2d of height 1."""
    def single(value, name):
        if isinstance(value, (tuple, list)):
            if len(value) != 1:
                raise ValueError(f"conv1d: {name} must be an int, got {value!r}")
            return value[0]
        return value

    for name, x, expected in (("input", input, (2, 3)), ("weight", weight, (3,))):
        if tensor_argument(x, "conv1d", name).ndim not in expected:
            shapes = "(N, C, L) or (C, L)" if name == "input" else "(K, C/groups, R)"
            raise ValueError(f"conv1d: {name} has shape {x.shape}, expected {shapes}")
    padding = single(padding, "padding")
    y = conv2d(input.unsqueeze(-2), weight.unsqueeze(-2), bias, (1, single(stride, "stride")),
               padding if isinstance(padding, str) else (0, padding), (1, single(dilation, "dilation")), groups)
    return y.squeeze(-2)


