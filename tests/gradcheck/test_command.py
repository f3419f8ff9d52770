"""``tinyattn gradcheck`` on one thing: free attributes, dtypes, shapes, the whole report, the picture, and mistakes."""
import json

import numpy as np
import pytest

import tinyattn as ta
from tinyattn import cli
from tinyattn.gradcheck import curve, free, heat
from tinyattn.ops import conv


def run(words, capsys, code=0):
    assert cli.main(["gradcheck", *words.split(), "--rung", "reference"]) == code
    return capsys.readouterr().out


@pytest.mark.parametrize("words, shapes", [
    ("conv2d --stride 2 --groups 2 --dtype float64", [(2, 4, 6, 5), (4, 2, 3, 3), (4,)]),
    ("conv2d --padding 1 --shape 2,5,9,9", [(2, 5, 9, 9), (4, 5, 3, 3), (4,)]),
    ("conv_transpose2d --groups 2 --stride 3,2", [(2, 4, 3, 4), (4, 2, 3, 3), (4,)]),
    ("group_norm --num_groups 3", [(2, 6, 3, 3), (6,), (6,)]),
    ("softmax --dim 0 --shape 4,6", [(4, 6)]),
    ("Conv2d --groups 2 --bias false", [(2, 4, 5, 6), (4, 2, 3, 3)]),
    ("Linear --in_features 6", [(2, 6), (3, 6), (3,)]),
    ("GroupNorm --num_groups 3", [(2, 6, 3, 3), (6,), (6,)]),
    ("se --channels 8", None), ("AttentionCNN --attention eca", None)])
@pytest.mark.parametrize("dtype", ["float64", "float32"])
def test_attributes_are_free(words, shapes, dtype, capsys):
    result = json.loads(run(f"{words.replace(' --dtype float64', '')} --dtype {dtype} --json", capsys))
    (row,) = result["rows"]
    assert result["passed"] and result["dtype"] == dtype and row["worst"] and len(row["curve"]) == len(curve.STEPS)
    if shapes is not None:
        assert [tuple(w["shape"]) for w in row["worst"]] == shapes
        assert all(word.lstrip("-").partition("=")[0] in row["case"] for word in words.split() if word in ("--stride", "--groups", "--dim"))


def test_the_attribute_reaches_the_operation(capsys, monkeypatch):
    seen, original = [], conv.Conv2dFunction.forward
    monkeypatch.setattr(conv.Conv2dFunction, "forward", lambda ctx, *a, **o: (seen.append(o), original(ctx, *a, **o))[1])
    run("conv2d --stride 2 --groups 2 --dilation 1,2", capsys)
    assert seen[-1] == dict(stride=(2, 2), padding=(1, 1), dilation=(1, 2), groups=2)


def test_the_report_of_one_thing_is_whole(capsys):
    out = run("tanh --shape 2,3", capsys)
    for part in ("worst at (", "backward says", "step h", "left arm, small h: rounding", "right arm, large h: truncation",
                 "Lowest:", "1 of 1 passed on reference"):
        assert part in out
    x = ta.tensor(np.linspace(-1, 1, 6).reshape(2, 3), requires_grad=True)
    report = ta.gradcheck(ta.tanh, x)
    assert report and "left arm, small h: rounding" in str(report) and ta.gradcheck.gradcheck(ta.tanh, x)
    errors = dict(report.curve)
    assert errors[1e-5] < 1e-9 < errors[1e-1] and errors[1e-11] > 100 * errors[1e-5]     # the V is there, with both arms
    assert not ta.gradcheck(ta.tanh, x, curve=False).curve


def _broken(monkeypatch):
    original = conv.Conv2dFunction.backward

    def backward(ctx, dy):
        dx, dw, db = original(ctx, dy)
        return dx, dw * 1.5, db
    monkeypatch.setattr(conv.Conv2dFunction, "backward", backward)


def test_a_wrong_gradient_is_shown_with_its_map_and_cause(capsys, monkeypatch, tmp_path):
    _broken(monkeypatch)
    out = run(f"conv2d --stride 2 --picture {tmp_path}/a.png", capsys, 1)
    for part in ("FAIL", "input 1 (weight) of shape", "off by the constant factor 1.5", "█", "a floor instead of a V", "drawn:"):
        assert part in out
    assert (tmp_path / "a.png").read_bytes()[:4] == b"\x89PNG"
    (row,) = json.loads(run("conv2d --stride 2 --json", capsys, 1))["rows"]
    (failure,) = row["failures"]
    assert failure["cause"] == "factor" and failure["name"] == "weight" and failure["wrong"] > 10
    assert np.count_nonzero(failure["map"]) == failure["wrong"] and np.shape(failure["map"]) == tuple(failure["shape"])
    assert min(point["error"] for point in row["curve"]) > 1e-3


def test_float32_is_judged_by_what_rounding_can_do(capsys, monkeypatch):
    """A relative error of 1e-5 is a hundred roundings, and is seen; float32 itself passes."""
    original = conv.Conv2dFunction.backward
    assert "rounding of the float32 gradient" in run("conv2d --stride 2 --dtype float32", capsys)
    monkeypatch.setattr(conv.Conv2dFunction, "backward", lambda ctx, dy: tuple(g * (1 + 3e-5) for g in original(ctx, dy)))
    assert "FAIL" in run("conv2d --stride 2 --dtype float32", capsys, 1)


@pytest.mark.parametrize("words, message", [
    ("conv2d --strid 2", "conv2d takes no 'strid': did you mean stride? it takes stride, padding, dilation, groups"),
    ("tanh --stride 2", "tanh takes no 'stride'"), ("conv2d exp --stride 2", "for one name"),
    ("attention_cnn --attention cbm", "did you mean 'cbam'"), ("attention_cnn --atention cbam", "did you mean attention?"),
    ("conv2d --groups 3 --shape 2,4,9,9", "C = 3 to match weight"), ("conv2d --shape 2,x", "expected lengths such as 2,4,9,9"),
    ("conv2d --shape 2000,2000,9,9", "more than anyone waits for"), ("conv2d --dtype float16", "float16"),
    ("conv2d --second-order --dtype float32", "in float64 only"), ("conv2d --picture a.txt", "ends in .png"),
    ("conv2d --picture a.png", "draws one thing"), ("conv2d --stride 0", "stride")])
def test_mistakes_are_answered(words, message, capsys):
    assert cli.main(["gradcheck", *words.split()]) == 2
    assert message in capsys.readouterr().err


def test_words_become_values():
    for text, value in (("2", 2), ("0.5", 0.5), ("2,1", (2, 1)), ("true", True), ("None", None), ("same", "same"), ("-1", -1)):
        assert free.value_of(text) == value and type(free.value_of(text)) is type(value)


def test_maps_show_where():
    excess = np.zeros((2, 3, 4))
    excess[1, 2, 3], excess[0, 0, 0] = 1.0, 0.3
    lines = heat.draw(excess)
    assert lines[0].split() == ["[0]", "[1]"] and lines[1].split() == ["▒···", "····"] and lines[3].split() == ["····", "···█"]
    assert "too large" in heat.draw(np.zeros((100, 100)))[0] and "█" in heat.draw(np.array(1.0))[0]
    assert "█" in heat.draw(np.array([0.0, np.nan]))[0]
