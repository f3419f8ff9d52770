"""What is computed from maps and gradients: cases worked by hand, and formulas written a second way."""
import numpy as np
import pytest

import tinyattn as ta
from tinyattn import nn, viz
from tinyattn.viz import attention_rollout as rollout
from tinyattn.viz import gate_statistics, gradients, kinds, query_rows

RNG = np.random.default_rng(0)


def stochastic(*shape):
    a = RNG.random(shape)
    return a / a.sum(axis=-1, keepdims=True)


# ---- kinds -----------------------------------------------------------------------------------------------------------

def test_tokens_find_their_grid():
    assert kinds.token_grid(49, (28, 28)) == (7, 7, 0)
    assert kinds.token_grid(50, (28, 28)) == (7, 7, 1)
    assert kinds.token_grid(128, (32, 64)) == (8, 16, 0)
    assert kinds.token_grid(47, (28, 28)) is None
    assert kinds.token_grid(1, (28, 28)) == (1, 1, 0)
    assert kinds.as_grid(np.zeros((2, 3, 47)), (28, 28)).shape == (2, 3, 1, 47)


def test_each_kind_speaks_of_its_places():
    size = (8, 8)
    pixel, voxel = RNG.random((2, 4, 4)), RNG.random((2, 3, 4, 4))
    rows, tokens = RNG.random((2, 3, 4)), stochastic(2, 2, 17, 17)
    np.testing.assert_array_equal(kinds.places("pixel", pixel, size), pixel)
    np.testing.assert_allclose(kinds.places("voxel", voxel, size), voxel.mean(1))
    np.testing.assert_allclose(kinds.places("rows", rows, size)[1, 2, 0], rows[1, :, 2].mean())
    np.testing.assert_allclose(kinds.places("columns", rows, size)[1, 0, 2], rows[1, :, 2].mean())
    looked_at = kinds.places("tokens", tokens, size)                      # token 0 is the class's
    np.testing.assert_allclose(looked_at[1, 2, 3], np.mean([tokens[1, h, q, 1 + 2 * 4 + 3] for h in range(2) for q in range(17)]))
    np.testing.assert_array_equal(kinds.places("pool", pixel.reshape(2, 16), size), pixel)
    for kind, values in (("channel", RNG.random((2, 5))), ("branches", RNG.random((2, 2, 5))), ("levels", RNG.random((2, 3))),
                         ("cross", stochastic(2, 1, 5, 7))):
        assert kinds.places(kind, values, size) is None


def test_maps_grow_between_centres_and_shrink_to_means():
    grown = kinds.to_size(np.array([[[0.0, 1.0]]]), (1, 4))               # centres at 1/4 and 3/4
    np.testing.assert_allclose(grown[0, 0], [0, 0.25, 0.75, 1])
    values = RNG.random((2, 6, 4)).astype(np.float32)
    np.testing.assert_allclose(kinds.to_size(values, (3, 2)), values.reshape(2, 3, 2, 2, 2).mean((2, 4)), rtol=1e-6)
    np.testing.assert_array_equal(kinds.to_size(values, (6, 4)), values)


# ---- gradients -------------------------------------------------------------------------------------------------------

class Linear(nn.Module):
    """Two convolutions, the mean, a linear layer: Grad-CAM of the second is the class activation map, by the paper's own proof."""

    def __init__(self):
        super().__init__()
        self.first, self.second, self.head = nn.Conv2d(1, 3, 3, padding=1), nn.Conv2d(3, 4, 1), nn.Linear(4, 5)

    def forward(self, x):
        return self.head(self.second(self.first(x)).mean((2, 3)))


def test_grad_cam_is_the_class_activation_map_of_a_linear_head():
    ta.manual_seed(0)
    model, x = Linear(), RNG.standard_normal((3, 1, 6, 6)).astype(np.float32)
    classes = np.array([4, 0, 2])
    cam = gradients.grad_cam(model, x, classes)
    maps = model.second(model.first(ta.tensor(x))).data
    expected = np.maximum(np.einsum("nk,nkhw->nhw", model.head.weight.data[classes], maps) / 36, 0)
    np.testing.assert_allclose(cam, expected, rtol=1e-4, atol=1e-7)
    assert list(gradients.spatial_layers(model, x)) == ["first", "second"]
    assert gradients.grad_cam(model, x, classes, "first").shape == (3, 6, 6)
    assert not any(module.is_hooked() for module in model.modules())


def test_grad_cam_of_frozen_weights_and_of_tokens():
    ta.manual_seed(0)
    model = ta.models.create("cct", in_channels=1, num_classes=5, image_size=28).requires_grad_(False).train()
    x = RNG.standard_normal((2, 1, 28, 28)).astype(np.float32)
    assert list(gradients.spatial_layers(model, x))[-1] == "norm"
    cam = gradients.grad_cam(model, x)
    assert cam.shape == (2, 7, 7) and (cam >= 0).all() and cam.any() and model.training


def test_grad_cam_says_what_is_wrong():
    model, x = Linear(), np.zeros((1, 1, 6, 6), np.float32)
    with pytest.raises(ValueError, match="grad_cam: the model has no layer 'secnd'; did you mean 'second'"):
        gradients.grad_cam(model, x, layer="secnd")
    with pytest.raises(ValueError, match=r"layer 'head' gives out \(1, 5\), which has no places; layers with places: first, second"):
        gradients.grad_cam(model, x, layer="head")
    with pytest.raises(ValueError, match=r"classes have shape \(1,\) and go from 7 to 7"):
        gradients.grad_cam(model, x, [7])
    model.spare = nn.Conv2d(1, 1, 1)
    with pytest.raises(ValueError, match="layer 'spare' took no part"):
        gradients.grad_cam(model, x, layer="spare")


def test_saliency_is_the_slope_of_the_score():
    ta.manual_seed(0)
    model, x = Linear().double(), RNG.standard_normal((2, 1, 6, 6))
    found = gradients.saliency(model, x, [1, 3])
    for n, (c, y, z) in enumerate(((1, 2, 5), (3, 0, 0))):
        shifted = [x.copy(), x.copy()]
        shifted[0][n, 0, y, z] += 1e-5
        shifted[1][n, 0, y, z] -= 1e-5
        slope = (model(ta.tensor(shifted[0])).data - model(ta.tensor(shifted[1])).data)[n, c] / 2e-5
        np.testing.assert_allclose(found[n, y, z], abs(slope), rtol=1e-5)


# ---- rollout ---------------------------------------------------------------------------------------------------------

def test_rollout_by_hand():
    looks_at_first = np.array([[[[1.0, 0.0], [1.0, 0.0]]]])
    total, share = rollout.rollout([looks_at_first])
    np.testing.assert_allclose(total[0], [[1, 0], [0.5, 0.5]])
    np.testing.assert_allclose(share[0], [0.75, 0.25])
    total, share = rollout.rollout([looks_at_first] * 2, pool=np.array([[0.0, 1.0]]))
    np.testing.assert_allclose(total[0], [[1, 0], [0.75, 0.25]])
    np.testing.assert_allclose(share[0], [0.75, 0.25])


def test_rollout_is_the_product_first_layer_on_the_right():
    layers, pool = [stochastic(2, 3, 9, 9) for _ in range(3)], stochastic(2, 9)
    total, share = rollout.rollout(layers, pool)
    mixed = [(layer.mean(1) + np.eye(9)) / 2 for layer in layers]
    np.testing.assert_allclose(total, mixed[2] @ mixed[1] @ mixed[0])
    np.testing.assert_allclose(share, np.einsum("ni,nij->nj", pool, total))
    np.testing.assert_allclose(share.sum(1), 1)
    maps = {f"blocks.{i}": {"tokens": layer} for i, layer in enumerate(layers)} | {"pool": {"pool": pool}}
    found = rollout.of_recording(maps, (12, 12))
    np.testing.assert_allclose(found.values, share.reshape(2, 3, 3))
    assert found.joined == ["blocks.0", "blocks.1", "blocks.2", "pool"] and found.left == {}
    assert found.words() == "joined: blocks.0, blocks.1, blocks.2, pool"
    with pytest.raises(ValueError, match=r"rollout: expected arrays \(N, heads, T, T\)"):
        rollout.rollout([layers[0], stochastic(2, 3, 4, 4)])
    with pytest.raises(ValueError, match=r"pool has shape \(2, 4\), expected \(2, 9\)"):
        rollout.rollout(layers, stochastic(2, 4))


def test_rollout_says_what_it_leaves_out_and_why():
    small = {f"late.{i}": {"tokens": stochastic(2, 3, 9, 9)} for i in range(2)}
    large = {f"early.{i}": {"tokens": stochastic(2, 1, 16, 16)} for i in range(2)}
    _, alike = rollout.rollout([kinds["tokens"] for kinds in small.values()])
    found = rollout.of_recording(large | small, (12, 12))
    np.testing.assert_allclose(found.values, alike.reshape(2, 3, 3))
    assert found.words() == ("joined: late.0, late.1; without early.0, early.1: "
                             "16 tokens, and 9 in late.0: what became of them in between is in no matrix")
    dot = {"dot": {"tokens": 2 * stochastic(2, 1, 9, 9)}}
    found = rollout.of_recording({"late.2": small["late.0"]} | dot | small, (12, 12))
    np.testing.assert_allclose(found.values, alike.reshape(2, 3, 3))
    assert found.left == {"late.2": "after it comes dot, whose weights are no shares", "dot": "its weights do not sum to 1, so they are no shares"}
    found = rollout.of_recording(small | {"pool": {"pool": stochastic(2, 4)}}, (12, 12))
    np.testing.assert_allclose(found.values, alike.reshape(2, 3, 3))
    assert found.left == {"pool": "it weighs 4 places, not the 9 tokens of late.1; they count alike instead"}
    found = rollout.of_recording({"words": {"tokens": stochastic(2, 1, 11, 11)}} | small, (12, 12))
    assert found.joined == ["late.0", "late.1"] and found.left == {"words": "its 11 tokens are no grid over the image"}
    found = rollout.of_recording(large | {"late.0": small["late.0"]}, (12, 12))
    assert found.values is None and found.joined == [] and list(found.left) == ["early.0", "early.1"]
    assert found.words().startswith("fewer than two layers can be joined; without early.0, early.1: 16 tokens")


# ---- rows of a query -------------------------------------------------------------------------------------------------

def test_the_row_of_a_pixel():
    tokens = stochastic(2, 3, 17, 17)
    row = query_rows.rows_at(tokens, 5, 11, (12, 12))                     # row 1, column 3 of 4 × 4; token 0 is the class's
    assert row.shape == (2, 3, 4, 4)
    np.testing.assert_array_equal(row[1, 2].ravel(), tokens[1, 2, 1 + 1 * 4 + 3, 1:])
    with pytest.raises(ValueError, match=r"pixel \(12, 0\) lies outside"):
        query_rows.rows_at(tokens, 12, 0, (12, 12))
    with pytest.raises(ValueError, match="11 tokens form no grid"):
        query_rows.token_at(0, 0, 11, (12, 12))


def test_the_pixel_worth_asking_is_on_the_figure():
    image = np.zeros((1, 12, 12), np.uint8)
    image[0, 3:6, 6:9] = 255                                              # token (1, 2)
    tokens = np.full((1, 16, 16), 1 / 16)
    tokens[0, 6] = np.eye(16)[0]
    tokens[0, 15] = np.eye(16)[1]                                         # differs as much, but lies on the ground
    y, x = query_rows.telling_pixel(image, tokens, (12, 12))
    assert 3 <= y < 6 and 6 <= x < 9


# ---- gates by class --------------------------------------------------------------------------------------------------

class Telling(nn.Module):
    """Its first gate is the image's mean, so it knows the class; its second knows nothing of it."""

    def __init__(self):
        super().__init__()
        self.record_attention, self.attention_maps, self.calls = False, {}, 0

    def forward(self, x):
        if self.record_attention:
            self.calls += 1
            noise = np.tile([0.0, 1.0], len(x.data))[:len(x.data)]
            self.attention_maps = {"channel": np.stack([x.data.mean((1, 2, 3)), noise], axis=1)}
        return x


def test_gates_per_class():
    labels = np.array([0, 0, 2, 2, 0, 0])
    images = np.ones((6, 1, 2, 2)) * labels.reshape(-1, 1, 1, 1)
    batches = [(ta.tensor(images[i:i + 2]), ta.tensor(labels[i:i + 2])) for i in range(0, 6, 2)]
    model = Telling()
    (name, kind), = found = gate_statistics.gates_per_class(model, batches, 3)
    gate = found[name, kind]
    assert kind == "channel" and model.calls == 3 and list(gate.counts) == [4, 0, 2]
    np.testing.assert_allclose(gate.mean[[0, 2]], [[0, 0.5], [2, 0.5]])
    assert np.isnan(gate.mean[1]).all()
    np.testing.assert_allclose(gate.overall, [4 / 6, 0.5])
    np.testing.assert_allclose(gate.spread, [np.std(labels), 0.5])
    np.testing.assert_allclose(gate.explained, np.var(labels) / (np.var(labels) + 0.25))
    assert not gate.dead and gate.words() == ""


def test_a_dead_gate_is_named():
    """All units of CBAM's narrow layer off for all images: g = σ(0 + 0) = ½ for ever. One unit that fires for one image is enough."""
    from tinyattn.nn.attention import CBAM, SqueezeExcitation
    ta.manual_seed(0)
    images, labels = RNG.random((40, 8, 4, 4)).astype(np.float32), np.arange(40) % 2

    def found(gate):
        batches = [(ta.tensor(images[i:i + 20]), ta.tensor(labels[i:i + 20])) for i in (0, 20)]
        return gate_statistics.gates_per_class(gate, batches, 2, ("channel",))["", "channel"]
    cbam, se = CBAM(8), SqueezeExcitation(8)
    assert not found(cbam).dead
    for gate in (cbam, se):
        gate.fc1.weight.data[...] = -np.abs(gate.fc1.weight.data)
    se.fc1.bias.data[...] = -1
    assert found(cbam).dead and found(cbam).words() == "dead: 0.5 everywhere, the same for every image"
    assert found(se).dead and found(se).words() == "dead: the same for every image"        # σ(b₂), a number for each channel
    cbam.fc1.weight.data[0, 3], images[7, 3] = 1, 100
    assert not found(cbam).dead


def test_the_public_names_work(tmp_path):
    model = ta.models.create("attention_cnn", in_channels=1, num_classes=5, image_size=28)
    x = RNG.standard_normal((2, 1, 28, 28)).astype(np.float32)
    np.testing.assert_array_equal(viz.grad_cam(model, x), gradients.grad_cam(model, x))
    np.testing.assert_array_equal(viz.saliency(model, x), gradients.saliency(model, x))
