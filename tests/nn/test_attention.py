"""Attention modules: shapes, recorded maps, worked cases, and the mistakes that public implementations made."""
import numpy as np
import pytest

import tinyattn as ta
import tinyattn.nn.functional as F
from tinyattn import kernels, nn
from tinyattn.nn import attention


@pytest.fixture(autouse=True)
def plain_kernels():
    with kernels.use("reference"):
        yield


def images(*shape, seed=0):
    return ta.tensor(np.random.default_rng(seed).normal(size=shape).astype(np.float32))


@pytest.mark.parametrize("name", attention.GATES)
@pytest.mark.parametrize("shape", [(2, 16, 7, 5), (1, 16, 1, 1), (3, 64, 4, 9)])
def test_gates_keep_the_shape_of_any_map(name, shape):
    """H ≠ W and maps of one pixel too: one public BAM assumed squares."""
    gate = attention.create(name, shape[1], shape[2:]).eval()
    assert gate(images(*shape)).shape == shape


@pytest.mark.parametrize("name", ["se", "eca", "cbam", "self"])
def test_maps_are_recorded_on_request(name):
    gate, x = attention.create(name, 16), images(2, 16, 6, 5)
    gate(x)
    assert gate.attention_maps == {}
    gate.record_attention = True
    y = gate(x)
    maps = gate.attention_maps
    shapes = {"se": {"channel": (2, 16)}, "eca": {"channel": (2, 16)}, "cbam": {"channel": (2, 16), "pixel": (2, 6, 5)},
              "self": {"tokens": (2, 1, 30, 30)}}[name]
    assert {k: v.shape for k, v in maps.items()} == shapes
    assert all(isinstance(v, np.ndarray) and (v >= 0).all() and (v <= 1).all() for v in maps.values())
    if name == "self":
        np.testing.assert_allclose(maps["tokens"].sum(-1), 1, rtol=1e-5)
    else:                              # the maps are what the output was made with
        made = x.data * maps["channel"][:, :, None, None] * maps.get("pixel", np.ones((2, 6, 5)))[:, None]
        np.testing.assert_allclose(y.data, made, rtol=1e-5, atol=1e-6)
    kept = {k: v.copy() for k, v in maps.items()}
    gate.record_attention = False
    gate(images(2, 16, 6, 5, seed=1))
    assert all(np.array_equal(gate.attention_maps[k], kept[k]) for k in kept)


def test_attention_pool_starts_as_the_mean_and_records_where_it_looked():
    pool, x = attention.AttentionPool(8), images(2, 8, 3, 4)
    np.testing.assert_allclose(pool(x).data, x.data.mean((2, 3)), rtol=1e-4, atol=1e-6)
    pool.score.weight.data[0, 3] = 50.0
    pool.record_attention = True
    y = pool(x)
    weights = pool.attention_maps["pool"]
    assert weights.shape == (2, 3, 4)
    np.testing.assert_allclose(weights.sum((1, 2)), 1, rtol=1e-5)
    best = x.data[:, 3].reshape(2, -1).argmax(1)
    assert (weights.reshape(2, -1).argmax(1) == best).all()
    np.testing.assert_allclose(y.data, np.einsum("nhw,nchw->nc", weights, x.data), rtol=1e-4, atol=1e-5)
    assert pool(images(2, 7, 8)).shape == (2, 8)


# --- mistakes that public implementations made -----------------------------------------------------------------------

def test_cbam_pads_so_that_no_map_shrinks():
    """Padding that does not fit the kernel or its dilation shrinks a map to 1×1, and broadcasting hides it."""
    for kernel_size in (3, 5, 7):
        gate = attention.CBAM(8, kernel_size=kernel_size)
        gate.record_attention = True
        gate(images(2, 8, 7, 6))
        assert gate.attention_maps["pixel"].shape == (2, 7, 6)
        assert gate.attention_maps["pixel"].std() > 0
    with pytest.raises(ValueError, match="kernel_size must be odd"):
        attention.CBAM(8, kernel_size=6)


def test_cbam_is_the_papers():
    """A 7×7 kernel by default (not 49×49), no residual of its own, one MLP without biases for both poolings."""
    gate = attention.CBAM(32)
    assert gate.conv.weight.shape == (1, 2, 7, 7)
    assert {k: v.shape for k, v in gate.named_parameters()} == {"fc1.weight": (4, 32), "fc2.weight": (32, 4), "conv.weight": (1, 2, 7, 7)}
    for p in gate.parameters():
        p.data[...] = 0
    x = images(1, 32, 4, 4)
    np.testing.assert_allclose(gate(x).data, x.data / 4, rtol=1e-6)       # σ(0)² = ¼: nothing is added to it
    gate = attention.CBAM(32)
    gate.conv.weight.data[...] = 0
    gate.record_attention = True
    gate(x)
    pooled = [x.data.mean((2, 3)), x.data.max((2, 3))]
    mlp = sum(np.maximum(v @ gate.fc1.weight.data.T, 0) @ gate.fc2.weight.data.T for v in pooled)   # added, not multiplied
    np.testing.assert_allclose(gate.attention_maps["channel"], 1 / (1 + np.exp(-mlp)), rtol=1e-4)


@pytest.mark.parametrize("make", [lambda: attention.CBAM(20), lambda: attention.CBAM(8, kernel_size=3), lambda: attention.SqueezeExcitation(20)])
def test_a_fused_gate_is_its_plain_chain(make):
    """Outputs, gradients, gradients of gradients and records; a hook on any child takes the plain path."""
    def everything(net):
        x = ta.tensor(images(2, net.channels, 9, 8).data.astype(np.float64), requires_grad=True)
        inputs = [x, *net.parameters()]
        y, z = net(x), net(x)
        grads = ta.grad((y * y).sum(), inputs, create_graph=True)
        found = [y, *ta.grad((z * z * z).sum(), inputs), *grads, *ta.grad(sum((g * g).sum() for g in grads), inputs)]
        return y.grad_fn.name, [*(a.data for a in found), *net.attention_maps.values()]

    net = make().double()
    for p in net.parameters():
        p.data[...] = np.random.default_rng(p.ndim).normal(size=p.shape) * 0.5
    net.record_attention = True
    name, expected = everything(net)
    assert name == "attention_gate"
    for child in net.children():
        with child.register_forward_hook(lambda *_: None):
            name, found = everything(net)
        assert name == "apply_gates"
        for a, b in zip(expected, found, strict=True):
            assert a.shape == b.shape
            np.testing.assert_allclose(a, b, rtol=1e-9, atol=1e-9 * np.abs(b).max())


def test_images_too_large_for_the_fused_gate_go_step_by_step(monkeypatch):
    gate, x = attention.CBAM(8), images(2, 8, 5, 6)
    gate.record_attention = True
    y, maps = gate(x), gate.attention_maps
    monkeypatch.setattr(ta.ops.gates, "MOST_PIXELS", 29)
    z = gate(x)
    np.testing.assert_allclose(z.data, y.data, rtol=1e-5, atol=1e-6)
    for name, values in gate.attention_maps.items():
        np.testing.assert_allclose(values, maps[name], rtol=1e-5)
    assert maps.keys() == gate.attention_maps.keys() == {"channel", "pixel"}


def test_a_gate_with_another_convolution_in_its_place():
    gate, x = attention.CBAM(4), images(1, 4, 6, 6)
    for conv in (nn.Conv2d(2, 1, 3, padding=1), nn.Conv2d(2, 1, 3, padding=2, dilation=2, bias=False),
                 nn.Conv2d(2, 1, 3, padding=1, padding_mode="reflect", bias=False), nn.Conv2d(2, 1, (3, 5), padding=(1, 2), bias=False)):
        gate.conv = conv
        y = gate(x)
        with gate.fc1.register_forward_hook(lambda *_: None):
            np.testing.assert_allclose(y.data, gate(x).data, rtol=1e-5, atol=1e-6)


def test_softmax_needs_its_axis():
    with pytest.raises(TypeError, match="softmax: dim is missing.*dim=-1"):
        F.softmax(images(2, 3))
    with pytest.raises(TypeError, match="softmax: dim is missing"):
        nn.Softmax()(images(2, 3))                 # PyTorch makes such a layer too, and warns when it guesses


def test_weights_add_up_over_keys_and_not_over_the_batch():
    layer = nn.MultiheadAttention(8, 2, batch_first=True)
    _, weights = layer(images(3, 4, 8), images(3, 6, 8, seed=1), images(3, 6, 8, seed=1))
    assert weights.shape == (3, 4, 6)
    np.testing.assert_allclose(weights.data.sum(-1), 1, rtol=1e-5)
    alone = layer(images(3, 4, 8)[:1], images(3, 6, 8, seed=1)[:1], images(3, 6, 8, seed=1)[:1])[1]
    np.testing.assert_allclose(alone.data, weights.data[:1], rtol=1e-5)
    pool = attention.AttentionPool(8)
    pool.score.weight.data[...] = 1
    x = images(3, 8, 2, 2)
    np.testing.assert_allclose(pool(x[:1]).data, pool(x).data[:1], rtol=1e-5)


def test_first_values_are_drawn():
    """`init_weights` that nobody calls leaves zeros or a framework's default."""
    for gate in (attention.SqueezeExcitation(32), attention.EfficientChannelAttention(32), attention.CBAM(32)):
        for name, p in gate.named_parameters():
            assert p.data.std() > 0, name
    ta.manual_seed(5)
    one = attention.CBAM(16).state_dict()["fc1.weight"].data.copy()
    ta.manual_seed(5)
    assert np.array_equal(one, attention.CBAM(16).state_dict()["fc1.weight"].data)
    x = images(2, 16, 3, 3)
    np.testing.assert_array_equal(attention.SelfAttention2d(16)(x).data, x.data)      # passes x through at first


def test_scores_are_scaled_by_the_width_of_the_product():
    """√d with d the length of the vectors that are multiplied: channels / heads, not channels."""
    gate, x = attention.SelfAttention2d(8, heads=4), images(1, 8, 2, 2)
    gate.record_attention = True
    gate(x)
    tokens = x.data.reshape(1, 8, 4).transpose(0, 2, 1)[0]                            # (4, 8)
    q, k, _ = np.split(tokens @ gate.qkv.weight.data.T + gate.qkv.bias.data, 3, axis=1)
    for head in range(4):
        s = q[:, 2 * head:2 * head + 2] @ k[:, 2 * head:2 * head + 2].T / np.sqrt(2)
        e = np.exp(s - s.max(1, keepdims=True))
        np.testing.assert_allclose(gate.attention_maps["tokens"][0, head], e / e.sum(1, keepdims=True), rtol=1e-4)
    q = images(1, 1, 3, 16)
    sharp = F.scaled_dot_product_attention(q, q, q, scale=1 / np.sqrt(16))
    np.testing.assert_allclose(F.scaled_dot_product_attention(q, q, q).data, sharp.data, rtol=1e-6)


@pytest.mark.parametrize("channels,k", [(4, 1), (8, 3), (16, 3), (64, 3), (128, 5), (256, 5), (512, 5), (1024, 5)])
def test_eca_kernel_grows_with_the_channels_and_is_odd(channels, k):
    """⌊(log₂ C + 1) / 2⌋, and the next odd number where that is even."""
    expected = int((np.log2(channels) + 1) / 2)
    expected += 1 - expected % 2
    assert attention.EfficientChannelAttention(channels).conv.weight.shape == (1, 1, expected)
    assert expected == k
    with pytest.raises(ValueError, match="odd"):
        attention.EfficientChannelAttention(channels, kernel_size=4)


@pytest.mark.parametrize("channels", [1, 3, 8, 16, 64, 100, 256])
def test_small_nets_keep_a_bottleneck(channels):
    """channels // 16 is 0 to 2 for small nets; at least 4 units remain."""
    for gate in (attention.SqueezeExcitation(channels), attention.CBAM(channels)):
        assert gate.fc1.out_features == max(4, channels // 16)


def test_causal_means_no_look_ahead():
    x = images(1, 2, 6, 4)
    y = F.scaled_dot_product_attention(x, x, x, is_causal=True).data
    changed = x.data.copy()
    changed[:, :, 4:] += 10
    later = ta.tensor(changed)
    z = F.scaled_dot_product_attention(later, later, later, is_causal=True).data
    np.testing.assert_allclose(y[:, :, :4], z[:, :, :4], rtol=1e-6)
    assert not np.allclose(y[:, :, 4:], z[:, :, 4:])
    np.testing.assert_allclose(y[:, :, 0], x.data[:, :, 0], rtol=1e-6)


def test_queries_that_see_nothing_get_nothing():
    q = ta.randn(1, 1, 3, 4, requires_grad=True)
    mask = ta.tensor([[True, False, True], [False, False, False], [True, True, True]])
    y = F.scaled_dot_product_attention(q, q, q, mask)
    assert np.array_equal(y.data[0, 0, 1], np.zeros(4))
    y.sum().backward()
    assert np.isfinite(q.grad.data).all()


def test_multihead_masks_mean_what_pytorchs_mean():
    layer, x = nn.MultiheadAttention(4, 2, batch_first=True), images(2, 3, 4)
    padding = ta.tensor([[False, False, True], [False, False, False]])                # True: not to be seen
    _, weights = layer(x, x, x, key_padding_mask=padding)
    assert (weights.data[0, :, 2] == 0).all() and (weights.data[1, :, 2] > 0).all()
    fast, none = layer(x, x, x, key_padding_mask=padding, need_weights=False)
    assert none is None
    np.testing.assert_allclose(fast.data, layer(x, x, x, key_padding_mask=padding)[0].data, rtol=1e-4, atol=1e-6)
    ahead = ta.ones(3, 3).triu(1) > 0
    _, weights = layer(x, x, x, attn_mask=ahead, average_attn_weights=False)
    assert weights.shape == (2, 2, 3, 3) and not np.triu(weights.data, 1).any()
    alone = layer(x[0], x[0], x[0])
    assert alone[0].shape == (3, 4) and alone[1].shape == (3, 3)


def test_names_and_shapes_that_do_not_fit_are_explained():
    with pytest.raises(ValueError, match="unknown attention 'cbma'; did you mean 'cbam'"):
        attention.create("cbma", 8)
    for name in list(attention.GATES)[1:]:
        gate = attention.create(name, 8)
        with pytest.raises(ValueError, match=r"input has shape \(2, 4, 3, 3\), expected \(N, 8, H, W\)"):
            gate(images(2, 4, 3, 3))
    with pytest.raises(ValueError, match=r"AttentionPool: input has shape \(2, 4, 3, 3\)"):
        attention.AttentionPool(8)(images(2, 4, 3, 3))
    with pytest.raises(ValueError, match="channels = 8 must be divisible by heads = 3"):
        attention.SelfAttention2d(8, heads=3)
    with pytest.raises(ValueError, match="embed_dim = 8 must be divisible by num_heads = 3"):
        nn.MultiheadAttention(8, 3)
    with pytest.raises(ValueError, match="channels must be at least 1"):
        attention.CBAM(0)
    assert isinstance(attention.create("self", 16, 28), nn.Identity)
    assert isinstance(attention.create("none", 16), nn.Identity)


@pytest.mark.parametrize("options", [{}, {"is_causal": True}, {"attn_mask": "some"}, {"key_padding_mask": "last"}], ids=str)
@pytest.mark.parametrize("kernels", ["reference", "cpu"])
def test_heads_taken_from_one_product_are_the_plain_chain(kernels, options):
    """Without weights to show, one operation reads the heads where the product leaves them: values, gradients, and theirs."""
    masks = {"some": np.array([[False, True, False], [False, False, True], [True, False, False]]),
             "last": np.array([[False, False, True], [False, False, False]])}
    options = {name: ta.tensor(masks[value]) if value in masks else value for name, value in options.items()}
    with ta.kernels.use(kernels):
        ta.manual_seed(0)
        layer = nn.MultiheadAttention(4, 2, batch_first=True, dtype=np.float64)
        x = ta.randn(2, 3, 4, dtype=np.float64, requires_grad=True)
        results = []
        for same in (x, x * 1):  # an input that is not the very same takes the plain path
            y, _ = layer(x, same, x, need_weights=False, **options)
            results.append([y, *ta.grad((y * y).sum(), [x, *layer.parameters()])])
        for ours, plain in zip(*results):
            np.testing.assert_allclose(ours.data, plain.data, rtol=0, atol=1e-12)

        def attend(x):
            return layer(x, x, x, need_weights=False, **options)[0]
        assert ta.gradcheck.gradcheck(attend, [x]) and ta.gradcheck.gradgradcheck(attend, [x])


def test_a_trained_mask_gets_its_gradient_from_heads_side_by_side():
    ta.manual_seed(0)
    layer = nn.MultiheadAttention(4, 2, batch_first=True, dtype=np.float64)
    x, mask = (ta.randn(*shape, dtype=np.float64, requires_grad=True) for shape in ((2, 3, 4), (3, 3)))
    assert ta.gradcheck.gradcheck(lambda x, mask: layer(x, x, x, need_weights=False, attn_mask=mask)[0], [x, mask])
