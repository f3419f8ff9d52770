"""Recurrent layers as they are written down: one thread takes a sequence through its steps, one number after the other.

Read these before `rnn.py`, `gru.py` and `lstm.py`; the formulas, and what the arguments are, stand in `reference/recurrent.py`.
A step multiplies two matrices by two vectors, and every weight is loaded for one multiplication: that is what the fast ones
avoid, by taking several sequences through a step at once.
"""
import numpy as np
from numba import prange

from .. import array
from ..jit import kernel, part
from ..mathfun import maximum_, sigmoid_, tanh_
from .gru import _mixed

__all__ = ["rnn_forward_plain", "rnn_backward_plain", "gru_forward_plain", "gru_backward_plain", "lstm_forward_plain", "lstm_backward_plain"]


@part
def _add_product(w, v, y):
    """y += W v"""
    for g in range(len(y)):
        for i in range(len(v)):
            y[g] += w[g, i] * v[i]


@part
def _add_transposed(w, v, y):
    """y += Wᵀ v"""
    for g in range(len(v)):
        for i in range(len(y)):
            y[i] += w[g, i] * v[g]


@part
def _before(states, first, t, n, length, reverse):
    """The state before step t of sequence n."""
    t = t + 1 if reverse else t - 1
    return states[t, n] if 0 <= t < length else first[n]


@kernel
def _rnn(x, h0, w_ih, w_hh, b, relu, lengths, reverse, y):
    for n in prange(len(h0)):
        h, a = h0[n], np.empty_like(b)
        for step in range(lengths[n]):
            t = lengths[n] - 1 - step if reverse else step
            a[:] = b
            _add_product(w_ih, x[t, n], a)
            _add_product(w_hh, h, a)
            for j in range(len(a)):
                y[t, n, j] = maximum_(a[j], a.dtype.type(0)) if relu else tanh_(a[j])
            h = y[t, n]


@kernel
def _gru(x, h0, w_ih, w_hh, b_ih, b_hh, lengths, reverse, y, gates, hidden):
    H = h0.shape[1]
    for n in prange(len(h0)):
        h, u, v = h0[n], np.empty_like(b_ih), np.empty_like(b_hh)
        for step in range(lengths[n]):
            t = lengths[n] - 1 - step if reverse else step
            u[:] = b_ih
            v[:] = b_hh
            _add_product(w_ih, x[t, n], u)
            _add_product(w_hh, h, v)
            for j in range(H):
                r, z, q = sigmoid_(u[j] + v[j]), sigmoid_(u[H + j] + v[H + j]), v[2 * H + j]
                c = tanh_(u[2 * H + j] + r * q)
                y[t, n, j] = _mixed(z, c, h[j])
                gates[t, n, j], gates[t, n, H + j], gates[t, n, 2 * H + j], hidden[t, n, j] = r, z, c, q
            h = y[t, n]


@kernel
def _lstm(x, h0, c0, w_ih, w_hh, b, w_hr, lengths, reverse, y, cells, gates):
    H = c0.shape[1]
    for n in prange(len(h0)):
        h, c, a, m = h0[n], c0[n], np.empty_like(b), np.empty_like(c0[0])
        for step in range(lengths[n]):
            t = lengths[n] - 1 - step if reverse else step
            a[:] = b
            _add_product(w_ih, x[t, n], a)
            _add_product(w_hh, h, a)
            for j in range(H):
                i, f, g, o = sigmoid_(a[j]), sigmoid_(a[H + j]), tanh_(a[2 * H + j]), sigmoid_(a[3 * H + j])
                cells[t, n, j] = f * c[j] + i * g
                m[j] = o * tanh_(cells[t, n, j])
                gates[t, n, j], gates[t, n, H + j], gates[t, n, 2 * H + j], gates[t, n, 3 * H + j] = i, f, g, o
            if len(w_hr):
                y[t, n] = 0
                _add_product(w_hr, m, y[t, n])
            else:
                y[t, n] = m
            h, c = y[t, n], cells[t, n]


@kernel
def _rnn_backward(dy, w_hh, y, relu, lengths, reverse, dg, dh0):
    zero, one = y.dtype.type(0), y.dtype.type(1)
    for n in prange(len(dh0)):
        dh = dh0[n]
        dh[:] = 0
        for step in range(lengths[n]):
            t = step if reverse else lengths[n] - 1 - step
            for j in range(len(dh)):
                new = y[t, n, j]
                slope = (one if new > zero else zero) if relu else one - new * new
                dg[t, n, j] = (dy[t, n, j] + dh[j]) * slope
            dh[:] = 0
            _add_transposed(w_hh, dg[t, n], dh)


@kernel
def _gru_backward(dy, h0, w_hh, y, gates, hidden, lengths, reverse, dgx, dgh, dh0):
    H, one = h0.shape[1], y.dtype.type(1)
    for n in prange(len(dh0)):
        dh = dh0[n]
        dh[:] = 0
        for step in range(lengths[n]):
            t = step if reverse else lengths[n] - 1 - step
            h = _before(y, h0, t, n, lengths[n], reverse)
            for j in range(H):
                e, r, z, c = dy[t, n, j] + dh[j], gates[t, n, j], gates[t, n, H + j], gates[t, n, 2 * H + j]
                dn = e * (one - z) * (one - c * c)
                dz, dr = e * (h[j] - c) * z * (one - z), dn * hidden[t, n, j] * r * (one - r)
                dgx[t, n, j], dgx[t, n, H + j], dgx[t, n, 2 * H + j] = dr, dz, dn
                dgh[t, n, j], dgh[t, n, H + j], dgh[t, n, 2 * H + j] = dr, dz, dn * r
                dh[j] = e * z
            _add_transposed(w_hh, dgh[t, n], dh)


@kernel
def _lstm_backward(dy, dc, c0, w_hh, w_hr, cells, gates, lengths, reverse, dg, inner, outer, dh0, dc0):
    """inner, outer: o ⊙ tanh c, and the gradient of what W_hr makes of it."""
    H, one = c0.shape[1], dy.dtype.type(1)
    for n in prange(len(dh0)):
        dh, ds, dm = dh0[n], dc0[n], np.empty_like(c0[0])
        dh[:] = 0
        ds[:] = 0
        for step in range(lengths[n]):
            t = step if reverse else lengths[n] - 1 - step
            c = _before(cells, c0, t, n, lengths[n], reverse)
            e = outer[t, n]
            for j in range(len(dh)):
                e[j] = dy[t, n, j] + dh[j]
            if len(w_hr):
                dm[:] = 0
                _add_transposed(w_hr, e, dm)
            else:
                dm[:] = e
            for j in range(H):
                i, f, g, o = gates[t, n, j], gates[t, n, H + j], gates[t, n, 2 * H + j], gates[t, n, 3 * H + j]
                bent = tanh_(cells[t, n, j])
                inner[t, n, j] = o * bent
                d = dc[t, n, j] + ds[j] + dm[j] * o * (one - bent * bent)
                dg[t, n, j], dg[t, n, H + j] = d * g * i * (one - i), d * c[j] * f * (one - f)
                dg[t, n, 2 * H + j], dg[t, n, 3 * H + j] = d * i * (one - g * g), dm[j] * bent * o * (one - o)
                ds[j] = d * f
            dh[:] = 0
            _add_transposed(w_hh, dg[t, n], dh)


@kernel
def _of_weights(dg, x, dw, db):
    """dw[g] = Σ_t,n dg[t,n,g] · x[t,n], and db[g] = Σ dg[t,n,g]: one thread a row of the weights."""
    for g in prange(len(dw)):
        dw[g] = 0
        db[g] = 0
        for t in range(len(dg)):
            for n in range(dg.shape[1]):
                db[g] += dg[t, n, g]
                for i in range(dw.shape[1]):
                    dw[g, i] += dg[t, n, g] * x[t, n, i]


@kernel
def _of_input(dg, w_ih, dx):
    for n in prange(dx.shape[1]):
        for t in range(len(dx)):
            dx[t, n] = 0
            _add_transposed(w_ih, dg[t, n], dx[t, n])


def _weight_gradient(dg, x):
    dw, db = array.empty((dg.shape[2], x.shape[2]), x.dtype), array.empty(dg.shape[2:], x.dtype)
    _of_weights(dg, x, dw, db)
    return dw, db


def _input_gradient(dg, x, w_ih):
    dx = array.empty(x.shape, x.dtype)
    _of_input(dg, w_ih, dx)
    return dx


def _states_before(y, first, lengths, reverse):
    """The state before each step, (T, N, ·)."""
    before = array.zeros(y.shape, y.dtype)
    if reverse:
        before[:-1] = y[1:]
        before[lengths - 1, np.arange(len(lengths))] = first
    else:
        before[1:] = y[:-1]
        before[0] = first
    return before


def _lengths(x, lengths):
    return np.full(x.shape[1], len(x)) if lengths is None else lengths


def _bias(b, w):
    return array.zeros(w.shape[:1], w.dtype) if b is None else b


def _room(x, *sizes):
    """Zeros (T, N, size), one array for each size."""
    return [array.zeros(x.shape[:2] + (size,), x.dtype) for size in sizes]


def rnn_forward_plain(x, h0, w_ih, w_hh, b_ih, b_hh, relu=False, lengths=None, reverse=False):
    """`rnn_forward` with one thread a sequence."""
    y, = _room(x, h0.shape[1])
    _rnn(x, h0, w_ih, w_hh, _bias(b_ih, w_ih) + _bias(b_hh, w_hh), bool(relu), _lengths(x, lengths), bool(reverse), y)
    return y


def rnn_backward_plain(dy, x, h0, w_ih, w_hh, y, relu=False, lengths=None, reverse=False, needs_dx=True):
    """`rnn_backward` with one thread a sequence, then a row of weights."""
    lengths = _lengths(x, lengths)
    (dg,), dh0 = _room(x, h0.shape[1]), array.empty(h0.shape, h0.dtype)
    _rnn_backward(dy, w_hh, y, bool(relu), lengths, bool(reverse), dg, dh0)
    (dw_ih, db), (dw_hh, _) = _weight_gradient(dg, x), _weight_gradient(dg, _states_before(y, h0, lengths, reverse))
    return _input_gradient(dg, x, w_ih) if needs_dx else None, dh0, dw_ih, dw_hh, db


def gru_forward_plain(x, h0, w_ih, w_hh, b_ih, b_hh, lengths=None, reverse=False):
    """`gru_forward` with one thread a sequence; its gates are 0 beyond a sequence's end."""
    H = h0.shape[1]
    y, gates, hidden = _room(x, H, 3 * H, H)
    _gru(x, h0, w_ih, w_hh, _bias(b_ih, w_ih), _bias(b_hh, w_hh), _lengths(x, lengths), bool(reverse), y, gates, hidden)
    return y, gates, hidden


def gru_backward_plain(dy, x, h0, w_ih, w_hh, y, gates, hidden, lengths=None, reverse=False, needs_dx=True):
    """`gru_backward` with one thread a sequence, then a row of weights."""
    lengths = _lengths(x, lengths)
    (dgx, dgh), dh0 = _room(x, *2 * (gates.shape[2],)), array.empty(h0.shape, h0.dtype)
    _gru_backward(dy, h0, w_hh, y, gates, hidden, lengths, bool(reverse), dgx, dgh, dh0)
    (dw_ih, db_ih), (dw_hh, db_hh) = _weight_gradient(dgx, x), _weight_gradient(dgh, _states_before(y, h0, lengths, reverse))
    return _input_gradient(dgx, x, w_ih) if needs_dx else None, dh0, dw_ih, dw_hh, db_ih, db_hh


def lstm_forward_plain(x, h0, c0, w_ih, w_hh, b_ih, b_hh, w_hr, lengths=None, reverse=False):
    """`lstm_forward` with one thread a sequence; its gates are 0 beyond a sequence's end."""
    y, cells, gates = _room(x, h0.shape[1], c0.shape[1], 4 * c0.shape[1])
    w_hr = array.empty((0, c0.shape[1]), x.dtype) if w_hr is None else w_hr
    _lstm(x, h0, c0, w_ih, w_hh, _bias(b_ih, w_ih) + _bias(b_hh, w_hh), w_hr, _lengths(x, lengths), bool(reverse), y, cells, gates)
    return y, cells, gates


def lstm_backward_plain(dy, dc, x, h0, c0, w_ih, w_hh, w_hr, y, c, gates, lengths=None, reverse=False, needs_dx=True):
    """`lstm_backward` with one thread a sequence, then a row of weights."""
    lengths = _lengths(x, lengths)
    dg, inner, outer = _room(x, gates.shape[2], c0.shape[1], h0.shape[1])
    dh0, dc0 = array.empty(h0.shape, h0.dtype), array.empty(c0.shape, c0.dtype)
    projection = array.empty((0, c0.shape[1]), x.dtype) if w_hr is None else w_hr
    _lstm_backward(dy, dc, c0, w_hh, projection, c, gates, lengths, bool(reverse), dg, inner, outer, dh0, dc0)
    (dw_ih, db), (dw_hh, _) = _weight_gradient(dg, x), _weight_gradient(dg, _states_before(y, h0, lengths, reverse))
    dw_hr = None if w_hr is None else _weight_gradient(outer, inner)[0]
    return _input_gradient(dg, x, w_ih) if needs_dx else None, dh0, dc0, dw_ih, dw_hh, db, dw_hr
