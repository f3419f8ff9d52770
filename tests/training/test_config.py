"""What can be asked for, what a misspelt wish is answered with, and what may change when a run goes on."""
import pytest

from tinyattn.training import config as c
from tinyattn.training import recipes


def test_every_data_set_and_model_has_a_recipe_that_is_whole():
    for data in c.DATA:
        for model in c.MODELS:
            for optimizer in (None, *c.OPTIMIZERS):
                made = c.complete(data, model, optimizer=optimizer)
                assert made.optimizer == (optimizer or recipes.defaults(data, model)["optimizer"])


def test_what_is_chosen_wins_over_the_recipe():
    made = c.complete("mnist", epochs=2, lr=0.5, seed=7)
    assert (made.epochs, made.lr, made.seed, made.name) == (2, 0.5, 7, "mnist-attention_cnn-cbam-seed7")
    assert c.complete("mnist", attention="none").name == "mnist-attention_cnn-seed0"


@pytest.mark.parametrize("option, wrong, guess", [
    ("data", "minst", "mnist"), ("data", "cifar-10", "cifar10"), ("data", "fashion_mnist", "fashion-mnist"),
    ("model", "attention-cnn", "attention_cnn"), ("model", "resnet", "resnet8"), ("attention", "cbma", "cbam"),
    ("optimizer", "AdamW", "adamw"), ("schedule", "one-cycle", "onecycle"), ("augment", "afine", "affine"),
    ("test_augment", "flop", "flip"), ("schedule", "triangel", "triangle"),
    ("device", "gpu", None)])
def test_an_unknown_name_is_answered_with_the_nearest(option, wrong, guess):
    with pytest.raises(c.OptionError) as error:
        c.complete(**{option: wrong})
    text, option = str(error.value), option.replace("_", "-")
    assert f"--{option} '{wrong}'" in text and (guess is None or f"did you mean {guess}?" in text)


@pytest.mark.parametrize("option, value", [
    ("epochs", 0), ("batch_size", -1), ("lr", 0.0), ("lr", float("nan")), ("seed", -1), ("threads", 0),
    ("label_smoothing", 1.0), ("average", 1.5), ("weight_decay", -0.1), ("checkpoint_every", 0), ("limit_train", 0), ("momentum", 1.0),
    ("momentum", 0), ("bias_lr", 0), ("bias_lr", float("inf"))])
def test_an_impossible_number_is_refused(option, value):
    with pytest.raises(c.OptionError, match=f"--{option.replace('_', '-')} is"):
        c.complete(**{option: value})


def test_a_gate_needs_a_place():
    assert c.complete(model="lenet").attention == "none"
    with pytest.raises(c.OptionError, match="lenet has no place for a gate.*resnet8"):
        c.complete(model="lenet", attention="se")


def test_a_device_must_be_there(monkeypatch):
    from tinyattn.kernels.cuda import runtime
    monkeypatch.setattr(runtime, "why_not", lambda: None)
    assert c.complete(device="cuda", cuda_graph=True).cuda_graph
    with pytest.raises(c.OptionError, match="--cuda-graph .* add --device cuda"):
        c.complete(cuda_graph=True)
    with pytest.raises(c.OptionError, match="--cuda-graph is 1, expected true or false"):
        c.complete(device="cuda", cuda_graph=1)
    monkeypatch.setattr(runtime, "why_not", lambda: "no driver")
    with pytest.raises(c.OptionError, match="--device cuda: no driver"):
        c.complete(device="cuda")


def test_a_resumed_run_may_change_only_what_touches_no_weight():
    saved = c.complete("mnist").asdict()
    went_on = c.changed(saved, {"threads": 1, "data_dir": "/elsewhere", "epochs": saved["epochs"]})
    assert (went_on.threads, went_on.data_dir, went_on.lr) == (1, "/elsewhere", saved["lr"])
    with pytest.raises(c.OptionError, match=r"--epochs 99 \(was 5\), --lr 1.0 \(was"):
        c.changed(saved, {"epochs": 99, "lr": 1.0, "threads": 1})


def test_a_named_recipe_and_what_overrides_it():
    made = c.complete(recipe="cifar90")
    expected = recipes.RECIPES["cifar90"].settings
    assert {key: getattr(made, key) for key in expected} == expected and made.recipe == "cifar90" and made.name == "cifar90-seed0"
    other = c.complete("cifar100", recipe="cifar90", lr=0.1, seed=3, attention="se")
    assert (other.data, other.lr, other.attention, other.name) == ("cifar100", 0.1, "se", "cifar90-seed3")
    assert {key: getattr(other, key) for key in expected if key not in ("data", "lr", "attention")} == {
        key: value for key, value in expected.items() if key not in ("data", "lr", "attention")}
    assert c.complete(recipe="resnet20-cbam", model="lenet").attention == "none"      # which has no place for a gate
    with pytest.raises(c.OptionError, match="--recipe 'cifar9' is not known: did you mean cifar90"):
        c.complete(recipe="cifar9")


@pytest.mark.parametrize("name", recipes.RECIPES)
def test_recipes_are_whole(name):
    recipe, fields = recipes.RECIPES[name], {field.name for field in c.fields()}
    assert set(recipe.settings) <= fields - {"seed", "recipe", "data_dir"} and recipe.words and recipe.sources and recipe.seeds >= 1 and recipe.seconds > 0
    assert {"data", "model", "attention", "epochs", "lr", "optimizer", "schedule", "augment"} <= set(recipe.settings)
    c.complete(recipe=name)
