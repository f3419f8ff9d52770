"""Lesson 07, answers."""
import numpy as np


def _windows(padded, taps, size, stride):
    """Yield (r, s, the view of the padded images that the kernel's place (r, s) touches)."""
    for r, s in np.ndindex(*taps):
        yield r, s, padded[:, :, r:r + stride * (size[0] - 1) + 1:stride, s:s + stride * (size[1] - 1) + 1:stride]


def conv2d_dx(dy, w, x_shape, stride, padding):
    """Every place (r, s) of the kernel hands dy back to the pixels that it read; what falls on the zeros around is cropped."""
    N, C, H, W = x_shape
    padded = np.zeros((N, C, H + 2 * padding, W + 2 * padding))
    for r, s, window in _windows(padded, w.shape[2:], dy.shape[2:], stride):
        window += np.einsum("kc,nkij->ncij", w[:, :, r, s], dy)
    return padded[:, :, padding:padding + H, padding:padding + W]


def conv2d_dw(dy, x, w_shape, stride, padding):
    """A weight hears of every output that it helped to make, times the pixel it met there."""
    padded = np.pad(x, ((0, 0), (0, 0), (padding, padding), (padding, padding)))
    dw = np.zeros(w_shape)
    for r, s, window in _windows(padded, w_shape[2:], dy.shape[2:], stride):
        dw[:, :, r, s] = np.einsum("nkij,ncij->kc", dy, window)
    return dw, dy.sum(axis=(0, 2, 3))


def as_convolution(dy, w, x_shape, stride, padding):
    """dy spread to where its outputs were made, zeros around; the kernel turned by half, its channel axes swapped."""
    N, _, H, W = x_shape
    K, _, R, S = w.shape
    images = np.zeros((N, K, H + R - 1, W + S - 1))
    top, left = R - 1 - padding, S - 1 - padding
    images[:, :, top:top + stride * (dy.shape[2] - 1) + 1:stride, left:left + stride * (dy.shape[3] - 1) + 1:stride] = dy
    return images, w[:, :, ::-1, ::-1].transpose(1, 0, 2, 3)
