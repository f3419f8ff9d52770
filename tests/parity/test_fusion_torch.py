"""What makes one map of many, against twins in PyTorch: BiFPN's fusion (1911.09070), level gates, AFF and iAFF (2009.14082), FPN (1612.03144)."""
import numpy as np
import pytest

from tinyattn import kernels
from tinyattn.nn import attention

torch = pytest.importorskip("torch")
from twins import DTYPES, compare, moved  # noqa: E402

TF = torch.nn.functional
rng = np.random.default_rng(0)
SHAPES = [(2, 5, 7, 4), (3, 8, 1, 3), (2, 16, 13, 10)]


@pytest.fixture(params=kernels.HOST_RUNGS, autouse=True)
def rung(request):
    with kernels.use(request.param):
        yield


def maps(count, shape):
    return [rng.normal(size=shape) for _ in range(count)]


@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize("shape", SHAPES)
@pytest.mark.parametrize("levels", [1, 2, 3, 6])
def test_weighted_fusion(levels, shape, dtype):
    """Eq. of §3.3, "fast normalized fusion": O = Σ w_i / (ε + Σ_j w_j) · I_i, a ReLU at every w_i."""
    def twin(w, *xs):
        positive = TF.relu(w["weight"])
        return sum(positive[i] * x for i, x in enumerate(xs)) / (1e-4 + positive.sum())

    layer = moved(attention.WeightedFusion(levels), dtype)
    if levels == 3:
        layer.weight.data[1] = -0.3                                           # shut off, and without gradient
    layer.record_attention = True
    compare(layer, twin, maps(levels, shape), dtype)
    shares = layer.attention_maps["levels"]
    assert shares.shape == (shape[0], levels) and (shares >= 0).all() and (levels != 3 or not shares[:, 1].any())
    np.testing.assert_allclose(shares.sum(1), 1, rtol=1e-3)


@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize("shape", SHAPES)
@pytest.mark.parametrize("levels", [1, 2, 5])
def test_level_gate(levels, shape, dtype):
    def twin(w, *xs):
        means = torch.stack([x.mean((2, 3)) for x in xs], 1)                       # (N, L, C)
        shares = torch.softmax(TF.linear(means.flatten(1), w["score.weight"], w["score.bias"]), 1)
        return (shares[:, :, None, None, None] * torch.stack(xs, 1)).sum(1)

    layer = moved(attention.LevelGate(shape[1], levels), dtype)
    layer.record_attention = True
    compare(layer, twin, maps(levels, shape), dtype)
    np.testing.assert_allclose(layer.attention_maps["levels"].sum(1), 1, rtol=1e-5)


def ms_cam(w, name, x, training=True):
    """M(X) = σ(L(X) ⊕ g(X)), eq. 1 to 3: point-wise convolutions and norms, of the pixels and of their mean."""
    def branch(x, name, first):
        for i in (first, first + 3):
            x = TF.conv2d(x, w[f"{name}.{i}.weight"])
            x = TF.batch_norm(x, None, None, w[f"{name}.{i + 1}.weight"], w[f"{name}.{i + 1}.bias"], True) if training \
                else x / (1 + 1e-5) ** 0.5 * w[f"{name}.{i + 1}.weight"][:, None, None] + w[f"{name}.{i + 1}.bias"][:, None, None]
            x = TF.relu(x) if i == first else x
        return x
    return torch.sigmoid(branch(x, f"{name}local", 0) + branch(x.mean((2, 3), keepdim=True), f"{name}whole", 1))


@pytest.mark.parametrize("training", [True, False])
@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize("shape", [(3, 5, 7, 4), (4, 16, 5, 6)])
def test_attentional_fusion(shape, dtype, training):
    """Z = M(X ⊎ Y) ⊗ X + (1 − M(X ⊎ Y)) ⊗ Y, eq. 4; ⊎ a sum, or for iAFF another such fusion, eq. 5."""
    def blend(w, name, u, x, y):
        m = ms_cam(w, name, u, training)
        return m * x + (1 - m) * y

    channels, pair = shape[1], maps(2, shape)
    gate = moved(attention.MultiScaleChannelAttention(channels), dtype).train(training)
    gate.record_attention = True
    compare(gate, lambda w, x: x * ms_cam(w, "", x, training), pair[:1], dtype)
    assert gate.attention_maps["voxel"].shape == shape
    compare(moved(attention.AttentionalFeatureFusion(channels), dtype).train(training),
            lambda w, x, y: blend(w, "attention.", x + y, x, y), pair, dtype)
    compare(moved(attention.IterativeFeatureFusion(channels), dtype).train(training),
            lambda w, x, y: blend(w, "second.", blend(w, "first.", x + y, x, y), x, y), pair, dtype)


@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize("sizes", [[(8, 6)], [(13, 10), (7, 5), (4, 3)], [(8, 12), (4, 6), (2, 3), (1, 1)], [(5, 7), (5, 7)], [(9, 4), (2, 4)]])
def test_feature_pyramid(sizes, dtype):
    """§3: a 1×1 lateral, added to what comes from above, enlarged to nearest neighbours; a 3×3 on every sum."""
    channels = [3, 5, 4, 2][:len(sizes)]

    def twin(w, *xs):
        found, above = [], None
        for i in reversed(range(len(xs))):
            m = TF.conv2d(xs[i], w[f"lateral.{i}.weight"], w[f"lateral.{i}.bias"])
            above = m if above is None else m + TF.interpolate(above, size=xs[i].shape[2:], mode="nearest")
            found.insert(0, TF.conv2d(above, w[f"smooth.{i}.weight"], w[f"smooth.{i}.bias"], padding=1))
        return found

    layer = moved(attention.FeaturePyramid(channels, 6), dtype)
    outputs = compare(layer, twin, [rng.normal(size=(2, c, *size)) for c, size in zip(channels, sizes)], dtype)
    assert [y.shape for y in outputs] == [(2, 6, *size) for size in sizes]
