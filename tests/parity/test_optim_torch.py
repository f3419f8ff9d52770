"""Optimizers and schedules beside PyTorch's: the same weights after 50 steps, in float64."""
import numpy as np
import pytest

import tinyattn as ta

torch = pytest.importorskip("torch")

OPTIMIZERS = [
    ("SGD", dict(lr=0.1)),
    ("SGD", dict(lr=0.05, momentum=0.9)),
    ("SGD", dict(lr=0.05, momentum=0.8, dampening=0.3, weight_decay=0.01)),
    ("SGD", dict(lr=0.05, momentum=0.9, nesterov=True, weight_decay=0.02)),
    ("Adam", dict(lr=0.01)),
    ("Adam", dict(lr=0.02, betas=(0.8, 0.95), eps=1e-6, weight_decay=0.1)),
    ("AdamW", dict(lr=0.01)),
    ("AdamW", dict(lr=0.02, betas=(0.7, 0.9), weight_decay=0.3)),
]

SCHEDULES = [
    ("StepLR", dict(step_size=7, gamma=0.5)),
    ("CosineAnnealingLR", dict(T_max=50, eta_min=1e-4)),
    ("LambdaLR", dict(lr_lambda=lambda t: 1 / (1 + t))),
    ("OneCycleLR", dict(max_lr=0.3, total_steps=51, pct_start=0.2, div_factor=10.0, final_div_factor=100.0)),
]


def _parameters(values):
    return [ta.nn.Parameter(v.copy()) for v in values], [torch.nn.Parameter(torch.from_numpy(v.copy())) for v in values]


@pytest.mark.parametrize("name, options", OPTIMIZERS, ids=lambda v: v if isinstance(v, str) else "-".join(v))
def test_fifty_steps(name, options):
    rng = np.random.default_rng(0)
    ours, theirs = _parameters([rng.standard_normal(shape) for shape in ((3, 4), (5,), (2, 2, 3))])
    half = dict(options, lr=options["lr"] / 2)  # a second group with options of its own
    mine = getattr(ta.optim, name)([{"params": ours[:2]}, {"params": ours[2:], "lr": half["lr"]}], **options)
    other = getattr(torch.optim, name)([{"params": theirs[:2]}, {"params": theirs[2:], "lr": half["lr"]}], **options)
    for step in range(50):
        for i, (a, b) in enumerate(zip(ours, theirs)):
            gradient = rng.standard_normal(a.shape)
            if (step + i) % 11 == 0:
                a.grad = b.grad = None  # a parameter without a gradient stays as it is
            else:
                a.grad, b.grad = ta.tensor(gradient), torch.from_numpy(gradient)
        mine.step(), other.step()
        if step == 24:  # halfway through, an optimizer made anew takes over the saved state
            saved = mine.state_dict()
            mine = getattr(ta.optim, name)([{"params": ours[:2]}, {"params": ours[2:]}], **options)
            mine.load_state_dict(saved)
    for a, b in zip(ours, theirs):
        np.testing.assert_allclose(a.data, b.detach().numpy(), rtol=0, atol=1e-10)


@pytest.mark.parametrize("name, options", SCHEDULES, ids=lambda v: v if isinstance(v, str) else "")
def test_schedule(name, options):
    ours, theirs = _parameters([np.ones(2)])
    mine, other = ta.optim.SGD(ours, lr=0.2), torch.optim.SGD(theirs, lr=0.2)
    schedule = getattr(ta.optim, name)(mine, **options)
    extra = dict(cycle_momentum=False) if name == "OneCycleLR" else {}
    reference = getattr(torch.optim.lr_scheduler, name)(other, **options, **extra)
    for _ in range(50):
        assert mine.param_groups[0]["lr"] == pytest.approx(other.param_groups[0]["lr"], rel=1e-12)
        other.step(), schedule.step(), reference.step()
    assert mine.param_groups[0]["lr"] == pytest.approx(other.param_groups[0]["lr"], rel=1e-12)
