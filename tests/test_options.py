"""A misspelt name is answered with the nearest that exists, wherever names are taken: commands, options, library, environment."""
import os
import subprocess
import sys

import pytest
from answers import is_ours

import tinyattn as ta
from tinyattn import cli, kernels, nn, training
from tinyattn.training import config as c

COMMAND_LINES = [  # what was typed, what the answer must hold
    ("trian", "did you mean train?"), ("evaluate", "did you mean eval?"), ("predcit", "did you mean predict?"),
    ("sumary", "did you mean summary?"),
    ("lsit", "did you mean list?"), ("grad-check", "did you mean gradcheck?"), ("bnech", "did you mean bench?"),
    ("docter", "did you mean doctor?"),
    ("xyzzy", "choose from train, eval, predict"), ("help trian", "did you mean train?"), ("--verison", "did you mean --version?"),
    ("--halp", "did you mean --help?"), ("--epochs 3", "a command comes first, as in tinyattn train --epochs 3"),
    *[(f"train {wrong} 1", f"did you mean {right}?") for wrong, right in [
        ("--epoch", "--epochs"), ("--modle", "--model"), ("--batchsize", "--batch-size"), ("--batch_size", "--batch-size"),
        ("--attn", "--attention"),
        ("--optimiser", "--optimizer"), ("--scheduler", "--schedule"), ("--augmentation", "--augment"), ("--weightdecay", "--weight-decay"),
        ("--label-smooth", "--label-smoothing"), ("--ouput", "--out"), ("--resum", "--resume"), ("--treads", "--threads"),
        ("-epochs", "--epochs"),
        ("--checkpoint", "--checkpoint-every"), ("--limit-trian", "--limit-train"), ("--datadir", "--data-dir"), ("--divice", "--device"),
        ("--epochs3", "--epochs"), ("--sed", "--seed"), ("--quite", "--quiet")]],
    ("train --data minst", "did you mean mnist?"), ("train --data cifar", "did you mean cifar10?"),
    ("train --recipe mnist98", "did you mean mnist99?"), ("train --recipe resnet", "did you mean resnet20-cbam?"),
    ("train --recipie mnist99", "did you mean --recipe?"), ("list recipies", "did you mean recipes?"),
    ("train --model renset20", "did you mean resnet20?"),
    ("train --attention sbam", "did you mean bam?"), ("train --attention cbm", "did you mean cbam?"), ("train --attention non-local", "did you mean nonlocal?"), ("train --optimizer Adam-W", "did you mean adamw?"),
    ("train --schedule cosin", "did you mean cosine?"),
    ("train --augment flop", "did you mean flip?"), ("train --device cudaa", "did you mean cuda?"),
    ("train mnist", "unexpected argument 'mnist': options begin with --"),
    ("train --epochs three", "--epochs is 'three', expected a whole number"),
    ("train --epochs 1.5", "--epochs is '1.5', expected a whole number"),
    ("train --lr fast", "--lr is 'fast', expected a number"), ("train --epochs", "--epochs: expected one argument"),
    ("train --seed 1e3", "--seed is '1e3'"),
    ("train --data-dir=", "--data-dir is '', expected a folder's path"), ("train --out= --epochs 1 --limit-train 200", "--out is empty"),
    ("eval x --thread 2", "did you mean --threads?"), ("eval x --pictures y", "did you mean --picture?"),
    ("eval x --corrupt fogg", "did you mean fog?"), ("eval x --corrupt al", "did you mean all?"), ("eval x --corrupt fog --severity 6", "--severity is 6, expected 1 to 5"),
    ("eval x --severity 3", "--severity is of a corruption: name it too"), ("eval x --corrupt fog --severity bad", "--severity is 'bad', expected a whole number"),
    ("data glyphs --corrupt blurr --picture x.png", "did you mean blur?"), ("data glyphs --corrupt blur", "add --picture FILE"),
    ("list corruption", "did you mean corruptions?"), ("train --data clutered", "did you mean cluttered?"),
    ("predict x y --tpo 2", "did you mean --top?"),
    ("predict x y --top two", "--top is 'two', expected a whole number"), ("predict x", "required: IMAGE"), ("summary", "required: MODEL"),
    ("summary resnet9", "did you mean resnet8?"), ("summary lenet --data mnits", "did you mean mnist?"),
    ("summary cct --atention se", "did you mean --attention?"),
    ("summary resnet8 --attention cbma", "did you mean cbam?"), ("list modells", "did you mean models?"),
    ("data mnits", "did you mean mnist?"),
    ("data glyphs --split tets", "did you mean test?"), ("data --pictrue x", "did you mean --picture?"),
    ("gradcheck con2d", "did you mean conv2d"),
    ("gradcheck CBMA", "did you mean CBAM"), ("gradcheck --lsit", "did you mean --list?"),
    ("gradcheck conv2d --rung refrence", "did you mean reference?"),
    ("gradcheck conv2d --seed x", "--seed is 'x', expected a whole number"), ("bench --suite step", "did you mean steps?"),
    ("bench --suit x", "did you mean --suite?"),
    ("bench --against pytorch", "did you mean torch?"), ("bench --case nothing", "no case contains nothing; there are: "),
    ("doctor --jsn", "did you mean --json?"),
    ("doctor now", "unexpected argument 'now'"),
]

PARAMETER = ta.ones(2, requires_grad=True)
LIBRARY = [  # the call, the error, what it must say
    (lambda: training.train(epoch=1), ValueError, "'epoch' is not an option of a run: did you mean epochs?"),
    (lambda: training.train(learning_rate=1), ValueError, "is not an option of a run"),
    (lambda: training.train(batchsize=1), ValueError, "did you mean batch_size?"),
    (lambda: training.train(data="mnits"), ValueError, "did you mean mnist?"),
    (lambda: training.train(recipe="cifar"), ValueError, "did you mean cifar90?"),
    (lambda: training.train(recipe=["mnist99"]), ValueError, "choose from mnist99"),
    (lambda: training.train(model="resnet"), ValueError, "did you mean resnet8?"),
    (lambda: training.train(attention="cbma"), ValueError, "did you mean cbam?"),
    (lambda: training.train(attention=""), ValueError, "--attention '' is not known"),
    (lambda: training.train(optimizer="adma"), ValueError, "did you mean adam"),
    (lambda: training.train(optimizer=["adam"]), ValueError, "choose from adamw"),
    (lambda: training.train(schedule="step-lr"), ValueError, "did you mean step?"),
    (lambda: training.train(augment="crop_flip"), ValueError, "did you mean crop-flip?"),
    (lambda: training.train(epochs="3"), ValueError, "--epochs is '3', expected a whole number"),
    (lambda: training.train(epochs=True), ValueError, "--epochs is True, expected a whole number"),
    (lambda: training.train(lr="3"), ValueError, "--lr is '3', expected a number"),
    (lambda: training.train(model=None), ValueError, "--model None is not known"),
    (lambda: c.changed(c.complete().asdict(), {"thread": 2}), ValueError, "did you mean threads?"),
    (lambda: ta.models.create("resnet2"), ValueError, "did you mean 'resnet20'?"),
    (lambda: ta.models.create("LeNet5"), ValueError, "did you mean 'lenet'?"),
    (lambda: ta.models.create(None), ValueError, "there are lenet"),
    (lambda: ta.models.create("resnet8", attention="cbma"), ValueError, "did you mean 'cbam'?"),
    (lambda: ta.models.create("resnet8", attention=[]), ValueError, "there are none, se"),
    (lambda: nn.attention.create("SE", 4), ValueError, "did you mean 'se'?"),
    (lambda: ta.data.load("minst"), ValueError, "did you mean 'mnist'?"),
    (lambda: ta.data.load("Glyph"), ValueError, "did you mean 'glyphs'?"),
    (lambda: ta.data.load("cifar"), ValueError, "did you mean 'cifar10'?"),
    (lambda: ta.data.load(5), ValueError, "expected one of glyphs"),
    (lambda: ta.data.load("mnist", "tets"), ValueError, "did you mean 'test'?"),
    (lambda: ta.data.load("mnist", ["test"]), ValueError, "expected 'train' or 'test'"),
    (lambda: ta.data.load("glyphs", sead=1), TypeError, "has no option 'sead', did you mean 'seed'?"),
    (lambda: ta.data.load("mnist", size=1), TypeError, "only glyphs has (size"),
    (lambda: kernels.use("refrence").__enter__(), ValueError, "did you mean 'reference'?"),
    (lambda: kernels.rung("CPU"), ValueError, "did you mean 'cpu'?"),
    (lambda: kernels.rung([1]), ValueError, "expected one of reference, cpu"),
    (lambda: ta.zeros(2, dtype="flaot32"), TypeError, "unsupported dtype 'flaot32', did you mean 'float32'?"),
    (lambda: ta.tensor([1.0], dtype="double64"), TypeError, "unsupported dtype 'double64'"),
    (lambda: ta.tensor([1], dtype="Int-64"), TypeError, "did you mean 'int64'?"),
    (lambda: ta.zeros(2, device="cdua"), ValueError, "unknown device 'cdua'"),
    (lambda: ta.optim.SGD([{"params": [PARAMETER], "momntum": 1}], lr=1), ValueError, "momentum"),
    (lambda: ta.sofmax, AttributeError, "has no attribute 'sofmax'; did you mean 'softmax'?"),
    (lambda: ta.modles, AttributeError, "did you mean 'models'?"),
    (lambda: nn.Sequential(nn.Linear(2, 2)).get_submodule("1"), AttributeError, "has no submodule '1'"),
]


@pytest.mark.parametrize("typed, words", COMMAND_LINES, ids=[row[0] for row in COMMAND_LINES])
def test_command_lines(capsys, tmp_path, monkeypatch, typed, words):
    monkeypatch.chdir(tmp_path)
    assert cli.main(typed.split()) == 2
    said = capsys.readouterr().err.strip()
    assert said.startswith("tinyattn: error: ") and words in said and "\n" not in said, said
    assert not list(tmp_path.iterdir())


@pytest.mark.parametrize("number", range(len(LIBRARY)))
def test_library(number):
    call, error, words = LIBRARY[number]
    with pytest.raises(error) as caught:
        call()
    assert words in str(caught.value) and is_ours(caught.value) | str(caught.value).startswith("kernels:"), str(caught.value)


@pytest.mark.parametrize("value, words", [("refrence", "did you mean 'reference'?"), ("CPU", "did you mean 'cpu'?"),
                                          ("fast", "expected one of reference, cpu")])
def test_a_misspelt_variable(value, words):
    done = subprocess.run([sys.executable, "-m", "tinyattn", "list"], capture_output=True, text=True,
                          env={**os.environ, "TINYATTN_KERNELS": value})
    assert done.returncode == 2 and words in done.stderr and "TINYATTN_KERNELS" in done.stderr and "Traceback" not in done.stderr


def test_every_option_has_its_neighbour():
    """One letter less in any option of any command is answered with that option."""
    for name, (module, _) in cli.COMMANDS.items():
        if ":" in module:
            continue
        parser = cli.Parser(prog=name)
        __import__(f"tinyattn.{module}", fromlist=["x"]).add_arguments(parser)
        for option in [o for a in parser._actions for o in a.option_strings if o.startswith("--") and len(o) > 5]:
            with pytest.raises(cli.Mistake, match=f"did you mean {option}\\?|required"):
                parser.parse_all([option[:-2] + option[-1]])


@pytest.mark.parametrize("typed", ["data glyphs --picture {}/none/x.png", "data glyphs --picture {}/x.xyz"])
def test_pictures_that_cannot_be_written(capsys, tmp_path, typed):
    assert cli.main(typed.format(tmp_path).split()) == 2
    said = capsys.readouterr().err.strip()
    assert said.startswith("tinyattn: error: cannot write") and "--picture" in said and not list(tmp_path.iterdir())
