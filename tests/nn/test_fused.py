"""A fused chain is its plain chain and its formula; batch norm keeps count."""
import copy

import numpy as np
import pytest

import tinyattn as ta
from tinyattn import kernels, nn
from tinyattn.ops.activation import add_relu


@pytest.fixture(autouse=True)
def plain_kernels():
    with kernels.use("reference"):
        yield


def test_fused_chain_equals_the_plain_one():
    for training in (True, False):
        ta.manual_seed(1)
        net = nn.ConvNormAct(3, 5, 3).double().train(training)
        x, random = ta.randn(4, 3, 6, 6, dtype=np.float64, requires_grad=True), np.random.default_rng(0)
        net.norm.weight.data[...], net.norm.bias.data[...] = random.normal(size=5), random.normal(size=5)
        other = copy.deepcopy(net)
        seen = []
        other.norm.register_forward_hook(lambda m, i, o: seen.append(o.data.min()))
        y, z = net(x), other(x)
        assert seen and seen[0] < 0, "the hook on the norm sees what comes before the activation"
        np.testing.assert_allclose(y.data, z.data, rtol=1e-12, atol=1e-12)
        g, h = (ta.grad((out * out).sum(), [x, *m.parameters()]) for out, m in ((y, net), (z, other)))
        for a, b in zip(g, h, strict=True):
            np.testing.assert_allclose(a.data, b.data, rtol=1e-10, atol=1e-11)
        assert np.array_equal(net.norm.running_var.data, other.norm.running_var.data)


@pytest.mark.parametrize("training", [True, False])
@pytest.mark.parametrize("pool", [nn.MaxPool2d(2), nn.MaxPool2d((2, 3)), nn.MaxPool2d(3, 2, 1), nn.MaxPool2d(2, ceil_mode=True), nn.AvgPool2d(2)])
def test_fused_chain_with_the_pool_that_follows(pool, training):
    ta.manual_seed(1)
    net, random = nn.ConvNormAct(3, 5, 3).double().train(training), np.random.default_rng(0)
    x = ta.randn(4, 3, 7, 6, dtype=np.float64, requires_grad=True)
    net.norm.weight.data[...], net.norm.bias.data[...] = random.normal(size=5), random.normal(size=5)
    other, seen = copy.deepcopy(net), []
    y, z = net(x, pool), pool(other(x))
    np.testing.assert_allclose(y.data, z.data, rtol=1e-12, atol=1e-12)
    g, h = (ta.grad((out * out).sum(), [x, *m.parameters()]) for out, m in ((y, net), (z, other)))
    for a, b in zip(g, h, strict=True):
        np.testing.assert_allclose(a.data, b.data, rtol=1e-10, atol=1e-11)
    assert np.array_equal(net.norm.running_var.data, other.norm.running_var.data)
    with pool.register_forward_hook(lambda m, i, o: seen.append(i[0].shape)):
        net(x, pool)
    assert seen == [(4, 5, 7, 6)], "who watches the pool sees what it was given"


@pytest.mark.parametrize("activation", ["relu", None])
def test_fused_chain_is_its_formula(activation):
    """Held against NumPy, in training and in evaluation, on an image that is no square."""
    rng = np.random.default_rng(2)
    net = nn.ConvNormAct(2, 3, kernel_size=(3, 1), stride=2, activation=activation).double()
    for p in net.parameters():
        p.data[...] = rng.normal(size=p.shape)
    x, w = rng.normal(size=(2, 2, 5, 4)), net.conv.weight.data
    padded = np.pad(x, ((0, 0), (0, 0), (1, 1), (0, 0)))
    conv = np.zeros((2, 3, 3, 2))
    for n, k, i, j in np.ndindex(conv.shape):
        conv[n, k, i, j] = (w[k] * padded[n, :, 2 * i:2 * i + 3, 2 * j:2 * j + 1]).sum()
    mean, var = conv.mean((0, 2, 3)), conv.var((0, 2, 3))
    running = 0.1 * mean, 0.9 + 0.1 * conv.var((0, 2, 3), ddof=1)
    for training, (m, v) in ((True, (mean, var)), (False, running)):
        y = (conv - m[:, None, None]) / np.sqrt(v + 1e-5)[:, None, None]
        y = y * net.norm.weight.data[:, None, None] + net.norm.bias.data[:, None, None]
        y = np.maximum(y, 0) if activation else y
        np.testing.assert_allclose(net.train(training)(ta.tensor(x)).data, y, rtol=1e-10, atol=1e-12)


def test_fused_chain_with_another_norm_in_its_place():
    net = nn.ConvNormAct(2, 4)
    x = ta.tensor(np.random.default_rng(3).normal(size=(2, 2, 4, 4)).astype(np.float32))
    for norm in (nn.Identity(), nn.GroupNorm(2, 4)):
        net.norm = norm
        np.testing.assert_allclose(net(x).data, np.maximum(norm(net.conv(x)).data, 0))
    net = nn.ConvNormAct(2, 4)
    with net.norm.register_forward_pre_hook(lambda m, inputs: inputs[0] * 0):
        assert not net(x).data.any()
    seen = []
    with net.conv.register_forward_hook(lambda m, inputs, y: seen.append(y.shape)), net.register_forward_hook(
            lambda m, inputs, y: seen.append(y.data.min())):
        net(x)
    assert seen == [(2, 4, 4, 4), 0.0]


def test_batch_norm_counts_and_averages():
    norm = nn.BatchNorm2d(2, momentum=None)                       # a plain average over all batches
    batches = [np.random.default_rng(i).normal(i, 2, (3, 2, 4, 4)).astype(np.float32) for i in range(3)]
    for b in batches:
        norm(ta.tensor(b))
    assert norm.num_batches_tracked.item() == 3
    np.testing.assert_allclose(norm.running_mean.data, np.mean([b.mean((0, 2, 3)) for b in batches], 0), rtol=1e-5)
    np.testing.assert_allclose(norm.running_var.data, np.mean([b.var((0, 2, 3), ddof=1) for b in batches], 0), rtol=1e-5)
    before = norm.running_mean.data.copy()
    norm.eval()(ta.tensor(batches[0]))
    assert np.array_equal(norm.running_mean.data, before) and norm.num_batches_tracked.item() == 3


@pytest.mark.parametrize("rung", kernels.HOST_RUNGS)
@pytest.mark.parametrize("other", [(2, 3, 4, 5), (3, 1, 5), ()])
def test_sum_and_relu_in_one_pass(rung, other):
    """Values, gradients and gradients of gradients are those of the two operations, also channels-last and where b is stretched."""
    with kernels.use(rung):
        ta.manual_seed(1)
        a, b = ta.randn(2, 4, 5, 3, dtype=np.float64).permute(0, 3, 1, 2).detach(), ta.randn(*other, dtype=np.float64)
        results = []
        for f in (add_relu, lambda a, b: nn.functional.relu(a + b)):
            a.requires_grad_(), b.requires_grad_()
            y = f(a, b)
            first = ta.grad((y * y).sum(), [a, b], create_graph=True)
            second = ta.grad(sum((g * g).sum() for g in first), [a, b])
            results.append([x.data for x in (y, *first, *second)])
        for x, z in zip(*results, strict=True):
            np.testing.assert_allclose(x, z, rtol=1e-12, atol=1e-12)
        assert (results[0][0] == 0).any() and (results[0][0] > 0).any()
        assert np.isnan(add_relu(ta.tensor([np.nan]), ta.tensor([1.0])).data).all()
