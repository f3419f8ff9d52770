"""Does a map depend on what was learned? Layers lose what they learned, from the last one on, and the maps are compared with what they were.

    J. Adebayo, J. Gilmer, M. Muelly, I. Goodfellow, M. Hardt and B. Kim, "Sanity checks for saliency maps", arXiv:1810.03292: cascading
    randomisation. A map that stays as it was tells of the image, or of how the network is built, and explains nothing that was learned.

A layer loses what it learned when the values of each of its parameters are mixed among themselves: their sizes stay, and which stands where
is drawn by lot. (The paper draws new first values. Which those were a network does not say; and one value alone cannot be mixed.) Running
statistics of a batch norm are then measured anew, on the images, or signals would fade or burst for no reason of the map's.

How alike two maps of an image are: Spearman's rank correlation over the pixels, and the structural similarity of the maps, each brought to
0 … 1 (Z. Wang, A. Bovik, H. Sheikh and E. Simoncelli, IEEE Trans. Image Processing 13, 2004). Two rows show what the numbers mean: "edges",
which no weight can change, and, for each map, how alike it is to that of another image.
"""
import contextlib
import dataclasses

import numpy as np

import tinyattn as ta

from ..nn.module import evaluating
from ..nn.norm import _BatchNorm
from . import bootstrap, kinds, score
from .blur import gaussian_blur
from .gradients import saliency

STAGES = 8        # at which maps are compared, besides "nothing mixed": between, several layers are mixed at once
WINDOW = 1.5      # sigma of the structural similarity, in pixels
DEPENDS, STAYS = 0.5, 0.8


@dataclasses.dataclass
class Row:
    """How one map fared. `ranks` and `similar` (S, N): for each stage and image, how alike the map is to what it was; `other` (N,): to the
    map of another image, in ranks, with nothing mixed."""

    name: str
    kind: str
    ranks: np.ndarray
    similar: np.ndarray
    other: np.ndarray

    def verdict(self):
        """Whether the map depends on what was learned, in words: by the interval of the mean ranks when all layers are mixed."""
        _, (low, high) = bootstrap.interval(self.ranks[-1])
        return "learning matters" if high < DEPENDS else "learning does not matter" if low > STAYS else "learning matters in part"


def sanity(model, x, layers=None, seed=0, say=lambda text: None):
    """Compare the maps of a model with those of the same model whose layers, from the last one on, are mixed: (stages, rows).

    x float (N, C, H, W), normalised; two images at least. layers: names of attention modules whose maps to take (default all)
    stages: for each, the name of the layer that the mixing has reached; rows: a list of `Row`, the control "edges" last
    The maps are those of `score.maps_of` and the gradient, all of the class that the model answered with before. The model is left as it was.
    """
    x = np.asarray(x)
    if x.ndim != 4 or len(x) < 2:
        raise ValueError(f"sanity: images have shape {x.shape}, expected (N, C, H, W), two images at least")
    classes, reached = score.answers(model, x), learned_layers(model)
    if not reached:
        raise ValueError("sanity: the model has no parameters, so nothing was learned that a map could depend on")
    ends = np.unique(np.linspace(0, len(reached), STAGES + 1).round().astype(int))[1:]
    before = _maps(model, x, classes, layers)
    ranks, similar = ({key: [] for key in before} for _ in range(2))
    with restored(model):
        rng, first = np.random.default_rng(seed), 0
        for end in ends:
            for name in reached[first:end]:
                mix(dict(model.named_modules())[name], rng)
            measure_norms(model, reached[:end], x)
            for key, maps in _maps(model, x, classes, layers).items():
                ranks[key].append(spearman(before[key], maps))
                similar[key].append(similarity(before[key], maps))
            first = end
            say(f"mixed {end} of {len(reached)} layers: down to {reached[end - 1] or 'the model itself'}")
    rows = [Row(*key, np.stack(ranks[key]), np.stack(similar[key]), spearman(maps, np.roll(maps, 1, axis=0))) for key, maps in before.items()]
    return [reached[end - 1] for end in ends], rows


def _maps(model, x, classes, layers):
    """(name, kind) → (N, H, W)."""
    found = {(name, kind): maps for name, kind, maps in score.maps_of(model, x, classes, layers)}
    found["gradient", "gradient"] = saliency(model, x, classes)
    found["edges", "control"] = edges(x)
    return found


def learned_layers(model):
    """The names of the modules that have parameters of their own, the last first, as they stand in the model; "" is the model itself."""
    return [name for name, module in model.named_modules() if any(p is not None for p in module._parameters.values())][::-1]


def mix(module, rng):
    """Put the values of each of the module's own parameters in an order drawn by lot."""
    for p in module._parameters.values():
        if p is not None:
            p.data[...] = rng.permutation(p.data.reshape(-1)).reshape(p.shape)


def measure_norms(model, mixed, x):
    """Measure the running statistics of those batch norms anew that are among the `mixed` layers: what comes before them is as it was."""
    modules = dict(model.named_modules())
    norms = [modules[name] for name in mixed if isinstance(modules[name], _BatchNorm) and modules[name].track_running_stats]
    if not norms:
        return
    momenta = [norm.momentum for norm in norms]
    with evaluating(model), ta.no_grad():
        for norm in norms:
            norm.num_batches_tracked.data[...], norm.momentum = 0, None     # None: the mean over all batches
            norm.train()
        for first in range(0, len(x), score.CHUNK):
            if len(x) - first > 1 or first == 0:
                model(ta.tensor(x[first:first + score.CHUNK]))
    for norm, momentum in zip(norms, momenta):
        norm.momentum = momentum


@contextlib.contextmanager
def restored(model):
    """After the block the model's parameters and buffers are what they were before it."""
    kept = [(value, value.data.copy()) for value in (*model.parameters(), *model.buffers())]
    try:
        yield
    finally:
        for value, data in kept:
            value.data[...] = data


def edges(x):
    """How strongly an image changes from pixel to pixel, (N, H, W): the length of its gradient, the largest of the channels."""
    down, across = np.gradient(np.asarray(x, np.float64), axis=(2, 3))
    return np.hypot(down, across).max(axis=1).astype(np.float32)


def spearman(a, b):
    """Spearman's rank correlation of maps (N, H, W) and (N, H, W), image by image: (N,).

    Equal values share the mean of their ranks. A map of one value says nothing: 0, unless the other is the very same.
    """
    n = len(a)
    a, b = (np.asarray(maps).reshape(n, -1) for maps in (a, b))
    ranks = [np.stack([_ranks(row) for row in maps]) for maps in (a, b)]
    return np.where((a == b).all(axis=1), 1.0, _correlation(*ranks))


def _ranks(values):
    """The rank of each of values (P,), equal ones sharing the mean of theirs."""
    _, which, counts = np.unique(values, return_inverse=True, return_counts=True)
    return (np.cumsum(counts) - (counts - 1) / 2)[which]


def _correlation(a, b):
    a, b = (ranks - ranks.mean(axis=1, keepdims=True) for ranks in (a, b))
    length = np.sqrt((a * a).sum(axis=1) * (b * b).sum(axis=1))
    return (a * b).sum(axis=1) / np.where(length > 0, length, 1)


def similarity(a, b):
    """The structural similarity of maps (N, H, W) and (N, H, W), image by image, its mean over the places: (N,).

    (2 μ_a μ_b + c₁)(2 σ_ab + c₂) / ((μ_a² + μ_b² + c₁)(σ_a² + σ_b² + c₂)) under a Gaussian window, c₁ = 0.01², c₂ = 0.03²; each map is first
    brought to 0 … 1.
    """
    a, b = _unit(a), _unit(b)
    blurred = gaussian_blur(np.stack([a, b, a * a, b * b, a * b], axis=1), WINDOW).astype(np.float64)
    mean_a, mean_b, square_a, square_b, product = blurred.swapaxes(0, 1)
    c1, c2 = 0.01 ** 2, 0.03 ** 2
    above = (2 * mean_a * mean_b + c1) * (2 * (product - mean_a * mean_b) + c2)
    below = (mean_a ** 2 + mean_b ** 2 + c1) * (square_a - mean_a ** 2 + square_b - mean_b ** 2 + c2)
    return (above / below).mean(axis=(1, 2))


def _unit(maps):
    maps = np.asarray(maps, np.float32)
    low, high = maps.min(axis=(1, 2), keepdims=True), maps.max(axis=(1, 2), keepdims=True)
    return (maps - low) / np.where(high > low, high - low, 1)


def table(stages, rows):
    """The comparison as text, a map a line: its ranks after the first stage, the middle one and all of them, with half their 95 % intervals."""
    shown = sorted({0, (len(stages) - 1) // 2, len(stages) - 1})
    names = [title(row) for row in rows]
    heads = [f"{i + 1} of {len(stages)}" if i < len(stages) - 1 else "all" for i in shown]
    width = max(map(len, [*names, "map"]))
    lines = [f"{'map':<{width}}  " + "  ".join(f"{head:>12}" for head in [*heads, "similarity", "other image"]) + "  verdict"]
    for row, name in zip(rows, names):
        cells = []
        for values in (*row.ranks[shown], row.similar[-1], row.other):
            mean, (low, high) = bootstrap.interval(values)
            cells.append(f"{mean:>7.3f}{f'±{(high - low) / 2:.3f}'.replace('0.', '.'):>5}")
        lines.append(f"{name:<{width}}  " + "  ".join(cells) + f"  {row.verdict()}")
    return "\n".join(lines)


def title(row):
    """How a row is called: a map by its layer and kind."""
    return row.name if row.kind in ("control", "rollout", "gradient") else kinds.title(row.name, row.kind)


def asdict(stages, rows):
    """The comparison as plain values for JSON: for each map its mean ranks and similarity at each stage, and what they say."""
    return {"stages": stages, "maps": [{"map": row.name, "kind": row.kind, "ranks": [float(v) for v in row.ranks.mean(axis=1)],
                                        "similarity": [float(v) for v in row.similar.mean(axis=1)], "other_image": float(row.other.mean()),
                                        "verdict": row.verdict()} for row in rows]}
