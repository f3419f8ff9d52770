"""The plain recurrent layer; see `reference/recurrent.py`. W_ih x_t of all steps becomes y where it lies."""
import math

from .. import reduce
from ..array import copy, empty, zeros
from ..elementwise import add
from ..matmul import matmul
from ..runtime import cuda, jit, specialised
from .steps import bias_of, lengths_of, projected, states_before, step, steps, weight_grads


@specialised
def _rnn(real, relu):
    """h' = f(W_i x_t + b_i + W_h h + b_h): y[t] comes with W_i x_t in it, through[n, j] = (W_h h)_j."""
    zero = real(0)

    @jit
    def rnn(t, through, b_ih, b_hh, lengths, h, y):
        i = cuda.grid(1)
        if i < h.size:
            n, j = i // h.shape[1], i % h.shape[1]
            a = y[t, n, j] + through[n, j] + b_ih[j] + b_hh[j]
            new = zero
            if t < lengths[n]:
                if not relu:
                    new = math.tanh(a)
                elif not a <= zero:  # NaN stays
                    new = a
                h[n, j] = new
            y[t, n, j] = new
    return rnn


@specialised
def _rnn_backward(real, relu):
    """dg = (dy + dh) ⊙ f′, where dh = W_hᵀ dg of the step after + `kept`: what it passed on because the sequence had ended."""
    zero, one = real(0), real(1)

    @jit
    def rnn_backward(t, through, lengths, y, dy, kept, dg):
        i = cuda.grid(1)
        if i < kept.size:
            n, j = i // kept.shape[1], i % kept.shape[1]
            dh = kept[n, j] + through[n, j]
            if t < lengths[n]:
                new = y[t, n, j]
                if relu:
                    dg[t, n, j] = dy[t, n, j] + dh if new > zero else zero
                else:
                    dg[t, n, j] = (dy[t, n, j] + dh) * (one - new * new)
                kept[n, j] = zero
            else:
                dg[t, n, j] = zero
                kept[n, j] = dh
    return rnn_backward


def rnn_forward(x, h0, w_ih, w_hh, b_ih, b_hh, relu=False, lengths=None, reverse=False):
    """y (T, N, H): the state after each step of an RNN with tanh, or with max(·, 0). w_ih (H, I), w_hh (H, H), biases (H,)."""
    lengths, b_ih, b_hh = lengths_of(lengths, x), bias_of(b_ih, w_ih), bias_of(b_hh, w_hh)
    y, h, through = projected(x, w_ih), copy(h0), empty(h0.shape, h0.dtype)
    for t in steps(x.shape[0], reverse):
        matmul(h, w_hh, transpose_b=True, out=through)
        step(_rnn(x.dtype.type, bool(relu)), h.size, t, through, b_ih, b_hh, lengths, h, y)
    return y


def rnn_backward(dy, x, h0, w_ih, w_hh, y, relu=False, lengths=None, reverse=False, needs_dx=True):
    """dx (or None), dh0, dw_ih, dw_hh and db (both biases have the same) of `rnn_forward`, which returned y."""
    lengths = lengths_of(lengths, x)
    dg, kept, through = empty(y.shape, y.dtype), zeros(h0.shape, h0.dtype), zeros(h0.shape, h0.dtype)
    for t in steps(x.shape[0], not reverse):
        step(_rnn_backward(x.dtype.type, bool(relu)), kept.size, t, through, lengths, y, dy, kept, dg)
        matmul(dg[t], w_hh, out=through)
    dx, dw_ih, dw_hh = weight_grads(dg, dg, x, states_before(y, h0, lengths, reverse), w_ih, needs_dx)
    return dx, add(kept, through), dw_ih, dw_hh, reduce.sum(dg, (0, 1))
