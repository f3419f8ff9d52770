"""Every operation on every sample: the rungs agree, gradients are true, and memory layout changes nothing."""
import numpy as np
import pytest
from op_samples import BY_ID, CASES, NOT_OPERATIONS, PLAIN, close, public_operations, run

import tinyattn as ta
from tinyattn import kernels
from tinyattn.gradcheck import gradcheck

SMOOTH = [name for name, sample in BY_ID.items() if sample.smooth]
FLOAT32 = {"std": 2e-4, "var": 1e-4, "batch_norm": 2e-4, "layer_norm": 2e-4, "group_norm": 2e-4, "pow": 1e-4, "conv2d": 5e-5,
           "normalize": 1e-4, "prod": 1e-4}
"""Where float32 may differ by more than 2e-5 between rungs: long sums, and differences of nearly equal numbers."""


def test_every_operation_has_samples():
    named = {sample.name for sample in CASES} | set(PLAIN) | set(NOT_OPERATIONS)
    missing = [name for name in public_operations() if name not in named]
    assert not missing, f"operations without a sample: {missing}"


@pytest.mark.parametrize("name", BY_ID)
def test_rungs_agree(name):
    sample = BY_ID[name]
    for dtype, tolerance in ((np.float64, 1e-11), (np.float32, FLOAT32.get(sample.name, 2e-5))):
        arrays = [a.astype(dtype) if a.dtype.kind == "f" else a for a in map(np.asarray, sample.arrays())]
        (ours, our_gradients), (theirs, their_gradients) = run(sample, arrays, "cpu"), run(sample, arrays, "reference")
        for i, (a, b) in enumerate(zip(ours, theirs, strict=True)):
            assert a.dtype == b.dtype
            close(a, b, tolerance, f"{np.dtype(dtype)} output {i}")
        for i, (a, b) in enumerate(zip(our_gradients, their_gradients, strict=True)):
            close(a, b, tolerance, f"{np.dtype(dtype)} gradient {i}")
            assert a is None or a.dtype == dtype


@pytest.mark.parametrize("rung", kernels.HOST_RUNGS)
@pytest.mark.parametrize("name", SMOOTH)
def test_gradients(name, rung):
    with kernels.use(rung):
        gradcheck(*BY_ID[name].prepared(), curve=False)


def _strided(a):
    """The same numbers, two steps apart in memory."""
    wide = np.full(a.shape[:-1] + (2 * a.shape[-1],), 7, a.dtype)
    wide[..., ::2] = a
    return wide[..., ::2]


def _read_only(a):
    a = a.copy()
    a.flags.writeable = False
    return a


LAYOUTS = {
    "axes reversed": lambda a: np.asfortranarray(a) if a.ndim else a,
    "every second": lambda a: _strided(a) if a.ndim and a.size else a,
    "channels last": lambda a: np.ascontiguousarray(a.transpose(0, 2, 3, 1)).transpose(0, 3, 1, 2) if a.ndim == 4 else a,
    "flipped": lambda a: np.asarray(np.flip(np.flip(a).copy())),
    "read-only": _read_only,
}
ORDER_MATTERS = {"view": "it raises where the memory does not fit", "view_as": "likewise", "dropout": "its mask is drawn in memory order"}


@pytest.mark.parametrize("name", [n for n in BY_ID if BY_ID[n].name not in ORDER_MATTERS])
def test_layout_changes_nothing(name):
    sample = BY_ID[name]
    arrays = [np.asarray(a) for a in sample.arrays()]
    outputs, gradients = run(sample, arrays)
    for layout, lay in LAYOUTS.items():
        laid = [lay(a) for a in arrays]
        got, got_gradients = run(sample, laid)
        for kind, ours, expected in (("output", got, outputs), ("gradient", got_gradients, gradients)):
            for i, (a, b) in enumerate(zip(ours, expected, strict=True)):
                close(a, b, 1e-12, f"{layout}: {kind} {i}")


def test_elementwise_results_keep_channels_last():
    x = ta.Tensor(np.ones((2, 4, 4, 3), np.float32).transpose(0, 3, 1, 2))     # (2, 3, 4, 4) in channels-last memory
    channel = ta.ones(3, 1, 1)
    for y in (x.relu(), x + 1, x * channel, x + ta.ones(2, 3, 4, 4), ta.where(x > 0, x, 0), ta.maximum(x, channel)):
        assert y.data.transpose(0, 2, 3, 1).flags.c_contiguous and not y.is_contiguous()
    assert x.sum(1).is_contiguous()


EMPTY = {
    "sum": lambda x: x.sum(0), "mean": lambda x: x.mean(1), "var": lambda x: x.var(), "prod": lambda x: x.prod(), "softmax": lambda x: x.softmax(1),
    "matmul": lambda x: x @ x.T, "conv2d": lambda x: ta.nn.functional.conv2d(x.reshape(0, 1, 3, 1), ta.ones(2, 1, 2, 1)),
    "max_pool2d": lambda x: ta.nn.functional.max_pool2d(x.reshape(0, 1, 3, 1), (2, 1)), "group_norm": lambda x: ta.nn.functional.group_norm(x, 3),
    "layer_norm": lambda x: ta.nn.functional.layer_norm(x, (3,)), "cross_entropy": lambda x: ta.nn.functional.cross_entropy(
        x, ta.zeros(0, dtype=np.int64), reduction="none"), "cat": lambda x: ta.cat([x, x]), "flip": lambda x: x.flip(0), "getitem": lambda x: x[:, 1],
    "relu": lambda x: x.relu(), "dropout": lambda x: ta.nn.functional.dropout(x, 0.5), "cumsum": lambda x: x.cumsum(1),
    "adaptive_avg_pool2d": lambda x: ta.nn.functional.adaptive_avg_pool2d(x.reshape(0, 1, 3, 1), 2),
}


@pytest.mark.filterwarnings("ignore:Mean of empty slice", "ignore:invalid value")
@pytest.mark.parametrize("name", EMPTY)
def test_an_empty_batch_is_no_accident(name):
    x = ta.zeros(0, 3, requires_grad=True)
    y = EMPTY[name](x)
    y.sum().backward()
    assert x.grad.shape == (0, 3)


WITHOUT_AXES = {"cumsum": lambda x: x.cumsum(0), "max": lambda x: x.max(0)[0], "gather": lambda x: x.gather(0, ta.tensor(0)),
                "softmax": lambda x: x.softmax(0) * x, "flatten": lambda x: x.flatten(), "amin": lambda x: x.amin(-1)}


@pytest.mark.parametrize("name", WITHOUT_AXES)
def test_a_tensor_without_axes_is_one_number(name):
    x = ta.tensor(np.array(3.0), requires_grad=True)
    y = WITHOUT_AXES[name](x)
    y.backward()
    assert y.item() == 3.0 and x.grad.shape == () and x.grad.item() == 1.0
    assert x.argmax(0).item() == 0


def test_dropout_gradient_has_the_mask_of_the_output():
    for layout in ("channels last", "axes reversed"):
        x = ta.Tensor(LAYOUTS[layout](np.ones((2, 3, 4, 5))), requires_grad=True)
        y = ta.nn.functional.dropout(x, 0.5)
        y.backward(ta.Tensor(np.ones((2, 3, 4, 5))))     # a gradient in another memory order than x
        assert np.array_equal(x.grad.data, y.data) and 20 < (y.data == 0).sum() < 100


@pytest.mark.parametrize("name", PLAIN)
def test_without_gradient_rungs_agree(name):
    call, *inputs = PLAIN[name]
    made = {}
    for rung in kernels.HOST_RUNGS:
        random = np.random.default_rng(0)
        with kernels.use(rung):
            ys = call(ta, ta.nn.functional, *[ta.Tensor(np.asarray(i.make(random)), requires_grad=i.grad) for i in inputs])
        made[rung] = [y.data for y in (ys if isinstance(ys, list) else [ys])]
    for a, b in zip(made["cpu"], made["reference"], strict=True):
        assert a.dtype == b.dtype and np.array_equal(a, b)


def test_resampling_by_nothing_is_a_copy():
    F, x = ta.nn.functional, ta.ones(1, 2, 3, 3)
    for y in (F.pad(x, (0, 0, 0, 0), "reflect"), F.pad(x, ()), F.interpolate(x, 3, mode="bilinear"), F.unfold(x, 1), F.interpolate(x, scale_factor=1)):
        y.data[...] = 7
    assert (x.data == 1).all()
