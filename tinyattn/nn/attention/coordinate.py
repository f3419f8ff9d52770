"""Coordinate attention: a channel's weight in each row and in each column. (Hou et al., arXiv:2103.02907)"""
from ...ops.shape import cat
from .. import functional as F
from ..conv import Conv2d
from ..norm import BatchNorm2d
from .gate import Gate, hidden_channels


class CoordinateAttention(Gate):
    """y = x · a · b,   [f; g] = hardswish(norm(W₁ [mean_columns x; mean_rows x])),   a = σ(W₂ f),   b = σ(W₃ g).

    x (N, C, H, W), a (N, C, H), b (N, C, W). The means over each row (N, C, H) and over each column (N, C, W) stand in one line of
    H + W places, which W₁ (h, C), h = max(4, C / r), and the batch norm treat alike; then the line is cut again. So a gate can
    say "this channel, near that row and that column", which a mean over all pixels cannot.

    Recorded: "rows" a and "columns" b. Parameters: 3Ch + 2h + 2C. Place it at the end of a block, before the residual is added;
    it was made for detectors and light networks. (r is 32 in the paper.)
    """

    def __init__(self, channels, reduction=32):
        super().__init__(channels)
        h = hidden_channels(channels, reduction, "CoordinateAttention")
        self.conv1, self.norm = Conv2d(channels, h, 1, bias=False), BatchNorm2d(h)
        self.conv_h, self.conv_w = Conv2d(h, channels, 1), Conv2d(h, channels, 1)

    def forward(self, x):
        self.check(x)
        n, c, h, w = x.shape
        line = cat([x.mean(3), x.mean(2)], 2).unsqueeze(3)              # (N, C, H + W, 1)
        f, g = F.hardswish(self.norm(self.conv1(line))).split([h, w], 2)  # (N, h, H, 1), (N, h, W, 1)
        rows = F.sigmoid(self.conv_h(f))                                # (N, C, H, 1)
        columns = F.sigmoid(self.conv_w(g)).transpose(2, 3)             # (N, C, 1, W)
        self.keep(rows=rows.squeeze(3), columns=columns.squeeze(2))
        return x * rows * columns
