"""What cannot be exported is refused in one sentence that names the layer and the repair, and leaves no file behind."""
import sys

import numpy as np
import pytest
from answers import is_ours

import tinyattn as ta
from tinyattn import nn
from tinyattn.export import ExportError


class Of(nn.Module):
    """A function of tensors as a layer, in a model of two."""

    def __init__(self, function):
        super().__init__()
        self.function, self.first = function, nn.Linear(3, 3)

    def forward(self, x):
        return self.function(self.first(x))


class Choosing(nn.Module):
    """What happens depends on the numbers."""

    def forward(self, x):
        return x * 2 if x.sum().item() > 0 else x + 2


def model(function):
    return nn.Sequential(nn.ReLU(), Of(function))


def _in_place(x):
    mask = x > 0
    mask[0] = True
    return ta.where(mask, x, -x)


class Sinh(ta.Function):
    """An operation of the user's own."""

    def forward(ctx, x):
        return np.sinh(x)

    def backward(ctx, dy):
        return dy


X = ta.ones(2, 3)
CASES = {
    "an operation of one's own": (lambda: model(Sinh.apply), {}, "operation sinh has no ONNX translation yet; the layers that use it: 1"),
    "numbers through NumPy": (lambda: model(lambda x: x + ta.tensor(x.detach().numpy().mean(0))), {},
                              "add in layer 1 is given an array of shape (3,) that was computed from the images outside the recorded operations"),
    "a number through item": (lambda: model(lambda x: x * x.sum().item()), {}, "mul in layer 1 is given an array of shape ()"),
    "an option from the images": (lambda: model(lambda x: x.clamp(0, abs(x.sum().item()))), {}, "clamp in layer 1 is called with hi = "),
    "a choice": (lambda: Choosing(), {"x": ta.ones(1, 3) * 100}, "the model does one thing for some images and another for others, from "),
    "a mask changed in place": (lambda: model(_in_place), {}, "a tensor of shape (2, 3) is changed in place in layer 1"),
    "assignment to a part": (lambda: model(lambda x: _assigned(x)), {}, "use ta.cat or ta.where"),
    "no Tensor comes out": (lambda: model(lambda x: x.detach().numpy()), {}, "the model gave back ndarray, expected a Tensor"),
    "no model": (lambda: len, {}, "model must be a Module, got builtin_function_or_method"),
    "no sample": (lambda: nn.ReLU(), {"x": None}, "sample must be a Tensor or an array, or a tuple of them, got NoneType"),
    "a list of numbers": (lambda: nn.ReLU(), {"x": [1.0, 2.0]}, "sample must be a Tensor or an array, or a tuple of them, got float"),
    "an empty sample": (lambda: nn.ReLU(), {"x": ta.ones(0, 3)}, "sample of shape (0, 3) is empty"),
    "an empty tuple": (lambda: nn.ReLU(), {"x": ()}, "sample is empty"),
    "float64": (lambda: nn.ReLU(), {"x": X.double()}, "sample is float64; models are exported in float32"),
    "parameters of float64": (lambda: nn.Linear(3, 2).double(), {}, "the model's parameters are float64; call model.float() first"),
    "an old opset": (lambda: nn.ReLU(), {"opset_version": 11}, "opset_version must be 17 to 22, got 11"),
    "no opset": (lambda: nn.ReLU(), {"opset_version": "17"}, "opset_version must be 17 to 22, got '17'"),
    "no batch": (lambda: nn.ReLU(), {"batch": 0}, "batch must be \"dynamic\", \"fixed\" or a number of images"),
    "a batch in words": (lambda: nn.ReLU(), {"batch": "many"}, "batch must be \"dynamic\""),
    "a sample without axes": (lambda: nn.ReLU(), {"x": ta.tensor(1.0)}, "the first axis of every input must be the batch, got shapes [()]"),
    "too many names": (lambda: nn.ReLU(), {"input_names": ["a", "b"]}, "input_names must be 1 different names, got ['a', 'b']"),
    "a wrong mean": (lambda: nn.ReLU(), {"normalise": ([0.0] * 4, [1.0] * 4)}, "normalise must hold mean and std for the 0 channels"),
    "no deviation": (lambda: nn.ReLU(), {"normalise": (0.0, 0.0)}, "normalise must hold mean and std"),
    "half a normalisation": (lambda: nn.ReLU(), {"normalise": 3}, "normalise must be (mean, std)"),
}


def _assigned(x):
    y = x * 1
    y[0] = y[1]
    return y


@pytest.mark.parametrize("name", CASES)
def test_mistakes(name, tmp_path):
    make, options, words = CASES[name]
    options = dict(options)
    x = options.pop("x", X)
    with pytest.raises(ExportError) as caught:
        ta.export.onnx(make(), x, tmp_path / "m.onnx", **options)
    assert words in str(caught.value).replace("put the parts together with", "use") and is_ours(caught.value) and len(str(caught.value)) < 420, caught.value
    assert not list(tmp_path.iterdir())


@pytest.mark.parametrize("path, words", [
    ("m.pt", "must end in .onnx: by that other programs know what is in it; call it m.onnx"), ("m", "call it m.onnx"), ("none/m.onnx", "there is no folder"),
    ("folder.onnx", "is a folder; name a file")])
def test_places(path, words, tmp_path):
    (tmp_path / "folder.onnx").mkdir()
    with pytest.raises(ExportError) as caught:
        ta.export.onnx(nn.ReLU(), X, tmp_path / path)
    assert words in str(caught.value), caught.value
    assert [p.name for p in tmp_path.iterdir()] == ["folder.onnx"]


def test_the_mode_and_the_hooks_stay(tmp_path):
    """A model in training mode is exported in evaluation mode, and is in training mode afterwards; also after a mistake."""
    from tinyattn.grad_mode import mode
    net = nn.Sequential(nn.Linear(3, 3), nn.Dropout(0.5), nn.BatchNorm1d(3))
    net[2].eval()
    before = {key: value.data.copy() for key, value in net.state_dict().items()}
    ta.export.onnx(net, X, tmp_path / "m.onnx")
    bad = nn.Sequential(net, Of(Sinh.apply))
    with pytest.raises(ExportError):
        ta.export.onnx(bad, X, tmp_path / "n.onnx")
    assert [m.training for m in net.modules()] == [True, True, True, False] and mode.watcher is None
    for key, value in net.state_dict().items():
        np.testing.assert_array_equal(value.data, before[key])
    assert net[0].weight.grad is None and net[0].weight.grad_fn is None


@pytest.mark.parametrize("package", ["onnx", "onnxruntime"])
def test_without_the_packages(package, tmp_path, monkeypatch):
    """The command that installs them is said; and without onnxruntime the file is written, and not compared."""
    if package == "onnxruntime":
        pytest.importorskip("onnx")
    monkeypatch.setitem(sys.modules, package, None)
    with pytest.raises(ExportError, match=f"needs the package {package}, which is not installed; pip install 'tinyattn\\[onnx\\]'"):
        ta.export.onnx(nn.ReLU(), X, tmp_path / "m.onnx", check_outputs=True)
    assert not list(tmp_path.iterdir())
    if package == "onnxruntime":
        assert ta.export.onnx(nn.ReLU(), X, tmp_path / "m.onnx").difference is None


def test_an_onnxruntime_that_cannot_read_it(tmp_path, monkeypatch):
    import onnxruntime

    def refuse(*_, **__):
        raise RuntimeError("ONNX Runtime only guarantees support for models stamped with official released onnx opset versions")
    monkeypatch.setattr(onnxruntime, "InferenceSession", refuse)
    with pytest.raises(ExportError, match="cannot read the model .*only guarantees.* use an older opset or a newer onnxruntime"):
        ta.export.onnx(nn.ReLU(), X, tmp_path / "m.onnx")
    assert not list(tmp_path.iterdir())
