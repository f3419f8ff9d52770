"""One step of an optimizer, in place: p, g, and the state are arrays of one shape and dtype.

What changes from step to step comes in one-element arrays: `lr` of p's dtype and `step` int64. Nothing is returned.
With `maximize` the step is uphill: −g takes the place of g. `g` itself is never changed.
"""
import numpy as np

from .matmul import matmul

__all__ = ["sgd_step", "adam_step", "rmsprop_step", "lion_step", "muon_step", "newton_schulz", "lerp_step", "power_norm"]


def sgd_step(p, g, momentum_buffer, lr, momentum, dampening, weight_decay, nesterov, first, maximize=False):
    """Stochastic gradient descent with momentum (Sutskever et al. 2013), as torch.optim.SGD counts it.

        g ← g + weight_decay · p
        b ← g                                        at the `first` step, then
        b ← momentum · b + (1 − dampening) · g
        p ← p − lr · b          (nesterov: p − lr · (g + momentum · b))

    `momentum_buffer` is b, or None with momentum = 0.
    """
    g = -g if maximize else g
    if weight_decay:
        g = g + weight_decay * p
    if momentum_buffer is not None:
        if first:
            momentum_buffer[...] = g
        else:
            momentum_buffer *= momentum
            momentum_buffer += (1 - dampening) * g
        g = g + momentum * momentum_buffer if nesterov else momentum_buffer
    p -= lr[0] * g


def adam_step(p, g, m, v, lr, step, beta1, beta2, eps, weight_decay, decoupled, maximize=False, v_max=None):
    """Adam (Kingma & Ba 2014, arXiv:1412.6980), or, `decoupled`, AdamW (Loshchilov & Hutter 2017, arXiv:1711.05101).

        g ← g + weight_decay · p          Adam          p ← p − lr · weight_decay · p          AdamW
        m ← β₁ · m + (1 − β₁) · g
        v ← β₂ · v + (1 − β₂) · g²
        p ← p − lr / (1 − β₁ᵗ) · m / (√v / √(1 − β₂ᵗ) + eps)

    `step` holds t, 1 at the first step. With `v_max` (AMSGrad; Reddi, Kale & Kumar 2018) the last line has, in place of v,
    the largest v so far: v_max ← max(v_max, v).
    """
    t, rate = float(step[0]), float(lr[0])
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


def rmsprop_step(p, g, square_avg, grad_avg, momentum_buffer, lr, alpha, eps, weight_decay, momentum, maximize=False):
    """RMSprop (Tieleman & Hinton 2012; centered: Graves 2013, arXiv:1308.0850), as torch.optim.RMSprop counts it.

        g ← g + weight_decay · p
        v ← α · v + (1 − α) · g²
        a ← α · a + (1 − α) · g                          centered; its square is taken from v, not below 0
        d = g / (√(v − a²) + eps)                        not centered: g / (√v + eps)
        b ← momentum · b + d;   p ← p − lr · b           without momentum: p ← p − lr · d

    `square_avg` is v; `grad_avg` is a, or None if not centered; `momentum_buffer` is b, or None with momentum = 0.
    """
    g = -g if maximize else g
    if weight_decay:
        g = g + weight_decay * p
    square_avg *= alpha
    square_avg += (1 - alpha) * g * g
    spread = square_avg
    if grad_avg is not None:
        grad_avg += (1 - alpha) * (g - grad_avg)
        spread = np.maximum(square_avg - grad_avg * grad_avg, 0)  # rounding may leave a little less than nothing
    d = g / (np.sqrt(spread) + eps)
    if momentum_buffer is not None:
        momentum_buffer *= momentum
        momentum_buffer += d
        d = momentum_buffer
    p -= lr[0] * d


def lion_step(p, g, m, lr, beta1, beta2, weight_decay, maximize=False):
    """Lion: every element moves by the same length (Chen et al. 2023, arXiv:2302.06675, algorithm 2).

        c = β₁ · m + (1 − β₁) · g
        p ← p − lr · (sign(c) + weight_decay · p)
        m ← β₂ · m + (1 − β₂) · g
    """
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
    """Muon, for matrices p (M, N) (Jordan et al. 2024, kellerjordan.github.io/posts/muon), as torch.optim.Muon counts it.

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


def lerp_step(average, p, weight):
    """average ← average + weight · (p − average): one step of an exponential moving average, in place."""
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
