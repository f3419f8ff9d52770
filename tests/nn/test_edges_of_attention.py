"""Every attention module at the edge of what it takes: maps of a pixel or a line, heads that do not divide, reductions beyond the
channels, masks that hide everything. One table; what is missing from it is found by what the modules' arguments are called."""
import inspect

import numpy as np
import pytest

import tinyattn as ta
from tinyattn import kernels, nn
from tinyattn.nn import attention as A

C = 8
SIZES = {"1×1": (1, 1), "1×N": (1, 5), "N×1": (5, 1), "2×2": (2, 2)}


@pytest.fixture(autouse=True)
def plain_kernels():
    with kernels.use("reference"):
        ta.manual_seed(0)
        yield


def normal(*shape, seed=0):
    return ta.tensor(np.random.default_rng(seed).normal(size=shape).astype(np.float32), requires_grad=True)


def image(size):
    return [normal(3, C, *size)]


def two(size):
    return [normal(3, C, *size), normal(3, C, *size, seed=1)]


def tokens(size):
    return [normal(3, size[0] * size[1], C)]


# module → how it is made for maps of a size, and its inputs: lists of Tensors, as its forward takes them
TABLE = {
    **{gate: (lambda size, gate=gate: gate(C, size) if gate.sized else gate(C), image) for gate in {*A.GATES.values()} - {None}},
    A.MultiScaleChannelAttention: (lambda size: A.MultiScaleChannelAttention(C), image),
    A.AttentionPool: (lambda size: A.AttentionPool(C), image),
    A.SinePositions2d: (lambda size: A.SinePositions2d(C), image), A.LearnedPositions2d: (lambda size: A.LearnedPositions2d(C), image),
    A.SinePositions1d: (lambda size: A.SinePositions1d(C), tokens), A.LearnedPositions1d: (lambda size: A.LearnedPositions1d(C, 5), tokens),
    A.MultiheadAttention: (lambda size: A.MultiheadAttention(C, 2, batch_first=True), lambda size: 3 * tokens(size)),
    A.AdditiveAttention: (lambda size: A.AdditiveAttention(C), lambda size: 2 * tokens(size)),
    A.QueryDecoder: (lambda size: A.QueryDecoder(C, 3, 2), image),
    A.QueryDecoderBlock: (lambda size: A.QueryDecoderBlock(C, 2), lambda size: 2 * tokens(size)),
    A.WeightedFusion: (lambda size: A.WeightedFusion(2), two), A.LevelGate: (lambda size: A.LevelGate(C, 2), two),
    A.AttentionalFeatureFusion: (lambda size: A.AttentionalFeatureFusion(C), two),
    A.IterativeFeatureFusion: (lambda size: A.IterativeFeatureFusion(C), two),
    A.FeaturePyramid: (lambda size: A.FeaturePyramid([C, C], C), two),
    A.GlobalQueryPool: (lambda size: A.GlobalQueryPool(C), lambda size: [*image(size), normal(3, C)]),
    A.GlobalQueryAttention: (lambda size: A.GlobalQueryAttention([C, C], C), lambda size: [two(size), normal(3, C)]),
    A.SpatialTransformer: (lambda size: A.SpatialTransformer(C), image),
}
MODULES = {cls for cls in vars(A).values() if inspect.isclass(cls) and issubclass(cls, nn.Module)} - {A.Gate, A.Weighing, nn.Identity}
TOO_SMALL = {(A.SpatialTransformer, size): "images of {}×{} are too small for the localisation network, which needs at least 2×2; give one of your own"
             for size in ("1×1", "1×N", "N×1")}


def names(values):
    return sorted(values, key=lambda cls: cls.__name__)


def flat(values):
    """The Tensors in nested lists and tuples."""
    return [values] if isinstance(values, ta.Tensor) else [t for each in values for t in flat(each)]


def asks(cls, *words):
    """The arguments of a module, or of its forward, whose names hold one of the words."""
    known = [*inspect.signature(cls).parameters, *inspect.signature(cls.forward).parameters]
    return [name for name in known if any(word in name for word in words)]


def all_finite(module, outputs, inputs):
    """All outputs, and the gradients of inputs and parameters, are numbers."""
    outputs = flat(outputs)
    wanted = [*flat(inputs), *module.parameters()]
    sum((y * normal(*y.shape, seed=7)).sum() for y in outputs).backward()
    return all(np.isfinite(v.data).all() for v in [*outputs, *(t.grad for t in wanted if t.grad is not None)])


def test_no_module_is_missing():
    assert names(TABLE) == names(MODULES)


@pytest.mark.parametrize("size", SIZES)
@pytest.mark.parametrize("training", [True, False], ids=["train", "eval"])
@pytest.mark.parametrize("cls", names(TABLE), ids=lambda cls: cls.__name__)
def test_small_maps(cls, training, size):
    """Each works, and its gradients are numbers, or says that the map is too small. A map keeps its size: nothing shrinks and broadcasts."""
    make, give = TABLE[cls]
    module, inputs = make(SIZES[size]).train(training), give(SIZES[size])
    if (cls, size) in TOO_SMALL:
        with pytest.raises(ValueError, match=TOO_SMALL[cls, size].format(*SIZES[size])):
            module(*inputs)
        module = cls(C, nn.Sequential(nn.AdaptiveAvgPool2d(1), nn.Flatten()), features=C).train(training)      # one of one's own
    outputs = module(*inputs)
    assert all_finite(module, outputs, inputs)
    if isinstance(module, A.Gate) or cls in (A.WeightedFusion, A.LevelGate, A.AttentionalFeatureFusion, A.IterativeFeatureFusion, A.FeaturePyramid,
                                             A.SpatialTransformer):
        assert all(y.shape == inputs[0].shape for y in flat(outputs))


@pytest.mark.parametrize("cls", [cls for cls in names(MODULES) if asks(cls, "reduction")], ids=lambda cls: cls.__name__)
def test_a_reduction_beyond_the_channels_leaves_four_units(cls):
    """8 channels by 64 would be none: max(4, C // r), so 64 is what 2 is, and 1 is another module."""
    size = [(2, 2)] if cls.__name__ == "BottleneckTransformer" else []
    beyond, floor, wide = ({key: v.shape for key, v in cls(C, *size, reduction=r).state_dict().items()} for r in (64, 2, 1))
    assert beyond == floor != wide
    module, inputs = cls(C, *size, reduction=64), TABLE[cls][1]((2, 2))
    assert all_finite(module, module(*inputs), inputs)


HEADS = {
    A.MultiheadAttention: (lambda heads: A.MultiheadAttention(C, heads), "embed_dim = 8 must be divisible by num_heads = 3"),
    A.QueryDecoder: (lambda heads: A.QueryDecoder(C, 4, heads), "embed_dim = 8 must be divisible by num_heads = 3"),
    A.QueryDecoderBlock: (lambda heads: A.QueryDecoderBlock(C, heads), "embed_dim = 8 must be divisible by num_heads = 3"),
    A.SelfAttention2d: (lambda heads: A.SelfAttention2d(C, heads), "channels = 8 must be divisible by heads = 3"),
    A.RelativeSelfAttention2d: (lambda heads: A.RelativeSelfAttention2d(C, 4, heads), "channels = 8 must be divisible by heads = 3"),
    A.BottleneckTransformer: (lambda heads: A.BottleneckTransformer(4 * C, 4, heads), "channels of the bottleneck = 8 must be divisible by heads = 3"),
}


def test_no_module_with_heads_is_missing():
    assert names(HEADS) == [cls for cls in names(MODULES) if asks(cls, "heads")]


@pytest.mark.parametrize("cls", names(HEADS), ids=lambda cls: cls.__name__)
def test_heads_that_do_not_divide(cls):
    make, words = HEADS[cls]
    with pytest.raises(ValueError, match=words):
        make(3)
    with pytest.raises(ValueError, match="heads must be at least 1, got 0"):
        make(0)
    assert make(8) is not None                        # heads of one number each


def hidden(*shape):
    return ta.tensor(np.ones(shape, bool))


MASKED = {  # (module, mask) → a call of it with inputs (2, 3 or 4 tokens, C) or (2, C, 2, 2), of which the mask hides all
    (A.MultiheadAttention, "key_padding_mask"): lambda m, x, y: m(x, y, y, key_padding_mask=hidden(2, 4))[0],
    (A.MultiheadAttention, "attn_mask"): lambda m, x, y: m(x, y, y, attn_mask=hidden(3, 4), need_weights=False)[0],
    (A.AdditiveAttention, "key_padding_mask"): lambda m, x, y: m(x, y, key_padding_mask=hidden(2, 4))[0],
    (A.QueryDecoder, "padding_mask"): lambda m, x, y: m(y.transpose(1, 2).reshape(2, C, 2, 2), hidden(2, 2, 2)),
    (A.QueryDecoderBlock, "memory_key_padding_mask"): lambda m, x, y: m(x, y, memory_key_padding_mask=hidden(2, 4)),
    (A.SinePositions2d, "padding_mask"): lambda m, x, y: m(y.transpose(1, 2).reshape(2, C, 2, 2), hidden(2, 2, 2)),
}


def test_no_mask_is_missing():
    assert {(cls, name) for cls in MODULES for name in asks(cls, "mask")} == {*MASKED}


@pytest.mark.parametrize("cls, mask", MASKED, ids=lambda value: getattr(value, "__name__", value))
@pytest.mark.parametrize("rung", kernels.HOST_RUNGS)
def test_masks_that_hide_everything(cls, mask, rung):
    """No NaN in output or gradients, whose memory gets none: nothing of it was seen."""
    with kernels.use(rung):
        module = TABLE[cls][0]((2, 2)).eval()
        x, y = normal(2, 3, C), normal(2, 4, C, seed=1)
        out = MASKED[cls, mask](module, x, y)
        other = MASKED[cls, mask](module, x, normal(2, 4, C, seed=2))
        assert np.array_equal(out.data, other.data)   # what is hidden changes nothing
        assert np.isfinite(out.data).all()
        if out.requires_grad:
            assert all_finite(module, out, [x, y])
            assert y.grad is None or not y.grad.data.any()
