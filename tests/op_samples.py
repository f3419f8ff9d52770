"""The one table of operation samples that drives the checks of every operation.

The differentiable ones are the cases of ``tinyattn gradcheck`` (tinyattn/gradcheck): each is a call f(t, F, *inputs) that
runs here and on PyTorch alike. This file adds what only tests need: how a sample is run, forward and backward, from
arrays to arrays; the operations without gradient; PyTorch's side of those samples that PyTorch has no function for; and
which operations must be in the table at all.
"""
import importlib
import inspect
import pkgutil

import numpy as np

import tinyattn as ta
import tinyattn.nn.functional as F
from tinyattn import kernels
from tinyattn.gradcheck.cases import B, D, I, N, V
from tinyattn.gradcheck.layer_cases import flat as listed
from tinyattn.gradcheck.network_cases import CASES
from tinyattn.gradcheck.registry import LAYERS

BY_ID = {}
for sample in CASES:
    key = f"{sample.name} {sample.label}"
    assert key not in BY_ID, f"two samples are called {key!r}"
    BY_ID[key] = sample


def weights_of(outputs, seed=1):
    """Random numbers in the shapes of the outputs: their sum with the outputs is what gets differentiated."""
    random = np.random.default_rng(seed)
    return [random.normal(size=y.shape) for y in outputs]


def run(sample, arrays, rung=None):
    """Outputs and gradients of a sample as arrays; a gradient is None for inputs that want none or are not used."""
    with kernels.use(rung or kernels.active()):
        xs = [ta.Tensor(a, requires_grad=spec.grad) for a, spec in zip(arrays, sample.inputs)]
        outputs = listed(sample.call(ta, F, *xs))
        graded = [(y, w) for y, w in zip(outputs, weights_of(outputs)) if y.requires_grad]
        wanted = [x for x in xs if x.requires_grad]
        found = iter(ta.grad([y for y, _ in graded], wanted, [ta.Tensor(w.astype(y.dtype)) for y, w in graded], allow_unused=True))
        gradients = [next(found) if x.requires_grad else None for x in xs]
    return [y.data for y in outputs], [None if g is None else g.data for g in gradients]


def close(got, expected, tolerance, what):
    """Equal shapes, and equal numbers within `tolerance` of the largest (or of 1)."""
    if got is None or expected is None:
        missing = expected if got is None else got
        assert missing is None or not np.any(missing), f"{what}: one side has no gradient, the other has {missing}"
        return
    assert got.shape == expected.shape, f"{what}: shape {got.shape}, expected {expected.shape}"
    if not got.size:
        return
    assert np.array_equal(np.isnan(got), np.isnan(expected)), f"{what}: NaN in different places"
    infinite = np.isinf(expected)
    assert np.array_equal(got[infinite], expected[infinite]), f"{what}: infinities differ"
    usual = np.isfinite(expected)
    scale = max(1.0, np.abs(expected[usual]).max(initial=0))
    error = np.abs(got[usual] - expected[usual]).max(initial=0) / scale
    assert error <= tolerance, f"{what}: differs by {error:.2e} of the largest, allowed {tolerance:.0e}"


# --- operations without gradient: call, inputs -----------------------------------------------------------------------

PLAIN = {
    "eq": (lambda t, F, a, b: a == b, I(3, 4, 5), I(3, 5)), "ne": (lambda t, F, a, b: a != b, I(3, 4, 5), I(3, 5)),
    "lt": (lambda t, F, a, b: a < b, D(4, 5), N(5)), "le": (lambda t, F, a, b: a <= b, I(3, 4, 1), I(3, 5)),
    "gt": (lambda t, F, a, b: a > b, N(4, 5), D(4, 5)), "ge": (lambda t, F, a: a >= 1, I(3, 4, 5)),
    "logical_and": (lambda t, F, a, b: t.logical_and(a, b), B(4, 5), B(5)),
    "logical_or": (lambda t, F, a, b: a | b, B(4, 5), B(5)), "logical_not": (lambda t, F, a: ~a, B(4, 5)),
    "isnan": (lambda t, F, x: t.isnan(x), V([1.0, np.nan, np.inf])),
    "isfinite": (lambda t, F, x: t.isfinite(x), V([1.0, np.nan, np.inf, -np.inf])),
    "argmax": (lambda t, F, x: [x.argmax(), x.argmax(1), t.argmax(x, 0, keepdim=True)], I(4, 5, 6)),
    "argmin": (lambda t, F, x: [x.argmin(), x.argmin(1), t.argmin(x, -1, keepdim=True)], D(5, 6)),
    "max": (lambda t, F, x: list(x.max(1)), D(5, 6)), "min": (lambda t, F, x: list(x.min(0, keepdim=True)), D(5, 6)),
    "all": (lambda t, F, m: [m.all(), m.all(1), m.all(0, keepdim=True)], B(3, 4)),
    "any": (lambda t, F, m: [m.any(), m.any(1)], B(3, 4)),
    "one_hot": (lambda t, F, i: [F.one_hot(i), F.one_hot(i, 7)], I(5, 2, 3)),
    "argsort": (lambda t, F, x: [x.argsort(), t.argsort(x, 0, True), x.argsort(stable=True), t.argsort(x[0, 0])], D(5, 6)),
    "sort": (lambda t, F, x, i: [*x.sort(), *x.sort(1, True), *i.sort(dim=0, stable=True), *t.sort(i, stable=True, descending=True), *(i > 2).sort(stable=True)],
             V([[np.inf, 1.0, -np.inf], [0.0, -0.0, 2.0]]), I(5, 4, 7)),
    "topk": (lambda t, F, x: [*x.topk(2), *x.topk(1, 0, False)], V([[np.inf, 1.0, -np.inf], [0.0, 3.0, 2.0]])),
    "matmul": (lambda t, F, a, b: [a @ b, t.einsum("ij,jk", a, b), t.dot(a[0], b[:, 0]), F.linear(a, a)], I(5, 2, 3), I(5, 3, 2)),
    "getitem": (lambda t, F, i: [i[[0, 1], 1:], i[i > 2], i[True], i[[]]], I(5, 4, 3)),
    "gather": (lambda t, F, x, i: [x.gather(1, i), x.gather(0, i[:0])], I(9, 5, 5), I(5, 4, 6)),
    "cat": (lambda t, F, a, b, m: [t.cat([a, b]), t.cat([b, m]), t.stack([m, a])], N(2), I(5, 2), B(2)),
    "sum": (lambda t, F, i: [i.sum(), i.sum(0), (i > 1).sum(1)], I(5, 2, 3)),
    "prod": (lambda t, F, i: i.prod(), I(5, 4)), "cumsum": (lambda t, F, i: i.cumsum(0), I(5, 4)),
    "max_pool2d": (lambda t, F, x: F.max_pool2d(x, 3, 2, 1, return_indices=True)[1], D(2, 3, 7, 6)),
    "max_pool1d": (lambda t, F, x: F.max_pool1d(x, 3, 2, 1, return_indices=True)[1], D(3, 7)),
    "adaptive_max_pool2d": (lambda t, F, x: F.adaptive_max_pool2d(x, (2, 4), True)[1], D(2, 3, 7, 6)),
    "adaptive_max_pool1d": (lambda t, F, x: F.adaptive_max_pool1d(x, 3, True)[1], D(2, 3, 7)),
    "eye": (lambda t, F: [t.eye(3), t.eye(2, 3)],), "arange": (lambda t, F: [t.arange(4), t.arange(1, 9, 3), t.arange(0, 1, 0.25)],),
    "full": (lambda t, F: [t.full((2, 3), 1.5), t.full((2,), 3), t.full((), True)],),
    "zeros": (lambda t, F: [t.zeros(2, 3), t.zeros((2,)), t.ones(3), t.ones(())],),
    "zeros_like": (lambda t, F, x: [t.zeros_like(x), t.ones_like(x), t.full_like(x, 2)], N(2, 3)),
    "linspace": (lambda t, F: [t.linspace(0, 1, 5), t.linspace(3, -1, 1), t.linspace(0, 1, 0)],),
    "logical_xor": (lambda t, F, a, b: [t.logical_xor(a, b), a ^ b], B(4, 5), B(5)),
    "isclose": (lambda t, F, a: [t.isclose(a, a * 1.001), t.isclose(a, a + 1e-9), t.isclose(a / 0, a / 0, equal_nan=True)], N(3, 4)),
    "allclose": (lambda t, F, a: [t.tensor(t.allclose(a, a * 1.001)), t.tensor(t.allclose(a, a, rtol=0)), t.tensor(t.equal(a, a)),
                                  t.tensor(t.equal(a, a + 1)), t.tensor(t.equal(a, a[0]))], N(3, 4)),
    "isinf": (lambda t, F, x: t.isinf(x), V([1.0, np.nan, np.inf, -np.inf])),
    "integers": (lambda t, F, i: [i + 1, i * 2, i - i, i / 2, i * 0.5, i > 1.5, -i, i ** 2, i // 2, i % 3, (i - 2) // 2,
                                      (i - 2) % 3, t.div(i - 2, 2, rounding_mode="trunc"), t.round(i), t.exp(i) > 7, t.sqrt(i), t.relu(i - 2), i.clamp(1, 3),
                                      i.clamp(max=2.5), t.sign(i > 1)], I(5, 4)),
}

# --- which operations there are --------------------------------------------------------------------------------------

NOT_OPERATIONS = {
    "broadcast_shape": "a helper on shapes", "common_dtype": "a helper on dtypes", "index_argument": "a check", "padding_row": "a check",
    "energy": "what energy_gate multiplies by, for those who record it: tests/nn/test_gate_defects.py",
    "triangle": "the mask of tril and triu", "put_rows": "scatter and x[…] = … on a device: tests/test_foreign_arrays.py",
    "detach": "cuts the tape: tests/test_autograd.py", "refuse_in_place": "a check",
    "rand": "random numbers: tests/ops/test_random.py", "randn": "random numbers: tests/ops/test_random.py",
    "sequence_lengths": "a check", "tile_size": "a check", "add_relu": "relu(a + b) in one pass: tests/nn/test_fused.py", "ones": "with zeros above", "ones_like": "with zeros_like above", "full_like": "with zeros_like above",
    "rand_like": "random numbers: tests/ops/test_random.py", "randn_like": "random numbers: tests/ops/test_random.py",
    "randint": "random numbers: tests/ops/test_random.py", "randperm": "random numbers: tests/ops/test_random.py",
    "equal": "with allclose above", "fill_": "in place: tests/ops/test_in_place.py",
    "zero_": "in place: tests/ops/test_in_place.py", "copy_": "in place: tests/ops/test_in_place.py",
    "empty": "its numbers are anything: tests/ops/test_creation.py", "reduction_of": "a check", "log1pexp": "softplus without its threshold: under softplus and binary_cross_entropy_with_logits",
}


def public_operations():
    """Names of the public functions that the modules of tinyattn.ops and nn.functional define."""
    import tinyattn.ops
    rooms = [importlib.import_module(f"tinyattn.ops.{found.name}") for found in pkgutil.iter_modules(tinyattn.ops.__path__)
             if found.name not in ("arguments", "layout", "pointwise", "in_place", "taps", "scaling")]      # these help the others
    return sorted({name for room in rooms for name, f in vars(room).items()
                   if inspect.isfunction(f) and f.__module__ == room.__name__ and not name.startswith("_")})


__all__ = ["BY_ID", "CASES", "F", "LAYERS", "NOT_OPERATIONS", "PLAIN", "close", "listed", "public_operations", "run", "weights_of"]
