"""Weights kept on request: they are what the output was made with, and keeping them changes no bit of it."""
import numpy as np
import pytest

import tinyattn as ta
from tinyattn import kernels, nn
from tinyattn.viz import record


def normal(*shape, seed=0):
    return ta.tensor(np.random.default_rng(seed).normal(size=shape).astype(np.float32), requires_grad=True)


HIDDEN = ta.tensor([[False, True, False], [True, True, True]])           # the second sequence has nothing to see
AHEAD = ta.tensor(np.triu(np.ones((3, 3), bool), 1))
CALLS = {
    "self": ("tokens", lambda f, x, y, **o: f(x, x, x, **o)),
    "self, padded": ("tokens", lambda f, x, y, **o: f(x, x, x, key_padding_mask=HIDDEN, **o)),
    "self, causal": ("tokens", lambda f, x, y, **o: f(x, x, x, is_causal=True, **o)),
    "self, masked": ("tokens", lambda f, x, y, **o: f(x, x, x, attn_mask=AHEAD, **o)),
    "self, other values": ("tokens", lambda f, x, y, **o: f(x, x, x * 2, **o)),
    "cross": ("cross", lambda f, x, y, **o: f(y, x, x, **o)),
    "cross, padded": ("cross", lambda f, x, y, **o: f(y, x, x, key_padding_mask=HIDDEN, **o)),
}


@pytest.mark.parametrize("rung", kernels.HOST_RUNGS)
@pytest.mark.parametrize("need_weights", [True, False])
@pytest.mark.parametrize("options", [{}, {"add_zero_attn": True, "add_bias_kv": True}], ids=["", "more keys"])
@pytest.mark.parametrize("name", CALLS)
def test_multihead_attention(name, options, need_weights, rung):
    kind, call = CALLS[name]
    ta.manual_seed(0)
    layer, x, y = nn.MultiheadAttention(8, 2, batch_first=True, **options), normal(2, 3, 8), normal(2, 5, 8, seed=1)

    def everything():
        out, _ = call(layer, x, y, need_weights=need_weights)
        return [out, *ta.grad((out * out).sum(), [x, *layer.parameters()])]

    with kernels.use(rung):
        before = everything()
        assert layer.attention_maps == {}
        with record(layer) as recording:
            during = everything()
            (kept,) = [maps for maps in recording.maps.values()]
        assert all(np.array_equal(a.data, b.data) for a, b in zip(before, during, strict=True))
        _, weights = call(layer, x, y, average_attn_weights=False)
    assert list(kept) == [kind] and kept[kind].shape == weights.shape == (2, 2, 3 if kind == "tokens" else 5, 3 + len(options))
    np.testing.assert_allclose(kept[kind], weights.data, rtol=1e-5, atol=1e-7)
    sums = kept[kind].sum(-1)
    seen = np.ones_like(sums)
    if "padded" in name and not options:
        seen[1] = 0                                     # defined, and not NaN
    np.testing.assert_allclose(sums, seen, rtol=1e-5)


@pytest.mark.parametrize("first", [True, False])
def test_one_sequence_is_a_batch_of_one(first):
    layer, x = nn.MultiheadAttention(8, 4, batch_first=first), normal(3, 8)
    layer.record_attention = True
    layer(x, x, x, need_weights=False)
    assert layer.attention_maps["tokens"].shape == (1, 4, 3, 3)


def test_kept_weights_are_those_before_dropout():
    layer, x = nn.MultiheadAttention(8, 2, dropout=0.9, batch_first=True), normal(2, 6, 8)
    layer.record_attention = True
    ta.manual_seed(3)
    kept = layer(x, x, x, need_weights=False)[0]
    np.testing.assert_allclose(layer.attention_maps["tokens"].sum(-1), 1, rtol=1e-5)
    layer.record_attention = False
    ta.manual_seed(3)
    assert np.array_equal(layer(x, x, x, need_weights=False)[0].data, kept.data)     # and no random number more is drawn


def test_a_transformer_shows_its_blocks():
    model = ta.models.create("cct", image_size=16, in_channels=1, num_classes=3).eval()
    images = normal(2, 1, 16, 16)
    before = model(images)
    with record(model) as recording:
        assert np.array_equal(model(images).data, before.data)
        found = recording.of_kind("tokens")
        assert len(found) == len(model.blocks) and all(name == f"blocks.{i}.attention" for i, (name, _) in enumerate(found))
        assert all(w.shape == (2, 4, 16, 16) for _, w in found) and len(recording.of_kind("pool")) == 1
    assert all(m.attention_maps == {} for m in model.modules() if hasattr(m, "attention_maps"))
