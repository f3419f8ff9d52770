"""Attention modules against their papers' formulas, written here in NumPy: values, gradients' reach, masks, records, counts."""
import itertools

import numpy as np
import pytest

import tinyattn as ta
from tinyattn import kernels, nn, viz
from tinyattn.nn import attention

SHAPES = [(2, 16, 5, 3), (1, 16, 1, 4), (3, 16, 2, 2)]     # H ≠ W, a batch of one, a row of pixels
rng = np.random.default_rng(7)


@pytest.fixture(autouse=True)
def plain_kernels():
    with kernels.use("reference"):
        yield


def prepared(module, seed=1):
    """In float64, with no parameter left at a special first value; and the parameters as arrays, by path."""
    random = np.random.default_rng(seed)
    for p in module.double().parameters():
        p.data[...] = random.normal(size=p.shape)
    return module, {k: v.data for k, v in module.state_dict().items()}


def sigmoid(x):
    return 1 / (1 + np.exp(-x))


def softmax(x, axis):
    e = np.exp(x - x.max(axis, keepdims=True))
    return e / e.sum(axis, keepdims=True)


def close(tensor, expected):
    assert tensor.shape == expected.shape
    np.testing.assert_allclose(tensor.data, expected, rtol=1e-9, atol=1e-11)


# --- the papers' formulas ---------------------------------------------------------------------------------------------

def squeeze_excitation(x, w):
    """Hu et al., eq. 2-4: z = mean, s = σ(W₂ δ(W₁ z)), y_c = s_c x_c"""
    z = x.mean((2, 3))
    s = sigmoid(np.maximum(z @ w["fc1.weight"].T + w["fc1.bias"], 0) @ w["fc2.weight"].T + w["fc2.bias"])
    return x * s[:, :, None, None]


def efficient_channel_attention(x, w):
    """Wang et al., eq. 5-6: ω_c = σ(Σ_j w_j z_{c + j − k//2}), zeros beyond the ends"""
    z, kernel = x.mean((2, 3)), w["conv.weight"][0, 0]
    k, s = len(kernel), np.zeros((x.shape[0], x.shape[1]))
    for n, c in np.ndindex(s.shape):
        s[n, c] = sum(kernel[j] * z[n, c + j - k // 2] for j in range(k) if 0 <= c + j - k // 2 < x.shape[1])
    return x * sigmoid(s)[:, :, None, None]


def cbam(x, w):
    """Woo et al., eq. 1-3: F′ = M_c(F) ⊗ F, F″ = M_s(F′) ⊗ F′; the two MLP outputs are added, the two maps stacked"""
    def mlp(v):
        return np.maximum(v @ w["fc1.weight"].T, 0) @ w["fc2.weight"].T
    first = x * sigmoid(mlp(x.mean((2, 3))) + mlp(x.max((2, 3))))[:, :, None, None]
    maps = np.stack([first.mean(1), first.max(1)], 1)                                  # (N, 2, H, W)
    kernel = w["conv.weight"][0]                                                       # (2, k, k)
    pad = kernel.shape[1] // 2
    padded = np.pad(maps, ((0, 0), (0, 0), (pad, pad), (pad, pad)))
    s = np.zeros((x.shape[0], x.shape[2], x.shape[3]))
    for n, i, j in np.ndindex(s.shape):
        s[n, i, j] = (kernel * padded[n, :, i:i + kernel.shape[1], j:j + kernel.shape[2]]).sum()
    return first * sigmoid(s)[:, None]


def self_attention(x, w, heads):
    """Vaswani et al., eq. 1 over the pixels, head by head, and the non-local block's residual: y = x + W_o(…)"""
    n, c, height, width = x.shape
    tokens = x.reshape(n, c, -1).transpose(0, 2, 1)                                    # (N, P, C)
    q, k, v = np.split(tokens @ w["qkv.weight"].T + w["qkv.bias"], 3, axis=2)
    d, out = c // heads, np.zeros_like(tokens)
    for b, h in np.ndindex(n, heads):
        part = slice(h * d, (h + 1) * d)
        out[b, :, part] = softmax(q[b, :, part] @ k[b, :, part].T / np.sqrt(d), 1) @ v[b, :, part]
    return x + (out @ w["out.weight"].T + w["out.bias"]).transpose(0, 2, 1).reshape(x.shape)


GATES = {
    "se": (lambda: attention.SqueezeExcitation(16), squeeze_excitation, 2 * 16 * 4 + 4 + 16),
    "se, r = 2": (lambda: attention.SqueezeExcitation(16, reduction=2), squeeze_excitation, 2 * 16 * 8 + 8 + 16),
    "eca": (lambda: attention.EfficientChannelAttention(16), efficient_channel_attention, 3),
    "eca, k = 5": (lambda: attention.EfficientChannelAttention(16, kernel_size=5), efficient_channel_attention, 5),
    "cbam": (lambda: attention.CBAM(16), cbam, 2 * 16 * 4 + 98),
    "cbam, k = 3": (lambda: attention.CBAM(16, kernel_size=3), cbam, 2 * 16 * 4 + 18),
    "self": (lambda: attention.SelfAttention2d(16), lambda x, w: self_attention(x, w, 1), 4 * 16 * 16 + 4 * 16),
    "self, 4 heads": (lambda: attention.SelfAttention2d(16, 4), lambda x, w: self_attention(x, w, 4), 4 * 16 * 16 + 4 * 16),
}


@pytest.mark.parametrize("shape", SHAPES)
@pytest.mark.parametrize("name", GATES)
def test_gates_are_their_papers(name, shape):
    make, formula, count = GATES[name]
    gate, weights = prepared(make())
    x = np.random.default_rng(2).normal(size=shape)
    close(gate(ta.tensor(x)), formula(x, weights))
    assert sum(p.data.size for p in gate.parameters()) == count
    memory = np.ascontiguousarray(x.transpose(0, 2, 3, 1)).transpose(0, 3, 1, 2)       # channels-last, as images are
    close(gate(ta.Tensor(memory)), formula(x, weights))
    alone = gate(ta.tensor(x[:1]))                                                     # no image sees another
    close(alone, formula(x, weights)[:1])


@pytest.mark.parametrize("channels, r", [(64, 16), (128, 16), (256, 8)])
def test_parameters_of_wide_gates(channels, r):
    """2C²/r for SE's weights and CBAM's, and 98 for CBAM's 7×7 convolution of two maps, as the papers count them."""
    count = {k: sum(p.data.size for n, p in gate.named_parameters() if "weight" in n)
             for k, gate in (("se", attention.SqueezeExcitation(channels, r)), ("cbam", attention.CBAM(channels, r)))}
    assert count == {"se": 2 * channels ** 2 // r, "cbam": 2 * channels ** 2 // r + 98}


def test_heads_divide_any_number_of_channels():
    """channels // 16 heads where that divides them, else the next smaller number that does."""
    found = {c: attention.SelfAttention2d(c).heads for c in (1, 3, 16, 20, 32, 48, 56, 80, 100, 112, 128)}
    assert found == {1: 1, 3: 1, 16: 1, 20: 1, 32: 2, 48: 3, 56: 2, 80: 5, 100: 5, 112: 7, 128: 8}


def test_attention_pool_is_its_formula():
    pool, w = prepared(attention.AttentionPool(6))
    for shape in ((2, 6, 3, 5), (1, 6, 1, 1)):
        x = np.random.default_rng(3).normal(size=shape)
        a = softmax((x * w["score.weight"][0][:, None, None]).sum(1) + w["score.bias"], axis=(1, 2))
        close(pool(ta.tensor(x)), (x * a[:, None]).sum((2, 3)))
    tokens = np.random.default_rng(4).normal(size=(3, 5, 6))
    a = softmax(tokens @ w["score.weight"][0] + w["score.bias"], 1)
    close(pool(ta.tensor(tokens)), (tokens * a[..., None]).sum(1))
    assert sum(p.data.size for p in pool.parameters()) == 6 + 1


# --- multi-head attention ---------------------------------------------------------------------------------------------

N, T, S, E, H = 4, 3, 5, 6, 2


def multihead(q, k, v, w, allowed, extra):
    """Query by query and head by head, over the keys that are `allowed` (N, H, T, S), with `extra` added to the scores."""
    q, k, v = (x @ m.T + b for x, m, b in zip((q, k, v), np.split(w["in_proj_weight"], 3), np.split(w["in_proj_bias"], 3)))
    d = E // H
    out, weights = np.zeros_like(q), np.zeros(allowed.shape)
    for n, h, t in np.ndindex(allowed.shape[:3]):
        part, seen = slice(h * d, (h + 1) * d), np.flatnonzero(allowed[n, h, t])
        if len(seen):
            p = softmax(k[n, seen, part] @ q[n, t, part] / np.sqrt(d) + extra[n, h, t, seen], 0)
            weights[n, h, t, seen] = p
            out[n, t, part] = p @ v[n, seen, part]
    return out @ w["out_proj.weight"].T + w["out_proj.bias"], weights


def hidden(*shape, seed):
    """A boolean mask: True where a key is not to be seen."""
    return np.random.default_rng(seed).random(shape) < 0.4


def masks(kind, seed=5):
    """(attn_mask, key_padding_mask, allowed (N, H, T, S), extra) for a kind such as "2-D float, padding bool"."""
    attn = padding = None
    allowed, extra = np.ones((N, H, T, S), bool), np.zeros((N, H, T, S))
    if "2-D" in kind or "3-D" in kind:
        shape = (T, S) if "2-D" in kind else (N * H, T, S)
        if "float" in kind.split(",")[0]:
            attn = np.random.default_rng(seed).normal(size=shape)
            extra = extra + (attn if "2-D" in kind else attn.reshape(N, H, T, S))
        else:
            attn = hidden(*shape, seed=seed)
            allowed = allowed & ~(attn if "2-D" in kind else attn.reshape(N, H, T, S))
    if "padding bool" in kind:
        padding = hidden(N, S, seed=seed + 1)
        allowed = allowed & ~padding[:, None, None]
    if "padding float" in kind:
        padding = np.where(hidden(N, S, seed=seed + 1), -np.inf, 0.5)
        allowed = allowed & np.isfinite(padding)[:, None, None]
    if "all hidden" in kind:
        attn = np.zeros((T, S), bool)
        attn[1] = True
        allowed = allowed & ~attn
    if "causal" in kind:
        allowed = allowed & np.tril(np.ones((T, S), bool))
    return attn, padding, allowed, extra


KINDS = ["no mask", "2-D bool", "2-D float", "3-D bool", "3-D float", "padding bool", "padding float", "2-D bool, padding bool",
         "3-D float, padding float", "2-D float, padding bool", "all hidden", "causal", "causal, padding bool", "3-D bool, causal"]


@pytest.mark.parametrize("batch_first", [True, False])
@pytest.mark.parametrize("kind", KINDS)
def test_multihead_is_its_formula(kind, batch_first):
    layer, w = prepared(nn.MultiheadAttention(E, H, batch_first=batch_first))
    attn, padding, allowed, extra = masks(kind)
    q, k, v = (rng.normal(size=(N, n, E)) for n in (T, S, S))
    y, weights = multihead(q, k, v, w, allowed, extra)
    given = [ta.tensor(x if batch_first else np.ascontiguousarray(x.transpose(1, 0, 2))) for x in (q, k, v)]
    options = dict(attn_mask=None if attn is None else ta.tensor(attn), is_causal="causal" in kind,
                   key_padding_mask=None if padding is None else ta.tensor(padding))
    for need_weights, average in ((True, True), (True, False), (False, True)):
        found, shown = layer(*given, need_weights=need_weights, average_attn_weights=average, **options)
        close(found if batch_first else found.transpose(0, 1), y)
        if need_weights:
            close(shown, weights.mean(1) if average else weights)
        else:
            assert shown is None


def test_multihead_on_one_sequence_and_on_itself():
    layer, w = prepared(nn.MultiheadAttention(E, H))
    x = rng.normal(size=(N, T, E))
    full, extra = np.ones((N, H, T, T), bool), np.zeros((N, H, T, T))
    y, weights = multihead(x, x, x, w, full, extra)
    padded, _ = multihead(x, x, x, w, full & ~np.array([False, True, False]), extra)
    for n in range(N):                                                     # (T, E): no batch axis, whatever batch_first
        token = ta.tensor(x[n])
        found, shown = layer(token, token, token)
        close(found, y[n])
        close(shown, weights[n].mean(0))
        close(layer(token, token, token, key_padding_mask=ta.tensor([False, True, False]))[0], padded[n])
        assert layer(token, token, token, average_attn_weights=False)[1].shape == (H, T, T)
    own = ta.tensor(x.transpose(1, 0, 2))                                  # one tensor for all three takes one product
    close(layer(own, own, own)[0].transpose(0, 1), y)
    close(layer(own, own.clone(), own)[0].transpose(0, 1), y)
    assert sum(p.data.size for p in layer.parameters()) == 4 * E * E + 4 * E
    assert sum(p.data.size for p in nn.MultiheadAttention(E, H, bias=False).parameters()) == 4 * E * E


def test_hidden_keys_get_no_gradient_and_queries_that_see_nothing_are_finite():
    for need_weights in (True, False):
        layer, _ = prepared(nn.MultiheadAttention(E, H, batch_first=True))
        q, k = (ta.tensor(rng.normal(size=(N, n, E)), requires_grad=True) for n in (T, S))
        mask = np.zeros((T, S), bool)
        mask[:, 2], mask[1] = True, True
        y, _ = layer(q, k, k, attn_mask=ta.tensor(mask), need_weights=need_weights)
        y.square().sum().backward()
        assert not k.grad.data[:, 2].any() and k.grad.data[:, 3].all()
        assert not q.grad.data[:, 1].any() and q.grad.data[:, 0].all()
        for p in layer.parameters():
            assert np.isfinite(p.grad.data).all()


def test_dropout_of_weights_only_in_training():
    layer, _ = prepared(nn.MultiheadAttention(E, H, dropout=0.5, batch_first=True))
    x = ta.tensor(rng.normal(size=(N, T, E)))
    for need_weights in (True, False):
        a, b = (layer(x, x, x, need_weights=need_weights)[0].data for _ in range(2))
        assert not np.array_equal(a, b)
    layer.eval()
    close(layer(x, x, x, need_weights=False)[0], layer(x, x, x)[0].data)


# --- records ----------------------------------------------------------------------------------------------------------

@pytest.mark.parametrize("name, gate", list(itertools.product(["attention_cnn", "resnet8"], attention.GATES)))
def test_a_record_changes_nothing_and_is_let_go(name, gate):
    net = ta.models.create(name, image_size=12, attention=gate).eval()
    x = ta.tensor(np.random.default_rng(8).normal(size=(2, 1, 12, 9)).astype(np.float32))
    plain = net(x).data
    with viz.record(net) as recording:
        assert np.array_equal(net(x).data, plain)
        kinds = {kind for maps in recording.maps.values() for kind in maps}
        for path, maps in recording.maps.items():
            for kind, values in maps.items():
                assert isinstance(values, np.ndarray) and values.shape[0] == 2, path
                if (gate, kind) in (("gc", "channel"), ("nonlocal-dot", "tokens")):         # of either sign: added, or a plain product
                    continue
                assert (values >= 0).all() and (values <= 1).all(), path
                if kind in ("tokens", "pool", "branches"):
                    total = values.sum(-1) if kind == "tokens" else values.sum((1, 2)) if kind == "pool" else values.sum(1)
                    np.testing.assert_allclose(total, 1, rtol=1e-5)
    wanted = {"none": "", "se": "channel", "eca": "channel", "spatial": "pixel", "cbam": "channel pixel", "bam": "channel pixel",
              "coordinate": "rows columns", "triplet": "pixel width_channel height_channel", "simam": "voxel", "sk": "branches",
              "gc": "channel pool"}.get(gate, "tokens")
    wanted = set(wanted.split())
    assert kinds == wanted | ({"pool"} if name == "attention_cnn" else set())
    assert np.array_equal(net(x).data, plain)
    assert not any(m.attention_maps or m.record_attention for m in net.modules() if hasattr(m, "attention_maps"))


def test_a_map_is_a_copy():
    gate = attention.CBAM(8)
    gate.record_attention = True
    x = ta.tensor(np.random.default_rng(9).normal(size=(1, 8, 3, 3)).astype(np.float32), requires_grad=True)
    y = gate(x)
    gate.attention_maps["channel"][...] = 5
    gate.attention_maps["pixel"][...] = 5
    y.sum().backward()
    assert np.abs(x.grad.data).max() < 5 and np.array_equal(gate(x).data, y.data)
