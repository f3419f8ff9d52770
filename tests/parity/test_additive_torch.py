"""Additive attention against a twin in PyTorch written from Bahdanau, Cho and Bengio (arXiv:1409.0473), eq. 5, 6 and A.1.2."""
import numpy as np
import pytest

import tinyattn as ta
from tinyattn import kernels
from tinyattn.nn.attention import AdditiveAttention

torch = pytest.importorskip("torch")
from twins import DTYPES, compare, moved  # noqa: E402

rng = np.random.default_rng(0)
SHAPES = [(2, 3, 5, 4, 6, 7), (1, 1, 1, 1, 1, 1), (3, 9, 2, 5, 5, 70), (2, 5, 130, 3, 4, 33)]   # N, T, S, query, key, hidden


def twin(w, query, key, value=None, mask=None):
    """e_ts = vᵀ tanh(W s_t + U h_s); α_t = softmax over s; c_t = Σ α_ts h_s, one query after another."""
    value = key if value is None else value
    contexts, weights = [], []
    for t in range(query.shape[1]):
        hidden = torch.tanh(query[:, t] @ w["query.weight"].T + (key @ w["key.weight"].T).transpose(0, 1)).transpose(0, 1)     # (N, S, D)
        e = hidden @ w["weight"]
        if mask is not None:
            e = e.masked_fill(mask, -1e30)
        a = torch.softmax(e, 1)
        a = a if mask is None else a * ~mask                             # where all are hidden, none is left
        weights.append(a)
        contexts.append((a[:, :, None] * value).sum(1))
    return torch.stack(contexts, 1), torch.stack(weights, 1)


def inputs(shape):
    n, t, s, q, k, _ = shape
    return [rng.normal(size=(n, t, q)), rng.normal(size=(n, s, k))]


@pytest.mark.parametrize("rung", kernels.HOST_RUNGS)
@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize("shape", SHAPES)
def test_values_and_gradients(shape, dtype, rung):
    with kernels.use(rung):
        layer = moved(AdditiveAttention(*shape[3:]), dtype)
        compare(layer, twin, inputs(shape), dtype)
        compare(layer, twin, [*inputs(shape), rng.normal(size=(shape[0], shape[2], 3))], dtype)       # values of their own


@pytest.mark.parametrize("rung", kernels.HOST_RUNGS)
@pytest.mark.parametrize("dtype", DTYPES)
def test_hidden_keys(dtype, rung):
    """Also where all are hidden: then the context is 0, nothing is NaN, and no gradient flows."""
    mask = np.array([[False, False, True, False, True], [True] * 5, [False] * 5])
    with kernels.use(rung):
        layer, arrays = moved(AdditiveAttention(4, 6, 8), dtype), inputs((3, 2, 5, 4, 6, 8))
        arrays.append(rng.normal(size=(3, 5, 3)))
        context, weights = compare(layer, twin, [*arrays, mask], dtype)
        assert not context[1].any() and not weights[1].any() and not weights[0, :, [2, 4]].any()
        np.testing.assert_allclose(weights[[0, 2]].sum(-1), 1, rtol=1e-5)
        query = ta.Tensor(arrays[0].astype(dtype), requires_grad=True)
        with ta.autograd.detect_anomaly():                               # nor is there a NaN on the way
            y, _ = layer(query, ta.Tensor(arrays[1].astype(dtype)), key_padding_mask=ta.tensor(mask))
            (g,) = ta.grad((y * y).sum(), [query])
        assert np.isfinite(g.data).all() and not g.data[1].any() and g.data[[0, 2]].all()


def test_one_step_of_a_decoder():
    layer = moved(AdditiveAttention(4, 6, 8))
    query, key = inputs((3, 1, 5, 4, 6, 8))
    context, weights = compare(layer, lambda w, q, k: [y[:, 0] for y in twin(w, q[:, None], k)], [query[:, 0], key])
    assert context.shape == (3, 6) and weights.shape == (3, 5)
