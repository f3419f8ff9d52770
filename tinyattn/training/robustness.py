"""How much of an accuracy survives corruptions: each one in each severity, the mean, and the mean relative to clean.

The measure is that of Hendrycks and Dietterich, arXiv:1903.12261, without their division by another network's errors.
"""
import numpy as np

from ..data.corruptions import CORRUPTIONS, SEVERITIES, Corruption
from .config import OptionError, check_name
from .evaluate import evaluate

ALL = "all"


def chosen(name, severity=None, option="--corrupt"):
    """(names, severities) that the words of a user mean: a corruption or "all", a severity or None for all five. `OptionError`."""
    check_name(option, name, (*CORRUPTIONS, ALL))
    if severity is not None and severity not in SEVERITIES:
        raise OptionError(f"--severity is {severity}, expected 1 to 5")
    return tuple(CORRUPTIONS) if name == ALL else (name,), SEVERITIES if severity is None else (severity,)


def robustness(model, part, clean, names=tuple(CORRUPTIONS), severities=SEVERITIES, test_augment="none", each=None):
    """Accuracies of `model` on corrupted images of `part`; `clean` is the one on the images as they are.

    Returns {"clean", "severities", "corruptions": {name: {"accuracy": one a severity, "mean", "relative"}}, "mean", "relative"};
    relative: the mean divided by `clean`. `each(name, severity, accuracy)` is told every single one as it comes.
    """
    found = {}
    for name in names:
        accuracies = []
        for severity in severities:
            answers = evaluate(model, part, test_augment=test_augment, corruption=Corruption(name, severity))
            accuracies.append(answers.accuracy)
            if each is not None:
                each(name, severity, answers.accuracy)
        found[name] = {"accuracy": accuracies, **_means(accuracies, clean)}
    return {"clean": clean, "severities": list(severities), "corruptions": found,
            **_means([accuracy for row in found.values() for accuracy in row["accuracy"]], clean)}


def _means(accuracies, clean):
    mean = float(np.mean(accuracies))
    return {"mean": mean, "relative": mean / clean if clean else None}


def table(result):
    """The result of `robustness` as lines of text."""
    width = max(10, *map(len, result["corruptions"]))
    percent = lambda value: f"{'-':>7}" if value is None else f"{value:7.1%}"
    lines = [f"{'corruption':<{width}}" + "".join(f"{severity:>7}" for severity in result["severities"]) + "   mean  of clean"]
    for name, row in result["corruptions"].items():
        lines.append(f"{name:<{width}}" + "".join(map(percent, row["accuracy"])) + f"{percent(row['mean'])}  {percent(row['relative'])}")
    columns = zip(*(row["accuracy"] for row in result["corruptions"].values()))
    lines.append(f"{'mean':<{width}}" + "".join(percent(float(np.mean(column))) for column in columns)
                 + f"{percent(result['mean'])}  {percent(result['relative'])}")
    return lines
