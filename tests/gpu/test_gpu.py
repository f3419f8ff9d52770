"""On a real GPU: ``pytest -m gpu``. Every operation, every model, memory, repeatability, and the way to PyTorch and back.

Without the mark, or without a GPU, these are skipped; the simulator's tests are in tests/cuda.
"""
import device_runs
import numpy as np
import op_samples
import pytest

import tinyattn as ta
from tinyattn.kernels import cuda
from tinyattn.kernels.cuda import runtime

pytestmark = [pytest.mark.gpu, pytest.mark.skipif(runtime.SIMULATED or runtime.why_not() is not None,
                                                  reason=f"needs a GPU, and `pytest -m gpu`: {runtime.why_not() or 'the simulator is chosen'}")]
MODELS = {"attention_cnn": dict(attention="cbam"), "resnet8": dict(attention="se", channels=3), "cct": dict(channels=3)}


@pytest.mark.parametrize("dtype, tolerance", [(np.float64, 1e-9), (np.float32, 1e-4)])
@pytest.mark.parametrize("name", op_samples.BY_ID)
def test_an_operation_is_the_cpus(name, dtype, tolerance):
    sample = op_samples.BY_ID[name]
    arrays = [a.astype(dtype) if a.dtype.kind == "f" else a for a in sample.arrays()]
    (there, there_gradients), (here, here_gradients) = (device_runs.sample_on(sample, arrays, device) for device in ("cuda", "cpu"))
    for i, (a, b) in enumerate(zip(there, here)):
        op_samples.close(a, b, tolerance, f"output {i}")
    for i, (a, b) in enumerate(zip(there_gradients, here_gradients)):
        op_samples.close(a, b, 10 * tolerance, f"gradient {i}")


@pytest.mark.parametrize("name", [n for n, s in op_samples.BY_ID.items() if s.smooth])
def test_a_gradient_is_the_slope(name):
    """Σ y w along a random direction: (f(x + εv) − f(x − εv)) / 2ε, in float64, on the GPU alone."""
    sample, random = op_samples.BY_ID[name], np.random.default_rng(2)
    arrays = [a.astype(np.float64) if a.dtype.kind == "f" else a for a in sample.arrays()]
    directions = [random.standard_normal(a.shape) if spec.grad else None for a, spec in zip(arrays, sample.inputs)]
    outputs, gradients = device_runs.sample_on(sample, arrays, "cuda")
    weights, ε = op_samples.weights_of(outputs), 1e-6

    def total(sign):
        moved = [a if v is None else a + sign * ε * v for a, v in zip(arrays, directions)]
        return sum((y.astype(float) * w).sum() for y, w in zip(device_runs.sample_on(sample, moved, "cuda")[0], weights) if y.dtype.kind == "f")

    slope = (total(1) - total(-1)) / (2 * ε)
    told = sum((g * v).sum() for g, v in zip(gradients, directions) if g is not None)
    assert abs(slope - told) <= 1e-5 * max(1, abs(slope)), (slope, told)


@pytest.mark.parametrize("name", MODELS)
def test_a_model_trains_alike(name):
    for dtype, steps, tolerance in ((np.float64, 100, 1e-6), (np.float32, 5, 1e-4)):
        there, here = (device_runs.losses(name, device, steps, dtype=dtype, size=28 if name == "attention_cnn" else 32, count=16, **MODELS[name])[0]
                       for device in ("cuda", "cpu"))
        assert np.allclose(there, here, rtol=tolerance, atol=0), (dtype, there[-1], here[-1])


@pytest.mark.parametrize("name", MODELS)
def test_a_graph_replays_to_the_same_bits(name):
    eager, captured = (device_runs.losses(name, "cuda", 8, size=32, count=16, captured=c, **MODELS[name]) for c in (False, True))
    assert eager[0] == captured[0]
    assert all(np.array_equal(eager[1][key], captured[1][key]) for key in eager[1])


@pytest.mark.parametrize("name", MODELS)
def test_twice_is_the_same_to_the_bit(name):
    one, other = (device_runs.losses(name, "cuda", 10, size=32, count=16, **MODELS[name]) for _ in range(2))
    assert one[0] == other[0]
    assert all(np.array_equal(one[1][key], other[1][key]) for key in one[1])


def test_a_thousand_steps_take_no_more_memory():
    model = ta.models.create("attention_cnn", in_channels=1, num_classes=4, image_size=28, attention="cbam").to("cuda")
    optimizer, (images, labels) = ta.optim.AdamW(model.parameters()), device_runs.batch(1, 28, 32)
    x, target = ta.tensor(images.astype(np.float32)).to("cuda"), ta.tensor(labels).to("cuda")
    held = []
    for _ in range(1000):
        loss = ta.nn.functional.cross_entropy(model(x), target)
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
        held.append((ta.cuda.memory_allocated(), runtime.memory_info()[0]))
    assert held[-1][0] <= held[20][0] and held[-1][1] >= held[20][1], (held[20], held[-1])


def test_pytorch_sees_the_same_memory():
    torch = pytest.importorskip("torch")
    if not torch.cuda.is_available():
        pytest.skip("needs PyTorch with CUDA")
    x = ta.tensor(np.arange(12, dtype=np.float32).reshape(3, 4)).to("cuda")
    theirs = torch.from_dlpack(x.T)
    assert theirs.device.type == "cuda" and theirs.shape == (4, 3)
    theirs += 1
    torch.cuda.synchronize()
    assert x.cpu().data.ravel().tolist() == list(range(1, 13))
    ours = ta.from_dlpack(torch.ones(5, device="cuda") * 3)
    assert ours.device == "cuda" and ours.tolist() == [3] * 5
    assert torch.as_tensor(x.data, device="cuda").data_ptr() == x.data.__cuda_array_interface__["data"][0]


def test_too_much_memory_is_explained():
    with pytest.raises(MemoryError, match="held by living arrays"):
        cuda.empty(1 << 42, np.float32)
    assert ta.ones(3, device="cuda").tolist() == [1, 1, 1]
