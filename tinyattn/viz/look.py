"""Everything there is to see in some images, computed once: what pictures and pages are made of."""
import dataclasses

import numpy as np

import tinyattn as ta

from ..nearest import did_you_mean
from ..nn.module import evaluating
from . import attention_rollout, features
from .gradients import grad_cam, saliency, spatial_layers
from .record import Recording, record


@dataclasses.dataclass
class Look:
    """What a model did with N images.

    images         uint8 (N, C, H, W);   x: the same, normalised, float32
    labels         int64 (N,), or None where the truth is not known
    probabilities  float (N, K)
    maps           layer → {kind: array}, as recorded (see `record`)
    rollout        see `attention_rollout.Rollout`: its values are (N, h, w), or None
    cams           layer → Grad-CAM (N, h, w) of the model's answers;   gradient (N, H, W)
    features       layer → (N, K, h, w)
    filters        (name, (K, C, R, S)) or None
    """

    images: np.ndarray
    x: np.ndarray
    labels: np.ndarray
    probabilities: np.ndarray
    maps: dict
    rollout: attention_rollout.Rollout
    cams: dict
    gradient: np.ndarray
    features: dict
    filters: tuple

    @property
    def answers(self):
        """The model's answers, int (N,)."""
        return self.probabilities.argmax(axis=1)

    @property
    def size(self):
        """(H, W) of the images."""
        return self.images.shape[2:]


def look(model, images, x, labels=None, layers=None):
    """Run the model over images and gather all that a `Look` holds.

    layers: names, or beginnings of names, of the layers to show (default: all that attend, and of the others the last at each size).
    ValueError for a name that no layer has, with the nearest.
    """
    attend, spatial = list(Recording(model).layers), list(spatial_layers(model, x))
    wanted = None if layers is None else chosen(layers, attend, spatial)
    with evaluating(model), ta.no_grad(), record(model) as recording:
        logits = model(ta.tensor(x)).data
    raised = np.exp(logits - logits.max(axis=1, keepdims=True))
    answers = logits.argmax(axis=1)
    maps = {name: kinds for name, kinds in recording.maps.items() if wanted is None or name in wanted}
    shown = features.last_of_each_size(model, x)
    if wanted is not None:
        shown = [name for name in spatial if name in wanted][-6:] or shown
    return Look(images, x, labels, raised / raised.sum(axis=1, keepdims=True), maps, attention_rollout.of_recording(recording.maps, x.shape[2:]),
                {name: grad_cam(model, x, answers, name) for name in shown[-3:]}, saliency(model, x, answers),
                features.feature_maps(model, x, shown), features.first_filters(model))


def chosen(layers, attend, spatial):
    """Those names among `attend` and `spatial` that `layers` ask for: themselves, or all below them ("stages.0" asks for "stages.0.gate")."""
    known, wanted = [*dict.fromkeys([*attend, *spatial])], []
    for layer in layers:
        below = [name for name in known if name == layer or name.startswith(f"{layer}.")]
        if not below:
            hint = did_you_mean(layer, known, quoted=False)
            raise ValueError(f"no layer is called {layer!r}: {hint}{' ' * bool(hint)}those that attend: {', '.join(attend) or 'none'}")
        wanted += below
    return wanted
