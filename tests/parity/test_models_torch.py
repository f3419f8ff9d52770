"""Attention modules and models beside twins written in PyTorch from the papers: same weights, same numbers, same keys.

The twins stand in `tinyattn/bench/torch_models.py` and `torch_gates.py`, where the benchmark times them too: PyTorch's own layers, the papers'
formulas taken literally.
"""
import numpy as np
import pytest
from op_samples import close, weights_of

import tinyattn as ta

torch = pytest.importorskip("torch")
from tinyattn.bench import torch_gates  # noqa: E402  (needs torch)
from tinyattn.bench import torch_models as twins  # noqa: E402

gates = ta.nn.attention
PAIRS = {
    "se": (lambda: gates.SqueezeExcitation(20), lambda: torch_gates.SE(20), (2, 20, 5, 6)),
    "se wide": (lambda: gates.SqueezeExcitation(128), lambda: torch_gates.SE(128), (2, 128, 2, 3)),
    "eca": (lambda: gates.EfficientChannelAttention(16), lambda: torch_gates.ECA(16), (2, 16, 5, 6)),
    "eca wide": (lambda: gates.EfficientChannelAttention(256), lambda: torch_gates.ECA(256), (2, 256, 2, 3)),
    "cbam": (lambda: gates.CBAM(16), lambda: torch_gates.CBAM(16), (2, 16, 9, 8)),
    "cbam small map": (lambda: gates.CBAM(6, kernel_size=3), lambda: torch_gates.CBAM(6, 3), (3, 6, 2, 5)),
    "self": (lambda: gates.SelfAttention2d(12, heads=3), lambda: torch_gates.SelfAttention(12, 3), (2, 12, 5, 4)),
    "pool": (lambda: gates.AttentionPool(8), lambda: twins.AttentionPool(8), (2, 8, 4, 5)),
    "pool of tokens": (lambda: gates.AttentionPool(8), lambda: twins.AttentionPool(8), (2, 9, 8)),
    "conv norm act": (lambda: ta.nn.ConvNormAct(3, 5, 3, 2), lambda: torch_gates.ConvNormAct(3, 5, 3, 2), (3, 3, 7, 7)),
    "lenet": (lambda: ta.models.create("lenet"), twins.LeNet, (2, 1, 28, 28)),
    "cct": (lambda: ta.models.CCT(image_size=16, dim=16, depth=2, heads=4, dropout=0.0),
            lambda: twins.CCT(image_size=16, dim=16, depth=2, heads=4, dropout=0.0), (3, 3, 16, 16)),
}


def _pair_of_models(name, attention, channels, size, batch):
    options = dict(in_channels=channels, num_classes=10, image_size=size, attention=attention)
    PAIRS[f"{name} {attention}"] = (lambda: ta.models.create(name, **options), lambda: twins.create(name, **options),
                                    (batch, channels, size, size))


_pair_of_models("resnet8", "se", 3, 16, 4)
_pair_of_models("resnet20", "cbam", 3, 12, 4)
_pair_of_models("whitened_vgg4", "none", 1, 28, 3)
_pair_of_models("whitened_vgg8", "none", 3, 32, 3)
_pair_of_models("whitened_vgg8", "se", 3, 17, 4)
_pair_of_models("level_cnn", "cbam", 3, 16, 4)
for _attention in torch_gates.GATES:
    _pair_of_models("attention_cnn", _attention, 1, 28, 3)


@pytest.mark.parametrize("training", [True, False])
@pytest.mark.parametrize("name", PAIRS)
def test_twins(name, training):
    ours, theirs, shape = PAIRS[name]
    ta.manual_seed(0)
    ours, theirs = ours().double().train(training), theirs().double().train(training)
    random = np.random.default_rng(3)
    for p in ours.parameters():                       # off the zeros that some start from
        p.data[...] += 0.1 * random.normal(size=p.shape)
    state = ours.state_dict()
    assert list(state) == list(theirs.state_dict()), "the keys differ"
    theirs.load_state_dict({k: torch.tensor(v.data) for k, v in state.items()})
    images = random.normal(size=shape)
    x, t = ta.Tensor(images.copy(), requires_grad=True), torch.tensor(images, requires_grad=True)
    y, z = ours(x), theirs(t)
    close(y.data, z.detach().numpy(), 1e-10, "output")
    (w,) = weights_of([y])
    y.backward(ta.Tensor(w))
    z.backward(torch.tensor(w))
    close(x.grad.data, t.grad.numpy(), 1e-9, "gradient of the input")
    for (key, p), q in zip(ours.named_parameters(), theirs.parameters(), strict=True):
        assert (p.grad is None) == (q.grad is None) != p.requires_grad, key
        if p.requires_grad:
            close(p.grad.data, q.grad.numpy(), 1e-9, key)
    for (key, a), b in zip(ours.named_buffers(), theirs.buffers(), strict=True):
        close(np.asarray(a.data, float), b.double().numpy(), 1e-11, key)
