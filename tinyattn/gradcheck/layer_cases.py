"""The cases of layers and models: inputs and every parameter. A layer is made by a call ``f(nn)``, so that a test can make
PyTorch's layer of the same name too."""
from dataclasses import dataclass

import numpy as np

from .cases import D, I, N, tensors


def flat(made):
    """The tensors that a call returned, however nested, as a list; None is left out."""
    if isinstance(made, (tuple, list)):
        return [y for one in made for y in flat(one)]
    return [] if made is None else [made]


@dataclass(frozen=True)
class LayerCase:
    """One layer: how it is made, its inputs, and its mode."""
    name: str
    label: str
    make: object
    inputs: tuple
    training: bool = True
    smooth: bool = True
    second: bool = True

    def arrays(self, seed=0):
        """The inputs as NumPy arrays (float64 where float)."""
        random = np.random.default_rng([seed, *map(ord, self.name + self.label)])
        return [spec.make(random) for spec in self.inputs]

    def module(self, seed=0):
        """The layer in float64, its parameters moved off their first values (zeros hide mistakes)."""
        import tinyattn
        tinyattn.manual_seed(seed)
        module = self.make(tinyattn.nn).double().train(self.training)
        random = np.random.default_rng(seed)
        for p in module.parameters():
            p.data[...] += 0.3 * random.normal(size=p.shape)
        return module

    def prepared(self, seed=0, dtype=np.float64, rounded=False):
        """(function of tensors, [inputs and parameters]), for `gradcheck`."""
        import tinyattn
        module = self.module(seed)
        if rounded:
            module.float().double()
        module = module.to(dtype)
        inputs = tensors(self.inputs, self.arrays(seed), dtype, rounded)
        count = len(inputs)

        def function(*xs):
            tinyattn.manual_seed(seed)
            return flat(module(*xs[:count]))

        return function, inputs + list(module.parameters())

    def names(self):
        """What `prepared` lists, in words."""
        return ["input" if len(self.inputs) == 1 else f"input {i}" for i in range(len(self.inputs))] + [n for n, _ in self.module().named_parameters()]


LAYERS = []


def layer(name, make, *inputs, label="", training=True, smooth=True, second=True):
    """Add a `LayerCase` to the list."""
    LAYERS.append(LayerCase(name, label, make, inputs, training, smooth, second))


layer("Linear", lambda nn: nn.Linear(4, 3), N(2, 4))
layer("Linear", lambda nn: nn.Linear(4, 3, bias=False), N(2, 5, 4), label="no bias")
layer("Conv2d", lambda nn: nn.Conv2d(3, 4, 3, stride=2, padding=1), N(2, 3, 5, 6))
layer("Conv2d", lambda nn: nn.Conv2d(4, 4, 3, padding=1, groups=4, bias=False), N(2, 4, 5, 5), label="depthwise")
layer("Conv2d", lambda nn: nn.Conv2d(2, 3, (3, 1), dilation=(2, 1)), N(2, 2, 7, 3), label="dilated")
layer("Conv1d", lambda nn: nn.Conv1d(2, 3, 3, padding=1), N(2, 2, 6))
layer("Conv2d", lambda nn: nn.Conv2d(2, 3, (2, 3), padding="same", padding_mode="reflect"), N(2, 2, 4, 5), label="same, reflected")
layer("Conv2d", lambda nn: nn.Conv2d(2, 3, 3, 2, (2, 1), padding_mode="circular"), N(2, 4, 5), label="circular, one image")
layer("Conv1d", lambda nn: nn.Conv1d(2, 3, 3, padding=2, padding_mode="replicate"), N(2, 2, 6), label="replicated")
layer("Conv1d", lambda nn: nn.Conv1d(2, 3, 3, padding="valid", padding_mode="reflect"), N(2, 2, 6), label="valid")
layer("ConvTranspose2d", lambda nn: nn.ConvTranspose2d(3, 4, 3, 2, 1, 1), N(2, 3, 4, 3))
layer("ConvTranspose2d", lambda nn: nn.ConvTranspose2d(4, 2, (2, 3), groups=2, bias=False, dilation=(1, 2)), N(4, 3, 3), label="groups, one image")
layer("ConvTranspose1d", lambda nn: nn.ConvTranspose1d(2, 3, 3, stride=2, padding=1), N(2, 2, 6))
for mode in (True, False):
    word = "" if mode else "eval"
    layer("BatchNorm1d", lambda nn: nn.BatchNorm1d(3), N(5, 3), training=mode, label=word)
    layer("BatchNorm1d", lambda nn: nn.BatchNorm1d(3), N(4, 3, 5), training=mode, label=f"long {word}".strip())
    layer("BatchNorm2d", lambda nn: nn.BatchNorm2d(3), N(2, 3, 4, 3), training=mode, label=word)
layer("BatchNorm1d", lambda nn: nn.BatchNorm1d(3, 0.1, None, bias=False), N(5, 3), label="mean of all batches, no bias")
layer("BatchNorm3d", lambda nn: nn.BatchNorm3d(3), N(2, 3, 2, 3, 2))
layer("BatchNorm2d", lambda nn: nn.BatchNorm2d(3, affine=False, track_running_stats=False), N(2, 3, 4, 3), label="bare")
layer("LayerNorm", lambda nn: nn.LayerNorm(5), N(3, 5))
layer("LayerNorm", lambda nn: nn.LayerNorm((3, 4), elementwise_affine=False), N(2, 3, 4), label="bare")
layer("LayerNorm", lambda nn: nn.LayerNorm(4, 0.01, True, False), N(3, 4), label="no bias")
layer("GroupNorm", lambda nn: nn.GroupNorm(2, 4), N(2, 4, 3, 3))
layer("GroupNorm", lambda nn: nn.GroupNorm(2, 4, bias=False), N(2, 4, 3), label="no bias")
for mode in (True, False):
    layer("InstanceNorm1d", lambda nn: nn.InstanceNorm1d(3, affine=True, track_running_stats=True), N(2, 3, 5), training=mode,
          label="tracking" if mode else "eval")
layer("InstanceNorm2d", lambda nn: nn.InstanceNorm2d(3), N(3, 4, 3), label="one image")
layer("MaxPool2d", lambda nn: nn.MaxPool2d(3, 2, 1), D(2, 2, 6, 5))
layer("AvgPool2d", lambda nn: nn.AvgPool2d(3, 2, 1, count_include_pad=False), N(2, 2, 6, 5))
layer("AdaptiveAvgPool2d", lambda nn: nn.AdaptiveAvgPool2d((2, 3)), N(2, 2, 5, 7))
for name in ("ConstantPad", "ZeroPad", "ReflectionPad", "ReplicationPad", "CircularPad"):
    for d in (1, 2, 3):
        options = {"value": 2.0} if name == "ConstantPad" else {}
        layer(f"{name}{d}d", lambda nn, n=f"{name}{d}d", o=options: getattr(nn, n)(1, **o), N(2, 2, *(3, 4, 2)[:d]))
layer("ReflectionPad2d", lambda nn: nn.ReflectionPad2d((1, 2, 0, 1)), N(2, 2, 3, 4), label="four numbers")
layer("AdaptiveMaxPool2d", lambda nn: nn.AdaptiveMaxPool2d((None, 3)), D(2, 2, 5, 7))
layer("MaxPool1d", lambda nn: nn.MaxPool1d(3, 2, 1), D(2, 2, 6))
layer("AvgPool1d", lambda nn: nn.AvgPool1d(3, 2, 1, True, False), N(2, 2, 6))
layer("AdaptiveAvgPool1d", lambda nn: nn.AdaptiveAvgPool1d(3), N(2, 2, 7))
layer("AdaptiveMaxPool1d", lambda nn: nn.AdaptiveMaxPool1d(3), D(2, 2, 7))
for options in (dict(scale_factor=2), dict(size=(5, 3), mode="bilinear"), dict(scale_factor=(1.5, 0.7), mode="bicubic", align_corners=True),
                dict(scale_factor=1.6, recompute_scale_factor=True, mode="nearest-exact")):
    layer("Upsample", lambda nn, o=options: nn.Upsample(**o), N(2, 2, 3, 4), label=" ".join(map(str, options.values())))
layer("UpsamplingNearest2d", lambda nn: nn.UpsamplingNearest2d(scale_factor=3), N(2, 2, 3, 4))
layer("UpsamplingBilinear2d", lambda nn: nn.UpsamplingBilinear2d((5, 6)), N(2, 2, 3, 4))
layer("Unfold", lambda nn: nn.Unfold(3, padding=1, stride=2), N(2, 2, 5, 4))
layer("Fold", lambda nn: nn.Fold((5, 4), 3, padding=1, stride=2), N(2, 18, 6))
layer("Embedding", lambda nn: nn.Embedding(5, 3), I(5, 2, 4))
layer("Embedding", lambda nn: nn.Embedding(5, 3, padding_idx=-1), I(4, 2, 4), label="padding")
layer("Flatten", lambda nn: nn.Flatten(), N(2, 3, 2, 2))
layer("Unflatten", lambda nn: nn.Unflatten(-1, (2, -1)), N(3, 6))
layer("Identity", lambda nn: nn.Identity(3, of="anything"), N(2, 3))
layer("Dropout", lambda nn: nn.Dropout(0.0), N(2, 3), label="p=0")
layer("Dropout", lambda nn: nn.Dropout(0.5), N(2, 3), training=False, label="eval")
layer("Dropout1d", lambda nn: nn.Dropout1d(0.5), N(2, 3), training=False)
layer("Dropout2d", lambda nn: nn.Dropout2d(0.5), N(2, 3, 2, 2), training=False)
for name in ("ReLU", "GELU", "SiLU", "Sigmoid", "Tanh", "Softplus", "ELU", "LeakyReLU"):
    layer(name, lambda nn, name=name: getattr(nn, name)(), D(3, 5))
layer("Softmax", lambda nn: nn.Softmax(1), N(3, 5))
layer("LogSoftmax", lambda nn: nn.LogSoftmax(1), N(3, 5))
layer("CrossEntropyLoss", lambda nn: nn.CrossEntropyLoss(label_smoothing=0.1), N(3, 5), I(5, 3))
layer("NLLLoss", lambda nn: nn.NLLLoss(), N(3, 5), I(5, 3))
layer("MSELoss", lambda nn: nn.MSELoss(), N(3, 5), N(3, 5))
layer("L1Loss", lambda nn: nn.L1Loss(reduction="sum"), N(3, 5), N(3, 5))
layer("Sequential", lambda nn: nn.Sequential(nn.Linear(4, 5), nn.Tanh(), nn.Linear(5, 2)), N(3, 4))
layer("MultiheadAttention", lambda nn: nn.MultiheadAttention(6, 2), N(4, 2, 6), N(5, 2, 6), N(5, 2, 6))
layer("MultiheadAttention", lambda nn: nn.MultiheadAttention(4, 1, bias=False, batch_first=True), N(2, 3, 4), N(2, 5, 4), N(2, 5, 4),
      label="batch first")
layer("MultiheadAttention", lambda nn: nn.MultiheadAttention(6, 2, kdim=3, vdim=5), N(4, 2, 6), N(5, 2, 3), N(5, 2, 5), label="kdim, vdim")
layer("MultiheadAttention", lambda nn: nn.MultiheadAttention(4, 2, add_bias_kv=True, add_zero_attn=True), N(3, 4), N(2, 4), N(2, 4),
      label="more keys, unbatched")

# without a twin in PyTorch
layer("ConvNormAct", lambda nn: nn.ConvNormAct(2, 3, 3, stride=2), N(3, 2, 5, 5))
layer("ConvNormAct", lambda nn: nn.ConvNormAct(2, 3, 3), N(3, 2, 5, 5), training=False, label="eval")
layer("ConvNormAct", lambda nn: nn.ConvNormAct(2, 3, 1, activation=None), N(3, 2, 4, 4), label="no activation")
layer("AttentionPool", lambda nn: nn.attention.AttentionPool(5), N(2, 5, 3, 4))
layer("AttentionPool", lambda nn: nn.attention.AttentionPool(5), N(2, 7, 5), label="of tokens")


def _model(nn, name, **options):
    """A model with few channels, so that the check is quick; `nn` may bring models of its own (see free.py)."""
    import tinyattn
    return getattr(getattr(nn, "models", tinyattn.models), name)(**options)


layer("LeNet", lambda nn: _model(nn, "LeNet", image_size=16), N(2, 1, 16, 16), second=False)
for gate in ("none", "se", "eca", "cbam", "self"):
    layer("AttentionCNN", lambda nn, gate=gate: _model(nn, "AttentionCNN", image_size=8, attention=gate, widths=(3, 4, 5)), N(3, 1, 8, 8),
          label=gate, second=False)
layer("ResNet", lambda nn: _model(nn, "ResNet", depth=8, image_size=8, attention="cbam", width=4), N(2, 3, 8, 8), second=False)
layer("CCT", lambda nn: _model(nn, "CCT", image_size=8, dim=8, depth=1, heads=2), N(2, 3, 8, 8), training=False, second=False)
