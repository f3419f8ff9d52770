"""Additive scores: how well each query fits each key, by a small network with one hidden layer.

    e_ts = Σ_d v_d tanh(q_td + k_sd)

Bahdanau, Cho and Bengio: Neural Machine Translation by Jointly Learning to Align and Translate (arXiv 1409.0473), A.1.2.
q and k are queries and keys after their own linear maps.
"""
import numpy as np

__all__ = ["additive_scores_forward", "additive_scores_backward"]


def additive_scores_forward(q, k, v):
    """e (N, T, S) of q (N, T, D), k (N, S, D), v (D,)."""
    return np.tanh(q[:, :, None] + k[:, None]) @ v


def additive_scores_backward(de, q, k, v):
    """dq (N, T, D), dk (N, S, D) and dv (D,) of de (N, T, S).

        h = tanh(q_t + k_s),    u_ts = de_ts · v ⊙ (1 − h²),    dq_t = Σ_s u_ts,    dk_s = Σ_t u_ts,    dv = Σ_ts de_ts h
    """
    h = np.tanh(q[:, :, None] + k[:, None])                          # (N, T, S, D)
    u = de[..., None] * v * (1 - h * h)
    return u.sum(axis=2), u.sum(axis=1), np.einsum("nts,ntsd->d", de, h)
