"""The loop: batches in, better weights out, and everything needed to go on written down in good time.

A step is the one every tutorial shows: predict, measure, backward, update. Around it stand a clock, a log and the
checkpoint. The state of a run between two steps is one tree (`Run.state`): weights and buffers, optimizer, average,
schedule, position in the data, random state, sums of the epoch so far, and the log. Two runs that hold the same tree
go on alike to the last bit; that is what makes a killed run resumable.
"""
import contextlib
import math
import pathlib
import time

import tinyattn as ta
from tinyattn.kernels.cpu import compiling

from . import checkpoint, files, saved, setup
from .average import Average
from .evaluate import evaluate
from .interrupt import Interrupted
from .metrics import Meter
from .progress import clock
from .update import Captured, Results, Update

ROWS_AN_EPOCH = 40  # of the log, between the epochs' own


class Diverged(RuntimeError):
    """The loss is not a finite number any more. `str()` is one sentence for the user."""


class Run:
    """A training run: built from a `Config` and its data, moved on by `fit`, held by one file."""

    def __init__(self, config, data, folder, progress):
        self.config, self.data, self.folder, self.progress = config, data, pathlib.Path(folder), progress
        ta.manual_seed(config.seed)
        channels, height, _ = data.train.images.shape[1:]
        self.model = setup.build_model(config, channels, len(data.train.classes), height).to(config.device)
        self.optimizer = setup.build_optimizer(config, self.model)
        self._update = Update(self.model, self.optimizer, config.label_smoothing)
        if config.cuda_graph:
            self._update = Captured(self._update, progress.say)
        self._results = Results(at_once=config.device == "cpu")
        self.loader = setup.train_loader(config, data.train)
        self.steps_an_epoch = len(self.loader)
        self.total = config.epochs * self.steps_an_epoch
        self.schedule = setup.build_schedule(config, self.optimizer, self.total)
        self.average = Average(self.model, config.average) if config.average else None
        self.step, self.epochs_done, self.answers = 0, 0, None  # answers: to the test set, after the latest epoch
        self.epoch_meter, self.row_meter, self.log = Meter(), Meter(), []
        self.train_seconds, self.compile_seconds, self.evaluate_seconds = 0.0, 0.0, 0.0
        self.fingerprint = data.fingerprint
        self._saved_at, self._save_cost = time.monotonic(), 0.0

    # --- one file that holds it all -----------------------------------------------------------------------------

    @property
    def path(self):
        """The checkpoint."""
        return self.folder / "checkpoint.safetensors"

    def state(self):
        """Everything the rest of the run depends on, as one tree."""
        return {
            "config": self.config.asdict(), "fingerprint": self.fingerprint, "about": describe(self.data.train),
            "model": self.model.state_dict(), "optimizer": self.optimizer.state_dict(),
            "average": self.average.state_dict() if self.average else None,
            "schedule": self.schedule.state_dict() if self.schedule else None,
            "loader": self.loader.state_dict(), "random": ta.random.get_rng_state(),
            "step": self.step, "epochs_done": self.epochs_done,
            "epoch_meter": self.epoch_meter.asdict(), "row_meter": self.row_meter.asdict(), "log": self.log,
            "seconds": [self.train_seconds, self.compile_seconds, self.evaluate_seconds],
        }

    def load_state(self, state):
        """Become the run that `state` was taken from."""
        saved.parts(state, self.state(), self.path)
        if state["fingerprint"] != self.fingerprint:
            raise checkpoint.CheckpointError(f"{self.path} was trained on other data: the images or labels of "
                                             f"{self.config.data} found now differ from those it began with")
        checkpoint.load_weights(self.model, state["model"], self.path)
        if self.average:
            checkpoint.check_weights(self.model, state["average"]["weights"], f"the average in {self.path}")
        options = [_options(group) for group in self.optimizer.param_groups]
        try:
            self.optimizer.load_state_dict(state["optimizer"])
            if self.average:
                self.average.load_state_dict(state["average"])
            if self.schedule:
                self.schedule.load_state_dict(state["schedule"])
            self.loader.load_state_dict(state["loader"])
            ta.random.set_rng_state(state["random"])
            self.step, self.epochs_done, self.log = state["step"], state["epochs_done"], state["log"]
            self.epoch_meter, self.row_meter = Meter(**state["epoch_meter"]), Meter(**state["row_meter"])
        except (KeyError, TypeError, ValueError, IndexError, AttributeError, OverflowError) as error:  # any tree may come
            raise checkpoint.CheckpointError(f"{self.path} holds a state that is not of this run ({str(error)[:200]}); the file "
                                             "was changed, or written by another version of TinyAttn") from error
        if [_options(group) for group in self.optimizer.param_groups] != options:
            raise checkpoint.CheckpointError(f"{self.path} holds an optimizer with other options than the run's "
                                             f"({self.config.optimizer}); the file was changed")
        if not all(0 <= group["lr"] < math.inf for group in self.optimizer.param_groups):
            raise checkpoint.CheckpointError(f"{self.path} holds a learning rate that is no positive number; the file was changed")
        if self.step > self.total or self.loader.epoch > self.config.epochs:
            raise checkpoint.CheckpointError(f"{self.path} stands at step {self.step}, epoch {self.loader.epoch} of a run of "
                                             f"{self.total} steps, {self.config.epochs} epochs; the file was changed")
        self.train_seconds, self.compile_seconds, self.evaluate_seconds = state["seconds"]

    def save(self):
        """Write the checkpoint. Raises `files.SaveError`; the previous one stays then."""
        began = time.monotonic()
        checkpoint.save(self.path, self.state())
        self._saved_at = time.monotonic()
        self._save_cost = self._saved_at - began

    def _save_is_due(self):
        every = self.config.checkpoint_every
        if every:
            return self.step % every == 0
        # never more often than makes saving cost a hundredth of the time
        return time.monotonic() - self._saved_at >= max(self.config.checkpoint_seconds, 100 * self._save_cost)

    def prepare(self):
        """What must be done with the training images before the first step. Its time is training time."""
        compiled = compiling.seconds()
        took = setup.prepare(self.model, self.data.train)
        self.compile_seconds += compiling.seconds() - compiled
        self.train_seconds += took - (compiling.seconds() - compiled)

    # --- training -----------------------------------------------------------------------------------------------

    def fit(self, watch):
        """Train to the end of the last epoch. Raises `Interrupted` when `watch` saw a signal, after saving."""
        self.model.train()
        self._mark = (time.perf_counter(), compiling.seconds())
        while self.loader.epoch < self.config.epochs:
            self._epoch(watch)

    def _stop_clock(self):
        """Add the time since the last mark to the sums: compiling apart from training."""
        now, compiled = time.perf_counter(), compiling.seconds()
        self.compile_seconds += compiled - self._mark[1]
        self.train_seconds += now - self._mark[0] - (compiled - self._mark[1])
        self._mark = (now, compiled)

    def _epoch(self, watch):
        number, config = self.loader.epoch + 1, self.config
        self.progress.begin_epoch(number, config.epochs, self.steps_an_epoch, self.loader.position)
        began, first, compiled = time.perf_counter(), self.step, compiling.seconds()
        with contextlib.closing(iter(self.loader)) as batches:
            for images, labels in batches:
                self._step(images, labels)
                self._results_in(number)
                seconds = max(1e-9, time.perf_counter() - began - (compiling.seconds() - compiled))
                rate = (self.step - first) / seconds
                self.progress.step(self.epoch_meter.loss, self.epoch_meter.accuracy, rate * config.batch_size,
                                   (self.total - self.step) / rate)
                if watch.signal is not None:
                    self._results_in(number, wait=True)
                    self._stop_clock()
                    self.save()
                    raise Interrupted(watch.signal, self.folder)
                if self._save_is_due():
                    self._results_in(number, wait=True)
                    self._stop_clock()
                    self.save()
        self._results_in(number, wait=True)
        self._finish_epoch(number)

    def _step(self, images, labels):
        """One update; its results are noted, to be read by `_results_in`."""
        device = self.config.device
        if device == "cpu":
            loss, correct = self._update.forward(images, labels)
            self._check(loss.item(), self.step + 1)  # before it spoils the weights
            self._update.backward(loss)
        else:
            loss, correct = self._update(images.to(device), labels.to(device))
        if self.schedule is not None and self.step + 1 < self.total:
            self.schedule.step()
        rate = float(self.optimizer.param_groups[0]["lr"])
        if self.average is not None:
            self.average.update()
        self.step += 1
        self._results.add(loss, correct, len(labels), self.step, rate)

    def _check(self, loss, step):
        if not math.isfinite(loss):
            raise Diverged(f"the loss became {loss} at step {step} of {self.total}: lower --lr "
                           f"(it is {self.config.lr:g}); the last checkpoint is {self.path}")

    def _results_in(self, number, wait=False):
        """Count the updates whose results are in, or, to `wait`, all; every so often write a row of the log."""
        if not wait and not self._results.due():
            return
        for loss, correct, examples, step, rate in self._results.read():
            self._check(loss, step)
            self._record(loss, correct, examples, step, rate, number)

    def _record(self, loss, correct, examples, step, rate, number):
        """Count a step; every so often write a row of the log."""
        self.epoch_meter.add(loss, correct, examples)
        self.row_meter.add(loss, correct, examples)
        within = step - (number - 1) * self.steps_an_epoch
        if within % max(1, self.steps_an_epoch // ROWS_AN_EPOCH) == 0:
            self._write_row({"kind": "steps", "step": step, "epoch": step / self.steps_an_epoch,
                             "train_loss": self.row_meter.loss, "train_accuracy": self.row_meter.accuracy, "lr": rate})
            self.row_meter = Meter()

    def _write_row(self, row):
        self.log.append(row)
        files.append_line(self.folder / "log.jsonl", files.json_line(row))

    def _finish_epoch(self, number):
        """Test the model, write the epoch's row, save."""
        self._stop_clock()
        with self.weights():
            answers = evaluate(self.model, self.data.test, test_augment=self.config.test_augment)
        now, compiled = time.perf_counter(), compiling.seconds()
        self.evaluate_seconds += now - self._mark[0] - (compiled - self._mark[1])
        self.compile_seconds += compiled - self._mark[1]
        self._mark = (now, compiled)
        self._write_row({"kind": "epoch", "step": self.step, "epoch": number, "train_loss": self.epoch_meter.loss,
                         "train_accuracy": self.epoch_meter.accuracy, "test_loss": answers.loss,
                         "test_accuracy": answers.accuracy, "train_seconds": round(self.train_seconds, 3)})
        self.progress.end_epoch(f"loss {self.epoch_meter.loss:.3f}  acc {self.epoch_meter.accuracy:6.2%}  "
                                f"test acc {answers.accuracy:6.2%}  after {clock(self.train_seconds)}")
        self.epoch_meter, self.row_meter = Meter(), Meter()
        self.epochs_done = number
        self.answers = answers
        self.save()
        if number < self.config.epochs:  # training ends with the last update
            self._stop_clock()

    def weights(self):
        """``with run.weights():`` the model is what the run would give away now: the average where there is one."""
        return self.average.applied() if self.average is not None else contextlib.nullcontext()


def _options(group):
    """A parameter group's options, but for the learning rate, which a schedule moves."""
    return {key: value for key, value in group.items() if key not in ("params", "lr", "initial_lr")}


def describe(part):
    """What must be known of the data to use a model without it."""
    channels, height, width = part.images.shape[1:]
    return {"data": part.name, "channels": channels, "image_size": [height, width], "classes": list(part.classes),
            "mean": list(part.mean), "std": list(part.std)}
