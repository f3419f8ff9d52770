"""Learned queries against PyTorch: TransformerDecoderLayer, a twin of DETR's block with positions, and positions themselves."""
import math

import numpy as np
import pytest

import tinyattn as ta
from tinyattn import kernels
from tinyattn.nn import attention
from tinyattn.nn.attention import QueryDecoder, QueryDecoderBlock

torch = pytest.importorskip("torch")
from twins import DTYPES, compare, moved  # noqa: E402

TF = torch.nn.functional
rng = np.random.default_rng(0)


def attend(w, name, heads, query, key, value, hidden=None):
    """Multi-head attention of the paper 1706.03762, from named weights; hidden (N, S): True where a key is not seen."""
    weights, biases = w[f"{name}.in_proj_weight"].chunk(3), w[f"{name}.in_proj_bias"].chunk(3)
    q, k, v = (TF.linear(x, *own).unflatten(2, (heads, -1)).transpose(1, 2) for x, *own in zip((query, key, value), weights, biases))
    scores = q @ k.mT / math.sqrt(q.shape[-1])
    if hidden is not None:
        scores = scores.masked_fill(hidden[:, None, None], -1e30)
    shares = torch.softmax(scores, -1)
    shares = shares if hidden is None else shares * ~hidden[:, None, None]
    return TF.linear((shares @ v).transpose(1, 2).flatten(2), w[f"{name}.out_proj.weight"], w[f"{name}.out_proj.bias"])


def block(w, heads, x, memory, p=0, r=0, hidden=None):
    """DETR's decoder layer, normalised after every sum (2005.12872, appendix A.3 and figure 10)."""
    def norm(x, i):
        return TF.layer_norm(x, x.shape[-1:], w[f"norm{i}.weight"], w[f"norm{i}.bias"])
    x = norm(x + attend(w, "self_attn", heads, x + p, x + p, x), 1)
    x = norm(x + attend(w, "multihead_attn", heads, x + p, memory + r, memory, hidden), 2)
    f = TF.linear(TF.relu(TF.linear(x, w["linear1.weight"], w["linear1.bias"])), w["linear2.weight"], w["linear2.bias"])
    return norm(x + f, 3)


def waves(h, w, channels, mask=None):
    """DETR's sine positions, number by number: (N, C, H, W) of a mask (N, H, W), True where there is only padding."""
    mask = np.zeros((1, h, w), bool) if mask is None else mask
    out = np.zeros((len(mask), channels, h, w))
    for n, c, i, j in np.ndindex(out.shape):
        column = c >= channels // 2
        line = ~mask[n, i] if column else ~mask[n, :, j]
        place = line[:(j if column else i) + 1].sum() / (line.sum() + 1e-6) * 2 * math.pi
        k = c % (channels // 2)
        angle = place / 10000 ** (2 * (k // 2) / (channels // 2))
        out[n, c, i, j] = math.cos(angle) if k % 2 else math.sin(angle)
    return out


def decoder(w, heads, layers, x, mask=None):
    n, c, height, width = x.shape
    r = torch.tensor(waves(height, width, c, None if mask is None else mask.numpy())).to(x.dtype).flatten(2).mT
    memory, answers = x.flatten(2).mT, torch.zeros(n, len(w["queries"]), c, dtype=x.dtype)
    for i in range(layers):
        own = {name.removeprefix(f"layers.{i}."): v for name, v in w.items() if name.startswith(f"layers.{i}.")}
        answers = block(own, heads, answers, memory, w["queries"], r, None if mask is None else mask.flatten(1))
    return TF.layer_norm(answers, (c,), w["norm.weight"], w["norm.bias"])


@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize("heads, hidden", [(1, 5), (2, 12), (4, 7)])
def test_without_positions_it_is_pytorchs_layer(heads, hidden, dtype):
    """Values, gradients, and the names of all weights; with a padding mask that leaves each image something to see."""
    layer = moved(QueryDecoderBlock(8, heads, hidden), dtype).eval()
    theirs = torch.nn.TransformerDecoderLayer(8, heads, hidden, batch_first=True, dtype=torch.float64 if dtype == np.float64 else torch.float32).eval()
    theirs.load_state_dict({name: torch.tensor(v.data) for name, v in layer.state_dict().items()})
    mask = np.array([[False, True, False, False, True], [False] * 5])
    x, memory = rng.normal(size=(2, 3, 8)), rng.normal(size=(2, 5, 8))

    def twin(w, x, memory, mask=None):
        return torch.func.functional_call(theirs, w, (x, memory), {"memory_key_padding_mask": mask})

    compare(layer, twin, [x, memory], dtype)
    compare(layer, twin, [x, memory, mask], dtype, lambda x, m, mask: layer(x, m, memory_key_padding_mask=mask))


@pytest.mark.parametrize("rung", kernels.HOST_RUNGS)
@pytest.mark.parametrize("dtype", DTYPES)
def test_a_block_with_positions(dtype, rung):
    with kernels.use(rung):
        layer = moved(QueryDecoderBlock(8, 2, 12, dropout=0), dtype)
        arrays = [rng.normal(size=s) for s in ((2, 3, 8), (2, 5, 8), (3, 8), (2, 5, 8))]
        mask = np.array([[False, True, False, False, True], [True] * 5])        # the second memory is all padding
        compare(layer, lambda w, *xs: block(w, 2, *xs), [*arrays, mask], dtype)


@pytest.mark.parametrize("rung", kernels.HOST_RUNGS)
@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize("shape, layers", [((2, 8, 3, 5), 1), ((1, 16, 1, 4), 2), ((3, 4, 7, 2), 2)])
def test_the_decoder(shape, layers, dtype, rung):
    with kernels.use(rung):
        layer = moved(QueryDecoder(shape[1], 5, 2, layers, 9, dropout=0), dtype)
        compare(layer, lambda w, x: decoder(w, 2, layers, x), [rng.normal(size=shape)], dtype)
        mask = rng.random((shape[0], *shape[2:])) < 0.3
        mask[0] = False
        compare(layer, lambda w, x, m: decoder(w, 2, layers, x, m), [rng.normal(size=shape), mask], dtype)


@pytest.mark.parametrize("channels, h, w", [(4, 1, 1), (8, 3, 5), (64, 7, 2)])
def test_sine_positions(channels, h, w):
    x = ta.tensor(rng.normal(size=(2, channels, h, w)))
    positions = attention.SinePositions2d(channels)
    np.testing.assert_allclose(positions(x).data, waves(h, w, channels)[0], rtol=0, atol=1e-12)
    mask = np.zeros((2, h, w), bool)
    mask[1, h // 2 + 1:], mask[1, :, w // 2 + 1:] = True, True
    np.testing.assert_allclose(positions(x, ta.tensor(mask)).data, waves(h, w, channels, mask), rtol=0, atol=1e-12)
    line = np.zeros((h * w, channels))
    for t, k in np.ndindex(line.shape):                                    # 1706.03762, §3.5
        line[t, k] = (math.cos if k % 2 else math.sin)(t / 10000 ** (2 * (k // 2) / channels))
    np.testing.assert_allclose(attention.SinePositions1d(channels)(x.flatten(2).transpose(1, 2)).data, line, rtol=0, atol=1e-12)


@pytest.mark.parametrize("dtype", DTYPES)
def test_learned_positions(dtype):
    def of_map(w, x):
        """As DETR's: the column's vector first, then the row's."""
        h, width = x.shape[2:]
        return x + torch.cat([w["column"][:width][None].expand(h, -1, -1), w["row"][:h][:, None].expand(-1, width, -1)], -1).permute(2, 0, 1)

    layer = moved(attention.LearnedPositions2d(6, (4, 7)), dtype)
    for shape in ((2, 6, 3, 5), (1, 6, 4, 7), (2, 6, 1, 1)):
        compare(layer, of_map, [rng.normal(size=shape)], dtype, lambda x: x + layer(x))
    line = moved(attention.LearnedPositions1d(6, 5), dtype)
    for length in (1, 5):
        compare(line, lambda w, x: x + w["weight"][:x.shape[1]], [rng.normal(size=(2, length, 6))], dtype, lambda x: x + line(x))
