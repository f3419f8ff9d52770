"""The models: every one with every gate, on images of any size and colour; counted by hand; gates where papers put them."""
import pathlib

import numpy as np
import pytest

import tinyattn as ta
import tinyattn.nn.functional as F
from tinyattn import kernels, nn, viz
from tinyattn.models import HAS_GATES, MODELS, AttentionCNN, LevelCNN, create
from tinyattn.models.resnet import Block
from tinyattn.nn import attention

PAIRS = [(m, g) for m in MODELS for g in (attention.GATES if m in HAS_GATES else ["none"])]


@pytest.fixture(autouse=True)
def plain_kernels():
    with kernels.use("reference"):
        ta.manual_seed(1)
        yield


def images(*shape, seed=0):
    return ta.tensor(np.random.default_rng(seed).normal(size=shape).astype(np.float32))


def count(module):
    return sum(p.data.size for p in module.parameters())


@pytest.mark.parametrize("rung, channels, size, classes", [("cpu", 1, 28, 10), ("reference", 3, 17, 7), ("reference", 1, 13, 2)])
@pytest.mark.parametrize("name, gate", PAIRS)
def test_every_model_with_every_gate(name, gate, rung, channels, size, classes):
    net = create(name, channels, classes, size, gate)
    with kernels.use(rung):
        scores = net(images(2, channels, size, size))
        assert scores.shape == (2, classes) and np.isfinite(scores.data).all()
        F.cross_entropy(scores, ta.tensor([0, 1])).backward()
    for key, p in net.named_parameters():
        assert np.isfinite(p.grad.data).all() if p.requires_grad else p.grad is None, key
    if name in HAS_GATES:
        kinds = {type(m) for m in net.modules() if isinstance(m, attention.Gate)}
        assert kinds == (set() if gate == "none" else {attention.GATES[gate]})


@pytest.mark.parametrize("name, gate", PAIRS)
def test_no_image_sees_another(name, gate):
    net = create(name, 3, 5, 16, gate).eval()
    x = images(3, 3, 16, 16)
    together = net(x).data
    np.testing.assert_allclose(net(x[1:2]).data, together[1:2], rtol=1e-4, atol=1e-5)      # a batch of one
    memory = ta.Tensor(np.ascontiguousarray(x.data.transpose(0, 2, 3, 1)).transpose(0, 3, 1, 2))
    np.testing.assert_allclose(net(memory).data, together, rtol=1e-4, atol=1e-5)           # channels-last
    if name in HAS_GATES and name != "whitened_vgg4":                                      # no size is built in; H ≠ W
        assert net(images(2, 3, 20, 11)).shape == (2, 5)


def test_parameters_counted_by_hand():
    def conv(c, k, size=3):
        return c * k * size * size + 2 * k                                    # no bias, and a norm

    assert count(create("lenet")) == 156 + 2416 + 48120 + 10164 + 850 == 61706
    assert count(create("lenet", 3, 10, 32)) == 61706 + 2 * 150               # the network of PyTorch's CIFAR tutorial: 62,006
    for name, n in (("resnet8", 1), ("resnet20", 3)):
        stages = ((2 * n) * conv(16, 16) + conv(16, 32) + (2 * n - 1) * conv(32, 32) + conv(16, 32, 1)
                  + conv(32, 64) + (2 * n - 1) * conv(64, 64) + conv(32, 64, 1))
        assert count(create(name, 3, 10, 32)) == conv(3, 16) + stages + 650
    assert count(create("resnet20", 3, 10, 32)) == 272474                     # He et al.: 0.27 M, and projections for the shortcuts
    block = 4 * 128 * 128 + 4 * 128 + 2 * 128 * 256 + 256 + 128 + 4 * 128     # attention, two linear layers, two norms
    cct = 3 * 64 * 9 + 64 * 128 * 9 + 64 * 128 + 4 * block + 2 * 128 + 129 + 1290
    assert count(create("cct", 3, 10, 32)) == cct
    main = conv(1, 16) + conv(16, 32) + conv(32, 64) + conv(64, 64) + 65 + 2 * 64 + 650
    assert count(create("attention_cnn")) == main
    gates = sum(2 * c * max(4, c // 16) + 98 for c in (16, 32, 64))
    assert count(create("attention_cnn", attention="cbam")) == main + gates
    assert count(create("attention_cnn", attention="eca")) == main + 3 + 3 + 3
    reads = sum(2 * c + c * 64 + 64 for c in (16, 32, 64))                   # a norm and a linear layer for each level
    levels = conv(1, 16) + conv(16, 16) + conv(16, 32) + conv(32, 32) + conv(32, 64) + conv(64, 64) + reads + 650
    assert count(create("level_cnn")) == levels + 3 * 3 * 64 + 3              # the gate
    assert count(LevelCNN(levels="uniform")) == levels


def test_levels_are_weighed_for_each_image():
    """At first all levels count alike; a large score of one level gives it the answer; what is recorded are the shares."""
    net = LevelCNN(1, 7, 20, widths=(4, 6, 8)).eval()
    x, uniform = images(3, 1, 20, 20), LevelCNN(1, 7, 20, widths=(4, 6, 8), levels="uniform").eval()
    uniform.load_state_dict({key: value for key, value in net.state_dict().items() if not key.startswith("mix.")})
    np.testing.assert_allclose(net(x).data, uniform(x).data, rtol=1e-5, atol=1e-6)
    for key, p in net.named_parameters():
        p.data[...] += 0.2 * images(*p.shape, seed=len(key)).data
    with viz.record(net) as recording:
        scores = net(x).data
    ((name, shares),) = recording.of_kind("levels")
    assert name == "mix" and shares.shape == (3, 3)
    np.testing.assert_allclose(shares.sum(1), 1, rtol=1e-5)
    assert np.abs(shares[0] - shares[1]).max() > 1e-3
    single, h = [], x
    for stage, read in zip(net.stages, net.reads):                           # what each level alone would answer
        h = stage(h)
        single.append(net.head(read(h)).data)
    np.testing.assert_allclose(scores, np.einsum("nl,lnk->nk", shares, single), rtol=1e-3, atol=1e-3)
    for call, message in [(lambda: LevelCNN(levels="mean"), "levels is 'mean', expected 'learned' or 'uniform'"),
                          (lambda: LevelCNN(image_size=3), "images of 3 pixels are too small"),
                          (lambda: LevelCNN(widths=(8,)), "must name as many stages"),
                          (lambda: AttentionCNN(pool="max"), "pool is 'max', expected 'attention' or 'mean'")]:
        with pytest.raises(ValueError, match=message):
            call()


def test_mean_pooling_is_attention_pooling_before_it_has_learned():
    ours = AttentionCNN(1, 5, 16, "none")
    mean = AttentionCNN(1, 5, 16, "none", pool="mean")
    mean.load_state_dict({key: value for key, value in ours.state_dict().items() if not key.startswith("pool.")})
    x = images(3, 1, 16, 16)
    np.testing.assert_allclose(ours.eval()(x).data, mean.eval()(x).data, rtol=1e-5, atol=1e-6)
    assert count(mean) == count(ours) - 65


def test_what_is_fixed_and_how_it_begins():
    """Whitening and the norms' scales are not learned; filters pass on what comes in; the first layer needs no gradient of its input."""
    net = create("whitened_vgg8", 3, 10, 32)
    fixed = {key for key, p in net.named_parameters() if not p.requires_grad}
    assert fixed == {"whiten.weight"} | {f"groups.{i}.norm{j}.weight" for i in range(3) for j in (1, 2)}
    assert count(net) == 24 * 27 + 9 * (24 * 32 + 32 * 32 + 32 * 128 + 128 * 128 + 128 * 256 + 256 * 256) + 2 * 2 * 416 + 2560
    x = images(2, 24, 6, 6)
    first, second = net.groups[0].conv1, net.groups[1].conv2
    np.testing.assert_array_equal(first(x).data[:, :24], x.data)
    assert np.abs(first.weight.data[24:]).min() > 0 and second.weight.shape[:2] == (128, 128)
    x = images(2, 128, 3, 3)
    np.testing.assert_allclose(second(x).data, x.data, atol=1e-6)


def test_the_gate_stands_before_the_addition():
    """Papers put it at the end of the residual branch: a gate that lets nothing through leaves the shortcut."""
    class Nothing(nn.Module):
        def forward(self, x):
            return x * 0

    for stride, channels in ((1, 8), (2, 16)):
        block = Block(8, channels, stride, "cbam", 6)
        x = images(2, 8, 6, 6)
        assert block(x).shape == (2, channels, 6 // stride, 6 // stride)
        block.gate = Nothing()
        block.eval()
        np.testing.assert_array_equal(block(x).data, np.maximum(block.shortcut(x).data, 0))


def test_self_attention_only_on_small_maps():
    """Its cost grows with the square of the pixels: 256 at most."""
    net = create("attention_cnn", attention="self")                           # maps of 28², 14² and 7² pixels
    assert [type(stage.gate).__name__ for stage in net.stages] == ["Identity", "SelfAttention2d", "SelfAttention2d"]
    net = create("resnet8", 3, 10, 32, "self")                                # 32², 16² and 8²
    assert [type(block.gate).__name__ for block in net.blocks] == ["Identity", "SelfAttention2d", "SelfAttention2d"]


SMALL = {
    "lenet": lambda: create("lenet", 1, 3, 12), "attention_cnn": lambda: create("attention_cnn", 1, 3, 12, "cbam"),
    "whitened_vgg": lambda: ta.models.WhitenedVGG(1, 3, 12, scale=1.0), "resnet": lambda: create("resnet8", 1, 3, 12, "self"), "cct": lambda: ta.models.CCT(1, 3, 12, dim=32, depth=2, dropout=0.0),
}


@pytest.mark.parametrize("name", SMALL)
def test_every_model_learns(name):
    """Six images by heart: the loss falls below a third within some steps."""
    net = SMALL[name]()
    x, y = images(6, 1, 12, 12, seed=3), ta.tensor([0, 1, 2, 0, 1, 2])
    optimizer = ta.optim.Adam(net.parameters(), lr=3e-3)
    losses = []
    for _ in range(25):
        loss = F.cross_entropy(net(x), y)
        losses.append(loss.item())
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
    assert losses[-1] < losses[0] / 3, losses[::6]


def test_keys_say_where_weights_stand():
    keys = list(create("attention_cnn", attention="se").state_dict())
    assert keys[:2] == ["stages.0.block.0.conv.weight", "stages.0.block.0.norm.weight"] and "stages.2.gate.fc1.bias" in keys
    assert {"head.weight", "pool.score.weight"} <= set(keys)
    one, other = create("resnet8", attention="eca"), create("resnet8", attention="eca")
    other.load_state_dict(one.state_dict())
    x = images(2, 1, 12, 12)
    assert np.array_equal(one.eval()(x).data, other.eval()(x).data)


def test_each_model_is_under_eighty_lines():
    for path in pathlib.Path(ta.models.__file__).parent.glob("*.py"):
        assert len(path.read_text(encoding="utf-8").splitlines()) < 80, path.name
