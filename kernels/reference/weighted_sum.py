"""A weighted sum of up to 4 arrays of one shape (N, …), each n with weights of its own.

    y_n = Σ_i w_ni x_i,n           dx_i,n = w_ni dy_n,    dw_ni = Σ dy_n ⊙ x_i,n
"""
import numpy as np

__all__ = ["weighted_sum_forward", "weighted_sum_backward"]


def _spread(column, x):
    """Numbers (N,) to be multiplied with x (N, …)."""
    return column.reshape(-1, *(1,) * (x.ndim - 1))


def weighted_sum_forward(w, xs):
    """y (N, …) of w (N, L) and L arrays (N, …)."""
    return sum(_spread(w[:, i], x) * x for i, x in enumerate(xs))


def weighted_sum_backward(dy, w, xs):
    """dw (N, L) and a list of L arrays dx (N, …) of dy (N, …)."""
    dw = np.stack([(dy * x).sum(axis=tuple(range(1, x.ndim))) for x in xs], axis=1)
    return dw, [_spread(w[:, i], x) * dy for i, x in enumerate(xs)]
