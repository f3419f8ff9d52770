"""What layers do beyond the models: masks, heads, norms without statistics, lengths that grow with the batch, parameters shared."""
import numpy as np
import pytest

import tinyattn as ta
import tinyattn.nn.functional as F
from tinyattn import nn


class Attending(nn.Module):
    """Self-attention over tokens with options of the call."""

    def __init__(self, *, weights=False, causal=False, mask=None, **options):
        super().__init__()
        self.inner = nn.MultiheadAttention(12, 3, batch_first=True, **options)
        self.call = dict(need_weights=weights, is_causal=causal, attn_mask=mask)

    def forward(self, x):
        y, weights = self.inner(x, x, x, **self.call)
        return y if weights is None else (y, weights)


class Of(nn.Module):
    """A function of tensors, and perhaps layers, as a model."""

    def __init__(self, function, **layers):
        super().__init__()
        self.function = function
        for name, layer in layers.items():
            setattr(self, name, layer)

    def forward(self, *inputs):
        return self.function(self, *inputs)


SEEN = np.ones((5, 5), bool)
SEEN[1] = False                                              # the second query may see nothing
CASES = {
    "self attention": (lambda: Attending(), (2, 5, 12)),
    "causal": (lambda: Attending(causal=True), (2, 5, 12)),
    "with weights": (lambda: Attending(weights=True), (2, 5, 12)),
    "more keys": (lambda: Attending(add_bias_kv=True, add_zero_attn=True), (2, 5, 12)),
    "masked": (lambda: Attending(mask=ta.tensor(~SEEN)), (2, 5, 12)),
    "batch norm without statistics": (lambda: nn.BatchNorm2d(3, track_running_stats=False), (2, 3, 4, 4)),
    "its fused chain": (lambda: Of(lambda m, x: F.batch_norm(x, None, None, training=True, activation="relu", pool=2)), (2, 3, 4, 4)),
    "instance norm": (lambda: nn.InstanceNorm2d(3, affine=True), (2, 3, 4, 5)),
    "group norm": (lambda: nn.GroupNorm(2, 4), (2, 4, 3, 3)),
    "embedding": (lambda: nn.Embedding(6, 3), np.arange(6).reshape(2, 3)),
    "transposed convolution": (lambda: nn.ConvTranspose2d(3, 4, 3, 2, 1, output_padding=1), (2, 3, 5, 4)),
    "reflected": (lambda: nn.Conv2d(3, 4, 3, padding=1, padding_mode="reflect"), (2, 3, 5, 4)),
    "dropout does nothing": (lambda: nn.Sequential(nn.Dropout(0.5), nn.Linear(3, 2), nn.Dropout2d()), (2, 4, 3)),
    "two halves of a batch": (lambda: Of(lambda m, x: ta.cat([x, x * 2])[x.shape[0]:] + x), (2, 3)),
    "images in one row": (lambda: Of(lambda m, x: (x.reshape(-1) * 2).reshape(x.shape[0], 3, 4).flip(1)), (2, 3, 4)),
    "ones as long as the batch": (lambda: Of(lambda m, x: ta.cat([ta.ones(x.shape[0], 1), x], 1)), (2, 3)),
    "a token before all": (lambda: Of(lambda m, x: ta.cat([m.token.weight.reshape(1, 1, 3).expand(x.shape[0], 1, 3), x], 1),
                                      token=nn.Linear(3, 1)), (2, 4, 3)),
    "images beside images": (lambda: Of(lambda m, x: (x @ x.T).softmax(1) @ x), (3, 4)),
    "not": (lambda: Of(lambda m, x: ta.where(~(x > 0), x * 2, x)), (2, 3)),
    "changed in place": (lambda: Of(lambda m, x: nn.ReLU(inplace=True)(x * 2) - 1), (2, 3)),
    "added in place": (lambda: Of(lambda m, x: _added(x)), (2, 3)),
    "several outputs": (lambda: Of(lambda m, x: (x, x + 1, x.max(1).indices)), (2, 3)),
    "an output that is a constant": (lambda: Of(lambda m, x: (x * 1, ta.ones(2))), (2, 3)),
}


def _added(x):
    y = x * 1
    y += 3
    y[...] = y * y
    return y


@pytest.mark.parametrize("opset", [17, 22])
@pytest.mark.parametrize("name", CASES)
def test_layers(name, opset, tmp_path):
    ta.manual_seed(1)
    make, shape = CASES[name]
    sample = shape if isinstance(shape, np.ndarray) else np.random.default_rng(0).normal(size=shape).astype(np.float32)
    made = ta.export.onnx(make(), sample, tmp_path / "m.onnx", opset_version=opset)
    assert made.difference < 1e-5
    assert all(text.startswith("N") for text in made.inputs.values())


def test_two_inputs_and_their_names(tmp_path):
    made = ta.export.onnx(Of(lambda m, a, b: a @ b), (ta.ones(1, 2, 3), ta.ones(1, 3, 4)), tmp_path / "m.onnx", input_names=["a", "b"], output_names="c")
    assert made.inputs == {"a": "N × 2 × 3", "b": "N × 3 × 4"} and made.outputs == {"c": "N × 2 × 4"} and made.difference < 1e-6


def test_a_shared_layer_has_its_weights_once(tmp_path):
    import onnx
    layer = nn.Linear(3, 3)
    ta.export.onnx(nn.Sequential(layer, nn.ReLU(), layer), ta.ones(1, 3), tmp_path / "m.onnx")
    file = onnx.load(tmp_path / "m.onnx")
    assert sorted(t.name for t in file.graph.initializer) == ["0.bias", "0.weight"]
    assert [n.name for n in file.graph.node][:4] == ["0/Gemm", "0/Add", "1/Relu", "0/Gemm_1"]
