"""A table of trained vectors."""
from .. import kernels
from ..ops.arguments import flag, float_argument, real, whole
from ..ops.creation import zeros
from ..ops.embedding import padding_row
from . import functional as F
from . import init
from .module import Module, Parameter
from .parameter import checked_options


class Embedding(Module):
    """Rows of a trained table picked by number.  weight (num_embeddings, embedding_dim), first values normal.

    The row `padding_idx` begins as zeros and gets no gradient; for the other options see `functional.embedding`.
    """

    def __init__(self, num_embeddings, embedding_dim, padding_idx=None, max_norm=None, norm_type=2.0, scale_grad_by_freq=False,
                 sparse=False, _weight=None, _freeze=False, device=None, dtype=None):
        super().__init__()
        self.num_embeddings, self.embedding_dim = (whole(num_embeddings, "Embedding", "num_embeddings"),
                                                   whole(embedding_dim, "Embedding", "embedding_dim"))
        self.padding_idx = padding_row(padding_idx, num_embeddings, "Embedding")
        self.max_norm = None if max_norm is None else real(max_norm, "Embedding", "max_norm", 0)
        self.norm_type, self.sparse = real(norm_type, "Embedding", "norm_type"), flag(sparse, "Embedding", "sparse")
        self.scale_grad_by_freq = flag(scale_grad_by_freq, "Embedding", "scale_grad_by_freq")
        trained = not flag(_freeze, "Embedding", "_freeze")
        if _weight is not None:
            if float_argument(_weight, "Embedding", "_weight").shape != (num_embeddings, embedding_dim):
                raise ValueError(f"Embedding: _weight has shape {_weight.shape}, expected ({num_embeddings}, {embedding_dim})")
            self.weight = Parameter(_weight, trained)
            return
        self.weight = Parameter(zeros(num_embeddings, embedding_dim, **checked_options("Embedding", device, dtype)), trained)
        self.reset_parameters()

    def reset_parameters(self):
        """First values anew."""
        init.normal_(self.weight)
        if self.padding_idx is not None:
            kernels.of(self.weight.data).fill(self.weight.data[self.padding_idx], 0)

    @classmethod
    def from_pretrained(cls, embeddings, freeze=True, padding_idx=None, max_norm=None, norm_type=2.0, scale_grad_by_freq=False, sparse=False):
        """A table of given rows (a Tensor (V, D), not copied), by default not trained further."""
        if float_argument(embeddings, "Embedding.from_pretrained", "embeddings").ndim != 2:
            raise ValueError(f"Embedding.from_pretrained: embeddings has shape {embeddings.shape}, expected (num_embeddings, embedding_dim)")
        return cls(*embeddings.shape, padding_idx, max_norm, norm_type, scale_grad_by_freq, sparse, embeddings, freeze)

    def forward(self, input):
        return F.embedding(input, self.weight, self.padding_idx, self.max_norm, self.norm_type, self.scale_grad_by_freq, self.sparse)

    def extra_repr(self):
        text = f"{self.num_embeddings}, {self.embedding_dim}"
        for name, usual in (("padding_idx", None), ("max_norm", None), ("norm_type", 2.0), ("scale_grad_by_freq", False), ("sparse", False)):
            if getattr(self, name) != usual:
                text += f", {name}={getattr(self, name)}"
        return text
