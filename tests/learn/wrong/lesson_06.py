"""Answers to lesson 06 that are wrong, each as a mistake that people make, and a word of the hint they should get."""
import numpy as np


def _forward(x, w, b, stride, padding):
    x = np.pad(x, ((0, 0), (0, 0), (padding, padding), (padding, padding)))
    (N, _, H, W), (K, _, R, S) = x.shape, w.shape
    y = np.zeros((N, K, (H - R) // stride + 1, (W - S) // stride + 1))
    for i, j in np.ndindex(*y.shape[2:]):
        y[:, :, i, j] = np.einsum("ncrs,kcrs->nk", x[:, :, i * stride:i * stride + R, j * stride:j * stride + S], w) + b
    return y


def forward_turned(x, w, b, stride, padding):
    return _forward(x, w[:, :, ::-1, ::-1], b, stride, padding)


def forward_without_stride(x, w, b, stride, padding):
    return _forward(x, w, b, 1, padding)


def forward_side_by_side(x, w, b, stride, padding):
    """The size is right, the windows are not."""
    right = _forward(x, w, b, stride, padding)
    return _forward(x, w, b, 1, padding)[:, :, :right.shape[2], :right.shape[3]]


def forward_without_padding(x, w, b, stride, padding):
    return _forward(x, w, b, stride, 0)


def forward_without_bias(x, w, b, stride, padding):
    return _forward(x, w, 0, stride, padding)


def forward_bias_each_time(x, w, b, stride, padding):
    return _forward(x, w, b * w[0].size, stride, padding)


def forward_mean(x, w, b, stride, padding):
    return _forward(x, w / w[0].size, b, stride, padding)


def forward_last_channel(x, w, b, stride, padding):
    return _forward(x[:, -1:], w[:, -1:], b, stride, padding)


def forward_channels_swapped(x, w, b, stride, padding):
    return _forward(x, w.transpose(1, 0, 2, 3), b, stride, padding)


def _edges(image, middle=2.0):
    kernel = np.array([[-1.0, 0, 1], [-middle, 0, middle], [-1, 0, 1]])
    return [_forward(image[None, None], k[None, None], 0, 1, 0)[0, 0] for k in (kernel, kernel.T)]


def sobel_without_root(image):
    gx, gy = _edges(image)
    return gx ** 2 + gy ** 2


def sobel_absolute(image):
    gx, gy = _edges(image)
    return abs(gx) + abs(gy)


def sobel_upright(image):
    return abs(_edges(image)[0])


def sobel_prewitt(image):
    gx, gy = _edges(image, 1.0)
    return np.sqrt(gx ** 2 + gy ** 2)


def sobel_padded(image):
    gx, gy = _edges(np.pad(image, 1))
    return np.sqrt(gx ** 2 + gy ** 2)


def _gabor(size, theta, wavelength, sigma, phase, x, y):
    g = np.exp(-(x ** 2 + y ** 2) / (2 * sigma ** 2)) * np.cos(2 * np.pi * (x * np.cos(theta) + y * np.sin(theta)) / wavelength + phase)
    return g


def _finished(g):
    g = g - g.mean()
    return g / np.sqrt((g ** 2).sum())


def _grid(size):
    return np.mgrid[:size, :size] - size // 2


def gabor_swapped(size, theta, wavelength, sigma, phase):
    x, y = _grid(size)
    return _finished(_gabor(size, theta, wavelength, sigma, phase, x, y))


def gabor_upward(size, theta, wavelength, sigma, phase):
    y, x = _grid(size)
    return _finished(_gabor(size, theta, wavelength, sigma, phase, x, -y))


def gabor_with_mean(size, theta, wavelength, sigma, phase):
    y, x = _grid(size)
    g = _gabor(size, theta, wavelength, sigma, phase, x, y)
    return g / np.sqrt((g ** 2).sum())


def gabor_scaled_first(size, theta, wavelength, sigma, phase):
    g = gabor_with_mean(size, theta, wavelength, sigma, phase)
    return g - g.mean()


def gabor_without_phase(size, theta, wavelength, sigma, phase):
    y, x = _grid(size)
    return _finished(_gabor(size, theta, wavelength, sigma, 0.0, x, y))


def gabor_narrow(size, theta, wavelength, sigma, phase):
    y, x = _grid(size)
    return _finished(_gabor(size, theta, wavelength, sigma / np.sqrt(2), phase, x, y))


WRONG = {
    "conv2d_forward": [(forward_turned, "turned by half"), (forward_without_stride, "stride 1"), (forward_side_by_side, "side by side"),
                       (forward_without_padding, "no zeros around"), (forward_without_bias, "bias is missing"),
                       (forward_bias_each_time, "once for each weight"), (forward_mean, "averaged"),
                       (forward_last_channel, "last channel"), (forward_channels_swapped, "channels are swapped")],
    "sobel_magnitude": [(sobel_without_root, "root"), (sobel_absolute, "without squares"), (sobel_upright, "upright"),
                        (sobel_prewitt, "Prewitt"), (sobel_padded, "shape")],
    "gabor": [(gabor_swapped, "swapped"), (gabor_upward, "other way"), (gabor_with_mean, "mean is not 0"),
              (gabor_scaled_first, "order matters"), (gabor_without_phase, "phase"), (gabor_narrow, "too narrow")],
}
