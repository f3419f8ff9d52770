"""The one loop of the transforms that NumPy is too slow for: resampling images through an affine map."""
import numpy as np

from tinyattn.kernels.cpu.jit import inner


@inner
def warp_affine(images, matrices, fill, out):
    """out[n,i,j] = images[n] at (x, y), bilinear, where (x, y) is M[n]·(j − cx, i − cy, 1) + (cx, cy).

    images, out  float32 (N, H, W, C) C-contiguous;  cx = (W − 1)/2, cy = (H − 1)/2, so that M = 1 is the identity
    matrices     float32 (N, 2, 3): from a pixel of the output to the place in the input that it shows
    fill         float32 (1,): the value of everything outside the image

    Serial, and without the GIL: it runs in the loader's thread beside the training kernels.
    """
    count, height, width, channels = images.shape
    half, one = np.float32(0.5), np.float32(1)
    cx, cy = half * np.float32(width - 1), half * np.float32(height - 1)
    for n in range(count):
        a, b, tx = matrices[n, 0, 0], matrices[n, 0, 1], matrices[n, 0, 2]
        c, d, ty = matrices[n, 1, 0], matrices[n, 1, 1], matrices[n, 1, 2]
        for i in range(height):
            v = np.float32(i) - cy
            for j in range(width):
                u = np.float32(j) - cx
                x, y = a * u + b * v + tx + cx, c * u + d * v + ty + cy
                if not (-one < x < np.float32(width) and -one < y < np.float32(height)):  # also NaN
                    for k in range(channels):
                        out[n, i, j, k] = fill[0]
                    continue
                floor_x, floor_y = np.floor(x), np.floor(y)
                left, top = int(floor_x), int(floor_y)
                wx, wy = x - floor_x, y - floor_y                 # how far we are towards the right, the bottom neighbour
                if left >= 0 and top >= 0 and left + 1 < width and top + 1 < height:
                    for k in range(channels):
                        upper = images[n, top, left, k] * (one - wx) + images[n, top, left + 1, k] * wx
                        lower = images[n, top + 1, left, k] * (one - wx) + images[n, top + 1, left + 1, k] * wx
                        out[n, i, j, k] = upper * (one - wy) + lower * wy
                    continue
                for k in range(channels):                         # at the edge, neighbours outside count as `fill`
                    total = np.float32(0)
                    for r in range(2):
                        for s in range(2):
                            weight = (wy if r else one - wy) * (wx if s else one - wx)
                            inside = 0 <= top + r < height and 0 <= left + s < width
                            total += weight * (images[n, top + r, left + s, k] if inside else fill[0])
                    out[n, i, j, k] = total
