"""A Gaussian blur: what a detail is worth shows when it is gone."""
import math

import numpy as np

import tinyattn as ta

from ..nn import functional as F


def gaussian_blur(x, sigma):
    """Images (N, C, H, W) blurred by a Gaussian of `sigma` pixels, cut off at three sigma, the edge continued."""
    x = np.asarray(x, np.float32)
    n, c, h, w = x.shape
    reach = max(1, math.ceil(3 * sigma))
    taps = np.exp(-0.5 * (np.arange(-reach, reach + 1) / sigma) ** 2)
    taps = ta.tensor((taps / taps.sum()).astype(np.float32))
    single = ta.tensor(np.ascontiguousarray(x.reshape(n * c, 1, h, w)))
    with ta.no_grad():
        padded = F.pad(single, (reach,) * 4, mode="replicate")
        down = F.conv2d(padded, taps.reshape(1, 1, -1, 1))
        return F.conv2d(down, taps.reshape(1, 1, 1, -1)).data.reshape(n, c, h, w)
