"""Dropout as a module, which knows whether it trains."""
from ..ops.arguments import flag, probability
from . import functional as F
from .module import Module


class Dropout(Module):
    """In training, set elements to 0 with probability p; see `functional.dropout`."""

    function = staticmethod(F.dropout)

    def __init__(self, p=0.5, inplace=False):
        super().__init__()
        name = type(self).__name__
        self.p, self.inplace = probability(p, name), flag(inplace, name, "inplace")

    def forward(self, input):
        return type(self).function(input, self.p, self.training, self.inplace)

    def extra_repr(self):
        return f"p={self.p}, inplace={self.inplace}"


class Dropout1d(Dropout):
    """In training, set whole channels of (N, C, L) or (C, L) to 0; see `functional.dropout1d`."""

    function = staticmethod(F.dropout1d)


class Dropout2d(Dropout):
    """In training, set whole channels of (N, C, H, W) to 0; see `functional.dropout2d`."""

    function = staticmethod(F.dropout2d)
