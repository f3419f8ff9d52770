"""Long short-term memory; see `reference/recurrent.py`. W_ih x_t of all steps becomes the gates where it lies."""
import math

from .. import reduce
from ..array import copy, empty, zeros
from ..elementwise import add
from ..matmul import matmul
from ..runtime import cuda, jit, specialised
from .steps import bias_of, lengths_of, projected, rows, states_before, step, steps, weight_grads


@specialised
def _lstm(real, projection):
    """i, f, g, o and c' of one step, and m = o ⊙ tanh c', which is h' unless there is a `projection`.

    gates[t] comes with W_i x_t in it, through[n] = W_h h (4H).
    """
    zero, one = real(0), real(1)

    @jit
    def lstm(t, through, b_ih, b_hh, lengths, c, h, y, cells, gates):
        k = cuda.grid(1)
        H = c.shape[1]
        if k < c.size:
            n, j = k // H, k % H
            i = one / (one + math.exp(-(gates[t, n, j] + b_ih[j] + through[n, j] + b_hh[j])))
            f = one / (one + math.exp(-(gates[t, n, H + j] + b_ih[H + j] + through[n, H + j] + b_hh[H + j])))
            g = math.tanh(gates[t, n, 2 * H + j] + b_ih[2 * H + j] + through[n, 2 * H + j] + b_hh[2 * H + j])
            o = one / (one + math.exp(-(gates[t, n, 3 * H + j] + b_ih[3 * H + j] + through[n, 3 * H + j] + b_hh[3 * H + j])))
            gates[t, n, j], gates[t, n, H + j], gates[t, n, 2 * H + j], gates[t, n, 3 * H + j] = i, f, g, o
            cell, m = zero, zero
            if t < lengths[n]:
                cell = f * c[n, j] + i * g
                m = o * math.tanh(cell)
                c[n, j] = cell
            cells[t, n, j] = cell
            if projection:
                h[n, j] = m  # to be projected
            else:
                y[t, n, j] = m
                if t < lengths[n]:
                    h[n, j] = m
    return lstm


@specialised
def _new_state(real):
    """After a projection: h' = `new` where the sequence goes on, and y[t]."""
    zero = real(0)

    @jit
    def new_state(t, new, lengths, h, y):
        i = cuda.grid(1)
        if i < h.size:
            n, j = i // h.shape[1], i % h.shape[1]
            y[t, n, j] = zero
            if t < lengths[n]:
                h[n, j] = new[n, j]
                y[t, n, j] = new[n, j]
    return new_state


@specialised
def _state_slope(real):
    """slope[t] = dy[t] + dh, 0 beyond the end, where dh = W_hᵀ dg of the step after + `kept`."""
    zero = real(0)

    @jit
    def state_slope(t, through, lengths, dy, kept, slope):
        i = cuda.grid(1)
        if i < kept.size:
            n, j = i // kept.shape[1], i % kept.shape[1]
            dh = kept[n, j] + through[n, j]
            alive = t < lengths[n]
            slope[t, n, j] = dy[t, n, j] + dh if alive else zero
            kept[n, j] = zero if alive else dh
    return state_slope


@specialised
def _lstm_backward(real):
    """da of one step into dg[t], of dm = the gradient of m = o ⊙ tanh c, and of ds, that of the cell, which it hands down; m again."""
    zero, one = real(0), real(1)

    @jit
    def lstm_backward(t, dm, lengths, before, cells, gates, dc, ds, dg, m):
        k = cuda.grid(1)
        H = ds.shape[1]
        if k < ds.size:
            n, j = k // H, k % H
            da_i, da_f, da_g, da_o, given = zero, zero, zero, zero, zero
            if t < lengths[n]:
                i, f, g, o = gates[t, n, j], gates[t, n, H + j], gates[t, n, 2 * H + j], gates[t, n, 3 * H + j]
                bent = math.tanh(cells[t, n, j])
                d = dc[t, n, j] + ds[n, j] + dm[n, j] * o * (one - bent * bent)
                da_i = d * g * i * (one - i)
                da_f = d * before[t, n, j] * f * (one - f)
                da_g = d * i * (one - g * g)
                da_o = dm[n, j] * bent * o * (one - o)
                given = o * bent
                ds[n, j] = d * f
            dg[t, n, j], dg[t, n, H + j], dg[t, n, 2 * H + j], dg[t, n, 3 * H + j] = da_i, da_f, da_g, da_o
            m[t, n, j] = given
    return lstm_backward


def lstm_forward(x, h0, c0, w_ih, w_hh, b_ih, b_hh, w_hr, lengths=None, reverse=False):
    """y (T, N, H or P) and c (T, N, H), both states after each step of an LSTM; and for `lstm_backward` the gates i, f, g, o
    (T, N, 4H). c is 0 where y is.

    w_ih (4H, I), w_hh (4H, H or P), biases (4H,), w_hr (P, H) or None.
    """
    lengths, b_ih, b_hh = lengths_of(lengths, x), bias_of(b_ih, w_ih), bias_of(b_hh, w_hh)
    (T, N, _), H, P, real = x.shape, c0.shape[1], h0.shape[1], x.dtype.type
    gates, h, c, through = projected(x, w_ih), copy(h0), copy(c0), empty((N, 4 * H), x.dtype)
    y, cells = empty((T, N, P), x.dtype), empty((T, N, H), x.dtype)
    m, new = h if w_hr is None else empty(c0.shape, x.dtype), empty(h0.shape, x.dtype)
    for t in steps(T, reverse):
        matmul(h, w_hh, transpose_b=True, out=through)
        step(_lstm(real, w_hr is not None), c.size, t, through, b_ih, b_hh, lengths, c, m, y, cells, gates)
        if w_hr is not None:
            matmul(m, w_hr, transpose_b=True, out=new)
            step(_new_state(real), h.size, t, new, lengths, h, y)
    return y, cells, gates


def lstm_backward(dy, dc, x, h0, c0, w_ih, w_hh, w_hr, y, c, gates, lengths=None, reverse=False, needs_dx=True):
    """dx (or None), dh0, dc0, dw_ih, dw_hh, db (both biases have the same), dw_hr (or None) of `lstm_forward`.

    dy and dc are the gradients of y and c.
    """
    lengths, real = lengths_of(lengths, x), x.dtype.type
    before = states_before(c, c0, lengths, reverse)
    dg, slope, m = (empty(a.shape, x.dtype) for a in (gates, y, c))
    kept, through, ds, dm = (zeros(a.shape, x.dtype) for a in (h0, h0, c0, c0))
    for t in steps(x.shape[0], not reverse):
        step(_state_slope(real), kept.size, t, through, lengths, dy, kept, slope)
        if w_hr is not None:
            matmul(slope[t], w_hr, out=dm)
        step(_lstm_backward(real), ds.size, t, slope[t] if w_hr is None else dm, lengths, before, c, gates, dc, ds, dg, m)
        matmul(dg[t], w_hh, out=through)
    dx, dw_ih, dw_hh = weight_grads(dg, dg, x, states_before(y, h0, lengths, reverse), w_ih, needs_dx)
    dw_hr = None if w_hr is None else matmul(rows(slope), rows(m), transpose_a=True)
    return dx, add(kept, through), ds, dw_ih, dw_hh, reduce.sum(dg, (0, 1)), dw_hr
