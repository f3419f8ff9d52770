"""Elementwise functions, reductions, indexing and optimizer steps against PyTorch's."""
import numpy as np
import pytest

from tinyattn import kernels

torch = pytest.importorskip("torch")
F = torch.nn.functional


@pytest.fixture(params=kernels.HOST_RUNGS)
def k(request):
    return kernels.rung(request.param)


def normal(shape, dtype=np.float64, seed=0, scale=2.0):
    return np.random.default_rng(seed).normal(0, scale, shape).astype(dtype)


def close(ours, theirs, eps_times=16):
    theirs = theirs.numpy()
    assert ours.dtype == theirs.dtype and ours.shape == theirs.shape
    if theirs.dtype.kind == "f":
        allowed = eps_times * np.finfo(theirs.dtype).eps
        np.testing.assert_allclose(ours, theirs, rtol=allowed, atol=allowed)
    else:
        assert np.array_equal(ours, theirs)


UNARY = {
    "neg": torch.neg, "abs": torch.abs, "sign": torch.sign, "exp": torch.exp, "log": torch.log, "log1p": torch.log1p,
    "sqrt": torch.sqrt, "rsqrt": torch.rsqrt, "reciprocal": torch.reciprocal, "square": torch.square, "sin": torch.sin,
    "cos": torch.cos, "tanh": torch.tanh, "sigmoid": torch.sigmoid, "erf": torch.erf, "floor": torch.floor,
    "ceil": torch.ceil, "round": torch.round, "relu": torch.relu, "gelu": F.gelu, "silu": F.silu,
    "softplus": F.softplus, "elu": F.elu,
}


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
@pytest.mark.parametrize("name", UNARY)
def test_unary(k, name, dtype):
    x = normal((5, 41), dtype)
    if name in ("log", "sqrt", "rsqrt", "log1p", "reciprocal"):
        x = np.abs(x) + dtype(0.01)
    close(getattr(k, name)(x), UNARY[name](torch.from_numpy(x)), 64)


ODD = np.array([np.nan, np.inf, -np.inf, 0.0, -0.0, 1e30, -1e30], np.float32)


# Left out: PyTorch has sign(NaN) = 0 and gelu(∞) = NaN; sines of huge numbers are the library's affair.
@pytest.mark.parametrize("name", sorted(set(UNARY) - {"sign", "gelu", "sin", "cos"}))
def test_unary_of_odd_values(k, name):
    np.testing.assert_array_equal(getattr(k, name)(ODD), UNARY[name](torch.from_numpy(ODD)).numpy())


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_binary(k, dtype):
    a, b = normal((4, 1, 6), dtype, 1), normal((3, 1), dtype, 2)
    s, t = torch.from_numpy(a), torch.from_numpy(b)
    for name in ("add", "sub", "mul", "div", "maximum", "minimum", "eq", "ne", "lt", "le", "gt", "ge",
                 "logical_and", "logical_or"):
        close(getattr(k, name)(a, b), getattr(torch, name)(s, t))
    close(k.pow(np.abs(a), b), torch.pow(s.abs(), t))
    for exponent in (2, 3, 0.5, -1, -2.0, 0):
        close(k.pow(np.abs(a), exponent), torch.pow(s.abs(), exponent))
    close(k.logical_not(a), torch.logical_not(s))
    close(k.clamp(a, -1, 0.5), torch.clamp(s, -1, 0.5))
    close(k.clamp(a, None, b), torch.clamp(s, max=t))
    close(k.where(a > b, a, b), torch.where(s > t, s, t))
    close(k.leaky_relu(a, 0.2), F.leaky_relu(s, 0.2))
    close(k.elu(a, 0.3), F.elu(s, 0.3))


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
@pytest.mark.parametrize("name, of_output", [
    ("relu", True), ("sigmoid", True), ("tanh", True), ("gelu", False), ("silu", False)])
def test_derivatives(k, name, of_output, dtype):
    x, dy = normal((5, 41), dtype, 1), normal((5, 41), dtype, 2)
    t = torch.from_numpy(x).requires_grad_()
    y = UNARY[name](t)
    y.backward(torch.from_numpy(dy))
    close(getattr(k, name + "_backward")(dy, y.detach().numpy() if of_output else x), t.grad, 32)


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
@pytest.mark.parametrize("axes", [(0,), (1,), (2,), (0, 2), (0, 1), (0, 1, 2)])
def test_reductions(k, axes, dtype):
    x = normal((6, 7, 50), dtype)
    t = torch.from_numpy(x)
    for keepdims in (False, True):
        close(k.sum(x, axes, keepdims), t.sum(axes, keepdims), 400)
        close(k.mean(x, axes, keepdims), t.mean(axes, keepdims), 64)
        close(k.amax(x, axes, keepdims), t.amax(axes, keepdims))
        close(k.amin(x, axes, keepdims), t.amin(axes, keepdims))
    if len(axes) == 1:
        close(k.argmax(x, axes[0]), t.argmax(axes[0]))
        close(k.argmin(x, axes[0], True), t.argmin(axes[0], True))
        close(k.prod(x[:, :, :5].copy(), axes), t[:, :, :5].prod(axes[0]), 64)
        close(k.cumsum(x, axes[0]), t.cumsum(axes[0]), 400)


def test_index(k):
    x, rng = normal((4, 5, 6)), np.random.default_rng(1)
    for axis in range(3):
        shape = [3, 4, 5]
        shape[axis] = 8
        index, dy = rng.integers(0, x.shape[axis], shape), normal(shape, seed=2)
        close(k.gather(x, axis, index), torch.gather(torch.from_numpy(x), axis, torch.from_numpy(index)))
        size = list(shape)
        size[axis] = x.shape[axis]
        zeros = torch.zeros(size, dtype=torch.float64)
        expected = zeros.scatter_add(axis, torch.from_numpy(index), torch.from_numpy(dy))
        close(k.scatter_add(dy, axis, index, x.shape[axis]), expected)
    table, rows, dy = normal((7, 3)), rng.integers(0, 7, 30), normal((30, 3), seed=3)
    close(k.take_rows(table, rows), F.embedding(torch.from_numpy(rows), torch.from_numpy(table)))
    zeros = torch.zeros(7, 3, dtype=torch.float64)
    close(k.add_rows(dy, rows, 7), zeros.index_add(0, torch.from_numpy(rows), torch.from_numpy(dy)))
    close(k.one_hot(rows, 9, np.int64), F.one_hot(torch.from_numpy(rows), 9))


STEPS, SIZE = 50, 33


def train(optimizer_of, step, dtype):
    """The same noisy descent twice: by PyTorch's optimizer and by ours; a learning rate that changes on the way."""
    start, slopes = normal(SIZE, dtype), normal((STEPS, SIZE), dtype, 1)
    theirs = torch.from_numpy(start.copy()).requires_grad_()
    optimizer = optimizer_of([theirs])
    ours = start.copy()
    for t in range(1, STEPS + 1):
        rate = 0.1 / t
        optimizer.param_groups[0]["lr"] = rate
        theirs.grad = torch.from_numpy(slopes[t - 1]) + 0.1 * theirs.detach()
        optimizer.step()
        step(ours, slopes[t - 1] + dtype(0.1) * ours, np.array([rate], dtype), t)
    tolerance = 1e-12 if dtype == np.float64 else 2e-5
    np.testing.assert_allclose(ours, theirs.detach().numpy(), rtol=tolerance, atol=tolerance)
    assert np.abs(ours - start).max() > 0.05


@pytest.mark.parametrize("dtype", [np.float64, np.float32])
@pytest.mark.parametrize("momentum, dampening, weight_decay, nesterov", [
    (0, 0, 0, False), (0, 0, 0.1, False), (0.9, 0, 0, False), (0.9, 0.3, 0.1, False), (0.9, 0, 0.1, True)])
def test_sgd(k, momentum, dampening, weight_decay, nesterov, dtype):
    buffer = [np.full(SIZE, np.nan, dtype)] if momentum else None
    train(lambda p: torch.optim.SGD(p, 0.1, momentum, dampening, weight_decay, nesterov),
          lambda p, g, lr, t: k.sgd_step([p], [g], buffer, lr, momentum, dampening, weight_decay, nesterov, t == 1), dtype)


@pytest.mark.parametrize("dtype", [np.float64, np.float32])
@pytest.mark.parametrize("kind, decoupled", [(torch.optim.Adam, False), (torch.optim.AdamW, True)])
@pytest.mark.parametrize("weight_decay", [0, 0.1])
def test_adam(k, kind, decoupled, weight_decay, dtype):
    m, v = np.zeros(SIZE, dtype), np.zeros(SIZE, dtype)
    numbers = 0.8, 0.95, 1e-6, weight_decay
    train(lambda p: kind(p, 0.1, (0.8, 0.95), 1e-6, weight_decay),
          lambda p, g, lr, t: k.adam_step([p], [g], [m], [v], lr, np.array([t]), *numbers, decoupled), dtype)


def test_lerp(k):
    a, b = normal(50), normal(50, seed=1)
    expected = torch.from_numpy(a.copy()).lerp_(torch.from_numpy(b), 0.3)
    k.lerp_step([a], [b], 0.3)
    close(a, expected)
