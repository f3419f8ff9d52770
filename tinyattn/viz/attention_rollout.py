"""Attention rollout: through all layers at once, which pixels does the answer come from? (S. Abnar and W. Zuidema, arXiv:2005.00928)

A layer's tokens are mixtures of the layer's before. With the skip connection around the attention counted as half,

    Â_l = (A_l + I) / 2,   A_l the mean over heads;   R = Â_L · … · Â_2 · Â_1,   R[i, j]: the share of input token j in output token i

and where the answer is pooled with weights p, the share of input token j in the answer is Σ_i p_i R[i, j].
"""
import numpy as np

from .kinds import as_grid


def rollout(layers, pool=None):
    """Multiply attention matrices through the layers.

    layers: arrays (N, heads, T, T), first layer first, rows that sum to 1
    pool:   (N, T) or (N, H, W), the weight of each token in the answer; default equal weights
    Returns R (N, T, T) and the share of each input token in the answer (N, T). ValueError for shapes that do not fit.
    """
    layers = [np.asarray(layer) for layer in layers]
    if not layers or any(layer.ndim != 4 or layer.shape[2] != layer.shape[3] or layer.shape[2] != layers[0].shape[2] or
                         len(layer) != len(layers[0]) for layer in layers):
        raise ValueError("rollout: expected arrays (N, heads, T, T) of equal N and T, got " + (", ".join(str(l.shape) for l in layers) or "none"))
    n, _, t, _ = layers[0].shape
    pool = np.full((n, t), 1 / t, layers[0].dtype) if pool is None else np.asarray(pool).reshape(len(pool), -1)
    if pool.shape != (n, t):
        raise ValueError(f"rollout: pool has shape {pool.shape}, expected {(n, t)} to match attention {layers[0].shape}")
    total = np.broadcast_to(np.eye(t, dtype=layers[0].dtype), (n, t, t))
    for layer in layers:
        total = (layer.mean(axis=1) @ total + total) / 2                # Â_l · R
    return total, (pool[:, None] @ total)[:, 0]


def of_recording(maps, size):
    """The rollout of a recording: (N, h, w), the share of each place in the answer; None where fewer than two layers can be joined.

    Joined are the last layers whose tokens are equally many, and the pooling after them, if its weights are as many. Where the model
    changes the number of tokens between layers, matrices before that do not say which of the later tokens theirs went into.
    Rows that do not sum to 1 are no shares, and end what can be joined, too.
    """
    layers, pool = [], None
    for kinds in maps.values():
        for kind, values in kinds.items():
            if kind == "tokens" and not np.allclose(values.sum(axis=-1), 1, atol=1e-3):
                layers, pool = [], None         # no shares (a non-local block of plain products): through it nothing can be said
            elif kind == "tokens":
                if layers and values.shape[2] != layers[-1].shape[2]:
                    layers = []
                layers.append(values)
                pool = None
            elif kind == "pool" and layers and values[0].size == layers[-1].shape[2]:
                pool = values
    if len(layers) < 2:
        return None
    return as_grid(rollout(layers, pool)[1], size)
