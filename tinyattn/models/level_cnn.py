"""Attention over levels: the answer is read from every stage, and for each image the levels say how much they count.

A stage early in the network sees small parts of an image sharply, a late one large parts coarsely. Where figures come in all
sizes (the data set ``scales``), no single one is right for all.
"""
from .. import nn
from .attention_cnn import Stage, check_stages


class LevelCNN(nn.Module):
    """y = Σ_l a_l v_l,   v_l = W_l·norm(mean_pixels stage_l(x)),   a = softmax(W [v_1; …; v_L] + b);   scores = head(y).

    Images (N, in_channels, image_size, image_size) → scores (N, num_classes). Three stages (16, 32, 64 channels) of two 3×3
    convolutions; `attention` names the gate at the end of each. levels: "learned", as above (a `LevelGate`), from which
    "uniform" differs by a_l = 1/L for every image. The shares a (N, L) are recorded as "levels" (`viz.record`).

    After the layers and fusions that weigh levels: Tan, Pang and Le, arXiv:1911.09070 (BiFPN, one weight a level), and
    Jetley et al., arXiv:1804.02391 (the answer read from several layers), here with a softmax over levels for each image.
    """

    def __init__(self, in_channels=1, num_classes=10, image_size=28, attention="none", widths=(16, 32, 64), depths=(2, 2, 2),
                 levels="learned"):
        super().__init__()
        check_stages("LevelCNN", image_size, widths, depths)
        if levels not in ("learned", "uniform"):
            raise ValueError(f"LevelCNN: levels is {levels!r}, expected 'learned' or 'uniform'")
        self.stages, self.reads, size, channels = nn.ModuleList(), nn.ModuleList(), image_size, in_channels
        for i, (width, depth) in enumerate(zip(widths, depths)):
            self.stages.append(Stage(channels, width, depth, attention, size, pool=i < len(widths) - 1 and size > 1))
            self.reads.append(nn.Sequential(nn.AdaptiveAvgPool2d(1), nn.Flatten(), nn.BatchNorm1d(width), nn.Linear(width, widths[-1])))
            channels, size = width, max(1, size // 2)
        self.mix = nn.attention.LevelGate(widths[-1], len(widths)) if levels == "learned" else None
        self.head = nn.Linear(widths[-1], num_classes)

    def forward(self, x):
        seen = []
        for stage, read in zip(self.stages, self.reads):
            x = stage(x)
            seen.append(read(x)[:, :, None, None])          # (N, D, 1, 1)
        y = sum(seen) / len(seen) if self.mix is None else self.mix(seen)
        return self.head(y.flatten(1))
