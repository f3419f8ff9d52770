"""Listen to a model's attention: which channels, pixels and tokens it weighed, for the batch it saw last."""
import contextlib


class Recording:
    """What the attention modules of a model said in their last forward pass.

    ``recording.maps`` is a dict from a module's name to its maps, in the order the modules stand in the model. A
    map's name says what was weighed: ``"channel"`` (N, C), ``"pixel"`` (N, H, W), ``"tokens"`` (N, heads, T, T),
    ``"pool"`` (N, T).
    """

    def __init__(self, model):
        self._modules = {name: module for name, module in model.named_modules() if hasattr(module, "record_attention")}

    @property
    def maps(self):
        """Module name → {map name → ndarray}; modules that did not run are left out."""
        return {name: dict(module.attention_maps) for name, module in self._modules.items()
                if getattr(module, "attention_maps", None)}

    def of_kind(self, kind):
        """The maps of one kind (``"pixel"``, …): list of (module name, ndarray)."""
        return [(name, maps[kind]) for name, maps in self.maps.items() if kind in maps]


@contextlib.contextmanager
def record(model):
    """``with record(model) as recording: model(x)`` keeps every attention map of the forward passes inside.

    Read `recording.maps` before the block ends: the maps are dropped with it, so that a model does not carry them
    along.
    """
    recording = Recording(model)
    modules = list(recording._modules.values())
    before = [module.record_attention for module in modules]
    for module in modules:
        module.record_attention, module.attention_maps = True, {}
    try:
        yield recording
    finally:
        for module, value in zip(modules, before):
            module.record_attention, module.attention_maps = value, {}
