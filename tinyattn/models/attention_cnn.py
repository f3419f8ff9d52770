"""The main model: convolutions find features, gates weigh them, attention pooling decides where to read the answer."""
from .. import nn
from ..nn import attention as gates


class Stage(nn.Module):
    """`depth` times convolution, norm and ReLU; then the gate; then the largest of each 2×2, if `pool`:

    (N, C, H, W) → (N, K, H/2, W/2).
    """

    def __init__(self, in_channels, out_channels, depth, attention, size, pool):
        super().__init__()
        self.block = nn.Sequential(*[nn.ConvNormAct(out_channels if i else in_channels, out_channels, 3)
                                     for i in range(depth)])
        self.gate = gates.create(attention, out_channels, size)
        self.pool = nn.MaxPool2d(2) if pool else nn.Identity()

    def forward(self, x):
        *first, last = self.block
        if isinstance(self.gate, nn.Identity) and not any(m.is_hooked() for m in (self.block, last, self.gate)):
            for layer in first:
                x = layer(x)
            return last.forward(x, self.pool)           # norm, ReLU and pool in one pass, without the image between
        return self.pool(self.gate(self.block(x)))


def check_stages(caller, image_size, widths, depths):
    """ValueError unless there are stages, and images large enough for them."""
    if image_size < 4:
        raise ValueError(f"{caller}: images of {image_size} pixels are too small; it needs at least 4")
    if not widths or len(widths) != len(depths):
        raise ValueError(f"{caller}: widths and depths must name as many stages, at least one, got {widths} and {depths}")


class AttentionCNN(nn.Module):
    """Three stages of 3×3 convolutions (16, 32, and twice 64 channels), each with a gate; attention pooling; a linear layer.

    Images (N, in_channels, image_size, image_size) → scores (N, num_classes). `attention` names the gate
    (`nn.attention.GATES`). The last stage keeps its resolution, so that attention pooling has places to choose from;
    `pool="mean"` puts global average pooling in its place, for comparison.
    """

    def __init__(self, in_channels=1, num_classes=10, image_size=28, attention="cbam", widths=(16, 32, 64), depths=(1, 1, 2),
                 pool="attention"):
        super().__init__()
        check_stages("AttentionCNN", image_size, widths, depths)
        if pool not in ("attention", "mean"):
            raise ValueError(f"AttentionCNN: pool is {pool!r}, expected 'attention' or 'mean'")
        self.stages, size, channels, last = nn.Sequential(), image_size, in_channels, len(widths) - 1
        for i, (width, depth) in enumerate(zip(widths, depths)):
            self.stages.append(Stage(channels, width, depth, attention, size, pool=i < last and size > 1))
            channels, size = width, max(1, size // 2)
        if pool == "attention":
            self.pool = nn.attention.AttentionPool(channels)
        else:
            self.pool = nn.Sequential(nn.AdaptiveAvgPool2d(1), nn.Flatten())
        self.norm = nn.BatchNorm1d(channels)
        self.head = nn.Linear(channels, num_classes)

    def forward(self, x):
        x = self.stages(x)                                  # (N, 64, 7, 7)
        return self.head(self.norm(self.pool(x)))           # (N, num_classes)


