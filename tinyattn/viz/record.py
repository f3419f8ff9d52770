"""Listen to a model's attention: which channels, pixels and tokens it weighed, for the batch it saw last."""
import contextlib


class Recording:
    """What the attention modules of a model said in their last forward pass.

    ``recording.maps`` is a dict from a module's name to its maps, in the order the modules stand in the model. A
    map's name, its kind, says what was weighed: ``"channel"`` (N, C), ``"pixel"`` (N, H, W), ``"tokens"`` (N, heads, T, T),
    ``"pool"`` (N, T) … (`kinds.KINDS` lists them).
    """

    def __init__(self, model):
        self._modules = {name: module for name, module in model.named_modules() if hasattr(module, "record_attention")}
        self._kept = None

    @property
    def layers(self):
        """The names of the modules that can be recorded."""
        return list(self._modules)

    @property
    def maps(self):
        """Module name → {map name → ndarray}; modules that did not run are left out."""
        if self._kept is not None:
            return self._kept
        return {name: dict(module.attention_maps) for name, module in self._modules.items()
                if getattr(module, "attention_maps", None)}

    def of_kind(self, kind):
        """The maps of one kind (``"pixel"``, …): list of (module name, ndarray)."""
        return [(name, maps[kind]) for name, maps in self.maps.items() if kind in maps]


@contextlib.contextmanager
def record(model):
    """``with record(model) as recording: model(x)`` keeps every attention map of the forward passes inside.

    The result and the speed outside the block stay what they were. The maps of the last pass go with the recording: after the block
    `recording.maps` still has them, and the model does not carry them along. Blocks may be nested: each keeps what ran in it.
    """
    recording = Recording(model)
    modules = list(recording._modules.values())
    before = [(module.record_attention, module.attention_maps) for module in modules]
    for module in modules:
        module.record_attention, module.attention_maps = True, {}
    try:
        yield recording
    finally:
        recording._kept = recording.maps
        for module, values in zip(modules, before):
            module.record_attention, module.attention_maps = values
