"""The small networks, each a file of its own. `create(name, …)` makes one by name.

    lenet          two convolutions, three linear layers: where it all began
    attention_cnn  convolution stages with a pluggable gate, then attention pooling
    level_cnn      the answer read from every stage; the levels are weighed by attention
    resnet8/20     residual networks for 32×32 images, with a pluggable gate
    whitened_vgg   convolutions behind a fixed layer that whitens patches, 4 or 8 layers: made to be trained quickly
    cct            convolutions make tokens, self-attention blocks mix them, attention pooling sums them up
"""

from ..nearest import did_you_mean
from ..nn.attention import check_name
from ..ops.arguments import whole
from .attention_cnn import AttentionCNN
from .cct import CCT
from .lenet import LeNet
from .level_cnn import LevelCNN
from .resnet import ResNet
from .whitened_vgg import WhitenedVGG

MODELS = {
    "lenet": lambda **options: LeNet(**options),
    "attention_cnn": lambda **options: AttentionCNN(**options),
    "level_cnn": lambda **options: LevelCNN(**options),
    "resnet8": lambda **options: ResNet(depth=8, **options),
    "resnet20": lambda **options: ResNet(depth=20, **options),
    "whitened_vgg4": lambda **options: WhitenedVGG(widths=(32,), patch=4, stride=2, patches=16, pool=False, scale=1.0, **options),
    "whitened_vgg8": lambda **options: WhitenedVGG(**options),
    "cct": lambda **options: CCT(**options),
}
"""Name → maker of every model."""

HAS_GATES = ("attention_cnn", "level_cnn", "resnet8", "resnet20", "whitened_vgg4", "whitened_vgg8")
"""Models into which ``attention="…"`` plugs a gate."""


def create(name, in_channels=1, num_classes=10, image_size=28, attention="none"):
    """The model called `name`, for square images of `image_size` pixels with `in_channels` channels.

    `attention` is one of `nn.attention.GATES`; a model without a place for a gate takes only "none". ValueError for
    unknown names, with the nearest that exists.
    """
    if not isinstance(name, str) or name not in MODELS:
        hint = did_you_mean(name, MODELS)
        raise ValueError(f"unknown model {name!r}" + (f"; {hint}" if hint else "")
                         + f" (there are {', '.join(MODELS)})")
    check_name(attention)
    options = dict(in_channels=in_channels, num_classes=num_classes, image_size=image_size)
    for option, value in options.items():
        whole(value, name, option)
    if name in HAS_GATES:
        options["attention"] = attention
    elif attention != "none":
        raise ValueError(f"{name} has no place for a gate; use attention \"none\", or one of {', '.join(HAS_GATES)}")
    return MODELS[name](**options)


__all__ = ["AttentionCNN", "CCT", "HAS_GATES", "LeNet", "LevelCNN", "MODELS", "ResNet", "WhitenedVGG", "create"]
