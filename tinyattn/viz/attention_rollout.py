"""Attention rollout: through all layers at once, which pixels does the answer come from? (S. Abnar and W. Zuidema, arXiv:2005.00928)

A layer's tokens are mixtures of the layer's before. With the skip connection around the attention counted as half,

    Â_l = (A_l + I) / 2,   A_l the mean over heads;   R = Â_L · … · Â_2 · Â_1,   R[i, j]: the share of input token j in output token i

and where the answer is pooled with weights p, the share of input token j in the answer is Σ_i p_i R[i, j].
"""
import dataclasses

import numpy as np

from .kinds import as_grid, token_grid


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


@dataclasses.dataclass
class Rollout:
    """The rollout of a recording: what it says, and of which layers it speaks.

    values   (N, h, w), the share of each place in the answer; None where fewer than two layers can be joined
    joined   the names of the layers that were multiplied, first layer first; then that of the pooling, where its weights were used
    left     name → why, of the layers of tokens (and the pooling after them) that are left out
    """

    values: np.ndarray | None
    joined: list
    left: dict

    def words(self):
        """What was joined and what was left out, in a sentence or two."""
        said = f"joined: {', '.join(self.joined)}" if self.values is not None else "fewer than two layers can be joined"
        return said + "".join(f"; without {', '.join(names)}: {why}" for why, names in self._by_reason().items())

    def _by_reason(self):
        found = {}
        for name, why in self.left.items():
            found.setdefault(why, []).append(name)
        return found


def of_recording(maps, size):
    """The `Rollout` of a recording over images of `size` (H, W).

    Joined are the last layers whose tokens are equally many, and the pooling after them, if its weights are as many. Where the model
    changes the number of tokens between layers (a stride, the largest of each 2×2), it does so by what no recorded matrix describes: which
    of the later tokens an earlier one went into, and by how much, cannot be said. Rows that do not sum to 1 are no shares, and end what can
    be joined, too. Tokens that form no grid over the image are no places, and stand aside.
    """
    layers, pool, left = {}, None, {}
    for name, kinds in maps.items():
        for kind, values in kinds.items():
            if kind == "tokens" and token_grid(values.shape[2], size) is None:
                left[name] = f"its {values.shape[2]} tokens are no grid over the image"
            elif kind == "tokens" and not np.allclose(values.sum(axis=-1), 1, atol=1e-3):
                left |= dict.fromkeys(layers, f"after it comes {name}, whose weights are no shares")
                left[name] = "its weights do not sum to 1, so they are no shares"
                layers, pool = {}, None         # a non-local block of plain products, say: through it nothing can be said
            elif kind == "tokens":
                count = values.shape[2]
                if layers and count != _tokens(layers):
                    left |= dict.fromkeys(layers, f"{_tokens(layers)} tokens, and {count} in {name}: what became of them in between is in no matrix")
                    layers = {}
                layers[name], pool = values, None
            elif kind == "pool" and layers:
                pool = name, values
    if pool is not None and pool[1][0].size != _tokens(layers):
        left[pool[0]] = f"it weighs {pool[1][0].size} places, not the {_tokens(layers)} tokens of {list(layers)[-1]}; they count alike instead"
        pool = None
    if len(layers) < 2:
        return Rollout(None, [], left)
    _, share = rollout(layers.values(), pool and pool[1])
    return Rollout(as_grid(share, size), [*layers, *([pool[0]] if pool else [])], left)


def _tokens(layers):
    """How many tokens these layers have."""
    return next(iter(layers.values())).shape[2]
