"""PyTorch's own samples: the inputs, bad inputs and layers that its developers wrote to test its functions.

`torch.testing._internal` ships with PyTorch: `op_db` holds, for every function, sample inputs of all kinds (shapes,
options, empty and 0-d tensors) and inputs that must be refused; `module_db` the same for layers. Nobody here chose them.
`check_sample` runs one on both libraries: values, dtypes, first and second gradients. Rows that this library does not
mean to have (complex numbers, sparse layouts) are left out by `out_of_scope`, with the reason, and counted.
"""
import collections
from unittest import mock

import numpy as np
import torch
from answers import is_ours
from torch.testing._internal.common_methods_invocations import op_db
from torch.testing._internal.common_modules import module_db
from torch.testing._internal.common_optimizers import OptimizerErrorEnum, optim_db

import tinyattn as ta
import tinyattn.nn.functional as F

FUNCTIONS = """abs add all amax amin any arange argmax argmin cat ceil chunk clamp clone cos cumsum div einsum eq erf exp expand eye
flatten flip floor full gather ge gt index_select isfinite isnan le log log1p logical_and logical_not logical_or lt masked_fill
matmul max maximum mean min minimum mul ne neg ones ones_like permute pow prod randn reciprocal repeat reshape round rsqrt
sigmoid sign sin sort split sqrt square squeeze stack std sub sum tanh topk transpose tril triu unsqueeze var view where zeros
zeros_like softmax log_softmax
argsort bmm broadcast_to contiguous diagonal dot expand_as masked_select mm movedim mv narrow outer ravel reshape_as scatter scatter_add
select t tile unbind unflatten view_as
logsumexp allclose equal isclose isinf logical_xor trunc floor_divide remainder full_like randint randperm linspace empty
rand_like randn_like""".split()
"""Of `ta` and the Tensor's methods."""

NETWORK = """relu leaky_relu elu gelu silu softplus linear conv1d conv2d conv_transpose2d max_pool2d avg_pool2d adaptive_avg_pool2d
adaptive_max_pool2d batch_norm layer_norm group_norm dropout embedding cross_entropy nll_loss mse_loss l1_loss smooth_l1_loss
binary_cross_entropy_with_logits scaled_dot_product_attention interpolate grid_sample pad unfold normalize one_hot binary_cross_entropy cosine_similarity glu hardsigmoid hardswish hardtanh huber_loss kl_div
logsigmoid mish prelu relu6 selu""".split()
"""Of `nn.functional`."""

BY_NAME = collections.defaultdict(list)
for _op in op_db:
    BY_NAME[_op.name].append(_op)
OPERATIONS = {f"{name} {op.variant_test_name}".strip(): (name, op)
              for name, key in [(n, n) for n in FUNCTIONS] + [(n, f"nn.functional.{n}") for n in NETWORK] + [("getitem", "__getitem__")]
              for op in BY_NAME[key] if op.variant_test_name not in ("without_cudnn", "complex")}
LAYERS = {info.name: info for info in module_db if hasattr(ta.nn, info.name.removeprefix("nn."))}
OPTIMIZERS = {info.name: info for info in optim_db if hasattr(ta.optim, info.name)}

CALLS = {
    "where": lambda x, condition, other, **options: ta.where(condition, x, other, **options),
    "embedding": lambda weight, index, **options: F.embedding(index, weight, **options),
    "getitem": lambda x, index: x[index],
    "einsum": lambda operands, equation: ta.einsum(equation, *operands),
}
"""Where PyTorch's table calls a function with its arguments in another order."""

RANDOM = {"dropout", "randn", "randint", "randperm", "empty", "rand_like", "randn_like"}
"""Chance: only shapes and dtypes can be compared."""

DTYPES = {torch.float32: np.float32, torch.float64: np.float64, torch.int64: np.int64, torch.int32: np.int32, torch.int16: np.int16,
          torch.int8: np.int8, torch.uint8: np.uint8, torch.bool: np.bool_}
DROPPED = {"layout", "pin_memory", "memory_format", "device", "generator"}
"""Options that say where and how PyTorch keeps memory."""


def function(name):
    """Our function of that name."""
    if name in CALLS:
        return CALLS[name]
    for room in (F, ta) if name in NETWORK else (ta, ta.Tensor):
        if hasattr(room, name):
            return getattr(room, name)
    raise AttributeError(f"there is no {name} here")


class OutOfScope(Exception):
    """A sample that uses what this library does not mean to have."""


def convert(value, leaves=None):
    """PyTorch's arguments as ours; tensors that require a gradient are also appended to `leaves` as pairs."""
    if isinstance(value, torch.Tensor):
        if value.dtype not in DTYPES or value.layout != torch.strided or value.device.type != "cpu":
            raise OutOfScope(f"{value.dtype} {value.layout} {value.device.type}")
        if value.ndim > 64:
            raise OutOfScope("more axes than NumPy has")
        array = value.detach().resolve_neg().numpy(force=True)
        ours = ta.Tensor(array, requires_grad=value.requires_grad)
        if value.requires_grad and leaves is not None:
            leaves.append((ours, value))
        return ours
    if isinstance(value, torch.dtype):
        if value not in DTYPES:
            raise OutOfScope(str(value))
        return DTYPES[value]
    if isinstance(value, (tuple, list)):
        made = [convert(v, leaves) for v in value]
        return type(value)(made) if type(value) in (tuple, list) else tuple(made)
    if isinstance(value, dict):
        if "out" in value:
            raise OutOfScope("out=")
        return {k: convert(v, leaves) for k, v in value.items() if k not in DROPPED}
    if isinstance(value, complex):
        raise OutOfScope("complex numbers")
    return value


def fresh(value):
    """PyTorch's arguments anew: its samples can be views of tensors with a past, which it then cannot differentiate."""
    if isinstance(value, torch.Tensor) and value.dtype in DTYPES and value.layout == torch.strided and value.ndim <= 64:
        return torch.from_numpy(value.detach().resolve_neg().numpy(force=True)).requires_grad_(value.requires_grad)
    if isinstance(value, (tuple, list)):
        return type(value)(map(fresh, value)) if type(value) in (tuple, list) else value
    return {k: fresh(v) for k, v in value.items()} if isinstance(value, dict) else value


def _tensors(made):
    made = list(made) if isinstance(made, (tuple, list)) else [made]
    flat = []
    for y in made:
        flat += _tensors(y) if isinstance(y, (tuple, list)) else [y]
    return [y for y in flat if y is not None]


def _array(y):
    if isinstance(y, (torch.Tensor, ta.Tensor)):
        y = y.detach()
        return y.resolve_neg().numpy(force=True) if isinstance(y, torch.Tensor) else np.asarray(y.data)
    return np.asarray(y)


def compare(ours, theirs, tolerance, what, dtypes=True):
    """AssertionError unless shape, dtype and values agree within `tolerance` of the largest number."""
    a, b = _array(ours), _array(theirs)
    assert a.shape == b.shape, f"{what}: shape {a.shape}, PyTorch's {b.shape}"
    assert not dtypes or a.dtype == b.dtype, f"{what}: dtype {a.dtype}, PyTorch's {b.dtype}"
    if b.dtype.kind != "f":
        assert np.array_equal(a, b), f"{what}: differs in {int((a != b).sum())} of {a.size} elements"
        return
    assert np.array_equal(np.isnan(a), np.isnan(b)), f"{what}: NaN in different places"
    usual = np.isfinite(b)
    assert np.array_equal(a[~usual & ~np.isnan(b)], b[~usual & ~np.isnan(b)]), f"{what}: infinities differ"
    if b.dtype == np.float32:
        tolerance = max(tolerance, 1e-6)
    error = np.abs(a[usual] - b[usual]).max(initial=0) / max(1, np.abs(b[usual]).max(initial=0))
    assert error <= tolerance, f"{what}: differs by {error:.1e} of the largest"


def _graded(ys):
    return [i for i, y in enumerate(ys) if isinstance(y, torch.Tensor) and y.requires_grad]


def _weights(ys, seed=0):
    random = np.random.default_rng(seed)
    return [np.asarray(random.normal(size=tuple(y.shape))).astype(_array(y).dtype) for y in ys]


def _first(ours, theirs, leaves, wanted, tolerance, what, create_graph=False):
    """Compare gradients of both, and return them."""
    weights = _weights([theirs[i] for i in wanted])
    a = ta.grad([ours[i] for i in wanted], [x for x, _ in leaves], [ta.Tensor(w) for w in weights], allow_unused=True,
                create_graph=create_graph)
    b = torch.autograd.grad([theirs[i] for i in wanted], [x for _, x in leaves], [torch.from_numpy(w) for w in weights],
                            allow_unused=True, create_graph=create_graph)
    _same_gradients(a, b, tolerance, what)
    return list(a), list(b)


def _same_gradients(ours, theirs, tolerance, what):
    """Gradients agree; none at all is as good as zeros."""
    for i, (x, y) in enumerate(zip(ours, theirs, strict=True)):
        if x is not None and y is not None:
            compare(x, y, tolerance, f"{what} {i}")
        elif x is not y:
            rest = _array(x if y is None else y)
            assert not rest.any(), f"{what} {i}: only {'ours' if y is None else 'PyTorch'} has one, up to {np.abs(rest).max():.1e}"


def check_call(call, their_call, arguments, options, random=False, second=True, tolerance=1e-9, dtypes=True):
    """Run both; returns the set of what was compared: values, first, second. AssertionError at a difference."""
    leaves = []
    ours = _tensors(call(*convert(arguments, leaves), **convert(options, leaves)))
    theirs = _tensors(their_call(*arguments, **options))
    return compare_all(ours, theirs, leaves, random, second, tolerance, dtypes)


def compare_all(ours, theirs, leaves, random=False, second=True, tolerance=1e-9, dtypes=True):
    """Outputs, gradients and gradients of gradients of both libraries."""
    assert len(ours) == len(theirs), f"{len(ours)} outputs, PyTorch's {len(theirs)}"
    for i, (a, b) in enumerate(zip(ours, theirs)):
        if random:
            assert a.shape == tuple(b.shape) and a.dtype == _array(b).dtype, f"output {i}: {a.dtype} {a.shape}"
        else:
            compare(a, b, tolerance, f"output {i}", dtypes)
    done, wanted = {"values"}, _graded(theirs)
    if random or not leaves or not wanted:
        return done
    for i in wanted:
        assert ours[i].requires_grad, f"output {i} has no history, PyTorch's has"
    a, b = _first(ours, theirs, leaves, wanted, 10 * tolerance, "gradient", create_graph=second)
    done.add("first")
    if not second:
        return done
    pairs = [(x, y) for x, y in zip(a, b) if isinstance(y, torch.Tensor) and y.requires_grad]
    if pairs:
        weights = _weights([y for _, y in pairs], 1)
        mine = [(x, ta.Tensor(w)) for (x, _), w in zip(pairs, weights) if x is not None and x.requires_grad]
        found = ta.grad([x for x, _ in mine], [x for x, _ in leaves], [w for _, w in mine], allow_unused=True) if mine else [None] * len(leaves)
        right = torch.autograd.grad([y for _, y in pairs], [x for _, x in leaves], [torch.from_numpy(w) for w in weights], allow_unused=True)
        _same_gradients(found, right, 100 * tolerance, "second gradient")
        done.add("second")
    return done


def samples(op, dtype=torch.float64, more=False):
    """PyTorch's samples of one function; `more`: those with which it checks itself against NumPy (hard values, strides, dtypes)."""
    dtype = dtype if dtype in op.dtypes else torch.int64
    made = op.reference_inputs if more else op.sample_inputs
    return list(made("cpu", dtype, requires_grad=op.supports_autograd and dtype.is_floating_point))


def check_sample(name, op, sample, second=True):
    """What was compared, or OutOfScope or AssertionError."""
    options = {k: v for k, v in sample.kwargs.items() if k not in DROPPED}
    second = second and op.supports_autograd and op.supports_gradgrad
    random = name in RANDOM or options.get("dropout_p", 0) > 0
    arguments, options = fresh((sample.input, *sample.args)), fresh(options)
    memory = {k: v for k, v in sample.kwargs.items() if k in DROPPED}
    with torch.nn.attention.sdpa_kernel(torch.nn.attention.SDPBackend.MATH):  # the only one with second derivatives
        return check_call(function(name), lambda *a, **o: op.op(*a, **o, **memory), arguments, options, random, second, _tolerance(arguments))


def check_case(case, theirs):
    """A sample of `tinyattn gradcheck` on both libraries; `theirs` is the call on PyTorch's side."""
    arguments = [torch.tensor(a, requires_grad=spec.grad) for a, spec in zip(case.arrays(), case.inputs)]
    with torch.nn.attention.sdpa_kernel(torch.nn.attention.SDPBackend.MATH):
        return check_call(lambda *xs: case.call(ta, F, *xs), lambda *xs: theirs(torch, torch.nn.functional, *xs), arguments, {},
                          second=case.second)


def _tolerance(arguments):
    """Of the largest number: 1e-9 in float64, 1e-4 in float32."""
    dtypes = {x.dtype for x in _tensors(arguments) if isinstance(x, torch.Tensor)}
    return 1e-4 if torch.float32 in dtypes else 1e-9


def bad_inputs(op):
    """PyTorch's inputs that must be refused: (sample, its own words)."""
    return [(e.sample_input, e.error_regex) for e in op.error_inputs("cpu")] if op.error_inputs_func else []


def is_answered(name, sample):
    """What is wrong with our answer to a bad input: "" if it is refused in our own words."""
    arguments, options = convert((sample.input, *sample.args)), convert(sample.kwargs)
    try:
        function(name)(*arguments, **options)
    except Exception as error:
        return "" if is_ours(error) else f"bare {type(error).__name__}: {error}"
    return f"accepted: {arguments!r:.80} {options!r:.60}"


def layer_samples(info, training):
    """PyTorch's samples of one layer: (constructor, forward) arguments."""
    return list(info.module_inputs_func(info, device="cpu", dtype=torch.float64, requires_grad=True, training=training))


def bad_layers(info):
    """PyTorch's samples of constructions and calls of a layer that must be refused."""
    return list(info.module_error_inputs_func(info, device="cpu", dtype=torch.float64, requires_grad=True, training=True))


def is_layer_answered(info, bad):
    """What is wrong with our answer to a bad sample of a layer: "" if it is refused in our own words."""
    sample = bad.module_error_input
    options = {k: v for k, v in sample.constructor_input.kwargs.items() if k not in ("device", "dtype")}
    construct = bad.error_on.name == "CONSTRUCTION_ERROR"
    given = sample.constructor_input.args, options, *((sample.forward_input.args, sample.forward_input.kwargs) if not construct else ((), {}))
    args, options, forward_args, forward_options = (convert(g) for g in given)
    try:
        layer = getattr(ta.nn, info.name.removeprefix("nn."))(*args, **options).double()
        if not construct:
            layer(*forward_args, **forward_options)
    except Exception as error:
        return "" if is_ours(error) else f"bare {type(error).__name__}: {error}"
    return f"accepted: {args!r:.80} {options!r:.60} {forward_args!r:.80}"


def check_layer_case(case):
    """Our own sample of a layer on both libraries, with the same weights."""
    ours, theirs = case.module(), case.make(torch.nn).double().train(case.training)
    theirs.load_state_dict({k: torch.tensor(np.asarray(v.data)) for k, v in ours.state_dict().items()})
    leaves = []
    arguments = [torch.tensor(a, requires_grad=spec.grad) for a, spec in zip(case.arrays(), case.inputs)]
    made = _tensors(ours(*convert(arguments, leaves)))
    expected = _tensors(theirs(*arguments))
    leaves += list(zip(ours.parameters(), theirs.parameters(), strict=True))
    return compare_all(made, expected, leaves)


def check_layer(info, sample, training):
    """Make both layers, give ours PyTorch's weights, compare outputs and gradients, of parameters too."""
    their_options = {k: v for k, v in sample.constructor_input.kwargs.items() if k not in ("device", "dtype")}
    theirs = info.module_cls(*sample.constructor_input.args, **their_options).double().train(training)
    ours = getattr(ta.nn, info.name.removeprefix("nn."))(*convert(sample.constructor_input.args), **convert(their_options))
    ours = ours.double().train(training)
    assert list(ours.state_dict()) == list(theirs.state_dict()), f"state_dict: {list(ours.state_dict())}, PyTorch's {list(theirs.state_dict())}"
    ours.load_state_dict({k: v.numpy() for k, v in theirs.state_dict().items()})
    leaves = []
    arguments, options = fresh(sample.forward_input.args), fresh(sample.forward_input.kwargs)
    made = _tensors(ours(*convert(arguments, leaves), **convert(options, leaves)))
    with torch.nn.attention.sdpa_kernel(torch.nn.attention.SDPBackend.MATH):
        expected = _tensors(theirs(*arguments, **options))
    leaves += list(zip(ours.parameters(), theirs.parameters(), strict=True))
    random = training and any(getattr(m, "p", 0) or getattr(m, "dropout", 0) for m in theirs.modules())
    done = compare_all(made, expected, leaves, random)
    theirs.load_state_dict({k: torch.from_numpy(np.array(v.data)) for k, v in ours.state_dict().items()})
    return done


SHAPES = {"Muon": [(5, 3), (3, 7), (4, 4), (1, 6)]}
"""Of the parameters that an optimizer's samples are run with, where not all of these will do: (7,), (5, 3), (2, 3, 4), ()."""


def newton_schulz(x, coefficients, steps, eps):
    """The rounds of Muon as its authors write them, in float64: PyTorch computes them in bfloat16, to two digits."""
    a, b, c = coefficients
    wide = x.double() if x.shape[0] <= x.shape[1] else x.double().T
    wide = wide / wide.norm().clamp(min=eps)
    for _ in range(steps):
        gram = wide @ wide.T
        wide = a * wide + (b * gram + c * gram @ gram) @ wide
    return wide if x.shape[0] <= x.shape[1] else wide.T


def parameter_pairs(shapes, seed=0):
    """Equal parameters in float64, ours and PyTorch's."""
    random = np.random.default_rng(seed)
    arrays = [np.asarray(random.normal(size=shape)) for shape in shapes]
    return [ta.nn.Parameter(a.copy()) for a in arrays], [torch.nn.Parameter(torch.from_numpy(a.copy())) for a in arrays]


def descend(ours, theirs, one, other, steps, tolerance, seed=1, plans=()):
    """Step two optimizers side by side, down a noisy slope; now and then a parameter has no gradient. AssertionError at a difference."""
    random = np.random.default_rng(seed)
    with mock.patch("torch.optim._muon._zeropower_via_newtonschulz", newton_schulz):
        for step in range(steps):
            for i, (p, q) in enumerate(zip(ours, theirs)):
                slope = random.normal(size=p.shape) + 0.3 * q.detach().numpy()
                missing = (step + i) % 7 == 3
                p.grad, q.grad = (None, None) if missing else (ta.Tensor(np.array(slope)), torch.from_numpy(np.array(slope)))
            one.step()
            other.step()
            for plan in plans:
                plan.step()
            for i, (p, q) in enumerate(zip(ours, theirs)):
                compare(p, q, tolerance, f"parameter {i} after step {step + 1}")


def optimizer_samples(info):
    """PyTorch's samples of one optimizer: its options."""
    return list(info.optim_inputs_func("cpu"))


def check_optimizer(info, sample, steps=50, tolerance=1e-12):
    """Both optimizers take the same steps from the same start. A Tensor as rate is made float64, or PyTorch would compute with it in float32."""
    given = {k: v.double() if isinstance(v, torch.Tensor) else v for k, v in sample.kwargs.items()}
    options = convert(given)
    ours, theirs = parameter_pairs(SHAPES.get(info.name, [(7,), (5, 3), (2, 3, 4), ()]))
    one, other = getattr(ta.optim, info.name)(ours, **options), info.optim_cls(theirs, **given)
    descend(ours, theirs, one, other, steps, tolerance)
    return {"values"}


def optimizer_is_answered(info, bad):
    """What is wrong with our answer to bad options or parameters: "" if they are refused in our own words."""
    given, made = bad.optimizer_error_input, {}

    def own(value):  # the same tensor every time it is met
        if isinstance(value, torch.Tensor):
            if id(value) not in made:
                made[id(value)] = convert(value)
                made[id(value)].grad = None if value.grad is None else convert(value.grad)
            return made[id(value)]
        if isinstance(value, dict):
            return {k: own(v) for k, v in value.items()}
        return type(value)(own(v) for v in value) if isinstance(value, (list, tuple)) else value

    params = [ta.nn.Parameter(np.ones((2, 3)))] if given.params is None else own(given.params)
    try:
        optimizer = getattr(ta.optim, info.name)(params, **own(given.kwargs))
        if bad.error_on == OptimizerErrorEnum.STEP_ERROR:
            optimizer.step()
    except OutOfScope:
        raise
    except Exception as error:
        return "" if is_ours(error) else f"bare {type(error).__name__}: {error}"
    return f"accepted: {given.desc}"
