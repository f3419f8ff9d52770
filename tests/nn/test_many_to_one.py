"""Several maps made one, a map made a vector, and the spatial transformer: first values, records, mistakes of others, wrong arguments."""
import numpy as np
import pytest
from answers import expect

import tinyattn as ta
import tinyattn.nn.functional as F
from tinyattn import kernels, nn
from tinyattn.nn import attention
from tinyattn.summary import summary
from tinyattn.viz import record


def images(*shape, seed=0):
    return ta.tensor(np.random.default_rng(seed).normal(size=shape).astype(np.float32))


X, Y = images(3, 8, 7, 4), images(3, 8, 7, 4, seed=1)
MAKERS = {  # the layer, its inputs, the kind it keeps, and the shape of that
    "WeightedFusion": (lambda: attention.WeightedFusion(2), (X, Y), "levels", (3, 2)),
    "LevelGate": (lambda: attention.LevelGate(8, 2), (X, Y), "levels", (3, 2)),
    "AttentionalFeatureFusion": (lambda: attention.AttentionalFeatureFusion(8), (X, Y), "voxel", (3, 8, 7, 4)),
    "IterativeFeatureFusion": (lambda: attention.IterativeFeatureFusion(8), (X, Y), "voxel", (3, 8, 7, 4)),
    "MultiScaleChannelAttention": (lambda: attention.MultiScaleChannelAttention(8), (X,), "voxel", (3, 8, 7, 4)),
    **{f"GlobalQueryPool {kind}": (lambda kind=kind: attention.GlobalQueryPool(8, 5, kind), (X, images(3, 5)), "pool", (3, 7, 4))
       for kind in ("pc", "dot", "additive")},
    "SpatialTransformer": (lambda: attention.SpatialTransformer(8), (X,), "grid", (3, 7, 4, 2)),
}


def varied(layer, seed=0):
    random = np.random.default_rng(seed)
    for p in layer.parameters():
        p.data[...] += 0.3 * random.normal(size=p.shape)
    return layer


@pytest.mark.parametrize("rung", kernels.HOST_RUNGS)
@pytest.mark.parametrize("name", MAKERS)
def test_maps_are_recorded_and_change_nothing(name, rung):
    make, inputs, kind, shape = MAKERS[name]
    with kernels.use(rung):
        layer = varied(make()).eval()
        before = layer(*inputs).data
        with record(layer) as recording:
            assert np.array_equal(layer(*inputs).data, before)
            found = recording.of_kind(kind)
    assert len(found) == (2 if name.startswith("Iterative") else 1) and all(w.shape == shape and w.std() > 0 for _, w in found)
    assert kind == "grid" or all((w >= 0).all() and (w <= 1).all() for _, w in found)


@pytest.mark.parametrize("name", MAKERS)
def test_no_image_sees_another(name):
    """A softmax without its axis runs over the batch: then an image alone is answered otherwise than among others."""
    make, inputs, _, _ = MAKERS[name]
    layer = varied(make()).eval()
    with kernels.use("reference"):
        together = layer(*inputs).data
        for i in range(3):
            np.testing.assert_allclose(layer(*(x[i:i + 1] for x in inputs)).data, together[i:i + 1], rtol=1e-4, atol=1e-5)


def test_fusions_begin_as_the_mean_and_follow_their_weights():
    mean = (X.data + Y.data) / 2
    fusion, gate = attention.WeightedFusion(2, eps=0), attention.LevelGate(8, 2)
    for layer in (fusion, gate):
        np.testing.assert_allclose(layer(X, Y).data, mean, rtol=1e-5, atol=1e-6)
        np.testing.assert_allclose(layer([X, Y]).data, mean, rtol=1e-5, atol=1e-6)        # as one list too
    fusion.weight.data[:] = [3, 1]
    np.testing.assert_allclose(fusion(X, Y).data, 0.75 * X.data + 0.25 * Y.data, rtol=1e-5, atol=1e-6)
    fusion.weight.data[:] = [-2, 1]                                                        # w ≥ 0: not subtracted
    np.testing.assert_allclose(fusion(X, Y).data, Y.data, rtol=1e-5, atol=1e-6)
    fusion = attention.WeightedFusion(2)
    fusion.weight.data[:] = -1
    assert not fusion(X, Y).data.any()                                                   # ε: 0, and not NaN
    gate.score.weight.data[0, :8], gate.record_attention = 1, True
    gate(X, Y)
    shares, means = gate.attention_maps["levels"], X.data.mean((2, 3)).sum(1)
    np.testing.assert_allclose(shares[:, 0], 1 / (1 + np.exp(-means)), rtol=1e-4)         # each image its own


def test_attentional_fusion_lies_between_its_maps():
    """M · X + (1 − M) · Y with 0 ≤ M ≤ 1: the weights of two maps add to 1, and one map fused with itself stays as it is."""
    for make in (attention.AttentionalFeatureFusion, attention.IterativeFeatureFusion):
        layer = varied(make(8))
        y = layer(X, Y).data
        assert (y >= np.minimum(X.data, Y.data) - 1e-5).all() and (y <= np.maximum(X.data, Y.data) + 1e-5).all()
        np.testing.assert_allclose(layer(X, X).data, X.data, rtol=0, atol=1e-6)
    assert attention.MultiScaleChannelAttention(8).local[0].out_channels == 4               # 8 // 4 is 2: too few


def test_no_map_shrinks_or_is_stretched_in_silence():
    """Padding that does not fit shrinks a map, and broadcasting hides it: 1×1 levels must be enlarged, and other sizes refused."""
    pyramid = attention.FeaturePyramid([2, 2, 2], 4)
    outputs = pyramid(images(1, 2, 7, 7), images(1, 2, 7, 7), images(1, 2, 1, 1))
    assert [y.shape for y in outputs] == [(1, 4, 7, 7), (1, 4, 7, 7), (1, 4, 1, 1)]
    for layer in (attention.WeightedFusion(2), attention.LevelGate(8, 2), attention.AttentionalFeatureFusion(8)):
        for other in (images(3, 8, 1, 1), images(3, 8, 4, 7), images(3, 1, 7, 4), images(1, 8, 7, 4)):
            with pytest.raises(ValueError, match="map 1 has"):
                layer(X, other)


def test_a_change_at_the_top_of_a_pyramid_reaches_the_finest_map():
    pyramid = attention.FeaturePyramid([2, 3], 4)
    fine, coarse = images(1, 2, 7, 5), images(1, 3, 4, 3)
    before = [y.data for y in pyramid(fine, coarse)]
    after = [y.data for y in pyramid(fine, coarse * 2)]
    assert all(not np.allclose(a, b) for a, b in zip(before, after))
    above = [y.data for y in pyramid(fine * 2, coarse)]
    assert np.array_equal(above[1], before[1]) and not np.allclose(above[0], before[0])    # and nothing goes upward


def test_a_spatial_transformer_moves_what_it_sees():
    """A shift by whole pixels, a mirror, and a zoom, from the biases alone; it begins as the identity, whatever the input's size."""
    stn = attention.SpatialTransformer(1)
    for shape in ((2, 1, 9, 6), (1, 1, 2, 2), (2, 1, 28, 28)):
        np.testing.assert_allclose(stn(images(*shape)).data, images(*shape).data, rtol=0, atol=1e-5)
    x = images(1, 1, 6, 8)
    stn.theta.bias.data[:] = [1, 0, 2 * 2 / 8, 0, 1, -2 * 1 / 6]                          # look 2 to the right and 1 above
    y = stn(x).data
    np.testing.assert_allclose(y[..., 1:, :-2], x.data[..., :-1, 2:], rtol=0, atol=1e-5)
    np.testing.assert_allclose(y[..., 0, :], 0, atol=1e-5)
    np.testing.assert_allclose(y[..., -2:], 0, atol=1e-5)
    stn.theta.bias.data[:] = [-1, 0, 0, 0, 1, 0]
    np.testing.assert_allclose(stn(x).data, x.data[..., ::-1], rtol=0, atol=1e-5)
    crop = attention.SpatialTransformer(1, size=(3, 4))
    crop.theta.bias.data[:] = [0.5, 0, 0, 0, 0.5, 0]                                     # the middle of 6×8, pixel by pixel
    middle = x.data[..., :, 2:6]
    np.testing.assert_allclose(crop(x).data, (middle[..., 1:4, :] + middle[..., 2:5, :]) / 2, rtol=0, atol=1e-5)


def test_first_values_are_drawn():
    """`init_weights` that nobody calls leaves a default: the pyramid's are Xavier's without the outputs, its biases 0."""
    for conv in attention.FeaturePyramid([64, 32], 16).modules():
        if isinstance(conv, nn.Conv2d):
            bound = (3 / np.prod(conv.weight.shape[1:])) ** 0.5
            assert 0.9 * bound < np.abs(conv.weight.data).max() <= bound and not conv.bias.data.any()
    for kind in ("pc", "additive"):
        assert attention.GlobalQueryPool(16, 16, kind).weight.data.std() > 0


def test_parameters_as_the_docstrings_count_them():
    def count(layer):
        return sum(p.data.size for p in layer.parameters())
    assert count(attention.WeightedFusion(3)) == 3 and count(attention.LevelGate(8, 3)) == 3 * 3 * 8 + 3
    assert count(attention.MultiScaleChannelAttention(32, 4)) == count(attention.AttentionalFeatureFusion(32)) == 4 * 32 * 32 // 4 + 4 * (32 + 8)
    assert count(attention.IterativeFeatureFusion(32)) == 2 * count(attention.AttentionalFeatureFusion(32))
    assert count(attention.FeaturePyramid([3, 5], 7)) == (3 * 7 + 7) + (5 * 7 + 7) + 2 * (9 * 49 + 7)
    assert [count(attention.GlobalQueryPool(8, 5, kind)) for kind in ("pc", "dot", "additive")] == [8, 8 * 5, 8 + 8 * 5]
    assert [count(attention.GlobalQueryPool(8, 8, kind)) for kind in ("pc", "dot", "additive")] == [8, 0, 8]
    assert count(attention.SpatialTransformer(3)) == 6 * 33 + 200 * 3 + 5744


def test_multiply_adds():
    def count(layer, *inputs):
        return layer.own_multiply_adds(inputs, layer(*inputs))
    size = 3 * 8 * 7 * 4
    assert count(attention.WeightedFusion(2), X, Y) == count(attention.LevelGate(8, 2), X, Y) == 2 * size
    assert count(attention.GlobalQueryPool(8), X, images(3, 8)) == 2 * size and count(attention.SpatialTransformer(8), X) == 4 * size
    additive, q, k = attention.AdditiveAttention(8, 8, 5), images(3, 4, 8), images(3, 7, 8)
    assert additive.own_multiply_adds((q, k), additive(q, k)[0]) == 3 * 4 * 7 * (5 + 8)
    table = summary(nn.Sequential(nn.Conv2d(1, 8, 1), attention.QueryDecoder(8, 3, 2, 1, 16)), (1, 1, 5, 4))
    projections = 3 * 3 * 64 + 3 * 64 + 3 * 64 + 2 * 20 * 64 + 3 * 64                    # of self- and of cross-attention
    assert table.multiply_adds == 20 * 8 + projections + 2 * 3 * 8 * (3 + 20) + 2 * 3 * 8 * 16


Z = ta.zeros
WRONG = [
    (lambda: attention.WeightedFusion(0), ValueError, "WeightedFusion: levels must be at least 1, got 0"),
    (lambda: attention.WeightedFusion(2, eps=-1), ValueError, "WeightedFusion: eps must be at least 0, got -1"),
    (lambda: attention.WeightedFusion(3)(X, Y), ValueError, "WeightedFusion: 2 feature maps, expected 3"),
    (lambda: attention.WeightedFusion(2)(X), ValueError, "1 feature maps, expected 2; they are given one by one or as one list"),
    (lambda: attention.WeightedFusion(2)(), ValueError, "0 feature maps, expected 2"),
    (lambda: attention.WeightedFusion(2)(X, Z(3, 8, 4, 4)), ValueError, "map 1 has shape (3, 8, 4, 4) and map 0 has (3, 8, 7, 4); bring them to one size with F.interpolate"),
    (lambda: attention.WeightedFusion(2)(X[0], Y[0]), ValueError, "map 0 has shape (8, 7, 4), expected (N, C, H, W)"),
    (lambda: attention.WeightedFusion(1)(Z(0, 8, 7, 4)), ValueError, "map 0 has shape (0, 8, 7, 4), expected (N, C, H, W), none of them 0"),
    (lambda: attention.WeightedFusion(2)(X, Y.double()), TypeError, "all tensors must have one dtype"),
    (lambda: attention.LevelGate(4, 2)(X, Y), ValueError, "LevelGate: map 0 has shape (3, 8, 7, 4), expected (N, 4, H, W)"),
    (lambda: attention.LevelGate(8, 2)(X, Y[:2]), ValueError, "map 1 has 2 images and map 0 has 3"),
    (lambda: attention.AttentionalFeatureFusion(8)(X, images(3, 4, 7, 4)), ValueError, "AttentionalFeatureFusion: map 1 has shape (3, 4, 7, 4), expected (N, 8, H, W)"),
    (lambda: attention.AttentionalFeatureFusion(8)(X[:1], Y[:1]), ValueError, "one image in training, whose mean has no deviation to be divided by"),
    (lambda: attention.MultiScaleChannelAttention(8, 0), ValueError, "MultiScaleChannelAttention: reduction must be at least 1, got 0"),
    (lambda: attention.FeaturePyramid(8), TypeError, "in_channels must be a list with the channels of every map, finest first, got 8"),
    (lambda: attention.FeaturePyramid([]), TypeError, "in_channels must be a list"),
    (lambda: attention.FeaturePyramid([8, 0]), ValueError, "in_channels[1] must be at least 1, got 0"),
    (lambda: attention.FeaturePyramid([8, 8], 4)(X), ValueError, "FeaturePyramid: 1 feature maps, expected 2"),
    (lambda: attention.FeaturePyramid([8, 4], 4)(X, Y), ValueError, "FeaturePyramid: map 1 has shape (3, 8, 7, 4), expected (N, 4, H, W)"),
    (lambda: attention.FeaturePyramid([8, 8], 4)(images(3, 8, 3, 4), X), ValueError, "map 1 of 7×4 is larger than map 0 of 3×4; the finest map comes first"),
    (lambda: attention.GlobalQueryPool(8, 5, "cosine"), ValueError, "compatibility must be one of 'pc', 'dot', 'additive', got 'cosine'"),
    (lambda: attention.GlobalQueryPool(8, 5)(X, Z(3, 4)), ValueError, "query has shape (3, 4), expected (3, 5) for an input of shape (3, 8, 7, 4)"),
    (lambda: attention.GlobalQueryPool(8, 5)(X, Z(2, 5)), ValueError, "query has shape (2, 5), expected (3, 5)"),
    (lambda: attention.GlobalQueryPool(8, 5)(images(3, 4, 2, 2), Z(3, 5)), ValueError, "input has shape (3, 4, 2, 2), expected (N, 8, H, W)"),
    (lambda: attention.GlobalQueryAttention(8, 5), TypeError, "channels must be a list with the channels of every map, got 8"),
    (lambda: attention.GlobalQueryAttention([8, 8], 5)([X], Z(3, 5)), ValueError, "GlobalQueryAttention: 1 feature maps, expected 2"),
    (lambda: attention.SpatialTransformer(8)(Z(2, 8, 1, 5)), ValueError, "images of 1×5 are too small for the localisation network, which needs at least 2×2"),
    (lambda: attention.SpatialTransformer(3)(X), ValueError, "SpatialTransformer: input has shape (3, 8, 7, 4), expected (N, 3, H, W)"),
    (lambda: attention.SpatialTransformer(8, lambda x: x), TypeError, "localisation must be a Module that makes (N, 32) of images, got function"),
    (lambda: attention.SpatialTransformer(8, nn.Flatten(), 9)(X), ValueError, "the localisation network made (3, 224) of (3, 8, 7, 4), expected (3, 9)"),
    (lambda: attention.SpatialTransformer(8, size=0), ValueError, "SpatialTransformer: size must be at least 1, got 0"),
    (lambda: F.weighted_sum([], Z(0)), TypeError, "tensors must be a list of at least one Tensor"),
    (lambda: F.weighted_sum([X, Y], Z(3)), ValueError, "weights have shape (3,), expected (2,) or (3, 2) for 2 tensors"),
    (lambda: F.weighted_sum([X, Y[:2]], Z(2)), ValueError, "tensor 1 has shape (2, 8, 7, 4), expected that of tensor 0"),
]


@pytest.mark.parametrize("n", range(len(WRONG)))
def test_answers(n):
    with kernels.use("reference"):
        expect(*WRONG[n])
