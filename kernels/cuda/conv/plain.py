"""Convolution as it is written down: one thread, one number of the result. Read these before `product` and `weight_grad`.

Backward, a thread collects what belongs to its number (gather) instead of handing out (scatter), so that no two threads ever add
into the same place.
"""
from .. import array
from ..runtime import cuda, jit, launch, specialised

__all__ = ["conv2d_forward_plain", "conv2d_backward_input_plain", "conv2d_backward_weight_plain"]


def output_size(size, taps, stride, padding, dilation):
    """⌊(size + 2·padding − dilation·(taps − 1) − 1) / stride⌋ + 1, along one axis."""
    return (size + 2 * padding - dilation * (taps - 1) - 1) // stride + 1


def output_shape(x_shape, w_shape, stride, padding, dilation):
    """(N, Ho, Wo, K) of images `x_shape` (N, H, W, C) under filters `w_shape` (K, C/groups, R, S)."""
    return (x_shape[0], output_size(x_shape[1], w_shape[2], stride[0], padding[0], dilation[0]),
            output_size(x_shape[2], w_shape[3], stride[1], padding[1], dilation[1]), w_shape[0])


@jit
def _forward(x, w, b, y, stride, padding, dilation, groups):
    """y[n,i,j,k] = b[k] + Σ_{r,s,c} w[k,c,r,s] · x[n, i·stride + r·dilation − padding, j·…, c], a thread for each (n, i, j, k).

           x                              w[k]                         y
         ┌──────────────┐              ┌───────┐              ┌──────────────┐
         │   ┌───────┐  │   thread     │ R · S │  thread      │              │
         │   │ R · S │ ─┼── reads ──▶  │  · C  │ ─ writes ──▶ │      ▪ (i,j) │    threads 0, 1, 2, … of a block: channels
         │   │  · C  │  │   all of it  └───────┘              │              │    k, k + 1, k + 2, … of one pixel, then the next
         │   └───────┘  │   and w[k]                          └──────────────┘
         └──────────────┘

    Each multiply-add fetches two numbers: one of x, which all threads of the pixel want, and one of w, which lie C·R·S apart.
    """
    N, H, W, _ = x.shape
    K, C, R, S = w.shape
    _, Ho, Wo, _ = y.shape
    e = cuda.grid(1)
    if e < y.size:
        k, j, i, n = e % K, e // K % Wo, e // (K * Wo) % Ho, e // (K * Wo * Ho)
        first = k // (K // groups) * C  # the first channel of this group
        total = b[k]
        for r in range(R):
            h = i * stride[0] + r * dilation[0] - padding[0]
            for s in range(S):
                v = j * stride[1] + s * dilation[1] - padding[1]
                if 0 <= h and h < H and 0 <= v and v < W:
                    for c in range(C):
                        total += w[k, c, r, s] * x[n, h, v, first + c]
        y[n, i, j, k] = total


@specialised
def _backward_input(real):
    """dx[n,h,v,c] = Σ w[k,c,r,s] · dy[n,i,j,k] over all taps and outputs with h = i·stride + r·dilation − padding, v likewise.

           dy                             w[:, c]                      dx
         ┌──────────────┐              ┌───────┐              ┌──────────────┐
         │ ┌───────┐    │   thread     │ R · S │  thread      │              │
         │ │ i, j  │ ───┼── reads ──▶  │  · K  │ ─ writes ──▶ │   ▪ (h, v)   │    one thread for each (n, h, v, c):
         │ └───────┘    │   what read  └───────┘              │              │    channels side by side
         └──────────────┘   (h, v)                            └──────────────┘
    """
    zero = real(0)

    @jit
    def backward_input(dy, w, dx, stride, padding, dilation, groups):
        _, H, W, channels = dx.shape
        K, C, R, S = w.shape
        _, Ho, Wo, _ = dy.shape
        filters = K // groups
        e = cuda.grid(1)
        if e < dx.size:
            channel, v, h, n = e % channels, e // channels % W, e // (channels * W) % H, e // (channels * W * H)
            g, c = channel // C, channel % C
            total = zero
            for r in range(R):
                i = (h + padding[0] - r * dilation[0]) // stride[0]  # the output whose tap r lies on this row …
                for s in range(S):
                    j = (v + padding[1] - s * dilation[1]) // stride[1]
                    there = i * stride[0] + r * dilation[0] - padding[0] == h and j * stride[1] + s * dilation[1] - padding[1] == v
                    if there and 0 <= i and i < Ho and 0 <= j and j < Wo:  # … if there is one
                        for k in range(g * filters, (g + 1) * filters):
                            total += w[k, c, r, s] * dy[n, i, j, k]
            dx[n, h, v, channel] = total
    return backward_input


@specialised
def _backward_weight(real):
    """dw[k,c,r,s] = Σ_{n,i,j} dy[n,i,j,k] · x[n, i·stride + r·dilation − padding, j·…, c]; db[k] = Σ_{n,i,j} dy[n,i,j,k].

           dy[…, k]                       x[…, c], moved by (r, s)     dw[k]
         ┌──────────────┐              ┌──────────────┐            ┌───────┐
         │ all pixels   │ ── times ──▶ │ all pixels   │ ── sum ──▶ │   ▪   │ (c, r, s)    one thread for each (k, c, r, s);
         │ of all images│              │ of all images│            └───────┘              the one of c = r = s = 0 adds up db[k]
         └──────────────┘              └──────────────┘

    A sum of N·Ho·Wo numbers by one thread: there are few threads, and each works for long. `weight_grad` cuts the sum into parts.
    """
    zero = real(0)

    @jit
    def backward_weight(dy, x, dweight, db, stride, padding, dilation, groups):
        _, H, W, _ = x.shape
        K, C, R, S = dweight.shape
        N, Ho, Wo, _ = dy.shape
        e = cuda.grid(1)
        if e < dweight.size:
            s, r, c, k = e % S, e // S % R, e // (S * R) % C, e // (S * R * C)
            first = k // (K // groups) * C
            total, bias = zero, zero
            for n in range(N):
                for i in range(Ho):
                    h = i * stride[0] + r * dilation[0] - padding[0]
                    for j in range(Wo):
                        v = j * stride[1] + s * dilation[1] - padding[1]
                        d = dy[n, i, j, k]
                        bias += d
                        if 0 <= h and h < H and 0 <= v and v < W:
                            total += d * x[n, h, v, first + c]
            dweight[k, c, r, s] = total
            if c == 0 and r == 0 and s == 0:
                db[k] = bias
    return backward_weight


def conv2d_forward_plain(x, w, b, stride, padding, dilation, groups, out=None):
    """y (N, Ho, Wo, K): `conv2d_forward` with one thread a number of it."""
    y = array.empty(output_shape(x.shape, w.shape, stride, padding, dilation), x.dtype) if out is None else out
    b = array.zeros((w.shape[0],), x.dtype) if b is None else b
    launch(_forward, array.blocks(y.size), array.THREADS, x, w, b, y, stride, padding, dilation, groups)
    return y


def conv2d_backward_input_plain(dy, w, x_shape, stride, padding, dilation, groups, out=None):
    """dx (N, H, W, C): `conv2d_backward_input` with one thread a number of it."""
    dx = array.empty(x_shape, dy.dtype) if out is None else out
    launch(_backward_input(dy.dtype.type), array.blocks(dx.size), array.THREADS, dy, w, dx, stride, padding, dilation, groups)
    return dx


def conv2d_backward_weight_plain(dy, x, w_shape, stride, padding, dilation, groups):
    """dw (K, C/groups, R, S), db (K,): `conv2d_backward_weight` with one thread a weight."""
    dweight, db = array.empty(w_shape, x.dtype), array.empty((w_shape[0],), x.dtype)
    launch(_backward_weight(x.dtype.type), array.blocks(dweight.size), array.THREADS, dy, x, dweight, db, stride, padding, dilation, groups)
    return dweight, db
