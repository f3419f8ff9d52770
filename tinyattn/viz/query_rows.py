"""A query's row: what one place of the image looked at, head by head."""
import numpy as np

from .kinds import as_grid, token_grid


def token_at(y, x, count, size):
    """Which of `count` tokens lies at pixel (y, x) of an image of `size` (H, W). ValueError where they form no grid, or it lies outside."""
    grid = token_grid(count, size)
    if grid is None:
        raise ValueError(f"{count} tokens form no grid over an image of {size[0]} × {size[1]} pixels")
    if not (0 <= y < size[0] and 0 <= x < size[1]):
        raise ValueError(f"pixel ({y}, {x}) lies outside the image of {size[0]} × {size[1]} pixels")
    h, w, extra = grid
    return extra + int(y * h / size[0]) * w + int(x * w / size[1])


def rows_at(tokens, y, x, size):
    """What pixel (y, x) looked at: the rows (N, heads, h, w) of attention weights `tokens` (N, heads, T, T)."""
    tokens = np.asarray(tokens)
    return as_grid(tokens[:, :, token_at(y, x, tokens.shape[2], size)], size)


def telling_pixel(image, tokens, size):
    """A pixel worth asking: on the figure, and of those the one whose row differs most from the mean row. Returns (y, x).

    image (C, H, W) uint8; tokens (heads, T, T) of this image
    """
    grid = token_grid(tokens.shape[1], size)
    h, w, extra = grid
    mean = tokens.mean(axis=0)[extra:]                                  # (h·w, T)
    different = np.abs(mean - mean.mean(axis=0)).sum(axis=1).reshape(h, w)
    grey = image.mean(axis=0)
    rows, columns = (np.arange(n) * m // n for n, m in ((size[0], h), (size[1], w)))
    away = np.abs(grey - np.median(grey))                               # from the ground
    score = different[rows][:, columns] * (away >= np.quantile(away, 0.8))
    y, x = np.unravel_index(score.argmax(), score.shape)
    return int(y), int(x)
