"""What every gate keeps to: images apart, modes, first values, counts, a step of training in every model, answers to bad input."""
import numpy as np
import pytest
from made_gates import C, images, make

import tinyattn as ta
from tinyattn import kernels, nn
from tinyattn.nn import attention as A


@pytest.fixture(autouse=True)
def plain_kernels():
    with kernels.use("reference"):
        ta.manual_seed(1)
        yield


GATES = [name for name in A.GATES if name != "none"]
FLOOR = max(4, C // 16)


# --- what every gate keeps -------------------------------------------------------------------------------------------

@pytest.mark.parametrize("name", GATES)
def test_no_image_sees_another(name):
    """In eval mode: a softmax without its axis sums over the batch, and a batch of one is then another function."""
    gate, x = make(name).eval(), images(3, C, 7, 5)
    together = gate(x).data
    np.testing.assert_allclose(gate(x[1:2]).data, together[1:2], rtol=1e-4, atol=1e-5)
    x.data[2] = 50
    np.testing.assert_allclose(gate(x).data[:2], together[:2], rtol=1e-4, atol=1e-5)


@pytest.mark.parametrize("name", GATES)
def test_weights_travel_by_state_dict(name):
    gate, other, x = make(name), make(name, seed=2), images(2, C, 7, 5)
    assert gate.state_dict().keys() == other.state_dict().keys()
    if list(gate.parameters()):
        assert not np.allclose(gate.eval()(x).data, other.eval()(x).data)
    other.load_state_dict(gate.state_dict())
    assert np.array_equal(gate.eval()(x).data, other.eval()(x).data)


@pytest.mark.parametrize("name", GATES)
def test_modes(name):
    """Training moves the norms' running statistics, and eval uses them and moves nothing."""
    gate, x = make(name), images(3, C, 7, 5)
    norms = [m for m in gate.modules() if isinstance(m, (nn.BatchNorm1d, nn.BatchNorm2d))]
    assert bool(norms) == (name in ("bam", "coordinate", "triplet", "sk", "nonlocal", "nonlocal-dot", "bot"))
    before = {k: b.data.copy() for k, b in gate.named_buffers()}
    evaluated = gate.eval()(x).data
    assert all(np.array_equal(b.data, before[k]) for k, b in gate.named_buffers())
    trained = gate.train()(x).data
    assert all(not np.array_equal(b.data, before[k]) for k, b in gate.named_buffers())
    assert np.allclose(evaluated, trained, rtol=1e-5, atol=1e-6) == (not norms)


@pytest.mark.parametrize("mode", ["train", "eval"])
@pytest.mark.parametrize("name", GATES)
def test_one_pixel(name, mode):
    """Maps of one pixel work; in training a batch norm needs more than one number, and says so."""
    gate = make(name, (1, 1)).train(mode == "train")
    y = gate(images(3, C, 1, 1))
    assert y.shape == (3, C, 1, 1) and np.isfinite(y.data).all()
    alone = images(1, C, 1, 1)
    if mode == "train" and name in ("bam", "triplet", "sk", "nonlocal", "nonlocal-dot", "bot"):
        with pytest.raises(ValueError, match=r"training needs more than one value a channel.*use a larger batch or model.eval"):
            gate(alone)
    else:
        assert np.isfinite(gate(alone).data).all()


@pytest.mark.parametrize("name", GATES)
def test_everything_gets_a_gradient(name):
    gate, x = make(name), ta.tensor(images(3, C, 7, 5).data, requires_grad=True)
    (gate(x) * images(3, C, 7, 5, seed=3)).sum().backward()
    for key, value in [("input", x), *gate.named_parameters()]:
        zero = (name, key) == ("gc", "score.bias")                           # which moves all scores alike
        assert value.grad is not None and np.isfinite(value.grad.data).all() and (np.abs(value.grad.data).max() > 0) != zero, key


@pytest.mark.parametrize("name, size, shape", [("attention_cnn", 28, (4, 1, 28, 28)), ("resnet8", 32, (4, 3, 32, 32)),
                                               ("whitened_vgg8", 32, (4, 3, 32, 32))])
@pytest.mark.parametrize("gate", GATES)
def test_one_step_of_every_model_with_every_gate(gate, name, size, shape):
    net = ta.models.create(name, shape[1], 10, size, gate)
    optimizer = ta.optim.SGD([p for p in net.parameters() if p.requires_grad], lr=0.01)
    x, labels = images(*shape), ta.tensor([1, 0, 3, 2])
    losses = []
    with kernels.use("cpu"):                                                 # which trains; test_models.py has the pairs on `reference`
        for _ in range(2):
            loss = nn.functional.cross_entropy(net(x), labels)
            optimizer.zero_grad()
            loss.backward()
            optimizer.step()
            losses.append(loss.item())
    assert np.isfinite(losses).all() and losses[1] < losses[0]
    assert all(p.grad is not None and np.isfinite(p.grad.data).all() for p in net.parameters() if p.requires_grad)
    placed = sum(isinstance(m, A.Gate) for m in net.modules())
    large = {"attention_cnn": 1, "resnet8": 1, "whitened_vgg8": 0}[name]     # maps of more than 256 pixels, of three
    assert placed == 3 - large * A.GATES[gate].quadratic


COUNTS = {  # parameters as the docstrings count them, for C channels and h in the bottleneck
    "se": lambda h: 2 * C * h + h + C, "eca": lambda h: 3, "spatial": lambda h: 98, "cbam": lambda h: 2 * C * h + 98,
    "bam": lambda h: C * (2 * h + 3) + h + h * (C + 1) + 2 * (9 * h * h + h) + h + 3, "coordinate": lambda h: 3 * C * h + 2 * h + 2 * C,
    "triplet": lambda h: 300, "simam": lambda h: 0, "sk": lambda h: 2 * (9 * C * C // 8 + 2 * C + C * h) + C * h + 2 * h,   # gcd(32, 24) = 8 groups
    "gc": lambda h: 2 * C * h + 2 * C + 3 * h + 1, "nonlocal": lambda h: 4 * C * 12 + 3 * 12 + 2 * C, "nonlocal-dot": lambda h: 4 * C * 12 + 3 * 12 + 2 * C,
    "self": lambda h: 4 * C * C + 4 * C, "relative": lambda h: 4 * C * C + 4 * C + (2 * 7 + 2 * 5 - 2) * 24,
    "bot": lambda h: 2 * C * 6 + 3 * 36 + 7 * 6 + 2 * C + (2 * 7 + 2 * 5 - 2) * 2,                                          # 6 channels, 3 heads
}


@pytest.mark.parametrize("name", GATES)
def test_parameters_are_counted_right(name):
    assert sum(p.numel() for p in A.create(name, C, (7, 5)).parameters()) == COUNTS[name](FLOOR)


@pytest.mark.parametrize("channels", [1, 3, 8, 20, 64, 100])
def test_bottlenecks_keep_four_units(channels):
    """C // 16 is 0 to 2 for small nets, and a reduction larger than the channels is none: max(4, C // r)."""
    assert A.BAM(channels).fc1.out_features == A.BAM(channels).conv2.in_channels == max(4, channels // 16)
    assert A.GlobalContext(channels).norm.normalized_shape == (max(4, channels // 16),)
    assert A.SelectiveKernel(channels).squeeze.out_features == max(4, channels // 16)
    assert A.CoordinateAttention(channels).conv1.out_channels == max(4, channels // 32)
    assert A.NonLocal2d(channels).hidden == max(4, channels // 2) and A.BottleneckTransformer(channels, 4).hidden == max(4, channels // 4)
    for make_it in (A.BAM, A.GlobalContext, A.SelectiveKernel, A.CoordinateAttention, A.CBAM, A.SqueezeExcitation):
        gate = make_it(channels, reduction=1000).eval()
        assert gate(images(2, channels, 3, 4)).shape == (2, channels, 3, 4)


def test_first_values_are_drawn():
    """An `init_weights` that nobody calls leaves zeros; what is zero on purpose is listed here."""
    zero = {"gc": {"score.bias", "fc2.weight", "fc2.bias", "norm.bias"}, "self": {"out.weight", "out.bias"}, "relative": {"out.weight", "out.bias"}}
    for name in GATES:
        for key, p in A.create(name, 32).named_parameters():
            first = p.data.reshape(-1)
            if key in zero.get(name, ()) and key != "score.bias":
                assert not first.any(), (name, key)
            elif "norm" in key:                        # γ = 1, or 0 where the block begins as the identity; β = 0
                begins = name.startswith("nonlocal") and key == "norm.weight" or (name, key) == ("bot", "expand.norm.weight")
                assert (first == (0 if begins or key.endswith("bias") else 1)).all(), (name, key)
            elif p.numel() > 1:
                assert first.std() > 0, (name, key)


@pytest.mark.parametrize("name", ["gc", "nonlocal", "nonlocal-dot", "self", "relative", "bot"])
def test_what_begins_as_the_identity(name):
    """As their papers begin: γ = 0 in the last norm, or the last layer 0; and a gradient leads away from there."""
    gate, x = A.create(name, C, (7, 5)), images(3, C, 7, 5)
    np.testing.assert_array_equal(gate(x).data, x.data)
    (gate(x) * images(3, C, 7, 5, seed=5)).sum().backward()
    assert any(p.grad is not None and np.abs(p.grad.data).max() > 1e-3 for p in gate.parameters())


# --- bad input -------------------------------------------------------------------------------------------------------

@pytest.mark.parametrize("name", GATES)
def test_inputs_that_do_not_fit(name):
    gate = A.create(name, 8, (6, 6))
    kind = type(gate).__name__
    for shape, words in [((8, 6, 6), rf"{kind}: input has shape \(8, 6, 6\), expected \(N, 8, H, W\); a single image is x\[None\]"),
                         ((2, 4, 6, 6), rf"{kind}: input has shape \(2, 4, 6, 6\), expected \(N, 8, H, W\)"), ((2, 8), rf"{kind}: input has shape"),
                         ((0, 8, 6, 6), f"{kind}: input of shape .* is empty"), ((2, 8, 6, 0), f"{kind}: input of shape .* is empty")]:
        with pytest.raises(ValueError, match=words):
            gate(ta.zeros(*shape))
    with pytest.raises(TypeError, match=f"{kind}: input must be a Tensor"):
        gate(np.zeros((2, 8, 6, 6), np.float32))


@pytest.mark.parametrize("call, words", [
    (lambda: A.create("tripplet", 8), "did you mean 'triplet'"), (lambda: A.create("coord", 8), "did you mean 'coordinate'"),
    (lambda: A.create("simm", 8), "did you mean 'simam'"), (lambda: A.create("se", 8, 0), "create: size must be at least 1"),
    (lambda: A.BottleneckTransformer(32, 4, heads=3), "BottleneckTransformer: channels of the bottleneck = 8 must be divisible by heads = 3"),
    (lambda: A.RelativeSelfAttention2d(8, 4, heads=3), "RelativeSelfAttention2d: channels = 8 must be divisible by heads = 3"),
    (lambda: A.RelativeSelfAttention2d(8, (4, 0)), "RelativeSelfAttention2d: size must be at least 1"),
    (lambda: A.SelectiveKernel(8, 1), "SelectiveKernel: branches must be at least 2"),
    (lambda: A.SelectiveKernel(8, groups=3), "SelectiveKernel: channels = 8 must be divisible by groups = 3"),
    (lambda: A.SpatialAttention(8, 4), "SpatialAttention: kernel_size must be odd"), (lambda: A.TripletAttention(8, 2), "TripletAttention: kernel_size must be odd"),
    (lambda: A.BAM(8, dilation=0), "BAM: dilation must be at least 1"), (lambda: A.BAM(0), "BAM: channels must be at least 1"),
    (lambda: A.SimAM(8, 0.0), "SimAM: e_lambda must be above 0"), (lambda: A.GlobalContext(8, 0), "GlobalContext: reduction must be at least 1")])
def test_arguments_that_cannot_be(call, words):
    with pytest.raises(ValueError, match=words):
        call()


def test_the_gates_that_compare_all_pixels_are_left_out_on_large_maps():
    for name in GATES:
        quadratic = name in ("nonlocal", "self", "relative", "bot")
        assert isinstance(A.create(name, 8, (16, 17)), nn.Identity) == quadratic
        assert isinstance(A.create(name, 8, (16, 16)), A.Gate)
    assert [len(t) for t in (A.create("relative", 8, (3, 9)).rows, A.create("relative", 8, (3, 9)).columns)] == [5, 17]
