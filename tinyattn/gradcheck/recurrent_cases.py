"""The cases of recurrent layers: one pass over a batch of sequences, in both directions, whole and with lengths; and the layers."""
import numpy as np

from .cases import N, V, case, const
from .layer_cases import layer


def _op(name, **options):
    def call(t, F, *inputs, **lengths):
        from ..ops import recurrent
        return getattr(recurrent, name)(*inputs, **lengths, **options)
    return call


def _with_lengths(name, **options):
    return lambda t, F, *inputs: _op(name, **options)(t, F, *inputs[:-1], lengths=inputs[-1])


def _inputs(name, T, N_, I_, H, bias=True, P=0):
    """Sequences, states and weights of an operation."""
    rows = {"rnn": 1, "gru": 3, "lstm": 4}[name] * H
    states = (N(N_, P or H), N(N_, H))[:1 + (name == "lstm")]
    return (N(T, N_, I_), *states, N(rows, I_), N(rows, P or H), *((N(rows), N(rows)) if bias else ()), *((N(P, H),) if P else ()))


LENGTHS = V([2, 1, 3, 3, 1, 2, 1, 2, 2], np.int64)  # for a tile and one sequence more
for name in ("rnn", "gru", "lstm"):
    case(name, _op(name), *_inputs(name, 3, 2, 4, 5), label="3×2×4 to 5")
    case(name, _op(name, reverse=True), *_inputs(name, 2, 2, 3, 4), label="in reverse")
    case(name, _op(name), *_inputs(name, 1, 1, 1, 1, bias=False), label="no bias, one of everything")
    case(name, _with_lengths(name), *_inputs(name, 3, 9, 2, 3), const(LENGTHS), label="lengths")
    case(name, _with_lengths(name, reverse=True), *_inputs(name, 3, 9, 2, 3), const(LENGTHS), label="lengths in reverse")
    case(name, _op(name), *_inputs(name, 3, 21, 6, 40), label="several tasks, several vectors")
case("rnn", _op("rnn", nonlinearity="relu"), *_inputs("rnn", 3, 3, 4, 5), label="relu")
case("rnn", _with_lengths("rnn", nonlinearity="relu", reverse=True), *_inputs("rnn", 3, 9, 2, 3), const(LENGTHS), label="relu, lengths in reverse")
case("lstm", _op("lstm"), *_inputs("lstm", 3, 3, 4, 5, P=2), label="projected")
case("lstm", _with_lengths("lstm"), *_inputs("lstm", 3, 9, 2, 4, P=3), const(LENGTHS), label="projected, lengths")
case("lstm", _with_lengths("lstm", reverse=True), *_inputs("lstm", 3, 9, 2, 19, P=18), const(LENGTHS), label="projected, lengths in reverse")
case("last_state", _op("last_state"), N(3, 2, 4))
case("last_state", _op("last_state"), N(3, 9, 2), LENGTHS)
case("last_state", _op("last_state", reverse=True), N(3, 2, 4), label="in reverse")
case("zero_outside", _op("zero_outside"), N(3, 9, 2), LENGTHS)

for cell in ("RNNCell", "GRUCell", "LSTMCell"):
    layer(cell, lambda nn, cell=cell: getattr(nn, cell)(3, 4), N(2, 3))
    layer(cell, lambda nn, cell=cell: getattr(nn, cell)(3, 4, bias=False), N(3), label="no bias, no batch")
layer("RNNCell", lambda nn: nn.RNNCell(3, 4, nonlinearity="relu"), N(2, 3), N(2, 4), label="relu")
layer("GRUCell", lambda nn: nn.GRUCell(3, 4), N(2, 3), N(2, 4), label="state")
for kind in ("RNN", "GRU", "LSTM"):
    layer(kind, lambda nn, kind=kind: getattr(nn, kind)(3, 4), N(3, 2, 3))
    layer(kind, lambda nn, kind=kind: getattr(nn, kind)(3, 2, num_layers=2, bidirectional=True, batch_first=True, bias=False), N(2, 3, 3),
          label="two layers, both directions")
layer("RNN", lambda nn: nn.RNN(3, 4, nonlinearity="relu"), N(3, 2, 3), N(1, 2, 4), label="relu")
layer("GRU", lambda nn: nn.GRU(3, 4, 2), N(3, 3), N(2, 4), label="no batch")
layer("GRU", lambda nn: nn.GRU(3, 4, 2, dropout=0.5), N(3, 2, 3), training=False, label="dropout, eval")
layer("LSTM", lambda nn: nn.LSTM(3, 4, 2, proj_size=2, bidirectional=True), N(3, 2, 3), label="projected")
