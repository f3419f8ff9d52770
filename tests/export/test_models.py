"""Every model with every gate, after some steps of training: onnxruntime gives the same scores, for batches of any size."""
import numpy as np
import pytest

import tinyattn as ta
import tinyattn.nn.functional as F
from tinyattn.models import HAS_GATES, MODELS, create
from tinyattn.nn.attention import GATES

PAIRS = [(m, g) for m in MODELS for g in (GATES if m in HAS_GATES else ["none"])]


def trained(name, gate, channels=3, size=16):
    """A model after two steps, so that weights and running statistics are none that a model begins with."""
    ta.manual_seed(0)
    net, rng = create(name, channels, 5, size, gate), np.random.default_rng(0)
    for p in net.parameters():                                # off the zeros that some start from
        p.data[...] += 0.05 * rng.normal(size=p.shape)
    optimizer = ta.optim.SGD(net.parameters(), lr=0.01)
    for _ in range(2):
        x = ta.tensor(rng.normal(size=(8, channels, size, size)).astype(np.float32))
        loss = F.cross_entropy(net(x), ta.tensor(rng.integers(0, 5, 8)))
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
    return net


def scores(path, x):
    from onnxruntime import InferenceSession
    session = InferenceSession(path, providers=["CPUExecutionProvider"])
    return session.run(None, {session.get_inputs()[0].name: x})[0]


@pytest.mark.parametrize("name, gate", PAIRS)
def test_every_model_with_every_gate(name, gate, tmp_path):
    import onnx
    net, path = trained(name, gate), tmp_path / "model.onnx"
    made = ta.export.onnx(net, ta.zeros(1, 3, 16, 16), path)
    assert made.difference < 1e-5 and net.training
    net.eval()
    for count in (1, 2, 6):
        x = np.random.default_rng(count).normal(size=(count, 3, 16, 16)).astype(np.float32)
        y = net(ta.tensor(x)).data
        z = scores(path, x)
        assert z.shape == y.shape == (count, 5) and np.abs(y - z).max() < 1e-4 * max(1, np.abs(y).max()), np.abs(y - z).max()
        assert np.abs(y).max() > 1e-3                          # scores of nothing would agree too
    file = onnx.load(path)
    assert {node.domain for node in file.graph.node} == {""} and [(o.domain, o.version) for o in file.opset_import] == [("", 17)]
    held = {t.name: onnx.numpy_helper.to_array(t) for t in file.graph.initializer}
    state = {key: value.data for key, value in net.state_dict().items() if not key.endswith("num_batches_tracked")}
    assert set(state) <= set(held), set(state) - set(held)
    for key, value in state.items():
        np.testing.assert_array_equal(held[key], value, err_msg=key)
    inferred = onnx.shape_inference.infer_shapes(file, strict_mode=True, data_prop=True)
    assert [d.dim_param or d.dim_value for d in inferred.graph.output[0].type.tensor_type.shape.dim] == ["N", 5]


@pytest.mark.parametrize("opset", [17, 18, 20, 22])
@pytest.mark.parametrize("name, gate", [("attention_cnn", "cbam"), ("resnet8", "self"), ("cct", "none")])
def test_every_opset(name, gate, opset, tmp_path):
    import onnx
    net, path = trained(name, gate), tmp_path / "model.onnx"
    made = ta.export.onnx(net, ta.zeros(1, 3, 16, 16), path, opset_version=opset)
    assert made.difference < 1e-5 and onnx.load(path).opset_import[0].version == made.opset == opset


def test_names_say_where_a_node_stands(tmp_path):
    import onnx
    ta.export.onnx(trained("attention_cnn", "cbam"), ta.zeros(1, 3, 16, 16), tmp_path / "m.onnx")
    nodes = {node.name: node for node in onnx.load(tmp_path / "m.onnx").graph.node}
    conv = nodes["stages.0.block.0.conv/Conv"]
    assert list(conv.input) == ["input", "stages.0.block.0.conv.weight"]
    assert nodes["stages.0.gate/Conv"].input[1] == "stages.0.gate.conv.weight"
    norm = nodes["stages.0.block.0.norm/BatchNormalization"]
    assert [n.rpartition(".")[2] for n in norm.input[1:]] == ["weight", "bias", "running_mean", "running_var"]
    assert {name.partition("/")[0] for name in nodes} >= {"stages.1.pool", "pool", "norm", "head"}


@pytest.mark.parametrize("name, gate, count", [("attention_cnn", "self", 3), ("cct", "none", 1)])
def test_a_fixed_batch(name, gate, count, tmp_path):
    import onnx
    net = trained(name, gate)
    made = ta.export.onnx(net, ta.zeros(1, 3, 16, 16), tmp_path / "m.onnx", batch=count)
    assert made.inputs == {"input": f"{count} × 3 × 16 × 16"} and made.outputs == {"output": f"{count} × 5"}
    assert "Shape" not in {node.op_type for node in onnx.load(tmp_path / "m.onnx").graph.node}
    x = np.random.default_rng(0).normal(size=(count, 3, 16, 16)).astype(np.float32)
    np.testing.assert_allclose(scores(tmp_path / "m.onnx", x), net.eval()(ta.tensor(x)).data, atol=1e-5)


def test_pixels_are_normalised_in_the_file(tmp_path):
    net = trained("lenet", "none").eval()
    mean, std = [0.5, 0.4, 0.3], [0.2, 0.25, 0.3]
    ta.export.onnx(net, ta.zeros(1, 3, 16, 16), tmp_path / "m.onnx", normalise=(mean, std))
    x = np.random.default_rng(0).uniform(size=(4, 3, 16, 16)).astype(np.float32)
    ours = net(ta.tensor((x - np.float32(mean).reshape(3, 1, 1)) / np.float32(std).reshape(3, 1, 1))).data
    np.testing.assert_allclose(scores(tmp_path / "m.onnx", x), ours, atol=1e-5)
    assert np.abs(ours - net(ta.tensor(x)).data).max() > 0.01


def test_a_wrong_number_is_found(tmp_path, monkeypatch):
    """The comparison can fail: with another ε, and with a scale left out, nothing is written."""
    from tinyattn.export import writers
    for op, wrong in (("add_relu", lambda graph, call: graph.add("Add", *call.inputs)),
                      ("mean", lambda graph, call: graph.reduce("ReduceMax", call.inputs[0], call["dim"], call["keepdim"]))):
        monkeypatch.setitem(writers.WRITERS, op, wrong)
        with pytest.raises(ta.export.ExportError, match="outputs differ from TinyAttn's by .* nothing was written"):
            ta.export.onnx(trained("resnet8", "none"), ta.zeros(1, 3, 16, 16), tmp_path / "m.onnx")
        assert not list(tmp_path.iterdir())
        monkeypatch.undo()
