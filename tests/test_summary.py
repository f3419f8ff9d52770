"""Parameters and multiply-adds of networks small enough to count by hand."""
import math

import tinyattn as ta
from tinyattn import nn
from tinyattn.summary import summary


def test_counts_of_a_small_network():
    model = nn.Sequential(nn.Conv2d(3, 8, 3, stride=2, padding=1, groups=1), nn.ReLU(), nn.Conv2d(8, 16, 1, bias=False),
                          nn.Flatten(), nn.Linear(16 * 4 * 4, 10))
    table = summary(model, (2, 3, 8, 8))
    rows = {row.name: row for row in table.rows}
    assert rows["0"].shape == (2, 8, 4, 4) and rows["0"].parameters == 3 * 8 * 9 + 8
    assert rows["0"].multiply_adds == 2 * 8 * 16 * 27
    assert rows["1"].parameters == rows["1"].multiply_adds == 0
    assert rows["2"].multiply_adds == 2 * 16 * 16 * 8 and rows["4"].multiply_adds == 2 * 256 * 10
    assert table.parameters == sum(p.numel() for p in model.parameters()) == 224 + 128 + 2570
    assert "16 × 4 × 4" in str(table) and f"{table.multiply_adds:,}" in str(table)


def test_grouped_convolution_and_attention():
    grouped = summary(nn.Conv2d(8, 8, 3, padding=1, groups=8), (1, 8, 5, 5))
    assert grouped.multiply_adds == 8 * 25 * 9
    gate = nn.attention.SelfAttention2d(16)
    table = summary(gate, (1, 16, 4, 4))
    tokens = 16
    assert table.multiply_adds == tokens * 16 * 48 + tokens * 16 * 16 + 2 * tokens * tokens * 16


def test_recurrent_layers():
    """Every weight meets every step of every sequence; the output counted is the sequence, not the last state."""
    table = summary(nn.LSTM(8, 16, 2, bidirectional=True, proj_size=4), (5, 2, 8))
    first, second = 4 * 16 * (8 + 4) + 4 * 16, 4 * 16 * (8 + 4) + 4 * 16
    assert table.multiply_adds == 5 * 2 * 2 * (first + second) and table.rows[0].shape == (5, 2, 8)
    assert summary(nn.GRUCell(8, 16), (3, 8)).multiply_adds == 3 * 3 * 16 * (8 + 16)


def test_every_model_is_counted_whole_and_left_as_it_was():
    for name, channels, size in (("lenet", 1, 28), ("attention_cnn", 1, 28), ("resnet8", 3, 32), ("cct", 1, 28)):
        attention = "cbam" if name in ta.models.HAS_GATES else "none"
        model = ta.models.create(name, in_channels=channels, num_classes=10, image_size=size, attention=attention)
        table = summary(model, (1, channels, size, size))
        assert model.training and not any(module.is_hooked() for module in model.modules())
        assert table.parameters == sum(math.prod(p.shape) for p in model.parameters()), name
        assert table.rows[-1].shape == (1, 10) and table.multiply_adds > 100_000
