"""Residual networks for small images: each block learns what to add to its input. (He et al., arXiv:1512.03385, §4.2)"""
from .. import nn
from ..nn import attention as gates
from ..ops.activation import add_relu
from ..ops.arguments import whole


class Block(nn.Module):
    """y = max(x′ + gate(norm(conv(max(norm(conv(x)), 0)))), 0);  x′ = x, or a 1×1 convolution of it where the shape changes."""

    def __init__(self, in_channels, out_channels, stride, attention, size):
        super().__init__()
        self.first = nn.ConvNormAct(in_channels, out_channels, 3, stride)
        self.second = nn.ConvNormAct(out_channels, out_channels, 3, activation=None)
        self.gate = gates.create(attention, out_channels, size)
        same = stride == 1 and in_channels == out_channels
        self.shortcut = (nn.Identity() if same else
                         nn.ConvNormAct(in_channels, out_channels, 1, stride, padding=0, activation=None))

    def forward(self, x):
        return add_relu(self.shortcut(x), self.gate(self.second(self.first(x))))


class ResNet(nn.Module):
    """depth = 6n + 2: a convolution, three groups of n blocks with 16, 32, 64 channels, global average, a linear layer.

    Images (N, in_channels, image_size, image_size) → scores (N, num_classes). `attention` names the gate at the end of
    each block, before the addition. Shortcuts that change shape are projections (option B of the paper).
    """

    def __init__(self, depth=20, in_channels=3, num_classes=10, image_size=32, attention="none", width=16):
        super().__init__()
        if whole(depth, "ResNet", "depth") % 6 != 2 or depth < 8:
            raise ValueError(f"ResNet: depth must be 6n + 2 (8, 14, 20, …), got {depth}")
        if image_size < 8:
            raise ValueError(f"ResNet: images of {image_size} pixels are too small; it needs at least 8")
        self.stem = nn.ConvNormAct(in_channels, width, 3)
        self.blocks, channels, size = nn.Sequential(), width, image_size
        for group in range(3):
            for i in range((depth - 2) // 6):
                stride = 2 if group > 0 and i == 0 else 1
                size = -(-size // stride)
                self.blocks.append(Block(channels, width << group, stride, attention, size))
                channels = width << group
        self.head = nn.Linear(channels, num_classes)

    def forward(self, x):
        x = self.blocks(self.stem(x))                       # (N, 64, 8, 8)
        return self.head(x.mean((2, 3)))                    # (N, num_classes)
