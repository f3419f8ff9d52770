"""The gated recurrent unit; see `reference/recurrent.py`. W_ih x_t of all steps becomes the gates where it lies."""
import numpy as np

from .. import array, reduce
from ..jit import part, precise
from ..launch import launch, unpack
from ..mathfun import like, sigmoid_, tanh_
from ..simd import clear_run, copy_run
from .steps import length_of, packed_weights, plan, product, projected, state_before, states_of, weight_grads, whole_tiles


@precise
def _mixed(z, n, h):
    """(1 − z) n + z h, and exactly h where z is 1: as n + z (h − n), which LLVM would make of it, it is not."""
    return (like(1, z) - z) * n + z * h


@part
def _gru_gates(gates, q, bias, h, y):
    """One step of one sequence: `gates` holds W_ih x_t + (W_hr h, W_hz h, 0) and becomes r, z, n; q holds W_hn h."""
    H = len(h)
    both, n, of_n, of_q = gates[:2 * H], gates[2 * H:], bias[2 * H:3 * H], bias[3 * H:]
    for j in range(2 * H):
        both[j] = sigmoid_(both[j] + bias[j])
    r, z = gates[:H], gates[H:2 * H]
    for j in range(H):
        q[j] += of_q[j]
    for j in range(H):
        n[j] = tanh_(n[j] + of_n[j] + r[j] * q[j])
    for j in range(H):
        y[j] = _mixed(z[j], n[j], h[j])
    for j in range(H):
        h[j] = y[j]


@part
def _gru(t, given, packed, bias, h0, gates, hidden, y):
    """All steps of one block of sequences; `gates` comes with W_ih x_t in it."""
    T, N, H, _, block, reverse, room = unpack(given, 7)
    first = t * block
    rows = min(block, N - first)
    h = states_of(rows, H, h0, first)
    for step in range(T):
        s = T - 1 - step if reverse else step
        at = s * N + first
        product(h, H, packed, np.int64(0), H, gates, at * 3 * H, 3 * H, rows, True)
        product(h, H, packed, room, H, gates, at * 3 * H + H, 3 * H, rows, True)
        product(h, H, packed, 2 * room, H, hidden, at * H, H, rows, False)
        for m in range(rows):
            i = at + m
            if s < length_of(given, first + m, T):
                _gru_gates(gates[i * 3 * H:(i + 1) * 3 * H], hidden[i * H:(i + 1) * H], bias, h[m * H:(m + 1) * H],
                           y[i * H:(i + 1) * H])
            else:
                clear_run(y, i * H, H)


def gru_forward(x, h0, w_ih, w_hh, b_ih, b_hh, lengths=None, reverse=False):
    """y (T, N, H): the state after each step of a GRU; and for `gru_backward` the gates r, z, n (T, N, 3H), and q = W_hn h + b_hn.

    w_ih (3H, I), w_hh (3H, H), biases (3H,).
    """
    H = h0.shape[1]
    gates = projected(x, w_ih)
    y, hidden = (array.empty(x.shape[:2] + (H,), x.dtype) for _ in range(2))
    packed, room = packed_weights(w_hh, 3, True)
    bias = array.zeros((4 * H,), x.dtype)                      # of r and z, of n's two parts
    if b_ih is not None:
        bias[:3 * H] = b_ih
        bias[:2 * H] += b_hh[:2 * H]
        bias[3 * H:] = b_hh[2 * H:]
    tasks, given, work = plan(x, h0, H, 3, lengths, reverse, room)
    launch(_gru, tasks, given, packed, bias, h0, gates, hidden, y, work=work)
    return y, gates, hidden


@part
def _gru_slopes(gates, q, h, dy, dh, da, dn):
    """One step of one sequence: da becomes the gradient of W_hh h, dn that of W_in x; dh that of h but for its part through W_hh."""
    H, one = len(h), h.dtype.type(1)
    r, z, n, dr, dz, dq = gates[:H], gates[H:2 * H], gates[2 * H:], da[:H], da[H:2 * H], da[2 * H:]
    for j in range(H):
        dh[j] += dy[j]
    for j in range(H):
        dn[j] = dh[j] * (one - z[j]) * (one - n[j] * n[j])
    for j in range(H):
        dz[j] = dh[j] * (h[j] - n[j]) * z[j] * (one - z[j])
    for j in range(H):
        dr[j] = dn[j] * q[j] * r[j] * (one - r[j])
    for j in range(H):
        dq[j] = dn[j] * r[j]
    for j in range(H):
        dh[j] *= z[j]


@part
def _gru_backward(t, given, packed, h0, y, gates, hidden, dy, dgx, dgh, dh0):
    """All steps of one block of sequences, from the last to the first."""
    T, N, H, _, block, reverse = unpack(given, 6)
    first = t * block
    rows = min(block, N - first)
    dh = np.zeros(whole_tiles(rows) * H, dy.dtype)
    da = np.zeros(3 * len(dh), dy.dtype)
    for step in range(T):
        s = step if reverse else T - 1 - step
        for m in range(rows):
            i, n = s * N + first + m, first + m
            length = length_of(given, n, T)
            if s >= length:
                clear_run(da, m * 3 * H, 3 * H)
                clear_run(dgx, i * 3 * H, 3 * H)
                clear_run(dgh, i * 3 * H, 3 * H)
                continue
            _gru_slopes(gates[i * 3 * H:(i + 1) * 3 * H], hidden[i * H:(i + 1) * H],
                        state_before(y, h0, s, n, N, H, length, reverse), dy[i * H:(i + 1) * H], dh[m * H:(m + 1) * H],
                        da[m * 3 * H:(m + 1) * 3 * H], dgx[i * 3 * H + 2 * H:(i + 1) * 3 * H])
            copy_run(da, m * 3 * H, dgx, i * 3 * H, 2 * H)
            copy_run(da, m * 3 * H, dgh, i * 3 * H, 3 * H)
        product(da, 3 * H, packed, np.int64(0), H, dh, np.int64(0), H, rows, True)
    copy_run(dh, np.int64(0), dh0, first * H, rows * H)


def gru_backward(dy, x, h0, w_ih, w_hh, y, gates, hidden, lengths=None, reverse=False, needs_dx=True):
    """dx (or None), dh0, dw_ih, dw_hh, db_ih, db_hh of `gru_forward`, which returned y, gates and hidden."""
    H = h0.shape[1]
    packed, _ = packed_weights(w_hh, 1, False)
    dgx, dgh, dh0 = (array.empty(a.shape, a.dtype) for a in (gates, gates, h0))
    tasks, given, work = plan(x, h0, H, 3, lengths, reverse)
    launch(_gru_backward, tasks, given, packed, h0, y, gates, hidden, dy, dgx, dgh, dh0, work=work)
    dx, dw_ih, dw_hh = weight_grads(dgx, dgh, x, y, h0, w_ih, lengths, reverse, needs_dx)
    return dx, dh0, dw_ih, dw_hh, reduce.sum(dgx, (0, 1)), reduce.sum(dgh, (0, 1))
