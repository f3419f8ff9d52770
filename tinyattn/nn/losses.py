"""Losses as modules; see the functions of the same names in `nn.functional`."""
from ..ops.loss import reduction_of
from . import functional as F
from .module import Module


class _Loss(Module):
    """What losses share: how they are reduced, and maybe a weight, which travels with the module."""

    def __init__(self, size_average=None, reduce=None, reduction="mean", **options):
        super().__init__()
        if "weight" in options:
            self.register_buffer("weight", options.pop("weight"))
        self.reduction = reduction_of(reduction, size_average, reduce, type(self).__name__)
        self.options = options

    def extra_repr(self):
        return ", ".join(f"{name}={value!r}" for name, value in {**self.options, "reduction": self.reduction}.items())


class CrossEntropyLoss(_Loss):
    """Cross-entropy of scores (N, C), (C,) or (N, C, d1, …) against class numbers or probabilities."""

    def __init__(self, weight=None, size_average=None, ignore_index=-100, reduce=None, reduction="mean", label_smoothing=0.0):
        super().__init__(size_average, reduce, reduction, weight=weight, ignore_index=ignore_index, label_smoothing=label_smoothing)

    def forward(self, input, target):
        return F.cross_entropy(input, target, self.weight, reduction=self.reduction, **self.options)


class NLLLoss(_Loss):
    """Negative log-likelihood of class numbers under log-probabilities."""

    def __init__(self, weight=None, size_average=None, ignore_index=-100, reduce=None, reduction="mean"):
        super().__init__(size_average, reduce, reduction, weight=weight, ignore_index=ignore_index)

    def forward(self, input, target):
        return F.nll_loss(input, target, self.weight, reduction=self.reduction, **self.options)


class MSELoss(_Loss):
    """(x − t)², reduced."""

    def __init__(self, size_average=None, reduce=None, reduction="mean"):
        super().__init__(size_average, reduce, reduction)

    def forward(self, input, target):
        return F.mse_loss(input, target, reduction=self.reduction)


class L1Loss(_Loss):
    """|x − t|, reduced."""

    def __init__(self, size_average=None, reduce=None, reduction="mean"):
        super().__init__(size_average, reduce, reduction)

    def forward(self, input, target):
        return F.l1_loss(input, target, reduction=self.reduction)


class SmoothL1Loss(_Loss):
    """(x − t)² / 2β where |x − t| < β, else |x − t| − β/2, reduced."""

    def __init__(self, size_average=None, reduce=None, reduction="mean", beta=1.0):
        super().__init__(size_average, reduce, reduction, beta=beta)

    def forward(self, input, target):
        return F.smooth_l1_loss(input, target, reduction=self.reduction, **self.options)


class BCEWithLogitsLoss(_Loss):
    """Binary cross-entropy of scores against probabilities, of the scores' shape."""

    def __init__(self, weight=None, size_average=None, reduce=None, reduction="mean", pos_weight=None):
        super().__init__(size_average, reduce, reduction, weight=weight)
        self.register_buffer("pos_weight", pos_weight)

    def forward(self, input, target):
        return F.binary_cross_entropy_with_logits(input, target, self.weight, reduction=self.reduction, pos_weight=self.pos_weight)


class BCELoss(_Loss):
    """Binary cross-entropy of probabilities; `BCEWithLogitsLoss` takes scores, and is the safer choice."""

    def __init__(self, weight=None, size_average=None, reduce=None, reduction="mean"):
        super().__init__(size_average, reduce, reduction, weight=weight)

    def forward(self, input, target):
        return F.binary_cross_entropy(input, target, self.weight, reduction=self.reduction)


class KLDivLoss(Module):
    """t · (log t − x) of log-probabilities x and probabilities t; see `functional.kl_div`."""

    def __init__(self, size_average=None, reduce=None, reduction="mean", log_target=False):
        super().__init__()
        self.reduction = reduction if reduction == "batchmean" else reduction_of(reduction, size_average, reduce, "KLDivLoss")
        self.log_target = log_target

    def forward(self, input, target):
        return F.kl_div(input, target, reduction=self.reduction, log_target=self.log_target)

    def extra_repr(self):
        return f"reduction={self.reduction!r}, log_target={self.log_target}"


class HuberLoss(_Loss):
    """(x − t)² / 2 where |x − t| < δ, else δ (|x − t| − δ/2), reduced."""

    def __init__(self, reduction="mean", delta=1.0):
        super().__init__(reduction=reduction, delta=delta)

    def forward(self, input, target):
        return F.huber_loss(input, target, reduction=self.reduction, **self.options)
