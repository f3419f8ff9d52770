"""Convolutions in pairs behind a fixed first layer: made to be accurate soon. (Jordan, arXiv:2404.00498; Page 2018)

What makes it quick to train: the first layer is computed from the images and not learned (`nn.init.patch_whitening_`), so nothing
has to be propagated back to the largest maps; the largest of each 2×2 is taken before the norm, which then sees a quarter of the
places; filters begin as the identity, so that a deep chain begins as a short one. (Here: ReLU for GELU, which saves a pass, and no
bias in the first layer: a patch whitened to w·x is given on as max(w·x, 0) and max(−w·x, 0), which loses nothing.)
"""
from .. import nn
from ..nn import attention as gates
from ..nn import functional as F
from ..placing import on_host, overwrite


def _filters(in_channels, out_channels):
    """A 3×3 convolution whose first filters pass the input channels on unchanged."""
    conv = nn.Conv2d(in_channels, out_channels, 3, padding=1, bias=False)
    same = min(in_channels, out_channels)
    weight = on_host(conv.weight.detach()).copy()
    weight[:same] = 0
    weight[range(same), range(same), 1, 1] = 1
    overwrite(conv.weight, weight)
    return conv


def _norm(channels, momentum):
    """A batch norm of fixed scale: its bias alone is learned."""
    norm = nn.BatchNorm2d(channels, momentum=momentum)
    norm.weight.requires_grad = False
    return norm


class Group(nn.Module):
    """convolution, the largest of each 2×2, norm, ReLU; convolution, norm, ReLU; gate: (N, C, H, W) → (N, K, H/2, W/2)"""

    def __init__(self, in_channels, out_channels, attention, size, momentum):
        super().__init__()
        self.conv1, self.norm1 = _filters(in_channels, out_channels), _norm(out_channels, momentum)
        self.conv2, self.norm2 = _filters(out_channels, out_channels), _norm(out_channels, momentum)
        self.pool = nn.MaxPool2d(2)
        self.gate = gates.create(attention, out_channels, size)

    def forward(self, x):
        x = self.norm1(self.pool(self.conv1(x)), activation="relu")
        return self.gate(self.norm2(self.conv2(x), activation="relu"))


class WhitenedVGG(nn.Module):
    """A whitening of patches (fixed), one `Group` a width, the largest of what is left, or all of it, and a linear layer.

    Images (N, in_channels, image_size, image_size) → scores (N, num_classes), `scale` times what the linear layer says. `patch` and
    `stride` are the first layer's, `patches` its filters at most (each ± counts two). `pool`: read the largest of each channel, else every place.
    """

    def __init__(self, in_channels=3, num_classes=10, image_size=32, attention="none", widths=(32, 128, 256), patch=3, stride=1,
                 patches=24, pool=True, scale=1 / 9, momentum=0.1):
        super().__init__()
        size = (image_size - patch) // stride + 1
        if size < 2 ** len(widths):
            raise ValueError(f"WhitenedVGG: images of {image_size} pixels are too small; it needs at least {(2 ** len(widths) - 1) * stride + patch}")
        patches = min(patches, 2 * in_channels * patch * patch)
        self.whiten = nn.Conv2d(in_channels, patches, patch, stride, bias=False)
        self.whiten.weight.requires_grad = False
        self.groups, channels = nn.Sequential(), patches
        for width in widths:
            size //= 2
            self.groups.append(Group(channels, width, attention, size, momentum))
            channels = width
        self.pool = nn.AdaptiveMaxPool2d(1) if pool else nn.Identity()
        self.head = nn.Linear(channels if pool else channels * size * size, num_classes, bias=False)
        self.scale = scale

    def init_whiten(self, images):
        """Set the first layer from some of the normalised training images (N, C, H, W). Until then it is random."""
        nn.init.patch_whitening_(self.whiten.weight, images)

    def forward(self, x):
        x = self.groups(F.relu(self.whiten(x)))             # (N, 256, 3, 3)
        return self.head(self.pool(x).flatten(1)) * self.scale
