"""A table of trained vectors."""
from ..ops.arguments import whole
from ..ops.creation import zeros
from . import functional as F
from . import init
from .module import Module, Parameter


class Embedding(Module):
    """Rows of a trained table picked by number.  weight (num_embeddings, embedding_dim), first values normal."""

    def __init__(self, num_embeddings, embedding_dim):
        super().__init__()
        self.num_embeddings, self.embedding_dim = (whole(num_embeddings, "Embedding", "num_embeddings"),
                                                   whole(embedding_dim, "Embedding", "embedding_dim"))
        self.weight = Parameter(zeros(num_embeddings, embedding_dim))
        init.normal_(self.weight)

    def forward(self, x):
        return F.embedding(x, self.weight)

    def extra_repr(self):
        return f"{self.num_embeddings}, {self.embedding_dim}"
