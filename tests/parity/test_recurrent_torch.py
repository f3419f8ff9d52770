"""Recurrent layers against PyTorch's: sequences of different lengths against pack and pad, states, dropout, defaults."""
import itertools

import numpy as np
import pytest
from op_samples import close, listed

import tinyattn as ta
from tinyattn import kernels
from tinyattn.gradcheck import gradcheck, gradgradcheck

torch = pytest.importorskip("torch")
pack, pad = torch.nn.utils.rnn.pack_padded_sequence, torch.nn.utils.rnn.pad_packed_sequence


def pair(kind, *args, **options):
    """Our layer and PyTorch's, in float64 with the same weights."""
    ours, theirs = getattr(ta.nn, kind)(*args, **options).double(), getattr(torch.nn, kind)(*args, **options).double()
    ours.load_state_dict({k: v.numpy() for k, v in theirs.state_dict().items()})
    return ours, theirs


def numbers(*shape, seed=0):
    return np.random.default_rng([seed, *shape]).normal(size=shape)


def states_of(layer, N, seed=3):
    """States to begin with, as arrays."""
    passes = layer.num_layers * (1 + layer.bidirectional)
    sizes = [layer.proj_size or layer.hidden_size, layer.hidden_size][:1 + isinstance(layer, ta.nn.LSTM)]
    return [numbers(passes, N, size, seed=seed + i) for i, size in enumerate(sizes)]


def given(arrays, wrap):
    """Arrays as leaves, and as the hx of a call."""
    leaves = [wrap(a) for a in arrays]
    return leaves, leaves[0] if len(leaves) == 1 else tuple(leaves)


def ours_of(a):
    return ta.Tensor(a.copy(), requires_grad=True)


def theirs_of(a):
    return torch.tensor(a, requires_grad=True)


LENGTHS = [4, 1, 6, 6, 2, 3, 5, 1, 4]
LAYERS = [(kind, layers, both, first, options)
          for kind, layers, both, first in itertools.product(["RNN", "GRU", "LSTM"], [1, 3], [False, True], [False, True])
          for options in [{}, *([{"proj_size": 3}] if kind == "LSTM" else []), *([{"nonlinearity": "relu"}] if kind == "RNN" else [])]]


@pytest.mark.parametrize("rung", kernels.HOST_RUNGS)
@pytest.mark.parametrize("kind,layers,both,first,options", LAYERS)
def test_lengths_are_pack_and_pad(kind, layers, both, first, options, rung):
    """Outputs, final states, and gradients of input, states and weights; the padding is NaN, which nothing may touch."""
    ours, theirs = pair(kind, 4, 5, layers, bidirectional=both, batch_first=first, **options)
    N, T = len(LENGTHS), 7                                             # a step more than the longest
    x = numbers(T, N, 4)
    x = x.transpose(1, 0, 2).copy() if first else x
    real = np.arange(T)[:, None] < np.array(LENGTHS)
    padded = np.where((real.T if first else real)[..., None], x, np.nan)
    (hs, h), (ts, t) = given(states_of(ours, N), ours_of), given(states_of(ours, N), theirs_of)
    mine, other = ours_of(padded), theirs_of(x)
    with kernels.use(rung):
        made = listed(ours(mine, h, ta.tensor(LENGTHS)))
        packed, last = theirs(pack(other, LENGTHS, batch_first=first, enforce_sorted=False), t)
        expected = listed([pad(packed, batch_first=first, total_length=T)[0], last])
        for i, (a, b) in enumerate(zip(made, expected, strict=True)):
            close(a.data, b.detach().numpy(), 1e-12, f"output {i}")
        weights = [numbers(*y.shape, seed=i) for i, y in enumerate(expected)]
        got = ta.grad(made, [mine, *hs, *ours.parameters()], [ta.Tensor(w) for w in weights])
    right = torch.autograd.grad(expected, [other, *ts, *theirs.parameters()], [torch.tensor(w) for w in weights])
    for i, (a, b) in enumerate(zip(got, right, strict=True)):
        close(a.data, b.numpy(), 1e-11, f"gradient {i}")


def test_without_a_state_and_with_full_lengths():
    x = numbers(5, 3, 4)
    for kind in ("RNN", "GRU", "LSTM"):
        ours, theirs = pair(kind, 4, 6, 2, bidirectional=True)
        for lengths in (None, [5, 5, 5]):
            for a, b in zip(listed(ours(ta.Tensor(x), None, lengths)), listed(theirs(torch.tensor(x))), strict=True):
                close(a.data, b.detach().numpy(), 1e-12, kind)


@pytest.mark.parametrize("kind", ["RNN", "GRU", "LSTM"])
def test_gradients_with_lengths(kind):
    """Through both directions of two layers: first and second derivatives."""
    ta.manual_seed(0)
    layer = getattr(ta.nn, kind)(2, 3, 2, bidirectional=True).double()
    parameters = list(layer.parameters())

    def function(x, *rest):
        return listed(layer(x, None, [1, 3, 2]))

    x = ta.Tensor(numbers(3, 3, 2), requires_grad=True)
    gradcheck(function, [x, *parameters], all_below=16)
    gradgradcheck(function, [x, *parameters])


@pytest.mark.parametrize("kind", ["RNNCell", "GRUCell", "LSTMCell"])
def test_a_cell_step_by_step_is_the_layer(kind):
    cell, theirs = pair(kind, 4, 5)
    layer = getattr(ta.nn, kind.removesuffix("Cell"))(4, 5).double()
    layer.load_state_dict({f"{k}_l0": v.data for k, v in cell.state_dict().items()})
    x, state, other = numbers(6, 2, 4), None, None
    steps = []
    for t in range(6):
        state, other = cell(ta.Tensor(x[t]), state), theirs(torch.tensor(x[t]), other)
        steps.append(listed(state)[0].data)
        for a, b in zip(listed(state), listed(other), strict=True):
            close(a.data, b.detach().numpy(), 1e-12, f"step {t}")
    y, last = layer(ta.Tensor(x))
    assert np.array_equal(y.data, np.stack(steps)) and np.array_equal(listed(last)[0].data[0], steps[-1])


def test_dropout_lies_between_layers():
    """With p = 1 a second layer sees nothing: it does what it does to zeros; evaluation drops nothing."""
    layer, theirs = pair("GRU", 4, 5, 2, dropout=1.0)
    x = numbers(3, 2, 4)
    for mode in (True, False):
        made, expected = layer.train(mode)(ta.Tensor(x)), theirs.train(mode)(torch.tensor(x))
        for a, b in zip(made, expected):
            close(a.data, b.detach().numpy(), 1e-12, f"training {mode}")
    with pytest.warns(UserWarning, match="does nothing with num_layers=1"):
        ta.nn.GRU(3, 4, dropout=0.5)
    ta.manual_seed(0)
    layer = ta.nn.LSTM(3, 64, 2, dropout=0.5)
    x = ta.Tensor(numbers(4, 8, 3).astype(np.float32))
    a, b = layer(x)[0].data, layer(x)[0].data
    assert not np.array_equal(a, b) and np.array_equal(layer.eval()(x)[0].data, layer(x)[0].data)


@pytest.mark.parametrize("kind,args,options", [
    ("GRU", (3, 4), {}), ("LSTM", (3, 4, 2), {"proj_size": 2, "bidirectional": True}), ("RNN", (3, 4, 2, "relu", False, True, 0.25, True), {}),
    ("GRU", (3, 4, 2, False, True, 0.25, True), {}), ("LSTM", (3, 4, 2, True, True, 0.25, True, 3), {}), ("RNNCell", (3, 4, False, "relu"), {}),
    ("GRUCell", (3, 4, False), {}), ("LSTMCell", (3, 4), {})])
def test_arguments_keys_and_repr(kind, args, options):
    for dtype in (np.float32, np.float64):
        ours = getattr(ta.nn, kind)(*args, device="cpu", dtype=dtype, **options)
        theirs = getattr(torch.nn, kind)(*args, dtype=torch.float32 if dtype == np.float32 else torch.float64, **options)
        assert repr(ours) == repr(theirs)
        assert [(n, p.shape, p.dtype) for n, p in ours.named_parameters()] == [
            (n, tuple(p.shape), p.detach().numpy().dtype) for n, p in theirs.named_parameters()]


def test_float32_agrees_within_its_rounding():
    ours, theirs = pair("LSTM", 20, 33, 2, bidirectional=True)
    ours, theirs, x = ours.float(), theirs.float(), numbers(12, 19, 20).astype(np.float32)
    for a, b in zip(listed(ours(ta.Tensor(x))), listed(theirs(torch.tensor(x))), strict=True):
        assert a.dtype == np.float32
        close(a.data, b.detach().numpy(), 2e-6, "float32")


def test_an_empty_batch():
    for kind in ("RNN", "GRU", "LSTM"):
        ours, theirs = pair(kind, 3, 4, 2, bidirectional=True)
        x = ta.Tensor(np.zeros((5, 0, 3)), requires_grad=True)
        made, expected = listed(ours(x)), listed(theirs(torch.zeros(5, 0, 3, dtype=torch.float64)))
        assert [y.shape for y in made] == [tuple(y.shape) for y in expected]
        made[0].sum().backward()
        assert x.grad.shape == x.shape and all(not p.grad.data.any() for p in ours.parameters())
