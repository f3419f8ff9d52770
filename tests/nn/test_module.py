"""Modules: what is registered, found, saved, loaded, hooked, copied and shown."""
import copy

import numpy as np
import pytest

import tinyattn as ta
from tinyattn import kernels, nn


@pytest.fixture(autouse=True)
def plain_kernels():
    with kernels.use("reference"):
        yield


class Net(nn.Module):
    def __init__(self):
        super().__init__()
        self.first = nn.Linear(3, 4)
        self.stages = nn.Sequential(nn.ReLU(), nn.Linear(4, 2, bias=False))
        self.scale = nn.Parameter(np.ones(2, np.float32))
        self.register_buffer("steps", ta.zeros(1))
        self.register_buffer("scratch", ta.zeros(2), persistent=False)

    def forward(self, x):
        return self.stages(self.first(x)) * self.scale


def test_names_of_everything():
    net = Net()
    assert [n for n, _ in net.named_parameters()] == ["scale", "first.weight", "first.bias", "stages.1.weight"]
    assert [n for n, _ in net.named_buffers()] == ["steps", "scratch"]
    assert list(net.state_dict()) == ["scale", "steps", "first.weight", "first.bias", "stages.1.weight"]
    assert [n for n, _ in net.named_modules()] == ["", "first", "stages", "stages.0", "stages.1"]
    assert [n for n, _ in net.named_children()] == ["first", "stages"]
    assert net.get_submodule("stages.1") is net.stages[1]
    with pytest.raises(AttributeError, match="no submodule 'stages.l'; did you mean 'stages.1'"):
        net.get_submodule("stages.l")
    assert "first" in dir(net) and "scale" in dir(net)
    with pytest.raises(AttributeError, match="Net has no attribute 'nothing'"):
        net.nothing


def test_attributes_move_between_registers():
    net = Net()
    net.extra = 1
    net.extra = nn.Linear(1, 1)
    assert "extra.weight" in net.state_dict() and "extra" not in net.__dict__
    net.extra = None
    assert "extra.weight" not in net.state_dict() and net.extra is None
    net.extra = nn.Parameter(np.zeros(1))
    assert "extra" in net.state_dict() and "extra" not in dict(net.named_modules())
    with pytest.raises(TypeError, match="Net.extra is a parameter; assign a Parameter or None, not Tensor"):
        net.extra = ta.zeros(1)
    del net.extra
    assert not hasattr(net, "extra")
    net.steps = ta.ones(1)
    assert net.state_dict()["steps"].item() == 1.0
    with pytest.raises(AttributeError, match=r"call super\(\).__init__\(\)"):
        type("Hasty", (nn.Module,), {"__init__": lambda self: setattr(self, "w", 1)})()
    with pytest.raises(ValueError, match="a name must be a string without dots, got 'a.b'"):
        net.add_module("a.b", nn.Identity())
    with pytest.raises(TypeError, match="Net has no forward|has no forward method"):
        nn.Module()(1)


def test_shared_parameters_are_listed_once_but_saved_twice():
    net = nn.Sequential(nn.Linear(2, 2), nn.Linear(2, 2))
    net[1].weight = net[0].weight
    assert [n for n, _ in net.named_parameters()] == ["0.weight", "0.bias", "1.bias"]
    assert list(net.state_dict()) == ["0.weight", "0.bias", "1.weight", "1.bias"]


def test_state_dict_shares_memory_and_load_copies():
    net, other = Net(), Net()
    assert np.may_share_memory(net.state_dict()["scale"].data, net.scale.data) and not net.state_dict()["scale"].requires_grad
    result = other.load_state_dict(net.state_dict())
    assert result.missing_keys == [] and result.unexpected_keys == []
    assert not np.may_share_memory(other.scale.data, net.scale.data)
    for a, b in zip(net.parameters(), other.parameters()):
        assert np.array_equal(a.data, b.data)
    net.double()
    assert all(p.dtype == np.float64 for p in net.parameters()) and net.steps.dtype == np.float64
    other.load_state_dict(net.state_dict())
    assert other.scale.dtype == np.float32
    with pytest.raises(TypeError, match="float32 or float64, not int64"):
        net.to(np.int64)
    with pytest.raises(ValueError, match="unknown device 'cuda'"):
        net.to("cuda")


def test_load_state_dict_lists_all_that_does_not_fit_and_changes_nothing():
    net = Net()
    before = {k: v.data.copy() for k, v in net.state_dict().items()}
    state = {"scale": np.zeros(3), "first.weight": np.zeros((4, 3)), "first.bias": np.zeros((4, 1)), "other": np.zeros(1), "more": np.zeros(1)}
    with pytest.raises(ValueError) as error:
        net.load_state_dict(state)
    message = str(error.value)
    assert "mis-shaped: scale has shape (3,), expected (2,), first.bias has shape (4, 1), expected (4,)" in message
    assert "missing: steps, stages.1.weight" in message and "unexpected: other, more" in message
    for key, value in net.state_dict().items():
        assert np.array_equal(value.data, before[key])
    with pytest.raises(ValueError, match="mis-shaped"):
        net.load_state_dict(state, strict=False)
    result = net.load_state_dict({"first.weight": np.zeros((4, 3)), "other": 1}, strict=False)
    assert result.missing_keys == ["scale", "steps", "first.bias", "stages.1.weight"] and result.unexpected_keys == ["other"]
    assert not net.first.weight.data.any()


def test_modes_freezing_and_apply():
    net = Net()
    assert net.training and all(not m.training for m in net.eval().modules()) and all(m.training for m in net.train().modules())
    net.stages.eval()
    with nn.evaluating(net):
        assert not net.training and not net.first.training
    assert net.training and net.first.training and not net.stages[0].training      # as they were, each
    seen = []
    assert net.apply(lambda m: seen.append(type(m).__name__)) is net
    assert seen == ["Linear", "ReLU", "Linear", "Sequential", "Net"]
    net.requires_grad_(False)
    assert not net(ta.ones(1, 3)).requires_grad
    net.requires_grad_()
    net(ta.ones(1, 3)).sum().backward()
    assert all(p.grad is not None for p in net.parameters())
    net.zero_grad()
    assert all(p.grad is None for p in net.parameters())


def test_hooks_see_and_replace():
    net, seen = Net(), []
    before = net.first.register_forward_pre_hook(lambda module, inputs: seen.append(inputs[0].shape) or (inputs[0] * 0,))
    after = net.first.register_forward_hook(lambda module, inputs, output: seen.append(output.shape))
    y = net(ta.ones(2, 3))
    assert seen == [(2, 3), (2, 4)] and net.first.is_hooked()
    np.testing.assert_allclose(y.data, net.stages(net.first.bias.unsqueeze(0).expand(2, 4)).data * net.scale.data, rtol=1e-5)
    before.remove()
    after.remove()
    assert not net.first.is_hooked()
    with net.register_forward_hook(lambda module, inputs, output: output + 100):
        assert net(ta.ones(2, 3)).data.min() > 50
    assert net(ta.ones(2, 3)).data.max() < 50


def test_a_copy_is_independent():
    net = Net()
    twin = copy.deepcopy(net)
    assert list(twin.state_dict()) == list(net.state_dict()) and isinstance(twin.scale, nn.Parameter)
    with ta.no_grad():
        twin.scale += 1
    twin(ta.ones(1, 3)).sum().backward()
    assert net.scale.tolist() == [1.0, 1.0] and net.scale.grad is None and twin.scale.grad is not None


def test_containers():
    net = nn.Sequential(nn.Linear(2, 3), nn.ReLU(), nn.Linear(3, 1))
    assert len(net) == 3 and isinstance(net[-1], nn.Linear) and [type(m).__name__ for m in net[:2]] == ["Linear", "ReLU"]
    assert list(nn.Sequential({"a": nn.ReLU(), "b": nn.Tanh()})._modules) == ["a", "b"]
    assert len(net.append(nn.Tanh())) == 4
    with pytest.raises(TypeError, match="expected modules, got int at 1"):
        nn.Sequential(nn.ReLU(), 3)
    layers = nn.ModuleList([nn.Linear(2, 2) for _ in range(3)])
    layers.append(nn.ReLU())
    assert len(layers) == 4 and len(list(layers.parameters())) == 6 and len(layers[1:]) == 3
    with pytest.raises(IndexError):
        layers[9]


def test_repr_reads_as_pytorchs():
    expected = """Net(
  (first): Linear(in_features=3, out_features=4, bias=True)
  (stages): Sequential(
    (0): ReLU()
    (1): Linear(in_features=4, out_features=2, bias=False)
  )
)"""
    assert repr(Net()) == expected
    assert repr(nn.Conv2d(1, 2, 3, padding=1, bias=False)) == "Conv2d(1, 2, kernel_size=(3, 3), stride=(1, 1), padding=(1, 1), bias=False)"
    assert repr(nn.Parameter(np.zeros(1, np.float32))).startswith("Parameter containing:\ntensor([0.]")


def test_fused_chain_equals_the_plain_one():
    for training in (True, False):
        ta.manual_seed(1)
        net = nn.ConvNormAct(3, 5, 3).double().train(training)
        x, random = ta.randn(4, 3, 6, 6, dtype=np.float64, requires_grad=True), np.random.default_rng(0)
        net.norm.weight.data[...], net.norm.bias.data[...] = random.normal(size=5), random.normal(size=5)
        other = copy.deepcopy(net)
        seen = []
        other.norm.register_forward_hook(lambda m, i, o: seen.append(o.data.min()))
        y, z = net(x), other(x)
        assert seen and seen[0] < 0, "the hook on the norm sees what comes before the activation"
        np.testing.assert_allclose(y.data, z.data, rtol=1e-12, atol=1e-12)
        g, h = (ta.grad((out * out).sum(), [x, *m.parameters()]) for out, m in ((y, net), (z, other)))
        for a, b in zip(g, h, strict=True):
            np.testing.assert_allclose(a.data, b.data, rtol=1e-10, atol=1e-11)
        assert np.array_equal(net.norm.running_var.data, other.norm.running_var.data)


def test_batch_norm_counts_and_averages():
    norm = nn.BatchNorm2d(2, momentum=None)                       # a plain average over all batches
    batches = [np.random.default_rng(i).normal(i, 2, (3, 2, 4, 4)).astype(np.float32) for i in range(3)]
    for b in batches:
        norm(ta.tensor(b))
    assert norm.num_batches_tracked.item() == 3
    np.testing.assert_allclose(norm.running_mean.data, np.mean([b.mean((0, 2, 3)) for b in batches], 0), rtol=1e-5)
    np.testing.assert_allclose(norm.running_var.data, np.mean([b.var((0, 2, 3), ddof=1) for b in batches], 0), rtol=1e-5)
    before = norm.running_mean.data.copy()
    norm.eval()(ta.tensor(batches[0]))
    assert np.array_equal(norm.running_mean.data, before) and norm.num_batches_tracked.item() == 3
