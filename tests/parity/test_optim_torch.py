"""Optimizers, schedules, clipping and averages against PyTorch's: 50 steps in float64, with groups, decay, momentum, resuming."""
import itertools

import numpy as np
import pytest

import tinyattn as ta
from tinyattn import kernels

torch = pytest.importorskip("torch")
pytest.importorskip("expecttest")  # which torch.testing wants
import torch_samples as T  # noqa: E402

ours_lr, their_lr = ta.optim.lr_scheduler, torch.optim.lr_scheduler

OPTIMIZERS = {
    "SGD": ("SGD", dict(lr=0.05)),
    "SGD momentum": ("SGD", dict(lr=0.05, momentum=0.9)),
    "SGD momentum dampening decay": ("SGD", dict(lr=0.05, momentum=0.8, dampening=0.3, weight_decay=0.1)),
    "SGD nesterov decay": ("SGD", dict(lr=0.05, momentum=0.9, nesterov=True, weight_decay=0.01)),
    "Adam": ("Adam", dict(lr=0.02)),
    "Adam decay": ("Adam", dict(lr=0.02, betas=(0.8, 0.95), eps=1e-6, weight_decay=0.1)),
    "AdamW": ("AdamW", dict(lr=0.02)),
    "AdamW decay": ("AdamW", dict(lr=0.02, betas=(0.7, 0.9), weight_decay=0.3)),
    "AdamW amsgrad": ("AdamW", dict(lr=0.02, amsgrad=True)),
    "RMSprop": ("RMSprop", dict(lr=0.01)),
    "RMSprop all": ("RMSprop", dict(lr=0.01, alpha=0.9, weight_decay=0.1, momentum=0.8, centered=True)),
}
COMBINATIONS = {
    "SGD": [dict(lr=0.03, momentum=m, dampening=d, weight_decay=w, nesterov=n, maximize=u)
            for m, d, w, n, u in itertools.product((0, 0.9), (0, 0.4), (0, 0.1), (False, True), (False, True)) if not n or m and not d],
    "Adam": [dict(lr=0.02, betas=b, weight_decay=w, amsgrad=a, maximize=u, decoupled_weight_decay=d) for b, w, a, u, d in
             itertools.product(((0.9, 0.999), (0.0, 0.5)), (0, 0.1), (False, True), (False, True), (False, True))],
    "AdamW": [dict(lr=0.02, eps=e, weight_decay=w, amsgrad=a, maximize=u)
              for e, w, a, u in itertools.product((1e-8, 0.1), (0, 0.1), (False, True), (False, True))],
    "RMSprop": [dict(lr=0.01, alpha=a, eps=1e-6, weight_decay=w, momentum=m, centered=c, maximize=u) for a, w, m, c, u in
                itertools.product((0.99, 0.5), (0, 0.1), (0, 0.7), (False, True), (False, True))],
    "Muon": [dict(lr=0.02, weight_decay=w, momentum=m, nesterov=n, ns_steps=s, adjust_lr_fn=f) for w, m, n, s, f in
             itertools.product((0, 0.1), (0, 0.95), (False, True), (0, 5), (None, "original", "match_rms_adamw"))],
}
SCHEDULES = {
    "StepLR": lambda m, o: m.StepLR(o, 7, gamma=0.5),
    "MultiStepLR": lambda m, o: m.MultiStepLR(o, [3, 20, 20, 41], gamma=0.3),
    "ExponentialLR": lambda m, o: m.ExponentialLR(o, 0.93),
    "PolynomialLR": lambda m, o: m.PolynomialLR(o, 30, power=1.7),
    "CosineAnnealingLR": lambda m, o: m.CosineAnnealingLR(o, 50, eta_min=0.001),
    "CosineAnnealingLR, past its end": lambda m, o: m.CosineAnnealingLR(o, 15, 0.001),
    "LambdaLR": lambda m, o: m.LambdaLR(o, lambda t: 1 / (1 + t)),
    "LambdaLR, two": lambda m, o: m.LambdaLR(o, [lambda t: 0.9 ** t, lambda t: 1 / (1 + t)]),
    "ConstantLR": lambda m, o: m.ConstantLR(o),
    "ConstantLR, long": lambda m, o: m.ConstantLR(o, factor=0.2, total_iters=30),
    "LinearLR": lambda m, o: m.LinearLR(o),
    "LinearLR, down": lambda m, o: m.LinearLR(o, start_factor=1.0, end_factor=0.05, total_iters=33),
    "CosineAnnealingWarmRestarts": lambda m, o: m.CosineAnnealingWarmRestarts(o, 10),
    "CosineAnnealingWarmRestarts, longer": lambda m, o: m.CosineAnnealingWarmRestarts(o, 3, T_mult=2, eta_min=0.002),
    "OneCycleLR": lambda m, o: m.OneCycleLR(o, 0.1, total_steps=50),
    "OneCycleLR, epochs, linear": lambda m, o: m.OneCycleLR(o, [0.1, 0.2], epochs=5, steps_per_epoch=11, anneal_strategy="linear"),
    "OneCycleLR, three phases": lambda m, o: m.OneCycleLR(o, 0.1, 50, pct_start=0.4, three_phase=True, base_momentum=0.7, div_factor=10.0),
    "OneCycleLR, steady momentum": lambda m, o: m.OneCycleLR(o, 0.1, 50, cycle_momentum=False, final_div_factor=50.0),
    "OneCycleLR, all down": lambda m, o: m.OneCycleLR(o, 0.1, 50, pct_start=0.0),
    "SequentialLR": lambda m, o: m.SequentialLR(o, [m.LinearLR(o, 0.1, total_iters=8), m.CosineAnnealingLR(o, 30), m.ConstantLR(o, 0.5, 4)], [8, 38]),
    "SequentialLR, restarts": lambda m, o: m.SequentialLR(o, [m.ExponentialLR(o, 0.9), m.CosineAnnealingWarmRestarts(o, 5), m.StepLR(o, 3)], [9, 25]),
    "ChainedScheduler": lambda m, o: m.ChainedScheduler([m.ConstantLR(o, 0.1, 20), m.ExponentialLR(o, 0.9)]),
    "ChainedScheduler, four": lambda m, o: m.ChainedScheduler(
        [m.LinearLR(o, 0.2, total_iters=12), m.StepLR(o, 9, 0.6), m.MultiStepLR(o, [5, 30]), m.PolynomialLR(o, 70, 2.0)]),
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


# --- optimizers -------------------------------------------------------------------------------------------------------

@pytest.mark.parametrize("rung", kernels.HOST_RUNGS)
@pytest.mark.parametrize("case", OPTIMIZERS)
def test_50_steps_down_a_slope_of_their_own(case, rung):
    name, options = OPTIMIZERS[case]
    ours, theirs, (one, other), targets = _pair(name, options)
    with kernels.use(rung):
        for step in range(50):
            _step(ta, ours, one, targets[0])
            _step(torch, theirs, other, targets[1])
            for p, q in zip(ours, theirs):
                np.testing.assert_allclose(p.data, q.detach().numpy(), rtol=1e-10, atol=1e-10, err_msg=f"step {step}")


@pytest.mark.parametrize("rung", kernels.HOST_RUNGS)
@pytest.mark.parametrize("name", COMBINATIONS)
def test_options_in_all_combinations(name, rung):
    """Several shapes, a step of the rate at every fifth step, and steps at which a parameter has no gradient."""
    with kernels.use(rung):
        for options in COMBINATIONS[name]:
            ours, theirs = T.parameter_pairs(T.SHAPES.get(name, [(7,), (5, 3), (2, 3, 4), (), (17_000,)][:4 if rung == "reference" else 5]))
            one, other = getattr(ta.optim, name)(ours, **options), getattr(torch.optim, name)(theirs, **options)
            plans = ours_lr.StepLR(one, 5, 0.7), their_lr.StepLR(other, 5, 0.7)
            T.descend(ours, theirs, one, other, 50, 1e-12, plans=plans)


@pytest.mark.parametrize("rung", kernels.HOST_RUNGS)
@pytest.mark.parametrize("name", T.OPTIMIZERS)
def test_the_samples_of_pytorchs_developers(name, rung):
    with kernels.use(rung):
        for sample in T.optimizer_samples(T.OPTIMIZERS[name]):
            assert T.check_optimizer(T.OPTIMIZERS[name], sample) == {"values"}


@pytest.mark.parametrize("name", T.OPTIMIZERS)
def test_what_pytorch_refuses_is_refused(name):
    info, tried = T.OPTIMIZERS[name], 0
    for bad in info.optim_error_inputs_func("cpu", torch.float64):
        try:
            assert T.optimizer_is_answered(info, bad) == ""
            tried += 1
        except T.OutOfScope as reason:
            assert "complex" in str(reason)
    assert tried >= 7


@pytest.mark.parametrize("name, options", [("SGD", dict(lr=0.01, momentum=0.9)), ("Adam", dict(amsgrad=True)), ("AdamW", dict(lr=0.01)),
                                           ("RMSprop", dict(momentum=0.5, centered=True)), ("Muon", {})])
def test_float32(name, options):
    ours, theirs = T.parameter_pairs([(5, 3), (40, 7)])
    ours, theirs = [ta.nn.Parameter(p.data.astype(np.float32)) for p in ours], [torch.nn.Parameter(q.detach().float()) for q in theirs]
    one, other = getattr(ta.optim, name)(ours, **options), getattr(torch.optim, name)(theirs, **options)
    random = np.random.default_rng(0)
    with T.mock.patch("torch.optim._muon._zeropower_via_newtonschulz", lambda *a: T.newton_schulz(*a).float()):
        for _ in range(50):
            for p, q in zip(ours, theirs):
                slope = random.normal(size=p.shape).astype(np.float32)
                p.grad, q.grad = ta.Tensor(slope), torch.from_numpy(slope.copy())
            one.step()
            other.step()
    for p, q in zip(ours, theirs):
        assert p.dtype == np.float32
        np.testing.assert_allclose(p.data, q.detach().numpy(), rtol=2e-5, atol=2e-5)


def test_muon_differs_from_pytorchs_by_its_bfloat16_alone():
    """One step of lr 1 without decay is the orthogonal matrix itself: two digits in common, and more than bfloat16 has not."""
    ours, theirs = T.parameter_pairs([(20, 12), (9, 30)])
    options = dict(lr=1.0, weight_decay=0.0)
    one, other = ta.optim.Muon(ours, **options), torch.optim.Muon(theirs, **options)
    random = np.random.default_rng(0)
    for p, q in zip(ours, theirs):
        slope = random.normal(size=p.shape)
        p.grad, q.grad = ta.Tensor(slope), torch.from_numpy(slope)
    one.step()
    other.step()
    for p, q in zip(ours, theirs):
        error = np.abs(p.data - q.detach().numpy()).max()
        assert 1e-6 < error < 0.03


@pytest.mark.parametrize("rung", kernels.HOST_RUNGS)
@pytest.mark.parametrize("options", [dict(lr=0.01), dict(lr=0.01, betas=(0.5, 0.8), weight_decay=0.3), dict(lr=0.01, maximize=True, weight_decay=0.1)])
def test_lion_is_the_papers(options, rung):
    """Algorithm 2 of arXiv:2302.06675, written with torch's tensors."""
    ours, theirs = T.parameter_pairs([(7,), (5, 3), (2, 3, 4), (), (17_000,)])
    optimizer, memory = ta.optim.Lion(ours, **options), [torch.zeros_like(q) for q in theirs]
    b1, b2 = options.get("betas", (0.9, 0.99))
    random = np.random.default_rng(0)
    with kernels.use(rung), torch.no_grad():
        for _ in range(50):
            for p, q, m in zip(ours, theirs, memory):
                slope = np.asarray(random.normal(size=p.shape))
                p.grad, g = ta.Tensor(slope), torch.from_numpy(slope)
                g = -g if options.get("maximize") else g
                q -= options["lr"] * (torch.sign(b1 * m + (1 - b1) * g) + options.get("weight_decay", 0) * q)
                m.copy_(b2 * m + (1 - b2) * g)
            optimizer.step()
    for p, q in zip(ours, theirs):
        np.testing.assert_allclose(p.data, q.detach().numpy(), rtol=1e-12, atol=1e-12)


@pytest.mark.parametrize("case", ["SGD nesterov decay", "AdamW decay", "AdamW amsgrad", "RMSprop all"])
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


@pytest.mark.parametrize("name, options", [("SGD", dict(lr=0.05)), ("SGD", dict(lr=0.05, momentum=0.9)), ("Adam", dict(amsgrad=True)), ("AdamW", {}),
                                           ("RMSprop", dict(momentum=0.5, centered=True)), ("Muon", {})])
def test_pytorchs_state_goes_on_here(name, options):
    ours, theirs = T.parameter_pairs([(5, 3), (4, 6)])
    one, other = getattr(ta.optim, name)(ours), getattr(torch.optim, name)(theirs, **options)
    twins = [ta.nn.Parameter(p.data.copy()) for p in ours]
    T.descend(twins, theirs, getattr(ta.optim, name)(twins, **options), other, 10, 1e-12)
    for p, q in zip(ours, theirs):
        p.data[...] = q.detach().numpy()
    one.load_state_dict(other.state_dict())
    T.descend(ours, theirs, one, other, 20, 1e-12, seed=2)


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


# --- schedules --------------------------------------------------------------------------------------------------------

@pytest.mark.parametrize("name", ["SGD", "AdamW"])
@pytest.mark.parametrize("case", SCHEDULES)
def test_schedules_over_50_steps(case, name):
    ours, theirs, (one, other), targets = _pair(name, dict(lr=0.05, momentum=0.9) if name == "SGD" else dict(lr=0.05))
    first, second = SCHEDULES[case](ours_lr, one), SCHEDULES[case](their_lr, other)
    for step in range(50):
        assert first.get_last_lr() == pytest.approx(second.get_last_lr(), rel=1e-10, abs=1e-14), step
        assert first.get_last_lr() == [g["lr"] for g in one.param_groups]
        for g, h in zip(one.param_groups, other.param_groups):
            if name == "SGD":
                assert g["momentum"] == pytest.approx(h["momentum"], rel=1e-12), step
            else:
                assert g["betas"] == pytest.approx(h["betas"], rel=1e-12), step
        assert getattr(second, "last_epoch", step) == first.last_epoch == step
        _step(ta, ours, one, targets[0])
        _step(torch, theirs, other, targets[1])
        first.step()
        second.step()
    assert first.get_last_lr() == pytest.approx(second.get_last_lr(), rel=1e-10, abs=1e-14)
    for p, q in zip(ours, theirs):
        np.testing.assert_allclose(p.data, q.detach().numpy(), rtol=1e-9, atol=1e-9)


@pytest.mark.parametrize("make", [lambda m, o: [m.LinearLR(o, 0.1, total_iters=6), m.CosineAnnealingLR(o, 30, 0.001)],
                                  lambda m, o: [m.StepLR(o, 4), m.ExponentialLR(o, 0.9), m.ConstantLR(o, 0.5, 10)]])
def test_two_schedules_at_once_and_a_rate_changed_by_hand(make):
    _, _, (one, other), _ = _pair("SGD", dict(lr=0.05))
    mine, others = make(ours_lr, one), make(their_lr, other)
    for step in range(29):
        assert [g["lr"] for g in one.param_groups] == pytest.approx([g["lr"] for g in other.param_groups], rel=1e-9, abs=1e-14), step
        if step == 15:
            for group in one.param_groups + other.param_groups:
                group["lr"] *= 3
        one.step()
        other.step()
        for plan in mine + others:
            plan.step()


def test_warm_restarts_at_fractions_of_an_epoch():
    _, _, (one, other), _ = _pair("SGD", dict(lr=0.05))
    first, second = (m.CosineAnnealingWarmRestarts(o, 3, 2) for m, o in ((ours_lr, one), (their_lr, other)))
    for i in range(100):
        first.step(i / 7)
        second.step(i / 7)
        assert first.get_last_lr() == pytest.approx(second.get_last_lr(), rel=1e-9, abs=1e-14) and first.last_epoch == second.last_epoch
    for _ in range(5):
        first.step()
        second.step()
        assert first.get_last_lr() == pytest.approx(second.get_last_lr(), rel=1e-9, abs=1e-14) and first.last_epoch == second.last_epoch


@pytest.mark.parametrize("options", [{}, dict(mode="max", threshold=0.1), dict(threshold_mode="abs", threshold=0.3, patience=2, cooldown=3),
                                     dict(mode="max", threshold_mode="abs", factor=0.5, patience=0, min_lr=[0.001, 0.002])])
def test_the_plateau_is_found_where_pytorch_finds_it(options):
    _, _, (one, other), _ = _pair("SGD", dict(lr=0.05))
    first, second = ours_lr.ReduceLROnPlateau(one, **options), their_lr.ReduceLROnPlateau(other, **options)
    random = np.random.default_rng(0)
    for step in range(80):
        loss = float(np.exp(-step / 20) + 0.2 * random.normal())
        first.step(loss)
        second.step(loss)
        assert first.get_last_lr() == pytest.approx(second.get_last_lr(), rel=1e-12)
        assert first.num_bad_epochs == second.num_bad_epochs and first.best == second.best
    assert first.get_last_lr()[0] < 0.05


# --- clipping ---------------------------------------------------------------------------------------------------------

def _with_gradients(dtype=np.float64, scale=1.0):
    ours, theirs = T.parameter_pairs([(7,), (5, 3), (), (2, 3, 4, 5), (30_000,), (2,)])
    random = np.random.default_rng(0)
    for p, q in zip(ours[:-1], theirs):
        p.data, q.data = p.data.astype(dtype), q.data.to(T.torch.from_numpy(np.zeros(0, dtype)).dtype)
        slope = np.asarray(random.normal(size=p.shape) * scale, dtype)
        p.grad, q.grad = ta.Tensor(slope), torch.from_numpy(slope.copy())
    ours[3].grad = ta.Tensor(np.ascontiguousarray(ours[3].grad.data.transpose(0, 2, 3, 1)).transpose(0, 3, 1, 2))
    ours[1].grad = ta.Tensor(np.asfortranarray(ours[1].grad.data))
    return ours, theirs  # the last has no gradient


@pytest.mark.parametrize("rung", kernels.HOST_RUNGS)
@pytest.mark.parametrize("dtype, tolerance", [(np.float64, 1e-13), (np.float32, 2e-5)])
@pytest.mark.parametrize("order", [2.0, 1, 3, 0.5, float("inf"), "inf", 0, float("-inf")])
def test_clip_grad_norm(order, dtype, tolerance, rung):
    for most in (0.37, 1e9):
        ours, theirs = _with_gradients(dtype)
        with kernels.use(rung):
            total = ta.nn.utils.clip_grad_norm_((p for p in ours), most, order)
        expected = torch.nn.utils.clip_grad_norm_(theirs, most, order, foreach=False)
        assert total.shape == () and total.dtype == dtype and not total.requires_grad
        assert total.item() == pytest.approx(expected.item(), rel=tolerance)
        for p, q in zip(ours, theirs):
            assert (p.grad is None) == (q.grad is None)
            if q.grad is not None:
                np.testing.assert_allclose(p.grad.data, q.grad.numpy(), rtol=tolerance, atol=tolerance * most)


@pytest.mark.parametrize("rung", kernels.HOST_RUNGS)
def test_clip_grad_value_and_single_tensors(rung):
    with kernels.use(rung):
        ours, theirs = _with_gradients()
        ours[0].grad.data[2] = theirs[0].grad[2] = float("nan")
        ta.nn.utils.clip_grad_value_(ours, 0.4)
        torch.nn.utils.clip_grad_value_(theirs, 0.4)
        for p, q in zip(ours[:-1], theirs):
            np.testing.assert_array_equal(p.grad.data, q.grad.numpy())
        total, expected = ta.nn.utils.clip_grad_norm_(ours, 1.0), torch.nn.utils.clip_grad_norm_(theirs, 1.0)
        assert np.isnan(total.item()) and np.isnan(expected.item()) and np.isnan(ours[1].grad.data).all() and theirs[1].grad.isnan().all()
        ours, theirs = _with_gradients()
        assert ta.nn.utils.clip_grad_norm_(ours[1], 0.1).item() == pytest.approx(torch.nn.utils.clip_grad_norm_(theirs[1], 0.1).item(), rel=1e-13)
        np.testing.assert_allclose(ours[1].grad.data, theirs[1].grad.numpy(), rtol=1e-13)
        ta.nn.utils.clip_grads_with_norm_(ours[0], 0.1, ta.tensor(5.0))
        torch.nn.utils.clip_grads_with_norm_(theirs[0], 0.1, torch.tensor(5.0, dtype=torch.float64))
        np.testing.assert_allclose(ours[0].grad.data, theirs[0].grad.numpy(), rtol=1e-13)
        assert ta.nn.utils.get_total_norm([]).item() == 0 and ta.nn.utils.clip_grad_norm_([], 1).item() == 0
        mixed = [np.ones(3, np.float32), np.ones(2)]
        assert ta.nn.utils.get_total_norm([ta.Tensor(x) for x in mixed]).dtype == np.float64


def test_one_vector():
    net = ta.nn.Sequential(ta.nn.Linear(3, 4), ta.nn.Linear(4, 2))
    other = torch.nn.Sequential(torch.nn.Linear(3, 4), torch.nn.Linear(4, 2))
    other.load_state_dict({k: torch.from_numpy(v.numpy().copy()) for k, v in net.state_dict().items()})
    vector, expected = ta.nn.utils.parameters_to_vector(net.parameters()), torch.nn.utils.parameters_to_vector(other.parameters())
    np.testing.assert_array_equal(vector.data, expected.detach().numpy())
    (vector * vector).sum().backward()
    np.testing.assert_allclose(net[0].weight.grad.data, 2 * net[0].weight.data)
    ta.nn.utils.vector_to_parameters(vector.detach() * 2, net.parameters())
    torch.nn.utils.vector_to_parameters(expected.detach() * 2, other.parameters())
    for p, q in zip(net.parameters(), other.parameters()):
        np.testing.assert_array_equal(p.data, q.detach().numpy())


# --- averages ---------------------------------------------------------------------------------------------------------

AVERAGES = {
    "mean": lambda s: {},
    "mean, avg_fn": lambda s: dict(avg_fn=s.get_swa_avg_fn()),
    "mean, multi_avg_fn": lambda s: dict(multi_avg_fn=s.get_swa_multi_avg_fn()),
    "exponential": lambda s: dict(multi_avg_fn=s.get_ema_multi_avg_fn(0.9)),
    "exponential, avg_fn": lambda s: dict(avg_fn=s.get_ema_avg_fn(0.9)),
    "exponential, buffers": lambda s: dict(multi_avg_fn=s.get_ema_multi_avg_fn(0.7), use_buffers=True),
    "own": lambda s: dict(avg_fn=lambda a, x, n: 0.3 * a + 0.7 * x),
}


@pytest.mark.parametrize("case", AVERAGES)
def test_averaged_models(case):
    tolerance = 1e-7 if case == "mean, multi_avg_fn" else 1e-11      # PyTorch divides 1 by (n + 1) in float32 there
    ta.manual_seed(0)
    net = ta.nn.Sequential(ta.nn.Linear(3, 4), ta.nn.BatchNorm1d(4), ta.nn.Linear(4, 2)).double()
    other = torch.nn.Sequential(torch.nn.Linear(3, 4), torch.nn.BatchNorm1d(4), torch.nn.Linear(4, 2)).double()
    other.load_state_dict({k: torch.from_numpy(np.array(v.data)) for k, v in net.state_dict().items()})
    ours = ta.optim.swa_utils.AveragedModel(net, **AVERAGES[case](ta.optim.swa_utils))
    theirs = torch.optim.swa_utils.AveragedModel(other, **AVERAGES[case](torch.optim.swa_utils))
    one, two = ta.optim.SGD(net.parameters(), lr=0.1), torch.optim.SGD(other.parameters(), lr=0.1)
    random = np.random.default_rng(0)
    batches = [random.normal(size=(6, 3)) for _ in range(12)]
    for x in batches:
        for library, model, optimizer in ((ta.Tensor, net, one), (torch.from_numpy, other, two)):
            optimizer.zero_grad()
            (model(library(x)) ** 2).mean().backward()
            optimizer.step()
        ours.update_parameters(net)
        theirs.update_parameters(other)
        assert list(ours.state_dict()) == list(theirs.state_dict())
        for k, v in theirs.state_dict().items():
            np.testing.assert_allclose(ours.state_dict()[k].data, v.numpy(), rtol=tolerance, atol=tolerance, err_msg=k)
    ours.eval()
    ta.optim.swa_utils.update_bn([(ta.Tensor(x), 0) for x in batches], ours)
    torch.optim.swa_utils.update_bn([torch.from_numpy(x) for x in batches], theirs)
    assert not ours.module[1].training and ours.module[1].momentum == 0.1
    for k, v in theirs.state_dict().items():
        np.testing.assert_allclose(ours.state_dict()[k].data, v.numpy(), rtol=tolerance, atol=tolerance, err_msg=k)
    np.testing.assert_allclose(ours(ta.Tensor(batches[0])).data, theirs.eval()(torch.from_numpy(batches[0])).detach().numpy(), rtol=10 * tolerance)
