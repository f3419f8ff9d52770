"""Recurrent layers: RNN, GRU, LSTM, and the cells that do one step of them. Arguments, keys and first values are PyTorch's.

A sequence is read step by step, and what has been read is kept in a state (formulas: `ops.recurrent`). Several layers read
each other's states; a bidirectional layer reads once from each end and puts both states side by side.

PyTorch's PackedSequence is not needed here: a batch of sequences of different lengths is one padded tensor and `lengths`.
"""
import math
import warnings

from .. import ops
from ..ops.arguments import choice, flag, float_argument, probability, same_dtype, whole
from ..ops.creation import zeros
from ..ops.recurrent import last_state, sequence_lengths, zero_outside
from ..ops.shape import cat, stack
from . import functional as F
from . import init
from .module import Module, Parameter
from .parameter import checked_options


class _Recurrent(Module):
    """What layers and cells share: sizes, the weights' shapes, and first values uniform in ±1/√hidden_size."""

    gates = 1

    def _setup(self, input_size, hidden_size, bias, device, dtype):
        """Check the arguments that all of them have; options that make the weights."""
        caller = type(self).__name__
        self.input_size, self.hidden_size = whole(input_size, caller, "input_size"), whole(hidden_size, caller, "hidden_size")
        self.bias = flag(bias, caller, "bias")
        return checked_options(caller, device, dtype)

    def _register_weights(self, shapes, options):
        """Parameters by name; a shape of None keeps the place of a bias that is not there."""
        for name, shape in shapes.items():
            self.register_parameter(name, None if shape is None else Parameter(zeros(shape, **options)))
        bound = 1 / math.sqrt(self.hidden_size)
        for p in self.parameters():
            init.uniform_(p, -bound, bound)

    def _run(self, x, states, weights, lengths=None, reverse=False):
        """The states after each step, as a tuple of one tensor (T, N, ·), or of two for an LSTM."""
        raise TypeError(f"{type(self).__name__}: a recurrent layer is one of RNN, GRU, LSTM")


class _RNN(_Recurrent):
    """h' = f(W_i x + b_i + W_h h + b_h)"""

    def _run(self, x, states, weights, lengths=None, reverse=False):
        return (ops.recurrent.rnn(x, *states, *weights, nonlinearity=self.nonlinearity, lengths=lengths, reverse=reverse),)


class _GRU(_Recurrent):
    """h' = (1 − z) ⊙ n + z ⊙ h"""

    gates = 3

    def _run(self, x, states, weights, lengths=None, reverse=False):
        return (ops.recurrent.gru(x, *states, *weights, lengths=lengths, reverse=reverse),)


class _LSTM(_Recurrent):
    """c' = f ⊙ c + i ⊙ g,  h' = o ⊙ tanh c'"""

    gates = 4

    def _run(self, x, states, weights, lengths=None, reverse=False):
        return ops.recurrent.lstm(x, *states, *weights, lengths=lengths, reverse=reverse)


# ---- layers --------------------------------------------------------------------------------------------------------

class _Layer(_Recurrent):
    """Layers over sequences: several of them, in one direction or both."""

    states = ("h",)

    def __init__(self, input_size, hidden_size, num_layers=1, bias=True, batch_first=False, dropout=0.0, bidirectional=False,
                 proj_size=0, device=None, dtype=None):
        super().__init__()
        caller = type(self).__name__
        options = self._setup(input_size, hidden_size, bias, device, dtype)
        self.num_layers = whole(num_layers, caller, "num_layers")
        self.batch_first, self.bidirectional = flag(batch_first, caller, "batch_first"), flag(bidirectional, caller, "bidirectional")
        self.dropout = probability(_number(dropout, caller), caller, "dropout")
        self.proj_size = whole(proj_size, caller, "proj_size", 0)
        if self.proj_size >= self.hidden_size:
            raise ValueError(f"{caller}: proj_size must be smaller than hidden_size = {hidden_size}, got {proj_size}")
        if self.dropout and self.num_layers == 1:
            warnings.warn(f"{caller}: dropout acts between layers, so dropout={dropout} does nothing with num_layers=1", stacklevel=3)
        self._register_weights(self._shapes(), options)

    def _names(self, layer, reverse):
        """Names of one layer's weights in one direction."""
        kinds = ["weight_ih", "weight_hh"] + ["bias_ih", "bias_hh"] * self.bias + ["weight_hr"] * bool(self.proj_size)
        return [f"{kind}_l{layer}{'_reverse' if reverse else ''}" for kind in kinds]

    def _passes(self):
        """(layer, whether in reverse) of every pass over the sequences, in the order of their states and weights."""
        return [(layer, bool(reverse)) for layer in range(self.num_layers) for reverse in range(1 + self.bidirectional)]

    def _shapes(self):
        H, P, shapes = self.hidden_size, self.proj_size or self.hidden_size, {}
        for layer, reverse in self._passes():
            width = P * (1 + self.bidirectional) if layer else self.input_size
            known = {"weight_ih": (self.gates * H, width), "weight_hh": (self.gates * H, P), "bias_ih": (self.gates * H,),
                     "bias_hh": (self.gates * H,), "weight_hr": (P, H)}
            shapes.update((name, known[name.partition("_l")[0]]) for name in self._names(layer, reverse))
        return shapes

    def _weights(self, layer, reverse):
        """One layer's weights in one direction, as `_run` takes them: w_ih, w_hh, b_ih, b_hh and w_hr, if there is one."""
        found = [getattr(self, name) for name in self._names(layer, reverse)]
        return found if self.bias else found[:2] + [None, None] + found[2:]

    def forward(self, input, hx=None, lengths=None):
        caller = type(self).__name__
        x = float_argument(input, caller)
        order = "(N, T, {0}) or (T, {0})" if self.batch_first else "(T, N, {0}) or (T, {0})"
        if x.ndim not in (2, 3) or x.shape[-1] != self.input_size:
            raise ValueError(f"{caller}: input has shape {x.shape}, expected {order.format(self.input_size)}")
        single = x.ndim == 2
        if single and lengths is not None:
            raise ValueError(f"{caller}: lengths are those of a batch; of the single sequence {x.shape} pass input[:length]")
        x = x.unsqueeze(1) if single else x.transpose(0, 1) if self.batch_first else x              # (T, N, I)
        if not len(x):
            raise ValueError(f"{caller}: input has shape {input.shape}, expected at least one step")
        lengths = sequence_lengths(lengths, x.shape, caller, x.device)
        first = self._first(hx, x, single)
        if lengths is not None:
            x = zero_outside(x, lengths)
        last = []
        for layer in range(self.num_layers):
            if layer and self.dropout:
                x = F.dropout(x, self.dropout, self.training)
            found = []
            for reverse in range(1 + self.bidirectional):
                states = [h[len(last)] for h in first]                                              # each (N, ·)
                made = self._run(x, states, self._weights(layer, reverse), lengths, bool(reverse))  # each (T, N, ·)
                last.append([last_state(states, lengths, reverse) for states in made])
                found.append(made[0])
            x = found[0] if len(found) == 1 else cat(found, 2)                                      # (T, N, directions · H)
        h_n = [stack(states) for states in zip(*last)]                                              # each (passes, N, ·)
        if single:
            x, h_n = x.squeeze(1), [h.squeeze(1) for h in h_n]
        elif self.batch_first:
            x = x.transpose(0, 1)
        return x, h_n[0] if len(h_n) == 1 else tuple(h_n)

    def _first(self, hx, x, single):
        """The states to begin with, each (passes, N, ·): given, checked, or 0."""
        caller, passes, N = type(self).__name__, len(self._passes()), x.shape[1]
        sizes = (self.proj_size or self.hidden_size, self.hidden_size)[:len(self.states)]
        if hx is None:
            return [zeros(passes, N, size, dtype=x.dtype) for size in sizes]
        given = hx if len(sizes) > 1 else (hx,)
        if not isinstance(given, (tuple, list)) or len(given) != len(sizes):
            raise TypeError(f"{caller}: hx must be the pair (h, c), got {type(hx).__name__}")
        same_dtype(caller, input=x, **{f"hx {name}": h for name, h in zip(self.states, _tensors(given, caller))})
        for name, h, size in zip(self.states, given, sizes):
            wanted = (passes, size) if single else (passes, N, size)
            if h.shape != wanted:
                raise ValueError(f"{caller}: hx {name} has shape {h.shape}, expected {wanted}: layers × directions, "
                                 f"{'' if single else 'batch, '}size")
        return [h.unsqueeze(1) for h in given] if single else given

    def extra_repr(self):
        text = f"{self.input_size}, {self.hidden_size}"
        for name, usual in (("proj_size", 0), ("num_layers", 1), ("bias", True), ("batch_first", False), ("dropout", 0),
                            ("bidirectional", False)):
            if getattr(self, name) != usual:
                text += f", {name}={getattr(self, name)}"
        return text


def _number(dropout, caller):
    if isinstance(dropout, bool):
        raise TypeError(f"{caller}: dropout must be a number between 0 and 1, got {dropout}")
    return dropout


def _tensors(given, caller):
    for h in given:
        float_argument(h, caller, "hx")
    return given


class RNN(_Layer, _RNN):
    """h' = f(W_i x + b_i + W_h h + b_h), f = tanh or max(·, 0), in layers. (Elman, Cognitive Science 14, 1990)

    input (T, N, input_size), (N, T, input_size) with `batch_first`, or (T, input_size) → output, the last layer's state after
    each step, (T, N, D·H), and h_n, every layer's last state, (num_layers·D, N, H); D = 2 with `bidirectional`, else 1. `hx` is
    the state to begin with, in the shape of h_n; None: 0. `dropout` acts on what a layer hands to the next, in training.

    lengths     (N,) integers from 1 to T, or None. Sequence n ends after lengths[n] steps, whatever is padded behind: there
                output is 0; h_n is the state after the last real step; the reverse direction begins with that step.

    Keys: weight_ih_l0 (H, input_size), weight_hh_l0 (H, H), bias_ih_l0, bias_hh_l0 (H,), weight_ih_l0_reverse …, weight_ih_l1
    (H, D·H) … ValueError for shapes or lengths that do not fit.
    """

    def __init__(self, input_size, hidden_size, num_layers=1, nonlinearity="tanh", bias=True, batch_first=False, dropout=0.0,
                 bidirectional=False, device=None, dtype=None):
        super().__init__(input_size, hidden_size, num_layers, bias, batch_first, dropout, bidirectional, 0, device, dtype)
        self.nonlinearity = choice(nonlinearity, ("tanh", "relu"), "RNN", "nonlinearity")


class GRU(_Layer, _GRU):
    """r, z = σ(W_i x + b_i + W_h h + b_h),  n = tanh(W_in x + b_in + r ⊙ (W_hn h + b_hn)),  h' = (1 − z) ⊙ n + z ⊙ h

    Arguments, shapes and `lengths` as in `RNN`; the weights have 3H rows: those of r, of z, of n. (Cho et al., arXiv:1406.1078;
    there r multiplies h before W_hn, here, as in PyTorch and cuDNN, after.)
    """

    def __init__(self, input_size, hidden_size, num_layers=1, bias=True, batch_first=False, dropout=0.0, bidirectional=False,
                 device=None, dtype=None):
        super().__init__(input_size, hidden_size, num_layers, bias, batch_first, dropout, bidirectional, 0, device, dtype)


class LSTM(_Layer, _LSTM):
    """i, f, o = σ(W_i x + b_i + W_h h + b_h),  g = tanh(likewise),  c' = f ⊙ c + i ⊙ g,  h' = o ⊙ tanh c'

    Arguments, shapes and `lengths` as in `RNN`, but hx is the pair (h, c) and the call returns output, (h_n, c_n); the weights
    have 4H rows: those of i, f, g, o. With `proj_size` P > 0, h' = W_hr (o ⊙ tanh c') has P numbers (weight_hr_l0 (P, H); Sak,
    Senior & Beaufays, arXiv:1402.1128). (Hochreiter & Schmidhuber, Neural Computation 9(8), 1997)
    """

    states = ("h", "c")

    def __init__(self, input_size, hidden_size, num_layers=1, bias=True, batch_first=False, dropout=0.0, bidirectional=False,
                 proj_size=0, device=None, dtype=None):
        super().__init__(input_size, hidden_size, num_layers, bias, batch_first, dropout, bidirectional, proj_size, device, dtype)


# ---- cells ---------------------------------------------------------------------------------------------------------

class _Cell(_Recurrent):
    """One step: input (N, I) or (I,), state (N, H) or (H,)."""

    states = ("h",)

    def __init__(self, input_size, hidden_size, bias=True, device=None, dtype=None):
        super().__init__()
        options = self._setup(input_size, hidden_size, bias, device, dtype)
        rows = self.gates * self.hidden_size
        biases = (rows,) if self.bias else None
        self._register_weights({"weight_ih": (rows, self.input_size), "weight_hh": (rows, self.hidden_size), "bias_ih": biases,
                                "bias_hh": biases}, options)

    def forward(self, input, hx=None):
        caller = type(self).__name__
        x = float_argument(input, caller)
        if x.ndim not in (1, 2) or x.shape[-1] != self.input_size:
            raise ValueError(f"{caller}: input has shape {x.shape}, expected (N, {self.input_size}) or ({self.input_size},)")
        wanted = x.shape[:-1] + (self.hidden_size,)
        if hx is None:
            hx = zeros(wanted, dtype=x.dtype)
            hx = hx if len(self.states) == 1 else (hx, hx)
        given = hx if len(self.states) > 1 else (hx,)
        if not isinstance(given, (tuple, list)) or len(given) != len(self.states):
            raise TypeError(f"{caller}: hx must be the pair (h, c), got {type(hx).__name__}")
        for name, h in zip(self.states, _tensors(given, caller)):
            if h.shape != wanted:
                raise ValueError(f"{caller}: hx {name} has shape {h.shape}, expected {wanted} to match input {x.shape}")
        single = x.ndim == 1
        x, given = (x.unsqueeze(0), [h.unsqueeze(0) for h in given]) if single else (x, given)
        made = self._run(x.unsqueeze(0), given, [self.weight_ih, self.weight_hh, self.bias_ih, self.bias_hh])
        made = [y.squeeze(0).squeeze(0) if single else y.squeeze(0) for y in made]
        return made[0] if len(made) == 1 else tuple(made)

    def extra_repr(self):
        return f"{self.input_size}, {self.hidden_size}" + ("" if self.bias else ", bias=False")


class RNNCell(_Cell, _RNN):
    """h' = f(W_i x + b_i + W_h h + b_h), f = tanh or max(·, 0). input (N, input_size), hx (N, H) or None for 0 → h' (N, H).

    Without the batch axis: (input_size,), (H,) → (H,). Keys: weight_ih (H, input_size), weight_hh (H, H), bias_ih, bias_hh (H,).
    (Elman, Cognitive Science 14, 1990)
    """

    def __init__(self, input_size, hidden_size, bias=True, nonlinearity="tanh", device=None, dtype=None):
        super().__init__(input_size, hidden_size, bias, device, dtype)
        self.nonlinearity = choice(nonlinearity, ("tanh", "relu"), "RNNCell", "nonlinearity")

    def extra_repr(self):
        return super().extra_repr() + ("" if self.nonlinearity == "tanh" else f", nonlinearity={self.nonlinearity}")


class GRUCell(_Cell, _GRU):
    """One step of a `GRU`: r, z, n and h' = (1 − z) ⊙ n + z ⊙ h. Shapes as in `RNNCell`, the weights with 3H rows."""


class LSTMCell(_Cell, _LSTM):
    """One step of an `LSTM`: input, (h, c) → (h', c'). Shapes as in `RNNCell`, the weights with 4H rows."""

    states = ("h", "c")
