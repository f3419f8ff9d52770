"""Learn to pay attention, and the spatial transformer, against twins in PyTorch written from 1804.02391 and 1506.02025."""
import numpy as np
import pytest

import tinyattn as ta
from tinyattn import kernels, nn
from tinyattn.nn import attention

torch = pytest.importorskip("torch")
from twins import DTYPES, compare, moved  # noqa: E402

TF = torch.nn.functional
rng = np.random.default_rng(0)


@pytest.fixture(params=kernels.HOST_RUNGS, autouse=True)
def rung(request):
    with kernels.use(request.param):
        yield


def attend(w, kind, x, g, name=""):
    """g_a = Σ a_i l_i with a = softmax(c) over all places; c = ⟨u, l + g⟩ (pc), ⟨l, g⟩ (dot), u·tanh(l + g)."""
    l = x.flatten(2).mT                                                            # (N, P, C)
    mapped = g @ w[f"{name}query.weight"].T if f"{name}query.weight" in w else g
    if kind == "pc":
        bridge = torch.ones(g.shape[1], l.shape[2], dtype=g.dtype)                 # any map of g: its part is the same for all places
        c = (l + (g @ bridge)[:, None]) @ w[f"{name}weight"]
    elif kind == "dot":
        c = (l * mapped[:, None]).sum(2)
    else:
        c = torch.tanh(l + mapped[:, None]) @ w[f"{name}weight"]
    return (torch.softmax(c, 1)[:, :, None] * l).sum(1)


@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize("kind", ["pc", "dot", "additive"])
@pytest.mark.parametrize("shape, length", [((2, 5, 7, 4), 5), ((3, 6, 1, 3), 9), ((1, 4, 2, 2), 3)])
def test_global_query(shape, length, kind, dtype):
    layer = moved(attention.GlobalQueryPool(shape[1], length, kind), dtype)
    layer.record_attention = True
    y, = compare(layer, lambda w, x, g: attend(w, kind, x, g), [rng.normal(size=shape), rng.normal(size=(shape[0], length))], dtype)
    shares = layer.attention_maps["pool"]
    assert y.shape == shape[:2] and shares.shape == (shape[0], *shape[2:])
    np.testing.assert_allclose(shares.sum((1, 2)), 1, rtol=1e-5)                     # over places, not over the batch


@pytest.mark.parametrize("kind", ["pc", "dot", "additive"])
def test_several_maps(kind):
    layer = moved(attention.GlobalQueryAttention([3, 5], 5, kind))
    arrays = [rng.normal(size=s) for s in ((2, 3, 8, 5), (2, 5, 4, 3), (2, 5))]
    y, = compare(layer, lambda w, a, b, g: torch.cat([attend(w, kind, x, g, f"pools.{i}.") for i, x in enumerate((a, b))], 1), arrays,
                 call=lambda a, b, g: layer([a, b], g))
    assert y.shape == (2, 8)
    for pool, x in zip(layer.pools, arrays):
        pool.record_attention = True
        pool(ta.tensor(x), ta.tensor(arrays[2]))
        moved_query = pool.attention_maps["pool"]
        pool(ta.tensor(x), ta.tensor(3 - arrays[2]))
        same = np.allclose(pool.attention_maps["pool"], moved_query)
        assert same == (kind == "pc")                                            # what the docstring warns of


@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize("shape, size", [((2, 3, 9, 6), None), ((3, 1, 5, 8), (4, 7)), ((1, 2, 2, 2), 3), ((2, 3, 12, 12), None)])
def test_spatial_transformer(shape, size, dtype):
    """The paper's eq. 1 and 5, bilinear: each place of the result written as a sum over all places of the image."""
    def sampled(x, theta, out):
        n, c, h, w = x.shape
        v, u = ((2 * torch.arange(k, dtype=x.dtype) + 1) / k - 1 for k in out)
        places = torch.stack([u[None].expand(*out), v[:, None].expand(*out), torch.ones(out, dtype=x.dtype)], -1)
        at = torch.einsum("nij,hwj->nhwi", theta, places)                          # (N, H′, W′, 2): x and y
        column, row = ((at[..., i, None] + 1) * k / 2 - 0.5 - torch.arange(k, dtype=x.dtype) for i, k in ((0, w), (1, h)))
        weigh = [torch.clamp(1 - d.abs(), min=0) for d in (column, row)]             # max(0, 1 − |x − m|)
        return torch.einsum("ncyx,nhwx,nhwy->nchw", x, *weigh)

    def twin(w, x):
        y = TF.relu(TF.max_pool2d(TF.conv2d(x, w["localisation.0.weight"], w["localisation.0.bias"], padding=2), 2))
        y = TF.relu(TF.conv2d(y, w["localisation.3.weight"], w["localisation.3.bias"], padding=2))
        y = TF.relu(TF.linear(TF.adaptive_avg_pool2d(y, 4).flatten(1), w["localisation.7.weight"], w["localisation.7.bias"]))
        theta = TF.linear(y, w["theta.weight"], w["theta.bias"]).reshape(-1, 2, 3)
        return sampled(x, theta, (size, size) if isinstance(size, int) else size or tuple(x.shape[2:]))

    layer = attention.SpatialTransformer(shape[1], size=size).to(dtype)
    x = rng.normal(size=shape)
    if size is None:
        np.testing.assert_allclose(layer(ta.Tensor(x.astype(dtype))).data, x, rtol=0, atol=1e-5)     # the identity, to begin with
    for p in layer.theta.parameters():
        p.data[...] += 0.3 * rng.normal(size=p.shape)
    layer.record_attention = True
    y, = compare(layer, twin, [x], dtype)
    assert layer.attention_maps["grid"].shape == (shape[0], *y.shape[2:], 2)


def test_a_localisation_of_ones_own():
    own = nn.Sequential(nn.AdaptiveAvgPool2d(2), nn.Flatten(), nn.Linear(8, 3), nn.Tanh())
    layer, x = attention.SpatialTransformer(2, own, 3), ta.randn(2, 2, 5, 7)
    np.testing.assert_allclose(layer(x).data, x.data, rtol=0, atol=1e-5)
    assert sum(p.data.size for p in layer.parameters()) == 6 * 4 + 8 * 3 + 3
