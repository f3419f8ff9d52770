"""Attention modules and models against twins written here in PyTorch from the papers: same weights, same numbers.

The twins take the formulas of the papers literally (no fused kernels, no channels-last); keys follow ours, so that one
state dict fits both.
"""
import math

import numpy as np
import pytest
from op_samples import close, weights_of

import tinyattn as ta

torch = pytest.importorskip("torch")
nn, TF = torch.nn, torch.nn.functional


class SE(nn.Module):
    """arXiv:1709.01507, eq. 2-4."""

    def __init__(self, c, r=16):
        super().__init__()
        hidden = max(4, c // r)
        self.fc1, self.fc2 = nn.Linear(c, hidden), nn.Linear(hidden, c)

    def forward(self, x):
        s = torch.sigmoid(self.fc2(torch.relu(self.fc1(x.mean((2, 3))))))
        return x * s[:, :, None, None]


class ECA(nn.Module):
    """arXiv:1910.03151, eq. 5-12."""

    def __init__(self, c):
        super().__init__()
        t = int(abs((math.log2(c) + 1) / 2))
        k = t if t % 2 else t + 1
        self.conv = nn.Conv1d(1, 1, k, padding=(k - 1) // 2, bias=False)

    def forward(self, x):
        y = torch.nn.AdaptiveAvgPool2d(1)(x)
        y = self.conv(y.squeeze(-1).transpose(-1, -2)).transpose(-1, -2).unsqueeze(-1)
        return x * torch.sigmoid(y)


class CBAM(nn.Module):
    """arXiv:1807.06521, eq. 2 and 3."""

    def __init__(self, c, r=16, k=7):
        super().__init__()
        hidden = max(4, c // r)
        self.fc1, self.fc2 = nn.Linear(c, hidden, bias=False), nn.Linear(hidden, c, bias=False)
        self.conv = nn.Conv2d(2, 1, k, padding=k // 2, bias=False)

    def forward(self, x):
        def mlp(v):
            return self.fc2(torch.relu(self.fc1(v)))
        refined = x * torch.sigmoid(mlp(TF.adaptive_avg_pool2d(x, 1).flatten(1)) + mlp(TF.adaptive_max_pool2d(x, 1).flatten(1)))[:, :, None, None]
        maps = torch.cat([refined.mean(1, keepdim=True), refined.max(1, keepdim=True)[0]], 1)
        return refined * torch.sigmoid(self.conv(maps))


class SelfAttention(nn.Module):
    """arXiv:1706.03762, eq. 1, over the pixels, with a residual (arXiv:1711.07971)."""

    def __init__(self, c, heads):
        super().__init__()
        self.heads, self.qkv, self.out = heads, nn.Linear(c, 3 * c), nn.Linear(c, c)

    def forward(self, x):
        n, c, h, w = x.shape
        d = c // self.heads
        tokens = x.reshape(n, c, h * w).permute(0, 2, 1)
        q, k, v = self.qkv(tokens).split(c, 2)
        heads = []
        for i in range(self.heads):
            part = slice(i * d, (i + 1) * d)
            a = torch.softmax(q[..., part] @ k[..., part].mT / math.sqrt(d), -1)
            heads.append(a @ v[..., part])
        return x + self.out(torch.cat(heads, -1)).permute(0, 2, 1).reshape(n, c, h, w)


class Pool(nn.Module):
    """SeqPool, arXiv:2104.05704, eq. 4-6."""

    def __init__(self, c):
        super().__init__()
        self.score = nn.Linear(c, 1)

    def forward(self, x):
        tokens = x.flatten(2).mT if x.ndim == 4 else x
        return (torch.softmax(self.score(tokens), 1) * tokens).sum(1)


class ConvNormAct(nn.Module):
    def __init__(self, i, o, k=3, stride=1, padding=None, activation=True):
        super().__init__()
        self.conv = nn.Conv2d(i, o, k, stride, k // 2 if padding is None else padding, bias=False)
        self.norm, self.activation = nn.BatchNorm2d(o), activation

    def forward(self, x):
        y = self.norm(self.conv(x))
        return torch.relu(y) if self.activation else y


GATES = {"none": lambda c: nn.Identity(), "se": SE, "eca": ECA, "cbam": CBAM, "self": lambda c: SelfAttention(c, max(1, c // 16))}


class Stage(nn.Module):
    def __init__(self, i, o, gate, pool):
        super().__init__()
        self.block, self.gate, self.pool = ConvNormAct(i, o), GATES[gate](o), nn.MaxPool2d(2) if pool else nn.Identity()

    def forward(self, x):
        return self.pool(self.gate(self.block(x)))


class AttentionCNN(nn.Module):
    def __init__(self, gate, side):
        super().__init__()
        gates = [gate if gate != "self" or (side >> i) ** 2 <= 256 else "none" for i in range(3)]
        self.stages = nn.Sequential(*[Stage(i, o, g, p) for i, o, g, p in
                                      zip((1, 16, 32), (16, 32, 64), gates, (True, True, False))])
        self.pool, self.norm, self.head = Pool(64), nn.BatchNorm1d(64), nn.Linear(64, 10)

    def forward(self, x):
        return self.head(self.norm(self.pool(self.stages(x))))


class Block(nn.Module):
    """arXiv:1512.03385, fig. 2 and option B, with a gate before the addition."""

    def __init__(self, i, o, stride, gate):
        super().__init__()
        self.first, self.second = ConvNormAct(i, o, 3, stride), ConvNormAct(o, o, activation=False)
        self.gate = GATES[gate](o)
        self.shortcut = nn.Identity() if i == o and stride == 1 else ConvNormAct(i, o, 1, stride, 0, False)

    def forward(self, x):
        return torch.relu(self.shortcut(x) + self.gate(self.second(self.first(x))))


class ResNet(nn.Module):
    def __init__(self, n, gate):
        super().__init__()
        self.stem = ConvNormAct(3, 16)
        shapes = [(16, 16, 1)] * n + [(16, 32, 2)] + [(32, 32, 1)] * (n - 1) + [(32, 64, 2)] + [(64, 64, 1)] * (n - 1)
        self.blocks, self.head = nn.Sequential(*[Block(*s, gate) for s in shapes]), nn.Linear(64, 10)

    def forward(self, x):
        return self.head(self.blocks(self.stem(x)).mean((2, 3)))


class LeNet(nn.Module):
    def __init__(self):
        super().__init__()
        self.conv1, self.conv2 = nn.Conv2d(1, 6, 5, padding=2), nn.Conv2d(6, 16, 5)
        self.fc1, self.fc2, self.fc3 = nn.Linear(400, 120), nn.Linear(120, 84), nn.Linear(84, 10)

    def forward(self, x):
        x = TF.max_pool2d(torch.relu(self.conv1(x)), 2)
        x = TF.max_pool2d(torch.relu(self.conv2(x)), 2).flatten(1)
        return self.fc3(torch.relu(self.fc2(torch.relu(self.fc1(x)))))


class Encoder(nn.Module):
    def __init__(self, d, heads):
        super().__init__()
        self.norm1, self.attention = nn.LayerNorm(d), nn.MultiheadAttention(d, heads, batch_first=True)
        self.norm2, self.linear1, self.linear2 = nn.LayerNorm(d), nn.Linear(d, 2 * d), nn.Linear(2 * d, d)

    def forward(self, x):
        h = self.norm1(x)
        x = x + self.attention(h, h, h)[0]
        return x + self.linear2(TF.gelu(self.linear1(self.norm2(x))))


class CCT(nn.Module):
    def __init__(self, d, depth, heads, tokens):
        super().__init__()
        self.stem = nn.Sequential(nn.Conv2d(3, d // 2, 3, padding=1, bias=False), nn.ReLU(), nn.MaxPool2d(3, 2, 1),
                                  nn.Conv2d(d // 2, d, 3, padding=1, bias=False), nn.ReLU(), nn.MaxPool2d(3, 2, 1))
        self.position = nn.Parameter(torch.zeros(1, tokens, d))
        self.blocks = nn.Sequential(*[Encoder(d, heads) for _ in range(depth)])
        self.norm, self.pool, self.head = nn.LayerNorm(d), Pool(d), nn.Linear(d, 10)

    def forward(self, x):
        tokens = self.blocks(self.stem(x).flatten(2).mT + self.position)
        return self.head(self.pool(self.norm(tokens)))


gates = ta.nn.attention
PAIRS = {
    "se": (lambda: gates.SqueezeExcitation(20), lambda: SE(20), (2, 20, 5, 6)),
    "se wide": (lambda: gates.SqueezeExcitation(128), lambda: SE(128), (2, 128, 2, 3)),
    "eca": (lambda: gates.EfficientChannelAttention(16), lambda: ECA(16), (2, 16, 5, 6)),
    "eca wide": (lambda: gates.EfficientChannelAttention(256), lambda: ECA(256), (2, 256, 2, 3)),
    "cbam": (lambda: gates.CBAM(16), lambda: CBAM(16), (2, 16, 9, 8)),
    "cbam small map": (lambda: gates.CBAM(6, kernel_size=3), lambda: CBAM(6, k=3), (3, 6, 2, 5)),
    "self": (lambda: gates.SelfAttention2d(12, heads=3), lambda: SelfAttention(12, 3), (2, 12, 5, 4)),
    "pool": (lambda: gates.AttentionPool(8), lambda: Pool(8), (2, 8, 4, 5)),
    "pool of tokens": (lambda: gates.AttentionPool(8), lambda: Pool(8), (2, 9, 8)),
    "conv norm act": (lambda: ta.nn.ConvNormAct(3, 5, 3, 2), lambda: ConvNormAct(3, 5, 3, 2), (3, 3, 7, 7)),
    "lenet": (lambda: ta.models.create("lenet"), LeNet, (2, 1, 28, 28)),
    "resnet8 se": (lambda: ta.models.create("resnet8", 3, image_size=16, attention="se"), lambda: ResNet(1, "se"), (4, 3, 16, 16)),
    "resnet20 cbam": (lambda: ta.models.create("resnet20", 3, image_size=12, attention="cbam"), lambda: ResNet(3, "cbam"), (4, 3, 12, 12)),
    "cct": (lambda: ta.models.CCT(image_size=16, dim=16, depth=2, heads=4, dropout=0.0), lambda: CCT(16, 2, 4, 16), (3, 3, 16, 16)),
}
for name in GATES:
    PAIRS[f"attention_cnn {name}"] = (lambda n=name: ta.models.create("attention_cnn", attention=n), lambda n=name: AttentionCNN(n, 28),
                                      (3, 1, 28, 28))


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
        close(p.grad.data, q.grad.numpy(), 1e-9, key)
    for (key, a), b in zip(ours.named_buffers(), theirs.buffers(), strict=True):
        close(np.asarray(a.data, float), b.double().numpy(), 1e-11, key)
