"""Two-dimensional convolution, forward and both backward passes: the specification, in NumPy.

    y[n,i,j,k] = b[k] + Σ_{c,r,s} w[k,c,r,s] · x[n, i·stride + r·dilation − padding, j·stride + s·dilation − padding, c]

where x is zero outside the image. (As everywhere in deep learning the filter is *not* turned: mathematically this
is a cross-correlation.) With ``groups = G`` the channels fall into G equal groups and output group g sees input group
g only. Images are ``(N, H, W, C)``, filters PyTorch's ``(K, C/groups, R, S)``, a pair of numbers is (down, across).

The trick of every function below: fix one filter tap (r, s). All pixels that this tap touches form a regular grid, a
*window* of the padded image, and on a window the tap is a matrix product over channels:

    forward          y      += window · w[:, :, r, s]ᵀ
    backward input   window += dy · w[:, :, r, s]            (in the gradient of the padded image)
    backward weight  dw[:, :, r, s] = dyᵀ · window           (summed over all pixels)

Source: V. Dumoulin and F. Visin, "A guide to convolution arithmetic for deep learning", arXiv:1603.07285 (2016).
"""
import numpy as np

__all__ = [
    "conv2d_forward", "conv2d_backward_input", "conv2d_backward_weight",
    "conv2d_forward_plain", "conv2d_backward_input_plain", "conv2d_backward_weight_plain",
]


def _output_size(size, taps, stride, padding, dilation):
    """⌊(size + 2·padding − dilation·(taps − 1) − 1) / stride⌋ + 1"""
    return (size + 2 * padding - dilation * (taps - 1) - 1) // stride + 1


def _output_shape(x_shape, w_shape, stride, padding, dilation):
    N, H, W, _ = x_shape
    K, _, R, S = w_shape
    return (N, _output_size(H, R, stride[0], padding[0], dilation[0]),
            _output_size(W, S, stride[1], padding[1], dilation[1]), K)


def _pad(x, padding):
    return np.pad(x, ((0, 0), (padding[0],) * 2, (padding[1],) * 2, (0, 0)))  # (N, H+2p, W+2p, C)


def _windows(padded, w_shape, output_shape, stride, dilation, groups):
    """Yield (g's output channels, r, s, view of the padded image that tap (r, s) of group g touches)."""
    K, C, R, S = w_shape  # C: channels of one group
    _, Ho, Wo, _ = output_shape
    for r in range(R):
        for s in range(S):
            rows = slice(r * dilation[0], r * dilation[0] + (Ho - 1) * stride[0] + 1, stride[0])
            columns = slice(s * dilation[1], s * dilation[1] + (Wo - 1) * stride[1] + 1, stride[1])
            for g in range(groups):
                ks = slice(g * K // groups, (g + 1) * K // groups)
                yield ks, r, s, padded[:, rows, columns, g * C:(g + 1) * C]  # (N, Ho, Wo, C)


def _result(value, dtype, out):
    if out is None:
        return np.ascontiguousarray(value, dtype)
    out[...] = value
    return out


def conv2d_forward(x, w, b, stride, padding, dilation, groups, out=None):
    """y (N, Ho, Wo, K) of images x (N, H, W, C), filters w (K, C/groups, R, S) and bias b (K,) or None."""
    shape = _output_shape(x.shape, w.shape, stride, padding, dilation)
    y = np.zeros(shape) if b is None else np.broadcast_to(b, shape).astype(np.float64)
    for ks, r, s, window in _windows(_pad(x, padding), w.shape, shape, stride, dilation, groups):
        y[..., ks] += window.astype(np.float64) @ w[ks, :, r, s].T  # (N, Ho, Wo, C) @ (C, K)
    return _result(y, x.dtype, out)


def conv2d_backward_input(dy, w, x_shape, stride, padding, dilation, groups, out=None):
    """dx (N, H, W, C): every tap hands dy back to the pixels that it read.

    dx[n,h,w,c] = Σ w[k,c,r,s] · dy[n,i,j,k] over all taps and outputs with h = i·stride + r·dilation − padding (and
    likewise w).
    """
    N, H, W, C = x_shape
    padded = np.zeros((N, H + 2 * padding[0], W + 2 * padding[1], C))
    for ks, r, s, window in _windows(padded, w.shape, dy.shape, stride, dilation, groups):
        window += dy[..., ks].astype(np.float64) @ w[ks, :, r, s]  # (N, Ho, Wo, K) @ (K, C)
    return _result(padded[:, padding[0]:padding[0] + H, padding[1]:padding[1] + W], dy.dtype, out)


def conv2d_backward_weight(dy, x, w_shape, stride, padding, dilation, groups):
    """dw (K, C/groups, R, S) and db (K,).

    dw[k,c,r,s] = Σ_{n,i,j} dy[n,i,j,k] · x[n, i·stride + r·dilation − padding, …, c] ;  db[k] = Σ_{n,i,j} dy[n,i,j,k]
    """
    dw = np.zeros(w_shape)
    for ks, r, s, window in _windows(_pad(x, padding), w_shape, dy.shape, stride, dilation, groups):
        dw[ks, :, r, s] = np.tensordot(dy[..., ks].astype(np.float64), window, axes=((0, 1, 2), (0, 1, 2)))  # (K, C)
    return dw.astype(x.dtype), dy.sum(axis=(0, 1, 2), dtype=np.float64).astype(x.dtype)


def _touches(x_shape, w_shape, stride, padding, dilation, groups):
    """Yield every (n, i, j, k, c of the group, r, s, h, w, channel) that multiplies one weight with one pixel."""
    _, H, W, _ = x_shape
    K, C, R, S = w_shape
    shape = _output_shape(x_shape, w_shape, stride, padding, dilation)
    for n, i, j, k in np.ndindex(*shape):
        for c, r, s in np.ndindex(C, R, S):
            h = i * stride[0] + r * dilation[0] - padding[0]
            w = j * stride[1] + s * dilation[1] - padding[1]
            if 0 <= h < H and 0 <= w < W:
                yield n, i, j, k, c, r, s, h, w, k // (K // groups) * C + c


def conv2d_forward_plain(x, w, b, stride, padding, dilation, groups, out=None):
    """`conv2d_forward` one multiplication at a time: for every output, for every tap, add weight times pixel."""
    y = np.zeros(_output_shape(x.shape, w.shape, stride, padding, dilation))
    if b is not None:
        y += b
    for n, i, j, k, c, r, s, h, v, channel in _touches(x.shape, w.shape, stride, padding, dilation, groups):
        y[n, i, j, k] += float(w[k, c, r, s]) * float(x[n, h, v, channel])
    return _result(y, x.dtype, out)


def conv2d_backward_input_plain(dy, w, x_shape, stride, padding, dilation, groups, out=None):
    """`conv2d_backward_input` one multiplication at a time: what flowed from pixel to output flows back."""
    dx = np.zeros(x_shape)
    for n, i, j, k, c, r, s, h, v, channel in _touches(x_shape, w.shape, stride, padding, dilation, groups):
        dx[n, h, v, channel] += float(w[k, c, r, s]) * float(dy[n, i, j, k])
    return _result(dx, dy.dtype, out)


def conv2d_backward_weight_plain(dy, x, w_shape, stride, padding, dilation, groups):
    """`conv2d_backward_weight` one multiplication at a time: a weight hears of every output that it helped to make."""
    dw = np.zeros(w_shape)
    for n, i, j, k, c, r, s, h, v, channel in _touches(x.shape, w_shape, stride, padding, dilation, groups):
        dw[k, c, r, s] += float(x[n, h, v, channel]) * float(dy[n, i, j, k])
    return dw.astype(x.dtype), dy.sum(axis=(0, 1, 2), dtype=np.float64).astype(x.dtype)
