"""Lesson 10, exercises: attention, its gradients, and the softmax that never sees all its scores at once.

Write what is missing, then:  tinyattn learn check 10
"""
import numpy as np


def attention(q, k, v, seen):
    """Every query takes a mean of the values: O = softmax(Q Kᵀ / √D) V, the softmax over the keys that may be seen.

    q (B, T, D), k (B, S, D), v (B, S, E): arrays. seen: bool (B, T, S), True where query t may see key s.
    Returns o (B, T, E). A query that may see no key gets zeros. Scores may be as large as ±10,000.
    """
    raise NotImplementedError


def attention_backward(do, q, k, v, seen):
    """Gradients of `attention`.

    do (B, T, E): how much the loss grows for each 1 that each number of o grows; the rest as there.
    Returns dq (B, T, D), dk (B, S, D), dv (B, S, E). A query that may see no key has, and gives, no gradient.
    """
    raise NotImplementedError


def online_softmax(groups):
    """One query's answer Σ_j p_j v_j, p the softmax of all scores, from keys that pass by in groups and are gone.

    groups: an iterator of pairs, scores (n,) and values (n, E); n differs, a score may be −∞ (not to be seen) or 10,000,
    and each pair comes once and is not to be kept. At least one score of the first group is finite.
    Returns the answer (E,).
    """
    raise NotImplementedError
