"""Recurrent layers: one layer in one direction over a whole sequence; `nn.recurrent` stacks them.

    RNN     h' = f(W_i x_t + b_i + W_h h + b_h)                                                   f = tanh or max(·, 0)
    GRU     r, z = σ(W_i x_t + b_i + W_h h + b_h), each with its rows;  n = tanh(W_in x_t + b_in + r ⊙ (W_hn h + b_hn))
            h' = (1 − z) ⊙ n + z ⊙ h
    LSTM    i, f, o = σ(W_i x_t + b_i + W_h h + b_h);  g = tanh(likewise);  c' = f ⊙ c + i ⊙ g;  h' = W_hr (o ⊙ tanh c')

(W_hr only where the output is projected.) The gates' rows stand one below the other in W and b in the order r, z, n and
i, f, g, o. `kernels/reference/recurrent.py` has the papers, and the gradients step by step.

Each is one operation: a kernel takes all sequences through all steps, and back. Where that way back is itself recorded, it
is written out here with ordinary operations: all gates at once from the saved states, then a loop over the steps that
hands the state's gradient down.
"""
import numpy as np

from ..autograd import Function, is_grad_enabled
from ..tensor import Tensor
from .arguments import check_range, choice, flag, same_dtype
from .compare import eq, lt, where
from .creation import arange, zeros_like
from .matmul import linear
from .shape import cat, stack


# ---- what the written-out gradients share --------------------------------------------------------------------------

class _Sweep:
    """The way back through the steps: their order, and which steps of which sequence are real."""

    def __init__(self, T, lengths, reverse):
        self.reverse, self.order = reverse, range(T) if reverse else range(T - 1, -1, -1)
        self.alive = self.begins = None
        if lengths is not None:
            steps, ends = arange(T, device=lengths.device).reshape(T, 1, 1), lengths.unsqueeze(1)
            self.alive = lt(steps, ends)                                                    # (T, N, 1)
            self.begins = eq(steps, ends - 1)                                               # where it begins in reverse

    def before(self, states, first):
        """The state before each step, of the states after each (T, N, H), and the first (N, H)."""
        first = first.unsqueeze(0)
        if not self.reverse:
            return cat([first, states[:-1]])
        shifted = cat([states[1:], first])
        return shifted if self.begins is None else where(self.begins, first, shifted)

    def real(self, x):
        """x (T, N, H), but 0 in steps beyond the end."""
        return x if self.alive is None else x * self.alive.to(x.dtype)

    def passed(self, t, new, old):
        """The gradient of the state before step t; beyond the end the step changed nothing."""
        return new if self.alive is None else where(self.alive[t], new, old)


def _rows(x):
    """(T, N, G) as (T·N, G)"""
    return x.reshape(x.shape[0] * x.shape[1], x.shape[2])


def _weight_grads(ctx, dgx, dgh, x, before, w_ih, b_ih):
    """dx, dw_ih, dw_hh, db_ih, db_hh of  W_ih x + b_ih  and  W_hh h + b_hh;  inputs of ctx: x, …, then the four weights."""
    bias = b_ih is not None
    return (dgx @ w_ih if ctx.needs[0] else None, _rows(dgx).T @ _rows(x), _rows(dgh).T @ _rows(before),
            dgx.sum((0, 1)) if bias else None, dgh.sum((0, 1)) if bias else None)


def _parts(x, count):
    """(…, count·H) as `count` of (…, H)."""
    return x.split(x.shape[-1] // count, -1)


def _grads(apply, *tensors, needs_dx, **attributes):
    """dx (or None) and the other results of a gradient kernel, which gives dx last, if at all."""
    made = apply(*tensors, needs_dx=needs_dx, **attributes)
    return (made[-1], *made[:-1]) if needs_dx else (None, *made)


def _given(dx, *rest):
    """What a gradient kernel returned, as `_grads` takes it."""
    return tuple([d for d in (*rest, dx) if d is not None])


# ---- the three operations ------------------------------------------------------------------------------------------

class RNNFunction(Function):
    """y[t] = h' = f(W_i x_t + b_i + W_h h + b_h)"""

    def forward(ctx, x, h0, w_ih, w_hh, b_ih, b_hh, lengths, relu, reverse):
        y = ctx.kernels.rnn_forward(x, h0, w_ih, w_hh, b_ih, b_hh, relu, lengths, reverse)
        ctx.save(x, h0, w_ih, w_hh, b_ih, lengths, y)
        return y

    def backward(ctx, dy):
        x, h0, w_ih, w_hh, b_ih, lengths, y = ctx.saved
        if is_grad_enabled():
            return ctx.written_out(dy, x, h0, w_ih, w_hh, b_ih, lengths, y)
        dx, dh0, dw_ih, dw_hh, db = _grads(RNNGradFunction.apply, dy, x, h0, w_ih, w_hh, y, lengths, needs_dx=ctx.needs[0],
                                           **ctx.attributes)
        return dx, dh0, dw_ih, dw_hh, db, db, None

    def written_out(ctx, dy, x, h0, w_ih, w_hh, b_ih, lengths, y):
        """The same gradient through ordinary operations, for when it is itself recorded."""
        sweep = _Sweep(len(x), lengths, ctx.attributes["reverse"])
        slope = sweep.real((y > 0).to(y.dtype) if ctx.attributes["relu"] else 1 - y * y)
        dh, dg = zeros_like(h0), [None] * len(x)
        for t in sweep.order:
            dg[t] = (dy[t] + dh) * slope[t]
            dh = sweep.passed(t, dg[t] @ w_hh, dh)
        dg = stack(dg)
        dx, *rest = _weight_grads(ctx, dg, dg, x, sweep.before(y, h0), w_ih, b_ih)
        return dx, dh, *rest, None


class RNNGradFunction(Function):
    """dh0, dw_ih, dw_hh, db and dx of an RNN in one sweep; not recorded (see written_out above)"""

    def forward(ctx, dy, x, h0, w_ih, w_hh, y, lengths, relu, reverse, needs_dx):
        return _given(*ctx.kernels.rnn_backward(ctx.kernels.contiguous(dy), x, h0, w_ih, w_hh, y, relu, lengths, reverse, needs_dx))


class GRUFunction(Function):
    """y[t] = h' = (1 − z) ⊙ n + z ⊙ h"""

    def forward(ctx, x, h0, w_ih, w_hh, b_ih, b_hh, lengths, reverse):
        y, gates, hidden = ctx.kernels.gru_forward(x, h0, w_ih, w_hh, b_ih, b_hh, lengths, reverse)
        ctx.save(x, h0, w_ih, w_hh, b_ih, b_hh, lengths, y, gates, hidden)
        return y

    def backward(ctx, dy):
        x, h0, w_ih, w_hh, b_ih, b_hh, lengths, y, gates, hidden = ctx.saved
        if is_grad_enabled():
            return ctx.written_out(dy, x, h0, w_ih, w_hh, b_ih, b_hh, lengths, y)
        return *_grads(GRUGradFunction.apply, dy, x, h0, w_ih, w_hh, y, gates, hidden, lengths, needs_dx=ctx.needs[0],
                       **ctx.attributes), None

    def written_out(ctx, dy, x, h0, w_ih, w_hh, b_ih, b_hh, lengths, y):
        """The same gradient through ordinary operations, for when it is itself recorded."""
        sweep = _Sweep(len(x), lengths, ctx.attributes["reverse"])
        before = sweep.before(y, h0)
        (xr, xz, xn), (hr, hz, q) = _parts(linear(x, w_ih, b_ih), 3), _parts(linear(before, w_hh, b_hh), 3)
        r, z = (xr + hr).sigmoid(), (xz + hz).sigmoid()
        n = (xn + r * q).tanh()
        of_n, of_z = sweep.real((1 - z) * (1 - n * n)), sweep.real((before - n) * z * (1 - z))
        of_r = q * r * (1 - r)
        dh, dgx, dgh = zeros_like(h0), [None] * len(x), [None] * len(x)
        for t in sweep.order:
            e = dy[t] + dh
            dn, dz = e * of_n[t], e * of_z[t]
            dr = dn * of_r[t]
            dgx[t], dgh[t] = cat([dr, dz, dn], 1), cat([dr, dz, dn * r[t]], 1)
            dh = sweep.passed(t, e * z[t] + dgh[t] @ w_hh, dh)
        dx, *rest = _weight_grads(ctx, stack(dgx), stack(dgh), x, before, w_ih, b_ih)
        return dx, dh, *rest, None


class GRUGradFunction(Function):
    """dh0, dw_ih, dw_hh, db_ih, db_hh and dx of a GRU in one sweep; not recorded (see written_out above)"""

    def forward(ctx, dy, x, h0, w_ih, w_hh, y, gates, hidden, lengths, reverse, needs_dx):
        k = ctx.kernels
        return _given(*k.gru_backward(k.contiguous(dy), x, h0, w_ih, w_hh, y, gates, hidden, lengths, reverse, needs_dx))


class LSTMFunction(Function):
    """y[t] = h' = o ⊙ tanh c' (or W_hr of that), and c[t] = c' = f ⊙ c + i ⊙ g"""

    def forward(ctx, x, h0, c0, w_ih, w_hh, b_ih, b_hh, w_hr, lengths, reverse):
        y, c, gates = ctx.kernels.lstm_forward(x, h0, c0, w_ih, w_hh, b_ih, b_hh, w_hr, lengths, reverse)
        ctx.save(x, h0, c0, w_ih, w_hh, b_ih, b_hh, w_hr, lengths, y, c, gates)
        return y, c

    def backward(ctx, dy, dc):
        x, h0, c0, w_ih, w_hh, b_ih, b_hh, w_hr, lengths, y, c, gates = ctx.saved
        if is_grad_enabled():
            return ctx.written_out(dy, dc, x, h0, c0, w_ih, w_hh, b_ih, b_hh, w_hr, lengths, y, c)
        dx, dh0, dc0, dw_ih, dw_hh, db, *dw_hr = _grads(LSTMGradFunction.apply, dy, dc, x, h0, c0, w_ih, w_hh, w_hr, y, c, gates,
                                                        lengths, needs_dx=ctx.needs[0], **ctx.attributes)
        return dx, dh0, dc0, dw_ih, dw_hh, db, db, dw_hr[0] if dw_hr else None, None

    def written_out(ctx, dy, dc, x, h0, c0, w_ih, w_hh, b_ih, b_hh, w_hr, lengths, y, c):
        """The same gradient through ordinary operations, for when it is itself recorded."""
        sweep = _Sweep(len(x), lengths, ctx.attributes["reverse"])
        before, cell = sweep.before(y, h0), sweep.before(c, c0)
        i, f, g, o = _parts(linear(x, w_ih, b_ih) + linear(before, w_hh, b_hh), 4)
        i, f, g, o, bent = i.sigmoid(), f.sigmoid(), g.tanh(), o.sigmoid(), c.tanh()
        of_i, of_f, of_g = sweep.real(g * i * (1 - i)), sweep.real(cell * f * (1 - f)), sweep.real(i * (1 - g * g))
        of_o, of_c = bent * o * (1 - o), o * (1 - bent * bent)                    # beyond the end c is 0, and so is bent
        dh, ds, dg, outer = *map(zeros_like, (h0, c0)), [None] * len(x), [None] * len(x)
        for t in sweep.order:
            outer[t] = dy[t] + dh
            dm = outer[t] if w_hr is None else outer[t] @ w_hr
            d = dc[t] + ds + dm * of_c[t]
            dg[t] = cat([d * of_i[t], d * of_f[t], d * of_g[t], dm * of_o[t]], 1)
            dh, ds = sweep.passed(t, dg[t] @ w_hh, dh), sweep.passed(t, d * f[t], ds)
        dg = stack(dg)
        dx, *rest = _weight_grads(ctx, dg, dg, x, before, w_ih, b_ih)
        dw_hr = None if w_hr is None else _rows(stack(outer)).T @ _rows(o * bent)
        return dx, dh, ds, *rest, dw_hr, None


class LSTMGradFunction(Function):
    """dh0, dc0, dw_ih, dw_hh, db, dw_hr and dx of an LSTM in one sweep; not recorded (see written_out above)"""

    def forward(ctx, dy, dc, x, h0, c0, w_ih, w_hh, w_hr, y, c, gates, lengths, reverse, needs_dx):
        k = ctx.kernels
        return _given(*k.lstm_backward(k.contiguous(dy), k.contiguous(dc), x, h0, c0, w_ih, w_hh, w_hr, y, c, gates, lengths,
                                       reverse, needs_dx))


# ---- calling them --------------------------------------------------------------------------------------------------

def sequence_lengths(lengths, shape, caller, device="cpu"):
    """`lengths` as an int64 Tensor (N,) on `device`, for sequences of `shape` (T, N, …); None stays None.

    TypeError unless it is a Tensor or a list of integers; ValueError for a wrong count or lengths outside 1 … T.
    """
    if lengths is None:
        return None
    given = lengths
    if isinstance(given, (list, tuple)) and given and all(isinstance(n, (int, np.integer)) for n in given):
        given = Tensor(np.array([min(max(n, -1), 2 ** 31) for n in given], np.int64))
    if not isinstance(given, Tensor):
        raise TypeError(f"{caller}: lengths must be a Tensor or a list of ints, got {type(lengths).__name__}")
    if given.dtype.kind not in "iu":
        raise TypeError(f"{caller}: lengths must hold integers, got {given.dtype}; convert with lengths.to(np.int64)")
    T, N = shape[:2]
    if given.shape != (N,):
        raise ValueError(f"{caller}: lengths has shape {given.shape}, expected ({N},), one for each sequence of the batch")

    def refuse(least, most):
        raise ValueError(f"{caller}: lengths holds values from {least} to {most}, expected 1 to {T}, the number of steps")
    check_range(given, 1, T, refuse)
    return given.detach().to(np.int64).contiguous().to(device)


def _checked(caller, gates, input, states, w_ih, w_hh, b_ih, b_hh, lengths, reverse, w_hr=None):
    """Everything contiguous and of matching shapes: (input, *states, w_ih, w_hh, b_ih, b_hh), w_hr, lengths. Raises if not."""
    names = ("h0", "c0")[:len(states)]
    same_dtype(caller, input=input, **dict(zip(names, states)), w_ih=w_ih, w_hh=w_hh, b_ih=b_ih, b_hh=b_hh, w_hr=w_hr)
    flag(reverse, caller, "reverse")
    if input.ndim != 3 or not len(input):
        raise ValueError(f"{caller}: input has shape {input.shape}, expected (T, N, I) with at least one step")
    T, N, I = input.shape
    H = w_ih.shape[0] // gates if w_ih.ndim == 2 else 0
    P = H if w_hr is None else w_hr.shape[0] if w_hr.ndim else 0
    if not H or not P or not I:
        raise ValueError(f"{caller}: input has shape {input.shape} and w_ih {w_ih.shape}, expected ({gates}·H, I), nothing of it empty")
    wanted = {"w_ih": (w_ih, (gates * H, I)), "w_hh": (w_hh, (gates * H, P)), "w_hr": (w_hr, (P, H)), "b_ih": (b_ih, (gates * H,)),
              "b_hh": (b_hh, (gates * H,)), **{name: (x, (N, size)) for name, x, size in zip(names, states, (P, H))}}
    for name, (x, shape) in wanted.items():
        if x is not None and x.shape != shape:
            raise ValueError(f"{caller}: {name} has shape {x.shape}, expected {shape} to match input {input.shape} and w_ih {w_ih.shape}")
    if (b_ih is None) != (b_hh is None):
        raise ValueError(f"{caller}: give both b_ih and b_hh, or neither")
    tensors = [None if x is None else x.contiguous() for x in (input, *states, w_ih, w_hh, b_ih, b_hh)]
    return tensors, None if w_hr is None else w_hr.contiguous(), sequence_lengths(lengths, input.shape, caller, input.device)


def rnn(input, h0, w_ih, w_hh, b_ih=None, b_hh=None, nonlinearity="tanh", lengths=None, reverse=False):
    """y (T, N, H): the states of an RNN after each step of input (T, N, I), from h0 (N, H). (Elman, Cognitive Science 14, 1990)

    w_ih (H, I), w_hh (H, H), both biases (H,) or None. With `lengths` (N,), sequence n ends after lengths[n] steps: y is 0 from
    there on (what input holds there must be finite). `reverse` begins with the last (real) step. ValueError for other shapes.
    """
    relu = choice(nonlinearity, ("tanh", "relu"), "rnn", "nonlinearity") == "relu"
    tensors, _, lengths = _checked("rnn", 1, input, (h0,), w_ih, w_hh, b_ih, b_hh, lengths, reverse)
    return RNNFunction.apply(*tensors, lengths, relu=relu, reverse=bool(reverse))


def gru(input, h0, w_ih, w_hh, b_ih=None, b_hh=None, lengths=None, reverse=False):
    """y (T, N, H): the states of a GRU after each step of input (T, N, I), from h0 (N, H). (Cho et al., arXiv:1406.1078)

    w_ih (3H, I), w_hh (3H, H), both biases (3H,) or None; `lengths` and `reverse` as in `rnn`.
    """
    tensors, _, lengths = _checked("gru", 3, input, (h0,), w_ih, w_hh, b_ih, b_hh, lengths, reverse)
    return GRUFunction.apply(*tensors, lengths, reverse=bool(reverse))


def lstm(input, h0, c0, w_ih, w_hh, b_ih=None, b_hh=None, w_hr=None, lengths=None, reverse=False):
    """y (T, N, H) and c (T, N, H): the states of an LSTM after each step of input (T, N, I), from h0 and c0 (N, H).

    w_ih (4H, I), w_hh (4H, H), both biases (4H,) or None; `lengths` and `reverse` as in `rnn`. With w_hr (P, H), h and y have
    P numbers and w_hh is (4H, P) (Sak, Senior & Beaufays, arXiv:1402.1128). (Hochreiter & Schmidhuber, Neural Computation 9(8), 1997)
    """
    tensors, w_hr, lengths = _checked("lstm", 4, input, (h0, c0), w_ih, w_hh, b_ih, b_hh, lengths, reverse, w_hr)
    return LSTMFunction.apply(*tensors, w_hr, lengths, reverse=bool(reverse))


def last_state(states, lengths=None, reverse=False):
    """(N, H): the state after each sequence's last step in the order of reading, of the states after each step (T, N, H)."""
    if reverse:
        return states[0]
    if lengths is None:
        return states[-1]
    return states[lengths - 1, arange(len(lengths), device=lengths.device)]


def zero_outside(input, lengths):
    """input (T, N, I), but 0 after the end of each sequence, whatever it held there."""
    alive = lt(arange(len(input), device=lengths.device).unsqueeze(1), lengths)
    return where(alive.unsqueeze(2), input, 0)
