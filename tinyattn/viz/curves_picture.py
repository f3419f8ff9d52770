"""The curves of a run: loss, accuracy and learning rate over the epochs."""
import numpy as np

from . import style


def draw(log, path=None, title="", training="training"):
    """Draw a run's log.

    log: list of dicts as in ``log.jsonl``: rows with ``"kind": "steps"`` (means over a stretch of steps) and
         ``"kind": "epoch"`` (with the test set's loss and accuracy), each placed at its ``"epoch"`` (a float).
    training: what the training curve is called
    """
    steps = [row for row in log if row["kind"] == "steps"]
    epochs = [row for row in log if row["kind"] == "epoch"]
    with style.rules():
        made = style.figure(10.5, 3.4, left=0.045, right=0.985, bottom=0.14, top=0.82, wspace=0.2)
        loss, accuracy, rate = made.subplots(1, 3, width_ratios=[1.15, 1.15, 0.7])
        if title:
            made.text(0.012, 0.93, title, fontsize=11, color=style.SOFT)
        _pair(loss, steps, epochs, "train_loss", "test_loss", 1.0, training)
        loss.set_title("loss")
        _pair(accuracy, steps, epochs, "train_accuracy", "test_accuracy", 100.0)
        accuracy.set_title("accuracy, %")
        if epochs:
            values = [100 * row["train_accuracy"] for row in steps] + [100 * row["test_accuracy"] for row in epochs]
            bottom = max(0.0, min(np.percentile(values, 12), 95) - 2)
            accuracy.set_ylim(bottom, 100.5)
            last = epochs[-1]
            high = 100 * last["test_accuracy"] > (bottom + 100) / 2
            accuracy.annotate(f"{100 * last['test_accuracy']:.2f} %", (last["epoch"], 100 * last["test_accuracy"]),
                              xytext=(-4, -14 if high else 8), textcoords="offset points", ha="right",
                              color=style.ORANGE, weight="bold")
        rate.plot([row["epoch"] for row in steps], [row["lr"] for row in steps], color=style.GREEN, lw=1.6)
        rate.set_title("learning rate")
        rate.set_ylim(bottom=0)
        for axes in (loss, accuracy, rate):
            axes.set_xlabel("epoch")
            axes.set_xlim(left=0)
        loss.legend(loc="upper right")
        return style.save(made, path)


def _pair(axes, steps, epochs, train, test, scale, training="training"):
    """Training and test curve of one measure, in one panel."""
    axes.plot([row["epoch"] for row in steps], [scale * row[train] for row in steps],
              color=style.BLUE, lw=1.4, label=training)
    axes.plot([row["epoch"] for row in epochs], [scale * row[test] for row in epochs],
              color=style.ORANGE, lw=1.6, marker="o", ms=4, label="test")
