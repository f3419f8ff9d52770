"""SimAM's gate as one operation: a number that differs from the rest of its channel is let through. (Yang et al., ICML 2021)

    y = x · σ(e),    e = (x − μ)² / (4 (v + λ)) + ½

μ and v are the mean and variance of each channel of each image over its P pixels (v with P − 1, or 1 where P = 1). One image is in
the cache while the kernel passes over it: three times, where the operations one by one read and write the batch a dozen times.
"""
from ..autograd import Function, is_grad_enabled
from .arguments import real
from .elementwise import sigmoid
from .gates import _feature_map, _image, _tokens


class EnergyGateFunction(Function):
    """y = x · σ((x − μ)² / (4 (v + λ)) + ½)"""

    def forward(ctx, x, e_lambda):
        y, notes = ctx.kernels.energy_gate_forward(_tokens(ctx.kernels, x), e_lambda)
        ctx.save(x, notes)
        return _image(y, x.shape)

    def backward(ctx, dy):
        x, notes = ctx.saved
        if is_grad_enabled():
            return _written_out(dy, x, ctx.attributes["e_lambda"])
        return EnergyGateGradFunction.apply(dy, x, notes)


class EnergyGateGradFunction(Function):
    """dx in one visit to each image of dy and x; not recorded (see _written_out)"""

    def forward(ctx, dy, x, notes):
        k = ctx.kernels
        return _image(k.energy_gate_backward(_tokens(k, dy), _tokens(k, x), notes), x.shape)


def _parts(x, e_lambda):
    """d = x − μ, k = 1 / (4 (v + λ)), σ(e) and P − 1."""
    n, others = x.shape[2] * x.shape[3], max(1, x.shape[2] * x.shape[3] - 1)
    d = x - x.mean((2, 3), keepdim=True)                                  # (N, C, H, W)
    v = d.square().mean((2, 3), keepdim=True) * (n / others)              # (N, C, 1, 1)
    k = 1 / (4 * (v + e_lambda))
    return d, k, sigmoid(k * d.square() + 0.5), others


def _written_out(dy, x, e_lambda):
    """dx by ordinary operations, where it is recorded itself. (The formula stands at the kernel.)"""
    d, k, s, others = _parts(x, e_lambda)
    q = dy * x * s * (1 - s)
    du = 2 * k * d * (q - 4 * k * (q * d.square()).sum((2, 3), keepdim=True) / others)
    return dy * s + du - du.mean((2, 3), keepdim=True)


def energy(input, e_lambda=1e-4):
    """σ(e) (N, C, H, W), what `energy_gate` multiplies its input by, from ordinary operations."""
    return _parts(_feature_map(input, "energy"), _positive(e_lambda, "energy"))[2]


def energy_gate(input, e_lambda=1e-4):
    """input (N, C, H, W) · σ(e): SimAM's gate, which has no parameters. ValueError unless e_lambda > 0 and no axis is empty."""
    return EnergyGateFunction.apply(_feature_map(input, "energy_gate"), e_lambda=_positive(e_lambda, "energy_gate"))


def _positive(e_lambda, caller):
    if not real(e_lambda, caller, "e_lambda") > 0:
        raise ValueError(f"{caller}: e_lambda must be above 0, got {e_lambda}")
    return float(e_lambda)
