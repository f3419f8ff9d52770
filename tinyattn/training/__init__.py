"""Training: the loop, its checkpoints, its recipes.

    from tinyattn import training
    result = training.train(data="mnist", epochs=5)      # a run, as `tinyattn train` makes it
    training.resume("runs/mnist-attention_cnn-cbam-seed0")
    trained = training.open_run("runs/…")                # trained.model, ready to use
"""
from .average import Average
from .checkpoint import CheckpointError
from .config import Config, OptionError, complete
from .evaluate import Answers, evaluate
from .files import SaveError
from .interrupt import Interrupted
from .loop import Diverged, Run
from .metrics import Meter, confusion, most_confused, per_class
from .progress import Progress
from .session import Trained, open_run, resume, train

__all__ = ["Answers", "Average", "CheckpointError", "Config", "Diverged", "Interrupted", "Meter", "OptionError",
           "Progress", "Run", "SaveError", "Trained", "complete", "confusion", "evaluate", "most_confused", "open_run",
           "per_class", "resume", "train"]
