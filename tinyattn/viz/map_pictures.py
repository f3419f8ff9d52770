"""All pictures of what a model looked at, one after the other, into one folder."""
import numpy as np

from . import attention_picture, columns_picture, features_picture, gates_picture, grids_picture, page, queries_picture, rows_picture
from .kinds import token_grid
from .query_rows import telling_pixel

MOST_MAPS, MOST_LAYERS_OF_ROWS = 8, 4


def draw_and_write(look, classes, folder, title, pixel=None, gates=None, names=None):
    """`draw_all`, and the page to point at last. names: of the images, for the page."""
    yield from draw_all(look, classes, folder, title, pixel, gates)
    size = page.write(folder / "maps.html", look, classes, title, names)
    yield folder / "maps.html", f"the page to point at ({size / 1e6:.1f} MB, works offline): open it in a browser"


def draw_all(look, classes, folder, title, pixel=None, gates=None):
    """Draw what a `Look` holds into `folder`; yields (path, what it shows) as each picture is written.

    pixel: (y, x) whose row of self-attention is shown, default one on each figure; gates: see `gate_statistics.gates_per_class`
    """
    known = (look.images, look.labels, classes, look.probabilities)
    columns = attention_picture.columns_of(look.maps, look.size, MOST_MAPS)
    if columns:
        columns_picture.draw(*known, columns, folder / "maps.png", f"attention maps  ·  {title}", ranges=True)
        yield folder / "maps.png", "the attention maps over the images, and the gates of channels"
    yield from _rows(look, folder, title, pixel)
    yield from _queries(look, folder, title)
    yield from _grids(look, folder, title)
    if look.rollout.values is not None:
        columns_picture.draw(*known, [(f"rollout\n{len(look.rollout.joined)} layers at once", "heat", look.rollout.values)], folder / "rollout.png",
                             f"attention rollout  ·  {title}", ranges=True)
        yield folder / "rollout.png", f"attention rollout: where the answer comes from, through several layers ({look.rollout.words()})"
    if gates:
        gates_picture.draw(gates, classes, folder / "gates.png", f"gates, class by class  ·  {title}")
        yield folder / "gates.png", "".join(["gates per class: the mean gate of each channel, and how far each class is from it",
                                             *(f"; {name} {kind} is {gate.words()}" for (name, kind), gate in gates.items() if gate.dead)])
    cams = [(f"Grad-CAM\n{name}", "heat", maps) for name, maps in look.cams.items()]
    columns_picture.draw(*known, [*cams, ("gradient\nof the answer", "heat", look.gradient)], folder / "gradcam.png",
                         f"Grad-CAM  ·  {title}", ranges=True)
    yield folder / "gradcam.png", "Grad-CAM and the plain gradient of the answer, which need no attention"
    if look.filters is not None:
        features_picture.draw_filters(*look.filters, folder / "filters.png", f"what the first convolution looks for  ·  {title}")
        yield folder / "filters.png", f"the filters of {look.filters[0]}"
    if look.features:
        features_picture.draw_features(look.images[0], {name: maps[0] for name, maps in look.features.items()}, folder / "features.png",
                                       f"feature maps of the first image  ·  {title}")
        yield folder / "features.png", f"feature maps of the first image, after {', '.join(look.features)}"


def _rows(look, folder, title, pixel):
    """A picture for each of the last layers whose tokens lie in the image."""
    for name, tokens in _some_layers(look, "tokens"):
        pixels = [pixel or telling_pixel(image, own, look.size) for image, own in zip(look.images, tokens)]
        path = folder / f"rows-{name}.png"
        rows_picture.draw(look.images, tokens, pixels, path, f"what one place looks at, in {name}  ·  {title}")
        yield path, f"what one place of each image looks at in {name}, head by head"


def _queries(look, folder, title):
    """A picture for each of the last layers in which queries look at the places of the image."""
    for name, weights in _some_layers(look, "cross"):
        path = folder / f"queries-{name}.png"
        queries_picture.draw(look.images, weights, path, f"what each query looks at, in {name}  ·  {title}")
        yield path, f"what each query of {name} looks at: where its answer comes from"


def _grids(look, folder, title):
    """A picture for each layer that says where to look."""
    for name, kinds in look.maps.items():
        if "grid" in kinds:
            path = folder / f"grid-{name}.png"
            grids_picture.draw(look.images, kinds["grid"], path, f"where {name} looked  ·  {title}")
            yield path, f"where {name} looked, and what it saw there; in the maps of later layers, places are those of what it saw"


def _some_layers(look, kind):
    """(name, weights) of up to `MOST_LAYERS_OF_ROWS` layers with maps of `kind` (N, heads, T, S) whose keys lie in the image."""
    layers = [(name, kinds[kind]) for name, kinds in look.maps.items() if kind in kinds and token_grid(kinds[kind].shape[3], look.size) is not None]
    if len(layers) > MOST_LAYERS_OF_ROWS:
        layers = [layers[i] for i in np.linspace(0, len(layers) - 1, MOST_LAYERS_OF_ROWS).round().astype(int)]
    return layers
