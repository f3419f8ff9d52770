"""Checks the answers to lesson 06."""
import numpy as np

from ..exercise import Exercise, same

# (images, input channels, output channels, rows, columns of the kernel, stride, padding)
CASES = [(2, 2, 2, 3, 3, 2, 1), (2, 3, 2, 3, 2, 2, 1), (2, 2, 3, 2, 3, 1, 0)]


def _forward(x, w, b, stride, padding):
    x = np.pad(x, ((0, 0), (0, 0), (padding, padding), (padding, padding)))
    size = [(n - t) // stride + 1 for n, t in zip(x.shape[2:], w.shape[2:])]
    y = np.zeros((len(x), len(w), *size)) + b[:, None, None]
    for n, k, i, j in np.ndindex(*y.shape):
        y[n, k, i, j] += np.sum(w[k] * x[n, :, i * stride:i * stride + w.shape[2], j * stride:j * stride + w.shape[3]])
    return y


def _conv2d_forward(answer, rng):
    for N, C, K, R, S, stride, padding in CASES:
        H = int(rng.integers(5, 8))
        x, w, b = rng.normal(size=(N, C, H, H + 2)), rng.normal(size=(K, C, R, S)), rng.normal(size=K)
        y = _forward(x, w, b, stride, padding)
        every = _forward(x, w, b, 1, padding)
        count = C * R * S
        mistakes = [(_forward(x, w[:, :, ::-1, ::-1], b, stride, padding),
                     "the kernel is turned by half: the formula's r goes the same way in w and in x"),
                    (every, "the windows stand side by side, as with stride 1"),
                    (every[:, :, :y.shape[2], :y.shape[3]],
                     "the map has the right size, but its windows stand side by side, as with stride 1"),
                    (_forward(x, w, b, stride, 0), "there are no zeros around the image: the map is smaller than the formula says"),
                    (_forward(x, w, 0 * b, stride, padding), "the bias is missing"),
                    (y + (count - 1) * b[:, None, None], "the bias is added once for each weight; it belongs to the output, which is one"),
                    ((y - b[:, None, None]) / count + b[:, None, None], "the products are averaged: they are to be added"),
                    (_forward(x[:, :1], w[:, :1], b, stride, padding), "only the first channel counts: the slices of all channels add up"),
                    (_forward(x[:, -1:], w[:, -1:], b, stride, padding), "only the last channel counts: the slices of all channels add up")]
        if C == K:
            mistakes.append((_forward(x, w.transpose(1, 0, 2, 3), b, stride, padding),
                             "the channels are swapped: the first axis of w is the output's channel, the second the input's"))
        same(answer(x, w, b, stride, padding), y, "y", mistakes)


ACROSS = np.array([[-1.0, 0, 1], [-2, 0, 2], [-1, 0, 1]])
FLAT = np.array([[-1.0, 0, 1], [-1, 0, 1], [-1, 0, 1]])


def _map(image, kernel):
    return _forward(image[None, None], kernel[None, None], np.zeros(1), 1, 0)[0, 0]


def _sobel_magnitude(answer, rng):
    image = rng.uniform(size=(int(rng.integers(5, 9)), int(rng.integers(9, 12))))
    gx, gy = _map(image, ACROSS), _map(image, ACROSS.T)
    right = np.sqrt(gx ** 2 + gy ** 2)
    same(answer(image), right, "the strength",
         [(gx ** 2 + gy ** 2, "the root is missing: an edge of double contrast should be twice as strong"),
          (np.abs(gx) + np.abs(gy), "the two are added without squares: then an edge at 45° seems stronger than an upright one"),
          (gx + gy, "the two are added as they are: a bright-to-dark edge can cancel a dark-to-bright one"),
          (np.abs(gx), "only edges that stand upright are seen: the second kernel, for level edges, is the first one transposed"),
          (np.abs(gy), "only level edges are seen: the second kernel is the first one transposed"),
          (np.sqrt(2) * np.abs(gx), "the same kernel was used twice: the second is the first one transposed"),
          (np.sqrt(_map(image, FLAT) ** 2 + _map(image, FLAT.T) ** 2),
           "these are Prewitt's kernels: Sobel's middle row has twice the weight"),
          (right / 8, "the strength is too small by 8: the kernels here have the weights 1, 2, 1, without a divisor")])


def _wave(x, y, theta, wavelength, spread, phase, centre=True, scale=True):
    u = x * np.cos(theta) + y * np.sin(theta)
    g = np.exp(-(x * x + y * y) / spread) * np.cos(2 * np.pi * u / wavelength + phase)
    g = g - g.mean() if centre else g
    return g / np.sqrt((g * g).sum()) if scale else g


def _gabor(answer, rng):
    size, theta, phase = int(rng.choice([5, 7, 9])), rng.uniform(0.2, 0.6), rng.uniform(0.3, 1.2)
    wavelength, sigma = rng.uniform(3.5, 6), rng.uniform(1.5, 2.5)
    y, x = np.mgrid[:size, :size] - size // 2
    how, bell = (theta, wavelength), 2 * sigma ** 2
    bare = _wave(x, y, *how, bell, phase, centre=False)
    same(answer(size, theta, wavelength, sigma, phase), _wave(x, y, *how, bell, phase), "the kernel",
         [(_wave(y, x, *how, bell, phase), "rows and columns are swapped: the row is y, which goes down, the column is x"),
          (_wave(x, y, -theta, wavelength, bell, phase),
           "the stripes lean the other way: y goes down here, and u has a plus between its terms"),
          (bare, "its mean is not 0: on a plain bright wall such a kernel sees something"),
          (_wave(x, y, *how, bell, phase, scale=False), "the sum of its squares is not 1: it is not scaled yet"),
          (_wave(x, y, *how, bell, phase, False, False), "it is neither moved to mean 0 nor scaled"),
          (bare - bare.mean(), "the sum of its squares is not 1: after it was scaled, its mean was taken off; the order matters"),
          (_wave(x, y, *how, bell, 0.0), "the phase is missing"),
          (_wave(x, y, *how, sigma ** 2, phase), "the bell is too narrow: its exponent is divided by 2σ²"),
          (_wave(x, y, *how, 2 * sigma, phase), "the bell has σ where the formula has its square"),
          (_wave(x, y, theta, 2 * np.pi * wavelength, bell, phase), "the wave is too long: one wavelength is a whole turn, 2π")])


EXERCISES = [Exercise("conv2d_forward", "the convolution with batch, channels, stride, padding and bias", _conv2d_forward),
             Exercise("sobel_magnitude", "the strength of edges in all directions", _sobel_magnitude),
             Exercise("gabor", "a wave under a bell", _gabor)]
