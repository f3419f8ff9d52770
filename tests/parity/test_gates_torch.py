"""Every gate beside its twin in PyTorch, written from the paper (`tinyattn/bench/torch_gates.py`): same weights, same numbers.

In both float types, in both modes, on maps that are not square, with sides and channels that no vector divides; in memory order
both ways. The parameters are moved off their first values: zeros hide mistakes.
"""
import numpy as np
import pytest
from op_samples import close, weights_of

import tinyattn as ta
from tinyattn import kernels

torch = pytest.importorskip("torch")
from tinyattn.bench import torch_gates as twins  # noqa: E402  (needs torch)

gates = ta.nn.attention
SHAPES = [(3, 20, 7, 5), (2, 16, 1, 9), (4, 35, 4, 6), (2, 8, 13, 12), (3, 7, 1, 1)]
NAMES = [name for name in gates.GATES if name != "none"]
MORE = {  # arguments other than the usual: ours, theirs, shape
    "spatial 3×3": (lambda: gates.SpatialAttention(5, 3), lambda: twins.SpatialAttention(5, 3), (2, 5, 4, 9)),
    "bam dilation 1": (lambda: gates.BAM(32, 4, dilation=1), lambda: twins.BAM(32, 4, 1), (2, 32, 3, 5)),
    "bam dilation 2": (lambda: gates.BAM(6, dilation=2), lambda: twins.BAM(6, dilation=2), (2, 6, 7, 7)),
    "coordinate r 2": (lambda: gates.CoordinateAttention(20, 2), lambda: twins.CoordinateAttention(20, 2), (2, 20, 3, 8)),
    "triplet 3×3": (lambda: gates.TripletAttention(6, 3), lambda: twins.TripletAttention(6, 3), (2, 6, 5, 4)),
    "simam λ": (lambda: gates.SimAM(6, 0.3), lambda: twins.SimAM(6, 0.3), (2, 6, 5, 4)),
    "sk three": (lambda: gates.SelectiveKernel(12, 3, 2, 3), lambda: twins.SelectiveKernel(12, 3, 2, 3), (3, 12, 9, 8)),
    "sk whole": (lambda: gates.SelectiveKernel(9, groups=1), lambda: twins.SelectiveKernel(9, groups=1), (3, 9, 2, 3)),
    "sk wide": (lambda: gates.SelectiveKernel(64), lambda: twins.SelectiveKernel(64), (2, 64, 5, 4)),
    "gc r 2": (lambda: gates.GlobalContext(20, 2), lambda: twins.GlobalContext(20, 2), (2, 20, 6, 3)),
    "nonlocal scaled": (lambda: gates.NonLocal2d(20, scaled=True), lambda: twins.NonLocal(20, scaled=True), (2, 20, 4, 5)),
    "relative heads": (lambda: gates.RelativeSelfAttention2d(12, (3, 5), 3), lambda: twins.RelativeSelfAttention(12, (3, 5), 3), (2, 12, 3, 5)),
    "relative on a smaller map": (lambda: gates.RelativeSelfAttention2d(8, 6), lambda: twins.RelativeSelfAttention(8, (6, 6)), (2, 8, 3, 5)),
    "relative on a larger map": (lambda: gates.RelativeSelfAttention2d(8, (3, 2)), lambda: twins.RelativeSelfAttention(8, (3, 2)), (2, 8, 4, 7)),
    "bot heads": (lambda: gates.BottleneckTransformer(20, (4, 3), 5, 2), lambda: twins.BottleneckTransformer(20, (4, 3), 5, 2), (2, 20, 4, 3)),
    "bot on a larger map": (lambda: gates.BottleneckTransformer(16, 2), lambda: twins.BottleneckTransformer(16, (2, 2)), (2, 16, 5, 3)),
}


def pair(name, channels, size):
    """Ours and theirs of that name."""
    ours, their = gates.create(name, channels, size), twins.GATES[name]
    more = {"self": lambda: (ours.heads,), "relative": lambda: (size, ours.heads), "bot": lambda: (size, ours.heads)}
    return ours, their(channels, *more.get(name, tuple)())


def compare(ours, theirs, images, dtype, training, tolerance):
    """Outputs, gradients of input and parameters, and buffers, after one pass of both with ours' weights."""
    ours, theirs = ours.to(dtype).train(training), theirs.to(getattr(torch, dtype)).train(training)
    random = np.random.default_rng(3)
    for p in ours.parameters():
        p.data[...] += 0.3 * random.normal(size=p.shape)
    state = {k: v.data.copy() for k, v in ours.state_dict().items()}
    assert list(state) == list(theirs.state_dict()), "the keys differ"
    theirs.load_state_dict({k: torch.tensor(v) for k, v in state.items()})
    images = images.astype(dtype)
    memory = np.ascontiguousarray(images.transpose(0, 2, 3, 1)).transpose(0, 3, 1, 2)
    t = torch.tensor(images, requires_grad=True)
    z = theirs(t)
    (w,) = weights_of([z.detach().numpy()])
    z.backward(torch.tensor(w.astype(dtype)))
    for order, values in (("NCHW", images), ("channels-last", memory)):
        ours.load_state_dict(state)
        ours.zero_grad()
        x = ta.Tensor(values.copy(order="K"), requires_grad=True)
        y = ours(x)
        assert y.dtype == dtype and y.shape == x.shape
        close(y.data, z.detach().numpy(), tolerance, f"output, {order}")
        y.backward(ta.Tensor(w.astype(dtype)))
        close(x.grad.data, t.grad.numpy(), 10 * tolerance, f"gradient of the input, {order}")
        for (key, p), q in zip(ours.named_parameters(), theirs.parameters(), strict=True):
            close(p.grad.data, q.grad.numpy(), 10 * tolerance, f"{key}, {order}")
        for (key, a), b in zip(ours.named_buffers(), theirs.buffers(), strict=True):
            close(np.asarray(a.data, float), b.double().numpy(), tolerance, f"{key}, {order}")


@pytest.mark.parametrize("dtype, tolerance", [("float64", 1e-10), ("float32", 2e-4)])
@pytest.mark.parametrize("training", [True, False])
@pytest.mark.parametrize("shape", SHAPES, ids=lambda s: "×".join(map(str, s)))
@pytest.mark.parametrize("name", NAMES)
def test_gates(name, shape, training, dtype, tolerance):
    ta.manual_seed(0)
    ours, theirs = pair(name, shape[1], shape[2:])
    compare(ours, theirs, np.random.default_rng(5).normal(size=shape), dtype, training, tolerance)


@pytest.mark.parametrize("rung", kernels.HOST_RUNGS)
@pytest.mark.parametrize("name", MORE)
def test_gates_made_otherwise(name, rung):
    ours, theirs, shape = MORE[name]
    with kernels.use(rung):
        ta.manual_seed(0)
        compare(ours(), theirs(), np.random.default_rng(6).normal(size=shape), "float64", True, 1e-10)
