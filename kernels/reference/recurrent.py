"""Recurrent layers: the specification. One layer in one direction, over a whole sequence.

A state h is carried from step to step and changed by what each step brings. With x_t (N, I) and h before it (N, H):

    RNN     h' = f(W_i x_t + b_i + W_h h + b_h),   f = tanh or max(·, 0)

    GRU     r  = σ(W_ir x_t + b_ir + W_hr h + b_hr)                   how much of the state the candidate sees
            z  = σ(W_iz x_t + b_iz + W_hz h + b_hz)                   how much of the state stays
            n  = tanh(W_in x_t + b_in + r ⊙ (W_hn h + b_hn))          the candidate
            h' = (1 − z) ⊙ n + z ⊙ h

    LSTM    i, f, o = σ(W_i x_t + b_i + W_h h + b_h), each with its own rows of W and b;   g = tanh(likewise)
            c' = f ⊙ c + i ⊙ g                                        the cell: kept, and added to
            h' = o ⊙ tanh c',   or W_hr (o ⊙ tanh c') where the output is projected to P numbers

The gates' rows stand one below the other, as in PyTorch: r, z, n in a GRU's w_ih (3H, I) and w_hh (3H, H), i, f, g, o in an
LSTM's (4H, ·). b_hn stands inside the product with r (PyTorch's and cuDNN's GRU; in Cho et al. r multiplies h before W_hn).

Shapes: x (T, N, I), h0 (N, H or P), c0 (N, H) → y (T, N, H or P). A bias may be None. With `lengths` (N,), sequence n ends
after lengths[n] ≥ 1 steps: beyond, y is 0 and the state stays as it is. `reverse` goes from the last step to the first, so
that each sequence begins with its last real step. Gradients dy beyond the end count for nothing.

Elman: Finding structure in time, Cognitive Science 14 (1990). Hochreiter & Schmidhuber: Long short-term memory, Neural
Computation 9(8), 1997; with f: Gers, Schmidhuber & Cummins, ibid. 12(10), 2000. Cho et al. (arXiv:1406.1078). Backward
through time: Werbos, Proc. IEEE 78(10), 1990.
"""
import numpy as np

__all__ = ["rnn_forward", "rnn_backward", "gru_forward", "gru_backward", "lstm_forward", "lstm_backward"]


def _wide(*arrays):
    """The arrays in float64, in which this rung computes; None stays None."""
    return [None if a is None else a.astype(np.float64) for a in arrays]


def _narrow(dtype, *arrays):
    """The arrays in the dtype they came in; None stays None."""
    return tuple([None if a is None else a.astype(dtype) for a in arrays])


def _sigmoid(x):
    return 0.5 * (1 + np.tanh(0.5 * x))


def _steps(T, reverse):
    """The steps in the order in which the state passes through them."""
    return range(T - 1, -1, -1) if reverse else range(T)


def _alive(t, N, lengths):
    """(N, 1): whether step t is a real one of each sequence."""
    return np.ones((N, 1), bool) if lengths is None else (t < lengths)[:, None]


def _linear(x, w, b):
    """x Wᵀ + b"""
    return x @ w.T if b is None else x @ w.T + b


def _before(states, first, lengths, reverse):
    """The state before each step, (T, N, ·), of the states after each: `first` before a sequence's first real step."""
    before = np.empty_like(states)
    h = first
    for t in _steps(len(states), reverse):
        before[t] = h
        h = np.where(_alive(t, len(h), lengths), states[t], h)
    return before


def _weight_grads(dgx, dgh, x, h, w_ih, needs_dx):
    """dx (or None), dw_ih, dw_hh, db_ih, db_hh of  W_ih x + b_ih  and  W_hh h + b_hh,  summed over steps and rows."""
    dx = dgx @ w_ih if needs_dx else None
    return (dx, np.einsum("tng,tni->gi", dgx, x), np.einsum("tng,tnh->gh", dgh, h), dgx.sum((0, 1)), dgh.sum((0, 1)))


def rnn_forward(x, h0, w_ih, w_hh, b_ih, b_hh, relu=False, lengths=None, reverse=False):
    """y (T, N, H): the state after each step of an RNN with tanh, or with max(·, 0). w_ih (H, I), w_hh (H, H), biases (H,)."""
    dtype = x.dtype
    x, h, w_ih, w_hh, b_ih, b_hh = _wide(x, h0, w_ih, w_hh, b_ih, b_hh)
    y = np.zeros(x.shape[:2] + h.shape[1:])
    for t in _steps(len(x), reverse):
        alive = _alive(t, len(h), lengths)
        a = _linear(x[t], w_ih, b_ih) + _linear(h, w_hh, b_hh)                        # (N, H)
        h = np.where(alive, np.maximum(a, 0) if relu else np.tanh(a), h)
        y[t] = np.where(alive, h, 0)
    return y.astype(dtype)


def rnn_backward(dy, x, h0, w_ih, w_hh, y, relu=False, lengths=None, reverse=False, needs_dx=True):
    """dx (or None), dh0, dw_ih, dw_hh and db (both biases have the same) of `rnn_forward`, which returned y."""
    dtype = x.dtype
    dy, x, h0, w_ih, w_hh, y = _wide(dy, x, h0, w_ih, w_hh, y)
    dg, dh = np.zeros_like(y), np.zeros_like(h0)
    for t in _steps(len(x), not reverse):
        alive = _alive(t, len(h0), lengths)
        slope = y[t] > 0 if relu else 1 - y[t] ** 2
        dg[t] = np.where(alive, (dy[t] + dh) * slope, 0)
        dh = np.where(alive, dg[t] @ w_hh, dh)
    dx, dw_ih, dw_hh, db, _ = _weight_grads(dg, dg, x, _before(y, h0, lengths, reverse), w_ih, needs_dx)
    return _narrow(dtype, dx, dh, dw_ih, dw_hh, db)


def gru_forward(x, h0, w_ih, w_hh, b_ih, b_hh, lengths=None, reverse=False):
    """y (T, N, H): the state after each step of a GRU; and for `gru_backward` the gates r, z, n (T, N, 3H), and q = W_hn h + b_hn.

    w_ih (3H, I), w_hh (3H, H), biases (3H,).
    """
    dtype, H = x.dtype, h0.shape[1]
    x, h, w_ih, w_hh, b_ih, b_hh = _wide(x, h0, w_ih, w_hh, b_ih, b_hh)
    y, gates, hidden = (np.zeros(x.shape[:2] + (size,)) for size in (H, 3 * H, H))
    for t in _steps(len(x), reverse):
        alive = _alive(t, len(h), lengths)
        u = _linear(x[t], w_ih, b_ih)                                                       # (N, 3H)
        v = _linear(h, w_hh, b_hh)                                                          # (N, 3H)
        r, z, q = _sigmoid(u[:, :H] + v[:, :H]), _sigmoid(u[:, H:2 * H] + v[:, H:2 * H]), v[:, 2 * H:]
        n = np.tanh(u[:, 2 * H:] + r * q)
        h = np.where(alive, (1 - z) * n + z * h, h)
        y[t], gates[t], hidden[t] = np.where(alive, h, 0), np.concatenate([r, z, n], 1), q
    return _narrow(dtype, y, gates, hidden)


def gru_backward(dy, x, h0, w_ih, w_hh, y, gates, hidden, lengths=None, reverse=False, needs_dx=True):
    """dx (or None), dh0, dw_ih, dw_hh, db_ih, db_hh of `gru_forward`, which returned y, gates and hidden.

    With dh the gradient of the state after a step, that from the steps to come included, and a_· what each function was given:

        da_n = dh ⊙ (1 − z) ⊙ (1 − n²)     da_z = dh ⊙ (h − n) ⊙ z ⊙ (1 − z)     da_r = da_n ⊙ q ⊙ r ⊙ (1 − r)

    and dh ⊙ z + W_hhᵀ (da_r, da_z, da_n ⊙ r) is the gradient of the state h before it.
    """
    dtype, H = x.dtype, h0.shape[1]
    dy, x, h0, w_ih, w_hh, y, gates, hidden = _wide(dy, x, h0, w_ih, w_hh, y, gates, hidden)
    before, dh = _before(y, h0, lengths, reverse), np.zeros_like(h0)
    dgx, dgh = np.zeros_like(gates), np.zeros_like(gates)
    for t in _steps(len(x), not reverse):
        alive = _alive(t, len(h0), lengths)
        r, z, n, q = gates[t, :, :H], gates[t, :, H:2 * H], gates[t, :, 2 * H:], hidden[t]
        e = dy[t] + dh
        dn, dz = e * (1 - z) * (1 - n * n), e * (before[t] - n) * z * (1 - z)
        dr = dn * q * r * (1 - r)
        dgx[t] = np.where(alive, np.concatenate([dr, dz, dn], 1), 0)
        dgh[t] = np.where(alive, np.concatenate([dr, dz, dn * r], 1), 0)
        dh = np.where(alive, e * z + dgh[t] @ w_hh, dh)
    dx, *rest = _weight_grads(dgx, dgh, x, before, w_ih, needs_dx)
    return _narrow(dtype, dx, dh, *rest)


def lstm_forward(x, h0, c0, w_ih, w_hh, b_ih, b_hh, w_hr, lengths=None, reverse=False):
    """y (T, N, H or P) and c (T, N, H), both states after each step of an LSTM; and for `lstm_backward` the gates i, f, g, o
    (T, N, 4H). c is 0 where y is.

    w_ih (4H, I), w_hh (4H, H or P), biases (4H,), w_hr (P, H) or None.
    """
    dtype, H = x.dtype, c0.shape[1]
    x, h, c, w_ih, w_hh, b_ih, b_hh, w_hr = _wide(x, h0, c0, w_ih, w_hh, b_ih, b_hh, w_hr)
    y, cells, gates = (np.zeros(x.shape[:2] + (size,)) for size in (h.shape[1], H, 4 * H))
    for t in _steps(len(x), reverse):
        alive = _alive(t, len(h), lengths)
        a = _linear(x[t], w_ih, b_ih) + _linear(h, w_hh, b_hh)                        # (N, 4H)
        i, f, o = (_sigmoid(a[:, k * H:(k + 1) * H]) for k in (0, 1, 3))
        g = np.tanh(a[:, 2 * H:3 * H])
        c = np.where(alive, f * c + i * g, c)
        m = o * np.tanh(c)
        h = np.where(alive, m if w_hr is None else m @ w_hr.T, h)
        y[t], cells[t], gates[t] = np.where(alive, h, 0), np.where(alive, c, 0), np.concatenate([i, f, g, o], 1)
    return _narrow(dtype, y, cells, gates)


def lstm_backward(dy, dc, x, h0, c0, w_ih, w_hh, w_hr, y, c, gates, lengths=None, reverse=False, needs_dx=True):
    """dx (or None), dh0, dc0, dw_ih, dw_hh, db (both biases have the same), dw_hr (or None) of `lstm_forward`.

    dy and dc are the gradients of y and c. With dm that of o ⊙ tanh c after a step, ds that of c there (both from the steps to
    come included: ds = dc + dm ⊙ o ⊙ (1 − tanh² c) + …), c⁻ the cell before it, and a_· what each function was given:

        da_i = ds ⊙ g ⊙ i ⊙ (1 − i)     da_f = ds ⊙ c⁻ ⊙ f ⊙ (1 − f)     da_g = ds ⊙ i ⊙ (1 − g²)     da_o = dm ⊙ tanh c ⊙ o ⊙ (1 − o)

    and ds ⊙ f and W_hhᵀ da are the gradients of both states before it.
    """
    dtype, H = x.dtype, c0.shape[1]
    dy, dc, x, h0, c0, w_ih, w_hh, w_hr, y, c, gates = _wide(dy, dc, x, h0, c0, w_ih, w_hh, w_hr, y, c, gates)
    cells, dh, ds = _before(c, c0, lengths, reverse), np.zeros_like(h0), np.zeros_like(c0)
    dg, dw_hr = np.zeros_like(gates), None if w_hr is None else np.zeros_like(w_hr)
    for t in _steps(len(x), not reverse):
        alive = _alive(t, len(h0), lengths)
        i, f, g, o = (gates[t, :, k * H:(k + 1) * H] for k in range(4))
        bent = np.tanh(c[t])
        e = np.where(alive, dy[t] + dh, 0)                                                      # (N, H or P)
        if w_hr is not None:
            dw_hr += e.T @ (o * bent)
        dm = e if w_hr is None else e @ w_hr                                                    # (N, H)
        d = dc[t] + ds + dm * o * (1 - bent * bent)
        da = [d * g * i * (1 - i), d * cells[t] * f * (1 - f), d * i * (1 - g * g), dm * bent * o * (1 - o)]
        dg[t] = np.where(alive, np.concatenate(da, 1), 0)
        dh, ds = np.where(alive, dg[t] @ w_hh, dh), np.where(alive, d * f, ds)
    dx, dw_ih, dw_hh, db, _ = _weight_grads(dg, dg, x, _before(y, h0, lengths, reverse), w_ih, needs_dx)
    return _narrow(dtype, dx, dh, ds, dw_ih, dw_hh, db, dw_hr)
