"""Mistakes that public implementations of the gates made, each of which a test here would catch; and formulas that fit on a line."""
import numpy as np
import pytest
from made_gates import C, images, make, moved

import tinyattn as ta
from tinyattn import kernels
from tinyattn.nn import attention as A


@pytest.fixture(autouse=True)
def plain_kernels():
    with kernels.use("reference"):
        ta.manual_seed(1)
        yield


def recorded(gate, x):
    gate.record_attention = True
    y = gate(x)
    gate.record_attention = False
    return y, gate.attention_maps


def sigmoid(x):
    return 1 / (1 + np.exp(-x))


# --- mistakes that public implementations made -----------------------------------------------------------------------

@pytest.mark.parametrize("name", ["bam", "coordinate", "triplet", "relative"])
def test_height_and_width_are_two_things(name):
    """H = W assumed: a wide map, turned, gives the turned answer only where no axis is taken for the other."""
    x = images(2, C, 3, 8)
    gate = make(name, (3, 8)).eval()
    y, maps = recorded(gate, x)
    assert y.shape == x.shape
    for kind, shape in {"rows": (2, C, 3), "columns": (2, C, 8), "height_channel": (2, C, 3), "width_channel": (2, C, 8), "pixel": (2, 3, 8)}.items():
        assert kind not in maps or maps[kind].shape == shape
    turned = A.create(name, C, (8, 3)).eval()
    state = {k: v.data for k, v in gate.state_dict().items()}
    for a, b in (("conv_h", "conv_w"), ("height_channel", "width_channel"), ("rows", "columns")):
        for key in [k for k in state if k.startswith(a)]:
            other = b + key[len(a):]
            state[key], state[other] = state[other], state[key]
    state = {k: v.swapaxes(2, 3) if v.ndim == 4 and name == "bam" else v for k, v in state.items()}
    if name == "triplet":
        state["pixel.conv.weight"] = state["pixel.conv.weight"].swapaxes(2, 3)
    turned.load_state_dict(state)
    np.testing.assert_allclose(turned(ta.tensor(x.data.swapaxes(2, 3))).data, y.data.swapaxes(2, 3), rtol=1e-4, atol=1e-5)


def test_bam_adds_its_branches_and_its_input():
    """Branches multiplied, or a sigmoid on each: with both at 0, M = σ(0 + 0) = ½ and y = 1.5 x."""
    gate, x = A.BAM(C).eval(), images(2, C, 7, 7)
    for p in gate.parameters():
        p.data[...] = 0
    np.testing.assert_allclose(gate(x).data, 1.5 * x.data, rtol=1e-6)
    gate.channel_norm.bias.data[...] = np.linspace(-2, 2, C)
    gate.pixel_norm.bias.data[...] = 0.7
    y, maps = recorded(gate, x)
    m = sigmoid(np.linspace(-2, 2, C) + 0.7)
    np.testing.assert_allclose(y.data, x.data * (1 + m.reshape(1, C, 1, 1)), rtol=1e-5)
    np.testing.assert_allclose(maps["channel"], np.tile(m, (2, 1)), rtol=1e-5)
    np.testing.assert_allclose(maps["pixel"], m.mean(), rtol=1e-5)


@pytest.mark.parametrize("make_it, fc2", [(A.CBAM, True), (A.SqueezeExcitation, False), (A.BAM, False)])
def test_no_gate_is_born_dead(make_it, fc2):
    """With four units drawn freely, one CBAM in sixteen has none that a map of positive numbers, alike in all channels, turns on."""
    x = ta.tensor(np.random.default_rng(0).uniform(0.9, 1, (2, 16, 3, 4)).astype(np.float32))
    for seed in range(150):
        ta.manual_seed(seed)
        gate = make_it(16)
        assert gate.fc1.weight.data.sum(axis=1).max() >= 0, seed
        if fc2:
            (gate(x) * images(2, 16, 3, 4)).sum().backward()
            assert gate.fc2.weight.grad.data.any(), f"seed {seed}: no gradient reaches it"


@pytest.mark.parametrize("dilation", [1, 2, 4])
def test_bams_dilated_branch_keeps_the_map(dilation):
    """Padding 1 with dilation 2 shrinks 7×7 to 1×1 in two or three layers, and broadcasting hides it."""
    gate = moved(A.BAM(C, dilation=dilation)).eval()
    shapes = []
    for conv in (gate.conv2, gate.conv3, gate.conv4):
        conv.register_forward_hook(lambda module, inputs, output: shapes.append(output.shape[2:]))
    _, maps = recorded(gate, images(2, C, 7, 7))
    assert shapes == [(7, 7)] * 3 and maps["pixel"].std(axis=(1, 2)).min() > 1e-4


def test_selective_kernels_keep_the_map_and_share_over_branches():
    """The softmax is over the branches, not over the channels or the batch; equal scores share equally."""
    gate, x = make("sk"), images(3, C, 7, 5)
    y, maps = recorded(gate, x)
    shares = maps["branches"]
    assert shares.shape == (3, 2, C)
    np.testing.assert_allclose(shares.sum(1), 1, rtol=1e-5)
    assert np.ptp(shares.sum(2)) > 0.1 and np.ptp(shares.sum(0)) > 0.1
    seen = [branch.eval()(x).data for branch in gate.branches]
    assert [u.shape for u in seen] == [x.shape] * 2
    gate.select.weight.data[...] = 0
    np.testing.assert_allclose(gate.eval()(x).data, (seen[0] + seen[1]) / 2, rtol=1e-4, atol=1e-6)
    assert [b.conv.dilation for b in A.SelectiveKernel(C, 3).branches] == [(1, 1), (2, 2), (3, 3)]
    assert [A.SelectiveKernel(c).branches[0].conv.groups for c in (7, 16, 32, 64, 96)] == [1, 16, 32, 32, 32]


def test_spatial_attention_has_a_seven_by_seven_window_and_no_residual():
    """A 49×49 kernel by default; x + x·s."""
    gate, x = A.SpatialAttention(C), images(2, C, 7, 5)
    assert gate.conv.weight.shape == (1, 2, 7, 7)
    gate.conv.weight.data[...] = 0
    np.testing.assert_allclose(gate(x).data, x.data / 2, rtol=1e-6)


def test_scores_of_non_local_blocks_are_scaled_by_nothing_or_by_their_own_length():
    """√C, where the vectors that are multiplied have C / 2 numbers, is a public block's; the paper divides by nothing."""
    for scaled, factor in ((False, 1), (True, 12 ** -0.5)):
        gate, x = moved(A.NonLocal2d(C, scaled)), images(2, C, 3, 4)
        _, maps = recorded(gate, x)
        tokens = x.data.reshape(2, C, 12).swapaxes(1, 2)
        theta, phi, _ = np.split(tokens @ gate.embed.weight.data.T + gate.embed.bias.data, 3, 2)
        e = theta @ phi.swapaxes(1, 2) * factor
        e = np.exp(e - e.max(2, keepdims=True))
        np.testing.assert_allclose(maps["tokens"][:, 0], e / e.sum(2, keepdims=True), rtol=1e-3, atol=1e-5)


def test_the_dot_product_block_divides_by_the_places_and_takes_the_cheap_order():
    gate, x = make("nonlocal-dot").eval(), images(2, C, 7, 5)
    y, maps = recorded(gate, x)
    tokens = x.data.reshape(2, C, 35).swapaxes(1, 2)
    theta, phi, g = np.split(tokens @ gate.embed.weight.data.T + gate.embed.bias.data, 3, 2)
    weights = theta @ phi.swapaxes(1, 2) / 35
    np.testing.assert_allclose(maps["tokens"][:, 0], weights, rtol=1e-3, atol=1e-4)
    w = ta.tensor((weights @ g @ gate.out.weight.data.T).swapaxes(1, 2).reshape(x.shape))
    np.testing.assert_allclose(y.data, x.data + gate.norm(w).data, rtol=1e-3, atol=1e-3)


# --- formulas that fit on a line -------------------------------------------------------------------------------------

def test_simam_is_its_listing():
    x = images(2, 3, 4, 5).data.astype(np.float64)
    y, maps = recorded(A.SimAM(3, 0.05), ta.tensor(x))
    d = (x - x.mean((2, 3), keepdims=True)) ** 2
    gate = sigmoid(d / (4 * (d.sum((2, 3), keepdims=True) / 19 + 0.05)) + 0.5)
    np.testing.assert_allclose(maps["voxel"], gate, rtol=1e-9)
    np.testing.assert_allclose(y.data, x * gate, rtol=1e-9)
    x[0, 0, 0, 0] = 40                                 # what stands out is let through
    assert recorded(A.SimAM(3), ta.tensor(x))[1]["voxel"][0, 0].argmax() == 0


def test_coordinate_attention_multiplies_rows_by_columns():
    gate, x = make("coordinate").eval(), images(2, C, 7, 5)
    y, maps = recorded(gate, x)
    np.testing.assert_allclose(y.data, x.data * maps["rows"][..., None] * maps["columns"][:, :, None], rtol=1e-5)
    changed = x.data.copy()
    changed[:, :, 2] += 3                              # one row: its gate sees it alone, the columns' all see it
    other = recorded(gate, ta.tensor(changed))[1]
    same = np.isclose(other["rows"], maps["rows"], rtol=1e-5, atol=1e-6).all((0, 1))
    assert same.tolist() == [True, True, False, True, True, True, True] and not np.isclose(other["columns"], maps["columns"]).all((0, 1)).any()


def test_triplet_attention_is_the_mean_of_three():
    y, maps = recorded(gate := make("triplet").eval(), x := images(2, C, 7, 5))
    total = maps["pixel"][:, None] + maps["width_channel"][:, :, None] + maps["height_channel"][..., None]
    np.testing.assert_allclose(y.data, x.data * total / 3, rtol=1e-5)
    for p in gate.parameters():
        p.data[...] = 0
    np.testing.assert_allclose(gate(x).data, x.data / 2, rtol=1e-6)


def test_global_context_adds_one_vector_to_every_place():
    gate, x = make("gc"), images(2, C, 7, 5)
    y, maps = recorded(gate, x)
    np.testing.assert_allclose(maps["pool"].sum((1, 2)), 1, rtol=1e-5)
    np.testing.assert_allclose(y.data - x.data, np.broadcast_to(maps["channel"][..., None, None], x.shape), rtol=1e-4, atol=1e-5)
    context = np.einsum("nhw,nchw->nc", maps["pool"], x.data)
    v = context @ gate.fc1.weight.data.T + gate.fc1.bias.data
    v = (v - v.mean(1, keepdims=True)) / np.sqrt(v.var(1, keepdims=True) + gate.norm.eps) * gate.norm.weight.data + gate.norm.bias.data
    np.testing.assert_allclose(maps["channel"], np.maximum(v, 0) @ gate.fc2.weight.data.T + gate.fc2.bias.data, rtol=1e-3, atol=1e-4)
    with gate.score.register_forward_hook(lambda *_: None):
        z, watched = recorded(gate, x)
    np.testing.assert_allclose(z.data, y.data, rtol=1e-4, atol=1e-5)
    np.testing.assert_allclose(watched["pool"], maps["pool"], rtol=1e-4)


def test_distances_alone_decide_where_queries_are_alike():
    """With q the same everywhere and k = 0, the weights depend on j − i only, down and across each on its own."""
    gate, x = A.RelativeSelfAttention2d(8, (3, 4)), images(1, 8, 3, 4)
    gate.qkv.weight.data[:16], gate.qkv.bias.data[:16] = 0, 0
    gate.qkv.bias.data[:8] = 1
    down, across = np.random.default_rng(1).normal(size=5), np.random.default_rng(2).normal(size=7)
    gate.rows.data[...], gate.columns.data[...] = down[:, None] / 8, across[:, None] / 8
    _, maps = recorded(gate, x)
    y, c = np.divmod(np.arange(12), 4)
    scores = (down[y[None] - y[:, None] + 2] + across[c[None] - c[:, None] + 3]) / np.sqrt(8)
    e = np.exp(scores)
    np.testing.assert_allclose(maps["tokens"][0, 0], e / e.sum(1, keepdims=True), rtol=1e-4)
