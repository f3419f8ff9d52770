"""Pooling, normalisation, losses, attention and gates against PyTorch: values and gradients, in float64."""
import itertools

import numpy as np
import pytest

from tinyattn import kernels

torch = pytest.importorskip("torch")
F = torch.nn.functional


@pytest.fixture(params=kernels.HOST_RUNGS)
def k(request):
    return kernels.rung(request.param)


def numbers(*shape, seed=0):
    return np.random.default_rng(seed).standard_normal(shape)


def leaf(x):
    return torch.tensor(x, dtype=torch.float64, requires_grad=True)


def nchw(x):
    return leaf(np.ascontiguousarray(x.transpose(0, 3, 1, 2)))


def nhwc(t):
    return t.detach().permute(0, 2, 3, 1).numpy()


def same(ours, theirs, atol=1e-11):
    np.testing.assert_allclose(ours, theirs.detach().numpy() if torch.is_tensor(theirs) else theirs, rtol=0, atol=atol)


# kernel, stride, padding, dilation
WINDOWS = [((2, 2), (2, 2), (0, 0), (1, 1)), ((3, 3), (2, 2), (1, 1), (1, 1)), ((3, 2), (1, 3), (1, 0), (1, 1)),
           ((2, 3), (3, 2), (1, 1), (2, 1)), ((1, 1), (3, 3), (0, 0), (1, 1)), ((3, 3), (1, 2), (0, 1), (1, 2))]


@pytest.mark.parametrize("ceil_mode", [False, True])
@pytest.mark.parametrize("kernel,stride,padding,dilation", WINDOWS)
@pytest.mark.parametrize("shape", [(2, 9, 10, 3), (1, 7, 6, 5)])
def test_max_pool(k, shape, kernel, stride, padding, dilation, ceil_mode):
    x = np.round(numbers(*shape), 1)
    t = nchw(x)
    theirs, where = F.max_pool2d(t, kernel, stride, padding, dilation, ceil_mode, return_indices=True)
    y, indices = k.max_pool2d_forward(x, kernel, stride, padding, dilation, ceil_mode)
    same(y, nhwc(theirs))
    np.testing.assert_array_equal(indices, nhwc(where))
    dy = numbers(*y.shape, seed=1)
    theirs.backward(torch.tensor(dy.transpose(0, 3, 1, 2)))
    same(k.max_pool2d_backward(dy, indices, x.shape), nhwc(t.grad))


@pytest.mark.parametrize("kernel", [2, 3])
def test_max_pool_of_nan(k, kernel):
    x = numbers(1, 6, 6, 2)
    x[0, [0, 1, 3, 3], [1, 0, 2, 4], 0] = np.nan
    theirs, where = F.max_pool2d(nchw(x), kernel, 1, return_indices=True)
    y, indices = k.max_pool2d_forward(x, (kernel,) * 2, (1, 1), (0, 0), (1, 1), False)
    np.testing.assert_array_equal(y, nhwc(theirs))
    np.testing.assert_array_equal(indices, nhwc(where))


@pytest.mark.parametrize("ceil_mode,include,divisor", [*itertools.product([False, True], [False, True], [None, 5])])
@pytest.mark.parametrize("kernel,stride,padding", [w[:3] for w in WINDOWS if w[3] == (1, 1)])
@pytest.mark.parametrize("shape", [(2, 9, 10, 3), (1, 7, 6, 5)])
def test_avg_pool(k, shape, kernel, stride, padding, ceil_mode, include, divisor):
    x = numbers(*shape)
    t = nchw(x)
    theirs = F.avg_pool2d(t, kernel, stride, padding, ceil_mode, include, divisor)
    y = k.avg_pool2d_forward(x, kernel, stride, padding, ceil_mode, include, divisor)
    same(y, nhwc(theirs))
    dy = numbers(*y.shape, seed=1)
    theirs.backward(torch.tensor(dy.transpose(0, 3, 1, 2)))
    same(k.avg_pool2d_backward(dy, x.shape, kernel, stride, padding, ceil_mode, include, divisor), nhwc(t.grad))


@pytest.mark.parametrize("output", [(1, 1), (3, 4), (7, 10), (9, 2)])
def test_adaptive_avg_pool(k, output):
    x = numbers(2, 7, 10, 3)
    t = nchw(x)
    theirs = F.adaptive_avg_pool2d(t, output)
    y = k.adaptive_avg_pool2d_forward(x, output)
    same(y, nhwc(theirs))
    theirs.backward(torch.tensor(y.transpose(0, 3, 1, 2)))
    same(k.adaptive_avg_pool2d_backward(y, x.shape), nhwc(t.grad))


@pytest.mark.parametrize("relu", [False, True])
@pytest.mark.parametrize("affine", [False, True])
def test_batch_norm(k, affine, relu):
    x, weight, bias = numbers(60, 7), numbers(7, seed=1), numbers(7, seed=2)
    w, b = (weight, bias) if affine else (None, None)
    t, tw, tb = leaf(x), leaf(weight), leaf(bias)
    running = torch.zeros(7, dtype=torch.float64), torch.zeros(7, dtype=torch.float64)
    theirs = F.batch_norm(t, *running, tw if affine else None, tb if affine else None, True, 1.0, 1e-3)
    theirs = F.relu(theirs) if relu else theirs
    y, mean, var, rstd = k.batch_norm_forward(x, w, b, 1e-3, relu)
    same(y, theirs)
    same(mean, running[0])
    same(var * 60 / 59, running[1])  # PyTorch keeps the unbiased variance
    dy = numbers(60, 7, seed=3)
    theirs.backward(torch.tensor(dy))
    dx, dweight, dbias = k.batch_norm_backward(dy, x, mean, rstd, w, b, relu)
    same(dx, t.grad)
    if affine:
        same(dweight, tw.grad)
        same(dbias, tb.grad)
    theirs = F.batch_norm(t, *running, tw if affine else None, tb if affine else None, False, 1.0, 1e-3)
    same(k.batch_norm_inference(x, running[0].numpy(), running[1].numpy(), w, b, 1e-3, relu),
         F.relu(theirs) if relu else theirs)


@pytest.mark.parametrize("affine", [False, True])
def test_layer_norm(k, affine):
    x, weight, bias, dy = numbers(9, 33), numbers(33, seed=1), numbers(33, seed=2), numbers(9, 33, seed=3)
    w, b = (weight, bias) if affine else (None, None)
    t, tw, tb = leaf(x), leaf(weight), leaf(bias)
    theirs = F.layer_norm(t, (33,), tw if affine else None, tb if affine else None, 1e-3)
    y, mean, rstd = k.layer_norm_forward(x, w, b, 1e-3)
    same(y, theirs)
    theirs.backward(torch.tensor(dy))
    dx, dweight, dbias = k.layer_norm_backward(dy, x, mean, rstd, w)
    same(dx, t.grad)
    if affine:
        same(dweight, tw.grad)
        same(dbias, tb.grad)


@pytest.mark.parametrize("log", [False, True])
def test_softmax(k, log):
    x, dy = numbers(6, 21) * 4, numbers(6, 21, seed=1)
    t = leaf(x)
    theirs = F.log_softmax(t, 1) if log else F.softmax(t, 1)
    y = k.log_softmax_forward(x) if log else k.softmax_forward(x)
    same(y, theirs)
    theirs.backward(torch.tensor(dy))
    same(k.log_softmax_backward(dy, y) if log else k.softmax_backward(dy, y), t.grad)


@pytest.mark.parametrize("weighted,ignore_index,smoothing",
                         [*itertools.product([False, True], [-100, 2], [0.0, 0.1, 0.7])])
def test_cross_entropy(k, weighted, ignore_index, smoothing):
    logits, dlosses, target = numbers(12, 5) * 3, numbers(12, seed=1), np.random.default_rng(2).integers(0, 5, 12)
    target[3] = ignore_index
    weight = np.array([0.5, 2, 1, 0, 3]) if weighted else None
    t = leaf(logits)
    theirs = F.cross_entropy(t, torch.tensor(target), torch.tensor(weight) if weighted else None,
                             ignore_index=ignore_index, reduction="none", label_smoothing=smoothing)
    losses, log_probs = k.cross_entropy_forward(logits, target, weight, ignore_index, smoothing)
    same(losses, theirs)
    theirs.backward(torch.tensor(dlosses))
    same(k.cross_entropy_backward(dlosses, log_probs, target, weight, ignore_index, smoothing), t.grad)


@pytest.mark.parametrize("shape", [(2, 3, 9, 9, 8, 8), (1, 2, 70, 90, 5, 6)])
@pytest.mark.parametrize("kind", ["plain", "causal", "mask", "mask of one head"])
def test_attention(k, kind, shape):
    B, H, T, S, D, E = shape
    q, keys, v, do = numbers(B, H, T, D), numbers(B, H, S, D, seed=1), numbers(B, H, S, E, seed=2), numbers(B, H, T, E, seed=3)
    mask = None
    if kind.startswith("mask"):
        mask = numbers(B, 1 if "one" in kind else H, T, S, seed=4)
        mask[..., ::3] = -np.inf
    leaves = [leaf(a) for a in (q, keys, v)]
    theirs = F.scaled_dot_product_attention(*leaves, None if mask is None else torch.tensor(mask), 0.0, kind == "causal",
                                            scale=0.3)
    o, lse = k.attention_forward(q, keys, v, mask, kind == "causal", 0.3)
    same(o, theirs)
    theirs.backward(torch.tensor(do))
    for ours, theirs in zip(k.attention_backward(do, q, keys, v, o, lse, mask, kind == "causal", 0.3), leaves):
        same(ours, theirs.grad)


def test_gates(k):
    """The squeezes and products of CBAM, gradients through all of them."""
    x, gate, pixel = numbers(2, 30, 8), numbers(2, 8, seed=1), numbers(2, 30, seed=2)
    t, tg, tp = leaf(x), leaf(gate), leaf(pixel)
    mean, most, argmax = k.pool_pixels_forward(x)
    same(mean, t.mean(1))
    same(most, t.max(1).values)
    np.testing.assert_array_equal(argmax, t.max(1).indices.numpy())
    (t.mean(1) * torch.tensor(gate) + t.amax(1) * torch.tensor(gate)).sum().backward()
    same(k.pool_pixels_backward(gate, gate, argmax, 30), t.grad)

    t.grad = None
    gated = t * tg[:, None]
    theirs = torch.stack([gated.mean(2), gated.amax(2)], 2)
    maps, argmax = k.pool_channels_forward(x, gate)
    same(maps, theirs)
    np.testing.assert_array_equal(argmax, gated.max(2).indices.numpy())
    theirs.backward(torch.tensor(maps))
    dx, dgate = k.pool_channels_backward(maps, argmax, x, gate)
    same(dx, t.grad)
    same(dgate, tg.grad)

    t.grad = tg.grad = None
    theirs = t * tg[:, None] * tp[:, :, None]
    y = k.apply_gates_forward(x, gate, pixel)
    same(y, theirs)
    theirs.backward(torch.tensor(y))
    for ours, theirs in zip(k.apply_gates_backward(y, x, gate, pixel), (t, tg, tp)):
        same(ours, theirs.grad)
