"""Modules made of modules: Python's lists, with names."""
import pytest

from tinyattn import nn


def test_lists_of_modules_are_lists():
    a, b, c, d = (nn.Linear(1, 1) for _ in range(4))
    net = nn.Sequential(a, b, c)
    assert net[0] is a and net[-1] is c and net[1:][0] is b and type(net[1:]) is nn.Sequential
    tail = net[1:].append(d)                                      # the slice keeps the names "1" and "2"
    assert [m for m in tail] == [b, c, d] and list(tail._modules) == ["1", "2", "3"]
    net[1] = d
    assert net[1] is d and list(net.state_dict()) == [f"{i}.{n}" for i in range(3) for n in ("weight", "bias")]
    del net[0]
    assert len(net) == 2 and net[0] is d
    net.extend([a, b])
    assert [m for m in net] == [d, c, a, b]
    named = nn.Sequential({"conv": a, "act": b})
    assert named.conv is a and named[1] is b and [n for n, _ in named.named_children()] == ["conv", "act"]
    layers = nn.ModuleList(m for m in (a, b, c))
    assert list(layers[::-1]) == [c, b, a] and type(layers[:2]) is nn.ModuleList and list(layers[1:]._modules) == ["0", "1"]
    layers[-1] = d
    assert layers[2] is d and list(nn.ModuleList(net)) == list(net)
    with pytest.raises(TypeError, match="expected modules, got int at 0"):
        layers[0] = 3


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
