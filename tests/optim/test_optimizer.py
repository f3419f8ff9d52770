"""Optimizers and schedules: steps by hand, groups, what is refused, and states that go on to the bit."""
import copy
import json
import math
import pickle

import numpy as np
import pytest

import tinyattn as ta
from tinyattn import kernels, nn, optim

MAKERS = {
    "SGD": lambda ps: optim.SGD(ps, lr=0.1),
    "momentum": lambda ps: optim.SGD(ps, lr=0.1, momentum=0.9, dampening=0.2, weight_decay=0.01),
    "Nesterov": lambda ps: optim.SGD(ps, lr=0.1, momentum=0.9, nesterov=True),
    "Adam": lambda ps: optim.Adam(ps, lr=0.05, betas=(0.8, 0.9), eps=1e-6, weight_decay=0.01),
    "AdamW": lambda ps: optim.AdamW(ps, lr=0.05, weight_decay=0.1),
    "AMSGrad": lambda ps: optim.Adam(ps, lr=0.05, betas=(0.9, 0.9), amsgrad=True),
    "RMSprop": lambda ps: optim.RMSprop(ps, lr=0.05, alpha=0.9, weight_decay=0.01, momentum=0.5, centered=True),
    "Lion": lambda ps: optim.Lion(ps, lr=0.01, weight_decay=0.1),
}
SCHEDULES = {
    "ConstantLR": lambda o: optim.ConstantLR(o),
    "LinearLR": lambda o: optim.LinearLR(o, 0.25, total_iters=4),
    "ExponentialLR": lambda o: optim.ExponentialLR(o, 0.9),
    "MultiStepLR": lambda o: optim.MultiStepLR(o, [2, 6, 6]),
    "PolynomialLR": lambda o: optim.PolynomialLR(o, 8, 2.0),
    "CosineAnnealingWarmRestarts": lambda o: optim.CosineAnnealingWarmRestarts(o, 2, 2),
    "SequentialLR": lambda o: optim.SequentialLR(o, [optim.LinearLR(o), optim.ExponentialLR(o, 0.8), optim.StepLR(o, 2)], [3, 6]),
    "ChainedScheduler": lambda o: optim.ChainedScheduler([optim.ConstantLR(o), optim.ExponentialLR(o, 0.8)]),
    "LambdaLR": lambda o: optim.LambdaLR(o, lambda t: 1 / (1 + t)),
    "StepLR": lambda o: optim.StepLR(o, 3, gamma=0.5),
    "CosineAnnealingLR": lambda o: optim.CosineAnnealingLR(o, 12, eta_min=0.001),
    "OneCycleLR": lambda o: optim.OneCycleLR(o, 0.3, 12, cycle_momentum=False),
    "LinearWarmupCosine": lambda o: optim.LinearWarmupCosine(o, 12, 4),
}


@pytest.fixture(autouse=True)
def plain_kernels():
    with kernels.use("reference"):
        yield


def parameters(dtype=np.float32):
    rng = np.random.default_rng(0)
    return [nn.Parameter(rng.normal(size=shape).astype(dtype)) for shape in ((3, 2), (4,), ())]


def step(optimizer, ps, t=0, power=4):
    """One step down Σ (p − t)ⁿ / n, whose gradient is (p − t)ⁿ⁻¹."""
    optimizer.zero_grad()
    sum(((p - t) ** power).sum() / power for p in ps).backward()
    optimizer.step()


def by_hand(name, p, steps):
    """The textbook's rule for `steps` steps, in float64."""
    m = v = w = b = np.zeros_like(p)
    for t in range(1, steps + 1):
        g = p ** 3
        if name in ("SGD", "momentum", "Nesterov"):
            mu, tau, decay = {"SGD": (0, 0, 0), "momentum": (0.9, 0.2, 0.01), "Nesterov": (0.9, 0, 0)}[name]
            g = g + decay * p
            m = g if t == 1 else mu * m + (1 - tau) * g
            p = p - 0.1 * (g if mu == 0 else g + mu * m if name == "Nesterov" else m)
        elif name == "RMSprop":
            g = g + 0.01 * p
            v, m = 0.9 * v + 0.1 * g * g, 0.9 * m + 0.1 * g
            b = 0.5 * b + g / (np.sqrt(v - m * m) + 1e-8)
            p = p - 0.05 * b
        elif name == "Lion":
            c, m = 0.9 * m + 0.1 * g, 0.99 * m + 0.01 * g
            p = p - 0.01 * (np.sign(c) + 0.1 * p)
        else:
            (b1, b2), eps, decay = {"Adam": ((0.8, 0.9), 1e-6, 0.01), "AdamW": ((0.9, 0.999), 1e-8, 0.1), "AMSGrad": ((0.9, 0.9), 1e-8, 0)}[name]
            if name == "Adam":
                g = g + decay * p
            else:
                p = p - 0.05 * decay * p
            m, v = b1 * m + (1 - b1) * g, b2 * v + (1 - b2) * g * g
            w = np.maximum(v, w) if name == "AMSGrad" else v
            p = p - 0.05 * (m / (1 - b1 ** t)) / (np.sqrt(w / (1 - b2 ** t)) + eps)
    return p


@pytest.mark.parametrize("name", MAKERS)
def test_steps_are_the_textbooks(name):
    ps = parameters(np.float64)
    expected = [by_hand(name, p.data.copy(), 7) for p in ps]
    optimizer = MAKERS[name](ps)
    for _ in range(7):
        step(optimizer, ps)
    for p, right in zip(ps, expected):
        np.testing.assert_allclose(p.data, right, rtol=1e-12, atol=1e-14)


# --- groups -----------------------------------------------------------------------------------------------------------

def test_groups_have_options_of_their_own():
    a, b, c = parameters(np.float64)
    start = [p.data.copy() for p in (a, b, c)]
    optimizer = optim.SGD([{"params": [a]}, {"params": b, "lr": 0.0}], lr=0.5)        # one tensor alone will do
    optimizer.add_param_group({"params": (p for p in [c]), "lr": 0.25, "weight_decay": 1.0})
    assert [g["lr"] for g in optimizer.param_groups] == [0.5, 0.0, 0.25] and optimizer.param_groups[0]["weight_decay"] == 0.0
    step(optimizer, [a, b, c])
    np.testing.assert_allclose(a.data, start[0] - 0.5 * start[0] ** 3)
    np.testing.assert_array_equal(b.data, start[1])
    np.testing.assert_allclose(c.data, start[2] - 0.25 * (start[2] ** 3 + start[2]))
    optimizer.param_groups[1]["lr"] = 1.0                                            # may be changed at any time
    step(optimizer, [a, b, c])
    np.testing.assert_allclose(b.data, start[1] - start[1] ** 3)
    assert "group 2: 1 tensors, lr=0.25" in repr(optimizer)


def test_only_parameters_with_a_gradient_move():
    a, b, c = parameters()
    optimizer = optim.AdamW([a, b, c], lr=0.1, weight_decay=0.5)
    before = b.data.copy()
    (a * a).sum().backward()
    optimizer.step()
    assert np.array_equal(b.data, before) and b not in optimizer.state and optimizer.state[a]["step"].tolist() == [1]
    optimizer.zero_grad()
    assert a.grad is None
    optimizer.step()                                                                 # nothing to do
    assert optimizer.state[a]["step"].tolist() == [1]
    c.requires_grad_(False)                                                          # frozen: stays where it is
    before = c.data.copy()
    (a * a).sum().backward()
    optimizer.step()
    assert c.data == before


def test_gradients_add_up_until_they_are_forgotten():
    (a, _, _), (twin, _, _) = parameters(np.float64), parameters(np.float64)
    (a * a).sum().backward()
    (3 * a).sum().backward()
    optim.SGD([a], lr=0.1).step()
    np.testing.assert_allclose(a.data, twin.data - 0.1 * (2 * twin.data + 3))


def test_a_step_is_noticed_by_the_tape():
    a, _, _ = parameters()
    y = (a * a).sum()
    y.backward(retain_graph=True)
    optim.SGD([a], lr=0.1).step()
    with pytest.raises(RuntimeError, match="changed in place"):
        y.backward()


def test_gradients_that_do_not_fit_are_refused():
    a, _, _ = parameters()
    optimizer = optim.SGD([a], lr=0.1)
    for wrong, words in ((ta.zeros(2, 3), r"shape \(3, 2\), its gradient float32 of shape \(2, 3\)"),
                         (ta.zeros(3, 2, dtype=np.float64), "its gradient float64")):
        a.grad = wrong
        before = a.data.copy()
        with pytest.raises(ValueError, match=words):
            optimizer.step()
        assert np.array_equal(a.data, before)


def test_a_closure_computes_the_loss():
    a, _, _ = parameters(np.float64)
    optimizer, calls = optim.SGD([a], lr=0.1), []

    def closure():
        optimizer.zero_grad()
        loss = (a * a).sum()
        loss.backward()
        calls.append(loss)
        return loss
    before = a.data.copy()
    with ta.no_grad():                                                               # the closure records all the same
        assert optimizer.step(closure) is calls[0] and len(calls) == 1
    np.testing.assert_allclose(a.data, 0.8 * before)
    assert optimizer.step() is None


def test_gradients_can_stay_as_zeros():
    a, b, _ = parameters()
    optimizer = optim.SGD([a, b], lr=0.1)
    (a * a).sum().backward(create_graph=True)
    kept = a.grad.data
    optimizer.zero_grad(set_to_none=False)
    assert a.grad.data is kept and not kept.any() and a.grad.is_leaf and b.grad is None
    optimizer.zero_grad()
    assert a.grad is None


def test_parameters_may_have_names():
    net = nn.Linear(3, 2)
    optimizer = optim.AdamW(net.named_parameters())
    assert optimizer.param_groups[0]["param_names"] == ["weight", "bias"] and optimizer.param_groups[0]["params"][0] is net.weight
    state = json.loads(json.dumps(optimizer.state_dict()))
    assert state["param_groups"][0]["param_names"] == ["weight", "bias"]
    optimizer.load_state_dict(state)
    optim.AdamW(net.parameters()).load_state_dict(state)                             # by their order, as PyTorch
    with pytest.raises(ValueError, match="some parameter groups have names and some have none"):
        optimizer.add_param_group({"params": [nn.Parameter([1.0])]})
    with pytest.raises(ValueError, match="1 of 2 parameters have names"):
        optim.SGD([("a", nn.Parameter([1.0])), nn.Parameter([1.0])])


def test_muon_makes_the_step_orthogonal():
    """From the singular values 3 and 4 of a gradient, the rounds of (2, −1.5, 0.5) make 1 and 1: a step of lr along U·Vᵀ."""
    turn = np.array([[0.6, -0.8], [0.8, 0.6]])
    p = nn.Parameter(np.zeros((2, 2)))
    p.grad = ta.Tensor(turn @ np.diag([3.0, 4.0]))
    optim.Muon([p], lr=0.1, weight_decay=0.0, ns_coefficients=(2.0, -1.5, 0.5), ns_steps=12).step()
    np.testing.assert_allclose(p.data, -0.1 * turn, atol=1e-12)


def test_a_steady_gradient_does_not_break_rmsprop():
    """v − a² is 0 then, up to rounding, which makes it negative for some of a thousand numbers."""
    p, slope = nn.Parameter(np.ones(1000, np.float32)), np.random.default_rng(0).normal(size=1000).astype(np.float32)
    optimizer = optim.RMSprop([p], lr=1e-9, alpha=0.5, centered=True)
    for _ in range(60):
        p.grad = ta.Tensor(slope)
        optimizer.step()
    state = optimizer.state[p]
    assert (state["square_avg"] < state["grad_avg"] ** 2).any() and np.isfinite(p.data).all()


# --- states -----------------------------------------------------------------------------------------------------------

def run(optimizer, schedule, ps, steps, first=0):
    for t in range(first, first + steps):
        step(optimizer, ps, math.sin(t), power=2)
        schedule.step()


@pytest.mark.parametrize("schedule", SCHEDULES)
@pytest.mark.parametrize("name", MAKERS)
def test_a_state_goes_on_to_the_bit(name, schedule):
    """Five steps, saved as JSON would, loaded into new objects with other options, five more: the bits of ten."""
    ps = parameters()
    optimizer = MAKERS[name](ps)
    plan = SCHEDULES[schedule](optimizer)
    run(optimizer, plan, ps, 5)
    copies = [nn.Parameter(p.data.copy()) for p in ps]
    state = optimizer.state_dict()
    assert set(state["param_groups"][0]["params"]) == {0, 1, 2} and set(state["state"]) == {0, 1, 2}
    state["plan"] = plan.state_dict()
    run(optimizer, plan, ps, 5, 5)                                                   # the state is a copy, not a view
    state["state"] = {i: {k: v.tolist() for k, v in slots.items()} for i, slots in state["state"].items()}
    loaded = json.loads(json.dumps(state))                                           # keys become strings, tuples lists
    other = type(optimizer)(copies, lr=7.0)          # the state brings the options along
    again = SCHEDULES[schedule](other)
    other.load_state_dict({k: loaded[k] for k in ("state", "param_groups")})
    again.load_state_dict(loaded["plan"])
    run(other, again, copies, 5, 5)
    for p, q in zip(ps, copies):
        assert np.array_equal(p.data, q.data) and p.data.dtype == q.data.dtype
    assert again.get_last_lr() == plan.get_last_lr() and again.last_epoch == 10


@pytest.mark.parametrize("how", [copy.deepcopy, lambda x: pickle.loads(pickle.dumps(x))], ids=["copy", "pickle"])
def test_a_copy_with_its_parameters_goes_on(how):
    ps = parameters()
    optimizer = optim.AdamW(ps)
    step(optimizer, ps)
    twins, other = how((ps, optimizer))
    step(optimizer, ps)
    step(other, twins)
    assert all(np.array_equal(p.data, q.data) for p, q in zip(ps, twins)) and other.state[twins[0]]["step"].tolist() == [2]


def test_states_that_do_not_fit_change_nothing():
    ps = parameters()
    optimizer = optim.Adam(ps, lr=0.5)
    step(optimizer, ps)
    good = optimizer.state_dict()

    def broken(**changes):
        state = copy.deepcopy(good)
        state.update(changes)
        return state

    slots = good["state"]
    wrong = [
        ({}, "expected a dict with"), (None, "expected a dict with"), (optim.SGD(ps, momentum=0.9).state_dict(), "is it another optimizer's?"),
        (optim.Adam(ps[:2]).state_dict(), r"groups of \[2\] parameters, expected \[3\]"),
        (broken(state={7: slots[0]}), "the state is of parameter 7, expected 0 to 2"),
        (broken(state={0: {"step": 1}, 1: {"exp_avg": 1}}), "holds .'exp_avg'., expected"),
        (broken(state={0: {**slots[0], "momentum_buffer": slots[0]["exp_avg"]}}), "is it another optimizer's?"),
        (broken(state={0: slots[1]}), "exp_avg of parameter 0 has 4 elements, expected 6"),
        (broken(param_groups=[{**good["param_groups"][0], "lr": -1.0}]), "lr must be at least 0, got -1"),
        (broken(state={0: {"step": 1, "exp_avg": "a"}}), "exp_avg of parameter 0 is no array of numbers"),
        (broken(state=[slots]), "\"state\" must be a dict"), (broken(param_groups={0: 1}), "\"param_groups\" must be a list of dicts"),
        (broken(state={1: slots[0]}), "exp_avg of parameter 1 has 6 elements, expected 4"),
    ]
    for state, words in wrong:
        with pytest.raises(ValueError, match=words):
            optimizer.load_state_dict(state)
        now = optimizer.state_dict()
        assert now["param_groups"] == good["param_groups"]
        assert all(np.array_equal(now["state"][i][k], slots[i][k]) for i in slots for k in slots[i])
    plan = optim.StepLR(optimizer, 2)
    for state in ({}, {"last_epoch": 1}, {"last_epoch": 1, "base_lrs": [1.0, 2.0]}):
        with pytest.raises(ValueError, match="expected \"last_epoch\" and the \"base_lrs\" of 1 parameter groups"):
            plan.load_state_dict(state)


def test_a_converted_model_goes_on():
    net = nn.Linear(3, 2)
    optimizer = optim.AdamW(net.parameters(), lr=0.01)
    x = ta.ones(1, 3)
    (net(x) ** 2).sum().backward()
    optimizer.step()
    net.double()
    optimizer.step()                                                                 # the gradient was converted too
    assert optimizer.state[net.weight]["exp_avg"].dtype == np.float64 and optimizer.state[net.weight]["step"].tolist() == [2]
    assert net.weight.dtype == np.float64


# --- schedules --------------------------------------------------------------------------------------------------------

@pytest.mark.parametrize("name, expected", [
    ("StepLR", [0.1] * 3 + [0.05] * 3 + [0.025] * 3), ("ConstantLR", [0.1 / 3] * 5 + [0.1] * 4), ("LambdaLR", [0.1 / (1 + t) for t in range(9)]),
    ("CosineAnnealingLR", [0.001 + 0.099 * (1 + math.cos(math.pi * t / 12)) / 2 for t in range(9)]),
    ("LinearWarmupCosine", [0.02, 0.04, 0.06, 0.08] + [0.1 * (1 + math.cos(math.pi * t / 8)) / 2 for t in range(5)]),
])
def test_rates(name, expected):
    ps = parameters()
    optimizer = optim.SGD([{"params": ps[:1]}, {"params": ps[1:], "lr": 0.2}], lr=0.1)
    plan = SCHEDULES[name](optimizer)
    rates = []
    for _ in expected:
        rates.append(plan.get_last_lr())
        plan.step()
    assert [r[0] for r in rates] == pytest.approx(expected, rel=1e-12)
    if name != "CosineAnnealingLR":                                                  # there eta_min is the same for both
        assert [r[1] for r in rates] == pytest.approx([2 * e for e in expected], rel=1e-12)


def test_one_cycle_rises_and_falls():
    optimizer = optim.SGD(parameters(), lr=123.0)
    plan = optim.OneCycleLR(optimizer, 0.5, total_steps=100, pct_start=0.25, div_factor=10, final_div_factor=100, cycle_momentum=False)
    rates = []
    for _ in range(100):
        rates.append(plan.get_last_lr()[0])
        plan.step()
    assert optimizer.param_groups[0]["momentum"] == 0 and rates[0] == pytest.approx(0.05) and max(rates) == rates[24] == pytest.approx(0.5) and rates[99] == pytest.approx(0.0005)
    assert all(np.diff(rates[:25]) > 0) and all(np.diff(rates[24:]) < 0)
    with pytest.raises(ValueError, match="step 101 is beyond the 100 steps"):
        plan.step()


def test_schedules_multiply_and_follow_a_rate_set_by_hand():
    optimizer = optim.SGD(parameters(), lr=0.5)
    one, two = optim.StepLR(optimizer, 2, 0.5), optim.ExponentialLR(optimizer, 0.9)
    rates = []
    for t in range(6):
        rates.append(optimizer.param_groups[0]["lr"])
        one.step()
        two.step()
    assert rates == pytest.approx([0.5 * 0.5 ** (t // 2) * 0.9 ** t for t in range(6)], rel=1e-12)
    optimizer.param_groups[0]["lr"] *= 10
    one.step()
    two.step()
    assert optimizer.param_groups[0]["lr"] == pytest.approx(5 * 0.5 ** 3 * 0.9 ** 7, rel=1e-12)


def test_sequences_nest():
    """A sequence in a sequence is the longer sequence. (PyTorch's inner one comes a step too early.)"""
    def flat(o):
        return optim.SequentialLR(o, [optim.ConstantLR(o, 0.5, 3), optim.LinearLR(o), optim.PolynomialLR(o, 30)], [4, 12])

    def deep(o):
        inner = optim.SequentialLR(o, [optim.ConstantLR(o, 0.5, 3), optim.LinearLR(o)], [4])
        return optim.SequentialLR(o, [inner, optim.PolynomialLR(o, 30)], [12])

    def other(o):
        return optim.SequentialLR(o, [optim.ConstantLR(o, 0.5, 3), optim.SequentialLR(o, [optim.LinearLR(o), optim.PolynomialLR(o, 30)], [8])], [4])
    rates = []
    for make in (flat, deep, other):
        plan = make(optim.SGD(parameters(), lr=1.0))
        rates.append([plan.get_last_lr()[0]])
        for _ in range(20):
            plan.step()
            rates[-1].append(plan.get_last_lr()[0])
    assert rates[0] == rates[1] == rates[2] and rates[0][:6] == [0.5, 0.5, 0.5, 1.0, 1 / 3, pytest.approx(1 / 3 + 2 / 15)] and rates[0][12] == 1


def test_the_rate_falls_when_the_loss_does_not():
    optimizer = optim.SGD(parameters(), lr=1.0)
    plan, rates = optim.ReduceLROnPlateau(optimizer, factor=0.5, patience=1, cooldown=1, min_lr=0.2), []
    for loss in (3.0, 2.0, ta.tensor(2.0), 2.0, 2.0, 2.0, 2.0, 1.0, float("nan"), 5.0, 5.0, 5.0, 5.0):
        plan.step(loss)
        rates.append(plan.get_last_lr()[0])
    assert rates == [1, 1, 1, 0.5, 0.5, 0.5, 0.25, 0.25, 0.25, 0.2, 0.2, 0.2, 0.2]
    other = optim.ReduceLROnPlateau(optimizer)
    other.load_state_dict(json.loads(json.dumps(plan.state_dict())))
    assert other.state_dict() == plan.state_dict()
    with pytest.raises(ValueError, match="expected .'best', 'cooldown_counter'"):
        other.load_state_dict({"best": 1})


def test_a_schedule_goes_on_after_a_step():
    optimizer = optim.SGD(parameters(), lr=0.5)
    first = optim.StepLR(optimizer, 3)
    for _ in range(4):
        first.step()
    again = optim.StepLR(optimizer, 3, last_epoch=4)
    first.step()
    assert again.last_epoch == 5 and again.get_last_lr() == first.get_last_lr() == [pytest.approx(0.05)]
    with pytest.raises(ValueError, match="must hold an \"initial_lr\""):
        optim.StepLR(optim.SGD(parameters()), 3, last_epoch=4)
