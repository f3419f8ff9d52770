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
}
SCHEDULES = {
    "ConstantLR": lambda o: optim.ConstantLR(o),
    "LambdaLR": lambda o: optim.LambdaLR(o, lambda t: 1 / (1 + t)),
    "StepLR": lambda o: optim.StepLR(o, 3, gamma=0.5),
    "CosineAnnealingLR": lambda o: optim.CosineAnnealingLR(o, 12, eta_min=0.001),
    "OneCycleLR": lambda o: optim.OneCycleLR(o, 0.3, 12),
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
    m = v = np.zeros_like(p)
    for t in range(1, steps + 1):
        g = p ** 3
        if name in ("SGD", "momentum", "Nesterov"):
            mu, tau, decay = {"SGD": (0, 0, 0), "momentum": (0.9, 0.2, 0.01), "Nesterov": (0.9, 0, 0)}[name]
            g = g + decay * p
            m = g if t == 1 else mu * m + (1 - tau) * g
            p = p - 0.1 * (g if mu == 0 else g + mu * m if name == "Nesterov" else m)
        else:
            (b1, b2), eps, decay = ((0.8, 0.9), 1e-6, 0.01) if name == "Adam" else ((0.9, 0.999), 1e-8, 0.1)
            if name == "Adam":
                g = g + decay * p
            else:
                p = p - 0.05 * decay * p
            m, v = b1 * m + (1 - b1) * g, b2 * v + (1 - b2) * g * g
            p = p - 0.05 * (m / (1 - b1 ** t)) / (np.sqrt(v / (1 - b2 ** t)) + eps)
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
    other = type(optimizer)(copies, lr=7.0)
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
    ("StepLR", [0.1] * 3 + [0.05] * 3 + [0.025] * 3), ("ConstantLR", [0.1] * 9), ("LambdaLR", [0.1 / (1 + t) for t in range(9)]),
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
    plan = optim.OneCycleLR(optimizer, 0.5, total_steps=100, pct_start=0.25, div_factor=10, final_div_factor=100)
    rates = []
    for _ in range(100):
        rates.append(plan.get_last_lr()[0])
        plan.step()
    assert rates[0] == pytest.approx(0.05) and max(rates) == rates[24] == pytest.approx(0.5) and rates[99] == pytest.approx(0.0005)
    assert all(np.diff(rates[:25]) > 0) and all(np.diff(rates[24:]) < 0)
    plan.step()
    assert plan.get_last_lr()[0] == pytest.approx(0.0005)                            # past the end it stays there
