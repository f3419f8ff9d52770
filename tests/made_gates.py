"""Gates to be tested: made by name, off their first values, and images for them."""
import numpy as np

import tinyattn as ta
from tinyattn.nn import attention as A

C = 24                                                # not a power of two; 24 // 16 = 1


def images(*shape, seed=0):
    return ta.tensor(np.random.default_rng(seed).normal(size=shape).astype(np.float32))


def moved(gate, seed=1, by=0.5):
    """The gate with parameters and running statistics off their first values, so that nothing is 0 or 1."""
    random = np.random.default_rng(seed)
    for p in gate.parameters():
        p.data[...] += by * random.normal(size=p.shape)
    for name, b in gate.named_buffers():
        if "running" in name:
            b.data[...] += 0.3 * random.random(b.shape)
    return gate


def make(name, size=(7, 5), channels=C, seed=1):
    return moved(A.create(name, channels, size), seed)
