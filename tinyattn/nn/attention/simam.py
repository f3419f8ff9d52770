"""SimAM: a number that differs from its neighbours matters; no parameters. (Yang et al., ICML 2021, PMLR 139:11863)"""
from ...grad_mode import no_grad
from ...ops.arguments import real
from ...ops.energy import energy
from .. import functional as F
from .gate import Gate


class SimAM(Gate):
    """y = x · σ(e),   e = (x − μ)² / (4 (v + λ)) + ½,   μ and v the mean and variance of a channel over its P = H·W pixels.

    x and e (N, C, H, W), μ and v (N, C); v = Σ (x − μ)² / (P − 1), as in the paper's listing, and 0 where P = 1. e is the inverse of the
    least energy of a neuron that is to be told from all others of its channel. λ (`e_lambda`) keeps the division finite.

    Recorded: "voxel" σ(e). Parameters: none. Place it at the end of a block, before the residual is added.
    """

    def __init__(self, channels, e_lambda=1e-4):
        super().__init__(channels)
        self.e_lambda = real(e_lambda, "SimAM", "e_lambda")
        if not self.e_lambda > 0:
            raise ValueError(f"SimAM: e_lambda must be above 0, got {e_lambda}")

    def forward(self, x):
        self.check(x)
        if self.record_attention:
            with no_grad():
                self.keep(voxel=energy(x, self.e_lambda))
        return F.energy_gate(x, self.e_lambda)

    def extra_repr(self):
        return f"{self.channels}, e_lambda={self.e_lambda}"
