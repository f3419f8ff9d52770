"""Every layer and model: true gradients of its inputs and of every parameter."""
import pytest
from op_samples import LAYERS

from tinyattn.gradcheck import gradcheck

SAMPLES = {f"{sample.name} {sample.label}": sample for sample in LAYERS}


@pytest.mark.parametrize("name", SAMPLES)
def test_gradients(name):
    gradcheck(*SAMPLES[name].prepared(), all_below=24, curve=False)
