"""Pictures of a training run and of what a model looks at.

    with ta.viz.record(model) as recording: …      what the attention modules said
    rows_at(tokens, y, x, size)                     what one pixel looked at, head by head
    rollout(layers, pool)                           attention through all layers at once
    grad_cam(model, x), saliency(model, x)          maps from gradients, for networks without attention too
    curves(log, path)                               loss, accuracy and learning rate of a run
    attention(model, images, labels, classes, …)    test images under the model's attention maps
    maps(model, images, x, classes, folder)         all that `tinyattn maps` draws, and its page, of a module of your own
    queries(images, weights), grids(images, grids)  what learned queries, and a spatial transformer, look at
    confusion(matrix, classes, path)                which classes are taken for which
    samples(dataset, path), corruptions(dataset, names, path)    a data set's images, and what corruptions make of one
    gradient_check(report, path)                    the V curve and the errors of a gradient check
    conv_stepper(path)                              a page to step through a convolution and its backward pass
    tape(loss, path)                                a page to step through the backward sweep of your own graph

Matplotlib is imported when the first picture is drawn.
"""
from . import kinds
from .gradients import grad_cam, saliency
from .query_rows import rows_at
from .record import Recording, record
from .attention_rollout import rollout

__all__ = ["Recording", "record", "attention", "choose_examples", "confusion", "conv_stepper", "corruptions", "curves", "grad_cam", "gradient_check", "grids",
           "kinds", "maps", "queries", "rollout", "rows_at", "saliency", "samples", "tape"]


def curves(log, path=None, title="", training="training"):
    """Draw the rows of a run's log. See `tinyattn.viz.curves_picture.draw`."""
    from .curves_picture import draw
    return draw(log, path, title, training)


def attention(model, images, labels, classes, mean, std, path=None, title=""):
    """Draw what the model's attention looked at. See `tinyattn.viz.attention_picture.draw`."""
    from .attention_picture import draw
    return draw(model, images, labels, classes, mean, std, path, title)


def maps(model, images, x, classes, folder, labels=None, layers=None, title=""):
    """Draw what any classifier looks at, with all kinds of maps that it keeps, into `folder`; returns a list of (path, what it shows).

    model   a Module: images (N, C, H, W) → scores (N, K). Its attention modules are found wherever they stand in it
    images  uint8 (N, C, H, W), as they are shown;   x: the same, normalised, float32, as the model takes them
    labels  int64 (N,) of indices into the K `classes`, or None where the truth is not known
    layers  names, or beginnings of names, of the layers to show (default all)

    Here queries (DETR's) read a map, behind a spatial transformer:

    >>> import tempfile
    >>> import numpy as np
    >>> import tinyattn as ta
    >>> from tinyattn import nn
    >>> class Asking(nn.Module):
    ...     def __init__(self):
    ...         super().__init__()
    ...         self.look = nn.attention.SpatialTransformer(1)
    ...         self.stem = nn.Sequential(nn.Conv2d(1, 16, 3, stride=2, padding=1), nn.ReLU())
    ...         self.decoder = nn.attention.QueryDecoder(16, num_queries=3, num_heads=4)
    ...         self.head = nn.Linear(3 * 16, 2)
    ...
    ...     def forward(self, x):                                           # (N, 1, 16, 16)
    ...         return self.head(self.decoder(self.stem(self.look(x))).flatten(1))
    >>> images = np.random.default_rng(0).integers(0, 256, (2, 1, 16, 16), dtype=np.uint8)
    >>> with tempfile.TemporaryDirectory() as folder:
    ...     written = ta.viz.maps(Asking(), images, images.astype(np.float32) / 255, ["a", "b"], folder)
    >>> print(*sorted(path.name for path, words in written))
    features.png filters.png gradcam.png grid-look.png maps.html maps.png queries-decoder.layers.0.multihead_attn.png
    """
    import pathlib

    from .look import look
    from .map_pictures import draw_and_write
    folder = pathlib.Path(folder)
    folder.mkdir(parents=True, exist_ok=True)
    return list(draw_and_write(look(model, images, x, labels, layers), classes, folder, title))


def queries(images, weights, path=None, title=""):
    """Draw what learned queries look at. See `tinyattn.viz.queries_picture.draw`.

    ``queries(images, recording.of_kind("cross")[0][1])`` draws the first cross-attention of a recording.
    """
    from .queries_picture import draw
    return draw(images, weights, path, title)


def grids(images, grids, path=None, title=""):
    """Draw where a spatial transformer looks. See `tinyattn.viz.grids_picture.draw`.

    ``grids(images, recording.of_kind("grid")[0][1])`` draws the first spatial transformer of a recording.
    """
    from .grids_picture import draw
    return draw(images, grids, path, title)


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


def conv_stepper(path, x=None, weight=None, bias=None, stride=(1, 2), padding=(0, 1), dilation=(1, 2)):
    """Write an HTML page that steps through a convolution and its backward pass, product by product; returns its size in bytes.

    x: an image (C, H, W); weight (K, C, R, S); bias (K,): small arrays of your own, or none for small ones of ours. stride, padding,
    dilation: ints, or several to choose from on the page; choices that leave no output are left out. dy is made up, of halves.
    The file holds everything: it opens from disk, offline. Its address may name where to begin: ``out.html#pass=dx&view=gather&stride=2``.

    >>> ta.viz.conv_stepper("conv.html")                                             # or, from a shell:
    $ python -c 'import tinyattn as ta; ta.viz.conv_stepper("conv.html")'
    """
    from .conv_page import write
    return write(path, x, weight, bias, stride, padding, dilation)


def tape(loss, path, gradient=None, names=None, values=24, title=""):
    """Write an HTML page that steps through the backward sweep of `loss`, node by node; returns its size in bytes.

    loss: a Tensor that was computed from others; `gradient` of its shape, where it is no scalar. names: what to call tensors, a dict by name
    (``locals()`` will do) or a module. values: tensors of up to so many numbers are shown in full. Call it before ``loss.backward()``;
    it changes no ``.grad``, keeps the graph, and calls no hooks. What was computed under `detect_anomaly` shows the line that called each operation.
    The file holds everything: it opens from disk, offline.
    ValueError for more than 200 operations; RuntimeError if the graph was freed.

    >>> w = ta.tensor([[1.0, -2.0]], requires_grad=True)
    >>> loss = (w * 3).relu().sum()
    >>> ta.viz.tape(loss, "tape.html", names=locals())
    """
    from .tape_page import write
    return write(path, loss, gradient, names, values, title)
