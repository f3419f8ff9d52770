"""Pictures of a training run and of what a model looks at.

    with ta.viz.record(model) as recording: …      what the attention modules said
    rows_at(tokens, y, x, size)                     what one pixel looked at, head by head
    rollout(layers, pool)                           attention through all layers at once
    grad_cam(model, x), saliency(model, x)          maps from gradients, for networks without attention too
    curves(log, path)                               loss, accuracy and learning rate of a run
    attention(model, images, labels, classes, …)    test images under the model's attention maps
    confusion(matrix, classes, path)                which classes are taken for which
    samples(dataset, path), corruptions(dataset, names, path)    a data set's images, and what corruptions make of one
    gradient_check(report, path)                    the V curve and the errors of a gradient check

Matplotlib is imported when the first picture is drawn.
"""
from . import kinds
from .gradients import grad_cam, saliency
from .query_rows import rows_at
from .record import Recording, record
from .attention_rollout import rollout

__all__ = ["Recording", "record", "attention", "choose_examples", "confusion", "corruptions", "curves", "grad_cam", "gradient_check", "kinds", "rollout",
           "rows_at", "saliency", "samples"]


def curves(log, path=None, title="", training="training"):
    """Draw the rows of a run's log. See `tinyattn.viz.curves_picture.draw`."""
    from .curves_picture import draw
    return draw(log, path, title, training)


def attention(model, images, labels, classes, mean, std, path=None, title=""):
    """Draw what the model's attention looked at. See `tinyattn.viz.attention_picture.draw`."""
    from .attention_picture import draw
    return draw(model, images, labels, classes, mean, std, path, title)


def choose_examples(labels, predicted, count=8):
    """Indices of test examples worth showing. See `tinyattn.viz.attention_picture.choose_examples`."""
    from .attention_picture import choose_examples
    return choose_examples(labels, predicted, count)


def confusion(matrix, classes, path=None, title=""):
    """Draw a confusion matrix. See `tinyattn.viz.confusion_picture.draw`."""
    from .confusion_picture import draw
    return draw(matrix, classes, path, title)


def samples(dataset, path=None, title=""):
    """Draw a sheet of a data set's images, class by class. See `tinyattn.viz.samples_picture.draw`."""
    from .samples_picture import draw
    return draw(dataset, path, title)


def corruptions(dataset, names, path=None, title=""):
    """Draw what corruptions make of a data set's images. See `tinyattn.viz.corruptions_picture.draw`."""
    from .corruptions_picture import draw
    return draw(dataset, names, path, title)


def gradient_check(report, path=None, title=""):
    """Draw what a gradient check found. See `tinyattn.viz.gradient_picture.draw`."""
    from .gradient_picture import draw
    return draw(report, path, title)
