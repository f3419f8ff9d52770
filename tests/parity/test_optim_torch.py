"""Optimizers and schedules against torch.optim: 50 steps in float64, with groups, decay, momentum, resuming."""
import numpy as np
import pytest

import tinyattn as ta
from tinyattn import kernels

torch = pytest.importorskip("torch")

OPTIMIZERS = {
    "SGD": ("SGD", dict(lr=0.05)),
    "SGD momentum": ("SGD", dict(lr=0.05, momentum=0.9)),
    "SGD momentum dampening decay": ("SGD", dict(lr=0.05, momentum=0.8, dampening=0.3, weight_decay=0.1)),
    "SGD nesterov decay": ("SGD", dict(lr=0.05, momentum=0.9, nesterov=True, weight_decay=0.01)),
    "Adam": ("Adam", dict(lr=0.02)),
    "Adam decay": ("Adam", dict(lr=0.02, betas=(0.8, 0.95), eps=1e-6, weight_decay=0.1)),
    "AdamW": ("AdamW", dict(lr=0.02)),
    "AdamW decay": ("AdamW", dict(lr=0.02, betas=(0.7, 0.9), weight_decay=0.3)),
}
SCHEDULES = {
    "StepLR": (ta.optim.StepLR, torch.optim.lr_scheduler.StepLR, dict(step_size=7, gamma=0.5)),
    "CosineAnnealingLR": (ta.optim.CosineAnnealingLR, torch.optim.lr_scheduler.CosineAnnealingLR, dict(T_max=50, eta_min=0.001)),
    "OneCycleLR": (ta.optim.OneCycleLR, torch.optim.lr_scheduler.OneCycleLR, dict(max_lr=0.1, total_steps=51, pct_start=0.3)),
    "LambdaLR": (ta.optim.LambdaLR, torch.optim.lr_scheduler.LambdaLR, dict(lr_lambda=lambda t: 1 / (1 + t))),
}


def _loss(library, a, b, target):
    return ((a @ b - target) ** 2).mean() + 0.1 * (a ** 2).sum() + library.cos(b).sum()


def _start():
    random = np.random.default_rng(0)
    return random.normal(size=(5, 3)), random.normal(size=(3, 4)), random.normal(size=(5, 4))


def _pair(name, options):
    a, b, target = _start()
    ours, theirs = [ta.nn.Parameter(v.copy()) for v in (a, b)], [torch.nn.Parameter(torch.tensor(v)) for v in (a, b)]
    optimizers = []
    for module, ps in ((ta.optim, ours), (torch.optim, theirs)):
        groups = [{"params": [ps[0]]}, {"params": [ps[1]], "lr": 0.01, "weight_decay": 0.2}]
        optimizers.append(getattr(module, name)(groups, **options))
    return ours, theirs, optimizers, (ta.Tensor(target), torch.tensor(target))


def _step(library, ps, optimizer, target):
    optimizer.zero_grad()
    _loss(library, *ps, target).backward()
    optimizer.step()


@pytest.mark.parametrize("rung", kernels.RUNGS)
@pytest.mark.parametrize("case", OPTIMIZERS)
def test_50_steps(case, rung):
    name, options = OPTIMIZERS[case]
    ours, theirs, (one, other), targets = _pair(name, options)
    with kernels.use(rung):
        for step in range(50):
            _step(ta, ours, one, targets[0])
            _step(torch, theirs, other, targets[1])
            for p, q in zip(ours, theirs):
                np.testing.assert_allclose(p.data, q.detach().numpy(), rtol=1e-9, atol=1e-9, err_msg=f"step {step}")


@pytest.mark.parametrize("case", SCHEDULES)
def test_schedules_over_50_steps(case):
    mine, others, options = SCHEDULES[case]
    ours, theirs, (one, other), targets = _pair("SGD", dict(lr=0.05, momentum=0.9))
    if case == "OneCycleLR":
        first, second = mine(one, **options), others(other, cycle_momentum=False, **options)
    else:
        first, second = mine(one, **options), others(other, **options)
    for step in range(50):
        assert first.get_last_lr() == pytest.approx(second.get_last_lr(), rel=1e-9, abs=1e-12), step
        _step(ta, ours, one, targets[0])
        _step(torch, theirs, other, targets[1])
        first.step()
        second.step()
    for p, q in zip(ours, theirs):
        np.testing.assert_allclose(p.data, q.detach().numpy(), rtol=1e-9, atol=1e-9)


@pytest.mark.parametrize("case", ["SGD nesterov decay", "AdamW decay"])
def test_state_dict_resumes(case):
    """Twenty steps, saved, loaded into a new optimizer on copies, twenty more: the bits of forty."""
    name, options = OPTIMIZERS[case]
    ours, _, (one, _), (target, _) = _pair(name, options)
    for _ in range(20):
        _step(ta, ours, one, target)
    copies = [ta.nn.Parameter(p.data.copy()) for p in ours]
    again = getattr(ta.optim, name)([{"params": [copies[0]]}, {"params": [copies[1]]}], **options)
    again.load_state_dict(one.state_dict())
    for _ in range(20):
        _step(ta, ours, one, target)
        _step(ta, copies, again, target)
    for p, q in zip(ours, copies):
        assert np.array_equal(p.data, q.data)
    assert again.param_groups[1]["lr"] == 0.01


def test_parameters_of_any_memory_order_move():
    a = np.asfortranarray(np.arange(6.0).reshape(2, 3))
    p = ta.Tensor(a, requires_grad=True)
    (p * p).sum().backward()
    for make in (lambda: ta.optim.SGD([p], lr=0.1), lambda: ta.optim.AdamW([p])):
        before = p.data.copy()
        make().step()
        assert (p.data != before).sum() == 5        # all but the 0
    with pytest.raises(TypeError, match="leaf"):
        ta.optim.SGD([p * 2])
    with pytest.raises(ValueError, match="given twice"):
        ta.optim.SGD([p, p])
    with pytest.raises(ValueError, match="no parameters"):
        ta.optim.SGD([])
