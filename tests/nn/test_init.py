"""First values: laws, bounds, fans, and one seed for all."""
import math

import numpy as np
import pytest

from answers import expect, is_ours

import tinyattn as ta
from tinyattn import kernels, nn
from tinyattn.nn import init


@pytest.fixture(autouse=True)
def plain_kernels():
    with kernels.use("reference"):
        ta.manual_seed(11)
        yield


def filled(function, *options, shape=(200, 30, 3, 3), **named):
    tensor = ta.zeros(shape, dtype=np.float64)
    before = tensor._version[0]
    assert function(tensor, *options, **named) is tensor and tensor._version[0] == before + 1
    return tensor.data


FAN_IN, FAN_OUT = 30 * 9, 200 * 9


@pytest.mark.parametrize("function,options,deviation,bound", [
    (init.uniform_, (-2.0, 4.0), 6 / math.sqrt(12), 4.0),
    (init.normal_, (1.0, 0.5), 0.5, None),
    (init.xavier_uniform_, (2.0,), 2 * math.sqrt(2 / (FAN_IN + FAN_OUT)), 2 * math.sqrt(6 / (FAN_IN + FAN_OUT))),
    (init.xavier_normal_, (), math.sqrt(2 / (FAN_IN + FAN_OUT)), None),
    (init.kaiming_uniform_, (), math.sqrt(2 / FAN_IN), math.sqrt(6 / FAN_IN)),
    (init.kaiming_uniform_, (math.sqrt(5),), math.sqrt(1 / (3 * FAN_IN)), 1 / math.sqrt(FAN_IN)),
    (init.kaiming_normal_, (0, "fan_out", "relu"), math.sqrt(2 / FAN_OUT), None),
    (init.kaiming_normal_, (0, "fan_in", "tanh"), 5 / 3 / math.sqrt(FAN_IN), None),
])
def test_laws(function, options, deviation, bound):
    values = filled(function, *options)
    middle = {init.uniform_: 1.0, init.normal_: 1.0}.get(function, 0.0)
    n = values.size                                            # 54,000: the deviation is known to about 0.5 %
    assert values.std() == pytest.approx(deviation, rel=0.02)
    assert values.mean() == pytest.approx(middle, abs=5 * deviation / math.sqrt(n))
    if bound is not None:
        assert np.abs(values).max() <= bound and np.abs(values).max() > 0.99 * bound
    else:
        within = np.mean(np.abs(values - middle) < deviation)
        assert within == pytest.approx(0.6827, abs=0.01)       # normal


def test_trunc_normal_stays_inside():
    values = filled(init.trunc_normal_, 0.0, 1.0, -1.0, 0.5)
    assert values.min() >= -1 and values.max() <= 0.5 and np.unique(values).size > 0.99 * values.size
    small = filled(init.trunc_normal_, std=0.02)
    assert small.std() == pytest.approx(0.02, rel=0.02)


def test_constants():
    assert (filled(init.zeros_) == 0).all() and (filled(init.ones_) == 1).all() and (filled(init.constant_, 0.3) == 0.3).all()


def test_fans_and_gains():
    assert init.fan_in_and_out((5, 7)) == (7, 5) and init.fan_in_and_out((8, 3, 3, 5)) == (45, 120)
    assert init.calculate_gain("relu") == pytest.approx(math.sqrt(2))
    assert init.calculate_gain("leaky_relu", 0.2) == pytest.approx(math.sqrt(2 / 1.04))
    assert init.calculate_gain("tanh") == pytest.approx(5 / 3)
    with pytest.raises(ValueError, match="at least two axes"):
        init.xavier_uniform_(ta.zeros(3))
    with pytest.raises(ValueError, match="unknown nonlinearity 'swish'"):
        init.calculate_gain("swish")
    with pytest.raises(ValueError, match="'fan_in' or 'fan_out', got 'fan'"):
        init.kaiming_normal_(ta.zeros(2, 2), mode="fan")


def test_one_seed_makes_the_same_network():
    def weights(seed):
        ta.manual_seed(seed)
        return np.concatenate([p.data.reshape(-1) for p in ta.models.create("attention_cnn").parameters()])
    first = weights(3)
    assert np.array_equal(first, weights(3)) and not np.array_equal(first, weights(4))
    state = ta.get_rng_state()
    a = ta.rand(5).data.copy()
    ta.set_rng_state(state)
    assert np.array_equal(a, ta.rand(5).data)


def test_signals_keep_their_size_through_a_deep_relu_net():
    """He's point: with gain √2 the deviation stays near 1 through 20 layers."""
    x = ta.randn(64, 100)
    for _ in range(20):
        w = ta.zeros(100, 100)
        init.kaiming_normal_(w, nonlinearity="relu")
        x = (x @ w.T).relu()
    assert 0.1 < float((x.data ** 2).mean()) ** 0.5 < 10


@pytest.mark.parametrize("a, b", [(-1.0, 0.5), (-2.0, 2.0), (0.0, 3.0)])
def test_truncated_moments(a, b):
    """With φ and Φ the normal density and distribution: mean (φ(a) − φ(b)) / Z, variance 1 + (aφ(a) − bφ(b)) / Z − mean²."""
    density = [math.exp(-x * x / 2) / math.sqrt(2 * math.pi) for x in (a, b)]
    z = (math.erf(b / math.sqrt(2)) - math.erf(a / math.sqrt(2))) / 2
    mean = (density[0] - density[1]) / z
    deviation = math.sqrt(1 + (a * density[0] - b * density[1]) / z - mean ** 2)
    values = filled(init.trunc_normal_, 3.0, 2.0, 3 + 2 * a, 3 + 2 * b)       # the same, stretched by 2 and moved by 3
    assert values.mean() == pytest.approx(3 + 2 * mean, abs=0.03) and values.std() == pytest.approx(2 * deviation, rel=0.02)
    assert values.min() >= 3 + 2 * a and values.max() <= 3 + 2 * b


def test_no_endless_drawing():
    for a, b, std in ((5.0, 6.0, 1.0), (0.5, 0.6, 0.02), (1.0, 0.0, 1.0), (1.0, 2.0, 0.0)):
        with pytest.raises(ValueError, match="holds almost nothing"):
            init.trunc_normal_(ta.zeros(4), 0.0, std, a, b)
    assert filled(init.trunc_normal_, 1.0, 0.0).tolist() == filled(init.ones_).tolist()      # no deviation: the mean


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_uniform_is_even_everywhere(dtype):
    tensor = ta.zeros(20000, dtype=dtype)
    values = init.uniform_(tensor, 0.0, 1.0).data
    assert values.dtype == dtype and values.min() >= 0 and values.max() < 1
    counts = np.bincount((values * 20).astype(int), minlength=20)              # 1000 ± 31 in each twentieth
    assert ((counts - 1000) ** 2 / 1000).sum() < 44                            # χ² with 19 degrees: 99.9 %
    neighbours = np.corrcoef(values[:-1], values[1:])[0, 1]
    assert abs(neighbours) < 5 / math.sqrt(20000)


def test_layers_begin_as_pytorchs_do():
    """Weights and biases uniform in ±1/√fan_in, attention's by Glorot's law, tables normal, norms 1 and 0."""
    for layer, fan_in in ((nn.Linear(300, 200), 300), (nn.Conv2d(32, 200, 3), 32 * 9), (nn.Conv2d(32, 200, (1, 3), groups=4), 8 * 3),
                          (nn.Conv1d(50, 200, 5), 250)):
        bound = 1 / math.sqrt(fan_in)
        for p in (layer.weight, layer.bias):
            assert np.abs(p.data).max() <= bound and np.abs(p.data).max() > 0.95 * bound
            assert p.data.std() == pytest.approx(bound / math.sqrt(3), rel=0.1)
            assert abs(p.data.mean()) < 5 * bound / math.sqrt(3 * p.data.size)
        assert not np.isin(layer.bias.data, layer.weight.data).all()           # draws of their own
    layer = nn.MultiheadAttention(64, 4)
    bound = math.sqrt(6 / (64 + 192))
    assert 0.98 * bound < np.abs(layer.in_proj_weight.data).max() <= bound
    assert not layer.in_proj_bias.data.any() and not layer.out_proj.bias.data.any() and layer.out_proj.weight.data.any()
    for layer in (nn.GRU(40, 50, 2, bidirectional=True), nn.LSTM(40, 50, proj_size=20), nn.RNN(40, 50), nn.LSTMCell(40, 50)):
        for p in layer.parameters():                                           # all by the size of the state
            assert np.abs(p.data).max() <= 50 ** -0.5 and np.abs(p.data).max() > 0.9 * 50 ** -0.5
            assert p.data.std() == pytest.approx((3 * 50) ** -0.5, rel=0.15)
    table = nn.Embedding(200, 50).weight.data
    assert table.std() == pytest.approx(1, rel=0.03) and abs(table.mean()) < 0.05
    for norm in (nn.BatchNorm2d(5), nn.LayerNorm((2, 5)), nn.GroupNorm(5, 10)):
        assert (norm.weight.data == 1).all() and not norm.bias.data.any()
    norm = nn.BatchNorm1d(5)
    assert not norm.running_mean.data.any() and (norm.running_var.data == 1).all() and norm.num_batches_tracked.item() == 0


def test_every_layer_draws_anew():
    net = nn.Sequential(*[nn.Linear(8, 8) for _ in range(4)])
    weights = [layer.weight.data for layer in net]
    assert all(not np.isin(a, b).any() for i, a in enumerate(weights) for b in weights[:i])
    p = nn.Parameter(np.zeros((3, 3), np.float32))
    y = (p * p).sum()
    assert init.xavier_normal_(p) is p and p.requires_grad and p.is_leaf and p.data.any()
    with pytest.raises(RuntimeError, match="changed in place"):                # the tape notices
        y.backward()


# --- matrices with a structure ---------------------------------------------------------------------------------------

@pytest.mark.parametrize("shape", [(30, 30), (20, 50), (50, 20), (8, 3, 3, 3), (40, 2, 3, 3), (1, 5), (5, 1)])
@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_orthogonal(shape, dtype):
    tensor = ta.zeros(shape, dtype=dtype)
    matrix = init.orthogonal_(tensor, 3.0).data.reshape(shape[0], -1)
    product = matrix @ matrix.T if matrix.shape[0] <= matrix.shape[1] else matrix.T @ matrix
    np.testing.assert_allclose(product, 9 * np.eye(len(product)), atol=1e-13 * 100 if dtype == np.float64 else 1e-5)


def test_orthogonal_matrices_are_equally_likely():
    """Haar's law: rotations and reflections alike, and every element with mean 0 and variance 1/n."""
    drawn = np.stack([init.orthogonal_(ta.zeros(3, 3, dtype=np.float64)).data.copy() for _ in range(2000)])
    assert 850 < (np.linalg.det(drawn) > 0).sum() < 1150
    assert np.abs(drawn.mean(0)).max() < 0.06 and np.abs(drawn.var(0) - 1 / 3).max() < 0.03
    assert np.abs((drawn ** 4).mean(0) - 3 / 15).max() < 0.03       # E x⁴ = 3 / (n (n + 2))


def test_identities():
    x = ta.randn(2, 4, 5, 6)
    w = init.dirac_(ta.zeros(4, 4, 3, 3))
    assert np.array_equal(nn.functional.conv2d(x, w, padding=1).data, x.data)
    grouped = init.dirac_(ta.zeros(4, 2, 3, 3), groups=2)
    assert np.array_equal(nn.functional.conv2d(x, grouped, padding=1, groups=2).data, x.data)
    more = init.dirac_(ta.zeros(6, 4, 1)).data[..., 0]
    assert np.array_equal(more, np.eye(6, 4)) and init.dirac_(ta.zeros(2, 2, 3, 4, 5)).data[1, 1, 1, 2, 2] == 1
    assert np.array_equal(init.eye_(ta.ones(3, 5)).data, np.eye(3, 5))


def test_sparse():
    values = init.sparse_(ta.zeros(101, 400, dtype=np.float64), 0.25, std=2.0).data
    assert ((values == 0).sum(0) == 26).all()                       # ⌈101 / 4⌉ in every column
    rows = (values == 0).mean(1)
    assert 0.15 < rows.min() and rows.max() < 0.37                  # and in every row by chance
    assert values[values != 0].std() == pytest.approx(2, rel=0.03) and abs(values.mean()) < 0.05


@pytest.mark.parametrize("call, words", [
    (lambda: init.orthogonal_(ta.zeros(3)), "expected at least two axes, got shape (3,)"),
    (lambda: init.eye_(ta.zeros(3)), "eye_: expected a matrix, got shape (3,)"),
    (lambda: init.dirac_(ta.zeros(3, 3)), "expected filters of three to five axes"),
    (lambda: init.dirac_(ta.zeros(3, 3, 3), 2), "groups = 2 must divide the 3 filters"),
    (lambda: init.sparse_(ta.zeros(3, 3), 1.5), "sparsity must be between 0 and 1"),
    (lambda: init.sparse_(ta.zeros(3), 0.5), "sparse_: expected a matrix"),
])
def test_structures_refuse(call, words):
    expect(call, ValueError, words)


def test_any_value_anywhere():
    for name, function in vars(init).items():
        if name.endswith("_") and not name.startswith("_"):
            for given in (None, "a", 3, ta.zeros(2, 2, dtype=np.int64), ta.zeros(()), ta.zeros(2, 0), ta.zeros(2, 2), [1.0], 1j):
                for more in (None, "a", -1, [1], float("nan"), True, ta.zeros(2), 1j, 10 ** 30):
                    try:
                        function(given, more)
                    except Exception as error:
                        assert is_ours(error) or "positional argument" in str(error), f"{name}({given!r}, {more!r}): {error!r}"


def test_patches_are_whitened():
    """What comes out of the filters has the identity for its second moments, in the directions that were kept; the halves are opposite."""
    images = np.random.default_rng(0).normal(size=(40, 2, 9, 8))
    images[:, 1] += 0.7 * images[:, 0]
    images[:, :, 1:] += 0.5 * images[:, :, :-1]
    w = ta.zeros((16, 2, 2, 2), dtype=np.float64)
    assert init.patch_whitening_(w, ta.tensor(images, dtype=np.float64), eps=0) is w
    y = nn.functional.conv2d(ta.tensor(images), w).data.transpose(1, 0, 2, 3).reshape(16, -1)
    np.testing.assert_allclose(y[:8] @ y[:8].T / y.shape[1], np.eye(8), atol=1e-5)
    np.testing.assert_array_equal(w.data[8:], -w.data[:8])
    few = init.patch_whitening_(ta.zeros((4, 2, 2, 2), dtype=np.float64), ta.tensor(images), eps=0)
    np.testing.assert_array_equal(few.data[:2], w.data[:2])                            # the largest first
    soft = init.patch_whitening_(ta.zeros((16, 2, 2, 2)), ta.tensor(images, dtype=np.float32), eps=1e9)
    assert 0 < np.abs(soft.data).max() < 1e-4


@pytest.mark.parametrize("filters, images, words", [
    ((3, 1, 2, 2), (5, 1, 8, 8), "filters have shape"), ((10, 1, 2, 2), (5, 1, 8, 8), "at most C·R·S"), ((4, 4), (5, 1, 8, 8), "filters have"),
    ((4, 1, 2, 2), (5, 3, 8, 8), "expected \\(N, 1, H, W\\)"), ((4, 1, 2, 9), (5, 1, 8, 8), "at least 2 by 9 pixels"),
    ((4, 1, 2, 2), (0, 1, 8, 8), "images have shape"), ((4, 1, 2, 2), (8, 8), "images have shape")])
def test_what_cannot_be_whitened(filters, images, words):
    with pytest.raises(ValueError, match=words):
        init.patch_whitening_(ta.zeros(filters), ta.zeros(images))
