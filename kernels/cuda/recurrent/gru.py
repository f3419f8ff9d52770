"""The gated recurrent unit; see `reference/recurrent.py`. W_ih x_t of all steps becomes the gates where it lies."""
import math

from .. import reduce
from ..array import copy, empty, zeros
from ..elementwise import add
from ..matmul import matmul
from ..runtime import cuda, jit, specialised
from .steps import bias_of, lengths_of, projected, states_before, step, steps, weight_grads


@specialised
def _gru(real):
    """r, z, n and h' of one step: gates[t] comes with W_i x_t in it, through[n] = W_h h (3H)."""
    zero, one = real(0), real(1)

    @jit
    def gru(t, through, b_ih, b_hh, lengths, h, y, gates, hidden):
        i = cuda.grid(1)
        H = h.shape[1]
        if i < h.size:
            s, j = i // H, i % H
            r = one / (one + math.exp(-(gates[t, s, j] + b_ih[j] + through[s, j] + b_hh[j])))
            z = one / (one + math.exp(-(gates[t, s, H + j] + b_ih[H + j] + through[s, H + j] + b_hh[H + j])))
            q = through[s, 2 * H + j] + b_hh[2 * H + j]
            n = math.tanh(gates[t, s, 2 * H + j] + b_ih[2 * H + j] + r * q)
            new = zero
            if t < lengths[s]:
                new = (one - z) * n + z * h[s, j]
                h[s, j] = new
            y[t, s, j], hidden[t, s, j] = new, q
            gates[t, s, j], gates[t, s, H + j], gates[t, s, 2 * H + j] = r, z, n
    return gru


@specialised
def _gru_backward(real):
    """da_r, da_z, da_n of one step into dgx[t], with r ⊙ da_n for da_n into dgh[t]; dh = W_hᵀ dgh of the step after + `kept`."""
    zero, one = real(0), real(1)

    @jit
    def gru_backward(t, through, lengths, before, gates, hidden, dy, kept, dgx, dgh):
        i = cuda.grid(1)
        H = kept.shape[1]
        if i < kept.size:
            s, j = i // H, i % H
            dh, dr, dz, dn, dq = kept[s, j] + through[s, j], zero, zero, zero, zero
            if t < lengths[s]:
                r, z, n = gates[t, s, j], gates[t, s, H + j], gates[t, s, 2 * H + j]
                dh += dy[t, s, j]
                dn = dh * (one - z) * (one - n * n)
                dz = dh * (before[t, s, j] - n) * z * (one - z)
                dr = dn * hidden[t, s, j] * r * (one - r)
                dq = dn * r
                dh *= z
            kept[s, j] = dh
            dgx[t, s, j], dgx[t, s, H + j], dgx[t, s, 2 * H + j] = dr, dz, dn
            dgh[t, s, j], dgh[t, s, H + j], dgh[t, s, 2 * H + j] = dr, dz, dq
    return gru_backward


def gru_forward(x, h0, w_ih, w_hh, b_ih, b_hh, lengths=None, reverse=False):
    """y (T, N, H): the state after each step of a GRU; and for `gru_backward` the gates r, z, n (T, N, 3H), and q = W_hn h + b_hn.

    w_ih (3H, I), w_hh (3H, H), biases (3H,).
    """
    lengths, b_ih, b_hh = lengths_of(lengths, x), bias_of(b_ih, w_ih), bias_of(b_hh, w_hh)
    (T, N, _), H = x.shape, h0.shape[1]
    gates, h, through = projected(x, w_ih), copy(h0), empty((N, 3 * H), x.dtype)
    y, hidden = (empty((T, N, H), x.dtype) for _ in range(2))
    for t in steps(T, reverse):
        matmul(h, w_hh, transpose_b=True, out=through)
        step(_gru(x.dtype.type), h.size, t, through, b_ih, b_hh, lengths, h, y, gates, hidden)
    return y, gates, hidden


def gru_backward(dy, x, h0, w_ih, w_hh, y, gates, hidden, lengths=None, reverse=False, needs_dx=True):
    """dx (or None), dh0, dw_ih, dw_hh, db_ih, db_hh of `gru_forward`, which returned y, gates and hidden."""
    lengths = lengths_of(lengths, x)
    before = states_before(y, h0, lengths, reverse)
    dgx, dgh, kept, through = (empty(gates.shape, x.dtype), empty(gates.shape, x.dtype), zeros(h0.shape, x.dtype),
                               zeros(h0.shape, x.dtype))
    for t in steps(x.shape[0], not reverse):
        step(_gru_backward(x.dtype.type), kept.size, t, through, lengths, before, gates, hidden, dy, kept, dgx, dgh)
        matmul(dgh[t], w_hh, out=through)
    dx, dw_ih, dw_hh = weight_grads(dgx, dgh, x, before, w_ih, needs_dx)
    return dx, add(kept, through), dw_ih, dw_hh, reduce.sum(dgx, (0, 1)), reduce.sum(dgh, (0, 1))
