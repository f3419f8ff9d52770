"""Layers against PyTorch's of the same name: first values, weights both ways, outputs and gradients in both modes."""
import inspect

import numpy as np
import pytest
from op_samples import LAYERS, close, listed, weights_of

import tinyattn as ta

torch = pytest.importorskip("torch")
SAMPLES = {f"{sample.name} {sample.label}": sample for sample in LAYERS if hasattr(torch.nn, sample.name)}


def test_most_layers_have_a_twin():
    assert len({s.name for s in SAMPLES.values()}) >= 28


def _gradients(outputs, wanted, library):
    total = sum((y * library.tensor(w)).sum() for y, w in zip(outputs, weights_of(outputs)))
    total.backward()
    return [None if x.grad is None else np.asarray(x.grad) for x in wanted]


@pytest.mark.parametrize("direction", ["ours to theirs", "theirs to ours"])
@pytest.mark.parametrize("name", SAMPLES)
def test_same_weights_same_numbers(name, direction):
    sample = SAMPLES[name]
    ours, theirs = sample.module(), sample.make(torch.nn).double().train(sample.training)
    state = {k: v.data for k, v in ours.state_dict().items()}
    assert {k: v.shape for k, v in state.items()} == {k: tuple(v.shape) for k, v in theirs.state_dict().items()}
    assert list(state) == list(theirs.state_dict())
    if direction == "ours to theirs":
        theirs.load_state_dict({k: torch.tensor(v) for k, v in state.items()})
    else:
        ours.load_state_dict({k: v.numpy() for k, v in theirs.state_dict().items()})
    arrays = [np.asarray(a) for a in sample.arrays()]
    xs = [ta.Tensor(a.copy(), requires_grad=s.grad) for a, s in zip(arrays, sample.inputs)]
    ts = [torch.tensor(a, requires_grad=s.grad) for a, s in zip(arrays, sample.inputs)]
    for _ in range(2 if sample.training else 1):      # the second call has moved running statistics
        made, expected = listed(ours(*xs)), listed(theirs(*ts))
    for i, (a, b) in enumerate(zip(made, expected, strict=True)):
        close(a.data, b.detach().numpy(), 1e-10, f"output {i}")
    wanted = [x for x in xs if x.requires_grad] + list(ours.parameters())
    their_wanted = [t for t in ts if t.requires_grad] + list(theirs.parameters())
    if wanted:
        got, right = _gradients(made, wanted, ta), _gradients(expected, their_wanted, torch)
        for i, (a, b) in enumerate(zip(got, right, strict=True)):
            close(a, b, 1e-9, f"gradient {i}")
    for (k, a), b in zip(ours.state_dict().items(), theirs.state_dict().values()):
        close(np.asarray(a.data, float), b.double().numpy(), 1e-12, f"{k} afterwards")


def _count(module):
    return sum(int(np.prod(tuple(p.shape))) for p in module.parameters())


FIRST_VALUES = [lambda nn: nn.Linear(50, 40), lambda nn: nn.Conv2d(8, 30, 3), lambda nn: nn.Conv1d(8, 40, 3, groups=2),
                lambda nn: nn.ConvTranspose2d(8, 30, 3), lambda nn: nn.ConvTranspose1d(8, 40, 3, groups=2),
                lambda nn: nn.Embedding(60, 20), lambda nn: nn.MultiheadAttention(40, 4), lambda nn: nn.BatchNorm2d(7),
                lambda nn: nn.LayerNorm((3, 4)), lambda nn: nn.GroupNorm(2, 6), lambda nn: nn.GRU(30, 20, 2, bidirectional=True),
                lambda nn: nn.LSTM(30, 20, proj_size=15), lambda nn: nn.RNNCell(30, 50)]


@pytest.mark.parametrize("i", range(len(FIRST_VALUES)))
def test_first_values_follow_the_same_law(i):
    """The first values of ours and theirs: same bounds and same deviation, within what chance allows."""
    ta.manual_seed(0)
    torch.manual_seed(0)
    ours, theirs = FIRST_VALUES[i](ta.nn), FIRST_VALUES[i](torch.nn)
    assert _count(ours) == _count(theirs)
    for (name, a), (_, b) in zip(ours.named_parameters(), theirs.named_parameters(), strict=True):
        a, b = a.data, b.detach().numpy()
        assert a.std() == pytest.approx(b.std(), rel=0.3, abs=1e-6), name
        assert np.abs(a).max() == pytest.approx(np.abs(b).max(), rel=0.35, abs=1e-6), name
        if name.endswith("weight") and a.size >= 1000:
            assert a.std() == pytest.approx(b.std(), rel=0.08), name


FAMILIES = ("linear", "conv", "norm", "pooling", "dropout")


def _parameters(f):
    return [(p.name, p.kind, p.default) for p in inspect.signature(f).parameters.values()]


@pytest.mark.parametrize("name", [n for n, cls in vars(ta.nn).items() if isinstance(cls, type) and hasattr(torch.nn, n)
                                  and cls.__module__.rpartition(".")[2] in FAMILIES])
def test_same_arguments(name):
    """The constructor takes PyTorch's arguments, in its order and with its defaults, and `forward` has them too."""
    ours, theirs = getattr(ta.nn, name), getattr(torch.nn, name)
    assert _parameters(ours) == _parameters(theirs)
    assert _parameters(ours.forward)[:len(_parameters(theirs.forward))] == _parameters(theirs.forward)


@pytest.mark.parametrize("name", ["batch_norm", "layer_norm", "group_norm", "instance_norm", "dropout", "dropout1d", "dropout2d"])
def test_functions_have_the_same_arguments(name):
    theirs = _parameters(getattr(torch.nn.functional, name))
    assert _parameters(getattr(ta.nn.functional, name))[:len(theirs)] == theirs


@pytest.mark.parametrize("make", [lambda nn, **o: nn.Linear(3, 4, **o), lambda nn, **o: nn.ConvTranspose2d(3, 4, 3, **o),
                                  lambda nn, **o: nn.BatchNorm2d(3, **o), lambda nn, **o: nn.GroupNorm(1, 3, **o),
                                  lambda nn, **o: nn.LayerNorm(3, **o)])
def test_dtype_of_parameters(make):
    ours, theirs = make(ta.nn, dtype=np.float64, device="cpu"), make(torch.nn, dtype=torch.float64)
    assert {k: v.dtype for k, v in ours.state_dict().items()} == {k: v.numpy().dtype for k, v in theirs.state_dict().items()}


@pytest.mark.parametrize("size", [(13, 14), (2, 4, 14, 13), None])
def test_size_of_a_transposed_convolution(size):
    ours, theirs = ta.nn.ConvTranspose2d(3, 4, 3, stride=2), torch.nn.ConvTranspose2d(3, 4, 3, stride=2)
    theirs.load_state_dict({k: torch.tensor(v.data) for k, v in ours.state_dict().items()})
    x = np.random.default_rng(0).normal(size=(2, 3, 6, 6)).astype(np.float32)
    close(ours(ta.Tensor(x), output_size=size).data, theirs(torch.tensor(x), size).detach().numpy(), 1e-6, "output")


@pytest.mark.parametrize("momentum", [0.3, None])
@pytest.mark.parametrize("shape", [(0, 3, 4), (5, 3, 4)])
def test_running_statistics(shape, momentum):
    """They move as PyTorch's do: over several batches, and not at all for an empty one, which is counted all the same."""
    ours, theirs = ta.nn.BatchNorm1d(3, momentum=momentum), torch.nn.BatchNorm1d(3, momentum=momentum)
    for seed in range(3):
        x = np.random.default_rng(seed).normal(size=shape).astype(np.float32)
        ours(ta.Tensor(x)), theirs(torch.tensor(x))
        for (k, a), b in zip(ours.state_dict().items(), theirs.state_dict().values(), strict=True):
            close(a.data, b.numpy(), 1e-6, f"{k} after {seed + 1}")


def test_load_result_and_names():
    ours = ta.nn.Sequential(ta.nn.Conv2d(1, 2, 3), ta.nn.BatchNorm2d(2), ta.nn.ReLU(), ta.nn.Flatten(), ta.nn.Linear(8, 3))
    nn = torch.nn
    theirs = nn.Sequential(nn.Conv2d(1, 2, 3), nn.BatchNorm2d(2), nn.ReLU(), nn.Flatten(), nn.Linear(8, 3))
    assert [n for n, _ in ours.named_parameters()] == [n for n, _ in theirs.named_parameters()]
    assert [n for n, _ in ours.named_buffers()] == [n for n, _ in theirs.named_buffers()]
    assert [n for n, _ in ours.named_modules()] == [n for n, _ in theirs.named_modules()]
    assert [type(m).__name__ for m in ours.modules()] == [type(m).__name__ for m in theirs.modules()]
