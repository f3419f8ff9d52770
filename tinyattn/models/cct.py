"""Compact convolutional transformer: a convolution makes the tokens, so small data suffices. (Hassani et al., arXiv:2104.05704)"""
from .. import nn
from ..nn import functional as F
from ..ops.creation import zeros


class TransformerBlock(nn.Module):
    """x ← x + Attention(LayerNorm(x));  x ← x + W₂ gelu(W₁ LayerNorm(x)), on tokens (N, T, D)."""

    def __init__(self, dim, heads, ratio=2, dropout=0.1):
        super().__init__()
        self.norm1 = nn.LayerNorm(dim)
        self.attention = nn.MultiheadAttention(dim, heads, batch_first=True)
        self.norm2 = nn.LayerNorm(dim)
        self.linear1 = nn.Linear(dim, ratio * dim)
        self.linear2 = nn.Linear(ratio * dim, dim)
        self.dropout = nn.Dropout(dropout)

    def forward(self, x):
        h = self.norm1(x)
        x = x + self.dropout(self.attention(h, h, h, need_weights=False)[0])
        h = F.gelu(self.linear1(self.norm2(x)))             # (N, T, ratio·D)
        return x + self.dropout(self.linear2(h))


class CCT(nn.Module):
    """Convolution stem → tokens with learned positions → self-attention blocks → attention pooling → a linear layer.

    Images (N, in_channels, image_size, image_size) → scores (N, num_classes). Two stem stages quarter each side:
    T = (image_size / 4)² tokens of `dim` numbers.
    """

    def __init__(self, in_channels=3, num_classes=10, image_size=32, dim=128, depth=4, heads=4, dropout=0.1):
        super().__init__()
        if image_size < 8:
            raise ValueError(f"CCT: images of {image_size} pixels are too small; it needs at least 8")
        self.image_size = image_size
        self.stem = nn.Sequential(
            nn.Conv2d(in_channels, dim // 2, 3, padding=1, bias=False), nn.ReLU(), nn.MaxPool2d(3, 2, 1),
            nn.Conv2d(dim // 2, dim, 3, padding=1, bias=False), nn.ReLU(), nn.MaxPool2d(3, 2, 1))
        side = -(-(-(-image_size // 2)) // 2)
        self.position = nn.Parameter(zeros(1, side * side, dim))
        nn.init.trunc_normal_(self.position, std=0.02)
        self.blocks = nn.Sequential(*[TransformerBlock(dim, heads, dropout=dropout) for _ in range(depth)])
        self.norm = nn.LayerNorm(dim)
        self.pool = nn.attention.AttentionPool(dim)
        self.head = nn.Linear(dim, num_classes)

    def forward(self, x):
        tokens = self.stem(x).flatten(2).transpose(1, 2)    # (N, T, D)
        if tokens.shape[1:] != self.position.shape[1:]:
            raise ValueError(f"CCT: images of shape {x.shape[-2:]} give {tokens.shape[-2]} tokens, expected "
                             f"{self.position.shape[1]}: this model was made for image_size={self.image_size}")
        tokens = self.blocks(tokens + self.position)
        return self.head(self.pool(self.norm(tokens)))      # (N, num_classes)
