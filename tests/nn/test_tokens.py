"""Attention over tokens: masks and what hides everything, positions, learned queries, recorded weights, and wrong arguments."""
import math

import numpy as np
import pytest
from answers import expect

import tinyattn as ta
import tinyattn.nn.functional as F
from tinyattn import kernels, nn
from tinyattn.nn import attention
from tinyattn.viz import record


def normal(*shape, seed=0, grad=True):
    return ta.tensor(np.random.default_rng(seed).normal(size=shape).astype(np.float32), requires_grad=grad)


MASKS = {  # T = 3 queries, S = 4 keys; the second query, or the second sequence, sees nothing
    "attn_mask": np.array([[False, True, False, False], [True] * 4, [False, False, False, True]]),
    "float": np.where([[False, True, False, False], [True] * 4, [False, False, False, True]], -np.inf, 0.5).astype(np.float32),
    "key_padding_mask": np.array([[False, True, False, False], [True] * 4]),
}


@pytest.mark.parametrize("rung", kernels.HOST_RUNGS)
@pytest.mark.parametrize("need_weights", [True, False])
@pytest.mark.parametrize("name", MASKS)
def test_what_sees_nothing_gets_nothing(name, need_weights, rung):
    """Output and weights 0 but for the biases, no NaN; its query gets no gradient, and the other gradients are those without it."""
    layer, q, k = nn.MultiheadAttention(8, 2, batch_first=True), normal(2, 3, 8), normal(2, 4, 8, seed=1)
    layer.out_proj.bias.data[...] = 0.25
    options = {"key_padding_mask" if name.startswith("key") else "attn_mask": ta.tensor(MASKS[name])}
    blind = np.zeros((2, 3), bool)
    blind[(1,) if name.startswith("key") else (slice(None), 1)] = True
    with kernels.use(rung):
        y, weights = layer(q, k, k, need_weights=need_weights, **options)
        assert np.array_equal(y.data[blind], np.full((blind.sum(), 8), 0.25, np.float32)) and np.isfinite(y.data).all()
        assert not need_weights or not weights.data[blind].any()
        wanted = [q, k, *layer.parameters()]
        gradients = ta.grad((y * y).sum(), wanted)
        assert all(np.isfinite(g.data).all() for g in gradients)
        assert not gradients[0].data[blind].any() and gradients[0].data[~blind].any()
        seeing = ta.tensor((~blind)[:, :, None].astype(np.float32))
        y, _ = layer(q, k, k, need_weights=need_weights, **options)
        for g, h in zip(gradients[:-1], ta.grad((y * y * seeing).sum(), wanted)[:-1]):          # but for the last bias
            np.testing.assert_allclose(g.data, h.data, rtol=1e-4, atol=1e-5)


@pytest.mark.parametrize("rung", kernels.HOST_RUNGS)
def test_all_hidden_from_self_attention(rung):
    layer, x = nn.MultiheadAttention(8, 2, batch_first=True), normal(2, 3, 8)
    with kernels.use(rung):
        for options in ({"key_padding_mask": ta.tensor(np.ones((2, 3), bool))}, {"attn_mask": ta.tensor(np.ones((3, 3), bool))}):
            y, _ = layer(x, x, x, need_weights=False, **options)
            (g,) = ta.grad(y.sum(), [x])
            assert not y.data.any() and not g.data.any()


def test_positions_tell_places_apart():
    """All places of a map have different positions, none larger than 1; a sequence's inner products depend on the distance alone."""
    x = ta.zeros(1, 16, 7, 5)
    places = attention.SinePositions2d(16)(x).data.reshape(16, -1).T
    assert len(np.unique(places.round(4), axis=0)) == 35 and np.abs(places).max() <= 1
    line = attention.SinePositions1d(16)(ta.zeros(1, 9, 16, dtype=np.float64)).data
    products = line @ line.T
    for distance in range(9):
        np.testing.assert_allclose(np.diagonal(products, distance), products[0, distance], rtol=1e-12)
    one = attention.SinePositions2d(16)
    first = one(x)
    first.data[...] = 9
    assert np.abs(one(x).data).max() <= 1                                              # a result is the caller's own


def test_attention_without_positions_sees_a_set():
    ta.manual_seed(0)
    decoder, x = attention.QueryDecoder(8, 3, 2, dropout=0.0), normal(2, 8, 3, 4)
    turned = ta.tensor(x.data[:, :, ::-1, ::-1].copy())
    assert np.abs(decoder(x).data - decoder(turned).data).max() > 1e-3
    block, memory, q = decoder.layers[0], x.flatten(2).transpose(1, 2), normal(2, 3, 8, seed=2)
    np.testing.assert_allclose(block(q, memory).data, block(q, turned.flatten(2).transpose(1, 2)).data, rtol=1e-4, atol=1e-5)


def test_padding_changes_nothing():
    """An image on a larger canvas, the rest of it padding, is answered as it is alone."""
    ta.manual_seed(0)
    decoder, x = attention.QueryDecoder(8, 3, 2, 2).eval(), normal(2, 8, 3, 4)
    canvas = normal(2, 8, 5, 7, seed=3).data.copy()
    canvas[:, :, :3, :4] = x.data
    mask = np.ones((2, 5, 7), bool)
    mask[:, :3, :4] = False
    np.testing.assert_allclose(decoder(ta.tensor(canvas), ta.tensor(mask)).data, decoder(x).data, rtol=1e-4, atol=1e-5)
    mask[1] = True                                                                     # nothing of the second image is there
    y = decoder(ta.tensor(canvas), ta.tensor(mask))
    y.sum().backward()
    assert np.isfinite(y.data).all() and all(np.isfinite(p.grad.data).all() for p in decoder.parameters())


@pytest.mark.parametrize("rung", kernels.HOST_RUNGS)
def test_maps_are_recorded_and_change_nothing(rung):
    ta.manual_seed(0)
    decoder, additive = attention.QueryDecoder(8, 3, 2, 2).eval(), attention.AdditiveAttention(8, 6)
    x, q, k = normal(2, 8, 3, 4), normal(2, 5, 8), normal(2, 4, 6)
    with kernels.use(rung):
        before = decoder(x).data, additive(q, k)[0].data
        with record(decoder) as recording, record(additive) as other:
            assert np.array_equal(decoder(x).data, before[0]) and np.array_equal(additive(q, k)[0].data, before[1])
            maps, cross = recording.maps, other.of_kind("cross")[0][1]
    assert [(name, kind, w.shape) for name, kinds in maps.items() for kind, w in kinds.items()] == [
        (f"layers.{i}.{name}", kind, (2, 2, 3, n)) for i in (0, 1) for name, kind, n in (("self_attn", "queries", 3), ("multihead_attn", "cross", 12))]
    assert all(np.allclose(w.sum(-1), 1, atol=1e-5) for kinds in maps.values() for w in kinds.values())
    assert cross.shape == (2, 1, 5, 4) and np.allclose(cross.sum(-1), 1, atol=1e-5)


def test_parameters_as_the_docstrings_count_them():
    def count(layer):
        return sum(p.data.size for p in layer.parameters())
    assert count(attention.AdditiveAttention(5, 7, 3)) == 3 * (5 + 7 + 1)
    E, F_, Q = 8, 20, 6
    block = 8 * E * E + 2 * E * F_ + (8 * E + F_ + E) + 6 * E                                # weights, biases, norms
    assert count(attention.QueryDecoderBlock(E, 2, F_)) == block
    assert count(attention.QueryDecoder(E, Q, 2, 3, F_)) == 3 * block + Q * E + 2 * E
    assert count(attention.LearnedPositions1d(8, 5)) == 40 and count(attention.LearnedPositions2d(8, (3, 5))) == (3 + 5) * 4
    assert count(attention.SinePositions1d(8)) == count(attention.SinePositions2d(8)) == 0


def test_first_values_are_drawn():
    """`init_weights` that nobody calls leaves zeros: here every weight varies, and two seeds differ."""
    for make in (lambda: attention.AdditiveAttention(16), lambda: attention.QueryDecoder(16, 4, 2), lambda: attention.LearnedPositions1d(16, 4),
                 lambda: attention.LearnedPositions2d(16, 4)):
        ta.manual_seed(1)
        one = dict(make().named_parameters())
        ta.manual_seed(2)
        for name, p in make().named_parameters():
            if p.ndim > 1 or name == "weight":
                assert p.data.std() > 0 and not np.array_equal(p.data, one[name].data), name
    for name, p in attention.QueryDecoder(16, 4, 2).named_parameters():
        if name.endswith("weight") and p.ndim == 2:
            bound = math.sqrt(6 / sum(p.shape))                                        # Xavier's, as in DETR
            assert 0.8 * bound < np.abs(p.data).max() <= bound, name


Z = ta.zeros
WRONG = [
    (lambda: nn.MultiheadAttention(6, 4), ValueError, "embed_dim = 6 must be divisible by num_heads = 4"),
    (lambda: attention.QueryDecoder(8, 3, 3), ValueError, "embed_dim = 8 must be divisible by num_heads = 3"),
    (lambda: attention.QueryDecoder(6, 3, 2), ValueError, "SinePositions2d: channels must be divisible by 4, got 6: sine and cosine of row and column"),
    (lambda: attention.SinePositions1d(5), ValueError, "SinePositions1d: dim must be divisible by 2, got 5"),
    (lambda: attention.QueryDecoder(8, 0, 2), ValueError, "QueryDecoder: num_queries must be at least 1, got 0"),
    (lambda: attention.QueryDecoder(8, 3, 2)(Z(2, 4, 3, 3)), ValueError, "QueryDecoder: input has shape (2, 4, 3, 3), expected (N, 8, H, W)"),
    (lambda: attention.QueryDecoder(8, 3, 2)(Z(8, 3, 3)), ValueError, "QueryDecoder: input has shape (8, 3, 3), expected (N, 8, H, W)"),
    (lambda: attention.QueryDecoder(8, 3, 2)(Z(2, 8, 0, 3)), ValueError, "QueryDecoder: input has shape (2, 8, 0, 3), expected (N, 8, H, W)"),
    (lambda: attention.QueryDecoder(8, 3, 2)(Z(2, 8, 2, 3), Z(2, 3, 2, dtype=bool)), ValueError,
     "padding_mask is bool of shape (2, 3, 2), expected booleans of shape (2, 2, 3)"),
    (lambda: attention.QueryDecoder(8, 3, 2)(Z(2, 8, 2, 3), Z(2, 2, 3)), ValueError, "padding_mask is float32 of shape (2, 2, 3), expected booleans"),
    (lambda: attention.QueryDecoder(8, 3, 2)(Z(2, 8, 2, 3, dtype=np.float64)), TypeError, "QueryDecoder: all tensors must have one dtype"),
    (lambda: attention.QueryDecoderBlock(8, 2)(Z(2, 3, 4), Z(2, 5, 8)), ValueError, "QueryDecoderBlock: queries have shape (2, 3, 4), expected (N, tokens, 8)"),
    (lambda: attention.QueryDecoderBlock(8, 2)(Z(2, 3, 8), Z(2, 5, 8), Z(5, 8)), ValueError, "query_pos has shape (5, 8), expected (3, 8) or (2, 3, 8)"),
    (lambda: attention.QueryDecoderBlock(8, 2)(Z(2, 3, 8), Z(2, 5, 8), None, None, Z(2, 4, dtype=bool)), ValueError,
     "key_padding_mask has shape (2, 4), expected (2, 5)"),
    (lambda: attention.QueryDecoderBlock(8, 2)(Z(2, 3, 8), Z(3, 5, 8)), ValueError, "do not fit"),
    (lambda: attention.AdditiveAttention(4, 6)(Z(2, 3, 5), Z(2, 4, 6)), ValueError, "query has shape (2, 3, 5), expected (N, T, 4), or (N, 4) for one step"),
    (lambda: attention.AdditiveAttention(4, 6)(Z(2, 3, 4), Z(2, 4, 4)), ValueError, "key has shape (2, 4, 4), expected (2, S, 6)"),
    (lambda: attention.AdditiveAttention(4, 6)(Z(2, 3, 4), Z(2, 0, 6)), ValueError, "key has shape (2, 0, 6), expected (2, S, 6)"),
    (lambda: attention.AdditiveAttention(4)(Z(2, 3, 4), Z(3, 5, 4)), ValueError, "key has shape (3, 5, 4), expected (2, S, 4) for a query of shape (2, 3, 4)"),
    (lambda: attention.AdditiveAttention(4)(Z(2, 3, 4), Z(2, 5, 4), Z(2, 4, 3)), ValueError, "value has shape (2, 4, 3), expected (2, 5, E): one for each key"),
    (lambda: attention.AdditiveAttention(4)(Z(2, 3, 4), Z(2, 5, 4), None, Z(2, 3, dtype=bool)), ValueError, "key_padding_mask has shape (2, 3), expected (2, 5)"),
    (lambda: attention.AdditiveAttention(4)(Z(2, 3, 4), Z(2, 5, 4), None, Z(2, 5)), TypeError, "key_padding_mask must be boolean (True: not to be seen), got float32"),
    (lambda: attention.LearnedPositions1d(4, 5)(Z(2, 6, 4)), ValueError, "6 tokens, but there are positions for 5; make it with length=6"),
    (lambda: attention.LearnedPositions2d(4, 5)(Z(2, 4, 6, 3)), ValueError, "a map of 6×3, but there are positions for 5×5; make it with size=(6, 3)"),
    (lambda: attention.LearnedPositions2d(5), ValueError, "LearnedPositions2d: channels must be divisible by 2, got 5"),
    (lambda: F.additive_scores(Z(2, 3, 4), Z(2, 5, 4), Z(3)), ValueError, "shapes do not fit: query (2, 3, 4), key (2, 5, 4), weight (3,)"),
    (lambda: F.additive_scores(Z(2, 3, 0), Z(2, 5, 0), Z(0)), ValueError, "has vectors of length 0"),
]


@pytest.mark.parametrize("n", range(len(WRONG)))
def test_answers(n):
    with kernels.use("reference"):
        expect(*WRONG[n])
