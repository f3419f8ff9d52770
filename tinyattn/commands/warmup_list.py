"""Which kernels are needed: found out by running what needs them, without running a kernel.

Every compiled body is run by `kernels.cpu.launch`, which learns it when it first meets it with arrays of new dtypes.
Inside ``with listing() as wanted:`` it learns nothing and runs nothing: body and dtypes are noted, and the results stay
what the memory held before. So a step of a model on a full batch passes in the time that its Python takes, and leaves the
exact list of what a real one would compile.
"""
import contextlib
import gc
import importlib
import os
import pickle

import numpy as np
from numba import from_dtype, types
from numba.core.dispatcher import Dispatcher

import tinyattn as ta

from .. import kernels
from ..nn import functional as F

LAUNCH, LISTS = f"{kernels.__name__}.cpu.launch", f"{kernels.__name__}.cpu.lists"
OPTIMIZERS = ("adamw", "adam", "sgd")
SHAPES = ((1, 28), (3, 32))  # channels and size of the images of MNIST's kind and of CIFAR's


@contextlib.contextmanager
def listing():
    """Note what would be compiled: gives a dict, (module, name) of each body → the set of dtypes it is called with."""
    launch, lists = importlib.import_module(LAUNCH), importlib.import_module(LISTS)
    wanted, before = {}, (launch._rows, launch._help, lists._help)

    def note(outcome, body, tasks, arrays, work):
        key = (body.py_func.__module__, body.py_func.__qualname__)
        wanted.setdefault(key, set()).add(tuple(launch._plain(a).dtype.char for a in arrays))

    def note_lists(outcome, body, shared, many):
        note(outcome, body, None, [*shared, *(one[0] for one in many)], None)

    launch._rows = {}  # nothing is known, so everything asks for help
    launch._help, lists._help = note, note_lists
    try:
        with kernels.use("cpu"), np.errstate(all="ignore"):
            yield wanted
    finally:
        launch._rows, launch._help, lists._help = before


def bodies():
    """Every compiled function there is now: (module, name) → function. Numba's cache, too, tells them apart by these."""
    return {(thing.py_func.__module__, thing.py_func.__qualname__): thing for thing in gc.get_objects()
            if issubclass(type(thing), Dispatcher)}  # isinstance would ask lazy objects of others what they are


def body(key):
    """The compiled function of that (module, name). Some are made when they are first called: then what calls them is run, dry."""
    for makes in (lambda: importlib.import_module(f"{kernels.__name__}.cpu"), lambda: gradchecks(True), models):
        if key not in _known:
            with listing():
                makes()
            _known.update(bodies())
    return _known[key]


_known = {}


def missing(wanted):
    """What of `wanted` the cache does not hold, in the same form."""
    known, found = bodies(), {}
    for key, calls in wanted.items():
        left = {dtypes for dtypes in calls if not _is_cached(known[key], dtypes)}
        if left:
            found[key] = left
    return found


def _is_cached(body, dtypes):
    """Whether Numba's index of what it has compiled names this body with these dtypes; False where it will not say."""
    try:
        signature = (types.int64, *(types.Array(from_dtype(np.dtype(char)), 1, "C") for char in dtypes))
        cache = body._cache
        name = cache._cache_file._load_index().get(cache._index_key(signature, body.targetctx.codegen()))
        return name is not None and os.path.exists(cache._cache_file._data_path(name))
    except (AttributeError, OSError, EOFError, pickle.UnpicklingError):
        return False


def models():
    """Run a training step and a test of every model, with every gate and optimizer, on batches of the usual size."""
    from ..models import HAS_GATES, MODELS
    from ..nn.attention import GATES
    from ..training import setup
    from ..training.average import Average
    from ..training.config import complete
    from ..viz import record
    for name in MODELS:
        for gate in (GATES if name in HAS_GATES else ("none",)):
            for channels, size in SHAPES:
                config = complete(model=name, attention=gate)
                model = setup.build_model(config, channels, 10, size)
                average = Average(model, config.average)
                loss = F.cross_entropy(model(_images(128, channels, size)), _labels(128), label_smoothing=config.label_smoothing)
                loss.backward()
                for kind in OPTIMIZERS:
                    setup.build_optimizer(complete(model=name, attention=gate, optimizer=kind), model).step()
                average.update()
                model.eval()
                with ta.no_grad():
                    for batch in (500, 1):
                        F.cross_entropy(model(_images(batch, channels, size)), _labels(batch))
                x = _images(8, channels, size, True)  # the picture of what a model looks at
                with record(model):
                    logits = model(x)
                ta.grad((logits * ta.tensor(np.zeros((8, 10), np.float32))).sum(), [x])


def _images(count, channels, size, grad=False):
    """Channels-last, as the loader's."""
    return ta.tensor(np.zeros((count, size, size, channels), np.float32).transpose(0, 3, 1, 2), requires_grad=grad)


def _labels(count):
    return ta.tensor(np.arange(count) % 10)


def gradchecks(everything):
    """Run what `tinyattn gradcheck` checks, in float64: the models, or every operation and layer, there also to the second
    order, and every operation in float32.

    Returns the cases that came to no end without their numbers, for `sweep` to run in earnest.
    """
    from ..models import AttentionCNN, CCT, LeNet, ResNet
    names = {kind.__name__ for kind in (AttentionCNN, CCT, LeNet, ResNet)}
    chosen, operations = [], len(_operations())
    for number, case in enumerate(_registry()):
        if everything or case.name in names:
            chosen += [(number, False), (number, True)] if everything and number < operations else [(number, False)]
    return [which for which in chosen if not sweep(*which, second=everything)]


def _operations():
    from ..gradcheck.network_cases import CASES
    return CASES


def _registry():
    from ..gradcheck.registry import LAYERS
    return [*_operations(), *LAYERS]


def sweep(number, single, second=True):
    """Forward and backward pass of that case, and where it has one the gradient of the gradient. `single`: in float32.

    Returns whether it came to its end.
    """
    case = _registry()[number]
    try:
        function, inputs = case.prepared()
        inputs = [_single(x) if single else x for x in inputs]
        second = second and case.second and not single
        made = function(*inputs)
        made = [y for y in (made if isinstance(made, (tuple, list)) else [made]) if y is not None and y.requires_grad]
        wanted = [x for x in inputs if isinstance(x, ta.Tensor) and x.requires_grad]
        weights = [ta.tensor(np.ones(y.shape, y.dtype), requires_grad=second) for y in made]
        ta.grad(made, wanted, weights, retain_graph=second, allow_unused=True)
        if second:
            first = [g for g in ta.grad(made, wanted, weights, create_graph=True, allow_unused=True) if g is not None and g.requires_grad]
            ta.grad(first, wanted + weights, [ta.tensor(np.ones(g.shape, g.dtype)) for g in first], allow_unused=True)
        return True
    except (ValueError, IndexError, RuntimeError, FloatingPointError):  # the memory held no numbers that it could go on with
        return False


def _single(x):
    """An input in the dtype that trains."""
    return ta.tensor(x.data.astype(np.float32), requires_grad=x.requires_grad) if isinstance(x, ta.Tensor) and x.dtype == np.float64 else x
