"""The gradient checker catches wrong derivatives, and says what they look like; the command and its answers."""
import json

import numpy as np
import pytest

import tinyattn as ta
import tinyattn.nn.functional as F
from tinyattn import cli, kernels
from tinyattn.gradcheck import GradcheckError, Report, gradcheck, gradgradcheck
from tinyattn.ops import axes, compare, conv, elementwise, gather, index, matmul, norm, pool, reduce, shape, softmax


@pytest.fixture(autouse=True)
def plain_kernels():
    """The checker is the same on every rung; on this one nothing needs compiling."""
    with kernels.use("reference"):
        yield


def given(*shape, seed=0):
    return ta.tensor(np.random.default_rng(seed).normal(size=shape), requires_grad=True)


def returns(gradient):
    """A backward of one input made from the true one's dy."""
    return lambda ctx, dy: gradient(ctx, dy)


MUTATIONS = {
    # what is broken: (class, attribute, replacement, function, inputs, hint)
    "mean without the division": (
        reduce.MeanFunction, "backward", lambda ctx, dy: dy.reshape(1, 1).expand(ctx.shape), lambda x: x.mean(), [(3, 4)],
        r"off by the constant factor 12: a sum where the mean belongs: the division by 12 \(all elements of the input\) is missing"),
    "sum with a division": (
        reduce.SumFunction, "backward", lambda ctx, dy: (dy * 0.2).reshape(3, 1).expand(ctx.shape), lambda x: x.sum(1), [(3, 5)],
        r"off by the constant factor 0.2: a mean where the sum belongs: divided by 5 \(axis 1 of the input\) once too often"),
    "a division by what may be a constant or a count": (
        reduce.SumFunction, "backward", lambda ctx, dy: (dy * 0.25).reshape(3, 1).expand(ctx.shape), lambda x: x.sum(1), [(3, 4)],
        r"off by the constant factor 0.25: it may be a constant 4 or 4 \(axis 1 of the input\)"),
    "subtraction without its sign": (
        elementwise.SubFunction, "partials", lambda ctx, dy: ((lambda: dy), (lambda: dy)), lambda a, b: a - b, [(3,), (3,)],
        "input 1 .*the sign is wrong"),
    "a factor of the formula": (
        elementwise.MulFunction, "partials", lambda ctx, dy, a, b: ((lambda: dy * b * 0.7), (lambda: dy * a)), lambda a, b: a * b,
        [(3,), (3,)], "input 0 .*off by the constant factor 0.7: a constant of the formula"),
    "one of two uses": (
        elementwise.MulFunction, "partials", lambda ctx, dy, a, b: ((lambda: dy * b), (lambda: dy * 0)), lambda a: a * a, [(3,)],
        "off by the constant factor 0.5: it may be a constant 2, as from a square"),
    "a product transposed": (
        matmul.MatmulFunction, "backward", lambda ctx, dy: ((dy @ ctx.saved[1].T).T, None),
        lambda a: a @ ta.tensor(np.arange(9.0).reshape(3, 3) ** 0.5), [(3, 3)],
        r"transposed: the right values with their axes in the order \(1, 0\)"),
    "a missing un-broadcast": (
        elementwise.AddFunction, "backward", lambda ctx, dy: (dy, dy), lambda a, b: a + b, [(3, 4), (4,)],
        r"input 1 a gradient of shape \(3, 4\), expected.*Likely cause: a missing un-broadcast"),
    "an un-broadcast by a mean": (
        elementwise.AddFunction, "backward", lambda ctx, dy: (dy, dy.mean(0)), lambda a, b: a + b, [(3, 4), (4,)],
        "divided by 3|constant factor 0.333333"),
    "no gradient": (
        softmax.SoftmaxFunction, "backward", lambda ctx, dy: None, lambda x: F.softmax(x, 1), [(2, 3)], "zero gradient: nothing arrived"),
    "a gradient of zeros": (
        softmax.SoftmaxFunction, "backward", lambda ctx, dy: dy * 0, lambda x: F.softmax(x, 1), [(2, 3)],
        "zero gradient where there should be one"),
    "softmax without its sum": (
        softmax.SoftmaxFunction, "backward", lambda ctx, dy: ctx.saved[0] * dy, lambda x: F.softmax(x, 1), [(2, 5)],
        "a term with a sum over axis 1 .*a multiple of the output"),
    "log-softmax along the wrong axis": (
        softmax.LogSoftmaxFunction, "backward", lambda ctx, dy: dy - elementwise.exp(ctx.saved[0]) * dy.sum(0, keepdim=True),
        lambda x: F.log_softmax(x, 1), [(3, 3)], "."),
    "a norm with a term that has no dy": (
        norm.LayerNormFunction, "backward",
        lambda ctx, dy: (norm.LayerNormGradFunction.apply(dy, *[ctx.saved[i] for i in (0, 2, 3, 1)])[0] + 0.5, None, None),
        lambda x: F.layer_norm(x, (6,)), [(2, 6)], "does not make twice this one, as every backward must"),
    "a norm that forgets the path through its mean": (
        norm.LayerNormFunction, "backward",
        lambda ctx, dy: (norm.LayerNormGradFunction.apply(dy, *[ctx.saved[i] for i in (0, 2, 3, 1)])[0]
                         + ctx.saved[3].reshape(-1, 1) * dy.mean(1, keepdim=True), None, None),
        lambda x: F.layer_norm(x, (6,)), [(2, 6)], "a term with a sum over axis 1 is missing or wrong: along that axis the error is the same along it"),
    "a flipped filter": (
        conv.Conv2dFunction, "backward",
        lambda ctx, dy: (None, conv.Conv2dWeightGradFunction.apply(dy, ctx.saved[0], w_shape=ctx.shapes[1], **conv._geometry(ctx))[0]
                         .flip((2, 3)), None),
        lambda w: F.conv2d(ta.tensor(np.random.default_rng(5).normal(size=(1, 2, 5, 5))), w), [(2, 2, 3, 3)],
        "flipped along axes 2, 3"),
    "a reshape instead of a permutation": (
        axes.PermuteFunction, "backward", lambda ctx, dy: dy.reshape(dy.shape[::-1]), lambda x: x.T * ta.tensor(np.arange(6.0).reshape(3, 2)),
        [(2, 3)], "transposed|wrong places"),
    "rows scattered one too far": (
        gather.IndexSelectFunction, "backward",
        lambda ctx, dy: gather.IndexAddFunction.apply(dy, ctx.saved[0], dim=0, length=ctx.length).flip(0),
        lambda x: ta.index_select(x, 0, ta.tensor([0, 1])), [(4, 2)], "wrong places|flipped"),
    "pooling that forgets its overlaps": (
        pool.MaxPool2dFunction, "backward",
        lambda ctx, dy, _: shape.cast(compare.ne(pool.MaxUnpoolFunction.apply(dy, ctx.saved[0], shape=ctx.shape), 0), dy.dtype),
        lambda x: F.max_pool2d(x, 2, 1), [(1, 1, 4, 4)],
        "dy is not multiplied in"),
    "float32 inside": (
        elementwise.MulFunction, "partials", lambda ctx, dy, a, b: ((lambda: (dy * b).float().double()), (lambda: dy * a)),
        lambda a: a * 3.0, [(7,)], "every number of this gradient is a float32: something is computed in float32 inside"),
    "a kept NaN": (
        elementwise.MulFunction, "partials", lambda ctx, dy, a, b: ((lambda: dy * b * np.nan), (lambda: dy * a)),
        lambda a: a * 3.0, [(3,)], "not finite"),
}


@pytest.mark.parametrize("name", MUTATIONS)
def test_wrong_derivatives_are_caught(name, monkeypatch):
    cls, attribute, broken, function, shapes, hint = MUTATIONS[name]
    inputs = [given(*s, seed=i) for i, s in enumerate(shapes)]
    assert gradcheck(function, inputs)
    monkeypatch.setattr(cls, attribute, broken)
    with pytest.raises(GradcheckError, match=hint) as caught:
        gradcheck(function, inputs)
    report = gradcheck(function, inputs, raise_exception=False)
    assert not report and str(report) == str(caught.value)
    if report.failures:
        worst = report.failures[0]
        assert len(worst.index) == len(worst.shape) and not worst.analytic == pytest.approx(worst.numeric, rel=1e-9)


def test_a_wrong_element_of_a_large_input_is_found():
    class Almost(ta.Function):
        def forward(ctx, x):
            return x * 2

        def backward(ctx, dy):
            wrong = np.full(dy.shape, 2.0)
            wrong[7, 31] = 2.5
            return dy * ta.Tensor(wrong)

    for shape, place in (((20, 40), r"at \(7, 31\).*wrong at 1 of 800 elements"), ((100, 100), "along a random direction")):
        with pytest.raises(GradcheckError, match=place):
            gradcheck(Almost.apply, given(*shape))
    assert gradcheck(lambda x: (x * x).exp(), given(100, 100)).checked < 100


def test_second_order_mistakes_are_caught():
    class Forgetful(ta.Function):
        """y = x²; its first derivative is right, but is made of detached values."""

        def forward(ctx, x):
            ctx.save(x)
            return x * x

        def backward(ctx, dy):
            return dy * (ctx.saved[0].detach() * 2)

    x = given(3)
    assert gradcheck(Forgetful.apply, x)
    with pytest.raises(GradcheckError, match="zero gradient"):
        gradgradcheck(Forgetful.apply, x)


def test_two_formulas_of_one_gradient_must_agree(monkeypatch):
    """Where a fused backward has a written-out twin for recording, a wrong twin is consistent with its own derivative."""
    def function(x):
        return F.layer_norm(x, (4,))

    assert gradgradcheck(function, given(3, 4))
    right = norm.LayerNormFunction.written_out
    monkeypatch.setattr(norm.LayerNormFunction, "written_out",
                        lambda ctx, dy, x, w: tuple(None if g is None else g * 0.9 for g in right(ctx, dy, x, w)))
    assert gradcheck(function, given(3, 4))
    with pytest.raises(GradcheckError, match="differs by .* when it is recorded"):
        gradgradcheck(function, given(3, 4))


def test_noise_around_zero_is_not_taken_for_float32():
    """A bias before a normalisation has the gradient 0; what is left of it in float64 has few digits, and is no float32."""
    class Noise(ta.Function):
        def forward(ctx, x):
            return x * 0.0

        def backward(ctx, dy):
            return dy * 0 + ta.Tensor(np.arange(1.0, 6.0) * 2.0**-52)

    assert gradcheck(Noise.apply, given(5))


def test_points_without_a_derivative_are_named():
    x = ta.tensor(np.array([0.0, 1.0]), requires_grad=True)
    with pytest.raises(GradcheckError, match=r"at \(0,\).*not differentiable there: the slope is -?\d.*from the left"):
        gradcheck(F.relu, x)
    with pytest.raises(GradcheckError, match="a tie in a maximum"):
        gradcheck(lambda x: x.max(0)[0], ta.tensor(np.array([1.0, 1.0, 0.0]), requires_grad=True))
    near = ta.tensor(np.array([3e-6, 1.0]), requires_grad=True)      # the kink lies within eps, but not at the point
    assert gradcheck(F.relu, near)


def test_what_cannot_be_checked_is_explained():
    x = given(3)
    for error, message, call in [
            (ValueError, "no input requires a gradient", lambda: gradcheck(F.relu, ta.zeros(3, dtype=np.float64))),
            (TypeError, r"input 0 is float32; differences need float64: pass x.double\(\)",
             lambda: gradcheck(F.relu, ta.zeros(3, requires_grad=True))),
            (ValueError, "input 0 is the result of a recorded operation", lambda: gradcheck(F.relu, x * 2)),
            (TypeError, "must return Tensors, got float", lambda: gradcheck(lambda x: 1.0, x)),
            (GradcheckError, "another result when it is called again", lambda: gradcheck(lambda x: F.dropout(x, 0.5), given(50))),
            (GradcheckError, "no output depends", lambda: gradcheck(lambda x: x.detach() * 2, x))]:
        with pytest.raises(error, match=message):
            call()


def test_inputs_are_put_back_and_other_arguments_passed_on():
    x, before = given(3, 4), given(3, 4).data.copy()
    layer = ta.nn.Linear(4, 2).double()
    weights = layer.weight.data.copy()
    report = gradcheck(lambda x, *_: layer(x), [x, *layer.parameters()])
    assert isinstance(report, Report) and report and report.checked == 12 + 8 + 2 and report.max_error < 1e-8
    assert np.array_equal(x.data, before) and np.array_equal(layer.weight.data, weights) and x.grad is None
    assert gradcheck(lambda x, n, y: x * n, [x, 3, None])
    with pytest.raises(GradcheckError):
        gradcheck(lambda x: x * 1.0, x, atol=1e-30, rtol=0)


# --- the command -----------------------------------------------------------------------------------------------------

def test_command_prints_a_table(capsys):
    assert cli.main(["gradcheck", "softmax", "CBAM", "--rung", "reference"]) == 0
    out = capsys.readouterr().out
    lines = out.splitlines()
    assert lines[0].split() == ["name", "result", "max", "error", "derivatives", "time"]
    assert "softmax 3×5 along -1" in out and "CBAM" in out and lines[-1].endswith("passed on reference")
    assert all(" ok " in line for line in lines[1:-2])


def test_command_gives_json_and_fails_on_a_wrong_gradient(capsys, monkeypatch):
    monkeypatch.setattr(*MUTATIONS["softmax without its sum"][:3])
    assert cli.main(["gradcheck", "softmax", "tanh", "--rung", "reference", "--json", "--seed", "3"]) == 1
    result = json.loads(capsys.readouterr().out)
    assert not result["passed"] and result["seed"] == 3
    by_name = {}
    for row in result["rows"]:
        by_name.setdefault(row["name"], []).append(row)
    assert all(row["passed"] for row in by_name["tanh"]) and not by_name["softmax"][0]["passed"]
    assert by_name["softmax"][0]["failures"][0]["hint"]
    assert cli.main(["gradcheck", "softmax", "--rung", "reference"]) == 1
    out = capsys.readouterr().out
    assert "FAIL" in out and "backward says" in out


def test_command_shows_a_crash_as_a_failed_row(capsys, monkeypatch):
    monkeypatch.setattr(elementwise, "TanhFunction", None, raising=False)
    monkeypatch.setattr(reduce.CumsumFunction, "backward", lambda ctx, dy: 1 / 0)
    assert cli.main(["gradcheck", "cumsum", "tanh", "--rung", "reference"]) == 1
    assert "ZeroDivisionError" in capsys.readouterr().out


def test_command_answers_mistakes(capsys):
    assert cli.main(["gradcheck", "sofmax"]) == 2
    assert "unknown name 'sofmax': did you mean softmax" in capsys.readouterr().err
    assert cli.main(["gradcheck", "--rung", "gpu", "tanh"]) == 2
    assert "gpu" in capsys.readouterr().err
    assert cli.main(["gradcheck"]) == 2
    assert "--all" in capsys.readouterr().err
    assert cli.main(["gradcheck", "--seed", "-1", "tanh"]) == 2
    capsys.readouterr()
    assert cli.main(["gradcheck", "--list"]) == 0
    names = capsys.readouterr().out.split()
    assert {"conv2d", "CBAM", "AttentionCNN", "scaled_dot_product_attention"} <= set(names) and len(names) > 100


def test_command_second_order(capsys):
    assert cli.main(["gradcheck", "exp", "Linear", "--second-order", "--rung", "reference"]) == 0
    assert "passed" in capsys.readouterr().out
