"""Every operation of the table of samples, written and run by onnxruntime: the same numbers."""
import re

import numpy as np
import pytest
from op_samples import BY_ID, listed

import tinyattn as ta
import tinyattn.nn.functional as F
from tinyattn import nn
from tinyattn.export import ExportError

NOT_TRANSLATED = {
    **{name: "has no ONNX translation yet; the layers that use it: (the model itself)"
       for name in ("cross_entropy", "dropout", "dropout1d", "dropout2d", "rnn", "gru", "lstm", "pick_winners")},
    **{f"cross_entropy {reduction}, probabilities": None for reduction in ("mean", "sum", "none")},      # made of ordinary operations
    "setitem": "assign", "nll_loss mean": "outside the recorded operations", "last_state 3×9×2 9": "outside the recorded operations",
    "embedding by frequency": "operation index_add has no ONNX translation yet",
    **{f"getitem {label}": "outside the recorded operations"
       for label in ("integers, some twice", "integers in the middle", "integers apart, broadcast", "two axes of integers", "booleans",
                     "a number, integers, booleans", "a mask of the last two axes")},
}
"""Operations, or single samples of them, that are refused, and in which words: losses and randomness are no part of a trained model,
nor is what only gradients of gradients use, and what is given as an index, or as lengths, is read outside the operations."""

SAMPLES = {name: sample for name, sample in BY_ID.items() if all(a.size for a in map(np.asarray, sample.arrays()))
           and name != "cat nothing at the end"}
"""What is empty is refused: tests/export/test_mistakes.py."""


def refusal(name):
    return NOT_TRANSLATED.get(name, NOT_TRANSLATED.get(SAMPLES[name].name))


IN_MODELS = {"add_relu", "self_attention", "attention_pool", "batch_norm_pool", "logical_not"}
"""Operations without a sample of their own: layers and models use them (test_models.py, test_layers.py)."""


class Called(nn.Module):
    """A sample as a model."""

    def __init__(self, call):
        super().__init__()
        self.call = call

    def forward(self, *inputs):
        return tuple(listed(self.call(ta, F, *inputs)))


def export(name, path, **options):
    sample = SAMPLES[name]
    arrays = [a.astype(np.float32) if a.dtype.kind == "f" else a for a in map(np.asarray, sample.arrays())]
    if sample.name == "grid_sample" and arrays[0].ndim == 5:                  # volumes: since opset 20
        options["opset_version"] = 20
    return ta.export.onnx(Called(sample.call), tuple(arrays), path / "m.onnx", batch="fixed", **options)


@pytest.mark.parametrize("name", [name for name in SAMPLES if refusal(name) is None])
def test_samples(name, tmp_path):
    assert export(name, tmp_path).difference < 1e-4
    if SAMPLES[name].name in ("mean", "amax", "var", "pad", "layer_norm", "group_norm", "softmax", "grid_sample"):
        assert export(name, tmp_path, opset_version=22).difference < 1e-4


@pytest.mark.parametrize("name", [name for name in SAMPLES if refusal(name) is not None])
def test_what_has_no_translation(name, tmp_path):
    with pytest.raises(ExportError, match=re.escape(refusal(name))):
        export(name, tmp_path)
    assert not list(tmp_path.iterdir())


def test_every_writer_is_used():
    """An operation in the table that no sample and no model comes by would be untested."""
    from tinyattn.export.trace import _run
    from tinyattn.export.writers import WRITERS
    seen = set()
    for name, sample in SAMPLES.items():
        arrays = [a.astype(np.float32) if a.dtype.kind == "f" else a for a in map(np.asarray, sample.arrays())]
        seen.update(call.op for call in _run(Called(sample.call), Called(sample.call), arrays)[0].calls)
    assert set(WRITERS) - seen <= IN_MODELS, set(WRITERS) - seen
