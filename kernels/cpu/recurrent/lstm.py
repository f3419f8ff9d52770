"""Long short-term memory; see `reference/recurrent.py`. W_ih x_t of all steps becomes the gates where it lies."""
import numpy as np

from .. import array, reduce
from ..jit import part
from ..launch import launch, unpack
from ..mathfun import sigmoid_, tanh_
from ..matmul import matmul
from ..simd import clear_run, copy_run
from .steps import (bias_of, length_of, packed_weights, plan, product, projected, state_before, states_of, weight_grads,
                    whole_tiles)


@part
def _lstm_gates(gates, bias, c, h, out):
    """One step of one sequence: `gates` holds W_ih x_t + W_hh h and becomes i, f, g, o; c the next cell, also in `out`; h o ⊙ tanh c."""
    H = len(c)
    i, f, g, o = gates[:H], gates[H:2 * H], gates[2 * H:3 * H], gates[3 * H:]
    both, of_g, of_o = gates[:2 * H], bias[2 * H:3 * H], bias[3 * H:]
    for j in range(2 * H):
        both[j] = sigmoid_(both[j] + bias[j])
    for j in range(H):
        g[j] = tanh_(g[j] + of_g[j])
    for j in range(H):
        o[j] = sigmoid_(o[j] + of_o[j])
    for j in range(H):
        c[j] = f[j] * c[j] + i[j] * g[j]
    for j in range(H):
        h[j] = o[j] * tanh_(c[j])
    for j in range(H):
        out[j] = c[j]


@part
def _lstm(t, given, packed, bias, h0, c0, gates, y, cells):
    """All steps of one block of sequences; `gates` comes with W_ih x_t in it. room: where W_hr lies in `packed`, or 0."""
    T, N, H, P, block, reverse, room = unpack(given, 7)
    first = t * block
    rows = min(block, N - first)
    h, c = states_of(rows, P, h0, first), states_of(rows, H, c0, first)
    bent = np.zeros(whole_tiles(rows) * H, y.dtype)              # o ⊙ tanh c
    for step in range(T):
        s = T - 1 - step if reverse else step
        at = s * N + first
        product(h, P, packed, np.int64(0), 4 * H, gates, at * 4 * H, 4 * H, rows, True)
        for m in range(rows):
            i = at + m
            if s < length_of(given, first + m, T):
                _lstm_gates(gates[i * 4 * H:(i + 1) * 4 * H], bias, c[m * H:(m + 1) * H], bent[m * H:(m + 1) * H],
                            cells[i * H:(i + 1) * H])
            else:
                clear_run(cells, i * H, H)
        if room:
            product(bent, H, packed, room, P, y, at * P, P, rows, False)
        else:
            copy_run(bent, np.int64(0), y, at * H, rows * H)
        for m in range(rows):
            if s < length_of(given, first + m, T):
                copy_run(y, (at + m) * P, h, m * P, P)
            else:
                clear_run(y, (at + m) * P, P)


def _both_packed(w_hh, w_hr, transposed):
    """W_hh and, if there is one, W_hr in one array, and where the second begins (0: there is none)."""
    packed, room = packed_weights(w_hh, 1, transposed)
    if w_hr is None:
        return packed, 0
    return array.cat([packed, packed_weights(w_hr, 1, transposed)[0]], 0), room


def lstm_forward(x, h0, c0, w_ih, w_hh, b_ih, b_hh, w_hr, lengths=None, reverse=False):
    """y (T, N, H or P) and c (T, N, H), both states after each step of an LSTM; and for `lstm_backward` the gates i, f, g, o
    (T, N, 4H). c is 0 where y is.

    w_ih (4H, I), w_hh (4H, H or P), biases (4H,), w_hr (P, H) or None.
    """
    gates = projected(x, w_ih)
    y, cells = (array.empty(x.shape[:2] + a.shape[1:], x.dtype) for a in (h0, c0))
    packed, room = _both_packed(w_hh, w_hr, True)
    tasks, given, work = plan(x, h0, c0.shape[1], 4, lengths, reverse, room)
    launch(_lstm, tasks, given, packed, bias_of(b_ih, b_hh, w_ih), h0, c0, gates, y, cells, work=work)
    return y, cells, gates


@part
def _lstm_slopes(gates, before, c, dc, ds, dm, da, bent):
    """One step of one sequence: da becomes the gradient of the gates' sums, ds that of the cell before; bent o ⊙ tanh c."""
    H, one = len(c), c.dtype.type(1)
    i, f, g, o = gates[:H], gates[H:2 * H], gates[2 * H:3 * H], gates[3 * H:]
    di, df, dg, do = da[:H], da[H:2 * H], da[2 * H:3 * H], da[3 * H:]
    for j in range(H):
        bent[j] = tanh_(c[j])
    for j in range(H):
        do[j] = dm[j] * bent[j] * o[j] * (one - o[j])
    for j in range(H):
        ds[j] += dc[j] + dm[j] * o[j] * (one - bent[j] * bent[j])
    for j in range(H):
        di[j] = ds[j] * g[j] * i[j] * (one - i[j])
    for j in range(H):
        df[j] = ds[j] * before[j] * f[j] * (one - f[j])
    for j in range(H):
        dg[j] = ds[j] * i[j] * (one - g[j] * g[j])
    for j in range(H):
        ds[j] *= f[j]
    for j in range(H):
        bent[j] *= o[j]


@part
def _lstm_backward(t, given, packed, c0, cells, gates, dy, dc, dg, inner, outer, starts):
    """All steps of one block of sequences, from the last to the first.

    With a projection, `inner` gets o ⊙ tanh c and `outer` its gradient after W_hr. starts: dh0 and after it dc0.
    """
    T, N, H, P, block, reverse, room = unpack(given, 7)
    first = t * block
    rows = min(block, N - first)
    tiled = whole_tiles(rows)
    dh, ds, dm = np.zeros(tiled * P, dy.dtype), np.zeros(tiled * H, dy.dtype), np.zeros(tiled * H, dy.dtype)
    e, da, bent = np.zeros(tiled * P, dy.dtype), np.zeros(tiled * 4 * H, dy.dtype), np.zeros(H, dy.dtype)
    for step in range(T):
        s = step if reverse else T - 1 - step
        at = s * N + first
        for m in range(rows):
            if s < length_of(given, first + m, T):
                total, later, slope = e[m * P:(m + 1) * P], dh[m * P:(m + 1) * P], dy[(at + m) * P:(at + m + 1) * P]
                for j in range(P):
                    total[j] = later[j] + slope[j]
                clear_run(dh, m * P, P)
            else:
                clear_run(e, m * P, P)
        if room:
            product(e, P, packed, room, H, dm, np.int64(0), H, rows, False)
            copy_run(e, np.int64(0), outer, at * P, rows * P)
        else:
            copy_run(e, np.int64(0), dm, np.int64(0), rows * H)
        for m in range(rows):
            i, n = at + m, first + m
            length = length_of(given, n, T)
            if s < length:
                _lstm_slopes(gates[i * 4 * H:(i + 1) * 4 * H], state_before(cells, c0, s, n, N, H, length, reverse),
                             cells[i * H:(i + 1) * H], dc[i * H:(i + 1) * H], ds[m * H:(m + 1) * H], dm[m * H:(m + 1) * H],
                             da[m * 4 * H:(m + 1) * 4 * H], bent)
                if room:
                    copy_run(bent, np.int64(0), inner, i * H, H)
            else:
                clear_run(da, m * 4 * H, 4 * H)
                if room:
                    clear_run(inner, i * H, H)
        copy_run(da, np.int64(0), dg, at * 4 * H, rows * 4 * H)
        product(da, 4 * H, packed, np.int64(0), P, dh, np.int64(0), P, rows, True)
    copy_run(dh, np.int64(0), starts, first * P, rows * P)
    copy_run(ds, np.int64(0), starts, N * P + first * H, rows * H)


def lstm_backward(dy, dc, x, h0, c0, w_ih, w_hh, w_hr, y, c, gates, lengths=None, reverse=False, needs_dx=True):
    """dx (or None), dh0, dc0, dw_ih, dw_hh, db (both biases have the same), dw_hr (or None) of `lstm_forward`.

    dy and dc are the gradients of y and c.
    """
    (N, P), H = h0.shape, c0.shape[1]
    packed, room = _both_packed(w_hh, w_hr, False)
    dg, starts = array.empty(gates.shape, x.dtype), array.empty((N * (P + H),), x.dtype)
    inner, outer = (array.empty(a.shape if room else (0,), x.dtype) for a in (c, y))
    tasks, given, work = plan(x, h0, H, 4, lengths, reverse, room)
    launch(_lstm_backward, tasks, given, packed, c0, c, gates, dy, dc, dg, inner, outer, starts, work=work)
    dx, dw_ih, dw_hh = weight_grads(dg, dg, x, y, h0, w_ih, lengths, reverse, needs_dx)
    dw_hr = matmul(outer.reshape(-1, P), inner.reshape(-1, H), transpose_a=True) if room else None
    return (dx, starts[:N * P].reshape(N, P), starts[N * P:].reshape(N, H), dw_ih, dw_hh, reduce.sum(dg, (0, 1)), dw_hr)
