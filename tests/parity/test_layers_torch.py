"""Layers against PyTorch's of the same name: first values, weights both ways, outputs and gradients in both modes."""
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


def test_load_result_and_names():
    ours = ta.nn.Sequential(ta.nn.Conv2d(1, 2, 3), ta.nn.BatchNorm2d(2), ta.nn.ReLU(), ta.nn.Flatten(), ta.nn.Linear(8, 3))
    nn = torch.nn
    theirs = nn.Sequential(nn.Conv2d(1, 2, 3), nn.BatchNorm2d(2), nn.ReLU(), nn.Flatten(), nn.Linear(8, 3))
    assert [n for n, _ in ours.named_parameters()] == [n for n, _ in theirs.named_parameters()]
    assert [n for n, _ in ours.named_buffers()] == [n for n, _ in theirs.named_buffers()]
    assert [n for n, _ in ours.named_modules()] == [n for n, _ in theirs.named_modules()]
    assert [type(m).__name__ for m in ours.modules()] == [type(m).__name__ for m in theirs.modules()]
