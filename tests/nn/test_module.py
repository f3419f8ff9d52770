"""Modules: what is registered, found, saved, loaded, hooked, copied and shown."""
import copy
import pickle

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


def test_buffers():
    net = Net()
    net.register_buffer("scratch", ta.zeros(2))                   # registered anew, now to be saved
    assert "scratch" in net.state_dict()
    net.register_buffer("scratch", ta.zeros(2), persistent=False)
    assert "scratch" not in net.state_dict() and len(list(net.buffers())) == 2
    del net.scratch
    net.scratch = ta.zeros(1)                                     # an attribute like any other now
    assert "scratch" not in dict(net.named_buffers())
    net.steps = None
    assert net.steps is None and "steps" not in net.state_dict() and "steps" in net._buffers
    net.steps = ta.ones(3)
    assert net.state_dict()["steps"].tolist() == [1, 1, 1]
    net.steps = nn.Parameter(np.zeros(1))
    assert "steps" in dict(net.named_parameters()) and "steps" not in dict(net.named_buffers())


def test_one_module_in_two_places():
    layer = nn.Linear(2, 2)
    net = nn.Sequential(layer, nn.ReLU(), layer)
    assert [n for n, _ in net.named_modules()] == ["", "0", "1"] and len(list(net.parameters())) == 2
    assert list(net.state_dict()) == ["0.weight", "0.bias", "2.weight", "2.bias"]
    x = ta.tensor([[1.0, -2.0]])
    net(x).sum().backward()
    w, b = layer.weight.data, layer.bias.data                     # y = w h + b, h = max(w x + b, 0), L = Σ y
    h = np.maximum(x.data @ w.T + b, 0)
    dh = w.sum(0) * (h > 0)
    np.testing.assert_allclose(layer.weight.grad.data, np.ones((2, 1)) * h + dh.T @ x.data, rtol=1e-5)
    seen = []
    net.apply(lambda m: seen.append(m))
    net.double()
    assert layer.weight.dtype == np.float64 and len(list(net.buffers())) == 0


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
    with pytest.raises(ValueError, match="unknown device 'gpu'"):
        net.to(device="gpu")


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


def test_a_state_may_overlap_the_module_it_is_loaded_into():
    net = nn.Sequential(nn.Linear(2, 2), nn.Linear(2, 2))
    state = net.state_dict()
    first, second = net[0].weight.data.copy(), net[1].weight.data.copy()
    net.load_state_dict({**state, "0.weight": state["1.weight"], "1.weight": state["0.weight"]})
    assert np.array_equal(net[0].weight.data, second) and np.array_equal(net[1].weight.data, first)
    net.load_state_dict({k: v.data.tolist() for k, v in state.items()})       # lists will do
    with pytest.raises(ValueError, match="0.bias holds no array of numbers"):
        net.load_state_dict({**state, "0.weight": np.zeros((2, 2)), "0.bias": np.array(["a", "b"])})
    assert np.array_equal(net[0].weight.data, second)
    with pytest.raises(ValueError, match="missing: 0.weight, 0.bias, 1.weight, 1.bias; unexpected: 7"):
        net.load_state_dict({7: 1})
    y = (net[0].weight * net[0].weight).sum()                                  # saved for the backward pass …
    net.load_state_dict(state)
    with pytest.raises(RuntimeError, match="changed in place"):                # … and noticed there
        y.backward()


def test_conversion_keeps_gradients_and_memory():
    net = nn.Sequential(nn.Linear(2, 2), nn.BatchNorm1d(2))
    net(ta.tensor([[1.0, 2.0], [3.0, -1.0]])).square().sum().backward()
    gradient, memory = net[0].weight.grad.data.copy(), net[0].weight.data
    assert net.float() is net and net[0].weight.data is memory and net[0].weight.grad is not None
    net.double()
    assert net[0].weight.grad.dtype == np.float64 and np.array_equal(net[0].weight.grad.data, gradient)
    assert net[1].running_mean.dtype == np.float64 and net[1].num_batches_tracked.dtype == np.int64
    assert net(ta.ones(2, 2, dtype=np.float64)).dtype == np.float64
    assert net.to("cpu", np.float32)[0].bias.dtype == np.float32


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


def test_modes_come_back_after_an_error():
    net = Net()
    net.stages.eval()
    with pytest.raises(KeyError):
        with nn.evaluating(net):
            raise KeyError
    assert net.training and net.first.training and not net.stages.training


def test_hooks_in_their_order():
    layer, seen = nn.Linear(1, 1, bias=False), []
    layer.weight.data[...] = 2
    x = ta.tensor([[3.0]])
    layer.register_forward_pre_hook(lambda m, inputs: seen.append("a") or inputs[0] + 1)     # no tuple: one input
    second = layer.register_forward_pre_hook(lambda m, inputs: seen.append("b") or (inputs[0] * 10,))
    layer.register_forward_hook(lambda m, inputs, y: seen.append("c") or y + 1)
    layer.register_forward_hook(lambda m, inputs, y: seen.append("d"))                       # None: keeps it
    assert layer(x).item() == (3 + 1) * 10 * 2 + 1 and seen == ["a", "b", "c", "d"]
    second.remove(), second.remove()
    assert layer(x).item() == (3 + 1) * 2 + 1
    once = []

    def only_once(module, inputs, y):
        once.append(y)
        handle.remove()

    handle = layer.register_forward_hook(only_once)
    layer(x), layer(x)
    assert len(once) == 1
    y = layer(x)
    y.backward()
    assert layer.weight.grad.item() == 4.0                        # what hooks do is on the tape


def test_a_copy_is_independent():
    net = Net()
    twin = copy.deepcopy(net)
    assert list(twin.state_dict()) == list(net.state_dict()) and isinstance(twin.scale, nn.Parameter)
    with ta.no_grad():
        twin.scale += 1
    twin(ta.ones(1, 3)).sum().backward()
    assert net.scale.tolist() == [1.0, 1.0] and net.scale.grad is None and twin.scale.grad is not None


@pytest.mark.parametrize("how", [copy.deepcopy, lambda net: pickle.loads(pickle.dumps(net))], ids=["copy", "pickle"])
@pytest.mark.parametrize("name, attention", [("attention_cnn", "cbam"), ("resnet8", "self"), ("cct", "none")])
def test_models_and_their_optimizers_are_copied_whole(name, attention, how):
    net = ta.models.create(name, image_size=8, attention=attention)
    optimizer = ta.optim.AdamW(net.parameters())
    x = ta.tensor(np.random.default_rng(0).normal(size=(3, 1, 8, 8)).astype(np.float32))

    def step(net, optimizer):
        optimizer.zero_grad()
        net(x).square().sum().backward()
        optimizer.step()

    for module in net.modules():
        if isinstance(module, nn.Dropout):
            module.p = 0.0
    step(net, optimizer)
    twin, other = how((net, optimizer))
    assert all(np.array_equal(p.grad.data, q.grad.data) for p, q in zip(net.parameters(), twin.parameters()))
    step(twin, other)
    assert not np.array_equal(next(iter(net.parameters())).data, next(iter(twin.parameters())).data)
    step(net, optimizer)                                          # the same step, to the bit
    for (key, a), b in zip(net.state_dict().items(), twin.state_dict().values(), strict=True):
        assert np.array_equal(a.data, b.data), key
    assert list(twin.state_dict()) == list(net.state_dict())


def test_shared_parameters_stay_shared_in_a_copy():
    net = nn.Sequential(nn.Linear(2, 2), nn.Linear(2, 2))
    net[1].weight = net[0].weight
    for twin in (copy.deepcopy(net), pickle.loads(pickle.dumps(net))):
        assert twin[0].weight is twin[1].weight and twin[0].weight is not net[0].weight
    y = net(ta.ones(1, 2))
    for copied in (copy.deepcopy, pickle.dumps):
        with pytest.raises(RuntimeError, match=r"the result of add\) cannot be copied whole or pickled; use x.clone\(\)"):
            copied(y)
    assert np.array_equal(copy.deepcopy(y.detach()).data, y.data)


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
    assert repr(nn.Sequential(nn.ConvNormAct(1, 2, activation=None))) == """Sequential(
  (0): ConvNormAct(
    activation=None
    (conv): Conv2d(1, 2, kernel_size=(3, 3), stride=(1, 1), padding=(1, 1), bias=False)
    (norm): BatchNorm2d(2, eps=1e-05, momentum=0.1, affine=True, bias=True, track_running_stats=True)
  )
)"""
    assert repr(nn.Sequential()) == "Sequential()" and repr(nn.ModuleList([nn.Dropout(0.2)])) == "ModuleList(\n  (0): Dropout(p=0.2, inplace=False)\n)"
    assert repr(nn.Parameter(np.zeros(1, np.float32))).startswith("Parameter containing:\ntensor([0.]")
