"""Dropout as a module, which knows whether it trains."""
from ..ops.arguments import probability
from . import functional as F
from .module import Module


class Dropout(Module):
    """In training, set elements to 0 with probability p; see `functional.dropout`."""

    def __init__(self, p=0.5):
        super().__init__()
        self.p = probability(p, "Dropout")

    def forward(self, x):
        return F.dropout(x, self.p, self.training)

    def extra_repr(self):
        return f"p={self.p}"
