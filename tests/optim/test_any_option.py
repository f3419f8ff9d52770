"""Any value for any option: optimizers, schedules, clipping and averages either work or say in our own words what they wanted."""
import inspect
import warnings

import numpy as np
import pytest
from answers import is_ours
from test_garbage import ANY

import tinyattn as ta
from tinyattn import kernels, nn, optim

U, S = nn.utils, optim.swa_utils


def p(*shape):
    made = nn.Parameter(np.ones(shape, np.float32))
    made.grad = ta.Tensor(np.ones(shape, np.float32))
    return made


def sgd():
    return optim.SGD([p(2, 3)], lr=0.1, momentum=0.5)


def step(kind):
    """Make an optimizer and take a step with it."""
    def call(*args, **options):
        made = kind(*args, **options)
        made.step()
        made.load_state_dict(made.state_dict())
    call.__signature__, call.__name__ = inspect.signature(kind), kind.__name__
    return call


def walk(kind):
    """Make a schedule and take a few steps."""
    def call(*args, **options):
        made = kind(*args, **options)
        for _ in range(3):
            made.step() if kind is not optim.ReduceLROnPlateau else made.step(1.0)
        made.load_state_dict(made.state_dict())
    call.__signature__, call.__name__ = inspect.signature(kind), kind.__name__
    return call


def method(name, make):
    """A method of what `make` makes, under the name of both."""
    def call(*args, **options):
        getattr(make(), name)(*args, **options)
    call.__signature__, call.__name__ = inspect.signature(getattr(make(), name)), f"{type(make()).__name__}.{name}"
    return call


def step_lr():
    return optim.StepLR(sgd(), 3)


CASES = [*((step(kind), lambda: [[p(2, 3)]]) for kind in (optim.SGD, optim.Adam, optim.AdamW, optim.RMSprop, optim.Lion, optim.Muon)),
         (walk(optim.StepLR), lambda: [sgd(), 3]), (walk(optim.MultiStepLR), lambda: [sgd(), [3]]), (walk(optim.ExponentialLR), lambda: [sgd(), 0.9]),
         (walk(optim.LambdaLR), lambda: [sgd(), lambda t: 0.5]), (walk(optim.CosineAnnealingLR), lambda: [sgd(), 3]),
         (walk(optim.LinearWarmupCosine), lambda: [sgd(), 9, 3]), (walk(optim.OneCycleLR), lambda: [sgd(), 0.1, 10]),
         (walk(optim.CosineAnnealingWarmRestarts), lambda: [sgd(), 3]),
         *((walk(kind), lambda: [sgd()]) for kind in (optim.ConstantLR, optim.LinearLR, optim.PolynomialLR, optim.ReduceLROnPlateau)),
         (walk(optim.SequentialLR), lambda: (lambda o: [o, [optim.StepLR(o, 3), optim.StepLR(o, 3)], [2]])(sgd())),
         (walk(optim.ChainedScheduler), lambda: [[step_lr()]]),
         (method("add_param_group", sgd), lambda: [{"params": [p(2)]}]), (method("step", sgd), lambda: [None]), (method("zero_grad", sgd), lambda: [True]),
         (method("load_state_dict", sgd), lambda: [sgd().state_dict()]), (method("load_state_dict", step_lr), lambda: [step_lr().state_dict()]),
         (method("step", lambda: optim.ReduceLROnPlateau(sgd())), lambda: [1.0]),
         (method("step", lambda: optim.CosineAnnealingWarmRestarts(sgd(), 3)), lambda: [1.0]),
         (method("load_state_dict", lambda: optim.ReduceLROnPlateau(sgd())), lambda: [optim.ReduceLROnPlateau(sgd()).state_dict()]),
         (U.clip_grad_norm_, lambda: [[p(2)], 1.0]), (U.clip_grad_value_, lambda: [[p(2)], 1.0]), (U.get_total_norm, lambda: [[p(2)]]),
         (U.clip_grads_with_norm_, lambda: [[p(2)], 1.0, 2.0]), (U.parameters_to_vector, lambda: [[p(2)]]),
         (U.vector_to_parameters, lambda: [ta.zeros(2), [p(2)]]), (S.AveragedModel, lambda: [nn.Linear(2, 2)]),
         (method("update_parameters", lambda: S.AveragedModel(nn.Linear(2, 2))), lambda: [nn.Linear(2, 2)]),
         (S.update_bn, lambda: [[], nn.BatchNorm1d(2)]), (S.get_ema_avg_fn, lambda: [0.5]), (S.get_ema_multi_avg_fn, lambda: [0.5])]


@pytest.mark.parametrize("call, right", CASES, ids=[call.__name__ for call, _ in CASES])
def test_no_bare_errors(call, right):
    bare, answered = [], 0
    names = [q.name for q in inspect.signature(call).parameters.values() if q.name != "self"]
    with kernels.use("reference"), warnings.catch_warnings():
        warnings.simplefilter("ignore")
        call(*right())
        for place, name in enumerate(names):
            for what, value in [*ANY.items(), ("a list of it", [{"params": 3}]), ("a dict", {"a": 1})]:
                args, options = right(), {}
                if place < len(args):
                    args[place] = value
                else:
                    options = {name: value}
                try:
                    call(*args, **options)
                except Exception as error:
                    answered += 1
                    if not is_ours(error):
                        bare.append(f"{name} is {what}: {type(error).__name__}: {str(error)[:90]}")
    assert not bare, f"{len(bare)} bare errors of {call.__name__}, such as\n" + "\n".join(bare[:12])
    assert answered >= 3 or "zero_grad" in call.__name__


def places(tree, path=()):
    """The path of every value in a tree of dicts and lists."""
    yield path
    for key, value in (tree.items() if isinstance(tree, dict) else enumerate(tree) if isinstance(tree, (list, tuple)) else ()):
        yield from places(value, (*path, key))


def replaced(tree, path, value):
    """The tree with another value at a path."""
    if not path:
        return value
    made = dict(tree) if isinstance(tree, dict) else list(tree)
    made[path[0]] = replaced(tree[path[0]], path[1:], value)
    return made


def stepped(kind):
    def make():
        made = kind([p(2, 3), p(3, 2)], lr=0.1)
        made.step()
        return made
    return make


STATES = {kind.__name__: stepped(kind) for kind in (optim.SGD, optim.Adam, optim.RMSprop, optim.Lion, optim.Muon)}
STATES |= {"StepLR": step_lr, "Restarts": lambda: optim.CosineAnnealingWarmRestarts(sgd(), 3),
           "Plateau": lambda: optim.ReduceLROnPlateau(sgd()), "Chained": lambda: optim.ChainedScheduler([step_lr()]),
           "OneCycleLR": lambda: optim.OneCycleLR(sgd(), 0.1, 10)}


@pytest.mark.parametrize("name", STATES)
def test_no_bare_errors_of_states(name):
    """A state with one value replaced is refused in our own words, and changes nothing, or is taken, and then a step is possible."""
    make, bare, refused = STATES[name], [], 0
    with kernels.use("reference"), warnings.catch_warnings():
        warnings.simplefilter("ignore")
        good = make().state_dict()
        for path in places(good):
            for what, value in [*ANY.items(), ("a dict", {"a": 1}), ("an empty list", [])]:
                one = make()
                before = repr(one.state_dict())
                try:
                    one.load_state_dict(replaced(good, path, value))
                except Exception as error:
                    refused += 1
                    if not is_ours(error):
                        bare.append(f"{path} is {what}: {type(error).__name__}: {str(error)[:90]}")
                    elif repr(one.state_dict()) != before:
                        bare.append(f"{path} is {what}: refused, but changed")
                    continue
                try:
                    one.step(*[1.0] * (name == "Plateau"))
                except Exception as error:
                    bare.append(f"{path} is {what}, a step after it: {type(error).__name__}: {str(error)[:90]}")
    assert not bare, f"{len(bare)} bare errors of {name}, such as\n" + "\n".join(bare[:14])
    assert refused > 20
