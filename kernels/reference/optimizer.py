"""One step of an optimizer, in place, for many parameters at once: a rung may move them all in one launch.

`ps`, `gs` and those of the state are lists: the parameters, their gradients, …, of one length; the arrays at one place in them
are of one shape, and all arrays of one dtype. Formulas are for one place. What changes from step to step comes in one-element
arrays: `lr` of p's dtype and `step` int64. Nothing is returned.
With `maximize` the step is uphill: −g takes the place of g. Gradients are never changed.
"""
import numpy as np

from .matmul import matmul

__all__ = ["sgd_step", "adam_step", "rmsprop_step", "lion_step", "muon_step", "newton_schulz", "lerp_step", "power_norm"]


def _each(arrays, ps):
    """A list of the state, or None for each parameter where there is none."""
    return [None] * len(ps) if arrays is None else arrays


def sgd_step(ps, gs, momentum_buffers, lr, momentum, dampening, weight_decay, nesterov, first, maximize=False):
    """Stochastic gradient descent with momentum (Sutskever et al. 2013), as torch.optim.SGD counts it.

        g ← g + weight_decay · p
        b ← g                                        at the `first` step, then
        b ← momentum · b + (1 − dampening) · g
        p ← p − lr · b          (nesterov: p − lr · (g + momentum · b))

    `momentum_buffers` is the list of b, or None with momentum = 0.
    """
    for p, g, b in zip(ps, gs, _each(momentum_buffers, ps)):
        g = -g if maximize else g
        if weight_decay:
            g = g + weight_decay * p
        if b is not None:
            if first:
                b[...] = g
            else:
                b *= momentum
                b += (1 - dampening) * g
            g = g + momentum * b if nesterov else b
        p -= lr[0] * g


def adam_step(ps, gs, ms, vs, lr, step, beta1, beta2, eps, weight_decay, decoupled, maximize=False, v_maxes=None):
    """Adam (Kingma & Ba 2014, arXiv:1412.6980), or, `decoupled`, AdamW (Loshchilov & Hutter 2017, arXiv:1711.05101).

        g ← g + weight_decay · p          Adam          p ← p − lr · weight_decay · p          AdamW
        m ← β₁ · m + (1 − β₁) · g
        v ← β₂ · v + (1 − β₂) · g²
        p ← p − lr / (1 − β₁ᵗ) · m / (√v / √(1 − β₂ᵗ) + eps)

    `step` holds t, 1 at the first step. With `v_maxes` (AMSGrad; Reddi, Kale & Kumar 2018) the last line has, in place of v,
    the largest v so far: v_max ← max(v_max, v).
    """
    t, rate = float(step[0]), float(lr[0])
    for p, g, m, v, v_max in zip(ps, gs, ms, vs, _each(v_maxes, ps)):
        g = -g if maximize else g
        if decoupled:
            p *= 1 - rate * weight_decay
        elif weight_decay:
            g = g + weight_decay * p
        m += (1 - beta1) * (g - m)
        v *= beta2
        v += (1 - beta2) * g * g
        if v_max is not None:
            v = np.maximum(v_max, v, out=v_max)
        p -= rate / (1 - beta1 ** t) * m / (np.sqrt(v) / (1 - beta2 ** t) ** 0.5 + eps)


def rmsprop_step(ps, gs, square_avgs, grad_avgs, momentum_buffers, lr, alpha, eps, weight_decay, momentum, maximize=False):
    """RMSprop (Tieleman & Hinton 2012; centered: Graves 2013, arXiv:1308.0850), as torch.optim.RMSprop counts it.

        g ← g + weight_decay · p
        v ← α · v + (1 − α) · g²
        a ← α · a + (1 − α) · g                          centered; its square is taken from v, not below 0
        d = g / (√(v − a²) + eps)                        not centered: g / (√v + eps)
        b ← momentum · b + d;   p ← p − lr · b           without momentum: p ← p − lr · d

    `square_avgs` holds v; `grad_avgs` a, or is None if not centered; `momentum_buffers` b, or is None with momentum = 0.
    """
    for p, g, v, a, b in zip(ps, gs, square_avgs, _each(grad_avgs, ps), _each(momentum_buffers, ps)):
        g = -g if maximize else g
        if weight_decay:
            g = g + weight_decay * p
        v *= alpha
        v += (1 - alpha) * g * g
        spread = v
        if a is not None:
            a += (1 - alpha) * (g - a)
            spread = np.maximum(v - a * a, 0)  # rounding may leave a little less than nothing
        d = g / (np.sqrt(spread) + eps)
        if b is not None:
            b *= momentum
            b += d
            d = b
        p -= lr[0] * d


def lion_step(ps, gs, ms, lr, beta1, beta2, weight_decay, maximize=False):
    """Lion: every element moves by the same length (Chen et al. 2023, arXiv:2302.06675, algorithm 2).

        c = β₁ · m + (1 − β₁) · g
        p ← p − lr · (sign(c) + weight_decay · p)
        m ← β₂ · m + (1 − β₂) · g
    """
    for p, g, m in zip(ps, gs, ms):
        g = -g if maximize else g
        direction = np.sign(m + (1 - beta1) * (g - m))
        p *= 1 - float(lr[0]) * weight_decay
        p -= lr[0] * direction
        m += (1 - beta2) * (g - m)


def newton_schulz(x, coefficients, steps, eps):
    """Nearly the orthogonal matrix nearest to x (M, N): its singular vectors, with singular values near 1 (Jordan et al. 2024).

        x ← x / max(‖x‖, eps);   then, `steps` times:   A = x·xᵀ,   x ← a·x + (b·A + c·A²)·x     (a, b, c) = coefficients

    Each round applies a·σ + b·σ³ + c·σ⁵ to all singular values at once. A tall x (M > N) is multiplied from the right,
    with A = xᵀ·x: the same polynomial, and the smaller A. Returns a new array.
    """
    a, b, c = coefficients
    tall = x.shape[0] > x.shape[1]
    x = (x / max(float(power_norm(x, 2)[0]), eps)).astype(x.dtype)
    for _ in range(steps):
        A = matmul(x, x, tall, not tall)  # (n, n), n the smaller of M and N
        B = b * A + c * matmul(A, A)
        x = a * x + (matmul(x, B) if tall else matmul(B, x))
    return x


def muon_step(p, g, momentum_buffer, lr, weight_decay, momentum, nesterov, ns_coefficients, eps, ns_steps, scale):
    """Muon, for one matrix p (M, N) (Jordan et al. 2024, kellerjordan.github.io/posts/muon), as torch.optim.Muon counts it.

        b ← μ · b + (1 − μ) · g
        u = b                            (nesterov: (1 − μ) · g + μ · b)
        p ← p − lr · weight_decay · p − lr · scale · newton_schulz(u)

    `momentum_buffer` is b, `momentum` μ.
    """
    momentum_buffer += (1 - momentum) * (g - momentum_buffer)
    u = g + momentum * (momentum_buffer - g) if nesterov else momentum_buffer
    rate = float(lr[0])
    p *= 1 - rate * weight_decay
    p -= rate * scale * newton_schulz(u, ns_coefficients, ns_steps, eps)


def lerp_step(averages, ps, weight):
    """average ← average + weight · (p − average): one step of an exponential moving average, in place, for every pair."""
    for average, p in zip(averages, ps):
        average += weight * (p - average)


def power_norm(x, order):
    """‖x‖ₚ = (Σ |xᵢ|ᵖ)^(1/p) for p = `order`, as one float64 in an array, added in float64.

    p = ∞ is the largest |xᵢ|, −∞ the smallest, and 0 the number of elements that are not 0. 0 for an empty x.
    """
    size = np.abs(x, dtype=np.float64).reshape(-1)
    if size.size == 0:
        return np.zeros(1)
    with np.errstate(all="ignore"):
        if np.isinf(order):
            return np.array([size.max() if order > 0 else size.min()])
        if order == 0:
            return np.array([np.count_nonzero(size)], np.float64)
        return np.array([np.sum(size ** order) ** (1 / np.float64(order))])
