"""Are the maps right? Every map of a model, and every control, by the same measures on the same images.

    pointing, box     the map's highest pixel lies on the object, or in the box around it; by chance: their shares of the area
    mass, box mass    the share of the map that lies there
    deletion          area under the class's probability while the marked pixels go: low is good
    insertion         the same while they come back: high is good

The first four need masks of the objects, which only generated data has. The class is the model's answer: a map explains what was
said, right or wrong. Each mean has a bootstrap interval of 95 %; "beats" names the controls that a map is surely better than.
"""
import dataclasses

import numpy as np

import tinyattn as ta

from ..nn.module import evaluating
from . import attention_rollout, bootstrap, deletion, kinds, pointing
from .controls import blurred_map, controls
from .gradients import grad_cam
from .record import record

MEASURES = ("pointing", "box", "mass", "box_mass", "deletion", "insertion")
NEED_MASKS = MEASURES[:4]
CHUNK = 64  # images recorded at once: attention between all tokens is large


@dataclasses.dataclass
class Row:
    """One map's scores: `values`, measure → (N,), an image each; `curves`, "deletion" | "insertion" → (N, steps + 1)."""

    name: str
    what: str  # a map's kind, "control", or "blurred"
    values: dict
    curves: dict
    beats: dict  # measure → names of the controls that it is surely better than


def maps_of(model, x, classes, layers=None):
    """(name, kind, maps (N, H, W)) of all that the model's attention, and Grad-CAM, say of places, at the images' size.

    x float (N, C, H, W), normalised; layers: names of attention modules to keep (default all)
    """
    size, parts = x.shape[2:], {}
    for first in range(0, len(x), CHUNK):
        with evaluating(model), ta.no_grad(), record(model) as recording:
            model(ta.tensor(x[first:first + CHUNK]))
            recorded = recording.maps
        found = [p for p in kinds.all_places(recorded, size) if layers is None or p[0] in layers]
        rolled = attention_rollout.of_recording(recorded, size).values
        if rolled is not None:
            found.append(("rollout", "rollout", rolled))
        found.append(("Grad-CAM", "gradient", grad_cam(model, x[first:first + CHUNK], classes[first:first + CHUNK])))
        for name, kind, values in found:
            parts.setdefault((name, kind), []).append(np.maximum(kinds.to_size(values, size), 0))  # below 0: speaks against, marks nothing
    return [(name, kind, np.concatenate(values)) for (name, kind), values in parts.items()]


def score(model, x, masks=None, layers=None, steps=20, seed=0, say=lambda text: None):
    """Score every map and every control: (chance, rows), chance a dict measure → value, rows a list of `Row`.

    x float (N, C, H, W), normalised; masks bool (N, H, W) of the objects, or None where they are not known
    layers: names of attention modules to score (default all); say: called with a line of progress now and then
    ValueError for shapes that do not fit.
    """
    x = np.asarray(x)
    if x.ndim != 4 or masks is not None and np.shape(masks) != (len(x), *x.shape[2:]):
        raise ValueError(f"score: images have shape {x.shape} and masks {np.shape(masks)}, expected (N, C, H, W) and (N, H, W)")
    regions = {} if masks is None else {"": np.asarray(masks, bool), "box": pointing.boxes(masks)}
    classes = answers(model, x)
    rows = []
    own, other = maps_of(model, x, classes, layers), controls(model, x, classes, seed)
    total = 2 * len(own) + len(other)
    for name, maps in other.items():
        rows.append(_row(model, x, regions, classes, name, "control", maps, steps, seed, []))
        say(f"scored {len(rows)} of {total} maps: {name}")
    found, against = [], list(rows)
    for name, kind, maps in own:
        rough = _row(model, x, regions, classes, name, "blurred", blurred_map(maps), steps, seed, against)
        found += [_row(model, x, regions, classes, name, kind, maps, steps, seed, [*against, rough]), rough]
        say(f"scored {len(rows) + len(found)} of {total} maps: {name}")
    chance = {} if masks is None else {measure: float(pointing.chance(regions["box" if "box" in measure else ""]).mean())
                                       for measure in NEED_MASKS}
    return chance, [*found, *rows]


def answers(model, x):
    """The class that the model says for each of the images x, int (N,)."""
    with evaluating(model), ta.no_grad():
        return np.concatenate([model(ta.tensor(x[i:i + 256])).data.argmax(axis=1) for i in range(0, len(x), 256)])


def _row(model, x, regions, classes, name, what, maps, steps, seed, against):
    values, curves = {}, {}
    for region, mask in regions.items():
        values["box" if region else "pointing"] = pointing.pointing(maps, mask)
        values["box_mass" if region else "mass"] = pointing.mass_inside(maps, mask)
    for measure, function in (("deletion", deletion.deletion), ("insertion", deletion.insertion)):
        curves[measure] = function(model, x, maps, classes, steps, seed)
        values[measure] = deletion.area(curves[measure])
    values = {measure: values[measure] for measure in MEASURES if measure in values}
    beats = {measure: [row.what if row.what == "blurred" else row.name for row in against
                       if bootstrap.better(mine, row.values[measure], measure == "deletion", seed)]
             for measure, mine in values.items()}
    return Row(name, what, values, curves, beats)


def table(chance, rows):
    """The scores as text, a map a line: means, half the width of their intervals, the controls beaten by deletion and insertion."""
    measures = [m for m in MEASURES if m in rows[0].values]
    width = max(len(_title(row)) for row in rows)
    lines = [f"{'map':<{width}}  " + "  ".join(f"{m.replace('_', ' '):>12}" for m in measures) + "  surely better than"]
    if chance:
        lines.append(f"{'(chance)':<{width}}  " + "  ".join(f"{chance[m]:>7.3f}     " if m in chance else " " * 12 for m in measures).rstrip())
    for above, row in zip([None, *rows], rows):
        if row.what == "control" and above is not None and above.what != "control":
            lines.append("")
        cells = []
        for measure in measures:
            mean, (low, high) = bootstrap.interval(row.values[measure])
            cells.append(f"{mean:>7.3f}{f'±{(high - low) / 2:.3f}'.replace('0.', '.'):>5}")
        both = [name for name in row.beats["deletion"] if name in row.beats["insertion"]]
        lines.append(f"{_title(row):<{width}}  " + "  ".join(cells) + ("" if row.what == "control" else "  " + (", ".join(both) or "none")))
    return "\n".join(lines)


def _title(row):
    """How the table names a row: a map by its layer and kind, its blurred twin, which stands below it, by that word alone."""
    if row.what == "blurred":
        return "  … blurred"
    return row.name if row.what in ("control", "rollout", "gradient") else kinds.title(row.name, row.what)


def asdict(chance, rows):
    """The scores as plain values for JSON: means, intervals, mean curves."""
    found = []
    for row in rows:
        scores = {}
        for measure, values in row.values.items():
            mean, (low, high) = bootstrap.interval(values)
            scores[measure] = {"mean": mean, "low": low, "high": high, "beats": row.beats[measure]}
        found.append({"map": row.name, "kind": row.what, "scores": scores,
                      "curves": {name: [float(v) for v in curve.mean(axis=0)] for name, curve in row.curves.items()}})
    return {"images": len(rows[0].values["deletion"]), "chance": chance, "maps": found}
