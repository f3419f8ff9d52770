"""A layer beside its twin: the same formula written in PyTorch from the paper, a function of named weights and inputs."""
import numpy as np
import torch
from op_samples import close, listed, weights_of

import tinyattn as ta

TOLERANCE = {np.float64: 1e-11, np.float32: 3e-5}
DTYPES = (np.float64, np.float32)


def moved(layer, dtype=np.float64, seed=0):
    """The layer in `dtype`, every parameter moved off its first value: zeros and ones hide mistakes."""
    random = np.random.default_rng(seed)
    for p in layer.to(dtype).parameters():
        p.data[...] += 0.4 * random.normal(size=p.shape)
    return layer


def compare(layer, twin, arrays, dtype=np.float64, call=None):
    """``layer(*inputs)``, or ``call(*inputs)``, against ``twin(weights, *inputs)``: values, and gradients of all inputs and parameters.

    arrays: NumPy arrays; those of floats are taken in `dtype` and want a gradient. Returns the layer's outputs as arrays.
    """
    arrays = [a.astype(dtype) if a.dtype.kind == "f" else a for a in arrays]
    weights = dict(layer.named_parameters())
    theirs = {name: torch.tensor(p.data, requires_grad=True) for name, p in weights.items()}
    xs = [ta.Tensor(a.copy(), requires_grad=a.dtype.kind == "f") for a in arrays]
    ts = [torch.tensor(a, requires_grad=a.dtype.kind == "f") for a in arrays]
    outputs, expected = listed((call or layer)(*xs)), listed(twin(theirs, *ts))
    assert len(outputs) == len(expected)
    for y, t in zip(outputs, expected):
        assert y.dtype == dtype and y.shape == tuple(t.shape), f"{y.dtype} of shape {y.shape}, PyTorch has {tuple(t.shape)}"
        close(y.data, t.detach().numpy(), TOLERANCE[dtype], "values")
    wanted = {**{f"input {i}": x for i, x in enumerate(xs) if x.requires_grad}, **weights}
    their_wanted = [t for t in ts if t.requires_grad] + list(theirs.values())
    projections = [w.astype(dtype) for w in weights_of(outputs)]
    found = ta.grad(sum((y * ta.Tensor(w)).sum() for y, w in zip(outputs, projections)), list(wanted.values()), allow_unused=True)
    right = torch.autograd.grad(sum((t * torch.tensor(w)).sum() for t, w in zip(expected, projections)), their_wanted, allow_unused=True)
    for name, g, t in zip(wanted, found, right, strict=True):
        nothing = np.zeros(wanted[name].shape, dtype)                     # no gradient is one of 0
        close(nothing if g is None else g.data, nothing if t is None else t.numpy(), 10 * TOLERANCE[dtype], f"gradient of {name}")
    return [y.data for y in outputs]
