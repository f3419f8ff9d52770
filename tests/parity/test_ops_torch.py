"""Every operation against PyTorch: values, dtypes and gradients of every sample, in float64."""
import numpy as np
import pytest
from op_samples import BY_ID, F, PLAIN, close, listed, run, weights_of

import tinyattn as ta

torch = pytest.importorskip("torch")
TF = torch.nn.functional


def _running(t, f, x, m, v, *rest):
    shape = (1, -1) + (1,) * (x.ndim - 2)
    y = (x - m.reshape(shape)) / torch.sqrt(v.reshape(shape) + 0.1)
    return y if not rest else y * rest[0].reshape(shape) + rest[1].reshape(shape)


def _pool_channels(t, f, x, g=None):
    gated = x if g is None else x * g[:, :, None, None]
    return torch.stack([gated.mean(1), gated.max(1)[0]], 1)


def _apply_gates(t, f, x, a, b):
    return x * a[:, :, None, None] * b.reshape(b.shape[0], 1, *b.shape[-2:])


def _squeeze_excitation(t, f, x, w1, b1, w2, b2):
    return x * torch.sigmoid(TF.linear(TF.relu(TF.linear(x.mean((2, 3)), w1, b1)), w2, b2))[:, :, None, None]


def _cbam(t, f, x, w1, w2, filters):
    score = sum(TF.linear(TF.relu(TF.linear(v, w1)), w2) for v in (x.mean((2, 3)), x.flatten(2).max(2)[0]))
    gated = x * torch.sigmoid(score)[:, :, None, None]
    maps = torch.stack([gated.mean(1), gated.max(1)[0]], 1)
    return gated * torch.sigmoid(TF.conv2d(maps, filters, padding=tuple(n // 2 for n in filters.shape[2:])))


def _energy_gate(e_lambda):
    def twin(t, f, x):
        d = (x - x.mean((2, 3), keepdim=True)).pow(2)
        return x * torch.sigmoid(d / (4 * (d.sum((2, 3), keepdim=True) / (x.shape[2] * x.shape[3] - 1) + e_lambda)) + 0.5)
    return twin


TWINS = {
    "energy_gate": _energy_gate(1e-4),
    "energy_gate wider than a tile": _energy_gate(0.2),
    "attention_gate mean alone": lambda t, f, x: x * torch.sigmoid(x.mean((2, 3), keepdim=True)),
    "attention_gate SE": _squeeze_excitation,
    "attention_gate CBAM": _cbam,
    "attention_gate CBAM of 17 channels": _cbam,
    "additive_scores": lambda t, f, q, k, v: torch.tanh(q[:, :, None] + k[:, None]) @ v,
    "weighted_sum": lambda t, f, w, *xs: sum((c[(...,) + (None,) * (xs[0].ndim - c.ndim)] if w.ndim == 2 else c) * x for c, x in zip(w.unbind(-1), xs)),
    "pool_pixels": lambda t, f, x: [x.mean((2, 3)), x.flatten(2).max(2)[0]],
    "pool_pixels mean alone": lambda t, f, x: x.mean((2, 3)),
    "pool_channels": _pool_channels,
    "apply_gates": _apply_gates,
    "apply_gates channel alone": lambda t, f, x, a: x * a[:, :, None, None],
    "apply_gates pixel alone": lambda t, f, x, b: x * b,
    "attention_weights": lambda t, f, q, k: torch.softmax(
        (q @ k.mT * 0.5).masked_fill(torch.ones(q.shape[-2], k.shape[-2], dtype=torch.bool).triu(1), -torch.inf), -1),
    "batch_norm with relu": lambda t, f, x, w, b: TF.relu(TF.batch_norm(x, None, None, w, b, True)),
    "batch_norm running, with relu": lambda t, f, x, m, v, w, b: TF.relu(TF.batch_norm(x, m, v, w, b)),
    **{f"batch_norm with relu and pool {shape}": lambda t, f, x, w, b, p=windows: TF.max_pool2d(TF.relu(TF.batch_norm(x, None, None, w, b, True)), p)
       for shape, windows in (("2×3×4×5", 2), ("2×19×5×7", (2, 3)), ("64×33×8×8", 2))},
    "batch_norm running, with relu and pool": lambda t, f, x, m, v, w, b: TF.max_pool2d(TF.relu(TF.batch_norm(x, m, v, w, b)), 2),
    "batch_norm gradients of given statistics": _running,
    "hardsigmoid": lambda t, f, x: torch.clamp(x * 7 + 3, 0, 6) / 6,         # PyTorch's own derivative has a float32 sixth in it
    "hardsigmoid in place": lambda t, f, x: torch.clamp(x * 7 + 3, 0, 6) / 2,
    "root": lambda t, f, x: x.sqrt(),
    "unbroadcast": lambda t, f, x: x.sum((0, 2)).reshape(3, 1) ** 2,
}
"""PyTorch's side of samples that PyTorch has no single function for: by id, or by name for all samples of an operation."""
NO_TWIN = dict.fromkeys(("dropout", "dropout1d", "dropout2d"), "another generator: its law is tested in tests/ops/test_random.py")
NO_TWIN.update(dict.fromkeys(("rnn", "gru", "lstm", "last_state", "zero_outside"), "layers and lengths: tests/parity/test_recurrent_torch.py"))


def _picked(t, f, x, places):
    at = places.permute(0, 3, 1, 2).long()                                   # (N, C, H', W')
    return x.flatten(2).gather(2, at.flatten(2)).reshape(at.shape)


def _picked_in_tiles(t, f, x, places):
    at = places.permute(0, 3, 1, 2).long()
    rows, columns = 2 * torch.arange(at.shape[2])[:, None] + at // 2, 2 * torch.arange(at.shape[3]) + at % 2
    return x.flatten(2).gather(2, (rows * x.shape[3] + columns).flatten(2)).reshape(at.shape)


TWINS.update({"add_relu": lambda t, f, a, b: TF.relu(a + b), "pick_winners": _picked, "pick_winners in tiles": _picked_in_tiles})


def _call(name, sample):
    return TWINS.get(name) or TWINS.get(sample.name) or sample.call


def _tensor(array, grad):
    return torch.tensor(np.asarray(array), requires_grad=grad)


@pytest.mark.parametrize("name", [n for n in BY_ID if BY_ID[n].name not in NO_TWIN])
def test_values_and_gradients(name):
    sample = BY_ID[name]
    arrays = [np.asarray(a) for a in sample.arrays()]
    outputs, gradients = run(sample, arrays)
    xs = [_tensor(a, spec.grad) for a, spec in zip(arrays, sample.inputs)]
    expected = listed(_call(name, sample)(torch, TF, *xs))
    for i, (a, b) in enumerate(zip(outputs, expected, strict=True)):
        b = b.detach().numpy()
        assert a.dtype == b.dtype, f"output {i} is {a.dtype}, PyTorch's {b.dtype}"
        close(a, b, 1e-10, f"output {i}")
    graded = [(y, w) for y, w in zip(expected, weights_of(expected)) if y.requires_grad]
    wanted = [x for x in xs if x.requires_grad]
    found = iter(torch.autograd.grad([y for y, _ in graded], wanted, [torch.tensor(w) for _, w in graded], allow_unused=True))
    for i, (x, g) in enumerate(zip(xs, gradients, strict=True)):
        theirs = next(found) if x.requires_grad else None
        close(g, None if theirs is None else theirs.numpy(), 1e-9, f"gradient {i}")


@pytest.mark.parametrize("name", [n for n in PLAIN if n not in ("arange", "full", "zeros", "eye")])
def test_values_without_gradient(name):
    call, *inputs = PLAIN[name]
    random = np.random.default_rng(0)
    arrays = [np.asarray(i.make(random)) for i in inputs]
    ours, theirs = call(ta, F, *map(ta.Tensor, arrays)), call(torch, TF, *map(torch.tensor, arrays))
    for a, b in zip(listed(ours), listed(theirs), strict=True):
        b = b.numpy()
        assert a.dtype == b.dtype, f"{a.dtype}, PyTorch's {b.dtype}"
        assert np.array_equal(a.data, b)


@pytest.mark.parametrize("name", ["arange", "full", "zeros", "eye"])
def test_made_from_nothing(name):
    (call,) = PLAIN[name]
    for a, b in zip(call(ta, F), call(torch, TF), strict=True):
        b = b.numpy()
        assert a.dtype == b.dtype and np.array_equal(a.data, b)


HARD = np.array([-np.inf, -1e30, -800.0, -1.0, -0.0, 0.0, 1e-30, 1.0, 800.0, 1e30, np.inf, np.nan])


@pytest.mark.parametrize("dtype", ["float32", "float64"])
@pytest.mark.parametrize("name", ["exp", "log", "log1p", "sqrt", "rsqrt", "reciprocal", "square", "sin", "cos", "tanh", "sigmoid", "erf",
                                  "abs", "sign", "floor", "ceil", "round", "relu", "gelu", "silu", "softplus", "elu", "leaky_relu"])
def test_hard_values(name, dtype):
    """Infinities, NaN, signed zeros, huge and tiny numbers: the same class of result as PyTorch's."""
    x = HARD.astype(dtype)
    if name in ("sin", "cos"):
        x = np.where(np.abs(x) > 1e6, 3e3, x).astype(dtype)    # the reduction of huge angles is the platform's
    if name == "gelu":
        x = x[np.isfinite(x)]                                  # PyTorch's float32 gives NaN for infinity
    y = getattr(ta, name, None) or getattr(F, name)
    theirs = getattr(torch, name, None) or getattr(TF, name)
    close(y(ta.Tensor(x)).data, theirs(torch.tensor(x)).numpy(), 2e-6 if dtype == "float32" else 1e-14, name)


PROMOTIONS = [("int64", "float32"), ("uint8", "float32"), ("bool", "float64"), ("float32", "float64"), ("bool", "int64"), ("int32", "int64")]


@pytest.mark.parametrize("a,b", PROMOTIONS)
def test_dtypes_of_results(a, b):
    """Two dtypes meet: tensors with axes, a 0-d one, and Python numbers, as PyTorch promotes them."""
    x, y = np.array([1, 0, 1]).astype(a), np.array([2, 3, 1]).astype(b)
    cases = [lambda p, q: p + q, lambda p, q: q * p, lambda p, q: p / q, lambda p, q: p + q.sum(), lambda p, q: p * 2, lambda p, q: p * 0.5,
             lambda p, q: q[0] * p, lambda p, q: p > q]
    for i, f in enumerate(cases):
        ours, theirs = f(ta.Tensor(x), ta.Tensor(y)), f(torch.tensor(x), torch.tensor(y)).numpy()
        assert ours.dtype == theirs.dtype, f"case {i}: {ours.dtype}, PyTorch's {theirs.dtype}"
        close(ours.data.astype(float), theirs.astype(float), 1e-6, f"case {i}")
