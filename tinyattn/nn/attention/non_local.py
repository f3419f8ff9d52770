"""Non-local blocks: every place takes from all others what is like it. (Wang et al., arXiv:1711.07971)"""
from ... import ops
from ...ops.arguments import flag
from .. import init
from ..linear import Linear
from ..norm import BatchNorm2d
from .gate import Gate, hidden_channels


class NonLocal2d(Gate):
    """y = x + norm(W Σ_j a_ij g_j),   a_ij = softmax_j(θ_i·φ_j): the embedded Gaussian.

    x (N, C, H, W), its P = H·W places as tokens; θ, φ, g (N, P, h) are three linear maps of x to h = max(4, C / 2) channels, a
    (N, P, P), W (C, h). The batch norm's scale starts at 0, so that the block first passes x through. The scores are as in the
    paper, not divided by anything; `scaled` divides them by √h, the square root of the length of the vectors that are multiplied.

    Recorded: "tokens" (N, 1, P, P). Parameters: 4Ch + 3h + 2C, so 2C² and a little. The cost grows with P²: place it, once or twice,
    on maps up to about 16×16.
    """

    quadratic = True

    def __init__(self, channels, scaled=False):
        super().__init__(channels)
        self.scaled = flag(scaled, type(self).__name__, "scaled")
        self.hidden = hidden_channels(channels, 2, type(self).__name__)
        self.embed = Linear(channels, 3 * self.hidden)                  # θ, φ and g, one below the other
        self.out, self.norm = Linear(self.hidden, channels, bias=False), BatchNorm2d(channels)
        init.zeros_(self.norm.weight)

    def forward(self, x):
        self.check(x)
        n, c, h, w = x.shape
        embedded = self.embed(x.flatten(2).transpose(1, 2))             # (N, P, 3h)
        y = self.out(self.gathered(embedded))                           # (N, P, C)
        return x + self.norm(y.transpose(1, 2).reshape(n, c, h, w))

    def gathered(self, embedded):
        """Σ_j a_ij g_j (N, P, h) of θ, φ and g side by side (N, P, 3h)."""
        scale = self.hidden ** -0.5 if self.scaled else 1.0
        if self.record_attention:
            theta, phi, _ = embedded.detach().unsqueeze(1).split(self.hidden, 3)
            self.keep(tokens=ops.attention.attention_weights(theta, phi, None, False, scale))
        return ops.attention.SelfAttentionFunction.apply(embedded, None, heads=1, causal=False, scale=scale)

    def own_multiply_adds(self, inputs, output):
        """θφᵀ and its product with g."""
        n, _, h, w = output.shape
        return 2 * n * (h * w) ** 2 * self.hidden


class DotProductNonLocal2d(NonLocal2d):
    """y = x + norm(W Σ_j a_ij g_j),   a_ij = θ_i·φ_j / P: the plain product, divided by the number of places.

    All else is `NonLocal2d`'s. Without a softmax between them the products may be taken in the other order, Θ(Φᵀ g) for
    (Θ Φᵀ) g: h² numbers in between in place of P², and a cost that grows with P. So it may stand on large maps.
    Recorded: "tokens" (N, 1, P, P), of either sign.
    """

    quadratic = False

    def __init__(self, channels):
        super().__init__(channels)

    def gathered(self, embedded):
        theta, phi, g = embedded.split(self.hidden, 2)                  # (N, P, h) each
        places = embedded.shape[1]
        if self.record_attention:
            self.keep(tokens=(theta @ phi.transpose(1, 2)).unsqueeze(1) / places)
        return theta @ (phi.transpose(1, 2) @ g / places)               # (N, P, h)

    def own_multiply_adds(self, inputs, output):
        """φᵀg and its product with θ."""
        n, _, h, w = output.shape
        return 2 * n * h * w * self.hidden ** 2
