"""The plain recurrent layer; see `reference/recurrent.py`. W_ih x_t of all steps becomes y where it lies."""
import numpy as np

from .. import array, reduce
from ..jit import part
from ..launch import launch, unpack
from ..mathfun import maximum_, tanh_
from ..simd import clear_run, copy_run
from .steps import bias_of, length_of, packed_weights, plan, product, projected, states_of, weight_grads, whole_tiles


@part
def _rnn(t, given, packed, bias, h0, y):
    """All steps of one block of sequences; y comes with W_ih x_t in it."""
    T, N, H, _, block, reverse, relu = unpack(given, 7)
    first = t * block
    rows = min(block, N - first)
    h = states_of(rows, H, h0, first)
    for step in range(T):
        s = T - 1 - step if reverse else step
        product(h, H, packed, np.int64(0), H, y, (s * N + first) * H, H, rows, True)
        for m in range(rows):
            at = (s * N + first + m) * H
            if s >= length_of(given, first + m, T):
                clear_run(y, at, H)
                continue
            new, state = y[at:at + H], h[m * H:(m + 1) * H]
            if relu:
                for j in range(H):
                    new[j] = maximum_(new[j] + bias[j], y.dtype.type(0))
            else:
                for j in range(H):
                    new[j] = tanh_(new[j] + bias[j])
            for j in range(H):
                state[j] = new[j]


def rnn_forward(x, h0, w_ih, w_hh, b_ih, b_hh, relu=False, lengths=None, reverse=False):
    """y (T, N, H): the state after each step of an RNN with tanh, or with max(·, 0). w_ih (H, I), w_hh (H, H), biases (H,)."""
    y = projected(x, w_ih)
    packed, _ = packed_weights(w_hh, 1, True)
    tasks, given, work = plan(x, h0, h0.shape[1], 1, lengths, reverse, relu)
    launch(_rnn, tasks, given, packed, bias_of(b_ih, b_hh, w_ih), h0, y, work=work)
    return y


@part
def _rnn_backward(t, given, packed, y, dy, dg, dh0):
    """All steps of one block of sequences, from the last to the first."""
    T, N, H, _, block, reverse, relu = unpack(given, 7)
    first = t * block
    rows = min(block, N - first)
    dh = np.zeros(whole_tiles(rows) * H, dy.dtype)
    da = np.zeros(len(dh), dy.dtype)
    for step in range(T):
        s = step if reverse else T - 1 - step
        for m in range(rows):
            at = (s * N + first + m) * H
            d, state = da[m * H:(m + 1) * H], dh[m * H:(m + 1) * H]
            if s >= length_of(given, first + m, T):
                clear_run(da, m * H, H)
                clear_run(dg, at, H)
                continue
            new, slope = y[at:at + H], dy[at:at + H]
            if relu:
                for j in range(H):
                    d[j] = slope[j] + state[j] if new[j] > y.dtype.type(0) else y.dtype.type(0)
            else:
                for j in range(H):
                    d[j] = (slope[j] + state[j]) * (y.dtype.type(1) - new[j] * new[j])
            copy_run(da, m * H, dg, at, H)
            clear_run(dh, m * H, H)
        product(da, H, packed, np.int64(0), H, dh, np.int64(0), H, rows, True)
    copy_run(dh, np.int64(0), dh0, first * H, rows * H)


def rnn_backward(dy, x, h0, w_ih, w_hh, y, relu=False, lengths=None, reverse=False, needs_dx=True):
    """dx (or None), dh0, dw_ih, dw_hh and db (both biases have the same) of `rnn_forward`, which returned y."""
    packed, _ = packed_weights(w_hh, 1, False)
    dg, dh0 = array.empty(y.shape, y.dtype), array.empty(h0.shape, h0.dtype)
    tasks, given, work = plan(x, h0, h0.shape[1], 1, lengths, reverse, relu)
    launch(_rnn_backward, tasks, given, packed, y, dy, dg, dh0, work=work)
    dx, dw_ih, dw_hh = weight_grads(dg, dg, x, y, h0, w_ih, lengths, reverse, needs_dx)
    return dx, dh0, dw_ih, dw_hh, reduce.sum(dg, (0, 1))
