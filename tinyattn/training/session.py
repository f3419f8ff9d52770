"""A whole run: `train` starts one, `resume` takes one up again, both end with its results and pictures in its folder.

    runs/<name>/checkpoint.safetensors   everything needed to go on; written often, always whole
                log.jsonl                a row every few steps, a row an epoch
                model.safetensors        the finished weights, with what is needed to use them
                result.json              the numbers
                curves.png attention.png
"""
import dataclasses
import pathlib
import signal

import tinyattn as ta
from tinyattn.kernels.cpu import compiling

from .. import kernels
from . import checkpoint, compile_ahead, files, saved, setup
from .config import OptionError, changed, complete
from .evaluate import evaluate
from .interrupt import Interrupted, Watch
from .loop import Run, describe
from .progress import Progress


def train(out=None, quiet=False, progress=None, **options):
    """Train a model and return its result, a dict (as in ``result.json``).

    out:     the run's folder; default ``runs/<name>``
    options: fields of `Config` (`recipe`, `data`, `model`, `attention`, `epochs`, `seed` …); the recipe, named or not, fills the rest

    Works in a notebook as in a terminal. Raises `OptionError`, `files.SaveError`, `loop.Diverged`,
    `data.DataNotFound`, and `interrupt.Interrupted` after Ctrl-C.
    """
    config = complete(**options)
    use_threads(config.threads)
    progress = progress or Progress(quiet)
    _compile_ahead(config)
    data = setup.load_data(config)
    folder = files.make_run_folder(out, config.name)
    with files.locked(folder):
        run = _build(config, data, folder, progress)
        files.remove_partial(folder)
        (folder / "log.jsonl").unlink(missing_ok=True)
        run.prepare()
        run.save()  # from now on there is something to resume
        return _carry_out(run)


def resume(folder, quiet=False, progress=None, **options):
    """Go on with the run in `folder` and return its result; a finished one just returns it.

    options: only what cannot change the weights may differ from how it began (see `config.changed`).
    """
    folder = pathlib.Path(folder)
    if folder.name == "checkpoint.safetensors":
        folder = folder.parent
    if not folder.is_dir():
        what = "that is no folder; name the folder of a run" if folder.exists() else "there is no such folder"
        raise OptionError(f"--resume {folder}: {what}{_runs_nearby(folder)}")
    if not (folder / "checkpoint.safetensors").exists():
        raise checkpoint.CheckpointError(f"{folder / 'checkpoint.safetensors'} does not exist: --resume names the folder of a "
                                         f"run{_runs_nearby(folder)}")
    with files.locked(folder):
        path = folder / "checkpoint.safetensors"
        state = checkpoint.load(path)
        config = saved.config(*saved.parts(state, ("config",), path), path)
        config = changed(config.asdict(), options)
        saved.progress(state, config, path)
        use_threads(config.threads)
        progress = progress or Progress(quiet)
        if state["epochs_done"] == config.epochs and (folder / "result.json").exists():
            progress.say(f"{folder} is finished: all {config.epochs} epochs are done, nothing is left to train")
            return _read_result(folder / "result.json")
        files.remove_partial(folder)
        _compile_ahead(config)
        run = _build(config, setup.load_data(config), folder, progress)
        run.load_state(state)
        text = "".join(files.json_line(row) + "\n" for row in run.log)
        files.write_atomically(folder / "log.jsonl", text.encode())  # rows after the checkpoint will be written again
        progress.say(f"resuming {folder} after step {run.step} of {run.total}")
        return _carry_out(run)


def _read_result(path):
    """A finished run's result.json. `CheckpointError` where it is damaged, or not one."""
    try:
        result = files.read_json(path)
    except ValueError as error:
        raise checkpoint.CheckpointError(f"{error}; remove it and resume the run: it is written anew") from error
    if not isinstance(result, dict) or not all(
            isinstance(result.get(key), (int, float)) for key in ("test_accuracy", "train_seconds", "compile_seconds",
                                                                  "images_per_second")):
        raise checkpoint.CheckpointError(f"{path} is no result of a run; remove it and resume the run: it is written anew")
    return {**result, "run": str(path.parent)}


def use_threads(count):
    """Let the kernels use `count` threads (None: as many as now). Raises `OptionError` where there are not so many."""
    if count is not None:
        try:
            ta.set_num_threads(count)
        except ValueError as error:
            raise OptionError(f"--threads {count}: {str(error).partition(': ')[2]}") from error


def _runs_nearby(folder):
    runs = sorted(path.parent.name for path in folder.parent.glob("*/checkpoint.safetensors"))
    return f"; {folder.parent} holds {', '.join(runs[:6])}" if runs else ""


def _compile_ahead(config):
    """Let a second process compile along on a first run, where there is something to compile and a core to do it."""
    if config.device == "cpu" and kernels.active() == "cpu" and ta.get_num_threads() > 1:
        compile_ahead.start(config)


def _build(config, data, folder, progress):
    compiling.announce(lambda: progress.say(
        "compiling kernels for this machine: once, kept for the next time (10 to 30 s) …"))
    run = Run(config, data, folder, progress)
    gate = "" if config.attention == "none" else f" with {config.attention} attention"
    progress.say(f"{config.data}: {len(data.train):,} training and {len(data.test):,} test images · "
                 f"{config.model}{gate}: {parameters(run.model):,} parameters · {run.total:,} steps · {folder}")
    return run


def parameters(model):
    """How many numbers the model learns."""
    return sum(p.numel() for p in model.parameters())


def _carry_out(run):
    """Train what is left, then write the results."""
    try:
        with Watch(lambda number: run.progress.say("stopping after this step … (Ctrl-C again: at once)")) as watch:
            run.fit(watch)
        run.progress.close()
        return finish(run)
    except KeyboardInterrupt:  # a second Ctrl-C, or one after the last step
        raise Interrupted(signal.SIGINT, run.folder, saved=False) from None
    finally:
        run.progress.close()
        compiling.announce(None)


def finish(run):
    """Write model.safetensors, the pictures and result.json (last: its presence means the run is finished)."""
    from tinyattn import viz
    config, folder, data = run.config, run.folder, run.data
    with run.weights():
        answers = run.answers or evaluate(run.model, data.test, test_augment=config.test_augment)  # a run taken up after its last step has none
        save_model(folder / "model.safetensors", run.model, config, data.train)
        title = f"{config.data} · {config.model}" + ("" if config.attention == "none" else f" · {config.attention}")
        viz.curves(run.log, folder / "curves.png", title,
                   "training (smoothed targets)" if config.label_smoothing else "training")
        chosen = viz.choose_examples(data.test.labels, answers.predicted)
        run.model.eval().to("cpu")  # pictures are made of NumPy's arrays
        viz.attention(run.model, data.test.images[chosen], data.test.labels[chosen], data.test.classes, data.test.mean,
                      data.test.std, folder / "attention.png", title)
    images = run.step * min(config.batch_size, len(data.train))  # every batch is whole
    result = {
        "test_accuracy": answers.accuracy, "test_loss": answers.loss,
        "train_accuracy": [row for row in run.log if row["kind"] == "epoch"][-1]["train_accuracy"],
        "train_seconds": round(run.train_seconds, 3), "compile_seconds": round(run.compile_seconds, 3),
        "evaluate_seconds": round(run.evaluate_seconds, 3),
        "images_per_second": round(images / max(run.train_seconds, 1e-9), 1),
        "parameters": parameters(run.model), "epochs": config.epochs, "steps": run.step, "seed": config.seed,
        "data": config.data, "model": config.model, "attention": config.attention, "batch_size": config.batch_size,
        "optimizer": config.optimizer, "lr": config.lr, "schedule": config.schedule, "augment": config.augment,
        "test_augment": config.test_augment, "recipe": config.recipe,
        "threads": ta.get_num_threads(), "train_images": len(data.train), "test_images": len(data.test),
        "run": str(folder),
    }
    files.write_json(folder / "result.json", result)
    return result


def save_model(path, model, config, part):
    """Export the weights with what is needed to use them: which model, which classes, which normalisation.

    The file's tensors have the names of the state dict, so that PyTorch loads them: ``twin.load_state_dict(safetensors.torch.load_file(path))``.
    """
    checkpoint.save(path, {"config": config.asdict(), "about": describe(part), "model": model.state_dict()},
                    checkpoint.MODEL_FORMAT, bare="model")


class Trained:
    """A trained model, ready to use: `model` (in evaluation mode), `config`, `about` (see `loop.describe`)."""

    def __init__(self, model, config, about, source):
        self.model, self.config, self.about, self.source = model, config, about, source


def open_run(path, data_dir=None):
    """Load the model of a run: from ``model.safetensors``, or for an unfinished run from its checkpoint.

    path: the run's folder, or one of these two files. Raises `checkpoint.CheckpointError`.
    """
    path = pathlib.Path(path)
    if path.is_dir():
        finished, unfinished = path / "model.safetensors", path / "checkpoint.safetensors"
        path = finished if finished.exists() or not unfinished.exists() else unfinished
    if not path.exists() and not path.is_symlink():
        raise checkpoint.CheckpointError(f"{path} does not exist: name the folder of a run, such as "
                                         f"runs/glyphs-attention_cnn-cbam-seed0{_runs_nearby(path.parent)}")
    unfinished = path.name == "checkpoint.safetensors"
    state = checkpoint.load(path, checkpoint.FORMAT if unfinished else checkpoint.MODEL_FORMAT)
    options, about, weights = saved.parts(state, ("config", "about", "model"), path)
    config = saved.config(options, path)
    about = saved.about(about, config, path)
    if unfinished:
        saved.progress(state, config, path)
        if state["average"]:
            weights = {**weights, **saved.parts(state["average"], ("weights",), path)[0]}
    config = dataclasses.replace(config, data_dir=data_dir or config.data_dir)
    model = setup.build_model(config, about["channels"], len(about["classes"]), about["image_size"][0])
    checkpoint.load_weights(model, weights, path)
    model.eval()
    return Trained(model, config, about, path)
