"""Lesson 06, answers."""
import numpy as np


def conv2d_forward(x, w, b, stride, padding):
    """Lay all kernels on one place of all images at once."""
    padded = np.pad(x, ((0, 0), (0, 0), (padding, padding), (padding, padding)))
    (N, _, H, W), (K, _, R, S) = padded.shape, w.shape
    y = np.zeros((N, K, (H - R) // stride + 1, (W - S) // stride + 1))
    for i, j in np.ndindex(*y.shape[2:]):
        window = padded[:, :, i * stride:i * stride + R, j * stride:j * stride + S]      # (N, C, R, S)
        y[:, :, i, j] = np.einsum("ncrs,kcrs->nk", window, w) + b
    return y


def sobel_magnitude(image):
    """Two kernels on each place, and the length of what they say."""
    across = np.array([[-1.0, 0, 1], [-2, 0, 2], [-1, 0, 1]])
    H, W = image.shape
    gx, gy = np.zeros((H - 2, W - 2)), np.zeros((H - 2, W - 2))
    for r in range(3):
        for s in range(3):
            window = image[r:r + H - 2, s:s + W - 2]
            gx += across[r, s] * window
            gy += across[s, r] * window
    return np.sqrt(gx ** 2 + gy ** 2)


def gabor(size, theta, wavelength, sigma, phase):
    """The formula on a grid, then its mean taken off, then its length."""
    y, x = np.mgrid[:size, :size] - size // 2
    u = x * np.cos(theta) + y * np.sin(theta)
    g = np.exp(-(x ** 2 + y ** 2) / (2 * sigma ** 2)) * np.cos(2 * np.pi * u / wavelength + phase)
    g = g - g.mean()
    return g / np.sqrt((g ** 2).sum())
