"""Gradients of gradients: differences of gradients against a second sweep, for every sample that supports it."""
import pytest
from op_samples import BY_ID, LAYERS

from tinyattn.gradcheck import gradgradcheck

SAMPLES = {name: sample for name, sample in BY_ID.items() if sample.smooth and sample.second}
SAMPLES.update({f"{sample.name} {sample.label}": sample for sample in LAYERS if sample.second})


@pytest.mark.parametrize("name", SAMPLES)
def test_gradients_of_gradients(name):
    gradgradcheck(*SAMPLES[name].prepared(), curve=False)
