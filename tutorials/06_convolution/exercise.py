"""Lesson 06, exercises: the convolution with everything, and two filters by hand.

Write what is missing, then:  tinyattn learn check 06

All arrays are NumPy's, float64.
"""


def conv2d_forward(x, w, b, stride, padding):
    """y[n, k, i, j] = b[k] + Σ_{c,r,s} w[k, c, r, s] · x[n, c, i·stride + r − padding, j·stride + s − padding]

    x (N, C, H, W), w (K, C, R, S), b (K,)  →  y (N, K, H', W'). Pixels outside the image are zeros; stride and padding are single ints.
    """
    raise NotImplementedError


def sobel_magnitude(image):
    """How strong the edge is at each place, whatever its direction: √(gx² + gy²) of Sobel's two kernels.

    image (H, W)  →  (H − 2, W − 2): only where the whole window is inside.
    """
    raise NotImplementedError


def gabor(size, theta, wavelength, sigma, phase):
    """A wave under a bell, then moved to mean 0, then scaled so that the sum of its squares is 1.

    size: an odd int. x goes right and y goes down, both 0 in the middle; u = x cos θ + y sin θ;
    exp(−(x² + y²) / 2σ²) · cos(2π u / wavelength + phase)  →  (size, size), row y, column x
    """
    raise NotImplementedError
