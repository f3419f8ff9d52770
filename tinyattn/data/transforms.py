"""Transforms over a whole batch at once, with PyTorch's names and arguments."""
import numpy as np


class ToFloat:
    """uint8 (0..255) → float32 (0..1), x/255. What is float32 already passes unchanged."""

    def __call__(self, images, rng=None):
        if images.dtype == np.uint8:
            return images * np.float32(1 / 255)
        return images.astype(np.float32, copy=False)
