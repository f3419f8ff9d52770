"""What a run is: every choice that decides its weights, as one flat record with a name for each."""
import dataclasses
import os

from ..data import names as data_names
from ..models import HAS_GATES
from ..models import MODELS as MODEL_MAKERS
from ..nearest import nearest
from ..nn.attention import GATES
from . import recipes

DATA, MODELS, ATTENTION = tuple(data_names()), tuple(MODEL_MAKERS), tuple(GATES)
OPTIMIZERS = ("adamw", "adam", "sgd")
SCHEDULES = ("onecycle", "triangle", "cosine", "step", "constant")
AUGMENTATIONS = ("none", "affine", "flip", "crop", "crop-flip", "translate", "translate-flip")
TEST_AUGMENTATIONS = ("none", "flip", "flip-translate")
RECIPES = tuple(recipes.RECIPES)
DEVICES = ("cpu", "cuda")

# Options that may change when a run is resumed: none of them touches a weight.
HARMLESS = ("data_dir", "threads", "cuda_graph", "checkpoint_every", "checkpoint_seconds")


class OptionError(ValueError):
    """A choice that cannot be used. `str()` is one sentence for the user."""


def check_name(option, word, names):
    """Return `word` if it is one of `names`; else raise `OptionError` with the nearest one."""
    if isinstance(word, str) and word in names:
        return word
    guess = nearest(word, names)
    hint = f"did you mean {guess}? " if guess else ""
    raise OptionError(f"{option} {word!r} is not known: {hint}choose from {', '.join(names)}")


@dataclasses.dataclass(frozen=True)
class Config:
    """All choices of a run. `complete` fills what the user left open from a named recipe, or from what fits the data set and model."""

    data: str
    model: str
    attention: str
    epochs: int
    batch_size: int
    lr: float
    optimizer: str
    schedule: str
    augment: str
    weight_decay: float
    label_smoothing: float
    average: float  # decay of the exponential average of the weights; 0: none
    seed: int
    device: str
    limit_train: int | None
    limit_test: int | None
    data_dir: str | None = None
    threads: int | None = None
    checkpoint_every: int | None = None  # steps; None: by the clock
    checkpoint_seconds: float = 20.0
    recipe: str | None = None
    momentum: float = 0.9  # of sgd
    bias_lr: float = 1.0  # the learning rate of vectors (biases, norms) as a multiple of the matrices'
    cuda_graph: bool = False  # replay the training step as one CUDA graph
    test_augment: str = "none"  # test-time augmentation: what the answers in evaluation are a mean of

    @property
    def name(self):
        """The name of the run's folder, if the user gives none."""
        if self.recipe is not None:
            return f"{self.recipe}-seed{self.seed}"
        gate = "" if self.attention == "none" else f"-{self.attention}"
        return f"{self.data}-{self.model}{gate}-seed{self.seed}"

    def asdict(self):
        """The record as a plain dict."""
        return dataclasses.asdict(self)


_OPEN = object()  # not chosen


def complete(data=_OPEN, model=_OPEN, attention=None, recipe=None, **chosen):
    """Make a `Config` from what was chosen; the rest comes from the `recipe` of that name, and from `recipes.defaults`. Raises `OptionError`.

    data, model: default the recipe's, else glyphs and attention_cnn
    attention:   default the recipe's, else CBAM where the model has a place for it
    """
    named = {}
    if recipe is not None:
        check_name("--recipe", recipe, RECIPES)
        named = dict(recipes.RECIPES[recipe].settings)
    data, model = named.get("data", "glyphs") if data is _OPEN else data, named.get("model", "attention_cnn") if model is _OPEN else model
    check_name("--data", data, DATA)
    check_name("--model", model, MODELS)
    if attention is None:
        attention = named.get("attention", "cbam") if model in HAS_GATES else "none"
    given = {key: value for key, value in chosen.items() if value is not None}
    known = [field.name for field in fields()]
    for key in given:
        if key not in known:
            guess = nearest(key, known)
            raise OptionError(f"{key!r} is not an option of a run" + (f": did you mean {guess}?" if guess else "")
                              + f" (there are {', '.join(known)})")
    optimizer = given.get("optimizer", named.get("optimizer"))
    values = {"seed": 0, "device": "cpu", "limit_train": None, "limit_test": None}
    usual = recipes.defaults(data, model, optimizer if optimizer in OPTIMIZERS else None)
    config = Config(**{**values, **usual, **named, **given, "data": data, "model": model, "attention": attention, "recipe": recipe})
    check(config)
    return config


def fields():
    """The fields of `Config`."""
    return dataclasses.fields(Config)


def has_default(field):
    """Whether a `Config` can do without this field."""
    return field.default is not dataclasses.MISSING


_KINDS = {int: "a whole number", float: "a number", str: "text", bool: "true or false"}


def check(config):
    """Raise `OptionError` for the first choice that is of the wrong type, unknown, or cannot work."""
    for field in fields():
        value, kinds = getattr(config, field.name), getattr(field.type, "__args__", (field.type,))
        allowed = (*kinds, int) if float in kinds else kinds
        if kinds[0] is not str and (not isinstance(value, allowed) or isinstance(value, bool) != (kinds[0] is bool)):
            raise OptionError(f"--{field.name.replace('_', '-')} is {value!r:.60}, expected {_KINDS[kinds[0]]}")
    if config.data_dir is not None and (not isinstance(config.data_dir, (str, os.PathLike)) or not str(config.data_dir)):
        raise OptionError(f"--data-dir is {config.data_dir!r:.60}, expected a folder's path")
    for option, word, names in (
            ("--data", config.data, DATA), ("--model", config.model, MODELS), ("--attention", config.attention, ATTENTION),
            ("--optimizer", config.optimizer, OPTIMIZERS), ("--schedule", config.schedule, SCHEDULES),
            ("--augment", config.augment, AUGMENTATIONS), ("--test-augment", config.test_augment, TEST_AUGMENTATIONS),
            ("--device", config.device, DEVICES)):
        check_name(option, word, names)
    if config.recipe is not None:
        check_name("--recipe", config.recipe, RECIPES)
    if config.attention != "none" and config.model not in HAS_GATES:
        raise OptionError(f"--attention {config.attention}: {config.model} has no place for a gate; leave it out, or use "
                          f"--model {', '.join(HAS_GATES)}")
    if config.device == "cuda":
        _check_cuda()
    elif config.cuda_graph:
        raise OptionError("--cuda-graph replays a step on a GPU: add --device cuda, or leave it out")
    for option, number in (("--epochs", config.epochs), ("--batch-size", config.batch_size),
                           ("--threads", config.threads), ("--limit-train", config.limit_train),
                           ("--limit-test", config.limit_test), ("--checkpoint-every", config.checkpoint_every)):
        if number is not None and number < 1:
            raise OptionError(f"{option} is {number}, expected 1 or more")
    if not 0 < config.lr < float("inf"):
        raise OptionError(f"--lr is {config.lr}, expected a number above 0")
    if not 0 < config.bias_lr < float("inf"):
        raise OptionError(f"--bias-lr is {config.bias_lr}, expected a number above 0")
    if not 0 < config.momentum < 1:
        raise OptionError(f"--momentum is {config.momentum}, expected 0 < x < 1")
    if not 0 <= config.seed < 2 ** 63:
        raise OptionError(f"--seed is {config.seed}, expected 0 … 2⁶³ − 1")
    for option, number in (("--label-smoothing", config.label_smoothing), ("--average", config.average)):
        if not 0 <= number < 1:
            raise OptionError(f"{option} is {number}, expected 0 ≤ x < 1")
    if not 0 <= config.checkpoint_seconds < float("inf"):
        raise OptionError(f"--checkpoint-seconds is {config.checkpoint_seconds}, expected 0 or more")
    if not 0 <= config.weight_decay < float("inf"):
        raise OptionError(f"--weight-decay is {config.weight_decay}, expected 0 or more")


def _check_cuda():
    """OptionError that says what is missing, unless there is a GPU (or the simulator)."""
    from .. import kernels
    try:
        kernels.rung("cuda").check_available()
    except RuntimeError as error:
        raise OptionError(f"--device cuda: {str(error).partition(': ')[2]}") from None


def changed(saved, given):
    """The config of a resumed run: `saved` (dict) with the harmless options of `given` (dict: what the user typed).

    Raises `OptionError` that names every other option whose value differs. The number of epochs is one of them: the
    learning rate's schedule is stretched over it, so a run of 5 epochs is not the first half of one of 10.
    """
    known = [field.name for field in fields()]
    for key in given:
        if key not in known:
            guess = nearest(key, known)
            raise OptionError(f"{key!r} is not an option of a run" + (f": did you mean {guess}?" if guess else "")
                              + f" (of a resumed one, {', '.join(HARMLESS)} may change)")
    different = [f"--{key.replace('_', '-')} {value} (was {saved.get(key)})" for key, value in given.items()
                 if value is not None and key not in HARMLESS and saved.get(key) != value]
    if different:
        raise OptionError("a resumed run goes on as it began; leave out, or start a new run with: "
                          + ", ".join(different))
    harmless = {key: value for key, value in given.items() if value is not None and key in HARMLESS}
    made = Config(**{**saved, **harmless})
    check(made)
    return made
