"""What convolutions see: the filters of the first one, and what layers give out."""
import numpy as np

import tinyattn as ta

from .. import nn
from ..nn.module import evaluating
from .gradients import as_maps, spatial_layers


def first_filters(model):
    """The first convolution over the image: (its name, its weights (K, C, R, S)), or None where the model has none."""
    for name, module in model.named_modules():
        if isinstance(module, nn.Conv2d):
            return name, module.weight.data.copy()
    return None


def feature_maps(model, x, layers):
    """What `layers` give out for images x (N, C, H, W), normalised: name → (N, K, h, w). Names as `spatial_layers` has them."""
    found, handles, modules = {}, [], dict(model.named_modules())

    def listen(name):
        def hook(module, inputs, output):
            found[name] = as_maps(output.data, x.shape[2:]).copy()
        return hook

    try:
        handles += [modules[name].register_forward_hook(listen(name)) for name in layers]
        with evaluating(model), ta.no_grad():
            model(ta.tensor(np.asarray(x)))
    finally:
        for handle in handles:
            handle.remove()
    return {name: found[name] for name in layers}


def last_of_each_size(model, x, most=4):
    """The last layer at each size of map, up to `most` of them, the deepest ones: what the model makes of the image step by step."""
    last = {}
    for name, (_, h, w) in spatial_layers(model, x).items():
        last.pop((h, w), None)
        last[h, w] = name
    return list(last.values())[-most:]


def liveliest(maps, count):
    """The `count` channels of maps (K, h, w) that vary most over the places, strongest first: int (count,)."""
    return np.argsort(-maps.std(axis=(1, 2)), kind="stable")[:count]
