"""Maps from gradients, for any network, with attention or without: plain gradients and Grad-CAM.

    saliency   |∂ score of the class / ∂ pixel|          (K. Simonyan, A. Vedaldi and A. Zisserman, arXiv:1312.6034)
    grad_cam   max(Σ_k α_k A_k, 0), α_k = mean over places of ∂ score / ∂ A_k     (Selvaraju et al., arXiv:1610.02391)

A_k is channel k of what a layer gives out: feature maps (N, K, h, w), or tokens (N, T, K) that were cut from the image.
"""
import numpy as np

import tinyattn as ta

from ..nearest import did_you_mean
from ..nn.attention import QueryDecoder
from ..nn.module import evaluating
from .kinds import token_grid


def saliency(model, x, classes=None):
    """How strongly each pixel could change the score of a class: the largest |gradient| over the channels, (N, H, W).

    x (N, C, H, W), an array, normalised. classes: int (N,), default the model's answers.
    """
    x = ta.tensor(np.asarray(x), requires_grad=True)
    with evaluating(model):
        (gradient,) = ta.grad(_scores(model(x), classes), [x])
    return np.abs(gradient.data).max(axis=1)


def grad_cam(model, x, classes=None, layer=None):
    """Which places of a layer's feature maps speak for a class: (N, h, w), at least 0.

    x (N, C, H, W), an array, normalised. classes: int (N,), default the model's answers.
    layer: the name of a module, default the last one that still knows places (see `spatial_layers`)
    ValueError where the layer does not exist, or what it gives out has no places.
    """
    x = np.asarray(x)
    layer = _default_layer(model, x, "grad_cam") if layer is None else layer
    kept = []

    def hook(module, inputs, output):
        kept[:] = [output.detach().requires_grad_()]    # the sweep ends here: what came before is not asked for
        return kept[0]

    handle = _module(model, layer, "grad_cam").register_forward_hook(hook)
    try:
        with evaluating(model):
            scores = _scores(model(ta.tensor(x)), classes)
    finally:
        handle.remove()
    if not kept:
        raise ValueError(f"grad_cam: layer {layer!r} took no part in the model's answer; {_those_with_places(model, x)}")
    if not scores.requires_grad:
        raise ValueError(f"grad_cam: the model's answer does not depend on what layer {layer!r} gave out; {_those_with_places(model, x)}")
    (gradient,) = ta.grad(scores, kept)
    maps, slopes = (as_maps(t.data, x.shape[2:]) for t in (kept[0], gradient))
    if maps is None:
        raise ValueError(f"grad_cam: layer {layer!r} gives out {kept[0].shape}, which has no places; {_those_with_places(model, x)}")
    weights = slopes.mean(axis=(2, 3), keepdims=True)                   # α (N, K, 1, 1)
    return np.maximum((weights * maps).sum(axis=1), 0)


def as_maps(values, size):
    """What a layer gave out as feature maps (N, K, h, w) of more than one place; None where it has no places.

    Tokens (N, T, K) are laid out as the grid they were cut from an image of `size` as; one for the class is left out.
    """
    if values.ndim == 4 and values.shape[2] * values.shape[3] > 1:
        return values
    grid = token_grid(values.shape[1], size) if values.ndim == 3 else None
    if grid is None or grid[0] * grid[1] == 1:
        return None
    h, w, extra = grid
    return values[:, extra:].transpose(0, 2, 1).reshape(len(values), values.shape[2], h, w)


def spatial_layers(model, x):
    """Name → (K, h, w) of every module whose output knows places, in the order in which they finished. x as in `grad_cam`.

    What has one channel is left out: it is a map already (a gate, a score), not features. So are tokens as many as the queries of a
    `QueryDecoder` in the model: they are answers, and have no places.
    """
    found, handles = {}, []
    asked = {len(module.queries) for module in model.modules() if isinstance(module, QueryDecoder)}

    def listen(name):
        def hook(module, inputs, output):
            answers = not isinstance(output, ta.Tensor) or output.ndim == 3 and output.shape[1] in asked
            maps = None if answers else as_maps(output.data, x.shape[2:])
            if maps is not None and len(maps) == 1 and maps.shape[1] > 1:
                found.pop(name, None)
                found[name] = maps.shape[1:]
        return hook

    try:
        handles += [module.register_forward_hook(listen(name)) for name, module in model.named_modules() if name]
        with evaluating(model), ta.no_grad():
            model(ta.tensor(np.asarray(x)[:1]))
    finally:
        for handle in handles:
            handle.remove()
    return found


def _scores(logits, classes):
    """The sum over the batch of each image's score for its class: images do not mix, so one sweep serves all."""
    answers = logits.data.argmax(axis=1) if classes is None else np.asarray(classes)
    if answers.shape != logits.shape[:1] or answers.min() < 0 or answers.max() >= logits.shape[1]:
        raise ValueError(f"classes have shape {answers.shape} and go from {answers.min()} to {answers.max()}, expected ({logits.shape[0]},) "
                         f"from 0 to {logits.shape[1] - 1}")
    chosen = np.zeros(logits.shape, logits.dtype)
    chosen[np.arange(len(answers)), answers] = 1
    return (logits * ta.tensor(chosen)).sum()


def _module(model, name, caller):
    found = dict(model.named_modules())
    if name not in found or not name:
        hint = did_you_mean(name, [known for known in found if known])
        raise ValueError(f"{caller}: the model has no layer {name!r}" + (f"; {hint}" if hint else ""))
    return found[name]


def _default_layer(model, x, caller):
    names = list(spatial_layers(model, x))
    if not names:
        raise ValueError(f"{caller}: no layer of this model gives out feature maps (N, K, H, W) or tokens (N, T, K)")
    return names[-1]


def _those_with_places(model, x):
    return "layers with places: " + ", ".join(list(spatial_layers(model, x))[-6:])
