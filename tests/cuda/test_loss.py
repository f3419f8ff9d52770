"""Labels that no class has, in a cross entropy on the GPU."""
import numpy as np
import pytest

from tinyattn.kernels import cuda
from tinyattn.kernels.cuda import runtime

pytestmark = pytest.mark.skipif(not runtime.SIMULATED, reason="needs the simulator")


def losses(labels):
    logits = cuda.from_host(np.random.default_rng(0).normal(size=(len(labels), 4)).astype(np.float32))
    return cuda.to_host(cuda.cross_entropy_forward(logits, cuda.from_host(np.array(labels)), None, -100, 0.1)[0])


@pytest.mark.parametrize("label", [4, -1, 1 << 40, -99])
def test_a_label_out_of_range_is_an_error_when_the_losses_are_looked_at(label):
    with pytest.raises(IndexError, match=r"not in 0 … 3"):
        losses([0, label, 3])
    assert np.isfinite(losses([0, 1, 3])).all()


def test_an_ignored_label_is_none():
    found = losses([0, -100, 3])
    assert found[1] == 0 and found[0] > 0
