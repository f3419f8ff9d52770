"""What modules that take several feature maps ask of them."""
from ...ops.arguments import float_argument, same_dtype
from ...tensor import Tensor


def listed_maps(maps, levels, caller):
    """The maps given one by one, or as one list, as a list. ValueError unless there are `levels`, each (N, C, H, W) and not empty."""
    if len(maps) == 1 and isinstance(maps[0], (list, tuple)):
        maps = maps[0]
    if len(maps) != levels:
        hint = "; they are given one by one or as one list" if len(maps) == 1 and isinstance(maps[0], Tensor) else ""
        raise ValueError(f"{caller}: {len(maps)} feature maps, expected {levels}{hint}")
    for i, x in enumerate(maps):
        if float_argument(x, caller, f"map {i}").ndim != 4 or 0 in x.shape:
            raise ValueError(f"{caller}: map {i} has shape {x.shape}, expected (N, C, H, W), none of them 0")
        if len(x) != len(maps[0]):
            raise ValueError(f"{caller}: map {i} has {len(x)} images and map 0 has {len(maps[0])}: {x.shape} and {maps[0].shape}")
    return list(maps)


def same_maps(maps, levels, channels, caller, weight):
    """The same of maps that must all have one shape, with `channels` channels (None: any) and the dtype of `weight`."""
    maps = listed_maps(maps, levels, caller)
    same_dtype(caller, **{f"map {i}": x for i, x in enumerate(maps)}, weight=weight)
    for i, x in enumerate(maps):
        if channels is not None and x.shape[1] != channels:
            raise ValueError(f"{caller}: map {i} has shape {x.shape}, expected (N, {channels}, H, W)")
        if x.shape != maps[0].shape:
            raise ValueError(f"{caller}: map {i} has shape {x.shape} and map 0 has {maps[0].shape}; bring them to one size with "
                             "F.interpolate(x, size=…) and to as many channels with a 1×1 convolution")
    return maps
