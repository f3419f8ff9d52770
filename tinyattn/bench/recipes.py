"""Suite "recipes": from nothing to a good model: each recipe of `training.recipes`, beside the same recipe in PyTorch.

Both sides begin with the same weights and get the same batches from the same loader; the optimizer and the schedule are each side's
own, of the same names and options; what a step does besides (the loss as a number, is it finite, how many were right, the average) both
do. Seconds are what result.json calls train_seconds: from the first batch to the last update, and what was prepared before, but no
loading of files, no testing, no compiling. A seed is trained by each side in turn before the next one.

A recipe of minutes is not trained whole in PyTorch, unless ``--full`` asks for it: after each seed STEPS of its steps are timed, in turns
with as many of ours, and their median is multiplied by the number of steps. The row says so (`torch_steps`).
"""
import dataclasses
import math
import tempfile
import time

import numpy as np

import tinyattn as ta

from .. import training
from ..data import to_arrays
from ..training import recipes, setup
from ..training.config import complete
from ..training.evaluate import best, views
from ..training.loop import Run
from .measure import empty_row, failing
from .timing import median, ratio

STEPS = 40
"""Steps of a long recipe that are timed on each side after every seed."""

WHOLE = ("mnist99",)
"""Recipes of seconds: PyTorch trains them whole, too."""

FLOORS = {"mnist99": 2.0, "cifar90": 1.5}
"""The ratios wanted at least."""

LAYOUTS = {"torch_ms": False, "torch_channels_last_ms": True}


def names():
    """The names of the cases."""
    return list(recipes.RECIPES)


class Twin:
    """A run of the same recipe in PyTorch: model and optimizer of its own, the batches of our loader."""

    def __init__(self, config, data, channels_last):
        import torch

        from . import torch_models
        self._torch, self._config, self._data = torch, config, data
        self._layout = torch.channels_last if channels_last else torch.contiguous_format
        ta.manual_seed(config.seed)
        channels, size, _ = data.train.images.shape[1:]
        classes = len(data.train.classes)
        ours = setup.build_model(config, channels, classes, size)
        self.seconds = setup.prepare(ours, data.train)     # counted on both sides alike
        self.model = torch_models.create(config.model, channels, classes, size, config.attention)
        self.model.load_state_dict({key: torch.from_numpy(np.array(value.data)) for key, value in ours.state_dict().items()})
        self.model.to(memory_format=self._layout)
        self.loader = setup.train_loader(config, data.train)
        self.loader.collate = to_arrays
        self.optimizer = setup.build_optimizer(config, self.model, torch.optim)
        self.schedule = setup.build_schedule(config, self.optimizer, config.epochs * len(self.loader), torch.optim.lr_scheduler)
        self.average = self._average(config.average) if config.average else None

    def _average(self, decay):
        def move(averaged, current, steps):
            t = int(steps)
            if averaged[0].is_floating_point():
                self._torch._foreach_lerp_(averaged, current, 1 - min(decay, (1 + t) / (10 + t)))
            else:
                self._torch._foreach_copy_(averaged, current)
        average = self._torch.optim.swa_utils.AveragedModel(self.model, multi_avg_fn=move, use_buffers=True)
        average.n_averaged.fill_(1)
        return average

    def images(self, array):
        """A batch in this run's layout: the loader's memory is channels_last, as it is."""
        return self._torch.from_numpy(array).contiguous(memory_format=self._layout)

    def step(self, images, labels):
        """What `training.loop.Run` does in a step, in PyTorch. Returns the loss and how many were right."""
        logits = self.model(self.images(images))
        labels = self._torch.from_numpy(labels)
        loss = self._torch.nn.functional.cross_entropy(logits, labels, label_smoothing=self._config.label_smoothing)
        value = loss.item()
        if not math.isfinite(value):
            raise RuntimeError(f"PyTorch's loss became {value}")
        self.optimizer.zero_grad()
        loss.backward()
        self.optimizer.step()
        if self.schedule is not None:
            self.schedule.step()
        if self.average is not None:
            self.average.update_parameters(self.model)
        return value, int((logits.detach().argmax(1) == labels).sum())

    def fit(self):
        """Train to the end. Returns the seconds of training."""
        self.model.train()
        while self.loader.epoch < self._config.epochs:
            began = time.perf_counter()
            for images, labels in self.loader:
                self.step(images, labels)
            self.seconds += time.perf_counter() - began
        return self.seconds

    def accuracy(self):
        """The test accuracy, with the recipe's test-time augmentation."""
        model, right = self.average.module if self.average is not None else self.model, 0
        model.eval()
        with self._torch.no_grad():
            for images, labels in setup.test_loader(self._data.test):
                scores = sum(weight * model(self.images(view)) for weight, view in views(images.data, self._config.test_augment))
                right += int((best(scores.numpy())[0] == labels.data).sum())
        return right / len(self._data.test)


def _ours(config, progress):
    """A whole run of ours: its result.json."""
    options = {field.name: getattr(config, field.name) for field in dataclasses.fields(config)}
    with tempfile.TemporaryDirectory() as folder:
        return training.train(out=f"{folder}/run", progress=progress, **options)


def _step_times(config, data, layouts, count):
    """Milliseconds of `count` steps of each side, in turns, on the batches with which the run begins; loading is counted in."""
    from ..training.progress import Progress
    with tempfile.TemporaryDirectory() as folder:
        run = Run(config, data, folder, Progress(quiet=True))
        setup.prepare(run.model, data.train)
        run.model.train()
        steps = {"ours_ms": (iter(run.loader), run._step)}
        twins = {column: Twin(config, data, layouts[column]) for column in layouts}
        for column, twin in twins.items():
            twin.model.train()
            steps[column] = (iter(twin.loader), twin.step)
        times = {column: [] for column in steps}
        for turn in range(count + 2):
            for column, (batches, step) in steps.items():
                began = time.perf_counter()
                step(*next(batches))
                if turn >= 2:                                # the first two warm up
                    times[column].append(1e3 * (time.perf_counter() - began))
        for batches, _ in steps.values():
            batches.close()
    return times


def run(settings):
    """A row a recipe."""
    for name in filter(settings.wants, names()):
        row = empty_row("recipes", name, FLOORS.get(name))
        with failing(row):
            _measure(row, name, settings)
        yield row


def _measure(row, name, settings):
    """Train the seeds of a recipe on each side in turn, and fill in its row."""
    from ..training.progress import Progress
    recipe = recipes.RECIPES[name]
    small = dict(epochs=1, limit_train=2048, limit_test=500) if settings.quick else {}
    seeds = range(settings.seeds or (1 if settings.quick else recipe.seeds))
    layouts = LAYOUTS if settings.against == "torch" else {}
    whole = settings.full or name in WHOLE or settings.quick
    config = complete(recipe=name, **small)
    data = setup.load_data(config)
    _step_times(dataclasses.replace(config, epochs=1), data, layouts, 1)         # compile, warm up
    seconds = {"ours_ms": [], **{column: [] for column in layouts}}
    accuracy = {column: [] for column in seconds}
    steps = {column: [] for column in seconds}
    for seed in seeds:
        config = complete(recipe=name, seed=seed, **small)
        result = _ours(config, Progress(settings.quick))
        seconds["ours_ms"].append(result["train_seconds"])
        accuracy["ours_ms"].append(result["test_accuracy"])
        if whole:
            for column, channels_last in layouts.items():
                twin = Twin(config, data, channels_last)
                seconds[column].append(twin.fit())
                accuracy[column].append(twin.accuracy())
        elif layouts:
            for column, times in _step_times(config, data, layouts, STEPS).items():
                steps[column] += times
    if not whole and layouts:
        for column in layouts:
            seconds[column] = [median(steps[column]) * result["steps"] / 1e3]
        row.update(torch_steps=STEPS * len(seeds), step_ms={column: median(times) for column, times in steps.items()})
    row.update({column: 1e3 * median(values) for column, values in seconds.items()})
    row["ratio"] = ratio(row["ours_ms"], row["torch_ms"], row["torch_channels_last_ms"])
    row.update(steps=result["steps"], seeds=len(seeds), wanted_accuracy=recipe.accuracy, seconds=seconds, accuracy=accuracy,
               result={key: value for key, value in result.items() if key != "run"})


def notes(rows):
    """Accuracy and time of each recipe in words."""
    lines = []
    for row in rows:
        if "error" in row:
            continue
        found = row["accuracy"]["ours_ms"]
        text = (f"{row['case']}: {median(found):.2%} ({min(found):.2%} to {max(found):.2%}, {len(found)} seeds; wanted "
                f"{row['wanted_accuracy']:.0%}) in {row['ours_ms'] / 1e3:.1f} s of training")
        for column, layout in (("torch_ms", "PyTorch"), ("torch_channels_last_ms", "PyTorch channels_last")):
            if row[column] is not None:
                reached = row["accuracy"].get(column)
                text += f"; {layout} {row[column] / 1e3:.1f} s" + (f", {median(reached):.2%}" if reached else "")
        if row.get("torch_steps"):
            text += f" (PyTorch's from {row['torch_steps']} of its steps, times {row['steps']:,})"
        lines.append(text)
    return lines
